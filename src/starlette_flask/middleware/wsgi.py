"""
`WSGIMiddleware`: a WSGI app, Flask's above all, as an ASGI app.

The request's own task does all receiving and sending, and the app runs in a worker thread; an `Exchange`
stands between the two. Most requests take one hop to the thread and one back.
"""

import io
from functools import partial

from starlette.types import Receive, Scope, Send

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.exchange import Exchange, Upload, context_for_app
from starlette_flask.middleware.refusal import refuse
from starlette_flask.mounted import SharedSession, flask_url_for, http_connection, is_flask
from starlette_flask.session import SCOPE_KEY, take_assigned
from starlette_flask.workers import Workers
from starlette_flask.wsgi import BLOCK_BYTES, ClientDisconnected, WSGIApp, build_environ

__all__ = ["ClientDisconnected", "WSGIMiddleware", "flask_url_for", "http_connection"]

# A request's body up to this size is received before the app is called.
_SMALL_BYTES = 64 * 1024


class WSGIMiddleware:
    """
    Serves a WSGI app: ``app.mount("/legacy", WSGIMiddleware(flask_app))``. Needs asyncio.

    A request's body is received up to 64 KiB before the app is called; what is larger is received while the
    app reads it. The response is sent as the app produces it, and the app waits for a slow client.

    With a Flask app inside `SessionMiddleware`, ``flask.session`` is ``request.session``: one object, read and
    saved once. For that both must mean the same cookie; else a WARNING of the logger
    ``starlette_flask.sessions`` says what differs, and the app keeps its own session.

    Contextvars of the request are seen by the app; nothing that the app sets is seen outside.

    Args:
        app: The WSGI app.
        workers: How many requests it answers at a time, each in a thread of its own.
        share_session: Give a Flask app the session of the request.

    Raises:
        ConfigError: *workers* is less than 1.
        ConfigTypeError: *app* can't be called, or *workers* is not a number.
    """

    def __init__(self, app: WSGIApp, workers: int = 10, *, share_session: bool = True) -> None:
        if not callable(app):
            raise ConfigTypeError(f"app must be a WSGI app, not {type(app).__name__}")
        if type(workers) is not int:
            raise ConfigTypeError(f"workers must be a number of threads, not {type(workers).__name__}")
        if workers < 1:
            raise ConfigError(f"workers={workers} would answer nobody; use 1 or more")
        self.app = app
        self._workers = Workers(workers, "wsgi")
        self.flask_app = app if is_flask(app) else None
        self._shared_session = SharedSession(app) if share_session and self.flask_app is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await refuse(scope, send, 403, "This is no WebSocket.")
        elif scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        else:
            raise ValueError(f"WSGI knows no connection of type {scope['type']!r}")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: list[bytes] = []
        has_more = True
        # A client that expects 100 Continue is told so by the first receive; whether it should be is for the app.
        if not any(name == b"expect" for name, _ in scope["headers"]):
            size = 0
            while has_more and size <= _SMALL_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body.append(message.get("body", b""))
                size += len(body[-1])
                has_more = message.get("more_body", False)
        exchange = Exchange(receive, send, body if has_more else [], has_more)
        environ = build_environ(
            scope, io.BufferedReader(Upload(exchange), BLOCK_BYTES) if has_more else io.BytesIO(b"".join(body))
        )
        if SCOPE_KEY in scope:
            take_assigned(scope, scope[SCOPE_KEY])
        if self._shared_session is not None and SCOPE_KEY in scope and scope.get("session") is scope[SCOPE_KEY]:
            self._shared_session.put_into(environ, scope[SCOPE_KEY])
        try:
            self._workers.submit(partial(context_for_app().run, exchange.run, self.app, environ))
        except RuntimeError:
            exchange.give_up()
            raise
        await exchange.respond()


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
