"""
Every JWT_* setting in one frozen object.
"""

import inspect
import math
import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from starlette.datastructures import Secret

from starlette_flask.checks import flag, names
from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.formats.cookies import Cookie
from starlette_flask.log import log_useless_algorithms

try:
    import jwt
    from jwt.algorithms import get_default_algorithms, requires_cryptography
except ImportError as exc:
    raise ImportError("tokens are signed with PyJWT: pip install 'starlette-flask[jwt]'") from exc

LOCATIONS = ("headers", "cookies", "query_string", "json")
"""Where a token may be."""

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_SESSION_SECONDS = 31540000  # a year, or so: flask_jwt_extended.config.cookie_max_age (4.7)


@dataclass(frozen=True, kw_only=True)
class JWTConfig:
    """
    What a token is, where it is looked for, and which cookies carry it: Flask-JWT-Extended's settings (4.7).

    The keywords are its config keys without ``JWT_``, in lower case, with the same defaults.

    Args:
        secret_key: Signs and verifies with the HS algorithms.
        algorithm: Signs, as PyJWT names it: HS, RS, PS and ES with 256, 384 or 512, ``EdDSA``, ``ES256K``.
        decode_algorithms: Those that are accepted besides *algorithm*.
        private_key: Signs with the other algorithms; only needed to make tokens.
        public_key: Verifies with the other algorithms; only needed to read tokens.
        token_location: Of ``"headers"``, ``"cookies"``, ``"query_string"``, ``"json"`` one, or several in the order in
            which they are looked at.
        header_name: The header with the token.
        header_type: The word before it; empty: the token alone.
        query_string_name: The query parameter with the token.
        query_string_value_prefix: What comes before it there.
        json_key: The key of an access token in a JSON body.
        refresh_json_key: That of a refresh token.
        access_cookie_name: The cookie of an access token.
        access_cookie_path: Its path.
        refresh_cookie_name: The cookie of a refresh token.
        refresh_cookie_path: Its path.
        cookie_secure: Send the cookies over HTTPS only.
        cookie_domain: Share them with this domain's subdomains.
        cookie_samesite: ``"Lax"``, ``"Strict"`` or ``"None"``.
        session_cookie: The cookies end with the browser; otherwise they are kept for a year.
        cookie_csrf_protect: Require the value of the ``csrf`` claim with a token in a cookie.
        csrf_in_cookies: Send that in a cookie of its own, which scripts can read.
        csrf_methods: The methods that require it, in capitals.
        csrf_check_form: Look for it in a form, too.
        access_csrf_cookie_name: The cookie with it, for access tokens.
        access_csrf_cookie_path: Its path.
        refresh_csrf_cookie_name: The same for refresh tokens.
        refresh_csrf_cookie_path: Its path.
        access_csrf_header_name: The header with it, for access tokens.
        refresh_csrf_header_name: The same for refresh tokens.
        access_csrf_field_name: The form's field with it, for access tokens.
        refresh_csrf_field_name: The same for refresh tokens.
        access_token_expires: How long an access token is good: a timedelta, seconds, or False for ever.
        refresh_token_expires: The same for refresh tokens.
        identity_claim: The claim with the identity.
        encode_audience: The ``aud`` of new tokens.
        decode_audience: One of these must be in ``aud``; None: it isn't looked at.
        encode_issuer: The ``iss`` of new tokens.
        decode_issuer: The ``iss`` that is required, or several of which one is; None: it isn't looked at.
        decode_leeway: Seconds by which clocks may differ.
        error_message_key: The key of an error's text.
        verify_sub: Require the ``sub`` to be text.
        encode_nbf: New tokens say from when on they are good.

    Raises:
        ConfigError: A setting can't work.
        ConfigTypeError: A setting has the wrong type.
    """

    secret_key: str | bytes | Secret | None = field(default=None, repr=False)
    algorithm: str = "HS256"
    decode_algorithms: Iterable[str] | None = None
    private_key: Any = field(default=None, repr=False)
    public_key: Any = field(default=None, repr=False)
    token_location: str | Iterable[str] = ("headers",)
    header_name: str = "Authorization"
    header_type: str | None = "Bearer"
    query_string_name: str = "jwt"
    query_string_value_prefix: str = ""
    json_key: str = "access_token"
    refresh_json_key: str = "refresh_token"
    access_cookie_name: str = "access_token_cookie"
    access_cookie_path: str = "/"
    refresh_cookie_name: str = "refresh_token_cookie"
    refresh_cookie_path: str = "/"
    cookie_secure: bool = False
    cookie_domain: str | None = None
    cookie_samesite: Literal["Lax", "Strict", "None"] | None = None
    session_cookie: bool = True
    cookie_csrf_protect: bool = True
    csrf_in_cookies: bool = True
    csrf_methods: Iterable[str] = ("POST", "PUT", "PATCH", "DELETE")
    csrf_check_form: bool = False
    access_csrf_cookie_name: str = "csrf_access_token"
    access_csrf_cookie_path: str = "/"
    refresh_csrf_cookie_name: str = "csrf_refresh_token"
    refresh_csrf_cookie_path: str = "/"
    access_csrf_header_name: str = "X-CSRF-TOKEN"
    refresh_csrf_header_name: str = "X-CSRF-TOKEN"
    access_csrf_field_name: str = "csrf_token"
    refresh_csrf_field_name: str = "csrf_token"
    access_token_expires: timedelta | int | Literal[False] = timedelta(minutes=15)
    refresh_token_expires: timedelta | int | Literal[False] = timedelta(days=30)
    identity_claim: str = "sub"
    encode_audience: str | Iterable[str] | None = None
    decode_audience: str | Iterable[str] | None = None
    encode_issuer: str | None = None
    decode_issuer: str | Iterable[str] | None = None
    decode_leeway: float | timedelta = 0
    error_message_key: str = "msg"
    verify_sub: bool = True
    encode_nbf: bool = True

    algorithms: tuple[str, ...] = field(init=False, repr=False)
    """Those that are accepted."""
    cookie_max_age: int | None = field(init=False, repr=False)
    """How long the browser keeps the cookies, in seconds; None: until it is closed."""

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # the way of a frozen dataclass
        for name in _FLAGS:
            set_field(self, name, flag(getattr(self, name), name))
        for name in _TEXTS:
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigTypeError(f"{name} must be a name, not {getattr(self, name)!r}")
            if name.endswith("header_name") and not _HEADER_NAME.fullmatch(getattr(self, name)):
                raise ConfigError(f"{name}={getattr(self, name)!r} is no name of a header (RFC 9110, section 5.1)")
        if not isinstance(self.header_type, (str, type(None))):
            raise ConfigTypeError(f"header_type must be str or None, not {self.header_type!r}")
        if self.header_type and not _HEADER_NAME.fullmatch(self.header_type):
            raise ConfigError(f"header_type={self.header_type!r} must be one word; what comes after it is the token")
        if not isinstance(self.cookie_domain, (str, type(None))):
            raise ConfigTypeError(f"cookie_domain must be str or None, not {self.cookie_domain!r}")
        if not isinstance(self.query_string_value_prefix, str):
            raise ConfigTypeError(f"query_string_value_prefix must be str, not {self.query_string_value_prefix!r}")
        set_field(self, "header_type", self.header_type or "")
        set_field(self, "token_location", locations(self.token_location, "token_location"))
        set_field(self, "csrf_methods", names(self.csrf_methods, "csrf_methods"))
        for name in ("access_token_expires", "refresh_token_expires"):
            set_field(self, name, _lifetime(getattr(self, name), name))
        set_field(self, "cookie_max_age", None if self.session_cookie else _SESSION_SECONDS)
        if type(self.decode_leeway) not in (int, float, timedelta):
            raise ConfigTypeError(f"decode_leeway must be seconds or a timedelta, not {self.decode_leeway!r}")
        if isinstance(self.decode_leeway, float) and not math.isfinite(self.decode_leeway):
            raise ConfigError(f"with decode_leeway={self.decode_leeway} no token would ever expire; give seconds")
        for name in ("decode_audience", "decode_issuer", "encode_audience"):
            if not isinstance(getattr(self, name), (str, type(None))):
                set_field(self, name, _texts(getattr(self, name), name, name != "encode_audience"))
        if not isinstance(self.encode_issuer, (str, type(None))):
            raise ConfigTypeError(f"encode_issuer must be str, not {self.encode_issuer!r}")
        self._check_keys()
        cookies = [make(is_refresh) for is_refresh in (False, True) for make in (self.token_cookie, self.csrf_cookie)]
        if "cookies" in self.token_location:
            for cookie in cookies:
                if refusal := cookie.browser_refusal():
                    raise ConfigError(refusal.replace("https_only=True (SESSION_COOKIE_SECURE)", "cookie_secure=True"))
            if len({(cookie.name, cookie.path) for cookie in cookies}) < len(cookies):
                raise ConfigError("two of the cookies have one name and path, and would replace each other; rename one")

    def _check_keys(self) -> None:
        set_field = object.__setattr__
        known = get_default_algorithms()
        for name in ("secret_key", "private_key", "public_key"):
            if isinstance(getattr(self, name), Secret):
                set_field(self, name, str(getattr(self, name)))
        if not isinstance(self.algorithm, str):
            raise ConfigTypeError(f"algorithm must be a name, not {self.algorithm!r}")
        more = () if not self.decode_algorithms else names(self.decode_algorithms, "decode_algorithms")
        set_field(self, "decode_algorithms", more)
        usable = known.keys() - {"none"}
        if self.algorithm not in usable:
            raise ConfigError(f"unknown algorithm {self.algorithm!r}; use one of {sorted(usable)}")
        if useless := set(more) - usable:
            log_useless_algorithms(sorted(useless))
        set_field(self, "algorithms", tuple(each for each in dict.fromkeys([*more, self.algorithm]) if each in usable))
        if self.is_asymmetric:  # the keys may come from callbacks
            keys = {"public_key": self.public_key, "private_key": self.private_key}
        else:
            if not self.secret_key:
                raise ConfigError(f"no secret key for {self.algorithm}; set secret_key (JWT_SECRET_KEY, or SECRET_KEY)")
            keys = {"secret_key": self.secret_key}
        for name, key in keys.items():
            try:
                prepared = known[self.algorithm].prepare_key(key) if key else None
            except Exception as exc:  # of cryptography, too; the text may quote the key
                raise ConfigError(f"{name} is no key for {self.algorithm} ({type(exc).__name__})") from None
            use = {"public_key": "verify", "private_key": "sign"}.get(name, "")
            is_told = use == "sign" or self.algorithm[:2] in ("RS", "PS")  # of the others a private key verifies, too
            if prepared is not None and self.is_asymmetric and is_told and not hasattr(prepared, use):
                raise ConfigError(f"{name} is the other one of the pair; give the key that can {use}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], **keywords: Any) -> "JWTConfig":
        """
        Return the settings that Flask's config keys describe: ``JWT_*``, and ``SECRET_KEY``.

        Args:
            mapping: Flask's config, or one like it. Other keys are ignored.
            keywords: Those of the class; they come first.

        Raises:
            ConfigError: A setting can't work.
        """
        fields = list(inspect.signature(cls).parameters)
        found = {name: mapping[f"JWT_{name.upper()}"] for name in fields if f"JWT_{name.upper()}" in mapping}
        found["secret_key"] = found.get("secret_key") or mapping.get("SECRET_KEY")
        return cls(**{**found, **keywords})

    @property
    def is_asymmetric(self) -> bool:
        """
        One key signs, another verifies.
        """
        return self.algorithm in requires_cryptography

    def token_cookie(self, is_refresh: bool, domain: str | None = None) -> Cookie:
        """
        Return the cookie that carries a token.
        """
        name, path = self._named("cookie_name", is_refresh), self._named("cookie_path", is_refresh)
        return self._cookie(name, path, domain, True)

    def csrf_cookie(self, is_refresh: bool, domain: str | None = None) -> Cookie:
        """
        Return the cookie that carries the value of a token's ``csrf`` claim.
        """
        name, path = self._named("csrf_cookie_name", is_refresh), self._named("csrf_cookie_path", is_refresh)
        return self._cookie(name, path, domain, False)

    def csrf_header(self, is_refresh: bool) -> str:
        """
        Return the header in which that value comes back.
        """
        return self._named("csrf_header_name", is_refresh)

    def csrf_field(self, is_refresh: bool) -> str:
        """
        Return the form's field in which that value comes back.
        """
        return self._named("csrf_field_name", is_refresh)

    def _named(self, name: str, is_refresh: bool) -> str:
        value: str = getattr(self, f"{'refresh' if is_refresh else 'access'}_{name}")
        return value

    def _cookie(self, name: str, path: str, domain: str | None, http_only: bool) -> Cookie:
        domain = domain or self.cookie_domain
        return Cookie(
            name=name,
            path=path,
            domain=domain.partition(":")[0] if domain else None,  # as Werkzeug does
            secure=self.cookie_secure,
            http_only=http_only,
            same_site=self.cookie_samesite,
        )


_PARAMETERS = inspect.signature(JWTConfig).parameters
_FLAGS = [name for name, parameter in _PARAMETERS.items() if parameter.annotation is bool]
_TEXTS = [
    name
    for name, parameter in _PARAMETERS.items()
    if parameter.annotation is str and name not in ("algorithm", "query_string_value_prefix")
]


def locations(value: Any, what: str) -> tuple[str, ...]:
    """
    Return a location, or several, as a tuple.
    """
    listed = (value,) if isinstance(value, str) else value
    if not isinstance(listed, Iterable):
        raise ConfigTypeError(f"{what} must be one or several of {', '.join(LOCATIONS)}, not {value!r}")
    listed = tuple(listed)
    if not listed or any(location not in LOCATIONS for location in listed):
        raise ConfigError(f"{what}={value!r} can't work; use one or several of {', '.join(LOCATIONS)}")
    # A set has no order; it is given this one.
    return tuple(each for each in LOCATIONS if each in listed) if isinstance(value, (set, frozenset)) else listed


def _lifetime(value: Any, what: str) -> timedelta | Literal[False]:
    if value is False:
        return False
    try:
        if type(value) is int:
            value = timedelta(seconds=value)
        datetime.now(timezone.utc) + value
    except (TypeError, OverflowError) as exc:
        raise ConfigTypeError(f"{what} must be a timedelta, whole seconds, or False, not {value!r}") from exc
    lifetime: timedelta = value
    return lifetime


def _texts(value: Any, what: str, may_be_set: bool) -> tuple[str, ...]:
    is_list = isinstance(value, Iterable) and not isinstance(value, bytes)
    listed = tuple(value) if is_list else ()
    if not is_list or not all(isinstance(each, str) for each in listed) or (isinstance(value, Set) and not may_be_set):
        raise ConfigTypeError(f"{what} must be str or a list of str, not {value!r}")
    return listed


__all__ = ["LOCATIONS", "JWTConfig", "jwt", "locations"]
