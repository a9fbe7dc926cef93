import functools
import hashlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
import time_machine
from fastapi import APIRouter, Body, FastAPI, Form
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.csrf import (
    EXPIRED,
    INVALID,
    MISMATCH,
    MISSING,
    ORIGIN_MISMATCH,
    REFERRER_MISMATCH,
    REFERRER_MISSING,
    SESSION_MISSING,
    CSRFConfig,
    CSRFError,
    csrf_exempt,
    generate_csrf,
)
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer, Backend, ask_asgi, http_scope, run_asgi, websocket_scope

NOW = 1_700_000_000
TEXT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = CSRFConfig(secret_key="secret")
SESSIONS = SessionConfig(secret_key="secret")

URLENCODED = ("content-type", "application/x-www-form-urlencoded")
MULTIPART = ("content-type", "multipart/form-data; boundary=b")
JSON = ("content-type", "application/json")

UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]

View = Callable[[Request], Awaitable[Response]]
Headers = Sequence[tuple[str, str]]


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """
    What runs the app.
    """
    name: Backend = request.param
    return name


@pytest.fixture(autouse=True)
def all_records(caplog: pytest.LogCaptureFixture) -> None:
    """
    Whatever the log gets, a test can see.
    """
    caplog.set_level(logging.DEBUG, logger="starlette_flask")


def token_for(text: str = TEXT, *, at: int = NOW) -> str:
    with time_machine.travel(at, tick=False):
        return CONFIG.dump_token(text)


def cookie_of(data: dict[str, Any]) -> str:
    with time_machine.travel(NOW, tick=False):
        return "session=" + SESSIONS.signing_serializer.dumps(data)


TOKEN = token_for()
COOKIE = cookie_of({"csrf_token": TEXT})
"""The cookie of somebody who has loaded a form."""
WITH_TOKEN = ("x-csrftoken", TOKEN)


def guarded(app: Any, **options: Any) -> Any:
    """
    Put the middleware into an app, and the session's around it.
    """
    app.add_middleware(CSRFMiddleware, **({"config": CONFIG} if options.keys() <= BESIDE_CONFIG else {}), **options)
    app.add_middleware(SessionMiddleware, config=SESSIONS)
    return app


BESIDE_CONFIG = {"exempt_paths", "exempt_mounts", "websocket_origins"}


async def echo(request: Request) -> Response:
    return Response(await request.body())


def make_app(view: View = echo, **options: Any) -> Any:
    """
    Return a guarded app with one view, which shows the request's body.
    """
    return guarded(Starlette(routes=[Route("/", view, methods=["GET", "POST"])]), **options)


def post(app: ASGIApp, path: str = "/", *headers: tuple[str, str], **options: Any) -> Answer:
    """
    Send an unsafe request with the cookie of somebody who has loaded a form.
    """
    return ask_asgi(app, path, headers=headers, **{"method": "POST", "cookies": [COOKIE], **options})


class Ran:
    """
    Notes which views were called.
    """

    def __init__(self) -> None:
        self.names: list[str] = []

    def view(self, name: str) -> View:
        async def endpoint(request: Request) -> Response:
            self.names.append(name)
            return PlainTextResponse(name)

        return endpoint

    def plain(self, name: str) -> Callable[[], Awaitable[str]]:
        """
        Return a view of FastAPI's.
        """

        async def endpoint() -> str:
            self.names.append(name)
            return name

        return endpoint

    def asgi(self, name: str) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            self.names.append(name)
            await PlainTextResponse(name)(scope, receive, send)

        return app

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.names.append(environ["REQUEST_METHOD"].upper() + environ["PATH_INFO"])
        start_response("200 OK", [])
        return [b"WSGI"]


@pytest.fixture
def ran() -> Ran:
    """
    What was called.
    """
    return Ran()


class TestFailsClosed:
    @pytest.fixture
    def app(self, ran: Ran, tmp_path: Path) -> Any:
        """
        An app with all kinds of routes, of which nobody thought.
        """
        app = FastAPI()
        app.api_route("/fastapi", methods=[*UNSAFE, "GET"])(ran.plain("fastapi"))
        app.api_route("/items/{number}", methods=UNSAFE)(ran.plain("path parameter"))

        @app.api_route("/body", methods=UNSAFE)
        async def body(item: int = Body()) -> None:
            ran.names.append("body")

        @app.api_route("/form", methods=UNSAFE)
        async def form(item: int = Form()) -> None:
            ran.names.append("form")

        app.get("/get")(ran.plain("get"))
        router = APIRouter(prefix="/router")
        router.api_route("/included", methods=UNSAFE)(ran.plain("included"))
        app.include_router(router)
        app.add_route("/starlette", ran.view("starlette"), methods=UNSAFE)
        sub = FastAPI()
        sub.api_route("/inner", methods=UNSAFE)(ran.plain("sub-app"))
        app.mount("/sub", sub)
        app.mount("/routes", Router([Route("/inner", ran.view("router"), methods=UNSAFE)]))
        app.mount("/asgi", ran.asgi("asgi"))
        app.mount("/wsgi", WSGIMiddleware(ran.wsgi))
        app.mount("/zipped", GZipMiddleware(ran.asgi("zipped")))
        app.mount("/static", StaticFiles(directory=tmp_path))
        app.host("api.localhost", Router([Route("/{path:path}", ran.view("host"), methods=UNSAFE)]))
        return guarded(app)

    PATHS = (
        "/fastapi /fastapi?x=1 /items/1 /body /form /get /router/included /starlette /sub/inner /sub/nowhere"
        " /sub /routes/inner /asgi /asgi/ /asgi/x /wsgi/ /wsgi/x /zipped/ /static/a /static /nowhere / // /docs"
        " /openapi.json /%00 /%ff /fastapi%2F /fastapi/ /../fastapi"
    )

    @pytest.mark.parametrize("method", UNSAFE)
    @pytest.mark.parametrize("path", PATHS.split())
    def test_every_route(self, app: Any, ran: Ran, path: str, method: str) -> None:
        """
        An unsafe request without a token is refused, whatever it is for, 404 and 405 included.
        """
        for cookies in ([], [COOKIE]):
            answer = post(app, path, method=method, cookies=cookies)
            assert (answer.status, answer.json) == (400, {"detail": MISSING})
        assert ran.names == []

    @pytest.mark.parametrize("method", UNSAFE)
    def test_host(self, app: Any, ran: Ran, method: str) -> None:
        """
        A route for a host of its own is guarded as any other.
        """
        assert ask_host(app, "api.localhost", "/", method).status == 400
        assert ran.names == []

    @pytest.mark.parametrize("method", ["post", "Post", "pUT", "delete"])
    @pytest.mark.parametrize("path", ["/fastapi", "/asgi/x", "/wsgi/x"])
    def test_case_of_the_method(self, app: Any, ran: Ran, path: str, method: str) -> None:
        """
        A method in lower case, as servers pass it on, is no way around: WSGI frameworks take it for the same.
        """
        post(app, path, method=method)
        assert ran.names == []

    def test_with_a_token(self, app: Any, ran: Ran) -> None:
        """
        With a token, each answers as ever.
        """
        for path in ("/fastapi", "/router/included", "/starlette", "/sub/inner", "/routes/inner", "/asgi/x", "/wsgi/x"):
            assert post(app, path, WITH_TOKEN).status == 200
        assert ran.names == ["fastapi", "included", "starlette", "sub-app", "router", "asgi", "POST/x"]
        assert post(app, "/body", WITH_TOKEN).status == 422
        assert post(app, "/nowhere", WITH_TOKEN).status == 404
        assert post(app, "/get", WITH_TOKEN).status == 405

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"])
    def test_other_methods(self, ran: Ran, method: str) -> None:
        """
        Other methods aren't looked at, nor is their session.
        """
        app = guarded(Starlette(routes=[Mount("/", ran.asgi("asgi"))]))
        answer = ask_asgi(app, "/", method=method, cookies=["session=bad"])
        assert (answer.status, answer.vary, ran.names) == (200, [], ["asgi"])

    def test_methods_of_the_settings(self, ran: Ran) -> None:
        """
        The methods can be set.
        """
        app = guarded(Starlette(routes=[Mount("/", ran.asgi("asgi"))]), secret_key="secret", methods=["brew"])
        assert [post(app, method=method).status for method in ("BREW", "brew", "POST")] == [400, 400, 200]

    def test_lifespan(self) -> None:
        """
        Startup and shutdown pass.
        """
        app = guarded(Starlette())
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = run_asgi(app, {"type": "lifespan", "asgi": {}, "state": {}}, messages)
        assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    def test_no_session(self) -> None:
        """
        Without a session middleware outside, nothing passes.
        """
        app = Starlette(routes=[Route("/", echo, methods=["POST"])])
        app.add_middleware(CSRFMiddleware, config=CONFIG)
        with pytest.raises(AssertionError, match="SessionMiddleware must be installed"):
            post(app)

    def test_refusal(self) -> None:
        """
        Who is refused gets 400, the sentence, and no cookie; what is cached varies by cookie.
        """
        answer = post(make_app())
        assert answer == Answer(
            400,
            (
                ("content-length", str(len(MISSING))),
                ("content-type", "text/plain; charset=utf-8"),
                ("vary", "Cookie"),
            ),
            MISSING.encode(),
        )

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            pytest.param({}, 400, id="default"),
            pytest.param({"enabled": False}, 200, id="disabled"),
            pytest.param({"check_default": False}, 200, id="routes check by themselves"),
        ],
    )
    def test_switches(self, options: dict[str, Any], expected: int) -> None:
        """
        It can be switched off, for tests, or where routes check by themselves.
        """
        assert post(make_app(secret_key="secret", **options)).status == expected


