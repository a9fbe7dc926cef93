"""
Users of Flask-Principal and of Flask-Security, with the real extensions.
"""

from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from time import time
from types import SimpleNamespace
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
from fastapi import FastAPI, Request

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.login import LoginManager, current_user, login_user, logout_user
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Browser
from tests.interop.apps import make_flask_app
from tests.interop.logins import ask_ours, ask_theirs, travel_to

# Flask-Security needs Flask 3.1, which the oldest set hasn't.
needs_principal = pytest.mark.skipif(find_spec("flask_principal") is None, reason="pip install Flask-Principal")
needs_security = pytest.mark.skipif(find_spec("flask_security") is None, reason="pip install Flask-Security-Too")


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Cookies of the same second are the same bytes.
    """
    with travel_to(0):
        yield


class Two:
    """
    A browser and two apps: ``legacy`` is Flask's, beside ours or mounted in it.
    """

    def __init__(self, legacy: flask.Flask, manager: LoginManager, users: Any, is_mounted: bool) -> None:
        self.app = FastAPI()

        @self.app.get("/login/{name}")
        async def login(name: str, request: Request) -> bool:
            return login_user(request, users(name), remember=True)

        @self.app.get("/logout")
        async def logout(request: Request) -> bool:
            return logout_user(request)

        @self.app.get("/who")
        async def who(request: Request) -> Any:
            user = await current_user(request)
            return {"user": user.get_id(), "name": getattr(user, "name", None), "session": dict(request.session)}

        @self.app.get("/write/{key}/{value}")
        async def write(key: str, value: str, request: Request) -> None:
            request.session[key] = None if value == "None" else time() if value == "now" else value

        self.prefix = ""
        self.ask_legacy: Any = partial(ask_theirs, legacy)
        if is_mounted:
            self.app.mount("/legacy", WSGIMiddleware(legacy))
            self.prefix = "/legacy"
            self.ask_legacy = partial(ask_ours, self.app)
        self.app.add_middleware(LoginMiddleware, manager=manager)
        self.app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(legacy))
        self.browser = Browser(partial(ask_ours, self.app))

    def ours(self, path: str) -> Any:
        self.browser.ask = partial(ask_ours, self.app)
        answer = self.browser.visit(path)
        assert answer.status == 200, answer
        return answer.json

    def theirs(self, path: str) -> Any:
        self.browser.ask = self.ask_legacy
        answer = self.browser.visit(self.prefix + path)
        return answer.json if answer.status == 200 else answer.status

    def lose_session(self) -> None:
        del self.browser.cookies["session", "", "/"]


@needs_principal
@pytest.mark.parametrize("is_mounted", [False, True], ids=["beside", "mounted"])
class TestPrincipal:
    """
    Flask-Principal keeps an identity in the session, beside Flask-Login's user.
    """

    @pytest.fixture
    def two(self, is_mounted: bool) -> Two:
        """
        A Flask app with both extensions, and ours.
        """
        principal: Any = import_module("flask_principal")
        app = make_flask_app()
        flask_login.LoginManager(app).user_loader(partial(_PlainUser, flask_login.UserMixin))
        principal.Principal(app)

        @app.get("/login/<name>")
        def login(name: str) -> Any:
            flask_login.login_user(_PlainUser(flask_login.UserMixin, name))
            principal.identity_changed.send(app, identity=principal.Identity(name))
            return flask.jsonify(True)

        @app.get("/logout")
        def logout() -> Any:
            flask_login.logout_user()
            for key in ("identity.name", "identity.auth_type"):  # as in its documentation
                flask.session.pop(key, None)
            principal.identity_changed.send(app, identity=principal.AnonymousIdentity())
            return flask.jsonify(True)

        @app.get("/who")
        def who() -> Any:
            return {"user": flask_login.current_user.get_id(), "identity": flask.g.identity.id}

        return Two(app, LoginManager.from_flask(app), partial(_PlainUser, object), is_mounted)

    def test_login_there(self, two: Two) -> None:
        """
        Who logged in there is known here, and their identity stays in the session as it is.
        """
        two.theirs("/login/ada")
        seen = two.ours("/who")
        assert seen["user"] == "ada"
        assert {key: seen["session"][key] for key in ("identity.id", "identity.auth_type")} == {
            "identity.id": "ada",
            "identity.auth_type": None,
        }
        assert two.theirs("/who") == {"user": "ada", "identity": "ada"}

    def test_logout_here(self, two: Two) -> None:
        """
        Logging out here ends the identity there; Flask-Login's logout alone would leave it.
        """
        two.theirs("/login/ada")
        two.ours("/logout")
        assert two.theirs("/who") == {"user": None, "identity": None}
        assert two.browser.value() is None

    def test_logout_there(self, two: Two) -> None:
        """
        Logging out there ends the login here.
        """
        two.ours("/login/ada")
        two.theirs("/logout")
        assert two.ours("/who")["user"] is None

    def test_another_login_here(self, two: Two) -> None:
        """
        Who logs in here over somebody else hasn't got their identity there.
        """
        two.theirs("/login/ada")
        two.ours("/login/bob")
        assert two.theirs("/who") == {"user": "bob", "identity": None}

    def test_an_identity_from_here(self, two: Two) -> None:
        """
        A view here gives the identity with the two keys that Flask-Principal reads.
        """
        two.ours("/login/ada")
        two.ours("/write/identity.id/ada")
        two.ours("/write/identity.auth_type/None")
        assert two.theirs("/who") == {"user": "ada", "identity": "ada"}


def _PlainUser(kind: type, name: str) -> Any:  # noqa: N802  # makes a user
    user = type("PlainUser", (kind,), {"get_id": lambda self: name, "is_active": True, "is_authenticated": True})()
    user.name = name
    return user


@needs_security
@pytest.mark.parametrize("is_mounted", [False, True], ids=["beside", "mounted"])
class TestSecurity:
    """
    Flask-Security finds its users by their `fs_uniquifier`, which changes with the password.
    """

    @pytest.fixture
    def legacy(self) -> Any:
        """
        A Flask app with Flask-Security, its users in memory.
        """
        return _make_security_app()

    @pytest.fixture(params=["from the app", "loader of our own"])
    def two(self, legacy: Any, is_mounted: bool, request: pytest.FixtureRequest) -> Two:
        """
        That app, and ours.
        """
        app, users = legacy
        if request.param == "from the app":
            manager = LoginManager.from_flask(app)
        else:
            manager = LoginManager.from_mapping(app.config, id_attribute="fs_uniquifier")

            @manager.user_loader
            async def load(uniquifier: str) -> Any:
                return next((user for user in users.values() if user.fs_uniquifier == uniquifier and user.active), None)

        return Two(app, manager, users.get, is_mounted)

    def test_login_there(self, two: Two) -> None:
        """
        Who logged in there is known here, by the remember cookie too.
        """
        two.theirs("/login-as/ada")
        seen = two.ours("/who")
        assert (seen["user"], seen["name"]) == ("uniquifier-ada", "ada")
        assert seen["session"]["fs_cc"] == "set"
        two.lose_session()
        assert two.ours("/who")["name"] == "ada"
        assert two.theirs("/members") == "ada"

    def test_login_here(self, two: Two) -> None:
        """
        Who logged in here is known there, by the remember cookie too, but has not proved it just now.
        """
        two.ours("/login/ada")
        assert two.theirs("/members") == "ada"
        assert two.theirs("/secret") == 401
        two.ours("/write/fs_paa/now")
        assert two.theirs("/secret") == "ada"
        two.lose_session()
        assert two.theirs("/members") == "ada"
        assert two.theirs("/secret") == 401

    def test_logout_here(self, two: Two) -> None:
        """
        Logging out here ends it there, and the time of the last proof with it.
        """
        two.theirs("/login-as/ada")
        assert two.theirs("/secret") == "ada"
        two.ours("/logout")
        assert two.theirs("/members") == 401
        assert two.ours("/who")["user"] is None
        two.ours("/login/bob")
        assert two.theirs("/members") == "bob"
        assert two.theirs("/secret") == 401

    def test_logout_there(self, two: Two) -> None:
        """
        Logging out there ends it here, remember cookie included.
        """
        two.ours("/login/ada")
        two.theirs("/log-out")
        assert two.ours("/who")["user"] is None
        assert two.browser.value("remember_token") is None

    def test_another_login_here(self, two: Two) -> None:
        """
        Who logs in here over somebody else doesn't inherit what they proved.
        """
        two.theirs("/login-as/ada")
        two.ours("/login/bob")
        assert two.theirs("/members") == "bob"
        assert two.theirs("/secret") == 401

    def test_a_new_password(self, two: Two, legacy: Any) -> None:
        """
        A new uniquifier ends all sessions and remember cookies, on both sides.
        """
        two.ours("/login/ada")
        legacy[1]["ada"].fs_uniquifier = "another"
        assert two.ours("/who")["user"] is None
        assert two.theirs("/members") == 401

    def test_deactivated(self, two: Two, legacy: Any) -> None:
        """
        A deactivated user is nobody on either side.
        """
        two.theirs("/login-as/ada")
        legacy[1]["ada"].active = False
        assert two.ours("/who")["user"] is None
        assert two.theirs("/members") == 401


def _make_security_app() -> tuple[flask.Flask, dict[str, Any]]:
    flask_security: Any = import_module("flask_security")

    class SecurityUser(flask_security.UserMixin):  # type: ignore[misc]  # not in every set
        email: Any = None
        fs_uniquifier: Any = None
        active: Any = True

        def __init__(self, **attributes: Any) -> None:
            self.roles: list[Any] = []
            self.__dict__.update(attributes)

    users: dict[str, Any] = {
        name: SecurityUser(name=name, email=f"{name}@example.com", fs_uniquifier=f"uniquifier-{name}", password="")
        for name in ("ada", "bob")
    }

    class Datastore(flask_security.UserDatastore):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__(SecurityUser, SimpleNamespace)  # no roles here

        def find_user(self, case_insensitive: bool = False, **attributes: Any) -> Any:
            [(name, value)] = attributes.items()
            return next((user for user in users.values() if getattr(user, name) == value), None)

        def put(self, model: Any) -> Any:
            return model

        def commit(self) -> None:
            pass

    app = make_flask_app(
        SECURITY_PASSWORD_SALT="salt", SECURITY_PASSWORD_HASH="plaintext", SECURITY_PASSWORD_SCHEMES=["plaintext"],
        SECURITY_DEPRECATED_PASSWORD_SCHEMES=[], SECURITY_HASHING_SCHEMES=["sha256_crypt"],
        SECURITY_DEPRECATED_HASHING_SCHEMES=[], WTF_CSRF_ENABLED=False,
    )  # fmt: skip
    security = flask_security.Security(app, Datastore())
    security.unauthn_handler(lambda *args, **kwargs: ("", 401))
    security.reauthn_handler(lambda *args, **kwargs: ("", 401))

    @app.get("/login-as/<name>")
    def login_as(name: str) -> Any:
        return flask.jsonify(flask_security.login_user(users[name], remember=True))

    @app.get("/log-out")
    def log_out() -> Any:
        flask_security.logout_user()
        return flask.jsonify(True)

    @app.get("/members")
    @flask_security.auth_required("session")  # type: ignore[untyped-decorator]  # as above
    def members() -> Any:
        return flask.jsonify(flask_security.current_user.name)

    @app.get("/secret")
    @flask_security.auth_required("session", within=5, grace=0)  # type: ignore[untyped-decorator]
    def secret() -> Any:
        return flask.jsonify(flask_security.current_user.name)

    return app, users
