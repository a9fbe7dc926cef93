"""
Sessions that a server keeps: the cookie holds an id, and a `SessionStore` the record.

The rules are those of ``flask_session.base.ServerSideSessionInterface`` (Flask-Session 0.8), with these differences:
a record is read once and written only if it was changed; two requests at the same moment both keep what they change;
and what can't be read or written is never taken for an empty session.
"""

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from threading import get_ident
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import anyio
from starlette.types import Scope

from starlette_flask.config import SessionConfig
from starlette_flask.cookie_reader import CookieReader
from starlette_flask.formats.cookies import Header, add_vary
from starlette_flask.formats.signing import PlainSigner
from starlette_flask.log import log_ended_meanwhile, log_late_change, log_refused_websocket, log_unreadable_answer
from starlette_flask.session import Session, dump_cookie, find_answer, merge, pretend_read, untouched, without_answer
from starlette_flask.stores.base import RecordError, SessionStore, StoreError, hide_parameters

T = TypeVar("T")

# What an id may be made of: those of secrets.token_urlsafe, and the UUIDs of older versions. Anything else is unknown
# to the store, and isn't asked for: some servers refuse blanks, control characters, or more than 250 bytes.
_SID = re.compile(rb"[0-9A-Za-z_-]{1,200}")


class StoredSession(Session):
    """
    The session of a request that a server keeps.

    It has the attributes of a `Session`, and those of Flask-Session's: it is false if it holds nothing but
    ``_permanent``, and `clear` keeps that.
    """

    sid: str
    """The session's id, which the cookie holds."""

    _store: SessionStore
    # What the store holds, as far as we know, and what of that this session has: they part when others write, too.
    _record: bytes | None = None
    _base: bytes | None = None
    # The id that the browser has.
    _sent_sid: str | None = None
    _is_login = False

    def __bool__(self) -> bool:
        return len(self) > ("_permanent" in self)

    def clear(self) -> None:
        is_permanent = self.get("_permanent", False)
        super().clear()
        self["_permanent"] = is_permanent

    def regenerate(self, *, is_login: bool = False) -> None:
        """
        Give the session a new id, and forget the old one, so that whoever knew that knows nothing.

        `sid` is new at once. Before the response starts, the record is written under it, and the old one deleted.
        `starlette_flask.login.login_user` calls this.

        Args:
            is_login: Somebody has just proved who they are: what the session holds comes along even if another request
                has ended it meanwhile, as the first click does on a login's button that is clicked twice.
        """
        self._is_login = self._is_login or is_login
        self.sid = secrets.token_urlsafe(self._store.sid_length)
        if self:
            self.mark_modified()

    def _dump(self, data: Mapping[str, Any]) -> bytes:
        return self._store.encode(data)

    def _change_late(self) -> None:
        pass  # it may still be saved; save_late decides


_UntouchedStoredSession: Any = untouched(StoredSession)


