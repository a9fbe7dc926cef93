"""
The examples of the README and of the docs, run as they stand, and what the pages say of the code.

Every page is run: one with ``console`` blocks as a story, from an empty folder; Python in others in this process. So a
new page needs nothing here, but a test of what its examples show.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.docs.blocks import ROOT, Block, blocks_of, pages
from tests.docs.modules import LANGUAGES, run_blocks
from tests.docs.story import Story, before_and_after
from tests.helpers import Browser, ask_asgi, ask_wsgi, shake_hands

Run = Callable[[str], dict[str, ModuleType]]

ELSEWHERE = {"docs/deployment.md": "tests/interop/deployed.py"}
"""Pages whose blocks another module runs."""

BY_HAND = {"docs/releasing.md"}
"""Pages whose commands can't be tried: they publish a release."""

PAGES = [page for page in pages() if page not in {*ELSEWHERE, *BY_HAND}]
FORM = [("content-type", "application/x-www-form-urlencoded")]


def is_story(page: str) -> bool:
    return any(block.language == "console" for block in blocks_of(page))


def is_run_here(page: str) -> bool:
    python = [block for block in blocks_of(page) if block.language in LANGUAGES]
    return any(not block.title for block in python) or (bool(python) and not is_story(page))


def changes_of(page: str) -> list[Block]:
    return [block for block in blocks_of(page) if block.language == "diff" and not block.title]


def is_run(block: Block) -> bool:
    """
    Tell whether a block is code that is run, a file that is there for it, or a text that is none.
    """
    is_file = re.fullmatch(r"[\w/-]+\.\w+", block.title) is not None
    return is_file or block.language in ("console", "diff", "text", *LANGUAGES)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """
    Runs the Python of a page.
    """
    with ExitStack() as stack:
        yield lambda page: stack.enter_context(run_blocks(blocks_of(page), tmp_path))


def browser_of(app: Any) -> Browser:
    return Browser(lambda path, **options: ask_asgi(app, path, **options))


class TestEveryPage:
    @pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl"))), reason="apt-get install bash curl")
    @pytest.mark.parametrize("page", [page for page in PAGES if is_story(page)])
    def test_story(self, page: str, tmp_path: Path) -> None:
        """
        The commands of a page print what it says, from an empty folder.
        """
        with Story(tmp_path) as story:
            story.tell(blocks_of(page))

    @pytest.mark.parametrize("page", [page for page in PAGES if is_run_here(page)])
    def test_python(self, page: str, run: Run) -> None:
        """
        The Python of a page runs.
        """
        run(page)

    @pytest.mark.parametrize("page", [page for page in PAGES if changes_of(page)])
    def test_changes(self, page: str) -> None:
        """
        A change of no file in particular runs before and after.
        """
        for block in changes_of(page):
            for code in before_and_after(block.text):
                exec(code, {"app": FastAPI()})  # noqa: S102  # our own examples

    @pytest.mark.parametrize("page", PAGES)
    def test_nothing_is_left_out(self, page: str) -> None:
        """
        A page has no block that isn't run.
        """
        assert [f"{page}, line {block.line}" for block in blocks_of(page) if not is_run(block)] == []

    @pytest.mark.parametrize(("page", "module"), list(ELSEWHERE.items()))
    def test_elsewhere(self, page: str, module: str) -> None:
        """
        What isn't run here is run there.
        """
        assert (ROOT / page).is_file()
        assert page in (ROOT / module).read_text()


class TestReadme:
    def test_shared_session(self, run: Run) -> None:
        """
        Who logs in to the mounted Flask app is known to FastAPI.
        """
        browser = browser_of(run("README.md")["app"].app)
        assert browser.visit("/me").json == {"user": None}
        assert browser.visit("/legacy/login/ada", method="POST").body == b"welcome"
        assert browser.visit("/me").json == {"user": "ada"}

    def test_settings_instead_of_the_app(self, run: Run) -> None:
        """
        The same cookie is read from the app's settings alone.
        """
        page = run("README.md")["app"]
        cookie = ask_wsgi(page.flask_app, "/login/ada", method="POST").cookie
        assert ask_asgi(page.moved, "/me", cookies=[cookie]).json == {"user": "ada"}


class TestMounting:
    @pytest.fixture
    def page(self, run: Run) -> ModuleType:
        return run("docs/mounting.md")["docs"]

    def test_one_session(self, page: ModuleType) -> None:
        """
        Both sides count the same visits.
        """
        browser = browser_of(page.app)
        paths = ("/visits", "/legacy/visits", "/visits")
        assert [browser.visit(path).json["visits"] for path in paths] == [1, 2, 3]

    def test_fallback(self, page: ModuleType) -> None:
        """
        What FastAPI doesn't know goes to Flask.
        """
        browser = browser_of(page.fallback)
        assert browser.visit("/moved").json == "FastAPI"
        assert browser.visit("/visits").json == {"visits": 1}

    def test_from_one_side_to_the_other(self, page: ModuleType) -> None:
        """
        Each side knows of the other.
        """
        browser = browser_of(page.app)
        assert browser.visit("/link").json == "/legacy/visits"
        assert browser.visit("/legacy/tenant").body == b"acme"


