"""
The same story told to a Flask app and to a Starlette app configured from it: the same headers, byte for byte.

`Pair.ask` compares each answer's ``Set-Cookie`` and ``Vary`` lines whole, and what both views saw,
types included. A cookie is thus written by both, and read by both from the other.
"""

import dataclasses
import enum
import hashlib
import json
import zlib
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask, current_app
from flask.json.provider import DefaultJSONProvider, JSONProvider
from flask.json.tag import JSONTag, TaggedJSONSerializer
from itsdangerous.encoding import base64_decode
from markupsafe import Markup

from starlette_flask import SessionConfig
from tests.helpers import Backend
from tests.interop.apps import (
    NOW,
    Pair,
    View,
    make_flask_app,
    make_interface,
    needs_flask,
    needs_werkzeug,
    outcome,
    write,
)

DAY = 24 * 60 * 60
LIFETIME = 31 * DAY
IN_THE_PAST = "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"

touching_accesses = needs_flask("3.1.3", "touching flask.session is access")
partitions = needs_flask("3.1", "SESSION_COOKIE_PARTITIONED")
rotates = needs_flask("3.1", "SECRET_KEY_FALLBACKS")
quotes_as_today = needs_werkzeug("2.3.3", "dump_cookie quotes paths and takes domains as today")


def change(name: str, *args: Any) -> View:
    """
    Return a view that calls a method of the session.
    """
    return lambda request: getattr(request.session, name)(*args)


def untouched(request: Any) -> None:
    pass


def touch(request: Any) -> None:
    request.session  # noqa: B018  # a property that acts


def set_then_clear(request: Any) -> None:
    request.session["user"] = "ada"
    request.session.clear()


def clear_then_set(request: Any) -> None:
    request.session.clear()
    request.session["user"] = "eve"


def delete(request: Any) -> None:
    del request.session["user"]


def merge_in_place(request: Any) -> None:
    session = request.session
    session |= {"user": "eve"}


def mark_modified(request: Any) -> None:
    request.session.modified = True


def unmark_modified(request: Any) -> None:
    request.session["user"] = "eve"
    request.session.modified = False


def make_permanent(request: Any) -> None:
    request.session.permanent = True


def make_temporary(request: Any) -> None:
    request.session.permanent = False


def append(request: Any) -> None:
    request.session["cart"].append(2)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(untouched, "nothing", id="untouched"),
        pytest.param(touch, "reads", id="touched", marks=touching_accesses),
        pytest.param(change("__contains__", "user"), "reads", id="in", marks=touching_accesses),
        pytest.param(change("__len__"), "reads", id="len", marks=touching_accesses),
        pytest.param(change("get", "user"), "reads", id="get"),
        pytest.param(change("__getitem__", "user"), "reads", id="getitem"),
        pytest.param(lambda request: request.session.permanent, "reads", id="permanent"),
        pytest.param(write({"user": "eve"}), "sets", id="write"),
        pytest.param(write({"user": "ada"}), "sets", id="write-the-same"),
        pytest.param(change("update", {"user": "eve"}), "sets", id="update"),
        pytest.param(change("update", [("user", "eve")]), "sets", id="update-by-pairs"),
        pytest.param(change("update", {}), "sets", id="update-by-nothing"),
        pytest.param(merge_in_place, "sets", id="ior", marks=needs_werkzeug("3.1", "|= counts as a change")),
        pytest.param(change("setdefault", "user", "eve"), "reads", id="setdefault"),
        pytest.param(change("setdefault", "other", "eve"), "sets", id="setdefault-of-a-new-key"),
        pytest.param(change("setdefault", "other"), "sets", id="setdefault-to-none"),
        pytest.param(change("pop", "other", None), "reads", id="pop-of-no-key", marks=touching_accesses),
        pytest.param(change("pop", "cart"), "sets", id="pop"),
        pytest.param(change("popitem"), "sets", id="popitem"),
        pytest.param(delete, "sets", id="delete"),
        pytest.param(change("clear"), "deletes", id="clear"),
        pytest.param(set_then_clear, "deletes", id="set-then-clear"),
        pytest.param(clear_then_set, "sets", id="clear-then-set"),
        pytest.param(mark_modified, "sets", id="modified-by-hand"),
        pytest.param(unmark_modified, "reads", id="unmodified-by-hand"),
        pytest.param(make_permanent, "sets", id="make-permanent"),
        pytest.param(make_temporary, "sets", id="make-temporary"),
    ],
)
def test_view(view: View, expected: str, backend: Backend) -> None:
    """
    Whatever a view does with a session, both apps answer with the same headers.
    """
    pair = Pair(make_flask_app())
    cookie = pair.cookie({"user": "ada", "cart": [1]})
    assert outcome(pair.ask(view, cookie, at=1, backend=backend)) == expected


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("view", "expected"),
    [
        pytest.param(untouched, "nothing", id="untouched"),
        pytest.param(touch, "reads", id="touched", marks=touching_accesses),
        pytest.param(change("get", "user"), "reads", id="get"),
        pytest.param(write({"user": "ada"}), "sets", id="write"),
        pytest.param(make_permanent, "sets", id="make-permanent"),
        pytest.param(change("setdefault", "user", "ada"), "sets", id="setdefault"),
    ],
)
def test_view_without_a_session(view: View, expected: str, backend: Backend) -> None:
    """
    A request without a cookie is answered alike, as long as nothing is deleted.
    """
    assert outcome(Pair(make_flask_app()).ask(view, backend=backend)) == expected


@pytest.mark.parametrize("view", [change("pop", "user"), change("popitem"), delete], ids=["pop", "popitem", "delete"])
def test_last_key(view: View) -> None:
    """
    Taking away the last key deletes the cookie.
    """
    pair = Pair(make_flask_app())
    assert outcome(pair.ask(view, pair.cookie({"user": "ada"}))) == "deletes"


