import functools
import json
import zlib
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from fastapi import Depends, FastAPI, Form, Request
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from markupsafe import Markup
from starlette.datastructures import Secret
from starlette.endpoints import HTTPEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response

from starlette_flask import ConfigError, SessionMiddleware, csrf
from starlette_flask.csrf import (
    EXPIRED,
    INVALID,
    MISMATCH,
    MISSING,
    ORIGIN_MISMATCH,
    REFERRER_MISMATCH,
    REFERRER_MISSING,
    SCOPE_KEY,
    SESSION_MISSING,
    CSRFConfig,
    CSRFError,
    Guard,
    csrf_exempt,
    csrf_meta_tag,
    csrf_protect,
    generate_csrf,
    is_csrf_exempt,
    token_in,
    token_in_headers,
    validate_csrf,
    validate_origin,
    validate_referrer,
)
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.middleware.csrf import CSRFMiddleware
from tests.helpers import Answer, Browser, ask_asgi, http_scope, websocket_scope
from tests.hostile import HOSTILE_COOKIES, encoded, flipped, signed, stamp

NOW = 1_700_000_000
TEXT = "0123456789abcdef0123456789abcdef01234567"
"""What the session keeps."""

# Recorded from Flask-WTF 1.3.0 with Flask 3.1.3 at NOW, under the key "secret".
GOLDEN = {
    TEXT: ".eJxTMjA0MjYxNTO3sExMSk5JTcPFVwIA4koKpQ.ZVPxAA.lejQ3KBnoSOK1k9px7cCN8iG1Oo",
    "x" * 60: ".eJxTqqAAKAEAfrkcZQ.ZVPxAA.ABWZDVWq2fYdu1yuE94n7ncLKO4",
    "\u00fc\u4e2d": "IsO85LitIg.ZVPxAA.LKgd4xKfX5qVPCWfYXCypOYDKSg",
}
TOKEN = GOLDEN[TEXT]

CONFIG = CSRFConfig(secret_key="secret")


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


def connect(
    *,
    session: Any = None,
    config: CSRFConfig | None = CONFIG,
    headers: tuple[tuple[str, str], ...] = (),
    scheme: str = "http",
) -> HTTPConnection:
    """
    Return a connection as it is inside the middleware.
    """
    scope = http_scope("/")
    scope.update({"session": {} if session is None else session, "scheme": scheme})
    scope["headers"] = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if config is not None:
        scope[SCOPE_KEY] = Guard(config)
    return HTTPConnection(scope)


def reason(check: Any, *args: Any) -> str | None:
    """
    Return why *check* refuses, if it does.
    """
    try:
        check(*args)
    except CSRFError as exc:
        return exc.detail
    return None


