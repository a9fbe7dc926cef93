"""
The dict that a view sees, and the rules by which it is read, written and merged.

A request opens a session with `open_session` and saves it with `save_session`, as in
``flask.sessions.SecureCookieSessionInterface`` (Flask 3.1).

The life of a session: it begins as an `untouched` one, which knows the request's headers and has looked at nothing.
The first touch, reading or writing, *verifies* the cookie (finds it, checks signature and age), *loads* what it says,
and makes the object a `Session`. From then on it notes what is changed, and which mutable values it hands out. When
the response starts it is saved; what changes after that is reported.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from threading import RLock
from typing import Any, cast
from uuid import UUID

from itsdangerous import BadData
from markupsafe import Markup
from starlette.requests import HTTPConnection
from starlette.types import Scope

from starlette_flask.checks import Unset
from starlette_flask.config import SessionConfig
from starlette_flask.cookie_reader import CookieReader
from starlette_flask.formats.cookies import MAX_COOKIE_BYTES, Header, add_vary
from starlette_flask.formats.serializer import MAX_INFLATED_BYTES
from starlette_flask.formats.tagged_json import PLAIN_TYPES
from starlette_flask.log import (
    log_late_change,
    log_oversized,
    log_refused_websocket,
    log_unreadable_answer,
)

SCOPE_KEY = "starlette_flask.session"
"""Where the middleware keeps the request's session beside ``scope["session"]``, which others may replace."""

STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
"""The messages that carry the response's headers: after them no cookie can be set."""

# Values that can't change while a view holds them.
_IMMUTABLE_TYPES = PLAIN_TYPES | {bytes, datetime, UUID, Markup}