@pytest.mark.parametrize("view", [change("clear"), set_then_clear], ids=["clear", "set-then-clear"])
def test_nothing_to_delete(view: View) -> None:
    """
    First deviation: a cookie that the request didn't carry is deleted by Flask, and not by us.
    """
    pair = Pair(make_flask_app())
    assert outcome(pair.ask_theirs(view)) == "deletes"
    assert outcome(pair.ask_ours(view)) == "reads"


def test_nested_change() -> None:
    """
    Second deviation: a change inside a value is lost by Flask and saved by us, for both to read.
    """
    pair = Pair(make_flask_app())
    cookie = pair.cookie({"cart": [1]})
    assert outcome(pair.ask_theirs(append, cookie)) == "reads"
    ours = pair.ask_ours(append, cookie)
    assert ours.cookie == pair.cookie({"cart": [1, 2]})
    assert pair.loaded(ours.cookie) == "{'cart': [1, 2]}"


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("session=", id="empty"),
        pytest.param("session", id="no-value"),
        pytest.param("session=garbage", id="garbage"),
        pytest.param("session=e30.awMjMA.7vV5rcYoarxrSWYA4xYIa-_ficU", id="wrong-signature"),
    ],
)
def test_unreadable_cookie(cookie: str) -> None:
    """
    A cookie that can't be read is an empty session, and clearing that deletes the cookie.
    """
    pair = Pair(make_flask_app())
    assert pair.loaded(cookie) == "{}"
    assert outcome(pair.ask(change("clear"), cookie)) == "deletes"


def test_first_cookie_counts() -> None:
    """
    Of two cookies with the name, in one line or in two, both apps read the first.
    """
    pair = Pair(make_flask_app())
    first, second = pair.cookie({"user": "ada"}), pair.cookie({"user": "eve"})
    assert pair.loaded(f"{first}; {second}") == pair.loaded(first, second) == "{'user': 'ada'}"
    assert pair.loaded("session=", second) == "{}"


def test_cookie_among_others() -> None:
    """
    The cookie is found between others, in another line, quoted, and not in a name that ends like it.
    """
    pair = Pair(make_flask_app())
    name, value = pair.cookie({"user": "ada"}).split("=", 1)
    for cookies in (
        [f'a="1; {name}=2"; x{name}=3; {name}={value}; b'],
        ["a=1", f"{name}={value}"],
        [f'{name}="{value}"'],
        [f"a b; = ; {name} = {value} "],
    ):
        assert pair.loaded(*cookies) == "{'user': 'ada'}"


@pytest.mark.parametrize(
    "vary", ["Accept", "Accept, Origin", "Cookie", "cookie", "Accept, COOKIE", "X-Cookie", "*", ""]
)
@pytest.mark.parametrize(
    ("view", "is_added"),
    [(untouched, False), (change("get", "user"), True), (write({"user": "eve"}), True), (change("clear"), True)],
    ids=["untouched", "read", "write", "delete"],
)
def test_vary(view: View, is_added: bool, vary: str) -> None:
    """
    Cookie joins the Vary line that a response has already, unless it is there in any case.
    """
    pair = Pair(make_flask_app())
    answer = pair.ask(view, pair.cookie({"user": "ada"}), vary=vary)
    has_cookie = "cookie" in vary.lower().split(", ")
    assert answer.vary == [", ".join(filter(None, [vary, "Cookie"])) if is_added and not has_cookie else vary]


# Permanent sessions and time.


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("refreshes", "view", "expected"),
    [
        pytest.param(True, untouched, "sets", id="refreshed-untouched"),
        pytest.param(True, change("get", "user"), "sets", id="refreshed-read"),
        pytest.param(True, write({"user": "eve"}), "sets", id="refreshed-write"),
        pytest.param(True, make_temporary, "sets", id="refreshed-made-temporary"),
        pytest.param(True, change("clear"), "deletes", id="refreshed-clear"),
        pytest.param(True, unmark_modified, "sets", id="refreshed-unmodified-by-hand"),
        pytest.param(False, untouched, "nothing", id="untouched"),
        pytest.param(False, change("get", "user"), "reads", id="read"),
        pytest.param(False, write({"user": "eve"}), "sets", id="write"),
        pytest.param(False, make_temporary, "sets", id="made-temporary"),
        pytest.param(False, change("clear"), "deletes", id="clear"),
    ],
)
def test_permanent_session(refreshes: bool, view: View, expected: str, backend: Backend) -> None:
    """
    A permanent session is sent again with every response if SESSION_REFRESH_EACH_REQUEST says so.
    """
    pair = Pair(make_flask_app(SESSION_REFRESH_EACH_REQUEST=refreshes))
    cookie = pair.cookie({"user": "ada", "_permanent": True})
    assert outcome(pair.ask(view, cookie, at=DAY, backend=backend)) == expected


def test_permanent_session_has_an_end() -> None:
    """
    The cookie of a permanent session says when it ends; another one says nothing of it.
    """
    pair = Pair(make_flask_app())
    [line] = pair.ask(make_permanent).set_cookie
    assert line.endswith("; Expires=Wed, 10 Oct 2001 01:46:40 GMT; HttpOnly; Path=/")
    [line] = pair.ask(make_temporary).set_cookie
    assert line.endswith("; HttpOnly; Path=/")
    assert "Expires" not in line


@pytest.mark.parametrize("value", [True, False, 1, 0, "", "yes", None, [], [0]], ids=repr)
def test_permanent_of_any_value(value: Any) -> None:
    """
    A session is permanent if ``_permanent`` is true in Python's sense, whatever is there.
    """
    pair = Pair(make_flask_app())
    [line] = pair.ask(write({"_permanent": value})).set_cookie
    assert ("Expires" in line) is bool(value)
    assert outcome(pair.ask(untouched, line.partition(";")[0], at=1)) == ("sets" if value else "nothing")


