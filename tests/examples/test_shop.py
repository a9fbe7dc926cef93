"""
The shop of examples/shop, served by uvicorn and visited over real connections, with the forms that its pages have.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest

from starlette_flask import SessionSerializer
from tests.helpers import Answer, Browser

ROOT = Path(__file__).parents[2]
SECRET_KEY = "the shop's"
HTML = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
FORM = ("content-type", "application/x-www-form-urlencoded")
HOME = {"FastAPI": "/", "Flask": "/legacy/"}
NOBODY: dict[str, object] = {"user": None, "fresh": False, "cart": {}}

each_half = pytest.mark.parametrize("half", ["FastAPI", "Flask"])
each_page = pytest.mark.parametrize("start", ["FastAPI", "Flask"])


class Connection:
    """
    Asks over one keep-alive connection, as a browser or a reverse proxy does.
    """

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=20)

    def __call__(
        self,
        path: str,
        *,
        method: str = "GET",
        cookies: Sequence[str] = (),
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        self.http.request(method, path, body or None, {**dict(headers), "cookie": "; ".join(cookies)})
        response = self.http.getresponse()
        lower = tuple((name.lower(), value) for name, value in response.getheaders())
        return Answer(response.status, lower, response.read())

    def close(self) -> None:
        self.http.close()


@dataclass
class Button:
    """
    What a button sends, and where to.
    """

    action: str
    fields: dict[str, str]


class Page(HTMLParser):
    """
    What a visitor sees and can press.
    """

    def __init__(self, path: str, answer: Answer) -> None:
        super().__init__()
        self.path = path
        self.answer = answer
        self.half = ""
        """Which half the page says it comes from."""
        self.links: dict[str, str] = {}
        """Addresses by text."""
        self.buttons: dict[str, Button] = {}
        """By name, which is the ``aria-label`` or the text."""
        self.messages: list[str] = []
        """What is flashed."""
        self.session = ""
        """The session as it is shown."""
        self.text = ""
        self._fields: dict[str, str] = {}
        self._begun: list[tuple[str, dict[str, str]]] = []
        self._at: list[int] = []
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
        elif tag == "input":
            # A box is ticked by who fills in the form.
            if attributes.get("type") != "checkbox":
                self._fields[attributes["name"]] = attributes.get("value", "")
        elif tag not in ("meta", "link"):
            self._begun.append((tag, attributes))
            self._at.append(len(self.text))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            return
        (begun, attributes), at = self._begun.pop(), self._at.pop()
        assert begun == tag, f"</{tag}> ends <{begun}>"
        text = self.text[at:].strip()
        if tag == "a":
            self.links[text] = attributes["href"]
        elif tag == "button":
            name = attributes.get("aria-label", text)
            self.buttons[name] = Button(attributes.get("formaction", self.path), self._fields)
        elif tag == "li" and self._begun[-1][1].get("class") == "flashes":
            self.messages.append(text)
        elif tag == "pre":
            self.session = text
        elif tag == "div" and attributes.get("class") == "bar":
            self.half = text.removeprefix("This page comes from ").removesuffix(".")


class Visitor:
    """
    Somebody who clicks from page to page.
    """

    def __init__(self, connection: Connection) -> None:
        self.browser = Browser(connection)

    def ask(self, path: str, *headers: tuple[str, str], method: str = "GET", body: bytes = b"") -> Answer:
        return self.browser.visit(path, method=method, headers=headers, body=body)

    def open(self, path: str) -> Page:
        """
        Go to a page, or where it leads.
        """
        return self._follow(path, self.ask(path, HTML))

    def press(self, page: Page, name: str, **fields: str) -> Page:
        """
        Fill in the form that a button is in, press it, and go where that leads. The session is saved once.
        """
        button = page.buttons[name]
        body = urlencode({**button.fields, **fields}).encode()
        answer = self.ask(button.action, HTML, FORM, method="POST", body=body)
        if answer.status == 303:
            assert sum(line.startswith("session=") for line in answer.set_cookie) == 1, answer
        return self._follow(button.action, answer)

    def log_in(self, half: str, **fields: str) -> Page:
        return self.press(self.open("/login"), f"Log in with {half}", **{"user": "ada", **fields})

    def me(self) -> object:
        """
        Return what FastAPI knows.
        """
        return self.ask("/api/me").json

    def token(self) -> str:
        return self.ask("/api/token").body.decode()

    def assert_known(self, name: str) -> None:
        for half, home in HOME.items():
            assert f"{half} knows you as {name}." in self.open(home).text

    def assert_unknown(self) -> None:
        for half, home in HOME.items():
            assert f"{half} does not know you." in self.open(home).text

    def _follow(self, path: str, answer: Answer) -> Page:
        while answer.status in (302, 303):
            [path] = answer.lines("location")
            answer = self.ask(path, HTML)
        return Page(path, answer)


@contextmanager
def open_shop(port: int = 0) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """
    Start the shop; give its process and the first line that it prints.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "examples.shop"],
        cwd=ROOT,
        env={**os.environ, "PORT": str(port), "SECRET_KEY": SECRET_KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def port_in(process: "subprocess.Popen[str]", line: str) -> int:
    assert process.stdout
    found = re.fullmatch(r"The shop is open: http://127\.0\.0\.1:(\d+)/\n", line)
    assert found, line + process.stdout.read()
    return int(found[1])


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[int, str]]:
    """
    The port of a running shop, and what it has printed. Nothing that happens in it is an error of its.
    """
    logged: list[str] = []
    with open_shop() as (process, line):
        port = port_in(process, line)
        assert process.stdout
        welcome = "".join(iter(process.stdout.readline, "Stop it with Ctrl+C.\n"))
        # A process whose output nobody reads stops some time.
        reader = Thread(target=logged.extend, args=[process.stdout])
        reader.start()
        yield port, welcome
        process.kill()
        reader.join()
    assert "Traceback" not in "".join(logged)