class TestConfig:
    def test_defaults(self) -> None:
        """
        With a key alone, the settings are Flask-WTF's.
        """
        public = {name: value for name, value in vars(CONFIG).items() if name[0] != "_" and "secret" not in name}
        assert public == {
            "field_name": "csrf_token",
            "headers": ("X-CSRFToken", "X-CSRF-Token"),
            "methods": frozenset({"POST", "PUT", "PATCH", "DELETE"}),
            "time_limit": 3600,
            "ssl_strict": True,
            "meta_name": "csrf-token",
            "enabled": True,
            "check_default": True,
        }

    def test_is_a_value(self) -> None:
        """
        Two configs with the same settings are equal, and none can be changed.
        """
        options: dict[str, Any] = {"secret_key": "s", "headers": ["A"], "methods": ["post"], "secret_key_fallbacks": []}
        same: dict[str, Any] = {"secret_key": Secret("s"), "headers": ("A",), "methods": {"POST"}}
        assert CSRFConfig(**options) == CSRFConfig(**same)
        assert hash(CSRFConfig(**options)) == hash(CSRFConfig(**same))
        assert CSRFConfig(**options) != CSRFConfig(**{**options, "time_limit": None})
        with pytest.raises(FrozenInstanceError):
            CONFIG.time_limit = None  # type: ignore[misc]  # that is the point

    def test_keys_are_not_shown(self) -> None:
        """
        No key is in the ``repr``.
        """
        config = CSRFConfig(secret_key="the newest", secret_key_fallbacks=["an older"])
        assert "the newest" not in repr(config)
        assert "an older" not in repr(config)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            pytest.param({"secret_key": None}, ConfigError, "no secret key; set secret_key", id="no key"),
            pytest.param({"secret_key": ""}, ConfigError, "the secret key is empty", id="empty key"),
            pytest.param({"secret_key": Secret("")}, ConfigError, "the secret key is empty", id="empty Secret"),
            pytest.param(
                {"secret_key": 1}, ConfigTypeError, "the secret key must be str or bytes", id="number for key"
            ),
            pytest.param(
                {"secret_key_fallbacks": "old"}, ConfigTypeError, "must be a list of keys", id="bare fallback"
            ),
            pytest.param({"secret_key_fallbacks": ["old", ""]}, ConfigError, "fallback is empty", id="empty fallback"),
            pytest.param({"methods": "POST"}, ConfigTypeError, "methods must be a list of names", id="bare method"),
            pytest.param({"methods": [1]}, ConfigTypeError, "methods must hold names only", id="number for method"),
            pytest.param({"headers": "X-T"}, ConfigTypeError, "headers must be a list of names", id="bare header"),
            pytest.param({"headers": [""]}, ConfigTypeError, "headers must hold names only", id="empty header"),
            pytest.param({"headers": None}, ConfigTypeError, "headers must be a list of names", id="no headers"),
            pytest.param({"field_name": ""}, ConfigTypeError, "field_name must be a text, not ''", id="empty field"),
            pytest.param({"field_name": b"a"}, ConfigTypeError, "field_name must be a text", id="field of bytes"),
            pytest.param({"meta_name": None}, ConfigTypeError, "meta_name must be a text, not None", id="no meta name"),
            pytest.param({"time_limit": "60"}, ConfigTypeError, "time_limit must be whole seconds", id="time as text"),
            pytest.param({"time_limit": 1.5}, ConfigTypeError, "time_limit must be whole seconds", id="half seconds"),
            pytest.param({"time_limit": True}, ConfigTypeError, "time_limit must be whole seconds", id="time: True"),
            pytest.param({"ssl_strict": "no"}, ConfigTypeError, "ssl_strict must be True or False", id="ssl_strict"),
            pytest.param({"enabled": "0"}, ConfigTypeError, "enabled must be True or False", id="enabled"),
            pytest.param({"check_default": b""}, ConfigTypeError, "check_default must be True or False", id="default"),
        ],
    )
    def test_what_can_not_work(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        """
        What can't work is refused at once, and the message says the fix.
        """
        with pytest.raises(error, match=message):
            CSRFConfig(**{"secret_key": "secret", **options})

    def test_mapping(self) -> None:
        """
        Each of Flask-WTF's keys is a setting; other keys are ignored.
        """
        mapping = {
            "WTF_CSRF_SECRET_KEY": "secret",
            "WTF_CSRF_FIELD_NAME": "token",
            "WTF_CSRF_HEADERS": ["X-Token"],
            "WTF_CSRF_METHODS": {"POST"},
            "WTF_CSRF_TIME_LIMIT": None,
            "WTF_CSRF_SSL_STRICT": False,
            "WTF_CSRF_META_NAME": "token",
            "WTF_CSRF_ENABLED": False,
            "WTF_CSRF_CHECK_DEFAULT": False,
            "WTF_I18N_ENABLED": True,
            "SESSION_COOKIE_NAME": "s",
        }
        assert CSRFConfig.from_mapping(mapping) == CSRFConfig(
            secret_key="secret",
            field_name="token",
            headers=["X-Token"],
            methods=["POST"],
            time_limit=None,
            ssl_strict=False,
            meta_name="token",
            enabled=False,
            check_default=False,
        )

    @pytest.mark.parametrize(
        ("mapping", "expected"),
        [
            pytest.param({"SECRET_KEY": "a"}, {"secret_key": "a"}, id="the app's"),
            pytest.param({"SECRET_KEY": "a", "SECRET_KEY_FALLBACKS": None}, {"secret_key": "a"}, id="no fallbacks"),
            pytest.param(
                {"SECRET_KEY": "a", "SECRET_KEY_FALLBACKS": ["b"]},
                {"secret_key": "a", "secret_key_fallbacks": ["b"]},
                id="the app's, with older ones",
            ),
            pytest.param({"SECRET_KEY": "a", "WTF_CSRF_SECRET_KEY": "w"}, {"secret_key": "w"}, id="its own"),
            pytest.param(
                {"SECRET_KEY": "a", "SECRET_KEY_FALLBACKS": ["b"], "WTF_CSRF_SECRET_KEY": "w"},
                {"secret_key": "w"},
                id="its own, and none of the app's older ones",
            ),
        ],
    )
    def test_keys_of_a_mapping(self, mapping: dict[str, Any], expected: dict[str, Any]) -> None:
        """
        Flask-WTF's own key comes before the app's, whose older keys are the app's alone.
        """
        assert CSRFConfig.from_mapping(mapping) == CSRFConfig(**expected)

    def test_keywords_come_first(self) -> None:
        """
        Keywords beside a mapping or a Flask app replace what these say.
        """
        mapping = {"SECRET_KEY": "a", "WTF_CSRF_TIME_LIMIT": 60, "WTF_CSRF_ENABLED": False}
        config = CSRFConfig.from_mapping(mapping, secret_key="b", time_limit=None, enabled=True)
        assert config == CSRFConfig(secret_key="b", time_limit=None)
        app = Flask(__name__)
        app.config.update(mapping)
        assert CSRFConfig.from_flask(app, secret_key="b", time_limit=None, enabled=True) == config

    @pytest.mark.parametrize("value", [1, "False", [0]], ids=repr)
    def test_truth_of_a_mapping(self, value: Any) -> None:
        """
        Flask-WTF asks whether a value is true, and so do we: the text "False" is.
        """
        mapping = {"SECRET_KEY": "a", "WTF_CSRF_ENABLED": value, "WTF_CSRF_CHECK_DEFAULT": value}
        assert CSRFConfig.from_mapping(mapping) == CSRFConfig(secret_key="a")

    def test_no_key(self) -> None:
        """
        A mapping or an app without a key is refused.
        """
        with pytest.raises(ConfigError, match=r"no secret key; set secret_key \(SECRET_KEY\)"):
            CSRFConfig.from_mapping({})
        with pytest.raises(ConfigError, match="no secret key"):
            CSRFConfig.from_flask(Flask(__name__))


class TestTokens:
    @pytest.mark.parametrize("text", GOLDEN, ids=ascii)
    def test_golden(self, text: str) -> None:
        """
        A token is byte for byte the one of Flask-WTF for the same text in the same second.
        """
        if text.isascii():
            assert CONFIG.dump_token(text) == GOLDEN[text]
        assert CONFIG.load_token(GOLDEN[text]) == text.encode()

    @pytest.mark.parametrize(
        "text", ["", "a", TEXT, "x" * 5000, "\u00fc\u4e2d\0", "\ud800"], ids=lambda text: ascii(text[:9])
    )
    @pytest.mark.parametrize("key", ["secret", b"\xff\0", "\u4e2d", "k" * 500], ids=lambda key: ascii(key[:9]))
    def test_round_trip(self, text: str, key: str | bytes) -> None:
        """
        Any text and any key will do, as with itsdangerous.
        """
        config = CSRFConfig(secret_key=key)
        assert config.load_token(config.dump_token(text)) == text.encode(errors="surrogatepass")
        theirs = URLSafeTimedSerializer(key, salt="wtf-csrf-token")
        assert theirs.loads(config.dump_token(text)) == text
        if text.isascii():
            assert config.dump_token(text) == theirs.dumps(text)

    @pytest.mark.parametrize(
        ("age", "expected"),
        [(0, None), (3600, None), (3601, EXPIRED), (10**9, EXPIRED), (-1, EXPIRED)],
        ids=["new", "oldest", "a second too old", "decades old", "of the future"],
    )
    def test_age(self, age: int, expected: str | None) -> None:
        """
        A token is good for 3,600 seconds, as Flask-WTF's, and not before it was made.
        """
        with time_machine.travel(NOW + age, tick=False):
            assert reason(CONFIG.load_token, TOKEN) == expected

    def test_time_limit(self) -> None:
        """
        The limit can be set, and left out.
        """
        with time_machine.travel(NOW + 61, tick=False):
            assert reason(CSRFConfig(secret_key="secret", time_limit=60).load_token, TOKEN) == EXPIRED
            assert reason(CSRFConfig(secret_key="secret", time_limit=61).load_token, TOKEN) is None
        with time_machine.travel(NOW + 10**9, tick=False):
            assert reason(CSRFConfig(secret_key="secret", time_limit=None).load_token, TOKEN) is None

    @pytest.mark.parametrize("cookie", HOSTILE_COOKIES, ids=str)
    def test_hostile(self, cookie: Any) -> None:
        """
        Whatever a client may send in place of a cookie is no token.
        """
        for line in cookie.lines:
            assert reason(CONFIG.load_token, line) == INVALID
            assert reason(CONFIG.load_token, line.partition("=")[2]) == INVALID

    @pytest.mark.parametrize(
        "token",
        [
            *[pytest.param(flipped(TOKEN, position), id=f"flipped at {position}") for position in (0, 5, 45, 50, -2)],
            pytest.param(TOKEN[:-1], id="a character short"),
            pytest.param(TOKEN[1:], id="first character missing"),
            pytest.param(TOKEN + "\u00e9", id="a letter more"),
            pytest.param("\u4e2d" + TOKEN, id="a letter before"),
            pytest.param(TOKEN + "=", id="padded"),
            pytest.param(TOKEN + "\ud800", id="surrogate"),
            pytest.param(" " + TOKEN, id="a space before"),
            pytest.param(TEXT, id="what the session keeps"),
            pytest.param("\u00e9", id="a letter"),
            pytest.param("\0", id="NUL"),
            pytest.param(".", id="a dot"),
            pytest.param("..", id="two dots"),
            pytest.param("." * 100_000, id="many dots"),
            pytest.param("x" * 1_000_000, id="1 MB"),
            pytest.param(URLSafeTimedSerializer("other", salt="wtf-csrf-token").dumps(TEXT), id="another key"),
            pytest.param(URLSafeTimedSerializer("secret", salt="cookie-session").dumps(TEXT), id="another salt"),
            pytest.param(
                URLSafeTimedSerializer("secret", salt="wtf-csrf-token", signer_kwargs={"key_derivation": "hmac"}).dumps(
                    TEXT
                ),
                id="the session's derivation",
            ),
        ],
    )
    def test_not_genuine(self, token: str) -> None:
        """
        What we haven't signed is refused.
        """
        assert reason(CONFIG.load_token, token) == INVALID

    @pytest.mark.parametrize(
        "payload",
        [b"null", b"1", b"true", b"1.5", b"NaN", b"[]", b"{}", b'["%s"]' % TEXT.encode(), b'{"%s": 1}' % TEXT.encode()],
        ids=bytes.decode,
    )
    def test_signed_and_no_text(self, payload: bytes) -> None:
        """
        A token that we have signed over something else than text is refused, where Flask-WTF 1.3 answers 500.
        """
        assert reason(CONFIG.load_token, _signed(encoded(payload))) == INVALID

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(encoded(b"no JSON"), id="no JSON"),
            pytest.param(encoded(b'"\xff"'), id="no UTF-8"),
            pytest.param(encoded(b'""""'), id="two texts"),
            pytest.param(encoded(b"[" * 100_000), id="100,000 lists"),
            pytest.param(b"A", id="no base64"),
            pytest.param(b".A", id="no base64, compressed"),
            pytest.param(b".", id="nothing, compressed"),
            pytest.param(b"." + encoded(b"no zlib"), id="no zlib"),
            pytest.param(b"." + encoded(zlib.compress(json.dumps(TEXT).encode())[:-5]), id="truncated zlib"),
            pytest.param(b"." + encoded(zlib.compress(b'"%s"' % (b"x" * 2_000_000))), id="2 MB, compressed"),
        ],
    )
    def test_signed_and_not_readable(self, value: bytes) -> None:
        """
        A token that we have signed over what can't be read is refused.
        """
        assert reason(CONFIG.load_token, _signed(value)) == INVALID

    @pytest.mark.parametrize(
        ("at", "expected"),
        [(b"", EXPIRED), (b"A", INVALID), (stamp(2**64 - 1), EXPIRED), (stamp(2**64), INVALID)],
        ids=["none", "no base64", "8 bytes", "9 bytes"],
    )
    def test_odd_times(self, at: bytes, expected: str) -> None:
        """
        Odd timestamps are refused, those too that are a 500 in itsdangerous.
        """
        assert reason(CONFIG.load_token, _signed(encoded(json.dumps(TEXT).encode()), at)) == expected

    def test_key_rotation(self) -> None:
        """
        The newest key signs; the older ones verify until they are dropped.
        """
        first = CSRFConfig(secret_key="first")
        second = CSRFConfig(secret_key="second", secret_key_fallbacks=["first"])
        third = CSRFConfig(secret_key=Secret("third"), secret_key_fallbacks=[b"zeroth", "second"])
        assert reason(second.load_token, first.dump_token(TEXT)) is None
        assert reason(second.load_token, second.dump_token(TEXT)) is None
        assert reason(third.load_token, second.dump_token(TEXT)) is None
        assert reason(third.load_token, first.dump_token(TEXT)) == INVALID
        assert reason(first.load_token, second.dump_token(TEXT)) == INVALID


