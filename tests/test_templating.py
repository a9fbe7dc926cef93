from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import time_machine
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import CSRFConfig, CSRFError
from starlette_flask.flash import flash
from starlette_flask.login import LoginBackend, LoginManager, current_user
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.templating import FlaskRequest, flask_context, url_for
from tests.helpers import Answer, ask_asgi, http_scope, run_asgi

NOW = 1_700_000_000
SESSIONS = SessionConfig(secret_key="secret")


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


def render(text: str, flask_app: Any = None, **values: Any) -> Any:
    """
    Return a view that renders a template.
    """
    env = jinja2.Environment(loader=jinja2.DictLoader({"page.html": text, "macros.html": MACROS}), autoescape=True)
    templates = Jinja2Templates(env=env, context_processors=[flask_context(flask_app)])

    async def view(request: Request) -> Response:
        return templates.TemplateResponse(request, "page.html", dict(values))

    return view


MACROS = "{% macro link(name) %}{{ url_for(name) }} {{ csrf_token()|length }} {{ request.path }}{% endmacro %}"


def show(text: str, path: str = "/", *, root_path: str = "", **options: Any) -> str:
    """
    Return what a page at ``/`` of a small app says.
    """
    view = render(text)
    routes = [
        Route("/", view, name="index"),
        Route("/shop/{number:int}", view, name="shop.item"),
        Route("/tags/{tag}", view, name="shop.tagged"),
        Route("/archive/{year:int}/{month:int}", view, name="archive"),
        Route("/archive/{year:int}", view, name="archive"),
        Route("/archive", view, name="archive"),
        Route("/files/{path:path}", view, name="files"),
        Route("/prices/{price:float}/{key:uuid}", view, name="price"),
        Mount("/static", StaticFiles(directory=Path(__file__).parent), name="static"),
        Mount("/{lang}/docs", routes=[Route("/{page}", view, name="page")], name="docs"),
        Mount("/nameless", routes=[Route("/inner", view, name="inner")]),
        Host("api.localhost", Router([Route("/users", view, name="users")]), name="api"),
        WebSocketRoute("/live", lambda websocket: websocket.close(), name="live"),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(CSRFMiddleware, config=CSRFConfig(secret_key="secret"))
    app.add_middleware(SessionMiddleware, config=SESSIONS)
    scope = {**http_scope(root_path + path, **options), "root_path": root_path}
    sent = run_asgi(app, scope, [{"type": "http.request"}])
    assert sent[0]["status"] == 200
    return str(sent[1]["body"].decode())


class TestContext:
    @pytest.mark.parametrize(
        ("scope", "flask_app", "names"),
        [
            pytest.param({}, None, set(), id="nothing"),
            pytest.param({"session": {}}, None, {"session"}, id="session"),
            pytest.param({}, SimpleNamespace(config={}), {"config"}, id="Flask"),
        ],
    )
    def test_names(self, scope: Mapping[str, Any], flask_app: Any, names: set[str]) -> None:
        """
        A template gets what there is; what there isn't isn't defined, as in Flask.
        """
        context = flask_context(flask_app)(Request({**http_scope("/"), **scope}))
        always = {"request", "url_for", "get_flashed_messages", "csrf_token", "csrf_meta_tag"}
        assert context.keys() == always | names

    def test_config(self) -> None:
        """
        ``config`` is the Flask app's, as it is when the page is rendered.
        """
        theirs = SimpleNamespace(config={"NAME": "shop"})
        app = Starlette(routes=[Route("/", render("{{ config.NAME }} {{ config['NAME'] }} {{ config.NONE }}", theirs))])
        assert ask_asgi(app, "/").body == b"shop shop "
        theirs.config["NAME"] = "other"
        assert ask_asgi(app, "/").body == b"other other "

    def test_session_is_left_alone(self) -> None:
        """
        A page that doesn't use the session doesn't depend on the cookie.
        """
        for text, vary in (("{{ request.path }}", []), ("{{ session.user }}", ["Cookie"])):
            app = Starlette(routes=[Route("/", render(text))])
            app.add_middleware(SessionMiddleware, config=SESSIONS)
            assert ask_asgi(app, "/", cookies=["session=bad"]).vary == vary

    def test_session(self) -> None:
        """
        ``session`` is the request's: a template may write it, too.
        """
        app = Starlette(routes=[Route("/", render("{{ session.pop('a', 0) }} {{ session.setdefault('b', 2) }}"))])
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        cookie = "session=" + SESSIONS.signing_serializer.dumps({"a": 1})
        answer = ask_asgi(app, "/", cookies=[cookie])
        assert answer.body == b"1 2"
        value = answer.cookie.partition("=")[2]
        assert SESSIONS.signing_serializer.loads(value) == {"b": 2}

    def test_flashes(self) -> None:
        """
        ``get_flashed_messages`` takes the messages, of which each is shown once.
        """
        view = render("{{ get_flashed_messages(true) }}{{ get_flashed_messages(category_filter=['info']) }}")

        async def say(request: Request) -> Response:
            flash(request, "a")
            flash(request, "b", "info")
            return await page(request)

        async def page(request: Request) -> Response:
            response: Response = await view(request)
            return response

        app = Starlette(routes=[Route("/say", say), Route("/", page)])
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        answer = ask_asgi(app, "/say")
        assert answer.body.decode().replace("&#39;", "'") == "[('message', 'a'), ('info', 'b')]['b']"
        assert ask_asgi(app, "/").body == b"[][]"

    def test_csrf(self) -> None:
        """
        ``csrf_token`` and ``csrf_meta_tag`` hold the same token, and the tag isn't escaped.
        """
        token, tag = show("{{ csrf_token() }} {{ csrf_meta_tag() }}").split(" ", 1)
        assert tag == f'<meta name="csrf-token" content="{token}">'

    def test_csrf_without_middleware(self) -> None:
        """
        A page that needs no token needs no middleware; one that does is told so.
        """
        app = Starlette(routes=[Route("/", render("{{ request.path }}")), Route("/form", render("{{ csrf_token() }}"))])
        assert ask_asgi(app, "/").body == b"/"
        with pytest.raises(RuntimeError, match="no CSRFMiddleware around this route"):
            ask_asgi(app, "/form")

    def test_macros(self) -> None:
        """
        Macros that are imported with the context find everything.
        """
        text = "{% from 'macros.html' import link with context %}{{ link('shop.item') if false }}{{ link('index') }}"
        path, length, here = show(text).split()
        assert (path, here) == ("/", "/")
        assert int(length) > 60

    def test_values_of_the_view(self) -> None:
        """
        What the view gives the template is there as well.
        """
        app = Starlette(routes=[Route("/", render("{{ name }} {{ request.method }}", name="ada"))])
        assert ask_asgi(app, "/").body == b"ada GET"


class Ghost:
    """
    A user that is false, as one with no rights might be.
    """

    is_authenticated = True
    is_active = True

    def __init__(self, user_id: str) -> None:
        self.id = user_id

    def get_id(self) -> str:
        return self.id

    def __len__(self) -> int:
        return 0


class TestCurrentUser:
    TEXT = "{{ current_user.is_authenticated }} {{ current_user.id }}"

    @pytest.fixture
    def manager(self) -> LoginManager:
        manager = LoginManager(secret_key="secret")
        manager.user_loader(Ghost)
        return manager

    @staticmethod
    def ask(app: Any, manager: LoginManager, user: str | None = "ada") -> Answer:
        app.add_middleware(LoginMiddleware, manager=manager)
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        data = {} if user is None else {"_user_id": user, "_fresh": True}
        return ask_asgi(app, "/", cookies=["session=" + SESSIONS.signing_serializer.dumps(data)])

    def test_dependency(self, manager: LoginManager) -> None:
        """
        It is the user that the route, or the app, depends on; whatever that is in a condition.
        """
        for app in (FastAPI(dependencies=[Depends(current_user)]), FastAPI()):
            depends = [] if app.router.dependencies else [Depends(current_user)]
            app.add_api_route("/", render(self.TEXT), dependencies=depends)
            assert self.ask(app, manager).body == b"True ada"

    def test_nobody(self, manager: LoginManager) -> None:
        """
        Where nobody is logged in it is the anonymous user.
        """
        app = FastAPI(dependencies=[Depends(current_user)])
        app.add_api_route("/", render(self.TEXT))
        assert self.ask(app, manager, None).body == b"False "

    def test_authentication_middleware(self, manager: LoginManager) -> None:
        """
        It is the user that Starlette's middleware has loaded.
        """
        app = Starlette(routes=[Route("/", render(self.TEXT))])
        app.add_middleware(AuthenticationMiddleware, backend=LoginBackend(manager))
        assert self.ask(app, manager).body == b"True ada"

    def test_nobody_has_loaded_it(self, manager: LoginManager) -> None:
        """
        Where it wasn't loaded, a template that asks is told what to add, and one that doesn't is rendered.
        """
        with pytest.raises(RuntimeError, match=r"add Depends\(current_user\), of starlette_flask.login, to the route"):
            self.ask(Starlette(routes=[Route("/", render(self.TEXT))]), manager)
        assert self.ask(Starlette(routes=[Route("/", render("{{ request.path }}"))]), manager).body == b"/"

    def test_jinja_may_look(self) -> None:
        """
        A user that wasn't loaded can be passed on and escaped; only what is asked of it fails.
        """
        view = render("{% macro menu(user) %}menu{{ (user|e)[:0] }}{% endmacro %}{{ menu(current_user) }}")
        manager = LoginManager(secret_key="secret")
        assert self.ask(Starlette(routes=[Route("/", view)]), manager).body == b"menu"


class TestRequest:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            pytest.param("request.path", "/shop/7", id="path"),
            pytest.param("request.full_path", "/shop/7?q=a&q=b&n=5&x=", id="full path"),
            pytest.param("request.script_root", "", id="script root"),
            pytest.param("request.method", "GET", id="method"),
            pytest.param("request.host", "localhost", id="host"),
            pytest.param("request.url", "http://localhost/shop/7?q=a&q=b&n=5&x=", id="url"),
            pytest.param("request.is_secure", "False", id="is secure"),
            pytest.param("request.referrer", "http://localhost/", id="referrer"),
            pytest.param("request.remote_addr", "127.0.0.1", id="address"),
            pytest.param("request.endpoint", "shop.item", id="endpoint"),
            pytest.param("request.blueprint", "shop", id="blueprint"),
            pytest.param("request.view_args", "{'number': 7}", id="view args"),
            pytest.param("request.view_args.number + 1", "8", id="view arg"),
            pytest.param("request.args.n", "5", id="arg"),
            pytest.param("request.args['q']", "a", id="the first of two"),
            pytest.param("request.args.get('q')", "a", id="get the first of two"),
            pytest.param("request.args.getlist('q')", "['a', 'b']", id="both"),
            pytest.param("request.args.get('x', 'default')", "", id="an empty one is no default"),
            pytest.param("request.args.get('none', 'default')", "default", id="default"),
            pytest.param("request.args.none", "", id="none"),
            pytest.param("request.headers['Referer']", "http://localhost/", id="header"),
            pytest.param("request.cookies.a", "1", id="cookie"),
            pytest.param("request.session.user", "", id="Starlette's own: session"),
            pytest.param("request.url.path", "/shop/7", id="Starlette's own: url"),
            pytest.param("request.query_params.n", "5", id="Starlette's own: query_params"),
            pytest.param("request.path_params", "{'number': 7}", id="Starlette's own: path_params"),
            pytest.param("request.state.tenant", "", id="Starlette's own: state"),
        ],
    )
    def test_attributes(self, expression: str, expected: str) -> None:
        """
        A request has Flask's attributes, and Starlette's.
        """
        text = show(
            f"{{{{ ({expression})|string|safe }}}}",
            "/shop/7?q=a&q=b&n=5&x=",
            headers=[("referer", "http://localhost/")],
            cookies=["a=1"],
        )
        assert text == expected

    def test_below_a_path(self) -> None:
        """
        Where the app is served below a path, that is the script's root, and no part of the path.
        """
        text = "{{ request.script_root }} {{ request.path }} {{ request.full_path }}"
        assert show(text, "/shop/7?a=1", root_path="/app") == "/app /shop/7 /shop/7?a=1"

    def test_in_a_mounted_app(self) -> None:
        """
        In an app that is mounted the mount is part of the root, as SCRIPT_NAME has it.
        """
        view = render("{{ request.script_root }} {{ request.path }} {{ request.endpoint }}")
        app = Starlette(routes=[Mount("/a", routes=[Mount("/{b}", routes=[Route("/c", view, name="c")])])])
        assert ask_asgi(app, "/a/x/c").body == b"/a/x /c c"

    def test_odd_paths(self) -> None:
        """
        A path is shown as it was meant, without percent-encoding.
        """
        app = Starlette(routes=[Mount("/", render_asgi("{{ request.path }} {{ request.full_path }}"))])
        for path, shown in (
            ("/a%20b", "/a b /a b?"),
            ("/%C3%BC", "/\u00fc /\u00fc?"),
            ("/%FF", "/\ufffd /\ufffd?"),
            ("//a", "/a /a?"),
            ("/a?b=%20&c", "/a /a?b=%20&c"),
        ):
            assert ask_asgi(app, path).body.decode().replace("&amp;", "&") == shown

    @pytest.mark.parametrize("kind", ["Starlette", "FastAPI", "FastAPI, included"])
    def test_endpoint(self, kind: str) -> None:
        """
        The endpoint is the route's name, or else the view's.
        """

        async def view(request: Request) -> Response:
            request = FlaskRequest(request.scope)
            return PlainTextResponse(f"{request.endpoint} {request.blueprint}")

        app: Any = Starlette() if kind == "Starlette" else FastAPI()
        router: Any = APIRouter() if kind == "FastAPI, included" else app
        for path, name in (("/named", "auth.admin.login"), ("/plain", "login"), ("/unnamed", None)):
            if kind == "Starlette":
                app.add_route(path, view, name=name)
            else:
                router.add_api_route(path, view, name=name)
        if router is not app:
            app.include_router(router)
        answers = [ask_asgi(app, path).body.decode() for path in ("/named", "/plain", "/unnamed")]
        assert answers == ["auth.admin.login auth.admin", "login None", "view None"]

    def test_endpoint_of_a_class(self) -> None:
        """
        So it is for a class.
        """

        class Login(HTTPEndpoint):
            async def get(self, request: Request) -> Response:
                return PlainTextResponse(str(FlaskRequest(request.scope).endpoint))

        app = Starlette(routes=[Route("/a", Login), Route("/b", Login, name="auth.login")])
        assert [ask_asgi(app, path).body for path in ("/a", "/b")] == [b"Login", b"auth.login"]

    def test_no_endpoint(self) -> None:
        """
        On a page for an error that no route is for there is neither endpoint nor blueprint.
        """
        view = render("{{ request.endpoint }} {{ request.blueprint }} {{ request.view_args }}")

        async def handler(request: Request, exc: Exception) -> Response:
            response: Response = await view(request)
            return response

        app = Starlette(exception_handlers={404: handler})
        assert ask_asgi(app, "/nowhere").body == b"None None {}"

    @pytest.mark.parametrize(
        ("key", "default", "kind", "expected"),
        [
            pytest.param("n", None, int, 5, id="a number"),
            pytest.param("q", None, int, None, id="no number"),
            pytest.param("q", 1, int, 1, id="no number, default"),
            pytest.param("x", 1, int, 1, id="empty"),
            pytest.param("none", 1, int, 1, id="not there"),
            pytest.param("none", "1", int, "1", id="the default isn't converted"),
            pytest.param("q", None, str.upper, "A", id="any function"),
            pytest.param("q", 1, len.__call__, 1, id="one that works on the first"),  # type: ignore[operator]
            pytest.param("q", 1, lambda text: 1 + text, 1, id="one that raises TypeError"),
        ],
    )
    def test_type(self, key: str, default: Any, kind: Any, expected: Any) -> None:
        """
        ``args.get`` converts, and gives the default where that fails, as Werkzeug's.
        """
        args = FlaskRequest(http_scope("/?q=a&q=b&n=5&x=")).args
        assert args.get(key, default, type=kind) == expected
        assert args.get(key, default, kind) == expected

    def test_nothing_is_known(self) -> None:
        """
        Where the server says neither host nor client, the attributes are empty.
        """
        scope = {**http_scope("/"), "headers": [], "client": None}
        request = FlaskRequest(scope)
        assert (request.host, request.remote_addr, request.referrer) == ("", None, None)
        assert FlaskRequest({**scope, "scheme": "https"}).is_secure


