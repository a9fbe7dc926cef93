"""
What PEP 3333 asks of a server: the environ of a request, and the call of an app. Knows no event loop.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import unquote, unquote_to_bytes

Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType]
WSGIApp = Callable[[Environ, Callable[..., Callable[[bytes], object]]], Iterable[bytes]]

BLOCK_BYTES = 64 * 1024
"""How much of a file, or of a request's body, is read at once."""

_STATUS = re.compile(r"[1-9][0-9][0-9](?: .*)?")
_BODILESS = frozenset({204, 304})


class ClientDisconnected(ConnectionError):  # noqa: N818  # Werkzeug's word, and Starlette's is ClientDisconnect
    """
    The client has gone: its body ends too early, or nobody reads the response.
    """


class Connection(Protocol):
    """
    Where an app's answer goes. Each method may wait, and raises `ClientDisconnected` when it's in vain.
    """

    def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """
        Begin the response. The header names are in lower case.
        """

    def put(self, data: bytes, is_last: bool = False) -> None:
        """
        Send a part of the body, now.
        """


class FileWrapper:
    """
    Reads a file in blocks of *blksize* bytes, or larger ones where that is less than a worthwhile amount.

    As ``wsgiref.util.FileWrapper``, but for ``__getitem__``, and with `seek`, by which Werkzeug finds a range.
    """

    def __init__(self, filelike: Any, blksize: int = BLOCK_BYTES) -> None:
        self._file = filelike
        self._size = max(blksize, BLOCK_BYTES)
        for name in ("close", "seek", "seekable", "tell"):
            if hasattr(filelike, name):
                setattr(self, name, getattr(filelike, name))

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        data: bytes = self._file.read(self._size)
        if not data:
            raise StopIteration
        return data


def build_environ(scope: Mapping[str, Any], body: Any = None) -> Environ:
    """
    Return the environ of an ASGI scope of type ``http``.

    Rules: PEP 3333, "environ Variables"; RFC 3875, section 4.1. Two are for safety: a header whose name holds
    an underscore is dropped, since in an environ it would pass for the one with a hyphen, and of
    ``Content-Length`` and ``Content-Type`` the first counts.

    Args:
        scope: Its ``path`` may begin with ``root_path``, as ASGI has it, or be without.
        body: What is read as ``wsgi.input``.
    """
    script_name, path_info = split_path(scope)
    server, port = scope.get("server") or ("localhost", None)
    scheme = scope.get("scheme", "http")
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name.decode("latin-1"),
        "PATH_INFO": path_info.decode("latin-1"),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or (443 if scheme == "https" else 80)),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,  # the body ends where the client ended it, with or without a Content-Length
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,  # nobody can tell; apps that care are safe with this
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "asgi.scope": scope,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for name, line in scope["headers"]:
        key = _environ_key(name)
        if key is None:
            continue
        value = line.decode("latin-1")
        if key not in environ:
            environ[key] = value
        elif key == "HTTP_COOKIE":
            environ[key] += "; " + value  # RFC 9113, section 8.2.3: clients may split cookies over several lines
        elif key.startswith("HTTP_"):
            environ[key] += ", " + value  # RFC 9110, section 5.3
    return environ


@lru_cache(maxsize=256)
def _environ_key(name: bytes) -> str | None:
    if b"_" in name:
        return None
    key = name.upper().decode("latin-1").replace("-", "_")  # as bytes: "ß" as text would become "SS"
    return key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"


def split_path(scope: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """
    Return where the app is mounted and the path within, SCRIPT_NAME and PATH_INFO, without percent-encoding.
    """
    path, root = scope["path"], scope.get("root_path", "").rstrip("/")
    raw_path = scope.get("raw_path")
    path_bytes, root_bytes = path.encode(), root.encode()
    # What isn't UTF-8 didn't survive in the path, and raw_path isn't the path if somebody changed that.
    if "\ufffd" in path and raw_path is not None and unquote(raw_path.partition(b"?")[0].decode("latin-1")) == path:
        path_bytes = unquote_to_bytes(raw_path.partition(b"?")[0])
    # A proxy may have stripped its part of the root, which the server knows of, from the path.
    outer = scope.get("app_root_path", "").rstrip("/").encode()
    for prefix in (root_bytes, root_bytes.removeprefix(outer)):
        if path_bytes == prefix or path_bytes.startswith(prefix + b"/"):
            return root_bytes, path_bytes[len(prefix) :]
    return root_bytes, path_bytes


def call_app(app: WSGIApp, environ: Environ, connection: Connection) -> None:
    """
    Call *app* and pass on what it answers, by the rules of PEP 3333. Its errors are raised.
    """
    response = _Response(connection, environ["REQUEST_METHOD"])
    iterable = app(environ, response.start_response)
    try:
        for data in iterable:
            response.write(data)
            if response.is_overfull:
                break
        response.end()
    finally:
        close = getattr(iterable, "close", None)
        if close is not None:
            close()


class _Response:
    """
    What has been said of a response so far.
    """

    def __init__(self, connection: Connection, method: str) -> None:
        self._connection = connection
        self._method = method
        self._start: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._is_sent = False  # the start is: from then on nothing can be taken back
        self._is_complete = False
        self._remaining: int | None = None
        self.is_overfull = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        if exc_info is not None:
            try:
                if self._is_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this very frame
        elif self._start is not None:
            raise AssertionError("start_response was called twice; the second time needs exc_info")
        if not _STATUS.fullmatch(status):
            raise ValueError(f"a status is three digits and a phrase, not {status!r}")
        code = int(status[:3])
        encoded = [_encoded(name, value) for name, value in headers]
        lengths = [value for name, value in encoded if name == b"content-length"]
        if lengths and not lengths[0].isdigit():
            raise ValueError(f"Content-Length must be a number, not {lengths[0]!r}")
        self._start = code, encoded
        if self._method == "HEAD" or code in _BODILESS:
            self._remaining = 0
        else:
            self._remaining = int(lengths[0]) if lengths else None
        return self.write

    def write(self, data: bytes) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"a WSGI app's response must be bytes, not {type(data).__name__}")
        if not data:
            return  # the headers wait for the first byte
        if self._remaining is not None:
            self.is_overfull = len(data) > self._remaining
            data = data[: self._remaining]
            self._remaining -= len(data)
        self._send_start()
        # The client needn't wait for what the app does after the last byte.
        self._put(data, is_last=self._remaining == 0)

    def end(self) -> None:
        self._send_start()
        self._put(b"", is_last=True)

    def _put(self, data: bytes, is_last: bool) -> None:
        if not self._is_complete:
            self._is_complete = is_last
            self._connection.put(data, is_last)

    def _send_start(self) -> None:
        if self._start is None:
            raise AssertionError("the WSGI app answered without calling start_response")
        if not self._is_sent:
            self._is_sent = True
            self._connection.start(*self._start)


def _encoded(name: str, value: str) -> tuple[bytes, bytes]:
    header = name.strip().lower().encode("latin-1"), value.strip().encode("latin-1")
    for part in header:
        if b"\n" in part or b"\r" in part or b"\0" in part:
            raise ValueError("a header can't hold line breaks; it would be another header")
    return header
