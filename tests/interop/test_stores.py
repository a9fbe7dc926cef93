"""
Sessions kept in a server: real Flask-Session and our stores use the same records, ids and cookies.

Each story is told in every place in which Flask-Session keeps sessions, unless it's about what all of them share.
"""

import asyncio
import logging
import pickle
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import quote
from uuid import UUID

import flask
import msgspec
import pytest
import redis
import time_machine
from flask.sessions import SessionInterface, SessionMixin
from itsdangerous import Signer
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.stores import FlaskInterfaceStore
from tests.helpers import Answer, ask_wsgi
from tests.interop.apps import make_flask_app, needs_flask
from tests.middleware.client import Server
from tests.stores.places import FLASK_PLACES, FlaskPlace, RedisPlace, close_store, open_place
from tests.stores.servers import PASSWORD, SECONDS, RedisServer

LIFETIME = 1000
"""The seconds for which a session is kept."""

SID = re.compile(r"session=([\w-]{43})(\.[\w-]{27})?;")

View = Callable[[Any], object]
"""A view of either app: it's given the session, and what it returns is shown."""


Configure = Callable[[flask.Flask], dict[str, Any]]
"""Returns the options of our middleware."""


@pytest.fixture(params=FLASK_PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[FlaskPlace]:
    """
    Where both keep their sessions.
    """
    with open_place(request.param, request) as place:
        yield place


@pytest.fixture(params=[name for name in FLASK_PLACES if not name.startswith(("filesystem", "cachelib"))])
def formatted(request: pytest.FixtureRequest) -> Iterator[FlaskPlace]:
    """
    A place where records are msgpack or JSON.
    """
    with open_place(request.param, request) as place:
        yield place


@pytest.fixture(params=["redis", "sqlite"])
def either(request: pytest.FixtureRequest) -> Iterator[FlaskPlace]:
    """
    One of two places, for what they all share.
    """
    with open_place(request.param, request) as place:
        yield place


@pytest.fixture(params=["redis", "cachelib"])
def quick(request: pytest.FixtureRequest) -> Iterator[FlaskPlace]:
    """
    One of the two that are asked most quickly.
    """
    with open_place(request.param, request) as place:
        yield place


@pytest.fixture(params=["msgpack", "json"])
def serialization_format(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def from_flask(app: flask.Flask) -> dict[str, Any]:
    """
    Configure ours as the Flask app is, with a store and a client of its own.
    """
    return {"config": SessionConfig.from_flask(app)}


def by_interface(app: flask.Flask) -> dict[str, Any]:
    """
    Let the Flask app's own interface do it.
    """
    return {"store": FlaskInterfaceStore(app)}


@pytest.fixture
def meet() -> Iterator[Callable[..., "Peers"]]:
    """
    Brings the two peers together.
    """
    met: list[Peers] = []

    def meet(place: FlaskPlace, configure: Configure = from_flask, **settings: Any) -> Peers:
        met.append(Peers(place, settings, configure))
        return met[-1]

    yield meet
    for peers in met:
        peers.close()


class Peers:
    """
    A Flask app with Flask-Session, and a Starlette app that is configured from it.
    """

    def __init__(self, place: FlaskPlace, settings: dict[str, Any], configure: "Configure") -> None:
        self.place = place
        # The servers have a clock of their own, so the stories can't be told in a year of our choice.
        self._now = int(time.time())
        self.theirs = make_flask_app()
        place.install(self.theirs, **{"PERMANENT_SESSION_LIFETIME": LIFETIME, **settings})
        self.theirs.add_url_rule("/", view_func=self._their_view)
        self._view: View = dict
        self.is_configured = configure is from_flask
        ours = Starlette(routes=[Route("/", self._our_view)])
        self._middleware = SessionMiddleware(ours, **configure(self.theirs))
        self._server = Server(self._middleware)
        self._server.__enter__()

    def close(self) -> None:
        closing = close_store(self._middleware.config.store)
        asyncio.run_coroutine_threadsafe(closing, self._server.loop).result(SECONDS)
        self._server.close()

    @property
    def both(self) -> "list[Callable[..., Answer]]":
        """
        The two peers, each to be asked.
        """
        return [self.ask_ours, self.ask_theirs]

    def ask_ours(self, view: View, *cookies: str, at: float = 0) -> Answer:
        self._view = view
        headers = [("cookie", cookie) for cookie in cookies]
        with time_machine.travel(self._now + at, tick=False):
            answer = self._server.ask("/", headers=headers)
        return Answer(answer.status, tuple((name.lower(), line) for name, line in answer.headers), answer.body)

    def ask_theirs(self, view: View, *cookies: str, at: float = 0) -> Answer:
        self._view = view
        with time_machine.travel(self._now + at, tick=False):
            return ask_wsgi(self.theirs, "/", cookies=cookies)

    def record(self, cookie: str) -> bytes | None:
        """
        Return the record of the session that a cookie, as ``name=value``, stands for.
        """
        return self.place.read("session:" + sid_of(cookie))

    def _their_view(self) -> str:
        return repr(self._view(flask.session._get_current_object()))  # type: ignore[attr-defined]  # a proxy

    async def _our_view(self, request: Request) -> Response:
        return Response(repr(self._view(request.session)))


def sid_of(cookie: str) -> str:
    return cookie.partition("=")[2].partition(".")[0]


def signed(sid: str, key: str = "secret", *, salt: str = "flask-session", key_derivation: str = "hmac") -> str:
    """
    Return an id as Flask-Session signs it, or as nobody does.
    """
    return Signer(key, salt=salt, key_derivation=key_derivation).sign(sid).decode()


def see(session: Any) -> dict[str, Any]:
    """
    Show the whole session.
    """
    session.get("user")  # by key, which every version of Flask counts as access
    return dict(session)


def leave(session: Any) -> None:
    """
    Do nothing.
    """


def write(**items: Any) -> View:
    return lambda session: session.update(items)


def clear(session: Any) -> None:
    session.clear()


def make_permanent(value: bool) -> View:
    return lambda session: setattr(session, "permanent", value)


def in_turn(*views: View) -> View:
    return lambda session: [view(session) for view in views]


class Colour(Enum):
    RED = "red"


VALUES: dict[str, Any] = {
    "none": None,
    "bool": True,
    "int": -1,
    "big int": 2**64 - 1,
    "float": 1.5,
    "whole float": 1.0,
    "not finite": float("inf"),
    "text": "käse \U0001f9c0 \x00",
    "bytes": b"\x00\xff",
    "tuple": (1, (2, 3)),
    "set": {1},
    "nested": {"list": [{"dict": {}}]},
    "aware": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc),
    "elsewhere": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    "naive": datetime(2026, 1, 2, 3, 4, 5),  # what it's about
    "date": datetime(2026, 1, 2).date(),
    "duration": timedelta(days=1, microseconds=1),
    "uuid": UUID(int=5),
    "decimal": Decimal("1.50"),
    "flashes": [("message", "hello")],
    "numbered": {1: "one"},
}


# Records


def test_records_are_the_same_bytes(
    formatted: FlaskPlace, meet: Callable[..., Peers], serialization_format: str
) -> None:
    """
    Both write the same record for the same data, and read the same from it.
    """
    peers = meet(formatted, SESSION_SERIALIZATION_FORMAT=serialization_format)
    for value in VALUES.values():
        cookies = [ask(write(value=value)).cookie for ask in peers.both]
        ours, theirs = (peers.record(cookie) for cookie in cookies)
        assert ours == theirs
        assert ours is not None
        assert ours.startswith(b"\x82" if serialization_format == "msgpack" else b"{")
        seen = {ask(see, cookie).body for ask in peers.both for cookie in cookies}
        assert len(seen) == 1


@pytest.mark.parametrize("either", ["redis"], indirect=True)  # a database is asked three times, with pauses
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="object"),
        pytest.param(Markup("<b>"), id="markup"),
        pytest.param(1j, id="complex"),
        pytest.param("\ud800", id="half a pair"),
        pytest.param({(1, 2): 3}, id="tuple as a key of JSON"),
    ],
)
def test_what_has_no_form(either: FlaskPlace, meet: Callable[..., Peers], value: Any) -> None:
    """
    A session that can't be written is an error, in both apps, and what is kept stays as it was.
    """
    peers = meet(either, SESSION_SERIALIZATION_FORMAT="json")
    cookie = peers.ask_theirs(write(user="mary")).cookie
    for ask in peers.both:
        with pytest.raises((TypeError, UnicodeEncodeError)):
            ask(write(value=value), cookie)
        assert ask(see, cookie).body == b"{'_permanent': True, 'user': 'mary'}"


