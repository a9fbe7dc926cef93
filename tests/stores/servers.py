"""
Private servers for the stores: Redis (alone, as a cluster, watched by a sentinel), memcached and PostgreSQL.

Each listens on free ports of this machine, keeps its files in a directory of its own, and ends with its ``with`` block.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeVar

import psycopg2  # type: ignore[import-untyped]  # ships no types
import pytest
import redis

T = TypeVar("T")

SECONDS = 15.0
"""How long a test waits for what must happen."""

PASSWORD = "a password"


def need(*programs: str, package: str) -> list[str]:
    """
    Return the paths of programs; without them the test is skipped, or fails where everything should be installed.
    """
    paths = [_find(program) for program in programs]
    if None in paths:
        _miss(f"needs {' and '.join(programs)}: apt-get install {package}")
    return [path for path in paths if path is not None]


def _find(program: str) -> str | None:
    # Debian keeps the programs of a PostgreSQL server, of which several versions may be installed, to themselves.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(map(str, reversed(versions))))


def _miss(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def eventually(read: Callable[[], T], accept: Callable[[T], bool] = bool) -> T:
    """
    Return what *read* returns as soon as it's acceptable.
    """
    end = time.monotonic() + SECONDS
    while not accept(value := read()):
        assert time.monotonic() < end, f"still {value!r}"
        time.sleep(0.01)
    return value


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Program:
    """
    A server that runs, is paused, killed and started again, always on the same port with the same files.

    Args:
        directory: For its files and its log.
        user: Who runs it, instead of root.
    """

    def __init__(self, command: Sequence[str], directory: Path, *, user: str | None = None) -> None:
        self.command = command
        self.directory = directory
        self.log = directory / "log"
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Any:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """
        Start it, and wait until it answers.
        """
        assert self._process is None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the commands below
                self.command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._user
            )
        eventually(self._is_ready)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def kill(self) -> None:
        """
        End it at once, as a power cut does.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """
        Let it take connections and commands, and answer none.
        """
        self._tell(signal.SIGSTOP)
        eventually(lambda: all(map(_is_stopped, self._processes())))

    def resume(self) -> None:
        self._tell(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def answers(self) -> bool:
        """
        Say whether it does what it's asked. What it raises means that it doesn't yet.
        """
        raise NotImplementedError

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text(errors="replace")
        return self.answers()

    def _processes(self) -> list[int]:
        """
        Return the ids of all processes that answer.
        """
        assert self._process is not None
        return [self._process.pid]

    def _tell(self, told_by: signal.Signals) -> None:
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, told_by)


def _is_stopped(process: int) -> bool:
    # Its threads don't stop at the same moment, and none before kill returns.
    states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{process}/task").glob("*/stat")]
    return set(states) == {"T"}


# Redis


class RedisServer(Program):
    """
    A Redis server that has forgotten nothing it has confirmed when it's killed and started again.

    Args:
        options: Of its command line.
        has_password: Ask for `PASSWORD`.
    """

    def __init__(self, directory: Path, *options: str, has_password: bool = False) -> None:
        [program] = need("redis-server", package="redis-server")
        self.port = free_port()
        self.socket = directory / "socket"
        self.password = PASSWORD if has_password else None
        command = [program, "--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", str(self.socket)]
        command += [
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--repl-diskless-sync-delay",
            "0",
            *options,
        ]
        super().__init__([*command, *(["--requirepass", PASSWORD] if has_password else [])], directory)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> "redis.Redis":
        """
        Return a client for what tests do on the side.
        """
        return redis.Redis(port=self.port, password=self.password, **options)

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:  # it doesn't listen yet, or reads its files first
                return False

    def recorded(self) -> "Recorder":
        return Recorder([self])


_SET_UP = {"AUTH", "CLIENT", "CLUSTER", "COMMAND", "HELLO", "READONLY", "SELECT"}


class Recorder:
    """
    The commands that servers are sent, as the clients send them.

    Those that set up a connection are left out, and so are those that a script runs. Recording goes on for as long as
    the ``with`` block does.
    """

    def __init__(self, servers: Sequence[RedisServer]) -> None:
        self._servers = servers
        self._streams: list[Any] = []
        self._stack = ExitStack()
        self._marks = 0

    def __enter__(self) -> "Recorder":
        for server in self._servers:
            connection = self._stack.enter_context(socket.create_connection(("127.0.0.1", server.port), SECONDS))
            stream = self._stack.enter_context(connection.makefile("rwb"))
            if server.password is not None:
                _command(stream, f'AUTH "{server.password}"')
            _command(stream, "MONITOR")
            self._streams.append(stream)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def take(self) -> list[list[str]]:
        """
        Return the commands since the last time, each with its arguments.
        """
        streams = zip(self._servers, self._streams, strict=True)
        return [command for server, stream in streams for command in self._read(server, stream)]

    def names(self) -> list[str]:
        """
        Return the names alone.
        """
        return [command[0] for command in self.take()]

    def _read(self, server: RedisServer, stream: Any) -> Iterator[list[str]]:
        self._marks += 1
        mark = f"mark {self._marks}"
        with server.client() as client:
            client.echo(mark)
        while True:
            line = stream.readline().decode("latin-1")
            source, command = re.fullmatch(r"\+\d+\.\d+ \[\d+ (\S+)\] (.*)\r\n", line).groups()  # type: ignore[union-attr]
            [name, *arguments] = re.findall(r'"((?:[^"\\]|\\.)*)"', command)
            if arguments == [mark]:
                return
            if source != "lua" and name.upper() not in _SET_UP:
                yield [name.upper(), *arguments]