def _signed(value: bytes, at: bytes = stamp(NOW)) -> str:
    """
    Sign anything at all, as tokens are.
    """
    return signed(value + b"." + at, key="secret", salt="wtf-csrf-token", key_derivation="django-concat")


NO_TEXTS = [None, 1, True, b"bytes", ["a"], {"a": 1}, ("a",), 1.5]


class TestGenerate:
    def test_new(self) -> None:
        """
        The session gets 40 random hexadecimal digits, as Flask-WTF's SHA-1 is, and the token stands for them.
        """
        connection = connect()
        token = generate_csrf(connection)
        text = connection.session["csrf_token"]
        assert len(text) == 40
        assert bytes.fromhex(text)
        assert token == CONFIG.dump_token(text)
        assert generate_csrf(connect()) != token

    def test_once_in_a_request(self) -> None:
        """
        All forms of a page have the same token, however long the page takes.
        """
        connection = connect()
        token = generate_csrf(connection)
        with time_machine.travel(NOW + 1, tick=False):
            assert generate_csrf(connection) == token
            assert generate_csrf(HTTPConnection(connection.scope)) == token

    def test_session_stays(self) -> None:
        """
        A session that has a text keeps it, and with it the forms that are open in other tabs.
        """
        session = {"csrf_token": TEXT}
        assert generate_csrf(connect(session=session)) == TOKEN
        assert session == {"csrf_token": TEXT}

    @pytest.mark.parametrize("value", NO_TEXTS, ids=repr)
    def test_no_text(self, value: Any) -> None:
        """
        What isn't text is replaced, where Flask-WTF 1.3 makes a token that it can't check.
        """
        session = {"csrf_token": value}
        token = generate_csrf(connect(session=session))
        assert reason(validate_csrf, connect(session=session), token) is None

    def test_field_name(self) -> None:
        """
        The field's name is the session's key.
        """
        connection = connect(config=CSRFConfig(secret_key="secret", field_name="token"))
        generate_csrf(connection)
        assert connection.session.keys() == {"token"}

    def test_meta_tag(self) -> None:
        """
        The tag is Flask-WTF's, and safe to put into a page.
        """
        tag = csrf_meta_tag(connect(session={"csrf_token": TEXT}))
        assert tag == f'<meta name="csrf-token" content="{TOKEN}">'
        assert isinstance(tag, Markup)

    def test_meta_name(self) -> None:
        """
        The tag's name can be set, and is escaped.
        """
        config = CSRFConfig(secret_key="secret", meta_name='a"<{}&')
        tag = csrf_meta_tag(connect(session={"csrf_token": TEXT}, config=config))
        assert tag == f'<meta name="a&#34;&lt;{{}}&amp;" content="{TOKEN}">'


