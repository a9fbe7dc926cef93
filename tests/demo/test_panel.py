"""
The panel: the session as it is, and who wrote it.
"""

from datetime import datetime, timedelta, timezone

import pytest
import time_machine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.demo import panel
from starlette_flask.demo.flask_half import app as flask_app
from starlette_flask.demo.main import app
from starlette_flask.demo.shop import USERS
from starlette_flask.testing import login_client, make_session_cookie, session_transaction
from tests.demo.visitor import Entry, Page, Visitor
from tests.helpers import Answer, ask_asgi, run_asgi, websocket_scope

CONFIG = SessionConfig.from_flask(flask_app)


def look(visitor: Visitor) -> Page:
    """
    Ask for the panel alone, as the script does.
    """
    return Page("/demo/session", visitor.ask("/demo/session"))


def test_who_wrote_what(visitor: Visitor) -> None:
    """
    Of each key the panel says what it is, of which type, and which half wrote it.
    """
    assert "It is empty." in look(visitor).text
    visitor.open("/products")
    visitor.press(visitor.open("/products"), "Add to cart: Sencha")
    visitor.log_in()
    visitor.move("/login", "FastAPI")
    page = look(visitor)
    entries = page.entries
    assert {key: entry.writer for key, entry in entries.items()} == {
        "_fresh": "Flask",
        "_id": "Flask",
        "_user_id": "Flask",
        "cart": "FastAPI",
        "csrf_token": "Flask",
        "logged_in_at": "Flask",
    }
    assert entries["_fresh"] == Entry("bool", "True", "Flask")
    assert entries["cart"] == Entry("dict", "{'sencha': 1}", "FastAPI")
    assert entries["logged_in_at"].type == "datetime"
    assert entries["logged_in_at"].value.startswith("datetime.datetime(20")
    assert page.writes == [
        "FastAPI GET / took out _flashes",
        "FastAPI POST /demo/move wrote _flashes",
        "Flask GET /account took out _flashes",
        "Flask POST /login wrote _flashes wrote _fresh wrote _id wrote _user_id wrote logged_in_at",
        "FastAPI GET /cart took out _flashes",
    ]
    assert "Last written by FastAPI, answering POST /demo/move" in page.text
    visitor.log_in("grace")
    entries = look(visitor).entries
    assert (entries["_user_id"], entries["_id"].writer) == (Entry("str", "'grace'", "FastAPI"), "Flask")
    visitor.press(visitor.open("/"), "Log out")
    page = look(visitor)
    assert set(page.entries) == {"_fresh", "cart", "csrf_token"}
    assert page.writes[1] == "Flask POST /logout wrote _flashes took out _fresh took out _id took out _user_id" + (
        " took out logged_in_at"
    )
    assert page.writes[0] == "Flask GET /products wrote _fresh took out _flashes"


def test_page_and_panel(visitor: Visitor) -> None:
    """
    Without the script a page shows the session as it leaves it, its messages gone.
    """
    for path in ("/products", "/cart"):
        page = visitor.open(path)
        assert page.entries == look(visitor).entries
    page = visitor.log_in()
    assert page.messages
    assert page.entries == look(visitor).entries


def test_size() -> None:
    """
    The size is that of what a browser sends.
    """
    client = TestClient(app)
    client.get("/login")
    size = len(f"session={client.cookies['session']}")
    assert f"<dd>{size} of 4,093 bytes" in client.get("/demo/session").text


def test_only_looks() -> None:
    """
    The panel answers with no cookie, though the session is a permanent one, which each other answer sends again.
    """
    client = TestClient(app)
    login_client(client, USERS["ada"])
    with session_transaction(client) as session:
        session.permanent = True
    response = client.get("/demo/session")
    assert "Permanent</dt><dd>yes" in response.text
    assert "set-cookie" not in response.headers
    assert response.headers["cache-control"] == "no-store"
    assert "set-cookie" not in client.get("/static/demo.js").headers
    assert "set-cookie" in client.get("/account").headers


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param("forged.by.hand", id="forged"),
        pytest.param(make_session_cookie({"user": "eve"}, SessionConfig(secret_key="another")), id="another key"),
    ],
)
def test_bad_cookie(value: str) -> None:
    """
    A cookie that isn't a good one is an empty session for the panel, too.
    """
    answer = ask_asgi(app, "/demo/session", cookies=[f"session={value}"])
    assert answer.status == 200
    assert "It is empty." in Page("", answer).text


def test_long_values_are_cut() -> None:
    """
    What is long is cut, and what isn't text of ours is escaped.
    """
    client = TestClient(app)
    with session_transaction(client) as session:
        session["note"] = "<script>" + "x" * 100
    response = client.get("/demo/session")
    entry = Page("", Answer(200, (), response.content)).entries["note"]
    assert entry.type == "str"
    assert entry.value.startswith("'<script>xxx")
    assert len(entry.value) == 60


def test_followed_when_refreshed(visitor: Visitor) -> None:
    """
    A cookie that is sent again without a change is still known.
    """
    visitor.press(visitor.log_in(), "Make it permanent")
    with time_machine.travel(datetime.now(timezone.utc) + timedelta(seconds=5), tick=False):
        before = visitor.browser.value()
        page = visitor.open("/products")
        assert visitor.browser.value() != before
        assert look(visitor).writes == page.writes
        assert page.writes[0] == "Flask GET /account took out _flashes"


class TestTracer:
    @pytest.fixture
    def tracer(self, monkeypatch: pytest.MonkeyPatch) -> panel.SessionTracer:
        """
        A small app that writes what it is asked for.
        """
        monkeypatch.setattr(panel, "_KEPT_TRACES", 3)

        async def write(request: Request) -> Response:
            request.session["path"] = request.url.path
            return Response(headers={"set-cookie": "other=1"})

        inner = Starlette(routes=[Route("/{path}", write)])
        return panel.SessionTracer(SessionMiddleware(inner, config=CONFIG), CONFIG)

    def test_forgets(self, tracer: panel.SessionTracer) -> None:
        """
        Of sessions beyond a number the oldest is forgotten.
        """
        cookies = [ask_asgi(tracer, f"/{number}").set_cookie[-1].partition(";")[0] for number in range(4)]
        known = [cookie.partition("=")[2].encode() in tracer._traces for cookie in cookies]
        assert known == [False, True, True, True]

    def test_other_scopes(self, tracer: panel.SessionTracer) -> None:
        """
        Where there is no response with headers, there is nothing to note.
        """
        sent = run_asgi(tracer, websocket_scope("/"), [{"type": "websocket.connect"}])
        assert [message["type"] for message in sent] == ["websocket.close"]
        assert not tracer._traces