def test_lives_while_it_is_used() -> None:
    """
    Sent again each time, a permanent session outlives its lifetime many times; then it expires.
    """
    pair = Pair(make_flask_app())
    cookies = [pair.cookie({"user": "ada", "_permanent": True})]
    times = [20 * DAY * turn for turn in range(1, 13)]
    for at in times:
        cookies.append(pair.ask(untouched, cookies[-1], at=at).cookie)
    assert len(set(cookies)) == len(cookies)
    assert pair.loaded(cookies[-1], at=times[-1] + LIFETIME) == "{'_permanent': True, 'user': 'ada'}"
    assert pair.loaded(cookies[-1], at=times[-1] + LIFETIME + 1) == "{}"


@pytest.mark.parametrize("data", [{"user": "ada"}, {"_permanent": True, "user": "ada"}], ids=["temporary", "permanent"])
@pytest.mark.parametrize(
    ("settings", "lifetime"),
    [
        pytest.param({}, LIFETIME, id="default"),
        pytest.param({"PERMANENT_SESSION_LIFETIME": timedelta(minutes=5)}, 300, id="timedelta"),
        pytest.param({"PERMANENT_SESSION_LIFETIME": 60}, 60, id="seconds"),
        pytest.param({"PERMANENT_SESSION_LIFETIME": timedelta(seconds=1.9)}, 1, id="fraction"),
        pytest.param({"PERMANENT_SESSION_LIFETIME": 0}, 0, id="zero"),
    ],
)
def test_expiry(settings: dict[str, Any], lifetime: int, data: dict[str, Any]) -> None:
    """
    Permanent or not, a session is accepted up to PERMANENT_SESSION_LIFETIME, and not a second longer.
    """
    pair = Pair(make_flask_app(**settings))
    cookie = pair.cookie(data, at=1)
    for age in {max(0, lifetime - 1), lifetime}:
        assert pair.loaded(cookie, at=1 + age) == repr(data)
    assert pair.loaded(cookie, at=1 + lifetime + 1) == "{}"
    assert outcome(pair.ask(change("clear"), cookie, at=1 + lifetime + 1)) == "deletes"


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.999999])
def test_between_two_seconds(fraction: float) -> None:
    """
    Fractions of a second are cut off alike, in the signature and in Expires.
    """
    pair = Pair(make_flask_app(PERMANENT_SESSION_LIFETIME=timedelta(seconds=10.5)))
    cookie = pair.cookie({"_permanent": True}, at=fraction)
    assert pair.loaded(cookie, at=10.999) == "{'_permanent': True}"
    assert pair.loaded(cookie, at=11) == "{}"


def test_negative_lifetime() -> None:
    """
    With a negative lifetime no session is ever accepted.
    """
    pair = Pair(make_flask_app(PERMANENT_SESSION_LIFETIME=timedelta(seconds=-1)))
    assert pair.loaded(pair.cookie({"_permanent": True})) == "{}"


@pytest.mark.parametrize("seconds", [1, DAY])
def test_future_date(seconds: int) -> None:
    """
    A session from the future is refused.
    """
    pair = Pair(make_flask_app())
    cookie = pair.cookie({"user": "ada"}, at=seconds)
    assert pair.loaded(cookie) == "{}"
    assert pair.loaded(cookie, at=seconds) == "{'user': 'ada'}"


# Values.


class Shown:
    def __html__(self) -> str:
        return "<b>shown</b>"


class ShownText(str):
    def __html__(self) -> str:
        return f"<i>{self}</i>"


class Text(str):
    pass


class Colour(enum.IntEnum):
    RED = 1


class Size(str, enum.Enum):
    LARGE = "l"


@dataclasses.dataclass
class Point:
    x: int
    y: tuple[int, ...]


@dataclasses.dataclass(slots=True)
class Line:
    start: Point
    end: Point


Pixel = namedtuple("Pixel", "x y")
UTC = timezone.utc
AN_HOUR_EAST = timezone(timedelta(hours=1))
LOOKS_TAGGED = [" di", " t", " b", " m", " u", " d"]


