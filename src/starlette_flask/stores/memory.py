"""
`MemoryStore`: sessions in the memory of one process.
"""

import time

from starlette_flask.stores.base import SessionStore


class MemoryStore(SessionStore):
    """
    Keeps sessions in this process, for tests and development: with several workers each knows its own only.
    Records whose time is over are dropped when they are asked for.

    Takes the options of `SessionStore`. The extra is ``starlette-flask[memory]``.
    """

    extra = "memory"

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # SessionStore checks them
        self._records: dict[str, tuple[bytes, float]] = {}

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        record, end = self._records.get(key, (None, 0.0))
        if record is None or end <= time.time():
            self._records.pop(key, None)
            return None
        if refresh is not None:
            self._records[key] = record, time.time() + refresh
        return record

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        if await self.read(key, None) != seen:
            return False
        self._records[key] = record, time.time() + lifetime
        return True

    async def delete(self, key: str) -> None:
        self._records.pop(key, None)