class Session(dict[str, Any]):
    """
    The session of a request: a dict that knows whether it was read or changed.

    It has the attributes of ``flask.session`` and the methods of Starlette's ``request.session``.
    A change inside a value (``session["cart"].append(1)``) is noticed too: a mutable value that was
    handed out is compared, as it would be written, when the session is saved.

    A copy (``copy``, ``deepcopy``, ``pickle``) holds the same data and belongs to no request.
    """

    accessed: bool = False
    """The session was read or written, so the response varies by cookie."""

    # What open_session sets. A session without a config belongs to no request.
    _config: SessionConfig | None = None
    _reader: CookieReader
    _headers: Iterable[Header] = ()
    _scope: Scope | None = None
    _tracks_nested: bool = True
    # What came with the request: whether the cookie did, and what it says if it is valid.
    _is_verified: bool = False
    _is_loaded: bool = False
    _is_carried: bool = False
    _payload: bytes | None = None
    # What happened since: mutable values that left, by key, as they would have been written then.
    _is_changed: bool = False
    _is_saved: bool = False
    _yielding: Iterable[str] = ()
    _handed_out: dict[str, bytes | None] | None = None

    @property
    def new(self) -> bool:
        """
        No valid session came with the request.
        """
        return self._payload is None

    @property
    def permanent(self) -> bool:
        """
        The cookie outlives the browser, for ``PERMANENT_SESSION_LIFETIME``. Kept in the session as ``_permanent``.
        """
        return bool(self.get("_permanent"))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)

    @property
    def modified(self) -> bool:
        """
        The session was changed, inside its values or by key, and will be saved.

        Set it to False to keep the changes made so far from being saved.
        """
        return self._is_changed or self._written_now() != self._handed_out

    @modified.setter
    def modified(self, value: bool) -> None:
        if value:
            self.mark_modified()
        else:
            self._is_changed = False
            self._handed_out = None
            self._hand_out_all()

    def mark_accessed(self) -> None:
        """
        Note that the session was read. Starlette's ``request.session`` calls this.
        """
        self.accessed = True

    def mark_modified(self) -> None:
        """
        Note that the session was changed.
        """
        if self._is_saved and not self._is_changed:
            self._change_late()
        self.accessed = self._is_changed = True

    def _change_late(self) -> None:
        log_late_change()

    # Reading: what is mutable is remembered as it leaves.

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        if type(value) not in _IMMUTABLE_TYPES:
            self._hand_out(key, value)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = dict.get(self, key, default)
        return value if type(value) in _IMMUTABLE_TYPES or key not in self else self[key]

    def values(self) -> Any:
        self._hand_out_all()
        return super().values()

    def items(self) -> Any:
        self._hand_out_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        self._hand_out_all()
        return super().copy()

    def __or__(self, other: Any) -> Any:
        self._hand_out_all()
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self._hand_out_all()
        return super().__ror__(other)

    # With an __iter__ of its own, dict(session) and {**session} ask for each item, as for any
    # mapping, where they would copy the memory of a plain dict. So they see and hand out everything.
    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __reduce__(self) -> Any:
        return Session, (dict(self),)

    # Writing. What counts as a change is as in werkzeug.datastructures.CallbackDict (3.1).

    def __setitem__(self, key: str, value: Any) -> None:
        dict.__setitem__(self, key, value)
        self.mark_modified()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self.mark_modified()

    def clear(self) -> None:
        super().clear()
        self.mark_modified()

    def pop(self, key: str, *default: Any) -> Any:
        if key in self:
            self.mark_modified()
        return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        item = super().popitem()
        self.mark_modified()
        return item

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        super().update(*args, **kwargs)
        self.mark_modified()

    def __ior__(self, other: Any) -> "Session":  # type: ignore[override]  # dict's has overloads
        self.update(other)
        return self

    # Nested changes.

    def _hand_out(self, key: str, value: Any) -> None:
        if self._tracks_nested:
            if self._handed_out is None:
                self._handed_out = {}
            if key not in self._handed_out:
                # After a change everything is written anyway; only that it left is of interest then.
                self._handed_out[key] = None if self._is_changed else self._as_written(key)

    def _hand_out_all(self) -> None:
        for key, value in super().items():
            if type(value) not in _IMMUTABLE_TYPES:
                self._hand_out(key, value)

    def _written_now(self) -> dict[str, bytes | None] | None:
        # Of a copy: a view that streams may read in another thread while the session is saved.
        return self._handed_out and {key: self._as_written(key) for key in self._handed_out.copy()}

    def _as_written(self, key: str) -> bytes | None:
        # == can't see 1 become True or 1.0. What would be written can.
        if self._config is None or key not in self:
            return None
        try:
            return self._dump({key: dict.__getitem__(self, key)})
        except Exception:  # whatever it is that can't be written, saving the session will say so
            return None

    def _dump(self, data: Mapping[str, Any]) -> bytes:
        return config_of(self).signing_serializer.dump_payload(data)

    # The request's cookie.

    def _verify(self, config: SessionConfig) -> None:
        self._is_verified = True  # first: who is told of a rejected cookie may look at the session
        value = config.cookie.find(self._headers)
        if value is not None:
            self._is_carried = True
            if value:
                self._payload = self._reader.verify(value, self._scope)

    def _load(self, config: SessionConfig) -> None:
        # Two threads of one request may touch its session at once; neither may see it half loaded. A lock of its own,
        # since code of the app's may run while it is held.
        with self.__dict__.setdefault("_first_touch", RLock()):
            if self._is_loaded:
                return
            if not self._is_verified:
                self._verify(config)
            if self._payload is not None:
                data = self._reader.load(self._payload, self._scope)
                if data is None:
                    self._payload = None
                else:
                    dict.update(self, data)
            self._is_loaded = True

    def _is_due_for_refresh(self, config: SessionConfig) -> bool:
        if not self._is_loaded:
            # Nobody touched it: look no further into the cookie than this question needs.
            self._verify(config)
            if self._payload is None or not config.signing_serializer.may_have_key(self._payload, b"_permanent"):
                return False
            self._load(config)
        return bool(dict.get(self, "_permanent"))


_READERS = (
    "__getitem__ __contains__ __iter__ __reversed__ __len__ __eq__ __ne__ __repr__ __or__ __ror__ __reduce__"
    " get keys values items copy"
)
_WRITERS = "__setitem__ __delitem__ __ior__ clear pop popitem setdefault update"


def untouched(kind: type[Session]) -> type[Session]:
    """
    Return the class of a session that nobody has touched yet. The first touch, whatever it is, loads the session if it
    isn't loaded, notes that it was accessed, and makes it one of *kind*.
    """

    def mark_accessed(self: Session) -> None:
        if not self._is_loaded:
            self._load(config_of(self))
        self.__class__ = kind  # same layout, and from now on nothing but that
        self.accessed = True

    def mark_modified(self: Session) -> None:
        self.mark_accessed()
        self.mark_modified()

    def new(self: Session) -> bool:
        self.mark_accessed()
        return self.new

    members: dict[str, Any] = {name: _touching(kind, name) for name in (*_READERS.split(), *_WRITERS.split())}
    members |= {"mark_accessed": mark_accessed, "mark_modified": mark_modified, "new": property(new)}
    return type(f"_Untouched{kind.__name__}", (kind,), members)


def _touching(kind: type[Session], name: str) -> Callable[..., Any]:
    method = getattr(kind, name)

    def touch(self: Session, *args: Any, **kwargs: Any) -> Any:
        self.mark_accessed()
        return method(self, *args, **kwargs)

    return touch


