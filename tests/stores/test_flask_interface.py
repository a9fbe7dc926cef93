"""
`FlaskInterfaceStore`: sessions wherever a Flask app keeps them, by asking the app's own interface as Flask does.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import cachelib
import flask
import pytest
import time_machine
from flask.sessions import SecureCookieSessionInterface, SessionInterface, SessionMixin
from flask_session.cachelib import CacheLibSessionInterface  # type: ignore[import-untyped]  # ships no types
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from werkzeug.datastructures import CallbackDict

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.flash import flash, get_flashed_messages
from starlette_flask.stores import FlaskInterfaceStore
from tests.helpers import Answer, Backend, ask_asgi, ask_wsgi, shake_hands
from tests.interop.apps import make_flask_app
from tests.middleware.client import Gate
from tests.stores.client import View, ask

NOW = 1_700_000_000
TOO_LATE = (
    "The session was changed after the response had started, and the change is lost;"
    " change it before anything is sent: not in a background task, a stream, or an accepted WebSocket."
)
ENDED = "The session was changed, but another request has ended it meanwhile, and the change is lost."


class Kept(CallbackDict[str, Any], SessionMixin):
    """
    A session of a home-grown interface.
    """

    accessed = False

    def __init__(self, data: dict[str, Any], key: str, new: bool) -> None:
        super().__init__(data, lambda session: setattr(session, "modified", True))
        self.modified = False
        self.key, self.new = key, new


class Vault(SessionInterface):
    """
    A home-grown interface: keeps sessions in a dict, and their keys in a cookie of its own.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.requests: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self.before_opening: Callable[[], object] = lambda: None
        self.before_saving: Callable[[], object] = lambda: None

    def get_cookie_name(self, app: flask.Flask) -> str:
        return "vault"

    def open_session(self, app: flask.Flask, request: flask.Request) -> Kept:
        self.before_opening()
        self.threads.add(threading.current_thread())
        self.requests.append(request)
        key = request.cookies.get("vault", "")
        data = self.sessions.get(key)
        return Kept(data or {}, key if data is not None else secrets.token_hex(), data is None)

    def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
        self.before_saving()
        if session.accessed:
            response.vary.update(["Cookie", "X-Vault"])
        if session.modified:
            if session:
                self.sessions[session.key] = dict(session)
                response.set_cookie("vault", session.key, path=self.get_cookie_path(app))
            else:
                self.sessions.pop(session.key, None)
                response.delete_cookie("vault", path=self.get_cookie_path(app))

    def put(self, key: str, **data: Any) -> str:
        """
        Put a session there, and return its cookie.
        """
        self.sessions[key] = data
        return f"vault={key}"


class MovingVault(Vault):
    """
    One whose sessions can be given another key.
    """

    def regenerate(self, session: Any) -> None:
        self.sessions.pop(session.key, None)
        session.key, session.modified = secrets.token_hex(), True


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def vault() -> Vault:
    return Vault()


def app_of(interface: SessionInterface, **settings: Any) -> flask.Flask:
    app = make_flask_app(**settings)
    app.session_interface = interface
    return app


def serve(app: flask.Flask, view: View, late: View | None = None, **options: Any) -> SessionMiddleware:
    """
    Return an ASGI app whose view is given the session, also when the response has started.
    """

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(repr(view(scope["session"])))
        await send({"type": "http.response.start", "status": 200, "headers": response.raw_headers})
        if late is not None:
            late(scope["session"])
        await send({"type": "http.response.body", "body": response.body})

    return SessionMiddleware(endpoint, store=FlaskInterfaceStore(app, **options))


def visit(interface: SessionInterface, view: View, *cookies: str, late: View | None = None, **options: Any) -> Answer:
    """
    Send one request.
    """
    answer: Answer = asyncio.run(ask(serve(app_of(interface), view, late, **options), *cookies))
    return answer


def write(**items: Any) -> View:
    return lambda session: session.update(items)


def see(session: Any) -> dict[str, Any]:
    session.get("user")  # by key, which every version of Flask counts as access
    return dict(session)


