"""
`CSRFMiddleware`: no request changes anything without a token, on any route.
"""

import inspect
import re
from collections.abc import Iterable
from tempfile import SpooledTemporaryFile
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Secret
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask.checks import UNSET, Unset, names, one_config, pattern
from starlette_flask.csrf import (
    MISSING,
    SCOPE_KEY,
    SESSION_MISSING,
    CSRFConfig,
    CSRFError,
    Guard,
    is_csrf_exempt,
    token_in,
    token_in_headers,
    validate_csrf,
    validate_origin,
    validate_referrer,
)
from starlette_flask.form_scan import FormScan
from starlette_flask.log import log_csrf
from starlette_flask.middleware.refusal import refuse
from starlette_flask.routes import each_route
from starlette_flask.wsgi import split_path

# A body that is read to find the token in it is kept in memory up to this size, and on disk beyond.
_MEMORY_BYTES = 1024 * 1024
_BLOCK_BYTES = 64 * 1024


class CSRFMiddleware:
    """
    Refuses every unsafe request without a token of its session, whatever route it is for.

    The token is in a header, or in a field of a form, urlencoded or multipart. The app gets the body whole: what
    was read of it to find the token is kept, on disk if it is large. Read no further than to the token: put it first.

    Who is refused gets 400, from the app's handler of `CSRFError`, of 400 or of `HTTPException`, if it has one.
    One INFO record of the logger ``starlette_flask.csrf`` says why.

    Add it before `SessionMiddleware`, which must be outside; paths are as the app's routes have them.

    Args:
        app: The ASGI app.
        config: Instead of the keywords of `CSRFConfig`, which explains them.
        exempt_paths: Regular expressions; a path that one of them matches whole isn't checked.
        exempt_mounts: Paths of mounts whose apps do it themselves, as a Flask app with Flask-WTF does: ``"/legacy"``.
        websocket_origins: Check that a WebSocket is opened by a page of this host, or of one of these origins
            (``"https://example.com"``). None: any page may, as any may send a request.

    Raises:
        ConfigError: The configuration can't work, or both *config* and keywords are given.
        ConfigTypeError: A value has the wrong type.
    """

    def __init__(
        self,
        app: ASGIApp,
        config: CSRFConfig | None = None,
        *,
        secret_key: str | bytes | Secret | Unset = UNSET,
        secret_key_fallbacks: Iterable[str | bytes | Secret] | Unset | None = UNSET,
        field_name: str | Unset = UNSET,
        headers: Iterable[str] | Unset = UNSET,
        methods: Iterable[str] | Unset = UNSET,
        time_limit: int | Unset | None = UNSET,
        ssl_strict: bool | Unset = UNSET,
        meta_name: str | Unset = UNSET,
        enabled: bool | Unset = UNSET,
        check_default: bool | Unset = UNSET,
        exempt_paths: Iterable[str | re.Pattern[str]] = (),
        exempt_mounts: Iterable[str] = (),
        websocket_origins: Iterable[str] | None = None,
    ) -> None:
        keywords = {
            "secret_key": secret_key,
            "secret_key_fallbacks": secret_key_fallbacks,
            "field_name": field_name,
            "headers": headers,
            "methods": methods,
            "time_limit": time_limit,
            "ssl_strict": ssl_strict,
            "meta_name": meta_name,
            "enabled": enabled,
            "check_default": check_default,
        }
        self.app = app
        self.config = one_config(CSRFConfig, config, keywords)
        if isinstance(exempt_paths, (str, re.Pattern)):
            exempt_paths = (exempt_paths,)
        self._exempt_paths = [pattern(path, "exempt_paths") for path in exempt_paths]
        # As Mount keeps them.
        self._exempt_mounts = frozenset(path.rstrip("/") for path in names(exempt_mounts, "exempt_mounts"))
        self._origins = None if websocket_origins is None else names(websocket_origins, "websocket_origins")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        scope[SCOPE_KEY] = Guard(self.config)
        if not self._is_guarded(scope):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        with SpooledTemporaryFile(_MEMORY_BYTES) as kept:
            body = _Body(receive, kept)
            try:
                if scope["type"] == "websocket":
                    validate_origin(connection, self._origins or ())
                else:
                    await self._validate(connection, body)
                    validate_referrer(connection)
            except CSRFError as exc:
                log_csrf(exc.detail)
                await _refuse(scope, body.receive, send, exc)
                return
            if not body.is_lost:
                await self.app(scope, body.receive, send)

    def _is_guarded(self, scope: Scope) -> bool:
        if scope["type"] == "websocket":
            return self._origins is not None and self.config.enabled
        if (
            not (self.config.enabled and self.config.check_default)
            or scope["method"].upper() not in self.config.methods
        ):
            return False
        path = split_path(scope)[1].decode(errors="replace")
        if any(exempt.fullmatch(path) for exempt in self._exempt_paths):
            return False
        return not self._is_exempt_route(_routes_in(self.app), scope, "")

    def _is_exempt_route(self, routes: Iterable[Any], scope: Scope, prefix: str) -> bool:
        """
        Tell whether the route that will be taken is exempt. What can't be found isn't.
        """
        for route in each_route(routes):
            match, child_scope = route.matches(scope)
            if match is not Match.FULL:
                continue
            path = prefix + getattr(route, "path", "")
            if isinstance(route, Mount) and path in self._exempt_mounts:
                return True
            endpoint = child_scope.get("endpoint")
            if is_csrf_exempt(endpoint):
                return True
            return self._is_exempt_route(getattr(route, "routes", None) or (), {**scope, **child_scope}, path)
        return False

    async def _validate(self, connection: HTTPConnection, body: "_Body") -> None:
        in_headers = token_in_headers(self.config, connection)
        scan = FormScan(connection.headers.get("content-type", ""), self.config.field_name)
        if self.config.field_name not in connection.session:
            # No token can be for this session; a large form isn't read to see if there is one.
            raise CSRFError(SESSION_MISSING if in_headers or scan.is_form else MISSING)
        if in_headers and _is_valid(connection, in_headers):
            return
        seen = 0
        while scan.is_form:
            data = await body.read()
            scan.feed(data) if data else scan.finish()
            if any(_is_valid(connection, token) for _, token in scan.fields[seen:]) or body.is_lost:
                return
            if not data:
                break
            seen = len(scan.fields)
        validate_csrf(connection, token_in(self.config, scan.fields) or in_headers)