class ServerSessions:
    """
    Opens and saves the sessions of requests with a store.

    Args:
        store: Keeps the records.
        config: What the cookie is.
        reader: Tells whom it concerns of rejected cookies.
        track_nested: Notice changes inside values.
    """

    def __init__(self, store: SessionStore, config: SessionConfig, reader: CookieReader, track_nested: bool) -> None:
        self._store = store
        self._config = config
        self._reader = reader
        self._track_nested = track_nested
        age = config.lifetime if config.accepted_age is None else config.accepted_age
        self._lifetime = max(int(age), 1)  # no server takes less
        self._refresh = self._lifetime if config.refresh_each_request else None
        self._signer = _signer(config) if store.use_signer else None
        self._turns: WeakValueDictionary[tuple[str, int], anyio.Lock] = WeakValueDictionary()

    async def open(self, scope: Scope) -> StoredSession:
        """
        Return the session of a request: with the data of its record, or new.
        """
        session = await self._opened(scope)
        if session._sent_sid is None:
            session.sid = secrets.token_urlsafe(self._store.sid_length)
        session.__class__ = _UntouchedStoredSession
        return session

    async def _opened(self, scope: Scope) -> StoredSession:
        session = self._new()
        value = self._config.cookie.find(scope["headers"])
        session._is_carried = value is not None
        if not value:
            return session
        sid = self._sid_in(value)
        if sid is None:
            data = self._reader.load_starlette(value)
            if data is not None:
                dict.update(session, data)
                session._payload = b""  # it isn't new
            elif self._signer is not None:
                self._reader.reject("no key matches the signature of the id", "signature", scope)
            else:
                self._reader.reject("it holds no id of a session", "unknown", scope)
            return session
        record = await self._read(sid, self._refresh)
        if not record:
            # The id is never adopted: whoever made it up may know it.
            self._reader.reject("the store knows no session of this id", "unknown", scope)
            return session
        session.sid = session._sent_sid = sid
        session._record = record
        try:
            data = self._store.decode(record)
        except RecordError as exc:
            self._reader.reject(exc, "payload", scope)
        else:
            session._payload = session._base = record
            dict.clear(session)
            dict.update(session, data)
        return session

    async def save(self, session: StoredSession, headers: list[Header], path: str) -> list[Header]:
        """
        Write the record if the session was changed, and return the response's headers with the cookie.
        """
        config = self._config
        answer = find_answer(config, headers, path)
        if not session.modified:
            sid = session._sent_sid
            if answer is None and config.refresh_each_request and sid is not None and _stays(session):
                headers = [*headers, (b"set-cookie", self._line(sid, True))]
                add_vary(headers)
            elif session.accessed:
                headers = headers.copy()
                add_vary(headers)
            if answer is not None and (sid := self._sid_in(answer)) is not None:
                session.sid = session._sent_sid = sid  # what is changed from here on is written there
            elif answer == b"":
                session._sent_sid = None
        else:
            headers = without_answer(config, headers, path)
            data = await (self._write(session) if answer is None else self._write_after(session, answer))
            if data:
                session._sent_sid = session.sid
                headers.append((b"set-cookie", self._line(session.sid, bool(data.get("_permanent")))))
            elif data is not None and (session._is_carried or answer is not None):
                session._sent_sid = None
                headers.append((b"set-cookie", config.cookie.delete()))
            add_vary(headers)
            session._is_changed, session._handed_out = False, session._written_now()
        session._is_saved = True
        return headers

    async def save_late(self, session: StoredSession) -> None:
        """
        Write what was changed when no cookie could be sent any more, if the browser has the session's id.
        """
        if not session.modified:
            return
        if session._sent_sid is None or session._sent_sid != session.sid:
            # Not under the old id: it was given up because somebody else may know it.
            log_late_change() if session._is_saved else log_refused_websocket()
        else:
            await self._write_merged(session, session.sid, session.sid)

    def _new(self) -> StoredSession:
        session = StoredSession()
        session._config = self._config
        session._store = self._store
        session._tracks_nested = self._track_nested
        session._is_verified = session._is_loaded = True
        dict.update(session, self._new_content())
        return session

    def _new_content(self) -> dict[str, Any]:
        return {"_permanent": True} if self._store.permanent else {}

    def _sid_in(self, value: bytes) -> str | None:
        sid = value if self._signer is None else self._signer.verified(value)
        return sid.decode() if sid is not None and _SID.fullmatch(sid) else None

    def _line(self, sid: str, is_permanent: bool) -> bytes:
        value = sid.encode() if self._signer is None else self._signer.sign(sid.encode())
        return dump_cookie(self._config, value, is_permanent)

    async def _write(self, session: StoredSession) -> dict[str, Any] | None:
        """
        Write a changed session, and return what is there now: nothing, if it was emptied; None, if another request has
        ended it meanwhile.
        """
        old_sid = session._sent_sid
        data = dict(dict.items(session))
        if not session:
            if old_sid is not None:
                await self._delete(old_sid)
            session._record = session._base = None
            data = {}
        elif old_sid is not None and old_sid != session.sid:
            data = await self._write_merged(session, old_sid, session.sid) or {}
        else:
            record = self._store.encode(data)
            async with self._turn(session.sid):
                is_written = await self._put(session.sid, record, session._record)
            if not is_written:
                return await self._write_merged(session, session.sid, session.sid)
            self._note_written(session, record)
        return data

    async def _write_after(self, session: StoredSession, answer: bytes) -> dict[str, Any] | None:
        """
        Write a changed session after the app inside has written its own, which it answers with.
        """
        sid = self._sid_in(answer)
        if answer and sid is None:
            log_unreadable_answer(self._config.session_cookie)
            return await self._write(session)
        old_sid = session._sent_sid
        is_regenerated = old_sid not in (None, session.sid)
        if sid is not None and not is_regenerated:
            session.sid = sid
        elif sid is None and session.sid == session._sent_sid:
            session.sid = secrets.token_urlsafe(self._store.sid_length)  # the app inside has ended that one
        data = await self._write_merged(session, sid, session.sid, gives_way=True) or {}
        if is_regenerated and old_sid is not None and old_sid != sid:
            await self._delete(old_sid)
        return data

    async def _write_merged(
        self, session: StoredSession, source: str | None, target: str, *, gives_way: bool = False
    ) -> dict[str, Any] | None:
        """
        Write what the session changed into what others have made of it meanwhile.

        Args:
            session: The session.
            source: The id under which the others have written; None: they have deleted it.
            target: The id under which it is written.
            gives_way: The others are an app inside, which comes first by some keys.
        """
        store = self._store
        ours = dict(dict.items(session))
        base = self._new_content() if session._base is None else store.decode(session._base)
        if gives_way:
            pretend_read(session, base, ours)
        async with self._turn(source or target):
            deadline = anyio.current_time() + store.timeout
            while anyio.current_time() < deadline:
                seen = None if source is None else await self._read(source)
                if seen is None and source == target and session._record is not None:
                    # Ended by another request: a logout, or a new id. Whoever has the old one is to find nothing.
                    log_ended_meanwhile()
                    session._sent_sid = None
                    return None
                if seen is None and session._is_login and source != target:
                    data = ours
                else:
                    data = merge(base, ours, self._content_of(seen), store.encode)
                if not data.keys() - {"_permanent"}:
                    if seen is not None and source is not None:
                        await self._delete(source)
                    return {}
                record = store.encode(data)
                if source == target:
                    is_written = await self._put(target, record, seen)
                else:
                    is_written = await self._put(target, record, None)
                    if is_written and source is not None:
                        await self._delete(source)
                if is_written:
                    self._note_written(session, record)
                    return data
        raise StoreError(f"for {store.timeout} s, each time that the record was to be written, it had changed")

    def _content_of(self, record: bytes | None) -> dict[str, Any]:
        if record:
            try:
                return self._store.decode(record)
            except RecordError:
                pass
        return self._new_content()

    def _note_written(self, session: StoredSession, record: bytes) -> None:
        session._record = record
        session._base = self._store.encode(dict(dict.items(session)))

    @asynccontextmanager
    async def _turn(self, sid: str) -> AsyncIterator[None]:
        # The requests of one user that are served by this thread take turns. Otherwise each write of theirs would
        # make all others try again. No more than a courtesy, since the store compares anyway: nobody waits for long.
        lock = self._turns.setdefault((sid, get_ident()), anyio.Lock())
        is_waiting_over = False
        try:
            lock.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(self._store.timeout) as waiting:
                await lock.acquire()
            is_waiting_over = waiting.cancelled_caught
        try:
            yield
        finally:
            if not is_waiting_over:
                lock.release()

    async def _read(self, sid: str, refresh: int | None = None) -> bytes | None:
        return await self._answer(self._store.read(self._store.key_prefix + sid, refresh))

    async def _put(self, sid: str, record: bytes, seen: bytes | None) -> bool:
        return await self._answer(self._store.write(self._store.key_prefix + sid, record, self._lifetime, seen))

    async def _delete(self, sid: str) -> None:
        await self._answer(self._store.delete(self._store.key_prefix + sid))

    async def _answer(self, request: Awaitable[T]) -> T:
        try:
            with anyio.fail_after(self._store.timeout):
                return await request
        except Exception as exc:  # whatever the store's client raises
            hide_parameters(exc)
            raise StoreError("the session store failed") from exc


def _stays(session: StoredSession) -> bool:
    # Of a dict's own methods, which don't touch it.
    return bool(dict.get(session, "_permanent")) and dict.__len__(session) > 1


def _signer(config: SessionConfig) -> PlainSigner:
    # flask_session.base.ServerSideSessionInterface._get_signer (0.8), and older keys, which it doesn't know.
    return PlainSigner(
        config.secret_key,  # type: ignore[arg-type]  # SessionConfig has seen to it
        fallbacks=config.secret_key_fallbacks,  # type: ignore[arg-type]
        salt="flask-session",
    )