class TestValidate:
    @pytest.mark.parametrize(
        ("session", "token", "expected"),
        [
            pytest.param({"csrf_token": TEXT}, TOKEN, None, id="good"),
            pytest.param({"csrf_token": TEXT}, None, MISSING, id="no token"),
            pytest.param({"csrf_token": TEXT}, "", MISSING, id="empty token"),
            pytest.param({}, None, MISSING, id="nothing at all"),
            pytest.param({}, TOKEN, SESSION_MISSING, id="new session"),
            pytest.param({}, "garbage", SESSION_MISSING, id="new session, garbage"),
            pytest.param({"csrf_token": TEXT}, "garbage", INVALID, id="garbage"),
            pytest.param({"csrf_token": TEXT[::-1]}, TOKEN, MISMATCH, id="another session"),
            pytest.param({"csrf_token": TEXT + "0"}, TOKEN, MISMATCH, id="longer"),
            pytest.param({"csrf_token": ""}, TOKEN, MISMATCH, id="empty text in the session"),
            pytest.param({"csrf_token": "\u4e2d"}, TOKEN, MISMATCH, id="letter in the session"),
            pytest.param({"csrf_token": "\ud800"}, TOKEN, MISMATCH, id="surrogate in the session"),
            pytest.param({"csrf_token": "\u00fc\u4e2d"}, GOLDEN["\u00fc\u4e2d"], None, id="letters, good"),
            *[pytest.param({"csrf_token": value}, TOKEN, MISMATCH, id=f"session with {value!r}") for value in NO_TEXTS],
        ],
    )
    def test_reasons(self, session: dict[str, Any], token: str | None, expected: str | None) -> None:
        """
        Each way to fail has its sentence, and is a 400.
        """
        assert reason(validate_csrf, connect(session=session), token) == expected

    def test_is_checked_in_order(self) -> None:
        """
        An expired token of another session is expired, as in Flask-WTF.
        """
        with time_machine.travel(NOW + 3601, tick=False):
            assert reason(validate_csrf, connect(session={"csrf_token": "other"}), TOKEN) == EXPIRED

    def test_session_is_not_changed(self) -> None:
        """
        Checking changes nothing: a token is good until it expires.
        """
        session = {"csrf_token": TEXT}
        for _ in range(2):
            validate_csrf(connect(session=session), TOKEN)
        assert session == {"csrf_token": TEXT}

    def test_error(self) -> None:
        """
        The error is a 400 that says why.
        """
        error = CSRFError("why")
        assert (error.status_code, error.detail) == (400, "why")

    def test_sentences(self) -> None:
        """
        No two reasons have the same sentence.
        """
        names = "MISSING SESSION_MISSING EXPIRED INVALID MISMATCH REFERRER_MISSING REFERRER_MISMATCH ORIGIN_MISMATCH"
        sentences = [getattr(csrf, name) for name in names.split()]
        assert len(set(sentences)) == 8
        assert all(sentence[0].isupper() and sentence[-1] in ".)" for sentence in sentences)


