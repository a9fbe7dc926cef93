"""
What Flask has nothing of: WebSockets, FastAPI's dependencies and OpenAPI, Starlette's authentication.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, Request
from starlette.applications import Starlette
from starlette.authentication import SimpleUser, requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from starlette_flask.jwt import JWTBackend, JWTManager
from tests.helpers import ask_asgi
from tests.interop.jwts import (
    EVERYWHERE,
    FLAG_TOKENS,
    KEY,
    NOW,
    G,
    MakeSite,
    Site,
    claims,
    each_site,
    in_cookie,
    in_form,
    in_header,
    in_json,
    in_query,
    shake_hands,
    sign,
    together,
    travel_to,
    with_callbacks,
)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same text.
    """
    with travel_to(0):
        yield


# WebSockets.


def assert_alike(site: Site, page: str, **request: Any) -> None:
    """
    Check that a handshake is judged as the request of the same page would be.
    """
    expected = site.theirs.ask(page, **request)
    sent = shake_hands(site, page, **request)
    if expected.status == 200:
        assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send"]
        assert sent[1]["text"].encode() == expected.body
    else:
        start, body = "websocket.http.response.start", "websocket.http.response.body"
        assert [message["type"] for message in sent] == [start, body]
        answer = site.ours.ask(page, **request)
        assert (sent[0]["status"], sent[1]["body"]) == (answer.status, answer.body)
        assert (b"content-type", b"application/json") in sent[0]["headers"]


@each_site(both_flask=False)
@pytest.mark.parametrize("page", ["/plain", "/optional", "/fresh", "/refresh", "/any", "/skip"])
def test_websocket(make_site: MakeSite, page: str) -> None:
    """
    A handshake is judged as a request is: opened, or answered with the same error.
    """
    site = make_site(with_callbacks)
    for payload in FLAG_TOKENS.values():
        assert_alike(site, page, **({} if payload is None else in_header(sign(payload))))


@each_site(both_flask=False)
def test_websocket_locations(make_site: MakeSite) -> None:
    """
    The token of a handshake is in a header, a cookie, or the query string; no CSRF value is wanted, as for GET.
    """
    site = make_site(JWT_TOKEN_LOCATION=EVERYWHERE)
    renewal = sign(claims(type="refresh"))
    for request in (in_header(G), in_cookie(G), in_query(G), in_header("x"), in_cookie("x"), in_query("x"), {}):
        assert_alike(site, "/plain", **request)
        assert_alike(site, "/headers", **request)
        assert_alike(site, "/query-json", **request)
    for request in (in_header(renewal), in_cookie(renewal, refresh=True), in_cookie(renewal), in_query(renewal)):
        assert_alike(site, "/refresh", **request)
    site = make_site(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_METHODS=["GET", "POST"])
    for csrf in (None, "x", "c"):
        assert_alike(site, "/plain", **in_cookie(G, csrf))
    site = make_site(JWT_TOKEN_LOCATION="json")
    assert_alike(site, "/plain")
    assert_alike(site, "/optional")


@each_site(both_flask=False)
def test_websocket_where_the_server_cannot_answer(make_site: MakeSite) -> None:
    """
    A server without such an answer closes, with the code for a broken policy.
    """
    site = make_site()
    for request in ({}, in_header("x"), in_header(sign(claims(exp=5)))):
        [message] = shake_hands(site, can_deny=False, **request)
        assert (message["type"], message["code"]) == ("websocket.close", 1008)


@each_site(both_flask=False)
def test_websocket_callbacks(make_site: MakeSite) -> None:
    """
    The callbacks of errors answer handshakes, too.
    """

    def setup(manager: Any, respond: Any) -> None:
        manager.unauthorized_loader(lambda reason: respond({"who": "are you"}, 418))
        manager.expired_token_loader(lambda header, claims: respond(claims, 419))

    site = make_site(setup)
    for request in ({}, in_header(sign(claims(exp=5)))):
        assert_alike(site, "/plain", **request)


# FastAPI.


def test_parameters_of_the_body() -> None:
    """
    A body that is searched for a token or a CSRF value may be a parameter of the view.
    """
    manager = JWTManager(secret_key=KEY, token_location=["json", "cookies"], csrf_check_form=True)
    app = FastAPI()
    manager.init_app(app)
    guard = Depends(manager.jwt_required())

    @app.post("/form", dependencies=[guard])
    async def form(name: Annotated[str, Form()]) -> str:
        return name

    @app.post("/json", dependencies=[guard])
    async def content(content: dict[str, Any]) -> Any:
        return content

    request = together(in_form(("csrf_token", "c"), ("name", "é")), {"cookies": in_cookie(G)["cookies"]})
    assert ask_asgi(app, "/form", **request).json == "é"
    assert ask_asgi(app, "/json", **in_json({"access_token": G})).json == {"access_token": G}
    assert ask_asgi(app, "/json", **in_json({"access_token": "x"})).status == 422


def test_guards_of_a_router() -> None:
    """
    A route's guard adds to that of its router; which comes last is what the view sees.
    """
    manager = JWTManager(secret_key=KEY)
    router = APIRouter(dependencies=[Depends(manager.jwt_required())])

    @router.get("/fresh", dependencies=[Depends(manager.jwt_required(fresh=True))])
    @router.get("/optional", dependencies=[Depends(manager.jwt_required(optional=True))])
    @router.get("/plain")
    async def page(request: Request) -> Any:
        return manager.get_jwt_identity(request)

    app = FastAPI()
    app.include_router(router, prefix="/api")
    manager.init_app(app)
    for path, statuses in {"fresh": (401, 401, 200), "optional": (401, 200, 200), "plain": (401, 200, 200)}.items():
        requests: list[dict[str, Any]] = [{}, in_header(G), in_header(sign(claims(fresh=True)))]
        assert tuple(ask_asgi(app, f"/api/{path}", **request).status for request in requests) == statuses