@pytest.mark.parametrize(
    ("value", "loaded"),
    [
        pytest.param((1, 2), (1, 2), id="tuple"),
        pytest.param((), (), id="empty-tuple"),
        pytest.param(((1, (2,)), [(3,)]), ((1, (2,)), [(3,)]), id="nested-tuple"),
        pytest.param(Pixel(1, (2,)), (1, (2,)), id="namedtuple"),
        pytest.param(b"", b"", id="empty-bytes"),
        pytest.param(bytes(range(256)), bytes(range(256)), id="bytes"),
        pytest.param(UUID(int=7), UUID(int=7), id="uuid"),
        pytest.param(
            datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), id="datetime"
        ),
        pytest.param(datetime(2001, 2, 3, 4, 5, 6), datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC), id="naive-datetime"),
        pytest.param(
            datetime(2001, 2, 3, 0, 5, 6, tzinfo=AN_HOUR_EAST),
            datetime(2001, 2, 2, 23, 5, 6, tzinfo=UTC),
            id="datetime-east",
        ),
        pytest.param(datetime(1999, 1, 1, 0, 0, 0, 999999), datetime(1999, 1, 1, tzinfo=UTC), id="microseconds"),
        pytest.param(datetime.max, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), id="last-datetime"),
        pytest.param(datetime(150, 1, 1), datetime(150, 1, 1, tzinfo=UTC), id="ancient-datetime"),
        pytest.param(Markup("<b>&amp;</b>"), Markup("<b>&amp;</b>"), id="markup"),
        pytest.param(Shown(), Markup("<b>shown</b>"), id="html"),
        pytest.param(ShownText("x"), Markup("<i>x</i>"), id="html-str"),
        *(pytest.param({tag: [1]}, {tag: [1]}, id=f"looks-like{tag}") for tag in LOOKS_TAGGED),
        *(pytest.param({tag: {tag: (1,)}}, {tag: {tag: (1,)}}, id=f"looks-twice-like{tag}") for tag in LOOKS_TAGGED),
        *(pytest.param({f"{tag}__": 1}, {f"{tag}__": 1}, id=f"looks-like-escaped{tag}") for tag in LOOKS_TAGGED),
        pytest.param({" t": [1], "x": 2}, {" t": [1], "x": 2}, id="tag-and-more"),
        pytest.param({" x": 1}, {" x": 1}, id="unknown-tag"),
        pytest.param({2: "b", 10: {1: ()}}, {"2": "b", "10": {"1": ()}}, id="int-keys"),
        pytest.param({1.5: 1}, {"1.5": 1}, id="float-key"),
        pytest.param({True: 1}, {"true": 1}, id="bool-key"),
        pytest.param({None: 1}, {"null": 1}, id="none-key"),
        pytest.param({"b": 1, "a": 2, "B": 3}, {"B": 3, "a": 2, "b": 1}, id="sorted-keys"),
        pytest.param(OrderedDict(b=1, a=(2,)), {"a": (2,), "b": 1}, id="ordered-dict"),
        pytest.param([True, 1, 1.0, None, -0.0], [True, 1, 1.0, None, -0.0], id="bool-or-number"),
        pytest.param([2**53 + 1, 2**64, -(10**40)], [2**53 + 1, 2**64, -(10**40)], id="big-ints"),
        pytest.param([1e300, 5e-324, 0.1], [1e300, 5e-324, 0.1], id="floats"),
        pytest.param(
            [float("nan"), float("inf"), -float("inf")], [float("nan"), float("inf"), -float("inf")], id="nan"
        ),
        pytest.param("\ud800 \udfff", "\ud800 \udfff", id="lone-surrogates"),
        pytest.param('ü € 𝄞 \u2028 \0 \x7f " \\ </', 'ü € 𝄞 \u2028 \0 \x7f " \\ </', id="unicode"),
        pytest.param({"ü": 1, "𝄞": 2}, {"ü": 1, "𝄞": 2}, id="unicode-keys"),
        pytest.param(Text("text"), "text", id="str-subclass"),
        pytest.param({Text("b"): 1, "a": Text("x")}, {"a": "x", "b": 1}, id="str-subclass-keys"),
        pytest.param(Colour.RED, 1, id="int-enum"),
        pytest.param(Size.LARGE, "l", id="str-enum"),
        pytest.param(Decimal("1.10"), "1.10", id="decimal"),
        pytest.param(date(2001, 2, 3), "Sat, 03 Feb 2001 00:00:00 GMT", id="date"),
        pytest.param(Point(1, (2, 3)), {"x": 1, "y": [2, 3]}, id="dataclass"),
        pytest.param(
            Line(Point(1, ()), Point(2, ())), {"end": {"x": 2, "y": []}, "start": {"x": 1, "y": []}}, id="slots"
        ),
        pytest.param(
            {"a": [({"b": (b"c", {" t": (UUID(int=1),)})}, [Markup("d")])]},
            {"a": [({"b": (b"c", {" t": (UUID(int=1),)})}, [Markup("d")])]},
            id="nested-mixture",
        ),
    ],
)
def test_value(value: Any, loaded: Any) -> None:
    """
    Each type is written to the same bytes by both apps and comes back as the same type.
    """
    pair = Pair(make_flask_app())
    assert pair.loaded(pair.cookie({"value": value})) == repr({"value": loaded})


@pytest.mark.parametrize("key", [*LOOKS_TAGGED, " di__", " x", "", "ü", "_permanent", "a b"])
def test_key(key: str) -> None:
    """
    A session with one key is not mistaken for a tagged value, whatever the key.
    """
    pair = Pair(make_flask_app())
    assert pair.loaded(pair.cookie({key: (1,)})) == repr({key: (1,)})


def test_int_keys_of_a_session() -> None:
    """
    Keys that are no str are str when they come back.
    """
    pair = Pair(make_flask_app())
    assert pair.loaded(pair.cookie({2: "b", 10: "a"})) == "{'2': 'b', '10': 'a'}"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(object(), id="object"),
        pytest.param({1, 2}, id="set"),
        pytest.param(Point, id="class"),
        pytest.param({"a": 1, 2: 3}, id="mixed-keys"),
        pytest.param({(1, 2): 3}, id="tuple-key"),
    ],
)
def test_value_that_cannot_be_written(value: Any) -> None:
    """
    What Flask can't write we can't either.
    """
    pair = Pair(make_flask_app())
    with pytest.raises(TypeError):
        pair.ask_theirs(write({"value": value}))
    with pytest.raises(TypeError):
        pair.ask_ours(write({"value": value}))


def test_compression_border() -> None:
    """
    At every size both apps compress, or don't: whatever is shorter by more than the leading dot.
    """
    pair = Pair(make_flask_app())
    noise = hashlib.shake_256(b"noise").hexdigest(100)
    for text in ("a" * 200, noise):
        cookies = [pair.cookie({"x": text[:size]}) for size in range(201)]
        assert {cookie.startswith("session=.") for cookie in cookies} == {True, False}


@pytest.mark.parametrize(
    ("data", "is_compressed"),
    [
        pytest.param({"text": "words and words and words " * 40}, True, id="compressible"),
        pytest.param({"bytes": hashlib.shake_256(b"noise").digest(24)}, False, id="incompressible"),
        pytest.param({"text": "ü" * 200}, True, id="escaped"),
    ],
)
def test_compression(data: dict[str, Any], is_compressed: bool) -> None:
    """
    What zlib makes shorter is sent compressed, with a leading dot.
    """
    pair = Pair(make_flask_app())
    cookie = pair.cookie(data)
    assert cookie.startswith("session=.") is is_compressed
    assert pair.loaded(cookie) == repr(data)


