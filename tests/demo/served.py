"""
The demo in a process of its own, and a connection to it.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread

from tests.helpers import Answer

ROOT = Path(__file__).parents[2]
SECRET_KEY = "the demo's"


@contextmanager
def open_demo(**environ: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """
    Start the demo; give its process and the first line that it prints.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "starlette_flask.demo"],
        cwd=ROOT,
        env={**os.environ, "PORT": "0", "SECRET_KEY": SECRET_KEY, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def port_in(process: "subprocess.Popen[str]", line: str) -> int:
    """
    Return the port that the first line names.
    """
    assert process.stdout
    found = re.fullmatch(r"The shop is open: http://127\.0\.0\.1:(\d+)/\n", line)
    assert found, line + process.stdout.read()
    return int(found[1])


@contextmanager
def running_demo(**environ: str) -> Iterator[int]:
    """
    Run the demo and give its port. Nothing that happens in it is an error of its.
    """
    logged: list[str] = []
    with open_demo(**environ) as (process, line):
        port = port_in(process, line)
        # A process whose output nobody reads stops some time.
        reader = Thread(target=logged.extend, args=[process.stdout])
        reader.start()
        yield port
        process.kill()
        reader.join()
    assert "Traceback" not in "".join(logged)


class Connection:
    """
    Asks over one keep-alive connection, as a browser or a reverse proxy does.
    """

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=20)

    def __call__(
        self,
        path: str,
        *,
        method: str = "GET",
        cookies: Sequence[str] = (),
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        self.http.request(method, path, body or None, {**dict(headers), "cookie": "; ".join(cookies)})
        response = self.http.getresponse()
        lower = tuple((name.lower(), value) for name, value in response.getheaders())
        return Answer(response.status, lower, response.read())

    def close(self) -> None:
        self.http.close()
