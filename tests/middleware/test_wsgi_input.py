"""
`WSGIMiddleware` and the body of a request: ``wsgi.input`` of PEP 3333, and when it is received.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount

from starlette_flask.middleware.wsgi import ClientDisconnected, WSGIMiddleware
from tests.helpers import http_scope
from tests.interop.apps import needs, needs_werkzeug
from tests.middleware.client import KIB, TEXT, Chunks, Environ, Exchange, Gate, Server, app_of, settled

SMALL = 64 * KIB
"""A body up to this size is received before the app is called."""
AHEAD = 256 * KIB
"""How much of a larger one may wait for the app."""

LINES = b"".join(b"%d: %s\n" % (number, b"x" * (number % 90)) for number in range(8000))  # 430 KB

EXPECT = [("expect", "100-continue")]

Read = Callable[[Any], object]


def begin(server: Server, *, headers: Iterable[tuple[str, str]] = ()) -> Exchange:
    """
    Begin an upload, of which nothing has come yet.
    """
    return server.begin(method="POST", headers=[("transfer-encoding", "chunked"), *headers], body=None)


def upload(app: Any, body: bytes, sizes: Iterable[int]) -> Exchange:
    """
    Send *body* in pieces of these sizes, its rest in one, and take the answer.
    """
    file = io.BytesIO(body)
    with Server(WSGIMiddleware(app)) as server:
        exchange = begin(server)
        for size in sizes:
            exchange.give(file.read(size))
        exchange.give(file.read(), more=False)
        exchange.take_rest()
    return exchange


class Reader:
    """
    A WSGI app that reads its input in some way, and keeps what it got or the error it met.
    """

    def __init__(self, read: Read) -> None:
        self.read = read
        self.was_called = False
        self.result: object = None
        self.error: BaseException | None = None

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.was_called = True
        try:
            self.result = self.read(environ["wsgi.input"])
        except BaseException as exc:
            self.error = exc
            raise
        start_response("200 OK", list(TEXT))
        return [b"done"]


READS: dict[str, Read] = {
    "read()": lambda file: file.read(),
    "read(-1)": lambda file: file.read(-1),
    "read(None)": lambda file: file.read(None),
    "read(0)": lambda file: file.read(0),
    "read(1)": lambda file: file.read(1),
    "read(10000)": lambda file: file.read(10_000),
    "read(100000)": lambda file: file.read(100_000),
    "readline()": lambda file: file.readline(),
    "readline(-1)": lambda file: file.readline(-1),
    "readline(0)": lambda file: file.readline(0),
    "readline(5)": lambda file: file.readline(5),
    "readline(100000)": lambda file: file.readline(100_000),
    "readlines()": lambda file: file.readlines(),
    "readlines(-1)": lambda file: file.readlines(-1),
    "readlines(0)": lambda file: file.readlines(0),
    "readlines(1)": lambda file: file.readlines(1),
    "readlines(100000)": lambda file: file.readlines(100_000),
    "next": lambda file: next(file, b"the end"),
    "list": list,
}


def in_turn(*names: str) -> Read:
    return lambda file: [READS[name](file) for name in names]


def after(gate: Gate, read: Read) -> Read:
    """
    Return *read*, which waits at a gate before.
    """

    def wait_and_read(file: Any) -> object:
        gate.stop()
        return read(file)

    return wait_and_read


class TestReading:
    """
    The input behaves as a file that holds the body: what ``io.BytesIO`` does is the rule.
    """

    @pytest.mark.parametrize("first", READS)
    @pytest.mark.parametrize("second", ["read()", "readline()", "read(10000)", "list"])
    @pytest.mark.parametrize("size", [0, 500, len(LINES)], ids=["empty", "small", "large"])
    def test_methods(self, first: str, second: str, size: int) -> None:
        """
        Each way to read it gives what it gives of a file, and at the end nothing.
        """
        read = in_turn(first, second, "read()", "read()", "readline()", "readlines()", "list", "read(1)")
        reader = Reader(read)
        upload(reader, LINES[:size], [7000, 0, 60_000, 1])
        assert reader.result == read(io.BytesIO(LINES[:size]))

    @settings(max_examples=40, deadline=None)
    @given(
        names=st.lists(st.sampled_from(sorted(READS)), max_size=12),
        sizes=st.lists(st.sampled_from([0, 1, 10, 1000, SMALL - 1, SMALL, SMALL + 1, 100_000]), max_size=8),
        size=st.integers(0, len(LINES)),
    )
    def test_any_way(self, names: list[str], sizes: list[int], size: int) -> None:
        """
        So it is in whatever order, and in whatever pieces the body comes.
        """
        read = in_turn(*names, "read()")
        reader = Reader(read)
        upload(reader, LINES[:size], sizes)
        assert reader.result == read(io.BytesIO(LINES[:size]))

    @pytest.mark.parametrize("limit", [1, 1000, 100_000, 300_000])
    def test_a_line_without_end(self, limit: int) -> None:
        """
        A line that doesn't end is read up to the limit.
        """
        reader = Reader(lambda file: len(file.readline(limit)))
        upload(reader, b"x" * 300_000, [70_000, 70_000])
        assert reader.result == limit

    def test_a_piece_larger_than_what_may_wait(self) -> None:
        """
        A server may send a large body in one piece.
        """
        body = LINES * 5
        reader = Reader(lambda file: file.read())
        upload(reader, body, [])
        assert reader.result == body

    def test_empty_messages(self) -> None:
        """
        Messages without any key stand for an empty body, which is complete.
        """
        reader = Reader(lambda file: file.read())
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            exchange.give_message({"type": "http.request"})
            exchange.answer()
        assert reader.result == b""


class TestArrival:
    """
    When the app is called, and what it waits for.
    """

    @pytest.mark.parametrize("sizes", [[], [0], [1000], [SMALL], [SMALL // 2, SMALL // 2]])
    def test_a_small_body_first(self, sizes: list[int]) -> None:
        """
        Up to 64 KiB the app is called when the body is complete, and finds all of it.
        """
        reader = Reader(lambda file: len(file.read()))
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            for number, size in enumerate(sizes):
                exchange.give(bytes(size))
                exchange.wait_asked(number + 2)
            assert not reader.was_called
            exchange.give(b"", more=False)
            exchange.answer()
        assert reader.result == sum(sizes)

    @pytest.mark.parametrize("sizes", [[SMALL + 1], [SMALL, 1], [1] * 3 + [SMALL], [1024 * KIB]])
    def test_a_large_body_later(self, sizes: list[int]) -> None:
        """
        Beyond that the app is called while the rest is on its way.
        """
        gate = Gate()
        reader = Reader(after(gate, READS["read()"]))
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            for size in sizes:
                exchange.give(bytes(size))
            gate.wait()
            gate.open()
            exchange.give(b"last", more=False)
            exchange.answer()
        assert reader.result == bytes(sum(sizes)) + b"last"

    def test_it_may_answer_before_the_end(self) -> None:
        """
        An app may answer piece by piece while it reads: here each line of the request is a line of the response.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            for line in environ["wsgi.input"]:
                yield line.upper()

        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server, headers=EXPECT)
            exchange.give(b"one\ntw")
            assert exchange.take()["type"] == "http.response.start"
            assert exchange.take()["body"] == b"ONE\n"
            assert not exchange.has_sent
            exchange.give(b"o\n")
            assert exchange.take()["body"] == b"TWO\n"
            exchange.give(b"three", more=False)
            exchange.take_rest()
        assert exchange.body == b"ONE\nTWO\nTHREE"

    def test_a_read_waits_for_all_it_asked_for(self) -> None:
        """
        ``read(n)`` gives less than *n* bytes at the end only.
        """
        reader = Reader(lambda file: [file.read(4), file.read(4), file.read(4)])
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server, headers=EXPECT)
            for piece in (b"a", b"", b"bc", b"def", b"ghi"):
                exchange.give(piece)
            exchange.give(b"", more=False)
            exchange.answer()
        assert reader.result == [b"abcd", b"efgh", b"i"]