@pytest.fixture
def port(shop: tuple[int, str]) -> int:
    return shop[0]


@pytest.fixture
def visitor(port: int) -> Iterator[Visitor]:
    with closing(Connection(port)) as connection:
        yield Visitor(connection)


@pytest.mark.parametrize("last", ["FastAPI", "Flask"])
@each_half
@each_page
def test_story(visitor: Visitor, start: str, half: str, last: str) -> None:
    """
    On a page of either half: log in with either, be known to both, log out with either, be unknown to both.
    """
    assert visitor.me() == NOBODY
    page = visitor.open(HOME[start])
    assert page.half == start
    page = visitor.press(visitor.open(page.links["Log in"]), f"Log in with {half}", user=" Ada \n Lovelace ")
    assert (page.half, page.path, page.messages) == (half, HOME[half], [f"{half} has logged you in."])
    visitor.assert_known("Ada Lovelace")
    assert visitor.me() == {"user": "Ada Lovelace", "fresh": True, "cart": {}}

    page = visitor.press(visitor.open(HOME[start]), f"Log out with {last}")
    assert (page.half, page.path, page.messages) == (last, HOME[last], [f"{last} has logged you out."])
    visitor.assert_unknown()
    assert visitor.me() == NOBODY


@each_page
def test_cart(visitor: Visitor, start: str) -> None:
    """
    Both halves fill and empty one cart, from forms of either, whether somebody is logged in or not.
    """
    for half in ("FastAPI", "Flask", "FastAPI"):
        page = visitor.press(visitor.open(HOME[start]), f"Add with {half}: Green tea")
        assert (page.half, page.messages) == (half, [f"{half} has added to your cart: Green tea."])
    visitor.log_in("Flask")
    visitor.press(visitor.open(HOME[start]), "Add with Flask: Teapot")
    assert visitor.me() == {"user": "ada", "fresh": True, "cart": {"tea": 3, "pot": 1}}
    for half, product in [("FastAPI", "Green tea"), ("Flask", "Teapot")]:
        page = visitor.press(visitor.open(HOME[start]), f"Remove with {half}: {product}")
        assert (page.half, page.messages) == (half, [f"{half} has removed it from your cart."])
    assert visitor.me() == {"user": "ada", "fresh": True, "cart": {}}