def ask_host(app: ASGIApp, host: str, path: str, method: str = "POST") -> Answer:
    """
    Ask for a path of another host.
    """
    scope = http_scope(path, method=method, cookies=[COOKIE])
    scope["headers"] = [(b"host", host.encode()), *scope["headers"][1:]]
    sent = run_asgi(app, scope, [{"type": "http.request"}])
    return Answer(sent[0]["status"], (), b"".join(message.get("body", b"") for message in sent[1:]))


class TestExemptPaths:
    @pytest.mark.parametrize(
        ("patterns", "root_path", "path", "is_exempt"),
        [
            pytest.param(["/hook"], "", "/hook", True, id="equal"),
            pytest.param("/hook", "", "/hook", True, id="one, not in a list"),
            pytest.param(re.compile("/HOOK", re.IGNORECASE), "", "/hook", True, id="compiled"),
            pytest.param(["/a", "/hook"], "", "/hook", True, id="the second"),
            pytest.param(["/hooks/.*"], "", "/hooks/a/b", True, id="below"),
            pytest.param(["/hook"], "", "/hook?a=1", True, id="query"),
            pytest.param(["/hook"], "", "/hooks", False, id="longer"),
            pytest.param(["/hook"], "", "/hook/", False, id="slash"),
            pytest.param(["/hook"], "", "/a/hook", False, id="behind"),
            pytest.param(["/hook"], "", "/HOOK", False, id="case"),
            pytest.param(["/hook"], "", "//hook", False, id="two slashes"),
            pytest.param(["/hook"], "", "/hook%0A", False, id="newline"),
            pytest.param(["/hook$"], "", "/hook%0A", False, id="newline after the dollar"),
            pytest.param(["/hook"], "", "/%68ook", True, id="percent-encoded: the same"),
            pytest.param(["/a|/hook"], "", "/hooks", False, id="alternatives"),
            pytest.param([""], "", "/", False, id="empty pattern"),
            pytest.param([], "", "/", False, id="none"),
            pytest.param(["/hook"], "/api", "/api/hook", True, id="root path: within"),
            pytest.param(["/hook"], "/api", "/hook", True, id="root path: stripped by a proxy"),
            pytest.param(["/api/hook"], "/api", "/api/hook", False, id="root path: isn't part of it"),
            pytest.param(["/hook"], "/api", "/api/api/hook", False, id="root path: twice"),
            pytest.param(["s/hook"], "/api", "/apis/hook", False, id="root path: half a segment"),
        ],
    )
    def test_full_match(self, patterns: Any, root_path: str, path: str, is_exempt: bool) -> None:
        """
        A path that matches whole, as the app's routes have it, is exempt.
        """
        app = guarded(Starlette(routes=[Mount("/", Ran().asgi("any"))]), exempt_paths=patterns)
        scope = {**http_scope(path, method="POST"), "root_path": root_path}
        sent = run_asgi(app, scope, [{"type": "http.request"}])
        assert sent[0]["status"] == (200 if is_exempt else 400)

    def test_inside_a_mount(self) -> None:
        """
        In an app that is mounted, paths are those of this app.
        """
        inner = guarded(Starlette(routes=[Route("/hook", echo, methods=["POST"])]), exempt_paths=["/hook"])
        outer = Starlette(routes=[Mount("/inner", inner), Mount("/hook", inner)])
        assert post(outer, "/inner/hook").status == 200
        assert post(outer, "/hook/x").status == 400

    def test_method_of_an_exempt_path(self) -> None:
        """
        An exempt path is exempt whatever becomes of it.
        """
        app = make_app(exempt_paths=["/.*"])
        assert [post(app, path, method=method).status for path, method in (("/", "POST"), ("/", "PUT"), ("/x", "PUT"))]
        assert post(app, "/", method="PUT").status == 405
        assert post(app, "/x").status == 404


def wrapped(endpoint: Any) -> Any:
    """
    Decorate an endpoint as decorators should.
    """

    @functools.wraps(endpoint)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await endpoint(*args, **kwargs)

    return wrapper


class TestExemptEndpoints:
    def test_starlette(self, ran: Ran) -> None:
        """
        A marked endpoint of Starlette's is exempt, the one beside it isn't.
        """
        exempt, other = csrf_exempt(ran.view("exempt")), ran.view("other")
        app = guarded(
            Starlette(routes=[Route("/a", exempt, methods=["POST"]), Route("/b", other, methods=["POST", "PUT"])])
        )
        assert post(app, "/a").status == 200
        assert post(app, "/b").status == 400
        assert ran.names == ["exempt"]

    def test_class(self, ran: Ran) -> None:
        """
        A marked class is, and what is derived from it later isn't.
        """

        @csrf_exempt
        class Hook(HTTPEndpoint):
            async def post(self, request: Request) -> Response:
                return await ran.view(type(self).__name__)(request)

        class Account(Hook): ...

        app = guarded(Starlette(routes=[Route("/a", Hook), Route("/b", Account)]))
        assert post(app, "/a").status == 200
        assert post(app, "/b").status == 400
        assert ran.names == ["Hook"]

    def test_method_of_a_class(self) -> None:
        """
        A mark on a method of a class exempts nothing.
        """

        class Hook(HTTPEndpoint):
            @csrf_exempt
            async def post(self, request: Request) -> Response:
                return Response()

        assert post(guarded(Starlette(routes=[Route("/", Hook)]))).status == 400

    @pytest.mark.parametrize("decorate", [lambda endpoint: endpoint, wrapped], ids=["alone", "decorated"])
    def test_fastapi(self, ran: Ran, decorate: Any) -> None:
        """
        A marked endpoint of FastAPI's is exempt, under other decorators too.
        """
        app = FastAPI()
        app.post("/a")(decorate(csrf_exempt(ran.plain("exempt"))))
        app.post("/b")(decorate(ran.plain("other")))
        guarded(app)
        assert [post(app, path).status for path in ("/a", "/b", "/a/", "/A", "//a")] == [200, 400, 400, 400, 400]

    @pytest.mark.parametrize("depth", [1, 2, 3])
    def test_router(self, ran: Ran, depth: int) -> None:
        """
        So is one of an included router, however deep.
        """
        app: Any = APIRouter()
        app.post("/a/{number}")(csrf_exempt(ran.plain("exempt")))
        app.post("/b")(ran.plain("other"))
        for _ in range(depth - 1):
            router = APIRouter()
            router.include_router(app, prefix="/r")
            app = router
        prefix = "/r" * depth
        outer = FastAPI()
        outer.include_router(app, prefix="/r")
        guarded(outer)
        assert post(outer, f"{prefix}/a/1").status == 200
        for path in (f"{prefix}/b", "/a/1", f"{prefix}/a", f"{prefix}/a/1/2", f"/x{prefix}/a/1"):
            assert post(outer, path).status == 400
        assert ran.names == ["exempt"]

    @pytest.mark.parametrize("kind", [FastAPI, Starlette])
    def test_mounted_app(self, ran: Ran, kind: Any) -> None:
        """
        So is one of an app that is mounted, at whatever depth.
        """
        inner = kind()
        inner.add_route("/a", csrf_exempt(ran.view("exempt")), methods=["POST"])
        inner.add_route("/b", ran.view("other"), methods=["POST"])
        app = guarded(FastAPI())
        app.mount("/x", Router([Mount("/{y}", inner)]))
        assert post(app, "/x/y/a").status == 200
        for path in ("/x/y/b", "/x/a", "/a", "/x/y/a/b", "/x/y/z/a"):
            assert post(app, path).status == 400
        assert ran.names == ["exempt"]

    def test_whole_mount(self, ran: Ran) -> None:
        """
        A marked app is exempt where it is mounted, with all that is in it.
        """
        marked: Any = Starlette(routes=[Route("/a", ran.view("marked"), methods=["POST"])])
        other = Starlette(routes=[Route("/a", ran.view("other"), methods=["POST"])])
        app = guarded(Starlette(routes=[Mount("/m", csrf_exempt(marked)), Mount("/o", other)]))
        assert [post(app, path).status for path in ("/m/a", "/m/b", "/o/a", "/m")] == [200, 404, 400, 400]

    def test_host(self, ran: Ran) -> None:
        """
        A route for a host is exempt on this host only.
        """
        marked = Router([Route("/a", csrf_exempt(ran.view("exempt")), methods=["POST"])])
        other = Router([Route("/a", ran.view("other"), methods=["POST"])])
        app = guarded(Starlette(routes=[Host("hooks.localhost", marked), Mount("/", other)]))
        assert ask_host(app, "hooks.localhost", "/a").status == 200
        assert ask_host(app, "localhost", "/a").status == 400

    def test_route_that_is_taken(self, ran: Ran) -> None:
        """
        What counts is the route that the request will take: the first that has its path and its method.
        """
        exempt = csrf_exempt(ran.view("exempt"))
        routes = [
            Route("/a", ran.view("other"), methods=["POST"]),
            Route("/a", exempt, methods=["POST", "PUT"]),
            Route("/b", exempt, methods=["GET"]),
            Route("/b", ran.view("other"), methods=["POST"]),
            Route("/c", ran.view("other"), methods=["GET"]),
            Route("/c", exempt, methods=["POST"]),
            Route("/d", exempt, methods=["GET"]),
        ]
        app = guarded(Starlette(routes=routes))
        statuses = {
            f"{method} {path}": post(app, path, method=method).status
            for path in ["/a", "/b", "/c", "/d"]
            for method in UNSAFE[:2]
        }
        assert statuses == {
            "POST /a": 400,
            "PUT /a": 200,
            "POST /b": 400,
            "PUT /b": 400,
            "POST /c": 200,
            "PUT /c": 400,
            "POST /d": 400,
            "PUT /d": 400,
        }

    def test_middleware_of_a_mount(self, ran: Ran) -> None:
        """
        As a mount's middleware it knows this mount's routes, and doesn't take the outer ones for them.
        """
        exempt, other = csrf_exempt(ran.view("exempt")), ran.view("other")
        inner = [Route("/a", other, methods=["POST"]), Route("/b", exempt, methods=["POST"])]
        app = Starlette(
            routes=[
                Route("/a", exempt, methods=["POST"]),
                Mount("/m", routes=inner, middleware=[Middleware(CSRFMiddleware, config=CONFIG)]),
            ]
        )
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        assert [post(app, path).status for path in ("/m/a", "/m/b", "/m/c", "/a")] == [400, 200, 400, 200]

    def test_middleware_of_a_route(self, ran: Ran) -> None:
        """
        As a route's middleware it guards this route.
        """
        middleware = [Middleware(CSRFMiddleware, config=CONFIG)]
        app = Starlette(routes=[Route("/a", ran.view("a"), methods=["POST"], middleware=middleware)])
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        assert post(app, "/a").status == 400
        assert post(app, "/a", WITH_TOKEN).status == 200

    def test_middleware_of_a_mounted_app(self, ran: Ran) -> None:
        """
        In an app that is mounted it knows this app's routes.
        """
        exempt, other = csrf_exempt(ran.view("exempt")), ran.view("other")
        inner = Starlette(routes=[Route("/a", other, methods=["POST"]), Route("/b", exempt, methods=["POST"])])
        inner.add_middleware(CSRFMiddleware, config=CONFIG)
        app = Starlette(routes=[Route("/a", exempt, methods=["POST"]), Mount("/m", GZipMiddleware(inner))])
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        assert [post(app, path).status for path in ("/m/a", "/m/b", "/m/c", "/a")] == [400, 200, 400, 200]

    def test_around_an_app(self, ran: Ran) -> None:
        """
        Put around an app by hand it guards, too; and with other middleware in between.
        """
        app = Starlette(routes=[Route("/a", ran.view("a"), methods=["POST"])])
        around = SessionMiddleware(CSRFMiddleware(GZipMiddleware(app), CONFIG), config=SESSIONS)
        assert post(around, "/a").status == 400
        assert post(around, "/a", WITH_TOKEN).status == 200
        alone = SessionMiddleware(CSRFMiddleware(ran.asgi("asgi"), CONFIG), config=SESSIONS)
        assert post(alone, "/a").status == 400
        assert post(alone, "/a", WITH_TOKEN).status == 200
        assert ran.names == ["a", "asgi"]

    def test_other_middleware_between(self, ran: Ran) -> None:
        """
        Endpoints are found behind the middleware further in.
        """

        async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

        app = Starlette(routes=[Route("/a", csrf_exempt(ran.view("exempt")), methods=["POST"])])
        app.add_middleware(GZipMiddleware)
        app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
        guarded(app)
        assert post(app, "/a").status == 200
        assert post(app, "/b").status == 400

    def test_twice(self, ran: Ran) -> None:
        """
        What is exempt from one middleware isn't from the other.
        """
        inner = guarded(Starlette(routes=[Route("/a", ran.view("a"), methods=["POST"])]))
        outer = guarded(Starlette(routes=[Mount("/m", inner)]), exempt_mounts=["/m"])
        assert post(outer, "/m/a").status == 400
        body = f"csrf_token={TOKEN}".encode()
        assert post(outer, "/m/a", URLENCODED, body=body).status == 200


