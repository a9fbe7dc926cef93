import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, current_app
from flask.json.provider import DefaultJSONProvider
from flask.json.tag import TaggedJSONSerializer as FlaskTaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface, SessionInterface
from itsdangerous import BadPayload, Signer, URLSafeTimedSerializer, base64_encode
from starlette.datastructures import Secret

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.formats.serializer import SerializerUnavailable
from starlette_flask.stores import MemoryStore
from tests.formats.test_tagged_json import FlaskTagComplex
from tests.interop.apps import needs_flask

LOGGER = "starlette_flask.sessions"


def make_app(interface: SessionInterface | None = None, /, **settings: Any) -> Flask:
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "secret"
    app.config.update(settings)
    if interface is not None:
        app.session_interface = interface
    return app


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"secret_key": ""}, "the secret key is empty", id="empty secret"),
        pytest.param({"secret_key": Secret("")}, "the secret key is empty", id="empty Secret"),
        pytest.param({"secret_key": None}, "no secret key; set secret_key", id="no secret"),
        pytest.param({"secret_key_fallbacks": "old"}, "must be a list of keys", id="bare string"),
        pytest.param({"secret_key_fallbacks": b"old"}, "must be a list of keys", id="bare bytes"),
        pytest.param({"secret_key_fallbacks": Secret("old")}, "must be a list of keys", id="bare Secret"),
        pytest.param({"secret_key_fallbacks": 1}, "must be a list of keys", id="fallbacks of another type"),
        pytest.param({"secret_key_fallbacks": ["old", ""]}, "fallback is empty", id="empty fallback"),
        pytest.param({"same_site": "loose"}, "unknown same_site", id="same_site"),
        pytest.param({"same_site": "none"}, "SameSite=None without Secure; set https_only", id="SameSite=None"),
        pytest.param({"partitioned": True}, "Partitioned without Secure; set https_only", id="partitioned"),
        pytest.param({"session_cookie": "__Host-s"}, "without Secure", id="__Host-"),
        pytest.param({"session_cookie": "s;"}, "can't be used", id="name"),
        pytest.param({"path": "/;"}, "can't be used", id="path"),
        pytest.param({"domain": "a;b"}, "can't be used", id="domain"),
        pytest.param({"signer_kwargs": {"sep": "!"}}, r"unknown signer_kwargs \['sep'\]", id="signer_kwargs"),
        pytest.param({"signer_kwargs": {1: 2, "a": 3}}, r"unknown signer_kwargs \['1', 'a'\]", id="mixed keys"),
        pytest.param({"https_only": "false"}, "https_only must be True or False, not the text 'false'", id="flag"),
        pytest.param({"signer_kwargs": ["hmac"]}, "signer_kwargs must be a dict", id="signer_kwargs of another type"),
        pytest.param({"max_age": "60"}, "max_age must be whole seconds or a timedelta", id="max_age"),
        pytest.param({"max_age": True}, "max_age must be whole seconds", id="max_age True"),
        pytest.param({"max_age": 10**30}, "max_age is too long", id="max_age beyond timedelta"),
        pytest.param({"max_age": timedelta(days=4_000_000)}, "ends after the year 9999", id="max_age beyond 9999"),
        pytest.param({"permanent_session_lifetime": None}, "permanent_session_lifetime must be", id="lifetime"),
        pytest.param({"serializer": object()}, "must have dumps and loads", id="serializer"),
        pytest.param({"salt": 1}, "the salt must be", id="salt"),
    ],
)
def test_bad_configuration(options: dict[str, Any], message: str) -> None:
    """
    What can't work is refused at construction, and the message says the fix.
    """
    with pytest.raises(ConfigError, match=message):
        SessionConfig(**{"secret_key": "secret", **options})


@pytest.mark.parametrize("options", [{"secret_key": 1}, {"max_age": "60"}, {"secret_key_fallbacks": [1]}, {"path": 1}])
def test_wrong_type(options: dict[str, Any]) -> None:
    """
    A wrong type is a TypeError as well.
    """
    with pytest.raises(TypeError):
        SessionConfig(**{"secret_key": "secret", **options})


