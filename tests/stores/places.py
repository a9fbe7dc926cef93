"""
Where sessions are kept: each place as Flask-Session uses it, as our store does, and as it looks from outside.
"""

import pickle
import re
import sqlite3
import struct
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import cachelib
import flask
import msgspec
import psycopg2  # type: ignore[import-untyped]  # ships no types
import pymemcache  # type: ignore[import-untyped]  # ships no types
import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
from flask_session import Session  # type: ignore[import-untyped]  # ships no types
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.ext.asyncio import create_async_engine

from starlette_flask.stores import (
    CacheLibStore,
    FileSystemStore,
    MemcachedStore,
    MemoryStore,
    RedisStore,
    SessionStore,
    SQLAlchemyStore,
)
from tests.stores.servers import Memcached, PostgreSQL, Recorder, RedisCluster, RedisSentinel, RedisServer, eventually


class Place(ABC):
    """
    A place for sessions, empty at first.
    """

    name: str
    is_pickle = False
    """Whether cachelib writes the records, which it pickles."""

    def __init__(self) -> None:
        self._stores: list[SessionStore] = []

    def store(self, **options: Any) -> SessionStore:
        """
        Return a store of ours, with a client of its own.
        """
        self._stores.append(self._new_store(**options))
        return self._stores[-1]

    @abstractmethod
    def _new_store(self, **options: Any) -> SessionStore: ...

    @abstractmethod
    def read(self, key: str) -> bytes | None:
        """
        Return the record under *key*, as it's kept.
        """

    @abstractmethod
    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        """
        Put a record there from outside.
        """

    @abstractmethod
    def seconds_left(self, key: str) -> float:
        """
        Return how long the record will be there, by the clock of whoever deletes it.
        """

    @abstractmethod
    def expire(self, key: str) -> None:
        """
        Let the record's time be up.
        """

    @abstractmethod
    def kept(self) -> list[str]:
        """
        Return the keys of all records that are there.
        """

    @abstractmethod
    def empty(self) -> None:
        """
        Remove all records.
        """

    def clear(self) -> None:  # noqa: B027  # nothing to do in a place of nobody else's
        """
        Leave nothing behind, when nobody uses it any more.
        """

    async def close(self) -> None:
        """
        Close the clients of our stores, on the event loop that used them.
        """
        while self._stores:
            await close_store(self._stores.pop())


class FlaskPlace(Place):
    """
    A place that Flask-Session can use too.
    """

    @abstractmethod
    def settings(self, app: flask.Flask) -> dict[str, Any]:
        """
        Return the config keys with which *app* uses it.
        """

    def dump(self, data: dict[str, Any]) -> bytes:
        """
        Return a session as a record of this place.
        """
        return pickle.dumps(data, pickle.HIGHEST_PROTOCOL) if self.is_pickle else msgspec.msgpack.encode(data)

    def install(self, app: flask.Flask, **settings: Any) -> None:
        """
        Let *app* keep its sessions here.
        """
        app.config.update({**self.settings(app), **settings})
        with warnings.catch_warnings():
            # Flask-Session deprecates its file system interface and the signing of ids.
            warnings.simplefilter("ignore", DeprecationWarning)
            Session(app)


async def close_store(store: Any) -> None:
    """
    Close the clients of a store, on the event loop that used them.
    """
    if isinstance(store, RedisStore):
        await store.client.aclose()
        pool = getattr(store.client, "connection_pool", None)
        if pool is not None:
            await pool.disconnect()
        if isinstance(pool, redis.asyncio.sentinel.SentinelConnectionPool):
            for sentinel in pool.sentinel_manager.sentinels:
                await sentinel.aclose()
    elif isinstance(store, MemcachedStore):
        for client in store._clients.values():
            await client.close()
    elif isinstance(store, SQLAlchemyStore):
        await store.engine.dispose()


# Redis


class RedisPlace(FlaskPlace):
    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.server = server
        self._client: Any = server.client()
        self.empty()

    def settings(self, app: flask.Flask) -> dict[str, Any]:
        return {"SESSION_TYPE": "redis", "SESSION_REDIS": self._client}

    def recorded(self) -> Recorder:
        return self.server.recorded()

    def _new_store(self, **options: Any) -> SessionStore:
        client: Any = redis.asyncio.Redis(host="127.0.0.1", port=self.server.port, password=self.server.password)
        return RedisStore(client, **options)

    def read(self, key: str) -> bytes | None:
        record: bytes | None = self._client.get(key)
        return record

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        self._client.set(key, record, ex=seconds)

    def seconds_left(self, key: str) -> float:
        return float(self._client.pttl(key)) / 1000

    def expire(self, key: str) -> None:
        self._client.pexpire(key, 1)
        eventually(lambda: not self._client.exists(key))

    def kept(self) -> list[str]:
        return [key.decode() for key in self._client.keys("*")]

    def empty(self) -> None:
        self._client.flushall()

    def clear(self) -> None:
        self._client.close()


