"""
Real servers, each in a process of its own on a free port of this machine, and a client that is as odd as clients are.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.helpers import Answer

T = TypeVar("T")

SECONDS = 10.0
"""How long a test waits for what must happen."""

_ROOT = Path(__file__).parents[2]

_UVICORN = ["uvicorn", "--port", "{port}", "--loop", "asyncio", "--ws", "wsproto", "--log-level", "warning"]
COMMANDS = {
    "uvicorn-h11": [*_UVICORN, "--http", "h11"],
    "uvicorn-httptools": [*_UVICORN, "--http", "httptools"],
    "granian": ["granian", "--port", "{port}", "--interface", "asgi", "--loop", "asyncio", "--log-level", "warning"],
    "hypercorn": ["hypercorn", "--workers", "0", "--bind", "127.0.0.1:{port}", "--log-level", "warning"],
}
UVICORNS = ["uvicorn-h11", "uvicorn-httptools"]


class Server:
    """
    A server that runs.

    Args:
        name: A key of `COMMANDS`.
        app: ``module:attribute``.
        options: Of its command line.
        log: What it says.
    """

    def __init__(self, name: str, app: str, options: Iterable[str], log: Any) -> None:
        self.port = _free_port()
        command = [part.format(port=self.port) for part in COMMANDS[name]]
        self._log = Path(log.name)
        self._seen = 0
        self._process = subprocess.Popen(  # noqa: S603  # the commands above
            [sys.executable, "-m", *command, *options, app],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # a group of its own, for servers that start workers
        )

    def wait_until_it_listens(self) -> None:
        def is_listening() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return self.is_listening()

        eventually(is_listening, bool)

    def is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), SECONDS).close()
        except ConnectionError:
            return False
        return True

    def connect(self, *, receive_buffer: int | None = None) -> "Connection":
        return Connection(self.port, receive_buffer)

    def ask(self, path: str, **options: Any) -> Answer:
        """
        Send a request on a connection of its own.
        """
        with self.connect() as connection:
            return connection.ask(path, **options)

    def happened(self) -> list[str]:
        """
        Return what the app noted since it was last told to forget.
        """
        return [event["what"] for event in self.ask("/inside/happened").json["happened"]]

    def counted(self, what: str) -> int:
        count: int = self.ask("/inside/happened").json["counted"].get(what, 0)
        return count

    def open(self, gate: str) -> None:
        """
        Let the view go on that waits for it.
        """
        self.ask(f"/inside/open/{gate}", method="POST")

    def wait_until_idle(self) -> None:
        """
        Wait until every request is over, for the app too.
        """
        eventually(lambda: self.ask("/inside/in-progress").json, lambda paths: not paths)

    def new_log(self) -> str:
        """
        Return what was logged since the last time.
        """
        text = self._log.read_text()
        self._seen, seen = len(text), self._seen
        return text[seen:]

    def tell(self, told_by: signal.Signals) -> None:
        """
        Send it a signal.
        """
        self._process.send_signal(told_by)

    def wait(self) -> int:
        """
        Wait for its end; return the exit code.
        """
        return self._process.wait(SECONDS)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Memory:
    """
    What a server's process takes, from now on.
    """

    def __init__(self, server: Server) -> None:
        self._process = Path("/proc", str(server.ask("/inside/process").json))
        self._process.joinpath("clear_refs").write_text("5")  # the peak is what it takes now
        self._before = self._read("VmRSS")

    def growth(self) -> int:
        """
        Return how many bytes more it had at its peak.
        """
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> int:
        [line] = [line for line in self._process.joinpath("status").read_text().splitlines() if line.startswith(name)]
        return int(line.split()[1]) * 1024


@contextmanager
def serving(name: str, app: str, *options: str) -> Iterator[Server]:
    """
    Run a server.
    """
    with tempfile.NamedTemporaryFile("w+") as log:
        server = Server(name, app, options, log)
        try:
            server.wait_until_it_listens()
            yield server
        finally:
            server.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def eventually(read: Callable[[], T], accept: Callable[[T], bool]) -> T:
    """
    Return what *read* returns as soon as it's acceptable.
    """
    end = time.monotonic() + SECONDS
    while not accept(value := read()):
        assert time.monotonic() < end, f"still {value!r}"
        time.sleep(0.01)
    return value


def settled(read: Callable[[], T]) -> T:
    """
    Return what *read* returns when it returns the same for a while.
    """
    values = [read()]

    def is_settled(value: T) -> bool:
        values.append(value)
        return values[-10:] == [value] * 10

    return eventually(read, is_settled)


class Connection:
    """
    A client's connection. Nothing happens on it but what is asked for.

    Args:
        port: Of the server.
        receive_buffer: How many bytes the kernel may take for us before we read them.
    """

    def __init__(self, port: int, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self._buffer = bytearray()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    # Requests

    def send_head(
        self, path: str, *, method: str = "GET", headers: Iterable[str] = (), cookies: Sequence[str] = ()
    ) -> None:
        """
        Send a request up to its body; *headers* are whole lines.
        """
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, *(f"Cookie: {line}" for line in cookies)]
        self.send("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_chunk(self, data: bytes) -> None:
        """
        Send a chunk of a body of unknown length; an empty one is its end.
        """
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def send_until_it_stops(self, size: int) -> int:
        """
        Send a body of *size* bytes for as long as they are taken; return how many were.
        """
        self.socket.setblocking(False)
        sent = 0

        def send() -> int:
            nonlocal sent
            while sent < size:
                try:
                    sent += self.socket.send(bytes(min(65536, size - sent)))
                except BlockingIOError:
                    break
            return sent

        settled(send)
        self.socket.settimeout(SECONDS)
        return sent

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Iterable[str] = (),
        cookies: Sequence[str] = (),
        body: bytes = b"",
    ) -> Answer:
        """
        Send a request and return the whole answer.
        """
        headers = [*headers, f"Content-Length: {len(body)}"] if body or method in ("POST", "PUT") else headers
        self.send_head(path, method=method, headers=headers, cookies=cookies)
        self.send(body)
        return self.receive(method)

    # Answers

    def receive(self, method: str = "GET") -> Answer:
        head = self.receive_head()
        if method == "HEAD" or head.status in (204, 304):
            body = b""
        elif head.lines("transfer-encoding") == ["chunked"]:
            body = b"".join(self.chunks())
        else:
            [length] = head.lines("content-length")
            body = self.receive_exactly(int(length))
        return Answer(head.status, head.headers, body)

    def receive_head(self) -> Answer:
        """
        Return the next status line and headers, of an interim response too.
        """
        while b"\r\n\r\n" not in self._buffer:
            self._receive_more()
        end = self._buffer.index(b"\r\n\r\n")
        status, *lines = self._take(end + 4)[:end].decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return Answer(int(status.split()[1]), tuple((name.lower(), value.strip()) for name, _, value in pairs))

    def chunks(self) -> Iterator[bytes]:
        while size := int(self._receive_line(), 16):
            yield self.receive_exactly(size)
            self._receive_line()
        self._receive_line()

    def receive_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive_more()
        return self._take(size)

    def receive_rest(self) -> bytes:
        """
        Return all that comes until the server closes the connection.
        """
        try:
            while True:
                self._receive_more()
        except EOFError:
            return self._take(len(self._buffer))

    def has_nothing_to_read(self) -> bool:
        """
        Say whether nothing came that wasn't read.
        """
        self.socket.setblocking(False)
        try:
            return not self._buffer and not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(SECONDS)

    def _receive_line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive_more()
        end = self._buffer.index(b"\r\n")
        return self._take(end + 2)[:end]

    def _take(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    def _receive_more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("the server has closed the connection")
        self._buffer += data


def bytes_in_kernel(connection: Connection) -> int:
    """
    Return how many bytes neither process has any more, or yet: sent by one and not received by the other.
    """
    port = f":{connection.socket.getsockname()[1]:04X} "
    lines = [line for line in Path("/proc/net/tcp").read_text().splitlines() if port in line]
    return sum(int(queue, 16) for line in lines for queue in line.split()[4].split(":"))


def form(fields: dict[str, str], files: dict[str, bytes]) -> tuple[str, bytes]:
    """
    Return a form with files: the ``Content-Type`` line and the body.
    """
    boundary = "a-boundary"
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [f'name="{name}"; filename="{name}"\r\n\r\n'.encode() + data for name, data in files.items()]
    body = b"".join(b"--%s\r\nContent-Disposition: form-data; %s\r\n" % (boundary.encode(), part) for part in parts)
    return f"Content-Type: multipart/form-data; boundary={boundary}", body + b"--%s--\r\n" % boundary.encode()
