"""
What docs/deployment.md says, done: its files written, its commands run, with ports and a root directory of our own.
"""

import json
import os
import re
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection, create_server
from typing import Any, TypeVar

import pytest

from tests.docs.blocks import blocks_of
from tests.helpers import Answer, Browser

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
HOST = "shop.example"
HOME = "127.0.0.1"
"""From where clients connect, if nothing else is said; all of 127.0.0.0/8 is this machine."""
SECONDS = 30.0
"""How long a test waits; workers take a while to start."""
BALANCER = "127.0.0.9"
"""Whom nginx believes what it says of the client."""

BLOCKS = {block.title: block.text for block in blocks_of("docs/deployment.md")}
"""The page's blocks by their titles; a title that is a path is that of a file."""


def program(name: str, package: str) -> str:
    """
    Return the path of a program; without it the test is skipped, and in CI it fails.
    """
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        message = f"{name} is missing: apt-get install {package}, or scripts/packages"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return path


def free_port() -> int:
    with create_server((HOME, 0)) as listener:
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


def exec_start(unit: str) -> str:
    """
    Return the command of a systemd unit of the page.
    """
    [command] = re.findall(r"^ExecStart=(.*)", BLOCKS[f"/etc/systemd/system/{unit}.service"], re.MULTILINE)
    return str(command)


