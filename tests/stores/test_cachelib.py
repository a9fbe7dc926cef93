"""
`CacheLibStore` and `FileSystemStore`, where they aren't like all stores: what is in a pickle, and what cachelib hides.
"""

import asyncio
import pickle
import pickletools
import struct
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import cachelib
import cachelib.serializers
import markupsafe
import pytest
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from starlette_flask import ConfigError, SessionMiddleware
from starlette_flask.stores import CacheLibStore, FileSystemStore, RecordError, StoreError
from tests.middleware.client import Gate
from tests.stores.client import app_with, ask, see, write

KEY = "session:a"
PLAIN: dict[str, Any] = {
    "None": None,
    "bool": True,
    "int": 2**100,
    "float": 1.5,
    "complex": 1 + 2j,
    "str": "käse \ud800",
    "bytes": b"\0\xff",
    "bytearray": bytearray(b"x"),
    "list": [1, [2]],
    "tuple": (1, (2,)),
    "dict": {1: {"a": None}, (1, 2): 3},
    "set": {1},
    "frozenset": frozenset({1}),
    "datetime": datetime(2026, 1, 2, 3, 4, 5, 6),
    "aware datetime": datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=1))),
    "UTC": datetime(2026, 1, 2, tzinfo=timezone.utc),
    "date": date(2026, 1, 2),
    "time": time(1, 2, 3),
    "timedelta": timedelta(1, 2, 3),
    "Decimal": Decimal("1.50"),
    "UUID": UUID(int=1),
    "Markup": Markup("<b>"),
}


class Color(Enum):
    RED = 1


class Text(str):
    __slots__ = ()


Point = namedtuple("Point", "x")


def function() -> None:
    """
    Something that a pickle can name.
    """


@pytest.fixture
def cache() -> cachelib.SimpleCache:
    return cachelib.SimpleCache()


@pytest.fixture
def store(cache: cachelib.SimpleCache) -> CacheLibStore:
    return CacheLibStore(cache)


class TestCaches:
    @pytest.mark.parametrize(
        ("cache", "name"),
        [
            pytest.param({}, "builtins.dict", id="dict"),
            pytest.param(cachelib.SimpleCache, "builtins.type", id="class"),
            pytest.param(None, "builtins.NoneType", id="None"),
        ],
    )
    def test_no_cache(self, cache: Any, name: str) -> None:
        """
        What is none of cachelib's is refused by name.
        """
        with pytest.raises(TypeError, match=f"^CacheLibStore takes a cache of cachelib, not {name}$") as caught:
            CacheLibStore(cache)
        assert isinstance(caught.value, ConfigError)

    def test_no_pickles(self, cache: cachelib.SimpleCache) -> None:
        """
        One that keeps nothing, or something else than pickles, is refused, too.
        """

        class OwnLoads(cachelib.serializers.SimpleSerializer):
            def loads(self, bvalue: bytes) -> Any:
                return bvalue

        with pytest.raises(ConfigError, match=r"^NullCache doesn't keep pickles, .* store=FlaskInterfaceStore\("):
            CacheLibStore(cachelib.NullCache())
        for serializer in (OwnLoads(), None):
            cache.serializer = serializer  # type: ignore[assignment]
            with pytest.raises(ConfigError, match=r"^SimpleCache doesn't keep pickles"):
                CacheLibStore(cache)

    def test_is_left_alone(self, cache: cachelib.SimpleCache) -> None:
        """
        The cache itself goes on as it was: it hands out objects.
        """
        serializer = cache.serializer
        store = CacheLibStore(cache)
        asyncio.run(store.write(KEY, store.encode({"user": "ada"}), 60, None))
        assert cache.serializer is serializer
        assert cache.get(KEY) == {"user": "ada"}
        cache.set("session:b", {"user": "eve"})
        record = asyncio.run(store.read("session:b", None))
        assert record is not None
        assert store.decode(record) == {"user": "eve"}

    def test_files(self, tmp_path: Path) -> None:
        """
        `FileSystemStore` makes a cache of files, with the options that Flask-Session has for it.
        """
        store = FileSystemStore(tmp_path / "kept", threshold=7, mode=0o640, key_prefix="shop:")
        cache: Any = store.cache
        assert isinstance(cache, cachelib.FileSystemCache)
        assert (cache._path, cache._threshold, store.key_prefix) == (str(tmp_path / "kept"), 7, "shop:")
        asyncio.run(store.write(KEY, store.encode({"user": "ada"}), 60, None))
        path = Path(cache._get_filename(KEY))
        assert path.stat().st_mode & 0o777 == 0o640
        assert pickle.loads(path.read_bytes()[4:]) == {"user": "ada"}  # noqa: S301  # ours

    def test_files_that_are_counted(self, tmp_path: Path) -> None:
        """
        cachelib's own count of its files goes on, whoever writes.
        """
        store = FileSystemStore(tmp_path, threshold=100)
        cache: Any = store.cache
        for number in range(3):
            asyncio.run(store.write(f"session:{number}", store.encode({}), 60, None))
            cache.set(f"other:{number}", number)
        assert cache._file_count == 6
        assert cache.get("other:1") == 1


