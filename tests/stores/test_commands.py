"""
How often a request asks the server.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stores.client import app_with, ask, leave, see, tell, write
from tests.stores.places import MemcachedPlace, RedisPlace, open_place

READS = {"GET", "GETEX"}


@pytest.fixture(params=["redis", "cluster"])
def place(request: pytest.FixtureRequest) -> Iterator[RedisPlace]:
    with open_place(request.param, request) as place:
        yield place


def commands(place: RedisPlace, view: Callable[[Any], object], *cookies: str, **options: Any) -> list[list[str]]:
    """
    Return the commands of one request of an app that has answered others before.
    """

    async def story() -> list[list[str]]:
        store = place.store()
        app = app_with(store, view, **options)
        cookie = (await ask(app_with(store, write(user="mary"), **options))).cookie
        await ask(app_with(store, write(user="joe"), **options), cookie)
        with place.recorded() as recorder:
            await ask(app, *[cookie if text == "known" else text for text in cookies])
            taken: list[list[str]] = recorder.take()
        return taken

    return tell(place, story())


@pytest.mark.parametrize("view", [leave, see], ids=["untouched", "read"])
def test_no_cookie(place: RedisPlace, view: Callable[[Any], object]) -> None:
    """
    Without a cookie there is nothing to read.
    """
    assert commands(place, view) == []


@pytest.mark.parametrize("refresh", [True, False], ids=["refresh", "no refresh"])
def test_read(place: RedisPlace, refresh: bool) -> None:
    """
    Reading takes one command, which prolongs the session too.
    """
    [[name, *_]] = commands(place, see, "known", refresh_each_request=refresh)
    assert name == ("GETEX" if refresh else "GET")


def test_untouched(place: RedisPlace) -> None:
    """
    A request that doesn't look at its session prolongs it with one command.
    """
    [[name, *_]] = commands(place, leave, "known")
    assert name in READS


def test_untouched_without_refresh(place: RedisPlace) -> None:
    """
    Then there's nothing to prolong, and nothing that had to be read.
    """
    assert len(commands(place, leave, "known", refresh_each_request=False)) <= 1


def test_unchanged(place: RedisPlace) -> None:
    """
    A value that could have been changed but wasn't is not written.
    """
    [[name, *_]] = commands(place, lambda session: session.get("user"), "known")
    assert name in READS
    [[name, *_]] = commands(place, lambda session: list(session.items()), "known")
    assert name in READS


def test_unknown_id(place: RedisPlace) -> None:
    """
    It's looked up once.
    """
    assert len(commands(place, see, "session=" + "a" * 43)) == 1


def test_new_session(place: RedisPlace) -> None:
    """
    It's written with one command, and nothing is read.
    """
    assert len(commands(place, write(user="joe"))) == 1


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(write(user="joe"), id="write"),
        pytest.param(lambda session: session.setdefault("cart", []).append(1), id="nested"),
        pytest.param(lambda session: session.clear(), id="clear"),
    ],
)
def test_read_and_write(place: RedisPlace, view: Callable[[Any], object]) -> None:
    """
    Two commands.
    """
    assert len(commands(place, view, "known")) == 2


def test_another_id(place: RedisPlace) -> None:
    """
    What others have written meanwhile goes along: it's read again, written under the new id, and deleted.
    """
    names = [name for name, *_ in commands(place, lambda session: session.regenerate(), "known")]
    assert sorted(names) == ["DEL", "GET", "GETEX", "SET"]  # of two keys, which a cluster has apart


def test_memcached(request: pytest.FixtureRequest) -> None:
    """
    Memcached is asked as often, but for a change, which is compared and then made.
    """
    place: MemcachedPlace

    async def story() -> None:
        store = place.store()
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        for view, cookies, count in [
            (leave, [], 0),
            (see, [], 0),
            (see, [cookie], 1),
            (leave, [cookie], 1),
            (write(user="joe"), [cookie], 3),
            (write(user="joe"), [], 1),
            (see, ["session=" + "a" * 43], 1),
        ]:
            before = len(place.server.commands())
            await ask(app_with(store, view), *cookies)
            assert len(place.server.commands()) - before == count

    with open_place("memcached", request) as place:
        tell(place, story())