def _routes_in(app: Any) -> Iterable[Any]:
    # Of what this middleware is around, which may be a mount's app; other middleware is between.
    while app is not None and not hasattr(app, "routes"):
        app = getattr(app, "app", None)
    return getattr(app, "routes", ())


class _Body:
    """
    A request's body that can be read ahead: what was read comes again, and then the rest.
    """

    def __init__(self, receive: Receive, kept: "SpooledTemporaryFile[bytes]") -> None:
        self._receive = receive
        self._kept = kept
        self._size = 0
        self._has_more = True
        self._is_replaying = False
        self.is_lost = False
        """The client has gone."""

    async def read(self) -> bytes:
        """
        Return the next piece; nothing at the end.
        """
        while self._has_more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.is_lost, self._has_more = True, False
                return b""
            self._has_more = message.get("more_body", False)
            if data := message.get("body", b""):
                await self._call(self._kept.write, data)
                self._size += len(data)
                return bytes(data)
        return b""

    async def receive(self) -> Message:
        """
        Receive what was read, and then what wasn't, as the app does.
        """
        if self._size == 0 and not (self._is_replaying or self._has_more):
            self._is_replaying = True
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._size == 0:
            return await self._receive()
        if not self._is_replaying:
            self._is_replaying = True
            await self._call(self._kept.seek, 0)
        data = await self._call(self._kept.read, _BLOCK_BYTES)
        self._size -= len(data)
        return {"type": "http.request", "body": data, "more_body": self._has_more or self._size > 0}

    async def _call(self, function: Any, argument: Any) -> Any:
        # A file on disk makes the event loop wait; one in memory doesn't.
        if self._size > _MEMORY_BYTES - _BLOCK_BYTES:
            return await run_in_threadpool(function, argument)
        return function(argument)


def _is_valid(connection: HTTPConnection, token: str) -> bool:
    try:
        validate_csrf(connection, token)
    except CSRFError:
        return False
    return True


async def _refuse(scope: Scope, receive: Receive, send: Send, exc: CSRFError) -> None:
    if scope["type"] == "websocket":
        await refuse(scope, send, 403, exc.detail)
        return
    # The app's handlers are further in, where this would have been raised if the route had been reached.
    handlers = getattr(scope.get("app"), "exception_handlers", {})
    handler = next((handlers[key] for key in (400, CSRFError, HTTPException) if key in handlers), _say_why)
    request = Request(scope, receive)
    response = handler(request, exc)
    if inspect.isawaitable(response):
        response = await response
    await response(scope, receive, send)


def _say_why(request: Request, exc: CSRFError) -> Response:
    return PlainTextResponse(exc.detail, exc.status_code)
