"""
One session per response: real Flask, mounted in a FastAPI app by our adapter and by those that people use.

What Flask answers and what our side changes in the same request leave together, in one ``Set-Cookie`` line.
Where the two have a session each, the two are merged. Our adapter can share the session instead, and then the
changes are made in one object, in the order in which they come; most of what a browser sees is the same.
"""

import copy
from collections.abc import Callable, Iterator, MutableMapping
from datetime import datetime, timezone
from functools import partial
from itertools import permutations, product
from typing import Any, Literal

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
import time_machine
from a2wsgi import WSGIMiddleware as A2WSGIMiddleware
from asgiref.wsgi import WsgiToAsgi
from fastapi import FastAPI, Request
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from werkzeug.wrappers.response import Response as FlaskResponse

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer, Browser, ask_asgi, ask_wsgi
from tests.hostile import session_of, stamp
from tests.middleware.client import Server

Change = Callable[[MutableMapping[str, Any]], Any]
When = Literal["before", "after"]
Adapt = Callable[[flask.Flask], ASGIApp]

NOW = 1_700_000_000
YEAR = 365 * 24 * 3600

DELETED = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"


# Flask has a session of its own in each of these.
MERGING = [
    pytest.param(A2WSGIMiddleware, id="a2wsgi"),
    pytest.param(WsgiToAsgi, id="asgiref"),
    pytest.param(partial(WSGIMiddleware, share_session=False), id="ours"),
]
SHARING = pytest.param(WSGIMiddleware, id="ours, shared")


@pytest.fixture(params=[*MERGING, SHARING])
def adapt(request: pytest.FixtureRequest) -> Adapt:
    """
    Makes an ASGI app of a Flask app.
    """
    adapter: Adapt = request.param
    return adapter


@pytest.fixture(params=MERGING)
def adapt_merging(request: pytest.FixtureRequest) -> Adapt:
    """
    Makes an ASGI app of a Flask app, which has a session of its own.
    """
    adapter: Adapt = request.param
    return adapter


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Two cookies of the same data are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


def nothing(session: MutableMapping[str, Any]) -> None:
    """
    Leave the session alone.
    """


def read(session: MutableMapping[str, Any]) -> None:
    session.get("user")


def write(**items: Any) -> Change:
    return lambda session: session.update(copy.deepcopy(items))


def delete(*keys: str) -> Change:
    return lambda session: [session.pop(key) for key in keys]


def clear(session: MutableMapping[str, Any]) -> None:
    session.clear()


def append(key: str, item: Any) -> Change:
    return lambda session: session[key].append(item)


def in_turn(*changes: Change) -> Change:
    return lambda session: [change(session) for change in changes]


def flask_app(change: Change = nothing, *, prefix: str = "") -> flask.Flask:
    """
    Return an app that applies *change* to its session at ``/change`` and shows it at ``/show``.
    """
    app = flask.Flask(__name__)
    app.secret_key = "secret"

    @app.route(f"{prefix}/change")
    def change_session() -> str:
        change(flask.session)
        return "changed"

    @app.route(f"{prefix}/show")
    def show_session() -> Any:
        return dict(flask.session)

    return app


class Between:
    """
    Middleware of the parent app, between the session middleware and the mounted app.

    Changes the session before the app inside is called, or after its answer was decided on but not sent.
    """

    def __init__(self, app: ASGIApp, change: Change, when: When = "before") -> None:
        self.app = app
        self.change = change
        self.when = when

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_changed(message: Any) -> None:
            if message["type"] == "http.response.start" and self.when == "after":
                self.change(Request(scope).session)
            await send(message)

        if self.when == "before":
            self.change(Request(scope).session)
        await self.app(scope, receive, send_changed)


def parent_app(inner: ASGIApp, config: SessionConfig, ours: Change = nothing, when: When = "before") -> FastAPI:
    """
    Return an app with our middleware and *inner* mounted at its root; *ours* changes the session on the way.
    """
    parent = FastAPI()

    @parent.get("/api/show")
    def show_session(request: Request) -> dict[str, Any]:
        return dict(request.session)

    parent.mount("/", inner)
    if ours is not nothing:
        parent.add_middleware(Between, change=ours, when=when)
    parent.add_middleware(SessionMiddleware, config=config)
    return parent


