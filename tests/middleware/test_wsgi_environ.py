"""
`WSGIMiddleware` and the environ of a request: PEP 3333, "environ Variables", and RFC 3875, section 4.1.
"""

import socket
import threading
import wsgiref.simple_server
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import werkzeug.serving
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Scope

from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import http_scope
from tests.middleware.client import PATIENCE, TEXT, Environ, ask


class Inside:
    """
    A WSGI app that keeps the environ of its last request.
    """

    def __init__(self) -> None:
        self.environ: Environ = {}

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.environ = environ
        start_response("200 OK", list(TEXT))
        return []


def environ_of(
    target: str = "/", *, without: Iterable[str] = (), headers: Iterable[tuple[str, str]] = (), **scope: Any
) -> Environ:
    """
    Return the environ of a request.

    Args:
        target: As it's in the request line.
        without: What the scope lacks.
        headers: Beside a ``Host``.
        scope: What it has instead of the usual.
    """
    full = {**http_scope(target, headers=headers), **scope}
    for key in without:
        del full[key]
    inside = Inside()
    assert ask(WSGIMiddleware(inside), scope=full).status == 200
    return inside.environ


def paths_of(environ: Environ) -> tuple[str, str]:
    return environ["SCRIPT_NAME"], environ["PATH_INFO"]


def as_wsgi(path: str) -> str:
    """
    Return a text as an environ has it: each byte of its UTF-8 a character.
    """
    return path.encode().decode("latin-1")


