import binascii
import hashlib
import json
import pickle
import zlib
from typing import Any

import flask.json.tag
import itsdangerous
import pytest
import time_machine

from starlette_flask import SessionSerializer
from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.serializer import MAX_INFLATED_BYTES
from starlette_flask.formats.signing import TimestampSigner, base64_encode
from starlette_flask.formats.tagged_json import TaggedJSONSerializer

NOW = 1_700_000_000
NOISE = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(64))
"""Two kilobytes that don't get shorter."""


def signed(encoded: bytes) -> bytes:
    """
    Sign what needn't be a payload.
    """
    return TimestampSigner("secret", salt="cookie-session").sign(encoded)


def test_golden_value() -> None:
    """
    The value of Flask 3.1.3 for this key, second and session.
    """
    with time_machine.travel(NOW, tick=False):
        value = SessionSerializer("secret").dumps({"user": "ada"})
    assert value == "eyJ1c2VyIjoiYWRhIn0.ZVPxAA.-Jclp8u_4DxtD4pu4J6PdbsqfHk"


@pytest.mark.parametrize("value_type", [str, str.encode])
def test_both_ways(value_type: Any) -> None:
    """
    What was dumped is loaded, from text and from bytes.
    """
    serializer = SessionSerializer("secret")
    data = {"user": "ada", "numbers": (1, 2)}
    assert serializer.loads(value_type(serializer.dumps(data)), max_age=10) == data


def test_compressed_when_shorter() -> None:
    """
    A leading dot marks a compressed payload.
    """
    serializer = SessionSerializer("secret")
    assert serializer.dumps({"a": "b" * 100}).startswith(".")
    assert not serializer.dumps({"a": "b"}).startswith(".")
    assert serializer.loads(serializer.dumps({"a": "b" * 100})) == {"a": "b" * 100}


def deep(levels: int) -> bytes:
    return b'{"a":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        pytest.param(b"A", "not base64", id="not base64"),
        pytest.param(b".A", "not base64", id="compressed, not base64"),
        pytest.param(b"." + base64_encode(b"nonsense"), "can't be inflated", id="not zlib"),
        pytest.param(b".", "can't be inflated", id="compressed nothing"),
        pytest.param(b"." + base64_encode(zlib.compress(b"{}" * 99)[:-8]), "can't be inflated", id="cut short"),
        pytest.param(b"." + base64_encode(zlib.compress(NOISE)[:-8]), "can't be inflated", id="long, cut short"),
        pytest.param(b"." + base64_encode(zlib.compress(b" " * 50_000_000)), "inflates to more than", id="bomb"),
        pytest.param(base64_encode(b'{"a":"\xff"}'), r"can't be loaded \(UnicodeDecodeError\)", id="not UTF-8"),
        pytest.param(base64_encode(b"{"), r"can't be loaded \(JSONDecodeError\)", id="not JSON"),
        pytest.param(base64_encode(b"[1]"), "not an object but list", id="list"),
        pytest.param(base64_encode(b"null"), "not an object but NoneType", id="null"),
        pytest.param(base64_encode(b'{" t":[1]}'), "not an object but tuple", id="tuple"),
        pytest.param(b"." + base64_encode(zlib.compress(deep(100_000))), "nested too deep", id="deep"),
        pytest.param(base64_encode(b'{"a":{" u":"x"}}'), r"can't be loaded \(ValueError\)", id="bad UUID"),
        pytest.param(base64_encode(b'{"a":{" t":1}}'), r"can't be loaded \(TypeError\)", id="bad tuple"),
        pytest.param(base64_encode(b'{"a":{" di":1}}'), r"can't be loaded \(AttributeError\)", id="bad escape"),
    ],
)
def test_signed_but_no_session(encoded: bytes, message: str) -> None:
    """
    Something that we signed and that is no session is BadPayload, whatever it is.
    """
    with pytest.raises(itsdangerous.BadPayload, match=message):
        SessionSerializer("secret").loads(signed(encoded))


@pytest.mark.parametrize(
    ("encoded", "cause"), [(b"A", binascii.Error), (b"." + base64_encode(b"nonsense"), zlib.error)]
)
def test_evidence(encoded: bytes, cause: type[Exception]) -> None:
    """
    The exception holds the error that brought it about, as that of itsdangerous does.
    """
    with pytest.raises(itsdangerous.BadPayload) as caught:
        SessionSerializer("secret").loads(signed(encoded))
    assert isinstance(caught.value.original_error, cause)
    assert caught.value.__cause__ is caught.value.original_error


def test_inflates_up_to_the_limit() -> None:
    """
    A payload of exactly the limit is still read.
    """
    payload = b'{"a":"' + b"x" * (MAX_INFLATED_BYTES - 8) + b'"}'
    value = signed(b"." + base64_encode(zlib.compress(payload)))
    assert len(SessionSerializer("secret").verify(value)) == MAX_INFLATED_BYTES


def test_surrogates_in_the_value() -> None:
    """
    Text that isn't valid Unicode is a bad signature like any other.
    """
    with pytest.raises(itsdangerous.BadSignature):
        SessionSerializer("secret").loads("\ud800.a.b")


def test_flask_serializer() -> None:
    """
    Of a Flask app's serializer the tags are taken; the JSON is that of a request, sorted.
    """
    serializer = SessionSerializer("secret", serializer=flask.json.tag.TaggedJSONSerializer())
    assert serializer.dump_payload({"b": 1, "a": (2,)}) == b'{"a":{" t":[2]},"b":1}'


def test_own_serializer() -> None:
    """
    Any object with dumps and loads will do, of text or of bytes.
    """
    as_text = SessionSerializer("secret", serializer=json)
    assert as_text.loads(as_text.dumps({"a": (1,)})) == {"a": [1]}
    as_bytes = SessionSerializer("secret", serializer=pickle)
    assert as_bytes.loads(as_bytes.dumps({"a": (1,)})) == {"a": (1,)}
    with pytest.raises(ConfigError, match="must have dumps and loads; object has not"):
        SessionSerializer("secret", serializer=object())  # type: ignore[arg-type]
    ours = TaggedJSONSerializer(sort_keys=False)
    assert SessionSerializer("secret", serializer=ours).dump_payload({"b": 1, "a": 2}) == b'{"b":1,"a":2}'


def test_may_have_key() -> None:
    """
    Of Flask's JSON it can be told without loading that a key isn't there; of another's not.
    """
    serializer = SessionSerializer("secret")
    assert serializer.may_have_key(b'{"_permanent":true}', b"_permanent")
    assert not serializer.may_have_key(b'{"user":"ada"}', b"_permanent")
    assert SessionSerializer("secret", serializer=pickle).may_have_key(b"", b"_permanent")
