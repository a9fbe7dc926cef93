"""
The signatures are those of itsdangerous, which is the oracle here.
"""

import hashlib
import hmac
import itertools
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import itsdangerous
import pytest
import time_machine

from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.signing import PlainSigner, TimestampSigner, base64_decode, base64_encode

NOW = 1_700_000_000


def make_signer(secret_key: str | bytes = "secret", **options: Any) -> TimestampSigner:
    return TimestampSigner(secret_key, **{"salt": "salt", **options})


@pytest.mark.parametrize("digest_method", [hashlib.sha1, hashlib.sha256, lambda data=b"": hashlib.sha512(data)])
@pytest.mark.parametrize("key_derivation", ["hmac", "django-concat", "concat", "none"])
@pytest.mark.parametrize("secret_key", ["secret", b"\xff\x00secret", "gehe\u00efm", "longer than a block" * 9])
def test_signatures_are_those_of_itsdangerous(secret_key: str | bytes, key_derivation: str, digest_method: Any) -> None:
    """
    Each signs the very bytes that the other signs, and accepts them.
    """
    options: dict[str, Any] = {"key_derivation": key_derivation, "digest_method": digest_method}
    ours = make_signer(secret_key, **options)
    theirs = itsdangerous.TimestampSigner(secret_key, salt="salt", **options)
    with time_machine.travel(NOW, tick=False):
        assert ours.sign(b"value") == theirs.sign(b"value")
        assert ours.unsign(theirs.sign(b"value")) == b"value"
        assert theirs.unsign(ours.sign(b"value")) == b"value"


def test_rotation() -> None:
    """
    The newest key signs, every key verifies, a retired key doesn't.
    """
    oldest, older, newest = (make_signer(key) for key in ("oldest", "older", "newest"))
    rotated = make_signer("newest", fallbacks=["oldest", "older"])
    for signer in (oldest, older, newest):
        assert rotated.unsign(signer.sign(b"value")) == b"value"
    assert newest.unsign(rotated.sign(b"value")) == b"value"
    with pytest.raises(itsdangerous.BadSignature):
        newest.unsign(older.sign(b"value"))


@pytest.mark.parametrize(
    ("age", "max_age", "accepted"),
    [
        pytest.param(9, 10, True, id="younger"),
        pytest.param(10, 10, True, id="as old"),
        pytest.param(11, 10, False, id="older"),
        pytest.param(-1, 10, False, id="future"),
        pytest.param(10**9, None, True, id="any age"),
        pytest.param(-1, None, False, id="future, any age"),
    ],
)
def test_age(age: int, max_age: int | None, accepted: bool) -> None:
    """
    A value is accepted up to its maximum age, and never from the future.
    """
    with time_machine.travel(NOW - age, tick=False):
        signed = make_signer().sign(b"value")
    with time_machine.travel(NOW, tick=False):
        if accepted:
            assert make_signer().unsign(signed, max_age) == b"value"
        else:
            with pytest.raises(itsdangerous.SignatureExpired) as caught:
                make_signer().unsign(signed, max_age)
            assert caught.value.payload == b"value"
            assert caught.value.date_signed == datetime.fromtimestamp(NOW - age, tz=timezone.utc)


def test_refusal_keeps_the_age_of_its_time() -> None:
    """
    Why a value was refused doesn't change while nobody asks.
    """
    with time_machine.travel(NOW + 1, tick=False):
        signed = make_signer().sign(b"value")
    with time_machine.travel(NOW, tick=False):
        refusal = make_signer().check(signed, 10)
    with time_machine.travel(NOW + 60, tick=False):
        assert str(refusal) == "signed 1 s in the future"


def sign_by_hand(stamped: bytes) -> bytes:
    key = hmac.new(b"secret", b"salt", hashlib.sha1).digest()
    return stamped + b"." + base64_encode(hmac.new(key, stamped, hashlib.sha1).digest())


@pytest.mark.parametrize(
    "stamped",
    [
        pytest.param(b"value", id="no timestamp"),
        pytest.param(b"", id="empty"),
        pytest.param(b".ZVO_AA", id="no value"),
        pytest.param(b"value.A", id="timestamp not base64"),
        pytest.param(b"value." + base64_encode(b"\x01" * 9), id="timestamp of nine bytes"),
    ],
)
def test_signed_but_malformed(stamped: bytes) -> None:
    """
    A signature of ours over something without a timestamp is refused.
    """
    with pytest.raises(itsdangerous.BadTimeSignature):
        make_signer().unsign(sign_by_hand(stamped))


def test_huge_timestamp() -> None:
    """
    A signed timestamp beyond the year 9999 is in the future; itsdangerous raises ValueError here.
    """
    with pytest.raises(itsdangerous.SignatureExpired) as caught:
        make_signer().unsign(sign_by_hand(b"value." + base64_encode(b"\xff" * 8)), 10)
    assert caught.value.date_signed is None


def test_every_altered_byte_is_noticed() -> None:
    """
    No bit of what was signed can change, nor of the signature; itsdangerous accepts other padding bits.
    """
    signer = make_signer()
    signed = signer.sign(b"value")
    for position, bit in itertools.product(range(len(signed)), range(8)):
        altered = bytearray(signed)
        altered[position] ^= 1 << bit
        with pytest.raises(itsdangerous.BadSignature):
            signer.unsign(bytes(altered))
    for tail in (b"=", b" ", b"\xc3\xa9", b"\n"):
        with pytest.raises(itsdangerous.BadSignature):
            signer.unsign(signed + tail)


