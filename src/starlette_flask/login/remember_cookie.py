"""
The remember cookie: ``id|signature``, which logs a user in again when the session has ended.

Its format is that of ``flask_login.utils.encode_cookie`` (0.6.3): HMAC-SHA512 by the secret key alone, of the id
alone. It doesn't expire but in the browser, and its key can't be rotated.
"""

import hmac
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from time import time
from typing import Any

from starlette_flask.checks import duration, flag, plain_key
from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.formats.cookies import Cookie, Header, quoted


class RememberCookie:
    """
    Finds, checks and writes the remember cookie.

    Args:
        secret_key: The Flask app's ``SECRET_KEY``; ``str`` is taken as latin-1, unlike for the session.
        name: As ``REMEMBER_COOKIE_NAME``, and so on.

    Raises:
        ConfigError: The key is missing, empty or not latin-1, or a setting can't work.
        ConfigTypeError: A value has the wrong type.
    """

    def __init__(
        self,
        secret_key: Any,
        *,
        name: str,
        duration: int | timedelta,
        domain: str | None,
        path: str,
        secure: bool,
        httponly: bool,
        samesite: str | None,
    ) -> None:
        self._key = _latin1_key(plain_key(secret_key))
        self._duration = _duration(duration)
        self._cookie = Cookie(
            name=name,
            path=path,
            domain=domain,
            secure=flag(secure, "remember_cookie_secure"),
            http_only=flag(httponly, "remember_cookie_httponly"),
            same_site=samesite,
        )
        if refusal := self._cookie.browser_refusal():
            raise ConfigError(refusal)
        # Flask-Login deletes it without its other attributes, which works unless the name demands one.
        needs_secure = name.lower().startswith(("__host-", "__secure-"))
        self._bare_cookie = Cookie(name=name, path=path, domain=domain, secure=needs_secure, http_only=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RememberCookie):
            return NotImplemented
        return (self._key, self._duration, self._cookie) == (other._key, other._duration, other._cookie)

    __hash__ = None  # type: ignore[assignment]  # nobody keeps them in sets

    def find(self, headers: Iterable[Header]) -> bytes | None:
        """
        Return the cookie's value in a request, valid or not, or None if it was not sent.
        """
        return self._cookie.find(headers)

    def user_id(self, value: bytes) -> str | None:
        """
        Return whom the cookie remembers, or None if it isn't valid.
        """
        payload, _, digest = value.rpartition(b"|")
        if not hmac.compare_digest(self._digest(payload), digest):
            return None
        try:
            return payload.decode()
        except UnicodeDecodeError:  # signed, and no text that we would have signed
            return None

    def set(self, user_id: str, seconds: object = None) -> bytes:
        """
        Return the ``Set-Cookie`` line that remembers a user.

        Args:
            user_id: Whom.
            seconds: For how long; what can't be that, as None, is the configured duration.
        """
        lifetime = self._duration
        if type(seconds) in (int, float):
            with suppress(ConfigError, OverflowError, ValueError):  # beyond any date, or not a number at all
                lifetime = _duration(timedelta(seconds=seconds))  # type: ignore[arg-type]  # by the line above
        payload = user_id.encode()
        value = quoted(payload + b"|" + self._digest(payload))
        return self._cookie.set(value, expires=time() + lifetime.total_seconds())

    def delete(self) -> bytes:
        """
        Return the ``Set-Cookie`` line that forgets the user.
        """
        return self._bare_cookie.delete()

    def is_set_by(self, header: Header, path: str) -> bool:
        """
        Tell whether a response's header sets or deletes this cookie.
        """
        name, line = header
        return name.lower() == b"set-cookie" and self._cookie.value_set_by(line, path) is not None

    def _digest(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, "sha512").hex().encode()


def _duration(value: Any) -> timedelta:
    return duration(value, "remember_cookie_duration")


def _latin1_key(key: Any) -> bytes:
    if not isinstance(key, (str, bytes)):
        raise ConfigTypeError(f"the secret key must be str or bytes, not {type(key).__name__}")
    if not key:
        raise ConfigError("the secret key is empty; set secret_key (SECRET_KEY) to the Flask app's")
    try:
        return key.encode("latin-1") if isinstance(key, str) else key
    except UnicodeEncodeError as exc:
        raise ConfigError("Flask-Login takes keys of latin-1 characters only; use one, or give bytes") from exc
