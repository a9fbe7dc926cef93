"""
One session for two: in a Flask app that `WSGIMiddleware` mounts, ``flask.session`` is ``request.session``.

The Flask app is real and unmodified, and what it answers by itself, as plain WSGI, is what it has to answer here.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import flask_session  # type: ignore[import-untyped]  # ships no types
import flask_wtf  # type: ignore[import-untyped]  # ships no types
import pytest
import time_machine
from a2wsgi import WSGIMiddleware as A2WSGIMiddleware
from cachelib import SimpleCache
from fastapi import FastAPI, Request
from flask.json.tag import JSONTag, TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from werkzeug.middleware.proxy_fix import ProxyFix

from starlette_flask import SessionConfig, SessionMiddleware, SessionSerializer
from starlette_flask.middleware.wsgi import WSGIMiddleware
from starlette_flask.stores import FlaskInterfaceStore, MemoryStore
from tests.helpers import Answer, Browser, ask_asgi, ask_wsgi
from tests.hostile import HOSTILE_COOKIES, SECRET_KEY, HostileCookie
from tests.hostile import NOW as HOSTILE_NOW
from tests.interop.apps import View, make_flask_app, make_interface, needs, needs_flask, see, write
from tests.middleware.client import Gate, Server

NOW = 1_700_000_000
YEAR = 365 * 24 * 3600

DELETED = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"

ADA = {"cart": ["tea"], "user": "ada"}
PERMANENT = {**ADA, "_permanent": True}

TOO_LATE = (
    "The session was changed after the response had started, and the change is lost;"
    " change it before anything is sent: not in a background task, a stream, or an accepted WebSocket."
)

# Changes a session; what it returns doesn't matter.
Change = Callable[[Any], Any]


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


def records_in(caplog: pytest.LogCaptureFixture, level: str = "WARNING") -> list[str]:
    """
    Return the messages of ours at this level.
    """
    records = [record for record in caplog.records if record.name.startswith("starlette_flask")]
    assert {record.name for record in records} <= {"starlette_flask.sessions"}
    return [record.getMessage() for record in records if record.levelname == level]


class FlaskRequest:
    """
    What a view that runs in both apps is given in Flask's.
    """

    @property
    def session(self) -> Any:
        return current_session()


def current_session() -> Any:
    return flask.session._get_current_object()  # type: ignore[attr-defined]  # a proxy, whatever its annotation


def is_shared() -> bool:
    """
    Tell, in a Flask view, whether the session is the one that Starlette's side has.
    """
    scope = flask.request.environ.get("asgi.scope", {})
    return current_session() is scope.get("session")


def page(change: Change, show: Callable[[], Any] = lambda: str(is_shared())) -> Callable[[], Any]:
    """
    Return a Flask view that does this with the session, and then shows something: by default, if it is shared.
    """

    def view() -> Any:
        change(flask.session)
        return show()

    return view


def nothing(request: Any) -> None:
    """
    A view that leaves the session alone.
    """


def in_session(change: Change) -> View:
    """
    Return a view that does this with the session, and shows nothing.
    """

    def view(request: Any) -> None:
        change(request.session)

    return view


def in_turn(*changes: Change) -> View:
    return in_session(lambda session: [change(session) for change in changes])


def set_attribute(name: str, value: object) -> Change:
    return lambda session: setattr(session, name, value)


def add_to_cart(session: Any) -> None:
    session["cart"].append("jam")


def delete_user(session: Any) -> None:
    del session["user"]


def update_in_place(session: Any) -> None:
    session |= {"n": 1}


def count(session: Any) -> None:
    session["n"] = session.get("n", 0) + 1


def dumped(data: dict[str, Any], config: SessionConfig | None = None, *, at: float = NOW) -> str:
    """
    Return *data* as a ``Cookie`` line.
    """
    config = config or SessionConfig(secret_key="secret")
    with time_machine.travel(at, tick=False):
        return f"{config.session_cookie}={config.signing_serializer.dumps(data)}"


def line(data: dict[str, Any]) -> str:
    """
    Return the ``Set-Cookie`` line that saves *data* as Flask does by default.
    """
    return f"{dumped(data)}; HttpOnly; Path=/"


class Between:
    """
    Middleware of the parent app, inside the session middleware: acts on the session before the mounted app
    is called, and after it has answered, when the response goes out.
    """

    def __init__(self, app: ASGIApp, before: Change | None = None, after: Change | None = None) -> None:
        self.app = app
        self.before = before
        self.after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_changed(message: Message) -> None:
            if message["type"] == "http.response.start" and self.after is not None:
                self.after(Request(scope).session)
            await send(message)

        if self.before is not None and scope["type"] == "http":
            self.before(Request(scope).session)
        await self.app(scope, receive, send_changed)


def mount(
    app: flask.Flask,
    config: SessionConfig | None = None,
    *,
    before: Change | None = None,
    after: Change | None = None,
    at: str = "/",
    adapt: Callable[[Any], ASGIApp] = WSGIMiddleware,
    **options: Any,
) -> FastAPI:
    """
    Return a FastAPI app that shows its session at ``/api``, with *app* mounted in it and one session for both.

    Args:
        app: The Flask app.
        config: The session middleware's; default: the Flask app's.
        before: What the parent does with the session before the Flask app is called.
        after: What it does when the Flask app has answered.
        at: Where it is mounted.
        adapt: Makes an ASGI app of it.
        options: Of the session middleware.
    """
    parent = FastAPI()

    @parent.get("/api")
    async def show(request: Request) -> dict[str, Any]:
        return dict(request.session)

    parent.mount(at, adapt(app))
    parent.add_middleware(Between, before=before, after=after)
    parent.add_middleware(SessionMiddleware, config=config or SessionConfig.from_flask(app), **options)
    return parent


class Trio:
    """
    The same view in three places: in a Flask app as it is, in the same app mounted, and in FastAPI beside it.

    Args:
        app: The Flask app. Set it up before: the others are configured from it here.
        options: Of our middleware.
    """

    def __init__(self, app: flask.Flask, **options: Any) -> None:
        self._app = app
        self._view: View = nothing
        app.add_url_rule("/", view_func=lambda: repr(self._view(FlaskRequest())))
        self._parent = mount(app, at="/legacy", **options)
        self._parent.router.routes.insert(0, Route("/beside", self._view_beside))

    def ask(self, view: View, *cookies: str, at: float = NOW) -> Answer:
        """
        Ask in all three places, check that they say the same in the same headers, and return the answer.
        """
        mounted = self.ask_flask(view, *cookies, at=at)
        beside = self._ask(partial(ask_asgi, self._parent, "/beside"), view, cookies, at)
        assert (mounted.body, mounted.session_headers) == (beside.body, beside.session_headers)
        return mounted

    def ask_flask(self, view: View, *cookies: str, at: float = NOW) -> Answer:
        """
        So in the two of Flask.
        """
        plain = self._ask(partial(ask_wsgi, self._app, "/"), view, cookies, at)
        mounted = self.ask_mounted(view, *cookies, at=at)
        assert (mounted.body, mounted.session_headers) == (plain.body, plain.session_headers)
        return mounted

    def ask_mounted(self, view: View, *cookies: str, at: float = NOW) -> Answer:
        return self._ask(partial(ask_asgi, self._parent, "/legacy/"), view, cookies, at)

    def _ask(self, ask: Callable[..., Answer], view: View, cookies: tuple[str, ...], at: float) -> Answer:
        self._view = view
        with time_machine.travel(at, tick=False):
            answer = ask(cookies=cookies)
        assert answer.status == 200
        return answer

    async def _view_beside(self, request: Request) -> Response:
        return Response(repr(self._view(request)))


class TestOneObject:
    """
    There is one session, and all of a request have it.
    """

    def test_both_sides_have_the_same_object(self) -> None:
        """
        A middleware of the parent has the very object before and after Flask's view that the view has.
        """
        seen: list[Any] = []
        app = make_flask_app()
        app.add_url_rule("/", view_func=page(lambda _: seen.append(current_session())))
        ask_asgi(mount(app, before=seen.append, after=seen.append), "/")
        before, within, after = seen
        assert before is within is after

    @pytest.mark.parametrize("carried", [{}, ADA], ids=["first visit", "with a cookie"])
    def test_each_sees_the_other_s_writes_at_once(self, carried: dict[str, Any]) -> None:
        """
        What one side writes, changes or deletes is so for the other from that moment, and all of it is saved.
        """
        seen: list[dict[str, Any]] = []

        def step(number: int) -> Change:
            def change(session: Any) -> None:
                seen.append(dict(session))
                session.pop(f"step {number - 1}", None)
                session[f"step {number}"] = number

            return change

        app = make_flask_app()
        app.before_request(lambda: step(2)(flask.session))
        app.add_url_rule("/", view_func=page(step(3)))

        @app.after_request
        def note(response: flask.Response) -> flask.Response:
            step(4)(flask.session)
            return response

        answer = ask_asgi(mount(app, before=step(1), after=step(5)), "/", cookies=[dumped(carried)] if carried else [])
        assert seen == [carried, *({**carried, f"step {number}": number} for number in range(1, 5))]
        assert answer.session_headers == {"set-cookie": [line({**carried, "step 5": 5})], "vary": ["Cookie"]}

    def test_while_the_view_runs(self) -> None:
        """
        They need no turns: while Flask's view waits in its thread, the event loop sees what it wrote, and answers.
        """
        gate = Gate()
        sessions: list[Any] = []
        app = make_flask_app()

        @app.get("/")
        def ask_and_wait() -> Any:
            flask.session["question"] = "tea?"
            gate.stop()
            return flask.session["answer"]

        with Server(mount(app, before=sessions.append)) as server:
            exchange = server.begin()
            gate.wait()
            [session] = sessions
            assert session["question"] == "tea?"
            session["answer"] = "please"
            gate.open()
            start, body = exchange.take_rest()[:2]
        assert body["body"] == b"please"
        cookies = [value.decode() for name, value in start["headers"] if name == b"set-cookie"]
        assert cookies == [line({"question": "tea?", "answer": "please"})]

    @pytest.mark.parametrize("carried", [ADA, PERMANENT], ids=["ordinary", "permanent"])
    def test_read_once_and_written_once(self, carried: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The cookie is verified, decoded and signed once per request, whoever reads and writes, and not by Flask.
        """
        calls: list[str] = []

        def watch(cls: type, name: str) -> None:
            method = getattr(cls, name)

            def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
                calls.append(f"{cls.__name__}.{name}")
                return method(self, *args, **kwargs)

            monkeypatch.setattr(cls, name, watched)

        app = make_flask_app()
        app.before_request(lambda: count(flask.session))
        app.add_url_rule("/", view_func=page(count))
        parent = mount(app, before=count, after=count)
        ask_asgi(parent, "/")  # whatever is to be decided once is decided
        cookie = dumped(carried)
        for name in ("check", "load_payload", "dump_value"):
            watch(SessionSerializer, name)
        for name in ("loads", "dumps"):
            watch(URLSafeTimedSerializer, name)
        answer = ask_asgi(parent, "/", cookies=[cookie])
        assert calls == ["SessionSerializer.check", "SessionSerializer.load_payload", "SessionSerializer.dump_value"]
        assert len(answer.set_cookie) == 1

    @needs("starlette", "1.0", "a session is decoded at once in older ones")
    def test_untouched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        That Flask opens the session of every request doesn't decode it: a view that needs none pays for none.
        """
        loaded: list[bytes] = []
        monkeypatch.setattr(SessionSerializer, "load_payload", lambda self, payload: loaded.append(payload))
        app = make_flask_app()
        app.add_url_rule("/", view_func=lambda: "hello")
        answer = ask_asgi(mount(app), "/", cookies=[dumped(ADA)])
        assert (answer.body, loaded) == (b"hello", [])
        assert answer.session_headers == {"set-cookie": [], "vary": []}

    @needs_flask("2.3", "an older JSON provider is asked in a context of its own")
    def test_no_more_contexts_than_flask_has(self) -> None:
        """
        Sharing enters no context of the app's: its teardown functions run once per request, as ever.
        """
        ended: list[object] = []
        app = make_flask_app()
        app.add_url_rule("/", view_func=page(count))
        app.teardown_appcontext(ended.append)
        parent = mount(app)
        ask_asgi(parent, "/")
        ended.clear()
        ask_asgi(parent, "/")
        assert len(ended) == 1

    @pytest.mark.parametrize("at", ["/", "/legacy", "/a/b"])
    def test_anywhere(self, at: str) -> None:
        """
        Wherever the app is mounted.
        """
        app = make_flask_app()
        app.add_url_rule("/page", view_func=lambda: str(is_shared()))
        assert ask_asgi(mount(app, at=at), f"{at.rstrip('/')}/page").body == b"True"

    def test_nested_mounts(self) -> None:
        """
        However deep, with another middleware of an equal config on the way too.
        """
        app = make_flask_app()
        app.add_url_rule("/page", view_func=lambda: str(is_shared()))
        again = Middleware(SessionMiddleware, config=SessionConfig.from_flask(app))
        inner = Starlette(routes=[Mount("/b", WSGIMiddleware(app))], middleware=[again])
        parent = Starlette(routes=[Mount("/a", inner)], middleware=[again])
        assert ask_asgi(parent, "/a/b/page").body == b"True"

    def test_behind_wsgi_middleware(self) -> None:
        """
        WSGI middleware around the app's ``wsgi_app``, as Flask's documentation has it, is no hindrance.
        """
        app = make_flask_app()
        app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]  # as documented
        app.add_url_rule("/", view_func=lambda: str(is_shared()))
        assert ask_asgi(mount(app), "/").body == b"True"

    def test_not_shared_on_demand(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        With ``share_session=False`` Flask has a session of its own, and nothing is reported.
        """
        app = make_flask_app()
        app.add_url_rule("/", view_func=lambda: str(is_shared()))
        parent = mount(app, adapt=partial(WSGIMiddleware, share_session=False))
        assert ask_asgi(parent, "/").body == b"False"
        assert records_in(caplog) == []


