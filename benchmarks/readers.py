"""
What a server keeps in memory while clients read a large response of a mounted Flask app slowly.
"""

import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from benchmarks.contenders import OURS, make_cookie
from benchmarks.growth import resident_kb
from benchmarks.payloads import PAYLOADS
from benchmarks.servers import HOST, MOUNTED_APPS, SERVERS, request_to, serve
from benchmarks.visits import FILM_PATH, SMALL, film

BYTES_AT_ONCE = 4096
PAUSE_SECONDS = 0.02
LIMIT_MB = 120
TOO_MUCH_MB = 1000
"""
Whose server is larger than this isn't watched any longer.
"""


@dataclass(frozen=True)
class Memory:
    """
    The resident set of a server with slow readers.

    Args:
        server: By name.
        app: By name.
        readers: How many there are at once.
        answered: How many of them were sent something.
        idle_mb: Before they came.
        grown_mb: What was added then, at most.
    """

    server: str
    app: str
    readers: int
    answered: int
    idle_mb: float
    grown_mb: float

    @property
    def is_bounded(self) -> bool:
        return self.grown_mb <= LIMIT_MB


def measure_slow_readers(
    readers: int = 50,
    *,
    seconds: float = 5.0,
    servers: Iterable[str] = SERVERS,
    mounts: Mapping[str, str] = MOUNTED_APPS,
) -> Iterator[Memory]:
    """
    Let *readers* read the film for some seconds, each 200 KB of it in a second.

    Raises:
        RuntimeError: They were sent something else.
    """
    cookie = make_cookie(OURS, PAYLOADS["s"])
    everything = b"".join(film())
    for server in servers:
        for name, app in mounts.items():
            with serve(server, app) as (port, process_id), ExitStack() as stack:
                with socket.create_connection((HOST, port)) as visitor:
                    visitor.sendall(request_to(SMALL.path, cookie))
                    visitor.recv(BYTES_AT_ONCE)
                idle_mb = resident_kb(process_id) / 1024
                answers = {stack.enter_context(_reader(port, cookie)): b"" for _ in range(readers)}
                grown_mb = _read(answers, process_id, seconds) - idle_mb
            begun = [answer for answer in answers.values() if answer]
            for answer in begun:
                head, _, body = answer.partition(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200 ") or not everything.startswith(body):
                    raise RuntimeError(f"{name} on {server} answers {answer[:80]!r}")
            yield Memory(server, name, readers, len(begun), idle_mb, grown_mb)


def _reader(port: int, cookie: str | None) -> socket.socket:
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)  # little waits outside of the server
    reader.connect((HOST, port))
    reader.sendall(request_to(FILM_PATH, cookie))
    reader.setblocking(False)
    return reader


def _read(answers: dict[socket.socket, bytes], process_id: int, seconds: float) -> float:
    """
    Read answers, and return the largest resident set of the server meanwhile, in MB.
    """
    end = time.monotonic() + seconds
    peak_mb = 0.0
    while time.monotonic() < end and peak_mb < TOO_MUCH_MB:
        for reader in answers:
            with suppress(BlockingIOError):
                answers[reader] += reader.recv(BYTES_AT_ONCE)
        time.sleep(PAUSE_SECONDS)
        peak_mb = max(peak_mb, resident_kb(process_id) / 1024)
    return peak_mb
