"""
`SQLAlchemyStore`, where it isn't like all stores: its table.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
import sqlalchemy
import time_machine
from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from starlette_flask import ConfigError, SessionMiddleware
from starlette_flask.stores import SQLAlchemyStore, StoreError
from tests.stores.client import app_with, ask, tell, write
from tests.stores.places import SQLPlace, open_place

KEY = "session:a"
NOW = 1_700_000_000


@pytest.fixture(name="place", params=["sqlite", "postgresql"])
def open_each(request: pytest.FixtureRequest) -> Iterator[SQLPlace]:
    with open_place(request.param, request) as place:
        yield place


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def engine(path: Path) -> AsyncEngine:
    return create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 0.05})


def run(engine: AsyncEngine, story: Callable[[], Any]) -> Any:
    """
    Run a story on an event loop of its own, and close the engine's connections.
    """

    async def told() -> Any:
        try:
            return await story()
        finally:
            await engine.dispose()

    return asyncio.run(told())


class TestConstruction:
    @pytest.mark.parametrize(
        ("engine", "name"),
        [
            pytest.param(sqlalchemy.create_engine("sqlite://"), "sqlalchemy.engine.base.Engine", id="sync"),
            pytest.param("sqlite+aiosqlite://", "builtins.str", id="URL"),
            pytest.param(None, "builtins.NoneType", id="None"),
        ],
    )
    def test_refused(self, engine: Any, name: str) -> None:
        """
        What is no ``AsyncEngine`` is refused by name.
        """
        with pytest.raises(TypeError, match=f"create_async_engine, not {name}$") as caught:
            SQLAlchemyStore(engine)
        assert isinstance(caught.value, ConfigError)

    def test_table(self, engine: AsyncEngine) -> None:
        """
        The table is Flask-Session's, under the name that is given.
        """
        table = SQLAlchemyStore(engine, "kept", schema="web", sequence="numbers").table
        assert (table.name, table.schema) == ("kept", "web")
        assert {column.name: repr(column.type) for column in table.columns} == {
            "id": "Integer()",
            "session_id": "String(length=255)",
            "data": "LargeBinary()",
            "expiry": "DateTime()",
        }
        assert (table.c.session_id.unique, [column.name for column in table.primary_key]) == (True, ["id"])
        assert isinstance(table.c.id.default, sqlalchemy.Sequence)
        assert table.c.id.default.name == "numbers"
        assert SQLAlchemyStore(engine).table.c.id.default is None

    def test_a_table(self, engine: AsyncEngine) -> None:
        """
        A ``Table`` is used as it is.
        """
        table = SQLAlchemyStore(engine).table
        assert SQLAlchemyStore(engine, table).table is table


class TestTable:
    def test_is_made(self, engine: AsyncEngine, path: Path) -> None:
        """
        The first request makes the table, as Flask-Session has it; until then nobody is connected to.
        """
        store = SQLAlchemyStore(engine)
        assert not path.exists()
        assert run(engine, lambda: store.read(KEY, None)) is None
        with closing(sqlite3.connect(path)) as database:
            [[statement]] = database.execute("select sql from sqlite_master where type = 'table'")
        assert " ".join(statement.split()) == (
            "CREATE TABLE sessions ( id INTEGER NOT NULL, session_id VARCHAR(255), data BLOB, expiry DATETIME,"
            " PRIMARY KEY (id), UNIQUE (session_id) )"
        )

    @pytest.mark.parametrize("action", ["read", "write", "delete", "delete_expired"])
    def test_whatever_comes_first(self, engine: AsyncEngine, action: str) -> None:
        """
        So does any other first request.
        """
        store = SQLAlchemyStore(engine)
        arguments: dict[str, tuple[Any, ...]] = {"read": (KEY, 60), "write": (KEY, b"x", 60, None), "delete": (KEY,)}
        result = run(engine, lambda: getattr(store, action)(*arguments.get(action, ())))
        assert result == {"write": True, "delete_expired": 0}.get(action)

    def test_is_there(self, engine: AsyncEngine) -> None:
        """
        One that is there is used.
        """

        async def story() -> None:
            assert await SQLAlchemyStore(engine).write(KEY, b"record", 60, None)
            assert await SQLAlchemyStore(engine).read(KEY, None) == b"record"

        run(engine, story)

    def test_many_first_requests(self, place: SQLPlace) -> None:
        """
        Several processes that start at the same moment all find it, whoever has made it.
        """

        async def story() -> None:
            stores = [place.store() for _ in range(6)]
            apps = [app_with(store, write(a=1)) for store in [*stores, *stores]]
            answers = await asyncio.gather(*(ask(app) for app in apps))
            assert [answer.status for answer in answers] == [200] * 12

        place._run("drop table if exists sessions")
        tell(place, story())

    def test_a_first_request_that_is_given_up(self, request: pytest.FixtureRequest) -> None:
        """
        What a first request leaves unfinished, the next one makes. (PostgreSQL forgets a table that isn't committed.)
        """

        async def story() -> None:
            store: Any = place.store()
            async with store.engine.connect():  # so that there is one to take
                pass
            for steps in range(200):
                task = asyncio.create_task(store.write(f"session:{steps}", b"x", 60, None))
                for _ in range(steps):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                if store._is_made or not task.cancelled():
                    break
            assert await store.write(KEY, b"record", 60, None)
            assert await store.read(KEY, None) == b"record"

        with open_place("postgresql", request) as place:
            tell(place, story())

    def test_may_not_be_made(self, engine: AsyncEngine, path: Path) -> None:
        """
        An error that isn't about a table that is there already is raised.
        """
        store = SQLAlchemyStore(engine)
        with closing(sqlite3.connect(path)) as database:
            database.execute("begin exclusive")
            with pytest.raises(sqlalchemy.exc.OperationalError, match="locked"):
                run(engine, lambda: store.read(KEY, None))
            database.rollback()
        with closing(sqlite3.connect(path)) as database:
            database.execute("create table other (id integer)")
            database.execute("pragma user_version = 1")

        @sqlalchemy.event.listens_for(engine.sync_engine, "connect")
        def read_only(connection: Any, record: Any) -> None:
            connection.execute("pragma query_only = 1")

        with pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
            run(engine, lambda: store.read(KEY, None))


class TestExpired:
    @pytest.fixture(autouse=True)
    def frozen_clock(self) -> Iterator[Any]:
        with time_machine.travel(NOW, tick=False) as clock:
            yield clock

    def test_in_utc(self, engine: AsyncEngine, path: Path) -> None:
        """
        The column holds the time in UTC, without saying so, as Flask-Session's.
        """
        run(engine, lambda: SQLAlchemyStore(engine).write(KEY, b"record", 60, None))
        with closing(sqlite3.connect(path)) as database:
            [[expiry]] = database.execute("select expiry from sessions")
        assert datetime.fromisoformat(expiry).replace(tzinfo=timezone.utc).timestamp() == NOW + 60

    def test_delete(self, engine: AsyncEngine, path: Path, frozen_clock: Any) -> None:
        """
        `delete_expired` deletes those whose time is over, also those that never had any, and says how many.
        """

        async def story() -> list[int]:
            store = SQLAlchemyStore(engine)
            for number in range(5):
                await store.write(f"session:{number}", b"record", 10 * number + 10, None)
            frozen_clock.shift(20)
            return [await store.delete_expired(), await store.delete_expired()]

        assert run(engine, story) == [2, 0]
        with closing(sqlite3.connect(path)) as database:
            assert database.execute("select session_id from sessions").fetchall() == [
                ("session:2",),
                ("session:3",),
                ("session:4",),
            ]
            database.execute("update sessions set expiry = null")
            database.commit()
        assert run(engine, lambda: SQLAlchemyStore(engine).delete_expired()) == 3

    def test_without_expiry(self, engine: AsyncEngine, path: Path) -> None:
        """
        A record without a time is over, as in Flask-Session, and another can take its place.
        """

        async def story() -> list[Any]:
            store = SQLAlchemyStore(engine)
            await store.write(KEY, b"first", 60, None)
            with closing(sqlite3.connect(path)) as database:
                database.execute("update sessions set expiry = null")
                database.commit()
            return [
                await store.read(KEY, None),
                await store.write(KEY, b"second", 60, b"first"),
                await store.write(KEY, b"second", 60, None),
                await store.read(KEY, None),
            ]

        assert run(engine, story) == [None, False, True, b"second"]


def test_nobody_sees_the_statement(engine: AsyncEngine, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    Neither the log nor the error, which the app gets, holds the id that a failed statement had, or the data.
    """
    errors: list[str] = []

    async def change(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["card"] = "4111"
        try:
            await Response()(scope, receive, send)
        except StoreError as exc:
            errors.extend(format_exception(exc))

    async def story() -> str:
        store = SQLAlchemyStore(engine)
        app = SessionMiddleware(change, store=store)
        cookie: str = (await ask(app)).cookie
        with closing(sqlite3.connect(path)) as database:
            database.execute("begin exclusive")
            assert (await ask(app, cookie)).status == 503
            assert (await ask(app)).status == 503
        return cookie

    caplog.set_level(logging.DEBUG, "starlette_flask")
    cookie = run(engine, story)
    for text in (caplog.text, "".join(errors)):
        assert "database is locked" in text
        assert cookie.partition("=")[2] not in text
        assert "session:" not in text
        assert "4111" not in text


def test_a_constraint(place: SQLPlace) -> None:
    """
    Who comes second with the same id is told so, and the connection is good for the next.
    """

    async def story() -> None:
        store = place.store()
        assert await store.write(KEY, b"first", 60, None) is True
        for _ in range(3):
            assert await store.write(KEY, b"second", 60, None) is False
        assert await store.read(KEY, 60) == b"first"

    tell(place, story())


def test_closing(path: Path) -> None:
    """
    Closing the store disposes of the engine's connections; who asks after that is connected anew.
    """
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=AsyncAdaptedQueuePool)

    async def story() -> None:
        store = SQLAlchemyStore(engine)
        await store.read(KEY, None)
        pool: Any = engine.pool
        assert pool.checkedin() == 1
        await store.aclose()
        assert pool.checkedin() == 0
        assert engine.pool is not pool
        assert await store.read(KEY, None) is None

    run(engine, story)
