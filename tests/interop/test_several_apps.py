"""
Apps in apps, each with users of its own: nobody is taken for somebody else.
"""

import gc
import weakref
from typing import Annotated, Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import csrf_exempt
from starlette_flask.login import LoginBackend, LoginManager, UserMixin, current_user, login_required, login_user
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware, flask_url_for
from starlette_flask.templating import url_for
from tests.helpers import Browser, ask_asgi
from tests.interop.apps import make_flask_app, needs

CONFIG = SessionConfig(secret_key="secret", same_site=None)
USER = Annotated[Any, Depends(current_user)]


class User(UserMixin):
    def __init__(self, id: str) -> None:  # noqa: A002  # Flask-Login's name
        self.id = id


class Basket(User):
    """
    A user whom `bool` takes for nobody.
    """

    def __len__(self) -> int:
        return 0


def make_manager(**options: Any) -> LoginManager:
    manager = LoginManager(secret_key="secret", **options)
    manager.user_loader(User)
    return manager


def make_app(manager: LoginManager) -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(user: USER) -> Any:
        return user.get_id()

    app.add_middleware(LoginMiddleware, manager=manager)
    app.add_middleware(SessionMiddleware, config=CONFIG)
    return app


def browser_of(app: ASGIApp) -> Browser:
    return Browser(lambda path, **options: ask_asgi(app, path, **options))


def own_user(middleware: Any, **options: Any) -> Starlette:
    """
    Return an app with a session of its own, and a user 7 in it.
    """

    async def log_in(request: Request) -> Response:
        request.session["_user_id"] = "7"
        return PlainTextResponse("in")

    app = Starlette(routes=[Route("/in", log_in)])
    app.add_middleware(middleware, **options)
    return app


class TestUsersOfAnotherApp:
    @pytest.mark.parametrize("place", ["prefix", "no prefix", "host"])
    @pytest.mark.parametrize("kind", [SessionMiddleware, StarletteSessionMiddleware])
    def test_aren_t_remembered_as_ours(self, kind: Any, place: str) -> None:
        """
        A user of an app further in gets no session and no remember cookie of the app outside.
        """
        app = make_app(make_manager(remember_cookie_refresh_each_request=True))
        inner = own_user(kind, secret_key="other", session_cookie="inner")
        route = {"prefix": Mount("/admin", inner), "no prefix": Mount("/", inner), "host": Host("localhost", inner)}[
            place
        ]
        app.router.routes.append(route)
        browser = browser_of(app)
        assert browser.visit("/admin/in" if place == "prefix" else "/in").body == b"in"
        assert [name for name, _, _ in browser.cookies] == ["inner"]
        assert browser.visit("/me").json is None

    def test_of_two_flask_apps(self) -> None:
        """
        A login view is an endpoint of the Flask app that it comes from, though another one has such an endpoint.
        """
        apps = []
        for _ in range(2):
            flask_app = make_flask_app()
            flask_app.add_url_rule("/login", "login", lambda: "")
            flask_login.LoginManager(flask_app).user_loader(User)
            flask_app.login_manager.login_view = "login"  # type: ignore[attr-defined]  # Flask-Login's
            apps.append(flask_app)
        app = FastAPI()

        @app.get("/page")
        async def page(user: Annotated[Any, Depends(login_required)]) -> None: ...

        app.mount("/a", WSGIMiddleware(apps[0]))
        app.mount("/b", WSGIMiddleware(apps[1]))
        app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(apps[1]))
        app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(apps[1]))
        answer = ask_asgi(app, "/page", headers=[("accept", "text/html")])
        assert answer.lines("location") == ["/b/login?next=%2Fpage"]


