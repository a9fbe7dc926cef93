"""
`MemcachedStore`, where it isn't like all stores.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import emcache
import pytest

from starlette_flask import ConfigError
from starlette_flask.stores import MemcachedStore
from tests.stores.client import app_with, ask, see, tell, write
from tests.stores.places import MemcachedPlace, open_place

KEY = "session:a"


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[MemcachedPlace]:
    with open_place("memcached", request) as place:
        yield place


class TestServers:
    @pytest.mark.parametrize(
        ("servers", "error", "message"),
        [
            pytest.param("localhost", ConfigError, "'localhost' is no server of memcached; write it as", id="no port"),
            pytest.param(":11211", ConfigError, "':11211' is no server of memcached", id="no host"),
            pytest.param("h:1x", ConfigError, "'h:1x' is no server of memcached", id="no number"),
            pytest.param(["h:1", "h"], ConfigError, "'h' is no server of memcached", id="the second"),
            pytest.param([], TypeError, r"takes 'host:port', a list of such, or a client, not \[\]", id="none"),
            pytest.param(
                [("h", 1)], TypeError, r"takes 'host:port' or a client of emcache, not \('h', 1\)", id="tuple"
            ),
            pytest.param(None, TypeError, "a list of such, or a client, not None", id="None"),
            pytest.param(7, TypeError, "a list of such, or a client, not 7", id="number"),
        ],
    )
    def test_refused(self, servers: Any, error: type[Exception], message: str) -> None:
        """
        What is no server is refused at construction.
        """
        with pytest.raises(error, match=message) as caught:
            MemcachedStore(servers)
        assert isinstance(caught.value, ConfigError)

    def test_taken(self) -> None:
        """
        One server or several; nobody is connected to before there is something to ask.
        """
        for servers in ("h:1", ["h:1", "g:2"], ("h:1",), "[::1]:1"):
            assert not MemcachedStore(servers)._clients

    def test_several(self, place: MemcachedPlace) -> None:
        """
        A key is on one of several servers, and found there.
        """

        port = place.server.port
        store = MemcachedStore([f"127.0.0.1:{port}", f"localhost:{port}"])

        async def story() -> None:
            for number in range(10):
                assert await store.write(f"session:{number}", b"%d" % number, 60, None)
                assert await store.read(f"session:{number}", None) == b"%d" % number

        run(store, story())

    def test_a_client(self, place: MemcachedPlace) -> None:
        """
        A client of the app's own is used as it is.
        """

        async def story() -> None:
            client = await emcache.create_client([emcache.MemcachedHostAddress("127.0.0.1", place.server.port)])
            store = MemcachedStore(client)
            assert await store.write(KEY, b"record", 60, None)
            assert place.read(KEY) == b"record"
            await client.close()
            with pytest.raises(RuntimeError, match="closed"):
                await store.read(KEY, None)

        tell(place, story())


def run(store: MemcachedStore, story: Coroutine[Any, Any, object]) -> None:
    """
    Tell a story on an event loop of its own, and close the client that it has used.
    """

    async def told() -> None:
        try:
            await story
        finally:
            await store._clients[asyncio.get_running_loop()].close()

    asyncio.run(told())


def test_event_loops(place: MemcachedPlace) -> None:
    """
    Each event loop has a client of its own, and those of loops that are closed are let go.
    """
    store = MemcachedStore(f"127.0.0.1:{place.server.port}")

    async def story() -> None:
        assert (await ask(app_with(store, write(user="ada")))).status == 200
        assert len(store._clients) == 1

    for _ in range(3):
        run(store, story())


def test_at_once(place: MemcachedPlace) -> None:
    """
    Those who ask first at the same moment share it.
    """
    store: Any = place.store()

    async def story() -> None:
        answers = await asyncio.gather(*(ask(app_with(store, write(user="ada"))) for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5
        assert len(store._clients) == 1

    tell(place, story())


def test_deleted_between_the_commands(place: MemcachedPlace) -> None:
    """
    A write is two commands; who is deleted in between stays deleted.
    """
    store: Any = place.store()

    async def story() -> None:
        assert await store.write(KEY, b"first", 60, None)
        client = await store._connected()
        gets = client.gets

        async def gets_and_delete(key: bytes) -> Any:
            item = await gets(key)
            place._client.delete(KEY)
            return item

        client.gets = gets_and_delete
        assert await store.write(KEY, b"second", 60, b"first") is False
        assert await store.read(KEY, None) is None

    tell(place, story())


def test_too_large(place: MemcachedPlace) -> None:
    """
    What memcached doesn't take, over 1 MiB by default, is a failure, and what was there stays.
    """
    store = place.store()

    async def story() -> None:
        cookie = (await ask(app_with(store, write(user="ada")))).cookie
        assert (await ask(app_with(store, write(cart="x" * 2_000_000)), cookie)).status == 503
        assert (await ask(app_with(store, write(cart="x" * 2_000_000)))).status == 503
        assert (await ask(app_with(store, see), cookie)).body == b"{'_permanent': True, 'user': 'ada'}"

    tell(place, story())


def test_a_compressed_record(place: MemcachedPlace) -> None:
    """
    What another client has compressed can't be read, and is an empty session.
    """
    store = place.store()

    async def story() -> None:
        place.write(KEY, b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9")
        assert (await ask(app_with(store, see), "session=a")).body == b"{'_permanent': True}"

    tell(place, story())


def test_closing(place: MemcachedPlace) -> None:
    """
    Closing the store closes its clients, or the one that it was given; its own are made anew when it is asked.
    """

    async def story() -> None:
        given = await emcache.create_client([emcache.MemcachedHostAddress("127.0.0.1", place.server.port)])
        store, other = MemcachedStore(f"127.0.0.1:{place.server.port}"), MemcachedStore(given)
        for each in (store, other):
            await each.read(KEY, None)
        [made] = store._clients.values()
        for each in (store, other):
            await each.aclose()
        assert made.closed
        assert given.closed
        assert await store.read(KEY, None) is None
        await store.aclose()

    asyncio.run(story())


def test_closing_elsewhere(place: MemcachedPlace) -> None:
    """
    Clients of event loops that are gone are gone with them.
    """
    store = MemcachedStore(f"127.0.0.1:{place.server.port}")
    run(store, store.read(KEY, None))
    asyncio.run(store.aclose())
    assert not store._clients