_UntouchedSession = untouched(Session)


def open_session(reader: CookieReader, scope: Scope, lazy: bool = True, track_nested: bool = True) -> Session:
    """
    Return the session of a request.

    Args:
        reader: Reads the cookie.
        scope: The request's ASGI scope.
        lazy: Decode the cookie when the session is first touched. For where that can't be seen: False.
        track_nested: Notice changes inside values.
    """
    session = _UntouchedSession()
    session._config = config = reader.config
    session._reader = reader
    session._headers = scope["headers"]
    if reader.reports:
        session._scope = dict(scope)  # the scope itself will hold the session, which would hold the scope
    if not track_nested:
        session._tracks_nested = False
    if not lazy:
        session._load(config)
    return session


def is_session_of(session: Session, config: SessionConfig) -> bool:
    """
    Tell whether *session* is one that `open_session` made for an equal config.
    """
    return session._config == config


def config_of(session: Session) -> SessionConfig:
    """
    Return the config that `open_session` made *session* with.
    """
    if session._config is None:
        raise ValueError("this session belongs to no request")
    return session._config


def give_way(session: object, keys: Iterable[str]) -> None:
    """
    Let an app inside that answers with the cookie have the last word on *keys*: they hold what was found out here, not
    what was decided. Called again, with others or none, it is those.
    """
    if isinstance(session, Session):
        session._yielding = keys


def pretend_read(session: Session, base: dict[str, Any], data: Mapping[str, Any]) -> None:
    """
    Let the keys by which *session* gives way look as if they had been read so.

    Args:
        session: The session.
        base: As it was read; changed in place.
        data: As it is.
    """
    for key in session._yielding:
        base.pop(key, None)
        if key in data:
            base[key] = data[key]


def is_assigned(scope: Scope, session: Session) -> bool:
    """
    Tell whether what is in the place of *session*, which was in the scope before, was put there by a view.

    Before Starlette 1.0 nobody can tell: the session of Starlette's own middleware further in, with users of its own,
    was a plain dict, such as a view may assign. There it is never taken for a view's.
    """
    if not REQUEST_TOUCHES_SESSION or "session" not in scope or "session_handler" in scope:  # starsessions has two
        return False
    # Not isinstance: starsessions puts an object into the scope that raises when it is asked for its class.
    kind = type(scope["session"])
    if issubclass(kind, Session):
        other = cast(Session, scope["session"])
        return other is not session and other._config is None
    return kind.__module__ != "starlette.middleware.sessions"


def take_assigned(scope: Scope, session: Session) -> None:
    """
    Make what a view assigned to ``scope["session"]``, if it did, the content of *session*, and put that back.

    Raises:
        TypeError: It is no mapping.
    """
    if scope.get("session") is session or not is_assigned(scope, session):
        return
    assigned = scope["session"]
    if not isinstance(assigned, Mapping):
        raise TypeError(
            f'scope["session"] was set to {type(assigned).__name__}; assign a dict, or call request.session.clear()'
        )
    session.clear()
    session.update(assigned)
    scope["session"] = session


def save_session(config: SessionConfig, session: Session, headers: Iterable[Header], path: str) -> list[Header]:
    """
    Return the response's headers with the session in them.

    Mirrors ``flask.sessions.SecureCookieSessionInterface.save_session`` (Flask 3.1.3), with three
    differences: changes inside values count; a cookie that the request didn't carry is not deleted;
    and a ``Set-Cookie`` for this very cookie that the app already answers with is respected.

    Args:
        config: The one that *session* was opened with.
        session: The request's session.
        headers: The response's ASGI headers; not changed, and returned as they are if there is nothing to say.
        path: The request's path.

    Raises:
        TypeError: The session holds what has no form in JSON.
        RecursionError: The session is nested too deep, or holds itself.
    """
    if not isinstance(headers, list):
        headers = list(headers)
    answer = find_answer(config, headers, path)
    theirs = None if answer is None else _read_answer(config, answer)
    handed_out = session._handed_out
    written_now = handed_out and session._written_now()
    is_modified = session._is_changed or written_now != handed_out
    if is_modified or (config.refresh_each_request and answer is None and session._is_due_for_refresh(config)):
        data = dict(dict.items(session))
        if theirs is not None:
            base = config.signing_serializer.load_payload(session._payload) if session._payload else {}
            pretend_read(session, base, data)
            data = merge(base, data, theirs, config.signing_serializer.dump_payload)
        headers = headers.copy() if answer is None else without_answer(config, headers, path)
        if data:
            line = dump_cookie(config, config.signing_serializer.dump_value(data), bool(data.get("_permanent")))
            if len(line) > MAX_COOKIE_BYTES:
                log_oversized(config.session_cookie, len(line))
            headers.append((b"set-cookie", line))
        elif session._is_carried or answer is not None:
            headers.append((b"set-cookie", config.cookie.delete()))
        session._is_changed, session._handed_out = False, written_now
        add_vary(headers)
    elif session.accessed:
        headers = headers.copy()
        add_vary(headers)
    session._is_saved = True  # what changes from here on is too late
    return headers