def test_removed_already(visitor: Visitor) -> None:
    """
    What is no longer in the cart can't be removed, and nobody says that it was.
    """
    visitor.press(visitor.open("/"), "Add with Flask: Teapot")
    page = visitor.open("/")
    visitor.press(page, "Remove with Flask: Teapot")
    for half, action in [("FastAPI", "/cart/pot/remove"), ("Flask", "/legacy/cart/pot/remove")]:
        body = urlencode(page.buttons["Add with Flask: Teapot"].fields).encode()
        answer = visitor.ask(action, FORM, method="POST", body=body)
        assert (answer.status, answer.lines("location"), answer.set_cookie) == (303, [HOME[half]], [])


def test_api(visitor: Visitor) -> None:
    """
    Of the JSON route the token is in a header.
    """
    visitor.press(visitor.open("/legacy/"), "Add with Flask: Tea cup")
    answer = visitor.ask("/api/cart/cup", ("x-csrftoken", visitor.token()), method="POST")
    assert (answer.status, answer.json) == (200, {"cup": 2})
    assert "'cart'] = {'cup': 2}" in visitor.open("/legacy/").session


@pytest.mark.parametrize("page", ["/", "/login", "/account"])
def test_pages(visitor: Visitor, page: str) -> None:
    """
    Each half says which it is, leads to the same page of the other, shows the session, and offers the same forms.

    Who has the session's token already gets no other cookie.
    """
    visitor.log_in("FastAPI", user="<script>alert(1)</script>")
    visitor.press(visitor.open("/"), "Add with FastAPI: Tea cup")
    ours, theirs = visitor.open(page), visitor.open("/legacy" + page)
    assert (ours.half, theirs.half) == ("FastAPI", "Flask")
    assert ours.links["Flask"] == theirs.links["Flask"] == theirs.path == "/legacy" + page
    assert ours.links["FastAPI"] == theirs.links["FastAPI"] == ours.path == page
    assert ours.session == theirs.session
    assert "session['_fresh'] = True\n" in ours.session
    assert "session['_user_id'] = '<script>alert(1)</script>'\n" in ours.session
    assert "session['cart'] = {'cup': 1}\n" in ours.session
    assert list(ours.buttons) == list(theirs.buttons) != []
    for name, button in ours.buttons.items():
        assert button.action == theirs.buttons[name].action
    for answer in (ours.answer, theirs.answer):
        assert (answer.status, answer.set_cookie) == (200, [])
        assert b"<script" not in answer.body


@each_half
@pytest.mark.parametrize(
    ("path", "wants"),
    [
        pytest.param("/account", "/login?next=%2Faccount", id="FastAPI's page"),
        pytest.param("/legacy/account", "/legacy/login?next=%2Flegacy%2Faccount", id="Flask's page"),
    ],
)
def test_users_only(visitor: Visitor, path: str, wants: str, half: str) -> None:
    """
    A page for users sends a stranger to the login form with a message; whichever half logs in sends back to it.
    """
    page = visitor.open(path)
    assert (page.path, page.messages) == (wants, ["Please log in to access this page."])
    page = visitor.press(page, f"Log in with {half}", user="ada")
    assert (page.path, page.messages) == (path, [f"{half} has logged you in."])
    assert f"{page.half} shows this page only to users, and you are ada." in page.text
    assert page.half == ("Flask" if path.startswith("/legacy") else "FastAPI")


