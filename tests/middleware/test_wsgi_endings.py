"""
`WSGIMiddleware` when a response ends, as it should or otherwise: closing, errors, and clients that leave.
"""

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from starlette_flask.middleware.wsgi import ClientDisconnected, WSGIMiddleware
from tests.middleware.client import (
    KIB,
    TEXT,
    Chunks,
    Environ,
    Exchange,
    Gate,
    Server,
    Step,
    app_of,
    ask,
    assert_incomplete,
)

SET_BY_APP: ContextVar[str] = ContextVar("SET_BY_APP")

Ending = Callable[[Exchange, Chunks, Gate], object]


def to_the_end(exchange: Exchange, chunks: Chunks, gate: Gate) -> None:
    gate.open()
    exchange.take_rest()


def with_an_error(exchange: Exchange, chunks: Chunks, gate: Gate) -> None:
    gate.open()
    with pytest.raises((LookupError, TypeError, RuntimeError)):
        exchange.take_rest()


def client_leaves(exchange: Exchange, chunks: Chunks, gate: Gate) -> None:
    gate.wait()
    exchange.leave()
    gate.open()
    exchange.end()


def send_fails(exchange: Exchange, chunks: Chunks, gate: Gate) -> None:
    gate.wait()
    exchange.leave(OSError("gone"))
    gate.open()


def is_cancelled(exchange: Exchange, chunks: Chunks, gate: Gate) -> None:
    gate.wait()
    exchange.cancel()
    gate.open()


class TestClose:
    """
    ``close()`` of the iterable, which frees what the app holds: called once, whatever happens.
    """

    @pytest.mark.parametrize(
        ("before", "after", "options", "ending"),
        [
            # What comes before the gate and after it, and what the client does there.
            pytest.param([b"one"], [b"two"], {}, to_the_end, id="complete"),
            pytest.param([], [], {}, to_the_end, id="empty"),
            pytest.param([], [b"one", b"two"], {"method": "HEAD"}, to_the_end, id="HEAD"),
            pytest.param([], [b"one"], {"status": "204 No Content", "headers": []}, to_the_end, id="204"),
            pytest.param(
                [b"one"], [b"two", b"three"], {"headers": [("Content-Length", "4")]}, to_the_end, id="more than it said"
            ),
            pytest.param(
                [b"one"], [b"two", b""], {"headers": [("Content-Length", "6")]}, to_the_end, id="as much as it said"
            ),
            pytest.param([], [LookupError("first")], {}, with_an_error, id="first chunk fails"),
            pytest.param([b"one"], [LookupError("second")], {}, with_an_error, id="second chunk fails"),
            pytest.param([b"one"], [SystemExit(1)], {}, with_an_error, id="exits"),
            pytest.param([b"one"], [lambda: "text"], {}, with_an_error, id="not bytes"),
            pytest.param([], [b"one", b"two"], {}, client_leaves, id="client leaves before the first byte"),
            pytest.param([b"one"], [b"two", b"three"], {}, client_leaves, id="client leaves after it"),
            pytest.param([b"one"], [b"x" * KIB] * 4096, {}, client_leaves, id="client leaves in the middle of much"),
            pytest.param([b"one"], [], {}, client_leaves, id="client leaves before the end"),
            pytest.param([], [b"one", b"two"], {}, send_fails, id="send fails at the first byte"),
            pytest.param([b"one"], [b"two", b"three"], {}, send_fails, id="send fails after it"),
            pytest.param([b"one"], [b"x" * KIB] * 4096, {}, send_fails, id="send fails in the middle of much"),
            pytest.param([], [b"one", b"two"], {}, is_cancelled, id="cancelled before the first byte"),
            pytest.param([b"one"], [b"two", b"three"], {}, is_cancelled, id="cancelled after it"),
        ],
    )
    def test_once_and_where_it_ran(
        self, before: list[Step], after: list[Step], options: dict[str, Any], ending: Ending
    ) -> None:
        """
        It's called once, on the worker that ran the app, in the app's context.
        """
        gate = Gate()
        chunks = Chunks(*before, gate, *after)

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            SET_BY_APP.set("by the app")
            start_response(options.get("status", "200 OK"), options.get("headers", TEXT))
            return chunks

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin(method=options.get("method", "GET"))
            if before:
                exchange.take()
                exchange.take()
            ending(exchange, chunks, gate)
            chunks.wait_closed()
            server.settle()
        [thread] = chunks.closed_by
        assert {thread} == chunks.iterated_by
        assert thread.name.startswith("wsgi_")
        assert [context[SET_BY_APP] for context in chunks.closed_in] == ["by the app"]

    def test_if_iterating_cannot_begin(self) -> None:
        """
        It's called as well if the iterable turns out not to be one.
        """
        chunks = Chunks()

        class Broken:
            close = chunks.close

            def __iter__(self) -> Iterator[bytes]:
                raise LookupError("broken")

        with pytest.raises(LookupError, match="broken"):
            ask(WSGIMiddleware(app_of(Broken())))
        assert len(chunks.closed_by) == 1

    def test_an_endless_stream(self) -> None:
        """
        An app that streams for ever is closed when the client leaves, even if sending into the void is no error.
        """
        gate = Gate()

        def forever() -> Iterator[bytes]:
            try:
                while True:
                    yield b"data: 1\n\n"
            finally:
                gate.stop()

        with Server(WSGIMiddleware(app_of(forever()))) as server:
            exchange = server.begin()
            for _ in range(5):
                exchange.take()
            exchange.leave()
            gate.wait()
            gate.open()
            exchange.end()

    def test_after_the_last_byte(self) -> None:
        """
        The client has the whole response before a slow ``close()`` returns.
        """
        gate = Gate()
        chunks = Chunks(b"one", gate)

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [*TEXT, ("Content-Length", "3")])
            return chunks

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            gate.wait()
            assert exchange.take()["type"] == "http.response.start"
            body = exchange.take()
            assert body["body"] == b"one"
            if body["more_body"]:
                assert exchange.take() == {"type": "http.response.body", "body": b"", "more_body": False}
            assert chunks.closed_by == []
            gate.open()
            exchange.end()
        assert len(chunks.closed_by) == 1