CHANGES = [
    pytest.param(nothing, id="nothing"),
    pytest.param(see, id="read all"),
    pytest.param(in_session(lambda session: session["user"]), id="read a key"),
    pytest.param(in_session(lambda session: session.get("missing")), id="read a missing key"),
    pytest.param(write({"n": 1}), id="write a key"),
    pytest.param(write({"user": "bob"}), id="change a key"),
    pytest.param(write({"user": "ada"}), id="write what is there"),
    pytest.param(in_turn(delete_user), id="delete a key"),
    pytest.param(in_session(lambda session: session.pop("user")), id="pop a key"),
    pytest.param(in_session(lambda session: session.setdefault("user", "bob")), id="setdefault, there"),
    pytest.param(in_session(lambda session: session.setdefault("n", 1)), id="setdefault, not there"),
    pytest.param(in_session(lambda session: session.update(n=1)), id="update"),
    pytest.param(in_session(lambda session: session.popitem()), id="popitem"),
    pytest.param(in_turn(add_to_cart, set_attribute("modified", True)), id="nested, marked"),
    pytest.param(in_turn(set_attribute("modified", True)), id="marked"),
    pytest.param(in_turn(count, set_attribute("modified", False)), id="change and take back"),
    pytest.param(in_session(lambda session: session.clear()), id="clear"),
    pytest.param(in_turn(lambda session: session.clear(), count), id="clear and write"),
    pytest.param(in_turn(set_attribute("permanent", True)), id="make permanent"),
    pytest.param(in_turn(set_attribute("permanent", False)), id="make not permanent"),
    pytest.param(in_session(lambda session: session.permanent), id="ask whether permanent"),
    pytest.param(in_session(lambda session: session.pop("_permanent", session.get("user"))), id="end permanence"),
]

NEW_CHANGES = [
    pytest.param(in_session(bool), id="touch"),
    pytest.param(in_session(lambda session: "user" in session), id="ask for a key"),
    pytest.param(in_session(dict), id="copy"),
    pytest.param(in_session(len), id="count"),
    pytest.param(in_session(lambda session: session.pop("missing", None)), id="pop a missing key"),
    pytest.param(in_session(update_in_place), id="update in place"),
]