def _command(stream: Any, line: str) -> None:
    stream.write(f"{line}\r\n".encode())
    stream.flush()
    assert stream.readline() == b"+OK\r\n"


class RedisCluster:
    """
    Three masters with a replica each.
    """

    def __init__(self, directory: Path) -> None:
        [self._cli] = need("redis-cli", package="redis-server")
        self.nodes: list[RedisServer] = []
        for number in range(6):
            home = directory / str(number)
            home.mkdir()
            self.nodes.append(RedisServer(home, *self._options()))
        self._stack = ExitStack()

    @staticmethod
    def _options() -> list[str]:
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            # A master that is gone for longer than this is replaced; until then its part of the keys is missing.
            "cluster-node-timeout": "2000",
            # By its own replica, however old that is.
            "cluster-replica-validity-factor": "0",
            "cluster-allow-replica-migration": "no",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def __enter__(self) -> "RedisCluster":
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node)
            addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
            command = [self._cli, "--cluster", "create", *addresses, "--cluster-replicas", "1", "--cluster-yes"]
            subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603  # our own nodes
            eventually(self._is_whole)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def port(self) -> int:
        """
        Of one of them; it knows the others.
        """
        return self.nodes[0].port

    def client(self) -> "redis.RedisCluster":
        return redis.RedisCluster(host="127.0.0.1", port=self.port)

    def masters(self) -> list[RedisServer]:
        return [node for node in self.nodes if self._role(node) == "master"]

    def master_of(self, key: str) -> RedisServer:
        """
        Return the node that keeps *key*.
        """
        with self.client() as client:
            found = client.get_node_from_key(key)
        [node] = [node for node in self.nodes if node.port == found.port]
        return node

    def replica_of(self, master: RedisServer) -> RedisServer:
        for node in self.nodes:
            with node.client() as client:
                if client.info("replication").get("master_port") == master.port:
                    return node
        raise AssertionError("it has no replica")

    def hand_over(self, master: RedisServer) -> RedisServer:
        """
        Let the replica of *master* take its place in good order; return the replica.
        """
        replica = self.replica_of(master)
        eventually(lambda: self._has_taken_over(replica))
        eventually(lambda: all(self._knows(node, replica) for node in self.nodes))
        return replica

    def mend(self) -> None:
        """
        Start what was killed: it becomes a replica of what has taken its place. Wait until every replica has its copy.
        """
        for node in self.nodes:
            if not node.is_running:
                node.start()
        eventually(self._is_whole)

    def recorded(self) -> Recorder:
        return Recorder(self.masters())

    def _is_whole(self) -> bool:
        # Every node knows all slots, and every replica has its copy.
        for node in self.nodes:
            with node.client() as client:
                state = client.cluster("INFO")
                replication = client.info("replication")
            if (state["cluster_state"], state["cluster_known_nodes"]) != ("ok", "6"):
                return False
            if replication["role"] == "slave" and replication["master_link_status"] != "up":
                return False
            if replication["role"] == "master" and replication["connected_slaves"] != 1:
                return False
        return True

    @staticmethod
    def _has_taken_over(replica: RedisServer) -> bool:
        # It gives up when the others don't agree in time.
        with replica.client() as client:
            if client.info("replication")["role"] == "master":
                return True
            client.execute_command("CLUSTER FAILOVER")
            time.sleep(0.1)
        return False

    @staticmethod
    def _knows(node: RedisServer, master: RedisServer) -> bool:
        with node.client() as client:
            known = client.cluster("NODES")[f"127.0.0.1:{master.port}"]
        return "master" in known["flags"] and bool(known["slots"])

    @staticmethod
    def _role(node: RedisServer) -> str:
        with node.client() as client:
            return str(client.info("replication")["role"])


class _SentinelServer(RedisServer):
    def __init__(self, directory: Path, master: RedisServer) -> None:
        [program] = need("redis-server", package="redis-server")
        super().__init__(directory)
        config = directory / "sentinel.conf"  # it writes down there what it learns
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"sentinel monitor {RedisSentinel.name} 127.0.0.1 {master.port} 1",
            f"sentinel down-after-milliseconds {RedisSentinel.name} 60000",
            f"sentinel failover-timeout {RedisSentinel.name} 2000",
        ]
        config.write_text("".join(f"{line}\n" for line in lines))
        self.command = [program, str(config), "--sentinel"]