class TestExemptMounts:
    @pytest.fixture
    def app(self, ran: Ran) -> Any:
        """
        An app with several mounts, one of them for all that has no route.
        """

        def build(*exempt: str) -> Any:
            app = FastAPI()
            app.post("/guarded")(ran.plain("guarded"))
            app.get("/page")(ran.plain("page"))
            app.mount("/legacy", WSGIMiddleware(ran.wsgi))
            app.mount("/legacy2", ran.asgi("legacy2"))
            app.mount("/{tenant}/shop", ran.asgi("shop"))
            sub = FastAPI()
            sub.post("/guarded")(ran.plain("sub guarded"))
            sub.mount("/legacy", ran.asgi("sub legacy"))
            app.mount("/sub", sub)
            app.host("api.localhost", Router([Route("/a", ran.view("host"), methods=["POST"])]))
            app.mount("/", ran.asgi("fallback"))
            return guarded(app, exempt_mounts=exempt)

        return build

    @pytest.mark.parametrize(
        ("mount", "exempt"),
        [
            pytest.param("/legacy", ["/legacy/", "/legacy/x", "/legacy/x/y"], id="a mount"),
            pytest.param("/legacy/", ["/legacy/", "/legacy/x", "/legacy/x/y"], id="with a slash"),
            pytest.param("/sub/legacy", ["/sub/legacy/x"], id="a mount in a mount"),
            pytest.param("/sub", ["/sub/guarded", "/sub/legacy/x", "/sub/nowhere"], id="a mount with routes"),
            pytest.param("/{tenant}/shop", ["/a/shop/x", "/b/shop/"], id="with a parameter"),
            pytest.param("/", ["/", "/nowhere", "/page", "/legacy", "/LEGACY/x", "//legacy/x"], id="the fallback"),
            pytest.param("/nowhere", [], id="no mount"),
            pytest.param("/guarded", [], id="a route"),
            pytest.param("legacy", [], id="no slash"),
            pytest.param("/leg", [], id="half a name"),
            pytest.param("/a/shop", [], id="a parameter's value"),
        ],
    )
    def test_what_goes_there(self, app: Any, ran: Ran, mount: str, exempt: list[str]) -> None:
        """
        Exempt is what is routed to the mount, and nothing else.
        """
        paths = (
            "/ /nowhere /guarded /page /legacy /legacy/ /legacy/x /legacy/x/y /LEGACY/x //legacy/x /legacy2/x /a/shop/x"
            " /b/shop/ /sub/guarded /sub/legacy/x /sub/nowhere"
        )
        guarded_app = app(mount)
        assert [path for path in paths.split() if post(guarded_app, path).status != 400] == exempt

    def test_host_is_no_fallback(self, app: Any, ran: Ran) -> None:
        """
        Where the mount at "/" is exempt, a host with routes of its own isn't.
        """
        assert ask_host(app("/"), "api.localhost", "/a").status == 400
        assert ran.names == []

    def test_mount_of_a_router(self, ran: Ran) -> None:
        """
        A mount of an included router is found by its whole path.
        """
        router = APIRouter()
        router.mount("/legacy", ran.asgi("legacy"))
        router.mount("/other", ran.asgi("other"))
        app = FastAPI()
        app.include_router(router, prefix="/r")
        guarded(app, exempt_mounts=["/r/legacy"])
        is_there = post(app, "/r/legacy/x", WITH_TOKEN).status == 200
        assert post(app, "/r/legacy/x").status == (200 if is_there else 400)  # FastAPI 0.115 doesn't include mounts
        for path in ("/legacy/x", "/r/other/x", "/r/legacy", "/other/x"):
            assert post(app, path).status == 400

    @pytest.mark.parametrize(
        "path",
        [
            "//legacy/x",
            "/./legacy/x",
            "/%2e/legacy/x",
            "/x/../legacy/x",
            "/LEGACY/x",
            "/legacy",
            "/legacy;/x",
            "/legacy%00/x",
            "/legacy%3Fx",
            "/legacy%23/x",
            "/legacy%20/x",
            "/legacy%0A/x",
            "/legacyx",
            "/guarded",
            "/guarded/",
            "/legacy%5Cx",
            "/\u2215legacy/x",
            "/\uff0flegacy/x",
        ],
    )
    def test_tricks(self, app: Any, ran: Ran, path: str) -> None:
        """
        A path that only looks like the mount's isn't exempt.
        """
        assert post(app("/legacy"), path).status == 400
        assert ran.names == []

    @pytest.mark.parametrize(
        "path",
        ["/legacy/../guarded", "/legacy/%2e%2e/guarded", "/legacy%2F..%2Fguarded", "/%6cegacy/x", "/legacy//x"],
    )
    def test_what_goes_there_by_odd_ways(self, app: Any, ran: Ran, path: str) -> None:
        """
        What an odd path says is what the mount gets: nothing else is called than the mounted app.
        """
        assert post(app("/legacy"), path).status == 200
        assert [name.partition("/")[0] for name in ran.names] == ["POST"]