@pytest.mark.parametrize(
    ("max_age", "accepted"),
    [
        pytest.param({}, 31 * 24 * 3600, id="not given"),
        pytest.param({"permanent_session_lifetime": 60}, 60, id="lifetime"),
        pytest.param({"max_age": 60}, 60, id="seconds"),
        pytest.param({"max_age": timedelta(minutes=1.5)}, 90, id="timedelta"),
        pytest.param({"max_age": -1}, -1, id="none at all"),
        pytest.param({"max_age": None}, None, id="any"),
    ],
)
def test_accepted_age(max_age: dict[str, Any], accepted: int | None) -> None:
    """
    Without max_age, Flask's 31 days or the lifetime given; with it, what it says.
    """
    assert SessionConfig(secret_key="secret", **max_age).accepted_age == accepted


def test_compared_by_value() -> None:
    """
    Equal settings are equal, however they were spelled, and usable as keys.
    """
    config = SessionConfig(secret_key="secret", secret_key_fallbacks=["old"])
    same = SessionConfig(secret_key=Secret("secret"), secret_key_fallbacks=(b"old",), salt=b"cookie-session")
    assert config == same
    assert hash(config) == hash(same)
    assert config != SessionConfig(secret_key="secret")
    short = SessionConfig(secret_key="secret", max_age=timedelta(minutes=1), same_site="Lax", https_only=1)  # type: ignore[arg-type]
    assert short == SessionConfig(secret_key="secret", max_age=60, https_only=True, secret_key_fallbacks=None)
    assert config != SessionConfig(secret_key="other", secret_key_fallbacks=["old"])
    assert config != SessionConfig(secret_key="secret", secret_key_fallbacks=["old"], path="/app")


def test_frozen() -> None:
    """
    A configuration can't change under the middleware that uses it.
    """
    config = SessionConfig(secret_key="secret")
    with pytest.raises(AttributeError):
        config.path = "/app"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.signer_kwargs["key_derivation"] = "none"  # type: ignore[index]


def test_secrets_stay_out_of_repr() -> None:
    """
    A configuration can be logged.
    """
    assert "hidden" not in repr(SessionConfig(secret_key="hidden-1", secret_key_fallbacks=["hidden-2"]))


def test_signer_kwargs_complete() -> None:
    """
    What signer_kwargs leaves out is Flask's.
    """
    config = SessionConfig(secret_key="secret", signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": None})
    assert config.signer_kwargs == {"digest_method": hashlib.sha256, "key_derivation": "hmac"}


def test_from_mapping() -> None:
    """
    Flask's keys mean what they mean in Flask, and the rest of app.config does no harm.
    """
    config = SessionConfig.from_mapping(
        {
            "SECRET_KEY": "secret",
            "SECRET_KEY_FALLBACKS": ["old"],
            "SESSION_COOKIE_NAME": "sid",
            "SESSION_COOKIE_DOMAIN": ".example.com:8000",
            "SESSION_COOKIE_PATH": "/caf\u00e9;",
            "SESSION_COOKIE_HTTPONLY": False,
            "SESSION_COOKIE_SAMESITE": "Strict",
            "SESSION_COOKIE_PARTITIONED": True,
            "PERMANENT_SESSION_LIFETIME": 60,
            "SESSION_REFRESH_EACH_REQUEST": False,
            "DEBUG": True,
        }
    )
    assert config == SessionConfig(
        secret_key="secret",
        secret_key_fallbacks=["old"],
        session_cookie="sid",
        domain="example.com",
        path="/caf%C3%A9%3B",
        http_only=False,
        same_site="strict",
        https_only=True,  # Werkzeug adds Secure to Partitioned
        partitioned=True,
        permanent_session_lifetime=60,
        refresh_each_request=False,
    )


def test_from_mapping_defaults() -> None:
    """
    What is left out is Flask's default: no SameSite, and the path is the application root.
    """
    assert SessionConfig.from_mapping({"SECRET_KEY": "secret"}) == SessionConfig(secret_key="secret", same_site=None)
    assert SessionConfig.from_mapping({"SECRET_KEY": "secret", "APPLICATION_ROOT": "/app"}).path == "/app"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        pytest.param({}, "no secret key; set secret_key", id="no secret"),
        pytest.param({"SECRET_KEY": ""}, "the secret key is empty", id="empty secret"),
        pytest.param({"SECRET_KEY": "s", "SECRET_KEY_FALLBACKS": "old"}, "must be a list", id="bare string"),
        pytest.param({"SECRET_KEY": "s", "SESSION_COOKIE_SAMESITE": "loose"}, "unknown same_site", id="SameSite"),
        pytest.param({"SECRET_KEY": "s", "SESSION_COOKIE_SAMESITE": 1}, "same_site must be", id="SameSite of a type"),
        pytest.param({"SECRET_KEY": "s", "SESSION_COOKIE_NAME": None}, "cookie name must be str", id="name"),
        pytest.param({"SECRET_KEY": "s", "APPLICATION_ROOT": None}, "cookie path must be str", id="path"),
        pytest.param({"SECRET_KEY": "s", "SESSION_TYPE": "redis"}, "SESSION_TYPE='redis' keeps", id="Flask-Session"),
        pytest.param({"SECRET_KEY": "s", "SECRET_KEY_FALLBACKS": ""}, "must be a list", id="empty bare string"),
        pytest.param({"SECRET_KEY": "s", "SESSION_COOKIE_SECURE": "False"}, "not the text 'False'", id="flag"),
        pytest.param({"SECRET_KEY": "s", "SESSION_COOKIE_DOMAIN": 5}, "domain must be str or None", id="domain"),
        pytest.param(None, "takes a mapping of config keys, not NoneType", id="no mapping"),
    ],
)
def test_bad_mapping(mapping: Any, message: str) -> None:
    """
    A mapping that can't work is refused like keywords.
    """
    with pytest.raises(ConfigError, match=message):
        SessionConfig.from_mapping(mapping)


