"""
How the demo is started and stopped.
"""

import io
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stdout
from http.client import HTTPConnection
from importlib import import_module
from threading import Event, Thread

import pytest

from starlette_flask import SessionSerializer
from starlette_flask.demo import serve
from tests.demo.served import SECRET_KEY, Connection, open_demo, port_in, running_demo
from tests.demo.visitor import HALVES, Visitor
from tests.helpers import Browser


class Output(io.StringIO):
    """
    Standard output, and when something is written there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_written = Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        self.is_written.set()
        return written


@contextmanager
def interrupted() -> Iterator[Output]:
    """
    Wait for this process to serve the demo, look at its first page, and press Ctrl+C.

    Give what is printed. What uvicorn has set up to log is taken away again.
    """
    output = Output()
    pages: list[str] = []

    def look() -> None:
        output.is_written.wait()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", output.getvalue())
        if found is None:
            return
        try:
            with closing(HTTPConnection("127.0.0.1", int(found[1]), timeout=20)) as connection:
                connection.request("GET", "/")
                pages.append(connection.getresponse().read().decode())
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.access")]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    thread = Thread(target=look)
    thread.start()
    try:
        with redirect_stdout(output):
            yield output
    finally:
        output.is_written.set()  # where nothing was printed, nobody is waiting for
        thread.join()
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
    [page] = pages
    assert "<h1>Flask and FastAPI, one session</h1>" in page


def run_module() -> None:
    """
    Run what ``python -m starlette_flask.demo`` runs, in this process.
    """
    sys.modules.pop("starlette_flask.demo.__main__", None)
    import_module("starlette_flask.demo.__main__")


def test_serve() -> None:
    """
    `serve` says where, and serves until Ctrl+C, which is no error.
    """
    with interrupted() as output:
        serve(port=0)
    first, *rest = output.getvalue().splitlines()
    assert re.fullmatch(r"The shop is open: http://127\.0\.0\.1:\d+/", first)
    assert "Log in as ada (password: lovelace), or as grace (password: hopper), who may open Flask-Admin." in rest


def test_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    So does the module, at $PORT.
    """
    monkeypatch.setenv("PORT", "0")
    with interrupted():
        run_module()


@pytest.mark.parametrize("port", ["http", "65536", "-1", "80.5"])
def test_no_port(monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    """
    What is no port is said to be none.
    """
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SystemExit, match=f"^PORT={port} is no port.$"):
        run_module()


def test_port_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where the port is taken, the demo says so, and what to do.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            serve(port=port)
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(SystemExit, match=f"^Can't listen on 127.0.0.1, port {port}. Is it taken\\? Try another: "):
            run_module()


@pytest.mark.parametrize(
    "missing", ["flask", "flask_admin", "flask_login", "flask_wtf", "fastapi", "uvicorn", "wtforms"]
)
def test_missing_extra(missing: str) -> None:
    """
    Where something of the extra is missing, its name is said, without a traceback.
    """
    code = f"""
import runpy, sys
sys.modules[{missing!r}] = None
runpy.run_module("starlette_flask.demo", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert done.stderr.startswith("the demo needs more (")
    assert missing in done.stderr
    assert done.stderr.endswith("): pip install 'starlette-flask[demo]'\n")


def test_missing_extra_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It is an `ImportError` for who calls `serve`, and the module says the same.
    """
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"pip install 'starlette-flask\[demo\]'$"):
        serve()
    with pytest.raises(SystemExit, match=r"pip install 'starlette-flask\[demo\]'$"):
        run_module()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM], ids=lambda end: end.name)
def test_end(end: signal.Signals) -> None:
    """
    Ctrl+C, or SIGTERM to its process group, ends the demo without a traceback, while browsers hold connections.
    """
    with open_demo() as (process, line), closing(Connection(port_in(process, line))) as connection:
        Visitor(Browser(connection)).log_in()
        os.killpg(process.pid, end)
        output, _ = process.communicate(timeout=20)
    assert "Finished server process" in output
    assert "Traceback" not in output


def test_settings() -> None:
    """
    The environment holds the secret key, and what Flask reads from there: both halves follow.
    """
    with (
        running_demo(FLASK_SESSION_COOKIE_NAME="shop", FLASK_SESSION_COOKIE_SECURE="true") as port,
        closing(Connection(port)) as connection,
    ):
        for path in ("/products", "/cart"):
            [line] = connection(path).set_cookie
            value, _, flags = line.partition(";")
            assert flags == " Secure; HttpOnly; Path=/; SameSite=Lax"
            assert "csrf_token" in SessionSerializer(SECRET_KEY).loads(value.removeprefix("shop="))


def test_nobody_inherits_a_login() -> None:
    """
    On the connection over which a user uploaded a form, a stranger is a stranger to both halves.

    With a2wsgi on uvicorn the user is in the `flask.g` of the next request, after forms of some of these sizes.
    """
    with running_demo() as port:
        for size in range(100_000, 500_000, 50_000):
            with closing(Connection(port)) as connection:
                user, stranger = Visitor(Browser(connection)), Visitor(Browser(connection))
                token = user.log_in("grace").token
                upload = user.send("/login", csrf_token=token, name="", password="x" * size)
                own_end = connection.http.sock.getsockname()
                assert upload.status == 400
                assert "Not logged in" in stranger.open("/products").text
                for half in HALVES:
                    stranger.move("/account", half)
                    assert stranger.open("/account").path == "/login?next=%2Faccount"
                assert connection.http.sock.getsockname() == own_end, "another connection"
                user.assert_known("Grace Hopper")
