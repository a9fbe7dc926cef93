"""
Flask-WTF's CSRF tokens: a form that one side renders is accepted by the other.

``session["csrf_token"]`` holds a random text. A token is that text with a timestamp, signed as
``itsdangerous.URLSafeTimedSerializer(secret_key, salt="wtf-csrf-token")`` signs. Mirrors ``flask_wtf.csrf`` (1.3).
"""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, TypeVar
from urllib.parse import urlsplit

from itsdangerous import SignatureExpired
from markupsafe import Markup
from starlette.datastructures import Secret
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request

from starlette_flask.checks import flag, key_bytes, names, plain_fallbacks, plain_key
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.formats.serializer import decode_payload, encode_payload
from starlette_flask.formats.signing import Refusal, TimestampSigner
from starlette_flask.log import log_csrf

SCOPE_KEY = "starlette_flask.csrf"
"""Where the middleware keeps a connection's `Guard`."""

MISSING = "The request has no CSRF token."
SESSION_MISSING = "The session has no CSRF token; load the form again."
EXPIRED = "The CSRF token has run out; load the form again."
INVALID = "The CSRF token is not genuine."
MISMATCH = "The CSRF token is another session's; load the form again."
REFERRER_MISSING = "The request doesn't say which page it comes from (Referer)."
REFERRER_MISMATCH = "The request comes from a page of another host (Referer)."
ORIGIN_MISMATCH = "The WebSocket comes from a page of another host (Origin)."

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class CSRFError(HTTPException):
    """
    The request is refused: 400, and its *detail* says why. Handle it with ``app.exception_handler(CSRFError)``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


@dataclass(frozen=True, kw_only=True)
class CSRFConfig:
    """
    How tokens are made and checked, as Flask-WTF's settings of the same names.

    Args:
        secret_key: Signs the tokens: the Flask app's ``WTF_CSRF_SECRET_KEY``, or else its ``SECRET_KEY``.
        secret_key_fallbacks: Older keys, oldest first, that still verify. Flask-WTF itself knows none.
        field_name: The form field, and the session's key.
        headers: Where else the token may be.
        methods: What is checked.
        time_limit: How old a token may be, in seconds; None: as old as the session.
        ssl_strict: Over HTTPS, check the ``Referer``, too.
        meta_name: The name of the ``<meta>`` tag.
        enabled: False: nothing is checked, as in tests.
        check_default: False: the middleware checks nothing, and a route does with `csrf_protect`.

    Raises:
        ConfigError: No secret key, or a value that can't work.
        ConfigTypeError: A value has the wrong type.
    """

    secret_key: str | bytes | Secret = field(repr=False, compare=False)
    secret_key_fallbacks: Iterable[str | bytes | Secret] | None = field(default=(), repr=False, compare=False)
    field_name: str = "csrf_token"
    headers: Iterable[str] = ("X-CSRFToken", "X-CSRF-Token")
    methods: Iterable[str] = ("POST", "PUT", "PATCH", "DELETE")
    time_limit: int | None = 3600
    ssl_strict: bool = True
    meta_name: str = "csrf-token"
    enabled: bool = True
    check_default: bool = True

    _signer: TimestampSigner = field(init=False, repr=False, compare=False)
    # str and bytes of the same key are equal: what is signed is the same.
    _key_bytes: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # the way of a frozen dataclass
        set_field(self, "secret_key", plain_key(self.secret_key))
        set_field(self, "secret_key_fallbacks", plain_fallbacks(self.secret_key_fallbacks))
        for name in ("headers", "methods"):
            set_field(self, name, names(getattr(self, name), name))
        set_field(self, "methods", frozenset(method.upper() for method in self.methods))
        for name in ("field_name", "meta_name"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigTypeError(f"{name} must be a text, not {getattr(self, name)!r}")
        if self.time_limit is not None and type(self.time_limit) is not int:
            raise ConfigTypeError(f"time_limit must be whole seconds or None, not {type(self.time_limit).__name__}")
        for name in ("ssl_strict", "enabled", "check_default"):
            set_field(self, name, flag(getattr(self, name), name))
        signer = TimestampSigner(
            self.secret_key,  # type: ignore[arg-type]  # no Secret since plain_key
            fallbacks=self.secret_key_fallbacks,  # type: ignore[arg-type]  # nor here
            salt="wtf-csrf-token",
            key_derivation="django-concat",
        )
        set_field(self, "_signer", signer)
        set_field(self, "_key_bytes", key_bytes(self.secret_key, *(self.secret_key_fallbacks or ())))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], **keywords: Any) -> "CSRFConfig":
        """
        Return the settings that Flask-WTF reads from a Flask app's config.

        Args:
            mapping: ``WTF_CSRF_*``, and ``SECRET_KEY``, with ``SECRET_KEY_FALLBACKS``, where there is no
                ``WTF_CSRF_SECRET_KEY``. Other keys are ignored.
            keywords: As those of the class; they come first.

        Raises:
            ConfigError: No secret key, or a value that can't work.
        """
        own_key = mapping.get("WTF_CSRF_SECRET_KEY")
        found: dict[str, Any] = {"secret_key": own_key}
        if own_key is None:
            found = {
                "secret_key": mapping.get("SECRET_KEY"),
                "secret_key_fallbacks": mapping.get("SECRET_KEY_FALLBACKS"),
            }
        for name in ("field_name", "headers", "methods", "time_limit", "ssl_strict", "meta_name"):
            if f"WTF_CSRF_{name.upper()}" in mapping:
                found[name] = mapping[f"WTF_CSRF_{name.upper()}"]
        for name in ("enabled", "check_default"):
            found[name] = bool(mapping.get(f"WTF_CSRF_{name.upper()}", True))
        return cls(**{**found, **keywords})

    @classmethod
    def from_flask(cls, app: Any, **keywords: Any) -> "CSRFConfig":
        """
        Return the settings that Flask-WTF has in *app*. Call it when the app is set up.

        Args:
            app: The Flask app.
            keywords: As those of the class; they come first.

        Raises:
            ConfigError: The app has no secret key, or a value that can't work.
        """
        return cls.from_mapping({**app.config, "SECRET_KEY": app.secret_key}, **keywords)

    def dump_token(self, text: str) -> str:
        """
        Return the token for the session's *text*.
        """
        return self._signer.sign(encode_payload(json.dumps(text).encode())).decode()

    def load_token(self, token: str) -> bytes:
        """
        Return the session's text that a token stands for.

        Raises:
            CSRFError: It is none of ours, or too old.
        """
        encoded = self._signer.check(token.encode(errors="surrogatepass"), self.time_limit)
        payload = encoded if isinstance(encoded, Refusal) else decode_payload(encoded)
        if isinstance(payload, Refusal):
            raise CSRFError(EXPIRED if payload.error is SignatureExpired else INVALID)
        try:
            text = json.loads(payload)
        except (RecursionError, ValueError):
            text = None
        if not isinstance(text, str):  # signed, for another purpose perhaps
            raise CSRFError(INVALID)
        return text.encode(errors="surrogatepass")


@dataclass
class Guard:
    """
    What the middleware keeps of a connection.
    """

    config: CSRFConfig
    token: str | None = None
    """Once it is made."""


def guard_of(connection: HTTPConnection) -> Guard:
    """
    Return what the middleware keeps of a connection.

    Raises:
        RuntimeError: There is no such middleware.
    """
    guard: Guard | None = connection.scope.get(SCOPE_KEY)
    if guard is None:
        raise RuntimeError(
            "no CSRFMiddleware around this route: app.add_middleware(CSRFMiddleware, config=...),"
            " before app.add_middleware(SessionMiddleware, ...), which must be outside"
        )
    return guard


def generate_csrf(request: HTTPConnection) -> str:
    """
    Return the token for a form or a header; the same throughout a request. Mirrors ``flask_wtf.csrf.generate_csrf``.
    """
    guard = guard_of(request)
    if guard.token is None:
        session, name = request.session, guard.config.field_name
        if not isinstance(session.get(name), str):
            session[name] = secrets.token_hex(20)  # as long as the SHA-1 that Flask-WTF takes
        guard.token = guard.config.dump_token(session[name])
    return guard.token


def csrf_meta_tag(request: HTTPConnection) -> Markup:
    """
    Return a ``<meta>`` tag with the token, for scripts. Mirrors ``flask_wtf.csrf.csrf_meta_tag``.
    """
    tag = Markup('<meta name="{}" content="{}">')
    return tag.format(guard_of(request).config.meta_name, generate_csrf(request))


def validate_csrf(request: HTTPConnection, token: str | None) -> None:
    """
    Check that *token* was made for the request's session. Mirrors ``flask_wtf.csrf.validate_csrf``.

    Raises:
        CSRFError: It wasn't, or is too old.
    """
    config = guard_of(request).config
    if not token:
        raise CSRFError(MISSING)
    if config.field_name not in request.session:
        raise CSRFError(SESSION_MISSING)
    expected = request.session[config.field_name]
    given = config.load_token(token)
    if not isinstance(expected, str) or not compare_digest(expected.encode(errors="surrogatepass"), given):
        raise CSRFError(MISMATCH)


def validate_referrer(request: HTTPConnection) -> None:
    """
    Check that a request over HTTPS comes from a page of the same host, if *ssl_strict*.

    Raises:
        CSRFError: It doesn't, or doesn't say.
    """
    if not guard_of(request).config.ssl_strict or request.scope["scheme"] != "https":
        return
    referrer = request.headers.get("referer")
    if not referrer:
        raise CSRFError(REFERRER_MISSING)
    origin = _origin(referrer)
    if origin is None or origin != _origin(f"https://{request.headers.get('host', '')}"):
        raise CSRFError(REFERRER_MISMATCH)


def csrf_exempt(endpoint: Endpoint) -> Endpoint:
    """
    Let an endpoint do without a token. Put it under the route's decorator.
    """
    endpoint._csrf_exempt = True  # type: ignore[attr-defined]  # a mark, for is_csrf_exempt
    return endpoint


def is_csrf_exempt(endpoint: object) -> bool:
    """
    Tell whether `csrf_exempt` was put on *endpoint*.
    """
    return getattr(endpoint, "__dict__", {}).get("_csrf_exempt") is True  # its own mark, not its class's


async def csrf_protect(request: Request) -> None:
    """
    Check a request, where the middleware is told not to (*check_default*). A dependency: ``Depends(csrf_protect)``.

    Raises:
        CSRFError: It isn't to be trusted.
    """
    config = guard_of(request).config
    if not config.enabled or request.method.upper() not in config.methods:
        return
    form = await request.form()
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    try:
        validate_csrf(request, token_in(config, fields) or token_in_headers(config, request))
        validate_referrer(request)
    except CSRFError as exc:
        log_csrf(exc.detail)
        raise


def validate_origin(connection: HTTPConnection, trusted: Iterable[str]) -> None:
    """
    Check that a WebSocket is opened by a page of the same host, or of a trusted origin. A client that isn't a browser
    sends no ``Origin`` and passes.

    Raises:
        CSRFError: It isn't.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin in trusted:
        return
    # A proxy may have ended TLS, so that only host and port can be compared.
    host = connection.headers.get("host")
    if _origin(origin) is None or urlsplit(origin).netloc != host:
        raise CSRFError(ORIGIN_MISMATCH)


def token_in(config: CSRFConfig, fields: Iterable[tuple[str, str]]) -> str | None:
    """
    Return the token of a form: the field's, or that of the first field with a prefix (``form1-csrf_token``).
    """
    found = [(name, value) for name, value in fields if name.endswith(config.field_name) and value]
    exact = [value for name, value in found if name == config.field_name]
    return exact[0] if exact else found[0][1] if found else None


def token_in_headers(config: CSRFConfig, connection: HTTPConnection) -> str | None:
    """
    Return the token that is sent as a header.
    """
    return next((value for name in config.headers if (value := connection.headers.get(name))), None)


def _origin(url: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:  # as of an unfinished IPv6 address
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
