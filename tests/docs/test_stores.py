"""
The page of sessions on a server: its examples do what it says, with real servers, and what it says of Flask-Session is
true of the real one.
"""

import asyncio
import logging
import pickle
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import cachelib
import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import msgspec
import pymemcache  # type: ignore[import-untyped]  # ships no types
import pytest
import redis
from fastapi.testclient import TestClient
from flask_session import Session  # type: ignore[import-untyped]  # ships no types
from flask_session.defaults import Defaults  # type: ignore[import-untyped]
from flask_sqlalchemy import SQLAlchemy
from markupsafe import Markup
from sqlalchemy import event
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from starlette_flask import SessionConfig, SessionMiddleware, SessionSerializer, stores
from starlette_flask.exceptions import ConfigError
from starlette_flask.login import LoginManager, UserMixin, login_user
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from starlette_flask.stores import (
    CacheLibStore,
    FlaskInterfaceStore,
    MemcachedStore,
    MemoryStore,
    SessionStore,
    SQLAlchemyStore,
)
from starlette_flask.testing import login_client
from tests.docs.blocks import ROOT, blocks_of
from tests.docs.modules import run_blocks
from tests.docs.tables import codes_in, rows_under
from tests.helpers import Answer, ask_asgi, ask_wsgi, websocket_scope
from tests.interop.apps import make_flask_app
from tests.stores.client import app_with, ask, leave, see, tell, write
from tests.stores.places import MemcachedPlace, MemoryPlace, RedisPlace, SQLitePlace, open_place
from tests.stores.servers import Memcached, RedisServer

# The contract of every store: it is told here with that of the page, by the fixtures below.
from tests.stores.test_contract import (  # noqa: F401
    test_a_change,
    test_a_lifetime,
    test_a_record_holds_a_session,
    test_changed_meanwhile,
    test_deleted_meanwhile,
    test_deleting,
    test_many_at_once,
    test_nothing_is_there,
    test_one_of_many_writes,
    test_reading_prolongs,
    test_time_is_up,
    test_what_was_written_is_read,
)

PAGE = "docs/stores.md"
TEXT = (ROOT / PAGE).read_text()
SECRET_KEY = "a long random value, from the environment"

Modules = dict[str, ModuleType]
Run = Callable[..., Modules]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """
    Runs the page's blocks, with other addresses than those that they name.
    """
    with ExitStack() as stack:

        def run(addresses: dict[str, str] | None = None) -> Modules:
            blocks = []
            for block in blocks_of(PAGE):
                text = block.text
                for documented, real in (addresses or {}).items():
                    text = text.replace(documented, real)
                blocks.append(replace(block, text=text))
            return stack.enter_context(run_blocks(blocks, tmp_path))

        yield run


@pytest.fixture
def redis_place(redis_server: RedisServer) -> Iterator[RedisPlace]:
    place = RedisPlace(redis_server)
    yield place
    place.clear()


@pytest.fixture
def page(run: Run, redis_place: RedisPlace) -> ModuleType:
    """
    The page's main module, with a Redis of ours.
    """
    return run({"localhost:6379": f"127.0.0.1:{redis_place.server.port}"})["main"]


# A store of your own.


class SQLiteRecords(MemoryPlace):
    """
    Where the page's own store keeps its records, as they look from outside.
    """

    name = "the page's"

    def __init__(self, kind: Callable[..., Any], path: Path) -> None:
        super().__init__()
        self._kind = kind
        self._path = path
        self._made: list[Any] = []

    def store(self, **options: Any) -> SessionStore:
        self._made.append(self._kind(self._path, **options))
        made: SessionStore = self._made[-1]
        return made

    def seconds_left(self, key: str) -> float:
        [[until]] = self._run("select until from records where key = ?", key)
        return float(until) - time.time()

    def expire(self, key: str) -> None:
        self._run("update records set until = 1 where key = ?", key)

    def clear(self) -> None:
        for store in self._made:
            store.database.close()

    def _run(self, statement: str, *values: object) -> Any:
        return self._made[0].database.execute(statement, values).fetchall()


@pytest.fixture
def place(run: Run, tmp_path: Path) -> Iterator[SQLiteRecords]:
    place = SQLiteRecords(run()["main"].SQLiteStore, tmp_path / "records.db")
    yield place
    place.clear()


@pytest.fixture
def store(place: SQLiteRecords) -> SessionStore:
    return place.store()


