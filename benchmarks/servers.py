"""
What a session, and a mounted Flask app, costs a whole server: uvicorn and granian, over connections to this machine.

Each app has a server process of its own. They are asked in turn, round by round, so that only one of
them works at a time, over a few connections that are kept and that wait for each answer.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import cast

from benchmarks.adapters import A2WSGI, ASGIREF, MOUNTED, MOUNTED_SHARED, STARLETTE_WSGI
from benchmarks.contenders import OURS, STARLETTE, make_cookie
from benchmarks.handlers import BODY
from benchmarks.payloads import PAYLOADS, scope_with
from benchmarks.visits import SMALL

try:
    from uvloop import run  # a quicker client leaves more of the time to the server
except ImportError:
    from asyncio import run

HOST = "127.0.0.1"
CONNECTIONS = 16
START_SECONDS = 20

SERVERS: dict[str, Sequence[str]] = {
    # Else a request on a kept connection may start in the context of the one before; through asgiref, that is a 500.
    "uvicorn": ("--reset-contextvars",),
    # Some adapters don't answer lifespan, and some never end a response whose reader has gone.
    "granian": ("--interface", "asginl", "--workers-kill-timeout", "2"),
}
APPS = {"bare app": "served:bare", STARLETTE.name: "served:starlette", OURS.name: "served:ours"}
MOUNTED_APPS = {
    MOUNTED.name: "adapters:MOUNTED.app",
    MOUNTED_SHARED.name: "adapters:MOUNTED_SHARED.app",
    A2WSGI.name: "adapters:A2WSGI.app",
    ASGIREF.name: "adapters:ASGIREF.app",
    STARLETTE_WSGI.name: "adapters:STARLETTE_WSGI.app",
}
"""
Where they are in this package, by the names of the report.
"""


@dataclass(frozen=True)
class Load:
    """
    How much to ask for.

    Args:
        rounds: How often each app has its turn.
        requests: How many on each of the `CONNECTIONS` then.
    """

    rounds: int = 40
    requests: int = 100


@dataclass(frozen=True)
class Throughput:
    """
    Requests per second.

    Args:
        server: By name.
        scenario: By name.
        app: By name.
        lower: The lower quartile.
        median: The median.
        upper: The upper quartile.
    """

    server: str
    scenario: str
    app: str
    lower: float
    median: float
    upper: float


def measure_servers(load: Load, servers: Iterable[str] = SERVERS) -> Iterator[Throughput]:
    """
    Measure reading and writing a session with payload s on each server.
    """
    cookies = {app: make_cookie(STARLETTE if app == STARLETTE.name else OURS, PAYLOADS["s"]) for app in APPS}
    requests = {
        scenario: {app: request_to(f"/{scenario}", cookie) for app, cookie in cookies.items()}
        for scenario in ("read", "write")
    }
    yield from _compare(load, servers, APPS, requests, BODY)


def measure_mount_servers(
    load: Load, servers: Iterable[str] = SERVERS, mounts: Mapping[str, str] = MOUNTED_APPS
) -> Iterator[Throughput]:
    """
    Measure a mounted Flask app, of which a small view reads the session.
    """
    request = request_to(SMALL.path, make_cookie(OURS, PAYLOADS["s"]))
    yield from _compare(load, servers, mounts, {SMALL.name: dict.fromkeys(mounts, request)}, SMALL.answer)


def _compare(
    load: Load,
    servers: Iterable[str],
    apps: Mapping[str, str],
    requests: Mapping[str, Mapping[str, bytes]],
    body: bytes,
) -> Iterator[Throughput]:
    for server in servers:
        with ExitStack() as stack:
            ports = {app: stack.enter_context(serve(server, name))[0] for app, name in apps.items()}
            for scenario, request_for in requests.items():
                rates: dict[str, list[float]] = {app: [] for app in apps}
                for number in range(load.rounds + 1):
                    for app, port in ports.items():
                        rate = run(_ask(port, request_for[app], body, load.requests))
                        if number > 0:  # the first one warms up
                            rates[app].append(rate)
                for app, values in rates.items():
                    yield Throughput(server, scenario, app, *quantiles(values, method="inclusive"))


@contextmanager
def serve(server: str, app: str) -> Iterator[tuple[int, int]]:
    """
    Serve an app of this package with one worker.

    Yields:
        The port on `HOST`, and the identifier of the process; granian's has a child with the app.
    """
    port = free_port()
    options = [*SERVERS[server], "--log-level", "error", "--no-access-log", "--host", HOST, "--port", str(port)]
    command = [sys.executable, "-W", "ignore", "-m", server, *options, "--workers", "1", f"benchmarks.{app}"]
    with running(command, port) as process_id:
        yield port, process_id


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[int]:
    """
    Run a server that will listen on *port* of `HOST`.

    Yields:
        The identifier of the process.
    """
    process = subprocess.Popen(command)  # noqa: S603  # our own words only
    try:
        _wait_for(process, port)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """
    Return a port of `HOST` that nobody listens on.
    """
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def request_to(path: str, cookie: str | None) -> bytes:
    """
    Return the bytes of a browser's request.
    """
    lines = [b"%b: %b\r\n" % header for header in scope_with(cookie)["headers"]]
    return f"GET {path} HTTP/1.1\r\n".encode() + b"".join(lines) + b"\r\n"


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} did not start to listen")


async def _ask(port: int, request: bytes, body: bytes, requests: int) -> float:
    """
    Send *requests* on each connection, each after the answer to the one before, and return the rate per second.
    """
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CONNECTIONS):
        make = partial(_Client, request, body, requests, loop.create_future())
        clients.append((await loop.create_connection(make, HOST, port))[1])
    start = time.perf_counter()
    for client in clients:
        client.ask()
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), timeout=120)
    seconds = time.perf_counter() - start
    for client in clients:
        client.transport.close()
    return CONNECTIONS * requests / seconds


class _Client(asyncio.Protocol):
    """
    One kept connection, with one request at a time.
    """

    def __init__(self, request: bytes, body: bytes, requests: int, done: "asyncio.Future[None]") -> None:
        self.done = done
        self._request = request
        self._end = b"\r\n\r\n" + body
        self._left = requests
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self) -> None:
        """
        Send the next request.
        """
        self._answer = b""
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._answer.endswith(self._end):
            return
        if not self._answer.startswith(b"HTTP/1.1 200 "):
            self._fail(f"the server answered {self._answer!r}")
            return
        self._left -= 1
        if self._left > 0:
            self.ask()
        else:
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the server closed the connection after {self._answer!r}")

    def _fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))
