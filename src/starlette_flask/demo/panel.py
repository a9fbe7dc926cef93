"""
The demo's panel: what the session holds, of which type, and which half wrote it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from reprlib import Repr
from typing import Any

from itsdangerous import BadData
from starlette.datastructures import State
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask.config import SessionConfig
from starlette_flask.formats.cookies import MAX_COOKIE_BYTES
from starlette_flask.middleware.wsgi import WSGIMiddleware

_KEPT_TRACES = 1000
_KEPT_WRITES = 5
_MEANINGS = {
    "_user_id": "Flask-Login: who is logged in",
    "_fresh": "Flask-Login: logged in with a password",
    "_id": "Flask-Login: from which address and browser",
    "_permanent": "Flask: outlives the browser",
    "_flashes": "Flask: messages to be shown",
    "csrf_token": "Flask-WTF: what forms must know",
}

_shorten = Repr()
_shorten.maxstring, _shorten.maxother = 60, 100
_shorten.maxdict = _shorten.maxlist = _shorten.maxtuple = 8


@dataclass(frozen=True)
class Write:
    """
    A response that changed the session.
    """

    half: str
    request: str
    keys: tuple[str, ...]
    """What was written."""
    gone: tuple[str, ...]
    """What was taken out."""


@dataclass(frozen=True)
class Trace:
    """
    What is known of how a session came to be.
    """

    writers: Mapping[str, str] = field(default_factory=dict)
    """For each key, which half wrote it."""
    writes: tuple[Write, ...] = ()
    """The last ones, the latest first."""


class SessionTracer:
    """
    Notes which half writes what. It stands outside `SessionMiddleware` and sees cookies as browsers do.

    A request finds the `Trace` of its session as ``state.trace``.
    """

    def __init__(self, app: ASGIApp, config: SessionConfig) -> None:
        self.app = app
        self.config = config
        self._traces: OrderedDict[bytes, Trace] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        cookie = self.config.cookie.find(scope["headers"]) or b""
        trace = self._traces.get(cookie, Trace())
        state = HTTPConnection(scope).state
        state.trace, state.config = trace, self.config

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, cookie, trace, message)
            await send(message)

        await self.app(scope, receive, send_noted)

    def _note(self, scope: Scope, cookie: bytes, trace: Trace, message: Message) -> None:
        for name, line in message.get("headers", ()):
            value = self.config.cookie.value_set_by(line, scope["path"]) if name == b"set-cookie" else None
            if value is None:
                continue
            before, after = read_session(self.config, cookie), read_session(self.config, value)
            half = "Flask" if isinstance(scope.get("endpoint"), WSGIMiddleware) else "FastAPI"
            written = tuple(key for key in after if key not in before or before[key] != after[key])
            gone = tuple(key for key in before if key not in after)
            writers = {key: half if key in written else trace.writers.get(key, half) for key in after}
            writes = trace.writes
            if written or gone:
                writes = (Write(half, f"{scope['method']} {scope['path']}", written, gone), *writes)[:_KEPT_WRITES]
            self._traces[value] = Trace(writers, writes)
            while len(self._traces) > _KEPT_TRACES:
                self._traces.popitem(last=False)


def read_session(config: SessionConfig, cookie: bytes) -> dict[str, Any]:
    """
    Return what a cookie says; nothing if it isn't a good one.
    """
    try:
        return config.signing_serializer.loads(cookie, config.accepted_age)
    except BadData:
        return {}


@dataclass(frozen=True)
class Entry:
    """
    A key of the session, as the panel shows it.
    """

    key: str
    type: str
    value: str
    writer: str
    meaning: str
    is_new: bool


@dataclass(frozen=True)
class Panel:
    """
    What the panel shows.
    """

    entries: list[Entry]
    last: Write | None
    writes: tuple[Write, ...]
    is_permanent: bool
    size: int
    """Of the cookie, in bytes, without its attributes."""
    limit: int = MAX_COOKIE_BYTES


def describe(session: Mapping[str, Any], state: State, half: str) -> Panel:
    """
    Return what to show of a session.

    Args:
        session: Its content.
        state: The request's, with what `SessionTracer` put there.
        half: Which half answers: it has written what nobody has written before.
    """
    trace: Trace = state.trace
    config: SessionConfig = state.config
    # What only takes messages out, to show them, isn't told of as the last.
    last = next((write for write in trace.writes if write.keys), None)
    return Panel(
        entries=[
            Entry(
                key,
                type(value).__name__,
                _shorten.repr(value),
                trace.writers.get(key, half),
                _MEANINGS.get(key, ""),
                last is not None and key in last.keys,
            )
            for key, value in session.items()
        ],
        last=last,
        writes=trace.writes,
        is_permanent=bool(session.get("_permanent")),
        size=len(f"{config.session_cookie}={config.signing_serializer.dumps(session)}") if session else 0,
    )