def test_several_managers() -> None:
    """
    Two managers in one app don't take each other's tokens.
    """
    managers = [JWTManager(secret_key=KEY), JWTManager(secret_key=KEY[::-1], token_location="query_string")]
    app = FastAPI()

    def add(path: str, manager: JWTManager) -> None:
        manager.init_app(app)

        @app.get(path, dependencies=[Depends(manager.jwt_required())])
        async def page(request: Request) -> Any:
            return manager.get_jwt_identity(request)

    for number, manager in enumerate(managers):
        add(f"/{number}", manager)
    assert ask_asgi(app, "/0", **in_header(G)).json == "ada"
    assert ask_asgi(app, "/1?jwt=" + sign(key=KEY[::-1])).json == "ada"
    assert ask_asgi(app, "/1?jwt=" + G).status == 422
    assert ask_asgi(app, "/0", **in_header(sign(key=KEY[::-1]))).status == 422


SCHEMES = [
    # The settings, the guard's options, and what OpenAPI says of them.
    ({}, {}, [{"type": "http", "scheme": "bearer"}]),
    ({"header_type": "JWT"}, {}, [{"type": "apiKey", "in": "header", "name": "Authorization"}]),
    ({"header_name": "X-Token"}, {}, [{"type": "apiKey", "in": "header", "name": "X-Token"}]),
    ({"token_location": "cookies"}, {}, [{"type": "apiKey", "in": "cookie", "name": "access_token_cookie"}]),
    (
        {"token_location": "cookies"},
        {"refresh": True},
        [{"type": "apiKey", "in": "cookie", "name": "refresh_token_cookie"}],
    ),
    ({"token_location": "query_string"}, {}, [{"type": "apiKey", "in": "query", "name": "jwt"}]),
    ({"token_location": "cookies"}, {"locations": "query_string"}, [{"type": "apiKey", "in": "query", "name": "jwt"}]),
    (
        {"token_location": ["headers", "cookies"]},
        {},
        [{"type": "http", "scheme": "bearer"}, {"type": "apiKey", "in": "cookie", "name": "access_token_cookie"}],
    ),
]


@pytest.mark.parametrize(("settings", "options", "expected"), SCHEMES)
def test_openapi(settings: dict[str, Any], options: dict[str, Any], expected: list[dict[str, str]]) -> None:
    """
    OpenAPI shows where a route's token may be.
    """
    manager = JWTManager(secret_key=KEY, **settings)
    app = FastAPI()

    @app.get("/", dependencies=[Depends(manager.jwt_required(**options))])
    async def page() -> None: ...

    @app.get("/open")
    async def open_page() -> None: ...

    document = app.openapi()
    schemes = document["components"]["securitySchemes"]
    used = [name for alternative in document["paths"]["/"]["get"]["security"] for name in alternative]
    for scheme, shown in zip(expected, used, strict=True):
        assert scheme.items() <= schemes[shown].items()
    assert "security" not in document["paths"]["/open"]["get"]


def authenticated(manager: JWTManager, *scopes: str) -> Starlette:
    """
    Return an app whose page shows its user to who has these scopes.
    """

    @requires([*scopes], status_code=401)
    async def page(request: Request) -> JSONResponse:
        return JSONResponse([request.user.is_authenticated, str(getattr(request.user, "display_name", request.user))])

    backend = Middleware(AuthenticationMiddleware, backend=JWTBackend(manager))
    return Starlette(routes=[Route("/", page, methods=["GET", "POST"])], middleware=[backend])


def test_backend() -> None:
    """
    In plain Starlette a token logs its user in; without one, or with a bad one, nobody is logged in.
    """
    manager = JWTManager(secret_key=KEY, token_location=["headers", "cookies"])
    public, members = authenticated(manager), authenticated(manager, "authenticated")
    for app in (public, members):
        for request in (in_header(G), in_cookie(G), in_cookie(G, "c", method="POST")):
            assert ask_asgi(app, "/", **request).json == [True, "ada"]
    for request in (
        {},
        in_header("x"),
        in_header("x y"),
        in_header(sign(claims(exp=5))),
        in_header(sign(claims(type="refresh"))),
        in_cookie(G, method="POST"),
        in_cookie(G, "x", method="POST"),
    ):
        assert ask_asgi(public, "/", **request).json == [False, ""]
        assert ask_asgi(members, "/", **request).status == 401


def test_user_of_the_backend() -> None:
    """
    The user is the one who is looked up, if users are.
    """
    manager = JWTManager(secret_key=KEY)
    manager.user_lookup_loader(lambda header, claims: SimpleUser("Ada") if claims["sub"] == "ada" else None)
    app = authenticated(manager)
    assert ask_asgi(app, "/", **in_header(G)).json == [True, "Ada"]
    assert ask_asgi(app, "/", **in_header(sign(claims(sub="bob")))).json == [False, ""]


def test_fresh_scope() -> None:
    """
    A fresh token gives its user the scope ``fresh``; one that is fresh for a while, for that while.
    """
    app = authenticated(JWTManager(secret_key=KEY), "fresh")
    for fresh, status in ((False, 401), (True, 200), (NOW + 5, 200), (NOW - 5, 401), ("yes", 401), (None, 401)):
        assert ask_asgi(app, "/", **in_header(sign(claims(fresh=fresh)))).status == status