def dumped(data: dict[str, Any], *, key: str = "secret", at: float = NOW) -> str:
    """
    Return *data* as a ``Cookie`` line.
    """
    with time_machine.travel(at, tick=False):
        value = SessionConfig(secret_key=key).signing_serializer.dumps(data)
    return f"session={value}"


def line_of_flask(data: dict[str, Any]) -> str:
    """
    Return the ``Set-Cookie`` line by which Flask saves *data*.
    """
    [line] = ask_wsgi(flask_app(write(**data)), "/change").set_cookie
    return line


class TestReadme:
    """
    The README's example: Flask and FastAPI side by side in a parent that has no session itself.
    """

    @pytest.mark.parametrize("steps", list(permutations(["set", "get", "delete"])), ids="-".join)
    @pytest.mark.parametrize("places", list(product(["/flask", "/fastapi"], repeat=3)), ids="".join)
    def test_each_app_sees_what_the_other_did(
        self, adapt: Adapt, steps: tuple[str, ...], places: tuple[str, ...]
    ) -> None:
        """
        Whatever is set, read or deleted in one app, in whatever order, is so in both.
        """
        flask_side = flask.Flask(__name__)
        flask_side.secret_key = "secret"
        fastapi_side = FastAPI()
        fastapi_side.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_side))

        def step(name: str, session: MutableMapping[str, Any]) -> dict[str, Any]:
            if name == "set":
                session["user"] = "ada"
            elif name == "delete":
                session.pop("user", None)
            return dict(session)

        flask_side.add_url_rule("/<name>", view_func=lambda name: step(name, flask.session))

        @fastapi_side.get("/{name}")
        def view(name: str, request: Request) -> dict[str, Any]:
            return step(name, request.session)

        parent = FastAPI()
        parent.mount("/flask", adapt(flask_side))
        parent.mount("/fastapi", fastapi_side)

        browser = Browser(partial(ask_asgi, parent))
        is_set = False
        for name, place in zip(steps, places, strict=True):
            browser.visit(f"{place}/{name}")
            is_set = {"set": True, "delete": False}.get(name, is_set)
            content = {"user": "ada"} if is_set else {}
            assert browser.visit("/flask/get").json == content
            assert browser.visit("/fastapi/get").json == content
            assert (browser.value() is not None) == is_set


