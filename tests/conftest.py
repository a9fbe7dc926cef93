"""
The servers that tests of stores share. Each is started when the first test asks for it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.servers import Memcached, PostgreSQL, RedisCluster, RedisSentinel, RedisServer


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """
    A directory of directories for servers, of which some run as another user.
    """
    with tempfile.TemporaryDirectory(prefix="stores-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


def _new(home: Path, name: str) -> Path:
    directory = home / name
    directory.mkdir()
    return directory


@pytest.fixture(scope="session")
def redis_server(home: Path) -> Iterator[RedisServer]:
    with RedisServer(_new(home, "redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_with_password(home: Path) -> Iterator[RedisServer]:
    with RedisServer(_new(home, "redis-with-password"), has_password=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(home: Path) -> Iterator[RedisCluster]:
    with RedisCluster(_new(home, "redis-cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def redis_sentinel(home: Path) -> Iterator[RedisSentinel]:
    with RedisSentinel(_new(home, "redis-sentinel")) as sentinel:
        yield sentinel


@pytest.fixture(scope="session")
def memcached(home: Path) -> Iterator[Memcached]:
    with Memcached(_new(home, "memcached")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql(home: Path) -> Iterator[PostgreSQL]:
    with PostgreSQL(_new(home, "postgresql")) as server:
        yield server