TOKENS = [
    # What the session keeps, and what the form and the header say; and why it is refused.
    pytest.param("form", TOKEN, None, None, id="form"),
    pytest.param("prefixed", TOKEN, None, None, id="prefixed field"),
    pytest.param("none", None, TOKEN, None, id="header"),
    pytest.param("form", TOKEN, "bad", None, id="form, and a bad header"),
    pytest.param("form", "bad", TOKEN, None, id="header, and a bad form"),
    pytest.param("form", None, TOKEN, None, id="header, and a form without"),
    pytest.param("form", None, None, MISSING, id="a form without"),
    pytest.param("none", None, None, MISSING, id="nothing"),
    pytest.param("form", "", None, MISSING, id="empty field"),
    pytest.param("form", "", "", MISSING, id="empty field and header"),
    pytest.param("form", "bad", None, INVALID, id="a bad form"),
    pytest.param("none", None, "bad", INVALID, id="a bad header"),
    pytest.param("form", None, "bad", INVALID, id="a form without, and a bad header"),
    pytest.param("form", token_for("other"), None, MISMATCH, id="another session's form"),
    pytest.param("none", None, token_for("other"), MISMATCH, id="another session's header"),
    pytest.param("form", token_for(at=NOW - 3601), None, EXPIRED, id="an old form"),
    pytest.param("none", None, token_for(at=NOW - 3601), EXPIRED, id="an old header"),
    pytest.param("form", token_for(at=NOW - 3601), "bad", EXPIRED, id="an old form before a bad header"),
    pytest.param("form", "bad", token_for("other"), INVALID, id="a bad form before another's header"),
    pytest.param("prefixed", token_for("other"), "bad", MISMATCH, id="another's prefixed field before a bad header"),
    pytest.param("form", "\u00e9\u4e2d", None, INVALID, id="letters in the form"),
    pytest.param("none", None, "\xe9\xff", INVALID, id="latin-1 in the header"),
]


def encode(kind: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """
    Return the body of a form.
    """
    if kind == "urlencoded":
        return "&".join(f"{name}={value}" for name, value in fields).encode()
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields
    ]
    return b"".join(parts) + b"--b--\r\n"


FORM_KINDS = {"urlencoded": URLENCODED, "multipart": MULTIPART}
each_kind = pytest.mark.parametrize("kind", FORM_KINDS)


class TestTokens:
    @each_kind
    @pytest.mark.parametrize(("field", "in_form", "in_header", "reason"), TOKENS)
    def test_where(self, kind: str, field: str, in_form: str | None, in_header: str | None, reason: str | None) -> None:
        """
        A good token in the form or in a header is enough; else the reason is the form's, and then the header's.
        """
        fields = [("a", "1")]
        if in_form is not None:
            fields.append(({"prefixed": "form1-csrf_token"}.get(field, "csrf_token"), in_form))
        headers = [] if field == "none" else [FORM_KINDS[kind]]
        if in_header is not None:
            headers.append(("x-csrftoken", in_header))
        body = encode(kind, fields)
        answer = post(make_app(), "/", *headers, body=body)
        if reason is None:
            assert (answer.status, answer.body) == (200, body)
        else:
            assert (answer.status, answer.body.decode()) == (400, reason)

    @each_kind
    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            pytest.param([("a-csrf_token", "bad"), ("b-csrf_token", TOKEN)], None, id="the second form's"),
            pytest.param([("csrf_token", "bad"), ("a-csrf_token", TOKEN)], None, id="a prefixed one after a bad one"),
            pytest.param([("csrf_token", ""), ("csrf_token", TOKEN)], None, id="after an empty one"),
            pytest.param([("csrf_token", "bad"), ("csrf_token", TOKEN)], None, id="twice, the second is good"),
            pytest.param([("csrf_token", TOKEN), ("csrf_token", "bad")], None, id="twice, the first is good"),
            pytest.param(
                [("a-csrf_token", "bad"), ("csrf_token", token_for("other"))], MISMATCH, id="exact one's reason"
            ),
            pytest.param(
                [("a-csrf_token", token_for("other")), ("b-csrf_token", "bad")], MISMATCH, id="the first prefixed one's"
            ),
            pytest.param([("csrf_token_", TOKEN), ("CSRF_TOKEN", TOKEN), ("csrf-token", TOKEN)], MISSING, id="similar"),
        ],
    )
    def test_several(self, kind: str, fields: list[tuple[str, str]], reason: str | None) -> None:
        """
        Of several fields any good one will do; else the reason is that of the exact one, or of the first.
        """
        answer = post(make_app(), "/", FORM_KINDS[kind], body=encode(kind, fields))
        assert (answer.status, answer.body.decode()) == (
            (200, encode(kind, fields).decode()) if reason is None else (400, reason)
        )

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            pytest.param([], MISSING, id="nothing"),
            pytest.param([JSON], MISSING, id="JSON"),
            pytest.param([URLENCODED], SESSION_MISSING, id="urlencoded"),
            pytest.param([MULTIPART], SESSION_MISSING, id="multipart"),
            pytest.param([WITH_TOKEN], SESSION_MISSING, id="header"),
        ],
    )
    @pytest.mark.parametrize("cookies", [[], [cookie_of({"user": "ada"})], ["session=bad"]], ids=["no", "other", "bad"])
    def test_session_without_a_token(self, cookies: list[str], headers: Headers, reason: str) -> None:
        """
        A session that was given no token has none to send; where one could be sent, the reason is the session.
        """
        answer = post(make_app(), "/", *headers, cookies=cookies, body=f"csrf_token={TOKEN}".encode())
        assert (answer.status, answer.body.decode()) == (400, reason)

    @pytest.mark.parametrize("value", [None, 1, ["a"], {"a": 1}, b"bytes"], ids=repr)
    def test_session_with_no_text(self, value: Any) -> None:
        """
        What isn't text in the session matches no token, and the next form mends it.
        """
        cookie = cookie_of({"csrf_token": value})
        assert post(make_app(), "/", WITH_TOKEN, cookies=[cookie]).body.decode() == MISMATCH

    @pytest.mark.parametrize("name", ["x-csrftoken", "x-csrf-token"])
    def test_headers(self, name: str) -> None:
        """
        The header has either of Flask-WTF's names.
        """
        assert post(make_app(), "/", (name, TOKEN)).status == 200

    def test_settings(self) -> None:
        """
        Names, time and keys are those of the settings.
        """
        options: dict[str, Any] = {
            "secret_key": "new",
            "secret_key_fallbacks": ["secret"],
            "field_name": "token",
            "headers": ["X-Token"],
            "time_limit": 60,
        }
        app = make_app(**options)
        cookie = cookie_of({"token": TEXT})
        assert post(app, "/", ("x-token", TOKEN), cookies=[cookie]).status == 200
        assert post(app, "/", URLENCODED, body=f"a-token={TOKEN}".encode(), cookies=[cookie]).status == 200
        assert post(app, "/", WITH_TOKEN, cookies=[cookie]).body.decode() == MISSING
        with time_machine.travel(NOW + 61, tick=False):
            assert post(app, "/", ("x-token", TOKEN), cookies=[cookie]).body.decode() == EXPIRED

    def test_around_the_loop(self, backend: Backend) -> None:
        """
        A form that a view renders is accepted by another, and the session is kept.
        """

        async def view(request: Request) -> Response:
            if request.method == "GET":
                return PlainTextResponse(generate_csrf(request))
            return JSONResponse([dict(await request.form()), dict(request.session)])

        app = make_app(view)
        page = ask_asgi(app, "/", backend=backend)
        token = page.body.decode()
        answer = post(
            app, "/", URLENCODED, cookies=[page.cookie], body=f"csrf_token={token}&a=1".encode(), backend=backend
        )
        form, session = answer.json
        assert form == {"csrf_token": token, "a": "1"}
        assert session.keys() == {"csrf_token"}
        assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}


class TestReferrer:
    @pytest.mark.parametrize(
        ("referrer", "reason"),
        [
            pytest.param("https://localhost/form", None, id="this host"),
            pytest.param("https://evil.example/", REFERRER_MISMATCH, id="another host"),
            pytest.param("http://localhost/form", REFERRER_MISMATCH, id="not HTTPS"),
            pytest.param(None, REFERRER_MISSING, id="none"),
        ],
    )
    def test_https(self, referrer: str | None, reason: str | None) -> None:
        """
        Over HTTPS, with a good token, the page must be one of this host; over HTTP that isn't asked.
        """
        headers = [WITH_TOKEN, *([] if referrer is None else [("referer", referrer)])]
        scope = {**http_scope("/", method="POST", cookies=[COOKIE], headers=headers), "scheme": "https"}
        app, lenient = make_app(), make_app(secret_key="secret", ssl_strict=False)
        start, body = run_asgi(app, scope, [{"type": "http.request"}])
        assert (start["status"], body["body"].decode()) == ((200, "") if reason is None else (400, reason))
        assert run_asgi(lenient, scope, [{"type": "http.request"}])[0]["status"] == 200
        assert run_asgi(app, {**scope, "scheme": "http"}, [{"type": "http.request"}])[0]["status"] == 200

    def test_token_comes_first(self) -> None:
        """
        Without a good token that is the reason, as in Flask-WTF.
        """
        scope = {**http_scope("/", method="POST", cookies=[COOKIE]), "scheme": "https"}
        assert run_asgi(make_app(), scope, [{"type": "http.request"}])[1]["body"].decode() == MISSING