def test_too_large_for_browsers() -> None:
    """
    A cookie that browsers may refuse is sent nevertheless, by both, with a warning.
    """
    pair = Pair(make_flask_app())
    view = write({"noise": hashlib.shake_256(b"noise").hexdigest(4_000)})
    with pytest.warns(UserWarning, match="cookie is too large"):
        theirs = pair.ask_theirs(view)
    assert pair.ask_ours(view).session_headers == theirs.session_headers


# Configuration.


@pytest.mark.parametrize(
    ("settings", "attributes"),
    [
        pytest.param({}, "; HttpOnly; Path=/", id="defaults"),
        pytest.param({"SESSION_COOKIE_HTTPONLY": False}, "; Path=/", id="not-http-only"),
        pytest.param({"SESSION_COOKIE_SECURE": True}, "; Secure; HttpOnly; Path=/", id="secure"),
        pytest.param({"SESSION_COOKIE_SAMESITE": None}, "; HttpOnly; Path=/", id="no-samesite"),
        *(
            pytest.param({"SESSION_COOKIE_SAMESITE": case}, f"; HttpOnly; Path=/; SameSite={case.title()}", id=case)
            for case in ("Lax", "lax", "LAX", "Strict", "strict", "None", "none", "nOnE")
        ),
        pytest.param(
            {"SESSION_COOKIE_PARTITIONED": True},
            "; Secure; HttpOnly; Path=/; Partitioned",
            id="partitioned",
            marks=partitions,
        ),
        pytest.param({"SESSION_COOKIE_DOMAIN": "example.com"}, "; Domain=example.com; HttpOnly; Path=/", id="domain"),
        pytest.param({"SESSION_COOKIE_DOMAIN": False}, "; HttpOnly; Path=/", id="domain-false"),
        pytest.param(
            {"SESSION_COOKIE_DOMAIN": ".example.com"},
            "; Domain=example.com; HttpOnly; Path=/",
            id="domain-with-a-dot",
            marks=quotes_as_today,
        ),
        pytest.param(
            {"SESSION_COOKIE_DOMAIN": "Example.com:8080"},
            "; Domain=Example.com; HttpOnly; Path=/",
            id="domain-with-a-port",
        ),
        pytest.param(
            {"SESSION_COOKIE_DOMAIN": ".example.com:80"},
            "; Domain=example.com; HttpOnly; Path=/",
            id="domain-with-dot-and-port",
            marks=quotes_as_today,
        ),
        pytest.param(
            {"SESSION_COOKIE_DOMAIN": "localhost"},
            "; Domain=localhost; HttpOnly; Path=/",
            id="domain-of-one-label",
            marks=quotes_as_today,
        ),
        pytest.param(
            {"SESSION_COOKIE_DOMAIN": "bücher.example"},
            "; Domain=xn--bcher-kva.example; HttpOnly; Path=/",
            id="domain-beyond-ascii",
        ),
        pytest.param({"SESSION_COOKIE_DOMAIN": "127.0.0.1"}, "; Domain=127.0.0.1; HttpOnly; Path=/", id="address"),
        pytest.param({"SERVER_NAME": "localhost"}, "; HttpOnly; Path=/", id="server-name", marks=quotes_as_today),
        pytest.param({"SESSION_COOKIE_PATH": "/app/"}, "; HttpOnly; Path=/app/", id="path"),
        pytest.param({"APPLICATION_ROOT": "/root"}, "; HttpOnly; Path=/root", id="application-root"),
        pytest.param(
            {"APPLICATION_ROOT": "/root", "SESSION_COOKIE_PATH": "/"}, "; HttpOnly; Path=/", id="path-over-root"
        ),
        *(
            pytest.param(
                {"SESSION_COOKIE_PATH": path}, f"; HttpOnly; Path={quoted}", id=f"path-{path}", marks=quotes_as_today
            )
            for path, quoted in {
                "/a b": "/a%20b",
                "/a%20b": "/a%20b",
                "/ü": "/%C3%BC",
                "/a;b": "/a%3Bb",
                '/"a"': "/%22a%22",
                "/a\r\nb": "/a%0D%0Ab",
                "/a?b#c": "/a%3Fb%23c",
                "/~a!$&'()*+,=:@-._": "/~a!$&'()*+,=:@-._",
            }.items()
        ),
        pytest.param(
            {
                "SESSION_COOKIE_DOMAIN": "example.com",
                "SESSION_COOKIE_PATH": "/app",
                "SESSION_COOKIE_SECURE": True,
                "SESSION_COOKIE_SAMESITE": "None",
            },
            "; Domain=example.com; Secure; HttpOnly; Path=/app; SameSite=None",
            id="all",
        ),
    ],
)
def test_cookie_attributes(settings: dict[str, Any], attributes: str) -> None:
    """
    Each SESSION_COOKIE_* setting means the same attributes for both, on the cookie and on its deletion.
    """
    pair = Pair(make_flask_app(**settings))
    answer = pair.ask(write({"user": "ada"}))
    assert answer.set_cookie == [answer.cookie + attributes]
    [deletion] = pair.ask(change("clear"), answer.cookie).set_cookie
    assert deletion.replace(IN_THE_PAST, "") == "session=" + attributes


@pytest.mark.parametrize("name", ["sid", "SESSION", "__Host-session", "__Secure-session", "a.b_c-d", "!#$%&'*+^`|~"])
def test_cookie_name(name: str) -> None:
    """
    The cookie has the name that SESSION_COOKIE_NAME says, and is found by it.
    """
    pair = Pair(make_flask_app(SESSION_COOKIE_NAME=name, SESSION_COOKIE_SECURE=True))
    cookie = pair.cookie({"user": "ada"})
    assert cookie.startswith(f"{name}=")
    assert pair.loaded(cookie) == "{'user': 'ada'}"
    [deletion] = pair.ask(change("clear"), cookie).set_cookie
    assert deletion.startswith(f"{name}=; Expires=")