def test_what_browsers_refuse_of_flask(caplog: pytest.LogCaptureFixture) -> None:
    """
    What the Flask app sends already is followed, with a warning.
    """
    app = make_app(SESSION_COOKIE_SAMESITE="None")
    assert SessionConfig.from_flask(app).same_site == "none"
    [record] = caplog.records
    assert (record.name, record.levelno) == (LOGGER, logging.WARNING)
    assert "refuse SameSite=None without Secure; set https_only=True (SESSION_COOKIE_SECURE)" in record.getMessage()


@needs_flask("2.3", "the JSON of older versions has settings of its own")
def test_from_flask_equals_from_mapping() -> None:
    """
    The day Flask is deleted, the mapping takes the app's place.
    """
    app = make_app(SESSION_COOKIE_NAME="sid", SESSION_COOKIE_SAMESITE="Lax", PERMANENT_SESSION_LIFETIME=60)
    assert SessionConfig.from_flask(app) == SessionConfig.from_flask(app) == SessionConfig.from_mapping(app.config)


class ServerSideInterface(SessionInterface):
    pass


class OwnSigner(Signer):
    pass


class OtherSerializer(URLSafeTimedSerializer):
    def dumps(self, obj: Any, salt: str | bytes | None = None) -> str:
        return "x"


def interface_with(serializer: Any) -> SecureCookieSessionInterface:
    class Interface(SecureCookieSessionInterface):
        def get_signing_serializer(self, app: Flask) -> Any:
            return serializer

    return Interface()


class NeedsRequest(SecureCookieSessionInterface):
    def get_cookie_domain(self, app: Flask) -> str | None:
        from flask import request

        return request.host


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param(make_app(SECRET_KEY=None), "the Flask app has no secret key; set app.secret_key", id="no secret"),
        pytest.param(make_app(SECRET_KEY=""), "the Flask app has no secret key", id="empty secret"),
        pytest.param(make_app(ServerSideInterface()), "doesn't keep sessions in signed cookies", id="server side"),
        pytest.param(make_app(interface_with(object())), "signs in a way of its own", id="no serializer"),
        pytest.param(make_app(interface_with(OtherSerializer("s"))), "in a way of its own", id="serializer's methods"),
        pytest.param(
            make_app(interface_with(URLSafeTimedSerializer("s", signer=OwnSigner))),
            "in a way of its own",
            id="signer",
        ),
        pytest.param(
            make_app(interface_with(URLSafeTimedSerializer("s", signer_kwargs={"sep": "!"}))),
            "in a way of its own",
            id="separator",
        ),
        pytest.param(
            make_app(interface_with(URLSafeTimedSerializer("s", fallback_signers=[{"key_derivation": "none"}]))),
            "in a way of its own",
            id="fallback signers",
        ),
        pytest.param(make_app(NeedsRequest()), "NeedsRequest, or a teardown function of", id="needs a request"),
        pytest.param("not an app", "takes the Flask app itself, not str", id="no app"),
    ],
)
def test_flask_apps_that_cannot_be_followed(app: Any, message: str) -> None:
    """
    An app whose sessions can't be shared is refused, and the message says what to use instead.
    """
    with pytest.raises(ConfigError, match=message):
        SessionConfig.from_flask(app)


