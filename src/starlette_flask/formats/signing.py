"""
Signatures in the wire format of itsdangerous: ``value.signature`` and ``value.timestamp.signature``.

*timestamp* and *signature* are URL-safe base64 without padding. The timestamp is the Unix time
in whole seconds, big-endian, leading zero bytes dropped.
"""

import hashlib
import time
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from hmac import compare_digest
from typing import Any, Literal, get_args

from itsdangerous import BadData, BadPayload, BadSignature, BadTimeSignature, SignatureExpired, Signer

from starlette_flask.exceptions import ConfigError, ConfigTypeError

KeyDerivation = Literal["hmac", "django-concat", "concat", "none"]

# A hashlib constructor, or a callable with the same signature: what itsdangerous takes as digest_method.
DigestMethod = Callable[..., Any]

_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URLSAFE = bytes.maketrans(b"-_", b"+/")


def base64_encode(data: bytes) -> bytes:
    """
    Encode as URL-safe base64 without padding, as itsdangerous does.
    """
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URLSAFE)


def base64_decode(data: bytes) -> bytes:
    """
    Decode URL-safe base64 without padding.

    Raises:
        binascii.Error: *data* is not base64.
    """
    return a2b_base64(data.translate(_FROM_URLSAFE) + b"==")  # more padding than needed is ignored


class PlainSigner:
    """
    Signs values and checks signatures, with keys derived once: ``value.signature``.

    Mirrors ``itsdangerous.Signer`` (2.2), with one difference: a signature is accepted only in the one spelling that a
    signer writes (itsdangerous also takes the same bytes with other padding bits or stray characters).

    Args:
        secret_key: Signs, and verifies first. ``str`` is taken as UTF-8.
        fallbacks: Older keys, oldest first, that only verify.
        salt: Separates signatures of one purpose from those of another under the same key.
        key_derivation: How the signing key comes from *secret_key* and *salt*.
        digest_method: A ``hashlib`` constructor.

    Raises:
        ConfigError: A key is empty or can't be encoded, or *key_derivation* is unknown.
        ConfigTypeError: A value has the wrong type, or *fallbacks* is one bare string.
    """

    def __init__(
        self,
        secret_key: str | bytes,
        *,
        fallbacks: Iterable[str | bytes] = (),
        salt: str | bytes,
        key_derivation: str = "hmac",
        digest_method: DigestMethod = hashlib.sha1,
    ) -> None:
        if isinstance(fallbacks, (str, bytes)) or not isinstance(fallbacks, Iterable):
            raise ConfigTypeError(
                "the secret key fallbacks must be a list of keys; of a bare string each character would become a key"
            )
        if key_derivation not in get_args(KeyDerivation):
            raise ConfigError(f"unknown key_derivation {key_derivation!r}; use one of {get_args(KeyDerivation)}")
        if not callable(digest_method):
            raise ConfigTypeError("digest_method must be a constructor such as hashlib.sha256")
        salt = _checked_bytes(salt, "salt")
        keys = [_checked_key(secret_key, "secret key")]
        keys += reversed([_checked_key(key, "secret key fallback") for key in fallbacks])
        signers = [Signer(key, salt=salt, key_derivation=key_derivation, digest_method=digest_method) for key in keys]
        try:
            self._macs = [_KeyedHash(signer.derive_key(), digest_method) for signer in signers]
        except (AttributeError, TypeError, ValueError) as exc:  # not a hash, or one that this build of Python forbids
            raise ConfigError(f"digest_method can't be used ({exc}); use a constructor such as hashlib.sha256") from exc

    def sign(self, value: bytes) -> bytes:
        """
        Append the newest key's signature.
        """
        return value + b"." + self._macs[0].signature(value)

    def verified(self, signed: bytes) -> bytes | None:
        """
        Return the value that was signed, or None if no key of ours has signed it.
        """
        value, _, signature = signed.rpartition(b".")
        return value if any(compare_digest(mac.signature(value), signature) for mac in self._macs) else None