class TestRecords:
    @pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN)
    def test_plain(self, store: CacheLibStore, value: Any) -> None:
        """
        A plain value is written as pickle writes it, and read.
        """
        data = {"_permanent": True, "value": value}
        record = store.encode(data)
        assert record == pickle.dumps(data, pickle.HIGHEST_PROTOCOL)
        assert repr(store.decode(record)) == repr(data)
        assert type(store.decode(record)["value"]) is type(value)

    @pytest.mark.parametrize(
        ("value", "name"),
        [
            pytest.param(Color.RED, r".*\.Color", id="enum"),
            pytest.param(Text("x"), r".*\.Text", id="kind of str"),
            pytest.param(Point(1), r".*\.Point", id="named tuple"),
            pytest.param(OrderedDict(a=1), r"collections\.OrderedDict", id="ordered dict"),
            pytest.param(defaultdict(list), r"collections\.defaultdict", id="default dict"),
            pytest.param(range(3), r"builtins\.range", id="range"),
            pytest.param(function, r"builtins\.function", id="function"),
            pytest.param(OrderedDict, r"collections\.OrderedDict", id="class"),
            pytest.param([{"a": (Color.RED,)}], r".*\.Color", id="inside"),
        ],
    )
    def test_not_plain(self, store: CacheLibStore, value: Any, name: str) -> None:
        """
        What couldn't be read again isn't written, and what is there of its kind isn't read, unless *allow_pickle* is
        given.
        """
        allowing = CacheLibStore(cachelib.SimpleCache(), allow_pickle=True)
        record = allowing.encode({"value": value})
        assert allowing.decode(record) == {"value": value}
        with pytest.raises(TypeError, match=rf"^a session can't hold {name}; give a plain value"):
            store.encode({"value": value})
        with pytest.raises(RecordError, match=r"^the record is a pickle .*"):
            store.decode(record)

    @pytest.mark.parametrize(
        "record",
        [
            pytest.param(b"", id="nothing"),
            pytest.param(b"garbage", id="garbage"),
            pytest.param(pickle.dumps({"user": "ada"})[:-1], id="cut off"),
            pytest.param(pickle.dumps({"user": "ada"}).replace(b"\x80", b"\x81"), id="no pickle"),
            pytest.param(b"\x80\x05" + b"]" * 100_000 + b"a" * 99_999 + b".", id="deep"),
            pytest.param(b"\x80\x05Pid\n.", id="of somebody's database"),
            pytest.param(b"\x80\x05\x82\x01.", id="extension"),
            pytest.param(b"\x80\x05\x97.", id="buffer"),
            pytest.param(b"\x80\x05h\x00.", id="nothing remembered"),
            pytest.param(b"\x80\x05\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", id="promises too much"),
            pytest.param(b"\x81\xa4user\xa3ada", id="msgpack"),
        ],
    )
    @pytest.mark.parametrize("allow_pickle", [False, True])
    def test_no_record(self, record: bytes, allow_pickle: bool) -> None:
        """
        What is no pickle of a dict is an error like any other.
        """
        store = CacheLibStore(cachelib.SimpleCache(), allow_pickle=allow_pickle)
        with pytest.raises(RecordError, match=r"^the record "):
            store.decode(record)

    @pytest.mark.parametrize("data", [[], None, 7, "user"])
    def test_no_dict(self, store: CacheLibStore, data: Any) -> None:
        """
        A session is a dict.
        """
        with pytest.raises(RecordError, match=r"^the record holds no dict$"):
            store.decode(pickle.dumps(data))


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str) -> bytes:
    """
    Return the part of a pickle that names something.
    """
    return text(module) + text(name) + b"\x93"