@needs_flask("3.1", "no SECRET_KEY_FALLBACKS before")
@pytest.mark.parametrize("fallbacks", ["old", b"old", ["old", ""]])
def test_bad_fallbacks_of_flask(fallbacks: Any) -> None:
    """
    A bare string would be taken apart into keys of one character, and an empty key signs nothing.
    """
    with pytest.raises(ConfigError, match="fallback"):
        SessionConfig.from_flask(make_app(SECRET_KEY_FALLBACKS=fallbacks))


def test_newest_key_signs_whatever_the_order() -> None:
    """
    GHSA-4grg-w6v8-c28g: Flask 3.1.0 had the keys backwards. Ours signs with the app's secret key all the same.
    """
    app = make_app(interface_with(URLSafeTimedSerializer(["secret", "old"])))
    config = SessionConfig.from_flask(app)
    assert (config.secret_key, config.secret_key_fallbacks) == ("secret", (b"old",))


def test_key_of_the_interface() -> None:
    """
    An interface that signs with a key of its own is followed.
    """
    config = SessionConfig.from_flask(make_app(interface_with(URLSafeTimedSerializer(["old", "own"]))))
    assert (config.secret_key, config.secret_key_fallbacks) == (b"own", (b"old",))


def test_overridden_methods(caplog: pytest.LogCaptureFixture) -> None:
    """
    What an interface does in code can't be read off it, and that is said.
    """

    class Interface(SecureCookieSessionInterface):
        def should_set_cookie(self, app: Flask, session: Any) -> bool:
            return False

    SessionConfig.from_flask(make_app(Interface()))
    [record] = caplog.records
    assert "Interface has its own should_set_cookie: from_flask follows its settings" in record.getMessage()


def test_current_app() -> None:
    """
    current_app is the app of this moment, and it is the app that is asked later on.
    """
    app = make_app()
    app.session_interface = interface_with_tag()
    with app.app_context():
        config = SessionConfig.from_flask(current_app)  # a proxy
    serializer = config.signing_serializer
    assert serializer.loads(serializer.dumps({"a": 1j})) == {"a": 1j}


def test_teardown_that_needs_a_request() -> None:
    """
    An app whose teardown fails outside a request can't be asked, and the message says what to do.
    """
    app = make_app()

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None:
        raise AttributeError("db")

    with pytest.raises(ConfigError, match=r"or a teardown function of the app.*AttributeError: db.*from_mapping"):
        SessionConfig.from_flask(app)


def interface_with_tag() -> SecureCookieSessionInterface:
    class Interface(SecureCookieSessionInterface):
        serializer = FlaskTaggedJSONSerializer()

    Interface.serializer.register(FlaskTagComplex)
    return Interface()


def test_failing_context_is_no_empty_session() -> None:
    """
    A session that the app can't read just now is not empty: it would be saved over the real one.
    """
    app = make_app(interface_with_tag())
    failing = False

    @app.teardown_appcontext
    def close(error: BaseException | None) -> None:
        if failing:
            raise ConnectionError

    serializer = SessionConfig.from_flask(app).signing_serializer
    value = serializer.dumps({"a": 1j})
    theirs = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    with pytest.raises(BadPayload, match="TypeError"):
        serializer.loads(sign_payload(theirs, b'{"a":{" c":1}}'))
    failing = True
    with pytest.raises(SerializerUnavailable, match="look at its teardown functions"):
        serializer.loads(value)


