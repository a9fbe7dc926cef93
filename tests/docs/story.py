"""
Does what a page tells its readers to do, from an empty folder: writes the files, changes them, runs the commands.

A block with a title is a file, or with the language ``diff`` a change of one. In a ``console`` block each line after
``$ `` is a command, and what follows is what it prints. ``text`` with the title ``log`` is what the server says.

Four things are done in another way than the page says:

- A server runs in the background on a free port, until another one takes its place, which one with ``&`` at the end
  doesn't. When a file was changed it is started anew before the next command, as ``--reload`` does.
- ``python3 -m venv`` leaves out pip, and ``pip install`` looks only at what is installed where the tests run: nothing
  is downloaded, and who is asked for must be there.
- After ``pip uninstall`` the packages can't be imported; for others they stay.
- Where a page shows a date, an age, a duration or a signed value, any other will do.
"""

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.docs.blocks import Block

SECONDS = 15.0
"""How long a command may take."""

_SERVER = re.compile(r"(?:uvicorn|flask) ")
_RELOAD = " --reload"
_ADDRESS = re.compile(r"(127\.0\.0\.1|localhost):(\d+)")
_DEFAULT_PORTS = {"uvicorn": 8000, "flask": 5000}
_MARK = "-- done: "
# What differs from one time to the next, and what it is shown as.
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "<date>"),
    (re.compile(r"(?:\d+ days?, )?\d+:\d\d:\d\d ago"), "<age> ago"),
    (re.compile(r"\b\d+ s ago"), "<age> ago"),
    (re.compile(r"in \d+\.\d+s"), "in <seconds>"),
    (re.compile(r"\.?[\w-]{8,}\.[\w-]{6,7}\.[\w-]{27}"), "<signed>"),
    (re.compile(r"^(size +)\d+", re.MULTILINE), r"\1<bytes>"),
)


class Story:
    """
    A folder, and a shell in it.

    Args:
        folder: Empty.
    """

    def __init__(self, folder: Path) -> None:
        self._home = folder / "home"
        self.folder = folder / "work"
        self._gone = folder / "gone"
        for path in (self._home, self.folder, self._gone):
            path.mkdir()
        self._blocker = self._gone / "sitecustomize.py"
        self._ports: dict[int, int] = {}
        self._servers: list[_Server] = []
        self._has_new_files = False
        programs = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
        imports = [self._gone, *(Path(path).resolve() for path in os.environ.get("PYTHONPATH", "").split(":") if path)]
        self._shell = _Shell(
            self.folder,
            {
                "PATH": ":".join(programs),
                "HOME": str(self._home),
                "LANG": "C.UTF-8",
                "PYTHONPATH": ":".join(map(str, imports)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "NO_COLOR": "1",
                "PIP_NO_INDEX": "1",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
                "PIP_ROOT_USER_ACTION": "ignore",
            },
        )

    def __enter__(self) -> "Story":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            for server in self._servers:
                server.stop(self._shell)
        finally:
            self._shell.close()

    def tell(self, blocks: Iterable[Block]) -> None:
        """
        Do what the blocks say.

        Raises:
            AssertionError: Something else happens than what they say.
        """
        for block in blocks:
            try:
                if block.title == "log":
                    self._expect_in_log(block)
                elif block.title and block.language == "diff":
                    self._change_file(block)
                elif block.title:
                    self._show_file(block)
                elif block.language == "console":
                    for command, expected in commands_in(block.text):
                        self._run(command, expected)
            except Exception as exc:
                logs = "".join(server.log.read_text()[-2000:] for server in self._servers)
                raise AssertionError(f"{block.page}, line {block.line}: {exc}\nservers: {logs}") from exc

    def _show_file(self, block: Block) -> None:
        path = self.folder / block.title
        if path.exists():  # shown again, when it was changed step by step
            text = path.read_text()
            assert text == self._with_real_ports(block.text), f"{block.title} has become\n{text}"
        else:
            self._write_file(block.title, block.text)

    def _write_file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._with_real_ports(text))
        self._has_new_files = True

    def _change_file(self, block: Block) -> None:
        self._write_file(block.title, changed((self.folder / block.title).read_text(), block.text))

    def _run(self, command: str, expected: str) -> None:
        if _SERVER.match(command):
            self._serve(command, expected)
            return
        if self._has_new_files:
            for server in self._servers:
                server.restart(self._shell)
            self._has_new_files = False
        if command.startswith("pip uninstall"):
            self._take_away(command.split()[2:])
            return
        is_unseen = command.startswith("pip install") and not expected
        command = command.replace("-m venv", "-m venv --without-pip")
        status, output = self._shell.run(self._with_real_ports(command))
        # A status other than 0 is told by what is printed.
        assert status == 0 or expected, f"$ {command}\nended with {status}: {output}"
        if not is_unseen:
            found = self._with_documented_ports(output)
            assert comparable(found) == comparable(expected), f"$ {command}\nprints\n{found}\nand not\n{expected}"

    def _serve(self, command: str, expected: str) -> None:
        is_beside = command.endswith(" &")
        while self._servers and not is_beside:
            self._servers.pop().stop(self._shell)
        documented = _DEFAULT_PORTS[command.split()[0]]
        port = self._ports.setdefault(documented, _free_port())
        log = self._home / f"server-{len(list(self._home.iterdir()))}.log"
        server = _Server(f"{command.removesuffix(' &').replace(_RELOAD, '')} --port {port}", port, log)
        self._servers.append(server)
        server.start(self._shell)
        self._has_new_files = False
        _expect_lines(lambda: self._with_documented_ports(server.log.read_text()), expected)

    def _expect_in_log(self, block: Block) -> None:
        logs = [server.log for server in self._servers]
        _expect_lines(lambda: self._with_documented_ports("".join(log.read_text() for log in logs)), block.text)

    def _take_away(self, names: Iterable[str]) -> None:
        wanted = {name.lower() for name in names if not name.startswith("-")}
        modules = [
            module
            for module, owners in packages_distributions().items()
            if wanted & {owner.lower().replace("_", "-") for owner in owners}
        ]
        assert len(modules) >= len(wanted), f"{wanted} are not all installed"
        self._blocker.write_text(f"import sys\nsys.modules.update(dict.fromkeys({modules!r}))\n")
        self._has_new_files = True

    def _with_real_ports(self, text: str) -> str:
        def real(match: re.Match[str]) -> str:
            port = int(match[2])
            if port not in _DEFAULT_PORTS.values():
                return match[0]
            return f"{match[1]}:{self._ports.setdefault(port, _free_port())}"

        return _ADDRESS.sub(real, text)

    def _with_documented_ports(self, text: str) -> str:
        documented = {real: port for port, real in self._ports.items()}
        return _ADDRESS.sub(lambda match: f"{match[1]}:{documented.get(int(match[2]), match[2])}", text)


