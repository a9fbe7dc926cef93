"""
What all stores share: their options, their records, and how little it takes to write one.
"""

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import StatementError

import starlette_flask.stores
from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.stores import MemoryStore, RecordError, SessionStore
from starlette_flask.stores.base import hide_parameters, load_pickle
from tests.stores.client import app_with

DATA = {"_permanent": True, "user": "ada", "cart": [1, 2.5, None], "at": {"x": b"\0\xff"}}


class TestOptions:
    def test_defaults(self) -> None:
        """
        Nothing given, records are as Flask-Session's defaults have them, and no pickle is read.
        """
        store = MemoryStore()
        assert (store.key_prefix, store.serialization_format, store.sid_length) == ("session:", "msgpack", 32)
        assert (store.use_signer, store.permanent, store.allow_pickle, store.timeout) == (False, True, False, 2.0)
        assert store.source is None

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            pytest.param({"key_prefix": b"session:"}, TypeError, "key_prefix must be str, not bytes", id="prefix"),
            pytest.param({"key_prefix": ""}, ConfigError, "a cookie could name any key of the server", id="no prefix"),
            pytest.param(
                {"serialization_format": "pickle"},
                ConfigError,
                "unknown serialization_format 'pickle'; use 'msgpack' or 'json'",
                id="format",
            ),
            pytest.param({"sid_length": "32"}, TypeError, "sid_length must be a number of bytes, not str", id="text"),
            pytest.param({"sid_length": True}, TypeError, "sid_length must be a number of bytes, not bool", id="bool"),
            pytest.param({"sid_length": 15}, ConfigError, "sid_length=15 can be guessed; use 16", id="guessable"),
            pytest.param({"timeout": "2"}, TypeError, "timeout must be seconds, not str", id="timeout as text"),
            pytest.param({"timeout": None}, TypeError, "timeout must be seconds, not NoneType", id="no timeout"),
            pytest.param({"timeout": 0}, ConfigError, "timeout=0 leaves no time for an answer", id="no time"),
            pytest.param({"timeout": -1}, ConfigError, "timeout=-1 leaves no time for an answer", id="negative"),
            pytest.param({"use_signer": "False"}, TypeError, "use_signer must be True or False", id="signer"),
            pytest.param({"permanent": "False"}, TypeError, "permanent must be True or False", id="permanent"),
            pytest.param({"allow_pickle": "False"}, TypeError, "allow_pickle must be True or False", id="pickle"),
        ],
    )
    def test_bad_configuration(self, options: dict[str, Any], error: type[Exception], message: str) -> None:
        """
        What can't work is refused at construction, and the message says the fix.
        """
        with pytest.raises(error, match=message) as caught:
            MemoryStore(**options)
        assert isinstance(caught.value, ConfigError)

    @pytest.mark.parametrize(
        ("store", "message"),
        [
            pytest.param(MemoryStore, r"such as RedisStore\(client\), not <class '.*MemoryStore'>", id="the class"),
            pytest.param({}, r"such as RedisStore\(client\), not dict", id="a dict"),
            pytest.param("redis://", r"such as RedisStore\(client\), not str", id="a URL"),
        ],
    )
    @pytest.mark.parametrize(
        "configure",
        [
            pytest.param(lambda store: SessionMiddleware(app_with(MemoryStore(), repr), store=store), id="middleware"),
            pytest.param(lambda store: SessionConfig(store=store), id="config"),
            pytest.param(lambda store: SessionConfig(secret_key="s").with_store(store), id="with_store"),
            pytest.param(lambda store: SessionConfig.from_mapping({}, store=store), id="from_mapping"),
        ],
    )
    def test_no_store(self, configure: Callable[[Any], object], store: Any, message: str) -> None:
        """
        Whatever else is given as a store is refused wherever it is given.
        """
        with pytest.raises(TypeError, match=message):
            configure(store)

    def test_secret_key(self) -> None:
        """
        Only signed ids need a secret key, and one that is given doesn't sign them.
        """
        assert SessionConfig(store=MemoryStore()).secret_key is None
        with pytest.raises(ConfigError, match="no secret key"):
            SessionConfig(store=MemoryStore(use_signer=True))
        with pytest.raises(ConfigError, match="the secret key is empty"):
            SessionMiddleware(app_with(MemoryStore(), repr), "", store=MemoryStore(use_signer=True))
        assert SessionConfig(store=MemoryStore(), secret_key="secret").store.use_signer is False  # type: ignore[union-attr]


@pytest.fixture(params=["msgpack", "json"])
def store(request: pytest.FixtureRequest) -> MemoryStore:
    return MemoryStore(serialization_format=request.param)