def test_cachelib_records_are_the_same_bytes(meet: Callable[..., Peers], request: pytest.FixtureRequest) -> None:
    """
    Cachelib pickles, and so do we: to the same bytes.
    """
    for name in ("filesystem", "cachelib", "cachelib on redis"):
        with open_place(name, request) as place:
            peers = meet(place)
            for value in VALUES.values():
                ours, theirs = (peers.record(ask(write(value=value)).cookie) for ask in peers.both)
                assert ours == theirs
                assert ours is not None
                assert pickle.loads(ours) == {"_permanent": True, "value": value}  # noqa: S301  # our own bytes


def test_a_session_goes_back_and_forth(place: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    What one writes the other reads, changes and deletes, under the same id.
    """
    peers = meet(place)
    [ask, other] = peers.both
    for _ in range(2):
        cookie = ask(write(user="mary", cart=["a"])).cookie
        assert other(see, cookie).body == b"{'_permanent': True, 'user': 'mary', 'cart': ['a']}"
        assert other(write(cart=["a", "b"]), cookie).cookie == cookie
        assert ask(lambda session: session.pop("user"), cookie).cookie == cookie
        assert other(see, cookie).body == ask(see, cookie).body == b"{'_permanent': True, 'cart': ['a', 'b']}"
        ask, other = other, ask


def test_a_new_session_is_kept_under_its_id(place: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    The id is in the cookie, 43 letters of 32 random bytes; the record is under it and the prefix.
    """
    peers = meet(place)
    sids = [sid_of(ask(write(user="mary")).cookie) for ask in peers.both]
    assert all(re.fullmatch(r"[\w-]{43}", sid, re.ASCII) for sid in sids)
    assert len(place.kept()) == 2
    assert None not in [place.read(f"session:{sid}") for sid in sids]


@pytest.mark.parametrize("name", ["ours", "theirs"])
def test_a_cleared_session_is_deleted(place: FlaskPlace, meet: Callable[..., Peers], name: str) -> None:
    """
    For the other too.
    """
    peers = meet(place)
    [ask, other] = peers.both if name == "ours" else reversed(peers.both)
    cookie = other(write(user="mary")).cookie
    assert ask(clear, cookie).cookie == "session="
    assert peers.record(cookie) is None
    assert place.kept() == []
    assert other(see, cookie).body == b"{'_permanent': True}"


@pytest.mark.parametrize("name", ["ours", "theirs"])
def test_a_session_ends_when_its_time_is_up(place: FlaskPlace, meet: Callable[..., Peers], name: str) -> None:
    """
    Whoever wrote it, neither reads it any more, and what is written then is under another id.
    """
    peers = meet(place)
    [ask, other] = peers.both if name == "ours" else reversed(peers.both)
    cookie = ask(write(user="mary")).cookie
    place.expire("session:" + sid_of(cookie))
    for read in (ask, other):
        assert read(see, cookie).body == b"{'_permanent': True}"
    assert other(write(user="joe"), cookie).cookie != cookie


@pytest.mark.parametrize(
    "lifetime",
    [
        pytest.param(timedelta(seconds=90), id="short"),
        pytest.param(timedelta(seconds=90.9), id="not whole"),
        pytest.param(timedelta(days=30), id="the longest that memcached counts from now"),
        pytest.param(timedelta(days=31), id="Flask's default"),
    ],
)
def test_both_keep_a_session_for_the_same_time(
    place: FlaskPlace, meet: Callable[..., Peers], lifetime: timedelta
) -> None:
    """
    For ``PERMANENT_SESSION_LIFETIME``, permanent or not.
    """
    for permanent in (True, False):
        peers = meet(place, PERMANENT_SESSION_LIFETIME=lifetime, SESSION_PERMANENT=permanent)
        ours, theirs = (place.seconds_left("session:" + sid_of(ask(write(a=1)).cookie)) for ask in peers.both)
        assert ours == pytest.approx(theirs, abs=2)
        assert ours == pytest.approx(lifetime.total_seconds(), abs=15)


@pytest.mark.parametrize("name", ["ours", "theirs"])
@pytest.mark.parametrize("view", [leave, see], ids=["untouched", "read"])
@pytest.mark.parametrize("permanent", [True, False], ids=["permanent", "not permanent"])
def test_each_request_prolongs_the_session(
    place: FlaskPlace, meet: Callable[..., Peers], name: str, view: View, permanent: bool
) -> None:
    """
    Also where nothing was changed, or even read. Permanent is what the cookie is.
    """
    peers = meet(place, SESSION_PERMANENT=permanent)
    [ask, other] = peers.both if name == "ours" else reversed(peers.both)
    cookie = other(write(user="mary")).cookie
    key = "session:" + sid_of(cookie)
    record = place.read(key)
    assert record is not None
    place.write(key, record, 50)
    assert place.seconds_left(key) < 100
    ask(view, cookie)
    assert place.seconds_left(key) > LIFETIME - 50
    assert place.read(key) == record


@pytest.mark.parametrize("name", ["ours", "theirs"])
def test_without_refresh_only_a_change_prolongs_the_session(
    place: FlaskPlace, meet: Callable[..., Peers], name: str
) -> None:
    """
    ``SESSION_REFRESH_EACH_REQUEST`` is about the record as well.
    """
    peers = meet(place, SESSION_REFRESH_EACH_REQUEST=False)
    [ask, other] = peers.both if name == "ours" else reversed(peers.both)
    cookie = other(write(user="mary")).cookie
    key = "session:" + sid_of(cookie)
    record = place.read(key)
    assert record is not None
    place.write(key, record, 50)
    ask(see, cookie)
    assert place.seconds_left(key) < 100
    ask(write(user="mary"), cookie)
    assert place.seconds_left(key) > LIFETIME - 50


def test_an_unknown_id_is_never_adopted(place: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    Who makes up an id, or keeps one whose record is gone, gets another; nothing is kept under the first.
    """
    peers = meet(place)
    made_up = "session=" + "a" * 43
    for ask in peers.both:
        assert ask(see, made_up).body == b"{'_permanent': True}"
        cookie = ask(write(user="mary"), made_up).cookie
        assert cookie != made_up
        assert ask(see, cookie).body == b"{'_permanent': True, 'user': 'mary'}"
    assert peers.record(made_up) is None
    assert len(place.kept()) == 2


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a" * 300, id="longer than keys of memcached and of the table"),
        pytest.param('"a b"', id="blank"),
        pytest.param('"a\\000b"', id="null"),
        pytest.param('"a\\012b"', id="line feed"),
        pytest.param("käse", id="not ASCII"),
        pytest.param("\x7f", id="control character"),
        pytest.param("*", id="asterisk"),
        pytest.param("../../etc/passwd", id="path"),
        pytest.param('""', id="empty"),
    ],
)
def test_an_impossible_id_is_an_unknown_one(place: FlaskPlace, meet: Callable[..., Peers], value: str) -> None:
    """
    Whatever a client sends as an id, nobody gets an error from it.
    """
    peers = meet(place)
    assert peers.ask_ours(see, f"session={value}").body == b"{'_permanent': True}"
    answer = peers.ask_ours(write(user="mary"), f"session={value}")
    assert answer.status == 200
    assert re.fullmatch(r"session=[\w-]{43}", answer.cookie)


def test_either_format_is_read(formatted: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    Whichever is configured; what is changed is written in that one.
    """
    data = {"_permanent": True, "user": "mary"}
    records = {"msgpack": msgspec.msgpack.encode(data), "json": msgspec.json.encode(data)}
    for configured, other in [("msgpack", "json"), ("json", "msgpack")]:
        peers = meet(formatted, SESSION_SERIALIZATION_FORMAT=configured)
        for ask in peers.both:
            formatted.write("session:known", records[other])
            assert ask(see, "session=known").body == b"{'_permanent': True, 'user': 'mary'}"
            assert ask(write(user="mary"), "session=known").cookie == "session=known"
            assert formatted.read("session:known") == records[configured]


def test_prefix_and_length_of_ids(place: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    Both keep what ``SESSION_KEY_PREFIX`` and ``SESSION_ID_LENGTH`` say.
    """
    peers = meet(place, SESSION_KEY_PREFIX="shop:", SESSION_ID_LENGTH=16)
    for ask in peers.both:
        cookie = ask(write(user="mary")).cookie
        assert re.fullmatch(r"[\w-]{22}", sid_of(cookie))
        assert place.read("shop:" + sid_of(cookie)) is not None


# Records that are none


UNREADABLE = {
    "no format": b"\xc1",
    "text": b"garbage",
    "cut off": msgspec.msgpack.encode({"user": "mary"})[:-1],
    "cut off JSON": b'{"user": "ma',
    "not UTF-8": b"\x81\xa4user\xa1\xff",
    "not UTF-8 in JSON": b'{"user": "\xff"}',
    "nested too deep": b"\x91" * 100_000 + b"\x90",
    "nested too deep in JSON": b"[" * 100_000 + b"]" * 100_000,
    "number": b"\x05",
    "list": b"\x92\x01\x02",
    "list of pairs": b'[["user", "mary"]]',
    "string": b'"user"',
    "compressed": b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9",
}


@pytest.mark.parametrize("record", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_record_is_an_empty_session(
    either: FlaskPlace, meet: Callable[..., Peers], caplog: pytest.LogCaptureFixture, record: bytes
) -> None:
    """
    With one log record, which doesn't tell the id; what is kept stays as it is until a view writes.
    """
    peers = meet(either)
    peers.ask_theirs(leave)  # the table is there
    either.write("session:known-to-us", record)
    with caplog.at_level(logging.INFO, "starlette_flask"):
        answer = peers.ask_ours(see, "session=known-to-us")
    assert (answer.status, answer.set_cookie) == (200, [])
    assert answer.body in (b"{}", b"{'_permanent': True}")
    assert either.read("session:known-to-us") == record
    [logged] = caplog.records
    assert logged.name == "starlette_flask.sessions"
    assert "known-to-us" not in logged.getMessage()
    cookie = peers.ask_ours(write(user="joe"), "session=known-to-us").cookie
    assert peers.ask_theirs(lambda session: session["user"], cookie).body == b"'joe'"


class Evil:
    """
    A pickle of it has a say in what happens when it's read.
    """

    def __reduce__(self) -> Any:
        return setattr, (Evil, "was_called", True)


PICKLES = {
    "protocol 0": pickle.dumps({"user": "mary"}, 0),
    "protocol 2": pickle.dumps({"user": "mary"}, 2),
    "protocol 5": pickle.dumps({"user": "mary"}, 5),
}


@pytest.mark.parametrize("record", PICKLES.values(), ids=PICKLES)
def test_a_pickle_is_refused(
    formatted: FlaskPlace, meet: Callable[..., Peers], caplog: pytest.LogCaptureFixture, record: bytes
) -> None:
    """
    Flask-Session before 0.7 wrote records that run what they say. There is one log record, which says so.
    """
    peers = meet(formatted)
    peers.ask_theirs(leave)
    formatted.write("session:old", record)
    with caplog.at_level(logging.INFO, "starlette_flask"):
        assert peers.ask_ours(see, "session=old").body in (b"{}", b"{'_permanent': True}")
    [logged] = caplog.records
    assert "pickle" in logged.getMessage()
    assert formatted.read("session:old") == record
    assert peers.ask_theirs(lambda session: session["user"], "session=old").body == b"'mary'"


def test_a_pickle_does_nothing(formatted: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    What it would call isn't called.
    """
    peers = meet(formatted)
    peers.ask_theirs(leave)
    formatted.write("session:old", pickle.dumps(Evil()))
    assert peers.ask_ours(see, "session=old").status == 200
    assert not hasattr(Evil, "was_called")


# Ids


def test_signed_ids(place: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    Both sign an id in the same way, and take each other's.
    """
    peers = meet(place, SESSION_USE_SIGNER=True)
    for ask in peers.both:
        cookie = ask(write(user="mary")).cookie
        assert cookie == "session=" + signed(sid_of(cookie))
        assert peers.record(cookie) is not None
        for read in peers.both:
            assert read(see, cookie).cookie == cookie
            assert read(lambda session: session["user"], cookie).body == b"'mary'"


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda sid: sid, id="not signed"),
        pytest.param(lambda sid: f"{sid}.", id="empty signature"),
        pytest.param(lambda sid: f"{sid}.{'A' * 27}", id="another signature"),
        pytest.param(
            lambda sid: Signer("other", salt="flask-session", key_derivation="hmac").sign(sid).decode(), id="key"
        ),
        pytest.param(lambda sid: Signer("secret", salt="other", key_derivation="hmac").sign(sid).decode(), id="salt"),
        pytest.param(lambda sid: Signer("secret", salt="flask-session").sign(sid).decode(), id="derivation"),
        pytest.param(lambda sid: f".{sid}", id="no id"),
    ],
)
def test_a_forged_signature(either: FlaskPlace, meet: Callable[..., Peers], forge: Callable[[str], str]) -> None:
    """
    An id that isn't signed with our key is unknown.
    """
    peers = meet(either, SESSION_USE_SIGNER=True)
    cookie = peers.ask_theirs(write(user="mary")).cookie
    forged = f"session={forge(sid_of(cookie))}"
    for ask in peers.both:
        assert ask(see, forged).body == b"{'_permanent': True}"
        assert sid_of(ask(write(user="joe"), forged).cookie) != sid_of(cookie)


def test_a_letter_after_the_signature(either: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    itsdangerous drops what isn't ASCII before it decodes a signature. We don't.
    """
    peers = meet(either, SESSION_USE_SIGNER=True)
    cookie = peers.ask_theirs(write(user="mary")).cookie
    altered = (cookie + "é").encode().decode("latin-1")
    assert b"mary" in peers.ask_theirs(see, altered).body
    assert peers.ask_ours(see, altered).body == b"{'_permanent': True}"


def test_a_signed_id_where_ids_are_not_signed(either: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    It's another id then.
    """
    peers = meet(either)
    cookie = peers.ask_theirs(write(user="mary")).cookie
    for ask in peers.both:
        assert ask(see, f"session={signed(sid_of(cookie))}").body == b"{'_permanent': True}"


def test_a_new_key(either: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    Flask-Session drops everybody when the key changes. We still take what a fallback has signed, and sign it anew,
    so that Flask-Session takes it again.
    """
    old = meet(either, SESSION_USE_SIGNER=True).ask_theirs(write(user="mary")).cookie
    peers = meet(either, SESSION_USE_SIGNER=True, SECRET_KEY="new", SECRET_KEY_FALLBACKS=["secret"])
    assert b"mary" not in peers.ask_theirs(see, old).body
    new = peers.ask_ours(see, old).cookie
    assert new != old
    assert sid_of(new) == sid_of(old)
    assert b"mary" in peers.ask_theirs(see, new).body


def test_the_id_of_a_session(either: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    A view sees it as ``session.sid``, the same before and after.
    """
    peers = meet(either)

    def tell(session: Any) -> str:
        session["user"] = "mary"
        sid: str = session.sid
        return sid

    for ask in peers.both:
        answer = ask(tell)
        cookie = answer.cookie
        assert answer.body == repr(sid_of(cookie)).encode()
        assert [other(tell, cookie).body for other in peers.both] == [answer.body] * 2


def test_another_id(place: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    ``regenerate`` gives a session another id, at once for the view. The old record is gone.
    """
    peers = meet(place)
    cookie = peers.ask_theirs(write(user="mary")).cookie

    def regenerate(session: Any) -> tuple[str, str]:
        before = session.sid
        session.regenerate()
        return before, session.sid

    answer = peers.ask_ours(regenerate, cookie)
    new = answer.cookie
    assert answer.body == repr((sid_of(cookie), sid_of(new))).encode()
    assert sid_of(new) != sid_of(cookie)
    assert peers.record(cookie) is None
    assert len(place.kept()) == 1
    assert peers.ask_theirs(see, new).body == b"{'_permanent': True, 'user': 'mary'}"


# Headers


START: dict[str, Any] = {
    "nobody": None,
    "somebody": {"user": "mary"},
    "permanent": {"_permanent": True, "user": "mary"},
    "browser session": {"_permanent": False, "user": "mary"},
    "empty": {},
    "unknown": "session=" + "a" * 43,
}
"""What a request comes with: a session with this content, or this cookie."""


def after_get(view: View) -> View:
    """
    Return a view that asks for a key first, which every version of Flask counts as access.
    """
    return in_turn(lambda session: session.get("user"), view)


VIEWS: dict[str, View] = {
    "untouched": leave,
    "get": see,
    "write": write(answer=42),
    "write the same": write(user="mary"),
    "delete a key": after_get(lambda session: session.pop("user", None)),
    "clear": clear,
    "clear and write": in_turn(clear, write(user="joe")),
    "permanent": make_permanent(True),
    "not permanent": make_permanent(False),
    "permanent and write": in_turn(make_permanent(True), write(user="joe")),
    "not permanent and write": in_turn(make_permanent(False), write(user="joe")),
    "is it true": after_get(bool),
    "setdefault": lambda session: session.setdefault("user", "joe"),
}

TOUCHES: dict[str, View] = {
    "in": lambda session: "user" in session,
    "len": len,
    "is it true": bool,
    "keys": lambda session: list(session.keys()),
    "no such key": lambda session: session.pop("nobody", None),
}
"""What Flask before 3.1.3 doesn't notice."""

SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "no refresh": {"SESSION_REFRESH_EACH_REQUEST": False},
    "not permanent": {"SESSION_PERMANENT": False},
    "neither": {"SESSION_PERMANENT": False, "SESSION_REFRESH_EACH_REQUEST": False},
    "signed": {"SESSION_USE_SIGNER": True},
    "attributes": {
        "SESSION_COOKIE_NAME": "session",
        "SESSION_COOKIE_DOMAIN": "example.org",
        "SESSION_COOKIE_PATH": "/shop",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": False,
        "SESSION_COOKIE_SAMESITE": "Strict",
    },
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("start", START.values(), ids=START)
@pytest.mark.parametrize(
    "configure", [pytest.param(from_flask, id="ours"), pytest.param(by_interface, id="their interface")]
)
def test_headers(
    quick: FlaskPlace, meet: Callable[..., Peers], settings: dict[str, Any], start: Any, configure: Configure
) -> None:
    """
    Both send the same lines, but for the id where it's new, and keep the same record, whatever the view does.
    """
    peers = meet(quick, configure, **settings)
    assert_same_headers(peers, VIEWS, settings, start)


@needs_flask("3.1.3", "touching the session is access")
@pytest.mark.parametrize("start", START.values(), ids=START)
@pytest.mark.parametrize(
    "configure", [pytest.param(from_flask, id="ours"), pytest.param(by_interface, id="their interface")]
)
def test_headers_of_a_touch(quick: FlaskPlace, meet: Callable[..., Peers], start: Any, configure: Configure) -> None:
    """
    A session that was looked at in any way varies the response.
    """
    assert_same_headers(meet(quick, configure), TOUCHES, {}, start)


def assert_same_headers(peers: Peers, views: dict[str, View], settings: dict[str, Any], start: Any) -> None:
    """
    Let both run views, each with the same session to begin with, and compare what they send and keep.
    """
    place = peers.place
    peers.ask_theirs(leave)
    known = signed("known") if settings.get("SESSION_USE_SIGNER") else "known"
    differences = []
    for name, view in views.items():
        seen = []
        for ask in peers.both:
            place.empty()
            cookies = []
            if isinstance(start, dict):
                place.write("session:known", place.dump(start))
                cookies = [f"session={known}"]
            elif start:
                cookies = [start]
            answer = ask(view, *cookies)
            records = {key: place.read(key) for key in place.kept()}
            headers = lines(answer)
            if ask == peers.ask_theirs and peers.is_configured:
                headers = as_ours(headers, settings, has_cookie=bool(cookies))
            seen.append((answer.status, headers, answer.body, sorted(anonymous(records))))
        if seen[0] != seen[1]:
            differences.append(f"{name}:\n  ours   {seen[0]}\n  theirs {seen[1]}")
    assert differences == [], "\n".join(["", *differences])


def test_a_change_that_is_taken_back(either: FlaskPlace, meet: Callable[..., Peers]) -> None:
    """
    With ``modified = False`` nothing is kept. Flask-Session, which writes with each refresh, keeps it even so.
    """
    take_back = in_turn(write(user="joe"), lambda session: setattr(session, "modified", False))
    for refresh, theirs in [(True, b"'joe'"), (False, b"'mary'")]:
        peers = meet(either, SESSION_REFRESH_EACH_REQUEST=refresh)
        for ask, expected in zip(peers.both, [b"'mary'", theirs], strict=True):
            cookie = peers.ask_theirs(write(user="mary")).cookie
            ask(take_back, cookie)
            assert peers.ask_theirs(lambda session: session["user"], cookie).body == expected


def lines(answer: Answer) -> dict[str, list[str]]:
    """
    Return the lines of a response that are about its session, without new ids.
    """
    return {
        "set-cookie": [SID.sub("session=<new>;", line) for line in answer.set_cookie],
        "vary": answer.vary,
    }


def as_ours(headers: dict[str, list[str]], settings: dict[str, Any], *, has_cookie: bool) -> dict[str, list[str]]:
    """
    Return what we send where Flask-Session sends this.

    It deletes the cookie without the attributes that it was set with, and also where there is none.
    """
    attributes = "HttpOnly; Path=/"
    if "SESSION_COOKIE_PATH" in settings:
        attributes = "Secure; Path=/shop; SameSite=Strict"
    deletion = re.compile("(session=; .*Max-Age=0); Path=.*")
    cookies = [deletion.sub(rf"\1; {attributes}", line) for line in headers["set-cookie"]]
    return {**headers, "set-cookie": [line for line in cookies if has_cookie or not line.startswith("session=;")]}


def anonymous(records: dict[str, bytes | None]) -> list[tuple[str, bytes | None]]:
    return [(key if key == "session:known" else "session:<new>", record) for key, record in records.items()]


# Any interface


class HomeGrownSession(dict[str, Any], SessionMixin):
    """
    A session of somebody's own.
    """

    sid: str | None = None


class HomeGrownInterface(SessionInterface):
    """
    Keeps sessions in a dict, under the number that it gives them, with a cookie like no other.
    """

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def open_session(self, app: flask.Flask, request: flask.Request) -> HomeGrownSession:
        number = request.cookies.get("number", "")
        session = HomeGrownSession(self.kept.get(number, {}))
        session.sid = number if number in self.kept else None
        session["agent"] = request.user_agent.string
        return session

    def save_session(self, app: flask.Flask, session: SessionMixin, response: flask.Response) -> None:
        assert isinstance(session, HomeGrownSession)
        number = session.sid or str(len(self.kept))
        self.kept[number] = dict(session)
        response.set_cookie("number", number, max_age=5, path="/", samesite="None", secure=True)
        response.set_cookie("seen", "yes")
        response.vary.add("User-Agent")


def test_a_home_grown_interface() -> None:
    """
    Any interface of a Flask app opens and saves the sessions of ours, and its own cookies go out as they are.
    """
    app = make_flask_app()
    app.session_interface = interface = HomeGrownInterface()

    async def view(request: Request) -> Response:
        request.session.setdefault("visits", []).append(request.url.path)
        return Response(repr(dict(request.session)), headers={"Vary": "Accept"})

    ours = Starlette(routes=[Route("/{page}", view)])
    ours.add_middleware(SessionMiddleware, store=FlaskInterfaceStore(app))
    with Server(ours) as server, time_machine.travel(0, tick=False):
        first = server.ask("/a", headers=[("user-agent", "test")])
        second = server.ask("/b", headers=[("user-agent", "test"), ("cookie", "number=0")])
    cookies = [
        "number=0; Expires=Thu, 01 Jan 1970 00:00:05 GMT; Max-Age=5; Secure; Path=/; SameSite=None",
        "seen=yes; Path=/",
    ]
    for answer in (first, second):
        assert [line for name, line in answer.headers if name.lower() == "set-cookie"] == cookies
        assert [line for name, line in answer.headers if name.lower() == "vary"] == ["Accept, User-Agent"]
    assert interface.kept == {"0": {"agent": "test", "visits": ["/a", "/b"]}}


def test_an_interface_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """
    It's as good as a server that is down.
    """

    class Failing(HomeGrownInterface):
        def open_session(self, app: flask.Flask, request: flask.Request) -> HomeGrownSession:
            raise LookupError("nobody there")

    app = make_flask_app()
    app.session_interface = Failing()
    with Server(SessionMiddleware(Starlette(), store=FlaskInterfaceStore(app))) as server:
        assert server.ask("/").status == 503
    [logged] = [record for record in caplog.records if record.name == "starlette_flask.sessions"]
    assert "LookupError" in logged.getMessage()


# Settings of clients


@pytest.mark.parametrize("way", ["password", "socket", "database", "url"])
def test_the_client_is_as_theirs(redis_with_password: RedisServer, meet: Callable[..., Peers], way: str) -> None:
    """
    Our client goes where theirs goes.
    """
    server = redis_with_password
    clients = {
        "password": lambda: redis.Redis(port=server.port, password=PASSWORD),
        "socket": lambda: redis.Redis(unix_socket_path=str(server.socket), password=PASSWORD),
        "database": lambda: redis.Redis(port=server.port, password=PASSWORD, db=3),
        "url": lambda: redis.Redis.from_url(f"redis://:{quote(PASSWORD)}@127.0.0.1:{server.port}/2"),
    }
    with clients[way]() as client:
        place = RedisPlace(server)
        peers = meet(place, SESSION_REDIS=client)
        cookie = peers.ask_ours(write(user="mary")).cookie
        assert peers.ask_theirs(see, cookie).body == b"{'_permanent': True, 'user': 'mary'}"
        assert client.exists("session:" + sid_of(cookie))
        place.clear()


def test_text_instead_of_bytes(redis_server: RedisServer, meet: Callable[..., Peers]) -> None:
    """
    A Flask app whose client decodes all that it reads can keep JSON only; ours reads it.
    """
    place = RedisPlace(redis_server)
    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        peers = meet(place, SESSION_REDIS=client, SESSION_SERIALIZATION_FORMAT="json")
        cookie = peers.ask_theirs(write(user="käse")).cookie
        assert peers.ask_ours(see, cookie).body == "{'_permanent': True, 'user': 'käse'}".encode()
    place.clear()
