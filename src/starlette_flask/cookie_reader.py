"""
How a request's cookie is read: what is accepted, and who is told what isn't.
"""

from collections.abc import Callable, Iterable
from typing import Any

from itsdangerous import BadData
from starlette.datastructures import Secret
from starlette.requests import HTTPConnection
from starlette.types import Scope

from starlette_flask.checks import plain_fallbacks
from starlette_flask.config import SessionConfig
from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.formats.signing import Refusal
from starlette_flask.formats.starlette_cookies import StarletteCookies
from starlette_flask.log import log_failed_callback, log_rejected

OnRejected = Callable[[str, HTTPConnection], object]


class CookieReader:
    """
    Reads the session's cookie of a request.

    Args:
        config: What the cookie is.
        accept_starlette_cookies: Accept those of Starlette's own middleware, too: signed with the same secret key, or
            with one of these.
        on_rejected: Called for each cookie that is rejected, with the reason's class and the connection.

    Raises:
        ConfigError: *accept_starlette_cookies* holds no secret, or an empty one.
        ConfigTypeError: A value has the wrong type.
    """

    def __init__(
        self,
        config: SessionConfig,
        accept_starlette_cookies: bool | Iterable[str | bytes | Secret] = False,
        on_rejected: OnRejected | None = None,
    ) -> None:
        if on_rejected is not None and not callable(on_rejected):
            raise ConfigTypeError(f"on_rejected must be a function, not {type(on_rejected).__name__}")
        self.config = config
        self._starlette_cookies = _starlette_cookies(config, accept_starlette_cookies)
        self._on_rejected = on_rejected
        self.reports = on_rejected is not None
        """A connection is needed, for the app's function."""
        self._counts: dict[str, int] = {}

    def verify(self, value: bytes, scope: Scope | None) -> bytes | None:
        """
        Return a cookie value's payload, or None if it is rejected.
        """
        payload = self.config.signing_serializer.check(value, self.config.accepted_age)
        if not isinstance(payload, Refusal):
            return payload
        data = self.load_starlette(value)
        if data is not None:
            return self.config.signing_serializer.dump_payload(data)
        self.reject(payload, payload.reason_class, scope)
        return None

    def load(self, payload: bytes, scope: Scope | None) -> dict[str, Any] | None:
        """
        Return the data of a payload, or None if it is rejected.
        """
        try:
            return self.config.signing_serializer.load_payload(payload)
        except BadData as exc:
            self.reject(exc, "payload", scope)
            return None

    def load_starlette(self, value: bytes) -> dict[str, Any] | None:
        """
        Return the data of a cookie of Starlette's own middleware, or None if it is none, or they aren't accepted.
        """
        return None if self._starlette_cookies is None else self._starlette_cookies.loads(value)

    def reject(self, reason: object, reason_class: str, scope: Scope | None) -> None:
        """
        Tell whom it concerns that a cookie is rejected.

        Args:
            reason: Why, in words; not a client's.
            reason_class: Why, in one word.
            scope: The request's, for the app's function.
        """
        # Not worth a lock: of two at once, one may not be counted.
        self._counts[reason_class] = count = self._counts.get(reason_class, 0) + 1
        log_rejected(self.config.session_cookie, reason, count)
        if self._on_rejected is not None and scope is not None:
            try:
                self._on_rejected(reason_class, HTTPConnection(scope))
            except Exception:  # whatever it counts, it isn't worth the request
                log_failed_callback()


def _starlette_cookies(
    config: SessionConfig, secrets: bool | Iterable[str | bytes | Secret]
) -> StarletteCookies | None:
    if secrets is False:
        return None
    if secrets is True and config.secret_key is None:
        raise ConfigError("accept_starlette_cookies=True needs secret_key; give it, or a list of secrets, not True")
    if secrets is True:
        return StarletteCookies([config.secret_key, *(config.secret_key_fallbacks or ())])  # type: ignore[list-item]
    listed = plain_fallbacks(secrets, "accept_starlette_cookies")
    if not listed:
        raise ConfigError("accept_starlette_cookies holds no secret; give True, or those of Starlette's middleware")
    return StarletteCookies(listed)
