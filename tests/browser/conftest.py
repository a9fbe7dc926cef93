"""
Debian's Chromium, driven by Playwright, and the demo that it looks at, in a process of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from starlette_flask.demo import moving
from tests.browser.tab import Tab, Watch
from tests.demo.served import Connection, running_demo
from tests.demo.visitor import Visitor
from tests.helpers import Browser as Jar

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

NewContext = Callable[..., "BrowserContext"]
"""Opens a window with an empty cookie jar; takes what Playwright's ``new_context`` takes."""


def give_up(reason: str) -> NoReturn:
    """
    Skip, or fail where it must not be missing.
    """
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


# Playwright's loop runs in this thread while it is open. It is closed when the tests of this folder are done, or no
# other could run one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("needs Playwright: pip install playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        give_up("needs Chromium: apt-get install chromium")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=not is_root)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def port(browser: Browser) -> Iterator[int]:
    with running_demo() as port:
        yield port


class Switch:
    """
    Moves routes, as the buttons of the first page do.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, path: str, half: str) -> None:
        with closing(Connection(self._port)) as connection:
            Visitor(Jar(connection)).move(path, half)

    def reset(self) -> None:
        """
        Put each route where it is when the demo starts.
        """
        with closing(Connection(self._port)) as connection:
            visitor = Visitor(Jar(connection))
            page = visitor.open("/")
            for path in moving.PAGES:
                name = f"Move {path} to {moving.half_of(path)}"
                if name in page.buttons:
                    page = visitor.press(page, name)


@pytest.fixture
def move(port: int) -> Iterator[Switch]:
    switch = Switch(port)
    yield switch
    switch.reset()


@pytest.fixture
def origin(port: int, move: Switch) -> str:
    """
    Where the demo is.
    """
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """
    Opens windows. In the end there was no error on any console, and no request to another host.
    """
    opened: list[tuple[BrowserContext, Watch]] = []

    def new_context(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"viewport": {"width": 1120, "height": 760}, **options})
        opened.append((context, Watch(context)))
        return context

    yield new_context
    troubles = [trouble for _, watch in opened for trouble in watch.troubles]
    for context, _ in opened:
        context.close()
    assert troubles == []


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    return new_context()


@pytest.fixture
def tab(context: BrowserContext, origin: str) -> Tab:
    return Tab(context, origin)