@each_half
def test_remembered(visitor: Visitor, half: str) -> None:
    """
    Who is remembered is known again to both when the session is gone, but must log in anew to check out.
    """
    page = visitor.log_in(half, remember="on")
    page = visitor.press(visitor.open(page.links["Your account"]), "Forget the session")
    visitor.assert_known("ada")
    assert visitor.me() == {"user": "ada", "fresh": False, "cart": {}}
    for path in ("/account", "/legacy/account"):
        assert "You were remembered. To check out, you have to log in again." in visitor.open(path).text

    visitor.press(visitor.open("/"), "Add with Flask: Green tea")
    page = visitor.open("/checkout")
    assert (page.path, page.messages) == ("/login?next=%2Fcheckout", ["Please reauthenticate to access this page."])
    page = visitor.press(page, f"Log in with {half}", user="ada")
    assert (page.path, page.messages) == ("/checkout", [f"{half} has logged you in."])
    assert "Green tea × 1" in page.text  # noqa: RUF001  # as it is shown
    page = visitor.press(page, "Order")
    assert (page.half, page.path) == ("Flask", "/legacy/")
    assert page.messages == ["FastAPI has taken your order, ada. Flask tells you so."]
    assert visitor.me() == {"user": "ada", "fresh": True, "cart": {}}


@each_half
@each_page
def test_no_longer_remembered(visitor: Visitor, start: str, half: str) -> None:
    """
    Who was remembered by one half is forgotten by both when either logs out.
    """
    visitor.log_in(start, remember="on", user="é" * 40)
    assert visitor.browser.value("remember_token")
    visitor.press(visitor.press(visitor.open("/account"), "Forget the session"), f"Log out with {half}")
    assert visitor.browser.value("remember_token") is None
    visitor.assert_unknown()


@each_half
def test_not_remembered(visitor: Visitor, half: str) -> None:
    """
    Who didn't ask for it isn't remembered.
    """
    visitor.log_in(half)
    page = visitor.press(visitor.open("/account"), "Forget the session")
    assert page.session.startswith("session['csrf_token'] = ")
    visitor.assert_unknown()


def test_order_of_a_stranger(visitor: Visitor) -> None:
    """
    Nobody orders without a login, whatever they send.
    """
    token = ("x-csrftoken", visitor.token())
    answer = visitor.ask("/checkout", token, method="POST")
    assert (answer.status, answer.json) == (401, {"detail": "Not logged in"})
    answer = visitor.ask("/checkout", token, HTML, method="POST")
    assert (answer.status, answer.lines("location")) == (302, ["/login?next=%2Fcheckout"])


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/logout",
        "/forget",
        "/checkout",
        "/cart/tea",
        "/cart/tea/remove",
        "/legacy/login",
        "/legacy/logout",
        "/legacy/cart/tea",
        "/legacy/cart/tea/remove",
    ],
)
def test_forms_of_other_sites(visitor: Visitor, port: int, path: str) -> None:
    """
    A form without a token, or with that of another session, changes nothing, and the page that says so is the shop's.
    """
    visitor.log_in("Flask")
    visitor.press(visitor.open("/"), "Add with FastAPI: Green tea")
    before = visitor.me()
    with closing(Connection(port)) as connection:
        another = Visitor(connection).token()
    for token in ("", another):
        body = urlencode({"user": "eve", "csrf_token": token}).encode()
        answer = visitor.ask(path, HTML, FORM, method="POST", body=body)
        page = Page(path, answer)
        assert (answer.status, answer.set_cookie) == (400, [])
        assert page.half == ("Flask" if path.startswith("/legacy") else "FastAPI")
        assert "Nothing was changed" in page.text
        assert page.links["Back to the shop"] == HOME[page.half]
    assert visitor.me() == before


def test_api_without_a_token(visitor: Visitor) -> None:
    """
    The JSON route refuses in JSON.
    """
    answer = visitor.ask("/api/cart/tea", method="POST")
    assert (answer.status, answer.json) == (400, {"detail": "The request has no CSRF token."})
    assert visitor.me() == NOBODY


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://evil.example/", id="url"),
        pytest.param("//evil.example/", id="slashes"),
        pytest.param("/\\evil.example/", id="backslash"),
        pytest.param("/\t/evil.example/", id="tab"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("http://[", id="broken"),
        pytest.param("", id="empty"),
    ],
)
@each_half
def test_next_is_ours(visitor: Visitor, half: str, url: str) -> None:
    """
    Nobody is sent to another site after the login.
    """
    body = urlencode({"user": "ada", "csrf_token": visitor.token()}).encode()
    path = f"{HOME[half]}login?{urlencode({'next': url})}"
    answer = visitor.ask(path, FORM, method="POST", body=body)
    assert (answer.status, answer.lines("location")) == (303, [HOME[half]])


