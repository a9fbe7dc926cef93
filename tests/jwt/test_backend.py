"""
`JWTBackend`: whose request it is, in plain Starlette.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from starlette_flask.jwt import JWTBackend, JWTManager, RevokedTokenError
from tests.helpers import ask_asgi, run_asgi, websocket_scope
from tests.interop.jwts import KEY, NOW, G, claims, in_cookie, in_form, in_header, in_json, sign, together, travel_to


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    `G` is a token of this second.
    """
    with travel_to(0):
        yield


def app_of(manager: JWTManager, **options: Any) -> Starlette:
    """
    Return an app that shows whose a request is, and what is known of the token.
    """

    async def page(request: Request) -> JSONResponse:
        who = getattr(request.user, "username", None)
        return JSONResponse([who, request.auth.scopes, manager.get_jwt_identity(request), manager.get_jwt(request)])

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json([getattr(websocket.user, "username", None), websocket.auth.scopes])

    routes = [Route("/", page, methods=["GET", "POST", "OPTIONS"]), WebSocketRoute("/live", live)]
    middleware = [Middleware(AuthenticationMiddleware, backend=JWTBackend(manager), **options)]
    return Starlette(routes=routes, middleware=middleware)


ANONYMOUS: list[Any] = [None, [], None, {}]


def test_user() -> None:
    """
    A good token logs its user in; what is in it can be read in the view.
    """
    app = app_of(JWTManager(secret_key=KEY))
    assert ask_asgi(app, "/", **in_header(G)).json == ["ada", ["authenticated"], "ada", claims()]


BAD = [
    pytest.param({}, id="no token"),
    pytest.param(in_header("x"), id="malformed"),
    pytest.param(in_header("x y"), id="bad header"),
    pytest.param(in_header(sign(key=KEY[::-1])), id="forged"),
    pytest.param(in_header(sign(claims(exp=5))), id="expired"),
    pytest.param(in_header(sign(claims(type="refresh"))), id="refresh token"),
    pytest.param(in_cookie(G, method="POST"), id="without CSRF value"),
    pytest.param(in_cookie(G, "x", method="POST"), id="with another CSRF value"),
    pytest.param({**in_header(G), "method": "OPTIONS"}, id="OPTIONS"),
    pytest.param(in_json({"access_token": G}), id="in the body"),
    pytest.param(
        together(in_form(("csrf_token", "c")), {"cookies": [f"access_token_cookie={G}"]}), id="CSRF value in the body"
    ),
]


@pytest.mark.parametrize("request_", BAD)
def test_nobody(request_: dict[str, Any]) -> None:
    """
    Without a good token a request is anonymous, also to the view that reads the token.
    """
    manager = JWTManager(secret_key=KEY, token_location=["headers", "cookies", "json"], csrf_check_form=True)
    app = app_of(manager, on_error=lambda connection, error: PlainTextResponse("never", 500))
    assert ask_asgi(app, "/", **request_).json == ANONYMOUS


def test_body_is_left() -> None:
    """
    The body isn't read.
    """
    manager = JWTManager(secret_key=KEY, token_location=["json", "cookies"], csrf_check_form=True)

    async def page(request: Request) -> Response:
        return Response(await request.body())

    middleware = [Middleware(AuthenticationMiddleware, backend=JWTBackend(manager))]
    app = Starlette(routes=[Route("/", page, methods=["POST"])], middleware=middleware)
    for request in (in_json({"access_token": G}), in_form(("csrf_token", "c"))):
        request["cookies"] = [f"access_token_cookie={G}"]
        assert ask_asgi(app, "/", **request).body == request["body"]


@pytest.mark.parametrize(
    ("fresh", "scopes"),
    [
        (True, ["authenticated", "fresh"]),
        (NOW + 5, ["authenticated", "fresh"]),
        (False, ["authenticated"]),
        (NOW - 5, ["authenticated"]),
        ("yes", ["authenticated"]),
        (None, ["authenticated"]),
    ],
    ids=repr,
)
def test_scopes(fresh: Any, scopes: list[str]) -> None:
    """
    A fresh token gives a scope more; one that doesn't say properly whether it is fresh, doesn't.
    """
    app = app_of(JWTManager(secret_key=KEY))
    assert ask_asgi(app, "/", **in_header(sign(claims(fresh=fresh)))).json[1] == scopes


def test_looked_up() -> None:
    """
    The user is who is looked up; who isn't found, or is refused, is nobody.
    """
    manager = JWTManager(secret_key=KEY)

    @manager.user_lookup_loader
    async def find(header: Any, claims: Any) -> Any:
        if claims["sub"] == "eve":
            raise RevokedTokenError("own")
        return {"ada": SimpleUser("Ada Lovelace")}.get(claims["sub"])

    app = app_of(manager)
    assert ask_asgi(app, "/", **in_header(G)).json[0] == "Ada Lovelace"
    for name in ("bob", "eve"):
        assert ask_asgi(app, "/", **in_header(sign(claims(sub=name)))).json == ANONYMOUS


def test_failure() -> None:
    """
    What goes wrong in a callback isn't hidden; an AuthenticationError is answered by the middleware's *on_error*.
    """
    manager = JWTManager(secret_key=KEY)
    app = app_of(manager, on_error=lambda connection, error: PlainTextResponse(str(error), 418))

    @manager.user_lookup_loader
    def fail(header: Any, claims: Any) -> Any:
        raise {"ada": AuthenticationError("own"), "bob": ZeroDivisionError()}[claims["sub"]]

    assert ask_asgi(app, "/", **in_header(G)).status == 418
    with pytest.raises(ZeroDivisionError):
        ask_asgi(app, "/", **in_header(sign(claims(sub="bob"))))


def test_websocket() -> None:
    """
    A WebSocket has a user, too; one that another site opens with a cookie hasn't.
    """
    app = app_of(JWTManager(secret_key=KEY, token_location=["headers", "cookies"]))
    cookies = [f"access_token_cookie={G}"]
    ada, nobody = '["ada",["authenticated"]]', "[null,[]]"
    for request, text in (
        (in_header(G), ada),
        ({"cookies": cookies}, ada),
        ({"cookies": cookies, "headers": [("origin", "https://evil.example")]}, nobody),
        ({}, nobody),
    ):
        sent = run_asgi(app, websocket_scope("/live", **request), [{"type": "websocket.connect"}])
        assert sent[1]["text"].replace(" ", "") == text


def test_guard_behind_it() -> None:
    """
    A route may require more than the backend does, and the view sees what the route has found.
    """
    manager = JWTManager(secret_key=KEY, token_location=["headers", "query_string"])

    async def page(request: Request) -> JSONResponse:
        await manager.jwt_required(locations="query_string")(connection=request)
        return JSONResponse([request.user.username, manager.get_jwt_identity(request)])

    middleware = [Middleware(AuthenticationMiddleware, backend=JWTBackend(manager))]
    app = Starlette(routes=[Route("/", page)], middleware=middleware)
    manager.init_app(app)
    assert ask_asgi(app, "/", **in_header(G)).status == 401
    assert ask_asgi(app, "/?jwt=" + sign(claims(sub="bob")), **in_header(G)).json == ["ada", "bob"]


def test_without_a_session_or_a_body() -> None:
    """
    All it needs is a scope.
    """
    connection = HTTPConnection({"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""})
    coroutine = JWTBackend(JWTManager(secret_key=KEY)).authenticate(connection)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value is None
