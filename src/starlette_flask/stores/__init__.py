"""
Sessions on a server, in the records of Flask-Session (0.8): ``SessionMiddleware(app, store=RedisStore(client))``.

Each store needs an extra of this package, of its name: ``pip install 'starlette-flask[redis]'``. It is loaded when it
is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from starlette_flask.stores.base import RecordError, SessionStore, StoreError

if TYPE_CHECKING:
    from starlette_flask.stores.cachelib import CacheLibStore, FileSystemStore
    from starlette_flask.stores.flask_interface import FlaskInterfaceStore
    from starlette_flask.stores.memcached import MemcachedStore
    from starlette_flask.stores.memory import MemoryStore
    from starlette_flask.stores.redis import RedisStore
    from starlette_flask.stores.sqlalchemy import SQLAlchemyStore

__all__ = [
    "CacheLibStore",
    "FileSystemStore",
    "FlaskInterfaceStore",
    "MemcachedStore",
    "MemoryStore",
    "RecordError",
    "RedisStore",
    "SQLAlchemyStore",
    "SessionStore",
    "StoreError",
]

_MODULES = {
    "CacheLibStore": "cachelib",
    "FileSystemStore": "cachelib",
    "FlaskInterfaceStore": "flask_interface",
    "MemcachedStore": "memcached",
    "MemoryStore": "memory",
    "RedisStore": "redis",
    "SQLAlchemyStore": "sqlalchemy",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