class TimestampSigner(PlainSigner):
    """
    Signs values together with the time, and checks both: ``value.timestamp.signature``.

    Mirrors ``itsdangerous.TimestampSigner`` (2.2), with two more differences: a timestamp in the future is refused
    even without *max_age*; and error messages never quote what came from the client.
    """

    def sign(self, value: bytes) -> bytes:
        """
        Append the current time and the newest key's signature.
        """
        now = int(time.time())
        value += b"." + base64_encode(now.to_bytes((now.bit_length() + 7) // 8, "big"))
        return value + b"." + self._macs[0].signature(value)

    def unsign(self, signed: bytes, max_age: int | None = None) -> bytes:
        """
        Check signature, then age, and return the value alone.

        Args:
            signed: What `sign` returned.
            max_age: Accepted age in seconds; None accepts any. The future is always refused.

        Raises:
            itsdangerous.BadSignature: No key of ours signed this.
            itsdangerous.BadTimeSignature: We signed it, but it carries no timestamp.
            itsdangerous.SignatureExpired: Too old, or signed in the future.
        """
        value = self.check(signed, max_age)
        if isinstance(value, Refusal):
            raise value.to_error()
        return value

    def check(self, signed: bytes, max_age: int | None = None) -> "bytes | Refusal":
        """
        Do what `unsign` does, and return what it would raise as a `Refusal`.
        """
        stamped, _, signature = signed.rpartition(b".")
        for mac in self._macs:
            if compare_digest(mac.signature(stamped), signature):
                break
        else:
            return _BAD_SIGNATURE
        value, _, timestamp = stamped.rpartition(b".")
        try:
            signed_at = int.from_bytes(base64_decode(timestamp), "big")
        except Base64Error:
            return _BAD_TIMESTAMP
        if not value or signed_at >> 64:
            return _BAD_TIMESTAMP
        age = int(time.time()) - signed_at
        if age < 0 or (max_age is not None and age > max_age):
            return Refusal(SignatureExpired, "", value, signed_at, age, max_age)
        return value


class Refusal:
    """
    Why a value is not accepted, as a value: a refused cookie is nothing exceptional, and mostly nobody asks why.

    Args:
        error: What itsdangerous raises in this case.
        reason: In words; empty for a wrong age, which `str` puts into words. It quotes nothing that a client sent.
        payload: The value, if its signature is right.
        signed_at: When it was signed, in Unix time.
        age: How old it was when it was checked, in seconds; negative for the future.
        max_age: The age that would be accepted, in seconds.
        cause: The exception that brought it to light.
    """

    __slots__ = ("age", "cause", "error", "max_age", "payload", "reason", "signed_at")

    def __init__(
        self,
        error: type[BadData],
        reason: str,
        payload: bytes | None = None,
        signed_at: int = 0,
        age: int = 0,
        max_age: int | None = None,
        cause: Exception | None = None,
    ) -> None:
        self.error = error
        self.reason = reason
        self.payload = payload
        self.signed_at = signed_at
        self.age = age
        self.max_age = max_age
        self.cause = cause

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        if self.age < 0:
            return f"signed {-self.age} s in the future"
        return f"expired: signed {self.age} s ago, accepted for {self.max_age} s"

    @property
    def reason_class(self) -> str:
        """
        One word for reasons of this kind: ``signature``, ``timestamp``, ``expired``, ``future`` or ``payload``.
        """
        if self.error is SignatureExpired:
            return "future" if self.age < 0 else "expired"
        return _REASON_CLASSES[self.error]

    def to_error(self) -> BadData:
        """
        Return the exception of itsdangerous for it, with the evidence that it has.
        """
        if issubclass(self.error, SignatureExpired):
            return self.error(str(self), self.payload, _date(self.signed_at))
        if issubclass(self.error, BadPayload):
            return self.error(str(self), self.cause)
        return self.error(str(self))


_REASON_CLASSES = {BadSignature: "signature", BadTimeSignature: "timestamp", BadPayload: "payload"}
_BAD_SIGNATURE = Refusal(BadSignature, "no key matches the signature")
_BAD_TIMESTAMP = Refusal(BadTimeSignature, "the timestamp is missing or malformed")


def _checked_key(key: str | bytes, what: str) -> bytes:
    if not key and isinstance(key, (str, bytes)):
        raise ConfigError(
            f"the {what} is empty; set it to the Flask app's SECRET_KEY,"
            " or make one with: python -c 'import secrets; print(secrets.token_hex())'"
        )
    return _checked_bytes(key, what)


def _checked_bytes(text: str | bytes, what: str) -> bytes:
    if not isinstance(text, (str, bytes)):
        raise ConfigTypeError(f"the {what} must be str or bytes, not {type(text).__name__}")
    try:
        return text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as exc:
        raise ConfigError(f"the {what} is not valid text; give it as bytes") from exc


class _KeyedHash:
    """
    HMAC with the key already in it (RFC 2104): two hash objects, to be copied for each message.

    Objects of the hmac module can be copied too, which takes 1.6 to 2.4 times as long (CPython 3.11, 3.13).
    """

    def __init__(self, key: bytes, digest_method: DigestMethod) -> None:
        block_size = digest_method().block_size
        if len(key) > block_size:
            key = digest_method(key).digest()
        key = key.ljust(block_size, b"\0")
        self._inner = digest_method(bytes(byte ^ 0x36 for byte in key))
        self._outer = digest_method(bytes(byte ^ 0x5C for byte in key))

    def signature(self, message: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return b2a_base64(outer.digest(), newline=False).rstrip(b"=").translate(_TO_URLSAFE)


def _date(timestamp: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(timestamp, tz=timezone.utc)
    except (ValueError, OSError, OverflowError):  # beyond year 9999: a timestamp of up to 64 bits is well-formed
        return None
