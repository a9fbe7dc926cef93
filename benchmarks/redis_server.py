"""
A private Redis server, and the commands that it is sent.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from benchmarks.servers import HOST, free_port, running

PROGRAM = "redis-server"


class MissingServerError(RuntimeError):
    """
    Redis isn't installed.
    """


def find_redis() -> str:
    """
    Return the path of the program.

    Raises:
        MissingServerError: It isn't installed.
    """
    path = shutil.which(PROGRAM)
    if path is None:
        raise MissingServerError(f"{PROGRAM} is missing; on Debian: apt-get install redis-server")
    return path


def redis_version() -> str:
    """
    Return the version of the server.
    """
    said = subprocess.run([find_redis(), "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S603
    [version] = re.findall(r"v=(\S+)", said)
    return str(version)


@contextmanager
def serve_redis() -> Iterator[tuple[int, int]]:
    """
    Serve an empty Redis that keeps nothing on disk.

    Yields:
        The port on `HOST`, and the identifier of the process.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        options = {"bind": HOST, "port": str(port), "save": "", "appendonly": "no", "dir": directory, "logfile": "log"}
        command = [find_redis(), *(word for name, value in options.items() for word in (f"--{name}", value))]
        with running(command, port) as process_id:
            yield port, process_id


@contextmanager
def recorded_commands(port: int) -> Iterator[list[str]]:
    """
    Record the names of the commands that the server is sent.

    Yields:
        A list, filled when the ``with`` block has ended. Of a script it has the command that runs it, not its own.
    """
    names: list[str] = []
    with redis.Redis(HOST, port) as marker, redis.Redis(HOST, port) as client:
        marker.ping()  # what sets up its connection isn't recorded
        with client.monitor() as monitor:
            yield names
            marker.echo("end")
            for command in monitor.listen():
                name = command["command"].partition(" ")[0].upper()
                if name == "ECHO":
                    return
                if command["client_type"] != "lua":
                    names.append(name)
