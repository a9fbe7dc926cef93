"""
Other session middlewares beside ours, sessions put in its place, and everything that comes too late.
"""

import copy
import logging
import re
from collections import UserDict
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

import flask
import pytest
import time_machine
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from starsessions import CookieStore, SessionAutoloadMiddleware
from starsessions import SessionMiddleware as StarsessionsMiddleware

from starlette_flask import Session, SessionConfig, SessionMiddleware
from tests.helpers import Answer, Backend, ask_asgi, http_scope, run_asgi, shake_hands
from tests.interop.apps import needs

NOW = 1_700_000_000
CONFIG = SessionConfig(secret_key="secret", same_site=None)
INNER = SessionConfig(secret_key="secret", same_site=None, session_cookie="inner")
DELETED = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"

TAKEN_NAME = (
    "The app also sets a cookie 'session', and none of our keys can read it: a second session middleware uses the"
    " same name, and one takes the other's place. Give one of them another name (session_cookie)."
)
TOO_LATE = (
    "The session was changed after the response had started, and the change is lost;"
    " change it before anything is sent: not in a background task, a stream, or an accepted WebSocket."
)
REFUSED = (
    "The session was changed, but the WebSocket was closed before it was accepted, and the change is lost;"
    " refuse with WebSocket.send_denial_response() instead."
)

Change = Callable[[Any], Any]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """
    What runs the app.
    """
    name: Backend = request.param
    return name


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Two cookies of the same data are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def all_records(caplog: pytest.LogCaptureFixture) -> None:
    """
    Whatever the log gets, a test can see.
    """
    caplog.set_level(logging.DEBUG, logger="starlette_flask")


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """
    Return the messages logged; all of them warnings of ours.
    """
    records = [record for record in caplog.records if record.name.startswith("starlette_flask")]
    assert {(record.name, record.levelname) for record in records} <= {("starlette_flask.sessions", "WARNING")}
    return [record.getMessage() for record in records]


def dumped(data: dict[str, Any], config: SessionConfig = CONFIG) -> str:
    """
    Return *data* as a ``Cookie`` line.
    """
    with time_machine.travel(NOW, tick=False):
        return f"{config.session_cookie}={config.signing_serializer.dumps(data)}"


def line(data: dict[str, Any], config: SessionConfig = CONFIG) -> str:
    """
    Return the ``Set-Cookie`` line that saves *data*.
    """
    expires = "; Expires=Fri, 15 Dec 2023 22:13:20 GMT" if data.get("_permanent") else ""
    return f"{dumped(data, config)}{expires}; HttpOnly; Path=/"


def ours(config: SessionConfig = CONFIG) -> Middleware:
    return Middleware(SessionMiddleware, config=config)


class Between:
    """
    Middleware that changes the session before the app inside is called.
    """

    def __init__(self, app: ASGIApp, change: Change) -> None:
        self.app = app
        self.change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.change(HTTPConnection(scope).session)
        await self.app(scope, receive, send)


def write(**items: Any) -> Change:
    return lambda session: session.update(items)


def read(session: Any) -> None:
    session.get("user")


def page(change: Change) -> Route:
    """
    Return a route to a page that changes the session and shows it.
    """

    async def view(request: Request) -> Response:
        change(request.session)
        return JSONResponse(dict(request.session))

    return Route("/page", view)


FLASK_APP = flask.Flask(__name__)
FLASK_APP.secret_key = "secret"

EQUALS: dict[str, Callable[[], SessionConfig]] = {
    "keywords": lambda: CONFIG,
    "other keywords": lambda: SessionConfig(
        secret_key=b"secret", salt=b"cookie-session", same_site=None, path="/", signer_kwargs={}
    ),
    "from_mapping": lambda: SessionConfig.from_mapping({"SECRET_KEY": "secret", "DEBUG": True}),
    "from_flask": lambda: SessionConfig.from_flask(FLASK_APP),
}