@pytest.mark.parametrize(
    "key",
    ["secret", b"secret", "ü € 𝄞", b"\x00\xff", "x" * 1000],
    ids=["str", "bytes", "unicode", "binary", "longer-than-a-block"],
)
def test_secret_key(key: str | bytes) -> None:
    """
    A secret key is bytes or text, which is taken as UTF-8, of any length.
    """
    pair = Pair(make_flask_app(SECRET_KEY=key))
    assert pair.loaded(pair.cookie({"user": "ada"})) == "{'user': 'ada'}"


def test_str_and_bytes_key_are_one() -> None:
    """
    A text key and its UTF-8 bytes sign alike.
    """
    as_text, as_bytes = Pair(make_flask_app(SECRET_KEY="ü")), Pair(make_flask_app(SECRET_KEY="ü".encode()))
    assert as_text.cookie({"user": "ada"}) == as_bytes.cookie({"user": "ada"})


@rotates
def test_key_rotation() -> None:
    """
    A key is rotated: old cookies are read as long as it is a fallback, and rewritten with the new key.
    """
    before = Pair(make_flask_app(SECRET_KEY="old"))
    meanwhile = Pair(make_flask_app(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["oldest", "old"]))
    after = Pair(make_flask_app(SECRET_KEY="new"))

    old_cookie = before.cookie({"user": "ada"})
    assert meanwhile.loaded(old_cookie) == "{'user': 'ada'}"
    assert after.loaded(old_cookie) == "{}"

    new_cookie = meanwhile.ask(write({"seen": True}), old_cookie).cookie
    assert before.loaded(new_cookie) == "{}"
    assert meanwhile.loaded(new_cookie) == after.loaded(new_cookie) == "{'seen': True, 'user': 'ada'}"
    assert after.cookie({"seen": True, "user": "ada"}) == new_cookie


@rotates
@pytest.mark.parametrize("fallbacks", [None, [], ["a"], ["a", b"b", "ü"], ("a",)], ids=repr)
def test_fallbacks(fallbacks: Any) -> None:
    """
    The current key signs, however many there are; each fallback is read.
    """
    pair = Pair(make_flask_app(SECRET_KEY_FALLBACKS=fallbacks))
    assert pair.cookie({"user": "ada"}) == Pair(make_flask_app()).cookie({"user": "ada"})
    for key in fallbacks or ():
        assert pair.loaded(Pair(make_flask_app(SECRET_KEY=key)).cookie({"user": "ada"})) == "{'user': 'ada'}"


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"salt": "other"}, id="salt"),
        pytest.param({"salt": b"\xff"}, id="bytes-salt"),
        pytest.param({"digest_method": staticmethod(hashlib.sha256)}, id="sha256"),
        pytest.param({"digest_method": staticmethod(hashlib.sha512)}, id="sha512"),
        pytest.param({"digest_method": staticmethod(lambda data=b"": hashlib.blake2b(data))}, id="wrapped-blake2b"),
        pytest.param({"key_derivation": "concat"}, id="concat"),
        pytest.param({"key_derivation": "django-concat"}, id="django-concat"),
        pytest.param({"key_derivation": "none"}, id="none"),
        pytest.param({"key_derivation": "concat", "digest_method": staticmethod(hashlib.sha256)}, id="concat-sha256"),
    ],
)
def test_signature_of_a_custom_interface(attributes: dict[str, Any]) -> None:
    """
    A session interface of the app's own may sign in another way; ours signs so too.
    """
    app = make_flask_app()
    app.session_interface = make_interface(**attributes)
    pair, default = Pair(app), Pair(make_flask_app())
    cookie = pair.cookie({"user": "ada"})
    assert pair.loaded(cookie) == "{'user': 'ada'}"
    assert default.loaded(cookie) == pair.loaded(default.cookie({"user": "ada"})) == "{}"


@pytest.mark.parametrize(
    ("attributes", "line"),
    [
        pytest.param({"get_cookie_name": lambda self, app: "sid"}, "sid={}; HttpOnly; Path=/", id="name"),
        pytest.param(
            {"get_cookie_domain": lambda self, app: f"{app.name}.example".replace("tests.interop.apps", "app")},
            "session={}; Domain=app.example; HttpOnly; Path=/",
            id="domain",
        ),
        pytest.param({"get_cookie_path": lambda self, app: "/app"}, "session={}; HttpOnly; Path=/app", id="path"),
        pytest.param({"get_cookie_httponly": lambda self, app: False}, "session={}; Path=/", id="httponly"),
        pytest.param(
            {"get_cookie_secure": lambda self, app: True}, "session={}; Secure; HttpOnly; Path=/", id="secure"
        ),
        pytest.param(
            {"get_cookie_samesite": lambda self, app: "strict"},
            "session={}; HttpOnly; Path=/; SameSite=Strict",
            id="samesite",
        ),
        pytest.param(
            {"get_cookie_partitioned": lambda self, app: True},
            "session={}; Secure; HttpOnly; Path=/; Partitioned",
            id="partitioned",
            marks=partitions,
        ),
    ],
)
def test_attributes_of_a_custom_interface(attributes: dict[str, Any], line: str) -> None:
    """
    A session interface of the app's own may say what the cookie is; ours is that cookie.
    """
    app = make_flask_app()
    app.session_interface = make_interface(**attributes)
    pair = Pair(app)
    answer = pair.ask(write({"user": "ada"}))
    assert answer.set_cookie == [line.format(answer.cookie.partition("=")[2])]
    [deletion] = pair.ask(change("clear"), answer.cookie).set_cookie
    assert deletion.replace(IN_THE_PAST, "") == line.format("")


