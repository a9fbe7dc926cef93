"""
What is taken over from a Flask app, and where it runs.
"""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import flask
import flask_jwt_extended
import pytest
from fastapi import FastAPI, Request
from flask.json.provider import DefaultJSONProvider
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt import JWTManager
from starlette_flask.jwt.flask_callbacks import InFlask, callbacks_of, encoder_of
from tests.helpers import ask_asgi, run_asgi, websocket_scope
from tests.interop.jwts import KEY, G, claims, claims_of, in_header, sign, travel_to
from tests.jwt import guarded_app
from tests.jwt.test_callbacks import LOADERS


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    `G` is a token of this second.
    """
    with travel_to(0):
        yield


@pytest.fixture
def app() -> flask.Flask:
    app = flask.Flask("shop")
    app.config.update(SECRET_KEY="secret", JWT_SECRET_KEY=KEY)
    return app


@pytest.fixture
def theirs(app: flask.Flask) -> Any:
    return flask_jwt_extended.JWTManager(app)


def test_only_what_is_registered(app: flask.Flask, theirs: Any) -> None:
    """
    What Flask-JWT-Extended does by itself isn't taken over, and each callback that the app registers is.
    """
    assert callbacks_of(app, theirs) == {}
    for loader in LOADERS:
        getattr(theirs, loader)(lambda *args: None)
    found = callbacks_of(app, theirs)
    assert sorted(found) == LOADERS
    assert all(isinstance(callback, InFlask) for callback in found.values())


def test_odd_callables(app: flask.Flask, theirs: Any) -> None:
    """
    Whatever can be called is taken over, though it doesn't say which module it is of.
    """
    theirs.user_identity_loader((5).__add__)
    manager = JWTManager.from_flask(app, verify_sub=False)
    assert manager.decode_token(manager.create_access_token(1))["sub"] == 6


def test_another_version(app: flask.Flask, theirs: Any) -> None:
    """
    Where a version keeps its callbacks elsewhere they aren't forgotten without a word.
    """
    del theirs._token_in_blocklist_callback
    with pytest.raises(ConfigError, match=r"no _token_in_blocklist_callback.*from_mapping"):
        JWTManager.from_flask(app)


def test_coroutines(app: flask.Flask, theirs: Any) -> None:
    """
    A coroutine, for which Flask-JWT-Extended doesn't wait and which is always true, is refused.
    """

    @theirs.token_verification_loader  # type: ignore[untyped-decorator]  # returns Any
    async def verify(header: Any, claims: Any) -> bool:
        return False

    with pytest.raises(ConfigTypeError, match="token_verification_loader is a coroutine"):
        JWTManager.from_flask(app)


def test_own_callbacks_come_first(app: flask.Flask, theirs: Any) -> None:
    """
    What is registered here takes the place of the Flask app's, and leaves that as it is.
    """
    theirs.token_in_blocklist_loader(lambda header, claims: True)
    manager = JWTManager.from_flask(app)
    ours = guarded_app(manager)
    assert ask_asgi(ours, "/", **in_header(G)).status == 401
    manager.token_in_blocklist_loader(lambda header, claims: False)
    assert ask_asgi(ours, "/", **in_header(G)).status == 200
    assert theirs._token_in_blocklist_callback({}, {}) is True


def test_context_of_the_request(app: flask.Flask, theirs: Any) -> None:
    """
    A callback runs in a request like this one, without its body and in a thread, and the next starts anew.
    """
    seen = []

    @theirs.user_lookup_loader  # type: ignore[untyped-decorator]  # returns Any
    def find(header: Any, claims: Any) -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        request = flask.request
        seen.append((request.method, request.path, request.args["a"], request.headers["x-y"], request.get_data()))
        assert "number" not in flask.g
        flask.g.number = len(seen)
        return flask.current_app.name

    manager = JWTManager.from_flask(app)
    ours = FastAPI()

    @ours.post("/page")
    async def page(request: Request) -> Any:
        await manager.jwt_required()(connection=request)
        return [manager.current_user(request), (await request.body()).decode(), flask.has_app_context()]

    headers = [*in_header(G)["headers"], ("x-y", "z"), ("content-type", "text/plain"), ("content-length", "4")]
    for _ in range(2):
        answer = ask_asgi(ours, "/page?a=1", method="POST", headers=headers, body=b"body")
        assert answer.json == ["shop", "body", False]
    assert seen == [("POST", "/page", "1", "z", b"")] * 2


def test_context_without_a_request(app: flask.Flask, theirs: Any) -> None:
    """
    What makes a token runs in the app's context, also in a view of that very app.
    """

    @theirs.additional_claims_loader  # type: ignore[untyped-decorator]  # returns Any
    def more(identity: Any) -> dict[str, Any]:
        return {"app": flask.current_app.name, "has_request": flask.has_request_context(), "g": "x" in flask.g}

    manager = JWTManager.from_flask(app)

    @app.get("/")
    def page() -> str:
        flask.g.x = 1
        return manager.create_access_token("ada")

    expected = {"app": "shop", "has_request": False, "g": False}
    for token in (manager.create_access_token("ada"), app.test_client().get("/").text):
        assert claims_of(token).items() >= expected.items()


def test_websocket(app: flask.Flask, theirs: Any) -> None:
    """
    To the Flask app a handshake is a GET request.
    """
    theirs.user_lookup_loader(lambda header, claims: f"{flask.request.method} {flask.request.path}")
    manager = JWTManager.from_flask(app)

    async def page(websocket: WebSocket) -> None:
        await manager.jwt_required()(connection=websocket)
        await websocket.accept()
        await websocket.send_text(manager.current_user(websocket))

    ours = Starlette(routes=[WebSocketRoute("/live", page)])
    sent = run_asgi(ours, websocket_scope("/live", **in_header(G)), [{"type": "websocket.connect"}])
    assert sent[1]["text"] == "GET /live"


def test_shared_session(app: flask.Flask, theirs: Any) -> None:
    """
    A callback sees the session of the request, and what it writes is in it.
    """

    @theirs.user_lookup_loader  # type: ignore[untyped-decorator]  # returns Any
    def find(header: Any, claims: Any) -> Any:
        flask.session["seen"] = flask.session.get("seen", 0) + 1
        return claims["sub"]

    manager = JWTManager.from_flask(app)

    async def page(request: Request) -> JSONResponse:
        request.session["seen"] = 5
        await manager.jwt_required()(connection=request)
        return JSONResponse(request.session["seen"])

    middleware = [Middleware(SessionMiddleware, config=SessionConfig.from_flask(app))]
    ours = Starlette(routes=[Route("/", page)], middleware=middleware)
    answer = ask_asgi(ours, "/", **in_header(G))
    assert answer.json == 6
    assert len(answer.set_cookie) == 1


class TestAnswers:
    def test_response(self, app: flask.Flask, theirs: Any) -> None:
        """
        A response of Flask's is sent as it is, all its header lines included.
        """

        @theirs.unauthorized_loader  # type: ignore[untyped-decorator]  # returns Any
        def answer(reason: str) -> Any:
            response = flask.make_response(reason + flask.request.path, 418)
            response.set_cookie("a", "1")
            response.set_cookie("b", "é")
            return response

        answered = ask_asgi(guarded_app(JWTManager.from_flask(app)), "/")
        assert (answered.status, answered.body) == (418, b"Missing Authorization header/")
        assert answered.set_cookie == ["a=1; Path=/", 'b="\\303\\251"; Path=/']
        assert answered.lines("content-type") == ["text/html; charset=utf-8"]
        assert answered.lines("content-length") == ["29"]

    @pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "token_verification_loader", "user_lookup_loader"])
    def test_raised(self, app: flask.Flask, theirs: Any, loader: str) -> None:
        """
        A callback may raise what the Flask app answers; what it doesn't answer is raised here.
        """

        class RefusalError(Exception):
            pass

        def fail(header: Any, claims: Any) -> Any:
            raise {"ada": RefusalError("own"), "bob": ZeroDivisionError("own")}[claims["sub"]]

        getattr(theirs, loader)(fail)
        app.register_error_handler(RefusalError, lambda error: ({"refused": str(error)}, 409))
        ours = guarded_app(JWTManager.from_flask(app), optional=True)
        answer = ask_asgi(ours, "/", **in_header(G))
        assert (answer.status, answer.json) == (409, {"refused": "own"})
        with pytest.raises(ZeroDivisionError):
            ask_asgi(ours, "/", **in_header(sign(claims(sub="bob"))))

    def test_abort_in_an_answer(self, app: flask.Flask, theirs: Any) -> None:
        """
        What answers an error may abort as well.
        """
        theirs.unauthorized_loader(lambda reason: flask.abort(418))
        assert ask_asgi(guarded_app(JWTManager.from_flask(app)), "/").status == 418

    def test_nothing(self, app: flask.Flask, theirs: Any) -> None:
        """
        What returns nothing is a mistake, as in Flask.
        """
        theirs.unauthorized_loader(lambda reason: None)
        with pytest.raises(TypeError, match="valid response"):
            ask_asgi(guarded_app(JWTManager.from_flask(app)), "/")


def test_encoder() -> None:
    """
    What JSON lacks is written by the class of the app's JSON provider, as Flask-JWT-Extended does.
    """

    class Provider(DefaultJSONProvider):
        @staticmethod
        def default(o: Any) -> Any:
            return "own" if isinstance(o, Decimal) else DefaultJSONProvider.default(o)

    app = flask.Flask(__name__)
    app.json_provider_class = Provider
    assert json.dumps([Decimal(1)], cls=encoder_of(app)) == '["own"]'
    assert json.dumps([Decimal(1)], cls=encoder_of(flask.Flask(__name__))) == '["1"]'
    with pytest.raises(TypeError):
        json.dumps(object(), cls=encoder_of(app))


def test_settings(app: flask.Flask, theirs: Any) -> None:
    """
    The settings are the app's, as they are at that moment; keywords come first.
    """
    app.config["JWT_HEADER_TYPE"] = "JWT"
    manager = JWTManager.from_flask(app, json_key="x")
    app.config["JWT_HEADER_TYPE"] = "Token"
    assert (manager.config.header_type, manager.config.json_key, manager.config.secret_key) == ("JWT", "x", KEY)