MERGES = [
    # What the request carries, what we do, what Flask does, what the browser has then.
    pytest.param({}, write(a=1), write(user="ada"), {"a": 1, "user": "ada"}, id="first visit"),
    pytest.param(
        {"lang": "en"}, write(a=1), write(user="ada"), {"a": 1, "lang": "en", "user": "ada"}, id="different keys"
    ),
    pytest.param({}, write(a="ours"), write(a="theirs", b=2), {"a": "ours", "b": 2}, id="same key, new"),
    pytest.param({"a": 0}, write(a="ours"), write(a="theirs", b=2), {"a": "ours", "b": 2}, id="same key, changed"),
    pytest.param({"a": 0}, write(a=1), write(a=1), {"a": 1}, id="same key, same value"),
    pytest.param({"a": 0, "b": 0}, delete("a"), write(a=1), {"b": 0}, id="we delete what Flask changes"),
    pytest.param({"a": 0, "b": 0}, write(a=1), delete("a"), {"a": 1, "b": 0}, id="we change what Flask deletes"),
    pytest.param({"a": 0, "b": 0}, write(a=1), delete("b"), {"a": 1}, id="Flask deletes another key"),
    pytest.param({"a": 0, "b": 0}, delete("a"), write(b=1), {"b": 1}, id="we delete another key"),
    pytest.param({"a": 0, "b": 0}, delete("a"), delete("b"), {}, id="each deletes one, none is left"),
    pytest.param({"a": 0, "b": 0}, write(a=1), clear, {"a": 1}, id="Flask clears, we change a key"),
    pytest.param({"a": 0, "b": 0}, clear, write(c=1), {"c": 1}, id="we clear, Flask writes"),
    pytest.param({"a": 0, "b": 0}, clear, clear, {}, id="both clear"),
    pytest.param({}, write(a=1), clear, {"a": 1}, id="Flask clears nothing, we write"),
    pytest.param({}, clear, clear, {}, id="both clear nothing"),
    pytest.param(
        {"user": "ada"},
        in_turn(clear, write(user="bob")),
        write(seen=True),
        {"seen": True, "user": "bob"},
        id="we log in as somebody else",
    ),
    pytest.param(
        {"cart": ["tea"]},
        append("cart", "jam"),
        write(b=1),
        {"b": 1, "cart": ["tea", "jam"]},
        id="nested change of ours",
    ),
    pytest.param(
        {"cart": ["tea"]},
        append("cart", "jam"),
        write(cart=["rum"], b=1),
        {"b": 1, "cart": ["tea", "jam"]},
        id="nested change of ours, same key",
    ),
    pytest.param({"n": 1}, write(n=True), write(b=2), {"b": 2, "n": True}, id="an equal value of another type"),
    pytest.param({"a": 0}, write(a=0, b=1), write(a=2), {"a": 2, "b": 1}, id="we write what was there"),
    pytest.param(
        {"a": (1, b"x", datetime(2026, 1, 1, tzinfo=timezone.utc))},
        write(b=1),
        write(t=(1, 2), s=b"y"),
        {"a": (1, b"x", datetime(2026, 1, 1, tzinfo=timezone.utc)), "b": 1, "s": b"y", "t": (1, 2)},
        id="values that JSON lacks",
    ),
    pytest.param({}, write(_permanent=True), write(a=1), {"_permanent": True, "a": 1}, id="we make it permanent"),
    pytest.param({}, write(a=1), write(_permanent=True), {"_permanent": True, "a": 1}, id="Flask makes it permanent"),
    pytest.param({"_permanent": True}, write(a=1), read, {"_permanent": True, "a": 1}, id="we write, Flask refreshes"),
    pytest.param(
        {"_permanent": True, "a": 0}, delete("a"), read, {"_permanent": True}, id="we delete, Flask refreshes"
    ),
    pytest.param({"_permanent": True, "a": 0}, clear, read, {}, id="we clear, Flask refreshes"),
    pytest.param({"a": 0}, write(a=1), read, {"a": 1}, id="we write, Flask reads"),
    pytest.param({"a": 0}, clear, nothing, {}, id="we clear, Flask does nothing"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("carried", "ours", "theirs", "merged"), MERGES)
def test_both_change_the_session(
    adapt_merging: Adapt,
    when: When,
    carried: dict[str, Any],
    ours: Change,
    theirs: Change,
    merged: dict[str, Any],
) -> None:
    """
    What Flask and our side change in one request leaves together, in the one line that Flask would send for it.
    """
    inner = flask_app(theirs)
    app = parent_app(adapt_merging(inner), SessionConfig.from_flask(inner), ours, when)
    answer = ask_asgi(app, "/change", cookies=[dumped(carried)] if carried else [])
    line = line_of_flask(merged) if merged else DELETED
    assert answer.session_headers == {"set-cookie": [line], "vary": ["Cookie"]}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("carried", "ours", "theirs"), [pytest.param(*case.values[:3], id=case.id) for case in MERGES])
def test_both_change_a_shared_session(when: When, carried: dict[str, Any], ours: Change, theirs: Change) -> None:
    """
    In a shared session the changes are made one after the other: the last one counts, and who clears clears all.
    """
    inner = flask_app(theirs)
    app = parent_app(WSGIMiddleware(inner), SessionConfig.from_flask(inner), ours, when)
    answer = ask_asgi(app, "/change", cookies=[dumped(carried)] if carried else [])
    content = copy.deepcopy(carried)
    for change in [ours, theirs] if when == "before" else [theirs, ours]:
        change(content)
    # Flask alone would also delete what nobody has.
    lines = [line_of_flask(content)] if content else [DELETED] if carried else []
    assert answer.session_headers == {"set-cookie": lines, "vary": ["Cookie"]}