class TagOrderedDict(JSONTag):
    key = " od"

    def check(self, value: Any) -> bool:
        return isinstance(value, OrderedDict)

    def to_json(self, value: Any) -> Any:
        return [[key, self.serializer.tag(item)] for key, item in value.items()]

    def to_python(self, value: Any) -> Any:
        return OrderedDict(value)


class TagSet(JSONTag):
    key = "set"

    def check(self, value: Any) -> bool:
        return isinstance(value, set)

    def to_json(self, value: Any) -> Any:
        return [self.serializer.tag(item) for item in sorted(value)]

    def to_python(self, value: Any) -> Any:
        return set(value)


class TagColour(JSONTag):
    key = " c"

    def check(self, value: Any) -> bool:
        return isinstance(value, Colour)

    def to_json(self, value: Any) -> Any:
        return value.name

    def to_python(self, value: Any) -> Any:
        return Colour[value]


class TagLoudText(JSONTag):
    key = " loud"

    def check(self, value: Any) -> bool:
        return isinstance(value, str) and value.isupper()

    def to_json(self, value: Any) -> Any:
        return value.lower()

    def to_python(self, value: Any) -> Any:
        return value.upper()


class TagUUIDAsText(JSONTag):
    key = " u"

    def check(self, value: Any) -> bool:
        return isinstance(value, UUID)

    def to_json(self, value: Any) -> Any:
        return str(value)

    def to_python(self, value: Any) -> Any:
        return UUID(value)


@pytest.mark.parametrize(
    ("tag", "options", "value", "payload"),
    [
        pytest.param(
            TagOrderedDict,
            {"index": 0},
            OrderedDict(b=(1,), a=2),
            '{"value":{" od":[["b",{" t":[1]}],["a",2]]}}',
            id="first",
        ),
        pytest.param(TagSet, {}, {1, 2}, '{"value":{"set":[1,2]}}', id="last"),
        pytest.param(TagSet, {}, {(1,)}, '{"value":{"set":[{" t":[1]}]}}', id="around-another"),
        pytest.param(TagSet, {}, {"set": 1}, '{"value":{" di":{"set__":1}}}', id="looks-like-it"),
        pytest.param(TagColour, {"index": 0}, [Colour.RED, 1], '{"value":[{" c":"RED"},1]}', id="subclass-of-int"),
        pytest.param(TagLoudText, {"index": 0}, ["HEY", "you"], '{"value":[{" loud":"hey"},"you"]}', id="text"),
        pytest.param(
            TagUUIDAsText,
            {"force": True, "index": 0},
            UUID(int=1),
            '{"value":{" u":"00000000-0000-0000-0000-000000000001"}}',
            id="replaced",
        ),
    ],
)
def test_custom_tag(tag: type[JSONTag], options: dict[str, Any], value: Any, payload: str) -> None:
    """
    A tag that the app registers on its serializer counts for both.
    """
    serializer = TaggedJSONSerializer()
    serializer.register(tag, **options)
    app = make_flask_app()
    app.session_interface = make_interface(serializer=serializer)
    pair = Pair(app)
    cookie = pair.cookie({"value": value})
    assert payload_of(cookie).decode() == payload
    assert pair.loaded(cookie) == repr({"value": value})


def payload_of(cookie: str) -> bytes:
    """
    Return what a cookie holds, neither encoded nor compressed.
    """
    encoded = cookie.partition("=")[2].rsplit(".", 2)[0]
    decoded = base64_decode(encoded.removeprefix("."))
    return zlib.decompress(decoded) if encoded.startswith(".") else decoded


class PlainJSON:
    """
    Like the module json: no tags, keys in the order in which they came.
    """

    dumps = staticmethod(json.dumps)
    loads = staticmethod(json.loads)


class Packed:
    """
    Speaks bytes: pairs of lengths and texts.
    """

    @staticmethod
    def dumps(value: dict[str, str]) -> bytes:
        texts = [text.encode() for pair in value.items() for text in pair]
        return b"".join(len(text).to_bytes(2, "big") + text for text in texts)

    @staticmethod
    def loads(packed: bytes) -> dict[str, str]:
        texts = []
        while packed:
            end = 2 + int.from_bytes(packed[:2], "big")
            texts.append(packed[2:end].decode())
            packed = packed[end:]
        return dict(zip(texts[::2], texts[1::2], strict=True))


class InAppContext:
    """
    Needs the app, as a serializer of a Flask app may.
    """

    @staticmethod
    def dumps(value: Any) -> str:
        return json.dumps({current_app.config["SESSION_COOKIE_NAME"]: value})

    @staticmethod
    def loads(text: str) -> Any:
        return json.loads(text)[current_app.config["SESSION_COOKIE_NAME"]]


class Wordy(TaggedJSONSerializer):
    """
    Flask's, with something around it.
    """

    def dumps(self, value: Any) -> str:
        return f"session: {super().dumps(value)}"

    def loads(self, value: str) -> Any:
        return super().loads(value.removeprefix("session: "))


@pytest.mark.parametrize(
    ("serializer", "data"),
    [
        pytest.param(json, {"user": "ada", "cart": [1, None]}, id="module"),
        pytest.param(PlainJSON, {"user": "ada", "cart": {"b": 1, "a": 2}}, id="text"),
        pytest.param(InAppContext, {"user": "ada"}, id="in-app-context"),
        pytest.param(Wordy(), {"a": (1,), "b": UUID(int=1)}, id="tagged-subclass"),
    ],
)
def test_custom_serializer(serializer: Any, data: dict[str, Any]) -> None:
    """
    The app's session interface may dump and load in a way of its own; ours does it so too.
    """
    app = make_flask_app()
    app.session_interface = make_interface(serializer=serializer)
    pair = Pair(app)
    cookie = pair.cookie(data)
    assert pair.loaded(cookie) == repr(data)
    assert payload_of(cookie) != payload_of(Pair(make_flask_app()).cookie(data))


