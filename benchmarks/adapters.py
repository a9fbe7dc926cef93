"""
Who mounts a Flask app: every adapter with its defaults, and, to compare with, nobody.
"""

import asyncio
import io
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import flask
from a2wsgi import WSGIMiddleware as A2WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from starlette.types import ASGIApp, Message

from benchmarks.payloads import environ_of
from benchmarks.visits import Visit, make_app
from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it is deprecated, and used
    from starlette.middleware.wsgi import WSGIMiddleware as StarletteWSGIMiddleware

Answer = tuple[int, list[bytes]]
"""
The status of a response, and its body.
"""
Ask = Callable[[], Awaitable[Answer]]


class Caller(Protocol):
    """
    Somebody who calls the Flask app.
    """

    @property
    def name(self) -> str:
        """
        As in the report.
        """

    @property
    def session_from(self) -> str:
        """
        The package whose session the app's views see.
        """

    def asker(self, visit: Visit, cookie: str | None) -> Ask:
        """
        Return what sends one request.
        """


class PlainWSGI:
    """
    The app itself, called where the loop runs. Nobody waits for anything: many at once are one after the other.
    """

    name = "plain WSGI"
    session_from = "flask"

    def __init__(self) -> None:
        self._app = make_app()

    def asker(self, visit: Visit, cookie: str | None) -> Ask:
        app = self._app
        environ = environ_of(visit.scope(cookie))

        async def ask() -> Answer:
            statuses = []

            def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                statuses.append(int(status[:3]))

            body: Any = app({**environ, "wsgi.input": io.BytesIO(visit.upload)}, start_response)
            try:
                chunks = list(body)
            finally:
                body.close()
            return statuses[0], chunks

        return ask


class Mount:
    """
    An adapter with the app inside.

    Args:
        name: As in the report.
        adapt: Makes an ASGI app of a WSGI app.
        session_from: The package whose session the app's views see.
    """

    def __init__(self, name: str, adapt: Callable[[Any], Any], *, session_from: str = "flask") -> None:
        self.name = name
        self.app: ASGIApp = adapt(make_app())
        self.session_from = session_from

    def asker(self, visit: Visit, cookie: str | None) -> Ask:
        app, scope, messages = self.app, visit.scope(cookie), visit.messages()

        async def ask() -> Answer:
            request = _Request(messages)
            await app(dict(scope), request.receive, request.send)
            return request.status, request.chunks

        return ask


class _Request:
    """
    The server's side of a request.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        self.status = 0
        self.chunks: list[bytes] = []
        self._messages = messages
        self._received = 0
        self._is_answered = asyncio.Event()

    async def receive(self) -> Message:
        if self._received == len(self._messages):
            await self._is_answered.wait()
            return {"type": "http.disconnect"}
        if self._received:
            await asyncio.sleep(0)  # a server reads once in each turn of the loop
        self._received += 1
        return self._messages[self._received - 1]

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            self._is_answered.set()


def _adapt_and_share(app: flask.Flask) -> ASGIApp:
    return SessionMiddleware(WSGIMiddleware(app), config=SessionConfig.from_flask(app))


PLAIN = PlainWSGI()
A2WSGI = Mount("a2wsgi", A2WSGIMiddleware)
ASGIREF = Mount("asgiref", WsgiToAsgi)
STARLETTE_WSGI = Mount("Starlette", StarletteWSGIMiddleware)
MOUNTED = Mount("starlette-flask", WSGIMiddleware)
MOUNTED_SHARED = Mount("starlette-flask, session shared", _adapt_and_share, session_from="starlette_flask")

CALLERS: tuple[Caller, ...] = (MOUNTED, MOUNTED_SHARED, A2WSGI, ASGIREF, STARLETTE_WSGI, PLAIN)