class TestLogin:
    @pytest.fixture
    def browser(self, run: Run) -> Browser:
        return browser_of(run("docs/login.md")["main"].app)

    def test_twins(self, browser: Browser) -> None:
        """
        Who logs in on one side is known to both, and who logs out to neither.
        """
        assert browser.visit("/account").status == 401
        assert browser.visit("/legacy/login", method="POST", body=b"name=ada", headers=FORM).body == b"welcome"
        for path in ("/account", "/legacy/account"):
            assert browser.visit(path).json == {"user": "ada"}
        assert browser.visit("/logout", method="POST").json == "bye"
        assert browser.visit("/account").status == 401
        assert browser.visit("/legacy/account").status == 302

    def test_to_the_login_page(self, browser: Browser) -> None:
        """
        A browser is sent to the Flask app's login page.
        """
        answer = browser.visit("/account", headers=[("accept", "text/html")])
        assert answer.status == 302
        assert answer.lines("location") == ["/legacy/login?next=%2Faccount"]

    def test_moved_login_page(self, browser: Browser) -> None:
        """
        Who logs in on our side is known to both, and goes on to where they came from.
        """
        answer = browser.visit("/login?next=/account", method="POST", body=b"name=ada", headers=FORM)
        assert answer.lines("location") == ["/account"]
        for path in ("/account", "/legacy/account"):
            assert browser.visit(path).json == {"user": "ada"}


class TestFlash:
    def test_once(self, run: Run) -> None:
        """
        A message is shown once.
        """
        browser = browser_of(run("docs/flash.md")["docs"].app)
        browser.visit("/save")
        assert browser.visit("/messages").json == [["info", "Saved."]]
        assert browser.visit("/messages").json == []


class TestCsrf:
    @pytest.fixture
    def browser(self, run: Run) -> Browser:
        return browser_of(run("docs/csrf.md")["docs"].app)

    def test_token(self, browser: Browser) -> None:
        """
        A form needs the token of the session; a webhook doesn't.
        """
        token = browser.visit("/form").json["csrf_token"]
        assert browser.visit("/form", method="POST").body == b"The request has no CSRF token."
        assert browser.visit("/form", method="POST", headers=[("x-csrftoken", token)]).json == "thank you"
        assert browser.visit("/webhook", method="POST").json == "got it"

    def test_form_class(self, browser: Browser) -> None:
        """
        A form of WTForms is validated without Flask.
        """
        headers = [*FORM, ("x-csrftoken", browser.visit("/form").json["csrf_token"])]
        assert browser.visit("/notes", method="POST", headers=headers, body=b"text=milk").json == {"text": "milk"}
        assert list(browser.visit("/notes", method="POST", headers=headers).json) == ["text"]


class TestTemplating:
    def test_page(self, run: Run) -> None:
        """
        The template finds what it found in Flask.
        """
        browser = browser_of(run("docs/templating.md")["main"].app)
        text = browser.visit("/page/1?tab=open").body.decode()
        lines = text.splitlines()
        assert lines[:4] == ["message: Welcome.", "nobody", "/page/1 open page", "/page/2?tab=second"]
        assert '<input type="hidden" name="csrf_token" value="ey' not in lines[4]  # a JSON text, not an object
        assert 'name="csrf_token" value="I' in lines[4]
        assert lines[5] == "0"


class TestSessions:
    @pytest.fixture
    def page(self, run: Run) -> ModuleType:
        return run("docs/sessions.md")["docs"]

    def test_views(self, page: ModuleType) -> None:
        """
        Keys and changes inside values are kept.
        """
        browser = browser_of(page.app)
        assert [browser.visit("/visits").json["visits"] for _ in range(2)] == [1, 2]
        assert [browser.visit(f"/cart/{item}", method="POST").json for item in ("tea", "cup")] == [
            ["tea"],
            ["tea", "cup"],
        ]

    def test_websocket(self, page: ModuleType) -> None:
        """
        What is changed before accept is sent with it.
        """
        kind, answer = shake_hands(page.app, "/live")
        assert kind == "websocket.accept"
        assert page.SessionSerializer(page.keywords["secret_key"]).loads(answer.cookie.partition("=")[2]) == {
            "connected": True
        }
        assert answer.body == b"nobody"

    def test_starlette_cookie(self, page: ModuleType) -> None:
        """
        A session of Starlette's own middleware goes on.
        """

        async def write(request: Request) -> Response:
            request.session["user"] = "ada"
            return JSONResponse(None)

        async def read(request: Request) -> Response:
            return JSONResponse(request.session.get("user"))

        before = Starlette(routes=[Route("/", write)])
        before.add_middleware(StarletteSessionMiddleware, secret_key="the secret of Starlette's middleware")
        page.moved.add_route("/", read)
        assert ask_asgi(page.moved, "/", cookies=[ask_asgi(before, "/").cookie]).json == "ada"

    def test_paths_without_a_session(self, page: ModuleType) -> None:
        """
        Only paths that match as a whole have a session.
        """

        async def has_session(request: Request) -> Response:
            return JSONResponse("session" in request.scope)

        page.api.add_route("/{path:path}", has_session)
        paths = {"/cart": True, "/carts": False, "/account/1": True, "/": False}
        assert {path: ask_asgi(page.api, path).json for path in paths} == paths