class TestAssigned:
    """
    A view assigns a dict to ``scope["session"]``, which is the session's content then.
    """

    @needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
    def test_with_a_login(self) -> None:
        """
        The user is the one of that content.
        """
        app = make_app(make_manager())

        @app.get("/assign")
        async def assign(request: Request, user: USER) -> Any:
            request.scope["session"] = {}
            login_user(request, User("ada"))

        @app.get("/drop")
        async def drop(request: Request) -> None:
            del request.scope["session"]

        browser = browser_of(app)
        browser.visit("/assign")
        assert browser.visit("/me").json == "ada"
        assert browser.visit("/drop").status == 200
        assert browser.visit("/me").json == "ada"

    @needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
    @pytest.mark.parametrize("share_session", [True, False])
    def test_before_a_mounted_app(self, share_session: bool) -> None:
        """
        A middleware empties the session of somebody who is banned, and the mounted Flask app sees that.
        """
        flask_app = make_flask_app()
        flask_app.add_url_rule("/show", view_func=lambda: dict(flask.session))

        class Ban:
            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                scope["session"] = {}
                await self.app(scope, receive, send)

        app = Starlette(routes=[Mount("/", WSGIMiddleware(flask_app, share_session=share_session))])
        app.add_middleware(Ban)
        config = SessionConfig.from_flask(flask_app)
        app.add_middleware(SessionMiddleware, config=config)
        answer = ask_asgi(app, "/show", cookies=[f"session={config.signing_serializer.dumps({'user': 'ada'})}"])
        assert answer.set_cookie[0].startswith("session=;")
        if share_session:
            assert answer.json == {}


class TestUsers:
    def test_that_are_falsy(self) -> None:
        """
        A user is who isn't None, whatever `bool` says.
        """
        manager = make_manager(anonymous_user=lambda: Basket("nobody"))
        manager.user_loader(Basket)
        app = make_app(manager)

        @app.get("/in")
        async def log_in(request: Request) -> None:
            login_user(request, Basket("ada"))

        browser = browser_of(app)
        assert browser.visit("/me").json == "nobody"
        browser.visit("/in")
        assert browser.visit("/me").json == "ada"

    def test_of_a_path_without_sessions(self) -> None:
        """
        Where there is no session there is no user, and nothing fails.
        """
        from starlette.middleware.authentication import AuthenticationMiddleware

        manager = make_manager()
        app = Starlette(routes=[Route("/static", lambda request: PlainTextResponse("file"))])
        app.add_middleware(AuthenticationMiddleware, backend=LoginBackend(manager))
        app.add_middleware(LoginMiddleware, manager=manager)
        app.add_middleware(SessionMiddleware, config=CONFIG, allow_path_regex="/app/.*")
        assert ask_asgi(app, "/static").body == b"file"


class TestLoadersOfFlask:
    @pytest.fixture
    def flask_app(self) -> flask.Flask:
        flask_app = make_flask_app()
        manager = flask_login.LoginManager(flask_app)

        @manager.user_loader  # type: ignore[untyped-decorator]  # Flask-Login ships no types
        def load(user_id: str) -> Any:
            flask.session["seen"] = True
            if user_id == "banned":
                flask.abort(403, "banned")
            return User(user_id)

        @manager.request_loader  # type: ignore[untyped-decorator]  # nor here
        def from_request(request: flask.Request) -> Any:
            return User("json") if request.get_json(silent=True) is None and "token" in request.args else None

        return flask_app

    def make_app(self, flask_app: flask.Flask) -> FastAPI:
        app = make_app(LoginManager.from_flask(flask_app))

        @app.get("/in/{name}")
        async def log_in(request: Request, name: str) -> None:
            login_user(request, User(name))

        @app.get("/seen")
        async def seen(request: Request) -> Any:
            return request.session.get("seen")

        @app.post("/me")
        async def me(user: USER) -> Any:
            return user.get_id()

        return app

    @needs("flask", "2.3", "an older JSON provider is another serializer than ours")
    def test_write_the_session(self, flask_app: flask.Flask) -> None:
        """
        What a loader of Flask's writes into ``flask.session`` is in the session, before any request to the mounted app.
        """
        browser = browser_of(self.make_app(flask_app))
        browser.visit("/in/ada")
        assert browser.visit("/me").json == "ada"
        assert browser.visit("/seen").json is True

    def test_abort(self, flask_app: flask.Flask) -> None:
        """
        One that aborts answers as in Flask.
        """
        browser = browser_of(self.make_app(flask_app))
        browser.visit("/in/banned")
        answer = browser.visit("/me")
        assert (answer.status, answer.json) == (403, {"detail": "banned"})

    def test_body(self, flask_app: flask.Flask) -> None:
        """
        The body isn't there for it, which is no error.
        """
        headers = [("content-type", "application/json"), ("content-length", "2")]
        answer = ask_asgi(self.make_app(flask_app), "/me?token=1", method="POST", body=b"{}", headers=headers)
        assert answer.json == "json"