each_invalid_cookie = pytest.mark.parametrize(
    "carried",
    [
        pytest.param(dumped({"old": 1}, key="another"), id="wrong key"),
        pytest.param(dumped({"old": 1}, at=NOW - YEAR), id="expired"),
        pytest.param("session=", id="empty"),
        pytest.param(f"session={session_of(b'[]', key='secret', at=stamp(NOW))}", id="signed, but not a session"),
    ],
)


@each_invalid_cookie
@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        pytest.param(write(a=1), write(b=2), {"a": 1, "b": 2}, id="both write"),
        pytest.param(write(a=1), clear, {"a": 1}, id="Flask clears"),
        pytest.param(clear, write(b=2), {"b": 2}, id="we clear"),
        pytest.param(clear, clear, {}, id="both clear"),
    ],
)
def test_both_start_from_an_invalid_cookie(
    adapt_merging: Adapt, carried: str, ours: Change, theirs: Change, merged: dict[str, Any]
) -> None:
    """
    Nothing of a cookie that can't be accepted gets into the merged session, and both clearing it deletes it.
    """
    inner = flask_app(theirs)
    app = parent_app(adapt_merging(inner), SessionConfig.from_flask(inner), ours)
    answer = ask_asgi(app, "/change", cookies=[carried])
    assert answer.set_cookie == [line_of_flask(merged) if merged else DELETED]


@each_invalid_cookie
@pytest.mark.parametrize(
    ("ours", "theirs", "content"),
    [
        pytest.param(write(a=1), write(b=2), {"a": 1, "b": 2}, id="both write"),
        pytest.param(write(a=1), clear, {}, id="Flask clears"),
        pytest.param(clear, write(b=2), {"b": 2}, id="we clear"),
        pytest.param(clear, clear, {}, id="both clear"),
    ],
)
def test_a_shared_session_starts_from_an_invalid_cookie(
    carried: str, ours: Change, theirs: Change, content: dict[str, Any]
) -> None:
    """
    Nor does anything of it get into a shared session, which is deleted if it is cleared in the end.
    """
    inner = flask_app(theirs)
    app = parent_app(WSGIMiddleware(inner), SessionConfig.from_flask(inner), ours)
    answer = ask_asgi(app, "/change", cookies=[carried])
    assert answer.set_cookie == [line_of_flask(content) if content else DELETED]


each_change_of_flask = pytest.mark.parametrize(
    ("carried", "theirs"),
    [
        pytest.param({}, write(user="ada"), id="logs in"),
        pytest.param({"user": "ada"}, write(user="bob"), id="changes"),
        pytest.param({"user": "ada"}, delete("user"), id="logs out"),
        pytest.param({"user": "ada"}, clear, id="clears"),
        pytest.param({"_permanent": True, "user": "ada"}, nothing, id="refreshes"),
        pytest.param({"_permanent": True, "user": "ada"}, write(a=1), id="changes a permanent session"),
        pytest.param({"_permanent": True, "user": "ada"}, delete("_permanent"), id="ends a permanent session"),
    ],
)

write_and_take_back = in_turn(write(a=1), lambda session: setattr(session, "modified", False))


def assert_answers_as_flask_does(
    adapt: Adapt, when: When, ours: Change, carried: dict[str, Any], theirs: Change
) -> None:
    inner = flask_app(theirs)
    cookies = [dumped(carried)] if carried else []
    app = parent_app(adapt(inner), SessionConfig.from_flask(inner), ours, when)
    expected = ask_wsgi(inner, "/change", cookies=cookies)
    assert ask_asgi(app, "/change", cookies=cookies).session_headers == expected.session_headers
    assert len(expected.set_cookie) == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("ours", [nothing, read])
@each_change_of_flask
def test_only_flask_changes_the_session(
    adapt: Adapt, when: When, ours: Change, carried: dict[str, Any], theirs: Change
) -> None:
    """
    Where our side has nothing to save, not even a due refresh touches what Flask answers, byte for byte.
    """
    assert_answers_as_flask_does(adapt, when, ours, carried, theirs)