def test_serializer_that_speaks_bytes() -> None:
    """
    With a serializer that speaks bytes, what either signs the other reads. (Werkzeug 3 can't send it by itself.)
    """
    app = make_flask_app()
    app.session_interface = make_interface(serializer=Packed)
    data = {"user": "ada", "ü": "€" * 100}
    theirs: Any = app.session_interface.get_signing_serializer(app)
    ours = SessionConfig.from_flask(app).signing_serializer
    with time_machine.travel(NOW, tick=False):
        assert ours.dumps(data) == theirs.dumps(data).decode()
        assert ours.loads(theirs.dumps(data)) == theirs.loads(ours.dumps(data)) == data


# The app's JSON.


def unsorted(app: Flask) -> None:
    app.json.sort_keys = False  # type: ignore[attr-defined]


def unescaped(app: Flask) -> None:
    app.json.ensure_ascii = False  # type: ignore[attr-defined]


def with_default(app: Flask) -> None:
    app.json.default = sorted  # type: ignore[attr-defined]


def with_provider(provider: type[JSONProvider]) -> Callable[[Flask], None]:
    def set_up(app: Flask) -> None:
        app.json = provider(app)

    return set_up


class UnsortedProvider(DefaultJSONProvider):
    sort_keys = False


class ProviderWithDefault(DefaultJSONProvider):
    default = staticmethod(sorted)


class ProviderWithDefaultMethod(DefaultJSONProvider):
    def default(self, o: Any) -> Any:
        return sorted(o)


class SpacedProvider(DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps(obj, **{**kwargs, "separators": (", ", ": ")})


class DecimalProvider(DefaultJSONProvider):
    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return super().loads(s, parse_float=Decimal, **kwargs)


class ProviderInAppContext(DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return f"{super().dumps(obj, **kwargs)} {current_app.config['SESSION_COOKIE_NAME']}"

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        assert isinstance(s, str)
        return super().loads(s.removesuffix(current_app.config["SESSION_COOKIE_NAME"]), **kwargs)


class ProviderWithDefaultInAppContext(DefaultJSONProvider):
    @staticmethod
    def default(o: Any) -> Any:
        return [current_app.config["SESSION_COOKIE_NAME"], *sorted(o)]


class OtherProvider(JSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, **{**kwargs, "indent": 1})

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return json.loads(s, **kwargs)


@pytest.mark.parametrize(
    ("set_up", "data", "payload", "loaded"),
    [
        pytest.param(unsorted, {"b": 1, "a": (2,)}, '{"b":1,"a":{" t":[2]}}', {"b": 1, "a": (2,)}, id="unsorted"),
        pytest.param(unsorted, {"x": {"b": 1, 2: 3}}, '{"x":{"b":1,"2":3}}', {"x": {"b": 1, "2": 3}}, id="mixed-keys"),
        pytest.param(unescaped, {"ü": "€"}, '{"ü":"€"}', {"ü": "€"}, id="unescaped"),
        pytest.param(with_default, {"a": {3, 1}}, '{"a":[1,3]}', {"a": [1, 3]}, id="default"),
        pytest.param(
            with_provider(UnsortedProvider),
            {"b": 1, "a": 2},
            '{"b":1,"a":2}',
            {"b": 1, "a": 2},
            id="setting-of-a-class",
        ),
        pytest.param(
            with_provider(ProviderWithDefault), {"a": {3, 1}}, '{"a":[1,3]}', {"a": [1, 3]}, id="default-of-a-class"
        ),
        pytest.param(
            with_provider(ProviderWithDefaultMethod), {"a": {3, 1}}, '{"a":[1,3]}', {"a": [1, 3]}, id="default-method"
        ),
        pytest.param(with_provider(SpacedProvider), {"b": 1, "a": 2}, '{"a": 2, "b": 1}', {"a": 2, "b": 1}, id="dumps"),
        pytest.param(
            with_provider(DecimalProvider),
            {"a": 1.5, "b": (1.5,)},
            '{"a":1.5,"b":{" t":[1.5]}}',
            {"a": Decimal("1.5"), "b": (Decimal("1.5"),)},
            id="loads",
        ),
        pytest.param(with_provider(OtherProvider), {"a": 1}, '{\n "a":1\n}', {"a": 1}, id="another"),
        pytest.param(
            with_provider(ProviderInAppContext), {"a": 1}, '{"a":1} session', {"a": 1}, id="provider-in-app-context"
        ),
        pytest.param(
            with_provider(ProviderWithDefaultInAppContext),
            {"a": {1}},
            '{"a":["session",1]}',
            {"a": ["session", 1]},
            id="default-in-app-context",
        ),
    ],
)
def test_json_of_the_app(
    set_up: Callable[[Flask], None], data: dict[str, Any], payload: str, loaded: dict[str, Any]
) -> None:
    """
    The JSON of a session is that of ``app.json``, its settings and its overrides included.
    """
    app = make_flask_app()
    set_up(app)
    pair = Pair(app)
    cookie = pair.cookie(data)
    assert payload_of(cookie).decode() == payload
    assert pair.loaded(cookie) == repr(loaded)


class TagInAppContext(TagSet):
    def to_json(self, value: Any) -> Any:
        return [current_app.config["SESSION_COOKIE_NAME"], *sorted(value)]

    def to_python(self, value: Any) -> Any:
        return set(value) - {current_app.config["SESSION_COOKIE_NAME"]}


def test_tag_in_app_context() -> None:
    """
    A tag of the app's own may ask ``current_app``, as in Flask.
    """
    serializer = TaggedJSONSerializer()
    serializer.register(TagInAppContext)
    app = make_flask_app()
    app.session_interface = make_interface(serializer=serializer)
    pair = Pair(app)
    assert pair.loaded(pair.cookie({"value": {1, 2}})) == "{'value': {1, 2}}"