@each_half
@pytest.mark.parametrize("name", ["", " \n", None])
def test_no_name(visitor: Visitor, half: str, name: str | None) -> None:
    """
    Without a name the form comes back with a message, and leads on to where it would have.
    """
    page = visitor.open("/legacy/account")
    button = page.buttons[f"Log in with {half}"]
    if name is None:
        del button.fields["user"]
    page = visitor.press(page, f"Log in with {half}", **({"user": name} if name else {}))
    assert (page.answer.status, page.answer.set_cookie) == (400, [])
    assert "Please enter a name." in page.text
    page = visitor.press(page, f"Log in with {half}", user="ada")
    assert page.path == "/legacy/account"


@each_half
def test_long_name(visitor: Visitor, half: str) -> None:
    """
    A name is cut where it would take too much of the cookie.
    """
    visitor.log_in(half, user="é" * 1000)
    visitor.assert_known("é" * 40)


@pytest.mark.parametrize("path", ["/cart/gold", "/api/cart/gold", "/legacy/cart/gold"])
def test_unknown_product(visitor: Visitor, path: str) -> None:
    """
    Only what is on sale gets into a cart.
    """
    answer = visitor.ask(path, ("x-csrftoken", visitor.token()), method="POST")
    assert answer.status == 404
    assert visitor.me() == NOBODY


def test_secret_key(visitor: Visitor) -> None:
    """
    The session is signed with SECRET_KEY of the environment.
    """
    visitor.log_in("Flask")
    session = SessionSerializer(SECRET_KEY).loads(visitor.browser.value() or "")
    assert session["_user_id"] == "ada"


def test_nobody_inherits_a_login(port: int) -> None:
    """
    On the connection over which a user uploaded a form, a stranger is a stranger to both halves.

    With a2wsgi on uvicorn the user is in the `flask.g` of the next request, after forms of some of these sizes.
    """
    for size in range(100_000, 500_000, 50_000):
        with closing(Connection(port)) as connection:
            user, stranger = Visitor(connection), Visitor(connection)
            user.log_in("Flask")
            upload = urlencode({"csrf_token": user.token(), "user": "", "padding": "x" * size}).encode()
            page = user.ask("/legacy/login", FORM, method="POST", body=upload)
            own_end = connection.http.sock.getsockname()
            assert page.status == 400
            stranger.assert_unknown()
            assert stranger.me() == NOBODY
            assert connection.http.sock.getsockname() == own_end, "another connection"
            user.assert_known("ada")


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_printed_commands(shop: tuple[int, str], tmp_path: Path) -> None:
    """
    The commands that the shop prints do what it says, copied as they are.
    """
    commands = shop[1].partition("With curl\n")[2]
    assert commands.count("curl ") == 8
    result = subprocess.run(  # noqa: S603  # our own commands
        ["sh", "-eu", "-c", commands],  # noqa: S607  # whichever sh there is
        env={"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert re.findall(r"\{.*?\}(?=\{|<|$)", result.stdout, re.MULTILINE) == [
        '{"user":"ada","fresh":true,"cart":{}}',
        '{"tea":2}',
        '{"detail":"The request has no CSRF token."}',
        '{"user":null,"fresh":false,"cart":{"tea":2}}',
    ]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=lambda end: end.name)
def test_end(end: signal.Signals) -> None:
    """
    Ctrl+C, or SIGTERM to its process group, ends the shop without a traceback, while browsers hold connections.
    """
    with open_shop() as (process, line), closing(Connection(port_in(process, line))) as connection:
        Visitor(connection).log_in("Flask")
        os.killpg(process.pid, end)
        output, _ = process.communicate(timeout=20)
    assert "Finished server process" in output
    assert "Traceback" not in output


def test_port_taken() -> None:
    """
    Where the port is taken, the shop says so, and what to do.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open_shop(port) as (process, line):
            assert line.startswith(f"Can't listen on 127.0.0.1, port {port}. Is it taken? Try another: ")
            assert process.wait(20) == 1
