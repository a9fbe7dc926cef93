"""
`RedisStore`: sessions in Redis 6.2 or newer, or Valkey; a single server, with Sentinel, or a Cluster.
"""

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.stores.base import SessionStore, need

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

# What redis-py allows by default, for each server.
_MOST = 100

# One step and one key, so that a Cluster can do it: writes if the record is still the one that was read.
_REPLACE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""


class RedisStore(SessionStore):
    """
    Keeps sessions as ``flask_session.redis.RedisSessionInterface`` does (Flask-Session 0.8).

    Reading is one command, with a sliding expiry too, and so is writing.

    Args:
        client: A ``redis.asyncio`` client: ``Redis``, ``Sentinel(...).master_for(...)``, or ``RedisCluster``; Valkey's
            is the same. It must answer with bytes, which is its default.
        options: Those of `SessionStore`.

    Raises:
        ConfigError: *client* answers with text.
        ConfigTypeError: *client* isn't one.
    """

    extra = "redis"

    def __init__(self, client: "Redis | RedisCluster | Any", **options: object) -> None:
        need("redis", self.extra)
        super().__init__(**options)  # type: ignore[arg-type]  # SessionStore checks them
        if not (hasattr(client, "getex") and hasattr(client, "eval")) or not _is_async(client):
            raise ConfigTypeError(
                f"RedisStore takes a client of redis.asyncio, not {type(client).__module__}.{type(client).__qualname__}"
            )
        settings = getattr(getattr(client, "connection_pool", client), "connection_kwargs", {})
        if settings.get("decode_responses"):
            raise ConfigError("records are bytes; make the client of RedisStore without decode_responses=True")
        self.client = client
        pool = getattr(client, "connection_pool", None)
        self._most = min(getattr(pool, "max_connections", _MOST) or _MOST, _MOST)
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        async with self._turn():
            client = await self.client.initialize()
            record: Any = await (client.get(key) if refresh is None else client.getex(key, ex=refresh))
        return bytes(record) if record else None

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        async with self._turn():
            client = await self.client.initialize()
            if seen is None:
                return bool(await client.set(key, record, ex=lifetime, nx=True))
            return bool(await client.eval(_REPLACE, 1, key, seen, record, lifetime))

    async def delete(self, key: str) -> None:
        async with self._turn():
            client = await self.client.initialize()
            await client.delete(key)

    async def aclose(self) -> None:
        await self.client.aclose()

    def _turn(self) -> asyncio.Semaphore:
        # A pool that has no connection left refuses, where waiting for one would do.
        loop = asyncio.get_running_loop()
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = asyncio.Semaphore(self._most)
        return turn


def _is_async(client: object) -> bool:
    # The sync client of the same name has no coroutines.
    return hasattr(client, "aclose") or hasattr(type(client), "__aenter__")