class SentinelPlace(RedisPlace):
    name = "sentinel"

    def __init__(self, group: RedisSentinel) -> None:
        super().__init__(group.master)
        self._client.close()
        sentinel = redis.sentinel.Sentinel([group.address])  # type: ignore[no-untyped-call]
        self._client = sentinel.master_for(group.name)  # type: ignore[no-untyped-call]
        self.group = group

    def _new_store(self, **options: Any) -> SessionStore:
        sentinel: Any = redis.asyncio.sentinel.Sentinel([self.group.address])  # type: ignore[no-untyped-call]
        client = sentinel.master_for(self.group.name)
        return RedisStore(client, **options)


class ClusterPlace(RedisPlace):
    name = "cluster"

    def __init__(self, cluster: RedisCluster) -> None:
        FlaskPlace.__init__(self)
        self.cluster = cluster
        self._client = cluster.client()
        self.empty()

    def install(self, app: flask.Flask, **settings: Any) -> None:
        # Flask-Session takes nothing but a redis.Redis, and would use a server on the usual port instead.
        super().install(app, **{"SESSION_REDIS": self.cluster.nodes[0].client(), **settings})
        app.session_interface.client = self._client  # type: ignore[attr-defined]  # Flask-Session's has it

    def recorded(self) -> Recorder:
        return self.cluster.recorded()

    def _new_store(self, **options: Any) -> SessionStore:
        client: Any = redis.asyncio.RedisCluster(host="127.0.0.1", port=self.cluster.port)
        return RedisStore(client, **options)

    def kept(self) -> list[str]:
        return [key.decode() for key in self._client.keys("*", target_nodes="primaries")]

    def empty(self) -> None:
        self._client.flushall(target_nodes="primaries")


# Memcached


