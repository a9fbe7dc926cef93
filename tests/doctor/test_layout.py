"""
Apps however they are put together: what answers where, and through what, is found without a request.
"""

import asyncio
import functools
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import a2wsgi
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.doctor.layout import places_in
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.doctor.pairs import OTHER_KEY, checks, make_api, make_flask, make_shared, show

LEGACY = make_flask()
SHARED = make_shared(LEGACY)
SESSION: dict[str, Any] = {"config": SessionConfig.from_flask(LEGACY)}
OTHER = make_flask("other", SECRET_KEY=OTHER_KEY)


async def by_globals(scope: Scope, receive: Receive, send: Send) -> None:
    await (SHARED if scope["path"] == "/api" else OLD)(scope, receive, send)


OLD = WSGIMiddleware(OTHER)


def by_closure() -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await parts[scope["path"]](scope, receive, send)

    parts: dict[str, ASGIApp] = {"/api": SHARED, "/old": OLD}
    return app


def by_a_variable_that_is_not_set() -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    if LEGACY is OTHER:
        inner = SHARED
    return app


class Dispatcher:
    def __init__(self, *apps: Any) -> None:
        self.apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class Hidden:
    """
    Middleware that keeps what is inside under a name of its own.
    """

    def __init__(self, app: ASGIApp, wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
        self._inside = wrap(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


class WithSession(Hidden):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, functools.partial(SessionMiddleware, **SESSION))


def as_function(app: ASGIApp) -> ASGIApp:
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return middleware


def failing(app: ASGIApp) -> ASGIApp:
    raise RuntimeError(OTHER_KEY)


class Building(FastAPI):
    def build_middleware_stack(self) -> ASGIApp:
        return SessionMiddleware(super().build_middleware_stack(), **SESSION)


class Configured(SessionMiddleware):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, **SESSION)


def with_middleware(app: FastAPI, *middleware: Any, is_built: bool = False) -> FastAPI:
    for each in middleware:
        app.add_middleware(each)
    if is_built:
        app.middleware_stack = app.build_middleware_stack()
    return app


def with_mount(path: str, app: Any) -> FastAPI:
    shared = make_shared(LEGACY)
    shared.mount(path, app)
    return shared


def with_route(path: str, endpoint: Any) -> FastAPI:
    shared = make_shared(LEGACY)
    shared.add_route(path, endpoint)
    return shared


def with_itself() -> FastAPI:
    app = make_shared(LEGACY)
    app.mount("/again", app)
    return app


def with_host() -> FastAPI:
    app = make_shared(LEGACY)
    app.host("old.example.com", WSGIMiddleware(OTHER))
    return app


def with_routers() -> FastAPI:
    app, outer, inner = make_shared(LEGACY), APIRouter(prefix="/v1"), APIRouter(prefix="/users")
    inner.add_api_route("/me", show)
    outer.include_router(inner)
    app.include_router(outer)
    return app


def with_websocket() -> FastAPI:
    async def answer(websocket: WebSocket) -> None: ...

    app = make_shared(LEGACY)
    app.add_api_websocket_route("/ws", answer)
    return app


async def view(request: Request) -> Response: ...  # type: ignore[empty-body]  # nobody asks


def starlette_with(**options: Any) -> Starlette:
    return Starlette(routes=[Route("/me", view, **options)])