class TestPaths:
    """
    SCRIPT_NAME is what brought the request to the app, PATH_INFO what the app makes of the rest.
    """

    MOUNTS = [  # noqa: RUF012  # a constant
        pytest.param(["/"], "/", "", "/", id="root"),
        pytest.param(["/"], "/page", "", "/page", id="page"),
        pytest.param(["/legacy"], "/legacy/", "/legacy", "/", id="root of a mount"),
        pytest.param(["/legacy"], "/legacy/page", "/legacy", "/page", id="page of a mount"),
        pytest.param(["/legacy"], "/legacy/page/", "/legacy", "/page/", id="slash at the end"),
        pytest.param(["/legacy/"], "/legacy/page", "/legacy", "/page", id="mount with a slash"),
        pytest.param(["/a/b"], "/a/b/c", "/a/b", "/c", id="deep mount"),
        pytest.param(["/a"], "/a/a/a", "/a", "/a/a", id="same again"),
        pytest.param(["/{tenant}"], "/acme/page", "/acme", "/page", id="parameter"),
        pytest.param(["/legacy"], "/legacy//page", "/legacy", "//page", id="two slashes"),
        pytest.param(["/caf\xe9"], "/caf%C3%A9/th%C3%A9", as_wsgi("/caf\xe9"), as_wsgi("/th\xe9"), id="not ASCII"),
        pytest.param(["/a b"], "/a%20b/c%20d", "/a b", "/c d", id="spaces"),
        pytest.param(["/legacy"], "/legacy/%FF", "/legacy", "/\xff", id="not UTF-8"),
        pytest.param(["/caf\xe9"], "/caf%C3%A9/%FF", as_wsgi("/caf\xe9"), "/\xff", id="not UTF-8 after some"),
    ]
    NESTED = [  # noqa: RUF012
        pytest.param(["/a", "/b"], "/a/b/c", "/a/b", "/c", id="nested"),
        pytest.param(["/a", "/", "/b"], "/a/b/c", "/a/b", "/c", id="nested, one at the root"),
        pytest.param(["/a", "/a"], "/a/a/a", "/a/a", "/a", id="nested, same again"),
    ]

    def paths_in_mounts(self, mounts: list[str], scope: Scope) -> tuple[str, str]:
        inside = Inside()
        app: ASGIApp = WSGIMiddleware(inside)
        for mount in reversed(mounts):
            app = Starlette(routes=[Mount(mount, app)])
        assert ask(app, scope=scope).status == 200
        return paths_of(inside.environ)

    @pytest.mark.parametrize(("mounts", "path", "script_name", "path_info"), [*MOUNTS, *NESTED])
    @pytest.mark.parametrize("root_path", ["", "/proxy", "/t\xe9"])
    def test_mounts(self, mounts: list[str], path: str, script_name: str, path_info: str, root_path: str) -> None:
        """
        Mounts and the server's root path are the prefix.
        """
        scope = {**http_scope(quote(root_path) + path), "root_path": root_path}
        assert self.paths_in_mounts(mounts, scope) == (as_wsgi(root_path) + script_name, path_info)

    @pytest.mark.parametrize(("mounts", "path", "script_name", "path_info"), MOUNTS)
    @pytest.mark.parametrize("root_path", ["/proxy", "/t\xe9"])
    def test_mounts_behind_a_proxy_that_strips(
        self, mounts: list[str], path: str, script_name: str, path_info: str, root_path: str
    ) -> None:
        """
        So it is if the path comes without the root path, as with ``FastAPI(root_path=...)`` or Hypercorn's.
        """
        scope = {**http_scope(path), "root_path": root_path}
        assert self.paths_in_mounts(mounts, scope) == (as_wsgi(root_path) + script_name, path_info)

    @pytest.mark.parametrize(
        ("root_path", "path", "script_name", "path_info"),
        [
            pytest.param("/legacy", "/legacy", "/legacy", "", id="nothing after it"),
            pytest.param("/legacy", "/legacyandmore", "/legacy", "/legacyandmore", id="looks alike"),
            pytest.param("/legacy", "/Legacy/page", "/legacy", "/Legacy/page", id="another case"),
            pytest.param("/legacy/", "/legacy/page", "/legacy", "/page", id="slash at the end"),
            pytest.param("/legacy/", "/legacy", "/legacy", "", id="slash at the end, nothing after it"),
            pytest.param("/", "/page", "", "/page", id="only a slash"),
        ],
    )
    def test_root_path(self, root_path: str, path: str, script_name: str, path_info: str) -> None:
        """
        A prefix ends where a segment ends, and SCRIPT_NAME never ends in a slash.
        """
        assert paths_of(environ_of(path, root_path=root_path)) == (script_name, path_info)

    def test_no_root_path(self) -> None:
        """
        A server need not give a root path, nor a query string.
        """
        environ = environ_of("/page", without=["root_path", "query_string"])
        assert paths_of(environ) == ("", "/page")
        assert environ["QUERY_STRING"] == ""

    @pytest.mark.parametrize(
        ("path", "path_info"),
        [
            pytest.param("/a%20b", "/a b", id="space"),
            pytest.param("/a+b", "/a+b", id="plus"),
            pytest.param("/a;b=c,d", "/a;b=c,d", id="parameters"),
            pytest.param("/a%2Fb", "/a/b", id="slash"),
            pytest.param("/a%252Fb", "/a%2Fb", id="percent sign"),
            pytest.param("/a%3Fb", "/a?b", id="question mark"),
            pytest.param("/100%", "/100%", id="bare percent sign"),
            pytest.param("/%C3%A9", "/\xc3\xa9", id="UTF-8"),
            pytest.param("/%E2%82%AC", "/\xe2\x82\xac", id="UTF-8, three bytes"),
            pytest.param("/%F0%9F%98%80", "/\xf0\x9f\x98\x80", id="UTF-8, four bytes"),
            pytest.param("/%E9", "/\xe9", id="latin-1"),
            pytest.param("/%C3%A9/%E9", "/\xc3\xa9/\xe9", id="both"),
            pytest.param("/%EF%BF%BD", "/\xef\xbf\xbd", id="a replacement character"),
            pytest.param("/%EF%BF%BD%FF", "/\xef\xbf\xbd\xff", id="a replacement character and an invalid byte"),
            pytest.param("/%ED%A0%80", "/\xed\xa0\x80", id="a surrogate"),
            pytest.param("/a/../b/./c", "/a/../b/./c", id="dots"),
            pytest.param("//a//b//", "//a//b//", id="slashes"),
        ],
    )
    def test_encoded(self, path: str, path_info: str) -> None:
        """
        The path is decoded to bytes, and each byte is a character, UTF-8 or not.
        """
        assert paths_of(environ_of(path)) == ("", path_info)

    @pytest.mark.parametrize("path", ["/caf\xe9", "/\ufffd", "/a%2Fb"])
    @pytest.mark.parametrize("raw_path", [None, b"/other", b"/%FF%FF", b""])
    def test_another_raw_path(self, path: str, raw_path: bytes | None) -> None:
        """
        The path counts: the server may not give a raw path, and middleware that rewrites the path may leave it.
        """
        assert paths_of(environ_of(path=path, raw_path=raw_path)) == ("", as_wsgi(path))

    @pytest.mark.parametrize("path", ["/caf\xe9", "/\ufffd"])
    def test_no_raw_path(self, path: str) -> None:
        """
        A scope may be without one.
        """
        assert paths_of(environ_of(path=path, without=["raw_path"])) == ("", as_wsgi(path))

    def test_a_raw_path_with_the_query(self) -> None:
        """
        Some servers leave the query in the raw path.
        """
        assert paths_of(environ_of(path="/\ufffd", raw_path=b"/%FF?q=%FE")) == ("", "/\xff")


