"""
How a contender answers one request, over and over, without a server.

All views are alike and as small as they can be. What a session costs is the time of a contender
less the time of its `bare`, which does all the rest: it builds the same request object, if
the view needs one, and sends the same response.
"""

from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starsessions import load_session

from benchmarks.payloads import scope_with
from benchmarks.scenarios import Session

Act = Callable[[Session], object]

BODY = b"ok"


class Contender(Protocol):
    """
    Somebody who keeps sessions in a cookie, or, to compare with, nobody.
    """

    @property
    def name(self) -> str:
        """
        As in the report.
        """

    @property
    def context(self) -> Context:
        """
        Where requests are handled: what Flask needs around a request isn't there for the others.
        """

    @property
    def bare(self) -> "Contender":
        """
        The same without a session.
        """

    def handler(self, act: Act | None, cookie: str | None) -> Callable[[], Any]:
        """
        Return what answers one request.

        Args:
            act: What the view does with the session; None: it doesn't touch it.
            cookie: The value of the request's session cookie; None: it has none.
        """

    def cookies_set_by(self, answer: Any) -> list[str]:
        """
        Return the ``Set-Cookie`` lines of what a handler returned.
        """


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """
    Run a coroutine that never waits, without an event loop and its cost.

    Raises:
        RuntimeError: It waits. Then all contenders would need a loop, to stay comparable.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("a contender waits for something; it can't be measured without an event loop")


class ASGIContender:
    """
    A session middleware around an ASGI view, or the view alone.

    Args:
        name: As in the report.
        wrap: Puts the middleware around an app.
        loads: A view must ask for the session to be loaded, as with starsessions.
    """

    def __init__(self, name: str, wrap: Callable[[ASGIApp], ASGIApp] | None, *, loads: bool = False) -> None:
        self.name = name
        self.context = copy_context()
        self._wrap = wrap
        self._loads = loads

    @property
    def bare(self) -> Contender:
        return BARE

    def handler(self, act: Act | None, cookie: str | None) -> Callable[[], Any]:
        view = view_of(act, has_session=self._wrap is not None, loads=self._loads)
        app: Any = view if self._wrap is None else self._wrap(view)
        scope = scope_with(cookie)
        start: Message = {}

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message

        def handle() -> Message:
            # What a server makes anew for a request, and what a middleware writes into.
            drive(app(dict(scope), receive, send))
            return start

        return handle

    def cookies_set_by(self, answer: Message) -> list[str]:
        return [value.decode() for name, value in answer["headers"] if name.lower() == b"set-cookie"]


def view_of(act: Act | None, *, has_session: bool, loads: bool) -> ASGIApp:
    """
    Return the app inside.

    Args:
        act: What it does with the session; None: it doesn't touch it.
        has_session: There is one; else only the request object is made to which it would belong.
        loads: It must be asked for, as with starsessions.
    """

    async def untouched(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})

    async def without_session(scope: Scope, receive: Receive, send: Send) -> None:
        Request(scope)
        await untouched(scope, receive, send)

    if act is None:
        return untouched
    if not has_session:
        return without_session

    async def with_session(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if loads:
            await load_session(request)
        act(request.session)
        await untouched(scope, receive, send)

    return with_session


BARE = ASGIContender("bare app", None)