def sign_payload(serializer: Any, payload: bytes) -> str:
    """
    Sign what the serializer itself wouldn't write.
    """
    signed: bytes = serializer.make_signer(serializer.salt).sign(base64_encode(payload))
    return signed.decode()


class DuckInterface:
    """
    An interface without a base class of Flask's.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(SecureCookieSessionInterface(), name)


@needs_flask("2.3", "the JSON of older versions has settings of its own")
def test_interface_without_flask(caplog: pytest.LogCaptureFixture) -> None:
    """
    What counts is what the interface answers, not where it comes from.
    """
    app = make_app()
    app.session_interface = DuckInterface()  # type: ignore[assignment]
    assert SessionConfig.from_flask(app) == SessionConfig.from_flask(make_app())
    assert caplog.records == []


def test_json_provider() -> None:
    """
    The JSON is the app's: its settings, or the provider itself where it has methods of its own.
    """
    data = {"b": "\u00e9", "a": (1,)}

    def payload(app: Flask) -> bytes:
        return SessionConfig.from_flask(app).signing_serializer.dump_payload(data)

    assert payload(make_app()) == b'{"a":{" t":[1]},"b":"\\u00e9"}'
    app = make_app()
    assert isinstance(app.json, DefaultJSONProvider)
    app.json.sort_keys = False
    app.json.ensure_ascii = False
    assert payload(app) == '{"b":"\u00e9","a":{" t":[1]}}'.encode()

    class Provider(DefaultJSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return super().dumps(obj, **kwargs).upper()

    app.json = Provider(app)
    assert payload(app) == b'{"A":{" T":[1]},"B":"\\U00E9"}'


def test_flask_too_old() -> None:
    """
    Before 2.2 an app has no JSON provider.
    """
    app = make_app()
    del app.json
    with pytest.raises(ConfigError, match=r"from_flask needs Flask 2.2 or newer; use SessionConfig.from_mapping"):
        SessionConfig.from_flask(app)


def test_serializer_of_the_app() -> None:
    """
    A serializer of the app's own making is called as the app calls it: in the app's context.
    """

    class Own(FlaskTaggedJSONSerializer):
        def dumps(self, value: Any) -> str:
            return super().dumps(value).replace("a", "A")

    class Interface(SecureCookieSessionInterface):
        serializer = Own()

    app = make_app(Interface())
    config = SessionConfig.from_flask(app)
    assert config == SessionConfig.from_flask(app)
    serializer = config.signing_serializer
    assert serializer.dump_payload({"b": 1, "a": 2}) == b'{"A":2,"b":1}'  # sorted, as in a request
    assert serializer.loads(serializer.dumps({"b": 1, "a": 2})) == {"A": 2, "b": 1}


def test_serializer_without_a_context() -> None:
    """
    Quart's context can't be entered from a function; there the serializer is called as it is.
    """

    class Interface(SecureCookieSessionInterface):
        serializer = json  # type: ignore[assignment]

    app = make_app(Interface())

    class Quart:
        session_interface = app.session_interface
        config = app.config
        secret_key = app.secret_key
        permanent_session_lifetime = app.permanent_session_lifetime

        def app_context(self) -> Any:
            raise NotImplementedError

    assert SessionConfig.from_flask(Quart()).serializer is json


class TestStores:
    """
    A config whose sessions a store keeps.
    """

    def test_of_its_own(self) -> None:
        """
        Two configs are equal if they mean the same store; with signed ids, also the same keys.
        """
        store, signing = MemoryStore(), MemoryStore(use_signer=True)
        assert SessionConfig(store=store) == SessionConfig(store=store)
        assert hash(SessionConfig(store=store)) == hash(SessionConfig(store=store))
        assert SessionConfig(store=store) != SessionConfig(store=MemoryStore())
        assert SessionConfig(store=signing, secret_key="a") == SessionConfig(store=signing, secret_key="a")
        assert SessionConfig(store=signing, secret_key="a") != SessionConfig(store=signing, secret_key="b")

    def test_no_serializer(self) -> None:
        """
        The cookie holds no data, so there is nothing that would write or read it.
        """
        assert not hasattr(SessionConfig(store=MemoryStore(), secret_key="secret"), "signing_serializer")

    def test_with_store(self) -> None:
        """
        A store can be given to a config later, once; all else stays as it is.
        """
        config = SessionConfig(secret_key="secret", session_cookie="sid", path="/app", max_age=60)
        store = MemoryStore()
        stored = config.with_store(store)
        assert (stored.store, config.store) == (store, None)
        assert (stored.session_cookie, stored.path, stored.accepted_age) == ("sid", "/app", 60)
        assert stored == SessionConfig(store=store, secret_key="secret", session_cookie="sid", path="/app", max_age=60)
        assert config.with_store(None) is config
        assert stored.with_store(None) is stored
        with pytest.raises(ConfigError, match="config has a store already; drop the other one"):
            stored.with_store(MemoryStore())

    def test_middleware(self) -> None:
        """
        The middleware takes a store by itself, with the keywords, or with a config.
        """
        store = MemoryStore()
        config = SessionConfig(secret_key="secret", session_cookie="sid")

        async def app(*_: Any) -> None:
            pass

        for middleware in (
            SessionMiddleware(app, secret_key="secret", session_cookie="sid", store=store),
            SessionMiddleware(app, config=config, store=store),
            SessionMiddleware(app, config=config.with_store(store)),
            SessionMiddleware(app, config=config.with_store(store), store=None),
        ):
            assert middleware.config == config.with_store(store)
        assert SessionMiddleware(app, store=store).config == SessionConfig(store=store)
        assert SessionMiddleware(app, config=config, store=None).config is config
        with pytest.raises(ConfigError, match="config has a store already"):
            SessionMiddleware(app, config=config.with_store(store), store=store)
        with pytest.raises(ConfigError, match="config says it all; drop it or session_cookie"):
            SessionMiddleware(app, session_cookie="other", config=config, store=store)

    def test_mapping(self) -> None:
        """
        `from_mapping` needs no secret key with a store, and a store for a ``SESSION_TYPE``.
        """
        store = MemoryStore()
        mapping = {"SESSION_TYPE": "redis", "SESSION_COOKIE_NAME": "sid"}
        config = SessionConfig.from_mapping(mapping, store=store)
        assert (config.store, config.session_cookie, config.secret_key) == (store, "sid", None)
        with pytest.raises(ConfigError, match="SESSION_TYPE='redis' keeps sessions on a server"):
            SessionConfig.from_mapping({**mapping, "SECRET_KEY": "secret"})
        for kind in (None, "null"):
            assert SessionConfig.from_mapping({"SESSION_TYPE": kind, "SECRET_KEY": "secret"}).store is None
        with pytest.raises(ConfigError, match="no secret key"):
            SessionConfig.from_mapping(mapping, store=MemoryStore(use_signer=True))

    def test_difference(self) -> None:
        """
        What would keep two apps from having the same session is the cookie and the store; keys only if ids are signed.
        """
        store, signing = MemoryStore(), MemoryStore(use_signer=True)
        config = SessionConfig(store=store, secret_key="a")
        assert config.difference_from(SessionConfig(store=store, salt="other", max_age=5)) == []
        assert config.difference_from(SessionConfig(store=MemoryStore(), path="/x")) == ["path", "store"]
        assert config.difference_from(SessionConfig(secret_key="a")) == ["store"]
        assert SessionConfig(secret_key="a").difference_from(config)[:1] == ["store"]
        signed = SessionConfig(store=signing, secret_key="a")
        assert signed.difference_from(SessionConfig(store=signing, secret_key="a", salt="other")) == []
        others = [
            SessionConfig(store=signing, secret_key="b"),
            SessionConfig(store=signing, secret_key="a", secret_key_fallbacks=["b"]),
        ]
        assert [signed.difference_from(other) for other in others] == [["secret_key"], ["secret_key_fallbacks"]]

    def test_partitioned(self) -> None:
        """
        What browsers refuse is refused with a store, too.
        """
        with pytest.raises(ConfigError, match="Partitioned without Secure"):
            SessionConfig(store=MemoryStore(), partitioned=True)