class RedisSentinel:
    """
    One master with one replica, and a sentinel that lets the replica take over.
    """

    name = "sessions"
    """What the sentinel calls the two."""

    def __init__(self, directory: Path) -> None:
        homes = [directory / name for name in ("master", "replica", "sentinel")]
        for home in homes:
            home.mkdir()
        self.master = RedisServer(homes[0])
        self.replica = RedisServer(homes[1], "--replicaof", "127.0.0.1", str(self.master.port))
        self.sentinel: RedisServer = _SentinelServer(homes[2], self.master)
        self._stack = ExitStack()

    def __enter__(self) -> "RedisSentinel":
        with ExitStack() as stack:
            stack.enter_context(self.master)
            stack.enter_context(self.replica)
            eventually(self._is_replicated)
            stack.enter_context(self.sentinel)
            eventually(self._is_watched)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def address(self) -> tuple[str, int]:
        """
        Where the sentinel is.
        """
        return "127.0.0.1", self.sentinel.port

    def hand_over(self) -> None:
        """
        Let master and replica change places in good order.
        """
        old, new = self.master, self.replica
        with old.client() as client:
            # What the old one would confirm from now on would be lost.
            client.client_pause(60_000, all=False)
            eventually(self._is_up_to_date)
            eventually(self._is_handing_over)
            eventually(lambda: self._port_of_master() == new.port)
            client.replicaof("127.0.0.1", new.port)  # the sentinel would take its time
            client.client_unpause()
        self.master, self.replica = new, old
        eventually(self._is_replicated)
        eventually(self._is_watched)

    def _is_up_to_date(self) -> bool:
        with self.master.client() as master, self.replica.client() as replica:
            sent, taken = master.info("replication"), replica.info("replication")
        return bool(sent["master_repl_offset"] == taken["slave_repl_offset"])

    def _is_handing_over(self) -> bool:
        with self.sentinel.client() as client:
            try:
                client.execute_command("SENTINEL FAILOVER", self.name)
            except redis.ResponseError:  # it doesn't know enough of the replica yet
                return False
        return True

    def _port_of_master(self) -> int:
        with self.sentinel.client() as client:
            return int(client.sentinel_master(self.name)["port"])

    def _is_replicated(self) -> bool:
        with self.replica.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def _is_watched(self) -> bool:
        with self.sentinel.client() as client:
            state = client.sentinel_master(self.name)
        return bool(state["num-slaves"] == 1)


# Memcached


class Memcached(Program):
    """
    A memcached.
    """

    def __init__(self, directory: Path) -> None:
        [program] = need("memcached", package="memcached")
        self.port = free_port()
        command = [program, "--listen", "127.0.0.1", "--port", str(self.port), "-vv"]
        super().__init__([*command, *(["--user", "nobody"] if os.getuid() == 0 else [])], directory)

    def answers(self) -> bool:
        return self._ask(b"version\r\n").startswith(b"VERSION ")

    def commands(self) -> list[list[str]]:
        """
        Return the commands that it was sent, each with its arguments.
        """
        # It tells what it's doing. What is written before the mark is there when the mark is.
        mark = f"mark-{time.monotonic_ns()}"
        self._ask(f"get {mark}\r\n".encode())

        def lines() -> list[str]:
            return re.findall(r"^<\d+ ([a-z].*)$", self.log.read_text(errors="replace"), re.MULTILINE)

        log = eventually(lines, lambda lines: f"get {mark}" in lines)
        chatter = ("new ", "connection ", "server ", "version")
        return [line.split() for line in log if " mark-" not in line and not line.startswith(chatter)]

    def _ask(self, line: bytes) -> bytes:
        try:
            with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
                connection.sendall(line)
                return connection.recv(1024)
        except ConnectionError:
            return b""


# PostgreSQL


class PostgreSQL(Program):
    """
    A PostgreSQL server with an empty database. It won't run as root: it's the user ``postgres`` then.
    """

    def __init__(self, directory: Path) -> None:
        [initdb, program] = need("initdb", "postgres", package="postgresql")
        self.port = free_port()
        user = "postgres" if os.getuid() == 0 else None
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        subprocess.run(  # noqa: S603  # our own directory
            [initdb, "--pgdata", data, "--no-sync", "--auth", "trust", "--username", "sessions", "--encoding", "UTF8"],
            check=True,
            capture_output=True,
            cwd=directory,
            user=user,
        )
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off"}
        command = [program, "-D", str(data), *(f"--{name}={value}" for name, value in options.items())]
        super().__init__(command, directory, user=user)

    @property
    def address(self) -> str:
        """
        What follows the name of a driver in a URL.
        """
        return f"sessions@127.0.0.1:{self.port}/postgres"

    def answers(self) -> bool:
        try:
            psycopg2.connect(f"postgresql://{self.address}").close()
        except psycopg2.OperationalError:
            return False
        return True

    def _processes(self) -> list[int]:
        [first] = super()._processes()
        return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]

    def kill(self) -> None:
        # Killed, it would leave the processes behind that it has started; this ends them all at once.
        if self._process is not None:
            self.resume()
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None
