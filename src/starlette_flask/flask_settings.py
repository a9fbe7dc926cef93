"""
What a Flask app says of its own session cookie: asked of the app, never assumed. Flask isn't imported.
"""

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.formats.serializer import PayloadSerializer, SerializerUnavailable
from starlette_flask.formats.signing import DigestMethod
from starlette_flask.formats.tagged_json import TaggedJSONSerializer, is_tagged_json
from starlette_flask.stores.from_flask import store_of

IS_SHARING = "_starlette_flask_is_sharing"
"""Marks a session interface whose methods are ours, and pass on to the app's own, which it holds."""


class FlaskApp(Protocol):
    """
    The part of a Flask (or Quart) app that decides its sessions.
    """

    session_interface: Any
    config: Any
    secret_key: Any

    @property
    def permanent_session_lifetime(self) -> timedelta: ...

    def app_context(self) -> Any: ...


def ask_app(app: FlaskApp) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Ask a Flask or Quart app how it sends and signs its session cookie.

    Returns:
        What the app uses under Flask's config keys, and `SessionConfig`'s keywords for signing.

    Raises:
        ConfigError: The app has no secret key, or sessions that can't be followed.
        ConfigTypeError: It is no such app.
    """
    app = getattr(app, "_get_current_object", lambda: app)()  # of current_app, which is bound to a moment
    if not hasattr(app, "session_interface"):
        raise ConfigTypeError(f"from_flask takes the Flask app itself, not {type(app).__name__}")
    interface = app.session_interface
    store = store_of(app, own_interface(app))
    if store is None and not hasattr(interface, "get_signing_serializer"):
        raise ConfigError(
            f"the app's session_interface, {_name_of(interface)}, doesn't keep sessions in signed cookies, nor is it"
            " Flask-Session's; ask it through the app: SessionMiddleware(app, store=FlaskInterfaceStore(flask_app))"
        )
    is_flask = hasattr(app, "wsgi_app")
    if is_flask and not hasattr(app, "json"):
        raise ConfigError("from_flask needs Flask 2.2 or newer; use SessionConfig.from_mapping(app.config)")
    # In Flask there always is a context when the interface is asked. Quart's can't be entered here.
    context = app.app_context() if is_flask else nullcontext()
    try:
        with context:
            settings = {
                "SESSION_COOKIE_NAME": interface.get_cookie_name(app),
                "SESSION_COOKIE_DOMAIN": interface.get_cookie_domain(app),
                "SESSION_COOKIE_PATH": interface.get_cookie_path(app),
                "SESSION_COOKIE_HTTPONLY": interface.get_cookie_httponly(app),
                "SESSION_COOKIE_SECURE": interface.get_cookie_secure(app),
                "SESSION_COOKIE_SAMESITE": interface.get_cookie_samesite(app),
                # New in Flask 3.1.
                "SESSION_COOKIE_PARTITIONED": getattr(interface, "get_cookie_partitioned", lambda app: False)(app),
                "SESSION_REFRESH_EACH_REQUEST": app.config["SESSION_REFRESH_EACH_REQUEST"],
                "PERMANENT_SESSION_LIFETIME": app.permanent_session_lifetime,
            }
            if store is not None:
                settings["SESSION_COOKIE_PARTITIONED"] = False  # which Flask-Session never says
                signing = {"store": store}
                if store.use_signer:
                    signing["secret_key"] = app.secret_key
                    signing["secret_key_fallbacks"] = app.config.get("SECRET_KEY_FALLBACKS")
            else:
                signing = _ask_serializer(app, interface.get_signing_serializer(app))
    except ConfigError:
        raise
    except Exception as exc:  # the app's code may raise anything
        raise ConfigError(
            f"{_name_of(interface)}, or a teardown function of the app, works within a request only"
            f" ({type(exc).__name__}: {exc}); give the settings as keywords or with SessionConfig.from_mapping"
        ) from exc
    return settings, signing


def code_of_its_own(app: FlaskApp) -> list[str]:
    """
    Return what the app's session interface does in code of its own, which its settings don't tell: names of methods.
    """
    interface = app.session_interface
    for base in type(interface).__mro__:
        if base.__module__ in ("flask.sessions", "quart.sessions"):
            names = ("open_session", "save_session", "session_class", "should_set_cookie", "get_expiration_time")
            on_the_object = {} if hasattr(interface, IS_SHARING) else vars(interface)
            return [
                name
                for name in names
                if name in on_the_object or getattr(type(interface), name) is not getattr(base, name)
            ]
    return []


def own_interface(app: FlaskApp) -> Any:
    """
    Return the app's session interface, also while another of ours stands before it.
    """
    return getattr(app.session_interface, IS_SHARING, app.session_interface)


def name_of_interface(app: FlaskApp) -> str:
    """
    Return the name of the app's session interface, for messages.
    """
    return _name_of(own_interface(app))


@dataclass(frozen=True)
class InAppContext:
    """
    A serializer that runs code of the Flask app's own, called as the app calls it: in its context.

    Leaving the context runs the app's teardown functions, as at the end of a request.
    """

    app: Any
    serializer: Any

    def dumps(self, value: Any) -> str | bytes:
        with self.app.app_context():
            dumped: str | bytes = self.serializer.dumps(value)
            return dumped

    def loads(self, text: Any) -> Any:
        unreadable: Exception | None = None
        try:
            with self.app.app_context():
                try:
                    return self.serializer.loads(text)
                except Exception as exc:  # the app's code may raise anything; load_payload judges it
                    unreadable = exc
        except Exception as exc:
            raise SerializerUnavailable(
                f"the Flask app's context failed while its session was read ({type(exc).__name__});"
                " look at its teardown functions"
            ) from exc
        raise unreadable


def _ask_serializer(app: FlaskApp, signing: Any) -> dict[str, Any]:
    if signing is None:
        raise ConfigError("the Flask app has no secret key; set app.secret_key (SECRET_KEY) before from_flask")
    methods = ("loads", "dumps", "load_payload", "dump_payload", "make_signer", "iter_unsigners")
    if not (
        isinstance(signing, URLSafeTimedSerializer)
        and _has_methods_of(signing, URLSafeTimedSerializer, *methods)
        and signing.signer is TimestampSigner
        and signing.signer_kwargs.keys() <= {"key_derivation", "digest_method"}
        and not signing.fallback_signers
        and not signing.serializer_kwargs
    ):
        raise ConfigError(
            "get_signing_serializer of the app's session_interface must return itsdangerous' URLSafeTimedSerializer"
            " with no signer_kwargs but key_derivation and digest_method; this one signs in a way of its own"
        )
    keys = list(signing.secret_keys)  # oldest first; the last one signs
    # Flask 3.1.0 had them backwards (GHSA-4grg-w6v8-c28g) and signs with the oldest; we never do.
    newest = app.secret_key.encode() if isinstance(app.secret_key, str) else app.secret_key
    secret_key = keys.pop(keys.index(newest) if newest in keys else -1)
    return {
        "secret_key": app.secret_key if secret_key == newest else secret_key,
        "secret_key_fallbacks": keys,
        "salt": signing.salt,
        "signer_kwargs": signing.signer_kwargs | {"digest_method": _hashlib_twin(signing.signer_kwargs)},
        "serializer": _payload_serializer_of(app, signing.serializer),
    }


def _hashlib_twin(signer_kwargs: dict[str, Any]) -> DigestMethod:
    """
    Return the ``hashlib`` constructor that a digest method stands for, if any.

    Flask wraps ``hashlib.sha1`` in a function, for builds of Python that forbid it. The constructor
    itself is faster, and equal in the configuration of two apps.
    """
    digest_method: DigestMethod = signer_kwargs.get("digest_method") or hashlib.sha1
    made = digest_method(b"probe")
    twin: DigestMethod | None = getattr(hashlib, getattr(made, "name", ""), None)
    return twin if twin is not None and twin(b"probe").digest() == made.digest() else digest_method


def _payload_serializer_of(app: Any, serializer: Any) -> PayloadSerializer:
    if not hasattr(app, "wsgi_app"):
        # Quart, which can't be asked for a context here. Its tags write plain JSON, whatever app.json is.
        return (
            TaggedJSONSerializer(sort_keys=False).with_tags_of(serializer) if is_tagged_json(serializer) else serializer
        )
    if not is_tagged_json(serializer):
        return InAppContext(app, serializer)
    provider = app.json
    base: Any = next((base for base in type(provider).__mro__ if base.__name__ == "DefaultJSONProvider"), None)
    has_settings_only = (
        base is not None
        and _has_methods_of(provider, base, "dumps", "loads")
        and provider.default is base.default
        and not hasattr(type(app), "json_encoder")  # Flask 2.2, whose provider has more settings
    )
    if has_settings_only:
        tagged = TaggedJSONSerializer(sort_keys=provider.sort_keys, ensure_ascii=provider.ensure_ascii)
    else:
        tagged = TaggedJSONSerializer(provider=provider)
    tagged = tagged.with_tags_of(serializer)
    # Code of the app's own may ask for current_app, as it can in Flask.
    return tagged if has_settings_only and tagged.has_default_tags else InAppContext(app, tagged)


def _has_methods_of(obj: object, base: type, *names: str) -> bool:
    return all(getattr(getattr(obj, name), "__func__", None) is getattr(base, name) for name in names)


def _name_of(interface: object) -> str:
    return f"{type(interface).__module__}.{type(interface).__qualname__}"