def leave(session: Any) -> None:
    """
    Do nothing.
    """


def clear(session: Any) -> None:
    session.clear()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "starlette_flask")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("starlette_flask")]


class TestConstruction:
    @pytest.mark.parametrize("app", [None, "app", object(), Response()])
    def test_no_app(self, app: Any) -> None:
        """
        What is no Flask app is refused.
        """
        with pytest.raises(TypeError, match=f"takes the Flask app itself, not {type(app).__name__}$") as caught:
            FlaskInterfaceStore(app)
        assert isinstance(caught.value, ConfigError)

    @pytest.mark.parametrize(("timeout", "error"), [("2", TypeError), (0, ConfigError), (-1, ConfigError)])
    def test_timeout(self, vault: Vault, timeout: Any, error: type[Exception]) -> None:
        """
        So is a time that nothing can be done in.
        """
        with pytest.raises(error, match=r"^timeout"):
            FlaskInterfaceStore(app_of(vault), timeout=timeout)

    def test_of_an_app(self, vault: Vault) -> None:
        """
        The store is its app's, whatever interface that has now.
        """
        app = app_of(vault)
        store = FlaskInterfaceStore(app)
        assert store.is_of(app, vault)
        assert store.is_of(app, None)
        assert not store.is_of(app_of(vault), vault)

    def test_no_secret_key(self, vault: Vault) -> None:
        """
        It needs no secret key.
        """
        assert SessionConfig(store=FlaskInterfaceStore(app_of(vault))).secret_key is None