@pytest.mark.parametrize("when", ["before", "after"])
@each_change_of_flask
def test_our_change_is_taken_back(adapt_merging: Adapt, when: When, carried: dict[str, Any], theirs: Change) -> None:
    """
    So it is where our side takes back what it changed.
    """
    assert_answers_as_flask_does(adapt_merging, when, write_and_take_back, carried, theirs)


@pytest.mark.parametrize(
    ("when", "saved"), [("before", {"a": 1, "lang": "en", "user": "ada"}), ("after", None)], ids=["before", "after"]
)
def test_a_shared_change_is_taken_back(when: When, saved: dict[str, Any] | None) -> None:
    """
    In a shared session, taking back what was changed so far concerns what Flask changed so far, and nothing else.
    """
    inner = flask_app(write(user="ada"))
    app = parent_app(WSGIMiddleware(inner), SessionConfig.from_flask(inner), write_and_take_back, when)
    answer = ask_asgi(app, "/change", cookies=[dumped({"lang": "en"})])
    lines = [line_of_flask(saved)] if saved else []
    assert answer.session_headers == {"set-cookie": lines, "vary": ["Cookie"]}


def test_our_refresh_where_flask_does_not_answer(adapt: Adapt) -> None:
    """
    A permanent session is refreshed by our side alone where the mounted app leaves it to others.
    """
    inner = flask_app()
    config = SessionConfig.from_flask(inner)
    inner.config["SESSION_REFRESH_EACH_REQUEST"] = False
    carried = {"_permanent": True, "user": "ada"}
    answer = ask_asgi(parent_app(adapt(inner), config), "/change", cookies=[dumped(carried, at=NOW - 60)])
    assert answer.session_headers == {"set-cookie": [line_of_flask(carried)], "vary": ["Cookie"]}


def test_nobody_touches_the_session(adapt: Adapt) -> None:
    """
    A response that has nothing to do with the session has none of its headers.
    """
    inner = flask_app()
    app = parent_app(adapt(inner), SessionConfig.from_flask(inner))
    answer = ask_asgi(app, "/change", cookies=[dumped({"user": "ada"})])
    assert answer.session_headers == {"set-cookie": [], "vary": []}


@pytest.mark.parametrize("when", ["before", "after"])
def test_function_middleware(adapt: Adapt, when: When) -> None:
    """
    So it is with FastAPI's own function middleware, which may write after the mounted app has answered.
    """
    inner = flask_app(write(user="ada"))
    parent = FastAPI()
    parent.mount("/", adapt(inner))

    @parent.middleware("http")
    async def count(request: Request, call_next: RequestResponseEndpoint) -> Response:
        if when == "before":
            request.session["visits"] = 1
        response = await call_next(request)
        if when == "after":
            request.session["visits"] = 1
        return response

    parent.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(inner))
    answer = ask_asgi(parent, "/change", cookies=[dumped({"lang": "en"})])
    assert answer.set_cookie == [line_of_flask({"lang": "en", "user": "ada", "visits": 1})]
    assert answer.body == b"changed"


def test_flask_reads_the_merged_session(adapt_merging: Adapt) -> None:
    """
    Visit by visit, in one browser: both apps see what was merged, also after the session was deleted.
    """
    changes: list[tuple[Change, Change, dict[str, Any]]] = [
        (write(visits=1), write(user="ada"), {"visits": 1, "user": "ada"}),
        (write(visits=2), delete("user"), {"visits": 2}),
        (clear, clear, {}),
        (write(visits=1), clear, {"visits": 1}),
        (delete("visits"), write(user="bob"), {"user": "bob"}),
    ]
    ours: Change = nothing
    theirs: Change = nothing
    inner = flask_app(lambda session: theirs(session))

    def ours_at_change(session: MutableMapping[str, Any]) -> None:
        ours(session)

    app = parent_app(adapt_merging(inner), SessionConfig.from_flask(inner), ours_at_change)
    browser = Browser(partial(ask_asgi, app))
    for ours, theirs, content in changes:
        assert len(browser.visit("/change").set_cookie) == 1
        ours = theirs = nothing
        assert browser.visit("/show").json == content
        assert browser.visit("/api/show").json == content


class User(flask_login.UserMixin):  # type: ignore[misc]  # ships no types
    def __init__(self, user_id: str) -> None:
        self.id = user_id


