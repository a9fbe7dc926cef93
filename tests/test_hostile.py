"""
Every hostile cookie, over HTTP and WebSocket: never an exception, an empty session, one line in the log.
"""

import logging
import re
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import flask
import pytest
import time_machine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from starlette_flask import SessionConfig, SessionMiddleware
from tests.helpers import Backend, ask_asgi, ask_wsgi, shake_hands
from tests.hostile import HOSTILE_COOKIES, NOW, SECRET_KEY, HostileCookie

CONFIG = SessionConfig.from_mapping({"SECRET_KEY": SECRET_KEY})
DELETED = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"

each_cookie = pytest.mark.parametrize("cookie", HOSTILE_COOKIES, ids=str)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """
    What runs the app.
    """
    name: Backend = request.param
    return name


class App:
    """
    An app that notes what its views see.
    """

    def __init__(self) -> None:
        self.seen: list[Mapping[str, Any]] = []
        self.asgi = Starlette(
            routes=[
                Route("/read", self.read),
                Route("/write", self.write),
                Route("/clear", self.clear),
                Route("/ignore", self.ignore),
                WebSocketRoute("/write", self.accept),
            ]
        )
        self.asgi.add_middleware(SessionMiddleware, config=CONFIG)

    async def read(self, request: Request) -> Response:
        self.seen.append(dict(request.session))
        return Response()

    async def write(self, request: Request) -> Response:
        request.session["written"] = 1
        self.seen.append(dict(request.session))
        return Response()

    async def clear(self, request: Request) -> Response:
        request.session.clear()
        self.seen.append(dict(request.session))
        return Response()

    async def ignore(self, request: Request) -> Response:
        return Response()

    async def accept(self, websocket: WebSocket) -> None:
        websocket.session["written"] = 1
        self.seen.append(dict(websocket.session))
        await websocket.accept()


@pytest.fixture
def app() -> App:
    """
    An app with sessions.
    """
    return App()


@pytest.fixture
def frozen_clock() -> Iterator[None]:
    """
    The time of the hostile cookies.
    """
    with time_machine.travel(NOW, tick=False):
        yield


def line(data: Mapping[str, Any]) -> str:
    return f"session={CONFIG.signing_serializer.dumps(data)}; HttpOnly; Path=/"


def assert_reported_once(caplog: pytest.LogCaptureFixture, cookie: HostileCookie) -> None:
    """
    Check that the log holds the reason, if there is one, and nothing that the client sent; then forget it.
    """
    records = [record for record in caplog.records if record.name.startswith("starlette_flask")]
    caplog.clear()
    if cookie.reason is None:
        assert records == []
        return
    [record] = records
    text = re.escape(f"The cookie 'session' was rejected: {cookie.reason}") + r"( \(\w+\))?\."
    # The first time in an app it is news.
    level, more = ("DEBUG", r" That makes \d for such a reason\.") if "makes" in record.getMessage() else ("INFO", "")
    text += more
    assert (record.name, record.levelname, record.exc_info) == ("starlette_flask.sessions", level, None)
    assert re.fullmatch(text, record.getMessage())
    written = logging.Formatter().format(record) + repr(record.args)
    quoted = [written[at : at + 8] for at in range(len(written) - 7) if _is_sent(written[at : at + 8], cookie)]
    assert quoted == []


def _is_sent(text: str, cookie: HostileCookie) -> bool:
    return any(text in sent for sent in cookie.lines)