@pytest.mark.parametrize(
    "function", [generate_csrf, csrf_meta_tag, partial(validate_csrf, token=TOKEN), validate_referrer], ids=repr
)
def test_no_middleware(function: Any) -> None:
    """
    Where there is no middleware, the error says how to add it.
    """
    with pytest.raises(RuntimeError, match=r"no CSRFMiddleware around this route: app\.add_middleware"):
        function(connect(config=None))


REFERRERS = [
    pytest.param("https", "localhost", None, REFERRER_MISSING, id="none"),
    pytest.param("https", "localhost", "", REFERRER_MISSING, id="empty"),
    pytest.param("https", "localhost", "https://localhost", None, id="the host"),
    pytest.param("https", "localhost", "https://localhost/form?a=1#b", None, id="a page of it"),
    pytest.param("https", "localhost", "https://LOCALHOST/form", None, id="upper case"),
    pytest.param("https", "localhost", "https://localhost:443/form", None, id="default port"),
    pytest.param("https", "localhost:443", "https://localhost/form", None, id="default port of the host"),
    pytest.param("https", "localhost:8443", "https://localhost:8443/", None, id="another port"),
    pytest.param("https", "[::1]:8443", "https://[::1]:8443/", None, id="IPv6"),
    pytest.param("https", "localhost:8443", "https://localhost/", REFERRER_MISMATCH, id="port missing"),
    pytest.param("https", "localhost", "https://localhost:8443/", REFERRER_MISMATCH, id="port too much"),
    pytest.param("https", "localhost", "http://localhost/", REFERRER_MISMATCH, id="not HTTPS"),
    pytest.param("https", "localhost", "https://evil.example/", REFERRER_MISMATCH, id="another host"),
    pytest.param("https", "localhost", "https://localhost.evil.example/", REFERRER_MISMATCH, id="our name before"),
    pytest.param("https", "localhost", "https://evil.localhost/", REFERRER_MISMATCH, id="below our name"),
    pytest.param("https", "localhost", "https://localhost@evil.example/", REFERRER_MISMATCH, id="our name as a user"),
    pytest.param("https", "localhost", "https://evil.example/https://localhost/", REFERRER_MISMATCH, id="in the path"),
    pytest.param("https", "localhost", "/form", REFERRER_MISMATCH, id="a path alone"),
    pytest.param("https", "localhost", "null", REFERRER_MISMATCH, id="null"),
    pytest.param("https", "localhost", "about:blank", REFERRER_MISMATCH, id="about"),
    pytest.param("https", "localhost", "https://[", REFERRER_MISMATCH, id="unfinished IPv6"),
    pytest.param("https", "localhost", "https://localhost:99999999/", REFERRER_MISMATCH, id="port out of range"),
    pytest.param("https", "localhost", "https://localhost:a/", REFERRER_MISMATCH, id="port that is none"),
    pytest.param("https", "localhost", "https://\xff\xfe/", REFERRER_MISMATCH, id="latin-1"),
    pytest.param("https", "localhost", "https://" + "a" * 100_000, REFERRER_MISMATCH, id="100 KB"),
    pytest.param("https", "[", "https://localhost/", REFERRER_MISMATCH, id="a host that is none"),
    pytest.param("https", "", "https://localhost/", REFERRER_MISMATCH, id="empty host"),
    pytest.param("http", "localhost", None, None, id="plain: none"),
    pytest.param("http", "localhost", "https://evil.example/", None, id="plain: another host"),
]


