"""
What the pages claim and no other test shows.
"""

import hashlib
import re
from typing import Any

import flask
import pytest
import time_machine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from starlette_flask import SessionMiddleware
from starlette_flask.csrf import generate_csrf
from starlette_flask.login import LoginManager, UserMixin, current_user, login_user, logout_user
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from tests.docs.blocks import ROOT
from tests.helpers import Browser, ask_asgi


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


async def show(request: Request) -> Response:
    user = await current_user(request)
    return JSONResponse({"user": user.get_id(), "token": generate_csrf(request)})


async def log_in(request: Request) -> Response:
    if request.url.path == "/login-anew":
        request.session.clear()
    login_user(request, User("ada"))
    return PlainTextResponse("welcome")


async def log_out(request: Request) -> Response:
    logout_user(request)
    return PlainTextResponse("bye")


async def change(request: Request) -> Response:
    return PlainTextResponse("changed")


@pytest.fixture
def app() -> Starlette:
    manager = LoginManager(secret_key="secret")
    manager.user_loader(User)
    views = {"/": show, "/login": log_in, "/login-anew": log_in, "/logout": log_out}
    app = Starlette(routes=[Route("/change", change, methods=["POST"]), *(Route(*item) for item in views.items())])
    app.add_middleware(CSRFMiddleware, secret_key="secret")
    app.add_middleware(LoginMiddleware, manager=manager)
    app.add_middleware(SessionMiddleware, secret_key="secret")
    return app


def browser_of(app: Any) -> Browser:
    return Browser(lambda path, **options: ask_asgi(app, path, **options))


class TestSecurity:
    def test_a_copy_of_the_cookie_outlives_the_logout(self, app: Starlette) -> None:
        """
        Logging out deletes the cookie in one browser; a copy logs in.
        """
        browser, thief = browser_of(app), browser_of(app)
        browser.visit("/login")
        thief.cookies = dict(browser.cookies)
        browser.visit("/logout")
        assert browser.visit("/").json["user"] is None
        assert thief.visit("/").json["user"] == "ada"

    def test_a_planted_session_is_not_logged_in(self, app: Starlette) -> None:
        """
        Who planted a session isn't logged in when the victim is. But they know its CSRF token.
        """
        attacker, victim = browser_of(app), browser_of(app)
        token = attacker.visit("/").json["token"]
        victim.cookies = dict(attacker.cookies)
        victim.visit("/login")
        assert victim.visit("/").json["user"] == "ada"
        assert attacker.visit("/").json["user"] is None
        assert victim.visit("/change", method="POST", headers=[("x-csrftoken", token)]).status == 200

    def test_a_session_that_is_cleared_at_the_login(self, app: Starlette) -> None:
        """
        Where the session is cleared before the login, they don't.
        """
        attacker, victim = browser_of(app), browser_of(app)
        token = attacker.visit("/").json["token"]
        victim.cookies = dict(attacker.cookies)
        victim.visit("/login-anew")
        assert victim.visit("/").json["user"] == "ada"
        assert victim.visit("/change", method="POST", headers=[("x-csrftoken", token)]).status == 400

    @pytest.mark.parametrize(
        "name", re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/security.md").read_text()), ids=lambda name: name[6:]
    )
    def test_what_shows_it(self, name: str) -> None:
        """
        The tests that the page of security names are there.
        """
        path, _, test = name.partition("::")
        kind = "class" if test.startswith("Test") else "def"
        assert re.search(rf"^ *{kind} {test}\b", (ROOT / path).read_text(), re.MULTILINE)


# Recorded from 0.1.0: {"user": "ada", "cart": [1, {"a": None}]}, with these keywords beside secret_key="secret".
OLD_DATA = {"user": "ada", "cart": [1, {"a": None}]}
RECORDED_AT = 1_795_390_260
_SIGNED = "eyJ1c2VyIjoiYWRhIiwiY2FydCI6WzEseyJhIjpudWxsfV19.awN7NA."
SHA256 = {"digest_method": hashlib.sha256}
DJANGO = {"key_derivation": "django-concat"}
CONCAT = {"key_derivation": "concat"}
OLD_COOKIES = {
    "default": ({}, "x84IiIKNcUjIW61f8T-32aBpcj0"),
    "both": ({"salt": b"other", "signer_kwargs": CONCAT | SHA256}, "vbjlUBfkeKFn1CJbj-dEuBl6EE7sca8vbC5e3NQTzO0"),
    "derivation": ({"signer_kwargs": CONCAT}, "7q7iOtUGREHzODKeR2A6zXlhwtg"),
    "digest": ({"signer_kwargs": DJANGO | SHA256}, "WXnHIuTW7hQWz_P2v9q09PjdL5nOiohHKZuumm-Ey5M"),
}


class TestMigration:
    @staticmethod
    def read(keywords: dict[str, Any], signature: str) -> Any:
        async def view(request: Request) -> Response:
            return JSONResponse(dict(request.session))

        app = Starlette(routes=[Route("/", view)])
        app.add_middleware(SessionMiddleware, secret_key="secret", **keywords)
        with time_machine.travel(RECORDED_AT, tick=False):
            return ask_asgi(app, "/", cookies=[f"session={_SIGNED}{signature}"]).json

    @pytest.mark.parametrize(("keywords", "signature"), OLD_COOKIES.values(), ids=OLD_COOKIES)
    def test_nobody_is_logged_out(self, keywords: dict[str, Any], signature: str) -> None:
        """
        Cookies of 0.1.0 are read, with the keywords that it had; where it had the digest alone, with one more.
        """
        assert self.read(keywords, signature) == OLD_DATA

    def test_but_one(self) -> None:
        """
        Without that one the cookie is rejected.
        """
        assert self.read({"signer_kwargs": SHA256}, OLD_COOKIES["digest"][1]) == {}


@pytest.mark.parametrize("name", ["a.html", "a.htm", "a.xml", "a.xhtml", "a.svg", "a.txt"])
def test_escaping(name: str) -> None:
    """
    Flask escapes in two kinds of files in which newer versions of Starlette don't.
    """
    by_starlette = Jinja2Templates("templates").env.autoescape
    ours = by_starlette(name) if callable(by_starlette) else by_starlette
    assert flask.Flask(__name__).select_jinja_autoescape(name) is (name != "a.txt")
    assert ours is (not callable(by_starlette) or name in ("a.html", "a.htm", "a.xml"))


class TestLinks:
    @pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
    def test_of_files_outside_of_the_site(self, page: str) -> None:
        """
        Where these files lead there is a file, with such a heading. (Those of the site are checked when it is built.)
        """
        for target, anchor in re.findall(r"\]\(([\w./-]+)(#[\w-]+)?\)", (ROOT / page).read_text()):
            lines = (ROOT / target).read_text().splitlines()
            headings = ["#" + re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in lines]
            assert not anchor or anchor in headings

    def test_of_the_readme(self) -> None:
        """
        The README is shown where no other file is: it links to none, and the files that it names are there.
        """
        text = (ROOT / "README.md").read_text()
        assert re.findall(r"\]\((?!https:)", text) == []
        folder = ""
        for name in re.findall(r"`((?:docs/)?[\w-]+\.md)`", text):
            folder = "docs/" if name.startswith("docs/") else folder
            assert (ROOT / name).is_file() or (ROOT / folder / name).is_file(), name