@pytest.fixture
def login_app() -> flask.Flask:
    """
    A Flask app with Flask-Login.
    """
    app = flask_app()
    manager = flask_login.LoginManager(app)
    manager.user_loader(User)

    @app.get("/login/<user_id>")
    def login(user_id: str) -> str:
        flask_login.login_user(User(user_id))
        return "in"

    @app.get("/logout")
    def logout() -> str:
        flask_login.logout_user()
        return "out"

    @app.get("/me")
    def me() -> dict[str, Any]:
        return {"user": flask_login.current_user.get_id()}

    return app


class TestFlaskLogin:
    """
    A user of Flask-Login, on both sides, while the parent counts visits in the same session.
    """

    @pytest.fixture
    def browser(self, adapt: Adapt, login_app: flask.Flask) -> Browser:
        def count(session: MutableMapping[str, Any]) -> None:
            session["visits"] = session.get("visits", 0) + 1

        parent = FastAPI()

        @parent.get("/api/me")
        def me(request: Request) -> dict[str, Any]:
            return {"user": request.session.get("_user_id")}

        @parent.get("/api/visits")
        def visits(request: Request) -> Any:
            return request.session["visits"]

        @parent.get("/api/logout")
        def logout(request: Request) -> None:
            for key in ("_user_id", "_fresh", "_id"):
                request.session.pop(key, None)

        parent.mount("/", adapt(login_app))
        parent.add_middleware(Between, change=count)
        parent.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(login_app))
        return Browser(partial(ask_asgi, parent))

    def assert_everybody_sees(self, browser: Browser, user: str | None) -> None:
        assert browser.visit("/me").json == {"user": user}
        assert browser.visit("/api/me").json == {"user": user}

    @pytest.mark.parametrize("logout", ["/logout", "/api/logout"])
    def test_login_and_logout(self, browser: Browser, logout: str) -> None:
        """
        Who logs in to Flask is known to FastAPI, and logged out of both from either; no visit is lost.
        """
        for expected, path in [("ada", "/login/ada"), (None, logout), ("bob", "/login/bob"), (None, logout)]:
            assert len(browser.visit(path).set_cookie) == 1
            self.assert_everybody_sees(browser, expected)
        assert browser.visit("/api/visits").json == 13

    def test_two_users(self, browser: Browser) -> None:
        """
        Two browsers are two users.
        """
        another = Browser(browser.ask)
        browser.visit("/login/ada")
        another.visit("/login/bob")
        self.assert_everybody_sees(browser, "ada")
        self.assert_everybody_sees(another, "bob")


