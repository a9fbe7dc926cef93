"""
What holds for any session, any cookie and any header; the oracles are Flask, itsdangerous and Werkzeug.
"""

import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode, int_to_bytes
from markupsafe import Markup
from werkzeug.sansio.http import parse_cookie

from starlette_flask import SessionSerializer
from starlette_flask.formats.cookies import Cookie
from tests.interop.apps import NOW, make_flask_app, needs_werkzeug

# The same examples each time: a failure is nobody's bad luck.
thoroughly = settings(
    derandomize=True, database=None, deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow]
)

FLASK_APP = make_flask_app()
THEIRS: URLSafeTimedSerializer = FLASK_APP.session_interface.get_signing_serializer(FLASK_APP)  # type: ignore[attr-defined]
OURS = SessionSerializer("secret")

TAGS = [" di", " t", " b", " m", " u", " d"]

texts = st.text() | st.text(st.characters())  # the latter with lone surrogates
keys = st.sampled_from([*TAGS, *(f"{tag}__" for tag in TAGS), " x", "_permanent", "", "a"]) | texts
plain_values = st.none() | st.booleans() | st.integers() | st.floats() | texts
tagged_values = (
    st.binary()
    | st.uuids()
    | st.builds(Markup, texts)
    | st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.one_of(st.none(), st.timezones()))
)
other_values = st.dates() | st.decimals()
values = st.recursive(
    plain_values | tagged_values | other_values,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(keys, inner)
        | st.dictionaries(st.integers(), inner)
    ),
    max_leaves=12,
)
sessions = st.dictionaries(keys, values, max_size=5)


@settings(thoroughly, max_examples=200)  # the examples themselves take most of the time
@given(sessions)
def test_any_session(session: dict[str, Any]) -> None:
    """
    Any session is written to the bytes that Flask writes in a request, and both read the same from it.
    """
    with time_machine.travel(NOW, tick=False), FLASK_APP.test_request_context():
        theirs, ours = THEIRS.dumps(session), OURS.dumps(session)
        assert ours == theirs
        assert repr(OURS.loads(theirs)) == repr(THEIRS.loads(ours))


@thoroughly
@given(st.text(st.characters()) | st.binary() | st.text("ab.-_=", max_size=12))
@example("")
@example(".")
@example("..")
@example("\ud800.a.b")
@example(b"\xff.\xff.\xff")
def test_any_unsigned_cookie(value: str | bytes) -> None:
    """
    Whatever a client sends that isn't signed is BadData and nothing else.
    """
    with pytest.raises(BadData):
        OURS.loads(value)


# JSON that nobody wrote by tagging: also what only looks tagged. (An escaped dict has one key; where one has more,
# Flask drops them, and to us it is no session.)
keys_but_escape = keys.filter(lambda key: key != " di")
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(keys_but_escape, inner, max_size=3)
        | st.dictionaries(st.just(" di"), st.dictionaries(keys_but_escape, inner, max_size=1), min_size=1)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
any_payload = st.binary() | any_json
any_encoded = (
    any_payload.map(base64_encode)
    | any_payload.map(lambda payload: b"." + base64_encode(payload))
    | any_payload.map(lambda payload: b"." + base64_encode(zlib.compress(payload)))
    | st.tuples(any_payload, st.integers(1, 8)).map(
        lambda pair: b"." + base64_encode(zlib.compress(pair[0])[: -pair[1]])
    )
)
SIGNED_NOW = base64_encode(int_to_bytes(NOW))


def sign(value: bytes) -> bytes:
    return Signer("secret", salt="cookie-session", key_derivation="hmac").sign(value)


def load(loads: Callable[[bytes], Any], value: bytes) -> str | None:
    """
    Return the repr of what *loads* makes of a cookie, or None if that is no session.
    """
    try:
        loaded = loads(value)
    except BadData:
        return None
    return repr(loaded) if isinstance(loaded, dict) else None


@thoroughly
@given(any_encoded)
@example(b"")
@example(b".")
@example(base64_encode(b"[" * 100_000))
@example(base64_encode(b'{"a":' * 100_000))
@example(base64_encode(b'{"a":' + b"1" * 5_000 + b"}"))
@example(b"." + base64_encode(zlib.compress(b" " * 2**24)))
@example(base64_encode(b'{" u":1}'))
@example(base64_encode(b'{" di":{}}'))
@example(base64_encode(b'{"a":{" t":null}}'))
def test_any_signed_payload(encoded: bytes) -> None:
    """
    A signed payload is the session that Flask would see, or BadData where Flask would see none.
    """
    value = sign(encoded + b"." + SIGNED_NOW)
    with time_machine.travel(NOW, tick=False), FLASK_APP.test_request_context():
        assert load(OURS.loads, value) == load(THEIRS.loads, value)


@thoroughly
@given(
    st.binary()
    | st.binary().map(lambda encoded: encoded + b"." + SIGNED_NOW)
    | st.binary(max_size=12).map(lambda timestamp: b"e30." + timestamp)
    | st.binary(max_size=12).map(lambda timestamp: b"e30." + base64_encode(timestamp))
)
@example(b"")
@example(b"e30." + SIGNED_NOW)
@example(b"e30." + base64_encode(int_to_bytes(2**63)))
@example(b"e30." + base64_encode(int_to_bytes(253_402_300_800)))  # the year 10000
def test_anything_signed(value: bytes) -> None:
    """
    Signed nonsense is BadData and nothing else, unless it is a session to Flask; then it is the same to us.
    """
    signed = sign(value)
    with time_machine.travel(NOW, tick=False), FLASK_APP.test_request_context():
        ours = load(lambda signed: OURS.loads(signed, max_age=NOW), signed)
        with suppress(ValueError, OverflowError, OSError):  # a timestamp that is no date: in Flask a server error
            theirs = load(lambda signed: THEIRS.loads(signed, max_age=NOW), signed)
            assert theirs in (ours, None)


cookie_headers = st.lists(
    st.sampled_from(["session", "session2", "Session", "xsession", "=", "=", ";", "; ", '"', " ", "\t", "\\", ",", "a"])
    | st.sampled_from(['session="a;session=b"', "session=1", "\\075", "\\303\\274", "\\400", "\\\\", "ü", "€", "$"])
    | st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=3),
    max_size=14,
).map("".join)


@needs_werkzeug("2.3", "cookies are parsed as today")
@thoroughly
@given(cookie_headers, st.lists(st.integers(0, 60), max_size=3))
def test_any_cookie_header(header: str, splits: list[int]) -> None:
    """
    Of any Cookie header, in one line or in several, we take the value that Werkzeug takes.
    """
    places = [0, *sorted(place for place in splits if place <= len(header)), len(header)]
    lines = [header[start:end] for start, end in pairwise(places)]
    headers = [(b"host", b"localhost"), *((b"cookie", line.encode()) for line in lines), (b"accept", b"session=1")]
    ours = Cookie("session").find(headers)
    theirs = parse_cookie(";".join(lines)).get("session")
    assert (ours if ours is None else ours.decode(errors="replace")) == theirs
