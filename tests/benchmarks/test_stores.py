"""
Whoever is compared keeps sessions in Redis, and does what a scenario asks for.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import redis
from starlette.types import Receive, Scope, Send

from benchmarks.keepers import FLASK_SESSION, OURS, STARSESSIONS, ASGIKeeper, Keeper
from benchmarks.loops import running_loop, time_threads
from benchmarks.payloads import PAYLOADS
from benchmarks.redis_server import MissingServerError, find_redis, recorded_commands, redis_version
from benchmarks.results import describe_environment
from benchmarks.servers import HOST
from benchmarks.stores import SHORT_SECONDS, STORE_SCENARIOS, Stores, StoreScenario, open_stores
from starlette_flask import SessionMiddleware
from starlette_flask.stores import MemoryStore
from tests.interop.apps import needs
from tests.stores.servers import need

concurrent_starsessions = needs("starsessions", "2.2.1", "before, its store closed all connections after each command")

SCENARIOS = {scenario.name.removeprefix("Redis: "): scenario for scenario in STORE_SCENARIOS}
COMMANDS = {
    OURS: {"no cookie": 0, "untouched": 1, "read": 1, "read, sliding expiry": 1, "write": 2},
    STARSESSIONS: {"no cookie": 0, "untouched": 2, "read": 2, "read, sliding expiry": 2, "write": 2},
    FLASK_SESSION: {"no cookie": 0, "untouched": 2, "read": 1, "read, sliding expiry": 2, "write": 2},
    f"{STARSESSIONS}, loaded by views": {"untouched": 0},
}
"""
How many commands Redis is sent, by contender and scenario.
"""


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    need("redis-server", package="redis-server")
    with open_stores() as stores:
        yield stores


def keepers_in(stores: Stores, scenario: StoreScenario) -> dict[str, Keeper]:
    variants = stores.keepers.variants.get(scenario.name, ())
    return {keeper.name: keeper for keeper in (*stores.keepers.all, *variants)}


@pytest.mark.parametrize(
    ("contender", "name"), [(contender, name) for contender, counts in COMMANDS.items() for name in counts]
)
def test_does_as_asked(stores: Stores, contender: str, name: str) -> None:
    """
    The view gets what it must, the next request finds what it must, and Redis is sent the commands that are said.
    """
    scenario = SCENARIOS[name]
    for payload in map(PAYLOADS.__getitem__, scenario.payloads):
        commands, remark = stores.check(keepers_in(stores, scenario)[contender], scenario, payload)
        assert len(commands) == COMMANDS[contender][name]
        assert bool(remark) == (contender not in (OURS, STARSESSIONS, FLASK_SESSION))


def test_everybody_is_tested(stores: Stores) -> None:
    """
    No contender is measured without the test above.
    """
    for name, scenario in SCENARIOS.items():
        tested = {contender for contender, counts in COMMANDS.items() if name in counts}
        assert keepers_in(stores, scenario).keys() == tested
    assert stores.keepers.variants.keys() <= {scenario.name for scenario in STORE_SCENARIOS}


@pytest.mark.parametrize("contender", [OURS, FLASK_SESSION])
def test_fixed_expiry(stores: Stores, contender: str) -> None:
    """
    Where the expiry doesn't slide, reading leaves it as it was.
    """
    scenario = SCENARIOS["read"]
    keeper = keepers_in(stores, scenario)[contender]
    cookie = stores.make_cookie(keeper, scenario, PAYLOADS["s"])
    with redis.Redis(HOST, stores.port) as client:
        key = f"session:{cookie}"
        assert client.expire(key, SHORT_SECONDS)
        assert stores.ask(keeper, scenario, scenario.act, cookie) == cookie
        assert 0 < client.ttl(key) <= SHORT_SECONDS


@pytest.mark.parametrize("contender", [OURS, pytest.param(STARSESSIONS, marks=concurrent_starsessions), FLASK_SESSION])
def test_at_once(stores: Stores, contender: str) -> None:
    """
    Clients that ask at once are answered, each with a session of its own.
    """
    scenario = SCENARIOS["read"]
    keeper = keepers_in(stores, scenario)[contender]
    cookies = [stores.make_cookie(keeper, scenario, {"user": number}) for number in range(4)]
    seen: list[object] = []
    assert keeper.clock(lambda session: seen.append(session["user"]), cookies, slides=True)(2) > 0
    assert sorted(map(str, seen)) == list("00112233")


def test_check_fails(stores: Stores) -> None:
    """
    Whoever does something else isn't measured.
    """
    [ours, *_] = stores.keepers.all
    read, untouched = SCENARIOS["read"], SCENARIOS["untouched"]
    [lazy] = stores.keepers.variants[untouched.name]
    with pytest.raises(RuntimeError, match=r"^bare app did not set its cookie$"):
        stores.check(ours.bare, read, PAYLOADS["s"])
    with pytest.raises(RuntimeError, match=r"^starsessions, loaded by views, .*: the session doesn't live longer$"):
        stores.check(lazy, replace(untouched, if_unchanged=""), PAYLOADS["s"])
    with pytest.raises(RuntimeError, match=r"^starlette-flask, .*: the view got \[.*\], not"):
        stores.check(ours, replace(read, act=lambda session: list(session)), PAYLOADS["s"])


def test_elsewhere(stores: Stores) -> None:
    """
    Nor is who keeps the session somewhere else.
    """
    store = MemoryStore()
    with running_loop() as loop:
        keeper = ASGIKeeper("elsewhere", loop, lambda app, slides: SessionMiddleware(app, store=store))
        with pytest.raises(RuntimeError, match=r"^elsewhere, Redis: read: the session isn't in Redis$"):
            stores.check(keeper, SCENARIOS["read"], PAYLOADS["s"])


def test_refusals(stores: Stores) -> None:
    """
    Whoever refuses a request isn't measured.
    """

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})

    with running_loop() as loop, ThreadPoolExecutor(1) as pool:
        keeper = ASGIKeeper("refusal", loop, lambda app, slides: refuse)
        with pytest.raises(RuntimeError, match=r"^refusal, Redis: read: answers 503$"):
            stores.ask(keeper, SCENARIOS["read"], None, None)
        with pytest.raises(RuntimeError, match=r"^a request is answered with 503$"):
            keeper.clock(None, [None], slides=True)(1)
        with pytest.raises(RuntimeError, match=r"^a request is answered with 503$"):
            time_threads([lambda: (503, ())], pool, 1)


def test_recorded_commands(stores: Stores) -> None:
    """
    A script is one command, and what others sent before or send later isn't there.
    """
    with redis.Redis(HOST, stores.port) as client:
        client.set("before", 1)
        with recorded_commands(stores.port) as names:
            client.get("before")
            client.eval("return redis.call('GET', KEYS[1])", 1, "before")
        client.delete("before")
    assert names == ["GET", "EVAL"]


def test_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where Redis isn't installed, what to install is said, and everything else can be measured.
    """
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingServerError, match="apt-get install redis-server"):
        find_redis()
    assert "Redis" not in describe_environment()


def test_environment() -> None:
    """
    The server's version is said.
    """
    need("redis-server", package="redis-server")
    assert describe_environment()["Redis"] == redis_version()
