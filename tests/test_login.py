"""
What `starlette_flask.login` says without a peer: configurations, users, and what is refused at start.
"""

import asyncio
from datetime import timedelta
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from starlette_flask import ConfigError, Session, SessionConfig, SessionMiddleware
from starlette_flask.csrf import CSRFError
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.login import AnonymousUserMixin, LoginManager, UserMixin, login_user
from starlette_flask.login.manager import SCOPE_KEY, Visit
from starlette_flask.login.redirects import expand_login_view
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from starlette_flask.mounted import call_in_request
from starlette_flask.session import config_of, give_way
from starlette_flask.workers import Workers
from tests.helpers import ask_asgi, http_scope


class User(UserMixin):
    id: Any = 5


class TestConfiguration:
    @pytest.mark.parametrize(
        ("options", "error", "text"),
        [
            pytest.param({"secret_key": None}, ConfigError, "no secret key", id="no key"),
            pytest.param({"secret_key": ""}, ConfigError, "empty", id="empty key"),
            pytest.param({"secret_key": 1}, ConfigTypeError, "must be str or bytes", id="number as key"),
            pytest.param({"secret_key": "\u20ac"}, ConfigError, "latin-1", id="key beyond latin-1"),
            pytest.param({"session_protection": "Strong"}, ConfigError, "session_protection", id="protection"),
            pytest.param({"remember_cookie_samesite": "None"}, ConfigError, "without Secure", id="SameSite=None"),
            pytest.param({"remember_cookie_name": ""}, ConfigError, "cookie name", id="no name"),
            pytest.param({"remember_cookie_duration": 1.5}, ConfigTypeError, "duration", id="fraction"),
            pytest.param({"remember_cookie_secure": "False"}, ConfigTypeError, "secure", id="text as flag"),
        ],
    )
    def test_is_refused(self, options: dict[str, Any], error: type[Exception], text: str) -> None:
        """
        What can't work is refused, and the message says what.
        """
        with pytest.raises(error, match=text):
            LoginManager(**{"secret_key": "secret", **options})

    def test_unknown_protection_of_flask(self) -> None:
        """
        Of a Flask app's config, an unknown protection is none, as in Flask-Login.
        """
        assert LoginManager.from_mapping({"SECRET_KEY": "k", "SESSION_PROTECTION": "odd"}).session_protection is None

    def test_of_flask(self) -> None:
        """
        A Flask app without a login manager, or one that knows browsers in a way of its own, can't be followed.
        """
        app = flask.Flask(__name__)
        app.secret_key = "secret"
        with pytest.raises(ConfigError, match="no login manager"):
            LoginManager.from_flask(app)
        manager = flask_login.LoginManager(app)
        manager._session_identifier_generator = lambda: "own"
        with pytest.raises(ConfigError, match="identifier of its own"):
            LoginManager.from_flask(app)
        app.config["SESSION_PROTECTION"] = None
        assert LoginManager.from_flask(app).session_protection is None

    def test_equal_remember_cookies(self) -> None:
        """
        Two remember cookies are equal if they are the same to a browser, under the same key.
        """
        cookie = LoginManager(secret_key="secret").remember_cookie
        assert cookie == LoginManager(secret_key=b"secret").remember_cookie
        assert cookie != LoginManager(secret_key="other").remember_cookie
        assert cookie != LoginManager(secret_key="secret", remember_cookie_duration=timedelta(1)).remember_cookie
        assert cookie != "cookie"

    def test_middleware(self) -> None:
        """
        The middleware takes a manager of ours.
        """
        with pytest.raises(ConfigTypeError, match="from_flask"):
            LoginMiddleware(Starlette(), flask_login.LoginManager())