class TestVariables:
    """
    The rest of CGI.
    """

    @pytest.mark.parametrize(
        ("query", "expected"),
        [(b"", ""), (b"a=1&b=2", "a=1&b=2"), (b"q=%FF+x", "q=%FF+x"), (b"q=\xff", "q=\xff"), (b"?", "?")],
    )
    def test_query(self, query: bytes, expected: str) -> None:
        """
        The query is given as it came.
        """
        assert environ_of(query_string=query)["QUERY_STRING"] == expected

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "PROPFIND"])
    def test_method(self, method: str) -> None:
        """
        So is the method.
        """
        assert environ_of(method=method)["REQUEST_METHOD"] == method

    @pytest.mark.parametrize("version", ["1.0", "1.1", "2", "3"])
    def test_protocol(self, version: str) -> None:
        """
        The protocol is named with its version.
        """
        assert environ_of(http_version=version)["SERVER_PROTOCOL"] == f"HTTP/{version}"

    @pytest.mark.parametrize(
        ("server", "scheme", "name", "port"),
        [
            pytest.param(("localhost", 8000), "http", "localhost", "8000", id="IPv4"),
            pytest.param(("::1", 8000), "http", "::1", "8000", id="IPv6"),
            pytest.param(["localhost", 8000], "http", "localhost", "8000", id="list"),
            pytest.param(("/run/app.sock", None), "http", "/run/app.sock", "80", id="unix socket"),
            pytest.param(("/run/app.sock", None), "https", "/run/app.sock", "443", id="unix socket behind TLS"),
            pytest.param(None, "http", "localhost", "80", id="unknown"),
            pytest.param(None, "https", "localhost", "443", id="unknown behind TLS"),
        ],
    )
    def test_server(self, server: Any, scheme: str, name: str, port: str) -> None:
        """
        SERVER_NAME and SERVER_PORT are always there, as text.
        """
        environ = environ_of(server=server, scheme=scheme)
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == (name, port)
        assert environ["wsgi.url_scheme"] == scheme

    def test_client(self) -> None:
        """
        REMOTE_ADDR and REMOTE_PORT are those of the client, as text.
        """
        environ = environ_of(client=("192.0.2.1", 50000))
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.1", "50000")

    def test_no_client(self) -> None:
        """
        They are absent if there is none, as behind a unix socket.
        """
        for environ in (environ_of(client=None), environ_of(without=["client"])):
            assert "REMOTE_ADDR" not in environ
            assert "REMOTE_PORT" not in environ

    def test_what_a_server_need_not_give(self) -> None:
        """
        A scope that has only what ASGI demands gets an environ that has what PEP 3333 demands.
        """
        without = ["server", "client", "scheme", "raw_path", "root_path", "state"]
        environ = environ_of("/page?a=1", without=without)
        assert paths_of(environ) == ("", "/page")
        assert environ["wsgi.url_scheme"] == "http"
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "80")


