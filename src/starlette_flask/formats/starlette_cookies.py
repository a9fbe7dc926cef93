"""
The cookie of Starlette's own session middleware: base64 of plain JSON, signed.

Mirrors ``starlette.middleware.sessions`` (0.40 to 1.10): ``itsdangerous.TimestampSigner`` with all its defaults.
"""

import json
from base64 import b64decode
from collections.abc import Iterable
from typing import Any

from starlette_flask.formats.signing import Refusal, TimestampSigner

MAX_AGE = 14 * 24 * 60 * 60
"""How long Starlette accepts them by default, in seconds."""


class StarletteCookies:
    """
    Reads cookies of Starlette's.

    Args:
        secrets: Each that may have signed one.

    Raises:
        ConfigError: There is none, or one is empty.
        ConfigTypeError: One is neither str nor bytes.
    """

    def __init__(self, secrets: Iterable[str | bytes]) -> None:
        newest, *older = secrets
        self._signer = TimestampSigner(
            newest, fallbacks=older, salt="itsdangerous.Signer", key_derivation="django-concat"
        )

    def loads(self, value: bytes) -> dict[str, Any] | None:
        """
        Return the data of a cookie value, or None if it is no such cookie, or too old.
        """
        encoded = self._signer.check(value, MAX_AGE)
        if isinstance(encoded, Refusal):
            return None
        try:
            data = json.loads(b64decode(encoded))
        except (RecursionError, ValueError):
            return None
        return data if isinstance(data, dict) else None