@pytest.mark.parametrize(
    ("make", "found"),
    [
        pytest.param(lambda: by_globals, ["other_flask_app"], id="a function that knows others"),
        pytest.param(by_closure, ["other_flask_app"], id="a function with others in it"),
        pytest.param(by_a_variable_that_is_not_set, ["middleware"], id="a function with nothing in it yet"),
        pytest.param(lambda: lambda scope, receive, send: SHARED(scope, receive, send), [], id="lambda"),
        pytest.param(lambda: SHARED.__call__, [], id="method"),
        pytest.param(lambda: functools.partial(SHARED), [], id="partial"),
        pytest.param(lambda: Dispatcher(SHARED, OLD), ["other_flask_app"], id="an object with a tuple of others"),
        pytest.param(
            lambda: Dispatcher({"/": SHARED, "/old": OLD}), ["other_flask_app"], id="an object with others further in"
        ),
        pytest.param(lambda: Dispatcher(), ["middleware"], id="an object with nothing in it"),
        pytest.param(lambda: GZipMiddleware(SHARED), [], id="wrapped"),
        pytest.param(lambda: WSGIMiddleware(LEGACY), ["middleware"], id="Flask alone"),
        pytest.param(MagicMock, ["middleware", "adapter"], id="an object that has everything"),
        pytest.param(lambda: with_middleware(make_api(), WithSession), [], id="the session in other middleware"),
        pytest.param(lambda: with_middleware(make_api(), WithSession, is_built=True), [], id="so, and built"),
        pytest.param(lambda: with_middleware(make_shared(LEGACY), Hidden), [], id="inside other middleware"),
        pytest.param(lambda: with_middleware(make_shared(LEGACY), Hidden, is_built=True), [], id="the same, built"),
        pytest.param(lambda: with_middleware(make_shared(LEGACY), as_function), [], id="inside a function"),
        pytest.param(lambda: with_middleware(make_shared(LEGACY), as_function, is_built=True), [], id="so, built"),
        pytest.param(lambda: with_middleware(make_api(), failing), ["middleware"], id="what can't be made"),
        pytest.param(lambda: with_middleware(Building()), [], id="an app that builds it itself"),
        pytest.param(lambda: with_middleware(make_api(), Configured), [], id="a class derived from ours"),
        pytest.param(lambda: with_mount("/v2", make_shared(LEGACY)), [], id="twice the same, one mounted"),
        pytest.param(with_itself, [], id="an app mounted in itself"),
        pytest.param(with_host, ["other_flask_app"], id="a host"),
        pytest.param(with_routers, [], id="a router in a router"),
        pytest.param(with_websocket, [], id="WebSocket"),
        pytest.param(lambda: with_mount("/{tenant}/old", OLD), ["other_flask_app"], id="a mount with a parameter"),
        pytest.param(
            lambda: with_mount("/old", WSGIMiddleware(DispatcherMiddleware(LEGACY, {"/older": OTHER}))),
            ["other_flask_app"],
            id="Werkzeug's dispatcher",
        ),
        pytest.param(
            lambda: with_mount("/old", WSGIMiddleware(lambda environ, start: OTHER(environ, start))),
            ["other_flask_app"],
            id="a WSGI function that knows Flask",
        ),
        pytest.param(lambda: with_mount("/old", WSGIMiddleware(lambda environ, start: [])), [], id="WSGI of no Flask"),
        pytest.param(lambda: with_route("/old/{path:path}", OLD), ["other_flask_app"], id="an adapter as a route"),
        pytest.param(
            lambda: with_route("/old/{path:path}", a2wsgi.WSGIMiddleware(LEGACY)),  # type: ignore[arg-type]  # WSGI
            ["adapter"],
            id="another adapter as a route",
        ),
        pytest.param(
            lambda: starlette_with(middleware=[Middleware(SessionMiddleware, **SESSION)]), [], id="in a route"
        ),
        pytest.param(
            lambda: Starlette(
                routes=[
                    Mount("/v1", Router([Route("/me", view)], middleware=[Middleware(SessionMiddleware, **SESSION)]))
                ]
            ),
            [],
            id="in a router that is mounted",
        ),
    ],
)
def test_layouts(make: Callable[[], Any], found: list[str]) -> None:
    """
    Whatever an app hands requests on to is looked at.
    """
    assert checks(LEGACY, make()) == found


class Endless:
    """
    Has one of its kind inside, always another one.
    """

    @property
    def app(self) -> "Endless":
        return Endless()

    def __call__(self, *args: Any) -> Any: ...


def test_objects_without_an_end() -> None:
    """
    With objects in one another without an end, the search has one.
    """
    assert checks(LEGACY, Endless()) == ["middleware"]
    assert checks(LEGACY, with_mount("/old", WSGIMiddleware(Endless()))) == []
    assert checks(LEGACY, with_route("/old", Endless())) == []


def test_other_middleware_is_not_made() -> None:
    """
    Middleware of others is not made, unless the session's can't be found without.
    """
    made: list[ASGIApp] = []

    def counting(app: ASGIApp) -> ASGIApp:
        made.append(app)
        return app

    assert checks(LEGACY, with_middleware(make_shared(LEGACY), counting)) == []
    assert made == []
    assert checks(LEGACY, with_middleware(make_api(), counting)) == ["middleware"]
    assert len(made) == 1


@pytest.mark.parametrize(
    ("path", "examples"),
    [
        pytest.param("/users/{user_id}", ["/users/1", "/users/a"], id="a parameter"),
        pytest.param("/{year:int}/{at:float}", ["/1/1.0", "/1/1.0"], id="numbers"),
        pytest.param("/files/{path:path}", ["/files/1", "/files/a"], id="path"),
    ],
)
def test_examples(path: str, examples: list[str]) -> None:
    """
    For a path with parameters there are examples, for regular expressions to match.
    """
    [place] = places_in(Router([Route(path, view)]))
    assert place.examples()[::2] == examples


@pytest.mark.parametrize(
    ("regex", "found"),
    [
        pytest.param(r"/users/\d+", [], id="number"),
        pytest.param(r"/users/[a-z]+", [], id="letters"),
        pytest.param(r"/old/.*", ["allow_path_regex"], id="another path"),
    ],
)
def test_allowed_path_with_parameters(regex: str, found: list[str]) -> None:
    """
    A regular expression is tried with such examples.
    """
    app = Starlette(routes=[Route("/users/{user_id}", view)])
    app.add_middleware(SessionMiddleware, allow_path_regex=regex, **SESSION)
    assert checks(LEGACY, app) == found


def test_examine_in_an_event_loop() -> None:
    """
    It can be asked from within an event loop, as in a test that is a coroutine.
    """

    async def ask() -> list[str]:
        return checks(LEGACY, SHARED)

    assert asyncio.run(ask()) == []
