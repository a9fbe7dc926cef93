"""
The value of Flask's session cookie: a dict, dumped, compressed where that is shorter, signed.
"""

import hashlib
import zlib
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from itsdangerous import BadPayload

from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.formats.signing import DigestMethod, Refusal, TimestampSigner, base64_decode, base64_encode
from starlette_flask.formats.tagged_json import TaggedJSONSerializer, is_tagged_json

# A browser keeps 4 KB, which zlib can blow up a thousandfold. Flask inflates without a limit;
# 1 MiB is far beyond any session that a cookie has carried, and harmless.
MAX_INFLATED_BYTES = 1024 * 1024

MAX_DEFLATE_RATIO = 1032
"""No byte of a zlib stream can stand for more than this many bytes (zlib's technical details)."""


class SerializerUnavailable(RuntimeError):  # noqa: N818  # it isn't the payload's error
    """
    A payload serializer couldn't do its work, for a reason that isn't the payload.

    Not an empty session: it would be saved over the real one.
    """


class PayloadSerializer(Protocol):
    """
    What turns a session's data into text or bytes and back: `TaggedJSONSerializer`, or your own.
    """

    def dumps(self, value: Any, /) -> str | bytes: ...

    def loads(self, text: Any, /) -> Any: ...


class SessionSerializer:
    """
    Turns a session into the value of Flask's cookie, and back.

    The bytes are those that ``flask.sessions.SecureCookieSessionInterface`` (Flask 3.1) writes in a
    request for the same data in the same second. Cookies of Flask 2.0 to 3.1 and of Quart are read.

    Args:
        secret_key: The app's ``SECRET_KEY``; ``str`` is taken as UTF-8.
        fallbacks: Older keys that still verify, as ``SECRET_KEY_FALLBACKS``.
        salt: As the session interface's; default: Flask's.
        key_derivation: As the session interface's; default: Flask's.
        digest_method: As the session interface's; default: Flask's.
        serializer: What dumps and loads the data; default: Flask's tagged JSON. Of a Flask
            app's own tagged serializer the tags are taken; its JSON depends on the app context
            and is not.

    Raises:
        ConfigError: A key is empty, a bare string was given as *fallbacks*, *key_derivation* is unknown.
        ConfigTypeError: A value has the wrong type.
    """

    def __init__(
        self,
        secret_key: str | bytes,
        *,
        fallbacks: Iterable[str | bytes] = (),
        salt: str | bytes = "cookie-session",
        key_derivation: str = "hmac",
        digest_method: DigestMethod = hashlib.sha1,
        serializer: PayloadSerializer | None = None,
    ) -> None:
        self._signer = TimestampSigner(
            secret_key, fallbacks=fallbacks, salt=salt, key_derivation=key_derivation, digest_method=digest_method
        )
        self._serializer = as_payload_serializer(serializer)
        self._is_json = isinstance(self._serializer, TaggedJSONSerializer)
        # itsdangerous asks the same question the same way: does this serializer speak text or bytes?
        self._is_text = isinstance(self._serializer.dumps({}), str)

    def dumps(self, data: Mapping[str, Any]) -> str:
        """
        Return the cookie value for *data*, signed now.

        Raises:
            TypeError: A value of *data* has no form in JSON.
            RecursionError: *data* is nested too deep, or holds itself.
        """
        return self.dump_value(data).decode("ascii")

    def dump_value(self, data: Mapping[str, Any]) -> bytes:
        """
        Return what `dumps` does, as bytes for a header.
        """
        return self._signer.sign(encode_payload(self.dump_payload(data)))

    def loads(self, value: str | bytes, max_age: int | None = None) -> dict[str, Any]:
        """
        Return the data of a cookie value.

        Args:
            value: The cookie value.
            max_age: Accepted age in seconds; None accepts any age. The future is always refused.

        Raises:
            itsdangerous.BadSignature: No key of ours signed this, or it carries no timestamp.
            itsdangerous.SignatureExpired: Too old, or signed in the future.
            itsdangerous.BadPayload: We signed it, but it is not a session.
        """
        return self.load_payload(self.verify(value, max_age))

    def verify(self, value: str | bytes, max_age: int | None = None) -> bytes:
        """
        Check a cookie value and return its payload, inflated but not loaded.

        Raises:
            itsdangerous.BadData: As `loads`.
        """
        if isinstance(value, str):
            value = value.encode(errors="surrogatepass")
        payload = self.check(value, max_age)
        if isinstance(payload, Refusal):
            raise payload.to_error() from payload.cause
        return payload

    def check(self, value: bytes, max_age: int | None = None) -> bytes | Refusal:
        """
        Do what `verify` does, and return what it would raise as a `Refusal`.
        """
        encoded = self._signer.check(value, max_age)
        return encoded if isinstance(encoded, Refusal) else decode_payload(encoded)

    def dump_payload(self, data: Mapping[str, Any]) -> bytes:
        """
        Return what *data* is before compression and signing. Equal bytes are equal sessions.
        """
        payload = self._serializer.dumps(data if type(data) is dict else dict(data))
        return payload.encode() if isinstance(payload, str) else payload

    def load_payload(self, payload: bytes) -> dict[str, Any]:
        """
        Load a payload that `verify` returned.

        Raises:
            itsdangerous.BadPayload: It is not a session.
            SerializerUnavailable: A serializer of the Flask app's failed before it looked at the payload.
        """
        try:
            data = self._serializer.loads(payload.decode() if self._is_text else payload)
        except SerializerUnavailable:
            raise
        except RecursionError as exc:
            raise BadPayload("the payload is nested too deep") from exc
        # Tags and serializers may be anybody's code and raise anything. Whatever they say of a
        # signed payload that they can't read, it is no session, and the view must not see a 500.
        except Exception as exc:
            raise BadPayload(f"the payload can't be loaded ({type(exc).__name__})", exc) from exc
        if not isinstance(data, dict):
            raise BadPayload(f"the payload is not an object but {type(data).__name__}")
        return data

    def may_have_key(self, payload: bytes, key: bytes) -> bool:
        """
        Tell without loading whether a payload can have *key*, which is ASCII.

        False is certain for Flask's JSON. Another serializer may hide the key, so there it is always True.
        """
        return not self._is_json or payload.find(key) >= 0


