"""
`WSGIMiddleware` and the way of a response to the client: when its parts are sent, and how much waits for it.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from starlette.types import Message

from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer
from tests.middleware.client import KIB, TEXT, Chunks, Environ, Gate, Server, app_of, assert_settles_at, settled

BUFFER = 256 * KIB
"""What may wait in memory for a client; and the most that is sent in a message."""


def parts_of(messages: list[Message]) -> list[tuple[bytes, bool]]:
    """
    Return the body of a response in its parts, each with whether more were to come.
    """
    assert [message["type"] for message in messages[:1]] == ["http.response.start"]
    assert {message["type"] for message in messages[1:]} == {"http.response.body"}
    return [(message["body"], message["more_body"]) for message in messages[1:]]


class Produced(Iterable[bytes]):
    """
    A stream of equal chunks, which counts them.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.chunk = b"x" * size
        self.bytes = 0
        self.is_done = False

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.bytes += len(self.chunk)
            yield self.chunk
        self.is_done = True


class TestPace:
    """
    When a chunk is sent.
    """

    def test_a_page(self) -> None:
        """
        A page that says how long it is goes out in two messages.
        """
        with Server(WSGIMiddleware(app_of([b"one two"], headers=[*TEXT, ("Content-Length", "7")]))) as server:
            assert parts_of(server.begin().take_rest()) == [(b"one two", False)]

    def test_no_body(self) -> None:
        """
        So does one without a byte.
        """
        with Server(WSGIMiddleware(app_of([]))) as server:
            assert parts_of(server.begin().take_rest()) == [(b"", False)]

    def test_a_chunk_leaves_before_the_next_one_is_there(self) -> None:
        """
        Server-sent events: each chunk is sent while the app still works on the next one.
        """
        gates = [Gate(), Gate(), Gate()]
        events = [b"data: %d\n\n" % number for number in range(3)]
        with Server(
            WSGIMiddleware(app_of(Chunks(events[0], gates[0], events[1], gates[1], events[2], gates[2])))
        ) as server:
            exchange = server.begin()
            assert exchange.take()["type"] == "http.response.start"
            for event, gate in zip(events, gates, strict=True):
                assert exchange.take() == {"type": "http.response.body", "body": event, "more_body": True}
                gate.wait()
                gate.open()
            assert exchange.take() == {"type": "http.response.body", "body": b"", "more_body": False}
            exchange.end()

    def test_the_app_waits_for_the_start(self) -> None:
        """
        The app goes on after its first chunk when the start of the response was taken, and not before.
        """
        gate = Gate()
        with Server(WSGIMiddleware(app_of(Chunks(b"one", gate)))) as server:
            exchange = server.begin()
            exchange.look()
            assert not settled(lambda: gate.is_reached)
            exchange.take()
            gate.wait()
            gate.open()
            exchange.take_rest()

    def test_what_was_made_in_the_meantime_leaves_together(self) -> None:
        """
        Chunks that the app makes while the client takes another are sent in one message.
        """
        stream = Produced(1000, 100)
        with Server(WSGIMiddleware(app_of(stream))) as server:
            exchange = server.begin()
            exchange.take()
            exchange.take()
            exchange.look()
            assert_settles_at(True, lambda: stream.is_done)
            parts = parts_of(exchange.take_rest())
        assert b"".join(data for data, _ in parts) == b"x" * 100_000
        assert len(parts) <= 4

    @pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_the_end_is_told_once(self, method: str, status: str) -> None:
        """
        The last message, and only that, says that it's the last.
        """
        with Server(WSGIMiddleware(app_of(Chunks(b"one", b"", b"two"), status))) as server:
            parts = parts_of(server.begin(method=method).take_rest())
        assert [more for _, more in parts] == [True] * (len(parts) - 1) + [False]