def test_hosts_that_can_t_be() -> None:
    """
    Where Flask answers 400 to a host, so does the URL of an endpoint.
    """
    flask_app = make_flask_app()
    flask_app.add_url_rule("/page", "page", lambda: "")
    app = FastAPI()

    @app.get("/url")
    async def url(request: Request) -> str:
        return flask_url_for(request, "page")

    def refuse(request: Any) -> None:
        if request is not None:
            flask.abort(400)

    flask_app.create_url_adapter = refuse  # type: ignore[method-assign]  # as for a host that isn't trusted
    app.mount("/legacy", WSGIMiddleware(flask_app))
    assert ask_asgi(app, "/url").status == 400


class TestIncludedRouters:
    """
    A router of FastAPI's that is included, whichever way it keeps its routes.
    """

    @pytest.fixture
    def app(self) -> FastAPI:
        flask_app = make_flask_app()
        flask_app.add_url_rule("/page", "page", lambda: "page", methods=["GET", "POST"])
        router = APIRouter()

        @router.post("/hook")
        @csrf_exempt
        async def hook() -> str:
            return "hook"

        @router.post("/form")
        async def form() -> str:
            return "form"

        @router.get("/item/{number}", name="item")
        async def item(request: Request, number: int) -> Any:
            return [url_for(request, "item", number=number, q=1), flask_url_for(request, "page")]

        router.mount("/legacy", WSGIMiddleware(flask_app))
        outer = APIRouter()
        outer.include_router(router, prefix="/inner")
        app = FastAPI()
        app.include_router(outer, prefix="/v1")
        app.add_middleware(CSRFMiddleware, secret_key="secret", exempt_mounts=["/v1/inner/legacy"])
        app.add_middleware(SessionMiddleware, config=CONFIG)
        return app

    def test_exemptions(self, app: FastAPI) -> None:
        """
        Its endpoints and mounts can be exempt, and the others aren't.
        """
        assert ask_asgi(app, "/v1/inner/hook", method="POST").json == "hook"
        assert ask_asgi(app, "/v1/inner/form", method="POST").status == 400

    @needs("fastapi", "0.137", "mounts of an included router are forgotten")
    def test_mounts(self, app: FastAPI) -> None:
        """
        So can its mounts, and their endpoints are found.
        """
        assert ask_asgi(app, "/v1/inner/legacy/page", method="POST").body == b"page"
        assert ask_asgi(app, "/v1/inner/item/4").json == ["/v1/inner/item/4?q=1", "/v1/inner/legacy/page"]


def test_nothing_is_left() -> None:
    """
    A request is gone when it is answered, without the garbage collector.
    """
    left: list[weakref.ref[Any]] = []

    class Thing: ...

    async def view(request: Request) -> Response:
        thing = request.state.thing = Thing()
        left.append(weakref.ref(thing))
        return PlainTextResponse(str(request.session.get("user")))

    app = SessionMiddleware(Starlette(routes=[Route("/", view)]), config=CONFIG)
    gc.disable()
    try:
        ask_asgi(app, "/", cookies=[f"session={CONFIG.signing_serializer.dumps({'user': 'ada'})}"])
        assert [reference() for reference in left] == [None]
    finally:
        gc.enable()