def as_payload_serializer(serializer: PayloadSerializer | None) -> PayloadSerializer:
    """
    Return the serializer to use for what a user gave.

    Raises:
        ConfigTypeError: It has no ``dumps`` and ``loads``.
    """
    if serializer is None:
        return TaggedJSONSerializer()
    if isinstance(serializer, TaggedJSONSerializer):
        return serializer
    if is_tagged_json(serializer):
        return TaggedJSONSerializer().with_tags_of(serializer)
    if not (callable(getattr(serializer, "dumps", None)) and callable(getattr(serializer, "loads", None))):
        raise ConfigTypeError(f"the serializer must have dumps and loads; {type(serializer).__name__} has not")
    return serializer


def encode_payload(payload: bytes) -> bytes:
    """
    Compress *payload*, if that makes it shorter, and encode it. Mirrors ``itsdangerous.URLSafeSerializer`` (2.2).
    """
    compressed = zlib.compress(payload)
    # The rule to the byte: the leading dot that marks compression counts as well.
    is_shorter = len(compressed) < len(payload) - 1
    return b"." + base64_encode(compressed) if is_shorter else base64_encode(payload)


def decode_payload(encoded: bytes) -> bytes | Refusal:
    """
    Return what `encode_payload` was given, or why there is no such thing. *encoded* is not empty.
    """
    try:
        if encoded[0] == b"."[0]:
            return _inflate(base64_decode(encoded[1:]))
        return base64_decode(encoded)
    except Base64Error as exc:
        return Refusal(BadPayload, "the payload is not base64", cause=exc)
    except zlib.error as exc:
        return Refusal(BadPayload, "the payload can't be inflated", cause=exc)


def _inflate(data: bytes) -> bytes | Refusal:
    if len(data) <= MAX_INFLATED_BYTES // MAX_DEFLATE_RATIO:
        return zlib.decompress(data)  # can't come to more than the limit, and is faster
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(data, MAX_INFLATED_BYTES)
    if inflater.unconsumed_tail:
        return Refusal(BadPayload, f"the payload inflates to more than {MAX_INFLATED_BYTES} bytes")
    if not inflater.eof:
        raise zlib.error("incomplete stream")
    return inflated