class TestRecords:
    def test_format(self, store: MemoryStore) -> None:
        """
        A record is what msgspec makes of the dict, in the configured format.
        """
        data = {"b": 1, "a": ["x", None]}
        expected = {"msgpack": b"\x82\xa1b\x01\xa1a\x92\xa1x\xc0", "json": b'{"b":1,"a":["x",null]}'}
        assert store.encode(data) == expected[store.serialization_format]

    @pytest.mark.parametrize("kind", [msgspec.msgpack, msgspec.json])
    def test_both_are_read(self, store: MemoryStore, kind: Any) -> None:
        """
        Either format is read, whichever is configured.
        """
        data = {"user": "ada", "cart": [1, {"x": 2.5}], "none": None}
        assert store.decode(kind.encode(data)) == data

    def test_types(self) -> None:
        """
        What only msgpack can hold comes back.
        """
        data = {**DATA, "time": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc), "n": 2**64 - 1}
        assert MemoryStore().decode(MemoryStore().encode(data)) == data

    @pytest.mark.parametrize(
        "record",
        [
            pytest.param(b"\x81\x01\x02", id="a number"),
            pytest.param(b"\x81\xc0\x02", id="None"),
            pytest.param(b"\x81\x91\x90\x02", id="a list of lists"),
            pytest.param(b"\x81\xa1a\xd4\x05x", id="an extension"),
            pytest.param(b"\x81\xa1a" + b"\x91" * 200 + b"\x90", id="deep"),
        ],
    )
    def test_odd_records(self, record: bytes) -> None:
        """
        What no view writes, and msgpack may hold, is read and written again.
        """
        store = MemoryStore()
        assert store.encode(store.decode(record)) == record

    @pytest.mark.parametrize(
        ("record", "reason"),
        [
            pytest.param(b"", "neither msgpack nor JSON", id="empty"),
            pytest.param(b"\xc1", "neither msgpack nor JSON", id="reserved byte"),
            pytest.param(b"\x81\xa1a", "neither msgpack nor JSON", id="cut off"),
            pytest.param(b"\x81\xa1\xff\x01", "neither msgpack nor JSON", id="not UTF-8"),
            pytest.param(b"\x81\x80\x01", "neither msgpack nor JSON", id="a dict as key"),
            pytest.param(b"\x81\xa1a\xdd\x7f\xff\xff\xff", "neither msgpack nor JSON", id="promises too much"),
            pytest.param(b"\x81\x01\xd7\xff" + b"\xff" * 8, "neither msgpack nor JSON", id="no such time"),
            pytest.param(b"\x91" * 100_000, "neither msgpack nor JSON", id="deep"),
            pytest.param(b'{"a":' * 100_000, "neither msgpack nor JSON", id="deep JSON"),
            pytest.param(b'{"a":"\\ud800"}', "neither msgpack nor JSON", id="lone surrogate"),
            pytest.param(b'{"a":' + b"1" * 10_000 + b"}", "neither msgpack nor JSON", id="endless number"),
            pytest.param(b"\xc0", "holds no dict", id="None"),
            pytest.param(b"null", "holds no dict", id="null"),
            pytest.param(b"[1]", "holds no dict", id="list"),
            pytest.param(b"7", "holds no dict", id="number"),
        ],
    )
    def test_no_record(self, store: MemoryStore, record: bytes, reason: str) -> None:
        """
        What is no session is one error, whatever is wrong with it, and the message quotes nothing.
        """
        with pytest.raises(RecordError, match=f"^the record (is )?{reason}$"):
            store.decode(record)

    @pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
    def test_pickles(self, store: MemoryStore, protocol: int) -> None:
        """
        A pickle of an older Flask-Session is read with *allow_pickle* only, and the error says so.
        """
        record = pickle.dumps({"user": "ada"}, protocol)
        with pytest.raises(RecordError, match="a pickle of an older Flask-Session, which is not read"):
            store.decode(record)
        allowing = MemoryStore(allow_pickle=True, serialization_format=store.serialization_format)
        assert allowing.decode(record) == {"user": "ada"}

    @pytest.mark.parametrize("value", [{}, {"a": 1}], ids=["empty", "not empty"])
    def test_pickled_dicts_only(self, value: dict[str, Any]) -> None:
        """
        With *allow_pickle* a pickle is still to hold a dict, and one that can't be read is an error like any other.
        """
        store = MemoryStore(allow_pickle=True)
        assert store.decode(pickle.dumps(value)) == value
        with pytest.raises(RecordError, match=r"^the record holds no dict$"):
            store.decode(pickle.dumps([value]))
        with pytest.raises(RecordError, match=r"^the record is a pickle that can't be read \(\w+\)$"):
            store.decode(pickle.dumps(value)[:-1])

    def test_a_pickle_raises_anything(self) -> None:
        """
        What a pickle's own code raises is only named.
        """

        def loads(record: bytes) -> Any:
            raise LookupError("secret")

        with pytest.raises(RecordError, match=r"^the record is a pickle that can't be read \(LookupError\)$"):
            load_pickle(b"", loads)

    @pytest.mark.parametrize(
        ("value", "error"),
        [
            pytest.param(object(), TypeError, id="object"),
            pytest.param(2**64, OverflowError, id="number"),
            pytest.param("\ud800", ValueError, id="lone surrogate"),
        ],
    )
    def test_what_has_no_form(self, value: object, error: type[Exception]) -> None:
        """
        It can't be written, and msgspec says why.
        """
        with pytest.raises(error):
            MemoryStore().encode({"value": value})

    def test_a_session_in_itself(self, store: MemoryStore) -> None:
        """
        Nor can what holds itself.
        """
        data: dict[str, Any] = {}
        data["data"] = data
        with pytest.raises(RecursionError):
            store.encode(data)


