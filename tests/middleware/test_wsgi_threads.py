"""
`WSGIMiddleware`, the threads that run an app, and the contexts it runs in.
"""

import asyncio
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import flask
import pytest
from starlette.types import Receive, Scope, Send

from starlette_flask.middleware.wsgi import ClientDisconnected, WSGIMiddleware
from tests.middleware.client import (
    KIB,
    PATIENCE,
    TEXT,
    Chunks,
    Environ,
    Gate,
    Server,
    app_of,
    assert_settles_at,
    settled,
)

VAR: ContextVar[str] = ContextVar("VAR", default="unset")


class TestContext:
    """
    Context variables flow in, and nothing flows out.
    """

    def test_flows_in(self) -> None:
        """
        The app, its iterable and the closing of it see what was set before the request.
        """
        seen: list[str] = []

        def body() -> Iterator[bytes]:
            try:
                seen.append(VAR.get())
                yield b"data"
            finally:
                seen.append(VAR.get())

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            seen.append(VAR.get())
            start_response("200 OK", list(TEXT))
            return body()

        context = copy_context()
        context.run(VAR.set, "from the server")
        with Server(WSGIMiddleware(app)) as server:
            server.ask(context=context)
        assert seen == ["from the server"] * 3

    def test_flows_in_from_middleware(self) -> None:
        """
        So it is with what middleware set on the way.
        """
        seen: list[str] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            seen.append(VAR.get())
            start_response("200 OK", list(TEXT))
            return []

        inner = WSGIMiddleware(app)

        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            VAR.set(scope["path"])
            await inner(scope, receive, send)

        with Server(middleware) as server:
            for path in ("/ada", "/bob"):
                server.ask(path)
        assert seen == ["/ada", "/bob"]

    @pytest.mark.parametrize("size", [0, 100, 1024 * KIB], ids=["no body", "small body", "large body"])
    @pytest.mark.parametrize("chunk", [b"small", bytes(1024 * KIB)], ids=["small page", "large page"])
    def test_nothing_flows_out(self, size: int, chunk: bytes) -> None:
        """
        What the app sets isn't set in any call of the server's, nor when its own is over, nor in the next request.
        """
        found: list[str] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            found.append(VAR.get())
            VAR.set("by the app")
            while environ["wsgi.input"].read(10_000):
                VAR.set("while it reads")
            start_response("200 OK", list(TEXT))
            for _ in range(3):
                VAR.set("while it answers")
                yield chunk

        # The context of a connection, in which its requests are begun one after the other.
        connection = copy_context()
        with Server(WSGIMiddleware(app, workers=1)) as server:
            for _ in range(2):
                exchange = server.begin(method="POST", body=None, context=connection)
                for start in range(0, size, 50_000):
                    exchange.give(bytes(min(50_000, size - start)))
                exchange.give(b"", more=False)
                exchange.take_rest()
                assert {context.get(VAR) for context in exchange.contexts} == {None}
                assert VAR not in connection
        assert found == ["unset", "unset"]

    def test_the_server_finds_its_own_context(self) -> None:
        """
        Whatever the app asks for, ``receive`` and ``send`` are called in the context the request came in.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            VAR.set("by the app")
            environ["wsgi.input"].read()
            start_response("200 OK", list(TEXT))
            return [b"one", b"two"]

        connection = copy_context()
        connection.run(VAR.set, "of the connection")
        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin(method="POST", body=None, context=connection)
            for _ in range(20):
                exchange.give(bytes(50_000))
            exchange.give(b"", more=False)
            exchange.take_rest()
        assert {context[VAR] for context in exchange.contexts} == {"of the connection"}
        assert len(exchange.contexts) > 20


class TestStaleFlaskContext:
    """
    A context of Flask's that somebody left where the request begins, as a2wsgi does on uvicorn's connections.
    """

    @pytest.fixture
    def app(self) -> flask.Flask:
        app = flask.Flask(__name__)

        @app.get("/")
        def view() -> str:
            user: str = flask.g.get("user", "nobody")
            flask.g.user = "somebody"
            return user

        return app

    def push_app_context(self, app: flask.Flask) -> None:
        app.app_context().push()
        flask.g.user = "ada"

    def push_request_context(self, app: flask.Flask) -> None:
        app.test_request_context("/stale").push()
        flask.g.user = "ada"

    @pytest.mark.parametrize("push", [push_app_context, push_request_context])
    def test_is_not_joined(self, app: flask.Flask, push: Callable[[Any, flask.Flask], None]) -> None:
        """
        The mounted Flask begins with nothing: whoever was logged in there isn't here. The rest of the context
        is seen, and the stale one stays as it was.
        """
        context = copy_context()
        context.run(push, self, app)
        context.run(VAR.set, "seen")
        before = dict(context)
        seen: list[str] = []
        app.before_request(lambda: seen.append(VAR.get()))
        with Server(WSGIMiddleware(app)) as server:
            for _ in range(2):
                assert server.ask(context=context).body == b"nobody"
        assert seen == ["seen", "seen"]
        assert dict(context) == before
        assert context.run(lambda: flask.g.user) == "ada"

    def test_is_not_seen_by_another_app(self, app: flask.Flask) -> None:
        """
        Nor does any other WSGI app find itself in a request of Flask's.
        """
        seen: list[bool] = []

        def other(environ: Environ, start_response: Any) -> Iterable[bytes]:
            seen.extend([flask.has_request_context(), flask.has_app_context()])
            start_response("200 OK", list(TEXT))
            return []

        context = copy_context()
        context.run(self.push_request_context, app)
        with Server(WSGIMiddleware(other)) as server:
            server.ask(context=context)
        assert seen == [False, False]

    def test_none_is_left(self, app: flask.Flask) -> None:
        """
        A mounted Flask leaves no context anywhere, not even by a stream that the client never saw the end of.
        """
        gate = Gate()

        @app.post("/stream")
        def stream() -> flask.Response:
            flask.request.get_data()
            flask.g.user = "ada"
            return flask.Response(flask.stream_with_context(Chunks(b"one", gate, *[b"two"] * 100)))

        connection = copy_context()
        with Server(WSGIMiddleware(app, workers=1)) as server:
            exchange = server.begin("/stream", method="POST", body=None, context=connection)
            for _ in range(5):
                exchange.give(bytes(50_000))
            exchange.give(b"", more=False)
            exchange.take()
            exchange.take()
            gate.wait()
            exchange.leave()
            gate.open()
            exchange.end()
            names = {variable.name for context in [*exchange.contexts, connection] for variable in context}
            assert not {name for name in names if name.startswith("flask.")}
            assert server.ask("/", context=connection).body == b"nobody"


class Workplace:
    """
    A WSGI app that notes on which threads it runs, and how many at a time; a request to ``/wait`` does.
    """

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.paths: list[str] = []
        self.running = 0
        self.most = 0
        self.gate = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self.threads.append(threading.current_thread())
            self.paths.append(environ["PATH_INFO"])
            self.running += 1
            self.most = max(self.most, self.running)
        if environ["PATH_INFO"] == "/wait":
            assert self.gate.wait(PATIENCE)
        with self._lock:
            self.running -= 1
        start_response("200 OK", [*TEXT, ("Content-Length", "4")])  # or each waits for its client, in whatever order
        return [b"done"]


def assert_end(threads: list[threading.Thread]) -> None:
    """
    The threads end, once the garbage that refers to what they work for is collected.
    """
    until = time.monotonic() + PATIENCE
    while any(thread.is_alive() for thread in threads):
        gc.collect()
        threads[0].join(0.01)
        assert time.monotonic() < until


class TestWorkers:
    """
    The threads.
    """

    def test_names(self) -> None:
        """
        They are numbered, and daemons: none keeps the process from exiting.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=3)) as server:
            exchanges = [server.begin("/wait") for _ in range(3)]
            assert_settles_at(3, lambda: place.running)
            place.gate.set()
            for exchange in exchanges:
                exchange.answer()
        assert sorted(thread.name for thread in place.threads) == ["wsgi_0", "wsgi_1", "wsgi_2"]
        assert all(thread.daemon for thread in place.threads)

    def test_are_started_as_needed(self) -> None:
        """
        None is started before the first request, and one for that.
        """
        place = Workplace()
        before = set(threading.enumerate())
        middleware = WSGIMiddleware(place)
        assert set(threading.enumerate()) <= before
        with Server(middleware) as server:
            server.ask()
            started = {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("wsgi_")}
        assert started == set(place.threads)

    def test_are_reused(self) -> None:
        """
        One after the other, requests share a worker.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=1)) as server:
            for _ in range(50):
                assert server.ask().body == b"done"
        assert len(set(place.threads)) == 1

    def test_are_not_started_while_others_are_free(self) -> None:
        """
        They do so though more might be started.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=10)) as server:
            for _ in range(30):
                server.ask()
                time.sleep(0.002)  # in which the worker is free again, mostly
        assert len(set(place.threads)) < 10

    @pytest.mark.parametrize("workers", [1, 2, 10])
    def test_are_bounded(self, workers: int) -> None:
        """
        As many requests as there are workers run at a time, the others wait for their turn.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=workers)) as server:
            exchanges = [server.begin("/wait") for _ in range(workers + 5)]
            assert_settles_at(workers, lambda: place.running)
            place.gate.set()
            assert [exchange.answer().body for exchange in exchanges] == [b"done"] * (workers + 5)
        assert place.most == workers
        assert len(set(place.threads)) == workers

    def test_first_come_first_served(self) -> None:
        """
        Requests that wait are served in the order in which they came.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=1)) as server:
            exchanges = [server.begin(path) for path in ("/wait", "/1", "/2", "/3", "/4")]
            assert_settles_at(1, lambda: place.running)
            place.gate.set()
            for exchange in exchanges:
                exchange.answer()
        assert place.paths == ["/wait", "/1", "/2", "/3", "/4"]

    def test_ten_by_default(self) -> None:
        """
        There are ten unless another number is given, by position or by name.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place)) as server:
            exchanges = [server.begin("/wait") for _ in range(12)]
            assert_settles_at(10, lambda: place.running)
            place.gate.set()
            for exchange in exchanges:
                exchange.answer()

    def test_many_at_once(self) -> None:
        """
        Hundreds of requests at once are all answered, each with its own page.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            return [environ["PATH_INFO"].encode()]

        with Server(WSGIMiddleware(app)) as server:
            exchanges = [server.begin(f"/{number}") for number in range(300)]
            assert [exchange.answer().body for exchange in exchanges] == [b"/%d" % number for number in range(300)]

    def test_end_with_the_middleware(self) -> None:
        """
        When nobody holds the middleware any more its workers end, one that still works when it's done.
        """

        def serve() -> None:
            with Server(WSGIMiddleware(place, workers=3)) as server:
                exchanges = [server.begin("/wait") for _ in range(3)]
                assert_settles_at(3, lambda: place.running)
                for exchange in exchanges:
                    exchange.cancel()

        place = Workplace()
        serve()
        gc.collect()
        assert all(thread.is_alive() for thread in place.threads)
        place.gate.set()
        assert_end(place.threads)

    def test_idle_workers_end_with_the_middleware(self) -> None:
        """
        So do those that have nothing to do.
        """

        def serve() -> None:
            with Server(WSGIMiddleware(place, workers=3)) as server:
                exchanges = [server.begin("/wait") for _ in range(3)]
                assert_settles_at(3, lambda: place.running)
                place.gate.set()
                for exchange in exchanges:
                    exchange.answer()

        place = Workplace()
        serve()
        assert_end(place.threads)

    @pytest.mark.parametrize(
        "error",
        [
            LookupError("app"),
            SystemExit(1),
            KeyboardInterrupt(),
            GeneratorExit(),
            asyncio.CancelledError(),
        ],
        ids=lambda error: type(error).__name__,
    )
    @pytest.mark.parametrize("where", ["app", "first chunk", "second chunk", "close", "start_response"])
    def test_survive_every_error(self, error: BaseException, where: str) -> None:
        """
        Whatever an app raises, and wherever, its worker serves the next request.
        """
        threads: list[threading.Thread] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            threads.append(threading.current_thread())
            if environ["PATH_INFO"] == "/good" or where not in ("app", "start_response"):
                start_response("200 OK", list(TEXT))
            if environ["PATH_INFO"] == "/good":
                return [b"good"]
            if where == "app":
                raise error
            if where == "start_response":
                try:
                    raise error
                except BaseException:
                    start_response("500 Oops", list(TEXT), sys.exc_info())
                raise error
            if where == "close":
                return Chunks(b"one", close_error=error)
            return Chunks(*[b"one"] * (where == "second chunk"), error)

        with Server(WSGIMiddleware(app, workers=1)) as server:
            with pytest.raises((LookupError, RuntimeError)) as caught:
                server.begin().take_rest()
            assert error in (caught.value, caught.value.__cause__)
            assert server.ask("/good").body == b"good"
        assert len(set(threads)) == 1
        assert len(threads) == 2


