"""
Servers that are down, paused, killed and replaced: a request is refused then, and never answered as if all were well.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from starlette_flask import SessionMiddleware
from starlette_flask.stores import SessionStore
from tests.helpers import Answer
from tests.stores.client import app_with, ask, leave, see, tell, write
from tests.stores.places import ClusterPlace, Place, RedisPlace, SentinelPlace, open_place
from tests.stores.servers import Program

SERVED = ["redis", "memcached", "postgresql"]


@pytest.fixture(name="place", params=SERVED)
def open_each(request: pytest.FixtureRequest) -> Iterator[Any]:
    """
    A place that is a server, which runs again afterwards.
    """
    with open_place(request.param, request) as place:
        try:
            yield place
        finally:
            _start(place.server)


def _start(server: Program) -> None:
    if not server.is_running:
        server.start()


def test_down_at_read(place: Any, caplog: pytest.LogCaptureFixture) -> None:
    """
    The request is refused, the app isn't asked, and the log says why. When the server is back, all is as it was.
    """

    async def story() -> None:
        store = place.store(timeout=0.5)
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        calls: list[Any] = []
        place.server.kill()
        caplog.clear()
        answer = await ask(app_with(store, calls.append), cookie)
        assert (answer.status, answer.set_cookie) == (503, [])
        assert calls == []
        [logged] = [record for record in caplog.records if record.name.startswith("starlette_flask")]
        assert logged.levelno >= logging.ERROR
        assert cookie.partition("=")[2] not in caplog.text
        place.server.start()
        answer = await eventually_served(app_with(store, see), cookie)
        if place.name != "memcached":  # which keeps nothing
            assert b"mary" in answer.body

    tell(place, story())


async def eventually_served(app: Any, *cookies: str) -> Answer:
    """
    Ask until the answer is no refusal: a client may need a moment to see that its server is back.
    """
    end = time.monotonic() + 10
    while (answer := await ask(app, *cookies)).status == 503:
        assert time.monotonic() < end, "still refused"
        await asyncio.sleep(0.02)
    return answer


@pytest.mark.parametrize("is_new", [True, False], ids=["new session", "known session"])
def test_down_at_write(place: Any, is_new: bool) -> None:
    """
    What the view did is lost, so the response isn't the view's.
    """

    async def story() -> None:
        store = place.store(timeout=0.5)
        cookie = (await ask(app_with(store, write(user="mary")))).cookie

        def view(session: Any) -> str:
            session["user"] = "joe"
            place.server.kill()
            return "it was saved"

        answer = await ask(app_with(store, view), *([] if is_new else [cookie]))
        assert (answer.status, answer.set_cookie) == (503, [])
        assert b"it was saved" not in answer.body
        place.server.start()
        answer = await eventually_served(app_with(store, see), cookie)
        assert b"joe" not in answer.body

    tell(place, story())


def test_down_before_a_stream(place: Any) -> None:
    """
    A stream hasn't begun when the session is saved: it's refused as a whole, and nothing of it is sent.
    """

    async def stream(request: Request) -> StreamingResponse:
        request.session["user"] = "joe"
        place.server.kill()
        return StreamingResponse(iter([b"one", b"two"]))

    async def story() -> None:
        app = Starlette(routes=[Route("/", stream)])
        app.add_middleware(SessionMiddleware, store=place.store(timeout=0.5))
        answer = await ask(app)
        assert answer.status == 503
        assert b"one" not in answer.body

    tell(place, story())


@pytest.mark.parametrize("view", [leave, see], ids=["untouched", "read"])
def test_down_and_not_needed(place: Any, view: Callable[[Any], object]) -> None:
    """
    Who has no cookie and is given none is served.
    """

    async def story() -> None:
        store = place.store()
        place.server.kill()
        assert (await ask(app_with(store, view))).status == 200

    tell(place, story())


def test_paused(place: Any) -> None:
    """
    A server that doesn't answer is waited for, but not for long; then it's as if it were down.
    """

    async def story() -> None:
        store = place.store(timeout=0.2)
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        with place.server.paused():
            for app, cookies in [(app_with(store, see), [cookie]), (app_with(store, write(user="joe")), [])]:
                before = time.monotonic()
                assert (await ask(app, *cookies)).status == 503
                assert time.monotonic() - before < 1
        assert b"mary" in (await eventually_served(app_with(store, see), cookie)).body

    tell(place, story())


def test_answers_are_not_mixed_up(place: Any) -> None:
    """
    What a server says late, to a request that has given up, is nobody else's.
    """

    async def story() -> None:
        store = place.store(timeout=0.1)
        cookies = [(await ask(app_with(store, write(user=f"user {number}")))).cookie for number in range(4)]
        with place.server.paused():
            answers = await asyncio.gather(*(ask(app_with(store, see), cookie) for cookie in cookies))
            assert {answer.status for answer in answers} == {503}
        for _ in range(3):
            for number, cookie in enumerate(cookies):
                assert f"user {number}".encode() in (await eventually_served(app_with(store, see), cookie)).body

    tell(place, story())


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_a_locked_table(request: pytest.FixtureRequest, name: str) -> None:
    """
    However many requests have given up on a database, all is well when it can be used again.
    """

    async def story() -> None:
        store = place.store()
        app = SessionMiddleware(Starlette(routes=[Route("/", visit)]), store=store)
        cookie = (await ask(app)).cookie
        store.timeout = 0.1
        with place.locked():
            answers = await asyncio.gather(*(ask(app, cookie) for _ in range(30)))
            assert {answer.status for answer in answers} == {503}
        store.timeout = 10
        for _ in range(3):
            answers = await asyncio.gather(*(ask(app, cookie) for _ in range(10)))
            assert {answer.status for answer in answers} == {200}

    async def visit(request: Request) -> Response:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return Response()

    with open_place(name, request) as place:
        tell(place, story())


def test_a_cancelled_request_leaves_no_answer_behind(place: Any) -> None:
    """
    A client that left while the server was asked is no trouble for the next one.
    """

    async def story() -> None:
        store = place.store()
        cookies = [(await ask(app_with(store, write(user=f"user {number}")))).cookie for number in range(2)]
        for _ in range(10):
            for number, cookie in enumerate(cookies):
                task = asyncio.create_task(ask(app_with(store, see), cookies[1 - number]))
                for _ in range(3 + number):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                assert f"user {number}".encode() in (await ask(app_with(store, see), cookie)).body

    tell(place, story())


def test_paused_by_default(request: pytest.FixtureRequest) -> None:
    """
    Two seconds are enough.
    """

    async def story() -> None:
        app = app_with(place.store(), see)
        with place.server.paused():
            before = time.monotonic()
            assert (await ask(app, "session=" + "a" * 43)).status == 503
            assert time.monotonic() - before == pytest.approx(2, abs=0.5)

    with open_place("redis", request) as place:
        tell(place, story())


class Load:
    """
    Users who change a session at the same time, each a key of their own with every request, until they are stopped.
    """

    def __init__(self, store: SessionStore, cookie: str) -> None:
        self.cookie = cookie
        self._app = SessionMiddleware(Starlette(routes=[Route("/", self._write)]), store=store)
        self.answers: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopped = False

    async def __aenter__(self) -> "Load":
        self._tasks = [asyncio.create_task(self._send(user)) for user in range(8)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_stopped = True
        await asyncio.gather(*self._tasks)

    async def wait_for(self, count: int, status: int = 200) -> None:
        """
        Wait until so many more requests were answered like that.
        """
        count += self.count(status)
        end = time.monotonic() + 60
        while self.count(status) < count:
            assert time.monotonic() < end, self.figures()
            await asyncio.sleep(0.01)

    def count(self, status: int) -> int:
        return list(self.answers.values()).count(status)

    def figures(self) -> dict[int, int]:
        return {status: self.count(status) for status in set(self.answers.values())}

    async def _send(self, user: int) -> None:
        number = 0
        while not self._is_stopped:
            key = f"{user}.{number}"
            number += 1
            self.answers[key] = (await ask(self._app, self.cookie, path=f"/?{key}")).status

    @staticmethod
    async def _write(request: Request) -> Response:
        request.session[request.url.query] = True
        return Response()


def assert_kept(place: Place, load: Load, record_property: Callable[[str, object], None]) -> None:
    """
    Every request was served or refused; the writes of those that were served are there.
    """
    figures = load.figures()
    record_property("figures", figures)
    assert figures.keys() <= {200, 503}
    record = place.read("session:" + load.cookie.partition("=")[2])
    assert record is not None
    session = msgspec.msgpack.decode(record)
    assert [key for key, status in load.answers.items() if status == 200 and key not in session] == []


def test_killed_and_started_again(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """
    While Redis is gone requests are refused. What it confirmed is there when it's back.
    """
    place: RedisPlace

    async def story() -> None:
        store = place.store(timeout=0.5)
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        async with Load(store, cookie) as load:
            for _ in range(3):
                await load.wait_for(20)
                await asyncio.to_thread(place.server.kill)
                await load.wait_for(8, 503)
                await asyncio.to_thread(place.server.start)
            await load.wait_for(20)
        assert_kept(place, load, record_property)

    with open_place("redis", request) as place:
        tell(place, story())


def test_a_master_of_a_cluster_is_replaced(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """
    Its replica takes over with all that it has confirmed.
    """
    place: ClusterPlace

    async def story() -> None:
        store = place.store(timeout=0.5)
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        async with Load(store, cookie) as load:
            for _ in range(2):
                await load.wait_for(20)
                master = await asyncio.to_thread(place.cluster.master_of, "session:" + cookie.partition("=")[2])
                await asyncio.to_thread(place.cluster.hand_over, master)
            await load.wait_for(20)
        assert_kept(place, load, record_property)

    with open_place("cluster", request) as place:
        try:
            tell(place, story())
        finally:
            place.cluster.mend()


def test_a_master_of_a_cluster_dies(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """
    Requests are refused until its replica has taken over.
    """
    place: ClusterPlace

    async def story() -> None:
        store = place.store()
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        master = place.cluster.master_of("session:" + cookie.partition("=")[2])
        async with Load(store, cookie) as load:
            await load.wait_for(20)
            await asyncio.to_thread(master.kill)
            await load.wait_for(8, 503)
            await load.wait_for(20)
        record_property("figures", load.figures())
        assert load.figures().keys() <= {200, 503}

    with open_place("cluster", request) as place:
        try:
            tell(place, story())
        finally:
            place.cluster.mend()


def test_a_sentinel_replaces_the_master(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    """
    The client is told where the new master is.
    """
    place: SentinelPlace

    async def story() -> None:
        store = place.store(timeout=0.5)
        cookie = (await ask(app_with(store, write(user="mary")))).cookie
        async with Load(store, cookie) as load:
            await load.wait_for(20)
            await asyncio.to_thread(place.group.hand_over)
            await load.wait_for(20)
        assert_kept(place, load, record_property)

    with open_place("sentinel", request) as place:
        tell(place, story())