class TestAsInFlask:
    """
    Flask's own answer, the mounted app's, and FastAPI's for the same view have the same session headers.
    """

    @pytest.mark.parametrize("refreshes", [True, False], ids=["refresh", "no refresh"])
    @pytest.mark.parametrize("carried", [ADA, PERMANENT], ids=["ordinary", "permanent"])
    @pytest.mark.parametrize("view", CHANGES)
    def test_with_a_cookie(self, view: View, carried: dict[str, Any], refreshes: bool) -> None:
        """
        Whatever a view does with the session that came, a minute later.
        """
        trio = Trio(make_flask_app(SESSION_REFRESH_EACH_REQUEST=refreshes))
        trio.ask(view, dumped(carried), at=NOW + 60)

    @pytest.mark.parametrize("carried", [ADA, PERMANENT], ids=["ordinary", "permanent"])
    @pytest.mark.parametrize("view", NEW_CHANGES)
    @needs_flask("3.1.3", "a mere touch of the session counts as access")
    def test_with_a_cookie_in_new_versions(self, view: View, carried: dict[str, Any]) -> None:
        """
        So it is with what older versions of Flask didn't notice.
        """
        Trio(make_flask_app()).ask(view, dumped(carried), at=NOW + 60)

    @pytest.mark.parametrize(
        "view",
        [
            pytest.param(nothing, id="nothing"),
            pytest.param(see, id="read"),
            pytest.param(write({"n": 1}), id="write"),
            pytest.param(write({"_permanent": True}), id="write permanent"),
            pytest.param(in_turn(set_attribute("permanent", True), count), id="make permanent and write"),
            pytest.param(in_turn(count, lambda session: session.clear(), count), id="write, clear, write"),
            pytest.param(in_turn(count, set_attribute("modified", False)), id="change and take back"),
        ],
    )
    @pytest.mark.parametrize(
        "cookies",
        [
            pytest.param((), id="none"),
            pytest.param(("session=",), id="empty"),
            pytest.param(("session=garbage",), id="garbage"),
            pytest.param((dumped(ADA)[:-1],), id="tampered"),
            pytest.param((dumped(PERMANENT, at=NOW - YEAR),), id="expired"),
            pytest.param((dumped(ADA, SessionConfig(secret_key="another")),), id="another key"),
        ],
    )
    def test_without_a_good_cookie(self, view: View, cookies: tuple[str, ...]) -> None:
        """
        Whatever a view does with a new session, where no cookie came or one that can't be accepted.
        """
        Trio(make_flask_app()).ask(view, *cookies)

    @pytest.mark.parametrize(
        "settings",
        [
            {"SESSION_COOKIE_NAME": "id"},
            {"SESSION_COOKIE_DOMAIN": "example.com"},
            {"SESSION_COOKIE_PATH": "/legacy"},
            {"APPLICATION_ROOT": "/legacy"},
            {"SESSION_COOKIE_HTTPONLY": False},
            {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_SAMESITE": "None"},
            {"SESSION_COOKIE_SAMESITE": "Strict"},
            {"PERMANENT_SESSION_LIFETIME": 3600},
            {"SECRET_KEY": b"\xff\x00bytes"},
            {"SECRET_KEY": "schl\u00fcssel"},
            pytest.param(
                {"SECRET_KEY_FALLBACKS": ["older", "old"]},
                marks=needs_flask("3.1", "keys can be changed"),
                id="fallbacks",
            ),
            pytest.param(
                {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_PARTITIONED": True},
                marks=needs_flask("3.1", "cookies can be partitioned"),
                id="partitioned",
            ),
        ],
        ids=lambda settings: " ".join(f"{key}={value}" for key, value in settings.items()),
    )
    def test_settings(self, settings: dict[str, Any]) -> None:
        """
        Whatever the app says of its cookie: it is shared, and written byte for byte as Flask writes it.
        """
        app = make_flask_app(**settings)
        config = SessionConfig.from_flask(app)
        trio = Trio(app)
        assert trio.ask_mounted(lambda request: is_shared()).body == b"True"
        for carried in ({}, ADA, PERMANENT):
            cookies = [dumped(carried, config)] if carried else []
            for view in (see, write({"n": 1}), write({"_permanent": True})):
                trio.ask(view, *cookies)
            if carried:
                trio.ask(in_session(lambda session: session.clear()), *cookies)

    @pytest.mark.parametrize(
        "attributes",
        [
            pytest.param({"salt": "pepper"}, id="salt"),
            pytest.param({"key_derivation": "django-concat"}, id="key derivation"),
            pytest.param({"digest_method": staticmethod(__import__("hashlib").sha512)}, id="digest"),
            pytest.param({"get_cookie_name": lambda self, app: "id"}, id="name"),
            pytest.param({"get_cookie_path": lambda self, app: "/legacy"}, id="path"),
            pytest.param({"get_cookie_samesite": lambda self, app: "Strict"}, id="same site"),
        ],
    )
    def test_interfaces(self, attributes: dict[str, Any]) -> None:
        """
        Whatever an interface of the app's own says, as long as it is about the cookie.
        """
        app = make_flask_app()
        app.session_interface = make_interface(**attributes)
        trio = Trio(app)
        assert trio.ask_mounted(lambda request: is_shared()).body == b"True"
        for view in (see, write({"n": 1}), in_session(lambda session: session.clear())):
            trio.ask(view, dumped(ADA, SessionConfig.from_flask(app)))

    def test_tags(self) -> None:
        """
        So with tags of the app's own: what they make of a value is what both sides see.
        """

        class Money(int):
            pass

        class TagMoney(JSONTag):
            key = " $"

            def check(self, value: Any) -> bool:
                return isinstance(value, Money)

            def to_json(self, value: Any) -> Any:
                return str(int(value))

            def to_python(self, value: Any) -> Any:
                return Money(value)

        tagged = TaggedJSONSerializer()
        tagged.register(TagMoney, index=0)
        app = make_flask_app()
        app.session_interface = make_interface(serializer=tagged)
        trio = Trio(app)
        cookie = trio.ask(write({"price": Money(5)})).cookie
        assert trio.ask_mounted(lambda request: is_shared(), cookie).body == b"True"
        assert trio.ask(lambda request: type(request.session["price"]).__name__, cookie).body == b"'Money'"

    @needs_flask("2.3", "an older JSON provider is another serializer than ours")
    def test_the_middleware_s_attributes(self) -> None:
        """
        How the cookie is written is for the middleware to say: the app's way to do it need not be the same.
        """
        app = make_flask_app(SESSION_COOKIE_SECURE=True, PERMANENT_SESSION_LIFETIME=60)
        app.add_url_rule("/", view_func=page(count))
        parent = mount(app, SessionConfig(secret_key="secret", max_age=3600))
        answer = ask_asgi(parent, "/")
        assert answer.body == b"True"
        assert answer.set_cookie == [f"{dumped({'n': 1})}; Max-Age=3600; HttpOnly; Path=/; SameSite=Lax"]


class TestOtherwiseThanFlask:
    """
    Where a shared session differs from Flask's own: nothing is lost, and nothing is deleted that isn't there.
    """

    def test_nested_change(self) -> None:
        """
        A change within a value is saved without ``session.modified = True``.
        """
        answer = Trio(make_flask_app()).ask_mounted(in_session(add_to_cart), dumped(ADA))
        assert answer.set_cookie == [line({**ADA, "cart": ["tea", "jam"]})]

    def test_nested_change_untracked(self) -> None:
        """
        With ``track_nested=False`` it is lost, as in Flask.
        """
        answer = Trio(make_flask_app(), track_nested=False).ask(in_session(add_to_cart), dumped(ADA))
        assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}

    @pytest.mark.parametrize(
        "view", [in_session(lambda session: session.clear()), in_turn(set_attribute("modified", True))]
    )
    def test_nothing_to_delete(self, view: View) -> None:
        """
        An empty session is not deleted where no cookie came.
        """
        answer = Trio(make_flask_app()).ask_mounted(view)
        assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}

    @pytest.mark.parametrize(("cookies", "new"), [((), True), ((dumped(ADA),), False), (("session=bad",), True)])
    def test_new(self, cookies: tuple[str, ...], new: bool) -> None:
        """
        ``flask.session.new`` tells whether a valid session came; Flask's own says False always.
        """
        answer = Trio(make_flask_app()).ask_mounted(lambda request: request.session.new, *cookies)
        assert answer.body == str(new).encode()


class TestAttributes:
    """
    ``permanent``, ``modified`` and ``accessed`` say of the request what they say in Flask, to both sides.
    """

    @pytest.mark.parametrize(
        ("view", "accessed", "modified", "permanent"),
        [
            pytest.param(nothing, False, False, False, id="nothing"),
            pytest.param(see, True, False, False, id="read"),
            pytest.param(in_session(count), True, True, False, id="write"),
            pytest.param(in_session(add_to_cart), True, True, False, id="nested"),
            pytest.param(in_turn(set_attribute("permanent", True)), True, True, True, id="make permanent"),
            pytest.param(in_turn(set_attribute("modified", True)), True, True, False, id="mark"),
        ],
    )
    def test_after_flask(self, view: View, accessed: bool, modified: bool, permanent: bool) -> None:
        """
        The parent knows what Flask's view did.
        """
        seen: list[Any] = []

        class Look:
            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                async def send_and_look(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        session = scope["session"]  # request.session would be an access
                        seen.append(session.accessed)
                        seen.append((session.modified, session.permanent))
                    await send(message)

                await self.app(scope, receive, send_and_look)

        app = make_flask_app()
        app.add_url_rule("/", view_func=lambda: repr(view(FlaskRequest())))
        parent = mount(app)
        parent.user_middleware.insert(1, Middleware(Look))
        ask_asgi(parent, "/", cookies=[dumped(ADA)])
        assert seen == [accessed, (modified, permanent)]

    @pytest.mark.parametrize(
        ("before", "modified", "permanent"),
        [
            pytest.param(lambda session: session.get("user"), False, False, id="read"),
            pytest.param(count, True, False, id="write"),
            pytest.param(add_to_cart, True, False, id="nested"),
            pytest.param(set_attribute("permanent", True), True, True, id="make permanent"),
            pytest.param(set_attribute("modified", True), True, False, id="mark"),
        ],
    )
    def test_before_flask(self, before: Change, modified: bool, permanent: bool) -> None:
        """
        Flask's view knows what the parent did.
        """
        app = make_flask_app()
        app.add_url_rule("/", view_func=lambda: [flask.session.modified, flask.session.permanent])
        answer = ask_asgi(mount(app, before=before), "/", cookies=[dumped(ADA)])
        assert answer.json == [modified, permanent]

    def test_flask_takes_back_what_we_changed(self) -> None:
        """
        ``flask.session.modified = False`` keeps from being saved what either side changed up to then.
        """
        app = make_flask_app()
        app.add_url_rule("/", view_func=page(set_attribute("modified", False)))
        answer = ask_asgi(mount(app, before=count), "/", cookies=[dumped(ADA)])
        assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}


@pytest.mark.parametrize("cookie", HOSTILE_COOKIES, ids=str)
def test_hostile_cookies(cookie: HostileCookie, caplog: pytest.LogCaptureFixture) -> None:
    """
    What a client sends in place of a good cookie is for the mounted app what it is for FastAPI: never an error.
    """
    app = make_flask_app(SECRET_KEY=SECRET_KEY)
    app.add_url_rule("/read", "read", lambda: repr(dict(flask.session)))
    app.add_url_rule("/clear", "clear", page(lambda session: session.clear()))
    parent = mount(app)
    with time_machine.travel(HOSTILE_NOW, tick=False):
        read = ask_asgi(parent, "/read", cookies=cookie.lines)
        messages = records_in(caplog, "INFO")
        cleared = ask_asgi(parent, "/clear", cookies=cookie.lines)
    assert (read.status, read.body.decode()) == (200, repr(dict(cookie.session)))
    assert read.session_headers == {"set-cookie": [], "vary": ["Cookie"]}
    assert cleared.session_headers == {"set-cookie": [DELETED] if cookie.is_carried else [], "vary": ["Cookie"]}
    assert len(messages) == (cookie.reason is not None)
    assert records_in(caplog) == []