@pytest.mark.parametrize(("scheme", "host", "referrer", "expected"), REFERRERS)
def test_referrer(scheme: str, host: str, referrer: str | None, expected: str | None) -> None:
    """
    Over HTTPS, a request must come from a page of the same scheme, host and port.
    """
    headers = (("host", host), *([] if referrer is None else [("referer", referrer)]))
    assert reason(validate_referrer, connect(headers=headers, scheme=scheme)) == expected
    lenient = CSRFConfig(secret_key="secret", ssl_strict=False)
    assert reason(validate_referrer, connect(headers=headers, scheme=scheme, config=lenient)) is None


def test_referrer_without_host() -> None:
    """
    A request that doesn't say which host it is for comes from no page of it.
    """
    for referrer in ("https://localhost/", "https:///", "https://", "https:"):
        connection = connect(headers=(("referer", referrer),), scheme="https")
        assert reason(validate_referrer, connection) == REFERRER_MISMATCH


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param(None, None, id="none: no browser"),
        pytest.param("http://localhost", None, id="the host"),
        pytest.param("https://localhost", None, id="the host, behind a proxy that ends TLS"),
        pytest.param("https://trusted.example", None, id="trusted"),
        pytest.param("http://trusted.example", ORIGIN_MISMATCH, id="trusted, but for the scheme"),
        pytest.param("https://trusted.example:8443", ORIGIN_MISMATCH, id="trusted, but for the port"),
        pytest.param("http://localhost:8000", ORIGIN_MISMATCH, id="another port"),
        pytest.param("http://evil.example", ORIGIN_MISMATCH, id="another host"),
        pytest.param("http://localhost.evil.example", ORIGIN_MISMATCH, id="our name before"),
        pytest.param("http://evil.localhost", ORIGIN_MISMATCH, id="below our name"),
        pytest.param("http://localhost@evil.example", ORIGIN_MISMATCH, id="our name as a user"),
        pytest.param("null", ORIGIN_MISMATCH, id="null"),
        pytest.param("", ORIGIN_MISMATCH, id="empty"),
        pytest.param("localhost", ORIGIN_MISMATCH, id="host alone"),
        pytest.param("http://[", ORIGIN_MISMATCH, id="unfinished IPv6"),
        pytest.param("http://localhost:a", ORIGIN_MISMATCH, id="port that is none"),
        pytest.param("http://\xff\xfe", ORIGIN_MISMATCH, id="latin-1"),
    ],
)
def test_origin(origin: str | None, expected: str | None) -> None:
    """
    A page of this host may open a WebSocket, one of a trusted origin, and whoever isn't a browser.
    """
    headers = [] if origin is None else [("origin", origin)]
    connection = HTTPConnection(websocket_scope("/", headers=headers))
    assert reason(validate_origin, connection, ("https://trusted.example",)) == expected