class TestErrors:
    """
    An app's exceptions come out of the ASGI app, for the middleware around it and the server.
    """

    def test_of_the_app(self) -> None:
        """
        An exception of the app is raised as it is, with its traceback, and nothing is sent.
        """
        error = LookupError("missing")

        def fail() -> None:
            raise error

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            fail()
            return [b"data"]

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert exchange.taken == []
        assert caught.value is error
        assert [entry.name for entry in caught.traceback][-2:] == ["app", "fail"]

    @pytest.mark.parametrize("before", [[], [b""]], ids=["at once", "after an empty chunk"])
    def test_before_the_first_byte(self, before: list[bytes]) -> None:
        """
        An exception before the first byte leaves the response to others: Starlette answers with 500.
        """
        chunks = Chunks(*before, LookupError("missing"))
        with Server(Starlette(routes=[Mount("/", WSGIMiddleware(app_of(chunks)))])) as server:
            exchange = server.begin()
            with pytest.raises(LookupError, match="missing"):
                exchange.take_rest()
        assert exchange.taken[0]["status"] == 500
        assert exchange.body == b"Internal Server Error"

    def test_after_the_first_byte(self) -> None:
        """
        After the first byte, what the app gave is sent, and the response stays incomplete.
        """
        error = LookupError("missing")
        with Server(WSGIMiddleware(app_of(Chunks(b"one", b"two", error)))) as server:
            exchange = server.begin()
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert_incomplete(exchange, b"onetwo")
        assert caught.value is error

    @pytest.mark.parametrize(
        "error",
        [
            SystemExit(1),
            KeyboardInterrupt(),
            GeneratorExit(),
            asyncio.CancelledError(),
            StopIteration(1),
        ],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize("before", [[], [b"one"]], ids=["before the first byte", "after it"])
    def test_that_mean_something_to_a_loop(self, error: BaseException, before: list[bytes]) -> None:
        """
        An exception by which an event loop or a coroutine would be ended arrives inside a RuntimeError.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", list(TEXT))
            for data in before:
                write(data)
            raise error

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            with pytest.raises(RuntimeError) as caught:
                exchange.take_rest()
            assert caught.value.__cause__ is error
            assert exchange.body == b"".join(before)

    @pytest.mark.parametrize(
        "error",
        [
            concurrent.futures.CancelledError(),
            asyncio.InvalidStateError(),
            StopAsyncIteration(1),
            TimeoutError(),
            ConnectionError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_that_mean_something_to_us(self, error: Exception) -> None:
        """
        Exceptions that look like a future's or a connection's are the app's if the app raises them.
        """
        with Server(WSGIMiddleware(app_of(Chunks(error)))) as server:
            exchange = server.begin()
            with pytest.raises(type(error)) as caught:
                exchange.take_rest()
            assert caught.value is error

    def test_in_close(self) -> None:
        """
        An exception in ``close()`` is raised, though the response is complete.
        """
        error = LookupError("closing")
        with Server(WSGIMiddleware(app_of(Chunks(b"one", close_error=error)))) as server:
            exchange = server.begin()
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert caught.value is error
        assert exchange.body == b"one"
        assert exchange.taken[-1]["more_body"] is False

    def test_in_close_after_another(self) -> None:
        """
        If the response fails and closing it too, the second exception tells of the first.
        """
        first, second = LookupError("first"), LookupError("second")
        with (
            Server(WSGIMiddleware(app_of(Chunks(first, close_error=second)))) as server,
            pytest.raises(LookupError) as caught,
        ):
            server.begin().take_rest()
        assert caught.value is second
        assert second.__context__ is first


class TestDisconnect:
    """
    The client leaves.
    """

    @pytest.mark.parametrize("error", [None, OSError("gone")], ids=["sends are lost", "sends fail"])
    def test_is_no_error_of_the_app(self, error: OSError | None) -> None:
        """
        If the client leaves there is nobody to report to: nothing is raised.
        """
        gate = Gate()
        with Server(WSGIMiddleware(app_of(Chunks(b"one", gate, b"two")))) as server:
            exchange = server.begin()
            exchange.take()
            exchange.take()
            gate.wait()
            exchange.leave(error)
            gate.open()
            exchange.end()

    def test_what_the_app_sees(self) -> None:
        """
        A generator is closed where it yields; it may clean up, and can't send any more.
        """
        ended_by: list[BaseException] = []
        gate = Gate()

        def generator() -> Iterator[bytes]:
            try:
                yield b"one"
                gate.stop()
                while True:
                    yield b"two"
            except BaseException as exc:
                ended_by.append(exc)
                raise

        with Server(WSGIMiddleware(app_of(generator()))) as server:
            exchange = server.begin()
            exchange.take()
            exchange.take()
            gate.wait()
            exchange.leave()
            gate.open()
            exchange.end()
        assert [type(exc) for exc in ended_by] == [GeneratorExit]

    def test_what_a_writing_app_sees(self) -> None:
        """
        Who uses ``write()`` is told by a ClientDisconnected, which is a ConnectionError.
        """
        ended_by: list[BaseException] = []
        gate = Gate()

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", list(TEXT))
            gate.stop()
            try:
                while True:
                    write(b"two")
            except ConnectionError as exc:
                ended_by.append(exc)
                raise

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            gate.wait()
            exchange.leave()
            gate.open()
            exchange.end()
        assert [type(exc) for exc in ended_by] == [ClientDisconnected]

    def test_an_error_after_it(self) -> None:
        """
        An error that the app raises after that is its own, and reported.
        """
        gate = Gate()
        with Server(WSGIMiddleware(app_of(Chunks(b"one", gate, LookupError("missing"))))) as server:
            exchange = server.begin()
            exchange.take()
            exchange.take()
            gate.wait()
            exchange.leave()
            gate.open()
            with pytest.raises(LookupError, match="missing"):
                exchange.end()