def render_asgi(text: str) -> ASGIApp:
    view = render(text)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (await view(Request(scope, receive)))(scope, receive, send)

    return app


URLS = [
    pytest.param("'index'", "/", id="route"),
    pytest.param("'shop.item', number=7", "/shop/7", id="parameter"),
    pytest.param("'shop.item', number='7'", "/shop/7", id="number as text"),
    pytest.param("'shop.tagged', tag='a b?c#d%e'", "/tags/a%20b%3Fc%23d%25e", id="odd characters"),
    pytest.param("'shop.tagged', tag='\u00fc'", "/tags/%C3%BC", id="letters"),
    pytest.param("'shop.tagged', tag=5", "/tags/5", id="anything as text"),
    pytest.param("'files', path='a/b c.txt'", "/files/a/b%20c.txt", id="path"),
    pytest.param(
        "'price', price=1.5, key='12345678-1234-5678-1234-567812345678'",
        "/prices/1.5/12345678-1234-5678-1234-567812345678",
        id="float and UUID",
    ),
    pytest.param("'archive'", "/archive", id="one name: without"),
    pytest.param("'archive', year=2025", "/archive/2025", id="one name: one parameter"),
    pytest.param("'archive', year=2025, month=5", "/archive/2025/5", id="one name: two parameters"),
    pytest.param("'archive', month=5", "/archive?month=5", id="one name: the other parameter"),
    pytest.param("'index', a=1, b='x y', c=none, d=['1', '2'], e=''", "/?a=1&b=x+y&d=1&d=2&e=", id="query"),
    pytest.param("'index', d=[none, 1], e=[]", "/?d=1", id="query with None in a list"),
    pytest.param("'shop.item', number=7, number2=8", "/shop/7?number2=8", id="query beside a parameter"),
    pytest.param("'index', _anchor='a b'", "/#a%20b", id="anchor"),
    pytest.param("'index', q=1, _anchor='a'", "/?q=1#a", id="query and anchor"),
    pytest.param("'index', _external=true", "http://localhost/", id="external"),
    pytest.param("'index', _external=true, _scheme='https'", "https://localhost/", id="scheme"),
    pytest.param("'index', _scheme='https'", "https://localhost/", id="scheme makes it external"),
    pytest.param("'index', _method='POST', _external=false", "/", id="method"),
    pytest.param("'static', filename='a b.css'", "/static/a%20b.css", id="static file in Flask's words"),
    pytest.param("'static', filename='a.css', v=1", "/static/a.css?v=1", id="static file, with a query"),
    pytest.param("'static', path='a.css'", "/static/a.css", id="static file in Starlette's words"),
    pytest.param("'docs:page', lang='en', page='a b'", "/en/docs/a%20b", id="route in a mount"),
    pytest.param("'inner'", "/nameless/inner", id="route in a mount without a name"),
    pytest.param("'.item', number=7", "/shop/7", id="of the same blueprint"),
    pytest.param("'.tagged', tag='x'", "/tags/x", id="another of the same blueprint"),
]