class TestModule:
    def test_names(self) -> None:
        """
        Every name that is listed can be imported, and no other.
        """
        for name in starlette_flask.stores.__all__:
            assert getattr(starlette_flask.stores, name).__name__ == name
        with pytest.raises(AttributeError, match=r"module 'starlette_flask\.stores' has no attribute 'MongoStore'"):
            _ = starlette_flask.stores.MongoStore

    @pytest.mark.parametrize(
        ("name", "missing", "arguments", "extra"),
        [
            pytest.param("MemoryStore", "msgspec", (), "memory", id="memory"),
            pytest.param("RedisStore", "redis", (None,), "redis", id="redis"),
            pytest.param("RedisStore", "msgspec", (None,), "redis", id="redis without msgspec"),
            pytest.param("MemcachedStore", "emcache", ("h:1",), "memcached", id="memcached"),
            pytest.param("SQLAlchemyStore", "sqlalchemy", (None,), "sqlalchemy", id="sqlalchemy"),
            pytest.param("SQLAlchemyStore", "sqlalchemy.ext.asyncio", (None,), "sqlalchemy", id="no greenlet"),
            pytest.param("CacheLibStore", "cachelib.base", (None,), "cachelib", id="cachelib"),
            pytest.param("FileSystemStore", "cachelib.file", (), "cachelib", id="files"),
        ],
    )
    def test_missing_extra(
        self, monkeypatch: pytest.MonkeyPatch, name: str, missing: str, arguments: tuple[Any, ...], extra: str
    ) -> None:
        """
        A store whose packages aren't installed says which extra has them.
        """
        kind = getattr(starlette_flask.stores, name)
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ImportError, match=rf"^{missing} is missing: pip install 'starlette-flask\[{extra}\]'$"):
            kind(*arguments)

    def test_nothing_is_imported_early(self) -> None:
        """
        Importing the package imports no client of a server, so that nobody needs what they don't use.
        """
        code = """
import sys, starlette_flask.stores
clients = {"cachelib", "emcache", "flask", "msgspec", "redis", "sqlalchemy"} & sys.modules.keys()
assert not clients, clients
"""
        subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603


class TestHiding:
    def test_of_every_cause(self) -> None:
        """
        Errors of SQLAlchemy leave their parameters out of their text, however far they are from the one that is seen.
        """
        inner = StatementError("failed", "select ?", ["session:id"], Exception("driver"))
        outer = ValueError("outer")
        outer.__context__ = inner
        wrapper = TypeError("wrapper")
        wrapper.__cause__ = outer
        assert "session:id" in str(inner)
        hide_parameters(wrapper)
        assert "session:id" not in str(inner)


class TestOwnStore:
    """
    Three methods make a store.
    """

    def test_incomplete(self) -> None:
        """
        One with fewer can't be made.
        """

        class Own(SessionStore):
            async def read(self, key: str, refresh: int | None) -> bytes | None:
                raise NotImplementedError

        with pytest.raises(TypeError, match="abstract"):
            Own()  # type: ignore[abstract]

    def test_interface(self) -> None:
        """
        A store is of the app whose session interface it was made from, and of nobody's otherwise.
        """
        store, interface = MemoryStore(), object()
        assert not store.is_of(object(), interface)
        store.source = interface
        assert store.is_of(object(), interface)
        assert not store.is_of(object(), object())

    def test_closing(self) -> None:
        """
        A store without connections has none to close.
        """
        store = MemoryStore()
        asyncio.run(store.write("session:a", b"x", 60, None))
        asyncio.run(store.aclose())
        assert asyncio.run(store.read("session:a", None)) == b"x"
