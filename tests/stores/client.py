"""
Apps with a store, and requests to them that run on one event loop, many at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from starlette_flask import SessionMiddleware
from starlette_flask.stores import SessionStore
from tests.helpers import Answer, http_scope
from tests.stores.places import Place

T = TypeVar("T")

View = Callable[[Any], object]
"""Is given the session; what it returns, awaited if it can be, is shown."""


def app_with(store: SessionStore, view: View, **options: Any) -> ASGIApp:
    """
    Return an app with one view.
    """

    async def endpoint(request: Request) -> Response:
        shown = view(request.session)
        if isinstance(shown, Awaitable):
            shown = await shown
        return Response(repr(shown))

    app = Starlette(routes=[Route("/", endpoint)])
    app.add_middleware(SessionMiddleware, store=store, **options)
    return app


async def ask(app: ASGIApp, *cookies: str, path: str = "/") -> Answer:
    """
    Send a request, and return the answer when the app has returned.
    """
    sent: list[Message] = []
    received: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    never = asyncio.Event()

    async def receive() -> Message:
        if not received:
            await never.wait()
        return received.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(http_scope(path, cookies=cookies), receive, send)
    headers = tuple((name.decode("latin-1").lower(), line.decode("latin-1")) for name, line in sent[0]["headers"])
    return Answer(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def tell(place: Place, story: Coroutine[Any, Any, T]) -> T:
    """
    Tell a story on an event loop of its own, and close the clients of the place in the end.
    """

    async def told() -> T:
        try:
            return await story
        finally:
            await place.close()

    return asyncio.run(told())


def write(**items: Any) -> View:
    return lambda session: session.update(items)


def see(session: Any) -> dict[str, Any]:
    return dict(session)


def leave(session: Any) -> None:
    """
    Do nothing.
    """
