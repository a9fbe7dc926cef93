"""
Every SESSION_* and SECRET_KEY* rule in one frozen object.
"""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import quote

from starlette.datastructures import Secret

from starlette_flask.checks import UNSET, Unset, duration, flag, key_bytes, plain_fallbacks, plain_key
from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.flask_settings import FlaskApp, ask_app, code_of_its_own, name_of_interface
from starlette_flask.formats.cookies import Cookie
from starlette_flask.formats.serializer import PayloadSerializer, SessionSerializer, as_payload_serializer
from starlette_flask.log import log_browsers_refuse, log_overridden
from starlette_flask.stores.base import Store, as_store

# Flask 3.1's defaults (flask.app.Flask.default_config), for from_mapping.
_FLASK_DEFAULTS: dict[str, Any] = {
    "SECRET_KEY": None,
    "SECRET_KEY_FALLBACKS": None,
    "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
    "APPLICATION_ROOT": "/",
    "SESSION_COOKIE_NAME": "session",
    "SESSION_COOKIE_DOMAIN": None,
    "SESSION_COOKIE_PATH": None,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SECURE": False,
    "SESSION_COOKIE_PARTITIONED": False,
    "SESSION_COOKIE_SAMESITE": None,
    "SESSION_REFRESH_EACH_REQUEST": True,
}


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """
    What the session cookie is: who signs it, what it is called, where and how long it lives.

    Frozen and compared by value. Secrets stay out of its repr.

    Args:
        secret_key: Signs the cookie; the Flask app's ``SECRET_KEY``. With a *store* only signed ids need it.
        session_cookie: The cookie's name.
        max_age: Not given, Flask's meaning: a cookie is accepted for *permanent_session_lifetime*,
            and the browser keeps it that long if the session is permanent, else until it is closed.
            Seconds or a timedelta, Starlette's meaning: every cookie carries it as ``Max-Age``,
            and it is the accepted age. None: kept until the browser is closed, any age accepted.
        path: The cookie's path.
        same_site: ``"lax"`` (Starlette's default; Flask's is None), ``"strict"``, ``"none"`` or None.
        https_only: Send the cookie over HTTPS only (``Secure``).
        domain: Share the cookie with this domain's subdomains; None binds it to the host.
        salt: Must equal the Flask session interface's.
        signer_kwargs: ``key_derivation`` and ``digest_method``; a missing one is Flask's.
        secret_key_fallbacks: Older keys, oldest first, that still verify, as ``SECRET_KEY_FALLBACKS``.
        partitioned: One cookie for each top-level site (``Partitioned``).
        http_only: Hide the cookie from JavaScript.
        refresh_each_request: Send a permanent session's cookie with every response, so that it
            lives on while it is used, as ``SESSION_REFRESH_EACH_REQUEST``.
        permanent_session_lifetime: As ``PERMANENT_SESSION_LIFETIME``; seconds or a timedelta.
        serializer: Dumps and loads the data; default: Flask's tagged JSON. A *store* has its own.
        store: Keeps the sessions on a server; the cookie holds an id only. See `starlette_flask.stores`.

    Raises:
        ConfigError: The configuration can't work, or browsers would refuse the cookie.
        ConfigTypeError: A value has the wrong type.
    """

    secret_key: str | bytes | Secret | None = field(default=None, repr=False, compare=False)
    session_cookie: str = "session"
    max_age: int | timedelta | Unset | None = UNSET
    path: str = "/"
    same_site: Literal["lax", "strict", "none"] | None = "lax"
    https_only: bool = False
    domain: str | None = None
    salt: str | bytes = field(default="cookie-session", compare=False)
    signer_kwargs: Mapping[str, Any] | None = field(default=None, hash=False)
    secret_key_fallbacks: Iterable[str | bytes | Secret] | None = field(default=(), repr=False, compare=False)
    partitioned: bool = False
    http_only: bool = True
    refresh_each_request: bool = True
    permanent_session_lifetime: int | timedelta = timedelta(days=31)
    serializer: PayloadSerializer | None = field(default=None, hash=False)
    store: Store | None = None
    # from_flask and from_mapping only log what browsers refuse: the Flask app does it already.
    _is_flask: InitVar[bool] = False

    cookie: Cookie = field(init=False, repr=False, compare=False)
    """Finds and writes the cookie."""
    signing_serializer: SessionSerializer = field(init=False, repr=False, compare=False)
    """Reads and makes the cookie's value; Flask's name for it. With a *store* there is none."""
    accepted_age: int | None = field(init=False, repr=False, compare=False)
    """How old a cookie may be, in seconds; None: any age."""
    lifetime: float = field(init=False, repr=False, compare=False)
    """How long a permanent session's cookie is kept, in seconds."""
    # str and bytes of the same key are equal: what is signed is the same.
    _key_bytes: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self, _is_flask: bool) -> None:
        set_field = object.__setattr__  # the way of a frozen dataclass
        as_store(self.store)
        if self.store is None or self.store.use_signer or self.secret_key is not None:
            set_field(self, "secret_key", plain_key(self.secret_key))
        set_field(self, "secret_key_fallbacks", plain_fallbacks(self.secret_key_fallbacks))
        set_field(self, "signer_kwargs", _complete_signer_kwargs(self.signer_kwargs))
        for name in ("https_only", "http_only", "partitioned", "refresh_each_request"):
            set_field(self, name, flag(getattr(self, name), name))
        set_field(self, "serializer", as_payload_serializer(self.serializer))
        permanent = duration(self.permanent_session_lifetime, "permanent_session_lifetime")
        set_field(self, "permanent_session_lifetime", permanent)
        set_field(self, "lifetime", permanent.total_seconds())
        if self.max_age is not None:
            age = permanent if isinstance(self.max_age, Unset) else duration(self.max_age, "max_age")
            set_field(self, "accepted_age", int(age.total_seconds()))
            if not isinstance(self.max_age, Unset):
                set_field(self, "max_age", self.accepted_age)
        else:
            set_field(self, "accepted_age", None)
        cookie = Cookie(
            name=self.session_cookie,
            path=self.path,
            domain=self.domain,
            secure=self.https_only,
            http_only=self.http_only,
            same_site=self.same_site,
            partitioned=self.partitioned,
        )
        if not _is_flask and (refusal := cookie.browser_refusal()):
            raise ConfigError(refusal)
        set_field(self, "cookie", cookie)
        set_field(self, "domain", cookie.domain)
        set_field(self, "same_site", self.same_site and self.same_site.lower())
        if self.store is None:
            signing_serializer = SessionSerializer(
                self.secret_key,  # type: ignore[arg-type]  # no Secret since plain_key
                fallbacks=self.secret_key_fallbacks,  # type: ignore[arg-type]  # nor here
                salt=self.salt,
                serializer=self.serializer,
                **self.signer_kwargs,
            )
            set_field(self, "signing_serializer", signing_serializer)
        set_field(self, "_key_bytes", key_bytes(self.salt, self.secret_key, *(self.secret_key_fallbacks or ())))

    @classmethod
    def from_flask(cls, app: FlaskApp) -> "SessionConfig":
        """
        Return the configuration by which *app* itself reads and writes its session.

        Asks the app's own ``session_interface``, so that a custom salt, digest, serializer, tag or
        ``get_cookie_*`` method counts, and ``app.json`` for the JSON. Call it when the app is set up.

        Args:
            app: A Flask app (2.2 or newer) or Quart app, with sessions in signed cookies, or of Flask-Session.

        Raises:
            ConfigError: The app has no secret key, or an interface that can't be followed.
            ImportError: The extra of the store in which Flask-Session keeps them is missing.
        """
        config = cls.read_flask(app)
        config._log_refusal()
        if config.store is None and (methods := code_of_its_own(app)):
            log_overridden(name_of_interface(app), ", ".join(methods))
        return config

    @classmethod
    def read_flask(cls, app: FlaskApp) -> "SessionConfig":
        """
        Do what `from_flask` does, and say nothing in the log.
        """
        settings, signing = ask_app(app)
        # Flask takes a bare string apart into keys, which can't be seen in what it answers.
        plain_fallbacks(app.config.get("SECRET_KEY_FALLBACKS") or None)
        return cls._from_settings(settings, signing)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, store: Store | None = None) -> "SessionConfig":
        """
        Return the configuration that Flask's own config keys describe; Flask itself isn't needed.

        Args:
            mapping: ``SECRET_KEY`` and whatever else differs from Flask 3.1's defaults:
                ``SECRET_KEY_FALLBACKS``, ``SESSION_COOKIE_*``, ``PERMANENT_SESSION_LIFETIME``,
                ``SESSION_REFRESH_EACH_REQUEST``, ``APPLICATION_ROOT``. Other keys are ignored.
            store: Where the sessions are kept, if ``SESSION_TYPE`` says that Flask-Session keeps them.

        Raises:
            ConfigError: No secret key, a ``SESSION_TYPE`` without a *store*, or a value that can't work.
        """
        if not isinstance(mapping, Mapping):
            raise ConfigTypeError(f"from_mapping takes a mapping of config keys, not {type(mapping).__name__}")
        if store is None and mapping.get("SESSION_TYPE") not in (None, "null"):
            raise ConfigError(
                f"SESSION_TYPE={mapping['SESSION_TYPE']!r} keeps sessions on a server (Flask-Session); give"
                " from_mapping the store as well, or use from_flask; remove the key where nobody uses it"
            )
        settings = {key: mapping.get(key, default) for key, default in _FLASK_DEFAULTS.items()}
        settings["SESSION_COOKIE_PATH"] = settings["SESSION_COOKIE_PATH"] or settings["APPLICATION_ROOT"]
        signing = {
            "secret_key": settings["SECRET_KEY"],
            "secret_key_fallbacks": settings["SECRET_KEY_FALLBACKS"],
            "store": store,
        }
        config = cls._from_settings(settings, signing)
        config._log_refusal()
        return config

    def with_store(self, store: Store | None) -> "SessionConfig":
        """
        Return a copy that keeps its sessions in *store*.

        Raises:
            ConfigError: It has a store already.
        """
        if store is None:
            return self
        if self.store is not None:
            raise ConfigError("config has a store already; drop the other one")
        copied = copy.copy(self)
        object.__setattr__(copied, "store", as_store(store))
        return copied

    def difference_from(self, other: "SessionConfig") -> list[str]:
        """
        Return by which keywords the two mean different cookies, or can't read each other's; none if they can.

        How long the cookie lives and when it is sent may differ.
        """
        mine, theirs = self.identity(), other.identity()
        return [keyword for keyword, value in mine.items() if value != theirs.get(keyword)]

    def _log_refusal(self) -> None:
        if refusal := self.cookie.browser_refusal():
            log_browsers_refuse(refusal)

    def identity(self) -> dict[str, Any]:
        """
        Return what makes it this very cookie, by keyword; keys as bytes.
        """
        salt, secret_key, *fallbacks = self._key_bytes
        cookie = {
            "session_cookie": self.session_cookie,
            "domain": self.domain,
            "path": self.path,
            "partitioned": self.partitioned,
            "store": self.store,
        }
        if self.store is not None and not self.store.use_signer:
            return cookie
        keys = {"secret_key": secret_key, "secret_key_fallbacks": fallbacks}
        if self.store is not None:
            return cookie | keys
        return {**cookie, **keys, "salt": salt, "signer_kwargs": self.signer_kwargs, "serializer": self.serializer}

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any], signing: Mapping[str, Any]) -> "SessionConfig":
        # What werkzeug.http.dump_cookie (3.1) makes of the values before it sends them.
        path, domain, same_site = (settings[f"SESSION_COOKIE_{name}"] for name in ("PATH", "DOMAIN", "SAMESITE"))
        return cls(
            session_cookie=settings["SESSION_COOKIE_NAME"],
            path=quote(path, safe="%!$&'()*+,/:=@") if isinstance(path, str) else path,
            domain=domain.partition(":")[0] if isinstance(domain, str) and domain else domain or None,
            same_site=same_site,
            https_only=settings["SESSION_COOKIE_SECURE"] or settings["SESSION_COOKIE_PARTITIONED"],
            http_only=settings["SESSION_COOKIE_HTTPONLY"],
            partitioned=settings["SESSION_COOKIE_PARTITIONED"],
            refresh_each_request=settings["SESSION_REFRESH_EACH_REQUEST"],
            permanent_session_lifetime=settings["PERMANENT_SESSION_LIFETIME"],
            _is_flask=True,
            **signing,
        )


def _complete_signer_kwargs(signer_kwargs: Any) -> Mapping[str, Any]:
    defaults = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
    if not isinstance(signer_kwargs, (Mapping, type(None))):
        raise ConfigTypeError(f"signer_kwargs must be a dict, not {type(signer_kwargs).__name__}")
    given = {key: value for key, value in (signer_kwargs or {}).items() if value is not None}
    if unknown := given.keys() - defaults.keys():
        raise ConfigError(f"unknown signer_kwargs {sorted(map(str, unknown))}; use key_derivation and digest_method")
    return MappingProxyType(defaults | given)