class _Server:
    def __init__(self, command: str, port: int, log: Path) -> None:
        self._command = command
        self._port = port
        self._pid = ""
        self.log = log

    def start(self, shell: "_Shell") -> None:
        # In the background of the shell itself, which has the variables that the page sets.
        _, self._pid = shell.run(f"{self._command} >>{self.log} 2>&1 & echo $!")
        end = time.monotonic() + SECONDS
        while not self._is_listening():
            status, _ = shell.run(f"kill -0 {self._pid}")
            assert status == 0, f"$ {self._command}\ndoesn't run: {self.log.read_text()}"
            assert time.monotonic() < end, f"$ {self._command}\nisn't listening: {self.log.read_text()}"
            time.sleep(0.02)

    def stop(self, shell: "_Shell") -> None:
        shell.run(f"kill {self._pid}; wait {self._pid}")

    def restart(self, shell: "_Shell") -> None:
        self.stop(shell)
        self.start(shell)

    def _is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True


class _Shell:
    """
    One shell for all commands, so that variables and functions stay.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # the commands of our own pages
            [shutil.which("bash") or "/bin/bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """
        Return a command's exit status, and what it prints.
        """
        stdin, stdout = _pipe(self._process.stdin), _pipe(self._process.stdout)
        stdin.write(f"{{ {command}\n}} </dev/null\nstatus=$?; echo; echo '{_MARK}'$status\n".encode())
        stdin.flush()
        output, end = "", time.monotonic() + SECONDS
        while not (match := re.search(rf"^{_MARK}(\d+)\n\Z", output, re.MULTILINE)):
            ready, _, _ = select.select([stdout], [], [], max(end - time.monotonic(), 0))
            assert ready, f"$ {command}\ntakes too long: {output}"
            data = os.read(stdout.fileno(), 65536)
            assert data, f"$ {command}\nends the shell: {output}"
            output += data.decode(errors="replace")
        return int(match[1]), output[: match.start()].rstrip("\n")

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def commands_in(text: str) -> list[tuple[str, str]]:
    """
    Return the commands of a console block, each with what it prints. A line after ``> `` goes on with the command.
    """
    found: list[tuple[list[str], list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1][0].append(line[2:])
        else:
            assert found, f"{line!r} comes before any command"
            found[-1][1].append(line)
    return [("\n".join(command), "\n".join(output)) for command, output in found]


def changed(text: str, diff: str) -> str:
    """
    Return *text* after a change, whose lines begin with ``+``, ``-`` or a space.

    Several places are parted by a line ``@@``. What stays and what goes must be there exactly once.
    """
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        before, after = before_and_after(hunk)
        assert text.count(before) == 1, f"{text.count(before)} places for\n{before}\nin\n{text}"
        text = text.replace(before, after)
    return text


def before_and_after(diff: str) -> tuple[str, str]:
    """
    Return what a change is made to, and what it makes of it.
    """
    lines = [line or " " for line in diff.splitlines()]
    assert {line[0] for line in lines} <= {"+", "-", " "}, f"not a diff: {diff}"
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    return before, after


def comparable(text: str) -> str:
    """
    Return *text* without what differs from one time to the next.
    """
    text = "\n".join(line.rstrip() for line in text.splitlines())
    for pattern, shown in _VARIABLE:
        text = pattern.sub(shown, text)
    return text.strip("\n")


def _expect_lines(read: Callable[[], str], expected: str) -> None:
    """
    Wait until the text that *read* returns has these lines.
    """
    wanted = comparable(expected).splitlines()
    end = time.monotonic() + SECONDS
    while missing := [line for line in wanted if line not in comparable(text := read()).splitlines()]:
        assert time.monotonic() < end, f"{missing} not in\n{text}"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