class Recorder:
    """
    An app that notes what it receives, and how much was received before it was called.
    """

    def __init__(self) -> None:
        self.received_before: int | None = None
        self.messages: list[Message] = []
        self.received = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.received_before = self.received
        more = True
        while more:
            self.messages.append(await receive())
            more = self.messages[-1].get("more_body", False)
        await Response()(scope, receive, send)

    def run(
        self,
        headers: Headers,
        messages: Iterable[Message],
        *,
        cookie: str = COOKIE,
        backend: Backend = "asyncio",
        **options: Any,
    ) -> list[Message]:
        """
        Let a client send these messages, and return what it gets.
        """
        app = guarded(Starlette(routes=[Mount("/", self)]), **options)

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            async def count() -> Message:
                self.received += 1
                return await receive()

            await app(scope, count, send)

        scope = http_scope("/", method="POST", cookies=[cookie], headers=headers)
        return run_asgi(counting, scope, messages, backend=backend)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def was_called(self) -> bool:
        return self.received_before is not None


def pieces(body: bytes, size: int) -> list[Message]:
    """
    Return *body* as messages of *size* bytes.
    """
    starts = range(0, max(len(body), 1), size)
    return [
        {"type": "http.request", "body": body[start : start + size], "more_body": start != starts[-1]}
        for start in starts
    ]


FILLER = [("a", "\u00e9 +%&="), ("b", "x" * 40)]


class TestBody:
    @pytest.fixture
    def app(self) -> Recorder:
        return Recorder()

    @each_kind
    @pytest.mark.parametrize("place", ["first", "last", "only"])
    def test_any_pieces(self, kind: str, place: str) -> None:
        """
        The app gets every byte of the form, wherever the token is, and wherever the pieces end.
        """
        token = [("csrf_token", TOKEN)]
        body = encode(kind, {"first": token + FILLER, "last": FILLER + token, "only": token}[place])
        for size in range(1, len(body) + 1, 1 if len(body) < 250 else 3):
            app = Recorder()
            sent = app.run([FORM_KINDS[kind]], pieces(body, size))
            assert (sent[0]["status"], app.body) == (200, body)
            assert [message["more_body"] for message in app.messages] == [True] * (len(app.messages) - 1) + [False]

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_header_and_any_body(self, app: Recorder, size: int, backend: Backend) -> None:
        """
        With a good token in a header nothing is read: the app gets the server's own messages.
        """
        messages = pieces(json.dumps({"csrf_token": "none"}).encode(), size)
        app.run([JSON, WITH_TOKEN], messages, backend=backend)
        assert (app.received_before, app.messages) == (0, messages)

    @each_kind
    def test_token_first(self, app: Recorder, kind: str, backend: Backend) -> None:
        """
        Of a form as much is read as it takes to find a good token; the rest comes as the server sends it.
        """
        body = encode(kind, [("csrf_token", TOKEN), ("b", "x" * 1000)])
        messages = pieces(body, 200)
        app.run([FORM_KINDS[kind]], messages, backend=backend)
        assert app.received_before == 1 if kind == "urlencoded" else app.received_before in (1, 2)
        assert app.body == body
        assert app.messages[-2:] == messages[-2:]

    @each_kind
    def test_token_last(self, app: Recorder, kind: str, backend: Backend) -> None:
        """
        Where the token is last, everything was read before the app is called.
        """
        body = encode(kind, [("b", "x" * 1000), ("csrf_token", TOKEN)])
        messages = pieces(body, 200)
        app.run([FORM_KINDS[kind]], messages, backend=backend)
        assert app.received_before == len(messages)
        assert app.body == body

    @pytest.mark.parametrize("cookie", [cookie_of({"user": "ada"}), "a=1"], ids=["no token", "no session"])
    @pytest.mark.parametrize("headers", [[URLENCODED], [MULTIPART], [WITH_TOKEN], []], ids=str)
    def test_session_without_a_token(self, app: Recorder, cookie: str, headers: Headers) -> None:
        """
        For a session without a token nothing is read, however large it is.
        """
        app.run(headers, pieces(b"a=1", 1), cookie=cookie)
        assert (app.received, app.was_called) == (0, False)

    @pytest.mark.parametrize("headers", [[JSON], [("content-type", "text/plain")], []], ids=str)
    def test_no_form(self, app: Recorder, headers: Headers) -> None:
        """
        Of what is no form nothing is read to refuse it.
        """
        app.run(headers, pieces(b"csrf_token=" + TOKEN.encode(), 9))
        assert (app.received, app.was_called) == (0, False)

    def test_exempt(self, app: Recorder) -> None:
        """
        Of an exempt request nothing is read.
        """
        messages = pieces(b"a=1&b=2", 1)
        app.run([URLENCODED], messages, exempt_paths=["/"])
        assert (app.received_before, app.messages) == (0, messages)

    @pytest.mark.parametrize(
        "messages",
        [
            pytest.param([{"type": "http.request"}], id="no body, no more"),
            pytest.param([{"type": "http.request", "body": b"", "more_body": False}], id="empty"),
            pytest.param(
                [{"type": "http.request", "more_body": True}, {"type": "http.request", "body": b""}], id="empty pieces"
            ),
        ],
    )
    def test_empty_form(self, app: Recorder, messages: list[Message]) -> None:
        """
        An empty form has no token.
        """
        sent = app.run([URLENCODED], messages)
        assert (sent[0]["status"], app.was_called) == (400, False)
        # And with a good header it arrives as it was sent.
        app.run([URLENCODED, WITH_TOKEN], messages)
        assert app.messages == messages

    @each_kind
    def test_empty_pieces(self, app: Recorder, kind: str) -> None:
        """
        Pieces without anything in them, between the others and at the end, are no end of the form.
        """
        body = encode(kind, [*FILLER, ("csrf_token", TOKEN)])
        nothing = {"type": "http.request", "body": b"", "more_body": True}
        messages = [{**each, "more_body": True} for message in pieces(body, 30) for each in (nothing, message, nothing)]
        sent = app.run([FORM_KINDS[kind]], [*messages, {"type": "http.request"}])
        assert (sent[0]["status"], app.body) == (200, body)
        assert not app.messages[-1].get("more_body", False)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_kinds_of_bytes(self, app: Recorder, kind: Any) -> None:
        """
        A server may send anything alike to bytes.
        """
        body = encode("urlencoded", [*FILLER, ("csrf_token", TOKEN)])
        messages = [{**message, "body": kind(message["body"])} for message in pieces(body, 50)]
        assert app.run([URLENCODED], messages)[0]["status"] == 200
        assert app.body == body

    @pytest.mark.parametrize("count", [0, 1, 3])
    @each_kind
    def test_client_leaves_while_we_read(self, app: Recorder, kind: str, count: int, backend: Backend) -> None:
        """
        If the client goes before the token has come, the app isn't called, and nobody is answered.
        """
        messages = pieces(encode(kind, [("b", "x" * 1000), ("csrf_token", TOKEN)]), 100)[:count]
        sent = app.run([FORM_KINDS[kind]], [*messages, {"type": "http.disconnect"}], backend=backend)
        assert (sent, app.was_called) == ([], False)

    def test_client_leaves_later(self, app: Recorder) -> None:
        """
        If the client goes after the token has come, the app learns of it where it happened.
        """
        body = encode("urlencoded", [("csrf_token", TOKEN), ("b", "x" * 1000)])
        app.run([URLENCODED], [*pieces(body, 200)[:3], {"type": "http.disconnect"}])
        assert app.body == body[:600]
        assert app.messages[-1]["type"] == "http.disconnect"

    def test_disconnect_after_the_body(self, backend: Backend) -> None:
        """
        Once the body is replayed, the app hears what the server says next.
        """
        seen: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(await receive())
            await Response()(scope, receive, send)
            seen.append(await receive())

        wrapped_app = SessionMiddleware(CSRFMiddleware(app, CONFIG), config=SESSIONS)
        body = encode("urlencoded", [("csrf_token", TOKEN)])
        scope = http_scope("/", method="POST", cookies=[COOKIE], headers=[URLENCODED])
        run_asgi(wrapped_app, scope, pieces(body, 1000), backend=backend)
        assert seen == [
            {"type": "http.request", "body": body, "more_body": False},
            {"type": "http.disconnect", "code": 1000},
        ]

    def test_streaming_response(self, backend: Backend) -> None:
        """
        A view may read the form and stream its answer.
        """

        async def view(request: Request) -> Response:
            form = await request.form()
            return StreamingResponse(iter([str(form["a"]), "!"]))

        body = encode("urlencoded", [("a", "tea"), ("csrf_token", TOKEN)])
        assert post(make_app(view), "/", URLENCODED, body=body, backend=backend).body == b"tea!"

    @pytest.mark.parametrize("megabytes", [1, 3])
    @pytest.mark.parametrize("size", [10_000, 65_536, 4_000_000])
    def test_larger_than_memory(self, app: Recorder, megabytes: int, size: int, backend: Backend) -> None:
        """
        What is larger than 1 MiB goes to disk and comes back the same.
        """
        filler = hashlib.shake_256(b"").hexdigest(megabytes * 512 * 1024)
        body = encode("multipart", [("b", filler), ("csrf_token", TOKEN)])
        app.run([MULTIPART], pieces(body, size), backend=backend)
        assert app.body == body
        assert max(len(message["body"]) for message in app.messages) <= 65_536

    @pytest.mark.parametrize("place", ["first", "last"])
    def test_uploads(self, place: str) -> None:
        """
        A view gets fields and files, whichever comes first, under names in any language.
        """

        async def view(request: Request) -> Response:
            async with request.form() as form:
                upload: Any = form["file"]
                digest = hashlib.sha256(await upload.read()).hexdigest()
                return JSONResponse([upload.filename, digest])

        data = bytes(range(256)) * 8192
        name = "\u043e\u0442\u0447\u0451\u0442 \u00e9.pdf"
        file = (
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        )
        token = encode("multipart", [("csrf_token", TOKEN)])
        parts = token.replace(b"--b--\r\n", b"") + file + b"--b--\r\n" if place == "first" else file + token
        sent = run_asgi(
            make_app(view),
            http_scope("/", method="POST", cookies=[COOKIE], headers=[MULTIPART]),
            pieces(parts, 65_536),
        )
        assert sent[0]["status"] == 200
        assert json.loads(sent[1]["body"]) == [name, hashlib.sha256(data).hexdigest()]