class TestRequest:
    """
    What the interface is given.
    """

    def test_is_a_request(self, vault: Vault) -> None:
        """
        A request of the app's own kind with all that came, but the body.
        """
        app = serve(app_of(vault), leave)
        headers = [("x-tenant", "a"), ("content-type", "text/plain"), ("content-length", "4"), ("host", "h:81")]
        ask_asgi(app, "/caf%C3%A9?q=1", method="POST", cookies=["vault=1", "b=2"], headers=headers[:3], body=b"body")
        [request] = vault.requests
        assert isinstance(request, flask.Request)
        assert (request.method, request.path, request.query_string) == ("POST", "/café", b"q=1")
        assert (dict(request.cookies), request.headers["X-Tenant"]) == ({"vault": "1", "b": "2"}, "a")
        assert not {"Content-Length", "Content-Type"} & {name for name, _ in request.headers}
        assert request.remote_addr == "127.0.0.1"

    def test_in_a_thread(self, vault: Vault) -> None:
        """
        It may wait: the event loop doesn't.
        """
        visit(vault, write(a=1))
        assert threading.main_thread() not in vault.threads

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_event_loops(self, vault: Vault, backend: Backend) -> None:
        """
        Whatever library the event loop is of.
        """
        assert ask_asgi(serve(app_of(vault), write(a=1)), "/", backend=backend).cookie.startswith("vault=")

    def test_contexts(self) -> None:
        """
        Each request has a context of the app of its own, also where somebody has left one behind.
        """

        class InG(Vault):
            def open_session(self, app: flask.Flask, request: flask.Request) -> Kept:
                if "kept" not in flask.g:
                    flask.g.kept = super().open_session(app, request)
                kept: Kept = flask.g.kept
                return kept

        vault = InG()
        app = app_of(vault)
        for user in ("ada", "eve"):
            vault.put(user, user=user)

        async def story() -> None:
            asgi = serve(app, lambda session: session["user"])
            with app.app_context():
                assert (await ask(asgi, "vault=ada")).body == b"'ada'"
                assert (await ask(asgi, "vault=eve")).body == b"'eve'"

        asyncio.run(story())

    def test_app_context(self) -> None:
        """
        The interface may ask for the app and the request, when it opens and when it saves.
        """

        class Asking(Vault):
            def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
                assert flask.current_app.name == app.name
                response.headers["Vary"] = flask.request.path

        assert visit(Asking(), write(a=1)).vary == ["/"]

    @pytest.mark.filterwarnings("ignore:'localhost' is not a valid cookie domain")  # of Flask before 2.3
    @pytest.mark.filterwarnings("ignore:Current server name")  # of Werkzeug before 2.3
    @pytest.mark.parametrize("host", ["evil.example", "in valid", "a,b", "\xe9"])
    def test_any_host(self, host: str) -> None:
        """
        A host that the app doesn't trust, or that can't be one, is for the app's views to refuse.
        """
        app = app_of(SecureCookieSessionInterface(), TRUSTED_HOSTS=["localhost"], SERVER_NAME="localhost")
        answer = ask_asgi(serve(app, write(a=1)), "/", headers=[("host", host)])
        assert answer.status == 200
        assert answer.cookie.startswith("session=")

    def test_websocket(self, vault: Vault) -> None:
        """
        A handshake is a GET.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            websocket = WebSocket(scope, receive, send)
            scope["session"]["a"] = 1
            await websocket.accept()
            await websocket.close()

        app = SessionMiddleware(endpoint, store=FlaskInterfaceStore(app_of(vault)))
        kind, answer = shake_hands(app, "/ws", cookies=[vault.put("known", b=2)])
        assert (kind, answer.set_cookie) == ("websocket.accept", ["vault=known; Path=/"])
        assert vault.sessions == {"known": {"a": 1, "b": 2}}
        assert (vault.requests[0].method, vault.requests[0].scheme) == ("GET", "http")


class TestSession:
    """
    What a view has.
    """

    def test_content(self, vault: Vault) -> None:
        """
        What the interface has opened.
        """
        cookie = vault.put("known", user="ada")
        view: View = lambda session: (dict(session), session.new, session.sid, bool(session))  # noqa: E731
        assert visit(vault, view, cookie).body == b"({'user': 'ada'}, False, None, True)"
        assert visit(vault, view).body == b"({}, True, None, False)"
        assert visit(vault, view, "vault=made-up").body == b"({}, True, None, False)"

    def test_id(self) -> None:
        """
        Its id, if the interface's has one.
        """
        interface = CacheLibSessionInterface(client=cachelib.SimpleCache())
        cookie = visit(interface, write(a=1)).cookie
        assert visit(interface, lambda session: session.sid, cookie).body.decode() == repr(cookie.partition("=")[2])

    def test_is_false(self) -> None:
        """
        What is empty, and what clearing leaves, is for the interface to say.
        """
        interface = CacheLibSessionInterface(client=cachelib.SimpleCache())
        view: View = lambda session: (dict(session), bool(session), session.clear(), dict(session))  # noqa: E731
        assert visit(interface, view).body == b"({'_permanent': True}, False, None, {'_permanent': True})"

    def test_flashes(self, vault: Vault) -> None:
        """
        Messages aren't limited by what a cookie can hold.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope)
            flash(request, "x" * 5000)
            await Response(str(len(get_flashed_messages(request)[0])))(scope, receive, send)

        app = SessionMiddleware(endpoint, store=FlaskInterfaceStore(app_of(vault)))
        assert asyncio.run(ask(app)).body == b"5000"