def called(module: str, name: str, *arguments: bytes) -> bytes:
    return named(module, name) + b"(" + b"".join(arguments) + b"tR"


class Evil:
    """
    A pickle of it has a say in what happens when it's read.
    """

    was_called = False

    def __reduce__(self) -> Any:
        return setattr, (Evil, "was_called", True)


HOSTILE: dict[str, bytes] = {
    "a program": called("os", "system", text("exit 1")),
    "a program of posix": called("posix", "system", text("exit 1")),
    "eval": called("builtins", "eval", text("1/0")),
    "getattr": called("builtins", "getattr", named("datetime", "datetime"), text("__class__")),
    "a dotted name": named("datetime", "datetime.__subclasses__"),
    "another dotted name": named("markupsafe", "Markup.__class__"),
    "memory by bytearray": called("builtins", "bytearray", b"\x8a\x05\x00\x00\x00\x00\x10"),
    "a set": called("builtins", "set", b"]"),
    "an import": called("importlib", "import_module", text("antigravity")),
    "a subprocess": called("subprocess", "Popen", text("exit 1")),
    "copyreg": called("copyreg", "_reconstructor", named("builtins", "object"), named("builtins", "object"), b"N"),
    "of Python 2": b"c__builtin__\neval\n(S'1/0'\ntR",
    "of protocol 0": b"cos\nsystem\n(S'exit 1'\ntR",
    "an instance": b"(S'exit 1'\nios\nsystem\n",
    "an object": b"(cos\nsystem\nS'exit 1'\no",
    "what a module holds": named("markupsafe", "escape"),
    "what a module has imported": named("uuid", "os"),
}


REPRS = "[UUID('00000000-0000-0000-0000-000000000001'), Decimal('1'), (1+0j)]"