def field(disposition: str, value: str = TOKEN) -> bytes:
    return f"--b\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n".encode()


GOOD = field('name="csrf_token"') + b"--b--\r\n"

HOSTILE_FORMS = [
    # The headers' Content-Type, the body, and whether a good token is found in it.
    pytest.param(MULTIPART[1], b"", False, id="nothing"),
    pytest.param(MULTIPART[1], b"csrf_token=" + TOKEN.encode(), False, id="urlencoded, in truth"),
    pytest.param(URLENCODED[1], GOOD, False, id="multipart, in truth"),
    pytest.param(MULTIPART[1], GOOD.replace(b"--b", b"--c"), False, id="another boundary"),
    pytest.param(MULTIPART[1], GOOD.replace(b"\r\n", b"\n"), False, id="bare newlines"),
    pytest.param(MULTIPART[1], b"preamble\r\n" + GOOD, False, id="preamble"),
    pytest.param(MULTIPART[1], GOOD + b"epilogue" + GOOD, True, id="epilogue"),
    pytest.param(MULTIPART[1], b"--b--\r\n" + GOOD, False, id="after the end"),
    pytest.param(MULTIPART[1], b"--b\r\nno header\r\n\r\n" + GOOD, False, id="after a mistake"),
    pytest.param(MULTIPART[1], GOOD[:-10], False, id="not finished"),
    pytest.param(MULTIPART[1], b"--b\r\nA: " + b"x" * 300_000 + b"\r\n\r\n" + GOOD, None, id="300 KB header"),
    pytest.param(MULTIPART[1], b"--b\r\n" + b"A: b\r\n" * 10_000 + b"\r\n" + GOOD, None, id="10,000 headers"),
    pytest.param(MULTIPART[1], field(f'name="{"x" * 300_000}"') + GOOD, None, id="300 KB name"),
    pytest.param(MULTIPART[1], field('name="a"; filename="' + '"; ' * 1000) + GOOD, None, id="3,000 quotes"),
    pytest.param(MULTIPART[1], field('name="a"', "x") * 10_000 + GOOD, True, id="10,000 fields"),
    pytest.param(MULTIPART[1], field('name="csrf_token"', "x") * 2_000 + GOOD, None, id="2,000 bad tokens"),
    pytest.param(MULTIPART[1], field('name="csrf_token"', "x" * 1_000_000), False, id="1 MB token"),
    pytest.param(MULTIPART[1], field('name="csrf_token"; filename="a"') + b"--b--", False, id="a file of that name"),
    pytest.param(MULTIPART[1], field('name="csrf_token"; filename=""') + b"--b--", False, id="an empty file name"),
    pytest.param(MULTIPART[1], field('name="csrf_token"', "\u00e9\u4e2d"), False, id="letters"),
    pytest.param(MULTIPART[1], field('name="csrf_token"').replace(TOKEN.encode(), b"\xff\xfe"), False, id="no UTF-8"),
    pytest.param(
        MULTIPART[1], field('name="csrf_token"').replace(TOKEN.encode(), TOKEN.encode("utf-16")), False, id="UTF-16"
    ),
    pytest.param(MULTIPART[1], field('name="\u20ac"; filename="\u20ac"') + GOOD, True, id="names in UTF-8"),
    pytest.param(MULTIPART[1], field("name*=utf-8''csrf_token") + b"--b--", None, id="RFC 2231 name"),
    pytest.param(MULTIPART[1], field("name*=utf-8''%E2%82%AC; name*0=a; name*1=b") + GOOD, True, id="mixed RFC 2231"),
    pytest.param(MULTIPART[1] + "; charset=utf-16", GOOD, True, id="charset"),
    pytest.param(MULTIPART[1] + "; charset=no-such", GOOD, True, id="unknown charset"),
    pytest.param(MULTIPART[1] + "; boundary*=utf-8''%E2%82%AC", GOOD, None, id="two boundaries"),
    pytest.param(MULTIPART[1] + "; boundary*0=a; boundary*1=b", GOOD, None, id="three boundaries"),
    pytest.param("multipart/form-data; boundary=" + "b" * 300, GOOD, False, id="boundary of 300 characters"),
    pytest.param("multipart/form-data; boundary=" + "b" * 100_000, GOOD, False, id="boundary of 100 KB"),
    pytest.param('multipart/form-data; boundary="b', GOOD, False, id="quote not closed"),
    pytest.param("multipart/form-data; boundary=\xff", GOOD, False, id="latin-1 boundary"),
    pytest.param("multipart/form-data; boundary=\0", GOOD, False, id="NUL for a boundary"),
    pytest.param("multipart/form-data", GOOD, False, id="no boundary"),
    pytest.param("multipart/form-data" + ";" * 10_000, GOOD, False, id="10,000 semicolons"),
    pytest.param("\xff\xfe", GOOD, False, id="latin-1 content type"),
    pytest.param(URLENCODED[1], b"csrf_token=%", False, id="percent sign"),
    pytest.param(URLENCODED[1], b"%=%&%zz=%f&csrf_token=" + TOKEN.encode(), True, id="broken percent-encoding"),
    pytest.param(URLENCODED[1], b"csrf_token=%ff%fe", False, id="urlencoded: no UTF-8"),
    pytest.param(URLENCODED[1], b"\xff\xfe=1&csrf_token=" + TOKEN.encode(), True, id="raw bytes"),
    pytest.param(URLENCODED[1], b"csrf_token=%00" + TOKEN.encode(), False, id="NUL before"),
    pytest.param(URLENCODED[1], b"csrf_token=" + b"x" * 1_000_000, False, id="urlencoded: 1 MB token"),
    pytest.param(
        URLENCODED[1], b"x" * 1_000_000 + b"=1&csrf_token=" + TOKEN.encode(), True, id="urlencoded: 1 MB name"
    ),
    pytest.param(URLENCODED[1], b"a=b&" * 10_000 + b"csrf_token=" + TOKEN.encode(), True, id="urlencoded: 10,000"),
    pytest.param(URLENCODED[1], b"csrf_token=x&" * 5_000, False, id="5,000 bad tokens"),
    pytest.param(URLENCODED[1], b"&" * 100_000 + b"csrf_token=" + TOKEN.encode(), True, id="100,000 ampersands"),
    pytest.param(URLENCODED[1], b"=" * 100_000, False, id="100,000 equals signs"),
    pytest.param(URLENCODED[1], b"csrf_token;=" + TOKEN.encode(), False, id="semicolon"),
    pytest.param(URLENCODED[1], f"csrf_token={TOKEN}".encode("utf-16"), False, id="urlencoded: UTF-16"),
    pytest.param(URLENCODED[1] + "; charset=utf-7", f"csrf_token={TOKEN}".encode(), True, id="urlencoded: charset"),
    pytest.param(URLENCODED[1], f"a=1\r\ncsrf_token={TOKEN}".encode(), False, id="newline"),
    pytest.param("application/json", f"csrf_token={TOKEN}".encode(), False, id="form under JSON's name"),
    pytest.param("text/plain", f"csrf_token={TOKEN}".encode(), False, id="form as plain text"),
    pytest.param("application/x-www-form-urlencoded, text/plain", f"csrf_token={TOKEN}".encode(), False, id="a list"),
]