class TestHeaders:
    """
    Header lines become HTTP_ variables.
    """

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            pytest.param([("x-name", "1")], {"HTTP_X_NAME": "1"}, id="one"),
            pytest.param([("X-Name", "1")], {"HTTP_X_NAME": "1"}, id="name in capitals"),
            pytest.param([("x-name", "\xe9")], {"HTTP_X_NAME": "\xe9"}, id="value in latin-1"),
            pytest.param([("x-name", "")], {"HTTP_X_NAME": ""}, id="empty"),
            pytest.param(
                [("x-name", "1"), ("x-other", "2"), ("x-name", "3")],
                {"HTTP_X_NAME": "1, 3", "HTTP_X_OTHER": "2"},
                id="repeated",
            ),
            pytest.param([("x-name", ""), ("x-name", "3")], {"HTTP_X_NAME": ", 3"}, id="repeated, one empty"),
            pytest.param([("cookie", "a=1; b=2")], {"HTTP_COOKIE": "a=1; b=2"}, id="cookies"),
            pytest.param(
                [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")],
                {"HTTP_COOKIE": "a=1; b=2; c=3"},
                id="crumbs of HTTP/2",
            ),
            pytest.param([("content-type", "text/plain")], {"CONTENT_TYPE": "text/plain"}, id="type"),
            pytest.param([("content-length", "0")], {"CONTENT_LENGTH": "0"}, id="length"),
            pytest.param(
                [("content-type", "text/plain"), ("content-type", "text/html")],
                {"CONTENT_TYPE": "text/plain"},
                id="two types",
            ),
            pytest.param([("content-length", "0"), ("content-length", "5")], {"CONTENT_LENGTH": "0"}, id="two lengths"),
            pytest.param([("x-forwarded-for", "1"), ("x_forwarded_for", "2")], {"HTTP_X_FORWARDED_FOR": "1"}, id="_"),
            pytest.param([("x_forwarded_for", "2")], {}, id="_ alone"),
            pytest.param([("content_length", "5"), ("content_type", "a/b")], {}, id="_ in type and length"),
            pytest.param([("proxy", "http://evil")], {"HTTP_PROXY": "http://evil"}, id="Proxy"),
            pytest.param(
                [("transfer-encoding", "chunked")], {"HTTP_TRANSFER_ENCODING": "chunked"}, id="Transfer-Encoding"
            ),
        ],
    )
    def test_lines(self, lines: list[tuple[str, str]], expected: dict[str, str]) -> None:
        """
        Lines of one name are joined, cookies with a semicolon; of type and length the first counts; a name
        with an underscore, which would pass for one with a hyphen, doesn't.
        """
        environ = environ_of(headers=lines)
        found = {key: value for key, value in environ.items() if key.startswith(("HTTP_", "CONTENT_"))}
        assert found == {"HTTP_HOST": "localhost", **expected}

    def test_many_names(self) -> None:
        """
        However many names clients invent, each is its own.
        """
        for number in range(0, 2000, 500):
            lines = [(f"x-{name}", str(name)) for name in range(number, number + 500)]
            environ = environ_of(headers=lines)
            assert {key: environ[key] for key in environ if key.startswith("HTTP_X_")} == {
                f"HTTP_X_{name}": str(name) for name in range(number, number + 500)
            }


class TestServerVariables:
    """
    What begins with ``wsgi.`` or ``asgi.``.
    """

    def test_constants(self) -> None:
        """
        The version is 1.0; other requests may run at the same time, here and in other processes.
        """
        environ = environ_of()
        assert environ["wsgi.version"] == (1, 0)
        assert environ["wsgi.multithread"] is True
        assert environ["wsgi.multiprocess"] is True
        assert environ["wsgi.run_once"] is False
        assert environ["wsgi.input_terminated"] is True

    def test_errors(self, capsys: pytest.CaptureFixture[str]) -> None:
        """
        What is written to ``wsgi.errors`` is on the process's standard error.
        """

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            environ["wsgi.errors"].write("one\n")
            environ["wsgi.errors"].writelines(["two\n"])
            environ["wsgi.errors"].flush()
            start_response("200 OK", list(TEXT))
            return []

        ask(WSGIMiddleware(app))
        assert capsys.readouterr().err == "one\ntwo\n"

    def test_scope(self) -> None:
        """
        The scope is in ``asgi.scope``, itself and not a copy.
        """
        scope = http_scope("/")
        inside = Inside()
        ask(WSGIMiddleware(inside), scope=scope)
        assert inside.environ["asgi.scope"] is scope

    def test_is_the_app_s_own(self) -> None:
        """
        The environ is a dict of the app's own: what it does to it changes neither the scope nor the next environ.
        """
        seen: list[int] = []

        def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
            assert type(environ) is dict
            seen.append(len(environ))
            environ.update(HTTP_X_NAME="1", PATH_INFO="/other", extra=1)
            start_response("200 OK", list(TEXT))
            return []

        scope = http_scope("/page")
        before = dict(scope)
        middleware = WSGIMiddleware(app)
        ask(middleware, scope=scope)
        ask(middleware, scope=scope)
        assert scope == before
        assert seen[0] == seen[1]