class TestEqualConfig:
    """
    A second middleware of ours, with an equal config, further in.
    """

    @pytest.mark.parametrize("is_mounted", [False, True], ids=["stacked", "mounted"])
    @pytest.mark.parametrize("outside", EQUALS)
    @pytest.mark.parametrize("inside", EQUALS)
    def test_the_session_is_the_outer_one(
        self, backend: Backend, is_mounted: bool, outside: str, inside: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        However each config was made, it is one session for both, and one line goes out.
        """
        if (outside == "from_flask") != (inside == "from_flask") and version("flask") < "2.3":
            pytest.skip("Flask 2.2 has JSON settings of its own, which only the app itself can follow")
        sessions: list[Any] = []
        outer, inner = ours(EQUALS[outside]()), ours(EQUALS[inside]())

        def note_and_write(key: str) -> Change:
            def change(session: Any) -> None:
                sessions.append(session)
                session[key] = 1

            return change

        between = Middleware(Between, change=note_and_write("outer"))
        route = page(note_and_write("inner"))
        if is_mounted:
            sub = Starlette(routes=[route], middleware=[inner])
            app = Starlette(routes=[Mount("/sub", sub)], middleware=[outer, between])
        else:
            app = Starlette(routes=[Mount("/sub", routes=[route])], middleware=[outer, between, inner])
        answer = ask_asgi(app, "/sub/page", cookies=[dumped({"user": "ada"})], backend=backend)
        merged = {"inner": 1, "outer": 1, "user": "ada"}
        assert answer.session_headers == {"set-cookie": [line(merged)], "vary": ["Cookie"]}
        assert sessions[0] is sessions[1]
        assert warnings_in(caplog) == []


class TestOtherConfig:
    """
    A second middleware of ours, with another config, further in.
    """

    @pytest.mark.parametrize("is_mounted", [False, True], ids=["stacked", "mounted"])
    def test_another_name(self, backend: Backend, is_mounted: bool, caplog: pytest.LogCaptureFixture) -> None:
        """
        Under another name there are two sessions: each is read and saved by itself.
        """
        count = Middleware(Between, change=lambda session: session.update(visits=session.get("visits", 0) + 1))
        route = page(lambda session: session.update(pages=session.get("pages", 10) + 1))
        if is_mounted:
            app = Starlette(
                routes=[Mount("/sub", Starlette(routes=[route], middleware=[ours(INNER)]))],
                middleware=[ours(), count],
            )
        else:
            app = Starlette(routes=[Mount("/sub", routes=[route])], middleware=[ours(), count, ours(INNER)])
        cookies: list[str] = []
        for number in (1, 2):
            answer = ask_asgi(app, "/sub/page", cookies=cookies, backend=backend)
            assert answer.session_headers == {
                "set-cookie": [line({"pages": 10 + number}, INNER), line({"visits": number})],
                "vary": ["Cookie"],
            }
            cookies = [set_cookie.partition(";")[0] for set_cookie in answer.set_cookie]
        assert warnings_in(caplog) == []

    @needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
    def test_content_assigned_to_the_inner_one(self, backend: Backend) -> None:
        """
        A dict that a view puts in place of the inner session is no content for the outer one.
        """

        async def assign(request: Request) -> Response:
            request.scope["session"] = {"assigned": 1}
            return Response()

        app = Starlette(routes=[Route("/", assign)], middleware=[ours(), ours(INNER)])
        answer = ask_asgi(app, "/", cookies=[dumped({"user": "ada"})], backend=backend)
        assert answer.set_cookie == [line({"assigned": 1}, INNER)]

    @pytest.mark.parametrize("is_read_only", [False, True])
    def test_older_key(self, is_read_only: bool, caplog: pytest.LogCaptureFixture) -> None:
        """
        What an inner middleware signs with one of our older keys is merged, and signed with the newest.
        """
        newest = SessionConfig(secret_key="newest", secret_key_fallbacks=["secret"], same_site=None)
        app = Starlette(
            routes=[page(write(inner=1))],
            middleware=[ours(newest), Middleware(Between, change=read if is_read_only else write(outer=1)), ours()],
        )
        answer = ask_asgi(app, "/page")
        expected = line({"inner": 1}) if is_read_only else line({"inner": 1, "outer": 1}, newest)
        assert answer.set_cookie == [expected]
        assert warnings_in(caplog) == []


# Session middlewares of other makes: each takes the app and the name of its cookie.
FOREIGN: dict[str, Callable[[str], list[Middleware]]] = {
    "starlette": lambda name: [
        Middleware(StarletteSessionMiddleware, secret_key="foreign", session_cookie=name, same_site="lax")
    ],
    "starsessions": lambda name: [
        Middleware(StarsessionsMiddleware, store=CookieStore("foreign"), cookie_name=name, cookie_path="/"),
        Middleware(SessionAutoloadMiddleware),
    ],
}


def as_sub_app(route: Route, middleware: list[Middleware]) -> Mount:
    return Mount("/sub", Starlette(routes=[route], middleware=middleware))


def as_mount(route: Route, middleware: list[Middleware]) -> Mount:
    return Mount("/sub", routes=[route], middleware=middleware)


@pytest.mark.parametrize("mount", [as_sub_app, as_mount])
@pytest.mark.parametrize("make", FOREIGN)
class TestForeign:
    """
    A foreign session middleware in a mounted app, or of a mount, inside ours.
    """

    def ask(
        self,
        mount: Callable[[Route, list[Middleware]], Mount],
        middleware: list[Middleware],
        *,
        outer: Change = read,
        inner: Change = read,
        cookies: tuple[str, ...] = (dumped({"user": "ada"}),),
    ) -> Answer:
        app = Starlette(routes=[mount(page(inner), middleware)], middleware=[ours(), Middleware(Between, change=outer)])
        return ask_asgi(app, "/sub/page", cookies=cookies)

    def test_same_name_nothing_to_save(self, mount: Any, make: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Under our name, with nothing of ours to save: its line is left alone, and a warning names the fix.
        """
        answer = self.ask(mount, FOREIGN[make]("session"), inner=write(theirs=1))
        assert warnings_in(caplog) == [TAKEN_NAME]
        again = self.ask(mount, FOREIGN[make]("session"), cookies=(answer.cookie,))
        assert again.json["theirs"] == 1

    def test_same_name_something_to_save(self, mount: Any, make: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Under our name, with something of ours to save: our line takes its place, and a warning names the fix.
        """
        answer = self.ask(mount, FOREIGN[make]("session"), outer=write(ours=1), inner=write(theirs=1))
        assert answer.set_cookie == [line({"ours": 1, "user": "ada"})]
        assert warnings_in(caplog) == [TAKEN_NAME]

    def test_same_name_only_read(self, mount: Any, make: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Under our name, as long as it doesn't write: nothing happens.
        """
        answer = self.ask(mount, FOREIGN[make]("session"))
        assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}
        assert warnings_in(caplog) == []

    def test_another_name(self, mount: Any, make: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Under another name each keeps its own, without a word: nobody is logged out.
        """
        answer = self.ask(mount, FOREIGN[make]("other"), inner=write(theirs=1))
        [kept] = answer.set_cookie
        assert kept.startswith("other=")
        answer = self.ask(
            mount,
            FOREIGN[make]("other"),
            outer=write(ours=1),
            inner=write(theirs=2),
            cookies=(answer.cookie, dumped({"user": "ada"})),
        )
        [theirs, our_line] = answer.set_cookie
        assert theirs.startswith("other=")
        assert our_line == line({"ours": 1, "user": "ada"})
        assert warnings_in(caplog) == []

    def test_another_name_cleared(self, mount: Any, make: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Clearing the foreign session doesn't log out ours.
        """
        written = self.ask(mount, FOREIGN[make]("other"), inner=write(theirs=1))
        answer = self.ask(
            mount,
            FOREIGN[make]("other"),
            inner=lambda session: session.clear(),
            cookies=(written.cookie, dumped({"user": "ada"})),
        )
        assert [set_cookie.partition("=")[0] for set_cookie in answer.set_cookie] == ["other"]
        assert warnings_in(caplog) == []


class TestUnloadedStarsessions:
    """
    Until it is loaded, starsessions keeps an object in the scope whose every attribute raises.
    """

    MIDDLEWARE = Middleware(StarsessionsMiddleware, store=CookieStore("foreign"), cookie_name="other")

    async def view(self, request: Request) -> Response:
        return Response()

    def test_inside(self, backend: Backend) -> None:
        """
        A mounted app that doesn't load its session doesn't break ours.
        """
        sub = Starlette(routes=[Route("/page", self.view)], middleware=[self.MIDDLEWARE])
        app = Starlette(routes=[Mount("/sub", sub)], middleware=[ours(), Middleware(Between, change=write(ours=1))])
        assert ask_asgi(app, "/sub/page", backend=backend).set_cookie == [line({"ours": 1})]

    def test_outside(self, backend: Backend) -> None:
        """
        Nor does one further out.
        """
        app = Starlette(routes=[page(write(ours=1))], middleware=[self.MIDDLEWARE, ours()])
        assert ask_asgi(app, "/page", backend=backend).set_cookie == [line({"ours": 1})]


def assigning(value: Callable[[Any], Any]) -> list[Route]:
    """
    Return a route to a view that puts something in the place of its session.
    """

    async def view(request: Request) -> Response:
        request.scope["session"] = value(request.session)
        return Response()

    return [Route("/", view)]


@needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
class TestAssigned:
    """
    A view assigns to ``scope["session"]``.
    """

    def ask(self, value: Callable[[Any], Any], backend: Backend) -> Answer:
        app = Starlette(routes=assigning(value), middleware=[ours()])
        return ask_asgi(app, "/", cookies=[dumped({"user": "ada"})], backend=backend)

    @pytest.mark.parametrize(
        ("value", "content"),
        [
            pytest.param(lambda session: {"lang": "en"}, {"lang": "en"}, id="dict"),
            pytest.param(lambda session: UserDict({"lang": "en"}), {"lang": "en"}, id="mapping"),
            pytest.param(lambda session: MappingProxyType({"lang": "en"}), {"lang": "en"}, id="mapping proxy"),
            pytest.param(lambda session: Session(lang="en"), {"lang": "en"}, id="session of its own"),
            pytest.param(lambda session: session | {"lang": "en"}, {"lang": "en", "user": "ada"}, id="union"),
            pytest.param(lambda session: {**session, "lang": "en"}, {"lang": "en", "user": "ada"}, id="unpacked"),
            pytest.param(lambda session: session.copy(), {"user": "ada"}, id="copy"),
            pytest.param(copy.copy, {"user": "ada"}, id="detached copy"),
            pytest.param(copy.deepcopy, {"user": "ada"}, id="detached deep copy"),
            pytest.param(
                lambda session: {"cart": ("tea", b"jam")}, {"cart": ("tea", b"jam")}, id="values that JSON lacks"
            ),
        ],
    )
    def test_mapping(self, backend: Backend, value: Callable[[Any], Any], content: dict[str, Any]) -> None:
        """
        A mapping becomes the session's content.
        """
        answer = self.ask(value, backend)
        assert answer.session_headers == {"set-cookie": [line(content)], "vary": ["Cookie"]}

    @pytest.mark.parametrize("value", [dict, Session, UserDict])
    def test_empty_mapping(self, backend: Backend, value: Callable[[], Any]) -> None:
        """
        An empty one clears it, and so deletes the cookie.
        """
        answer = self.ask(lambda session: value(), backend)
        assert answer.session_headers == {"set-cookie": [DELETED], "vary": ["Cookie"]}

    def test_itself(self, backend: Backend) -> None:
        """
        The session itself, assigned, changes nothing.
        """
        assert self.ask(lambda session: session, backend).set_cookie == []

    @pytest.mark.parametrize("value", [None, [("user", "ada")], "user", 1])
    def test_no_mapping(self, backend: Backend, value: object) -> None:
        """
        Anything else is an error that names what to do instead.
        """
        message = f'scope["session"] was set to {type(value).__name__}; assign a dict, or call request.session.clear()'
        with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
            self.ask(lambda session: value, backend)

    def test_before_anything_was_read(self, backend: Backend) -> None:
        """
        What the cookie held doesn't come back when nobody had read it.
        """

        async def view(request: Request) -> Response:
            request.scope["session"] = {"lang": "en"}
            return Response()

        app = Starlette(routes=[Route("/", view)], middleware=[ours()])
        answer = ask_asgi(app, "/", cookies=[dumped({"user": "ada"})], backend=backend)
        assert answer.set_cookie == [line({"lang": "en"})]

    def test_wrapped_app(self, backend: Backend) -> None:
        """
        So it is when the middleware isn't the app's own but wraps it.
        """
        app = SessionMiddleware(Starlette(routes=assigning(lambda session: {"lang": "en"})), config=CONFIG)
        answer = ask_asgi(app, "/", cookies=[dumped({"user": "ada"})], backend=backend)
        assert answer.set_cookie == [line({"lang": "en"})]

    def test_removed(self, backend: Backend) -> None:
        """
        A scope without the session any more leaves the session as it was.
        """

        async def view(request: Request) -> Response:
            request.session["lang"] = "en"
            del request.scope["session"]
            return Response()

        app = Starlette(routes=[Route("/", view)], middleware=[ours()])
        assert ask_asgi(app, "/", backend=backend).set_cookie == [line({"lang": "en"})]


def in_background(change: Change) -> Route:
    async def view(request: Request) -> Response:
        async def task() -> None:
            change(request.session)

        assert request.session["cart"] == ["tea"]
        return PlainTextResponse("page", background=BackgroundTask(task))

    return Route("/", view)


def in_stream(change: Change) -> Route:
    async def view(request: Request) -> Response:
        async def stream() -> AsyncIterator[str]:
            yield "pa"
            change(request.session)
            yield "ge"

        assert request.session["cart"] == ["tea"]
        return StreamingResponse(stream())

    return Route("/", view)


def after_accept(change: Change) -> WebSocketRoute:
    async def view(websocket: WebSocket) -> None:
        assert websocket.session["cart"] == ["tea"]
        await websocket.accept()
        change(websocket.session)
        await websocket.send_text("page")
        await websocket.close()

    return WebSocketRoute("/", view)


def after_denial(change: Change) -> WebSocketRoute:
    async def view(websocket: WebSocket) -> None:
        async def task() -> None:
            change(websocket.session)

        assert websocket.session["cart"] == ["tea"]
        await websocket.send_denial_response(Response(status_code=403, background=BackgroundTask(task)))

    return WebSocketRoute("/", view)


class TestTooLate:
    """
    The session changes when the headers are out.
    """

    def ask(self, route: Route | WebSocketRoute, backend: Backend, *, before: Change = read) -> Answer:
        app = Starlette(routes=[route], middleware=[ours(), Middleware(Between, change=before)])
        cookies = [dumped({"cart": ["tea"]})]
        if isinstance(route, WebSocketRoute):
            return shake_hands(app, "/", cookies=cookies, backend=backend)[1]
        answer = ask_asgi(app, "/", cookies=cookies, backend=backend)
        assert answer.body == b"page"
        return answer

    @pytest.mark.parametrize("place", [in_background, in_stream, after_accept, after_denial])
    @pytest.mark.parametrize("before", [read, write(user="ada")], ids=["nothing saved", "something saved"])
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(write(late=1), id="write"),
            pytest.param(lambda session: session.clear(), id="clear"),
            pytest.param(lambda session: session["cart"].append("jam"), id="nested"),
            pytest.param(lambda session: (session.update(a=1), session.pop("cart")), id="twice"),
            pytest.param(lambda session: (session.update(a=1), session["cart"].append("jam")), id="both"),
        ],
    )
    def test_one_warning(
        self,
        backend: Backend,
        place: Callable[[Change], Route | WebSocketRoute],
        before: Change,
        change: Change,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        What comes too late is lost, is reported once, and breaks nothing; what came in time is saved.
        """
        answer = self.ask(place(change), backend, before=before)
        assert answer.set_cookie == ([] if before is read else [line({"cart": ["tea"], "user": "ada"})])
        assert warnings_in(caplog) == [TOO_LATE]

    @pytest.mark.parametrize("place", [in_background, in_stream, after_accept, after_denial])
    @pytest.mark.parametrize("before", [read, write(user="ada")], ids=["nothing saved", "something saved"])
    def test_reading_is_never_too_late(
        self,
        backend: Backend,
        place: Callable[[Change], Route | WebSocketRoute],
        before: Change,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        Reading at that time, mutable values too, is nothing to report.
        """
        self.ask(place(lambda session: (session["cart"], dict(session), session.permanent)), backend, before=before)
        assert warnings_in(caplog) == []

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(write(late=1), id="write"),
            pytest.param(lambda session: session["cart"].append("jam"), id="nested"),
        ],
    )
    def test_untouched_until_then(self, backend: Backend, change: Change, caplog: pytest.LogCaptureFixture) -> None:
        """
        So it is with a session that nobody had touched before.
        """

        async def view(request: Request) -> Response:
            return Response(background=BackgroundTask(lambda: change(request.session)))

        app = Starlette(routes=[Route("/", view)], middleware=[ours()])
        answer = ask_asgi(app, "/", cookies=[dumped({"cart": ["tea"]})], backend=backend)
        assert answer.session_headers == {"set-cookie": [], "vary": []}
        assert warnings_in(caplog) == [TOO_LATE]

    @pytest.mark.parametrize("place", [in_background, after_accept])
    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(write(late=1), id="write"),
            pytest.param(lambda session: session["cart"].append("jam"), id="nested"),
        ],
    )
    def test_before_a_failure(
        self,
        backend: Backend,
        place: Callable[[Change], Route | WebSocketRoute],
        change: Change,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        It is reported as well where the app fails after it, with the app's own exception.
        """

        def change_and_fail(session: Any) -> None:
            change(session)
            raise LookupError

        with pytest.raises(LookupError):
            self.ask(place(change_and_fail), backend)
        assert warnings_in(caplog) == [TOO_LATE]


class TestWebSocket:
    """
    The session of a handshake.
    """

    @staticmethod
    def app(change: Change, answer: Callable[[WebSocket], Any]) -> ASGIApp:
        async def view(websocket: WebSocket) -> None:
            change(websocket.session)
            await answer(websocket)

        return Starlette(routes=[WebSocketRoute("/", view)], middleware=[ours()])

    @staticmethod
    async def accept(websocket: WebSocket) -> None:
        await websocket.accept(headers=[(b"x-room", b"1"), (b"vary", b"Origin")])
        await websocket.send_json(dict(websocket.session))
        await websocket.close()

    @staticmethod
    async def deny(websocket: WebSocket) -> None:
        await websocket.send_denial_response(
            Response("denied", status_code=403, headers={"x-room": "1", "vary": "Origin"})
        )

    @staticmethod
    async def close(websocket: WebSocket) -> None:
        await websocket.close()

    @pytest.mark.parametrize(
        ("answer", "message"),
        [("accept", "websocket.accept"), ("deny", "websocket.http.response.start")],
        ids=["accepted", "denied"],
    )
    @pytest.mark.parametrize(
        ("carried", "change", "set_cookie"),
        [
            pytest.param({"user": "ada"}, write(a=1), [line({"a": 1, "user": "ada"})], id="written"),
            pytest.param({}, write(a=1), [line({"a": 1})], id="first visit"),
            pytest.param({"user": "ada"}, read, [], id="read"),
            pytest.param({"user": "ada"}, lambda session: session.clear(), [DELETED], id="cleared"),
            pytest.param({"a": []}, lambda session: session["a"].append(1), [line({"a": [1]})], id="nested"),
            pytest.param({"_permanent": True}, read, [line({"_permanent": True})], id="due for refresh"),
        ],
    )
    def test_handshake(
        self,
        backend: Backend,
        answer: str,
        message: str,
        carried: dict[str, Any],
        change: Change,
        set_cookie: list[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """
        What is written before the answer rides on it, accepted or denied, as does a due refresh.
        """
        app = self.app(change, getattr(self, answer))
        kind, answered = shake_hands(app, "/", cookies=[dumped(carried)] if carried else [], backend=backend)
        assert kind == message
        assert answered.session_headers == {"set-cookie": set_cookie, "vary": ["Origin, Cookie"]}
        assert answered.lines("x-room") == ["1"]
        assert warnings_in(caplog) == []

    def test_read(self, backend: Backend) -> None:
        """
        The session is there as in a request.
        """
        cookies = [dumped({"user": "ada"})]
        assert shake_hands(self.app(read, self.accept), "/", cookies=cookies, backend=backend)[1].json == {
            "user": "ada"
        }

    def test_nothing_touched(self, backend: Backend) -> None:
        """
        A handshake that doesn't ask for the session gets no header of it; a due refresh is one.
        """

        async def view(websocket: WebSocket) -> None:
            await websocket.accept()

        app = Starlette(routes=[WebSocketRoute("/", view)], middleware=[ours()])
        for data, headers in (
            ({"user": "ada"}, {"set-cookie": [], "vary": []}),
            ({"_permanent": True}, {"set-cookie": [line({"_permanent": True})], "vary": ["Cookie"]}),
        ):
            assert shake_hands(app, "/", cookies=[dumped(data)], backend=backend)[1].session_headers == headers

    @pytest.mark.parametrize(
        ("change", "warnings"),
        [
            pytest.param(read, [], id="read"),
            pytest.param(write(a=1), [REFUSED], id="write"),
            pytest.param(lambda session: session["cart"].append("jam"), [REFUSED], id="nested"),
        ],
    )
    def test_closed_before_it_was_accepted(
        self, backend: Backend, change: Change, warnings: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A plain close has no headers: what was changed is lost, and reported.
        """
        app = self.app(change, self.close)
        kind, answered = shake_hands(app, "/", cookies=[dumped({"cart": ["tea"]})], backend=backend)
        assert kind == "websocket.close"
        assert answered.headers == ()
        assert warnings_in(caplog) == warnings

    def test_closed_after_it_was_accepted(self, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
        """
        An ordinary close is nothing to report.
        """
        kind, answered = shake_hands(self.app(write(a=1), self.accept), "/", backend=backend)
        assert kind == "websocket.accept"
        assert answered.set_cookie == [line({"a": 1})]
        assert warnings_in(caplog) == []


@pytest.mark.parametrize("kind", ["lifespan", "pubsub"])
def test_other_scopes_are_passed_through(backend: Backend, kind: str) -> None:
    """
    A scope that is neither a request nor a handshake reaches the app as it is, with its own receive and send.
    """
    scope: Scope = {"type": kind, "asgi": {"version": "3.0"}, "state": {}}
    before = copy.deepcopy(scope)
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": f"{kind}.answer", "to": await receive()})

    middleware = SessionMiddleware(app, config=CONFIG)
    sent = run_asgi(middleware, scope, [{"type": f"{kind}.question"}], backend=backend)
    assert seen[0] is scope
    assert scope == before
    assert sent == [{"type": f"{kind}.answer", "to": {"type": f"{kind}.question"}}]


class TestAllowPathRegex:
    """
    ``allow_path_regex``: which paths have a session.
    """

    @pytest.mark.parametrize(
        ("pattern", "path", "is_allowed"),
        [
            ("/app", "/app", True),
            ("/app", "/app/page", False),
            ("/app", "/my/app", False),
            ("/app.*", "/app/page", True),
            ("/(app|api)/.*", "/api/page", True),
            ("/(app|api)/.*", "/static/page", False),
            ("^/app$", "/app", True),
            ("/app", "/app\n", False),
            ("/app", "/APP", False),
            (re.compile("/app", re.IGNORECASE), "/APP", True),
            (re.compile("/app"), "/app/page", False),
            (".*", "/app", True),
            ("", "/app", False),
            (None, "/app", True),
        ],
    )
    @pytest.mark.parametrize("kind", ["http", "websocket"])
    def test_full_match(
        self, backend: Backend, kind: str, pattern: str | re.Pattern[str] | None, path: str, is_allowed: bool
    ) -> None:
        """
        A path that matches as a whole has a session; elsewhere there is none in the scope, nor a header of it.
        """
        seen: list[bool] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append("session" in scope)
            scope.get("session", {})["a"] = 1
            start = "http.response.start" if kind == "http" else "websocket.accept"
            await send({"type": start, "status": 200, "headers": []})

        middleware = SessionMiddleware(app, config=CONFIG, allow_path_regex=pattern)
        scope = {**http_scope(path, cookies=[dumped({"_permanent": True})]), "type": kind}
        [message] = run_asgi(middleware, scope, [], backend=backend)
        assert seen == [is_allowed]
        headers = [
            (b"set-cookie", line({"_permanent": True, "a": 1}).encode()),
            (b"vary", b"Cookie"),
        ]
        assert message["headers"] == (headers if is_allowed else [])

    def test_of_the_inner_one(self, backend: Backend) -> None:
        """
        Where the inner of two middlewares has no session, the outer one's is there.
        """
        inner = Middleware(SessionMiddleware, config=INNER, allow_path_regex="/elsewhere")
        app = Starlette(routes=[page(write(a=1))], middleware=[ours(), inner])
        assert ask_asgi(app, "/page", backend=backend).set_cookie == [line({"a": 1})]

    def test_of_the_outer_one(self, backend: Backend) -> None:
        """
        Where the outer of two middlewares has no session, the inner one's is there.
        """
        outer = Middleware(SessionMiddleware, config=CONFIG, allow_path_regex="/elsewhere")
        app = Starlette(routes=[page(write(a=1))], middleware=[outer, ours()])
        assert ask_asgi(app, "/page", backend=backend).set_cookie == [line({"a": 1})]