def test_messages_quote_nothing() -> None:
    """
    What the client sent can't get into a log by way of the message.
    """
    with pytest.raises(itsdangerous.BadSignature, match=r"^no key matches the signature$"):
        make_signer().unsign(b"evil.evil.evil")


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_base64(data: bytes) -> None:
    """
    Base64 is URL-safe and without padding, both ways as itsdangerous has it.
    """
    assert base64_encode(data) == itsdangerous.base64_encode(data)
    assert base64_decode(base64_encode(data)) == data


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        pytest.param({"secret_key": ""}, ConfigError, "the secret key is empty; set it to", id="empty"),
        pytest.param({"secret_key": b""}, ConfigError, "the secret key is empty", id="empty bytes"),
        pytest.param({"secret_key": None}, TypeError, "the secret key must be str or bytes", id="None"),
        pytest.param({"secret_key": "\ud800"}, ConfigError, "give it as bytes", id="lone surrogate"),
        pytest.param({"fallbacks": ["old", ""]}, ConfigError, "the secret key fallback is empty", id="fallback"),
        pytest.param({"fallbacks": "old"}, ConfigError, "must be a list of keys", id="bare string"),
        pytest.param({"fallbacks": b"old"}, TypeError, "must be a list of keys", id="bare bytes"),
        pytest.param({"fallbacks": None}, TypeError, "must be a list of keys", id="no fallbacks"),
        pytest.param({"salt": "\ud800"}, ConfigError, "the salt is not valid text", id="salt not text"),
        pytest.param({"salt": None}, TypeError, "the salt must be str or bytes", id="salt"),
        pytest.param({"key_derivation": "md5"}, ConfigError, "unknown key_derivation 'md5'", id="derivation"),
        pytest.param({"digest_method": "sha1"}, TypeError, "such as hashlib.sha256", id="digest not callable"),
        pytest.param({"digest_method": str}, ConfigError, "such as hashlib.sha256", id="digest not a hash"),
    ],
)
def test_bad_configuration(options: dict[str, Any], error: type[Exception], message: str) -> None:
    """
    What can't work is refused at construction, and the message says the fix.
    """
    with pytest.raises(error, match=message) as caught:
        make_signer(**{"secret_key": "secret", **options})
    assert isinstance(caught.value, ConfigError)


class TestPlainSigner:
    """
    Signatures without a time: those of ids.
    """

    @staticmethod
    def oracle(key: str | list[str] = "secret", **options: Any) -> itsdangerous.Signer:
        return itsdangerous.Signer(key, **{"salt": "flask-session", "key_derivation": "hmac", **options})

    @pytest.mark.parametrize("value", [b"id", b"", b"a.b", b"\xff", b"a" * 1000])
    @pytest.mark.parametrize("key_derivation", ["hmac", "django-concat", "concat", "none"])
    def test_as_itsdangerous(self, value: bytes, key_derivation: Any) -> None:
        """
        What one signs the other verifies; it is the same bytes.
        """
        signer = PlainSigner("secret", salt="flask-session", key_derivation=key_derivation)
        signed = signer.sign(value)
        assert signed == self.oracle(key_derivation=key_derivation).sign(value)
        assert signer.verified(signed) == value

    def test_rotation(self) -> None:
        """
        Older keys verify, the newest signs.
        """
        signer = PlainSigner("new", fallbacks=["oldest", "old"], salt="flask-session")
        assert signer.sign(b"id") == self.oracle("new").sign(b"id")
        for key in ("oldest", "old", "new"):
            assert signer.verified(self.oracle(key).sign(b"id")) == b"id"
        assert signer.verified(self.oracle("other").sign(b"id")) is None

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda signed: b"", id="nothing"),
            pytest.param(lambda signed: b".", id="a dot"),
            pytest.param(lambda signed: b"id", id="no signature"),
            pytest.param(lambda signed: b"id.", id="an empty one"),
            pytest.param(lambda signed: signed[:-1], id="cut off"),
            pytest.param(lambda signed: signed + b"=", id="padding"),
            pytest.param(lambda signed: signed + b"\xc3\xa9", id="a letter that isn't ASCII"),
            pytest.param(lambda signed: signed + b"\n", id="a line feed"),
            pytest.param(lambda signed: signed[:-1] + bytes([signed[-1] + 1]), id="other padding bits"),
            pytest.param(lambda signed: signed.replace(b"id", b"ID"), id="another value"),
            pytest.param(lambda signed: b"x." + signed, id="more of a value"),
            pytest.param(lambda signed: signed + signed[signed.index(b".") :], id="twice"),
        ],
    )
    def test_refused(self, change: Callable[[bytes], bytes]) -> None:
        """
        A signature counts in the one spelling in which it is written, of the whole value.
        """
        signer = PlainSigner("secret", salt="flask-session")
        signed = signer.sign(b"id")
        assert signer.verified(signed) == b"id"
        assert signer.verified(change(signed)) is None

    def test_another_purpose(self) -> None:
        """
        What was signed with another salt isn't signed.
        """
        signer = PlainSigner("secret", salt="flask-session")
        assert signer.verified(self.oracle(salt="cookie-session").sign(b"id")) is None
        assert signer.verified(TimestampSigner("secret", salt="cookie-session").sign(b"id")) is None

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            pytest.param({"secret_key": ""}, ConfigError, "the secret key is empty", id="empty"),
            pytest.param({"fallbacks": "old"}, ConfigError, "must be a list of keys", id="bare string"),
            pytest.param({"salt": None}, TypeError, "the salt must be str or bytes", id="salt"),
        ],
    )
    def test_bad_configuration(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        """
        What can't work is refused at construction.
        """
        with pytest.raises(error, match=message):
            PlainSigner(**{"secret_key": "secret", "salt": "flask-session", **options})