@pytest.mark.parametrize("origin", ["null", "", "http://localhost", "http://"])
def test_origin_without_host(origin: str) -> None:
    """
    A handshake that doesn't say which host it is for comes from no page of it.
    """
    scope = websocket_scope("/", headers=[("origin", origin)])
    scope["headers"] = [header for header in scope["headers"] if header[0] != b"host"]
    assert reason(validate_origin, HTTPConnection(scope), ()) == ORIGIN_MISMATCH


class TestExempt:
    def test_function(self) -> None:
        """
        The decorator marks a function and returns it.
        """

        def endpoint() -> None: ...

        assert not is_csrf_exempt(endpoint)
        assert csrf_exempt(endpoint) is endpoint
        assert is_csrf_exempt(endpoint)

    def test_class(self) -> None:
        """
        It marks a class, and not the classes it is derived from.
        """

        class Base(HTTPEndpoint): ...

        class Endpoint(Base): ...

        csrf_exempt(Endpoint)
        assert is_csrf_exempt(Endpoint)
        assert not is_csrf_exempt(Base)

    def test_derived_class(self) -> None:
        """
        What is derived from an exempt class later isn't exempt itself.
        """

        @csrf_exempt
        class Base(HTTPEndpoint): ...

        class Endpoint(Base): ...

        assert not is_csrf_exempt(Endpoint)

    def test_callable_object(self) -> None:
        """
        It marks an object, and not the others of its class.
        """

        class App:
            async def __call__(self, *args: Any) -> None: ...

        marked, other = csrf_exempt(App()), App()
        assert is_csrf_exempt(marked)
        assert not is_csrf_exempt(other)

    def test_under_decorators(self) -> None:
        """
        A decorator above that uses ``functools.wraps`` keeps the mark.
        """

        @csrf_exempt
        def endpoint() -> None: ...

        @functools.wraps(endpoint)
        def wrapper() -> None: ...

        assert is_csrf_exempt(wrapper)

    @pytest.mark.parametrize(
        "endpoint",
        [None, object(), print, "name", SimpleNamespace(_csrf_exempt="yes"), SimpleNamespace(_csrf_exempt=1)],
        ids=["None", "object", "builtin", "text", "another mark", "a number"],
    )
    def test_nothing_else(self, endpoint: object) -> None:
        """
        Only the decorator's own mark counts.
        """
        assert not is_csrf_exempt(endpoint)


FIELDS = [
    pytest.param([], None, id="none"),
    pytest.param([("a", "1")], None, id="others"),
    pytest.param([("csrf_token", "1")], "1", id="exact"),
    pytest.param([("form-csrf_token", "1")], "1", id="prefixed"),
    pytest.param([("a-csrf_token", "1"), ("b-csrf_token", "2")], "1", id="the first of the prefixed"),
    pytest.param([("a-csrf_token", "1"), ("csrf_token", "2")], "2", id="exact before prefixed"),
    pytest.param([("csrf_token", "1"), ("csrf_token", "2")], "1", id="the first of two"),
    pytest.param([("csrf_token", ""), ("a-csrf_token", "1")], "1", id="an empty one is none"),
    pytest.param([("csrf_token", "")], None, id="only an empty one"),
    pytest.param([("csrf_token2", "1"), ("CSRF_TOKEN", "2")], None, id="similar names"),
]


@pytest.mark.parametrize(("fields", "token"), FIELDS)
def test_token_in(fields: list[tuple[str, str]], token: str | None) -> None:
    """
    The field's value counts, or else that of the first field with a prefix, as in Flask-WTF.
    """
    assert token_in(CONFIG, fields) == token


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        pytest.param([], None, id="none"),
        pytest.param([("x-csrftoken", "1")], "1", id="the first name"),
        pytest.param([("X-CSRF-Token", "1")], "1", id="the second name"),
        pytest.param([("X-CSRF-Token", "1"), ("X-CSRFToken", "2")], "2", id="in the order of the setting"),
        pytest.param([("X-CSRFToken", ""), ("X-CSRF-Token", "1")], "1", id="an empty one is none"),
        pytest.param([("X-CSRFToken", "1"), ("X-CSRFToken", "2")], "1", id="the first of two"),
    ],
)
def test_token_in_headers(headers: list[tuple[str, str]], token: str | None) -> None:
    """
    The first of the configured headers that is there counts.
    """
    lines = tuple((name.lower(), value) for name, value in headers)
    assert token_in_headers(CONFIG, connect(headers=lines)) == token