class TestURLs:
    @pytest.mark.parametrize(("arguments", "url"), URLS)
    @pytest.mark.parametrize("root_path", ["", "/app"])
    def test_routes(self, arguments: str, url: str, root_path: str) -> None:
        """
        A route's URL is built of its name and parameters; the rest is the query.
        """
        text = show(f"{{{{ url_for({arguments})|safe }}}}", "/shop/1", root_path=root_path)
        if url.startswith("/"):
            assert text == root_path + url
        else:
            start, end = url[:-1], url[-1]
            assert text == start + root_path + end

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param("'nowhere'", id="no such route"),
            pytest.param("'shop.nowhere'", id="no such route of a blueprint"),
            pytest.param("'.nowhere'", id="no such route of this blueprint"),
            pytest.param("'shop.item'", id="a parameter is missing"),
            pytest.param("'shop.item', numbers=7", id="another parameter"),
            pytest.param("'shop.item', number='seven'", id="no number"),
            pytest.param("'static'", id="no file"),
        ],
    )
    def test_no_such_url(self, arguments: str) -> None:
        """
        What there is no URL for is a LookupError; a value that can't be converted a ValueError, as in Flask.
        """
        with pytest.raises((LookupError, ValueError)):
            show(f"{{{{ url_for({arguments}) }}}}", "/shop/1")

    def test_host(self) -> None:
        """
        Of another host only the path is known, as Starlette's own function has it.
        """
        assert show("{{ url_for('api:users') }}") == "/users"

    def test_included_router(self) -> None:
        """
        A route of an included router has the router's prefix.
        """
        router = APIRouter(prefix="/r")
        router.add_api_route("/items/{number}", render("{{ url_for('item', number=5, q=1) }}"), name="item")
        app = FastAPI()
        app.include_router(router, prefix="/q")
        assert ask_asgi(app, "/q/r/items/1").body == b"/q/r/items/5?q=1"

    def test_in_a_mounted_app(self) -> None:
        """
        In an app that is mounted, names are those of the outermost app, as for Starlette.
        """
        view = render("{{ url_for('index') }} {{ url_for('in:page') }}")
        app = Starlette(
            routes=[
                Route("/index", view, name="index"),
                Mount("/in", Starlette(routes=[Route("/page", view, name="page")]), name="in"),
            ]
        )
        assert ask_asgi(app, "/in/page").body == b"/index /in/page"

    def test_on_a_page_that_refuses(self) -> None:
        """
        The page that says why a form is refused may have links, though no route was looked for yet.
        """
        view = render("{{ url_for('index') }} {{ request.endpoint }}")

        async def handler(request: Request, exc: Exception) -> Response:
            response: Response = await view(request)
            return response

        app = Starlette(routes=[Route("/index", view, name="index")])
        app.add_exception_handler(CSRFError, handler)
        app.add_middleware(CSRFMiddleware, config=CSRFConfig(secret_key="secret"))
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        assert ask_asgi(app, "/index", method="POST").body == b"/index None"

    def test_in_a_view(self) -> None:
        """
        A view may use the function, too.
        """

        async def view(request: Request) -> Response:
            return PlainTextResponse(url_for(request, "view", endpoint="x", request="y"))

        app = Starlette(routes=[Route("/", view, name="view")])
        assert ask_asgi(app, "/").body == b"/?endpoint=x&request=y"

    def test_no_routes(self) -> None:
        """
        Without an app there is no URL.
        """
        with pytest.raises(LookupError, match="no Flask app is mounted here"):
            url_for(Request(http_scope("/")), "index")
