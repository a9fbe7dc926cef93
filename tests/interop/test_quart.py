"""
Quart, Flask's twin for asyncio, has the same session: what either app writes the other reads.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import quart
from markupsafe import Markup
from quart import Quart

from tests.helpers import Answer, ask_asgi
from tests.interop.apps import Pair, View, needs, outcome, write

writes_as_today = needs("quart", "0.20", "a deletion and a refresh have the headers that Flask's have")


class QuartPair(Pair):
    """
    A Quart app and a Starlette app, as `Pair` has a Flask app and a Starlette app.
    """

    def _send_theirs(self, cookies: Sequence[str]) -> Answer:
        return ask_asgi(self.theirs, "/", cookies=cookies)

    # Quart wants its views to be coroutines.
    async def _their_view(self) -> quart.Response:  # type: ignore[override]
        return quart.Response(repr(self._view(_QuartRequest())))


class _QuartRequest(SimpleNamespace):
    @property
    def session(self) -> Any:
        proxy: Any = quart.session  # which isn't what its annotation says
        return proxy._get_current_object()


def make_pair(**settings: Any) -> QuartPair:
    app = Quart(__name__)
    app.config.update({"SECRET_KEY": "secret", "TESTING": True, **settings})
    return QuartPair(app)


def untouched(request: Any) -> None:
    pass


def clear(request: Any) -> None:
    request.session.clear()


def make_permanent(request: Any) -> None:
    request.session.permanent = True


@pytest.mark.parametrize(
    ("data", "view", "expected"),
    [
        pytest.param({"user": "ada"}, write({"user": "eve"}), "sets", id="write"),
        pytest.param({"user": "ada"}, write({"b": 1, "a": 2}), "sets", id="write-unsorted"),
        pytest.param({"user": "ada"}, make_permanent, "sets", id="make-permanent"),
        pytest.param({"user": "ada"}, clear, "deletes", id="clear", marks=writes_as_today),
        pytest.param({"user": "ada", "_permanent": True}, untouched, "sets", id="refresh", marks=writes_as_today),
    ],
)
def test_view(data: dict[str, Any], view: View, expected: str) -> None:
    """
    Whatever a view does with a session, both apps answer with the same headers.
    """
    pair = make_pair()
    assert outcome(pair.ask(view, pair.cookie(data), at=1)) == expected


def get_user(request: Any) -> Any:
    return request.session["user"]


@pytest.mark.parametrize(("view", "vary"), [(untouched, []), (get_user, ["Cookie"])], ids=["untouched", "read"])
def test_not_saved(view: View, vary: list[str]) -> None:
    """
    A session that isn't changed isn't sent, and the response varies if it was read. (Quart's Vary differs by version.)
    """
    pair = make_pair()
    cookie = pair.cookie({"user": "ada"})
    ours, theirs = pair.ask_ours(view, cookie), pair.ask_theirs(view, cookie)
    assert ours.body == theirs.body
    assert ours.set_cookie == theirs.set_cookie == []
    assert ours.vary == vary


def test_cookie_attributes() -> None:
    """
    Quart's settings mean the same as Flask's.
    """
    pair = make_pair(
        SESSION_COOKIE_NAME="sid",
        SESSION_COOKIE_DOMAIN="example.com",
        SESSION_COOKIE_PATH="/app",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    [line] = pair.ask(write({"user": "ada"})).set_cookie
    assert line.startswith("sid=")
    assert line.endswith("; Domain=example.com; Secure; HttpOnly; Path=/app; SameSite=Lax")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param((1, (2,)), id="tuple"),
        pytest.param(b"\x00\xff", id="bytes"),
        pytest.param(UUID(int=1), id="uuid"),
        pytest.param(Markup("<b>"), id="markup"),
        pytest.param(datetime(2001, 2, 3, 4, 5, 6, tzinfo=timezone.utc), id="datetime"),
        pytest.param({" t": [1]}, id="looks-tagged", marks=needs("quart", "0.19", "escaped dicts are read")),
        pytest.param(["ü", None, True, 1, 1.5], id="plain"),
        pytest.param("words and words and words " * 40, id="compressed"),
    ],
)
def test_value(value: Any) -> None:
    """
    Each type is written by one app and read by the other, both ways round.
    """
    pair = make_pair()
    data = {"value": value, "_permanent": False}
    ours, theirs = pair.ask_ours(write(data)).cookie, pair.ask_theirs(write(data)).cookie
    for seen in (pair.ask_theirs(see_value, ours), pair.ask_ours(see_value, theirs)):
        assert seen.body.decode() == repr(value)


def see_value(request: Any) -> Any:
    return request.session["value"]


def test_expiry() -> None:
    """
    Both apps accept a session for the same time.
    """
    pair = make_pair(PERMANENT_SESSION_LIFETIME=60)
    cookie = pair.cookie({"user": "ada"})
    assert pair.ask_ours(see_all, cookie, at=60).body == pair.ask_theirs(see_all, cookie, at=60).body
    assert pair.ask_ours(see_all, cookie, at=61).body == pair.ask_theirs(see_all, cookie, at=61).body == b"[]"


def see_all(request: Any) -> Any:
    return sorted(request.session.items())


@needs("quart", "0.20", "SECRET_KEY_FALLBACKS")
def test_key_rotation() -> None:
    """
    A fallback key reads what the old key signed; the new key signs.
    """
    old, new = make_pair(SECRET_KEY="old"), make_pair(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
    cookie = new.ask(write({"seen": 1}), old.cookie({"user": "ada"})).cookie
    assert make_pair(SECRET_KEY="new").ask_theirs(see_all, cookie).body == b"[('seen', 1), ('user', 'ada')]"