class TestOtherCookies:
    """
    To a browser a cookie is its name, its path and its domain.
    """

    @pytest.fixture
    def answer_with(self, adapt: Adapt) -> Callable[..., Answer]:
        """
        Asks for a path where Flask answers with a line of its own, while our side writes.
        """

        def ask(line: str, path: str = "/page", **options: Any) -> Answer:
            inner = flask.Flask(__name__)
            inner.secret_key = "secret"

            @inner.get("/page")
            @inner.get("/legacy/page")
            @inner.get("/legacy/")
            def page() -> FlaskResponse:
                return FlaskResponse(headers=[("Set-Cookie", line)])

            return ask_asgi(parent_app(adapt(inner), SessionConfig.from_flask(inner), write(ours=1)), path, **options)

        return ask

    @pytest.mark.parametrize(
        ("attributes", "path"),
        [
            ("; Path=/legacy", "/page"),
            ("; HttpOnly; path=/legacy/; SameSite=Lax", "/page"),
            ("; Domain=example.com; Path=/", "/page"),
            ("; Path=/; domain=.example.com", "/page"),
            ("; Path=/; Partitioned; Secure", "/page"),
            ("", "/legacy/page"),
            ("", "/legacy/"),
            ("; Path=", "/legacy/page"),
            ("; Path=legacy", "/legacy/page"),
        ],
    )
    def test_another_path_or_domain(self, answer_with: Callable[..., Answer], attributes: str, path: str) -> None:
        """
        A cookie of our name with another path or domain is another cookie: it goes out as it is, beside ours.
        """
        line = f"{dumped({'theirs': 1})}{attributes}"
        assert answer_with(line, path).set_cookie == [line, line_of_flask({"ours": 1})]

    @pytest.mark.parametrize("name", ["Session", "session2", "xsession", "other"])
    def test_another_name(self, answer_with: Callable[..., Answer], name: str) -> None:
        """
        A cookie of another name, if only in case, is another cookie.
        """
        line = f"{name}=1; Path=/"
        assert answer_with(line).set_cookie == [line, line_of_flask({"ours": 1})]

    @pytest.mark.parametrize(
        "attributes",
        [
            "; Path=/",
            ";path=/;httponly",
            "; Path=/legacy; Path=/",
            "; Path=/; Domain=",
            "",
            "; Path=",
            "; Path=legacy",
        ],
    )
    def test_this_very_cookie(self, answer_with: Callable[..., Answer], attributes: str) -> None:
        """
        However a line is written, without a path too (RFC 6265, section 5.1.4), this cookie is merged with ours.
        """
        answer = answer_with(f"{dumped({'theirs': 1})}{attributes}")
        assert answer.set_cookie == [line_of_flask({"ours": 1, "theirs": 1})]

    @pytest.mark.parametrize(
        "line",
        [
            pytest.param("session=; Path=/", id="empty"),
            pytest.param("session=; Max-Age=0; Path=/", id="Max-Age"),
            pytest.param(DELETED, id="Werkzeug's"),
            pytest.param(
                'session=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax', id="Starlette's"
            ),
            pytest.param("session=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; path=/", id="PHP's"),
            pytest.param(f"{dumped({'old': 1}, at=NOW)}; Max-Age=0; Path=/", id="with a value"),
        ],
    )
    def test_a_deletion(self, answer_with: Callable[..., Answer], line: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        However the app inside spells a deletion, it is one: what we wrote is what is left, and nothing is reported.
        """
        answer = answer_with(line, cookies=[dumped({"old": 1})])
        assert answer.set_cookie == [line_of_flask({"ours": 1})]
        assert caplog.messages == []

    def test_the_last_line_counts(self, adapt: Adapt) -> None:
        """
        Of two lines of Flask for this cookie the last one counts, as in a browser, and only one line leaves.
        """
        inner = flask.Flask(__name__)
        inner.secret_key = "secret"
        lines = [f"{dumped({'theirs': number})}; Path=/" for number in (1, 2)]
        inner.add_url_rule("/", view_func=lambda: FlaskResponse(headers=[("Set-Cookie", line) for line in lines]))
        config = SessionConfig.from_flask(inner)
        assert ask_asgi(parent_app(adapt(inner), config), "/").set_cookie == lines
        answer = ask_asgi(parent_app(adapt(inner), config, write(ours=1)), "/")
        assert answer.set_cookie == [line_of_flask({"ours": 1, "theirs": 2})]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_cookie_crumbs(adapt: Adapt, position: int) -> None:
    """
    An HTTP/2 client may send each cookie in a line of its own: ours is found in any of them.
    """
    inner = flask_app()
    crumbs = ["theme=dark", "lang=en"]
    crumbs.insert(position, dumped({"user": "ada"}))
    seen: list[dict[str, Any]] = []
    app = parent_app(adapt(inner), SessionConfig.from_flask(inner), lambda session: seen.append(dict(session)))
    assert ask_asgi(app, "/api/show", cookies=crumbs).json == {"user": "ada"}
    ask_asgi(app, "/change", cookies=crumbs)
    assert seen == [{"user": "ada"}, {"user": "ada"}]


class TestResponses:
    """
    Responses that aren't a page.
    """

    MERGED: dict[str, Any] = {"ours": 1, "theirs": 1}  # noqa: RUF012  # a constant

    def app(self, adapt: Adapt, view: Callable[[], Any]) -> FastAPI:
        """
        Return an app with a Flask view whose session both sides write to.
        """
        inner = flask.Flask(__name__)
        inner.secret_key = "secret"

        @inner.route("/")
        def write_and_view() -> Any:
            flask.session["theirs"] = 1
            return view()

        return parent_app(adapt(inner), SessionConfig.from_flask(inner), write(ours=1))

    def ask(self, adapt: Adapt, view: Callable[[], Any], **options: Any) -> Answer:
        return ask_asgi(self.app(adapt, view), "/", **options)

    def test_stream(self, adapt: Adapt) -> None:
        """
        A stream of Flask's carries the merged session, and arrives whole.
        """
        chunks = [b"one ", b"two ", b"three"]
        with Server(self.app(adapt, lambda: FlaskResponse(iter(chunks)))) as server:
            start, *parts = server.begin().take_rest()
        lines = [line.decode() for name, line in start["headers"] if name.lower() == b"set-cookie"]
        assert lines == [line_of_flask(self.MERGED)]
        assert b"".join(part.get("body", b"") for part in parts) == b"one two three"

    def test_head(self, adapt: Adapt) -> None:
        """
        The answer to HEAD has the headers of that to GET, and no body.
        """
        answer = self.ask(adapt, lambda: "page", method="HEAD")
        assert answer.set_cookie == [line_of_flask(self.MERGED)]
        assert answer.body == b""

    @pytest.mark.parametrize("status", [204, 304, 404])
    def test_status(self, adapt: Adapt, status: int) -> None:
        """
        The session is saved whatever the status, as Flask does.
        """
        answer = self.ask(adapt, lambda: FlaskResponse(status=status))
        assert answer.status == status
        assert answer.set_cookie == [line_of_flask(self.MERGED)]

    def test_vary_is_merged(self, adapt: Adapt) -> None:
        """
        ``Cookie`` joins what the app inside says that its response depends on.
        """
        answer = self.ask(adapt, lambda: FlaskResponse(headers={"Vary": "Accept-Language"}))
        assert answer.vary == ["Accept-Language, Cookie"]

    def test_error_page(self, adapt: Adapt) -> None:
        """
        Flask's answer to an exception carries what both wrote before it.
        """

        def fail() -> None:
            raise LookupError

        answer = self.ask(adapt, fail)
        assert answer.status == 500
        assert answer.set_cookie == [line_of_flask(self.MERGED)]

    def test_exception(self, adapt: Adapt) -> None:
        """
        An exception that Flask lets through comes through our middleware too.
        """
        inner = flask_app(lambda session: session["missing"])
        inner.config["PROPAGATE_EXCEPTIONS"] = True
        app = parent_app(adapt(inner), SessionConfig.from_flask(inner), write(ours=1))
        with pytest.raises(KeyError, match="missing"):
            ask_asgi(app, "/change")


def test_a_shared_response_carries_nobody_s_cookie() -> None:
    """
    A response object that is sent to everybody never carries one user's cookie to the next.
    """
    shared = PlainTextResponse("the same for all", headers={"Vary": "Accept"})
    untouched = copy.deepcopy(shared.raw_headers)

    async def write_if_named(scope: Scope, receive: Receive, send: Send) -> None:
        name = Request(scope).query_params.get("name")
        if name:
            Request(scope).session["user"] = name
        await shared(scope, receive, send)

    app = parent_app(write_if_named, SessionConfig.from_mapping({"SECRET_KEY": "secret"}))
    for name in ("ada", "bob"):
        answer = ask_asgi(app, f"/?name={name}")
        assert answer.session_headers == {
            "set-cookie": [line_of_flask({"user": name})],
            "vary": ["Accept, Cookie"],
        }
    assert ask_asgi(app, "/").session_headers == {"set-cookie": [], "vary": ["Accept"]}
    assert shared.raw_headers == untouched


def test_a_shared_message_carries_nobody_s_cookie() -> None:
    """
    Nor does an ASGI message that an app sends to everybody.
    """
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]}
    untouched = copy.deepcopy(start)

    async def write_and_answer(scope: Scope, receive: Receive, send: Send) -> None:
        Request(scope).session["user"] = scope["path"]
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    app = parent_app(write_and_answer, SessionConfig.from_mapping({"SECRET_KEY": "secret"}))
    for path in ("/ada", "/bob"):
        assert ask_asgi(app, path).set_cookie == [line_of_flask({"user": path})]
    assert start == untouched