class TestSaving:
    @pytest.mark.parametrize(
        ("view", "expected", "lines"),
        [
            pytest.param(leave, {"a": [1], "b": 2}, [], id="untouched"),
            pytest.param(dict, {"a": [1], "b": 2}, [], id="read"),
            pytest.param(write(c=3), {"a": [1], "b": 2, "c": 3}, ["vault=known; Path=/"], id="written"),
            pytest.param(
                lambda session: session["a"].append(2), {"a": [1, 2], "b": 2}, ["vault=known; Path=/"], id="inside"
            ),
            pytest.param(lambda session: session.pop("a"), {"b": 2}, ["vault=known; Path=/"], id="removed"),
            pytest.param(
                clear, None, ["vault=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"], id="cleared"
            ),
            pytest.param(
                lambda session: [session.pop(key) for key in list(session)],
                None,
                ["vault=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"],
                id="emptied",
            ),
            pytest.param(
                lambda session: [session.update(c=3), session.__setattr__("modified", False)],
                {"a": [1], "b": 2},
                [],
                id="not to be saved",
            ),
        ],
    )
    def test_changes(self, vault: Vault, view: View, expected: dict[str, Any] | None, lines: list[str]) -> None:
        """
        What a view has changed is in the interface's session when that is saved, and its cookie goes out as it is.
        """
        cookie = vault.put("known", a=[1], b=2)
        assert visit(vault, view, cookie).set_cookie == lines
        assert vault.sessions.get("known") == expected

    @pytest.mark.parametrize(("view", "vary"), [(leave, []), (see, ["Cookie, X-Vault"])])
    def test_accessed(self, vault: Vault, view: View, vary: list[str]) -> None:
        """
        The interface is told if anybody has looked, and says what the response varies by.
        """
        assert visit(vault, view, vault.put("known", a=1)).vary == vary

    @pytest.mark.parametrize("is_known", [True, False])
    @pytest.mark.parametrize("view", [see, write(user="ada"), write(_permanent=True), clear])
    def test_as_flask(self, view: View, is_known: bool) -> None:
        """
        With Flask's own interface the headers are Flask's.
        """
        app = make_flask_app(PERMANENT_SESSION_LIFETIME=60, SESSION_COOKIE_NAME="own", SESSION_COOKIE_SAMESITE="Lax")
        app.add_url_rule("/", view_func=lambda: repr(view(flask.session)))
        known = asyncio.run(ask(serve(app, write(user="ada", _permanent=True)))).cookie
        cookies = [known] if is_known else []
        ours, theirs = asyncio.run(ask(serve(app, view), *cookies)), ask_wsgi(app, "/", cookies=cookies)
        assert ours.session_headers == theirs.session_headers

    def test_what_has_no_json(self, vault: Vault) -> None:
        """
        A value that nobody can compare is taken for changed, and the interface keeps it as it is.
        """
        value = object()
        cookie = vault.put("known", value=value)
        visit(vault, lambda session: session["value"], cookie)
        visit(vault, write(a=1), cookie)
        assert vault.sessions["known"] == {"value": value, "a": 1}

    def test_plain_dict(self) -> None:
        """
        An interface may keep a dict that knows nothing of what is done to it.
        """

        class Plain(dict[str, Any]):
            pass

        class PlainInterface(SessionInterface):
            kept: dict[str, Any] = {}  # noqa: RUF012  # of this test only

            def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
                return Plain(self.kept)

            def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
                self.kept.clear()
                self.kept.update(session)

        interface = PlainInterface()
        visit(interface, write(user="ada"))
        assert visit(interface, see).body == b"{'user': 'ada'}"

    def test_null_session(self) -> None:
        """
        Where Flask has no session, for want of a secret key, reading is reading nothing, and writing fails.
        """
        app = make_flask_app(SECRET_KEY=None)
        assert asyncio.run(ask(serve(app, dict))).body == b"{}"
        assert asyncio.run(ask(serve(app, write(a=1)))).status == 503

    def test_the_app_goes_on(self, vault: Vault) -> None:
        """
        The app itself finds what was written, and we find what it has written.
        """
        app = app_of(vault)
        app.add_url_rule("/", view_func=lambda: str(flask.session.setdefault("count", flask.session.get("user"))))
        cookie = asyncio.run(ask(serve(app, write(user="ada")))).cookie
        assert ask_wsgi(app, "/", cookies=[cookie]).body == b"ada"
        assert asyncio.run(ask(serve(app, dict), cookie)).body == b"{'user': 'ada', 'count': 'ada'}"