class TestHostileForms:
    @pytest.mark.parametrize(("content_type", "body", "is_found"), HOSTILE_FORMS)
    def test_answer(self, content_type: str, body: bytes, is_found: bool | None) -> None:
        """
        Whatever a form is like, it passes or is refused with 400; what passes, the app gets as it is.

        Where it is left open, the releases of python-multipart differ in what they take for a mistake.
        """
        for size in (len(body) or 1, 4096):
            app = Recorder()
            sent = app.run([("content-type", content_type)], pieces(body, size))
            assert sent[0]["status"] == (200 if app.was_called else 400)
            if is_found is not None:
                assert app.was_called == is_found
            if app.was_called:
                assert app.body == body

    def test_content_type_twice(self) -> None:
        """
        Of two Content-Type headers the first counts, as it does for Starlette and WSGI.
        """
        body = encode("urlencoded", [("csrf_token", TOKEN)])
        assert post(make_app(), "/", URLENCODED, JSON, body=body).status == 200
        assert post(make_app(), "/", JSON, URLENCODED, body=body).status == 400

    def test_token_in_the_query(self) -> None:
        """
        A token in the URL, where it would be logged, is none.
        """
        assert post(make_app(), f"/?csrf_token={TOKEN}").status == 400

    def test_token_in_a_cookie(self) -> None:
        """
        A token in a cookie, which browsers send by themselves, is none.
        """
        assert post(make_app(), cookies=[f"{COOKIE}; csrf_token={TOKEN}; X-CSRFToken={TOKEN}"]).status == 400


MEASURE = """
import asyncio, json, re, resource, sys
from pathlib import Path
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette_flask import SessionMiddleware, SessionConfig
from starlette_flask.csrf import CSRFConfig
from starlette_flask.middleware.csrf import CSRFMiddleware

case, megabytes = sys.argv[1], int(sys.argv[2])
sessions, config = SessionConfig(secret_key="secret"), CSRFConfig(secret_key="secret")
token = config.dump_token("text").encode()
cookie = b"session=" + sessions.signing_serializer.dumps({"csrf_token": "text"}).encode()

def field(name, value=b""):
    return b'--b\\r\\nContent-Disposition: form-data; name="' + name + b'"\\r\\n\\r\\n' + value + b"\\r\\n"

def body(size):
    if case in ("first", "header"):
        yield field(b"csrf_token", token)
    if case == "tokens":
        piece = field(b"csrf_token", b"x") * 1000
        for _ in range(size // len(piece)):
            yield piece
    else:
        yield b'--b\\r\\nContent-Disposition: form-data; name="file"; filename="a"\\r\\n\\r\\n'
        for _ in range(size // 65536):
            yield bytes(65536)
        yield b"\\r\\n"
    if case in ("last", "tokens"):
        yield field(b"csrf_token", token)
    yield b"--b--\\r\\n"

async def view(request):
    size = 0
    if case == "form":
        async with request.form() as form:
            size = form["file"].size
    else:
        async for piece in request.stream():
            size += len(piece)
    return Response(str(size))

app = Starlette(routes=[Route("/exempt", view, methods=["POST"]), Route("/guarded", view, methods=["POST"])])
app.add_middleware(CSRFMiddleware, config=config, exempt_paths=["/exempt"])
app.add_middleware(SessionMiddleware, config=sessions)

async def ask(size):
    headers = [(b"host", b"localhost"), (b"cookie", cookie), (b"content-type", b"multipart/form-data; boundary=b")]
    if case in ("header", "form"):
        headers.append((b"x-csrftoken", token))
    path = "/exempt" if case == "exempt" else "/guarded"
    scope = {"type": "http", "method": "POST", "path": path, "scheme": "http", "query_string": b"",
             "headers": headers, "server": ("localhost", 80), "root_path": "", "http_version": "1.1"}
    rest, sent = body(size), []
    async def receive():
        piece = next(rest, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}
    async def send(message):
        sent.append(message)
    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()

async def main():
    await ask(2 * 1024 * 1024)  # with all that is loaded later
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, text = await ask(megabytes * 1024 * 1024)
    print(json.dumps([status, text, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024]))

asyncio.run(main())
"""

MEGABYTE = 1024 * 1024
UPLOAD = 64
"""Of an upload, in megabytes."""


class TestMemory:
    @pytest.mark.parametrize(
        ("case", "status"),
        [
            pytest.param("exempt", 200, id="exempt route"),
            pytest.param("header", 200, id="token in a header"),
            pytest.param("form", 200, id="token in a header, and the view reads the form"),
            pytest.param("first", 200, id="token first"),
            pytest.param("last", 200, id="token last"),
            pytest.param("none", 400, id="no token"),
            pytest.param("tokens", None, id="nothing but bad tokens"),
        ],
    )
    def test_upload(self, case: str, status: int | None) -> None:
        """
        An upload of 64 MB takes less than 4 MB of memory, wherever the token is.
        """
        megabytes = UPLOAD if case != "tokens" else 2
        result = subprocess.run(  # noqa: S603  # the program above
            [sys.executable, "-W", "ignore", "-c", MEASURE, case, str(megabytes)],
            check=True,
            capture_output=True,
            text=True,
        )
        answered, text, growth = json.loads(result.stdout)
        assert answered in ((200, 400) if status is None else (status,))
        if status == 200:
            assert int(text) >= UPLOAD * MEGABYTE
        assert growth < 4 * MEGABYTE


class TestWebSockets:
    @pytest.fixture
    def make(self) -> Any:
        async def live(websocket: WebSocket) -> None:
            await websocket.accept()
            await websocket.close()

        return lambda **options: guarded(Starlette(routes=[WebSocketRoute("/", live)]), **options)

    @staticmethod
    def open(app: ASGIApp, *headers: tuple[str, str], extensions: bool = True) -> list[Message]:
        scope = websocket_scope("/", cookies=[COOKIE], headers=headers)
        if not extensions:
            scope["extensions"] = {}
        return run_asgi(app, scope, [{"type": "websocket.connect"}])

    EVIL = ("origin", "https://evil.example")

    @pytest.mark.parametrize(
        ("origins", "origin", "is_open"),
        [
            pytest.param(None, "https://evil.example", True, id="not asked for"),
            pytest.param((), None, True, id="no browser"),
            pytest.param((), "http://localhost", True, id="this host"),
            pytest.param((), "https://localhost", True, id="this host, behind a proxy"),
            pytest.param((), "https://evil.example", False, id="another host"),
            pytest.param((), "null", False, id="sandboxed page"),
            pytest.param(("https://app.example",), "https://app.example", True, id="trusted"),
            pytest.param(["https://app.example"], "http://localhost", True, id="this host, beside trusted ones"),
            pytest.param(["https://app.example"], "https://evil.example", False, id="not trusted"),
            pytest.param(["https://app.example"], "https://app.example.evil.example", False, id="only the beginning"),
        ],
    )
    def test_origin(self, make: Any, origins: Any, origin: str | None, is_open: bool) -> None:
        """
        With the option, a page of another host can't open a WebSocket, unless its origin is trusted.
        """
        app = make(websocket_origins=origins)
        sent = self.open(app, *([] if origin is None else [("origin", origin)]))
        assert sent[0]["type"] == ("websocket.accept" if is_open else "websocket.http.response.start")

    def test_refusal(self, make: Any, caplog: pytest.LogCaptureFixture) -> None:
        """
        The handshake is answered with 403 and the sentence.
        """
        assert self.open(make(websocket_origins=()), self.EVIL) == [
            {
                "type": "websocket.http.response.start",
                "status": 403,
                "headers": [(b"content-type", b"text/plain; charset=utf-8")],
            },
            {"type": "websocket.http.response.body", "body": ORIGIN_MISMATCH.encode()},
        ]
        assert [record.getMessage() for record in caplog.records] == [f"A request was refused: {ORIGIN_MISMATCH}"]

    def test_refusal_by_an_old_server(self, make: Any) -> None:
        """
        A server that knows no such answer is told to close, which it makes a 403 of.
        """
        assert self.open(make(websocket_origins=()), self.EVIL, extensions=False) == [
            {"type": "websocket.close", "code": 1008, "reason": ORIGIN_MISMATCH}
        ]

    def test_disabled(self, make: Any) -> None:
        """
        What is switched off checks no WebSockets either.
        """
        app = make(secret_key="secret", enabled=False, websocket_origins=())
        assert self.open(app, self.EVIL)[0]["type"] == "websocket.accept"

    def test_token(self) -> None:
        """
        A WebSocket's view can check a token by itself, as one that is sent first.
        """
        checked: list[str | None] = []

        async def live(websocket: WebSocket) -> None:
            checked.append(generate_csrf(websocket))
            await websocket.accept()

        app = guarded(Starlette(routes=[WebSocketRoute("/", live)]))
        self.open(app)
        assert checked == [TOKEN]


