"""
What a session costs a whole server: uvicorn and granian, over connections to this machine.

Each app has a server process of its own. They are asked in turn, round by round, so that only one of
them works at a time, over a few connections that are kept and that wait for each answer.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import quantiles
from typing import cast

from benchmarks.contenders import OURS, STARLETTE, make_cookie
from benchmarks.payloads import PAYLOADS, scope_with

try:
    from uvloop import run  # a quicker client leaves more of the time to the server
except ImportError:
    from asyncio import run

HOST = "127.0.0.1"
CONNECTIONS = 16
START_SECONDS = 20

SERVERS: dict[str, Sequence[str]] = {
    "uvicorn": ("uvicorn", "--log-level", "warning", "--no-access-log"),
    "granian": ("granian", "--interface", "asgi", "--log-level", "warning", "--no-access-log"),
}
APPS = {"bare app": "bare", "Starlette": "starlette", "starlette-flask": "ours"}
"""
In `benchmarks.served`, by the names of the report.
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


def measure_servers(load: Load, servers: Sequence[str] = tuple(SERVERS)) -> Iterator[Throughput]:
    """
    Measure reading and writing with payload s on each server.
    """
    cookies = {
        "bare app": make_cookie(OURS, PAYLOADS["s"]),
        "Starlette": make_cookie(STARLETTE, PAYLOADS["s"]),
        "starlette-flask": make_cookie(OURS, PAYLOADS["s"]),
    }
    for server in servers:
        with ExitStack() as stack:
            ports = {app: stack.enter_context(_serve(server, name)) for app, name in APPS.items()}
            for scenario in ("read", "write"):
                rates: dict[str, list[float]] = {app: [] for app in APPS}
                for number in range(load.rounds + 1):
                    for app, port in ports.items():
                        rate = run(_ask(port, _request(scenario, cookies[app]), load.requests))
                        if number > 0:  # the first one warms up
                            rates[app].append(rate)
                for app, values in rates.items():
                    yield Throughput(server, scenario, app, *quantiles(values, method="inclusive"))


@contextmanager
def _serve(server: str, app: str) -> Iterator[int]:
    """
    Serve an app of `benchmarks.served` with one worker, and yield the port.
    """
    port = _free_port()
    module, *options = SERVERS[server]
    command = [sys.executable, "-m", module, *options, "--workers", "1", "--host", HOST, "--port", str(port)]
    process = subprocess.Popen([*command, f"benchmarks.served:{app}"])  # noqa: S603  # our own words only
    try:
        _wait_for(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


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


def _request(scenario: str, cookie: str | None) -> bytes:
    lines = [b"%b: %b\r\n" % header for header in scope_with(cookie)["headers"]]
    return f"GET /{scenario} HTTP/1.1\r\n".encode() + b"".join(lines) + b"\r\n"


async def _ask(port: int, request: bytes, requests: int) -> float:
    """
    Send *requests* on each connection, each after the answer to the one before, and return the rate per second.
    """
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(CONNECTIONS):
        make = partial(_Client, request, requests, loop.create_future())
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

    def __init__(self, request: bytes, requests: int, done: "asyncio.Future[None]") -> None:
        self.done = done
        self._request = request
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
        if not self._answer.endswith(b"\r\n\r\nok"):
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
