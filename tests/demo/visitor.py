"""
Somebody who visits the demo without scripts: reads its pages, and presses their buttons.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urlencode

from tests.helpers import Answer, Browser

HTML = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
FORM = ("content-type", "application/x-www-form-urlencoded")
HALVES = ("Flask", "FastAPI")

_INLINE = {"a", "code", "del", "ins", "small", "span", "strong"}
_VOID = {"meta", "link", "input", "br", "hr", "img"}


@dataclass
class Element:
    """
    An element of a page.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element | str"] = field(default_factory=list)

    def __iter__(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child

    def all(self, tag: str, class_: str | None = None) -> list["Element"]:
        """
        Return the elements of this tag, and of this class, if one is given.
        """
        return [item for item in self if item.tag == tag and (class_ is None or class_ in item.classes)]

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    @property
    def text(self) -> str:
        """
        Its text, with one space for any.
        """
        return " ".join("".join(self._strings()).split())

    def _strings(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._strings()
                if child.tag not in _INLINE:
                    yield " "


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("page")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)

    def handle_endtag(self, tag: str) -> None:
        ended = self.open.pop()
        assert ended.tag == tag, f"</{tag}> ends <{ended.tag}>"


class Entry(NamedTuple):
    """
    A key of the session, as a page shows it.
    """

    type: str
    value: str
    writer: str


@dataclass
class Button:
    """
    What a button sends, and where to.
    """

    action: str
    fields: dict[str, str]


class Page:
    """
    What a visitor sees.
    """

    def __init__(self, path: str, answer: Answer) -> None:
        reader = _Reader()
        reader.feed(answer.body.decode())
        [self.root] = reader.open
        self.path = path
        self.answer = answer

    @property
    def text(self) -> str:
        return self.root.text

    @property
    def half(self) -> str:
        """
        Which half the page says it was served by.
        """
        [band] = self.root.all("div", "band")
        return band.all("strong")[0].text

    @property
    def messages(self) -> list[str]:
        """
        What is flashed.
        """
        [flashes] = self.root.all("div", "flashes")
        return [item.text for item in flashes.all("p")]

    @property
    def main(self) -> str:
        """
        The page's own text, without the demo around it.
        """
        return self.root.all("main")[0].text

    @property
    def links(self) -> dict[str, str]:
        """
        Addresses by text.
        """
        return {link.text: link.attributes["href"] for link in self.root.all("a")}

    @property
    def entries(self) -> dict[str, Entry]:
        """
        The session as it is shown.
        """
        items = [item for group in self.root.all("ul", "entries") for item in group.all("li")]
        return {
            item.all("code", "key")[0].text: Entry(
                item.all("span", "type")[0].text,
                item.all("code", "value")[0].text,
                item.all("span", "half")[0].text.removeprefix("written by "),
            )
            for item in items
        }

    @property
    def writes(self) -> list[str]:
        """
        Who wrote what, the last first.
        """
        return [item.text for group in self.root.all("ol", "writes") for item in group.all("li")]

    @property
    def buttons(self) -> dict[str, Button]:
        """
        By what a screen reader calls them.
        """
        found = {}
        for form in self.root.all("form"):
            for button in form.all("button"):
                name = button.attributes.get("aria-label", button.text)
                fields = {
                    item.attributes["name"]: item.attributes.get("value", "")
                    for item in form
                    if item.tag in ("input", "textarea") and item.attributes.get("type") != "checkbox"
                }
                if "name" in button.attributes:
                    fields[button.attributes["name"]] = button.attributes["value"]
                found[name] = Button(form.attributes.get("action", self.path), fields)
        return found

    @property
    def token(self) -> str:
        """
        The CSRF token of its forms.
        """
        tokens = {button.fields["csrf_token"] for button in self.buttons.values()}
        assert len(tokens) == 1
        return tokens.pop()


class Visitor:
    """
    Somebody who goes from page to page.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def ask(self, path: str, *headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> Answer:
        return self.browser.visit(path, method=method, headers=headers, body=body)

    def open(self, path: str) -> Page:
        """
        Go to a page, or where it leads.
        """
        return self._follow(path, self.ask(path, HTML))

    def send(self, action: str, /, **fields: str) -> Answer:
        """
        Send a form.
        """
        return self.ask(action, HTML, FORM, method="POST", body=urlencode(fields).encode())

    def press(self, page: Page, name: str, /, **fields: str) -> Page:
        """
        Fill in the form that a button is in, press it, and go where that leads. The session is saved once.
        """
        button = page.buttons[name]
        answer = self.send(button.action, **{**button.fields, **fields})
        if answer.status == 303:
            assert sum(line.startswith("session=") for line in answer.set_cookie) == 1, answer
        return self._follow(button.action, answer)

    def move(self, path: str, half: str) -> None:
        """
        Let *half* serve *path*, unless it does.
        """
        page = self.open("/")
        name = f"Move {path} to {half}"
        if name in page.buttons:
            page = self.press(page, name)
            assert page.messages == [f"{path} is served by {half} now. Same address, same session."]

    def log_in(self, name: str = "ada", /, **fields: str) -> Page:
        password = {"ada": "lovelace", "grace": "hopper"}[name]
        return self.press(self.open("/login"), "Log in", name=name, password=password, **fields)

    def assert_known(self, name: str) -> None:
        """
        Check that both halves know this user, and come back.
        """
        for half in HALVES:
            self.move("/account", half)
            page = self.open("/account")
            assert (page.half, page.path) == (half, "/account")
            assert f"You are {name}." in page.main

    def assert_unknown(self) -> None:
        """
        Check that neither half knows anybody.
        """
        for half in HALVES:
            self.move("/account", half)
            self.move("/login", half)
            page = self.open("/account")
            assert (page.half, page.path) == (half, "/login?next=%2Faccount")
            assert page.messages == ["Please log in to access this page."]
            assert "Not logged in" in page.text

    def _follow(self, path: str, answer: Answer) -> Page:
        while answer.status in (302, 303):
            [path] = answer.lines("location")
            answer = self.ask(path, HTML)
        return Page(path, answer)