class TestHandlers:
    """
    How the app says that somebody is refused.
    """

    @pytest.mark.parametrize("key", [CSRFError, 400, HTTPException], ids=["CSRFError", "400", "HTTPException"])
    @pytest.mark.parametrize("is_async", [True, False], ids=["async", "sync"])
    def test_handler(self, key: Any, is_async: bool, backend: Backend) -> None:
        """
        A handler that the app has for it renders the answer; it may be async or not.
        """

        def render(request: Request, exc: Any) -> Response:
            return JSONResponse({"path": request.url.path, "why": exc.detail}, exc.status_code)

        async def render_async(request: Request, exc: Any) -> Response:
            return render(request, exc)

        app = make_app()
        app.add_exception_handler(key, render_async if is_async else render)
        answer = post(app, "/x", backend=backend)
        assert (answer.status, answer.json) == (400, {"path": "/x", "why": MISSING})

    def test_order(self) -> None:
        """
        Of several handlers that one is called which Starlette would have called.
        """

        async def view(request: Request) -> Response:
            raise CSRFError(MISSING)

        def handler(name: str) -> Any:
            return lambda request, exc: PlainTextResponse(name, 400)

        keys: dict[Any, str] = {400: "status", CSRFError: "CSRFError", HTTPException: "HTTPException"}
        while keys:
            app = make_app(view)
            for key, name in keys.items():
                app.add_exception_handler(key, handler(name))
            refused, raised = post(app), post(app, "/", WITH_TOKEN)
            assert refused.body == raised.body == next(iter(keys.values())).encode()
            keys.pop(next(iter(keys)))

    def test_others_are_not_asked(self) -> None:
        """
        A handler for something else isn't called.
        """

        def handler(request: Request, exc: Exception) -> Response:
            raise AssertionError

        app = make_app()
        for key in (404, 500, ValueError):
            app.add_exception_handler(key, handler)
        assert post(app).body.decode() == MISSING

    def test_fastapi(self) -> None:
        """
        FastAPI's own handler answers in JSON.
        """
        assert post(guarded(FastAPI())).json == {"detail": MISSING}

    def test_session(self) -> None:
        """
        A handler may use the session: the page it shows has a token, for the next try.
        """

        def handler(request: Request, exc: Any) -> Response:
            return PlainTextResponse(generate_csrf(request), 400)

        app = make_app()
        app.add_exception_handler(CSRFError, handler)
        answer = post(app, cookies=[])
        token = answer.body.decode()
        assert post(app, "/", ("x-csrftoken", token), cookies=[answer.cookie]).status == 200

    @each_kind
    def test_form(self, kind: str) -> None:
        """
        A handler may read the form, to show it again as it was filled in.
        """

        async def handler(request: Request, exc: Any) -> Response:
            with anyio.fail_after(1):  # there is nothing to wait for
                form = await request.form()
            return PlainTextResponse(str(form["a"]), 400)

        app = make_app()
        app.add_exception_handler(CSRFError, handler)
        body = encode(kind, [("a", "tea"), ("csrf_token", "bad")])
        with time_machine.travel(NOW):  # for fail_after
            assert post(app, "/", FORM_KINDS[kind], body=body).body == b"tea"

    @each_kind
    def test_empty_form(self, kind: str) -> None:
        """
        An empty form is empty for the handler, too.
        """

        async def handler(request: Request, exc: Any) -> Response:
            with anyio.fail_after(1):  # there is nothing to wait for
                return JSONResponse([(await request.body()).decode(), len(await request.form())], 400)

        app = make_app()
        app.add_exception_handler(CSRFError, handler)
        with time_machine.travel(NOW):  # for fail_after
            assert post(app, "/", FORM_KINDS[kind]).json == ["", 0]

    def test_url_for(self) -> None:
        """
        A handler may make URLs, though no route was looked for yet.
        """

        def handler(request: Request, exc: Any) -> Response:
            return PlainTextResponse(str(request.url_for("echo")), 400)

        app = make_app()
        app.add_exception_handler(CSRFError, handler)
        assert post(app).body == b"http://localhost/"

    def test_mounted_app(self) -> None:
        """
        In an app that is mounted, its own handlers are called.
        """
        inner, outer = make_app(), Starlette()
        outer.add_exception_handler(CSRFError, lambda request, exc: PlainTextResponse("outer", 400))
        inner.add_exception_handler(CSRFError, lambda request, exc: PlainTextResponse("inner", 400))
        outer.mount("/m", inner)
        assert post(outer, "/m/").body == b"inner"

    def test_error_in_a_handler(self) -> None:
        """
        What a handler raises is raised, and nothing passes.
        """

        def handler(request: Request, exc: Any) -> Response:
            raise ValueError("bad handler")

        app = make_app()
        app.add_exception_handler(CSRFError, handler)
        with pytest.raises(ValueError, match="bad handler"):
            post(app)


class TestLog:
    @pytest.mark.parametrize(
        ("headers", "body", "reason"),
        [
            pytest.param([], b"", MISSING, id="missing"),
            pytest.param([URLENCODED], b"csrf_token=secret+plans", INVALID, id="invalid"),
            pytest.param([("x-csrftoken", "secret plans")], b"", INVALID, id="invalid header"),
            pytest.param([("x-csrftoken", token_for("secret plans"))], b"", MISMATCH, id="mismatch"),
            pytest.param([("x-csrftoken", token_for(at=NOW - 3601))], b"", EXPIRED, id="expired"),
            pytest.param([MULTIPART], b"--b\r\nsecret plans", MISSING, id="malformed"),
        ],
    )
    def test_refused(self, caplog: pytest.LogCaptureFixture, headers: Headers, body: bytes, reason: str) -> None:
        """
        One INFO record names the reason, and quotes nothing that the client sent.
        """
        post(make_app(), "/secret/plans?secret=plans", *headers, body=body)
        records = [record for record in caplog.records if record.name.startswith("starlette_flask")]
        assert [(record.name, record.levelname, record.getMessage()) for record in records] == [
            ("starlette_flask.csrf", "INFO", f"A request was refused: {reason}")
        ]
        assert "plans" not in str([vars(record) for record in records])

    def test_accepted(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Nothing is said of who passes, on whatever way.
        """
        app = make_app(exempt_paths=["/x"])
        assert post(app, "/", WITH_TOKEN).status == 200
        assert post(app, "/", URLENCODED, body=f"a-csrf_token=bad&csrf_token={TOKEN}".encode()).status == 200
        post(app, "/x")
        ask_asgi(app, "/")
        assert [record for record in caplog.records if record.name.startswith("starlette_flask")] == []


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


class TestConfiguration:
    def test_config(self) -> None:
        """
        The settings are given as an object, or by its keywords.
        """
        options: dict[str, Any] = {
            "secret_key": "secret",
            "secret_key_fallbacks": ["old"],
            "field_name": "token",
            "headers": ["X-Token"],
            "methods": ["POST"],
            "time_limit": None,
            "ssl_strict": False,
            "meta_name": "token",
            "enabled": False,
            "check_default": False,
        }
        config = CSRFConfig(**options)
        assert CSRFMiddleware(nothing, **options).config == config
        assert CSRFMiddleware(nothing, config).config is config
        assert CSRFMiddleware(nothing, config=config, exempt_paths=["/"], exempt_mounts=["/a"]).config is config

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            pytest.param({}, ConfigError, "no secret key; set secret_key", id="nothing"),
            pytest.param({"secret_key": ""}, ConfigError, "the secret key is empty", id="empty key"),
            pytest.param({"config": CONFIG, "secret_key": "s"}, ConfigError, "drop it or secret_key", id="both"),
            pytest.param({"config": CONFIG, "time_limit": None}, ConfigError, "drop it or time_limit", id="both, None"),
            pytest.param({"config": {"secret_key": "s"}}, ConfigTypeError, "must be a CSRFConfig, not dict", id="dict"),
            pytest.param(
                {"exempt_paths": ["("]}, ConfigError, "exempt_paths.* is not a regular expression", id="regex"
            ),
            pytest.param({"exempt_paths": [1]}, ConfigTypeError, "exempt_paths must be str or a compiled", id="number"),
            pytest.param({"exempt_paths": [b"/"]}, ConfigTypeError, "exempt_paths must be str", id="bytes"),
            pytest.param({"exempt_mounts": "/a"}, ConfigTypeError, "exempt_mounts must be a list", id="bare mount"),
            pytest.param({"exempt_mounts": [""]}, ConfigTypeError, "exempt_mounts must hold names", id="empty mount"),
            pytest.param({"exempt_mounts": [1]}, ConfigTypeError, "exempt_mounts must hold names", id="no mount"),
            pytest.param({"websocket_origins": "*"}, ConfigTypeError, "websocket_origins must be a list", id="origin"),
        ],
    )
    def test_what_can_not_work(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        """
        What can't work is refused at construction, and the message says the fix.
        """
        given = options if not options or {"config", "secret_key"} & options.keys() else {"config": CONFIG, **options}
        with pytest.raises(error, match=message):
            CSRFMiddleware(nothing, **given)

    def test_where_it_is(self) -> None:
        """
        A view without the middleware is told how to add it.
        """
        app = Starlette(routes=[Route("/", lambda request: PlainTextResponse(generate_csrf(request)))])
        app.add_middleware(SessionMiddleware, config=SESSIONS)
        with pytest.raises(RuntimeError, match="no CSRFMiddleware around this route"):
            ask_asgi(app, "/")