class TestExpect:
    """
    ``Expect: 100-continue``: the server tells the client to send its body when that is first received.
    """

    def test_nothing_is_received_before_the_app_reads(self) -> None:
        """
        So it's up to the app, by reading.
        """
        gate = Gate()
        reader = Reader(after(gate, READS["read()"]))
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server, headers=EXPECT)
            gate.wait()
            server.settle()
            assert exchange.asked == 0
            gate.open()
            exchange.wait_asked(1)
            exchange.give(b"data", more=False)
            exchange.answer()
        assert reader.result == b"data"

    @pytest.mark.parametrize("headers", [TEXT, [("Content-Length", "7")]], ids=["unknown length", "known length"])
    def test_nothing_is_received_if_it_does_not(self, headers: list[tuple[str, str]]) -> None:
        """
        An app that answers without reading sends the client away before that has sent anything.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("417 Expectation Failed", list(headers))
            return [b"too big"]

        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server, headers=EXPECT)
            assert exchange.look()["status"] == 417
            server.settle()
            assert exchange.asked == 0
            assert exchange.answer().body == b"too big"

    def test_nothing_is_received_while_it_closes(self) -> None:
        """
        Nor when the response is complete and the app goes on to work.
        """
        gate = Gate()
        app = app_of(Chunks(b"too big", gate), "417 Expectation Failed", [("Content-Length", "7")])
        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server, headers=EXPECT)
            assert exchange.take()["status"] == 417
            assert exchange.take()["body"] == b"too big"
            gate.wait()
            server.settle()
            gate.open()
            exchange.end()
            assert exchange.asked == 0

    @needs_werkzeug("2.3", "an upload that is refused is no longer read")
    def test_flask(self) -> None:
        """
        Flask refuses a form that is too large, by its announced length.
        """
        app = flask.Flask(__name__)
        app.config["MAX_CONTENT_LENGTH"] = 1000

        @app.post("/")
        def view() -> str:
            return flask.request.form["name"]

        with Server(WSGIMiddleware(app)) as server:
            length = [("content-length", "1001"), ("content-type", "application/x-www-form-urlencoded")]
            exchange = server.begin(method="POST", headers=[*EXPECT, *length], body=None)
            assert exchange.answer().status == 413
            assert exchange.asked == 0

    def test_a_client_that_leaves(self) -> None:
        """
        A client that goes away instead of sending is a ClientDisconnected for the app.
        """
        reader = Reader(lambda file: file.read())
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server, headers=EXPECT)
            exchange.wait_asked(1)
            exchange.leave()
            exchange.end()
        assert isinstance(reader.error, ClientDisconnected)


class TestBackPressure:
    """
    A fast client waits for the app.
    """

    def feed(self, exchange: Exchange, count: int, size: int) -> None:
        for number in range(1, count + 1):
            exchange.give(bytes(size), more=number < count)

    @pytest.mark.parametrize("size", [1000, 64 * KIB, 100_000])
    def test_bound(self, size: int) -> None:
        """
        Of an upload that the app doesn't read, 256 KiB and one piece are received at most.
        """
        first, second = Gate(), Gate()

        def read(file: Any) -> int:
            first.stop()
            assert file.read(1) == b"\0"
            second.stop()
            return len(file.read())

        reader = Reader(read)
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            self.feed(exchange, 4096 * KIB // size, size)
            first.wait()
            assert settled(lambda: exchange.received) <= SMALL + size
            first.open()
            second.wait()
            assert settled(lambda: exchange.received) <= AHEAD + SMALL + size
            second.open()
            exchange.answer()
        assert reader.result == 4096 * KIB // size * size - 1

    def test_bound_all_the_way(self) -> None:
        """
        So it stays until the last byte, however slowly the app reads.
        """
        ahead: list[int] = []

        def read(file: Any) -> int:
            total = 0
            while data := file.read(10_000):
                ahead.append(exchange.received - total)
                total += len(data)
            return total

        reader = Reader(read)
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            self.feed(exchange, 200, 20_000)
            exchange.answer()
        assert reader.result == 4_000_000
        assert max(ahead) <= AHEAD + SMALL + 20_000 + 10_000

    @pytest.mark.parametrize("is_streamed", [False, True])
    def test_an_upload_that_nobody_reads(self, is_streamed: bool) -> None:
        """
        An app may answer without reading: the response isn't held up, nor does the rest pile up beyond 3 MiB.
        """
        chunks = Chunks(b"not ", b"interested") if is_streamed else [b"not interested"]

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("403 Forbidden", list(TEXT))
            return chunks

        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server)
            for _ in range(200):
                exchange.give(bytes(50_000))
            answer = exchange.answer()
            assert (answer.status, answer.body) == (403, b"not interested")
            assert exchange.received <= 3 * 1024 * 1024 + SMALL + 50_000


class TestDisconnect:
    """
    The client leaves before its body is complete.
    """

    @pytest.mark.parametrize("size", [0, 10, SMALL])
    def test_small(self, size: int) -> None:
        """
        Up to 64 KiB the app isn't called then, and nothing is raised.
        """
        reader = Reader(lambda file: file.read())
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            exchange.give(bytes(size))
            exchange.wait_asked(2)
            exchange.leave()
            exchange.end()
        assert not reader.was_called

    @pytest.mark.parametrize(
        "name", ["read()", "read(1)", "readline()", "readlines()", "next", "list", "readline(5)", "readlines(1)"]
    )
    def test_large(self, name: str) -> None:
        """
        Beyond that, reading raises ClientDisconnected when what had come is used up, and does so again.
        """
        again: list[str] = []

        def read(file: Any) -> None:
            assert len(file.read(SMALL + 5)) == SMALL + 5
            try:
                READS[name](file)
            finally:
                for other in ("read()", "readline()", "read(1)"):
                    with pytest.raises(ClientDisconnected, match="client has gone"):
                        READS[other](file)
                    again.append(other)

        reader = Reader(read)
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            exchange.give(bytes(SMALL + 5))
            exchange.wait_asked(2)
            exchange.leave()
            exchange.end()
        assert isinstance(reader.error, ClientDisconnected)
        assert again == ["read()", "readline()", "read(1)"]

    def test_is_an_oserror(self) -> None:
        """
        It's an OSError, more precisely a ConnectionError, which libraries that read a stream know to handle.
        """
        assert issubclass(ClientDisconnected, ConnectionError)

    def test_an_app_that_handles_it(self) -> None:
        """
        What the app answers to that reaches nobody, and nothing is raised.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            with pytest.raises(ConnectionError):
                environ["wsgi.input"].read()
            start_response("400 Bad Request", list(TEXT))
            return [b"come back"]

        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server)
            exchange.give(bytes(SMALL + 1))
            exchange.wait_asked(2)
            exchange.leave()
            exchange.end()
        assert exchange.taken == []

    def test_flask(self) -> None:
        """
        For Flask it is an exception of the view: what it tears down at the end of a request is told.
        """
        errors: list[BaseException | None] = []
        app = flask.Flask(__name__)
        app.teardown_request(errors.append)
        app.teardown_appcontext(errors.append)

        @app.post("/")
        def view() -> str:
            return str(len(flask.request.get_data()))

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin(method="POST", headers=[("transfer-encoding", "chunked")], body=None)
            exchange.give(bytes(SMALL + 1))
            exchange.wait_asked(2)
            exchange.leave()
            exchange.end()
        assert [type(error) for error in errors] == [ClientDisconnected, ClientDisconnected]

    def test_input_that_outlives_its_request(self) -> None:
        """
        Whoever keeps the input and reads it when the response is over isn't left waiting.
        """
        kept: list[Any] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            kept.append(environ["wsgi.input"])
            start_response("200 OK", list(TEXT))
            return [b"data"]

        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server)
            exchange.give(bytes(SMALL + 1))
            exchange.answer()
            with pytest.raises(ClientDisconnected):
                kept[0].read()