class Machine:
    """
    A directory that stands for the machine, on which the page's files are.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ports = {name: free_port() for name in ("80", "443", "8001", "8002")}
        """By the numbers that the page has for them."""
        for title, text in BLOCKS.items():
            if title.startswith("/"):
                self.write(title, text)

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        """
        Write a file in which paths and ports are this machine's.
        """
        if path.startswith("/etc/nginx/"):
            text = text.replace("/etc/", f"{self.root}/etc/")
            text = re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"127.0.0.1:{self.ports[match[1]]}", text)
            text = re.sub(r"listen (\d+)", lambda match: f"listen 127.0.0.1:{self.ports[match[1]]}", text)
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def change_settings(self, **changed: Any) -> None:
        settings = json.loads(BLOCKS["/etc/shop/settings.json"])
        self.write("/etc/shop/settings.json", json.dumps({**settings, **changed}))

    @contextmanager
    def running(self, command: str, app: str | None = None, *, port: int | None = None) -> Iterator["Process"]:
        """
        Run a server's command.

        Args:
            command: As the page has it.
            app: Instead of the page's.
            port: Instead of the page's.
        """
        for number, own in self.ports.items():
            command = re.sub(rf"\b{number}\b", str(port or own), command)
        name, *arguments = shlex.split(command)
        if app is not None:
            arguments[-1] = app
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        changed = {
            "PYTHONPATH": os.pathsep.join(paths),
            "SHOP_SETTINGS": str(self.path("/etc/shop/settings.json")),
            "XDG_RUNTIME_DIR": str(self.root),  # for gunicorn's control socket
        }
        whole = [sys.executable, "-m", Path(name).name, *arguments]
        with self.process(whole, cwd=self.path("/srv/shop"), env={**os.environ, **changed}) as process:
            yield process

    @contextmanager
    def process(self, command: Sequence[str], **options: Any) -> Iterator["Process"]:
        log = self.root / f"{Path(command[0]).name}-{free_port()}.log"
        with log.open("w") as file:
            process = Process(command, log, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options)
            try:
                yield process
            finally:
                process.end()


class Process(subprocess.Popen[bytes]):
    """
    A server with its workers.
    """

    def __init__(self, command: Sequence[str], log: Path, **options: Any) -> None:
        super().__init__(command, start_new_session=True, **options)
        self.log = log

    def wait_until_it_listens(self, port: int) -> None:
        def is_listening() -> bool:
            if self.poll() is not None:
                return True
            try:
                create_connection((HOME, port), SECONDS).close()
            except ConnectionError:
                return False
            return True

        try:
            eventually(is_listening, bool)
        finally:
            print(self.log.read_text())  # what pytest shows of a test that fails
        assert self.poll() is None

    def workers(self) -> set[int]:
        """
        Return which processes it has started.
        """
        found = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has just ended
                continue
            if parent == self.pid:
                found.add(int(stat.parent.name))
        return found

    def reload(self) -> None:
        """
        Do what ``ExecReload`` of the units does.
        """
        self.send_signal(signal.SIGHUP)

    def end(self) -> None:
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()


class Site:
    """
    nginx and the two servers behind it, running.
    """

    def __init__(self, machine: Machine, flask: Process, fastapi: Process, nginx: list[str]) -> None:
        self.machine = machine
        self.flask = flask
        self.fastapi = fastapi
        self._nginx = nginx
        self._tls = self.make_tls_context()

    def make_tls_context(self) -> ssl.SSLContext:
        """
        Return a context that trusts the certificate, and nothing else.
        """
        return ssl.create_default_context(cafile=self.machine.path("/etc/ssl/shop/fullchain.pem"))

    def move(self, lines: str) -> None:
        """
        Let `moved.conf` have these lines beside its own, and switch as the page says.
        """
        write_moved(self.machine, lines)
        for command in BLOCKS["as root"].strip().split(" && "):
            name, *arguments = command.split()
            assert name == "nginx"
            done = subprocess.run([*self._nginx, *arguments], capture_output=True, text=True)  # noqa: S603
            assert done.returncode == 0, done.stderr
            assert "[warn]" not in done.stderr

    def connect(self, address: str = HOME, *, name: str = HOST) -> HTTPConnection:
        """
        Return a connection to nginx over TLS.

        Args:
            address: From where.
            name: Of the host that is asked for, before the request.
        """
        raw = create_connection((HOME, self.machine.ports["443"]), SECONDS, source_address=(address, 0))
        connection = HTTPConnection(HOST, timeout=SECONDS)
        try:
            connection.sock = self._tls.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise
        return connection

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        cookies: Sequence[str] = (),
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        address: str = HOME,
    ) -> Answer:
        """
        Send a request on a connection of its own.
        """
        connection = self.connect(address)
        try:
            return send(connection, path, method, cookies, body, headers or {})
        finally:
            connection.close()

    def person(self) -> Browser:
        return Browser(self.ask)


def send(
    connection: HTTPConnection, path: str, method: str, cookies: Sequence[str], body: bytes, headers: dict[str, str]
) -> Answer:
    """
    Send a request on this connection.
    """
    if cookies:
        headers = {**headers, "Cookie": "; ".join(cookies)}
    connection.request(method, path, body or None, {"User-Agent": "a browser", **headers})
    response = connection.getresponse()
    lines = tuple((name.lower(), value) for name, value in response.getheaders())
    return Answer(response.status, lines, response.read())


def write_moved(machine: Machine, lines: str = "") -> None:
    views = "location /fastapi/ { proxy_pass http://fastapi; }\n"  # what the tests ask for; Flask has the rest
    machine.write("/etc/nginx/shop/moved.conf", BLOCKS["/etc/nginx/shop/moved.conf"] + views + lines)


MAIN = """
daemon off;
{user}
pid {root}/nginx.pid;
error_log {root}/nginx.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {root}/body;
    proxy_temp_path {root}/proxy;
    fastcgi_temp_path {root}/fastcgi;
    uwsgi_temp_path {root}/uwsgi;
    scgi_temp_path {root}/scgi;
    include {root}/etc/nginx/conf.d/*.conf;
}}
"""
"""What Debian's nginx.conf is on this machine."""


@contextmanager
def deployed(root: Path, **settings: Any) -> Iterator[Site]:
    """
    Run the whole site.

    Args:
        root: An empty directory.
        settings: Beside the page's.
    """
    nginx, openssl = program("nginx", "nginx"), program("openssl", "openssl")
    machine = Machine(root)
    machine.change_settings(**settings)
    certificate = machine.path("/etc/ssl/shop/fullchain.pem")
    certificate.parent.mkdir(parents=True)
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    uses = ["-addext", "keyUsage=digitalSignature,keyCertSign"]  # by a site, and to trust itself
    files = ["-keyout", str(certificate.with_name("key.pem")), "-out", str(certificate)]
    subprocess.run([openssl, "req", *options, *names, *uses, *files], check=True, capture_output=True)  # noqa: S603
    _write_site(machine, nginx)
    write_moved(machine)
    user = "user root;" if os.geteuid() == 0 else ""
    machine.write("/nginx.conf", MAIN.format(root=root, user=user))
    command = [nginx, "-e", "stderr", "-p", str(root), "-c", str(root / "nginx.conf")]
    with ExitStack() as stack:
        flask = stack.enter_context(machine.running(exec_start("shop-flask"), "tests.interop.served.behind_flask:app"))
        fastapi = stack.enter_context(
            machine.running(exec_start("shop-fastapi"), "tests.interop.served.behind_fastapi:app")
        )
        front = stack.enter_context(machine.process(command))
        site = Site(machine, flask, fastapi, command)
        for process, port in ((flask, "8001"), (fastapi, "8002"), (front, "443")):
            process.wait_until_it_listens(machine.ports[port])
        yield site


def _write_site(machine: Machine, nginx: str) -> None:
    """
    Write the site's file, with what the page says to add: HTTP/2, and a balancer before it.
    """
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr  # noqa: S603
    [numbers] = re.findall(r"nginx/(\d+)\.(\d+)\.(\d+)", said)
    is_old = tuple(map(int, numbers)) < (1, 25, 1)
    more = BLOCKS["into the last server"].replace("10.0.0.0/8", f"{BALANCER}/32")
    head, separator, last = BLOCKS["/etc/nginx/conf.d/shop.conf"].rpartition("server {")
    listen = "listen 443 ssl http2;" if is_old else "listen 443 ssl;\n    http2 on;"
    machine.write("/etc/nginx/conf.d/shop.conf", head + separator + last.replace("listen 443 ssl;", listen + more))
