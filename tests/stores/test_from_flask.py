"""
`SessionConfig.from_flask` of an app with Flask-Session: the store that its interface means, with a client of its own.

The interfaces are real ones; servers are asked where their clients ask them when they are made.
"""

import asyncio
import json
import logging
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import cachelib
import flask
import flask_session  # type: ignore[import-untyped]  # ships no types
import memcache  # type: ignore[import-untyped]  # ships no types
import pymemcache  # type: ignore[import-untyped]  # ships no types
import pytest
import redis
import redis.asyncio
import redis.sentinel
from flask.sessions import SecureCookieSessionInterface, SessionInterface
from flask_session.redis import RedisSessionInterface  # type: ignore[import-untyped]  # ships no types
from flask_sqlalchemy import SQLAlchemy

from starlette_flask import ConfigError, SessionConfig
from starlette_flask.stores import (
    CacheLibStore,
    FlaskInterfaceStore,
    MemcachedStore,
    RedisStore,
    SessionStore,
    SQLAlchemyStore,
    from_flask,
)
from tests.interop.apps import make_flask_app
from tests.stores.client import app_with, ask, write
from tests.stores.servers import RedisCluster


def make_app(kind: str, **settings: Any) -> flask.Flask:
    """
    Return an app with Flask-Session.
    """
    app = make_flask_app(SESSION_TYPE=kind, **settings)
    with warnings.catch_warnings():
        # Flask-Session deprecates its file system interface and the signing of ids.
        warnings.simplefilter("ignore", DeprecationWarning)
        flask_session.Session(app)
    return app


def store_of(kind: str, **settings: Any) -> Any:
    """
    Return the store of an app with Flask-Session.
    """
    app = make_app(kind, **settings)
    store = SessionConfig.from_flask(app).store
    if isinstance(store, SessionStore):
        assert store.is_of(app, app.session_interface)
    return store


def redis_store(client: Any, **settings: Any) -> Any:
    return store_of("redis", SESSION_REDIS=client, **settings)


def cached_store(**settings: Any) -> Any:
    return store_of("cachelib", SESSION_CACHELIB=cachelib.SimpleCache(), **settings)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "starlette_flask")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("starlette_flask")]


class TestOptions:
    def test_defaults(self) -> None:
        """
        The options of records are Flask-Session's.
        """
        store = redis_store(redis.Redis())
        assert (store.key_prefix, store.serialization_format, store.sid_length) == ("session:", "msgpack", 32)
        assert (store.use_signer, store.permanent, store.allow_pickle) == (False, True, False)

    def test_settings(self) -> None:
        """
        Each of its settings is kept.
        """
        store = redis_store(
            redis.Redis(),
            SESSION_KEY_PREFIX="shop:",
            SESSION_SERIALIZATION_FORMAT="json",
            SESSION_ID_LENGTH=24,
            SESSION_USE_SIGNER=True,
            SESSION_PERMANENT=False,
        )
        assert (store.key_prefix, store.serialization_format, store.sid_length) == ("shop:", "json", 24)
        assert (store.use_signer, store.permanent) == (True, False)

    def test_cookie(self) -> None:
        """
        The cookie is the app's, but never partitioned, which Flask-Session doesn't know.
        """
        app = make_app(
            "cachelib",
            SESSION_CACHELIB=cachelib.SimpleCache(),
            SESSION_COOKIE_NAME="sid",
            SESSION_COOKIE_PATH="/shop",
            SESSION_COOKIE_SECURE=True,
            SESSION_COOKIE_PARTITIONED=True,
            SESSION_REFRESH_EACH_REQUEST=False,
            PERMANENT_SESSION_LIFETIME=90,
        )
        config = SessionConfig.from_flask(app)
        assert (config.session_cookie, config.path, config.https_only) == ("sid", "/shop", True)
        assert (config.partitioned, config.refresh_each_request) == (False, False)
        assert config.permanent_session_lifetime == timedelta(seconds=90)

    def test_guessable(self) -> None:
        """
        Ids that can be guessed are an error here, whatever Flask-Session says to them.
        """
        with pytest.raises(ConfigError, match="sid_length=8 can be guessed"):
            cached_store(SESSION_ID_LENGTH=8)

    def test_keys(self) -> None:
        """
        Only signed ids need the app's secret key, and its older ones.
        """
        app = make_app("cachelib", SESSION_CACHELIB=cachelib.SimpleCache(), SECRET_KEY=None)
        assert SessionConfig.from_flask(app).secret_key is None
        signing: dict[str, Any] = {"SESSION_CACHELIB": cachelib.SimpleCache(), "SESSION_USE_SIGNER": True}
        config = SessionConfig.from_flask(make_app("cachelib", SECRET_KEY_FALLBACKS=["old"], **signing))
        assert (config.secret_key, config.secret_key_fallbacks) == ("secret", ("old",))
        with pytest.raises(ConfigError, match="no secret key"):
            SessionConfig.from_flask(make_app("cachelib", SECRET_KEY=None, **signing))