def use_flask_session(app: flask.Flask, **settings: Any) -> flask.Flask:
    """
    Let a Flask app keep its sessions as these settings say.
    """
    app.config.update(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of files, and of signed ids
        Session(app)
    return app


class TestBesideFlask:
    def test_one_cart(self, page: ModuleType, redis_place: RedisPlace) -> None:
        """
        Both sides put into one cart, which is in Redis, under the id in the cookie.
        """
        with TestClient(page.app) as client:
            paths = ("/cart/tea", "/legacy/cart/cup", "/cart/pot")
            assert [client.post(path).json() for path in paths][-1] == ["tea", "cup", "pot"]
            key = f"session:{client.cookies['session']}"
        assert redis_place.kept() == [key]
        assert msgspec.msgpack.decode(redis_place.read(key) or b"")["cart"] == ["tea", "cup", "pot"]

    def test_in_a_process_of_its_own(self, page: ModuleType) -> None:
        """
        The Flask app needn't be mounted.
        """
        cookie = ask_wsgi(page.flask_app, "/cart/tea", method="POST").cookie
        with TestClient(page.app) as client:
            assert client.post("/cart/cup", headers={"cookie": cookie}).json() == ["tea", "cup"]
        assert ask_wsgi(page.flask_app, "/cart/pot", method="POST", cookies=[cookie]).json == ["tea", "cup", "pot"]

    def test_a_store_made_by_hand(self, page: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
        """
        With its source a mounted Flask app shares its sessions; without, it keeps its own, and a WARNING says so.
        """
        for source in (page.store.source, None):
            page.store.source = source

            async def close(app: Any) -> AsyncIterator[None]:
                yield
                await page.store.client.aclose()

            app = Starlette(lifespan=asynccontextmanager(close))
            app.mount("/", WSGIMiddleware(page.flask_app))
            app.add_middleware(SessionMiddleware, config=page.config_with_store)
            with TestClient(app) as client:
                assert [client.post(f"/cart/{item}").json() for item in ("tea", "cup")][-1] == ["tea", "cup"]
            assert [record.levelname for record in caplog.records] == ([] if source else ["WARNING"])

    def test_timeouts_are_not_taken_over(self, redis_server: RedisServer) -> None:
        """
        The client is made from the address and the credentials alone.
        """
        with redis.Redis(port=redis_server.port, db=3, username="ada", socket_timeout=7) as client:
            app = use_flask_session(make_flask_app(), SESSION_TYPE="redis", SESSION_REDIS=client)
            store: Any = SessionConfig.from_flask(app).store
            settings = store.client.connection_pool.connection_kwargs
        assert (settings["port"], settings["db"], settings["username"]) == (redis_server.port, 3, "ada")
        assert settings.get("socket_timeout") != 7

    @pytest.mark.parametrize("name", ["memcached", "sqlite"])
    def test_no_store_of_ours(self, name: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Several memcached servers, and a database in memory, are asked through the Flask app; an INFO record says so.
        """
        app = make_flask_app(SQLALCHEMY_DATABASE_URI="sqlite://")
        settings: dict[str, Any] = {"SESSION_TYPE": "sqlalchemy"}
        if name == "memcached":
            settings = {
                "SESSION_TYPE": name,
                "SESSION_MEMCACHED": pymemcache.HashClient([("localhost", 1), ("localhost", 2)]),
            }
        else:
            settings["SESSION_SQLALCHEMY"] = database = SQLAlchemy(app)
        use_flask_session(app, **settings)
        with caplog.at_level(logging.INFO, "starlette_flask"):
            assert isinstance(SessionConfig.from_flask(app).store, FlaskInterfaceStore)
        assert [record.levelname for record in caplog.records] == ["INFO"]
        if name == "sqlite":
            with app.app_context():
                database.engine.dispose()


STORES: dict[str, tuple[str, Callable[[Any], dict[str, str]]]] = {
    "redis": ("redis_server", lambda server: {"localhost:6379": f"127.0.0.1:{server.port}"}),
    "sentinel": ("redis_sentinel", lambda group: {'("localhost", 26379)': repr(group.address)}),
    "cluster": ("redis_cluster", lambda cluster: {"localhost:7000": f"127.0.0.1:{cluster.port}"}),
    "memcached": ("memcached", lambda server: {"localhost:11211": f"127.0.0.1:{server.port}"}),
    "postgresql": ("postgresql", lambda server: {"localhost/shop": server.address}),
    "files": ("tmp_path", lambda _: {}),
    "cachelib": ("tmp_path", lambda _: {}),
}
"""Of each example the server, and how its address is told."""


async def close(store: Any) -> None:
    """
    Close the clients of a store.
    """
    if isinstance(store, MemcachedStore):
        for client in store._clients.values():
            await client.close()
    elif isinstance(store, SQLAlchemyStore):
        await store.engine.dispose()
    elif hasattr(store, "client"):
        manager = getattr(getattr(store.client, "connection_pool", None), "sentinel_manager", None)
        await store.client.aclose()
        for sentinel in manager.sentinels if manager is not None else ():
            await sentinel.aclose()


class TestStores:
    @pytest.mark.parametrize("name", STORES)
    def test_example(self, name: str, run: Run, request: pytest.FixtureRequest) -> None:
        """
        Each example keeps a session.
        """
        fixture, addresses = STORES[name]
        store = run(addresses(request.getfixturevalue(fixture)))["main"].stores[name]

        async def story() -> Answer:
            try:
                cookie = (await ask(app_with(store, write(user="ada")))).cookie
                return await ask(app_with(store, see), cookie)
            finally:
                await close(store)

        assert asyncio.run(story()).body == b"{'_permanent': True, 'user': 'ada'}"

    def test_each_is_listed(self) -> None:
        """
        The table has every store, and its extra.
        """
        rows = list(rows_under(TEXT, "Without the Flask app"))
        listed = {name: codes_in(row[1]) for row in rows for name in codes_in(row[0])}
        kinds = {name: getattr(stores, name) for name in stores.__all__ if name.endswith("Store")}
        del kinds["SessionStore"]
        assert listed == {
            name: [f"starlette-flask[{kind.extra}]"] if hasattr(kind, "extra") else [] for name, kind in kinds.items()
        }

    def test_several_memcached_servers(self, tmp_path: Path) -> None:
        """
        A Flask app and ours don't find all of each other's sessions there.
        """
        homes = [tmp_path / name for name in "ab"]
        for home in homes:
            home.mkdir()
        tmp_path.chmod(0o755)

        async def seen(app: flask.Flask, addresses: list[str]) -> int:
            store = MemcachedStore(addresses)
            cookies = [(await asyncio.to_thread(ask_wsgi, app, "/")).cookie for _ in range(40)]
            try:
                answers = [await ask(app_with(store, see), cookie) for cookie in cookies]
            finally:
                await close(store)
            return sum(b"ada" in answer.body for answer in answers)

        with ExitStack() as stack:
            ports = [stack.enter_context(Memcached(home)).port for home in homes]
            client = pymemcache.HashClient([("127.0.0.1", port) for port in ports], default_noreply=False)
            stack.callback(client.close)
            app = use_flask_session(make_flask_app(), SESSION_TYPE="memcached", SESSION_MEMCACHED=client)
            app.add_url_rule("/", view_func=lambda: (flask.session.update(user="ada"), "")[1])
            assert 0 < asyncio.run(seen(app, [f"127.0.0.1:{port}" for port in ports])) < 40

    def test_cleaning_up(self, tmp_path: Path) -> None:
        """
        What has run out stays in a table until somebody asks for it, or it is cleaned up.
        """
        place = SQLitePlace(tmp_path)

        async def story() -> tuple[int, int]:
            store = place.store()
            assert isinstance(store, SQLAlchemyStore)
            for user in ("ada", "joe"):
                await store.write(f"session:{user}", store.encode({"user": user}), 60, None)
            place.expire("session:ada")
            return len(place.kept()), await store.delete_expired()

        assert tell(place, story()) == (2, 1)
        assert place.kept() == ["session:joe"]

    def test_too_many_files(self, tmp_path: Path) -> None:
        """
        Above the threshold those that run out first are deleted, though they are alive.
        """
        store = stores.FileSystemStore(tmp_path / "files", threshold=10)

        async def story() -> int:
            for number in range(20):
                await store.write(f"session:{number}", store.encode({"number": number}), 1000 + number, None)
            return len([number for number in range(20) if await store.read(f"session:{number}", None)])

        assert asyncio.run(story()) < 20


OPTIONS = list(rows_under(TEXT, "Options"))
OTHERS: dict[str, Any] = {
    "SESSION_KEY_PREFIX": "shop:",
    "SESSION_SERIALIZATION_FORMAT": "json",
    "SESSION_ID_LENGTH": 64,
    "SESSION_USE_SIGNER": True,
    "SESSION_PERMANENT": False,
}
"""Of each key another value than the default one."""


class TestOptions:
    def test_each_is_listed(self) -> None:
        """
        The table has every keyword of the stores, with its default.
        """
        kinds = (SessionStore, SQLAlchemyStore, stores.FileSystemStore)
        found: dict[str, str] = {}
        for kind in kinds:
            for parameter in signature(kind).parameters.values():
                if parameter.kind is not parameter.VAR_KEYWORD and parameter.name not in ("engine",):
                    found[parameter.name] = repr(parameter.default).replace("'", '"')
        listed = {
            keyword: default
            for row in OPTIONS
            for keyword, default in zip(codes_in(row[1]), codes_in(row[2]) + ["None"] * 2, strict=False)
        }
        listed["mode"], found["mode"] = str(int(listed["mode"], 8)), found["mode"]
        assert listed == found

    @pytest.mark.parametrize("key", OTHERS)
    def test_key(self, key: str) -> None:
        """
        What a key says `from_flask` gives to the store, as the keyword that the table names.
        """
        [keyword] = [codes_in(row[1])[0] for row in OPTIONS if codes_in(row[0])[:1] == [key]]
        settings = {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": cachelib.SimpleCache(), key: OTHERS[key]}
        app = use_flask_session(make_flask_app(), **settings)
        store = SessionConfig.from_flask(app).store
        if key != "SESSION_SERIALIZATION_FORMAT":  # which means nothing to cachelib
            assert getattr(store, keyword) == OTHERS[key]
        assert getattr(Defaults, key) == getattr(MemoryStore(), keyword)

    def test_values(self) -> None:
        """
        What a session may hold, and what becomes of it.
        """
        store = MemoryStore()
        moment = datetime(2026, 1, 2, tzinfo=timezone.utc)
        data = {"plain": [1, 1.5, None, {"a": b"\xff"}], "moment": moment, "pair": (1, 2), "id": UUID(int=5)}
        found = {**data, "pair": [1, 2], "id": str(UUID(int=5))}
        assert store.decode(store.encode(data | {"price": Decimal("1.50")})) == found | {"price": "1.50"}
        with pytest.raises(TypeError):
            store.encode({"text": Markup("<b>")})

    def test_short_ids(self) -> None:
        """
        Fewer than 16 random bytes are refused.
        """
        with pytest.raises(ConfigError):
            MemoryStore(sid_length=15)
        assert MemoryStore(sid_length=16).sid_length == 16

    def test_the_keys_of_the_store_are_not_read(self) -> None:
        """
        From a mapping comes what the cookie is and how long a session lives; the options come from the store.
        """
        settings = {"SESSION_TYPE": "redis", "SESSION_KEY_PREFIX": "shop:", "PERMANENT_SESSION_LIFETIME": 60}
        config = SessionConfig.from_mapping(settings, store=MemoryStore())
        assert isinstance(config.store, MemoryStore)
        assert (config.store.key_prefix, config.lifetime) == ("session:", 60)
        with pytest.raises(ConfigError):
            SessionConfig.from_mapping(settings)


def app_of(store: Any, view: Callable[[Request], Awaitable[Response]], **options: Any) -> ASGIApp:
    """
    Return an app whose view makes the response.
    """
    app = Starlette(routes=[Route("/", view)])
    app.add_middleware(SessionMiddleware, store=store, **options)
    return app


class TestInAView:
    def test_emptied(self) -> None:
        """
        A session with nothing but ``_permanent`` is empty; ``clear`` keeps that key.
        """
        seen: list[Any] = []

        def view(session: Any) -> None:
            session["user"] = "ada"
            session.clear()
            seen.extend([dict(session), bool(session), session.sid])

        asyncio.run(ask(app_with(MemoryStore(), view)))
        assert seen[:2] == [{"_permanent": True}, False]
        assert len(seen[2]) == 43

    def test_a_late_change(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        In a background task a session can be changed if the browser has its id already.
        """
        store = MemoryStore()

        async def view(request: Request) -> Response:
            return PlainTextResponse("done", background=BackgroundTask(request.session.update, late=True))

        async def story() -> Answer:
            cookie = (await ask(app_with(store, write(user="ada")))).cookie
            await ask(app_of(store, view), cookie)
            answer = await ask(app_with(store, see), cookie)
            assert caplog.records == []
            await ask(app_of(store, view))
            return answer

        assert asyncio.run(story()).body == b"{'_permanent': True, 'user': 'ada', 'late': True}"
        [logged] = caplog.records
        assert "the change is lost" in logged.getMessage()


class SlowCache(cachelib.SimpleCache):
    """
    A cache that two ask before either writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.barrier: threading.Barrier | None = None

    def get(self, key: str) -> Any:
        value = super().get(key)
        if self.barrier is not None:
            self.barrier.wait(5)
        return value


class TestTwoRequests:
    def test_ended_meanwhile(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        What another request has ended stays ended; an INFO record says that a change is lost.
        """
        store = MemoryStore()

        async def story() -> list[Answer]:
            cookie = (await ask(app_with(store, write(user="ada")))).cookie

            async def view(session: Any) -> None:
                await ask(app_with(store, lambda session: session.clear()), cookie)
                session["page"] = 1

            return [await ask(app_with(store, each), cookie) for each in (view, see)]

        with caplog.at_level(logging.INFO, "starlette_flask"):
            answers = asyncio.run(story())
        assert [answer.status for answer in answers] == [200, 200]
        assert answers[1].body == b"{'_permanent': True}"
        assert [record.levelname for record in caplog.records if "ended" in record.getMessage()] == ["INFO"]

    def test_two_processes_with_cachelib(self) -> None:
        """
        Two stores, each with a lock of its own as two processes have, overwrite each other's change.
        """
        cache = SlowCache()
        first, second = CacheLibStore(cache), CacheLibStore(cache)
        first._raw_cache = second._raw_cache = first._raw_cache  # the copies that they made
        record = first.encode({"user": "ada"})

        async def story() -> list[bool]:
            await first.write("session:a", record, 60, None)
            first._raw_cache.barrier = threading.Barrier(2)
            changes = [store.encode({"user": user}) for store, user in ((first, "joe"), (second, "sue"))]
            stores_and_changes = zip((first, second), changes, strict=True)
            return await asyncio.gather(*(each.write("session:a", new, 60, record) for each, new in stores_and_changes))

        assert asyncio.run(story()) == [True, True]

    def test_a_flask_interface(self) -> None:
        """
        Who writes last wins.
        """
        app = use_flask_session(make_flask_app(), SESSION_TYPE="cachelib", SESSION_CACHELIB=cachelib.SimpleCache())
        ours: Any = FlaskInterfaceStore(app)

        async def story() -> Answer:
            cookie = (await ask(app_with(ours, write(user="ada")))).cookie

            async def view(session: Any) -> None:
                await ask(app_with(ours, write(b=2)), cookie)
                session["a"] = 1

            await ask(app_with(ours, view), cookie)
            return await ask(app_with(ours, see), cookie)

        assert asyncio.run(story()).body == b"{'_permanent': True, 'user': 'ada', 'a': 1}"

    @pytest.mark.parametrize("is_mounted", [False, True], ids=["beside", "mounted"])
    def test_a_request_in_flask(self, redis_place: RedisPlace, is_mounted: bool) -> None:
        """
        A slow request in Flask undoes what was changed here meanwhile, unless it shares the session.
        """
        theirs = make_flask_app()
        redis_place.install(theirs)
        has_read, may_write = threading.Event(), threading.Event()

        @theirs.get("/")
        def slow() -> str:
            flask.session["theirs"] = flask.session["user"]
            has_read.set()
            assert may_write.wait(5)
            return ""

        config = SessionConfig.from_flask(theirs)
        client: Any = config.store

        async def endpoint(request: Request) -> Response:
            request.session["ours"] = True
            return PlainTextResponse(repr(dict(request.session)))

        app = Starlette(routes=[Route("/ours", endpoint)])
        app.mount("/theirs", WSGIMiddleware(theirs))
        app.add_middleware(SessionMiddleware, config=config)

        async def story() -> bytes:
            cookie = (await ask(app_with(config.store, write(user="ada")), path="/")).cookie  # type: ignore[arg-type]
            if is_mounted:
                task = asyncio.create_task(ask(app, cookie, path="/theirs/"))
            else:
                task = asyncio.create_task(asyncio.to_thread(ask_wsgi, theirs, "/", cookies=[cookie]))
            assert await asyncio.to_thread(has_read.wait, 5)
            await ask(app, cookie, path="/ours")
            may_write.set()
            await task
            await client.aclose()
            return redis_place.read("session:" + cookie.partition("=")[2]) or b""

        found = msgspec.msgpack.decode(asyncio.run(story()))
        assert found.keys() - {"_permanent"} == ({"user", "theirs", "ours"} if is_mounted else {"user", "theirs"})


REQUESTS: dict[str, tuple[Callable[[Any], object], str, dict[str, Any]]] = {
    "has no cookie, and writes nothing": (see, "", {}),
    "reads the session, or doesn't look at it": (see, "known", {}),
    "the same, with `refresh_each_request=False`": (see, "known", {"refresh_each_request": False}),
    "changes it": (write(user="joe"), "known", {}),
    "empties it": (lambda session: session.clear(), "known", {}),
    "begins a new one": (write(user="joe"), "", {}),
    "gives it a new id": (lambda session: session.regenerate(), "known", {}),
    "has an id that the server doesn't know": (see, "session=" + "a" * 43, {}),
}


COSTS = {row[0]: row[1:] for row in rows_under(TEXT, "What a request costs")}


class TestCosts:
    def test_rows(self) -> None:
        """
        The tests ask what the table tells.
        """
        assert list(REQUESTS) == list(COSTS)

    @pytest.mark.parametrize("what", REQUESTS)
    @pytest.mark.parametrize(("column", "name"), list(enumerate(["redis", "memcached", "sqlite"])))
    def test_row(self, request: pytest.FixtureRequest, what: str, column: int, name: str) -> None:
        """
        A request takes so many commands.
        """
        view, cookie, options = REQUESTS[what]

        async def story(place: Any) -> int:
            store = place.store()
            known = (await ask(app_with(store, write(user="ada"), **options))).cookie
            cookies = [known if cookie == "known" else cookie] if cookie else []
            with counting(place, store) as count:
                await ask(app_with(store, view, **options), *cookies)
                if view is see and cookie == "known":
                    counted = count()
                    await ask(app_with(store, leave, **options), *cookies)
                    assert count() - counted == counted
                    return counted
                return count()

        with open_place(name, request) as place:
            assert tell(place, story(place)) == int(COSTS[what][column])


@contextmanager
def counting(place: Any, store: Any) -> Iterator[Callable[[], int]]:
    """
    Count the commands, or statements, that are sent from now on.
    """
    if isinstance(place, RedisPlace):
        total = 0
        with place.recorded() as recorder:

            def count() -> int:
                nonlocal total
                total += len(recorder.take())
                return total

            yield count
    elif isinstance(place, MemcachedPlace):
        before = len(place.server.commands())
        yield lambda: len(place.server.commands()) - before
    else:
        said: list[str] = []
        event.listen(
            store.engine.sync_engine, "before_cursor_execute", lambda _, __, statement, *args: said.append(statement)
        )
        yield lambda: len(said)


class TestDown:
    """
    What `tests/stores/test_faults.py` doesn't tell.
    """

    @pytest.fixture
    def server(self, redis_server: RedisServer) -> Iterator[RedisServer]:
        yield redis_server
        if not redis_server.is_running:
            redis_server.start()

    def test_background_tasks(self, server: RedisServer, redis_place: RedisPlace) -> None:
        """
        What the view has done is done; the background tasks of its response don't run.
        """
        done: list[str] = []

        async def view(request: Request) -> Response:
            request.session["user"] = "ada"
            server.kill()
            done.append("the view")
            return PlainTextResponse("saved", background=BackgroundTask(done.append, "the task"))

        assert tell(redis_place, ask(app_of(redis_place.store(timeout=0.2), view))).status == 503
        assert done == ["the view"]

    def test_a_stream(self, server: RedisServer, redis_place: RedisPlace, caplog: pytest.LogCaptureFixture) -> None:
        """
        What is changed when a stream has begun is lost, and an ERROR says so.
        """

        async def view(request: Request) -> Response:
            request.session["early"] = True

            async def stream() -> Any:
                yield b"one, "
                await asyncio.to_thread(server.kill)
                request.session["late"] = True
                yield b"two"

            return StreamingResponse(stream())

        async def story() -> Answer:
            store = redis_place.store(timeout=0.2)
            answer = await ask(app_of(store, view))
            await asyncio.to_thread(server.start)
            assert answer.body == b"one, two"
            return await ask(app_with(redis_place.store(), see), answer.cookie)

        assert tell(redis_place, story()).body == b"{'_permanent': True, 'early': True}"
        assert [record.levelname for record in caplog.records] == ["ERROR"]

    def test_a_handshake(self, server: RedisServer, redis_place: RedisPlace) -> None:
        """
        A WebSocket is refused in the same way.
        """

        async def never(scope: Any, receive: Any, send: Any) -> None:
            raise AssertionError("the app is called")

        async def story() -> list[Any]:
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "websocket.connect"}

            async def send(message: Any) -> None:
                sent.append(message)

            app = SessionMiddleware(never, store=redis_place.store(timeout=0.2))
            server.kill()
            await app(websocket_scope("/", cookies=["session=" + "a" * 43]), receive, send)
            return sent

        assert tell(redis_place, story())[0]["status"] == 503

    def test_full(self, server: RedisServer, redis_place: RedisPlace) -> None:
        """
        A Redis whose memory is full, and which deletes nothing, refuses to write: 503. It still reads.
        """

        async def story() -> list[int]:
            store = redis_place.store()
            cookie = (await ask(app_with(store, write(user="ada")))).cookie
            with closing(server.client()) as client:
                client.config_set("maxmemory", "1")
                try:
                    return [(await ask(app_with(store, view), cookie)).status for view in (write(user="joe"), see)]
                finally:
                    client.config_set("maxmemory", "0")

        assert tell(redis_place, story()) == [503, 200]

    def test_what_redis_loses(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """
        Without its log on disk a Redis that is killed loses sessions; their owners are logged out.
        """
        with RedisServer(tmp_path, "--appendonly", "no") as server:
            place = RedisPlace(server)

            async def story() -> Answer:
                store = place.store()
                cookie = (await ask(app_with(store, write(user="ada")))).cookie
                server.kill()
                server.start()
                return await ask(app_with(place.store(), see), cookie)

            with caplog.at_level(logging.INFO, "starlette_flask"):
                assert tell(place, story()).body == b"{'_permanent': True}"
            place.clear()
        assert "the store knows no session of this id" in caplog.text


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


class TestSafety:
    def test_a_login_of_your_own(self, page: ModuleType) -> None:
        """
        The id is another after the login; under the old one there is nothing.
        """
        with TestClient(page.app) as client:
            client.post("/cart/tea")
            planted = client.cookies["session"]
            client.post("/login/ada")
            assert client.cookies["session"] != planted
            assert client.post("/cart/cup").json() == ["tea", "cup"]
            headers = {"cookie": f"session={planted}"}
            client.cookies.clear()
            assert client.post("/cart/pot", headers=headers).json() == ["pot"]

    @pytest.mark.parametrize("regenerate", [True, False])
    def test_login_user(self, regenerate: bool) -> None:
        """
        ``login_user`` gives the session a new id, unless that is switched off.
        """
        store = MemoryStore()

        async def view(request: Request) -> Response:
            login_user(request, User("ada"))
            return PlainTextResponse("welcome")

        app: Any = Starlette(routes=[Route("/", view)])
        manager = LoginManager(secret_key=SECRET_KEY, regenerate_session=regenerate)
        app.add_middleware(LoginMiddleware, manager=manager)
        app.add_middleware(SessionMiddleware, store=store)

        async def story() -> bool:
            cookie = (await ask(app_with(store, write(cart=["tea"])))).cookie
            return (await ask(app, cookie)).cookie == cookie

        assert asyncio.run(story()) is not regenerate

    @pytest.mark.parametrize("is_mounted", [False, True], ids=["beside", "mounted"])
    def test_in_flask(self, redis_place: RedisPlace, is_mounted: bool) -> None:
        """
        Flask-Login keeps the id; a view may ask Flask-Session for a new one, also where the session is shared.
        """
        theirs = make_flask_app()
        redis_place.install(theirs)
        flask_login.LoginManager(theirs).user_loader(User)

        @theirs.get("/login")
        def log_in() -> str:
            flask_login.login_user(User("ada"))
            return ""

        @theirs.get("/regenerate")
        def regenerate() -> str:
            interface: Any = flask.current_app.session_interface
            interface.regenerate(flask.session)
            return ""

        async def story() -> list[str]:
            store = redis_place.store()
            cookies = [(await ask(app_with(store, write(cart=["tea"])))).cookie]
            for path in ("/login", "/regenerate"):
                answer = await asyncio.to_thread(ask_wsgi, theirs, path, cookies=cookies[-1:])
                cookies.append(answer.cookie)
            return cookies

        if is_mounted:
            config = SessionConfig.from_flask(theirs)
            store: Any = config.store
            app = Starlette()
            app.mount("/", WSGIMiddleware(theirs))
            app.add_middleware(SessionMiddleware, config=config)

            async def story() -> list[str]:
                cookies = [(await ask(app_with(store, write(cart=["tea"])))).cookie]
                for path in ("/login", "/regenerate"):
                    cookies.append((await ask(app, cookies[-1], path=path)).cookie)
                await store.aclose()
                return cookies

        before, after_login, regenerated = tell(redis_place, story())
        assert before == after_login != regenerated
        record = redis_place.read("session:" + regenerated.partition("=")[2])
        assert {"cart", "_user_id"} <= msgspec.msgpack.decode(record or b"").keys()
        assert redis_place.read("session:" + before.partition("=")[2]) is None

    def test_pickles_of_cachelib(self) -> None:
        """
        Plain values are read; what names a class is refused, and nothing of it is run.
        """
        store = CacheLibStore(cachelib.SimpleCache())
        plain = {"moment": datetime(2026, 1, 2, tzinfo=timezone.utc), "price": Decimal("1.5"), "id": UUID(int=1)}
        assert store.decode(pickle.dumps(plain | {"text": Markup("<b>")})) == plain | {"text": Markup("<b>")}
        with pytest.raises(stores.RecordError):
            store.decode(pickle.dumps({"path": Path()}))


class TestRevocation:
    def test_destroy_all(self, page: ModuleType, redis_place: RedisPlace) -> None:
        """
        All sessions of a user end, on either side; those of others, and of nobody, don't.
        """
        kind: Any = page.IndexedStore
        theirs: Any = page.flask_app

        async def story() -> list[bytes]:
            made: Any = redis_place.store()
            store = kind(made.client)
            users: list[dict[str, Any]] = [{"_user_id": "7"}, {"_user_id": "7"}, {"_user_id": "8"}, {"cart": ["tea"]}]
            cookies = [(await ask(app_with(store, write(**user)))).cookie for user in users]
            in_flask = (await asyncio.to_thread(ask_wsgi, theirs, "/cart/cup", method="POST")).cookie
            await ask(app_with(redis_place.store(), write(_user_id="7")), in_flask)  # by a store without the index
            await asyncio.to_thread(ask_wsgi, theirs, "/cart/cup", method="POST", cookies=[in_flask])
            await store.destroy_all("7")
            return [(await ask(app_with(store, see), cookie)).body for cookie in [*cookies, in_flask]]

        nobody = b"{'_permanent': True}"
        assert tell(redis_place, story()) == [
            nobody,
            nobody,
            b"{'_permanent': True, '_user_id': '8'}",
            b"{'_permanent': True, 'cart': ['tea']}",
            nobody,
        ]

    def test_a_request_under_way(self, page: ModuleType, redis_place: RedisPlace) -> None:
        """
        A request that has read the session before can't bring it back.
        """
        kind: Any = page.IndexedStore

        async def story() -> Answer:
            made: Any = redis_place.store()
            store = kind(made.client)
            cookie = (await ask(app_with(store, write(_user_id="7")))).cookie

            async def view(session: Any) -> None:
                await store.destroy_all("7")
                session["seen"] = True

            await ask(app_with(store, view), cookie)
            return await ask(app_with(store, see), cookie)

        assert tell(redis_place, story()).body == b"{'_permanent': True}"

    def test_a_new_id(self, page: ModuleType, redis_place: RedisPlace) -> None:
        """
        A session that got a new id is in the index under that.
        """
        kind: Any = page.IndexedStore

        async def story() -> Answer:
            made: Any = redis_place.store()
            store = kind(made.client)
            cookie = (await ask(app_with(store, write(_user_id="7")))).cookie
            cookie = (await ask(app_with(store, lambda session: session.regenerate()), cookie)).cookie
            await store.destroy_all("7")
            return await ask(app_with(store, see), cookie)

        assert tell(redis_place, story()).body == b"{'_permanent': True}"


class TestAnyInterface:
    def test_home_grown(self, page: ModuleType) -> None:
        """
        Both apps keep a session where the Flask app does, with its cookie.
        """
        theirs: Any = page.home_grown_app
        store = FlaskInterfaceStore(theirs)
        theirs.add_url_rule("/", view_func=lambda: dict(flask.session))
        answer = asyncio.run(ask(app_with(store, write(cart=["tea"]))))  # type: ignore[arg-type]  # it's no SessionStore
        assert answer.set_cookie == [f"{answer.cookie}; HttpOnly; Path=/"]
        assert answer.cookie.startswith("sid=")
        assert ask_wsgi(theirs, "/", cookies=[answer.cookie]).json == {"cart": ["tea"]}
        assert ask_asgi(page.adapted, "/", cookies=[answer.cookie]).status == 404


def look(request: Request) -> Any:
    return dict(request.session)


OLD_SESSION = {"user": "ada", "cart": ["tea"], "_flashes": [("info", Markup("<b>"))]}


class TestMoving:
    def test_from_cookies(self, page: ModuleType) -> None:
        """
        What was in the cookie is in the store from the first request on; the id takes the cookie's place.
        """
        cookie = "session=" + SessionSerializer(SECRET_KEY).dumps(OLD_SESSION)

        def log_out(request: Request) -> None:
            request.session.clear()

        page.moving.add_api_route("/", look)
        page.moving.add_api_route("/logout", log_out)
        answer = ask_asgi(page.moving, "/", cookies=[cookie])
        assert answer.json == {"_permanent": True, "user": "ada", "cart": ["tea"]}
        assert re.match(r"session=[\w-]{43};", answer.set_cookie[0])
        assert ask_asgi(page.moving, "/", cookies=[answer.cookie]).json["user"] == "ada"
        assert ask_asgi(page.moving, "/logout", cookies=[answer.cookie]).cookie == "session="
        assert ask_asgi(page.moving, "/", cookies=[answer.cookie]).json == {"_permanent": True}
        assert ask_asgi(page.moving, "/").set_cookie == []

    @pytest.mark.parametrize("value", ["", "nonsense", SessionSerializer("another key").dumps({"user": "ada"})])
    def test_a_cookie_that_was_never_good(self, page: ModuleType, value: str) -> None:
        """
        Such a cookie moves nothing.
        """
        page.moving.add_api_route("/", look)
        assert ask_asgi(page.moving, "/", cookies=[f"session={value}"]).json == {"_permanent": True}

    def test_in_flask(self, page: ModuleType) -> None:
        """
        In Flask-Session the same, after which both know the session.
        """
        cookie = "session=" + SessionSerializer(SECRET_KEY).dumps(OLD_SESSION)
        answer = ask_wsgi(page.flask_app, "/cart/cup", method="POST", cookies=[cookie])
        assert answer.json == ["tea", "cup"]
        with TestClient(page.app) as client:
            assert client.post("/cart/pot", headers={"cookie": answer.cookie}).json() == ["tea", "cup", "pot"]

    def test_from_pickles(self, page: ModuleType, redis_place: RedisPlace, caplog: pytest.LogCaptureFixture) -> None:
        """
        A pickle is refused, unless that is allowed; Flask-Session reads it, and writes msgpack.
        """
        redis_place.write("session:old", pickle.dumps({"cart": ["tea"]}))
        page.config.store.allow_pickle = False
        headers = {"cookie": "session=old"}
        page.app.add_api_route("/look", look)
        with TestClient(page.app) as client, caplog.at_level(logging.INFO, "starlette_flask"):
            assert "cart" not in client.get("/look", headers=headers).json()
            assert "the record is a pickle of an older Flask-Session" in caplog.text
            page.config.store.allow_pickle = True
            assert client.get("/look", headers=headers).json() == {"cart": ["tea"]}
            page.config.store.allow_pickle = False
            ask_wsgi(page.flask_app, "/cart/cup", method="POST", cookies=[headers["cookie"]])
            assert client.get("/look", headers=headers).json() == {"cart": ["tea", "cup"]}


class Peers:
    """
    An app with Flask-Session and one of ours, which do the same in Redis.
    """

    def __init__(self, place: RedisPlace, **settings: Any) -> None:
        self.place = place
        self.settings = settings
        self.theirs = make_flask_app(PROPAGATE_EXCEPTIONS=False, TESTING=False, **settings)
        place.install(self.theirs)
        self.theirs.add_url_rule("/", view_func=self._their_view)
        self.view: Callable[[Any], object] = see

    def _their_view(self) -> str:
        return repr(self.view(flask.session))

    def ask_theirs(self, view: Callable[[Any], object], *cookies: str) -> Answer:
        self.view = view
        return ask_wsgi(self.theirs, "/", cookies=cookies)

    def ask_ours(self, view: Callable[[Any], object], *cookies: str) -> Answer:
        config = SessionConfig.from_flask(self.theirs)
        store: Any = config.store

        async def endpoint(request: Request) -> Response:
            return Response(repr(view(request.session)))

        app = Starlette(routes=[Route("/", endpoint)])
        app.add_middleware(SessionMiddleware, config=config)

        async def story() -> Answer:
            try:
                return await ask(app, *cookies)
            finally:
                await store.aclose()

        return asyncio.run(story())


class TestDifferences:
    """
    What differs from Flask-Session, each beside the real one.
    """

    def test_nothing_was_changed(self, redis_place: RedisPlace) -> None:
        """
        Theirs writes the record again; ours only lets it live on.
        """
        peers = Peers(redis_place)
        cookie = peers.ask_theirs(write(user="ada")).cookie
        with redis_place.recorded() as recorder:
            peers.ask_theirs(see, cookie)
            assert recorder.names() == ["GET", "SET"]
            peers.ask_ours(see, cookie)
            assert recorder.names() == ["GETEX"]

    def test_a_change_inside_a_value(self, redis_place: RedisPlace) -> None:
        """
        Without refresh theirs is lost, ours isn't.
        """
        peers = Peers(redis_place, SESSION_REFRESH_EACH_REQUEST=False)
        cookie = peers.ask_theirs(write(cart=["tea"])).cookie
        for asked in (peers.ask_theirs, peers.ask_ours):
            asked(lambda session: session["cart"].append("cup"), cookie)
            assert (b"cup" in peers.ask_theirs(see, cookie).body) is (asked == peers.ask_ours)

    def test_two_requests_at_once(self, redis_place: RedisPlace) -> None:
        """
        Theirs loses what another request has written meanwhile, ours doesn't.
        """
        peers = Peers(redis_place)
        for asked in (peers.ask_theirs, peers.ask_ours):
            cookie = peers.ask_theirs(write(user="ada")).cookie
            key = "session:" + cookie.partition("=")[2]
            other = msgspec.msgpack.encode({"_permanent": True, "user": "ada", "other": True})

            def view(session: Any, key: str = key, other: bytes = other) -> None:
                session["mine"] = True
                redis_place.write(key, other)

            asked(view, cookie)
            found = msgspec.msgpack.decode(redis_place.read(key) or b"")
            assert found.keys() >= {"user", "mine"}
            assert ("other" in found) is (asked == peers.ask_ours)

    def test_the_server_is_down(self, redis_place: RedisPlace) -> None:
        """
        Theirs is a 500, ours a 503.
        """
        peers = Peers(redis_place)
        cookie = peers.ask_theirs(write(user="ada")).cookie
        redis_place.server.kill()
        try:
            assert [asked(see, cookie).status for asked in (peers.ask_theirs, peers.ask_ours)] == [500, 503]
        finally:
            redis_place.server.start()

    def test_a_record_that_cannot_be_read(self, redis_place: RedisPlace) -> None:
        """
        Theirs is a 500; ours is an empty session, and the record stays until a view writes.
        """
        peers = Peers(redis_place)
        redis_place.write("session:odd", b"\xc1")
        assert peers.ask_theirs(see, "session=odd").status == 500
        assert peers.ask_ours(see, "session=odd").status == 200
        assert redis_place.read("session:odd") == b"\xc1"
        assert peers.ask_ours(write(user="ada"), "session=odd").status == 200
        assert redis_place.read("session:odd") != b"\xc1"

    def test_a_pickle(self, redis_place: RedisPlace) -> None:
        """
        Theirs reads it, ours doesn't.
        """
        peers = Peers(redis_place)
        redis_place.write("session:old", pickle.dumps({"user": "ada"}))
        assert [b"ada" in asked(see, "session=old").body for asked in (peers.ask_ours, peers.ask_theirs)] == [
            False,
            True,
        ]

    def test_an_id_that_no_store_would_give(self, request: pytest.FixtureRequest) -> None:
        """
        Theirs asks for it, and what memcached says to a line feed is a 500; ours doesn't ask.
        """
        with open_place("memcached", request) as place:
            theirs = make_flask_app(TESTING=False, PROPAGATE_EXCEPTIONS=False)
            place.install(theirs)
            theirs.add_url_rule("/", view_func=lambda: repr(dict(flask.session)))
            cookie = 'session="a\\012b"'
            assert ask_wsgi(theirs, "/", cookies=[cookie]).status == 500
            assert tell(place, ask(app_with(place.store(), see), cookie)).status == 200

    def test_a_new_key(self, redis_place: RedisPlace) -> None:
        """
        Theirs logs everybody out, ours takes the fallback's signature and makes it anew.
        """
        old = Peers(redis_place, SESSION_USE_SIGNER=True).ask_theirs(write(user="ada")).cookie
        rotated = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["secret"]}
        if "SECRET_KEY_FALLBACKS" not in flask.Flask.default_config:
            pytest.skip("Flask 3.1: fallbacks")
        peers = Peers(redis_place, SESSION_USE_SIGNER=True, **rotated)
        assert b"ada" not in peers.ask_theirs(see, old).body
        answer = peers.ask_ours(see, old)
        assert b"ada" in answer.body
        assert b"ada" in peers.ask_theirs(see, answer.cookie).body

    def test_deleting_the_cookie(self, redis_place: RedisPlace) -> None:
        """
        Theirs with name, domain and path, ours with all that it was set with.
        """
        settings = {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_SAMESITE": "Lax"}
        peers = Peers(redis_place, **settings)
        lines = []
        for asked in (peers.ask_theirs, peers.ask_ours):
            cookie = peers.ask_theirs(write(user="ada")).cookie
            lines += asked(lambda session: session.clear(), cookie).set_cookie
        assert lines == [
            "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/",
            "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/; SameSite=Lax",
        ]

    def test_a_visitor_without_a_cookie(self, redis_place: RedisPlace) -> None:
        """
        Theirs sends a deletion, ours sends nothing.
        """
        peers = Peers(redis_place)
        answers = [asked(lambda session: session.clear()) for asked in (peers.ask_theirs, peers.ask_ours)]
        assert [len(answer.set_cookie) for answer in answers] == [1, 0]

    def test_partitioned(self, redis_place: RedisPlace) -> None:
        """
        Theirs ignores it, and so does ours where it is to make the same cookie.
        """
        settings = {"SESSION_COOKIE_PARTITIONED": True, "SESSION_COOKIE_SECURE": True}
        peers = Peers(redis_place, **settings)
        answers = [asked(write(user="ada")) for asked in (peers.ask_theirs, peers.ask_ours)]
        config = SessionConfig.from_mapping(settings, store=MemoryStore())
        answers.append(asyncio.run(ask(app_with(None, write(user="ada"), config=config))))  # type: ignore[arg-type]
        assert ["Partitioned" in answer.set_cookie[0] for answer in answers] == [False, False, True]

    def test_an_exception(self, redis_place: RedisPlace) -> None:
        """
        Theirs saves the session, ours doesn't.
        """
        peers = Peers(redis_place)

        def fail(session: Any) -> None:
            session["failed"] = True
            raise LookupError("nobody handles it")

        cookie = peers.ask_theirs(write(user="ada")).cookie
        with pytest.raises(LookupError):
            peers.ask_ours(fail, cookie)
        assert b"failed" not in peers.ask_theirs(see, cookie).body
        assert peers.ask_theirs(fail, cookie).status == 500
        assert b"failed" in peers.ask_theirs(see, cookie).body

    def test_cachelib_cannot_write(self) -> None:
        """
        Theirs takes no notice, ours is a 503.
        """

        class FullCache(cachelib.SimpleCache):
            def set(self, *args: Any, **options: Any) -> bool:
                return False

        theirs = use_flask_session(make_flask_app(), SESSION_TYPE="cachelib", SESSION_CACHELIB=FullCache())
        theirs.add_url_rule("/", view_func=lambda: (flask.session.update(user="ada"), "saved")[1])
        assert ask_wsgi(theirs, "/").status == 200
        assert asyncio.run(ask(app_with(CacheLibStore(FullCache()), write(user="ada")))).status == 503


WITHOUT_THE_BLOCK = """
import sys
from redis.asyncio import Redis
from starlette.testclient import TestClient
from starlette_flask.stores import RedisStore
from tests.stores.client import app_with, write
client = TestClient(app_with(RedisStore(Redis(port=int(sys.argv[1]))), write(user="ada")))
print(*[client.get("/").status_code for _ in range(3)])
"""


class TestTests:
    def test_example(self, run: Run) -> None:
        """
        The page's own test passes.
        """
        run()["test_shop"].test_cart()

    def test_without_the_block(self, redis_place: RedisPlace) -> None:
        """
        A client of a server belongs to one event loop: where each request has another one, some fail.
        """
        # In a process of its own, as nobody can close what belongs to a loop that is gone.
        port = redis_place.server.port
        done = subprocess.run(  # noqa: S603  # our own code
            [sys.executable, "-W", "ignore", "-c", WITHOUT_THE_BLOCK, str(port)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "503" in done.stdout.split()

    def test_login_client(self) -> None:
        """
        Users are logged in as ever.
        """
        app = Starlette()
        app.add_middleware(LoginMiddleware, manager=LoginManager(secret_key=SECRET_KEY))
        store = MemoryStore()
        app.add_middleware(SessionMiddleware, store=store)
        with TestClient(app) as client:
            login_client(client, User("ada"))
            key = f"session:{client.cookies['session']}"
        record = asyncio.run(store.read(key, None))
        assert store.decode(record or b"")["_user_id"] == "ada"
