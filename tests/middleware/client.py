"""
A client that takes its time: HTTP exchanges with an ASGI app, message by message; and WSGI apps that wait for it.

The event loop runs in a thread of its own, so that a story may wait for the app, and for the app's worker,
in the order in which it is told. Nothing here sleeps to let something happen, and a story that doesn't go on
fails after `PATIENCE`.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar, cast

from starlette.types import ASGIApp, Message, Scope

from tests.helpers import Answer, http_scope

T = TypeVar("T")
Environ = dict[str, Any]
WSGIApp = Callable[[Environ, Any], Iterable[bytes]]

PATIENCE = 10.0
"""For how many seconds a story waits before it fails."""

KIB = 1024
TEXT = [("Content-Type", "text/plain")]


class Gate:
    """
    Where an app waits until the story lets it go on.
    """

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def stop(self) -> None:
        """
        The app's side: wait until the gate is opened.
        """
        self._reached.set()
        assert self._opened.wait(PATIENCE), "nobody opened the gate"

    def wait(self) -> None:
        """
        The story's side: wait until the app is at the gate.
        """
        assert self._reached.wait(PATIENCE), "the app never came to the gate"

    @property
    def is_reached(self) -> bool:
        return self._reached.is_set()

    def open(self) -> None:
        self._opened.set()


Step = bytes | Gate | BaseException | Callable[[], Any]


class Chunks:
    """
    A response iterable that goes from step to step, and notes how often and where it was closed.

    Args:
        steps: A chunk of the body, a gate to wait at, an exception to raise, or something to call,
            whose result is a chunk unless it's None.
        close_error: What `close` raises.
    """

    def __init__(self, *steps: Step, close_error: BaseException | None = None) -> None:
        self._steps = iter(steps)
        self._close_error = close_error
        self.taken = 0
        """How many chunks the server has asked for and got."""
        self.iterated_by: set[threading.Thread] = set()
        self.closed_by: list[threading.Thread] = []
        self.closed_in: list[Context] = []
        self._was_closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self.iterated_by.add(threading.current_thread())
        for step in self._steps:
            if isinstance(step, bytes):
                self.taken += 1
                return step
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, Gate):
                step.stop()
            elif (chunk := step()) is not None:
                return cast(bytes, chunk)
        raise StopIteration

    def close(self) -> None:
        self.closed_by.append(threading.current_thread())
        self.closed_in.append(copy_context())
        self._was_closed.set()
        if self._close_error is not None:
            raise self._close_error

    def wait_closed(self) -> None:
        assert self._was_closed.wait(PATIENCE), "the response was not closed"


def app_of(
    iterable: Iterable[bytes], status: str = "200 OK", headers: Sequence[tuple[str, str]] = tuple(TEXT)
) -> WSGIApp:
    """
    Return an app that answers with *iterable*.
    """

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return iterable

    return app


class _Loop(asyncio.SelectorEventLoop):
    """
    An event loop that refuses what isn't safe in another thread, as in debug mode, which costs too much.
    """

    thread: int

    def call_soon(  # type: ignore[override]  # its type needs Python 3.11
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        assert threading.get_ident() == self.thread, "call_soon in another thread"
        return super().call_soon(callback, *args, context=context)

    def run_forever(self) -> None:
        self.thread = threading.get_ident()
        super().run_forever()


class Server:
    """
    An event loop in a thread of its own, on which an app answers; ends with the ``with`` block.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.loop = _Loop()
        self.loop.set_exception_handler(lambda loop, context: self._errors.append(context))
        self._errors: list[dict[str, Any]] = []
        self._exchanges: list[Exchange] = []
        self._thread = threading.Thread(target=self.loop.run_forever, name="server", daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
        assert error is not None or self._errors == []

    def close(self) -> None:
        """
        Cancel what is under way and end the loop, as a server does that waits no longer.
        """
        if self.loop.is_closed():
            return
        is_idle = all(exchange.has_ended for exchange in self._exchanges)
        self.settle()
        left = asyncio.all_tasks(self.loop) if is_idle else set()
        asyncio.run_coroutine_threadsafe(_cancel_others(), self.loop).result(PATIENCE)
        self.abandon()
        assert left == set(), "a task was left behind"

    def abandon(self) -> None:
        """
        End the loop without a word to what is under way.
        """
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        self.loop.close()

    def begin(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = b"",
        scope: Scope | None = None,
        context: Context | None = None,
    ) -> "Exchange":
        """
        Send a request, in the given context or a copy of the current one.

        Args:
            body: The whole of it; with None none of it has come yet.
            scope: Instead of the path, the method and the headers.
        """
        scope = scope or http_scope(path, method=method, headers=headers)
        exchange = Exchange(self, scope)
        self._exchanges.append(exchange)
        if body is not None:
            exchange.give(body, more=False)
        self.loop.call_soon_threadsafe(exchange._begin, context=context or copy_context())
        return exchange

    def ask(self, path: str = "/", **options: Any) -> Answer:
        """
        Send a request and return the answer.
        """
        return self.begin(path, **options).answer()

    def settle(self) -> None:
        """
        Wait until the loop has done all that was scheduled up to now, and what followed from that.
        """
        asyncio.run_coroutine_threadsafe(_take_turns(), self.loop).result(PATIENCE)


def ask(app: ASGIApp, path: str = "/", **options: Any) -> Answer:
    """
    Send one request to a server of its own and return the answer.
    """
    with Server(app) as server:
        return server.ask(path, **options)


async def _take_turns() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


_END: Message = {"type": "the app has returned"}


class Exchange:
    """
    One request and its response. The server's ``send`` returns when the client has taken the message.
    """

    def __init__(self, server: Server, scope: Scope) -> None:
        self._server = server
        self._scope = scope
        self._task: asyncio.Task[None] | None = None
        self._has_ended = threading.Event()
        self._error: BaseException | None = None
        self._given: asyncio.Queue[Message] = asyncio.Queue()
        self._sent: SimpleQueue[tuple[Message, asyncio.Future[None] | None]] = SimpleQueue()
        self._seen: deque[tuple[Message, asyncio.Future[None] | None]] = deque()
        self._waiting: set[asyncio.Future[None]] = set()
        self._has_left = False
        self._send_error: Exception | None = None
        self._asked = threading.Condition()
        self.asked = 0
        """How often the app has called ``receive``."""
        self.received = 0
        """How many bytes of the request's body the app's side was given."""
        self.taken: list[Message] = []
        """What the client has taken."""
        self.contexts: list[Context] = []
        """Of the request's task at its begin and end, and in which ``receive`` and ``send`` were called."""

    # What the client does.

    def give(self, body: bytes, *, more: bool = True) -> None:
        """
        Send a part of the request's body.
        """
        self.give_message({"type": "http.request", "body": body, "more_body": more})

    def give_message(self, message: Message) -> None:
        self._server.loop.call_soon_threadsafe(self._given.put_nowait, message)

    def fail(self, error: Exception) -> None:
        """
        Let ``receive`` raise *error* when what was given before is used up.
        """
        self.give_message({"type": "failure", "error": error})

    def take(self) -> Message:
        """
        Wait for the next message and take it.
        """
        message, taken = self._next()
        if taken is None:
            raise AssertionError(f"the app has returned, with {self._error!r}")
        self._server.loop.call_soon_threadsafe(_resolve, taken)
        self.taken.append(message)
        return message

    def look(self) -> Message:
        """
        Wait for the next message, which stays where it is.
        """
        item = self._next()
        self._seen.appendleft(item)
        return item[0]

    def take_rest(self) -> list[Message]:
        """
        Take what comes until the app has returned, raising what it raised; return all that was taken.
        """
        while self.look() is not _END:
            self.take()
        self.end()
        return self.taken

    @property
    def body(self) -> bytes:
        """
        What the client has taken of the response's body.
        """
        return b"".join(message["body"] for message in self.taken[1:])

    def answer(self) -> Answer:
        """
        Take the whole response.
        """
        start = self.take_rest()[0]
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"])
        return Answer(start["status"], headers, self.body)

    def leave(self, error: Exception | None = None) -> None:
        """
        Break the connection. What is sent from now on is lost, or with *error* raises it.
        """
        asyncio.run_coroutine_threadsafe(self._leave(error), self._server.loop).result(PATIENCE)

    def end(self) -> None:
        """
        Wait until the app has returned; raise what it raised.
        """
        assert self._has_ended.wait(PATIENCE), "the app doesn't return"
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        """
        Cancel the task of the request, as a server does that shuts down, and wait until it has ended.
        """
        assert self._task is not None
        self._server.loop.call_soon_threadsafe(self._task.cancel)
        assert self._has_ended.wait(PATIENCE), "the app doesn't return"
        assert isinstance(self._error, asyncio.CancelledError)

    def wait_asked(self, times: int) -> None:
        """
        Wait until the app has called ``receive`` so often.
        """
        with self._asked:
            assert self._asked.wait_for(lambda: self.asked >= times, PATIENCE), f"asked {self.asked} times"

    @property
    def has_ended(self) -> bool:
        return self._has_ended.is_set()

    @property
    def has_sent(self) -> bool:
        """
        Whether there is a message that waits to be taken, once the loop has nothing else to do.
        """
        self._server.settle()
        return bool(self._seen) or not self._sent.empty()

    def _next(self) -> tuple[Message, asyncio.Future[None] | None]:
        if self._seen:
            return self._seen.popleft()
        try:
            return self._sent.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError("the app sends nothing") from None

    # What the server does, on the loop.

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        self.contexts.append(copy_context())
        try:
            await self._server.app(self._scope, self._receive, self._send)
        except BaseException as exc:
            self._error = exc
        self.contexts.append(copy_context())
        self._sent.put((_END, None))
        self._has_ended.set()

    async def _receive(self) -> Message:
        self.contexts.append(copy_context())
        with self._asked:
            self.asked += 1
            self._asked.notify_all()
        message = await self._given.get()
        if message["type"] == "http.disconnect":
            self._given.put_nowait(message)  # and so it stays
        elif message["type"] == "failure":
            raise message["error"]
        else:
            self.received += len(message.get("body", b""))
        return message

    async def _send(self, message: Message) -> None:
        self.contexts.append(copy_context())
        if not self._has_left:
            taken = asyncio.get_running_loop().create_future()
            self._waiting.add(taken)
            self._sent.put((message, taken))
            try:
                await taken
            finally:
                self._waiting.discard(taken)
        if self._send_error is not None:
            raise self._send_error

    async def _leave(self, error: Exception | None) -> None:
        self._has_left = True
        self._send_error = error
        self._given.put_nowait({"type": "http.disconnect"})
        for taken in self._waiting:
            _resolve(taken)


def assert_incomplete(exchange: Exchange, body: bytes) -> None:
    """
    The client has got so much of a response, and was not told that it's complete.
    """
    assert exchange.taken[0]["type"] == "http.response.start"
    assert exchange.body == body
    assert all(message["more_body"] for message in exchange.taken[1:])


def _resolve(taken: "asyncio.Future[None]") -> None:
    if not taken.done():
        taken.set_result(None)


def settled(read: Callable[[], T]) -> T:
    """
    Return what *read* returns when it doesn't change any more; for what may be less than that, never more.
    """
    value, since = read(), time.monotonic()
    while time.monotonic() - since < 0.1:
        time.sleep(0.01)
        latest = read()
        if latest != value:
            value, since = latest, time.monotonic()
    return value


def assert_settles_at(value: object, read: Callable[[], object]) -> None:
    """
    What *read* returns becomes *value*, and stays so.
    """
    until = time.monotonic() + PATIENCE
    while read() != value:
        assert time.monotonic() < until, f"{read()!r}, not {value!r}"
        time.sleep(0.001)
    time.sleep(0.02)
    assert read() == value