@pytest.mark.usefixtures("frozen_clock")
@each_cookie
def test_over_http(app: App, cookie: HostileCookie, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """
    A view sees what is acceptable, which is nearly always nothing; it can write, and clear, as ever.
    """
    caplog.set_level(logging.DEBUG)
    written = {**cookie.session, "written": 1}
    for path, content, lines in (
        ("/read", cookie.session, []),
        ("/write", written, [line(written)]),
        ("/clear", {}, [DELETED] if cookie.is_carried else []),
    ):
        answer = ask_asgi(app.asgi, path, cookies=cookie.lines, backend=backend)
        assert (answer.status, app.seen.pop()) == (200, content)
        assert answer.session_headers == {"set-cookie": lines, "vary": ["Cookie"]}
        assert_reported_once(caplog, cookie)


@pytest.mark.usefixtures("frozen_clock")
@each_cookie
def test_over_websocket(app: App, cookie: HostileCookie, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """
    So it is in a handshake.
    """
    caplog.set_level(logging.DEBUG)
    written = {**cookie.session, "written": 1}
    kind, answer = shake_hands(app.asgi, "/write", cookies=cookie.lines, backend=backend)
    assert (kind, app.seen) == ("websocket.accept", [written])
    assert answer.session_headers == {"set-cookie": [line(written)], "vary": ["Cookie"]}
    assert_reported_once(caplog, cookie)


@pytest.mark.usefixtures("frozen_clock")
@each_cookie
def test_untouched(app: App, cookie: HostileCookie, caplog: pytest.LogCaptureFixture) -> None:
    """
    A response that has nothing to do with the session shows nothing of the cookie, whatever it is.
    """
    caplog.set_level(logging.DEBUG)
    answer = ask_asgi(app.asgi, "/ignore", cookies=cookie.lines)
    assert (answer.status, answer.session_headers) == (200, {"set-cookie": [], "vary": []})
    # Whether there is a permanent session to refresh can be decided before everything is known of it.
    if any(record.name.startswith("starlette_flask") for record in caplog.records):
        assert_reported_once(caplog, cookie)


@pytest.mark.skipif(version("flask") < "3.1", reason="the list says what Flask 3.1 does")
@pytest.mark.usefixtures("frozen_clock")
@each_cookie
def test_against_flask(cookie: HostileCookie) -> None:
    """
    Flask sees the same session, answers with a 500, or is less strict: for each cookie the list says which.
    """
    flask_app = flask.Flask(__name__)
    flask_app.secret_key = SECRET_KEY
    seen: list[Mapping[str, Any]] = []

    @flask_app.get("/")
    def read() -> str:
        seen.append(dict(flask.session))
        return ""

    status = ask_wsgi(flask_app, "/", cookies=cookie.lines).status
    assert (status, seen) == ((500, []) if cookie.flask is None else (200, [cookie.flask]))


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize(
    "cookie", [cookie for cookie in HOSTILE_COOKIES if "MB" in cookie.name or "MiB" in cookie.name], ids=str
)
def test_memory(app: App, cookie: HostileCookie) -> None:
    """
    No cookie makes a request take more than 4 MiB; the largest here are 1 MB as sent, or 50 MiB inflated.
    """
    tracemalloc.start()
    try:
        ask_asgi(app.asgi, "/write", cookies=cookie.lines)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("session=" + " " * 16_000 + "a b", id="spaces before a value"),
        pytest.param("session" + " " * 16_000 + "x", id="spaces after the name"),
        pytest.param("session=a" + " " * 16_000 + "x", id="spaces after the value"),
        pytest.param('a="1"; session=' + " " * 16_000 + "a b", id="spaces before a value, beside a quoted one"),
        pytest.param('a="1"; b=' + " " * 16_000 + "a b; session=", id="spaces before another value"),
        pytest.param(" " * 16_000 + "x", id="spaces alone"),
        pytest.param("; session x" * 2_000, id="pieces that are none"),
        pytest.param('session="; ' * 2_000, id="opening quotes"),
        pytest.param('session="' + "\\" * 16_000, id="backslashes"),
        pytest.param("session=" + "." * 16_000, id="dots"),
        pytest.param("session=" + "=" * 16_000, id="equals signs"),
    ],
)
def test_time(app: App, header: str) -> None:
    """
    A header of 16 kB, which servers let through, is read in linear time: half a second is a thousand times that.
    """
    started = time.process_time()
    ask_asgi(app.asgi, "/read", cookies=[header])
    assert time.process_time() - started < 0.5