class MemcachedPlace(FlaskPlace):
    name = "memcached"

    def __init__(self, server: Memcached) -> None:
        super().__init__()
        self.server = server
        # What isn't acknowledged may not be there yet when the next client asks.
        self._client = pymemcache.Client(("127.0.0.1", server.port), default_noreply=False)
        self.empty()

    def settings(self, app: flask.Flask) -> dict[str, Any]:
        return {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": self._client}

    def _new_store(self, **options: Any) -> SessionStore:
        return MemcachedStore(f"127.0.0.1:{self.server.port}", **options)

    def read(self, key: str) -> bytes | None:
        record: bytes | None = self._client.get(key)
        return record

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        assert self._client.set(key, record, seconds)

    def seconds_left(self, key: str) -> float:
        [left] = re.findall(rb" t(-?\d+)", self._client.raw_command(f"mg {key} t"))
        return float(left)

    def expire(self, key: str) -> None:
        self._client.touch(key, -1)
        assert self._client.get(key) is None

    def kept(self) -> list[str]:
        written = {command[1] for command in self.server.commands() if command[0] in ("add", "cas", "set")}
        return [key for key in sorted(written) if self._client.get(key) is not None]

    def empty(self) -> None:
        for key in self.kept():  # flush_all counts whole seconds, and what is written in this one may go too
            self._client.delete(key)

    def clear(self) -> None:
        self._client.close()


# SQL


class SQLPlace(FlaskPlace):
    """
    A table of a database.
    """

    mark: str
    """What stands for a value in a statement of the driver that looks from outside."""
    lock: str
    """A statement that keeps others out until the end of the transaction."""
    table = "sessions"

    def __init__(self, url: str, async_url: str) -> None:
        super().__init__()
        self._url = url
        self._async_url = async_url
        self._databases: list[tuple[flask.Flask, SQLAlchemy]] = []

    def settings(self, app: flask.Flask) -> dict[str, Any]:
        app.config["SQLALCHEMY_DATABASE_URI"] = self._url
        database = SQLAlchemy(app)
        self._databases.append((app, database))
        return {"SESSION_TYPE": "sqlalchemy", "SESSION_SQLALCHEMY": database}

    def _new_store(self, **options: Any) -> SessionStore:
        engine = create_async_engine(self._async_url)
        return SQLAlchemyStore(engine, **options)

    def read(self, key: str) -> bytes | None:
        rows = self._run("select data from {table} where session_id = {mark}", key)
        return bytes(rows[0][0]) if rows else None

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        until = datetime.now(timezone.utc).replace(tzinfo=None) + timedelta(seconds=seconds)
        statement = "insert into {table} (session_id, data, expiry) values ({mark}, {mark}, {mark})"
        self._run("delete from {table} where session_id = {mark}", key)
        self._run(statement, key, record, f"{until:%Y-%m-%d %H:%M:%S.%f}")

    def seconds_left(self, key: str) -> float:
        [[expiry]] = self._run("select expiry from {table} where session_id = {mark}", key)
        until = expiry if isinstance(expiry, datetime) else datetime.fromisoformat(expiry)
        return until.replace(tzinfo=timezone.utc).timestamp() - time.time()

    def expire(self, key: str) -> None:
        self._run("update {table} set expiry = {mark} where session_id = {mark}", "2000-01-01 00:00:00.000000", key)

    def kept(self) -> list[str]:
        return [key for [key] in self._run("select session_id from {table}")]

    def empty(self) -> None:
        self._run("delete from {table}")

    def clear(self) -> None:
        for app, database in self._databases:
            with app.app_context():
                database.session.remove()
                database.engine.dispose()

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._connected() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement.format(table=self.table, mark=self.mark), values)
            return [] if cursor.description is None else list(cursor.fetchall())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Let nobody else read or write the table.
        """
        with self._connected() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(self.lock.format(table=self.table))
            yield

    @abstractmethod
    def _connected(self) -> Any: ...


class SQLitePlace(SQLPlace):
    name = "sqlite"
    mark = "?"
    lock = "begin exclusive"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "sessions.db"
        # Whoever waits for the lock asks again at intervals, and many who wait may be unlucky for long.
        super().__init__(f"sqlite:///{self.path}", f"sqlite+aiosqlite:///{self.path}?timeout=60")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            yield connection


class PostgreSQLPlace(SQLPlace):
    name = "postgresql"
    mark = "%s"
    lock = "lock table {table} in access exclusive mode"

    def __init__(self, server: PostgreSQL) -> None:
        self.server = server
        super().__init__(f"postgresql+psycopg2://{server.address}", f"postgresql+asyncpg://{server.address}")
        self._drop()

    def clear(self) -> None:
        super().clear()
        self._drop()

    def _drop(self) -> None:
        self._run("drop table if exists {table}")

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        # Whoever has left a lock behind is not waited for.
        url = f"postgresql://{self.server.address}?options=-c%20lock_timeout%3D5s"
        with closing(psycopg2.connect(url)) as connection, connection:
            yield connection


# Cachelib


class FileSystemPlace(FlaskPlace):
    name = "filesystem"
    is_pickle = True

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory / "sessions"
        self._cache = cachelib.FileSystemCache(str(self.directory))
        self._keys: set[str] = set()

    def settings(self, app: flask.Flask) -> dict[str, Any]:
        return {"SESSION_TYPE": "filesystem", "SESSION_FILE_DIR": str(self.directory)}

    def _new_store(self, **options: Any) -> SessionStore:
        return FileSystemStore(self.directory, **options)

    def read(self, key: str) -> bytes | None:
        path = self._path(key)
        return path.read_bytes()[4:] if path.exists() else None

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        self._path(key).write_bytes(struct.pack("I", int(time.time()) + seconds) + record)

    def seconds_left(self, key: str) -> float:
        [until] = struct.unpack("I", self._path(key).read_bytes()[:4])
        return float(until) - time.time()

    def expire(self, key: str) -> None:
        path = self._path(key)
        path.write_bytes(struct.pack("I", 1) + path.read_bytes()[4:])

    def kept(self) -> list[str]:
        """
        Return the names of the files, which are hashes of the keys.
        """
        count = self._path("__wz_cache_count")
        return [path.name for path in self.directory.iterdir() if path != count]

    def empty(self) -> None:
        for name in self.kept():
            (self.directory / name).unlink()

    def _path(self, key: str) -> Path:
        return Path(self._cache._get_filename(key))


class CacheLibPlace(FlaskPlace):
    name = "cachelib"
    is_pickle = True

    def __init__(self) -> None:
        super().__init__()
        self.cache = cachelib.SimpleCache()

    def settings(self, app: flask.Flask) -> dict[str, Any]:
        return {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": self.cache}

    def _new_store(self, **options: Any) -> SessionStore:
        return CacheLibStore(self.cache, **options)

    def read(self, key: str) -> bytes | None:
        record: Any = self.cache._cache.get(key)
        return None if record is None else record[1]

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        self.cache.set(key, pickle.loads(record), seconds)  # noqa: S301  # our own bytes

    def seconds_left(self, key: str) -> float:
        return float(self.cache._cache[key][0]) - time.time()

    def expire(self, key: str) -> None:
        self.cache._cache[key] = (1, self.cache._cache[key][1])

    def kept(self) -> list[str]:
        return list(self.cache._cache)

    def empty(self) -> None:
        self.cache.clear()


class CacheOnRedisPlace(FlaskPlace):
    """
    Cachelib's cache on Redis, which isn't Flask-Session's own.
    """

    name = "cachelib on redis"
    is_pickle = True

    def __init__(self, server: RedisServer) -> None:
        super().__init__()
        self.cache = cachelib.RedisCache("127.0.0.1", server.port)
        self._redis = RedisPlace(server)

    def settings(self, app: flask.Flask) -> dict[str, Any]:
        return {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": self.cache}

    def _new_store(self, **options: Any) -> SessionStore:
        return CacheLibStore(self.cache, **options)

    def read(self, key: str) -> bytes | None:
        record = self._redis.read(key)
        assert record is None or record.startswith(b"!")
        return record and record[1:]

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        self._redis.write(key, b"!" + record, seconds)

    def seconds_left(self, key: str) -> float:
        return self._redis.seconds_left(key)

    def expire(self, key: str) -> None:
        self._redis.expire(key)

    def kept(self) -> list[str]:
        return self._redis.kept()

    def empty(self) -> None:
        self._redis.empty()

    def clear(self) -> None:
        self._redis.clear()
        self.cache._read_client.close()


# What only we have


class OwnStore(SessionStore):
    """
    A store as a user writes it, in a dict.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.records: dict[str, tuple[bytes, float]] = {}

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        record, until = self.records.get(key, (None, 0))
        if record is None or until <= time.time():
            return None
        if refresh is not None:
            self.records[key] = record, time.time() + refresh
        return record

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        if await self.read(key, None) != seen:
            return False
        self.records[key] = record, time.time() + lifetime
        return True

    async def delete(self, key: str) -> None:
        self.records.pop(key, None)


