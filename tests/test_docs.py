"""
The README's examples, run as they stand.
"""

import re
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from tests.helpers import Browser, ask_asgi, ask_wsgi

README = Path(__file__).parents[1] / "README.md"
SHARED, MAPPING, MOUNTED = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def run(*blocks: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)  # noqa: S102  # our own examples
    return namespace


def browser_of(app: Any) -> Browser:
    return Browser(lambda path, **options: ask_asgi(app, path, **options))


def test_shared_session() -> None:
    """
    Who logs in to the mounted Flask app is known to FastAPI.
    """
    browser = browser_of(run(SHARED)["app"])
    assert browser.visit("/me").json == {"user": None}
    assert browser.visit("/legacy/login/ada", method="POST").body == b"welcome"
    assert browser.visit("/me").json == {"user": "ada"}


def test_side_by_side() -> None:
    """
    So it is when the middleware is around the new part only.
    """
    browser = browser_of(run(SHARED, MOUNTED)["parent"])
    assert browser.visit("/api/whoami").json == {"user": None}
    assert browser.visit("/legacy/login/ada", method="POST").body == b"welcome"
    assert browser.visit("/api/whoami").json == {"user": "ada"}


def test_settings_instead_of_the_app() -> None:
    """
    The same cookie is read from the app's settings alone.
    """
    namespace = run(SHARED)
    cookie = ask_wsgi(namespace["flask_app"], "/login/ada", method="POST").cookie
    app = namespace["app"] = FastAPI()
    exec(compile(MAPPING, str(README), "exec"), namespace)  # noqa: S102  # our own example
    app.get("/me")(namespace["me"])
    assert ask_asgi(app, "/me", cookies=[cookie]).json == {"user": "ada"}