class TestHostileRecords:
    """
    Somebody can write into the cache: they get an error, and nothing of theirs runs.
    """

    @pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
    @pytest.mark.parametrize("is_in_dict", [True, False])
    def test_refused(self, store: CacheLibStore, body: bytes, is_in_dict: bool) -> None:
        """
        A pickle that names anything but plain values is refused.
        """
        record = b"\x80\x05" + (b"}" + text("a") + body + b"s." if is_in_dict else body + b".")
        assert list(pickletools.genops(record))  # it is a pickle
        with pytest.raises(RecordError, match=r"^the record is a pickle that can't be read"):
            store.decode(record)

    def test_nothing_is_called(self, store: CacheLibStore) -> None:
        """
        What it says isn't done, neither by the store nor on its way there.
        """
        record = pickle.dumps({"evil": Evil()})
        store.cache.set(KEY, {"evil": Evil()})
        Evil.was_called = False
        with pytest.raises(RecordError):
            store.decode(record)
        answer = asyncio.run(ask(app_with(store, see), "session=a"))
        assert answer.body == b"{'_permanent': True}"
        assert not Evil.was_called
        allowing = CacheLibStore(store.cache, allow_pickle=True)
        assert asyncio.run(ask(app_with(allowing, see), "session=a")).status == 200
        assert Evil.was_called

    def test_nothing_is_called_of_files(self, tmp_path: Path) -> None:
        """
        Nor if it is in a file.
        """
        store = FileSystemStore(tmp_path)
        store.cache.set(KEY, {"evil": Evil()})
        Evil.was_called = False
        assert asyncio.run(ask(app_with(store, see), "session=a")).body == b"{'_permanent': True}"
        assert not Evil.was_called

    @pytest.mark.parametrize(
        "kind",
        [
            pytest.param(named("markupsafe", "Markup"), id="Markup"),
            pytest.param(named("uuid", "UUID"), id="UUID"),
            pytest.param(named("datetime", "datetime"), id="datetime"),
            pytest.param(named("decimal", "Decimal"), id="Decimal"),
            pytest.param(named("builtins", "complex"), id="complex"),
        ],
    )
    @pytest.mark.parametrize("name", ["escape", "__html__", "__new__", "__eq__", "own", "__class__", "__setattr__"])
    def test_classes_stay_as_they_are(self, store: CacheLibStore, kind: bytes, name: str) -> None:
        """
        No pickle changes a class, for everybody: its attributes can't be set, neither in its dict nor by name.
        """
        own = text(name) + named("markupsafe", "Markup") + b"s"
        for state in (b"}" + own, b"N}" + own + b"\x86"):
            with pytest.raises(RecordError):
                store.decode(b"\x80\x05" + kind + state + b"b.")
        assert Markup(" ").join(["<script>"]) == "&lt;script&gt;"
        assert markupsafe.escape("<") == "&lt;"
        assert repr([UUID(int=1), Decimal(1), complex(1)]) == REPRS
        assert not hasattr(Markup, "own")

    @pytest.mark.parametrize(
        "made",
        [
            pytest.param(named("markupsafe", "Markup") + b"(" + text("x") + b"t\x81", id="Markup"),
            pytest.param(named("uuid", "UUID") + b")\x81", id="UUID"),
            pytest.param(named("decimal", "Decimal") + b"(" + text("1") + b"tR", id="Decimal"),
        ],
    )
    def test_objects_too(self, store: CacheLibStore, made: bytes) -> None:
        """
        Nor does an object get more than what it is.
        """
        with pytest.raises(RecordError):
            store.decode(b"\x80\x05}" + text("a") + made + b"}" + text("own") + b"K\x01sbs.")

    def test_a_process_of_its_own(self, tmp_path: Path) -> None:
        """
        Reading a folder of hostile files is done by a process that ends well.
        """
        store = FileSystemStore(tmp_path)
        cache: Any = store.cache
        for number, body in enumerate(HOSTILE.values()):
            Path(cache._get_filename(f"session:{number}")).write_bytes(struct.pack("I", 0) + b"\x80\x05" + body + b".")
        code = f"""
import asyncio
from starlette_flask.stores import FileSystemStore, RecordError
store = FileSystemStore({str(tmp_path)!r})
for number in range({len(HOSTILE)}):
    try:
        store.decode(asyncio.run(store.read(f"session:{{number}}", None)))
    except RecordError:
        print("refused")
"""
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
        assert done.stdout.split() == ["refused"] * len(HOSTILE)


