"""
`FileSystemStore` and `CacheLibStore`: sessions in cachelib's caches, in files above all.
"""

import copy
import io
import os
import pickle
from collections.abc import Mapping
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from markupsafe import Markup

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.stores.base import RecordError, SessionStore, StoreError, load_pickle, need
from starlette_flask.stores.threads import in_thread

if TYPE_CHECKING:
    from cachelib.base import BaseCache

# What a plain session may hold that pickle writes as a call, besides what _STAND_INS holds.
_PLAIN_CLASSES = frozenset(
    {
        ("builtins", "complex"),
        ("datetime", "date"),
        ("datetime", "datetime"),
        ("datetime", "time"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("decimal", "Decimal"),
    }
)
_NOT_PLAIN = "the record is a pickle of more than plain values (allow_pickle=True would read it)"


class _Sealed(type):
    # A pickle may set attributes of what it has named, of a class too: for everybody, until the process ends.
    def __setattr__(cls, name: str, value: object) -> None:
        raise RecordError(_NOT_PLAIN)


class _Markup(metaclass=_Sealed):
    def __new__(cls, text: str = "") -> Markup:  # type: ignore[misc]  # it stands for another class
        return Markup(text)  # noqa: S704  # it was Markup when it was written


class _UUID(metaclass=_Sealed):
    def __new__(cls) -> UUID:  # type: ignore[misc]
        return object.__new__(UUID)  # its state comes next


# Classes of Python code, which could be changed. Those above are C's, which can't.
_STAND_INS = {("markupsafe", "Markup"): _Markup, ("uuid", "UUID"): _UUID}


class CacheLibStore(SessionStore):
    """
    Keeps sessions as ``flask_session.cachelib.CacheLibSessionInterface`` does (Flask-Session 0.8).

    These records are pickles, whatever *serialization_format* says. They are read without running anything they name:
    plain values, and those of datetime, decimal, uuid and markupsafe; what holds another class is refused. With
    *allow_pickle* everything is read, and whoever can write into the cache can run code in this process.

    The cache is asked in a thread. Requests of one user to one process don't undo each other's changes; those to
    several processes may, if they come at the same moment.

    Args:
        cache: One of cachelib's, as ``SESSION_CACHELIB``.
        options: Those of `SessionStore`.

    Raises:
        ConfigError: *cache* doesn't keep pickles.
        ConfigTypeError: *cache* isn't one.
    """

    extra = "cachelib"

    def __init__(self, cache: "BaseCache", **options: object) -> None:
        base = need("cachelib.base", self.extra)
        super().__init__(**options)  # type: ignore[arg-type]  # SessionStore checks them
        if not isinstance(cache, base.BaseCache):
            raise ConfigTypeError(
                f"CacheLibStore takes a cache of cachelib, not {type(cache).__module__}.{type(cache).__qualname__}"
            )
        self.cache = cache
        self._raw_cache = copy.copy(cache)
        self._raw_cache.serializer = _Raw(mark_of(cache))
        # Some for all keys: one file that can't be read makes cachelib wait, and not everybody with it.
        self._locks = [Lock() for _ in range(64)]

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        return await in_thread(partial(self._read, key, refresh))

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        return await in_thread(partial(self._write, key, record, lifetime, seen))

    async def delete(self, key: str) -> None:
        await in_thread(partial(self._delete, key))

    def encode(self, data: Mapping[str, Any]) -> bytes:
        if self.allow_pickle:
            return pickle.dumps(dict(data), pickle.HIGHEST_PROTOCOL)
        record = io.BytesIO()
        _PlainPickler(record, pickle.HIGHEST_PROTOCOL).dump(dict(data))
        return record.getvalue()

    def decode(self, record: bytes) -> dict[str, Any]:
        return load_pickle(record, pickle.loads if self.allow_pickle else load_plain)

    def _read(self, key: str, refresh: int | None) -> bytes | None:
        with self._lock(key):
            record: bytes | None = self._raw_cache.get(key)
            if record is not None and refresh is not None:
                self._set(key, record, refresh)
            return record

    def _write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        with self._lock(key):
            if self._raw_cache.get(key) != seen:
                return False
            self._set(key, record, lifetime)
            return True

    def _delete(self, key: str) -> None:
        with self._lock(key):
            if not self.cache.delete(key) and self._raw_cache.get(key) is not None:
                raise StoreError("cachelib couldn't delete the record; its own log says why")

    def _lock(self, key: str) -> Lock:
        return self._locks[hash(key) % len(self._locks)]

    def _set(self, key: str, record: bytes, lifetime: int) -> None:
        # cachelib says with False what others raise.
        if not self._raw_cache.set(key, record, timeout=lifetime):
            raise StoreError("cachelib couldn't write the record; its own log says why")


class FileSystemStore(CacheLibStore):
    """
    Keeps sessions as ``flask_session.filesystem.FileSystemSessionInterface`` does (Flask-Session 0.8): in files.

    The names of the files depend on the version of cachelib, before 0.16 or since: use one side of it in both apps.

    Args:
        path: The folder, as ``SESSION_FILE_DIR``.
        threshold: How many files are kept; with more, those that expire first are deleted, alive or not.
        mode: The files' mode.
        options: Those of `CacheLibStore`.
    """

    extra = "cachelib"

    def __init__(
        self, path: str | os.PathLike[str] = "flask_session", threshold: int = 500, mode: int = 0o600, **options: object
    ) -> None:
        file = need("cachelib.file", self.extra)
        super().__init__(file.FileSystemCache(os.fspath(path), threshold=threshold, mode=mode), **options)


class _Raw:
    """
    In the place of a cache's serializer: hands records out as they are.

    Args:
        mark: What cachelib writes before a pickle.
    """

    def __init__(self, mark: bytes) -> None:
        self._mark = mark

    def load(self, file: io.BufferedReader) -> Any:
        record = file.read()
        try:
            value = load_plain(record)
        except Exception:  # decode will say so
            return record
        return value if isinstance(value, int) else record  # the cache's own count of its files

    def dump(self, value: Any, file: io.BufferedWriter) -> None:
        file.write(self.dumps(value))

    def loads(self, record: bytes | None) -> Any:
        return None if record is None else record.removeprefix(self._mark)

    def dumps(self, value: Any) -> bytes:
        return self._mark + value if isinstance(value, bytes) else pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def mark_of(cache: Any) -> bytes:
    """
    Return what a cache writes before a pickle.

    Raises:
        ConfigError: It doesn't write pickles.
    """
    base = need("cachelib.serializers", CacheLibStore.extra)
    serializer = getattr(cache, "serializer", None)
    of_servers = getattr(base, "BaseRedisSerializer", base.RedisSerializer)  # its name before cachelib 0.14 or so
    kinds = {of_servers: b"!", base.BaseSerializer: b""}
    for kind, mark in kinds.items():
        if isinstance(serializer, kind) and type(serializer).loads is kind.loads and type(serializer).load is kind.load:
            return mark
    raise ConfigError(
        f"{type(cache).__qualname__} doesn't keep pickles, as those of cachelib do; ask the Flask app itself for its"
        " sessions: SessionMiddleware(app, store=FlaskInterfaceStore(flask_app))"
    )


class _PlainPickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        # Asked of what isn't built in: what couldn't be read again isn't written.
        kind = obj if isinstance(obj, type) else type(obj)
        name = (kind.__module__, kind.__qualname__)
        if name not in _PLAIN_CLASSES and name not in _STAND_INS:
            raise TypeError(f"a session can't hold {'.'.join(name)}; give a plain value (or allow_pickle=True)")
        return NotImplemented


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        if (module, name) not in _PLAIN_CLASSES:
            raise RecordError(_NOT_PLAIN)
        return super().find_class(module, name)


def load_plain(record: bytes) -> Any:
    """
    Return what a pickle holds, if it is made of plain values.

    Raises:
        RecordError: It names something else.
        Exception: It is no pickle.
    """
    return _PlainUnpickler(io.BytesIO(record)).load()
