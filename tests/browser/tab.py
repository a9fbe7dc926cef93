"""
A tab of a real browser, with the words of somebody who looks at the demo in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response

PASSWORDS = {"ada": "lovelace", "grace": "hopper"}
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Where the stories leave their pictures, if anywhere: ``SCREENSHOTS=docs/images``."""

_MAX_PICTURE_BYTES = 150_000


class Watch:
    """
    Notes what must not happen, in all tabs of a context.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.troubles: list[str] = []
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.troubles.append(f"error: {error.error}"))

    def _on_request(self, request: Request) -> None:
        if urlsplit(request.url).hostname != "127.0.0.1":
            self.troubles.append(f"asks another host: {request.url}")

    def _on_response(self, response: Response) -> None:
        # A page may say no. What it is made of must be there.
        if response.status >= 400 and not response.request.is_navigation_request():
            self.troubles.append(f"{response.status}: {response.url}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource: "):
            self.troubles.append(f"console: {message.text}")


class Tab:
    """
    A tab, which waits for the page after each step.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.origin = origin

    def open(self, path: str) -> Tab:
        self.page.goto(self.origin + path)
        return self

    def press(self, name: str) -> Tab:
        """
        Press a button, or follow a link, of this accessible name.
        """
        page = self.page
        with page.expect_navigation():
            page.get_by_role("button", name=name, exact=True).or_(
                page.get_by_role("link", name=name, exact=True)
            ).first.click()
        return self

    def log_in(self, name: str = "ada", *, remember: bool = False) -> Tab:
        if not self.path.startswith("/login"):
            self.open("/login")
        self.fill_in(name, PASSWORDS[name], remember=remember)
        return self.press_in_main("Log in")

    def fill_in(self, name: str, password: str, *, remember: bool = False) -> None:
        """
        Fill in the login form, and don't send it yet.
        """
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_label("Remember me").set_checked(remember)

    def press_in_main(self, name: str) -> Tab:
        """
        Press a button of the page's own part.
        """
        with self.page.expect_navigation():
            self.page.get_by_role("main").get_by_role("button", name=name, exact=True).click()
        return self

    def press_in_main_unchecked(self, name: str) -> Tab:
        """
        The same, with what the browser itself would not send: empty fields.
        """
        self.page.evaluate("document.querySelector('main form').noValidate = true")
        return self.press_in_main(name)

    @property
    def path(self) -> str:
        return self.page.url.removeprefix(self.origin)

    @property
    def half(self) -> str:
        """
        Which half the page says it was served by.
        """
        return self.page.locator(".band strong").inner_text()

    @property
    def main(self) -> str:
        return " ".join(self.page.get_by_role("main").inner_text().split())

    @property
    def messages(self) -> list[str]:
        """
        What is flashed.
        """
        return self.page.get_by_role("status").locator("p").all_inner_texts()

    def panel_says(self, key: str, value: str, writer: str) -> None:
        """
        Wait until the panel shows this of a key of the session.
        """
        entry = self.page.locator(".entries li").filter(has=self.page.get_by_text(key, exact=True))
        entry.filter(has_text=value).filter(has=self.page.locator(f".half.{writer}")).wait_for()

    def picture(self, name: str, of: str = "") -> None:
        """
        Leave a picture of the page, or of the element *of*, for the docs, if they are asked for.
        """
        if SCREENSHOTS:
            self.page.wait_for_load_state("networkidle")
            path = Path(SCREENSHOTS) / f"{name}.png"
            shown = self.page.locator(of) if of else self.page
            taken = shown.screenshot(path=path, scale="css", animations="disabled")
            assert len(taken) < _MAX_PICTURE_BYTES, f"{path} has {len(taken)} bytes"
