"""
What a client may send in place of a good session cookie: one list, for every bridge to go through.

The cookies are made with itsdangerous, not with our own code, at the time *NOW* under *SECRET_KEY*.
"""

import hashlib
import json
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from itsdangerous import Signer
from markupsafe import Markup

SECRET_KEY = "one of two apps"
NOW = 1_700_000_000
ACCEPTED_AGE = 31 * 24 * 3600
MAX_INFLATED = 1024 * 1024

CONTENT: dict[str, Any] = {"_user_id": "ada.lovelace"}
"""What the genuine cookies hold."""

Outcome = Mapping[str, Any] | None
ERROR: Outcome = None
"""Flask 3.1 answers with a 500."""


@dataclass(frozen=True)
class HostileCookie:
    """
    A request's ``Cookie`` lines and what is to become of them.

    Args:
        name: What is wrong, in short.
        lines: The lines, in latin-1.
        reason: Why the cookie is rejected, as the log says it, which may add the name of an error; None:
            there is nothing to reject.
        session: What a view sees.
        flask: What a view of Flask 3.1 sees, or `ERROR`. Where it isn't *session*, ours is the stricter app.
        is_carried: The request carries a cookie of our name, good or bad: clearing the session deletes it.
    """

    name: str
    lines: tuple[str, ...] = field(repr=False)
    reason: str | None = None
    session: Mapping[str, Any] = field(default_factory=dict)
    flask: Outcome = field(default_factory=dict)
    is_carried: bool = True

    def __str__(self) -> str:
        return self.name


def encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def stamp(seconds: int) -> bytes:
    return encoded(seconds.to_bytes((seconds.bit_length() + 7) // 8, "big"))


def signed(value: bytes, *, key: str = SECRET_KEY, salt: str = "cookie-session", **options: Any) -> str:
    """
    Sign anything at all, as Flask signs its sessions.
    """
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha1, **options}
    return Signer(key, salt=salt, **options).sign(value).decode("latin-1")


def session_of(payload: bytes, *, at: bytes = stamp(NOW), **options: Any) -> str:
    """
    Return a cookie value with a good signature over a payload that need not be one.
    """
    return signed(encoded(payload) + b"." + at, **options)


def compressed(data: bytes, *, at: bytes = stamp(NOW)) -> str:
    return signed(b"." + encoded(data) + b"." + at)


def flipped(value: str, position: int) -> str:
    """
    Replace one character by another of the alphabet, which no decoding can take for the same.
    """
    position %= len(value)
    other = "B" if value[position] != "B" else "h"
    return value[:position] + other + value[position + 1 :]


GOOD = session_of(json.dumps(CONTENT).encode())
PAYLOAD, STAMP, SIGNATURE = GOOD.split(".")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# 20 bytes in 27 characters: the last one has two bits to spare, which itsdangerous doesn't look at.
SAME_TO_ITSDANGEROUS = GOOD[:-1] + ALPHABET[ALPHABET.index(GOOD[-1]) ^ 1]

NO_KEY = "no key matches the signature"
NO_TIMESTAMP = "the timestamp is missing or malformed"
NOT_BASE64 = "the payload is not base64"
NOT_INFLATED = "the payload can't be inflated"
TOO_LARGE = "the payload inflates to more than 1048576 bytes"
NOT_LOADED = "the payload can't be loaded"
TOO_DEEP = "the payload is nested too deep"


def _unsigned() -> Iterator[HostileCookie]:
    """
    Without our signature: not a single byte of it is looked at.
    """
    values = {
        "garbage": "garbage",
        "a session id": "0b1f9a3e-5d0e-4b57-9d5a-3e1c8f0c2d11",
        "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dBjftJeZ4CVPmB92K27uhbUJU1p1r5wW1gFWFOEjXk",
        "payload alone": PAYLOAD,
        "payload and dot": f"{PAYLOAD}.",
        "no signature": f"{PAYLOAD}.{STAMP}",
        "empty signature": f"{PAYLOAD}.{STAMP}.",
        "no payload": f"{STAMP}.{SIGNATURE}",
        "empty payload": f".{STAMP}.{SIGNATURE}",
        "no timestamp": f"{PAYLOAD}.{SIGNATURE}",
        "empty timestamp": f"{PAYLOAD}..{SIGNATURE}",
        "signature alone": SIGNATURE,
        "a part too many": f"{PAYLOAD}.{STAMP}.{SIGNATURE}.{SIGNATURE}",
        "a leading dot": f".{GOOD}",
        "one dot": ".",
        "two dots": "..",
        "three dots": "...",
        "100,000 dots": "." * 100_000,
        "truncated by one": GOOD[:-1],
        "truncated by ten": GOOD[:-10],
        "first byte missing": GOOD[1:],
        "another's signature": f"{session_of(b'{}').rpartition('.')[0]}.{SIGNATURE}",
        "upper case": GOOD.upper(),
        "wrong key": session_of(b'{"_user_id":"eve"}', key="another"),
        "empty key": session_of(b'{"_user_id":"eve"}', key=""),
        "wrong salt": session_of(b'{"_user_id":"eve"}', salt="itsdangerous"),
        "wrong derivation": session_of(b'{"_user_id":"eve"}', key_derivation="django-concat"),
        "wrong digest": session_of(b'{"_user_id":"eve"}', digest_method=hashlib.sha256),
        "1 MB": "A" * 1_000_000,
        "1 MB of payload": f"{'A' * 1_000_000}.{STAMP}.{SIGNATURE}",
        "1 MB of signature": f"{PAYLOAD}.{STAMP}.{'A' * 1_000_000}",
        "latin-1": "\xff\xfe\xe9",
        "latin-1 payload": f"\xe9{GOOD}",
        "UTF-8": "\u00e9\u4e2d".encode().decode("latin-1"),
        "NUL": "\0",
        "NUL before": f"\0{GOOD}",
        "NUL in the payload": f"{PAYLOAD[:9]}\0{PAYLOAD[9:]}.{STAMP}.{SIGNATURE}",
        "equals signs": "====",
        "deletion of another middleware": "null",
    }
    for name, value in values.items():
        yield HostileCookie(name, (f"session={value}",), NO_KEY)
    for part, start, end in (
        ("payload", 0, len(PAYLOAD)),
        ("timestamp", len(PAYLOAD) + 1, len(PAYLOAD) + 1 + len(STAMP)),
        ("signature", -len(SIGNATURE), -1),
    ):
        for position in sorted({start, start + 1, (start + end) // 2, end - 1}):
            yield HostileCookie(f"{part} flipped at {position}", (f"session={flipped(GOOD, position)}",), NO_KEY)
    # Signatures that itsdangerous takes for the same, because its base64 skips what isn't any.
    for name, value in {
        "spare bits": SAME_TO_ITSDANGEROUS,
        "padded": f"{GOOD}=",
        "padded twice": f"{GOOD}==",
        "letter appended": f"{GOOD}\xe9",
        "letter in the middle": f"{PAYLOAD}.{STAMP}.{SIGNATURE[:9]}\xe9{SIGNATURE[9:]}",
        "exclamation marks": f"{GOOD}!!!!",
        "NULs appended": f"{GOOD}\0\0\0\0",
        "spaces appended, quoted": f'"{GOOD}    "',
        "newlines appended, quoted": f'"{GOOD}\\012\\012\\012\\012"',
    }.items():
        yield HostileCookie(f"signature: {name}", (f"session={value}",), NO_KEY, flask=CONTENT)


def _badly_timed() -> Iterator[HostileCookie]:
    """
    Signed by us, at a time that can't be accepted.
    """
    body = json.dumps(CONTENT).encode()
    expired = "expired: signed {} s ago, accepted for 2678400 s"
    future = "signed {} s in the future"
    largest = 2**64 - 1
    for name, at, reason, flask in (
        ("expired", stamp(NOW - ACCEPTED_AGE - 1), expired.format(ACCEPTED_AGE + 1), {}),
        ("expired in 1970", b"AQ", expired.format(NOW - 1), {}),
        ("zero", b"AAAA", expired.format(NOW), {}),
        ("empty", b"", expired.format(NOW), {}),
        ("not base64 at all", b"!!!!", expired.format(NOW), {}),
        ("future", stamp(NOW + 1), future.format(1), {}),
        ("far future", stamp(NOW + 10**9), future.format(10**9), {}),
        ("8 bytes", stamp(largest), future.format(largest - NOW), ERROR),
        ("9 bytes", stamp(largest + 1), NO_TIMESTAMP, {}),
        ("1,000 bytes", stamp(2**8000 - 1), NO_TIMESTAMP, {}),
        ("broken base64", b"A", "the timestamp is missing or malformed", {}),
    ):
        yield HostileCookie(f"timestamp: {name}", (f"session={session_of(body, at=at)}",), reason, flask=flask)
    for name, value, flask in (
        ("none", signed(encoded(body)), {}),
        ("none, compressed", signed(b"." + encoded(zlib.compress(body))), {}),
        ("alone", signed(stamp(NOW)), {}),
    ):
        yield HostileCookie(f"timestamp: {name}", (f"session={value}",), NO_TIMESTAMP, flask=flask)


def _not_a_session() -> Iterator[HostileCookie]:
    """
    Signed by us, in time, and no session.
    """
    good = zlib.compress(json.dumps(CONTENT).encode())
    for name, value, reason in (
        ("no base64", signed(b"A." + stamp(NOW)), NOT_BASE64),
        ("no base64, compressed", signed(b".A." + stamp(NOW)), NOT_BASE64),
        ("empty, compressed", compressed(b""), NOT_INFLATED),
        ("no zlib", compressed(b"no zlib"), NOT_INFLATED),
        ("truncated zlib", compressed(good[:-5]), NOT_INFLATED),
        ("zlib without checksum", compressed(good[:-4]), NOT_INFLATED),
        ("wrong checksum", compressed(good[:-1] + b"\0"), NOT_INFLATED),
    ):
        yield HostileCookie(f"payload: {name}", (f"session={value}",), reason, flask=ERROR)
    empty = signed(b"." + stamp(NOW))
    yield HostileCookie("payload: empty", (f"session={empty}",), NO_TIMESTAMP, flask=ERROR)
    # Flask inflates them; a 50 KB cookie is 50 MB there.
    for name, size in (("1 MiB and a byte", MAX_INFLATED + 1), ("50 MiB", 50 * MAX_INFLATED)):
        bomb = zlib.compress(b'{"a":1}'.rjust(size))
        yield HostileCookie(f"bomb: {name}", (f"session={compressed(bomb)}",), TOO_LARGE, flask={"a": 1})
    for name, payload in (
        ("nothing", b" "),
        ("not JSON", b"secret plans"),
        ("not JSON, naming a permanent session", b'{"_permanent":true'),
        ("two objects", b"{}{}"),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("single quotes", b"{'a': 1}"),
        ("control character", b'{"a":"\x01"}'),
        ("NUL", b'{"a":1}\0'),
        ("invalid UTF-8", b'{"a":"\xff"}'),
        ("UTF-16", '{"a":1}'.encode("utf-16")),
        ("surrogates in UTF-8", b'{"a":"\xed\xa0\x80"}'),
        ("an integer of 5,000 digits", b'{"a":' + b"1" * 5000 + b"}"),
        ("tuple of a number", b'{"a":{" t":1}}'),
        ("tuple of null", b'{"a":{" t":null}}'),
        ("UUID of a word", b'{"a":{" u":"x"}}'),
        ("UUID of a number", b'{"a":{" u":5}}'),
        ("bytes of a number", b'{"a":{" b":5}}'),
        ("bytes of no base64", b'{"a":{" b":"A"}}'),
        ("bytes of a letter", '{"a":{" b":"\u00e9"}}'.encode()),
        ("datetime of a number", b'{"a":{" d":5}}'),
        ("escaped list", b'{"a":{" di":[]}}'),
        ("escaped number", b'{"a":{" di":5}}'),
        ("escaped nothing", b'{"a":{" di":{}}}'),
    ):
        value = session_of(payload)
        yield HostileCookie(f"payload: {name}", (f"session={value}",), NOT_LOADED, flask=ERROR)
    for name, payload in (
        ("100,000 lists", b"[" * 100_000),
        ("100,000 lists, closed", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("100,000 objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        ("100,000 tuples", b'{" t":[' * 100_000 + b"]}" * 100_000),
        ("2,000 tuples", b'{" t":[' * 2_000 + b"]}" * 2_000),
    ):
        value = compressed(zlib.compress(payload))
        yield HostileCookie(f"nested: {name}", (f"session={value}",), TOO_DEEP, flask=ERROR)
    # dict() makes something of some of them, so that in Flask they are a session.
    for payload, kind, flask in (
        (b"null", "NoneType", {}),
        (b"0", "int", ERROR),
        (b"false", "bool", ERROR),
        (b'""', "str", {}),
        (b"[]", "list", {}),
        (b'{" t":[]}', "tuple", {}),
        (b'{" b":""}', "bytes", {}),
        (b'[["_user_id","eve"]]', "list", {"_user_id": "eve"}),
        (b"1", "int", ERROR),
        (b"1.5", "float", ERROR),
        (b"true", "bool", ERROR),
        (b'"secret plans"', "str", ERROR),
        (b"[1]", "list", ERROR),
        (b'{" t":[1]}', "tuple", ERROR),
        (b'{" m":"<b>"}', "Markup", ERROR),
        (b'{" d":"Wed, 01 Jan 2025 00:00:00 GMT"}', "datetime", ERROR),
        (b'{" u":"12345678123456781234567812345678"}', "UUID", ERROR),
    ):
        reason = f"the payload is not an object but {kind}"
        yield HostileCookie(f"payload: {payload.decode()}", (f"session={session_of(payload)}",), reason, flask=flask)


def _harmless() -> Iterator[HostileCookie]:
    """
    Odd, but a session, to both apps.
    """
    bounds = b'{"a":1}'.rjust(MAX_INFLATED)
    for name, value, session in (
        ("oldest", session_of(json.dumps(CONTENT).encode(), at=stamp(NOW - ACCEPTED_AGE)), CONTENT),
        ("1 MiB", compressed(zlib.compress(bounds)), {"a": 1}),
        ("bytes after zlib", compressed(zlib.compress(b'{"a":1}') + b"more"), {"a": 1}),
        ("compressed for nothing", compressed(zlib.compress(b"{}")), {}),
        ("padded payload", signed(b"eyJhIjoxfQ==." + stamp(NOW)), {"a": 1}),
        ("empty", session_of(b"{}"), {}),
        ("key twice", session_of(b'{"a":1,"a":2}'), {"a": 2}),
        ("empty key", session_of(b'{"":1}'), {"": 1}),
        ("lone surrogate", session_of(b'{"a":"\\ud800"}'), {"a": "\ud800"}),
        ("NUL", session_of(b'{"a":"\\u0000"}'), {"a": "\0"}),
        ("infinity", session_of(b'{"a":Infinity,"b":1e999}'), {"a": float("inf"), "b": float("inf")}),
        ("integer of 4,000 digits", session_of(b'{"a":1' + b"0" * 3999 + b"}"), {"a": 10**3999}),
        ("tuple of letters", session_of(b'{"a":{" t":"ab"}}'), {"a": ("a", "b")}),
        ("markup of a number", session_of(b'{"a":{" m":5}}'), {"a": Markup("5")}),
        ("date of an object", session_of(b'{"a":{" d":{}}}'), {"a": None}),
        ("date of a word", session_of(b'{"a":{" d":"soon"}}'), {"a": None}),
        ("date", session_of(b'{"a":{" d":"1 Jan 2025 00:00:00"}}'), {"a": datetime(2025, 1, 1, tzinfo=timezone.utc)}),
        ("escaped tag", session_of(b'{" di":{" t__":1}}'), {" t": 1}),
        ("unknown tag", session_of(b'{"a":{" x":1}}'), {"a": {" x": 1}}),
    ):
        yield HostileCookie(f"harmless: {name}", (f"session={value}",), session=session, flask=session)


def _oddly_spelled() -> Iterator[HostileCookie]:
    """
    The header itself: what is found in it, Werkzeug finds too.
    """
    bad = flipped(GOOD, 0)
    others = "; ".join(f"name{number}=value{number}" for number in range(10_000))
    quoted = "".join(f"\\{ord(character):03o}" for character in GOOD)
    found = {
        "quoted": (f'session="{GOOD}"',),
        "quoted, escaped": (f'session="{quoted}"',),
        "spaces around": (f" \t session \t = \t {GOOD} \t ",),
        "no space before": (f"a=1;session={GOOD};b=2",),
        "semicolons around": (f";;; ; session={GOOD} ; ;;;",),
        "RFC 2109": (f"$Version=1; session={GOOD}; $Path=/",),
        "after a quoted one": (f'a="1; session={bad}"; session={GOOD}',),
        "after garbage in quotes": (f'a="1"2; session={GOOD}',),
        "after an unbalanced quote": (f'a="1; session={GOOD}',),
        "after latin-1": (f"\xff\xfe=\xe9; session={GOOD}",),
        "after a name without value": (f"a; session={GOOD}",),
        "after an empty name": (f"=1; session={GOOD}",),
        "after similar names": (f"Session={bad}; session2={bad}; xsession={bad}; session={GOOD}",),
        "after a piece that is none": (f"session x={bad}; session={GOOD}",),
        "after 10,000 others": (f"{others}; session={GOOD}",),
        "before 10,000 others": (f"session={GOOD}; {others}",),
        "after 1 MB of semicolons": (f"{';' * 1_000_000}session={GOOD}",),
        "before a bad one": (f"session={GOOD}; session={bad}",),
        "before an empty one": (f"session={GOOD}; session=",),
        "in the line before a bad one": (f"session={GOOD}", f"session={bad}"),
        "in the second line": ("a=1", f"session={GOOD}"),
        "in the second line, after garbage": ('a="', f"session={GOOD}"),
        "10,000 times": ("; ".join([f"session={GOOD}"] * 10_000),),
        "in 100 lines": (f"session={GOOD}",) * 100,
    }
    for name, lines in found.items():
        yield HostileCookie(f"good one: {name}", lines, session=CONTENT, flask=CONTENT)
    rejected = {
        "before a good one": (f"session={bad}; session={GOOD}",),
        "in the line before a good one": (f"session={bad}", f"session={GOOD}"),
        "quoted": (f'session="{bad}"',),
        "after 10,000 others": (f"{others}; session={bad}",),
        "10,000 times": ("; ".join([f"session={bad}"] * 10_000),),
        "with a comma, as some adapters join lines": (f"session={GOOD},a=1",),
    }
    for name, lines in rejected.items():
        yield HostileCookie(f"bad one: {name}", lines, NO_KEY)
    empty = {
        "empty": ("session=",),
        "quoted": ('session=""',),
        "spaces": ("session=   ",),
        "no equals sign": ("session",),
        "no equals sign, before a good one": (f"session; session={GOOD}",),
        "before a good one": (f"session=; session={GOOD}",),
        "in the line before a good one": ("session=", f"session={GOOD}"),
    }
    for name, lines in empty.items():
        yield HostileCookie(f"empty one: {name}", lines)
    missing = {
        "no cookies": (),
        "empty header": ("",),
        "empty headers": ("", ""),
        "one semicolon": (";",),
        "1 MB of semicolons": (";" * 1_000_000,),
        "1 MB of spaces": (" " * 1_000_000,),
        "1 MB of equals signs": ("=" * 1_000_000,),
        "1 MB of quotes": ('"' * 1_000_000,),
        "1 MB of garbage": ("\xff" * 1_000_000,),
        "10,000 others": (others,),
        "the name as a value": (f"name=session; {GOOD}",),
        "another case": (f"SESSION={GOOD}",),
        "similar names": (f"session2={GOOD}; xsession={GOOD}; session.={GOOD}; session[]={GOOD}",),
        "unbalanced quote": (f'session="{GOOD}',),
        "a quote after it": (f'session={GOOD}"',),
        "a quote within": (f'session={PAYLOAD}"{STAMP}',),
        "more after the quotes": (f'session="{GOOD}"x',),
        "two words": (f"session={GOOD} {GOOD}",),
        "two words after 1,000 spaces": (f"session={' ' * 1_000}{GOOD} x",),
        "in another's quotes": (f'a="; session={GOOD}; "',),
        "with a comma, as some adapters join lines": (f"a=1,session={GOOD}",),
    }
    for name, lines in missing.items():
        yield HostileCookie(f"none: {name}", lines, is_carried=False)


HOSTILE_COOKIES = (
    *_unsigned(),
    *_badly_timed(),
    *_not_a_session(),
    *_harmless(),
    *_oddly_spelled(),
)