class TestBackPressure:
    """
    A slow client makes the app wait, and costs no more memory than is said.
    """

    @pytest.mark.parametrize("size", [100, 16 * KIB, 100 * KIB, BUFFER], ids=["100 B", "16 KiB", "100 KiB", "256 KiB"])
    @pytest.mark.parametrize("taken", [0, 1, 2])
    def test_bound(self, size: int, taken: int) -> None:
        """
        While the client takes nothing, an app gets ahead of it by 256 KiB and one chunk at most.
        """
        stream = Produced(16 * BUFFER // size, size)
        with Server(WSGIMiddleware(app_of(stream))) as server:
            exchange = server.begin()
            for _ in range(taken):
                exchange.take()
            produced = settled(lambda: stream.bytes)
            assert produced - len(exchange.body) <= BUFFER + size
            assert not stream.is_done
            exchange.take_rest()
        assert exchange.body == stream.count * stream.chunk

    def test_bound_all_the_way(self) -> None:
        """
        So it stays until the last byte.
        """
        stream = Produced(100, 50_000)
        ahead = []
        with Server(WSGIMiddleware(app_of(stream))) as server:
            exchange = server.begin()
            exchange.take()
            while len(exchange.body) < 5_000_000:
                exchange.look()
                ahead.append(stream.bytes - len(exchange.body))
                exchange.take()
            exchange.take_rest()
        assert max(ahead) <= BUFFER + 50_000

    def test_a_fast_client(self) -> None:
        """
        A client that takes what comes gets a long stream whole.
        """
        stream = Produced(2000, 10_000)
        with Server(WSGIMiddleware(app_of(stream))) as server:
            assert server.ask() == Answer(200, (("content-type", "text/plain"),), b"x" * 20_000_000)

    @pytest.mark.parametrize("extra", [-1, 0, 1])
    def test_large_chunks_are_sent_in_slices(self, extra: int) -> None:
        """
        No message is larger than 256 KiB, since servers take a message whole.
        """
        chunk = bytes(range(256)) * (4 * KIB) + b"x" * (1 + extra)
        with Server(WSGIMiddleware(app_of([chunk]))) as server:
            parts = parts_of(server.begin().take_rest())
        assert b"".join(data for data, _ in parts) == chunk
        assert max(len(data) for data, _ in parts) == BUFFER
        assert len(parts) <= 6

    def test_a_large_chunk_is_copied_once(self) -> None:
        """
        What it takes to send a chunk grows with its size, not faster.
        """

        class Counted(bytes):
            copied = 0

            def __getitem__(self, key: Any) -> Any:
                part = Counted(super().__getitem__(key))
                Counted.copied += len(part)
                return part

        chunk = Counted(16 * BUFFER)
        with Server(WSGIMiddleware(app_of([chunk]))) as server:
            assert server.ask().body == chunk
        assert Counted.copied <= 2 * len(chunk)

    def test_the_next_chunk_waits_for_a_large_one(self) -> None:
        """
        While much of a large chunk waits for the client, the app isn't asked for another.
        """
        chunks = Chunks(bytes(1024 * KIB), b"last")
        with Server(WSGIMiddleware(app_of(chunks))) as server:
            exchange = server.begin()
            exchange.take()
            exchange.take()
            exchange.take()
            exchange.look()
            server.settle()
            assert chunks.taken == 1
            assert exchange.answer().body == bytes(1024 * KIB) + b"last"


class TestContentLength:
    """
    An app that says how long its response is, and what it's worth.
    """

    @pytest.mark.parametrize(
        ("steps", "length", "expected", "taken"),
        [
            pytest.param([b"one", b"two", b"three"], "4", b"onet", 2, id="in a chunk"),
            pytest.param([b"one", b"two", b"three"], "6", b"onetwo", 3, id="between chunks"),
            pytest.param([b"one", b"two"], "0", b"", 1, id="none"),
            pytest.param([b"one", b"", b""], "3", b"one", 3, id="exact"),
            pytest.param([b"x" * 1024 * KIB, b"two"], str(600 * KIB), b"x" * 600 * KIB, 1, id="large"),
        ],
    )
    def test_more_is_cut_off(self, steps: list[bytes], length: str, expected: bytes, taken: int) -> None:
        """
        More than the Content-Length isn't sent (PEP 3333, "Handling the Content-Length Header"), nor asked for.
        """
        chunks = Chunks(*steps)
        with Server(WSGIMiddleware(app_of(chunks, headers=[("Content-Length", length)]))) as server:
            answer = server.ask()
        assert answer == Answer(200, (("content-length", length),), expected)
        assert chunks.taken == taken

    def test_more_is_cut_off_of_what_is_written(self) -> None:
        """
        So it is with ``write()``.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", [("Content-Length", "4")])
            for data in (b"one", b"two", b"three"):
                write(data)
            return [b"four"]

        with Server(WSGIMiddleware(app)) as server:
            assert server.ask().body == b"onet"

    def test_less_is_not_hidden(self) -> None:
        """
        An app that gives less than it said is a bug that the server sees and reports.
        """
        with Server(WSGIMiddleware(app_of([b"one"], headers=[("Content-Length", "4")]))) as server:
            assert server.ask() == Answer(200, (("content-length", "4"),), b"one")

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_none_is_invented(self, method: str) -> None:
        """
        Whatever the app doesn't say is left to the server.
        """
        with Server(WSGIMiddleware(app_of([b"one"]))) as server:
            assert server.ask(method=method).lines("content-length") == []

    @pytest.mark.parametrize(
        ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
    )
    def test_of_a_response_without_body(self, method: str, status: str) -> None:
        """
        To HEAD and with 304 it's that of the page (RFC 9110, section 8.6); an app may say it, and gives no body.
        """
        chunks = Chunks(b"one", b"two")
        with Server(WSGIMiddleware(app_of(chunks, status, [("Content-Length", "6")]))) as server:
            answer = server.ask(method=method)
        assert answer == Answer(int(status[:3]), (("content-length", "6"),))
        assert chunks.taken == 1


class TestSendErrors:
    """
    What the server's ``send``, or a middleware around it, raises.
    """

    @pytest.mark.parametrize("error", [OSError("gone"), LookupError("middleware")], ids=["server", "middleware"])
    @pytest.mark.parametrize("taken", [0, 1, 2, 3])
    def test_come_out(self, error: Exception, taken: int) -> None:
        """
        They come out as they are, and the app is closed.
        """
        stream = Chunks(*[b"x" * 100 * KIB] * 50)
        with Server(WSGIMiddleware(app_of(stream))) as server:
            exchange = server.begin()
            for _ in range(taken):
                exchange.take()
            exchange.look()
            exchange.leave(error)
            stream.wait_closed()
            with pytest.raises(type(error)) as caught:
                exchange.end()
        assert caught.value is error
        assert stream.taken < 50


class CountingFile(io.BytesIO):
    """
    A file that knows how much of it was read, and how often.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.bytes_read = 0
        self.reads = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.reads += 1
        self.bytes_read += len(data)
        return data


DATA = b"".join(b"%07d\n" % number for number in range(400_000))  # 3.2 MB


class TestFileWrapper:
    """
    ``wsgi.file_wrapper``: an app returns a file.
    """

    @pytest.mark.parametrize("arguments", [(), (1,), (8 * KIB,), (1024 * KIB,)])
    def test_file(self, arguments: tuple[int, ...]) -> None:
        """
        A file is sent from where it stands to its end, and closed then; whatever the block size, 64 KiB or more
        are read at a time.
        """
        file = CountingFile(DATA)
        file.seek(8)

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            iterable: Iterable[bytes] = environ["wsgi.file_wrapper"](file, *arguments)
            return iterable

        with Server(WSGIMiddleware(app)) as server:
            assert server.ask().body == DATA[8:]
        assert file.closed
        assert file.reads <= len(DATA) // (64 * KIB) + 2

    def test_something_that_only_reads(self) -> None:
        """
        All that a file needs is ``read()``.
        """

        class Source:
            def __init__(self) -> None:
                self.parts = [b"one ", b"two"]

            def read(self, size: int) -> bytes:
                assert size > 0
                return self.parts.pop(0) if self.parts else b""

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            iterable: Iterable[bytes] = environ["wsgi.file_wrapper"](Source())
            return iterable

        with Server(WSGIMiddleware(app)) as server:
            assert server.ask().body == b"one two"

    def test_a_slow_client(self) -> None:
        """
        A file is read as fast as the client takes it.
        """
        file = CountingFile(DATA)

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            iterable: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
            return iterable

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            exchange.look()
            assert settled(lambda: file.bytes_read) <= BUFFER + 64 * KIB
            exchange.leave()
        assert_settles_at(True, lambda: file.closed)


Ask = Callable[..., Answer]


class TestSendFile:
    """
    Flask's ``send_file``, which uses the wrapper.
    """

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "data.txt"
        path.write_bytes(DATA)
        return path

    @pytest.fixture
    def ask(self, path: Path) -> Iterator[Ask]:
        app = flask.Flask(__name__)
        app.add_url_rule("/", view_func=lambda: flask.send_file(path))
        with Server(WSGIMiddleware(app)) as server:
            yield server.ask

    def test_whole(self, ask: Ask) -> None:
        """
        A large file arrives whole, with its length.
        """
        answer = ask()
        assert answer.status == 200
        assert answer.lines("content-length") == [str(len(DATA))]
        assert answer.body == DATA

    def test_head(self, ask: Ask) -> None:
        """
        HEAD tells the length.
        """
        answer = ask(method="HEAD")
        assert answer.lines("content-length") == [str(len(DATA))]
        assert answer.body == b""

    def test_not_modified(self, ask: Ask) -> None:
        """
        A client that has it already is told so.
        """
        [tag] = ask(method="HEAD").lines("etag")
        answer = ask(headers=[("if-none-match", tag)])
        assert (answer.status, answer.body) == (304, b"")

    @pytest.mark.parametrize(
        ("wanted", "first", "last"),
        [
            pytest.param("0-9", 0, 9, id="begin"),
            pytest.param("1000000-2999999", 1_000_000, 2_999_999, id="middle"),
            pytest.param("3199990-", 3_199_990, 3_199_999, id="end"),
            pytest.param("-8", 3_199_992, 3_199_999, id="last"),
        ],
    )
    def test_range(self, ask: Ask, wanted: str, first: int, last: int) -> None:
        """
        A part of it is that part.
        """
        answer = ask(headers=[("range", f"bytes={wanted}")])
        assert answer.status == 206
        assert answer.lines("content-range") == [f"bytes {first}-{last}/{len(DATA)}"]
        assert answer.lines("content-length") == [str(last + 1 - first)]
        assert answer.body == DATA[first : last + 1]

    def test_a_range_is_found_at_once(self) -> None:
        """
        What comes before the part isn't read.
        """
        file = CountingFile(DATA)
        app = flask.Flask(__name__)
        app.add_url_rule("/", view_func=lambda: flask.send_file(file, "text/plain"))
        with Server(WSGIMiddleware(app)) as server:
            assert server.ask(headers=[("range", "bytes=3000000-3000009")]).body == DATA[3_000_000:3_000_010]
        assert file.bytes_read <= 2 * 64 * KIB
        assert file.closed
