"""
The guard as FastAPI sees it, and as plain Starlette does.
"""

import inspect
import re
import runpy
import sys
from collections.abc import Callable
from importlib.resources import files
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, WebSocket
from starlette.requests import HTTPConnection

from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt import JWTConfig, JWTManager
from tests.helpers import ask_asgi
from tests.interop.jwts import EVERYWHERE, KEY, G, in_header, sign, travel_to


def add_in_a_list(app: FastAPI, dependency: Any) -> None:
    @app.get("/", dependencies=[Depends(dependency)])
    def page() -> str:
        return "open to all"


def add_as_a_parameter(app: FastAPI, dependency: Any) -> None:
    @app.get("/")
    def page(claims: Annotated[Any, Depends(dependency)]) -> str:
        return "open to all"


def add_as_a_default(app: FastAPI, dependency: Any) -> None:
    @app.get("/")
    def page(claims: Any = Depends(dependency)) -> str:  # noqa: B008  # as FastAPI has it, too
        return "open to all"


def add_to_a_websocket(app: FastAPI, dependency: Any) -> None:
    @app.websocket("/", dependencies=[Depends(dependency)])
    async def page(websocket: WebSocket) -> None:
        await websocket.accept()


def add_to_a_router(app: FastAPI, dependency: Any) -> None:
    router = APIRouter(dependencies=[Depends(dependency)])
    router.add_api_route("/", lambda: "open to all")
    app.include_router(router)


ADD = [add_in_a_list, add_as_a_parameter, add_as_a_default, add_to_a_websocket, add_to_a_router]


@pytest.mark.parametrize("add", ADD)
def test_forgotten_parentheses(add: Callable[[FastAPI, Any], None]) -> None:
    """
    Without its parentheses a guard would guard nothing: the route is refused, and the message says why.
    """
    manager = JWTManager(secret_key=KEY)
    with pytest.raises(ConfigTypeError, match=r"write Depends\(manager\.jwt_required\(\)\)"):
        add(FastAPI(), manager.jwt_required)
    app = FastAPI()
    add(app, manager.jwt_required())
    if add is not add_to_a_websocket:
        assert ask_asgi(app, "/").status == 401


def test_parameters_of_the_route() -> None:
    """
    A route's own parameters may be named as the guard's.
    """
    manager = JWTManager(secret_key=KEY, token_location=EVERYWHERE)
    app = FastAPI()

    @app.get("/{headers}/{connection}/{locations}", dependencies=[Depends(manager.jwt_required())])
    def page(headers: str, connection: str, locations: str, cookies: str = "c") -> Any:
        return headers + connection + locations + cookies

    with travel_to(0):
        assert ask_asgi(app, "/x/y/z", **in_header(G)).json == "xyzc"
    assert ask_asgi(app, "/x/y/z").status == 401
    named = app.openapi()["paths"]["/{headers}/{connection}/{locations}"]["get"]["parameters"]
    assert [parameter["name"] for parameter in named] == ["headers", "connection", "locations", "cookies"]


def test_called_once() -> None:
    """
    FastAPI asks one guard once a request, and two guards twice.
    """
    manager = JWTManager(secret_key=KEY)
    seen = []
    manager.token_in_blocklist_loader(lambda header, claims: seen.append(claims["sub"]))
    guard = manager.jwt_required()
    app = FastAPI(dependencies=[Depends(guard)])
    app.add_api_route("/one", lambda: None, dependencies=[Depends(guard)])
    app.add_api_route("/two", lambda: None, dependencies=[Depends(manager.jwt_required())])
    with travel_to(0):
        for path, calls in (("/one", 1), ("/two", 2)):
            seen.clear()
            assert ask_asgi(app, path, **in_header(G)).status == 200
            assert seen == ["ada"] * calls


def test_override() -> None:
    """
    In a test another function may take a guard's place, if the guard has a name.
    """
    manager = JWTManager(secret_key=KEY)
    guard = manager.jwt_required()
    app = FastAPI()

    @app.get("/")
    def page(claims: Annotated[dict[str, Any], Depends(guard)]) -> Any:
        return claims

    app.dependency_overrides[guard] = lambda: {"sub": "tester"}
    assert ask_asgi(app, "/").json == {"sub": "tester"}


def test_openapi() -> None:
    """
    Each place of a token is a scheme, under a name that OpenAPI allows; several guards and managers share them.
    """
    locations = ["headers", "cookies", "query_string", "json"]
    manager = JWTManager(secret_key=KEY, token_location=locations, query_string_name="a token/é")
    same = JWTManager(secret_key=KEY)
    other = JWTManager(secret_key=KEY, header_name="X-Token")
    app = FastAPI(dependencies=[Depends(manager.jwt_required())])
    router = APIRouter(dependencies=[Depends(same.jwt_required(fresh=True))])
    router.add_api_route("/page", lambda: None, dependencies=[Depends(other.jwt_required(refresh=True))])
    app.include_router(router)
    document = app.openapi()
    schemes = document["components"]["securitySchemes"]
    assert schemes == {
        "JWT": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "JWT-cookie-access_token_cookie": {"type": "apiKey", "in": "cookie", "name": "access_token_cookie"},
        "JWT-query-a_token__": {"type": "apiKey", "in": "query", "name": "a token/é"},
        "JWT-header-X-Token": {"type": "apiKey", "in": "header", "name": "X-Token"},
    }
    # OpenAPI 3.1, Components Object.
    assert all(re.fullmatch(r"[a-zA-Z0-9.\-_]+", name) for name in schemes)
    used = [name for alternative in document["paths"]["/page"]["get"]["security"] for name in alternative]
    assert set(used) == set(schemes)


def test_without_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In plain Starlette a guard is what verifies, and nothing around it.
    """
    monkeypatch.setitem(sys.modules, "fastapi", None)
    names = runpy.run_path(str(files("starlette_flask") / "jwt" / "dependencies.py"))

    async def verify(connection: HTTPConnection) -> None: ...

    assert names["dependency"](verify, JWTConfig(secret_key=KEY), ["headers"], False) is verify


def test_signature() -> None:
    """
    With FastAPI a guard takes the connection, by name or by place, and what OpenAPI shows of it has no value.
    """
    manager = JWTManager(secret_key=KEY, token_location=EVERYWHERE)
    guard = manager.jwt_required()
    assert list(inspect.signature(guard).parameters) == ["connection", "headers", "cookies", "query_string"]
    app = FastAPI()

    @app.get("/")
    async def page(request: Request) -> Any:
        return [await guard(request) == await guard(connection=request), manager.get_jwt_identity(request)]

    with travel_to(0):
        assert ask_asgi(app, "/", **in_header(sign())).json == [True, "ada"]
