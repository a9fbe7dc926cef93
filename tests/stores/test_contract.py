"""
What every store does: the contract of `starlette_flask.stores.SessionStore`.
"""

import asyncio
from collections.abc import Iterator

import pytest

from starlette_flask.stores import SessionStore
from tests.stores.client import tell
from tests.stores.places import FLASK_PLACES, Place, open_place

KEY = "session:" + "a" * 43
LIFETIME = 100


@pytest.fixture(params=[*FLASK_PLACES, "memory", "own"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with open_place(request.param, request) as place:
        yield place


@pytest.fixture
def store(place: Place) -> SessionStore:
    return place.store()


def records(store: SessionStore, *users: str) -> list[bytes]:
    """
    Return records as the store writes them.
    """
    return [store.encode({"user": user}) for user in users]


@pytest.mark.parametrize("refresh", [None, LIFETIME])
def test_nothing_is_there(place: Place, store: SessionStore, refresh: int | None) -> None:
    """
    A record that nobody wrote isn't there.
    """
    assert tell(place, store.read(KEY, refresh)) is None


@pytest.mark.parametrize("refresh", [None, LIFETIME])
def test_what_was_written_is_read(place: Place, store: SessionStore, refresh: int | None) -> None:
    """
    As it was written, by a client of its own too.
    """

    async def story() -> None:
        [record] = records(store, "käse \0 \r\n" + "x" * 100_000)
        assert await store.write(KEY, record, LIFETIME, None) is True
        for reader in (store, place.store()):
            assert await reader.read(KEY, refresh) == record
        assert await store.read(KEY + "b", refresh) is None

    tell(place, story())


def test_a_record_holds_a_session(place: Place, store: SessionStore) -> None:
    """
    What is encoded is decoded.
    """

    async def story() -> None:
        data = {"_permanent": True, "user": "mary", "cart": [{"id": 7}]}
        await store.write(KEY, store.encode(data), LIFETIME, None)
        record = await store.read(KEY, None)
        assert record is not None
        assert store.decode(record) == data

    tell(place, story())


def test_a_change(place: Place, store: SessionStore) -> None:
    """
    Who has seen what is there may overwrite it, with the same too.
    """

    async def story() -> None:
        first, second = records(store, "mary", "joe")
        await store.write(KEY, first, LIFETIME, None)
        for record in (second, second, first):
            seen = await store.read(KEY, None)
            assert await store.write(KEY, record, LIFETIME, seen) is True
            assert await store.read(KEY, None) == record

    tell(place, story())


@pytest.mark.parametrize("lifetime", [pytest.param(50, id="short"), pytest.param(31 * 24 * 3600, id="31 days")])
def test_a_lifetime(place: Place, store: SessionStore, lifetime: int) -> None:
    """
    A record is written for so many seconds, whether there was one before or not.
    """

    async def story() -> None:
        [record] = records(store, "mary")
        await store.write(KEY, record, 10, None)
        assert await asyncio.to_thread(place.seconds_left, KEY) == pytest.approx(10, abs=2)
        await store.write(KEY, record, lifetime, await store.read(KEY, None))
        assert await asyncio.to_thread(place.seconds_left, KEY) == pytest.approx(lifetime, abs=2)

    tell(place, story())


def test_reading_prolongs(place: Place, store: SessionStore) -> None:
    """
    A refresh gives a record so many seconds from now on, more or fewer than it had.
    """

    async def story() -> None:
        [record] = records(store, "mary")
        await store.write(KEY, record, 50, None)
        month = 31 * 24 * 3600
        for refresh, expected in [(None, 50), (100, 100), (month, month), (None, month), (20, 20)]:
            assert await store.read(KEY, refresh) == record
            assert await asyncio.to_thread(place.seconds_left, KEY) == pytest.approx(expected, abs=2)

    tell(place, story())


def test_time_is_up(place: Place, store: SessionStore) -> None:
    """
    A record whose time is over isn't there; reading doesn't bring it back, and another can be written.
    """

    async def story() -> None:
        first, second = records(store, "mary", "joe")
        await store.write(KEY, first, LIFETIME, None)
        seen = await store.read(KEY, None)
        await asyncio.to_thread(place.expire, KEY)
        for refresh in (LIFETIME, None):
            assert await store.read(KEY, refresh) is None
        assert await store.write(KEY, second, LIFETIME, seen) is False
        assert await store.read(KEY, None) is None
        assert await store.write(KEY, second, LIFETIME, None) is True
        assert await store.read(KEY, None) == second

    tell(place, story())


def test_deleting(place: Place, store: SessionStore) -> None:
    """
    What was deleted isn't there; what isn't there may be deleted too.
    """

    async def story() -> None:
        first, second = records(store, "mary", "joe")
        await store.write(KEY, first, LIFETIME, None)
        await store.write(KEY + "b", second, LIFETIME, None)
        for _ in range(2):
            await store.delete(KEY)
            assert await store.read(KEY, LIFETIME) is None
        assert await store.read(KEY + "b", None) == second

    tell(place, story())


def test_changed_meanwhile(place: Place, store: SessionStore) -> None:
    """
    Who hasn't seen what is there doesn't overwrite it, nor how long it lives.
    """

    async def story() -> None:
        first, second, third = records(store, "mary", "joe", "ann")
        await store.write(KEY, first, LIFETIME, None)
        seen = await store.read(KEY, None)
        await store.write(KEY, second, LIFETIME, seen)
        for stale in (seen, None):
            assert await store.write(KEY, third, 10, stale) is False
            assert await store.read(KEY, None) == second
            assert await asyncio.to_thread(place.seconds_left, KEY) > 50

    tell(place, story())


def test_deleted_meanwhile(place: Place, store: SessionStore) -> None:
    """
    Who has seen what was deleted since doesn't bring it back.
    """

    async def story() -> None:
        first, second = records(store, "mary", "joe")
        await store.write(KEY, first, LIFETIME, None)
        seen = await store.read(KEY, None)
        await store.delete(KEY)
        assert await store.write(KEY, second, LIFETIME, seen) is False
        assert await store.read(KEY, None) is None

    tell(place, story())


@pytest.mark.parametrize("is_new", [True, False], ids=["new record", "known record"])
def test_one_of_many_writes(place: Place, store: SessionStore, is_new: bool) -> None:
    """
    Of those who write at the same moment, one does; the others are told.
    """

    async def story() -> None:
        first, *others = records(store, *map(str, range(11)))
        if not is_new:
            await store.write(KEY, first, LIFETIME, None)
        seen = [await store.read(KEY, LIFETIME) for _ in others]
        writes = [store.write(KEY, record, LIFETIME, one) for record, one in zip(others, seen, strict=True)]
        written = await asyncio.gather(*writes)
        assert written.count(True) == 1
        assert await store.read(KEY, None) == others[written.index(True)]

    tell(place, story())


def test_many_at_once(place: Place, store: SessionStore) -> None:
    """
    Those who don't touch the same record aren't in each other's way.
    """

    async def user(number: int) -> None:
        key = f"session:{number}"
        [record] = records(store, str(number))
        assert await store.write(key, record, LIFETIME, None)
        assert await store.read(key, LIFETIME) == record
        await store.delete(key)
        assert await store.read(key, LIFETIME) is None

    async def story() -> None:
        await asyncio.gather(*map(user, range(30)))

    tell(place, story())
