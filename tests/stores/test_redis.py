"""
`RedisStore`, where it isn't like all stores: what clients it takes.
"""

from collections.abc import Callable
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from starlette_flask import ConfigError
from starlette_flask.stores import RedisStore
from tests.stores.client import tell
from tests.stores.places import RedisPlace, open_place
from tests.stores.servers import RedisServer

KEY = "session:a"


class TestClients:
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda: redis.asyncio.Redis(), id="a server"),
            pytest.param(lambda: redis.asyncio.Redis.from_url("rediss://user:password@h:1/2"), id="of a URL"),
            pytest.param(lambda: redis.asyncio.Redis(unix_socket_path="/s"), id="a socket"),
            pytest.param(
                lambda: redis.asyncio.sentinel.Sentinel([("h", 1)]).master_for("name"),  # type: ignore[no-untyped-call]
                id="Sentinel",
            ),
            pytest.param(
                lambda: redis.asyncio.RedisCluster(startup_nodes=[redis.asyncio.cluster.ClusterNode("h", 1)]),
                id="Cluster",
            ),
        ],
    )
    def test_taken(self, make: Callable[[], Any]) -> None:
        """
        Those of ``redis.asyncio``; nobody is connected to before there is something to ask.
        """
        client = make()
        assert RedisStore(client).client is client

    @pytest.mark.parametrize(
        ("client", "name"),
        [
            pytest.param(redis.Redis(), "redis.client.Redis", id="sync"),
            pytest.param(
                redis.sentinel.Sentinel([("h", 1)]).master_for("name"),  # type: ignore[no-untyped-call]
                "redis.client.Redis",
                id="sync Sentinel",
            ),
            pytest.param("redis://h", "builtins.str", id="URL"),
            pytest.param(None, "builtins.NoneType", id="None"),
            pytest.param(redis.asyncio.ConnectionPool(), "redis.asyncio.connection.ConnectionPool", id="pool"),
        ],
    )
    def test_refused(self, client: Any, name: str) -> None:
        """
        Anything else is refused by name: a client of the sync kind above all, which would stop the event loop.
        """
        with pytest.raises(TypeError, match=f"^RedisStore takes a client of redis.asyncio, not {name}$") as caught:
            RedisStore(client)
        assert isinstance(caught.value, ConfigError)

    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda: redis.asyncio.Redis(decode_responses=True), id="a server"),
            pytest.param(
                lambda: redis.asyncio.sentinel.Sentinel([("h", 1)]).master_for(  # type: ignore[no-untyped-call]
                    "name", decode_responses=True
                ),
                id="Sentinel",
            ),
            pytest.param(
                lambda: redis.asyncio.RedisCluster(
                    startup_nodes=[redis.asyncio.cluster.ClusterNode("h", 1)], decode_responses=True
                ),
                id="Cluster",
            ),
        ],
    )
    def test_text(self, make: Callable[[], Any]) -> None:
        """
        One that answers with text can't hand out records.
        """
        with pytest.raises(ConfigError, match="without decode_responses=True"):
            RedisStore(make())

    def test_options(self) -> None:
        """
        The options of records are keywords.
        """
        store = RedisStore(redis.asyncio.Redis(), key_prefix="shop:", permanent=False)
        assert (store.key_prefix, store.permanent) == ("shop:", False)
        with pytest.raises(TypeError, match="prefix"):
            RedisStore(redis.asyncio.Redis(), prefix="shop:")


def test_an_empty_record(redis_server: RedisServer, request: pytest.FixtureRequest) -> None:
    """
    Nothing under a key is no record, as in Flask-Session.
    """

    async def story() -> None:
        place.write(KEY, b"")
        assert await place.store().read(KEY, None) is None
        assert await place.store().read(KEY, 60) is None

    with open_place("redis", request) as place:
        assert isinstance(place, RedisPlace)
        tell(place, story())


def test_something_else(request: pytest.FixtureRequest) -> None:
    """
    A key of another kind isn't ours: neither is it read, nor overwritten.
    """

    async def story() -> None:
        place._client.rpush(KEY, "item")
        store = place.store()
        for action in (store.read(KEY, None), store.read(KEY, 60), store.write(KEY, b"new", 60, b"old")):
            with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
                await action
        assert await store.write(KEY, b"new", 60, None) is False
        assert place._client.lrange(KEY, 0, -1) == [b"item"]

    with open_place("redis", request) as place:
        tell(place, story())


def test_closing(request: pytest.FixtureRequest) -> None:
    """
    Closing the store closes the client; who asks after that is connected anew.
    """

    async def story() -> None:
        store: Any = place.store()
        await store.read(KEY, None)
        pool = store.client.connection_pool
        [connection] = pool._available_connections
        assert connection.is_connected
        await store.aclose()
        assert not connection.is_connected

    with open_place("redis", request) as place:
        tell(place, story())
