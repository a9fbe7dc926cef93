"""
What a cookie's value looks like, for somebody who holds one in their hands.
"""

import json
import re
import zlib
from base64 import urlsafe_b64decode
from typing import Any

from starlette_flask.formats.serializer import MAX_INFLATED_BYTES

FLASK = "a session of Flask's"
QUART = "a session of Quart's, or of a Flask app that doesn't sort keys"
STARLETTE = "a session of Starlette's own SessionMiddleware"
JWT = "a JSON Web Token"
REMEMBER = "Flask-Login's remember cookie"
FLASK_SESSION = "a Flask-Session id"
DJANGO_SIGNED = "a signed cookie of Django's"
DJANGO = "a Django session id"
UNKNOWN = "nothing known"

ADVICE = {
    QUART: "It is read as Flask's is.",
    STARLETTE: "Flask can't read it; SessionMiddleware(accept_starlette_cookies=True) does.",
    JWT: "It is no session; Flask-JWT-Extended sends such. Who issued it can check it.",
    REMEMBER: "It is no session: it logs a user in again, and starlette_flask.login reads it.",
    FLASK_SESSION: "The session itself is on a server, under this id (without what follows a dot).",
    DJANGO_SIGNED: "Django reads it, with django.core.signing.",
    DJANGO: "The session itself is in Django's own store.",
    UNKNOWN: "Is it the whole value, and of the right cookie?",
}
"""What to do with what isn't a session of Flask's."""

# Three parts of base64; Starlette's first has padding, and a Flask one's a dot before it if it is compressed.
_SIGNED = re.compile(r"\.?[\w-]+={0,2}\.[\w-]+\.[\w-]+", re.ASCII)
_REMEMBER = re.compile(r".*\|[0-9a-f]{128}", re.DOTALL)
_DJANGO_SIGNED = re.compile(r"\.?[\w-]+:[0-9A-Za-z]+:[\w-]+", re.ASCII)
_DJANGO = re.compile(r"[0-9a-z]{32}")
# 32 random bytes by default, or a UUID of older versions; with SESSION_USE_SIGNER a SHA-1 follows.
_FLASK_SESSION = re.compile(r"(?:[\w-]{22,86}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.[\w-]{27})?", re.ASCII)


def kind_of(value: str) -> str:
    """
    Return what *value* looks like: `FLASK`, or a key of `ADVICE`.
    """
    if _REMEMBER.fullmatch(value):
        return REMEMBER
    if _DJANGO_SIGNED.fullmatch(value):
        return DJANGO_SIGNED
    if _DJANGO.fullmatch(value):
        return DJANGO
    if _SIGNED.fullmatch(value):
        return _kind_of_signed(value)
    return FLASK_SESSION if _FLASK_SESSION.fullmatch(value) else UNKNOWN


def payload_of(value: str) -> str | None:
    """
    Return the text that a signed value carries, whoever signed it, or None if there is none.
    """
    encoded = value.removeprefix(".").partition(".")[0].rstrip("=")
    try:
        payload = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        if value.startswith("."):
            payload = zlib.decompressobj().decompress(payload, MAX_INFLATED_BYTES)
        return payload.decode()
    except (ValueError, zlib.error):
        return None


def _kind_of_signed(value: str) -> str:
    payload = payload_of(value)
    try:
        data: Any = json.loads(payload or "")
    except (RecursionError, ValueError):
        return UNKNOWN
    if not isinstance(data, dict):
        return UNKNOWN
    if "alg" in data:
        return JWT
    # How each of them writes JSON.
    if data and payload == json.dumps(data):
        return STARLETTE
    return FLASK if list(data) == sorted(data) else QUART