def find_answer(config: SessionConfig, headers: Iterable[Header], path: str) -> bytes | None:
    """
    Return the value that the app inside already gives to the session's cookie: empty if it deletes it, None if it
    doesn't mention it.
    """
    answer = None
    for name, line in headers:
        if len(name) == 10 and name.lower() == b"set-cookie":
            value = config.cookie.value_set_by(line, path)
            if value is not None:
                answer = value  # a browser keeps the last one
    return answer


def without_answer(config: SessionConfig, headers: Iterable[Header], path: str) -> list[Header]:
    """
    Return the headers without what the app inside says of the session's cookie.
    """
    return [
        (name, line)
        for name, line in headers
        if name.lower() != b"set-cookie" or config.cookie.value_set_by(line, path) is None
    ]


def merge(
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    dump: Callable[[Mapping[str, Any]], bytes],
) -> dict[str, Any]:
    """
    Merge two changed versions of a session: a key that *ours* changed is ours, every other is theirs.

    Args:
        base: The session as it was read.
        ours: As our side leaves it.
        theirs: As the other side leaves it; empty if it was deleted.
        dump: Tells whether two values are written alike.
    """

    def as_written(data: Mapping[str, Any], key: str) -> bytes | None:
        return dump({key: data[key]}) if key in data else None

    merged = dict(theirs)
    for key in {**base, **ours}:
        if as_written(ours, key) != as_written(base, key):
            if key in ours:
                merged[key] = ours[key]
            else:
                merged.pop(key, None)
    return merged


def warn_of_late_changes(session: Session) -> None:
    """
    Report changes inside values that came after the session was saved. Call it when the app has finished.
    """
    if session._is_saved and not session._is_changed and session.modified:
        log_late_change()


def warn_of_refused_websocket(session: Session) -> None:
    """
    Report changes that are lost because a WebSocket is closed before it was accepted: no header goes out.
    """
    if not session._is_saved and session.modified:
        log_refused_websocket()


def fits_cookie(session: Session) -> bool:
    """
    Tell whether browsers would keep the cookie that *session* comes to now, and we could read it again.

    A session that belongs to no request, or is kept on a server, always fits.
    """
    if session._config is None or session._config.store is not None:
        return True
    session.mark_accessed()  # or nothing is loaded yet
    config, data = session._config, dict(dict.items(session))
    if len(config.signing_serializer.dump_payload(data)) > MAX_INFLATED_BYTES:
        return False
    value = config.signing_serializer.dump_value(data)
    return len(dump_cookie(config, value, bool(data.get("_permanent")))) <= MAX_COOKIE_BYTES


def dump_cookie(config: SessionConfig, value: bytes, is_permanent: bool) -> bytes:
    """
    Return the ``Set-Cookie`` line that sets the session's cookie.

    Args:
        config: What the cookie is.
        value: The data or the id, signed.
        is_permanent: It outlives the browser.
    """
    if not isinstance(config.max_age, Unset):
        return config.cookie.set(value, max_age=config.accepted_age)
    if is_permanent:
        return config.cookie.set(value, expires=int(time.time() + config.lifetime))
    return config.cookie.set(value)


def _request_touches_session() -> bool:
    class Probe(dict[str, Any]):
        is_touched = False

        def mark_accessed(self) -> None:
            self.is_touched = True

    probe = Probe()
    HTTPConnection({"type": "http", "session": probe}).session  # noqa: B018  # a property that acts
    return probe.is_touched


REQUEST_TOUCHES_SESSION = _request_touches_session()
"""Since 1.0 Starlette's ``request.session`` calls ``mark_accessed``, so that a session can wait for it."""


def _read_answer(config: SessionConfig, value: bytes) -> dict[str, Any] | None:
    """
    Return the session that the app inside answers with: empty if it deletes it, None if it isn't ours.
    """
    if not value:
        return {}
    try:
        return config.signing_serializer.loads(value, config.accepted_age)
    except BadData:
        log_unreadable_answer(config.session_cookie)
        return None
