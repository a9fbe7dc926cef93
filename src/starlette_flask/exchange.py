"""
What happens between the event loop, where a request lives, and the thread that runs a WSGI app for it.
"""

import asyncio
import io
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from threading import Condition, Lock
from typing import Any

from starlette.types import Receive, Send

from starlette_flask.wsgi import ClientDisconnected, Environ, WSGIApp, call_app

BUFFER_BYTES = 256 * 1024
"""How much may wait between the app and the client, in each direction."""

# How much of a body that the app doesn't read is received once it answers, to notice if the client goes. Of one that
# has sent more nobody is told.
_UNREAD_BYTES = 3 * 1024 * 1024

# Variables that say where code runs, and not for whom: in which context of Flask's (flask.globals, Flask 2.2 to 3.1),
# on which event loop (sniffio).
_OF_PLACE = frozenset({"flask.app_ctx", "flask.request_ctx", "current_async_library_cvar"})


class Exchange:
    """
    What the task of a request and the thread of the app hand over to each other.

    The thread leaves its part and wakes the task; the task takes it and sends it. Nothing that the thread
    schedules on the event loop may run in the app's context: a server that resumes reading within `receive`
    would start the connection's next requests in it, with the user of this one.

    Args:
        receive: Called by tasks only, as *send*.
        send: As ASGI has it.
        body: What was received of the request's body.
        has_more: There is more of it to receive.
    """

    def __init__(self, receive: Receive, send: Send, body: Iterable[bytes], has_more: bool) -> None:
        self._receive = receive
        self._send = send
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError as exc:
            raise RuntimeError("WSGIMiddleware runs on asyncio; start the server without trio") from exc
        self._context = copy_context()
        # The loop's: what the task, and the one that receives, wait for.
        self._sleep: asyncio.Future[None] | None = None
        self._receiver: asyncio.Task[None] | None = None
        # Of both sides, to be changed with the lock held.
        self._changed = Condition(Lock())
        self._is_over = False  # the client or the task has gone: nobody waits for an answer
        self._body = bytearray().join(body)
        self._has_more = has_more
        self._room: asyncio.Future[None] | None = None
        self._is_started = False
        self._is_sent = False  # the whole response is
        self._is_awake = False  # there is something for the task to look at
        self._start: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._chunks: list[bytes] = []
        self._chunks_size = 0  # of those, and of what is being sent
        self._is_complete = False
        self._is_closed = False  # the app is done with the request
        self._error: BaseException | None = None

    # In the thread.

    def run(self, app: WSGIApp, environ: Environ) -> None:
        """
        Call the app.
        """
        try:
            if not self._is_over:
                call_app(app, environ, self)
        except BaseException as exc:
            if not (self._is_over and isinstance(exc, ClientDisconnected)):
                self._error = exc
        self._is_closed = True
        self._wake()

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._start = status, headers

    def put(self, data: bytes, is_last: bool = False) -> None:
        with self._changed:
            self._chunks.append(data)
            self._chunks_size += len(data)
            self._is_complete = is_last
        self._wake()
        with self._changed:
            # The app goes on when the response has started, and not before: whether what it does to the session is in
            # time isn't left to chance.
            while not (self._is_over or ((is_last or self._is_started) and self._chunks_size <= BUFFER_BYTES)):
                self._changed.wait()
            if self._is_over and not is_last:
                raise ClientDisconnected("the client has gone before the response was complete")

    def read_into(self, buffer: memoryview) -> int:
        """
        Fill *buffer* with what comes next of the request's body, as far as it goes; 0 is the end.
        """
        if not self._body and self._has_more:
            self._wake()  # the task will receive
        with self._changed:
            while not self._body and self._has_more and not self._is_over:
                self._changed.wait()
            if not self._body and self._has_more:
                raise ClientDisconnected("the client has gone before the request's body was complete")
            size = min(len(buffer), len(self._body))
            buffer[:size] = self._body[:size]
            del self._body[:size]
            room = None
            if len(self._body) < BUFFER_BYTES:
                room, self._room = self._room, None
        if room is not None:
            self._call_on_loop(_resolve, room)
        return size

    def _wake(self) -> None:
        with self._changed:
            was_awake, self._is_awake = self._is_awake, True
        if not was_awake:
            self._call_on_loop(self._rouse)

    def _call_on_loop(self, callback: Callable[..., object], *args: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args, context=self._context)
        except RuntimeError:  # the loop is closed, as in a test that has ended
            self._is_over = True

    # On the loop.

    async def respond(self) -> None:
        """
        Send what the app answers, and return when it is done with the request.
        """
        try:
            while not self._is_closed:
                if not self._is_awake:
                    self._sleep = self._loop.create_future()
                    await self._sleep
                await self._send_on()
                if not self._is_complete and self._receiver is None:
                    # It takes longer: the app wants more of the body, or somebody must notice if the client goes.
                    self._receiver = self._loop.create_task(self._receive_on())
            await self._send_on()
        finally:
            self.give_up()
            if self._receiver is not None:
                self._receiver.cancel()
        if self._receiver is not None and self._receiver.done():
            failure = self._receiver.exception()  # of receive: a limit, perhaps
            if failure is not None and not self._is_sent:
                raise failure
        if self._error is not None:
            error, self._error = self._error, None
            try:
                if isinstance(error, Exception):
                    raise error
                raise RuntimeError(f"the WSGI app raised {type(error).__name__}") from error
            finally:
                del error  # it refers to this very frame

    async def _send_on(self) -> None:
        with self._changed:
            self._is_awake = False
            start, self._start = self._start, None
            chunks, self._chunks = self._chunks, []
            is_complete = self._is_complete
        if self._is_over or self._is_sent:
            return
        if start is not None:
            status, headers = start
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            with self._changed:
                self._is_started = True
                self._changed.notify_all()
                room, self._room = self._room, None
            _resolve(room)
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()  # or a slow client would keep them in memory twice
        # A server takes what it is given, however slow the client is, and makes only the next message wait.
        starts = range(0, len(data), BUFFER_BYTES)
        for start_at in starts[:-1]:
            await self._send_piece(data[start_at : start_at + BUFFER_BYTES], more_body=True)
        if data or is_complete:
            self._is_sent = is_complete
            await self._send_piece(data[starts[-1] :] if len(starts) > 1 else data, more_body=not is_complete)

    async def _send_piece(self, piece: bytes, more_body: bool) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": more_body})
        with self._changed:
            self._chunks_size -= len(piece)
            self._changed.notify_all()

    async def _receive_on(self) -> None:
        """
        Receive the rest of the body, as fast as the app reads it, and then notice if the client goes.
        """
        try:
            while (message := await self._receive())["type"] != "http.disconnect":
                with self._changed:
                    self._body += message.get("body", b"")
                    self._has_more = message.get("more_body", False)
                    self._changed.notify_all()
                while room := self._wait_for_room():
                    await room
        finally:
            self.give_up()

    def _wait_for_room(self) -> "asyncio.Future[None] | None":
        with self._changed:
            # While the response is sent the rest of the body may be of no interest, but if the client goes is.
            limit = _UNREAD_BYTES if self._is_started else BUFFER_BYTES
            self._room = self._loop.create_future() if len(self._body) >= limit else None
            return self._room

    def _rouse(self) -> None:
        _resolve(self._sleep)

    def give_up(self) -> None:
        """
        Let nobody wait any more.
        """
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


class Upload(io.RawIOBase):
    """
    A request's body that is received while it is read.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._exchange.read_into(buffer)


def context_for_app() -> Context:
    """
    Return a copy of the current context for the app to run in, without what holds for this place only.

    Where another adapter, or whatever else runs Flask in this thread, left a context of Flask's, Flask would join it
    instead of making its own, and with it the user that extensions keep in ``flask.g``.
    """
    context = copy_context()
    if _OF_PLACE.isdisjoint(variable.name for variable in context):
        return context
    clean = Context()
    for variable, value in context.items():
        if variable.name not in _OF_PLACE:
            clean.run(variable.set, value)
    return clean


def _resolve(future: "asyncio.Future[None] | None") -> None:
    if future is not None and not future.done():
        future.set_result(None)