# What a client sends to a real WSGI server: the request line and the header lines after Host.
REQUESTS = [
    pytest.param("GET / HTTP/1.1", [], id="simple"),
    pytest.param("GET /page?a=1&b=%20 HTTP/1.1", [("Accept", "*/*")], id="query"),
    pytest.param("GET /page? HTTP/1.1", [], id="empty query"),
    pytest.param("GET /page?a=1?b=2 HTTP/1.1", [], id="question mark in the query"),
    pytest.param("GET /a%20b/c+d;e%2Ff/%C3%A9 HTTP/1.1", [], id="encoded"),
    pytest.param("GET /%252F/%25 HTTP/1.1", [], id="percent signs"),
    pytest.param("GET /a//b/ HTTP/1.1", [], id="slashes"),
    pytest.param("DELETE /page HTTP/1.0", [], id="HTTP/1.0"),
    pytest.param("GET / HTTP/1.1", [("X-Name", "caf\xe9"), ("x-other", "")], id="headers"),
    pytest.param("GET / HTTP/1.1", [("Cookie", "a=1; b=2")], id="cookies"),
    pytest.param("POST / HTTP/1.1", [("Content-Type", "text/html"), ("Content-Length", "0")], id="empty body"),
    pytest.param("POST / HTTP/1.1", [("content-type", ""), ("CONTENT-LENGTH", "0")], id="names in any case"),
]
ONLY_AS_BYTES = pytest.param("GET /%FF/%ED%A0%80 HTTP/1.1", [("Content-Type", "a/b")], id="not UTF-8")

# What servers need not agree on, and what isn't of the request.
_OWN = {"SERVER_NAME", "SERVER_PORT", "SERVER_SOFTWARE", "REMOTE_ADDR", "REMOTE_PORT", "REMOTE_HOST"}

Send = Callable[[str, list[tuple[str, str]]], Environ]


def run_server(server: Any, inside: Inside) -> Iterator[Send]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def send(line: str, headers: list[tuple[str, str]]) -> Environ:
        lines = [line, "Host: localhost", *(f"{name}: {value}" for name, value in headers), "", ""]
        with socket.create_connection(server.server_address, PATIENCE) as connection:
            connection.sendall("\r\n".join(lines).encode("latin-1"))
            assert b" 200 OK" in connection.makefile("rb").readline()
        return inside.environ

    yield send
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()


@pytest.fixture(scope="module")
def wsgiref_server() -> Iterator[Send]:
    class Quiet(wsgiref.simple_server.WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the original's name
            pass

    inside = Inside()
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, inside, handler_class=Quiet)
    yield from run_server(server, inside)


@pytest.fixture(scope="module")
def werkzeug_server() -> Iterator[Send]:
    class Quiet(werkzeug.serving.WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # the original's name
            pass

    inside = Inside()
    server = werkzeug.serving.make_server("127.0.0.1", 0, inside, request_handler=Quiet)
    yield from run_server(server, inside)


def assert_same(theirs: Environ, line: str, headers: list[tuple[str, str]]) -> None:
    """
    What CGI knows of the request is the same in the environ of a real server and in ours.
    """
    method, target, version = line.split()
    lower = [(name.lower(), value) for name, value in headers]
    ours = environ_of(target, method=method, http_version=version.removeprefix("HTTP/"), headers=lower)
    keys = {key for key in ours if key.isupper()} - _OWN
    assert {key: ours[key] for key in keys} == {key: theirs.get(key) for key in keys}


class TestRealServers:
    """
    The environ is what servers that speak WSGI give an app for the same request.
    """

    @pytest.mark.parametrize(("line", "headers"), [*REQUESTS, ONLY_AS_BYTES])
    def test_wsgiref(self, wsgiref_server: Send, line: str, headers: list[tuple[str, str]]) -> None:
        """
        Python's own server.
        """
        assert_same(wsgiref_server(line, headers), line, headers)

    @pytest.mark.parametrize(("line", "headers"), REQUESTS)
    def test_werkzeug(self, werkzeug_server: Send, line: str, headers: list[tuple[str, str]]) -> None:
        """
        Werkzeug's, which is Flask's.
        """
        assert_same(werkzeug_server(line, headers), line, headers)
