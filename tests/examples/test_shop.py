"""
The shop of examples/shop, served by uvicorn and visited over real connections.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.helpers import Answer, Browser

ROOT = Path(__file__).parents[2]
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Connection:
    """
    Asks over one keep-alive connection, as a browser or a reverse proxy does.
    """

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=20)

    def __call__(self, path: str, *, method: str = "GET", cookies: Sequence[str] = (), body: bytes = b"") -> Answer:
        headers = dict(FORM) if body else {}
        if cookies:
            headers["cookie"] = "; ".join(cookies)
        self.http.request(method, path, body or None, headers)
        response = self.http.getresponse()
        lines = tuple((name.lower(), value) for name, value in response.getheaders())
        return Answer(response.status, lines, response.read())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """
    The port of a running shop.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "examples.shop"],
        cwd=ROOT,
        env={**os.environ, "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            welcome = process.stdout.readline()
            address = re.fullmatch(r"The shop is open: http://127\.0\.0\.1:(\d+)/\n", welcome)
            assert address, welcome + process.stdout.read()
            yield int(address[1])
        finally:
            process.terminate()


@pytest.fixture
def browser(port: int) -> Iterator[Browser]:
    connection = Connection(port)
    yield Browser(connection)
    connection.http.close()


def post(browser: Browser, path: str, **fields: str) -> Answer:
    """
    Send a form; the answer brings one session, in one line.
    """
    answer = browser.visit(path, method="POST", body=urlencode(fields).encode())
    assert answer.status in (200, 303), answer.body
    [line] = answer.set_cookie
    assert line.startswith("session=")
    return answer


def session_of(browser: Browser) -> object:
    answer = browser.visit("/api/me")
    assert answer.set_cookie == []
    return answer.json


@pytest.mark.parametrize("logout", ["/logout", "/legacy/logout"])
def test_story(browser: Browser, logout: str) -> None:
    """
    Log in in Flask, be known in FastAPI, change one cart from both, log out from either.
    """
    assert session_of(browser) == {"user": None, "cart": {"items": []}}

    answer = post(browser, "/legacy/login", user=" Ada \n Lovelace ")
    assert (answer.status, answer.lines("location")) == (303, ["/legacy/"])
    assert session_of(browser) == {"user": "Ada Lovelace", "cart": {"items": []}}

    post(browser, "/legacy/cart/add", sku="tea")
    post(browser, "/api/cart/tea")
    post(browser, "/legacy/cart/add", sku="tea")
    answer = post(browser, "/cart/cup")
    assert (answer.status, answer.lines("location")) == (303, ["/"])
    tea, cup = {"sku": "tea", "qty": 3}, {"sku": "cup", "qty": 1}
    assert session_of(browser) == {"user": "Ada Lovelace", "cart": {"items": [tea, cup]}}
    post(browser, "/legacy/cart/remove", sku="tea")
    assert session_of(browser) == {"user": "Ada Lovelace", "cart": {"items": [cup]}}

    post(browser, logout)
    assert browser.value() is None
    assert session_of(browser) == {"user": None, "cart": {"items": []}}
    assert "Flask does not know you." in browser.visit("/legacy/").body.decode()


@pytest.mark.parametrize(("path", "half"), [("/", "FastAPI"), ("/legacy/", "Flask"), ("/legacy/login", "Flask")])
def test_pages_name_both_halves(browser: Browser, path: str, half: str) -> None:
    """
    Every page says which half it comes from and leads to the other, and asking for it writes no session.
    """
    answer = browser.visit(path)
    page = answer.body.decode()
    assert (answer.status, answer.set_cookie) == (200, [])
    assert f"This page comes from <strong>{half}</strong>." in page
    assert '<a class="FastAPI" href="/"' in page
    assert '<a class="Flask" href="/legacy/"' in page


@pytest.mark.parametrize("path", ["/", "/legacy/", "/legacy/login"])
def test_a_name_is_text(browser: Browser, path: str) -> None:
    """
    What a visitor types is never markup.
    """
    post(browser, "/legacy/login", user="<script>alert(1)</script>")
    assert b"<script" not in browser.visit(path).body


@pytest.mark.parametrize("name", ["", " \n", None])
def test_no_name(browser: Browser, name: str | None) -> None:
    """
    Without a name, the form comes back with a message.
    """
    body = urlencode({"user": name} if name is not None else {"other": ""}).encode()
    answer = browser.visit("/legacy/login", method="POST", body=body)
    assert (answer.status, answer.set_cookie) == (400, [])
    assert "Please enter a name." in answer.body.decode()


def test_long_name(browser: Browser) -> None:
    """
    A name is cut where it would take too much of the cookie.
    """
    post(browser, "/legacy/login", user="é" * 1000)
    assert session_of(browser) == {"user": "é" * 40, "cart": {"items": []}}


@pytest.mark.parametrize("path", ["/cart/gold", "/api/cart/gold", "/legacy/cart/add"])
def test_unknown_product(browser: Browser, path: str) -> None:
    """
    Only what is on sale gets into a cart.
    """
    answer = browser.visit(path, method="POST", body=b"sku=gold")
    assert (answer.status, answer.set_cookie) == (404, [])


def test_nobody_inherits_a_login(port: int) -> None:
    """
    On the connection over which a user uploaded a form, a stranger is a stranger to both halves.

    Without uvicorn's reset_contextvars, a2wsgi leaves the user in the `flask.g` of the next request.
    """
    for _ in range(5):
        connection = Connection(port)
        user, stranger = Browser(connection), Browser(connection)
        post(user, "/legacy/login", user="ada")
        upload = urlencode({"user": "", "padding": "x" * 300_000}).encode()
        page = user.visit("/legacy/login", method="POST", body=upload)
        own_end = connection.http.sock.getsockname()
        assert page.status == 400
        assert "Flask does not know you." in stranger.visit("/legacy/").body.decode()
        assert session_of(stranger) == {"user": None, "cart": {"items": []}}
        assert connection.http.sock.getsockname() == own_end, "another connection"
        assert "Flask knows you as <strong>ada</strong>." in user.visit("/legacy/").body.decode()
        connection.http.close()
