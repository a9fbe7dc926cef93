"""
What a store of sessions is, and the options of Flask-Session's records.
"""

import pickle
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from starlette_flask.checks import flag
from starlette_flask.exceptions import ConfigError, ConfigTypeError

if TYPE_CHECKING:
    from starlette.types import Scope

    from starlette_flask.config import SessionConfig
    from starlette_flask.cookie_reader import CookieReader
    from starlette_flask.formats.cookies import Header
    from starlette_flask.session import Session

# The first bytes of a pickle: protocol 2 and newer; the older ones' dicts. Neither begins a record of ours.
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(d", b"}")


S = TypeVar("S", bound="Session")


class SessionKeeper(Protocol[S]):
    """
    Opens and saves the sessions of requests somewhere else than in the cookie.
    """

    async def open(self, scope: "Scope") -> S:
        """
        Return the session of a request.

        Raises:
            StoreError: It can't be known.
        """

    async def save(self, session: S, headers: "list[Header]", path: str) -> "list[Header]":
        """
        Save the session if it needs it, and return the response's headers with what is to say of it.

        Raises:
            StoreError: It can't be saved.
        """

    async def save_late(self, session: S) -> None:
        """
        Save what was changed after the response had started.

        Raises:
            StoreError: It can't be saved.
        """


class Store(Protocol):
    """
    What `SessionMiddleware` takes as *store*.
    """

    use_signer: bool

    def is_of(self, app: object, interface: object) -> bool:
        """
        Tell whether these are the sessions of a Flask app with this session interface.
        """

    def keeper(self, config: "SessionConfig", reader: "CookieReader", track_nested: bool) -> SessionKeeper[Any]:
        """
        Return what opens and saves the sessions of a middleware.
        """


class StoreError(OSError):
    """
    The store of the sessions can't be used; the request is answered with 503.
    """


class RecordError(ValueError):
    """
    A record can't be read. The message quotes nothing of it.
    """


class SessionStore(ABC):
    """
    Keeps records under keys, each for a time: what is to be written to keep sessions somewhere new.

    A subclass has three methods, `read`, `write` and `delete`. What they raise, whatever it is, is answered with 503,
    as is what they don't finish within *timeout*. Keys are ``key_prefix`` and the session's id, in ASCII.

    Args:
        key_prefix: Before each id, as ``SESSION_KEY_PREFIX``.
        serialization_format: How records are written, ``"msgpack"`` or ``"json"``, as
            ``SESSION_SERIALIZATION_FORMAT``. Both are read.
        sid_length: Random bytes in a new id, as ``SESSION_ID_LENGTH``.
        use_signer: Sign the id in the cookie, as ``SESSION_USE_SIGNER``; this needs a secret key.
        permanent: A new session is permanent, as ``SESSION_PERMANENT``.
        allow_pickle: Read records that Flask-Session wrote before 0.7. Whoever can write into the store can then run
            code in this process.
        timeout: Seconds that one read or write may take, connecting included.

    Raises:
        ConfigError: An option can't work.
        ConfigTypeError: An option has the wrong type.
        ImportError: msgspec, which writes the records, is missing.
    """

    extra = "memory"
    """The extra of this package that installs what the store needs, for error messages."""
    source: object = None
    """
    The Flask app's session interface whose records these are: a mounted app with this one shares its sessions.
    `SessionConfig.from_flask` sets it; set it yourself on a store that you make.
    """

    def __init__(
        self,
        *,
        key_prefix: str = "session:",
        serialization_format: Literal["msgpack", "json"] = "msgpack",
        sid_length: int = 32,
        use_signer: bool = False,
        permanent: bool = True,
        allow_pickle: bool = False,
        timeout: float = 2.0,
    ) -> None:
        if not isinstance(key_prefix, str):
            raise ConfigTypeError(f"key_prefix must be str, not {type(key_prefix).__name__}")
        if not key_prefix:
            raise ConfigError("without key_prefix a cookie could name any key of the server; give one")
        if serialization_format not in ("msgpack", "json"):
            raise ConfigError(f"unknown serialization_format {serialization_format!r}; use 'msgpack' or 'json'")
        if type(sid_length) is not int:
            raise ConfigTypeError(f"sid_length must be a number of bytes, not {type(sid_length).__name__}")
        if sid_length < 16:
            raise ConfigError(f"sid_length={sid_length} can be guessed; use 16 bytes or more")
        self.key_prefix = key_prefix
        self.serialization_format = serialization_format
        self.sid_length = sid_length
        self.use_signer = flag(use_signer, "use_signer")
        self.permanent = flag(permanent, "permanent")
        self.allow_pickle = flag(allow_pickle, "allow_pickle")
        self.timeout = checked_timeout(timeout)
        self._msgspec = need("msgspec", self.extra)
        first, second = self._msgspec.msgpack, self._msgspec.json
        if serialization_format == "json":
            first, second = second, first
        self._encoder = first.Encoder()
        self._decoders = (first.Decoder(), second.Decoder())

    @abstractmethod
    async def read(self, key: str, refresh: int | None) -> bytes | None:
        """
        Return the record under *key*, or None if there is none, or its time is over.

        Args:
            key: The record's.
            refresh: Let it live for so many seconds from now on; None: for as long as before.
        """

    @abstractmethod
    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        """
        Write a record, unless somebody else did since it was read: tell whether it was written.

        The comparison and the writing must be one step, or else two requests of one user at the same moment may undo
        each other's changes. A store that can't do it writes always, and says so in its documentation.

        Args:
            key: The record's.
            record: What to write.
            lifetime: Seconds from now on after which it is gone.
            seen: The record that was read, which must still be there; None: there was none, and must be none.
        """

    @abstractmethod
    async def delete(self, key: str) -> None:
        """
        Delete the record under *key*, if there is one.
        """

    async def aclose(self) -> None:
        """
        Close the connections, also of a client that the store was given: when the app stops.
        """
        return

    def encode(self, data: Mapping[str, Any]) -> bytes:
        """
        Return a session as a record, as Flask-Session 0.8 writes it (``flask_session.base.MsgSpecSerializer``).

        Raises:
            TypeError: The session holds what has no form in the record's format.
            ValueError: It holds a number or text that has none.
            RecursionError: It is nested too deep, or holds itself.
        """
        record: bytes = self._encoder.encode(dict(data))
        return record

    def decode(self, record: bytes) -> dict[str, Any]:
        """
        Return the session that a record holds, in either format.

        Raises:
            RecordError: It holds none, or is a pickle.
        """
        for decoder in self._decoders:
            try:
                data = decoder.decode(record)
            except (ValueError, RecursionError):  # of msgspec, and for what is not UTF-8
                continue
            if isinstance(data, dict):
                return data
            raise RecordError("the record holds no dict")
        if not record.startswith(_PICKLES):
            raise RecordError("the record is neither msgpack nor JSON")
        if not self.allow_pickle:
            raise RecordError(
                "the record is a pickle of an older Flask-Session, which is not read (allow_pickle=True would)"
            )
        return load_pickle(record, pickle.loads)

    def is_of(self, app: object, interface: object) -> bool:
        """
        Tell whether these are the sessions of a Flask app with this session interface.
        """
        return self.source is interface

    def keeper(self, config: "SessionConfig", reader: "CookieReader", track_nested: bool) -> SessionKeeper[Any]:
        """
        Return what opens and saves the sessions of a middleware.
        """
        from starlette_flask.server_sessions import ServerSessions  # which needs this module

        return ServerSessions(self, config, reader, track_nested)