def test_an_idle_worker_keeps_nothing() -> None:
    """
    What belonged to a request is free when it's over, though its worker lives on.
    """

    class Page:
        def __init__(self, environ: Environ) -> None:
            self.environ = environ

        def __iter__(self) -> Iterator[bytes]:
            yield b"data"

    pages: list[weakref.ref[Page]] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(TEXT))
        page = Page(environ)
        pages.append(weakref.ref(page))
        return page

    with Server(WSGIMiddleware(app, workers=1)) as server:
        server.ask()
        server.settle()
        assert_settles_at(None, pages[0])


class TestCancellation:
    """
    The task of a request is cancelled: the server shuts down, or a timeout in front of the app has run out.
    """

    def test_of_a_view_that_hangs(self) -> None:
        """
        The task ends at once; the worker is free again when the view is done.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=1)) as server:
            exchange = server.begin("/wait")
            assert_settles_at(1, lambda: place.running)
            exchange.cancel()
            place.gate.set()
            assert server.ask().body == b"done"
        assert exchange.taken == []

    def test_of_a_request_that_waits_for_a_worker(self) -> None:
        """
        Its turn never comes.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=1)) as server:
            first, second, third = (server.begin(path) for path in ("/wait", "/never", "/later"))
            assert_settles_at(1, lambda: place.running)
            second.cancel()
            place.gate.set()
            first.answer()
            third.answer()
        assert place.paths == ["/wait", "/later"]

    def test_before_the_body_is_there(self) -> None:
        """
        Nor does that of one whose body hasn't come.
        """
        place = Workplace()
        with Server(WSGIMiddleware(place, workers=1)) as server:
            exchange = server.begin("/never", method="POST", body=None)
            exchange.wait_asked(1)
            exchange.cancel()
            server.ask("/later")
        assert place.paths == ["/later"]

    def test_of_a_worker_that_reads(self) -> None:
        """
        A worker that waits for the request's body waits no longer.
        """
        errors: list[BaseException] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            try:
                environ["wsgi.input"].read()
            except ConnectionError as exc:
                errors.append(exc)
                raise
            return [b"done"]

        with Server(WSGIMiddleware(app, workers=1)) as server:
            exchange = server.begin(method="POST", body=None)
            exchange.give(bytes(65 * KIB))
            exchange.wait_asked(2)
            exchange.cancel()
            assert server.ask().body == b"done"
        assert len(errors) == 1

    def test_of_a_worker_that_waits_for_the_client(self) -> None:
        """
        A worker that waits for a slow client closes the response and is free.
        """
        chunks = Chunks(*[bytes(100 * KIB)] * 100)
        bodies: Iterator[Iterable[bytes]] = iter([chunks, [b"done"]])

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            return next(bodies)

        with Server(WSGIMiddleware(app, workers=1)) as server:
            exchange = server.begin()
            exchange.take()
            exchange.take()
            exchange.look()
            taken = settled(lambda: chunks.taken)
            exchange.cancel()
            chunks.wait_closed()
            assert server.ask().body == b"done"
        assert chunks.taken == taken < 10

    def test_when_all_is_sent(self) -> None:
        """
        A response that is complete was sent, though closing it takes long.
        """
        gate = Gate()
        chunks = Chunks(b"data", gate)
        with Server(WSGIMiddleware(app_of(chunks, headers=[("Content-Length", "4")]))) as server:
            exchange = server.begin()
            gate.wait()
            exchange.take()
            assert exchange.take() == {"type": "http.response.body", "body": b"data", "more_body": False}
            exchange.cancel()
            gate.open()
            chunks.wait_closed()

    def test_an_error_after_it(self) -> None:
        """
        What the app raises after that has nowhere to go, and harms nobody.
        """
        gate = Gate()
        chunks = Chunks(gate, LookupError("late"))
        with Server(WSGIMiddleware(app_of(chunks), workers=1)) as server:
            exchange = server.begin()
            gate.wait()
            exchange.cancel()
            gate.open()
            chunks.wait_closed()
            server.settle()