class TestUsers:
    def test_mixin(self) -> None:
        """
        A user has an id and is compared by it.
        """
        one, same, other = User(), User(), User()
        other.id = 6
        assert (one.get_id(), one.is_active, one.is_authenticated, one.is_anonymous) == ("5", True, True, False)
        assert one == same
        assert one != other
        assert one != 5
        assert len({one, same}) == 2
        with pytest.raises(NotImplementedError, match="no id"):
            UserMixin().get_id()

    def test_anonymous(self) -> None:
        """
        Nobody has none of it.
        """
        nobody = AnonymousUserMixin()
        assert (nobody.is_active, nobody.is_authenticated, nobody.is_anonymous) == (False, False, True)
        user_id: object = nobody.get_id()  # type: ignore[func-returns-value]  # None, which is what it says
        assert user_id is None

    @pytest.mark.parametrize("value", [None, True, ["a"]])
    def test_no_id(self, value: Any) -> None:
        """
        A user who could not be found again can't log in.
        """
        manager = LoginManager(secret_key="secret", id_attribute="id")
        scope = http_scope("/")
        scope[SCOPE_KEY] = Visit(manager, scope, {})
        user = User()
        user.id = value
        with pytest.raises(ValueError, match="must be str or int"):
            login_user(HTTPConnection(scope), user)

    def test_bytes_that_are_no_text(self) -> None:
        """
        A remember cookie of ours that isn't text, which we never write, is nobody's.
        """
        cookie = LoginManager(secret_key="secret").remember_cookie
        assert cookie.user_id(b"\xff|" + cookie._digest(b"\xff")) is None


class TestLoginView:
    def test_another_route_takes_the_page(self) -> None:
        """
        A route that only takes the form isn't the login page.
        """
        view = Route("/login", lambda request: PlainTextResponse(""), methods=["POST"], name="login")
        app = Starlette(routes=[view])
        connection = HTTPConnection({**http_scope("/"), "app": app})
        with pytest.raises(ConfigError, match="neither a route nor an endpoint"):
            expand_login_view(connection, "login")


class TestCornerCases:
    def test_sessions_of_nobody(self) -> None:
        """
        What isn't ours has no configuration, and gives no way.
        """
        with pytest.raises(ValueError, match="belongs to no request"):
            config_of(Session())
        give_way({}, ["key"])

    def test_threads_run_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Without a thread a job is refused; with one it waits for that.
        """
        ran: list[int] = []

        def refuse(thread: Any) -> None:
            raise RuntimeError("can't start new thread")

        workers = Workers(2, "test")
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                workers.submit(lambda: ran.append(0))
        import threading

        done = threading.Event()
        workers.submit(lambda: ran.extend([] if done.wait(5) else [1]))
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", refuse)
            last = threading.Event()
            workers.submit(last.set)
        done.set()
        assert last.wait(5)
        assert ran == []

    def test_threads_run_out_for_a_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A request that no thread can be had for is an error, and the next one is answered.
        """

        def refuse(thread: Any) -> None:
            raise RuntimeError("can't start new thread")

        app = WSGIMiddleware(flask.Flask(__name__))
        with monkeypatch.context() as patched:
            patched.setattr("threading.Thread.start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                ask_asgi(app, "/")
        assert ask_asgi(app, "/").status == 404

    def test_nobody_to_ask(self) -> None:
        """
        Without a middleware, or a loader, the error says what to do.
        """
        scope = http_scope("/")
        with pytest.raises(RuntimeError, match="no LoginMiddleware"):
            login_user(HTTPConnection(scope), User())
        manager = LoginManager(secret_key="secret")
        scope[SCOPE_KEY] = Visit(manager, scope, Session())
        with pytest.raises(ConfigError, match="user_loader"):
            asyncio.run(manager.load_user(HTTPConnection(scope)))

    def test_handler_of_an_empty_form(self) -> None:
        """
        Who handles a refusal may read the form, also an empty one.
        """

        async def show(request: Request, exc: Exception) -> Response:
            return PlainTextResponse(repr(dict(await request.form())), 400)

        app = Starlette(exception_handlers={CSRFError: show})
        app.add_middleware(CSRFMiddleware, secret_key="secret")
        app.add_middleware(SessionMiddleware, secret_key="secret")
        cookie = SessionConfig(secret_key="secret").signing_serializer.dumps({"csrf_token": "text"})
        headers = [("content-type", "application/x-www-form-urlencoded")]
        answer = ask_asgi(app, "/", method="POST", cookies=[f"session={cookie}"], headers=headers)
        assert (answer.status, answer.body) == (400, b"{}")

    def test_errors_of_loaders(self) -> None:
        """
        What a Flask app's own code raises comes out as it is.
        """
        app = flask.Flask(__name__)
        app.secret_key = "secret"
        from starlette_flask.mounted import SharedSession

        def fail(request: Any) -> None:
            raise KeyError("own")

        with pytest.raises(KeyError, match="own"):
            call_in_request(SharedSession(app), HTTPConnection(http_scope("/")), fail)