class TestFailures:
    @pytest.mark.parametrize(
        "failure", [ConnectionError("vault.example"), KeyError("secret"), flask.abort, pytest.fail.Exception]
    )
    @pytest.mark.parametrize("at", ["before_opening", "before_saving"])
    def test_fails(self, vault: Vault, failure: Any, at: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Whatever the interface raises, the request is refused, nothing is written, and the log tells only its kind.
        """

        def fail() -> None:
            if callable(failure) and not isinstance(failure, type):
                failure(404)
            raise RuntimeError("secret") if isinstance(failure, type) else failure

        setattr(vault, at, fail)
        answer = visit(vault, write(a=1), vault.put("known", user="ada"))
        assert (answer.status, answer.set_cookie) == (503, [])
        assert vault.sessions == {"known": {"user": "ada"}}
        [record] = caplog.records
        assert record.levelname == "ERROR"
        assert "secret" not in caplog.text
        assert "vault.example" not in caplog.text

    @pytest.mark.parametrize("at", ["before_opening", "before_saving"])
    def test_hangs(self, vault: Vault, at: str) -> None:
        """
        One that takes longer than *timeout* is not waited for.
        """
        gate = Gate()
        setattr(vault, at, gate.stop)
        try:
            assert visit(vault, write(a=1), timeout=0.05).status == 503
        finally:
            gate.open()

    def test_fails_late(self, vault: Vault, caplog: pytest.LogCaptureFixture) -> None:
        """
        What fails after the response is in the log only.
        """

        def late(session: Any) -> None:
            session["late"] = 1
            vault.before_saving = lambda: 1 / 0

        assert visit(vault, leave, vault.put("known", a=1), late=late).status == 200
        [record] = caplog.records
        assert record.getMessage().startswith("A change made after the response had started is lost")


class TestRegenerate:
    def test_by_the_interface(self) -> None:
        """
        An interface that has ``regenerate`` gives the session another id when it is saved.
        """
        vault = MovingVault()
        answer = visit(vault, lambda session: session.regenerate(), vault.put("known", user="ada"))
        [key] = vault.sessions
        assert (answer.cookie, vault.sessions[key]) == (f"vault={key}", {"user": "ada"})
        assert key != "known"

    def test_of_flask_session(self) -> None:
        """
        As those of Flask-Session.
        """
        interface = CacheLibSessionInterface(client=cachelib.SimpleCache())
        old = visit(interface, write(user="ada")).cookie
        new = visit(interface, lambda session: session.regenerate(), old).cookie
        assert new != old
        assert visit(interface, dict, new).body == b"{'_permanent': True, 'user': 'ada'}"
        assert visit(interface, dict, old).body == b"{'_permanent': True}"

    def test_without(self, vault: Vault) -> None:
        """
        Without such a method the id stays.
        """
        answer = visit(vault, lambda session: session.regenerate(), vault.put("known", user="ada"))
        assert answer.set_cookie == ["vault=known; Path=/"]

    def test_nothing_to_keep(self) -> None:
        """
        A session that holds nothing isn't begun by it.
        """
        vault = MovingVault()
        assert visit(vault, lambda session: session.regenerate()).status == 200
        assert vault.sessions == {}


class TestLate:
    """
    Changes after the response has started.
    """

    def test_known(self, vault: Vault, said: Callable[[], list[str]]) -> None:
        """
        A session that the browser has is saved.
        """
        visit(vault, write(b=2), vault.put("known", a=1), late=write(late=1))
        assert vault.sessions == {"known": {"a": 1, "b": 2, "late": 1}}
        assert said() == []

    def test_nothing(self, vault: Vault) -> None:
        """
        What wasn't changed isn't.
        """
        cookie = vault.put("known", a=[1])

        def late(session: Any) -> None:
            assert session["a"] == [1]
            vault.before_saving = lambda: 1 / 0

        assert visit(vault, leave, cookie, late=late).status == 200

    @pytest.mark.parametrize("late", [write(late=1), lambda session: (session.update(late=1), session.regenerate())])
    def test_new(self, late: View, said: Callable[[], list[str]]) -> None:
        """
        A new session is lost, and the log says so.
        """
        vault = MovingVault()
        visit(vault, leave, late=late)
        assert (vault.sessions, said()) == ({}, [TOO_LATE])

    def test_another_id(self, said: Callable[[], list[str]]) -> None:
        """
        Another id can't be told the browser any more: nothing is saved, and the old one is as it was.
        """
        vault = MovingVault()
        late: View = lambda session: (session.update(user="eve"), session.regenerate())  # noqa: E731
        visit(vault, leave, vault.put("known", user="ada"), late=late)
        assert vault.sessions == {"known": {"user": "ada"}}
        assert said() == [TOO_LATE]

    @pytest.mark.parametrize("end", [lambda vault: vault.sessions.clear(), lambda vault: vault.put("known", other=1)])
    def test_ended_meanwhile(self, vault: Vault, end: Callable[[Vault], object], said: Callable[[], list[str]]) -> None:
        """
        What others have done to it meanwhile isn't undone: who is logged out stays so.
        """

        def late(session: Any) -> None:
            end(vault)
            session["late"] = 1

        visit(vault, leave, vault.put("known", user="ada"), late=late)
        assert not [data for data in vault.sessions.values() if "user" in data]


class TestAnAppInside:
    """
    An app inside that answers with the interface's cookie by itself.
    """

    @staticmethod
    def ask(vault: Vault, inner: Callable[[], str | None], outer: View, *cookies: str) -> Answer:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            outer(scope["session"])
            value = inner()
            lines = [] if value is None else [(b"set-cookie", f"vault={value}; Path=/".encode())]
            await send({"type": "http.response.start", "status": 200, "headers": [(b"vary", b"X-Own"), *lines]})
            await send({"type": "http.response.body"})

        answer: Answer = asyncio.run(ask(SessionMiddleware(app, store=FlaskInterfaceStore(app_of(vault))), *cookies))
        return answer

    def test_left_alone(self, vault: Vault) -> None:
        """
        Where nothing was changed outside, its answer goes out as it is.
        """
        answer = self.ask(vault, lambda: "other", leave, vault.put("known", a=1))
        assert answer.session_headers == {"set-cookie": ["vault=other; Path=/"], "vary": ["X-Own"]}

    def test_looked_at(self, vault: Vault) -> None:
        """
        If the session was looked at, the response varies by cookie.
        """
        answer = self.ask(vault, lambda: "other", dict, vault.put("known", a=1))
        assert answer.session_headers == {"set-cookie": ["vault=other; Path=/"], "vary": ["X-Own, Cookie"]}

    def test_no_answer(self, vault: Vault) -> None:
        """
        What the interface says is added to what the app says.
        """
        answer = self.ask(vault, lambda: None, write(b=2), vault.put("known", a=1))
        assert answer.session_headers == {"set-cookie": ["vault=known; Path=/"], "vary": ["X-Own, Cookie, X-Vault"]}

    def test_both_have_written(self, vault: Vault) -> None:
        """
        What was changed outside is put into what the app inside has saved.
        """

        def inner() -> str:
            vault.put("known", a=1, inner=1)
            return "known"

        answer = self.ask(vault, inner, write(outer=1), vault.put("known", a=1))
        assert answer.set_cookie == ["vault=known; Path=/"]
        assert vault.sessions == {"known": {"a": 1, "inner": 1, "outer": 1}}

    def test_another_id(self, vault: Vault) -> None:
        """
        Under the id that this one has given it.
        """

        def inner() -> str:
            vault.sessions.clear()
            vault.put("moved", user="ada")
            return "moved"

        answer = self.ask(vault, inner, write(outer=1), vault.put("known", user="ada"))
        assert answer.set_cookie == ["vault=moved; Path=/"]
        assert vault.sessions == {"moved": {"user": "ada", "outer": 1}}

    def test_ended(self, vault: Vault) -> None:
        """
        Where the app inside has logged the user out, only what was changed outside is kept, in a new session.
        """

        def inner() -> str:
            vault.sessions.clear()
            return ""

        answer = self.ask(vault, inner, write(outer=1), vault.put("known", user="ada"))
        [(key, data)] = vault.sessions.items()
        assert (answer.set_cookie, data) == ([f"vault={key}; Path=/"], {"outer": 1})
        assert key != "known"
