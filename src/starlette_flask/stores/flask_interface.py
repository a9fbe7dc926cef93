"""
`FlaskInterfaceStore`: sessions wherever a Flask app keeps them.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from starlette.types import Scope

from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.exchange import context_for_app
from starlette_flask.flask_settings import own_interface
from starlette_flask.formats.cookies import Header, add_vary
from starlette_flask.formats.tagged_json import TaggedJSONSerializer
from starlette_flask.log import log_ended_meanwhile, log_late_change, log_refused_websocket
from starlette_flask.session import Session, find_answer, untouched, without_answer
from starlette_flask.stores.base import SessionKeeper, StoreError, checked_timeout, hide_parameters
from starlette_flask.stores.threads import in_thread
from starlette_flask.wsgi import build_environ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette_flask.config import SessionConfig
    from starlette_flask.cookie_reader import CookieReader

T = TypeVar("T")


class FlaskInterfaceStore:
    """
    Asks a Flask app's own ``session_interface``, whatever it is: MongoDB, DynamoDB, one of your own.

    It is called as Flask calls it, in a thread, with a real request of the app made from this one, without its body.
    It decides on the cookie, too: its ``Set-Cookie`` is sent as it is. It costs two hops to a thread with each request,
    and Flask stays; no other store needs either. Of two requests at the same moment the last one wins, as in Flask.

    Args:
        flask_app: The Flask app.
        timeout: Seconds that opening or saving may take.

    Raises:
        ConfigTypeError: *flask_app* is no Flask app.
    """

    use_signer = False

    def __init__(self, flask_app: Any, *, timeout: float = 2.0) -> None:
        if not hasattr(flask_app, "session_interface") or not hasattr(flask_app, "wsgi_app"):
            raise ConfigTypeError(f"FlaskInterfaceStore takes the Flask app itself, not {type(flask_app).__name__}")
        self.flask_app = flask_app
        self.timeout = checked_timeout(timeout)

    def is_of(self, app: object, interface: object) -> bool:
        """
        Tell whether these are the sessions of this Flask app.
        """
        return app is self.flask_app

    def keeper(self, config: "SessionConfig", reader: "CookieReader", track_nested: bool) -> SessionKeeper[Any]:
        """
        Return what opens and saves the sessions of a middleware.
        """
        return _InterfaceSessions(self, config, track_nested)


class InterfaceSession(Session):
    """
    The session of a request that a Flask app's own interface keeps.
    """

    _environ: "dict[str, Any]"
    _context: Any
    _theirs: Any
    _base: "dict[str, Any]"
    _is_regenerated = False

    @property
    def sid(self) -> str | None:
        """
        The session's id, if the interface has such.
        """
        return getattr(self._theirs, "sid", None)

    # What is false, and what is left by clear, is for theirs to say: to Flask-Session's "_permanent" is nothing.

    def __bool__(self) -> bool:
        method = getattr(type(self._theirs), "__bool__", None)
        return bool(method(self)) if isinstance(method, FunctionType) else len(self) > 0

    def clear(self) -> None:
        super().clear()
        self._theirs.clear()
        dict.update(self, self._theirs)

    def regenerate(self, *, is_login: bool = False) -> None:
        """
        Let the interface give the session a new id when it is saved, if it can, by a method ``regenerate``.
        """
        self._is_regenerated = True
        if self:
            self.mark_modified()

    def _dump(self, data: "Mapping[str, Any]") -> bytes:
        return _AS_WRITTEN.dumps(dict(data)).encode()

    def _change_late(self) -> None:
        pass  # save_late decides


_UntouchedInterfaceSession: Any = untouched(InterfaceSession)

# Only compares: what can't be written in JSON is taken for changed.
_AS_WRITTEN = TaggedJSONSerializer()


class _InterfaceSessions:
    def __init__(self, store: FlaskInterfaceStore, config: "SessionConfig", track_nested: bool) -> None:
        self._store = store
        self._app = store.flask_app
        self._config = config
        self._track_nested = track_nested
        interface = own_interface(self._app)
        with self._app.app_context():
            domain, path = interface.get_cookie_domain(self._app), interface.get_cookie_path(self._app)
            name = interface.get_cookie_name(self._app)
        # By which an answer of the app inside is known.
        self._their_config = replace(config, session_cookie=name, domain=domain, path=path, _is_flask=True)

    async def open(self, scope: Scope) -> InterfaceSession:
        session = InterfaceSession()
        session._config = self._config
        session._tracks_nested = self._track_nested
        session._is_verified = session._is_loaded = True
        http = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        session._environ = build_environ({**scope, "scheme": http, "method": scope.get("method", "GET")}, io.BytesIO())
        for key in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            session._environ.pop(key, None)

        def open_theirs() -> None:
            with self._opened(session):
                dict.update(session, session._theirs)
                session._base = {key: session._as_written(key) for key in session}
                session._payload = b"" if session._theirs and not getattr(session._theirs, "new", False) else None

        await self._call(open_theirs)
        session.__class__ = _UntouchedInterfaceSession
        return session

    async def save(self, session: InterfaceSession, headers: list[Header], path: str) -> list[Header]:
        answer = find_answer(self._their_config, headers, path)
        if answer is not None and not session.modified:
            session._is_saved = True
            if session.accessed:
                add_vary(headers)
            return headers

        if answer is not None:
            # The app inside has saved its own, under an id of its own perhaps: what we have changed is put into that.
            cookie = self._their_config.session_cookie.encode() + b"=" + answer
            session._environ["HTTP_COOKIE"] = cookie.decode("latin-1") if answer else ""

        def save_theirs() -> list[Header]:
            if answer is not None:
                with self._opened(session):
                    pass
            return self._save_theirs(session)

        lines = await self._call(save_theirs)
        if any(name == b"set-cookie" for name, _ in lines):
            headers = without_answer(self._their_config, headers, path)
        for name, line in lines:
            if name == b"vary":
                for item in line.split(b","):
                    add_vary(headers, item.strip())
            else:
                headers.append((name, line))
        session._is_saved = True
        session._is_changed, session._handed_out = False, session._written_now()
        return headers

    async def save_late(self, session: InterfaceSession) -> None:
        if session.modified and (session.new or session._is_regenerated):
            log_late_change() if session._is_saved else log_refused_websocket()
        elif session.modified and not await self._call(lambda: self._save_late(session)):
            log_ended_meanwhile()

    def _save_late(self, session: InterfaceSession) -> bool:
        # It may be hours later. What is there now is changed, and not brought back if it has been ended.
        was = session._theirs
        with self._opened(session):
            is_same = getattr(session._theirs, "sid", None) == getattr(was, "sid", None)
        if is_same and (session._theirs or not was):
            self._save_theirs(session)
            return True
        return False

    @contextmanager
    def _opened(self, session: InterfaceSession) -> Iterator[None]:
        session._context = self._app.request_context(session._environ)
        with session._context:
            session._theirs = session._context.session
            yield

    def _save_theirs(self, session: InterfaceSession) -> list[Header]:
        theirs = session._theirs
        with session._context:
            if hasattr(theirs, "accessed"):
                theirs.accessed = session.accessed  # whatever we have looked at
            if session.modified:
                now = {key: session._as_written(key) for key in session}
                if not now:
                    theirs.clear()
                for key in session._base.keys() - now.keys():
                    theirs.pop(key, None)
                for key, written in now.items():
                    if written is None or written != session._base.get(key):
                        theirs[key] = dict.__getitem__(session, key)
                theirs.modified = True
                session._base = now
            response = self._app.response_class()
            interface = self._app.session_interface
            if session._is_regenerated and hasattr(interface, "regenerate"):
                interface.regenerate(theirs)
                session._is_regenerated = False
            if not interface.is_null_session(theirs):
                interface.save_session(self._app, theirs, response)
        return [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in response.headers.items()
            if name.lower() in ("set-cookie", "vary")
        ]

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            with anyio.fail_after(self._store.timeout):
                return await in_thread(lambda: context_for_app().run(function))
        except Exception as exc:  # whatever the interface raises
            hide_parameters(exc)
            raise StoreError("the session interface failed") from exc
