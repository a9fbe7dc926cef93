"""
What is offered for the tests of apps, tried on apps.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Annotated, Any

import anyio
import flask
import flask_session  # type: ignore[import-untyped]  # ships no types
import httpx
import pytest
import time_machine
from cachelib import SimpleCache
from fastapi import Depends, FastAPI, Request
from itsdangerous import BadSignature
from starlette.testclient import TestClient

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.login import LoginManager, UserMixin, current_user, login_fresh, login_remembered
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.stores import FlaskInterfaceStore, MemoryStore
from starlette_flask.testing import (
    BrowserCookies,
    login_client,
    make_session_cookie,
    read_session_cookie,
    session_transaction,
)

NOW = 1_700_000_000
CONFIG = SessionConfig(secret_key="secret")


class User(UserMixin):
    def __init__(self, id: str) -> None:  # noqa: A002  # Flask-Login's name
        self.id = id


def make_app(config: SessionConfig = CONFIG) -> FastAPI:
    app = FastAPI()
    manager = LoginManager(secret_key="secret")
    manager.user_loader(User)

    @app.get("/show")
    async def show(request: Request) -> Any:
        return dict(request.session)

    @app.get("/set")
    async def set_user(request: Request) -> Any:
        request.session["user"] = "eve"

    @app.get("/clear")
    async def clear(request: Request) -> Any:
        request.session.clear()

    @app.get("/who")
    async def who(request: Request, user: Annotated[Any, Depends(current_user)]) -> Any:
        return [user.get_id(), login_fresh(request), login_remembered(request)]

    app.add_middleware(LoginMiddleware, manager=manager)
    app.add_middleware(SessionMiddleware, config=config)
    return app


@pytest.fixture(autouse=True)
def at_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def client() -> TestClient:
    return TestClient(make_app())


class TestSessionTransaction:
    def test_changes_the_session(self, client: TestClient) -> None:
        """
        What the block leaves in the session is what the app finds, with its types.
        """
        with session_transaction(client) as session:
            assert session == {}
            session["user"] = "ada"
            session["pair"] = (1, 2)
        assert client.get("/show").json() == {"pair": [1, 2], "user": "ada"}
        with session_transaction(client) as session:
            assert session == {"pair": (1, 2), "user": "ada"}

    def test_one_cookie(self, client: TestClient) -> None:
        """
        Whoever writes the cookie, the block or the app, there is one.
        """
        for _ in range(2):
            with session_transaction(client) as session:
                session["user"] = "ada"
            client.get("/set")
            assert len(list(client.cookies.jar)) == 1
        client.cookies.set("session", "nonsense")  # of no domain: a second one
        with session_transaction(client) as session:
            session["user"] = "ada"
        assert len(list(client.cookies.jar)) == 1
        assert client.get("/show").json() == {"user": "ada"}

    def test_clears(self, client: TestClient) -> None:
        """
        An empty session leaves no cookie.
        """
        client.get("/set")
        with session_transaction(client) as session:
            assert session.pop("user") == "eve"
        assert list(client.cookies.jar) == []

    def test_an_exception_saves_nothing(self, client: TestClient) -> None:
        """
        After an exception the cookie is what it was.
        """
        client.get("/set")
        with pytest.raises(KeyError), session_transaction(client) as session:
            del session["user"], session["nobody"]
        assert client.get("/show").json() == {"user": "eve"}

    @pytest.mark.parametrize("value", ["", "nonsense"])
    def test_a_bad_cookie_is_an_empty_session(self, client: TestClient, value: str) -> None:
        """
        As for the app.
        """
        client.cookies.set("session", value)
        with session_transaction(client) as session:
            assert session == {}

    def test_permanent(self, client: TestClient) -> None:
        """
        A permanent session's cookie has a date.
        """
        with session_transaction(client) as session:
            session.permanent = True
        [cookie] = client.cookies.jar
        assert cookie.expires == NOW + 31 * 24 * 60 * 60

    def test_attributes(self) -> None:
        """
        The cookie is the one that the app would have set.
        """
        config = SessionConfig(secret_key="secret", session_cookie="shop", path="/app", https_only=True, same_site=None)
        client = TestClient(make_app(config), base_url="https://testserver")
        with session_transaction(client) as session:
            session["user"] = "ada"
        [cookie] = client.cookies.jar
        assert (cookie.name, cookie.path, cookie.secure) == ("shop", "/app", True)

    def test_config(self) -> None:
        """
        Where no app is at hand, the configuration must be given.
        """
        with httpx.Client(base_url="http://localhost") as client:
            with pytest.raises(LookupError, match="pass config="):
                session_transaction(client)
            with session_transaction(client, CONFIG) as session:
                session["user"] = "ada"
            [cookie] = client.cookies.jar
            assert CONFIG.signing_serializer.loads(cookie.value or "") == {"user": "ada"}

    def test_middleware_by_hand(self) -> None:
        """
        The middleware is found around an app as well as in one.
        """
        app = SessionMiddleware(FastAPI(), secret_key="secret")
        with session_transaction(TestClient(app)) as session:
            assert session == {}
        with pytest.raises(LookupError, match="no SessionMiddleware"):
            session_transaction(TestClient(FastAPI()))


class TestAsync:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def async_client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(make_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client

    @pytest.mark.anyio
    async def test_session_transaction(self, async_client: httpx.AsyncClient) -> None:
        """
        So it is with an async client.
        """
        async with session_transaction(async_client) as session:
            session["user"] = "ada"
        assert (await async_client.get("/show")).json() == {"user": "ada"}

    @pytest.mark.anyio
    async def test_login_client(self, async_client: httpx.AsyncClient) -> None:
        """
        And logged in.
        """
        login_client(async_client, User("ada"))
        assert (await async_client.get("/who")).json() == ["ada", True, False]


class TestLoginClient:
    @pytest.mark.parametrize("fresh", [True, False])
    @pytest.mark.parametrize("remember", [True, False])
    def test_logs_in(self, client: TestClient, remember: bool, fresh: bool) -> None:
        """
        The next request is the user's, as fresh and as remembered as was asked for.
        """
        login_client(client, User("ada"), remember=remember, fresh=fresh)
        assert client.get("/who").json() == ["ada", fresh, remember]

    def test_keeps_the_session(self, client: TestClient) -> None:
        """
        What else is in the session stays.
        """
        with session_transaction(client) as session:
            session["cart"] = ["tea"]
        login_client(client, User("ada"))
        with session_transaction(client) as session:
            assert session["cart"] == ["tea"]

    def test_no_manager(self) -> None:
        """
        Without a manager at hand one must be given.
        """
        client = TestClient(SessionMiddleware(FastAPI(), secret_key="secret"))
        with pytest.raises(LookupError, match="pass manager="):
            login_client(client, User("ada"))
        login_client(client, User("ada"), manager=LoginManager(secret_key="secret"))
        with session_transaction(client) as session:
            assert session["_user_id"] == "ada"


class TestCookie:
    def test_round_trip(self, client: TestClient) -> None:
        """
        A value can be made, and read from what an app answers.
        """
        client.cookies.set("session", make_session_cookie({"user": "ada"}, CONFIG))
        assert client.get("/show").json() == {"user": "ada"}
        assert read_session_cookie(client.get("/set"), CONFIG) == {"user": "eve"}
        assert read_session_cookie(client.get("/clear"), CONFIG) == {}

    def test_of_flask(self) -> None:
        """
        Also from what Flask's test client returns.
        """
        app = flask.Flask(__name__)
        app.secret_key = "secret"
        app.add_url_rule("/", view_func=lambda: str(flask.session.setdefault("user", "ada")))
        assert read_session_cookie(app.test_client().get("/"), SessionConfig.from_flask(app)) == {"user": "ada"}

    def test_nothing_to_read(self, client: TestClient) -> None:
        """
        A response that sets no session, or not one of ours, says so.
        """
        with pytest.raises(LookupError, match="sets no cookie 'session'"):
            read_session_cookie(client.get("/show"), CONFIG)
        with pytest.raises(BadSignature):
            read_session_cookie(client.get("/set"), SessionConfig(secret_key="other"))


class TestBrowserCookies:
    def test_lines_in_order(self) -> None:
        """
        Each line counts, and the last one of a cookie stays.
        """
        cookies = BrowserCookies()
        cookies.receive(["session=1; Path=/", "session=; Max-Age=0; Path=/"])
        assert cookies.header() == ""
        cookies.receive(["session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/", "session=2; Max-Age=60; Path=/"])
        assert (cookies.header(), cookies.get("session")) == ("session=2", "2")

    def test_paths(self) -> None:
        """
        A cookie is sent to its path, the longest first.
        """
        cookies = BrowserCookies()
        cookies.receive(["a=1", "b=2; Path=/", "a=3; Path=/x/y"], "/x/page?q")
        assert cookies.header("/x/y/z") == "a=3; a=1; b=2"
        assert cookies.header("/x/") == "a=1; b=2"
        assert cookies.header("/xy") == "b=2"
        with pytest.raises(LookupError, match="2 cookies 'a'"):
            cookies.get("a")
        cookies.delete("a")
        assert cookies.get("a") is None


def test_fixtures(session_transaction: Any, login_client: Any, browser_cookies: Any, client: TestClient) -> None:
    """
    With pytest they are fixtures.
    """
    login_client(client, User("ada"))
    with session_transaction(client) as session:
        assert session["_user_id"] == "ada"
    assert isinstance(browser_cookies, BrowserCookies)


def flask_app_with_vault() -> flask.Flask:
    """
    Return a Flask app whose sessions are kept by an interface of Flask-Session.
    """
    app = flask.Flask(__name__)
    app.config.update(SECRET_KEY="secret", SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
    flask_session.Session(app)
    return app


def spoil(session: Any) -> None:
    session["user"] = "eve"
    raise LookupError


async def spoil_async(client: httpx.AsyncClient) -> None:
    async with session_transaction(client) as session:
        spoil(session)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(lambda: SessionConfig(store=MemoryStore()), id="memory"),
        pytest.param(lambda: SessionConfig(store=MemoryStore(use_signer=True), secret_key="secret"), id="signed ids"),
        pytest.param(lambda: SessionConfig(store=MemoryStore(), session_cookie="sid", max_age=60), id="attributes"),
        pytest.param(lambda: SessionConfig(store=FlaskInterfaceStore(flask_app_with_vault())), id="interface"),
    ],
)
class TestStores:
    """
    Where a store keeps the sessions.
    """

    @pytest.mark.parametrize("is_running", [False, True], ids=["by itself", "in a with block"])
    def test_transactions(self, config: Callable[[], SessionConfig], is_running: bool) -> None:
        """
        What the block leaves in the session is what the app finds, and what the app leaves is in the next block.
        """
        client = TestClient(make_app(config()))
        with client if is_running else nullcontext():
            with session_transaction(client) as session:
                assert session.new
                session["user"] = "ada"
            assert client.get("/show").json()["user"] == "ada"
            client.get("/set")
            with session_transaction(client) as session:
                assert session["user"] == "eve"
                assert not session.new
            assert len(list(client.cookies.jar)) == 1

    def test_clear(self, config: Callable[[], SessionConfig]) -> None:
        """
        An empty session leaves no cookie.
        """
        client = TestClient(make_app(config()))
        with session_transaction(client) as session:
            session["user"] = "ada"
        with session_transaction(client) as session:
            session.clear()
        assert not list(client.cookies.jar)
        assert "user" not in client.get("/show").json()

    def test_nothing_to_change(self, config: Callable[[], SessionConfig]) -> None:
        """
        Who only looks leaves everything as it is.
        """
        client = TestClient(make_app(config()))
        with session_transaction(client) as session:
            assert "user" not in session
        assert not list(client.cookies.jar)

    def test_an_error(self, config: Callable[[], SessionConfig]) -> None:
        """
        After an exception the session is what it was.
        """
        client = TestClient(make_app(config()))
        with session_transaction(client) as session:
            session["user"] = "ada"
        with pytest.raises(LookupError), session_transaction(client) as session:
            spoil(session)
        with session_transaction(client) as session:
            assert session["user"] == "ada"

    def test_another_id(self, config: Callable[[], SessionConfig]) -> None:
        """
        The client has the id that the session got.
        """
        client = TestClient(make_app(config()))
        with session_transaction(client) as session:
            session["user"] = "ada"
        [before] = client.cookies.jar
        with session_transaction(client) as session:
            session.regenerate()  # type: ignore[attr-defined]  # a session of a store has it
        [after] = client.cookies.jar
        assert after.value != before.value
        assert client.get("/show").json()["user"] == "ada"

    def test_login(self, config: Callable[[], SessionConfig]) -> None:
        """
        A user is logged in as in a session in the cookie.
        """
        client = TestClient(make_app(config()))
        login_client(client, User("ada"))
        assert client.get("/who").json() == ["ada", True, False]

    def test_async(self, config: Callable[[], SessionConfig]) -> None:
        """
        And with an async client.
        """

        async def story() -> None:
            made = config()
            transport = httpx.ASGITransport(app=make_app(made))
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                async with session_transaction(client) as session:
                    session["user"] = "ada"
                assert (await client.get("/show")).json()["user"] == "ada"
                with pytest.raises(LookupError):
                    await spoil_async(client)
                async with session_transaction(client) as session:
                    assert session["user"] == "ada"
                    session.clear()
                assert not list(client.cookies.jar)

        anyio.run(story)

    def test_values(self, config: Callable[[], SessionConfig]) -> None:
        """
        A cookie's value is an id, which says nothing without the store: there is nothing to make or read.
        """
        made = config()
        response = TestClient(make_app(made)).get("/set")
        for function in (partial(make_session_cookie, {}), partial(read_session_cookie, response)):
            with pytest.raises(ConfigError, match="session_transaction"):
                function(made)
