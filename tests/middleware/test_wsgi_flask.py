"""
`WSGIMiddleware` with Flask inside and Starlette or FastAPI around: what each side can ask the other.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import anyio
import flask
import pytest
from a2wsgi import WSGIMiddleware as OtherWSGIMiddleware
from fastapi import FastAPI, Request, WebSocket
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.routing import BuildError

from starlette_flask.middleware.wsgi import WSGIMiddleware, flask_url_for, http_connection
from tests.helpers import ask_asgi, ask_wsgi, http_scope, shake_hands
from tests.middleware.client import Environ, ask

Adapter = Callable[[Any], ASGIApp]


class TestHTTPConnection:
    """
    `http_connection`: what the Starlette side knows of a request, in a Flask view.
    """

    @pytest.mark.parametrize("adapter", [WSGIMiddleware, OtherWSGIMiddleware], ids=["ours", "a2wsgi"])
    def test_state(self, adapter: Adapter) -> None:
        """
        A Flask view reads what middleware has put into the state, and may put something there itself.
        """
        inner = flask.Flask(__name__)

        @inner.get("/page")
        def page() -> str:
            state = http_connection(flask.request.environ).state
            state.seen_by = "flask"
            tenant: str = state.tenant
            return tenant

        outer = FastAPI()
        outer.mount("/legacy", adapter(inner))

        @outer.middleware("http")
        async def find_tenant(request: Request, call_next: RequestResponseEndpoint) -> Response:
            request.state.tenant = "acme"
            response = await call_next(request)
            response.headers["X-Seen-By"] = request.state.seen_by
            return response

        answer = ask(outer, "/legacy/page")
        assert answer.body == b"acme"
        assert answer.lines("x-seen-by") == ["flask"]

    def test_lifespan_state(self) -> None:
        """
        What the lifespan has put into the state is there as well.
        """
        inner = flask.Flask(__name__)
        inner.add_url_rule("/page", view_func=lambda: http_connection(flask.request.environ).state.pool)
        outer = Starlette(routes=[Mount("/legacy", WSGIMiddleware(inner))])
        scope = {**http_scope("/legacy/page"), "state": {"pool": "a pool"}}
        assert ask(outer, scope=scope).body == b"a pool"

    def test_user(self) -> None:
        """
        It knows who the user is, by Starlette's authentication.
        """

        class Backend(AuthenticationBackend):
            async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
                return AuthCredentials(["admin"]), SimpleUser(conn.headers["x-user"])

        inner = flask.Flask(__name__)

        @inner.get("/page")
        def page() -> dict[str, Any]:
            connection = http_connection(flask.request.environ)
            return {"user": connection.user.display_name, "scopes": connection.auth.scopes}

        outer = Starlette(
            routes=[Mount("/legacy", WSGIMiddleware(inner))],
            middleware=[Middleware(AuthenticationMiddleware, backend=Backend())],
        )
        answer = ask(outer, "/legacy/page", headers=[("x-user", "ada")])
        assert answer.json == {"user": "ada", "scopes": ["admin"]}

    def test_urls_and_the_rest(self) -> None:
        """
        It builds URLs of the outer app, and knows that app and the request's own URL.
        """
        inner = flask.Flask(__name__)

        @inner.get("/page")
        def page() -> dict[str, Any]:
            connection = http_connection(flask.request.environ)
            return {
                "route": str(connection.url_for("item", number=5)),
                "url": str(connection.url),
                "app": connection.app.title,
                "query": dict(connection.query_params),
            }

        outer = FastAPI(title="outer")

        @outer.get("/items/{number}")
        def item(number: int) -> None:
            pass

        outer.mount("/legacy", WSGIMiddleware(inner))
        assert ask(outer, "/legacy/page?a=1").json == {
            "route": "http://localhost/items/5",
            "url": "http://localhost/legacy/page?a=1",
            "app": "outer",
            "query": {"a": "1"},
        }

    def test_elsewhere(self) -> None:
        """
        A request that came another way, as by Flask's test client, has no Starlette side.
        """
        inner = flask.Flask(__name__)
        inner.testing = True
        inner.add_url_rule("/page", view_func=lambda: str(http_connection(flask.request.environ)))
        with pytest.raises(RuntimeError, match="ASGI"):
            ask_wsgi(inner, "/page")


class Shop:
    """
    A Flask app, and what it's asked for: its view ``/show`` answers with the URL that Flask builds.
    """

    def __init__(self, **config: Any) -> None:
        self.app = flask.Flask(__name__)
        self.app.config.update({"PROPAGATE_EXCEPTIONS": True, **config})
        self.endpoint = ""
        self.values: dict[str, Any] = {}
        self.app.add_url_rule("/show", "show", lambda: flask.url_for(self.endpoint, **self.values))
        self.app.add_url_rule("/", "index", self.fail)
        self.app.add_url_rule("/page", "page", self.fail)
        self.app.add_url_rule("/items/<int:number>", "item", self.fail, methods=["GET", "POST"])
        self.app.add_url_rule("/names/<name>", "name", self.fail)
        self.app.add_url_rule("/files/<path:name>", "file", self.fail)
        self.app.add_url_rule("/thing", "thing", self.fail, methods=["GET"])
        self.app.add_url_rule("/thing/new", "thing", self.fail, methods=["POST"])
        admin = flask.Blueprint("admin", __name__, url_prefix="/admin")
        admin.add_url_rule("/users", "users", self.fail)
        self.app.register_blueprint(admin)

    def fail(self, **values: Any) -> str:
        raise AssertionError("called")

    def asked_for(self, endpoint: str, values: dict[str, Any]) -> "Shop":
        self.endpoint, self.values = endpoint, values
        return self

    async def show(self, request: Request) -> Response:
        """
        The other side's view: the URL that we build.
        """
        return PlainTextResponse(flask_url_for(request, self.endpoint, **self.values))

    @property
    def route(self) -> Route:
        return Route("/api/show", self.show)


URLS = [
    pytest.param("index", {}, "/", id="index"),
    pytest.param("page", {}, "/page", id="page"),
    pytest.param("page", {"q": "a b", "lang": ["de", "en"]}, "/page?q=a+b&lang=de&lang=en", id="query"),
    pytest.param("page", {"q": None}, "/page", id="None"),
    pytest.param("page", {"q": "\xe9&="}, "/page?q=%C3%A9%26%3D", id="query, quoted"),
    pytest.param("item", {"number": 5}, "/items/5", id="value"),
    pytest.param("item", {"number": 5, "q": 1}, "/items/5?q=1", id="value and query"),
    pytest.param("name", {"name": "\xe9 /?"}, "/names/%C3%A9%20/%3F", id="value, quoted"),
    pytest.param("file", {"name": "a/b.txt"}, "/files/a/b.txt", id="path"),
    pytest.param("admin.users", {}, "/admin/users", id="blueprint"),
    pytest.param("static", {"filename": "a.css"}, "/static/a.css", id="static file"),
    pytest.param("page", {"_anchor": "top"}, "/page#top", id="anchor"),
    pytest.param("thing", {"_method": "POST"}, "/thing/new", id="method"),
    pytest.param("thing", {"_method": "GET"}, "/thing", id="another method"),
]
FULL_URLS = [
    pytest.param("page", {"_external": True}, "http://localhost", "/page", id="external"),
    pytest.param("page", {"_external": True, "_scheme": "https"}, "https://localhost", "/page", id="scheme"),
    pytest.param("page", {"_scheme": "https"}, "https://localhost", "/page", id="scheme alone"),
    pytest.param("page", {"_external": True, "_anchor": "top"}, "http://localhost", "/page#top", id="with an anchor"),
    pytest.param("page", {"_external": False}, "", "/page", id="not external"),
    pytest.param("page", {"_external": None}, "", "/page", id="as Flask likes"),
]


class TestURLFor:
    """
    `flask_url_for`: the URL of a Flask view, in a view of FastAPI or Starlette. What Flask says is the rule.
    """

    @pytest.mark.parametrize("prefix", ["", "/legacy", "/a/b", "/caf\xe9", "/with space"])
    @pytest.mark.parametrize(("endpoint", "values", "expected"), URLS)
    def test_urls(self, endpoint: str, values: dict[str, Any], expected: str, prefix: str) -> None:
        """
        Both sides build the same URL, which begins with the prefix, as it is.
        """
        shop = Shop().asked_for(endpoint, values)
        outer = Starlette(routes=[shop.route, Mount(prefix or "/", WSGIMiddleware(shop.app))])
        url = (prefix + expected).encode()
        assert ask(outer, quote(f"{prefix}/show")).body == url
        assert ask(outer, "/api/show").body == url

    @pytest.mark.parametrize(("endpoint", "values", "origin", "expected"), FULL_URLS)
    def test_full_urls(self, endpoint: str, values: dict[str, Any], origin: str, expected: str) -> None:
        """
        So they do with the scheme and the host.
        """
        shop = Shop().asked_for(endpoint, values)
        outer = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        url = f"{origin}/legacy{expected}".encode()
        assert ask(outer, "/legacy/show").body == url
        assert ask(outer, "/api/show").body == url

    @pytest.mark.parametrize(
        ("config", "headers", "scheme"),
        [
            pytest.param({}, [("host", "shop.example:8080")], "http", id="host and port"),
            pytest.param({}, [("host", "shop.example")], "https", id="https"),
            pytest.param({}, [], "http", id="no host"),
            pytest.param({"SERVER_NAME": "shop.example"}, [("host", "shop.example")], "http", id="SERVER_NAME"),
            pytest.param(
                {"SERVER_NAME": "shop.example", "PREFERRED_URL_SCHEME": "https"},
                [("host", "shop.example")],
                "http",
                id="PREFERRED_URL_SCHEME",
            ),
            pytest.param({"APPLICATION_ROOT": "/elsewhere"}, [("host", "shop.example")], "http", id="APPLICATION_ROOT"),
        ],
    )
    @pytest.mark.parametrize("is_external", [True, False])
    def test_hosts(
        self, config: dict[str, Any], headers: list[tuple[str, str]], scheme: str, is_external: bool
    ) -> None:
        """
        Scheme and host are those of the request; the config says no more than inside.
        """
        shop = Shop(**config).asked_for("page", {"_external": is_external})
        outer = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        urls = []
        for path in ("/legacy/show", "/api/show"):
            scope = {**http_scope(path), "scheme": scheme}
            scope["headers"] = [(name.encode(), value.encode()) for name, value in headers]
            urls.append(ask(outer, scope=scope).body.decode())
        assert urls[0] == urls[1]
        host = f"{scheme}://{headers[0][1] if headers else 'localhost'}"
        assert urls[0] == f"{host if is_external else ''}/legacy/page"

    @pytest.mark.parametrize("root_path", ["/proxy", "/a/b", "/t\xe9"])
    def test_root_path(self, root_path: str) -> None:
        """
        The server's root path is part of the prefix.
        """
        shop = Shop().asked_for("page", {})
        outer = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        for path in ("/legacy/show", "/api/show"):
            scope = {**http_scope(quote(root_path + path)), "root_path": root_path}
            assert ask(outer, scope=scope).body == f"{root_path}/legacy/page".encode()

    def test_root_path_of_fastapi(self) -> None:
        """
        So is that of a FastAPI app which is told its prefix, while the proxy takes that away.
        """
        shop = Shop().asked_for("page", {})
        outer = FastAPI()
        outer.root_path = "/proxy"  # the argument is deprecated
        outer.add_api_route("/api/show", shop.show)
        outer.mount("/legacy", WSGIMiddleware(shop.app))
        assert ask(outer, "/api/show").body == b"/proxy/legacy/page"

    def test_nested(self) -> None:
        """
        A Flask app is found at any depth, from any depth.
        """
        shop = Shop().asked_for("page", {})
        outer = FastAPI()
        middle = FastAPI()
        beside = FastAPI()
        for app in (outer, middle, beside):
            app.add_api_route("/api/show", shop.show)
        middle.mount("/legacy", WSGIMiddleware(shop.app))
        outer.mount("/beside", beside)
        outer.mount("/middle", middle)
        for path in ("/api/show", "/middle/api/show", "/beside/api/show", "/middle/legacy/show"):
            assert ask(outer, path).body == b"/middle/legacy/page"

    def test_nested_below_a_root_path(self) -> None:
        """
        So it is below a root path.
        """
        shop = Shop().asked_for("page", {})
        outer, middle = FastAPI(), FastAPI()
        middle.add_api_route("/api/show", shop.show)
        middle.mount("/legacy", WSGIMiddleware(shop.app))
        outer.mount("/middle", middle)
        for path in ("/proxy/middle/api/show", "/proxy/middle/legacy/show"):
            assert ask(outer, scope={**http_scope(path), "root_path": "/proxy"}).body == b"/proxy/middle/legacy/page"

    def test_mount_with_routes(self) -> None:
        """
        So it is in a mount that holds routes, not an app.
        """
        shop = Shop().asked_for("page", {})
        routes = [Mount("/a", routes=[shop.route, Mount("/b", WSGIMiddleware(shop.app))])]
        assert ask(Starlette(routes=routes), "/a/api/show").body == b"/a/b/page"

    def test_host(self) -> None:
        """
        So it is behind a host.
        """
        shop = Shop().asked_for("page", {})
        routes: list[BaseRoute] = [
            shop.route,
            Host("shop.example", Starlette(routes=[Mount("/legacy", WSGIMiddleware(shop.app))])),
        ]
        assert ask(Starlette(routes=routes), "/api/show").body == b"/legacy/page"

    def test_behind_middleware(self) -> None:
        """
        Middleware around the mounted app may hide it, if it keeps it as ``app``, as middleware does.
        """

        class Around:
            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                await self.app(scope, receive, send)

        shop = Shop().asked_for("page", {})
        mounted = Around(Around(WSGIMiddleware(shop.app)))
        for mount in (
            Mount("/legacy", mounted),
            Mount("/legacy", WSGIMiddleware(shop.app), middleware=[Middleware(Around)]),
        ):
            assert ask(Starlette(routes=[shop.route, mount]), "/api/show").body == b"/legacy/page"

    def test_a_parameter_in_the_prefix(self) -> None:
        """
        A parameter of the prefix has the value that it has in this request.
        """
        shop = Shop().asked_for("page", {})
        tenant = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        outer = Starlette(routes=[shop.route, Mount("/{tenant}", tenant)])
        assert ask(outer, "/acme/api/show").body == b"/acme/legacy/page"
        assert ask(outer, "/acme/legacy/show").body == b"/acme/legacy/page"
        with pytest.raises(LookupError, match="tenant"):
            ask(outer, "/api/show")

    def test_several_apps(self) -> None:
        """
        Of several Flask apps the first one with that endpoint is meant; what isn't Flask isn't asked.
        """
        shop, blog = Shop(), flask.Flask("blog")
        blog.add_url_rule("/posts", "posts", shop.fail)
        blog.add_url_rule("/page", "page", shop.fail)

        def other(environ: Environ, start_response: Any) -> list[bytes]:
            raise AssertionError("called")

        outer = Starlette(
            routes=[
                shop.route,
                Mount("/other", WSGIMiddleware(other)),
                Mount("/starlette", Starlette()),
                Mount("/shop", WSGIMiddleware(shop.app)),
                Mount("/blog", WSGIMiddleware(blog)),
            ]
        )
        for endpoint, expected in [("page", b"/shop/page"), ("posts", b"/blog/posts")]:
            shop.asked_for(endpoint, {})
            assert ask(outer, "/api/show").body == expected

    def test_url_defaults(self) -> None:
        """
        An app that fills in values by itself does so here.
        """
        shop = Shop()
        shop.app.add_url_rule("/<lang>/about", "about", shop.fail)

        @shop.app.url_defaults
        def add_language(endpoint: str, values: dict[str, Any]) -> None:
            if shop.app.url_map.is_endpoint_expecting(endpoint, "lang"):
                values.setdefault("lang", "en")

        outer = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        for values, expected in [({}, b"/legacy/en/about"), ({"lang": "de"}, b"/legacy/de/about")]:
            shop.asked_for("about", values)
            assert ask(outer, "/legacy/show").body == expected
            assert ask(outer, "/api/show").body == expected

    @pytest.mark.parametrize(
        ("endpoint", "values"),
        [("missing", {}), ("item", {}), ("page", {"_method": "PUT"})],
    )
    def test_unknown(self, endpoint: str, values: dict[str, Any]) -> None:
        """
        What Flask can't build is Werkzeug's BuildError.
        """
        shop = Shop().asked_for(endpoint, values)
        outer = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        for path in ("/legacy/show", "/api/show"):
            with pytest.raises(BuildError) as caught:
                ask(outer, path)
            assert caught.value.endpoint == endpoint

    def test_handled_by_the_app(self) -> None:
        """
        An app that handles such errors is asked.
        """
        shop = Shop().asked_for("missing", {"q": 1})
        shop.app.url_build_error_handlers.append(lambda error, endpoint, values: f"/lost/{endpoint}")
        outer = Starlette(routes=[shop.route, Mount("/legacy", WSGIMiddleware(shop.app))])
        for path in ("/legacy/show", "/api/show"):
            assert ask(outer, path).body == b"/lost/missing"

    def test_none_mounted(self) -> None:
        """
        Where no Flask app is mounted, the error says so.
        """
        shop = Shop().asked_for("page", {})
        with pytest.raises(LookupError, match="no Flask app is mounted"):
            ask(Starlette(routes=[shop.route]), "/api/show")

    def test_without_a_router(self) -> None:
        """
        So it does in an app that has no routes at all.
        """
        with pytest.raises(LookupError, match="no Flask app is mounted"):
            flask_url_for(Request(http_scope("/")), "page")

    def test_from_flask(self) -> None:
        """
        A Flask app asks for the URL of another one.
        """
        shop, blog = Shop(), flask.Flask("blog")

        @blog.get("/show")
        def show() -> str:
            return flask_url_for(http_connection(flask.request.environ), "page")

        outer = Starlette(routes=[Mount("/shop", WSGIMiddleware(shop.app)), Mount("/blog", WSGIMiddleware(blog))])
        assert ask(outer, "/blog/show").body == b"/shop/page"

    @pytest.mark.parametrize(("scheme", "expected"), [("ws", "http"), ("wss", "https")])
    def test_from_a_websocket(self, scheme: str, expected: str) -> None:
        """
        From a WebSocket too, with the scheme of pages.
        """
        shop = Shop()
        outer = FastAPI()
        outer.mount("/legacy", WSGIMiddleware(shop.app))
        urls: list[str] = []

        @outer.websocket("/ws")
        async def view(websocket: WebSocket) -> None:
            websocket.scope["scheme"] = scheme
            urls.append(flask_url_for(websocket, "page", _external=True))
            await websocket.close()

        shake_hands(outer, "/ws")
        assert urls == [f"{expected}://localhost/legacy/page"]

    def test_leaves_no_context(self) -> None:
        """
        No context of Flask's is current before or after, and no request of Flask's is begun.
        """
        shop = Shop()
        begun: list[str] = []
        shop.app.before_request(lambda: begun.append("request"))
        shop.app.teardown_request(lambda error: begun.append("teardown"))

        async def view(request: Request) -> Response:
            for _ in range(2):
                flask_url_for(request, "page")
                assert not flask.has_app_context()
                assert not flask.has_request_context()
            return PlainTextResponse("done")

        outer = Starlette(routes=[Route("/", view), Mount("/legacy", WSGIMiddleware(shop.app))])
        assert ask(outer).body == b"done"
        assert begun == []


def test_async_views() -> None:
    """
    Flask's async views run as ever, in a loop of their own.
    """
    inner = flask.Flask(__name__)

    @inner.get("/")
    async def view() -> str:
        await asyncio.sleep(0)
        return flask.request.args["name"]

    assert ask(WSGIMiddleware(inner), "/?name=ada").body == b"ada"


class TestRedirects:
    """
    What Flask redirects to carries the prefix.
    """

    @pytest.fixture
    def outer(self) -> Starlette:
        inner = flask.Flask(__name__)
        inner.add_url_rule("/target", "target", lambda: "target")
        inner.add_url_rule("/go", "go", lambda: flask.redirect(flask.url_for("target")))
        inner.add_url_rule("/folder/", "folder", lambda: "folder")
        return Starlette(routes=[Mount("/a", routes=[Mount("/b", WSGIMiddleware(inner))])])

    def test_url_for(self, outer: Starlette) -> None:
        """
        A redirect to a view of its own.
        """
        answer = ask(outer, "/a/b/go")
        assert (answer.status, answer.lines("location")) == (302, ["/a/b/target"])

    def test_slash(self, outer: Starlette) -> None:
        """
        The one that adds a slash.
        """
        answer = ask(outer, "/a/b/folder?q=1")
        assert (answer.status, answer.lines("location")) == (308, ["http://localhost/a/b/folder/?q=1"])


class TestFallback:
    """
    ``app.mount("/", WSGIMiddleware(flask_app))`` after FastAPI's routes: FastAPI first, Flask for the rest.
    """

    @pytest.fixture
    def outer(self) -> FastAPI:
        outer = FastAPI()

        @outer.get("/items")
        def items() -> str:
            return "FastAPI"

        @outer.get("/folder/")
        def folder() -> str:
            return "FastAPI"

        @outer.get("/missing")
        def missing() -> Response:
            return Response("FastAPI has none", 404)

        inner = flask.Flask(__name__)

        @inner.route("/<path:path>", methods=["GET", "POST", "DELETE"])
        def catch_all(path: str) -> str:
            if path.startswith("lost"):
                flask.abort(404, "Flask has none")
            return f"Flask {flask.request.method} {path}"

        outer.mount("/", WSGIMiddleware(inner))
        return outer

    @pytest.mark.parametrize(
        ("method", "path", "status", "expected"),
        [
            pytest.param("GET", "/items", 200, '"FastAPI"', id="FastAPI's"),
            pytest.param("GET", "/old", 200, "Flask GET old", id="Flask's"),
            pytest.param("GET", "/items/5", 200, "Flask GET items/5", id="below FastAPI's"),
            pytest.param("GET", "/lost", 404, "Flask has none", id="nobody's"),
            pytest.param("GET", "/missing", 404, "FastAPI has none", id="404 of a FastAPI view"),
            pytest.param("POST", "/items", 200, "Flask POST items", id="method that FastAPI lacks"),
            pytest.param("PUT", "/items", 405, "Method Not Allowed", id="method that both lack"),
            pytest.param("GET", "/folder/", 200, '"FastAPI"', id="slash"),
            pytest.param("GET", "/folder", 200, "Flask GET folder", id="slash forgotten"),
            pytest.param("GET", "/items/", 200, "Flask GET items/", id="slash too much"),
            pytest.param("GET", "/docs", 200, "Swagger UI", id="docs"),
            pytest.param("GET", "/redoc", 200, "ReDoc", id="redoc"),
            pytest.param("GET", "/openapi.json", 200, '"/items"', id="openapi.json"),
            pytest.param("GET", "/docs/", 200, "Flask GET docs/", id="docs with a slash"),
        ],
    )
    def test_who_answers(self, outer: FastAPI, method: str, path: str, status: int, expected: str) -> None:
        """
        What FastAPI has a route for, by path and method, is FastAPI's; all else is Flask's, with its 404 and 405.
        """
        answer = ask(outer, path, method=method)
        assert (answer.status, expected in answer.body.decode()) == (status, True), answer

    def test_head(self, outer: FastAPI) -> None:
        """
        FastAPI's routes for GET know no HEAD: Flask is asked.
        """
        answer = ask(outer, "/items", method="HEAD")
        assert (answer.status, answer.lines("content-length")) == (200, [str(len("Flask HEAD items"))])

    def test_options(self, outer: FastAPI) -> None:
        """
        Nor OPTIONS: Flask tells what Flask allows.
        """
        answer = ask(outer, "/items", method="OPTIONS")
        assert set(answer.lines("allow")[0].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST", "DELETE"}

    def test_docs_are_flask_s_where_fastapi_has_none(self) -> None:
        """
        Without docs in FastAPI, the path is Flask's.
        """
        inner = flask.Flask(__name__)
        inner.add_url_rule("/docs", view_func=lambda: "Flask's docs")
        outer = FastAPI(docs_url=None)
        outer.mount("/", WSGIMiddleware(inner))
        assert ask(outer, "/docs").body == b"Flask's docs"

    def test_routes_after_it(self, outer: FastAPI) -> None:
        """
        A route that is added after the mount is never reached.
        """
        outer.add_api_route("/late", lambda: "FastAPI")
        assert ask(outer, "/late").body == b"Flask GET late"

    def test_sub_applications(self, outer: FastAPI) -> None:
        """
        What an app mounted before it doesn't know is that app's 404.
        """
        inner = flask.Flask(__name__)
        outer = FastAPI()
        outer.mount("/api", FastAPI())
        outer.mount("/", WSGIMiddleware(inner))
        assert ask(outer, "/api/unknown").json == {"detail": "Not Found"}

    def test_websocket(self, outer: FastAPI) -> None:
        """
        A WebSocket that FastAPI doesn't know is refused.
        """
        kind, answer = shake_hands(outer, "/unknown")
        assert (kind, answer.status) == ("websocket.http.response.start", 403)

    def test_openapi(self, outer: FastAPI) -> None:
        """
        Flask's views aren't in FastAPI's description.
        """
        assert list(ask(outer, "/openapi.json").json["paths"]) == ["/items", "/folder/", "/missing"]


def test_an_event_loop_of_its_own() -> None:
    """
    A view may run an event loop, also where the parent's says which one it is.
    """
    app = flask.Flask(__name__)

    async def answer() -> str:
        return "ok"

    app.add_url_rule("/", view_func=lambda: anyio.run(answer))
    assert ask_asgi(WSGIMiddleware(app), "/").body == b"ok"