class TestDependency:
    """
    ``Depends(csrf_protect)``, where the middleware checks nothing.
    """

    @pytest.fixture
    def ask(self) -> Any:
        def ask(path: str = "/guarded", *, session: bool = True, at: int = 0, **options: Any) -> Answer:
            browser = Browser(partial(ask_asgi, _app(**settings)))
            token = browser.visit("/token").body.decode() if session else ""
            options["body"] = options.get("body", b"").replace(b"TOKEN", token.encode())
            options["headers"] = [(name, value.replace("TOKEN", token)) for name, value in options.get("headers", ())]
            with time_machine.travel(NOW + at, tick=False):
                return browser.visit(path, **{"method": "POST", **options})

        settings: dict[str, Any] = {}
        ask.settings = settings  # type: ignore[attr-defined]  # of the middleware
        return ask

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            pytest.param("application/x-www-form-urlencoded", b"a=1&csrf_token=TOKEN", id="urlencoded"),
            pytest.param("application/x-www-form-urlencoded", b"form-csrf_token=TOKEN", id="prefix"),
            pytest.param(
                "multipart/form-data; boundary=b",
                b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\nTOKEN\r\n--b--\r\n',
                id="multipart",
            ),
        ],
    )
    def test_form(self, ask: Any, content_type: str, body: bytes) -> None:
        """
        A form with the token passes; the same one without it, with a bad one, or too late doesn't.
        """
        headers = [("content-type", content_type)]
        assert ask(headers=headers, body=body).body == b'"done"'
        for options, why in (
            ({"body": body.replace(b"TOKEN", b"bad")}, INVALID),
            ({"body": body.replace(b"csrf_token", b"csrf")}, MISSING),
            ({"body": body, "at": 3601}, EXPIRED),
            ({"body": body.replace(b"TOKEN", TOKEN.encode())}, MISMATCH),
            ({"body": body.replace(b"TOKEN", TOKEN.encode()), "session": False}, SESSION_MISSING),
        ):
            answer = ask(headers=headers, **options)
            assert (answer.status, answer.json) == (400, {"detail": why})

    def test_header(self, ask: Any) -> None:
        """
        So does a request with the token in a header, and JSON for its body.
        """
        headers = [("content-type", "application/json"), ("x-csrftoken", "TOKEN")]
        assert ask(headers=headers, body=b'{"a": 1}').body == b'"done"'
        assert ask(headers=headers[:1], body=b'{"csrf_token": "TOKEN"}').json == {"detail": MISSING}
        assert ask(headers=[("x-csrf-token", "bad")]).json == {"detail": INVALID}

    def test_endpoint_reads_the_form(self, ask: Any) -> None:
        """
        An endpoint with form parameters gets them.
        """
        headers = [("content-type", "application/x-www-form-urlencoded")]
        assert ask("/form", headers=headers, body=b"csrf_token=TOKEN&name=ada").json == "ada"
        assert ask("/form", headers=headers, body=b"csrf_token=bad&name=ada").status == 400

    def test_other_routes(self, ask: Any) -> None:
        """
        Only routes that depend on it are checked, and only unsafe methods.
        """
        assert ask("/open").body == b'"done"'
        assert ask("/guarded", method="GET").body == b'"done"'

    def test_methods(self, ask: Any) -> None:
        """
        The methods are those of the settings.
        """
        ask.settings["methods"] = ["GET"]
        assert ask("/guarded").body == b'"done"'
        assert ask("/guarded", method="GET").status == 400

    def test_disabled(self, ask: Any) -> None:
        """
        In tests the check can be switched off.
        """
        ask.settings["enabled"] = False
        assert ask("/guarded").body == b'"done"'

    def test_referrer(self, ask: Any) -> None:
        """
        Over HTTPS the page must be one of this host's.
        """
        ask.settings["scheme"] = "https"
        token = ("x-csrftoken", "TOKEN")
        assert ask(headers=[token]).json == {"detail": REFERRER_MISSING}
        assert ask(headers=[token, ("referer", "https://evil.example/")]).json == {"detail": REFERRER_MISMATCH}
        assert ask(headers=[token, ("referer", "https://localhost/form")]).body == b'"done"'

    def test_log(self, ask: Any, caplog: pytest.LogCaptureFixture) -> None:
        """
        One INFO record says why, and nothing of what the client sent.
        """
        caplog.set_level("DEBUG", logger="starlette_flask")
        ask(headers=[("x-csrftoken", "secret plans")])
        assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
            ("starlette_flask.csrf", "INFO", f"A request was refused: {INVALID}")
        ]

    def test_no_middleware(self) -> None:
        """
        Without the middleware the route fails, and doesn't let everybody in.
        """
        app = FastAPI()
        app.post("/", dependencies=[Depends(csrf_protect)])(lambda: "done")
        with pytest.raises(RuntimeError, match="no CSRFMiddleware around this route"):
            ask_asgi(app, "/", method="POST")


def _app(scheme: str = "http", **settings: Any) -> Any:
    app = FastAPI()

    @app.get("/token")
    async def token(request: Request) -> Response:
        return PlainTextResponse(generate_csrf(request))

    @app.api_route("/guarded", methods=["GET", "POST"], dependencies=[Depends(csrf_protect)])
    async def guarded() -> str:
        return "done"

    @app.post("/form", dependencies=[Depends(csrf_protect)])
    async def form(name: str = Form()) -> str:
        return name

    @app.post("/open")
    async def open_to_all() -> str:
        return "done"

    app.add_middleware(CSRFMiddleware, secret_key="secret", check_default=False, **settings)
    app.add_middleware(SessionMiddleware, secret_key="secret")

    async def with_scheme(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "scheme": scheme}, receive, send)

    return with_scheme
