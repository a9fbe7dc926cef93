"""
`SessionMiddleware`: Flask's session as ``request.session``.
"""

import re
from collections.abc import Awaitable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Literal

from starlette.datastructures import Secret
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask.checks import UNSET, Unset, one_config, pattern
from starlette_flask.config import SessionConfig
from starlette_flask.cookie_reader import CookieReader, OnRejected
from starlette_flask.formats.serializer import PayloadSerializer
from starlette_flask.middleware.stored_sessions import serve_stored
from starlette_flask.session import (
    REQUEST_TOUCHES_SESSION,
    SCOPE_KEY,
    STARTS,
    is_session_of,
    open_session,
    save_session,
    take_assigned,
    warn_of_late_changes,
    warn_of_refused_websocket,
)
from starlette_flask.stores.base import Store

_CONNECTIONS = frozenset({"http", "websocket"})


class SessionMiddleware:
    """
    Reads and writes Flask's session cookie; the session is ``request.session``, a `Session`.

    Takes Starlette's place: same position of the arguments, same names. Give either the keywords
    of `SessionConfig`, which explains them, or *config*.

    A cookie that can't be accepted is an empty session. An INFO record of the logger ``starlette_flask.sessions`` says
    why: the first time for each class of reasons, and the 10th, the 100th ... Each is said at DEBUG.

    Args:
        app: The ASGI app.
        store: Keeps the sessions on a server, see `starlette_flask.stores`; the cookie holds an id only. Such a session
            has an id, `sid`, and a method `regenerate`. While the store can't be used, requests are answered with 503.
        config: Instead of the keywords, `SessionConfig.from_flask` or `SessionConfig.from_mapping`; a *store* may
            accompany it.
        allow_path_regex: Only paths that match it whole have a session; elsewhere there is no
            ``scope["session"]``. The path is ``scope["path"]``, with the prefix of mounts and the root path.
        track_nested: Save changes inside values (``session["cart"].append(1)``), which Flask doesn't.
        accept_starlette_cookies: Read a cookie of Starlette's own middleware, signed with the same secret key or with
            one of these, for as long as it lives, 14 days. The first write makes it one of Flask's format.
        on_rejected: Called for each cookie that is rejected, for metrics: with ``"signature"`` (no key of ours made
            it), ``"timestamp"``, ``"expired"``, ``"future"`` or ``"payload"``, with a *store* ``"unknown"``, and the
            `HTTPConnection`.

    Raises:
        ConfigError: The configuration can't work, or both *config* and keywords are given.
        ConfigTypeError: A value has the wrong type.
    """

    def __init__(
        self,
        app: ASGIApp,
        secret_key: str | bytes | Secret | Unset = UNSET,
        session_cookie: str | Unset = UNSET,
        max_age: int | timedelta | Unset | None = UNSET,
        path: str | Unset = UNSET,
        same_site: Literal["lax", "strict", "none"] | Unset | None = UNSET,
        https_only: bool | Unset = UNSET,
        domain: str | Unset | None = UNSET,
        salt: str | bytes | Unset = UNSET,
        signer_kwargs: Mapping[str, Any] | Unset | None = UNSET,
        *,
        secret_key_fallbacks: Iterable[str | bytes | Secret] | Unset = UNSET,
        partitioned: bool | Unset = UNSET,
        http_only: bool | Unset = UNSET,
        refresh_each_request: bool | Unset = UNSET,
        permanent_session_lifetime: int | timedelta | Unset = UNSET,
        serializer: PayloadSerializer | Unset | None = UNSET,
        store: Store | Unset | None = UNSET,
        config: SessionConfig | None = None,
        allow_path_regex: str | re.Pattern[str] | None = None,
        track_nested: bool = True,
        accept_starlette_cookies: bool | Iterable[str | bytes | Secret] = False,
        on_rejected: OnRejected | None = None,
    ) -> None:
        options = {
            "secret_key": secret_key,
            "session_cookie": session_cookie,
            "max_age": max_age,
            "path": path,
            "same_site": same_site,
            "https_only": https_only,
            "domain": domain,
            "salt": salt,
            "signer_kwargs": signer_kwargs,
            "secret_key_fallbacks": secret_key_fallbacks,
            "partitioned": partitioned,
            "http_only": http_only,
            "refresh_each_request": refresh_each_request,
            "permanent_session_lifetime": permanent_session_lifetime,
            "serializer": serializer,
        }
        if config is None or store is UNSET:
            config = one_config(SessionConfig, config, {**options, "store": store})
        else:
            config = one_config(SessionConfig, config, options).with_store(store)
        self.app = app
        self.config = config
        self.track_nested = track_nested
        self._reader = CookieReader(config, accept_starlette_cookies, on_rejected)
        self._keeper = None if config.store is None else config.store.keeper(config, self._reader, track_nested)
        self._allowed_path = None if allow_path_regex is None else pattern(allow_path_regex, "allow_path_regex")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in _CONNECTIONS or (
            self._allowed_path is not None and self._allowed_path.fullmatch(scope["path"]) is None
        ):
            await self.app(scope, receive, send)
            return
        if SCOPE_KEY in scope and is_session_of(scope[SCOPE_KEY], self.config):
            # An equal config further out: that middleware's session is the request's.
            await self.app(scope, receive, send)
            return

        if self._keeper is not None:
            await serve_stored(self.app, self._keeper, scope, receive, send)
            return

        config = self.config
        session = open_session(self._reader, scope, REQUEST_TOUCHES_SESSION, self.track_nested)
        scope["session"] = scope[SCOPE_KEY] = session

        def send_with_session(message: Message) -> Awaitable[None]:
            kind = message["type"]
            if kind in STARTS:
                if scope.get("session") is not session:
                    take_assigned(scope, session)
                given = message.get("headers", ())
                headers = save_session(config, session, given, scope["path"])
                if headers is not given:
                    # A new message: the app may send the same one to everybody.
                    message = {**message, "headers": headers}
            elif kind == "websocket.close":
                warn_of_refused_websocket(session)
            return send(message)

        try:
            await self.app(scope, receive, send_with_session)
        finally:
            if session._handed_out is not None:
                warn_of_late_changes(session)
