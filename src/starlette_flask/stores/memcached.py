"""
`MemcachedStore`: sessions in memcached 1.5.3 or newer.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.stores.base import SessionStore, need

if TYPE_CHECKING:
    import emcache

# Above this memcached takes seconds for a date (its protocol.txt, "Expiration times").
_MAX_SECONDS = 30 * 24 * 60 * 60


class MemcachedStore(SessionStore):
    """
    Keeps sessions as ``flask_session.memcached.MemcachedSessionInterface`` does (Flask-Session 0.8).

    Reading is one command, with a sliding expiry too; writing is two. memcached forgets when it is full, or restarted.

    Args:
        servers: ``"host:port"``, or a list of them; or a client of emcache, which belongs to one event loop. Over
            several servers emcache spreads the keys in a way of its own, other than the Flask app's client: give one
            server where both are to read.
        options: Those of `SessionStore`.

    Raises:
        ConfigError: A server isn't ``"host:port"``.
        ConfigTypeError: *servers* is something else.
    """

    extra = "memcached"

    def __init__(self, servers: "str | Iterable[str] | emcache.Client", **options: object) -> None:
        self._emcache = need("emcache", self.extra)
        super().__init__(**options)  # type: ignore[arg-type]  # SessionStore checks them
        # A client belongs to the event loop that it was made in.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        self._client: Any = None
        self._addresses: list[Any] = []
        listed: Any = [servers] if isinstance(servers, str) else servers
        if isinstance(listed, self._emcache.Client):
            self._client = listed
        elif isinstance(listed, Iterable) and not isinstance(listed, bytes):
            self._addresses = [self._address(server) for server in listed]
        if self._client is None and not self._addresses:
            raise ConfigTypeError(f"MemcachedStore takes 'host:port', a list of such, or a client, not {servers!r}")

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        client = await self._connected()
        name = key.encode()
        item = await (client.get(name) if refresh is None else client.gat(_end(refresh), name))
        return None if item is None else bytes(item.value)

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        client = await self._connected()
        name, end = key.encode(), _end(lifetime)
        try:
            if seen is None:
                await client.add(name, record, exptime=end)
            else:
                item = await client.gets(name)
                if item is None or item.value != seen:
                    return False
                await client.cas(name, record, item.cas, exptime=end)
        except self._emcache.NotStoredStorageCommandError:
            return False
        except self._emcache.StorageCommandError as exc:
            if "NOT_FOUND" in str(exc):  # of cas: it was deleted meanwhile
                return False
            raise
        return True

    async def delete(self, key: str) -> None:
        client = await self._connected()
        with suppress(self._emcache.NotFoundCommandError):
            await client.delete(key.encode())

    async def aclose(self) -> None:
        clients = [self._client] if self._client is not None else list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()

    def _address(self, server: object) -> Any:
        if not isinstance(server, str):
            raise ConfigTypeError(f"MemcachedStore takes 'host:port' or a client of emcache, not {server!r}")
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError(f"{server!r} is no server of memcached; write it as 'host:port'")
        return self._emcache.MemcachedHostAddress(host.strip("[]"), int(port))

    async def _connected(self) -> Any:
        if self._client is not None:
            return self._client
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            for closed in [each for each in self._clients if each.is_closed()]:
                del self._clients[closed]  # a client holds its loop, and would stay with it for ever
            client = await self._emcache.create_client(
                self._addresses, timeout=self.timeout, connection_timeout=self.timeout, max_connections=10
            )
            self._clients.setdefault(loop, client)
        return self._clients[loop]


def _end(seconds: int) -> int:
    return seconds if seconds <= _MAX_SECONDS else seconds + int(time.time())
