"""
Two real servers on two ports of one host, to which browsers send the same cookies: Flask-Login's, and ours.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest
import uvicorn
from werkzeug.serving import make_server

from tests.helpers import Answer, Browser
from tests.interop.logins import FIREFOX, Users, our_heir, their_app

Ask = Callable[..., Answer]
SECONDS = 10.0


class Uvicorn(uvicorn.Server):
    """
    Uvicorn in a thread, which says when it listens.
    """

    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off"))
        self.is_listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @property
    def port(self) -> int:
        number: int = self.servers[0].sockets[0].getsockname()[1]
        return number


@contextmanager
def asking(port: int) -> Iterator[Ask]:
    """
    Yield what sends requests to a port, over one connection.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)

    def ask(path: str, *, method: str, cookies: Sequence[str], body: bytes, headers: dict[str, str]) -> Answer:
        sent = {**headers, "cookie": "; ".join(cookies)} if cookies else headers
        connection.request(method, path, body or None, sent)
        response = connection.getresponse()
        lines = tuple((name.lower(), value) for name, value in response.getheaders())
        return Answer(response.status, lines, response.read())

    try:
        yield ask
    finally:
        connection.close()


@pytest.fixture(scope="module")
def users() -> Users:
    """
    Whom both know.
    """
    return Users()


@pytest.fixture(scope="module")
def servers(users: Users) -> Iterator[tuple[Ask, Ask]]:
    """
    Ask Flask's server, and ours.
    """
    app = their_app(users, SESSION_PROTECTION="strong")
    theirs = make_server("127.0.0.1", 0, app, threaded=True)
    ours = Uvicorn(our_heir(app, users))
    threads = [threading.Thread(target=server) for server in (theirs.serve_forever, ours.run)]
    for thread in threads:
        thread.start()
    try:
        assert ours.is_listening.wait(SECONDS)
        with asking(theirs.server_port) as ask_theirs, asking(ours.port) as ask_ours:
            yield ask_theirs, ask_ours
    finally:
        theirs.shutdown()
        theirs.server_close()
        ours.should_exit = True
        for thread in threads:
            thread.join(SECONDS)


@pytest.fixture(params=["from flask", "to flask"])
def here_and_there(request: pytest.FixtureRequest, servers: tuple[Ask, Ask]) -> tuple[Ask, Ask]:
    """
    The two, in either order.
    """
    theirs, ours = servers
    return (theirs, ours) if request.param == "from flask" else (ours, theirs)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"user-agent": FIREFOX}, id="Firefox"),
        pytest.param({}, id="no agent"),
        pytest.param({"user-agent": 'it\'s "odd" \\ é'}, id="odd agent"),
        pytest.param({"user-agent": FIREFOX, "x-forwarded-for": "203.0.113.7, 10.0.0.1"}, id="proxies"),
        pytest.param({"user-agent": FIREFOX, "x-forwarded-for": " , 10.0.0.1"}, id="odd proxies"),
    ],
)
def test_a_visit(here_and_there: tuple[Ask, Ask], headers: dict[str, str]) -> None:
    """
    Log in on one port, be known on the other, lose the session, be remembered, log out: under strong protection.
    """
    browser = Browser(here_and_there[0])

    def take(ask: Ask, step: str, changed: Mapping[str, str] | None = None) -> Any:
        browser.ask = ask
        answer = browser.visit(f"/do/{step}", headers={**headers, **(changed or {})})
        assert answer.status == 200, answer
        return answer.json[0]

    here, there = here_and_there
    known = {"user": "ada", "is_authenticated": True, "fresh": True, "remembered": True}
    take(here, "login:ada:remember")
    assert [take(there, "look"), take(here, "look"), take(there, "look")] == [known] * 3
    take(there, "logout")
    assert (browser.cookies, take(here, "look")["user"]) == ({}, None)
    take(there, "login:ada:remember")
    session = browser.cookies.pop(("session", "", "/"))
    assert take(there, "look") == {**known, "fresh": False}
    browser.cookies["session", "", "/"] = session
    assert take(here, "look") == known
    assert take(here, "look", {"user-agent": "another"})["user"] is None
    assert (browser.cookies, take(there, "look")["user"]) == ({}, None)
