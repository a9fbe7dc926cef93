"""
Who keeps sessions in Redis: every contender with its defaults, and the same apps without a session.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import flask
import flask_session  # type: ignore[import-untyped]  # ships no types
import redis
import redis.asyncio
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin
from starlette.types import ASGIApp, Message
from starsessions import SessionAutoloadMiddleware
from starsessions import SessionMiddleware as StarsessionsMiddleware
from starsessions.stores.redis import RedisStore as StarsessionsRedisStore

from benchmarks.handlers import BODY, Act, view_of
from benchmarks.loops import CASES, result_of, time_clients, time_threads
from benchmarks.payloads import SESSION_COOKIE, environ_of, scope_with
from benchmarks.rounds import Clock
from benchmarks.servers import HOST
from starlette_flask import SessionMiddleware
from starlette_flask.stores import RedisStore

OURS, STARSESSIONS, FLASK_SESSION = "starlette-flask", "starsessions", "Flask-Session"
"""
Their names, as in the report.
"""

Answer = tuple[int, Sequence[tuple[Any, Any]]]
"""
The status of a response, and its headers.
"""


class Keeper(Protocol):
    """
    Somebody who keeps sessions in Redis, or, to compare with, nobody.
    """

    @property
    def name(self) -> str:
        """
        As in the report.
        """

    @property
    def bare(self) -> "Keeper":
        """
        The same without a session.
        """

    def ask(self, act: Act | None, cookie: str | None, *, slides: bool) -> Answer:
        """
        Answer one request.

        Args:
            act: What the view does with the session; None: it doesn't touch it.
            cookie: The value of the request's session cookie; None: it has none.
            slides: Each request lets the session live longer.
        """

    def clock(self, act: Act | None, cookies: Sequence[str | None], *, slides: bool) -> Clock:
        """
        Return what answers so many requests of each client, the clients all at once.

        Args:
            act: As above.
            cookies: Each client's.
            slides: As above.
        """


class ASGIKeeper:
    """
    A session middleware around an ASGI view, or the view alone.

    Args:
        name: As in the report.
        loop: Where it answers, in a thread of its own.
        wrap: Puts the middleware around an app; its second argument is *slides*.
        bare: The view alone; None: this is it.
        loads: A view must ask for the session to be loaded.
    """

    def __init__(
        self,
        name: str,
        loop: asyncio.AbstractEventLoop,
        wrap: Callable[[ASGIApp, bool], ASGIApp] | None = None,
        bare: Keeper | None = None,
        *,
        loads: bool = False,
    ) -> None:
        self.name = name
        self.bare: Keeper = bare or self
        self._loop = loop
        self._wrap = wrap
        self._loads = loads

    def ask(self, act: Act | None, cookie: str | None, *, slides: bool) -> Answer:
        ask = self._asker(act, cookie, slides)

        async def answer() -> Answer:
            return await ask()

        return result_of(answer(), self._loop)

    def clock(self, act: Act | None, cookies: Sequence[str | None], *, slides: bool) -> Clock:
        return partial(time_clients, [self._asker(act, cookie, slides) for cookie in cookies], self._loop)

    def _asker(self, act: Act | None, cookie: str | None, slides: bool) -> Callable[[], Awaitable[Answer]]:
        app = view_of(act, has_session=self._wrap is not None, loads=self._loads)
        if self._wrap is not None:
            app = self._wrap(app, slides)
        scope = scope_with(cookie)

        async def receive() -> Message:
            return {"type": "http.request"}

        async def ask() -> Answer:
            start: Message = {}

            async def send(message: Message) -> None:
                nonlocal start
                if message["type"] == "http.response.start":
                    start = message

            await app(dict(scope), receive, send)
            return start["status"], start["headers"]

        return ask


class FlaskKeeper:
    """
    A whole Flask app with one view, called as a WSGI server with threads calls it.

    Args:
        name: As in the report.
        pool: The threads.
        client: Where Flask-Session keeps the sessions; None: there are none.
        bare: The app without them; None: this is it.
    """

    def __init__(
        self, name: str, pool: Executor, client: "redis.Redis | None" = None, bare: Keeper | None = None
    ) -> None:
        self.name = name
        self.bare: Keeper = bare or self
        self._pool = pool
        self._client = client

    def ask(self, act: Act | None, cookie: str | None, *, slides: bool) -> Answer:
        return self._pool.submit(self._asker(act, cookie, slides)).result()

    def clock(self, act: Act | None, cookies: Sequence[str | None], *, slides: bool) -> Clock:
        return partial(time_threads, [self._asker(act, cookie, slides) for cookie in cookies], self._pool)

    def _asker(self, act: Act | None, cookie: str | None, slides: bool) -> Callable[[], Answer]:
        app = self._app(act, slides)
        environ = environ_of(scope_with(cookie))

        def ask() -> Answer:
            answers: list[Answer] = []

            def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
                answers.append((int(status[:3]), headers))

            body: Any = app({**environ, "wsgi.input": io.BytesIO()}, start_response)
            try:
                list(body)
            finally:
                body.close()
            return answers[0]

        return ask

    def _app(self, act: Act | None, slides: bool) -> flask.Flask:
        app = flask.Flask("benchmarks")
        if self._client is None:
            act = None
            app.session_interface = _NoSessions()
        else:
            app.config.update(SESSION_TYPE="redis", SESSION_REDIS=self._client, SESSION_REFRESH_EACH_REQUEST=slides)
            flask_session.Session(app)

        @app.get("/account")
        def account() -> bytes:
            if act is not None:
                act(flask.session)
            return BODY

        return app


class _NoSessions(SessionInterface):
    """
    Opens a new session for each request, looking at nothing, and doesn't save it.
    """

    def open_session(self, app: flask.Flask, request: flask.Request) -> SessionMixin:
        return SecureCookieSession()

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        pass


class Keepers:
    """
    Everybody, each with a client of their own.

    Args:
        client: Ours.
        other_client: That of starsessions.
        loop: Where these two answer.
        sync_client: Flask-Session's.
        pool: Where Flask answers.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        other_client: "redis.asyncio.Redis",
        loop: asyncio.AbstractEventLoop,
        sync_client: "redis.Redis",
        pool: Executor,
    ) -> None:
        def ours(app: ASGIApp, slides: bool) -> ASGIApp:
            return SessionMiddleware(app, store=RedisStore(client), refresh_each_request=slides)

        def starsessions(app: ASGIApp, slides: bool) -> ASGIApp:
            return StarsessionsMiddleware(
                app,
                StarsessionsRedisStore(connection=other_client),
                lifetime=timedelta(days=14),
                rolling=slides,
                cookie_https_only=False,
            )

        def starsessions_with_autoload(app: ASGIApp, slides: bool) -> ASGIApp:
            return starsessions(SessionAutoloadMiddleware(app), slides)

        bare = ASGIKeeper("bare app", loop)
        bare_flask = FlaskKeeper("bare Flask", pool)
        self.all: tuple[Keeper, ...] = (
            ASGIKeeper(OURS, loop, ours, bare),
            ASGIKeeper(STARSESSIONS, loop, starsessions_with_autoload, bare),
            FlaskKeeper(FLASK_SESSION, pool, sync_client, bare_flask),
        )
        self.variants: dict[str, tuple[Keeper, ...]] = {
            # Where no view loads it, nothing is read at all.
            "Redis: untouched": (ASGIKeeper(f"{STARSESSIONS}, loaded by views", loop, starsessions, bare, loads=True),)
        }
        """
        Who is measured too in some scenarios, by name.
        """


@contextmanager
def open_keepers(port: int, loop: asyncio.AbstractEventLoop) -> Iterator[Keepers]:
    """
    Connect everybody to a Redis server on this machine.
    """
    client, other_client = redis.asyncio.Redis(host=HOST, port=port), redis.asyncio.Redis(host=HOST, port=port)
    try:
        with redis.Redis(HOST, port) as sync_client, ThreadPoolExecutor(max(CASES.values())) as pool:
            yield Keepers(client, other_client, loop, sync_client, pool)
    finally:
        for each in (client, other_client):
            result_of(each.aclose(), loop)


def cookie_after(answer: Answer, cookie: str | None) -> str | None:
    """
    Return the session's cookie as the browser has it after an answer.
    """
    for name, value in answer[1]:
        line = value.decode() if isinstance(value, bytes) else value
        if name in (b"set-cookie", "Set-Cookie") and line.startswith(f"{SESSION_COOKIE}="):
            return str(line.partition(";")[0].partition("=")[2])
    return cookie
