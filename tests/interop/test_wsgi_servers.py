"""
A Flask app, mounted by our `WSGIMiddleware`, on real servers, with clients as they are: many, slow, gone.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from starlette_flask import SessionConfig
from tests.helpers import Answer
from tests.interop.servers import (
    COMMANDS,
    UVICORNS,
    Connection,
    Memory,
    Server,
    bytes_in_kernel,
    eventually,
    form,
    serving,
    settled,
)

APP = "tests.interop.served.app:app"
WIDE = "tests.interop.served.app:wide"
MEGABYTE = 1024 * 1024
PART = 192 * 1024
"""Of an upload: some blocks, as the view reads them."""

NOTHING = {"requests": 0, "our coroutines": 0, "Flask's contexts": 0, "sessions": 0}
NOBODY = {"user": None, "outside": "set outside", "set": None}

Serve = Callable[..., Server]

needs_proc = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads /proc, which Linux has")


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """
    Returns a server of a name that serves an app, the same to every test.
    """
    started: dict[tuple[str, str], Server] = {}
    with ExitStack() as stack:

        def get(name: str, app: str = APP) -> Server:
            if (name, app) not in started:
                started[name, app] = stack.enter_context(serving(name, app))
            return started[name, app]

        yield get


def watched(server: Server) -> Iterator[Server]:
    """
    Lend a server to a test, and check that it leaves nothing behind.
    """
    server.ask("/inside/forget", method="POST")
    server.new_log()
    yield server
    eventually(lambda: server.ask("/inside/left").json, lambda left: left == NOTHING)
    assert our_threads(server) <= {f"wsgi_{number}" for number in range(10)}


def our_threads(server: Server) -> set[str]:
    return {name for name in server.ask("/inside/threads").json if name.startswith("wsgi_")}


@pytest.fixture(params=COMMANDS)
def server(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Server]:
    """
    Each kind of server.
    """
    yield from watched(serve(request.param))


@pytest.fixture(params=UVICORNS)
def uvicorn(request: pytest.FixtureRequest, serve: Serve) -> Iterator[Server]:
    """
    Uvicorn, with either parser.
    """
    yield from watched(serve(request.param))


def log_in(connection: Connection, mount: str, *, size: int, user: str = "ada") -> str:
    """
    Log in with a photo of *size* bytes; return the cookie.
    """
    line, body = form({"user": user}, {"photo": bytes(size)})
    answer = connection.ask(f"{mount}/login", method="POST", headers=[line], body=body)
    assert answer.json == {"user": user, "photo": size}
    return answer.cookie


def log_in_slowly(server: Server, connection: Connection, mount: str, *, size: int) -> None:
    """
    Log in with a photo that the server has to wait for twice: once for the app, which is slow, then for us.
    """
    line, body = form({"user": "ada"}, {"photo": bytes(size)})
    headers = [line, f"Content-Length: {len(body)}"]
    connection.send_head(f"{mount}/login?gate=login", method="POST", headers=headers)
    connection.send(body[:-1000])
    eventually(server.happened, lambda happened: happened == ["view"])
    settled(lambda: bytes_in_kernel(connection))
    server.open("login")
    eventually(lambda: bytes_in_kernel(connection), lambda size: size == 0)
    connection.send(body[-1000:])
    assert connection.receive().json == {"user": "ada", "photo": size}


class TestOneConnection:
    """
    A connection is not a user: a proxy sends everybody's requests over the same ones.
    """

    # Uvicorn stops to read from a connection at 64 KiB, and reads on, in the context of whoever asks, when it is
    # asked for more. That context is the next request's, unless Uvicorn had to stop again: hence the waiting.

    @needs_proc
    @pytest.mark.parametrize("size", [100_000, 300_000, 450_000])
    def test_a2wsgi_hands_the_user_on(self, uvicorn: Server, size: int) -> None:
        """
        With a2wsgi on Uvicorn, whoever comes after an upload is the one who uploaded.

        If this fails, they have mended it, and our warnings can name the version.
        """
        with uvicorn.connect() as connection:
            log_in_slowly(uvicorn, connection, "/a2wsgi", size=size)
            uvicorn.wait_until_idle()
            assert connection.ask("/a2wsgi/who").json == {**NOBODY, "user": "ada", "set": "set by a view"}
            uvicorn.wait_until_idle()
            assert connection.ask("/api/context").json == ["flask.app_ctx", "flask.request_ctx", "from_flask"]

    @needs_proc
    @pytest.mark.parametrize("name", UVICORNS)
    def test_the_setting_that_hides_it(self, name: str) -> None:
        """
        Uvicorn's ``--reset-contextvars`` keeps it from happening.
        """
        with serving(name, APP, "--reset-contextvars") as server, server.connect() as connection:
            log_in_slowly(server, connection, "/a2wsgi", size=300_000)
            server.wait_until_idle()
            assert connection.ask("/a2wsgi/who").json == NOBODY
            server.wait_until_idle()
            assert connection.ask("/api/context").json == []

    @pytest.mark.parametrize("size", [10, 100_000, 450_000])
    @pytest.mark.parametrize("is_patient", [True, False], ids=["after it", "at once"])
    def test_nobody_is_handed_on(self, server: Server, size: int, is_patient: bool) -> None:
        """
        With ours a stranger stays a stranger, and FastAPI sees nothing of what Flask had set.
        """
        with server.connect() as connection:

            def ask(path: str, *cookies: str) -> Any:
                if is_patient:
                    server.wait_until_idle()
                return connection.ask(path, cookies=cookies).json

            ada = log_in(connection, "/ours", size=size)
            assert ask("/ours/who") == NOBODY
            assert ask("/api/context") == []
            assert ask("/api/who") == {"user": None}
            bob = log_in(connection, "/ours", size=size, user="bob")
            assert ask("/ours/who", ada) == {**NOBODY, "user": "ada"}
            assert ask("/api/who", bob) == {"user": "bob"}
            assert ask("/ours/who") == NOBODY
            assert ask("/api/context") == []

    @needs_proc
    @pytest.mark.parametrize("size", [100_000, 300_000, 450_000])
    def test_however_it_arrives(self, uvicorn: Server, size: int) -> None:
        """
        So it is where a2wsgi hands the user on.
        """
        with uvicorn.connect() as connection:
            log_in_slowly(uvicorn, connection, "/ours", size=size)
            uvicorn.wait_until_idle()
            assert connection.ask("/ours/who").json == NOBODY
            uvicorn.wait_until_idle()
            assert connection.ask("/api/context").json == []

    @needs_proc
    def test_another_left_its_context(self, uvicorn: Server) -> None:
        """
        Where a2wsgi has left Flask's context to a connection, ours still begins with its own.
        """
        with uvicorn.connect() as connection:
            log_in_slowly(uvicorn, connection, "/a2wsgi", size=300_000)
            uvicorn.wait_until_idle()
            assert "flask.app_ctx" in connection.ask("/api/context").json
            uvicorn.wait_until_idle()
            assert connection.ask("/ours/who").json["user"] is None
            uvicorn.wait_until_idle()
            assert "flask.app_ctx" in connection.ask("/api/context").json
            bob = log_in(connection, "/ours", size=300_000, user="bob")
            uvicorn.wait_until_idle()
            assert connection.ask("/ours/who", cookies=[bob]).json["user"] == "bob"
            uvicorn.wait_until_idle()
            assert connection.ask("/ours/who").json["user"] is None


class TestTheClientLeaves:
    """
    Nothing of it stays, and nobody is told: not the next one in that thread, not the log.
    """

    def test_before_a_small_body_is_complete(self, uvicorn: Server) -> None:
        """
        The app is not called.
        """
        with uvicorn.connect() as connection:
            connection.send_head("/ours/upload", method="POST", headers=["Content-Length: 1000"])
            connection.send(bytes(500))
            eventually(lambda: uvicorn.ask("/inside/in-progress").json, lambda paths: paths == ["/ours/upload"])
        uvicorn.wait_until_idle()
        assert uvicorn.happened() == []
        assert uvicorn.new_log() == ""

    @pytest.mark.parametrize("header", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
    def test_before_a_large_body_is_complete(self, uvicorn: Server, header: str) -> None:
        """
        The view's read raises ``ClientDisconnected``, Werkzeug's own where Werkzeug counts the bytes.
        """
        with uvicorn.connect() as connection:
            connection.send_head("/ours/upload", method="POST", headers=[header])
            (connection.send_chunk if "chunked" in header else connection.send)(bytes(PART))
            eventually(lambda: uvicorn.counted("read"), lambda size: size == PART)
        uvicorn.wait_until_idle()
        assert uvicorn.happened() == ["view", "ClientDisconnected", "teardown"]
        assert_in_one_thread(uvicorn)
        assert uvicorn.new_log() == ""

    def test_during_the_response(self, uvicorn: Server) -> None:
        """
        The iterable is closed in the thread and the context that it ran in, and Flask's context ends there.
        """
        with uvicorn.connect() as connection:
            connection.send_head("/ours/stream")
            assert connection.receive_head().status == 200
            assert next(connection.chunks())
        uvicorn.wait_until_idle()
        # Newer versions of Flask tear down when the view returns, too.
        assert [what for what in uvicorn.happened() if what != "teardown"] == ["first block", "stream closed", "closed"]
        assert uvicorn.happened()[-3:] == ["stream closed", "teardown", "closed"]
        assert_in_one_thread(uvicorn)
        [closed] = [one for one in uvicorn.ask("/inside/happened").json["happened"] if one["what"] == "stream closed"]
        assert closed["in_context"]
        assert uvicorn.new_log() == ""

    def test_with_much_of_its_body_unread(self, uvicorn: Server) -> None:
        """
        So it is where the view doesn't read what the client has sent.
        """
        with uvicorn.connect() as connection:
            connection.send_head("/ours/stream", method="POST", headers=["Content-Length: 1000000"])
            connection.send(bytes(1_000_000))
            assert connection.receive_head().status == 200
        uvicorn.wait_until_idle()
        assert uvicorn.happened()[-3:] == ["stream closed", "teardown", "closed"]
        assert_in_one_thread(uvicorn)
        assert uvicorn.new_log() == ""

    def test_between_two_events(self, uvicorn: Server) -> None:
        """
        A generator that waits is closed when it has something to send.
        """
        with uvicorn.connect() as connection:
            connection.send_head("/ours/events")
            uvicorn.open("event-0")
            connection.receive_head()
            assert next(connection.chunks()) == b"data: 0\n\n"
        uvicorn.open("event-1")
        uvicorn.wait_until_idle()
        assert uvicorn.happened() == ["teardown", "stream closed"]
        assert_in_one_thread(uvicorn)
        assert uvicorn.new_log() == ""

    def test_after_the_response(self, uvicorn: Server) -> None:
        """
        That is no news to anybody.
        """
        assert uvicorn.ask("/ours/page").body == b"a page"
        uvicorn.wait_until_idle()
        assert uvicorn.happened() == ["view", "teardown", "closed"]
        assert_in_one_thread(uvicorn)
        assert uvicorn.new_log() == ""

    def test_more_leave_than_there_are_workers(self, uvicorn: Server) -> None:
        """
        Every iterable is closed, also of those who waited for a worker, and the workers are there for who stays.
        """
        with ExitStack() as stack:
            connections = [stack.enter_context(uvicorn.connect()) for _ in range(15)]
            for connection in connections:
                connection.send_head("/ours/stream")
            eventually(uvicorn.happened, lambda happened: happened.count("first block") == 10)
        uvicorn.wait_until_idle()
        assert uvicorn.happened().count("stream closed") == uvicorn.happened().count("first block")
        assert uvicorn.ask("/ours/page").body == b"a page"
        assert uvicorn.new_log() == ""


def assert_in_one_thread(server: Server) -> None:
    threads = {event["thread"] for event in server.ask("/inside/happened").json["happened"]}
    assert len(threads) == 1
    assert threads <= our_threads(server)


class TestTheViewFails:
    """
    The error reaches those who handle errors: Starlette, and the server, which logs it.
    """

    def test_before_the_first_byte(self, server: Server) -> None:
        """
        The client gets a 500.
        """
        answer = server.ask("/ours/fail")
        assert answer.status == 500
        assert answer.body == b"Internal Server Error"
        server.wait_until_idle()
        log = eventually(server.new_log, bool)
        assert log.count("Mishap: before the first byte") == 1
        assert "Traceback" in log
        assert server.happened() == ["teardown"]

    @pytest.mark.parametrize("query", ["", "?length=1000"], ids=["chunked", "known length"])
    def test_after_the_first_byte(self, server: Server, query: str) -> None:
        """
        The client sees that the response is not complete.
        """
        with server.connect() as connection:
            connection.send_head(f"/ours/fail/late{query}")
            assert connection.receive_head().status == 200
            rest = connection.receive_rest()
        assert b"so good" in rest
        assert not rest.endswith(b"0\r\n\r\n")
        assert len(rest) < 1000
        server.wait_until_idle()
        assert server.happened() == ["teardown"]
        log = eventually(server.new_log, bool)
        assert log.count("Mishap: after the first byte") == 1
        assert "Traceback" in log


@pytest.mark.parametrize("server", [*UVICORNS, "granian"], indirect=True)  # Hypercorn takes four seconds for them
def test_a_crowd(server: Server) -> None:
    """
    Five hundred at once are answered by ten threads, each as the user that it is.
    """
    serializer = SessionConfig(secret_key="secret").signing_serializer
    users = [f"user-{number}" for number in range(500)]
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in users]
        for connection, user in zip(connections, users, strict=True):
            cookie = serializer.dumps({"_user_id": user, "_fresh": False})
            connection.send_head("/ours/crowd", cookies=[f"session={cookie}"])
        answers = [connection.receive().json for connection in connections]
    assert [(answer["user"], answer["still"]) for answer in answers] == [(user, user) for user in users]
    assert {answer["thread"] for answer in answers} == {f"wsgi_{number}" for number in range(10)}
    assert 1 < server.counted("most") <= 10


class TestShutdown:
    """
    A server that is told to end.
    """

    @pytest.mark.parametrize("name", COMMANDS)
    def test_a_request_in_flight(self, name: str) -> None:
        """
        The request that has begun is answered, the rest of its body included.
        """
        with serving(name, APP) as server, server.connect() as connection:
            body = bytes(range(256)) * 1000
            connection.send_head("/ours/upload", method="POST", headers=[f"Content-Length: {len(body)}"])
            connection.send(body[:PART])
            eventually(lambda: server.counted("read"), lambda size: size == PART)
            server.tell(SIGTERM)
            eventually(server.is_listening, lambda is_listening: not is_listening)
            connection.send(body[PART:])
            assert connection.receive().json == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            server.wait()

    # Not Hypercorn, which on Python 3.12 and later waits for the connection without end, whatever the app does.
    @pytest.mark.parametrize(
        ("name", "option", "told_by", "case"),
        [
            ("uvicorn-h11", "--timeout-graceful-shutdown=0", SIGTERM, "a view that hangs"),
            ("uvicorn-h11", "--timeout-graceful-shutdown=0", SIGTERM, "an upload that stalls"),
            ("uvicorn-h11", "--timeout-graceful-shutdown=0", SIGTERM, "a reader that stands still"),
            # Ends as Python does, which waits for threads that aren't daemons.
            ("uvicorn-httptools", "--timeout-graceful-shutdown=1", SIGINT, "a view that hangs"),
            ("granian", "--workers-kill-timeout=1", SIGTERM, "a view that hangs"),
        ],
    )
    def test_one_that_does_not_end(self, name: str, option: str, told_by: Signals, case: str) -> None:
        """
        The server ends within its own patience all the same.
        """
        with serving(name, APP, option) as server, server.connect() as connection:
            if case == "a view that hangs":
                connection.send_head("/ours/hang")
                eventually(server.happened, lambda happened: happened == ["view"])
            elif case == "an upload that stalls":
                connection.send_head("/ours/upload", method="POST", headers=["Content-Length: 1000000"])
                connection.send(bytes(PART))
                eventually(lambda: server.counted("read"), lambda size: size == PART)
            else:
                connection.send_head("/ours/stream")
                settled(lambda: server.counted("produced"))
            start = time.monotonic()
            server.tell(told_by)
            server.wait()
            assert time.monotonic() - start < 3


@needs_proc
class TestMemory:
    """
    A client that doesn't keep pace makes the app wait, not the memory grow.
    """

    def test_a_reader_that_stands_still(self, server: Server) -> None:
        """
        At most 2 MB are produced for it, other than what the kernel takes.
        """
        with server.connect(receive_buffer=4096) as connection:
            connection.send_head("/ours/stream")
            produced = settled(lambda: server.counted("produced"))
            assert 0 < produced - bytes_in_kernel(connection) <= 2 * MEGABYTE

    # Not Hypercorn, which never ends a request to any app, ours or not, that leaves much of its body unread.
    @pytest.mark.parametrize("server", [*UVICORNS, "granian"], indirect=True)
    @pytest.mark.parametrize("blocks", [0, 80])
    def test_an_upload_that_nobody_reads(self, server: Server, blocks: int) -> None:
        """
        At most 4 MB of it are taken, other than by the kernel, be it from the beginning or after some blocks.
        """
        with server.connect() as connection:
            headers = [f"Content-Length: {64 * MEGABYTE}"]
            connection.send_head(f"/ours/ignore/after/{blocks}", method="POST", headers=headers)
            sent = connection.send_until_it_stops(64 * MEGABYTE)
            taken = sent - server.counted("read") - bytes_in_kernel(connection)
            server.open("ignore")
            assert 0 < taken <= 4 * MEGABYTE

    def test_a_large_upload(self, server: Server) -> None:
        """
        64 MB that a view reads block by block take at most 24 MB.
        """
        body = bytes(64 * MEGABYTE)
        assert server.ask("/ours/upload", method="POST", body=body[: 2 * MEGABYTE]).status == 200
        memory = Memory(server)
        assert server.ask("/ours/upload", method="POST", body=body).json["size"] == len(body)
        assert memory.growth() <= 24 * MEGABYTE

    @pytest.mark.parametrize("shape", ["blocks", "piece"])
    @pytest.mark.parametrize("name", [*UVICORNS, "granian"])
    def test_many_slow_readers(self, serve: Serve, name: str, shape: str) -> None:
        """
        Fifty readers of 50 MB, on fifty workers, take at most 120 MB, whether it is a generator's or one piece.
        """
        server = serve(name, WIDE)
        path = f"/ours/large/50/{shape}"
        assert server.ask(path, method="HEAD").lines("content-length") == [str(50 * MEGABYTE)]
        memory = Memory(server)
        with ExitStack() as stack:
            connections = [stack.enter_context(server.connect()) for _ in range(50)]
            for connection in connections:
                connection.send_head(path)
            for connection in connections:
                assert connection.receive_head().status == 200
            assert settled(memory.growth) <= 120 * MEGABYTE
            assert len(server.ask("/inside/in-progress").json) == 50
        eventually(lambda: server.ask("/inside/left").json, lambda left: left == NOTHING)


class TestRequests:
    """
    What comes in.
    """

    @pytest.mark.parametrize("sizes", [[], [10], [1, 65_536, 7, 100_000, 50_001]], ids=["empty", "small", "large"])
    def test_a_body_of_unknown_length(self, server: Server, sizes: list[int]) -> None:
        """
        It is read whole.
        """
        blocks = [bytes([number]) * size for number, size in enumerate(sizes)]
        with server.connect() as connection:
            connection.send_head("/ours/upload", method="POST", headers=["Transfer-Encoding: chunked"])
            for block in [*blocks, b""]:
                connection.send_chunk(block)
            body = b"".join(blocks)
            assert connection.receive().json == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            assert connection.ask("/ours/who").json == NOBODY

    @pytest.mark.parametrize("size", [10, 300_000])
    @pytest.mark.parametrize("server", [*UVICORNS, "granian"], indirect=True)  # Hypercorn asks before the app does
    def test_expect_and_read(self, server: Server, size: int) -> None:
        """
        A client that asks whether to send its body is told so when the app reads it, not before.
        """
        with server.connect() as connection:
            headers = ["Expect: 100-continue", f"Content-Length: {size}"]
            connection.send_head("/ours/upload?gate=read", method="POST", headers=headers)
            eventually(server.happened, lambda happened: happened[-1:] == ["view"])
            assert connection.has_nothing_to_read()
            server.open("read")
            assert connection.receive_head().status == 100
            assert connection.has_nothing_to_read()
            connection.send(bytes(size))
            assert connection.receive().json["size"] == size

    @pytest.mark.parametrize("server", [*UVICORNS, "granian"], indirect=True)
    def test_expect_and_refuse(self, server: Server) -> None:
        """
        It is told at once, and not to send the body, if the app has no use for it.
        """
        with server.connect() as connection:
            headers = ["Expect: 100-continue", "Content-Length: 1000000000"]
            connection.send_head("/ours/refuse", method="POST", headers=headers)
            answer = connection.receive()
            assert answer.status == 403
            assert answer.body == b"not you"

    @pytest.mark.parametrize("server", ["hypercorn", "granian"], indirect=True)
    def test_cookie_crumbs(self, server: Server) -> None:
        """
        The cookies of an HTTP/2 client, each in a line of its own, reach Flask as one line.
        """
        crumbs = ["theme=dark", "lang=en", "last=1"]
        answer = ask_http2(server, "/ours/cookies", crumbs)
        assert answer.json == {"header": "; ".join(crumbs), "cookies": {"theme": "dark", "lang": "en", "last": "1"}}


def ask_http2(server: Server, path: str, cookies: list[str]) -> Answer:
    """
    Ask over HTTP/2, whose headers may name each cookie by itself (RFC 9113, section 8.2.3).
    """
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
    client.initiate_connection()
    names = {":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": path}
    client.send_headers(1, [*names.items(), *(("cookie", crumb) for crumb in cookies)], end_stream=True)
    headers: dict[str, str] = {}
    body = b""
    with server.connect() as connection:
        while True:
            connection.send(client.data_to_send())
            for event in client.receive_data(connection.socket.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    headers = {str(name): str(value) for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    status = int(headers.pop(":status"))
                    return Answer(status, tuple(headers.items()), body)


class TestResponses:
    """
    What goes out.
    """

    def test_events(self, server: Server) -> None:
        """
        Each event of a generator reaches the client before the next one is produced.
        """
        with server.connect() as connection:
            connection.send_head("/ours/events")
            for number in range(3):
                server.open(f"event-{number}")
                if number == 0:
                    assert connection.receive_head().lines("content-type") == ["text/event-stream; charset=utf-8"]
                    events = connection.chunks()
                assert next(events) == f"data: {number}\n\n".encode()
            assert list(events) == []

    @pytest.mark.parametrize(
        ("method", "path", "status", "length"),
        [
            ("HEAD", "/ours/page", 200, ["6"]),
            ("GET", "/ours/empty/204", 204, []),
            ("GET", "/ours/empty/304", 304, []),
            ("HEAD", "/ours/large/1/blocks", 200, ["1048576"]),
        ],
    )
    def test_no_body(self, server: Server, method: str, path: str, status: int, length: list[str]) -> None:
        """
        Nothing follows the headers of a response without a body but the next response.
        """
        with server.connect() as connection:
            answer = connection.ask(path, method=method)
            assert (answer.status, answer.lines("content-length")) == (status, length)
            server.wait_until_idle()
            assert connection.has_nothing_to_read()
            assert connection.ask("/ours/page").body == b"a page"


def test_websocket(server: Server) -> None:
    """
    A WebSocket to the mounted app is refused.
    """
    with server.connect() as connection:
        headers = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        connection.send_head("/ours/page", headers=[*headers, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        assert connection.receive_head().status == 403
    server.wait_until_idle()
    assert server.happened() == []
