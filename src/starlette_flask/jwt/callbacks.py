"""
What an app decides of its tokens: functions that it registers, named as in Flask-JWT-Extended.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt.flask_callbacks import InFlask

C = TypeVar("C", bound=Callable[..., Any])

# Callbacks that make or open tokens, for which nothing waits.
_SYNC = frozenset(
    {
        "additional_claims_loader",
        "additional_headers_loader",
        "decode_key_loader",
        "encode_key_loader",
        "user_identity_loader",
    }
)


class Callbacks:
    """
    Registers them, and calls them.
    """

    def __init__(self) -> None:
        self._callbacks: dict[str, Callable[..., Any]] = {}

    def user_identity_loader(self, callback: C) -> C:
        """
        Register what makes the identity claim of what `create_access_token` is given. A decorator.
        """
        return self._register("user_identity_loader", callback)

    def additional_claims_loader(self, callback: C) -> C:
        """
        Register what returns more claims for new tokens, for what `create_access_token` is given. A decorator.
        """
        return self._register("additional_claims_loader", callback)

    def additional_headers_loader(self, callback: C) -> C:
        """
        Register what returns more headers for new tokens, for what `create_access_token` is given. A decorator.
        """
        return self._register("additional_headers_loader", callback)

    def encode_key_loader(self, callback: C) -> C:
        """
        Register what returns the key that signs, for what `create_access_token` is given. A decorator.
        """
        return self._register("encode_key_loader", callback)

    def decode_key_loader(self, callback: C) -> C:
        """
        Register what returns the key that verifies, for a token's header and claims, not yet verified. A decorator.

        It runs in a thread while a request is verified. None, or a LookupError: there is no key, and the answer is 422.
        """
        return self._register("decode_key_loader", callback)

    def user_lookup_loader(self, callback: C) -> C:
        """
        Register what returns the user, for a token's header and claims; None: there is no such. A decorator.
        """
        return self._register("user_lookup_loader", callback)

    def token_in_blocklist_loader(self, callback: C) -> C:
        """
        Register what tells whether a token is revoked, for its header and claims. A decorator.
        """
        return self._register("token_in_blocklist_loader", callback)

    def token_verification_loader(self, callback: C) -> C:
        """
        Register what tells whether a token's claims are good, for its header and claims. A decorator.
        """
        return self._register("token_verification_loader", callback)

    def unauthorized_loader(self, callback: C) -> C:
        """
        Register what returns the response if there is no token, or no CSRF value, for the reason. A decorator.
        """
        return self._register("unauthorized_loader", callback)

    def invalid_token_loader(self, callback: C) -> C:
        """
        Register what returns the response for a token that isn't a good one, for the reason. A decorator.
        """
        return self._register("invalid_token_loader", callback)

    def expired_token_loader(self, callback: C) -> C:
        """
        Register what returns the response for a token whose time is over, for its header and claims. A decorator.
        """
        return self._register("expired_token_loader", callback)

    def needs_fresh_token_loader(self, callback: C) -> C:
        """
        Register what returns the response for a token that isn't fresh, for its header and claims. A decorator.
        """
        return self._register("needs_fresh_token_loader", callback)

    def revoked_token_loader(self, callback: C) -> C:
        """
        Register what returns the response for a revoked token, for its header and claims. A decorator.
        """
        return self._register("revoked_token_loader", callback)

    def token_verification_failed_loader(self, callback: C) -> C:
        """
        Register what returns the response for a token whose claims aren't good, for its header and claims. A decorator.
        """
        return self._register("token_verification_failed_loader", callback)

    def user_lookup_error_loader(self, callback: C) -> C:
        """
        Register what returns the response for a token whose user isn't found, for its header and claims. A decorator.
        """
        return self._register("user_lookup_error_loader", callback)

    def _register(self, name: str, callback: C) -> C:
        if name in _SYNC and _is_coroutine(callback):
            raise ConfigTypeError(f"what {name} registers must be a plain function: tokens are made without waiting")
        self._callbacks[name] = callback
        return callback

    @property
    def looks_up_users(self) -> bool:
        """
        There is a *user_lookup_loader*.
        """
        return "user_lookup_loader" in self._callbacks

    def _ask(self, name: str, *args: Any) -> Any:
        callback = self._callbacks.get(name)
        return None if callback is None else callback(*args)

    async def _wait_for(self, name: str, connection: HTTPConnection, *args: Any, default: Any = None) -> Any:
        callback = self._callbacks.get(name)
        if callback is None:
            return default
        if isinstance(callback, InFlask):
            return await run_in_threadpool(callback.call, connection, *args)
        if _is_coroutine(callback):
            return await callback(*args)
        result = await run_in_threadpool(callback, *args)
        return await result if inspect.isawaitable(result) else result


def _is_coroutine(callback: Callable[..., Any]) -> bool:
    call = getattr(callback, "__call__", None)  # noqa: B004  # of an object that can be called
    return inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(call)