class TestOthers:
    def test_older(self) -> None:
        """
        Of a version whose records are pickles, it says which one is needed.
        """
        app = make_app("cachelib", SESSION_CACHELIB=cachelib.SimpleCache())
        del app.session_interface.serializer  # type: ignore[attr-defined]  # as 0.6 had none
        with pytest.raises(ConfigError, match=r"from_flask needs Flask-Session 0\.7 or newer"):
            SessionConfig.from_flask(app)

    def test_not_flask_session(self) -> None:
        """
        Flask's own interface keeps no session anywhere, and a home-grown one isn't guessed at.
        """
        app = make_flask_app()
        app.session_interface = SecureCookieSessionInterface()
        assert SessionConfig.from_flask(app).store is None
        app.session_interface = SessionInterface()
        with pytest.raises(ConfigError, match=r"store=FlaskInterfaceStore\(flask_app\)"):
            SessionConfig.from_flask(app)

    def test_a_subclass(self) -> None:
        """
        Nor is an app's own kind of one of Flask-Session's, which may do anything.
        """

        class Own(RedisSessionInterface):  # type: ignore[misc]  # it has no types
            pass

        app = make_app("redis", SESSION_REDIS=redis.Redis())
        app.session_interface.__class__ = Own
        with pytest.raises(ConfigError, match=r"Own, doesn't keep sessions in signed cookies"):
            SessionConfig.from_flask(app)

    def test_without_a_store_of_ours(self, said: Callable[[], list[str]]) -> None:
        """
        For an interface of Flask-Session's without a store of ours, the app is asked, and the log says so.
        """

        class MongoDBSessionInterface(RedisSessionInterface):  # type: ignore[misc]  # a server we don't know
            pass

        MongoDBSessionInterface.__module__ = "flask_session.mongodb.mongodb"
        app = make_app("redis", SESSION_REDIS=redis.Redis())
        app.session_interface.__class__ = MongoDBSessionInterface
        store = SessionConfig.from_flask(app).store
        assert isinstance(store, FlaskInterfaceStore)
        assert store.flask_app is app
        [message] = said()
        assert "MongoDBSessionInterface has no store of ours that matches it" in message


async def connection_of(store: Any) -> Any:
    return store.client.connection_pool.make_connection()