class TestReceiveErrors:
    """
    What the server's ``receive``, or a middleware around it, raises: one that limits uploads, for instance.
    """

    def test_small(self) -> None:
        """
        Up to 64 KiB it comes out, and the app isn't called.
        """
        error = LookupError("too much")
        reader = Reader(READS["read()"])
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            exchange.give(bytes(10))
            exchange.fail(error)
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert caught.value is error
        assert not reader.was_called

    def test_large(self) -> None:
        """
        Beyond that it ends the reading, and comes out in place of what that makes of the app.
        """
        error = LookupError("too much")
        reader = Reader(READS["read()"])
        with Server(WSGIMiddleware(reader)) as server:
            exchange = begin(server)
            exchange.give(bytes(SMALL + 1))
            exchange.fail(error)
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert caught.value is error
        assert exchange.taken == []
        assert isinstance(reader.error, OSError)

    def test_after_the_first_byte(self) -> None:
        """
        So it does when the response has begun, which stays incomplete.
        """
        error = LookupError("too much")

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            yield b"one"
            environ["wsgi.input"].read()
            yield b"two"

        with Server(WSGIMiddleware(app)) as server:
            exchange = begin(server)
            exchange.give(bytes(SMALL + 1))
            exchange.take()
            exchange.take()
            exchange.fail(error)
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert caught.value is error
        assert [message["body"] for message in exchange.taken[1:]] == [b"one"]
        assert exchange.taken[-1]["more_body"]

    @needs("starlette", "1.6", "a limit of uploads")
    @pytest.mark.parametrize("size", [5000, 200_000])
    def test_starlette_s_limit(self, size: int) -> None:
        """
        Starlette's own limit answers with 413.
        """
        reader = Reader(READS["read()"])
        routes = [Mount("/", WSGIMiddleware(reader), max_body_size=size - 1)]
        with Server(Starlette(routes=routes)) as server:
            exchange = begin(server)
            for _ in range(5):
                exchange.give(bytes(size // 5))
            assert exchange.answer().status == 413


class TestFlaskUploads:
    """
    Flask reads what clients upload.
    """

    @pytest.fixture
    def app(self) -> flask.Flask:
        app = flask.Flask(__name__)

        @app.post("/form")
        def form() -> dict[str, Any]:
            file = flask.request.files["file"]
            return {"name": flask.request.form["name"], "file": file.filename, "size": len(file.read())}

        @app.post("/json")
        def json() -> dict[str, Any]:
            return {"size": len(flask.request.get_json()["data"])}

        @app.post("/ignored")
        def ignored() -> str:
            return "not interested"

        return app

    @pytest.mark.parametrize("size", [10, 300_000, 3_000_000])
    @pytest.mark.parametrize("length", ["known", "unknown"])
    @pytest.mark.parametrize("what", ["form", "json"])
    def test_upload(self, app: flask.Flask, what: str, size: int, length: str) -> None:
        """
        A form with a file, and JSON, arrive whole; their length may be unknown.
        """
        if what == "form":
            body = (
                b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n'
                b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
                + bytes(size)
                + b"\r\n--b--\r\n"
            )
            kind, expected = "multipart/form-data; boundary=b", {"name": "Ada", "file": "a.bin", "size": size}
        else:
            body = b'{"data": "%s"}' % (b"x" * size)
            kind, expected = "application/json", {"size": size}
        length_line = ("content-length", str(len(body))) if length == "known" else ("transfer-encoding", "chunked")
        scope = http_scope(f"/{what}", method="POST", headers=[("content-type", kind), length_line])
        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin(scope=scope, body=None)
            for start in range(0, len(body), 50_000):
                exchange.give(body[start : start + 50_000])
            exchange.give(b"", more=False)
            assert exchange.answer().json == expected

    def test_ignored(self, app: flask.Flask) -> None:
        """
        A view that reads nothing answers all the same.
        """
        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin("/ignored", method="POST", headers=[("content-length", "9999999")], body=None)
            for _ in range(100):
                exchange.give(bytes(50_000))
            assert exchange.answer().body == b"not interested"
            assert exchange.received <= AHEAD + SMALL + 50_000