class SlowCache(cachelib.SimpleCache):
    """
    Stops at a gate when it has read, once.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gates = [gate]

    def get(self, key: str) -> Any:
        value = super().get(key)
        if self._gates:
            self._gates.pop().stop()
        return value


class TestAtOnce:
    @pytest.fixture
    def gate(self) -> Gate:
        return Gate()

    def test_deleted_while_it_is_written(self, gate: Gate) -> None:
        """
        Who logs out while another request of theirs writes stays logged out.
        """
        store = CacheLibStore(SlowCache(gate))
        record = store.encode({"user": "ada"})
        store.cache.set(KEY, {"user": "ada"})

        async def story() -> None:
            writing = asyncio.create_task(store.write(KEY, store.encode({"user": "ada", "n": 1}), 60, record))
            await asyncio.to_thread(gate.wait)
            deleting = asyncio.create_task(store.delete(KEY))
            await asyncio.sleep(0.02)
            gate.open()
            assert await writing
            await deleting
            assert await store.read(KEY, None) is None

        asyncio.run(story())

    def test_others_go_on(self, gate: Gate) -> None:
        """
        One record that takes its time doesn't hold up everybody's.
        """
        store = CacheLibStore(SlowCache(gate))
        other = next(key for key in map(str, range(1000)) if store._lock(key) is not store._lock(KEY))

        async def story() -> None:
            slow = asyncio.create_task(store.read(KEY, None))
            await asyncio.to_thread(gate.wait)
            assert await store.read(other, None) is None
            assert not slow.done()
            gate.open()
            await slow

        asyncio.run(story())

    def test_threads_of_their_own(self, store: CacheLibStore) -> None:
        """
        Views that keep all of Starlette's threads busy don't keep the store from working.
        """
        may_end = threading.Event()

        def busy(request: Request) -> Response:
            may_end.wait(10)
            return Response()

        async def story() -> int:
            cookie = (await ask(app_with(store, write(user="ada")))).cookie
            app = SessionMiddleware(Starlette(routes=[Route("/", busy)]), store=store)
            views = [asyncio.create_task(ask(app)) for _ in range(45)]
            await asyncio.sleep(0.05)
            answer = await ask(app_with(store, see), cookie)
            may_end.set()
            await asyncio.gather(*views)
            return answer.status

        store.timeout = 0.5
        assert asyncio.run(story()) == 200

    def test_hanging(self, gate: Gate) -> None:
        """
        A cache that hangs is given up after *timeout*.
        """
        store = CacheLibStore(SlowCache(gate), timeout=0.05)
        try:
            assert asyncio.run(ask(app_with(store, see), "session=a")).status == 503
        finally:
            gate.open()


class Refusing(cachelib.SimpleCache):
    """
    Says False, as cachelib does of what has failed.
    """

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        return False

    def delete(self, key: str) -> bool:
        return False


class TestSilence:
    """
    What cachelib only mentions in its log is a failure.
    """

    @pytest.mark.parametrize("is_known", [True, False])
    def test_not_written(self, is_known: bool) -> None:
        """
        What wasn't written isn't answered as if it were, nor is what couldn't be prolonged.
        """
        cache = Refusing()
        store = CacheLibStore(cache)
        cookies = []
        if is_known:
            cachelib.SimpleCache.set(cache, KEY, {"user": "ada"})
            cookies = ["session=a"]
        assert asyncio.run(ask(app_with(store, write(a=1), refresh_each_request=False), *cookies)).status == 503
        with pytest.raises(StoreError, match="couldn't write the record; its own log says why"):
            asyncio.run(store.write("session:new", b"", 60, None))
        if is_known:
            with pytest.raises(StoreError, match="couldn't write"):
                asyncio.run(store.read(KEY, 60))

    def test_not_deleted(self) -> None:
        """
        Nor is a logout that didn't happen; where nothing is there, nothing has failed.
        """
        cache = Refusing()
        store = CacheLibStore(cache)
        cachelib.SimpleCache.set(cache, KEY, {"user": "ada"})
        with pytest.raises(StoreError, match="couldn't delete the record; its own log says why"):
            asyncio.run(store.delete(KEY))
        asyncio.run(store.delete("session:other"))
        app = app_with(store, lambda session: session.clear(), refresh_each_request=False)
        assert asyncio.run(ask(app, "session=a")).status == 503


def test_a_number_is_no_record(tmp_path: Path) -> None:
    """
    A file of cachelib's own, under a session's name, is no session.
    """
    store = FileSystemStore(tmp_path)
    store.cache.set(KEY, 7)
    assert asyncio.run(ask(app_with(store, see), "session=a")).body == b"{'_permanent': True}"
    assert asyncio.run(ask(app_with(store, write(a=1)), "session=a")).status == 200