class TestRedis:
    @pytest.mark.parametrize(
        ("client", "kind", "expected"),
        [
            pytest.param(
                redis.Redis(host="h", port=1, db=2, username="u", password="p", client_name="flask"),
                redis.asyncio.Connection,
                {"host": "h", "port": 1, "db": 2, "username": "u", "password": "p", "client_name": "flask"},
                id="a server",
            ),
            pytest.param(
                redis.Redis.from_url("redis://u:p@h:1/2"),
                redis.asyncio.Connection,
                {"host": "h", "port": 1, "db": 2, "username": "u", "password": "p"},
                id="URL",
            ),
            pytest.param(
                redis.Redis(host="h", ssl=True, ssl_ca_certs="/ca", ssl_certfile="/cert", ssl_check_hostname=False),
                redis.asyncio.SSLConnection,
                {"host": "h"},
                id="TLS",
            ),
            pytest.param(
                redis.Redis.from_url("rediss://h:1"), redis.asyncio.SSLConnection, {"host": "h", "port": 1}, id="rediss"
            ),
            pytest.param(
                redis.Redis(unix_socket_path="/socket", db=3),
                redis.asyncio.UnixDomainSocketConnection,
                {"path": "/socket", "db": 3},
                id="socket",
            ),
            pytest.param(
                redis.Redis(host="h", decode_responses=True), redis.asyncio.Connection, {"host": "h"}, id="text"
            ),
            pytest.param(
                redis.Redis(
                    connection_pool=redis.BlockingConnectionPool(host="h", port=1)  # type: ignore[no-untyped-call]
                ),
                redis.asyncio.Connection,
                {"host": "h", "port": 1},
                id="a pool that waits",
            ),
        ],
    )
    def test_a_server(self, client: Any, kind: Any, expected: dict[str, Any]) -> None:
        """
        The async client connects where the sync one does, and as it does.
        """
        store = redis_store(client)
        assert isinstance(store, RedisStore)

        made: Any = asyncio.run(connection_of(store))
        assert type(made) is kind
        assert {name: getattr(made, name) for name in expected} == expected
        assert made.encoder.decode_responses is False

    def test_certificates(self) -> None:
        """
        With TLS the same certificates are shown and asked for.
        """
        settings: dict[str, Any] = {
            "ssl_ca_certs": "/ca",
            "ssl_certfile": "/cert",
            "ssl_keyfile": "/key",
            "ssl_cert_reqs": "optional",
            "ssl_check_hostname": False,
        }
        kwargs = redis_store(redis.Redis(ssl=True, **settings)).client.connection_pool.connection_kwargs
        assert {name: kwargs[name] for name in settings} == settings

    @pytest.mark.parametrize("option", ["ssl_validate_ocsp", "ssl_validate_ocsp_stapled"])
    def test_what_async_clients_lack(self, option: str) -> None:
        """
        What only a sync client can check isn't left out: the app is asked instead.
        """
        options: dict[str, Any] = {option: True}
        assert isinstance(redis_store(redis.Redis(ssl=True, **options)), FlaskInterfaceStore)

    def test_a_connection_of_its_own(self) -> None:
        """
        For a kind of connection that nobody knows the app is asked, too.
        """

        class Own(redis.Connection):
            pass

        pool = redis.ConnectionPool(connection_class=Own)
        assert isinstance(redis_store(redis.Redis(connection_pool=pool)), FlaskInterfaceStore)

    @pytest.mark.parametrize("is_master", [True, False])
    @pytest.mark.parametrize("ssl", [True, False])
    def test_sentinel(self, is_master: bool, ssl: bool) -> None:
        """
        The same sentinels are asked, in the same way, for the same service.
        """
        sentinel = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
            [("h", 1), ("g", 2)], sentinel_kwargs={"password": "sentinel's", "ssl": ssl}
        )
        choose = sentinel.master_for if is_master else sentinel.slave_for
        store = redis_store(choose("name", password="p", db=3, ssl=ssl))  # type: ignore[no-untyped-call]
        pool = store.client.connection_pool
        assert (pool.service_name, pool.is_master) == ("name", is_master)
        assert (pool.connection_kwargs["password"], pool.connection_kwargs["db"]) == ("p", 3)
        assert issubclass(pool.connection_class, redis.asyncio.SSLConnection) is ssl
        asked = [each.connection_pool for each in pool.sentinel_manager.sentinels]
        assert [(each.connection_kwargs["host"], each.connection_kwargs["port"]) for each in asked] == [
            ("h", 1),
            ("g", 2),
        ]
        assert {each.connection_kwargs["password"] for each in asked} == {"sentinel's"}
        assert {issubclass(each.connection_class, redis.asyncio.SSLConnection) for each in asked} == {ssl}

        async def connection() -> None:
            pool.make_connection()
            asked[0].make_connection()

        asyncio.run(connection())

    @pytest.mark.parametrize("ssl", [True, False])
    def test_cluster(self, redis_cluster: RedisCluster, ssl: bool) -> None:
        """
        A Cluster is a Cluster, by the nodes that its client knows, with its password and its TLS.
        """
        client = redis_cluster.client()
        # As those of a client that is made with ssl=True.
        client.nodes_manager.connection_kwargs.update(password="p", **({"ssl": True} if ssl else {}))
        app = make_app("redis", SESSION_REDIS=redis.Redis())
        app.session_interface.client = client  # type: ignore[attr-defined]  # which Flask-Session lets nobody do
        store = SessionConfig.from_flask(app).store
        client.close()
        assert isinstance(store, RedisStore)
        ours: Any = store.client
        assert isinstance(ours, redis.asyncio.RedisCluster)
        assert ours.connection_kwargs["password"] == "p"
        nodes = ours.nodes_manager.startup_nodes.values()
        assert {(node.host, node.port) for node in nodes} == {
            (node.host, node.port) for node in client.nodes_manager.startup_nodes.values()
        }
        assert issubclass(ours.connection_kwargs.get("connection_class", object), redis.asyncio.SSLConnection) is ssl


class TestMemcached:
    @pytest.mark.parametrize(
        ("client", "expected"),
        [
            pytest.param(pymemcache.Client(("h", 1)), ("h", 1), id="pymemcache"),
            pytest.param(pymemcache.Client("h"), ("h", 11211), id="without a port"),
            pytest.param(pymemcache.PooledClient("h:1"), ("h", 1), id="pool"),
            pytest.param(memcache.Client(["h:1"]), ("h", 1), id="python-memcached"),
        ],
    )
    def test_a_server(self, client: Any, expected: tuple[str, int]) -> None:
        """
        The server is the one that the client asks.
        """
        store = store_of("memcached", SESSION_MEMCACHED=client)
        assert isinstance(store, MemcachedStore)
        assert [(each.address, each.port) for each in store._addresses] == [expected]

    @pytest.mark.parametrize(
        "client",
        [
            pytest.param(pymemcache.HashClient(["h:1", "g:1"]), id="several servers"),
            pytest.param(memcache.Client(["h:1", "g:1"]), id="several servers of python-memcached"),
            pytest.param(pymemcache.Client("/socket"), id="socket"),
            pytest.param(memcache.Client(["unix:/socket"]), id="socket of python-memcached"),
            pytest.param(pymemcache.Client("h:1", key_prefix=b"app:"), id="prefix"),
            pytest.param(pymemcache.Client("h:1", tls_context=object()), id="TLS"),
        ],
    )
    def test_through_the_app(self, client: Any) -> None:
        """
        Where ours would look elsewhere, or otherwise, the app is asked.
        """
        assert isinstance(store_of("memcached", SESSION_MEMCACHED=client), FlaskInterfaceStore)


