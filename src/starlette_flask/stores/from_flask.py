"""
The store that a Flask app's own session interface means.
"""

import inspect
from importlib.util import find_spec
from typing import Any

from starlette_flask.exceptions import ConfigError
from starlette_flask.log import log_interface_store
from starlette_flask.stores.base import SessionStore, Store, need

# What of a sync client's settings an async one takes over. The others are objects for sync code only.
_REDIS_SETTINGS = (
    "client_name",
    "credential_provider",
    "db",
    "health_check_interval",
    "host",
    "password",
    "path",
    "port",
    "protocol",
    "socket_keepalive",
    "ssl",
    "username",
)
# The async driver of each that SQLAlchemy has for sync code.
_ASYNC_DRIVERS = {
    "mysql": "aiomysql",
    "mariadb": "aiomysql",
    "postgresql": "asyncpg",
    "sqlite": "aiosqlite",
}


def store_of(app: Any, interface: Any) -> Store | None:
    """
    Return the store in which a Flask app that uses Flask-Session (0.7 or newer) keeps its sessions; None if it doesn't.

    It has a client of its own, made from the settings of the app's. Where that can't be done, it asks the app's
    interface in a thread.

    Args:
        app: The app.
        interface: Its session interface.

    Raises:
        ConfigError: A version of Flask-Session that isn't known.
        ImportError: The extra of the store is missing.
    """
    package, _, _ = type(interface).__module__.partition(".")
    if package != "flask_session":
        return None
    name = type(interface).__name__.removesuffix("SessionInterface")
    encoder = getattr(getattr(interface, "serializer", None), "encoder", None)
    if encoder is None:
        raise ConfigError("from_flask needs Flask-Session 0.7 or newer, whose records are no pickles; update it first")
    options = {
        "key_prefix": interface.key_prefix,
        "permanent": interface.permanent,
        "serialization_format": type(encoder).__module__.rpartition(".")[2],
        "sid_length": interface.sid_length,
        "use_signer": interface.use_signer,
    }
    build = _BUILDERS.get(name)
    store = None if build is None else build(app, interface, options)
    if store is None:
        from starlette_flask.stores.flask_interface import FlaskInterfaceStore

        log_interface_store(f"{type(interface).__module__}.{type(interface).__qualname__}")
        return FlaskInterfaceStore(app)
    store.source = interface
    return store


def _redis(app: Any, interface: Any, options: dict[str, Any]) -> SessionStore | None:
    from starlette_flask.stores.redis import RedisStore

    redis = need("redis.asyncio", RedisStore.extra)
    client = interface.client
    if hasattr(client, "nodes_manager"):  # a RedisCluster
        nodes = [
            redis.cluster.ClusterNode(node.host, node.port) for node in client.nodes_manager.startup_nodes.values()
        ]
        settings = _settings(client.nodes_manager.connection_kwargs, "host", "port", "db")
        settings = _taken_by(redis.RedisCluster, settings)
        return RedisStore(redis.RedisCluster(startup_nodes=nodes, **settings), **options)
    pool = client.connection_pool
    settings = _settings(pool.connection_kwargs)
    if hasattr(pool, "sentinel_manager"):
        manager = pool.sentinel_manager
        sentinels = [
            (kwargs["host"], kwargs["port"])
            for kwargs in (each.connection_pool.connection_kwargs for each in manager.sentinels)
        ]
        sentinel = redis.Sentinel(sentinels, sentinel_kwargs=_taken_by(redis.Redis, _settings(manager.sentinel_kwargs)))
        choose = sentinel.master_for if pool.is_master else sentinel.slave_for
        settings = _settings(pool.connection_kwargs, "host", "port")
        if issubclass(pool.connection_class, need("redis", RedisStore.extra).SSLConnection):
            settings["ssl"] = True
        return RedisStore(choose(pool.service_name, **_taken_by(redis.Redis, settings)), **options)
    kind = getattr(redis, pool.connection_class.__name__, None)
    if kind is None:  # of the app's own
        return None
    taken = _taken_by(kind, settings)
    if any(value for name, value in settings.items() if name not in taken):  # as the stapling of OCSP
        return None
    # One that waits: more requests at once than connections are no reason to refuse some.
    new_pool = redis.BlockingConnectionPool(connection_class=kind, **taken)
    return RedisStore(redis.Redis.from_pool(new_pool), **options)


def _taken_by(kind: type, settings: dict[str, Any]) -> dict[str, Any]:
    names = {name for each in kind.__mro__ for name in inspect.signature(each).parameters}
    return {name: value for name, value in settings.items() if name in names}


def _settings(given: dict[str, Any], *without: str) -> dict[str, Any]:
    return {
        key: value
        for key, value in given.items()
        if (key in _REDIS_SETTINGS or key.startswith("ssl_")) and key not in without
    }


def _memcached(app: Any, interface: Any, options: dict[str, Any]) -> SessionStore | None:
    from starlette_flask.stores.memcached import MemcachedStore

    # Each client library has them in a place of its own: pymemcache, pylibmc, python-memcached. Over several servers
    # they spread the keys each in its own way.
    client = interface.client
    if getattr(client, "key_prefix", None) or getattr(client, "tls_context", None):
        return None
    found = [getattr(client, name) for name in ("server", "addresses", "servers") if hasattr(client, name)]
    listed: Any = found[0] if found and isinstance(found[0], list) else found[:1]
    if len(listed) != 1:
        return None
    address: Any = listed[0]
    if isinstance(address, tuple) and len(address) == 2:
        address = f"{address[0]}:{address[1]}"
    if not isinstance(address, str):  # python-memcached's, which knows ip and port
        address = f"{getattr(address, 'ip', '')}:{getattr(address, 'port', '')}"
    return MemcachedStore(address, **options) if address.rpartition(":")[2].isdecimal() else None


def _sqlalchemy(app: Any, interface: Any, options: dict[str, Any]) -> SessionStore | None:
    from starlette_flask.stores.sqlalchemy import SQLAlchemyStore

    asyncio = need("sqlalchemy.ext.asyncio", SQLAlchemyStore.extra)
    model = interface.sql_session_model
    with app.app_context():
        key = getattr(model, "__bind_key__", None)
        url = interface.client.engines[key].url
    backend = url.get_backend_name()
    if backend not in _ASYNC_DRIVERS or (backend == "sqlite" and url.database in (None, "", ":memory:")):
        return None
    if url.query or app.config.get("SQLALCHEMY_ENGINE_OPTIONS") or getattr(interface.client, "_engine_options", None):
        return None  # how the app's driver is to connect, by TLS perhaps, in words that another one doesn't know
    driver = _ASYNC_DRIVERS[backend]
    if find_spec(driver) is None:
        raise ImportError(f"{driver} is missing, by which SQLAlchemy asks {backend} here: pip install {driver}")
    engine = asyncio.create_async_engine(url.set(drivername=f"{backend}+{driver}"))
    return SQLAlchemyStore(engine, model.__table__, **options)


def _cachelib(app: Any, interface: Any, options: dict[str, Any]) -> SessionStore | None:
    from starlette_flask.stores.cachelib import CacheLibStore, mark_of

    try:
        mark_of(interface.cache)
    except ConfigError:  # it keeps something else than pickles
        return None
    return CacheLibStore(interface.cache, **options)


_BUILDERS = {
    "CacheLib": _cachelib,
    "FileSystem": _cachelib,
    "Memcached": _memcached,
    "Redis": _redis,
    "SqlAlchemy": _sqlalchemy,
}