class TestLoops:
    """
    The event loops that a middleware serves.
    """

    def test_one_after_the_other(self) -> None:
        """
        A middleware may serve one loop after another, as in tests.
        """
        place = Workplace()
        middleware = WSGIMiddleware(place, workers=1)
        for _ in range(3):
            with Server(middleware) as server:
                assert server.ask().body == b"done"
        assert len(set(place.threads)) == 1

    def test_at_the_same_time(self) -> None:
        """
        It may serve several at once, with the same workers.
        """
        place = Workplace()
        middleware = WSGIMiddleware(place, workers=2)
        with Server(middleware) as one, Server(middleware) as two:
            exchanges = [server.begin("/wait") for server in (one, two, one, two)]
            assert_settles_at(2, lambda: place.running)
            place.gate.set()
            assert [exchange.answer().body for exchange in exchanges] == [b"done"] * 4

    @pytest.mark.parametrize("does", ["read", "write", "return"])
    @pytest.mark.parametrize("end", [Server.close, Server.abandon])
    def test_that_are_closed(self, does: str, end: Callable[[Server], None]) -> None:
        """
        A worker whose loop was closed in the meantime, with a word to the request or without, ends that quietly,
        as if the client had gone, and serves the next loop.
        """
        gate = Gate()
        chunks = Chunks(gate, b"one", b"two")
        errors: list[Exception] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", list(TEXT))
            if environ["PATH_INFO"] == "/next":
                return [b"done"]
            if does == "return":
                return chunks
            gate.stop()
            try:
                if does == "read":
                    environ["wsgi.input"].read()
                else:
                    write(b"one")
            except Exception as exc:
                errors.append(exc)
                raise
            return []

        middleware = WSGIMiddleware(app, workers=1)
        with Server(middleware) as server:
            exchange = server.begin(method="POST", body=None)
            exchange.give(bytes(65 * KIB))
            gate.wait()
            end(server)
        gate.open()
        if does == "return":
            chunks.wait_closed()
        with Server(middleware) as server:
            assert server.ask("/next").body == b"done"
        assert all(isinstance(error, ClientDisconnected) for error in errors)
        assert len(errors) == (does != "return")


HANGING = """
import asyncio, threading
from starlette_flask.middleware.wsgi import WSGIMiddleware

entered = threading.Event()

def app(environ, start_response):
    entered.set()
    threading.Event().wait()

async def main():
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "scheme": "http"}
    task = asyncio.create_task(WSGIMiddleware(app)(scope, receive, None))
    await asyncio.to_thread(entered.wait)
    task.cancel()

asyncio.run(main())
print("over")
"""


def test_a_view_that_hangs_does_not_keep_the_process() -> None:
    """
    The process exits, without a complaint, though a view never returns.
    """
    done = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True, timeout=PATIENCE)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, "over\n", "")
