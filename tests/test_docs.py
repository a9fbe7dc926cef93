"""
The examples of the README and of the docs, run as they stand.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.helpers import Browser, ask_asgi, ask_wsgi

ROOT = Path(__file__).parents[1]


def blocks_of(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def run(*blocks: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "docs"}
    for block in blocks:
        exec(compile(block, "docs", "exec"), namespace)  # noqa: S102  # our own examples
    return namespace


def browser_of(app: Any) -> Browser:
    return Browser(lambda path, **options: ask_asgi(app, path, **options))


class TestReadme:
    SHARED, MAPPING, MOUNTED = blocks_of("README.md")

    def test_shared_session(self) -> None:
        """
        Who logs in to the mounted Flask app is known to FastAPI.
        """
        browser = browser_of(run(self.SHARED)["app"])
        assert browser.visit("/me").json == {"user": None}
        assert browser.visit("/legacy/login/ada", method="POST").body == b"welcome"
        assert browser.visit("/me").json == {"user": "ada"}

    def test_side_by_side(self) -> None:
        """
        So it is when the middleware is around the new part only.
        """
        browser = browser_of(run(self.SHARED, self.MOUNTED)["parent"])
        assert browser.visit("/api/whoami").json == {"user": None}
        assert browser.visit("/legacy/login/ada", method="POST").body == b"welcome"
        assert browser.visit("/api/whoami").json == {"user": "ada"}

    def test_settings_instead_of_the_app(self) -> None:
        """
        The same cookie is read from the app's settings alone.
        """
        namespace = run(self.SHARED)
        cookie = ask_wsgi(namespace["flask_app"], "/login/ada", method="POST").cookie
        app = namespace["app"] = FastAPI()
        exec(compile(self.MAPPING, "docs", "exec"), namespace)  # noqa: S102  # our own example
        app.get("/me")(namespace["me"])
        assert ask_asgi(app, "/me", cookies=[cookie]).json == {"user": "ada"}


class TestMounting:
    NAMESPACE = run(*blocks_of("docs/mounting.md"))

    def test_one_session(self) -> None:
        """
        Both sides count the same visits.
        """
        browser = browser_of(self.NAMESPACE["app"])
        paths = ("/visits", "/legacy/visits", "/visits")
        assert [browser.visit(path).json["visits"] for path in paths] == [1, 2, 3]

    def test_fallback(self) -> None:
        """
        What FastAPI doesn't know goes to Flask.
        """
        browser = browser_of(self.NAMESPACE["fallback"])
        assert browser.visit("/moved").json == "FastAPI"
        assert browser.visit("/visits").json == {"visits": 1}

    def test_from_one_side_to_the_other(self) -> None:
        """
        Each side knows of the other.
        """
        browser = browser_of(self.NAMESPACE["app"])
        assert browser.visit("/link").json == "/legacy/visits"
        assert browser.visit("/legacy/tenant").body == b"acme"


class TestLogin:
    NAMESPACE = run(*blocks_of("docs/login.md"))

    def test_twins(self) -> None:
        """
        Who logs in on one side is known to both, and who logs out to neither.
        """
        browser = browser_of(self.NAMESPACE["app"])
        assert browser.visit("/account").status == 401
        form = [("content-type", "application/x-www-form-urlencoded")]
        assert browser.visit("/legacy/login", method="POST", body=b"name=ada", headers=form).body == b"welcome"
        for path in ("/account", "/legacy/account"):
            assert browser.visit(path).json == {"user": "ada"}
        assert browser.visit("/logout", method="POST").json == "bye"
        assert browser.visit("/account").status == 401
        assert browser.visit("/legacy/account").status == 302

    def test_to_the_login_page(self) -> None:
        """
        A browser is sent to the Flask app's login page.
        """
        answer = browser_of(self.NAMESPACE["app"]).visit("/account", headers=[("accept", "text/html")])
        assert answer.status == 302
        assert answer.lines("location") == ["/legacy/login?next=%2Faccount"]


class TestForms:
    @pytest.fixture
    def browser(self) -> Browser:
        return browser_of(run(*blocks_of("docs/forms.md")[:2])["app"])

    def test_flash(self, browser: Browser) -> None:
        """
        A message is shown once.
        """
        browser.visit("/save")
        assert browser.visit("/messages").json == [["info", "Saved."]]
        assert browser.visit("/messages").json == []

    def test_csrf(self, browser: Browser) -> None:
        """
        A form needs the token of the session; a webhook doesn't.
        """
        token = browser.visit("/form").json["csrf_token"]
        assert browser.visit("/form", method="POST").status == 400
        assert browser.visit("/form", method="POST", headers=[("x-csrftoken", token)]).json == "thank you"
        assert browser.visit("/webhook", method="POST").json == "got it"

    def test_templates(self) -> None:
        """
        The context processor is one of Jinja2Templates.
        """
        namespace = run(*blocks_of("docs/forms.md"))
        assert len(namespace["templates"].context_processors) == 1