class MemoryPlace(Place):
    """
    This process.
    """

    name = "memory"

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[str, tuple[bytes, float]] = {}

    def _new_store(self, **options: Any) -> SessionStore:
        store = MemoryStore(**options)
        store._records = self._records
        return store

    def read(self, key: str) -> bytes | None:
        return self._records[key][0] if key in self._records else None

    def write(self, key: str, record: bytes, seconds: int = 60) -> None:
        self._records[key] = record, time.time() + seconds

    def seconds_left(self, key: str) -> float:
        return self._records[key][1] - time.time()

    def expire(self, key: str) -> None:
        self.write(key, self._records[key][0], -1)

    def kept(self) -> list[str]:
        return list(self._records)

    def empty(self) -> None:
        self._records.clear()


class OwnPlace(MemoryPlace):
    name = "own"

    def _new_store(self, **options: Any) -> SessionStore:
        store = OwnStore(**options)
        store.records = self._records
        return store


FLASK_PLACES = [
    "redis",
    "sentinel",
    "cluster",
    "memcached",
    "sqlite",
    "postgresql",
    "filesystem",
    "cachelib",
    "cachelib on redis",
]
"""Where Flask-Session can keep its sessions."""


@contextmanager
def open_place(name: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    """
    Open a place for a test, starting the server that it needs.
    """
    kinds: dict[str, tuple[Callable[[Any], Place], str]] = {
        "redis": (RedisPlace, "redis_server"),
        "sentinel": (SentinelPlace, "redis_sentinel"),
        "cluster": (ClusterPlace, "redis_cluster"),
        "memcached": (MemcachedPlace, "memcached"),
        "sqlite": (SQLitePlace, "tmp_path"),
        "postgresql": (PostgreSQLPlace, "postgresql"),
        "filesystem": (FileSystemPlace, "tmp_path"),
        "cachelib": (lambda _: CacheLibPlace(), "tmp_path"),
        "cachelib on redis": (CacheOnRedisPlace, "redis_server"),
        "own": (lambda _: OwnPlace(), "tmp_path"),
        "memory": (lambda _: MemoryPlace(), "tmp_path"),
    }
    kind, fixture = kinds[name]
    place = kind(request.getfixturevalue(fixture))
    try:
        yield place
    finally:
        place.clear()