def ask_both(app: flask.Flask, path: str = "/", *cookies: str) -> Answer:
    """
    Ask a Flask app as it is and mounted, check that both answer the same, and return the answer.
    """
    plain = ask_wsgi(app, path, cookies=cookies)
    mounted = ask_served(mount(app), path, *cookies)
    assert (mounted.status, mounted.body) == (plain.status, plain.body)
    assert mounted.session_headers == plain.session_headers
    return mounted


def ask_served(parent: ASGIApp, path: str = "/", *cookies: str) -> Answer:
    """
    Ask an app as a client that stays until the response is complete, however many parts it comes in.
    """
    with Server(parent) as server:
        start, *parts = server.begin(path, headers=[("cookie", cookie) for cookie in cookies]).take_rest()
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
    return Answer(start["status"], headers, b"".join(part["body"] for part in parts))


class TestAroundTheView:
    """
    Whatever of Flask uses the session beside views.
    """

    def test_hooks(self) -> None:
        """
        Functions before and after the request, and after this one request, use the session as in Flask.
        """
        app = make_flask_app()
        seen: list[str | None] = []

        @app.before_request
        def before() -> None:
            flask.session["hooks"] = "before"

        @app.after_request
        def after(response: flask.Response) -> flask.Response:
            flask.session["hooks"] += " after"
            return response

        @app.teardown_request
        def teardown(error: BaseException | None) -> None:
            seen.append(flask.session.get("hooks"))

        @app.get("/")
        def view() -> str:
            @flask.after_this_request
            def note(response: flask.Response) -> flask.Response:
                flask.session["hooks"] += " this"
                return response

            flask.session["hooks"] += " view"
            return ""

        answer = ask_both(app, "/", dumped(ADA))
        assert answer.set_cookie == [line({**ADA, "hooks": "before view this after"})]
        assert seen == ["before view this after"] * 2

    def test_a_hook_answers(self) -> None:
        """
        So does one that answers in place of the view.
        """
        app = make_flask_app()
        app.before_request(lambda: flask.session.pop("user") + " has left")
        assert ask_both(app, "/", dumped(ADA)).body == b"ada has left"

    def test_templates(self) -> None:
        """
        A template's ``session`` is the shared one, by attribute and by key.
        """
        app = make_flask_app()
        template = "{{ session.user }} {{ session['cart'][0] }} {{ session.missing }}{{ session.permanent }}"
        app.add_url_rule("/", view_func=lambda: flask.render_template_string(template))
        assert ask_both(app, "/", dumped(ADA)).body == b"ada tea False"

    def test_another_thread(self) -> None:
        """
        What a view starts in a thread of its own, with ``copy_current_request_context``, has the session too.
        """
        app = make_flask_app()

        @app.get("/")
        def view() -> str:
            thread = threading.Thread(target=flask.copy_current_request_context(lambda: count(flask.session)))
            thread.start()
            thread.join()
            return str(flask.session["n"])

        assert ask_both(app, "/", dumped(ADA)).body == b"1"

    def test_stream(self) -> None:
        """
        A stream made with ``stream_with_context`` reads the session to its end.
        """
        app = make_flask_app()

        @app.get("/")
        def view() -> flask.Response:
            def stream() -> Iterator[str]:
                for key in ("user", "cart", "user"):
                    yield f"{flask.session[key]} "

            count(flask.session)
            return flask.Response(flask.stream_with_context(stream()))

        answer = ask_both(app, "/", dumped(ADA))
        assert (answer.body, answer.set_cookie) == (b"ada ['tea'] ada ", [line({**ADA, "n": 1})])

    def test_stream_writes(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        What it writes after its first chunk is lost, as in Flask, but not without a word; and so it is every time.
        """
        app = make_flask_app()

        @app.get("/")
        def view() -> flask.Response:
            def stream() -> Iterator[str]:
                yield flask.session["user"]
                count(flask.session)
                yield " again"

            return flask.Response(flask.stream_with_context(stream()))

        parent = mount(app)
        for _ in range(20):
            answer = ask_served(parent, "/", dumped(ADA))
            assert answer.body == b"ada again"
            assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}
        assert records_in(caplog) == [TOO_LATE] * 20

    def test_before_the_first_byte(self) -> None:
        """
        The session is saved when the response starts. So what teardown functions write is saved as well, and what
        a stream writes before its first chunk; in Flask it is too late for them.
        """
        app = make_flask_app()
        app.teardown_request(lambda error: flask.session.update(teardown=1))
        app.add_url_rule("/", view_func=lambda: "page")
        assert ask_served(mount(app), "/").set_cookie == [line({"teardown": 1})]

        app = make_flask_app()

        @app.get("/")
        def view() -> flask.Response:
            def stream() -> Iterator[str]:
                count(flask.session)
                yield "started"

            return flask.Response(flask.stream_with_context(stream()))

        assert ask_served(mount(app), "/").set_cookie == [line({"n": 1})]

    def test_read_while_it_is_saved(self) -> None:
        """
        A thread that the view has started may still read when the event loop saves the session.
        """
        gate = Gate()
        seen: list[Any] = []

        class Slow:
            def __html__(self) -> str:
                gate.stop()
                return "slow"

        app = make_flask_app()

        @app.get("/")
        def view() -> str:
            @flask.copy_current_request_context
            def read() -> None:
                gate.wait()
                seen.append(flask.session["cart"])
                gate.open()

            flask.session["slow"] = Slow()
            assert flask.session["slow"]
            threading.Thread(target=read).start()
            return ""

        answer = ask_asgi(mount(app), "/", cookies=[dumped(ADA)])
        assert (seen, answer.set_cookie) == ([["tea"]], [line({**ADA, "slow": Markup("slow")})])

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(count, id="write"),
            pytest.param(lambda session: session.clear(), id="clear"),
            pytest.param(lambda session: session.get("user"), id="read"),
        ],
    )
    @pytest.mark.parametrize("where", ["view", "handler"])
    @pytest.mark.parametrize("status", [403, 404, 500])
    def test_errors(self, status: int, where: str, change: Change) -> None:
        """
        An error's answer carries what the view wrote before it, and what the handler wrote.
        """
        app = make_flask_app(TESTING=False)

        @app.get("/")
        def view() -> str:
            if where == "view":
                change(flask.session)
            if status == 500:
                raise LookupError
            flask.abort(status)

        @app.errorhandler(status)
        def handle(error: Exception) -> tuple[str, int]:
            if where == "handler":
                change(flask.session)
            return "sorry", status

        answer = ask_both(app, "/", dumped(ADA))
        assert (answer.status, answer.body, answer.vary) == (status, b"sorry", ["Cookie"])

    def test_no_such_page(self) -> None:
        """
        So it is where there is no view at all, which Flask finds out with the session open.
        """
        app = make_flask_app()
        app.before_request(lambda: count(flask.session))
        assert ask_both(app, "/missing", dumped(ADA)).status == 404

    def test_unhandled_error(self) -> None:
        """
        An error that Flask lets through comes through us, and nothing is saved.
        """
        app = make_flask_app(PROPAGATE_EXCEPTIONS=True)
        app.add_url_rule("/", view_func=page(count, lambda: flask.session["missing"]))
        with pytest.raises(KeyError, match="missing"):
            ask_asgi(mount(app), "/")

    def test_what_can_t_be_saved(self) -> None:
        """
        A session with a value that has no form in JSON is an error of the app's, in Flask's view as in FastAPI's.
        """
        app = make_flask_app()
        app.add_url_rule("/", view_func=page(lambda session: session.update(value=object())))
        parent = mount(app)
        parent.router.routes.insert(0, Route("/beside", _write_object))
        for path in ("/", "/beside"):
            with pytest.raises(TypeError, match="JSON"):
                ask_asgi(parent, path)


async def _write_object(request: Request) -> Response:
    request.session["value"] = object()
    return Response()


class User(flask_login.UserMixin):  # type: ignore[misc]  # ships no types
    def __init__(self, user_id: str) -> None:
        self.id = user_id


# What Flask-Login looks at, the same for every adapter.
CLIENT = [("user-agent", "a browser"), ("x-forwarded-for", "192.0.2.1")]


class TestExtensions:
    """
    Extensions that use the session, unmodified.
    """

    @pytest.fixture
    def login_app(self) -> flask.Flask:
        app = make_flask_app()
        manager = flask_login.LoginManager(app)
        manager.login_view = "enter"
        manager.refresh_view = "confirm"
        manager.user_loader(User)

        @app.get("/login")
        def enter() -> str:
            user = User(flask.request.args["user"])
            flask_login.login_user(user, remember="remember" in flask.request.args)
            return "in"

        @app.get("/confirm")
        @flask_login.login_required  # type: ignore[untyped-decorator]
        def confirm() -> str:
            flask_login.confirm_login()
            return "confirmed"

        @app.get("/logout")
        def logout() -> str:
            flask_login.logout_user()
            return "out"

        @app.get("/me")
        def me() -> str:
            return f"{flask_login.current_user.get_id()}, fresh: {flask_login.login_fresh()}"

        @app.get("/orders")
        @flask_login.login_required  # type: ignore[untyped-decorator]
        def orders() -> str:
            return "orders"

        @app.get("/password")
        @flask_login.fresh_login_required  # type: ignore[untyped-decorator]
        def password() -> str:
            return "password"

        return app

    @pytest.mark.parametrize("protection", ["basic", "strong", None])
    def test_flask_login(self, login_app: flask.Flask, protection: str | None) -> None:
        """
        A user's life with Flask-Login: each answer is the one that the app gives by itself, line by line.
        """
        login_app.login_manager.session_protection = protection  # type: ignore[attr-defined]  # Flask-Login's
        alone = Browser(partial(ask_wsgi, login_app))
        mounted = Browser(partial(ask_asgi, mount(login_app)))
        story = [
            ("/me", b"None, fresh: False"),
            ("/orders", None),
            ("/login?user=ada", b"in"),
            ("/me", b"ada, fresh: True"),
            ("/password", b"password"),
            ("/logout", b"out"),
            ("/orders", None),
            ("/login?user=ada&remember", b"in"),
            ("browser closed", b""),
            ("/me", b"ada, fresh: False"),
            ("/orders", b"orders"),
            ("/password", None),
            ("/confirm", b"confirmed"),
            ("/password", b"password"),
            ("/login?user=bob", b"in"),
            ("/me", b"bob, fresh: True"),
            ("/logout", b"out"),
            ("/me", b"None, fresh: False"),
            ("browser closed", b""),
            ("/me", b"None, fresh: False"),
        ]
        for path, body in story:
            if path == "browser closed":
                for browser in (alone, mounted):
                    browser.cookies.pop(("session", "", "/"), None)
                continue
            expected = alone.visit(path, headers=CLIENT)
            answer = mounted.visit(path, headers=CLIENT)
            assert (answer.status, answer.body) == (expected.status, expected.body)
            assert answer.session_headers == expected.session_headers
            assert answer.lines("location") == expected.lines("location")
            if protection != "strong":  # which drops a user that it has just remembered
                assert (answer.body if body is not None else answer.status) == (302 if body is None else body)
            assert mounted.cookies == alone.cookies

    def test_flask_login_in_fastapi(self, login_app: flask.Flask) -> None:
        """
        The parent knows in the same request who logs in and out, and can log a user out before Flask is asked.
        """
        users: list[Any] = []
        config = SessionConfig.from_flask(login_app)
        browser = Browser(
            partial(ask_asgi, mount(login_app, after=lambda session: users.append(session.get("_user_id"))))
        )
        for path in ("/login?user=ada", "/me", "/logout", "/login?user=bob"):
            browser.visit(path, headers=CLIENT)
        assert users == ["ada", "ada", None, "bob"]
        strict = mount(login_app, config, before=lambda session: session.clear())
        browser.ask = partial(ask_asgi, strict)
        assert browser.visit("/me", headers=CLIENT).body == b"None, fresh: False"

    def test_flask_login_prefix(self, login_app: flask.Flask) -> None:
        """
        Under a prefix, the redirect to the login page has it, and the session's cookie is the same.
        """
        parent = mount(login_app, at="/legacy")
        answer = ask_asgi(parent, "/legacy/orders")
        assert answer.lines("location") == ["/legacy/login?next=%2Flegacy%2Forders"]
        assert answer.set_cookie == [line({"_flashes": [("message", "Please log in to access this page.")]})]
        browser = Browser(partial(ask_asgi, parent))
        browser.visit("/legacy/login?user=ada", headers=CLIENT)
        assert browser.visit("/legacy/orders", headers=CLIENT).body == b"orders"
        assert browser.visit("/api").json["_user_id"] == "ada"

    @pytest.fixture
    def csrf_app(self) -> flask.Flask:
        app = make_flask_app()
        flask_wtf.CSRFProtect(app)

        class Form(flask_wtf.FlaskForm):  # type: ignore[misc]  # ships no types
            pass

        @app.route("/form", methods=["GET", "POST"])
        def form() -> str:
            form = Form()
            return "accepted" if form.validate_on_submit() else str(form.csrf_token.current_token)

        return app

    def test_flask_wtf(self, csrf_app: flask.Flask) -> None:
        """
        Flask-WTF takes the token that it made, and no other; the secret in the session is the parent's to see.
        """
        browser = Browser(partial(ask_asgi, mount(csrf_app)))
        form: dict[str, Any] = {"headers": [("content-type", "application/x-www-form-urlencoded")], "method": "POST"}
        assert browser.visit("/form", body=b"name=ada", **form).status == 400
        token = browser.visit("/form").body
        assert len(browser.visit("/api").json["csrf_token"]) == 40
        assert browser.visit("/form", body=b"csrf_token=" + token, **form).body == b"accepted"
        assert browser.visit("/form", body=b"csrf_token=x" + token, **form).status == 400
        assert Browser(browser.ask).visit("/form", body=b"csrf_token=" + token, **form).status == 400

    def test_flask_wtf_when_we_clear(self, csrf_app: flask.Flask) -> None:
        """
        When the parent clears the session in the request, Flask-WTF has no secret any more, and makes a new one.
        """
        browser = Browser(partial(ask_asgi, mount(csrf_app)))
        browser.visit("/form")
        secret = browser.visit("/api").json
        browser.ask = partial(ask_asgi, mount(csrf_app, before=lambda session: session.clear()))
        browser.visit("/form")
        browser.ask = partial(ask_asgi, mount(csrf_app))
        assert browser.visit("/api").json.keys() == secret.keys()
        assert browser.visit("/api").json != secret

    def test_flash(self) -> None:
        """
        A message that Flask flashes is a tuple in the parent's session at once, and the other way round.
        """
        seen: list[Any] = []
        app = make_flask_app()
        app.add_url_rule("/flash", "flash", page(lambda _: flask.flash("saved", "info")))
        app.add_url_rule("/show", "show", lambda: repr(flask.get_flashed_messages(with_categories=True)))

        def say_hello(session: Any) -> None:
            session["_flashes"] = [*session.get("_flashes", ()), ("message", "hello")]

        parent = mount(app, before=say_hello, after=lambda session: seen.append(session.get("_flashes")))
        browser = Browser(partial(ask_asgi, parent))
        browser.visit("/flash")
        assert browser.visit("/show").body == b"[('message', 'hello'), ('info', 'saved'), ('message', 'hello')]"
        assert seen == [[("message", "hello"), ("info", "saved")], None]


class InMemory(SessionInterface):
    """
    Sessions that aren't in the cookie: an interface of somebody's own.
    """

    class Session(dict[str, Any], SessionMixin):
        pass

    def __init__(self) -> None:
        self.sessions: dict[str, Any] = {"id": self.Session()}

    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        return self.sessions["id"]

    def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
        response.set_cookie("in_memory", "id")


def with_interface(interface: SessionInterface) -> flask.Flask:
    app = make_flask_app()
    app.session_interface = interface
    return app


def with_flask_session(**settings: Any) -> flask.Flask:
    """
    Return an app whose sessions Flask-Session keeps in memory.
    """
    app = make_flask_app(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache(), **settings)
    flask_session.Session(app)
    return app


class OwnSession(SecureCookieSession):
    pass


NOT_OURS = [
    # An app that can't share its session with SessionConfig(secret_key="secret", ...), and why, as the log says it.
    pytest.param(lambda: make_flask_app(SECRET_KEY="another"), "secret_key", id="secret key"),
    pytest.param(
        lambda: make_flask_app(SECRET_KEY_FALLBACKS=["old"]),
        "secret_key_fallbacks",
        marks=needs_flask("3.1", "keys can be changed"),
        id="fallbacks",
    ),
    pytest.param(lambda: make_flask_app(SESSION_COOKIE_NAME="id"), "session_cookie", id="name"),
    pytest.param(lambda: make_flask_app(SESSION_COOKIE_PATH="/legacy"), "path", id="path"),
    pytest.param(lambda: make_flask_app(APPLICATION_ROOT="/legacy"), "path", id="application root"),
    pytest.param(lambda: make_flask_app(SESSION_COOKIE_DOMAIN="example.com"), "domain", id="domain"),
    pytest.param(
        lambda: make_flask_app(SESSION_COOKIE_PARTITIONED=True),
        "partitioned",
        marks=needs_flask("3.1", "cookies can be partitioned"),
        id="partitioned",
    ),
    pytest.param(lambda: with_interface(make_interface(salt="pepper")), "salt", id="salt"),
    pytest.param(lambda: with_interface(make_interface(key_derivation="none")), "signer_kwargs", id="key derivation"),
    pytest.param(lambda: with_interface(make_interface(serializer=flask.json)), "serializer", id="serializer"),
    pytest.param(with_flask_session, "flask_session", id="Flask-Session"),
    pytest.param(lambda: with_flask_session(SESSION_COOKIE_NAME="id"), "flask_session", id="Flask-Session, name"),
    pytest.param(lambda: with_interface(InMemory()), "InMemory", id="interface"),
]


class TestNotShared:
    """
    An app whose cookie isn't the middleware's has a session of its own, and one WARNING says so.
    """

    CONFIG = SessionConfig(secret_key="secret", same_site=None)

    @pytest.mark.parametrize(("make_app", "why"), NOT_OURS)
    def test_reported_once(
        self, make_app: Callable[[], flask.Flask], why: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        The first request to the app reports what differs and what to do, and no other.
        """
        app = make_app()
        app.add_url_rule("/", view_func=lambda: str(is_shared()))
        parent = mount(app, self.CONFIG, at="/legacy")
        ask_asgi(parent, "/api")
        assert records_in(caplog) == []
        for _ in range(3):
            assert ask_asgi(parent, "/legacy/").body == b"False"
        [message] = records_in(caplog)
        assert why in message
        assert "share_session=False" in message

    @pytest.mark.parametrize(("make_app", "why"), NOT_OURS)
    def test_not_reported_on_demand(
        self, make_app: Callable[[], flask.Flask], why: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        Who says ``share_session=False`` knows.
        """
        app = make_app()
        app.add_url_rule("/", view_func=lambda: str(is_shared()))
        parent = mount(app, self.CONFIG, adapt=partial(WSGIMiddleware, share_session=False))
        assert ask_asgi(parent, "/").body == b"False"
        assert records_in(caplog) == []

    @pytest.mark.parametrize(
        ("make_app", "why"),
        # Of the others the parent can read what Flask wrote, and can't know better.
        [case for case in NOT_OURS if case.id not in ("fallbacks", "domain", "partitioned", "serializer")],
    )
    def test_each_has_its_own(self, make_app: Callable[[], flask.Flask], why: str) -> None:
        """
        Flask reads what Flask wrote, and the parent isn't concerned.
        """
        app = make_app()
        app.add_url_rule("/count", view_func=page(count, lambda: str(flask.session["n"])))
        browser = Browser(partial(ask_asgi, mount(app, self.CONFIG, at="/legacy")))
        for number in (b"1", b"2", b"3"):
            assert browser.visit("/legacy/count").body == number
            assert browser.visit("/api").json == {}

    @pytest.mark.parametrize(
        "settings",
        [
            {"SESSION_COOKIE_NAME": "id"},
            {"SESSION_COOKIE_PATH": "/legacy"},
            {"APPLICATION_ROOT": "/legacy"},
            {"SESSION_COOKIE_DOMAIN": "example.com"},
        ],
        ids=str,
    )
    def test_two_cookies(self, settings: dict[str, Any]) -> None:
        """
        Two cookies go out, each as its side writes it.
        """
        app = make_flask_app(**settings)
        app.add_url_rule("/", view_func=page(lambda session: session.update(theirs=1)))
        answer = ask_asgi(mount(app, self.CONFIG, before=count), "/")
        assert answer.set_cookie == [*ask_wsgi(app, "/").set_cookie, line({"n": 1})]

    @pytest.mark.parametrize("before", [None, count], ids=["Flask writes", "both write"])
    def test_one_cookie_and_two_keys(self, before: Change | None) -> None:
        """
        Of two sessions in one cookie only one can go out: Flask's, unless the parent has something to save.
        """
        app = make_flask_app(SECRET_KEY="another")
        app.add_url_rule("/", view_func=page(lambda session: session.update(theirs=1)))
        answer = ask_asgi(mount(app, self.CONFIG, before=before), "/")
        assert answer.set_cookie == (ask_wsgi(app, "/").set_cookie if before is None else [line({"n": 1})])

    @pytest.mark.parametrize("adapt", [WSGIMiddleware, partial(WSGIMiddleware, share_session=False), A2WSGIMiddleware])
    def test_no_secret_key(self, adapt: Callable[[Any], ASGIApp]) -> None:
        """
        A Flask app without a secret key has no session, as ever: it reads nothing and can't write; the parent can.
        """
        app = make_flask_app(SECRET_KEY=None)
        app.add_url_rule("/read", "read", lambda: repr(flask.session.get("user")))
        app.add_url_rule("/write", "write", page(lambda session: session.update(user="eve")))
        parent = mount(app, self.CONFIG, before=count, adapt=adapt)
        answer = ask_asgi(parent, "/read", cookies=[dumped(ADA)])
        assert (answer.body, answer.set_cookie) == (b"None", [line({**ADA, "n": 1})])
        with pytest.raises(RuntimeError, match="no secret key was set"):
            ask_asgi(parent, "/write", cookies=[dumped(ADA)])

    def test_no_secret_key_is_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        That is reported like everything that keeps a session from being shared.
        """
        app = make_flask_app(SECRET_KEY=None)
        app.add_url_rule("/", view_func=lambda: "")
        parent = mount(app, self.CONFIG)
        for _ in range(2):
            ask_asgi(parent, "/")
        [message] = records_in(caplog)
        assert "no secret key; set app.secret_key" in message

    @pytest.mark.parametrize(
        "attributes",
        [
            pytest.param({"open_session": lambda self, app, request: OwnSession({"own": 1})}, id="open_session"),
            pytest.param(
                {"save_session": lambda self, app, session, response: response.set_cookie("own", "1")},
                id="save_session",
            ),
            pytest.param({"session_class": OwnSession}, id="session_class"),
            pytest.param({"should_set_cookie": lambda self, app, session: True}, id="should_set_cookie"),
            pytest.param({"get_expiration_time": lambda self, app, session: NOW + YEAR}, id="get_expiration_time"),
        ],
    )
    def test_code_of_its_own(self, attributes: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
        """
        An interface with code of its own for sessions goes on to run it, though its cookie is the same.
        """
        app = with_interface(make_interface(**attributes))
        app.add_url_rule("/", view_func=page(count, lambda: type(current_session()).__name__))
        config = SessionConfig.from_flask(app)  # reports code of its own itself
        caplog.clear()
        expected = ask_wsgi(app, "/", cookies=[dumped(ADA)])
        answer = ask_asgi(mount(app, config), "/", cookies=[dumped(ADA)])
        assert (answer.body, answer.set_cookie) == (expected.body, expected.set_cookie)
        [message] = records_in(caplog)
        assert "share_session=False" in message

    def test_code_set_on_the_object(self) -> None:
        """
        So does one whose code was replaced on the object itself.
        """
        app = with_interface(make_interface())
        vars(app.session_interface)["save_session"] = lambda app, session, response: response.set_cookie("own", "1")
        app.add_url_rule("/", view_func=page(count))
        for answer in (ask_wsgi(app, "/"), ask_asgi(mount(app), "/"), ask_wsgi(app, "/")):
            assert (answer.body, answer.set_cookie) == (b"False", ["own=1; Path=/"])

    def test_a_path_without_session(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Where ``allow_path_regex`` keeps our session away, Flask's is left alone.
        """
        app = make_flask_app()
        app.add_url_rule("/page", view_func=page(count))
        parent = mount(app, allow_path_regex="/api.*")
        answer = ask_asgi(parent, "/page", cookies=[dumped(ADA)])
        assert answer.body == b"False"
        assert answer.session_headers == ask_wsgi(app, "/page", cookies=[dumped(ADA)]).session_headers
        assert caplog.records == []

    def test_no_session_middleware(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        So it is where there is none.
        """
        app = make_flask_app()
        app.add_url_rule("/", view_func=page(count))
        answer = ask_asgi(Starlette(routes=[Mount("/", WSGIMiddleware(app))]), "/", cookies=[dumped(ADA)])
        assert answer.session_headers == ask_wsgi(app, "/", cookies=[dumped(ADA)]).session_headers
        assert caplog.records == []

    @pytest.mark.parametrize(
        "is_inside",
        [False, pytest.param(True, marks=needs("starlette", "1.0", "its session was a dict as a view may assign one"))],
        ids=["alone", "inside ours"],
    )
    def test_starlette_s_session_middleware(self, is_inside: bool, caplog: pytest.LogCaptureFixture) -> None:
        """
        Starlette's own session is another one: Flask has its own, beside it and, if ours is outside, merged with ours.
        """
        app = make_flask_app()
        app.add_url_rule("/", view_func=page(count))
        middleware = [Middleware(StarletteSessionMiddleware, secret_key="x", session_cookie="starlette")]
        if is_inside:
            middleware.insert(0, Middleware(SessionMiddleware, config=SessionConfig.from_flask(app)))
        parent = Starlette(routes=[Mount("/", WSGIMiddleware(app))], middleware=middleware)
        answer = ask_asgi(parent, "/", cookies=[dumped(ADA)])
        assert (answer.body, answer.set_cookie) == (b"False", [line({**ADA, "n": 1})])
        assert caplog.records == []

    @needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
    def test_another_dict_in_its_place(self) -> None:
        """
        A dict that the parent puts in the session's place is the new content; what Flask writes is added.
        """

        class Replace:
            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                scope["session"] = {"user": "bob"}
                await self.app(scope, receive, send)

        app = make_flask_app()
        app.add_url_rule("/", view_func=page(count))
        ours = Middleware(SessionMiddleware, config=SessionConfig.from_flask(app))
        parent = Starlette(routes=[Mount("/", WSGIMiddleware(app))], middleware=[ours, Middleware(Replace)])
        assert ask_asgi(parent, "/", cookies=[dumped(ADA)]).set_cookie == [line({"n": 1, "user": "bob"})]


def counting_app(**settings: Any) -> flask.Flask:
    """
    Return an app that counts visits in its session, and shows it.
    """
    app = make_flask_app(**settings)
    app.add_url_rule("/count", "count", page(count, lambda: {"shared": is_shared(), **flask.session}))
    return app


class TestSeveralApps:
    """
    More than one Flask app, or one in more than one place.
    """

    @needs_flask("2.3", "an older JSON provider belongs to its app, and isn't known to be the same")
    def test_one_cookie(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Apps with the same cookie share one session with each other and with the parent.
        """
        parent = mount(counting_app(), at="/a")
        parent.mount("/b", WSGIMiddleware(counting_app()))
        browser = Browser(partial(ask_asgi, parent))
        for number, path in enumerate(["/a/count", "/b/count", "/a/count"], start=1):
            assert browser.visit(path).json == {"shared": True, "n": number}
            assert browser.visit("/api").json == {"n": number}
        assert records_in(caplog) == []

    def test_one_each(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Of apps with different cookies, that shares which has the parent's; the other is reported.
        """
        parent = mount(counting_app(), at="/a")
        parent.mount("/b", WSGIMiddleware(counting_app(SESSION_COOKIE_NAME="b")))
        browser = Browser(partial(ask_asgi, parent))
        for number in (1, 2):
            assert browser.visit("/a/count").json == {"shared": True, "n": number}
            assert browser.visit("/b/count").json == {"shared": False, "n": number}
            assert browser.visit("/api").json == {"n": number}
        assert len(records_in(caplog)) == 1

    def test_a_middleware_each(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Around each of them, a middleware of its own shares its own cookie, also within that of the parent.
        """
        inner = counting_app(SESSION_COOKIE_NAME="b")
        parent = mount(counting_app(), at="/a")
        parent.mount("/b", SessionMiddleware(WSGIMiddleware(inner), config=SessionConfig.from_flask(inner)))
        browser = Browser(partial(ask_asgi, parent))
        for number in (1, 2):
            assert browser.visit("/a/count").json == {"shared": True, "n": number}
            assert browser.visit("/b/count").json == {"shared": True, "n": number}
            assert browser.visit("/api").json == {"n": number}
        assert records_in(caplog) == []

    def test_mounted_twice(self) -> None:
        """
        One app in several places, in several ways: in each the session is shared or not as was said there.
        """
        app = counting_app()
        parent = mount(app, at="/a")
        parent.mount("/b", WSGIMiddleware(app))
        parent.mount("/c", WSGIMiddleware(app, share_session=False))
        parent.mount("/d", A2WSGIMiddleware(app))  # type: ignore[arg-type]  # it has ASGI types of its own
        browser = Browser(partial(ask_asgi, parent))
        for number, (place, shared) in enumerate([*zip("abcd", (True, True, False, False), strict=True)] * 2, start=1):
            assert browser.visit(f"/{place}/count").json == {"shared": shared, "n": number}

    def test_in_two_parents(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        So with parents of different configurations.
        """
        app = counting_app()
        adapted = WSGIMiddleware(app)
        same = mount(app, adapt=lambda app: adapted)
        other = mount(app, SessionConfig(secret_key="secret", session_cookie="other"), adapt=lambda app: adapted)
        for _ in range(2):
            assert ask_asgi(same, "/count").json["shared"] is True
            assert ask_asgi(other, "/count").json["shared"] is False
        assert len(records_in(caplog)) == 1

    def test_handed_on(self) -> None:
        """
        A request that one app hands on to another, as WSGI, takes the session along for that app alone.
        """
        inner = counting_app(SESSION_COOKIE_NAME="inner")
        inner_config = SessionConfig.from_flask(inner)
        # It shares its own session elsewhere.
        assert ask_asgi(mount(inner), "/count").json == {"shared": True, "n": 1}
        outer = make_flask_app()

        @outer.get("/count")
        def hand_on() -> Any:
            flask.session["user"] = "ada"
            return inner.wsgi_app

        answer = ask_asgi(mount(outer), "/count", cookies=[dumped({"n": 5}, inner_config)])
        assert answer.json == {"shared": False, "n": 6}
        assert answer.set_cookie[-1] == line({"user": "ada"})


class TestTheAppItself:
    """
    Of a mounted app everything else stays as it was.
    """

    @pytest.fixture
    def app(self) -> flask.Flask:
        """
        An app that has been mounted and asked.
        """
        app = counting_app()
        app.add_url_rule("/show", "show", lambda: {"shared": is_shared(), **flask.session})
        answer = ask_asgi(mount(app), "/count", cookies=[dumped(ADA)])
        assert answer.json == {"shared": True, "n": 1, **ADA}
        return app

    def test_wsgi(self, app: flask.Flask) -> None:
        """
        As plain WSGI it answers with its own session.
        """
        answer = ask_wsgi(app, "/count", cookies=[dumped(ADA)])
        assert answer.json == {"shared": False, "n": 1, **ADA}
        assert answer.set_cookie == [line({"n": 1, **ADA})]

    def test_test_client(self, app: flask.Flask) -> None:
        """
        Its test client works, with ``session_transaction`` and the session of the last request.
        """
        with app.test_client() as client:
            with client.session_transaction() as session:
                assert isinstance(session, SecureCookieSession)
                session["user"] = "eve"
            assert client.get("/count").json == {"shared": False, "n": 1, "user": "eve"}
            assert flask.session["user"] == "eve"
            with client.session_transaction() as session:
                assert session == {"n": 1, "user": "eve"}

    def test_request_context(self, app: flask.Flask) -> None:
        """
        So does a context made by hand.
        """
        with app.test_request_context("/show", headers={"Cookie": dumped(ADA)}):
            assert current_session() == ADA
            assert isinstance(current_session(), SecureCookieSession)

    def test_test_client_in_a_request(self) -> None:
        """
        Even in a request of the parent, or of the app itself, the test client has a session of its own.
        """
        app = counting_app()
        app.add_url_rule("/ask", "ask", lambda: app.test_client().get("/count").get_data())
        parent = mount(app)

        async def ask(request: Request) -> Response:
            count(request.session)
            return JSONResponse(app.test_client().get("/count").json)

        parent.router.routes.insert(0, Route("/beside", ask))
        for path in ("/ask", "/beside"):
            assert ask_asgi(parent, path, cookies=[dumped(ADA)]).json == {"shared": False, "n": 1}

    @pytest.mark.parametrize("interface", [SecureCookieSessionInterface(), make_interface(salt="pepper")])
    def test_interface(self, interface: SessionInterface, caplog: pytest.LogCaptureFixture) -> None:
        """
        Its interface is what it was for everybody who asks, `SessionConfig.from_flask` among them.
        """
        app = counting_app()
        app.session_interface = interface
        config = SessionConfig.from_flask(app)
        assert ask_asgi(mount(app, config), "/count").json["shared"] is True
        assert type(app.session_interface) is type(interface)
        assert SessionConfig.from_flask(app) == config
        assert records_in(caplog) == []

    def test_other_apps(self, app: flask.Flask) -> None:
        """
        Other apps, which have Flask's interface in common with it, aren't concerned.
        """
        assert vars(flask.Flask)["session_interface"] is make_flask_app().session_interface
        assert vars(make_flask_app().session_interface) == {}

    def test_setting_of_the_interface(self, app: flask.Flask) -> None:
        """
        What is set on its interface later counts where it did before.
        """
        app.session_interface.salt = "pepper"  # type: ignore[attr-defined]  # it is a SecureCookieSessionInterface
        cookie = dumped(ADA, SessionConfig.from_flask(app))
        assert ask_wsgi(app, "/show", cookies=[cookie]).json == {"shared": False, **ADA}

    def test_interface_is_replaced(self) -> None:
        """
        An interface that it gets later is used, whatever it does.
        """
        app = counting_app()
        parent = mount(app)
        assert ask_asgi(parent, "/count").json == {"shared": True, "n": 1}
        app.session_interface = InMemory()
        for number in (1, 2):
            answer = ask_asgi(parent, "/count")
            assert answer.json == {"shared": False, "n": number}
            assert answer.set_cookie == ["in_memory=id; Path=/"]

    def test_interface_is_replaced_by_ours(self) -> None:
        """
        And it shares if that one can.
        """
        app = counting_app()
        parent = mount(app)
        ask_asgi(parent, "/count")
        app.session_interface = SecureCookieSessionInterface()
        assert ask_asgi(parent, "/count", cookies=[dumped(ADA)]).json == {"shared": True, "n": 1, **ADA}

    def test_browsers_refuse(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        What `SessionConfig.from_flask` has said when the app was configured isn't said again.
        """
        app = counting_app(SESSION_COOKIE_SAMESITE="None")
        parent = mount(app)
        assert len(records_in(caplog)) == 1
        ask_asgi(parent, "/count")
        assert len(records_in(caplog)) == 1


class TestAtOnce:
    """
    Every request has its own session.
    """

    def test_requests_at_once(self) -> None:
        """
        Users whose requests are answered at the same time see only themselves, from beginning to end.
        """
        users = [f"user {number}" for number in range(8)]
        meeting = threading.Barrier(len(users), timeout=10)
        app = make_flask_app()

        @app.get("/")
        def view() -> str:
            user = flask.session["user"]
            meeting.wait()
            flask.session["seen"] = user
            meeting.wait()
            return str(flask.session["user"])

        with Server(mount(app, before=count)) as server:
            exchanges = [server.begin("/", headers=[("cookie", dumped({"user": user}))]) for user in users]
            for user, exchange in zip(users, exchanges, strict=True):
                start, body = exchange.take_rest()[:2]
                cookies = [value.decode() for name, value in start["headers"] if name == b"set-cookie"]
                assert (body["body"].decode(), cookies) == (user, [line({"n": 1, "seen": user, "user": user})])

    def test_one_after_the_other(self) -> None:
        """
        The next request that a worker answers knows nothing of the one before.
        """
        parent = mount(counting_app(), adapt=partial(WSGIMiddleware, workers=1))
        with Server(parent) as server:
            for cookie, content in ((dumped(ADA), ADA), ("session=bad", {}), ("", {}), (dumped(PERMANENT), PERMANENT)):
                answer = server.ask("/count", headers=[("cookie", cookie)])
                assert answer.json == {"shared": True, "n": 1, **content}


def keep() -> flask.Flask:
    """
    Return an app with Flask-Session, whose views do what their path says, and show the session.
    """
    app = with_flask_session()

    def act(name: str) -> str:
        session = current_session()
        for part in name.split("+"):
            if part == "set":
                session["inner"] = 1
            elif part == "clear":
                session.clear()
            elif part == "regenerate":
                app.session_interface.regenerate(session)  # type: ignore[attr-defined]  # Flask-Session's has it
            elif part == "pop":
                session.pop("user")
        return repr(dict(session))

    app.add_url_rule("/<name>", view_func=act)
    return app


def kept_by(app: flask.Flask) -> dict[str, Any]:
    """
    Return the sessions that Flask-Session has in its cache, by their cookies.
    """
    cache: Any = app.session_interface.cache  # type: ignore[attr-defined]  # Flask-Session's has it
    return {f"session={key.removeprefix('session:')}": cache.get(key) for key in cache._cache}


def by_store(app: flask.Flask) -> SessionConfig:
    return SessionConfig.from_flask(app)


def by_interface(app: flask.Flask) -> SessionConfig:
    return SessionConfig(store=FlaskInterfaceStore(app), same_site=None)


@pytest.mark.parametrize("configure", [by_store, by_interface])
class TestStores:
    """
    A mounted app with Flask-Session: both sides have one session, which a server keeps.
    """

    @pytest.fixture
    def app(self) -> flask.Flask:
        return keep()

    @pytest.fixture
    def cookie(self, app: flask.Flask) -> str:
        """
        A session that the Flask app has begun by itself.
        """
        cookie = ask_wsgi(app, "/set").cookie
        cache: Any = app.session_interface.cache  # type: ignore[attr-defined]
        cache.set("session:" + cookie.partition("=")[2], {"user": "ada", "_permanent": True})
        return cookie

    @pytest.mark.parametrize(
        "path", ["nothing", "set", "clear", "regenerate", "set+regenerate", "regenerate+clear", "pop", "pop+regenerate"]
    )
    def test_as_flask(self, app: flask.Flask, cookie: str, configure: Any, path: str) -> None:
        """
        What is kept in the end, and whether under the same id, is what it is without us; one cookie goes out.
        """
        theirs_app = keep()
        theirs_app.session_interface.cache._cache.update(app.session_interface.cache._cache)  # type: ignore[attr-defined]
        theirs = ask_wsgi(theirs_app, f"/{path}", cookies=[cookie])
        ours = ask_asgi(mount(app, configure(app)), f"/{path}", cookies=[cookie])
        assert ours.body == theirs.body
        assert len(ours.set_cookie) == len(theirs.set_cookie) == 1
        assert list(kept_by(app).values()) == list(kept_by(theirs_app).values())
        assert (ours.cookie == cookie) is (theirs.cookie == cookie)
        assert ours.cookie in ["session=", *kept_by(app)]

    @pytest.mark.parametrize(
        ("path", "before", "expected"),
        [
            pytest.param("nothing", count, {"user": "ada", "n": 1}, id="written outside"),
            pytest.param("set", count, {"user": "ada", "n": 1, "inner": 1}, id="written by both"),
            pytest.param("regenerate", count, {"user": "ada", "n": 1}, id="another id inside"),
            pytest.param("set", lambda session: session.regenerate(), {"user": "ada", "inner": 1}, id="and outside"),
            pytest.param("regenerate", lambda session: session.regenerate(), {"user": "ada"}, id="from both"),
            pytest.param("clear", count, None, id="ended inside"),
            pytest.param("set", lambda session: session.clear(), {"inner": 1}, id="begun again inside"),
        ],
    )
    def test_both_sides(
        self, app: flask.Flask, cookie: str, configure: Any, path: str, before: Change, expected: dict[str, Any] | None
    ) -> None:
        """
        What both sides do is done to one session.
        """
        answer = ask_asgi(mount(app, configure(app), before=before), f"/{path}", cookies=[cookie])
        [data] = kept_by(app).values() if expected else [None]
        assert (data and {key: data[key] for key in data if key != "_permanent"}) == expected
        assert [answer.cookie] == (list(kept_by(app)) or ["session="])

    def test_is_one_object(self, app: flask.Flask, cookie: str, configure: Any) -> None:
        """
        Flask's ``session`` is the request's.
        """
        app.view_functions["act"] = lambda name: str(is_shared())
        assert ask_asgi(mount(app, configure(app)), "/nothing", cookies=[cookie]).body == b"True"

    def test_the_app_itself(self, app: flask.Flask, cookie: str, configure: Any) -> None:
        """
        Requests that come another way are treated as ever: the interface keeps all that it can.
        """
        parent = mount(app, configure(app))
        ask_asgi(parent, "/nothing", cookies=[cookie])
        moved = ask_wsgi(app, "/set+regenerate", cookies=[cookie])
        assert kept_by(app) == {moved.cookie: {"user": "ada", "_permanent": True, "inner": 1}}
        assert ask_asgi(parent, "/api", cookies=[moved.cookie]).json["inner"] == 1

    def test_by_another_adapter(self, app: flask.Flask, cookie: str, configure: Any) -> None:
        """
        Where nothing is shared, the two are merged by key, and an id that one has given up isn't used again.
        """
        adapt: Any = A2WSGIMiddleware  # it has ASGI types of its own
        parent = mount(app, configure(app), before=count, adapt=adapt)
        answer = ask_asgi(parent, "/set+regenerate", cookies=[cookie])
        assert kept_by(app) == {answer.cookie: {"user": "ada", "_permanent": True, "inner": 1, "n": 1}}
        assert answer.cookie != cookie
        ended = ask_asgi(parent, "/clear", cookies=[answer.cookie])
        [(kept, data)] = kept_by(app).items()
        assert (ended.cookie, data) == (kept, {"_permanent": True, "n": 2})
        assert kept not in (answer.cookie, cookie)

    def test_two_middlewares(self, app: flask.Flask, cookie: str, configure: Any) -> None:
        """
        A second middleware with an equal config further in uses the session that is there.
        """
        config = configure(app)
        parent = mount(app, config)
        parent.add_middleware(SessionMiddleware, config=config)
        answer = ask_asgi(parent, "/set", cookies=[cookie])
        assert answer.cookie == cookie
        assert kept_by(app)[cookie]["inner"] == 1


class TestOtherStores:
    def test_another_store(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A store that wasn't made from the app's interface keeps other sessions, perhaps: nothing is shared, and the log
        says how it can be.
        """
        app = keep()
        config = SessionConfig(store=MemoryStore(), session_cookie="other")
        answer = ask_asgi(mount(app, config, before=count), "/set")
        assert len(answer.set_cookie) == 2
        [message] = records_in(caplog)
        assert "SessionMiddleware's store wasn't made from its flask_session" in message
        assert "SessionConfig.from_flask(app)" in message

    def test_two_apps(self) -> None:
        """
        Nor is the store of one app's interface that of another's, though both keep their sessions in one place.
        """
        app, other = keep(), keep()
        other.session_interface.cache = app.session_interface.cache  # type: ignore[attr-defined]
        parent = mount(other, SessionConfig.from_flask(app))
        cookie = ask_asgi(parent, "/set").cookie
        assert ask_asgi(mount(app), "/nothing", cookies=[cookie]).body == b"{'_permanent': True, 'inner': 1}"

    def test_replaced_interface(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        An app that is given another interface doesn't share what the first one kept.
        """
        app = keep()
        parent = mount(app)
        cookie = ask_asgi(parent, "/set").cookie
        app.session_interface = SecureCookieSessionInterface()
        app.view_functions["act"] = lambda name: repr(dict(flask.session))
        assert ask_asgi(parent, "/nothing", cookies=[cookie]).body == b"{}"
        assert len(records_in(caplog)) == 1

    def test_the_store_is_down(self) -> None:
        """
        The mounted app isn't called while its sessions can't be read, and its answer isn't sent if they can't be saved.
        """
        app = keep()
        config = SessionConfig.from_flask(app)
        called: list[str] = []
        app.before_request(lambda: called.append("called"))
        cookie = ask_asgi(mount(app, config), "/set").cookie
        called.clear()
        cache: Any = config.store._raw_cache  # type: ignore[union-attr]  # a CacheLibStore's

        def fail(*_: Any, **__: Any) -> Any:
            raise ConnectionError

        cache.set = fail
        parent = mount(app, config)
        assert ask_asgi(parent, "/set").status == 503
        assert called == ["called"]
        assert ask_asgi(parent, "/nothing", cookies=[cookie]).status == 503
        assert called == ["called"]
