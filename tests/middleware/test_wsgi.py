"""
`WSGIMiddleware` and PEP 3333: what an app may do, and what becomes of its answer.

Its neighbours: ``test_wsgi_environ`` and ``test_wsgi_input`` for the request, ``test_wsgi_response`` and
``test_wsgi_endings`` for the response, ``test_wsgi_threads`` and ``test_wsgi_flask`` for what is around.
"""

import io
import sys
from collections.abc import Iterable
from typing import Any
from wsgiref.validate import validator

import pytest
from starlette.types import Message, Scope

from starlette_flask import ConfigError
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer, http_scope, run_asgi, shake_hands, websocket_scope
from tests.middleware.client import (
    KIB,
    TEXT,
    Chunks,
    Environ,
    Gate,
    Server,
    WSGIApp,
    app_of,
    ask,
    assert_incomplete,
    settled,
)

BUFFER = 256 * KIB
"""What may wait in memory for a client."""


def as_list(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return [b"one ", b"", b"two"]


def as_generator(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    yield b"one "
    yield b""
    yield b"two"


def as_lazy_generator(environ: Environ, start_response: Any) -> Iterable[bytes]:
    # Without the validator's leave: PEP 3333 wants start_response before the first chunk, no earlier.
    yield from as_generator(environ, start_response)


def as_closable(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return Chunks(b"one ", b"", b"two")


def as_file(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    iterable: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"one two"), 3)
    return iterable


def by_write(environ: Environ, start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", list(TEXT))
    write(b"one ")
    write(b"")
    write(b"two")
    return []


def by_write_and_list(environ: Environ, start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", list(TEXT))
    write(b"one ")
    return [b"two"]


def with_length(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [*TEXT, ("Content-Length", "7")])
    return [b"one two"]


def nothing(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return []


def empty_chunks(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return Chunks(b"", b"")


def no_content(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


def not_modified(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("304 Not Modified", [("ETag", '"1"')])
    return iter(())


def echo(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    yield environ["wsgi.input"].read(-1)


def echo_lines(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    yield environ["wsgi.input"].readline()
    yield from environ["wsgi.input"]


def echo_list(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    return list(environ["wsgi.input"].readlines())


def blocks(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    while block := environ["wsgi.input"].read(1000):
        yield block


def replaces(environ: Environ, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", list(TEXT))
    try:
        raise LookupError
    except LookupError:
        start_response("500 Oops", [("Content-Type", "text/html")], sys.exc_info())
    return [b"oops"]


PLAIN = (("content-type", "text/plain"),)

ANSWERS = [
    # What an app does, and what of that goes out: the response to GET.
    pytest.param(as_list, Answer(200, PLAIN, b"one two"), id="list"),
    pytest.param(as_generator, Answer(200, PLAIN, b"one two"), id="generator"),
    pytest.param(as_closable, Answer(200, PLAIN, b"one two"), id="iterable with close"),
    pytest.param(as_file, Answer(200, PLAIN, b"one two"), id="file wrapper"),
    pytest.param(by_write, Answer(200, PLAIN, b"one two"), id="write"),
    pytest.param(by_write_and_list, Answer(200, PLAIN, b"one two"), id="write and list"),
    pytest.param(with_length, Answer(200, (*PLAIN, ("content-length", "7")), b"one two"), id="Content-Length"),
    pytest.param(nothing, Answer(200, PLAIN), id="empty list"),
    pytest.param(empty_chunks, Answer(200, PLAIN), id="empty chunks"),
    pytest.param(no_content, Answer(204, ()), id="204"),
    pytest.param(not_modified, Answer(304, (("etag", '"1"'),)), id="304"),
    pytest.param(replaces, Answer(500, (("content-type", "text/html"),), b"oops"), id="exc_info"),
]

LINES = b"".join(b"%d: %s\n" % (number, b"x" * (number % 90)) for number in range(4000))  # 204 KB


class TestValidator:
    """
    Under ``wsgiref.validate``, which complains about an app and a server alike.
    """

    @pytest.mark.parametrize(("app", "expected"), ANSWERS)
    def test_get(self, app: WSGIApp, expected: Answer) -> None:
        """
        What an app answers goes out, however it says it.
        """
        assert ask(WSGIMiddleware(validator(app))) == expected

    @pytest.mark.parametrize(("app", "expected"), ANSWERS)
    def test_head(self, app: WSGIApp, expected: Answer) -> None:
        """
        The answer to HEAD is that to GET without its body.
        """
        answer = ask(WSGIMiddleware(validator(app)), method="HEAD")
        assert answer == Answer(expected.status, expected.headers)

    def test_lazy_generator(self) -> None:
        """
        An app that is a generator calls start_response when its first chunk is asked for.
        """
        assert ask(WSGIMiddleware(as_lazy_generator)) == Answer(200, PLAIN, b"one two")

    @pytest.mark.parametrize("app", [echo, echo_lines, echo_list, blocks])
    @pytest.mark.parametrize("length", ["known", "unknown"])
    @pytest.mark.parametrize("piece", [7 * KIB, 100 * KIB, len(LINES)])
    @pytest.mark.parametrize("body", [b"", b"a=1", LINES[:50_000], LINES], ids=["empty", "3 B", "50 KB", "204 KB"])
    def test_post(self, app: WSGIApp, body: bytes, length: str, piece: int) -> None:
        """
        A request's body comes to the app whole, large or small, in one piece or in many, of known length or not.
        """
        headers = [("content-length", str(len(body)))] if length == "known" else [("transfer-encoding", "chunked")]
        scope = http_scope("/", method="POST", headers=[*headers, ("content-type", "text/plain")])
        pieces = [body[start : start + piece] for start in range(0, len(body), piece)] or [b""]
        with Server(WSGIMiddleware(validator(app))) as server:
            exchange = server.begin(scope=scope, body=None)
            for number, part in enumerate(pieces, 1):
                exchange.give(part, more=number < len(pieces))
            assert exchange.answer() == Answer(200, PLAIN, body)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"client": None, "server": None}, id="addresses unknown"),
            pytest.param({"server": ("/run/app.sock", None), "client": ("", 0)}, id="unix socket"),
            pytest.param({"scheme": "https", "http_version": "2"}, id="HTTP/2"),
            pytest.param({"root_path": "/legacy", "path": "/legacy"}, id="path is the prefix"),
            pytest.param({"root_path": "/"}, id="prefix is a slash"),
            pytest.param({"root_path": "/legacy/", "path": "/legacy/page"}, id="prefix ends in a slash"),
            pytest.param({"headers": [(b"content-length", b"0")] * 2}, id="two lengths"),
            pytest.param({"query_string": b"q=\xff"}, id="query not ASCII"),
        ],
    )
    def test_environ(self, change: Scope) -> None:
        """
        Whatever request it is, its environ is by the rules.
        """
        assert ask(WSGIMiddleware(validator(as_list)), scope={**http_scope("/"), **change}).status == 200

    def test_of_an_app_that_fails(self) -> None:
        """
        Of an app that breaks the rules the validator's complaint comes out.
        """
        with pytest.raises(AssertionError, match="No Content-Type"):
            ask(WSGIMiddleware(validator(app_of([b"data"], headers=[]))))


def messages_of(app: WSGIApp, **options: Any) -> list[Message]:
    """
    Return what is sent when the client takes all of it at once.
    """
    with Server(WSGIMiddleware(app)) as server:
        return server.begin(**options).take_rest()


class TestStartResponse:
    """
    ``start_response`` begins a response that may still be replaced.
    """

    def test_headers_wait_for_the_first_byte(self) -> None:
        """
        Nothing is sent before the first chunk that isn't empty.
        """
        gate = Gate()
        with Server(WSGIMiddleware(app_of(Chunks(b"", gate, b"", b"one")))) as server:
            exchange = server.begin()
            gate.wait()
            assert not exchange.has_sent
            gate.open()
            assert exchange.answer().body == b"one"

    def test_headers_wait_for_the_end(self) -> None:
        """
        Of a response without a byte the headers are sent when it's over.
        """
        gate = Gate()
        with Server(WSGIMiddleware(app_of(Chunks(b"", gate)))) as server:
            exchange = server.begin()
            gate.wait()
            assert not exchange.has_sent
            gate.open()
            assert exchange.answer() == Answer(200, PLAIN)

    def test_headers(self) -> None:
        """
        Header lines go out in order, repeated ones too, their names in lower case and their values in latin-1.
        """
        lines = [("X-Name", "\xe9"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2"), ("X-Empty", "")]
        start = messages_of(app_of([], "404 Not Found", lines))[0]
        assert start["type"] == "http.response.start"
        assert start["status"] == 404
        assert list(map(tuple, start["headers"])) == [
            (b"x-name", b"\xe9"),
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"x-empty", b""),
        ]

    @pytest.mark.parametrize("status", ["200 OK", "200 ", "200 Tout va \xe0 merveille", "200"])
    def test_the_reason_is_not_sent(self, status: str) -> None:
        """
        ASGI knows the number of a status only.
        """
        assert messages_of(app_of([], status))[0]["status"] == 200

    @pytest.mark.parametrize(
        ("status", "headers", "error"),
        [
            pytest.param("OK", TEXT, ValueError, id="no number"),
            pytest.param("", TEXT, ValueError, id="empty status"),
            pytest.param("20 OK", TEXT, ValueError, id="two digits"),
            pytest.param("2000 OK", TEXT, ValueError, id="four digits"),
            pytest.param("099 Odd", TEXT, ValueError, id="less than 100"),
            pytest.param("-10 Odd", TEXT, ValueError, id="negative"),
            pytest.param("+20 Odd", TEXT, ValueError, id="signed"),
            pytest.param("\u0662\u0660\u0660 OK", TEXT, ValueError, id="other digits"),
            pytest.param(200, TEXT, TypeError, id="int"),
            pytest.param(b"200 OK", TEXT, TypeError, id="bytes"),
            pytest.param(None, TEXT, TypeError, id="None"),
            pytest.param("200 OK", [("X-Name", "\u20ac")], ValueError, id="value beyond latin-1"),
            pytest.param("200 OK", [("X-\u20ac", "1")], ValueError, id="name beyond latin-1"),
            pytest.param("200 OK", [("X-Name", b"1")], (TypeError, AttributeError), id="value in bytes"),
            pytest.param("200 OK", [("X-Name", 1)], (TypeError, AttributeError), id="number as value"),
            pytest.param("200 OK", [(b"X-Name", "1")], (TypeError, AttributeError), id="name in bytes"),
            pytest.param("200 OK", [("X-Name", "1", "2")], ValueError, id="three values"),
            pytest.param("200 OK", None, TypeError, id="no list"),
            pytest.param("200 OK", [("X-Name", "1\r\nX-Evil: 2")], ValueError, id="line break in a value"),
            pytest.param("200 OK", [("X-Name", "1\nX-Evil: 2")], ValueError, id="bare line feed in a value"),
            pytest.param("200 OK", [("X-Name", "1\rX-Evil: 2")], ValueError, id="bare carriage return in a value"),
            pytest.param("200 OK", [("X-Name", "1\0")], ValueError, id="null in a value"),
            pytest.param("200 OK", [("X-Name: 1\r\nX-Evil", "2")], ValueError, id="line break in a name"),
            pytest.param("200 OK", [("Content-Length", "many")], ValueError, id="length without a number"),
            pytest.param("200 OK", [("Content-Length", "-1")], ValueError, id="negative length"),
        ],
    )
    def test_bad_arguments(self, status: Any, headers: Any, error: type[Exception]) -> None:
        """
        What can't be sent is an error for the app, in the call, and nothing of it goes out.
        """
        raised: list[BaseException] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            try:
                start_response(status, headers)
            except BaseException as exc:
                raised.append(exc)
                raise
            return [b"data"]

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            with pytest.raises(error) as caught:
                exchange.take_rest()
            assert [caught.value] == raised
            assert exchange.taken == []

    def test_twice(self) -> None:
        """
        A second call needs exc_info.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            start_response("404 Not Found", list(TEXT))
            return [b"data"]

        with pytest.raises(AssertionError, match="exc_info"):
            messages_of(app)

    def test_a_second_call_that_is_caught(self) -> None:
        """
        An app that survives its second call has the first one's response.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            with pytest.raises(AssertionError):
                start_response("404 Not Found", [])
            return [b"data"]

        assert ask(WSGIMiddleware(app)) == Answer(200, PLAIN, b"data")

    @pytest.mark.parametrize(
        "iterable",
        [
            pytest.param([], id="no chunk"),
            pytest.param([b""], id="empty chunk"),
            pytest.param([b"data"], id="chunk"),
        ],
    )
    def test_never(self, iterable: list[bytes]) -> None:
        """
        An app that answers without it is told so.
        """
        with pytest.raises(AssertionError, match="start_response"):
            messages_of(lambda environ, start_response: iterable)

    @pytest.mark.parametrize("is_lazy", [False, True])
    def test_exc_info_before_the_first_byte(self, is_lazy: bool) -> None:
        """
        With exc_info, status and headers are replaced as long as nothing was sent.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", [*TEXT, ("Set-Cookie", "a=1"), ("Content-Length", "2")])
            if is_lazy:
                yield b""
            try:
                raise LookupError("missing")
            except LookupError:
                start_response("500 Oops", [("Content-Type", "text/html")], sys.exc_info())
            yield b"an error page"

        expected = Answer(500, (("content-type", "text/html"),), b"an error page")
        assert ask(WSGIMiddleware(app)) == expected

    def test_exc_info_in_the_first_call(self) -> None:
        """
        The first call may have exc_info; the error is the app's own affair then.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            try:
                raise LookupError("missing")
            except LookupError:
                start_response("500 Oops", list(TEXT), sys.exc_info())
            return [b"oops"]

        assert ask(WSGIMiddleware(app)) == Answer(500, PLAIN, b"oops")

    def test_exc_info_after_the_first_byte(self) -> None:
        """
        After that the error is raised, with its traceback, and reaches the server unless the app stops it.
        """
        error = LookupError("missing")

        def fail() -> None:
            raise error

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))
            yield b"one"
            try:
                fail()
            except LookupError:
                start_response("500 Oops", list(TEXT), sys.exc_info())
            yield b"an error page"

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            with pytest.raises(LookupError) as caught:
                exchange.take_rest()
        assert_incomplete(exchange, b"one")
        assert caught.value is error
        assert "fail" in [entry.name for entry in caught.traceback]

    def test_exc_info_after_the_first_write(self) -> None:
        """
        So it is after data given to write().
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            start_response("200 OK", list(TEXT))(b"one")
            try:
                raise LookupError("missing")
            except LookupError:
                start_response("500 Oops", list(TEXT), sys.exc_info())
            return []

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            with pytest.raises(LookupError, match="missing"):
                exchange.take_rest()
        assert_incomplete(exchange, b"one")


class TestWrite:
    """
    The imperative way: ``write = start_response(...)``.
    """

    def test_sends_at_once(self) -> None:
        """
        What is written goes out before the app goes on.
        """
        gate = Gate()

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", list(TEXT))
            write(b"one ")
            gate.stop()
            write(b"two ")
            return [b"three"]

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            assert exchange.take()["type"] == "http.response.start"
            assert exchange.take()["body"] == b"one "
            gate.wait()
            gate.open()
            exchange.take_rest()
            assert exchange.body == b"one two three"

    def test_waits_for_a_slow_client(self) -> None:
        """
        Who writes much waits for the client, as who yields does.
        """
        written = [0]

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            write = start_response("200 OK", list(TEXT))
            for _ in range(100):
                write(bytes(32 * KIB))
                written[0] += 32 * KIB
            return []

        with Server(WSGIMiddleware(app)) as server:
            exchange = server.begin()
            exchange.look()
            assert settled(lambda: written[0]) <= 2 * BUFFER + 32 * KIB
            assert exchange.answer().body == bytes(100 * 32 * KIB)
        assert written == [100 * 32 * KIB]


@pytest.mark.parametrize("chunk", ["text", 1, None, ["a"]], ids=["str", "int", "None", "list"])
@pytest.mark.parametrize("way", ["yield", "write"])
def test_only_bytes(chunk: Any, way: str) -> None:
    """
    A chunk that isn't bytes is an error, and nothing is sent.
    """

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", list(TEXT))
        if way == "yield":
            return [chunk]
        write(chunk)
        return []

    with Server(WSGIMiddleware(app)) as server:
        exchange = server.begin()
        with pytest.raises(TypeError, match="bytes"):
            exchange.take_rest()
        assert exchange.taken == []


def test_no_iterable() -> None:
    """
    An app that returns None is an error.
    """

    def app(environ: Environ, start_response: Any) -> Any:
        start_response("200 OK", list(TEXT))

    with pytest.raises(TypeError, match="iterable"):
        messages_of(app)


class TestOtherConnections:
    """
    What isn't HTTP.
    """

    def test_websocket(self) -> None:
        """
        A WebSocket is refused with 403, where the server can send a response.
        """
        kind, answer = shake_hands(WSGIMiddleware(as_list), "/")
        assert kind == "websocket.http.response.start"
        assert answer.status == 403
        assert answer.lines("content-type") == ["text/plain; charset=utf-8"]

    def test_websocket_messages(self) -> None:
        """
        The response is complete: it has a body, which is its last part.
        """
        sent = run_asgi(WSGIMiddleware(as_list), websocket_scope("/"), [{"type": "websocket.connect"}])
        assert [message["type"] for message in sent] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert sent[1]["body"]
        assert not sent[1].get("more_body")

    @pytest.mark.parametrize("extensions", [{}, {"tls": {}}])
    def test_websocket_without_the_extension(self, extensions: dict[str, Any]) -> None:
        """
        Else it's closed before it is accepted, which servers turn into 403.
        """
        scope = {**websocket_scope("/"), "extensions": extensions}
        [message] = run_asgi(WSGIMiddleware(as_list), scope, [{"type": "websocket.connect"}])
        assert message["type"] == "websocket.close"

    def test_websocket_where_extensions_are_unknown(self) -> None:
        """
        A server need not say anything of extensions.
        """
        scope = websocket_scope("/")
        del scope["extensions"]
        [message] = run_asgi(WSGIMiddleware(as_list), scope, [{"type": "websocket.connect"}])
        assert message["type"] == "websocket.close"

    def test_lifespan(self) -> None:
        """
        Startup and shutdown are answered; the app, which knows nothing of them, isn't called.
        """
        sent = run_asgi(
            WSGIMiddleware(fails),
            {"type": "lifespan", "asgi": {"version": "3.0"}},
            [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}],
        )
        assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]

    def test_unknown(self) -> None:
        """
        Of a connection that ASGI may know one day, WSGI knows nothing.
        """
        with pytest.raises(ValueError, match="'carrier-pigeon'"):
            run_asgi(WSGIMiddleware(as_list), {"type": "carrier-pigeon"}, [])


def fails(environ: Environ, start_response: Any) -> Iterable[bytes]:
    raise AssertionError("called")


class TestConfiguration:
    """
    A wrong argument is an error at once.
    """

    @pytest.mark.parametrize("app", [None, "app:app", 1])
    def test_app(self, app: Any) -> None:
        """
        The app is something to call.
        """
        with pytest.raises(ConfigTypeError, match=f"app .* {type(app).__name__}"):
            WSGIMiddleware(app)

    @pytest.mark.parametrize("workers", [None, "10", 2.0, True])
    def test_workers_type(self, workers: Any) -> None:
        """
        The number of workers is a number.
        """
        with pytest.raises(ConfigTypeError, match=f"workers .* {type(workers).__name__}"):
            WSGIMiddleware(as_list, workers)

    @pytest.mark.parametrize("workers", [0, -1])
    def test_workers_number(self, workers: int) -> None:
        """
        There is at least one.
        """
        with pytest.raises(ConfigError, match=f"workers={workers}"):
            WSGIMiddleware(as_list, workers=workers)

    def test_share_session_is_a_keyword(self) -> None:
        """
        ``share_session`` is given by name only.
        """
        with pytest.raises(TypeError):
            WSGIMiddleware(as_list, 10, False)  # type: ignore[call-arg]  # this very error


class TestTrio:
    """
    Needs asyncio.
    """

    def test_http(self) -> None:
        """
        Under trio the error says what is needed.
        """
        with pytest.raises(RuntimeError, match="asyncio"):
            run_asgi(
                WSGIMiddleware(as_list),
                http_scope("/"),
                [{"type": "http.request", "body": b"", "more_body": False}],
                backend="trio",
            )
