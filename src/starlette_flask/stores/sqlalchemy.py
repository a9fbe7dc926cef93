"""
`SQLAlchemyStore`: sessions in Flask-Session's table of a SQL database.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.stores.base import SessionStore, need

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncEngine


T = TypeVar("T")


class SQLAlchemyStore(SessionStore):
    """
    Keeps sessions as ``flask_session.sqlalchemy.SqlAlchemySessionInterface`` does (Flask-Session 0.8).

    The table is made when it is first needed, if it isn't there. Records whose time is over stay in it until they are
    asked for; `delete_expired` deletes them, as ``flask session_cleanup`` does.

    Args:
        engine: An ``AsyncEngine``.
        table: The table's name, as ``SESSION_SQLALCHEMY_TABLE``, or a SQLAlchemy ``Table`` with its columns.
        schema: As ``SESSION_SQLALCHEMY_SCHEMA``.
        sequence: As ``SESSION_SQLALCHEMY_SEQUENCE``.
        options: Those of `SessionStore`.

    Raises:
        ConfigTypeError: *engine* is no ``AsyncEngine``.
    """

    extra = "sqlalchemy"

    def __init__(
        self,
        engine: "AsyncEngine",
        table: "str | Table" = "sessions",
        *,
        schema: str | None = None,
        sequence: str | None = None,
        **options: object,
    ) -> None:
        self._sql = need("sqlalchemy", self.extra)
        extension = need("sqlalchemy.ext.asyncio", self.extra)
        super().__init__(**options)  # type: ignore[arg-type]  # SessionStore checks them
        if not isinstance(engine, extension.AsyncEngine):
            raise ConfigTypeError(
                "SQLAlchemyStore takes an engine of sqlalchemy.ext.asyncio.create_async_engine,"
                f" not {type(engine).__module__}.{type(engine).__qualname__}"
            )
        self.engine = engine
        self.table = _table(self._sql, table, schema, sequence) if isinstance(table, str) else table
        self._is_made = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        return await self._finished(self._read(key, refresh))

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        return await self._finished(self._write(key, record, lifetime, seen))

    async def delete(self, key: str) -> None:
        await self._finished(self._delete(key))

    async def _finished(self, statements: Coroutine[Any, Any, T]) -> T:
        # Who waits no longer leaves; the statements go on. Cancelled in the middle, a connection would be dropped with
        # its locks, or never come back to the engine's pool.
        task = asyncio.ensure_future(statements)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; nobody else is to be told

    async def _read(self, key: str, refresh: int | None) -> bytes | None:
        sql, columns, now = self._sql, self.table.c, _now()
        is_it = sql.and_(columns.session_id == key, columns.expiry > now)
        await self._make_table()
        async with self.engine.begin() as connection:
            record: bytes | None = await connection.scalar(sql.select(columns.data).where(is_it))
            if record is not None and refresh is not None:
                end = now + timedelta(seconds=refresh)
                await connection.execute(sql.update(self.table).where(is_it).values(expiry=end))
        return record

    async def _write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        sql, columns, now = self._sql, self.table.c, _now()
        values = {"data": record, "expiry": now + timedelta(seconds=lifetime)}
        is_it = columns.session_id == key
        await self._make_table()
        async with self.engine.begin() as connection:
            if seen is not None:
                found = sql.and_(is_it, columns.data == seen, columns.expiry > now)
                result = await connection.execute(sql.update(self.table).where(found).values(values))
                return bool(result.rowcount)
            await connection.execute(sql.delete(self.table).where(is_it, self._is_over(now)))
            try:
                await connection.execute(sql.insert(self.table).values(session_id=key, **values))
            except sql.exc.IntegrityError:  # somebody else has written it
                await connection.rollback()
                return False
        return True

    async def _delete(self, key: str) -> None:
        await self._make_table()
        async with self.engine.begin() as connection:
            await connection.execute(self._sql.delete(self.table).where(self.table.c.session_id == key))

    async def aclose(self) -> None:
        await self.engine.dispose()

    async def delete_expired(self) -> int:
        """
        Delete the records whose time is over, and return how many.
        """
        await self._make_table()
        async with self.engine.begin() as connection:
            expired = self._sql.delete(self.table).where(self._is_over(_now()))
            return int((await connection.execute(expired)).rowcount)

    def _is_over(self, now: datetime) -> Any:
        # Flask-Session's own are never without a date, and it takes one without for over.
        return self._sql.or_(self.table.c.expiry.is_(None), self.table.c.expiry <= now)

    async def _make_table(self) -> None:
        if self._is_made:
            return
        try:
            async with self.engine.begin() as connection:
                await connection.run_sync(self.table.create, checkfirst=True)
        except self._sql.exc.DBAPIError:
            async with self.engine.connect() as connection:
                if not await connection.run_sync(self._has_table):
                    raise
        self._is_made = True  # or somebody else has made it at the same moment

    def _has_table(self, connection: Any) -> bool:
        return bool(self._sql.inspect(connection).has_table(self.table.name, schema=self.table.schema))


def _table(sql: Any, name: str, schema: str | None, sequence: str | None) -> "Table":
    # flask_session.sqlalchemy.create_session_model (0.8).
    numbering = (sql.Sequence(sequence),) if sequence else ()
    table: Table = sql.Table(
        name,
        sql.MetaData(schema=schema),
        sql.Column("id", sql.Integer, *numbering, primary_key=True),
        sql.Column("session_id", sql.String(255), unique=True),
        sql.Column("data", sql.LargeBinary),
        sql.Column("expiry", sql.DateTime),
    )
    return table


def _now() -> datetime:
    # Flask-Session's column has no time zone, and means UTC.
    return datetime.now(timezone.utc).replace(tzinfo=None)
