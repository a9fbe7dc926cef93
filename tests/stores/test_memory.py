"""
`MemoryStore`, where it isn't like all stores.
"""

import asyncio

import pytest
import time_machine
import trio

from starlette_flask.stores import MemoryStore

NOW = 1_700_000_000
KEY = "session:a"


def test_a_process_of_its_own() -> None:
    """
    Two stores know nothing of each other.
    """

    async def story() -> None:
        first, second = MemoryStore(), MemoryStore()
        assert await first.write(KEY, b"record", 60, None)
        assert await second.read(KEY, None) is None

    asyncio.run(story())


@pytest.mark.parametrize(("seconds", "expected"), [(0, b"record"), (59.9, b"record"), (60, None)])
def test_time_is_up(seconds: float, expected: bytes | None) -> None:
    """
    A record is there until its last second is over, and what isn't there any more takes no room.
    """
    store = MemoryStore()
    with time_machine.travel(NOW, tick=False) as clock:
        asyncio.run(store.write(KEY, b"record", 60, None))
        clock.shift(seconds)
        assert asyncio.run(store.read(KEY, None)) == expected
    assert list(store._records) == ([KEY] if expected else [])


def test_any_event_loop() -> None:
    """
    It belongs to no event loop, and to no library of them.
    """
    store = MemoryStore()
    assert asyncio.run(store.write(KEY, b"first", 60, None))
    assert trio.run(store.write, KEY, b"second", 60, b"first")
    assert trio.run(store.read, KEY, 60) == b"second"
    trio.run(store.delete, KEY)
    assert asyncio.run(store.read(KEY, None)) is None