def sql_store(url: str, **settings: Any) -> Any:
    app = make_flask_app(SESSION_TYPE="sqlalchemy", SQLALCHEMY_DATABASE_URI=url, **settings)
    database = SQLAlchemy(app)
    app.config["SESSION_SQLALCHEMY"] = database
    flask_session.Session(app)
    try:
        return SessionConfig.from_flask(app).store
    finally:
        with app.app_context():
            for engine in database.engines.values():
                engine.dispose()


class TestSQL:
    def test_database(self, tmp_path: Path) -> None:
        """
        The table is the app's, in its database, by a driver for async code.
        """
        store = sql_store(f"sqlite:///{tmp_path}/a.db", SESSION_SQLALCHEMY_TABLE="kept")
        assert isinstance(store, SQLAlchemyStore)
        assert str(store.engine.url) == f"sqlite+aiosqlite:///{tmp_path}/a.db"
        assert store.table.name == "kept"

    @pytest.mark.parametrize(
        ("query", "settings"),
        [
            pytest.param("?timeout=3", {}, id="in the URL"),
            pytest.param("", {"SQLALCHEMY_ENGINE_OPTIONS": {"connect_args": {"timeout": 3}}}, id="in the options"),
        ],
    )
    def test_ways_to_connect(self, tmp_path: Path, query: str, settings: dict[str, Any]) -> None:
        """
        How its driver is to connect, by TLS perhaps, isn't translated for another driver: the app is asked.
        """
        assert isinstance(sql_store(f"sqlite:///{tmp_path}/a.db{query}", **settings), FlaskInterfaceStore)

    def test_no_driver(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A driver that isn't installed is named.
        """
        monkeypatch.setattr(from_flask, "find_spec", lambda name: None)
        with pytest.raises(ImportError, match=r"^aiosqlite is missing, .* pip install aiosqlite$"):
            sql_store(f"sqlite:///{tmp_path}/a.db")

    @pytest.mark.filterwarnings("ignore:'get_engine' is deprecated:DeprecationWarning")  # Flask-Session calls it
    def test_bind(self, tmp_path: Path) -> None:
        """
        It may be another than the default one.
        """
        store = sql_store(
            "sqlite://",
            SQLALCHEMY_BINDS={"kept": f"sqlite:///{tmp_path}/b.db"},
            SESSION_SQLALCHEMY_BIND_KEY="kept",
        )
        assert store.engine.url.database == f"{tmp_path}/b.db"

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
    def test_memory(self, url: str) -> None:
        """
        A database in memory is nobody else's: the app is asked.
        """
        assert isinstance(sql_store(url), FlaskInterfaceStore)

    def test_is_used(self, tmp_path: Path) -> None:
        """
        What is written there is there for the app.
        """
        store = sql_store(f"sqlite:///{tmp_path}/a.db")

        async def story() -> int:
            status = (await ask(app_with(store, write(user="ada")))).status
            await store.engine.dispose()
            return status

        assert asyncio.run(story()) == 200


class TestCacheLib:
    def test_cache(self) -> None:
        """
        The cache is the app's own.
        """
        cache = cachelib.SimpleCache()
        store = store_of("cachelib", SESSION_CACHELIB=cache)
        assert isinstance(store, CacheLibStore)
        assert store.cache is cache

    def test_files(self, tmp_path: Path) -> None:
        """
        So is the one that Flask-Session makes for files.
        """
        store = store_of("filesystem", SESSION_FILE_DIR=str(tmp_path), SESSION_FILE_THRESHOLD=7)
        assert isinstance(store, CacheLibStore)
        assert (store.cache._path, store.cache._threshold) == (str(tmp_path), 7)

    def test_no_pickles(self) -> None:
        """
        For one that keeps something else than pickles the app is asked.
        """

        class JSONSerializer(cachelib.serializers.SimpleSerializer):
            def loads(self, bvalue: bytes) -> Any:
                return json.loads(bvalue)

        cache = cachelib.SimpleCache()
        cache.serializer = JSONSerializer()
        assert isinstance(store_of("cachelib", SESSION_CACHELIB=cache), FlaskInterfaceStore)
