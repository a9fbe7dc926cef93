"""
A template that has moved: rendered by Flask as ever, and by Starlette, to the same HTML.

The pages are those of ``templates/``. Flask is a peer beside our app, or what is left of it is mounted in ours.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from html import unescape
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import flask_wtf  # type: ignore[import-untyped]  # ships no types
import jinja2
import pytest
import time_machine
from fastapi import APIRouter, Depends, FastAPI, Request
from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import ASGIApp, Receive, Scope, Send

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import CSRFConfig
from starlette_flask.login import LoginManager, current_user
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from starlette_flask.templating import flask_context
from tests.helpers import Answer, Ask, ask_asgi, ask_wsgi
from tests.interop.apps import make_flask_app, needs

NOW = 1_700_000_000
HERE = Path(__file__).parent

SETTINGS = {"SHOP_NAME": "Tea & Jam", "VERSION": 3, "DEBUG": False}


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


class User(flask_login.UserMixin):  # type: ignore[misc]  # ships no types
    def __init__(self, user_id: str) -> None:
        self.id = user_id


def render_page(template: str, **values: Any) -> str:
    """
    Render a page, or a snippet, in Flask.
    """
    if template.endswith(".html"):
        return flask.render_template(template, **values)
    return flask.render_template_string(template, **values)


def make_their_app() -> flask.Flask:
    """
    Return the shop as it has always been.
    """
    app = make_flask_app(TEMPLATES_AUTO_RELOAD=False, **SETTINGS)
    app.template_folder = str(HERE / "templates")
    flask_wtf.CSRFProtect(app)
    flask_login.LoginManager(app).user_loader(User)

    shop = flask.Blueprint("shop", __name__, static_folder="static", static_url_path="/shop/static")
    shop.add_url_rule("/", "index", lambda: "index")
    shop.add_url_rule("/search", "search", lambda: page("shop/search.html"))
    shop.add_url_rule("/meta", "meta", lambda: page("shop/meta.html"))
    shop.add_url_rule("/items/<int:number>", "item", lambda number: page("shop/item.html", number=number))
    shop.add_url_rule("/items/<int:number>/order", "order", lambda number: "done", methods=["POST"])
    shop.add_url_rule("/tags/<tag>", "tagged", lambda tag: page("shop/search.html"))
    shop.add_url_rule("/files/<path:name>", "file", lambda name: page("shop/search.html"))
    app.register_blueprint(shop)

    auth = flask.Blueprint("auth", __name__, url_prefix="/auth")
    auth.add_url_rule("/login", "login", lambda: page("shop/search.html"), methods=["GET", "POST"])
    auth.add_url_rule("/logout", "logout", lambda: "bye")
    app.register_blueprint(auth)

    def page(template: str, **values: Any) -> str:
        text = flask.request.headers.get("x-template")
        return render_page(template if text is None else text.encode("latin-1").decode(), **values)

    return app


def make_our_app(theirs: flask.Flask, *, moved: Sequence[str], kind: str) -> FastAPI:
    """
    Return an app that has the given pages, the same as in Flask.

    Args:
        theirs: The Flask app, whose settings are taken over, and what isn't moved if it's mounted.
        moved: The endpoints that we have.
        kind: ``routes``: of the app itself; ``router``: of an included router; ``mounted``: and Flask is at ``/``.
    """
    app = FastAPI(dependencies=[Depends(current_user)])
    templates = Jinja2Templates(str(HERE / "templates"), context_processors=[flask_context(theirs)])

    def page(request: Request, name: str, **values: Any) -> Response:
        if text := request.headers.get("x-template"):
            context = {**flask_context(theirs)(request), **values}
            return Response(templates.env.from_string(text.encode("latin-1").decode()).render(context))
        return templates.TemplateResponse(request, name, values)

    async def search(request: Request) -> Response:
        return page(request, "shop/search.html")

    async def meta(request: Request) -> Response:
        return page(request, "shop/meta.html")

    async def item(request: Request, number: int) -> Response:
        return page(request, "shop/item.html", number=number)

    pages: dict[str, tuple[str, Any, list[str]]] = {
        "shop.index": ("/", search, ["GET"]),
        "shop.search": ("/search", search, ["GET"]),
        "shop.meta": ("/meta", meta, ["GET"]),
        "shop.item": ("/items/{number:int}", item, ["GET"]),
        "shop.order": ("/items/{number:int}/order", search, ["POST"]),
        "shop.tagged": ("/tags/{tag}", search, ["GET"]),
        "shop.file": ("/files/{name:path}", search, ["GET"]),
        "auth.login": ("/auth/login", search, ["GET", "POST"]),
        "auth.logout": ("/auth/logout", search, ["GET"]),
    }
    router: Any = APIRouter() if kind == "router" else app
    for endpoint in moved or pages:
        path, view, methods = pages[endpoint]
        router.add_api_route(path, view, methods=methods, name=endpoint)
    if router is not app:
        app.include_router(router)
    if kind == "mounted":
        app.mount("/", WSGIMiddleware(theirs))
    else:
        app.mount("/static", StaticFiles(directory=HERE), name="static")
        app.mount("/shop/static", StaticFiles(directory=HERE), name="shop.static")
    app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(theirs))
    app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(theirs), exempt_mounts=["/"])
    app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(theirs))
    return app


KINDS: dict[str, dict[str, Any]] = {
    "all moved": {"moved": (), "kind": "routes"},
    "all moved, to a router": {"moved": (), "kind": "router"},
    "one page moved": {"moved": ("shop.search",), "kind": "mounted"},
    "some pages moved": {"moved": ("shop.search", "shop.meta", "shop.item", "shop.tagged"), "kind": "mounted"},
}


@cache
def make_apps(kind: str) -> tuple[flask.Flask, FastAPI]:
    """
    Return both apps.
    """
    return make_their_app(), make_our_app(make_their_app(), **KINDS[kind])


def make_asks(kind: str) -> tuple[Ask, Ask]:
    """
    Return what asks Flask, and us.
    """
    theirs, ours = make_apps(kind)
    return partial(ask_wsgi, theirs), partial(ask_asgi, ours)


def cookie_of(data: Mapping[str, Any]) -> list[str]:
    """
    Return the cookie of somebody with this session.
    """
    with time_machine.travel(NOW, tick=False):
        return ["session=" + SessionConfig(secret_key="secret").signing_serializer.dumps(data)]


def text_of(answer: Answer) -> str:
    """
    Return a page. Where Werkzeug is old it spells URLs in another way, and the pages are brought to one.
    """
    text = answer.body.decode()
    if version("werkzeug") < "2.3":
        text = unescape(re.sub("%2[1467-9A-CF]|%3[ABDF]|%40", lambda match: unquote(match[0]), text))
    return text


ANONYMOUS = {"csrf_token": "0123456789abcdef0123456789abcdef01234567"}
MESSAGES = [("message", "Hello & welcome"), ("error", Markup("<b>No!</b>")), ("info", "<i>"), ("other", "not shown")]

SESSIONS: dict[str, dict[str, Any]] = {
    "anonymous": ANONYMOUS,
    "user": {**ANONYMOUS, "_user_id": "ada & bob", "_fresh": True, "user": "ada", "total": 250},
    "messages": {**ANONYMOUS, "_flashes": MESSAGES, "lang": "de"},
    "one message": {**ANONYMOUS, "_flashes": MESSAGES[:1], "_user_id": "ada"},
    "everything": {
        **ANONYMOUS,
        "_flashes": MESSAGES,
        "_fresh": True,
        "_permanent": True,
        "_user_id": "ada & bob",
        "cart": [1],
        "user": "<ada>",
    },
    "cart": {**ANONYMOUS, "cart": [{"name": "tea", "count": 2}, {"name": "<jam>", "count": 1}], "total": 1999},
}

PATHS = [
    "/search",
    "/search?q=tea",
    "/search?q=a&q=b&page=2",
    "/search?q=%C3%BC+%26%20%3Cb%3E&page=x&name=%22%27",
    "/search?q&page=&&x=1",
    "/items/7",
    "/tags/tea",
    "/tags/a%20b",
    "/tags/%C3%BC?q=1",
]


class TestPages:
    @pytest.mark.parametrize("session", SESSIONS)
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_html(self, kind: str, path: str, session: str) -> None:
        """
        A page that has moved is the same to the byte, and so is what it does to the session.
        """
        ask_theirs, ask_ours = make_asks(kind)
        cookies = cookie_of(SESSIONS[session])
        theirs, ours = ask_theirs(path, cookies=cookies), ask_ours(path, cookies=cookies)
        assert text_of(ours) == text_of(theirs)
        assert theirs.status == ours.status == 200
        assert ours.session_headers == theirs.session_headers
        assert ours.lines("content-type") == theirs.lines("content-type")

    @needs("flask-wtf", "1.3", "has csrf_meta_tag")
    @pytest.mark.parametrize("kind", ["all moved", "some pages moved"])
    def test_meta_tag(self, kind: str) -> None:
        """
        So is one with the token in a tag.
        """
        ask_theirs, ask_ours = make_asks(kind)
        cookies = cookie_of(ANONYMOUS)
        theirs, ours = (ask("/meta", cookies=cookies).body.decode() for ask in (ask_theirs, ask_ours))
        assert ours == theirs
        assert '<meta name="csrf-token" content="' in ours

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("root", ["", "/app"])
    @pytest.mark.parametrize("host", ["localhost", "shop.example:8443", "shop.example:80", "shop.example:443"])
    @pytest.mark.parametrize("kind", KINDS)
    def test_where_it_is_served(self, kind: str, host: str, root: str, scheme: str) -> None:
        """
        On another host, over HTTPS and below a path, too.
        """
        cookies = cookie_of(ANONYMOUS)

        def theirs(environ: dict[str, Any], start_response: Any) -> Any:
            environ.update({"SCRIPT_NAME": root, "HTTP_HOST": host, "wsgi.url_scheme": scheme})
            return their_app(environ, start_response)

        async def ours(scope: Scope, receive: Receive, send: Send) -> None:
            path = root + scope["path"]
            lines = [(b"host", host.encode()), *scope["headers"][1:]]
            changes = {"path": path, "raw_path": path.encode(), "root_path": root, "scheme": scheme, "headers": lines}
            await our_app({**scope, **changes}, receive, send)

        their_app, our_app = make_apps(kind)
        for path in ("/search?q=tea", "/items/7"):
            assert text_of(ask_asgi(ours, path, cookies=cookies)) == text_of(ask_wsgi(theirs, path, cookies=cookies))

    def test_new_visitor(self) -> None:
        """
        A page with a form gives a new visitor a session, which is good for the form on both sides.
        """
        ask_theirs, ask_ours = make_asks("all moved")
        for ask_here, ask_there in ((ask_ours, ask_theirs), (ask_theirs, ask_ours)):
            page = ask_here("/search")
            token = page.body.decode().partition('name="csrf_token" value="')[2].partition('"')[0]
            headers = [("content-type", "application/x-www-form-urlencoded")]
            options: dict[str, Any] = {"method": "POST", "cookies": [page.cookie], "headers": headers}
            assert ask_there("/items/7/order", body=f"csrf_token={token}".encode(), **options).status == 200
            assert ask_there("/items/7/order", body=b"csrf_token=bad", **options).status == 400


def snippet(text: str, **options: Any) -> Any:
    return pytest.param(text, id=text, **options)


SNIPPETS = [
    # url_for
    snippet("{{ url_for('shop.index') }}"),
    snippet("{{ url_for('shop.tagged', tag='tea') }}"),
    snippet("{{ url_for('shop.tagged', tag='a b') }}"),
    snippet("{{ url_for('shop.tagged', tag='\u00fc\u4e2d') }}"),
    snippet("{{ url_for('shop.tagged', tag='a?b#c') }}"),
    snippet("{{ url_for('shop.tagged', tag='50%') }}"),
    snippet("{{ url_for('shop.tagged', tag='%2F') }}"),
    snippet("{{ url_for('shop.tagged', tag='a+b&c=d;e,f:g@h!$(i)*') }}"),
    snippet("{{ url_for('shop.tagged', tag=7) }}"),
    snippet("{{ url_for('shop.tagged', tag='<\">') }}"),
    snippet("{{ url_for('shop.file', name='a/b c/\u00fc.txt') }}"),
    snippet("{{ url_for('shop.item', number=7) }}"),
    snippet("{{ url_for('shop.item', number='7') }}"),
    snippet("{{ url_for('shop.search', q='a b') }}"),
    snippet("{{ url_for('shop.search', q='\u00fc&=+/?#') }}"),
    snippet("{{ url_for('shop.search', q=['a', 'b'], n=none) }}"),
    snippet("{{ url_for('shop.search', q=('a', none), r=[], s='') }}"),
    snippet("{{ url_for('shop.search', q=7, r=true) }}"),
    snippet("{{ url_for('shop.search', b=1, a=2) }}"),
    snippet("{{ url_for('shop.search', _anchor='x y&z/\u00fc') }}"),
    snippet("{{ url_for('shop.search', _anchor='') }}"),
    snippet("{{ url_for('shop.search', _anchor=none, _external=none) }}"),
    snippet("{{ url_for('shop.search', _external=true) }}"),
    snippet("{{ url_for('shop.search', _external=false) }}"),
    snippet("{{ url_for('shop.search', _scheme='https') }}"),
    snippet("{{ url_for('shop.search', _scheme='https', _external=true, q=1, _anchor='a') }}"),
    snippet("{{ url_for('auth.login', _method='POST') }}"),
    snippet("{{ url_for('static', filename='css/a b.css') }}"),
    snippet("{{ url_for('static', filename='\u00fc?.css', _external=true) }}"),
    snippet("{{ url_for('shop.static', filename='a.css') }}"),
    snippet("{{ url_for('.index') }}"),
    snippet("{{ url_for('.tagged', tag='x', q=1) }}"),
    snippet("{{ url_for(request.endpoint, **request.args) }}"),
    snippet("{{ url_for(request.endpoint, **dict(request.args, page=2)) }}"),
    snippet("<a href={{ url_for('shop.search') }}>{{ url_for('shop.search')|upper }}</a>"),
    # request
    snippet("{{ request.path }} {{ request.full_path }} {{ request.script_root }}"),
    snippet("{{ request.method }} {{ request.host }} {{ request.is_secure }}"),
    snippet("{{ request.endpoint }} {{ request.blueprint }} {{ request.view_args }}"),
    snippet("{{ request.referrer }} {{ request.headers['X-Words'] }} {{ request.headers.get('x-words') }}"),
    snippet("{{ request.headers.get('X-None', 'none') }} {{ request.cookies.session|length > 9 }}"),
    snippet("{{ request.url }}"),
    snippet("{{ request.args.q }} {{ request.args['q'] }} {{ request.args.get('q') }} {{ request.args.none }}"),
    snippet("{{ request.args.get('none') }} {{ request.args.get('none', 'x') }} {{ request.args.get('q', 'x') }}"),
    snippet("{{ request.args.getlist('q') }} {{ request.args.getlist('none') }}"),
    snippet("{{ 'q' in request.args }} {{ 'none' in request.args }} {{ request.args|length }}"),
    snippet("{% for key in request.args %}{{ key }} {% endfor %}"),
    snippet("{% for key, value in request.args.items() %}{{ key }}={{ value }} {% endfor %}"),
    snippet("{% if request.args %}yes{% endif %} {{ request.args.keys()|list }} {{ request.args.values()|list }}"),
    # session, current_user, config
    snippet("{{ session.user }} {{ session['user'] }} {{ session.get('user') }} {{ session.none }}"),
    snippet("{{ 'user' in session }} {{ session|length }} {% if session %}yes{% endif %} {{ session.permanent }}"),
    snippet("{{ session.get('none', 'x') }} {{ session.pop('user') }} {{ session.user }}"),
    snippet("{{ session.setdefault('seen', 1) }}{{ session.update(a=2) }}{{ session|dictsort }}"),
    snippet("{{ current_user.is_authenticated }} {{ current_user.get_id() }} {{ current_user.id }}"),
    snippet("{% if current_user %}somebody{% endif %} {{ current_user.is_active }} {{ current_user.none }}"),
    snippet("{{ config.SHOP_NAME }} {{ config['VERSION'] }} {{ config.get('NONE', 1) }} {{ config.NONE }}"),
    snippet("{{ get_flashed_messages() }} {{ get_flashed_messages(true) }}"),
    snippet("{{ get_flashed_messages(with_categories=true, category_filter=['error']) }}"),
    snippet("{{ csrf_token() }} {{ csrf_token() == csrf_token() }}"),
    snippet("{{ csrf_meta_tag() }}", marks=needs("flask-wtf", "1.3", "has csrf_meta_tag")),
    snippet("{{ session|length }}{{ get_flashed_messages() }}{{ session|length }}"),
]


class TestSnippets:
    @pytest.mark.parametrize("text", SNIPPETS)
    @pytest.mark.parametrize("kind", ["all moved", "all moved, to a router", "one page moved"])
    def test_the_same_text(self, kind: str, text: str) -> None:
        """
        Whatever a template says, both make the same of it.
        """
        path = "/search?q=a+b&q=b&page=2&x=%26"
        headers = [("x-template", text.encode().decode("latin-1")), ("x-words", "two words"), ("referer", "http://x/")]
        cookies = cookie_of(SESSIONS["everything"])
        theirs, ours = (ask(path, cookies=cookies, headers=headers) for ask in make_asks(kind))
        assert text_of(ours) == text_of(theirs)
        assert ours.status == theirs.status == 200
        assert ours.session_headers == theirs.session_headers

    @pytest.mark.parametrize(
        "text",
        [
            snippet("{{ url_for('nowhere') }}"),
            snippet("{{ url_for('shop.nowhere') }}"),
            snippet("{{ url_for('.nowhere') }}"),
            snippet("{{ url_for('shop.item') }}"),
            snippet("{{ url_for('shop.item', numbers=7) }}"),
            snippet("{{ url_for('shop.item', number='seven') }}"),
            snippet("{{ url_for('static') }}"),
        ],
    )
    @pytest.mark.parametrize("kind", ["all moved", "all moved, to a router", "one page moved"])
    def test_the_same_error(self, kind: str, text: str) -> None:
        """
        An endpoint that isn't there, or not with these values, is an error in both.
        """
        for ask in make_asks(kind):
            with pytest.raises((LookupError, ValueError)):
                ask("/search", headers=[("x-template", text)])


class TestMount:
    """
    What is left of Flask is mounted below a path, as it mostly is.
    """

    @pytest.fixture(scope="module")
    @staticmethod
    def app() -> ASGIApp:
        theirs = make_their_app()
        app = make_our_app(theirs, moved=("shop.search", "shop.item"), kind="mounted")
        [fallback] = [route for route in app.routes if isinstance(route, Mount)]
        app.routes.remove(fallback)
        app.mount("/legacy", WSGIMiddleware(theirs))
        return app

    @pytest.mark.parametrize(
        ("text", "url"),
        [
            pytest.param("{{ url_for('shop.search') }}", "/search", id="moved"),
            pytest.param("{{ url_for('shop.item', number=7) }}", "/items/7", id="moved, with a parameter"),
            pytest.param("{{ url_for('auth.login', next='/x') }}", "/legacy/auth/login?next=/x", id="of Flask"),
            pytest.param("{{ url_for('static', filename='a.css') }}", "/legacy/static/a.css", id="its static files"),
            pytest.param(
                "{{ url_for('shop.static', filename='a.css') }}", "/legacy/shop/static/a.css", id="blueprint's"
            ),
            pytest.param("{{ url_for('.index') }}", "/legacy/", id="of Flask, in the same blueprint"),
            pytest.param("{{ url_for('.search') }}", "/search", id="moved, in the same blueprint"),
            pytest.param(
                "{{ url_for('auth.login', _external=true, _anchor='a') }}",
                "http://localhost/legacy/auth/login#a",
                id="whole",
            ),
        ],
    )
    def test_moved_first(self, app: ASGIApp, text: str, url: str) -> None:
        """
        An endpoint that has moved is ours; the others are the mounted app's, with its prefix.
        """
        answer = ask_asgi(app, "/search", headers=[("x-template", text)])
        assert answer.body.decode().replace("%2F", "/") == url

    def test_link_leads_there(self, app: ASGIApp) -> None:
        """
        What is linked answers.
        """
        for endpoint in ("auth.logout", "shop.index", "shop.search"):
            url = ask_asgi(app, "/search", headers=[("x-template", f"{{{{ url_for('{endpoint}') }}}}")]).body.decode()
            assert ask_asgi(app, url).status == 200


def test_current_user_is_needed() -> None:
    """
    A template that asks for a user whom nobody has loaded is told what to do.
    """
    app = FastAPI()
    env = jinja2.Environment(autoescape=True)

    @app.get("/")
    async def page(request: Request) -> Response:
        text = env.from_string("{{ current_user.is_authenticated }}").render(flask_context()(request))
        return Response(text)

    @app.get("/loaded")
    async def loaded(request: Request, user: Annotated[Any, Depends(current_user)]) -> Response:
        return await page(request)

    theirs = make_their_app()
    app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(theirs))
    app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(theirs))
    assert ask_asgi(app, "/loaded").body == b"False"
    with pytest.raises(RuntimeError, match=r"add Depends\(current_user\)"):
        ask_asgi(app, "/")