def as_store(store: Any) -> Store | None:
    """
    Return *store*, if it can be one.
    """
    if store is not None and (isinstance(store, type) or not hasattr(store, "keeper")):
        raise ConfigTypeError(
            f"store must be a SessionStore, such as RedisStore(client), not {store!r:.80}"
            if isinstance(store, type)
            else f"store must be a SessionStore, such as RedisStore(client), not {type(store).__name__}"
        )
    kept: Store | None = store
    return kept


def load_pickle(record: bytes, loads: Any) -> dict[str, Any]:
    """
    Return the session in a pickle.

    Raises:
        RecordError: There is none.
    """
    try:
        data = loads(record)
    except Exception as exc:  # a pickle may raise anything
        raise RecordError(f"the record is a pickle that can't be read ({type(exc).__name__})") from exc
    if not isinstance(data, dict):
        raise RecordError("the record holds no dict")
    return data


def checked_timeout(timeout: Any) -> float:
    """
    Return seconds to wait, if they are such.
    """
    if type(timeout) not in (int, float):
        raise ConfigTypeError(f"timeout must be seconds, not {type(timeout).__name__}")
    if not 0 < timeout < float("inf"):
        raise ConfigError(f"timeout={timeout} leaves no time for an answer, or all; give seconds")
    seconds: float = timeout
    return seconds


def hide_parameters(error: BaseException) -> None:
    """
    Keep a session's id and data out of the text of SQLAlchemy's errors, which somebody may log.
    """
    cause: BaseException | None = error
    while cause is not None:
        if hasattr(cause, "hide_parameters"):
            cause.hide_parameters = True
        cause = cause.__cause__ or cause.__context__


def need(module: str, extra: str) -> Any:
    """
    Import what an extra of this package installs.

    Raises:
        ImportError: It isn't installed.
    """
    try:
        return import_module(module)
    except ImportError as exc:
        raise ImportError(f"{module} is missing: pip install 'starlette-flask[{extra}]'") from exc
