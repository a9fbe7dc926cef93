"""
Requests of one user that run at the same time: nobody's change is lost, and what was deleted stays deleted.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from starlette_flask import SessionMiddleware
from starlette_flask.stores import SessionStore
from tests.helpers import Answer
from tests.stores.client import app_with, ask, see, tell, write
from tests.stores.places import FLASK_PLACES, Place, open_place


@pytest.fixture(name="place", params=[*FLASK_PLACES, "memory", "own"])
def open_each(request: pytest.FixtureRequest) -> Iterator[Place]:
    with open_place(request.param, request) as place:
        yield place


def meanwhile(
    place: Place, start: dict[str, Any], slow: Callable[[Any], object], *others: Callable[[Any], object]
) -> tuple[dict[str, Any], Answer]:
    """
    Let a request read the session, other requests do what they do, and the first go on.

    Returns:
        What the session is in the end, and the answer to the first request.
    """

    async def story() -> tuple[dict[str, Any], Answer]:
        store = place.store()
        has_read, may_write = asyncio.Event(), asyncio.Event()

        async def view(session: Any) -> None:
            has_read.set()
            await may_write.wait()
            slow(session)

        cookie = (await ask(app_with(store, write(**start)))).cookie
        first = asyncio.create_task(ask(app_with(store, view), cookie))
        await has_read.wait()
        for other in others:
            assert (await ask(app_with(store, other), cookie)).status == 200
        may_write.set()
        answer = await first
        shown: dict[str, Any] = {}
        await ask(app_with(store, lambda session: shown.update(session)), cookie)
        return shown, answer

    return tell(place, story())


def delete(key: str) -> Callable[[Any], object]:
    return lambda session: session.pop(key)


def clear(session: Any) -> None:
    session.clear()


@pytest.mark.parametrize(
    ("slow", "other", "expected"),
    [
        pytest.param(write(b=2), write(c=3), {"a": 1, "b": 2, "c": 3}, id="different keys"),
        pytest.param(write(b=2), write(b=3), {"a": 1, "b": 2}, id="the same key: the last one wins"),
        pytest.param(write(b=2), write(a=3), {"a": 3, "b": 2}, id="a key that the first only read"),
        pytest.param(write(b=2), delete("a"), {"b": 2}, id="deleted meanwhile"),
        pytest.param(write(a=2), delete("a"), {"a": 2}, id="deleted meanwhile, and changed"),
        pytest.param(delete("a"), write(a=2, b=2), {"b": 2}, id="changed meanwhile, and deleted"),
        pytest.param(delete("a"), write(b=2), {"b": 2}, id="another key was written"),
        pytest.param(write(b=2), see, {"a": 1, "b": 2}, id="read meanwhile"),
    ],
)
def test_both_changes_survive(
    place: Place, slow: Callable[[Any], object], other: Callable[[Any], object], expected: dict[str, Any]
) -> None:
    """
    The two are merged by key.
    """
    session, answer = meanwhile(place, {"a": 1, "user": "mary"}, slow, other)
    session.pop("user")
    session.pop("_permanent")
    assert session == expected
    assert answer.status == 200


def test_logged_out_meanwhile(place: Place) -> None:
    """
    Who was logged out stays so, whatever a request does that has read the session before.
    """
    session, answer = meanwhile(place, {"_user_id": "7"}, write(seen="page"), clear)
    assert "_user_id" not in session
    assert answer.status == 200


def test_cleared_after_a_change(place: Place) -> None:
    """
    A request that clears the session deletes what was written meanwhile too.
    """
    session, answer = meanwhile(place, {"_user_id": "7"}, clear, write(cart=[1]))
    assert session == {"_permanent": True}
    assert answer.cookie == "session="


def test_another_id_meanwhile(place: Place) -> None:
    """
    When a session got another id, nothing is kept under the old one, and so nobody is logged in there.
    """
    session, _ = meanwhile(place, {"_user_id": "7"}, write(seen="page"), lambda session: session.regenerate())
    assert "_user_id" not in session


def test_a_read_does_not_undo_a_change(place: Place) -> None:
    """
    A request that only reads writes nothing, however long it takes.
    """
    session, _ = meanwhile(place, {"a": 1}, see, write(a=2), write(b=3))
    assert (session["a"], session["b"]) == (2, 3)


PLACES_AND_COUNTS = [
    ("redis", 1000),
    ("cluster", 1000),
    ("memcached", 1000),
    ("sqlite", 100),
    ("postgresql", 100),
    ("filesystem", 100),
    ("cachelib", 100),
    ("memory", 1000),
]


@pytest.mark.parametrize(("name", "count"), PLACES_AND_COUNTS)
def test_many_at_once(request: pytest.FixtureRequest, name: str, count: int) -> None:
    """
    So many requests that change a key of their own, all at the same time: none is lost.
    """

    async def story() -> dict[str, Any]:
        return await increment(place.store(timeout=20), count, apps=1)

    with open_place(name, request) as place:
        session = tell(place, story())
    assert sum(session[f"key-{number}"] for number in range(count)) == count


@pytest.mark.parametrize("name", ["redis", "cluster", "memcached", "sqlite", "postgresql"])
def test_several_processes(request: pytest.FixtureRequest, name: str) -> None:
    """
    Apps that know nothing of each other share a store as well.
    """

    async def story() -> dict[str, Any]:
        return await increment(place.store(timeout=20), 40, apps=8)

    with open_place(name, request) as place:
        session = tell(place, story())
    assert sum(session[f"key-{number}"] for number in range(40)) == 40


async def increment(store: SessionStore, count: int, *, apps: int) -> dict[str, Any]:
    """
    Send requests to a number of apps at the same moment, each of which increments a number in one session.

    Returns:
        The session.
    """

    async def endpoint(request: Request) -> Response:
        request.session[request.url.query] += 1
        return Response()

    def app() -> ASGIApp:
        return SessionMiddleware(Starlette(routes=[Route("/", endpoint)]), store=store)

    keys = [f"key-{number}" for number in range(count)]
    cookie = (await ask(app_with(store, write(**dict.fromkeys(keys, 0))))).cookie
    asked = [app() for _ in range(apps)]
    requests = [ask(asked[number % apps], cookie, path=f"/?{key}") for number, key in enumerate(keys)]
    answers = await asyncio.gather(*requests)
    assert Counter(answer.status for answer in answers) == {200: count}
    session: dict[str, Any] = {}
    await ask(app_with(store, lambda known: session.update(known)), cookie)
    return session
