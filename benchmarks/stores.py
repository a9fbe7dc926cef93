"""
What a session in Redis costs, net of all the rest that a request costs, and the commands that it takes.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import redis

from benchmarks.handlers import Act
from benchmarks.keepers import Keeper, Keepers, cookie_after, open_keepers
from benchmarks.loops import CASES, keep_off_that_core, on_one_core, running_loop
from benchmarks.payloads import PAYLOADS
from benchmarks.redis_server import recorded_commands, serve_redis
from benchmarks.rounds import Cost, Effort, Runner, settle_allocator, take_turns
from benchmarks.scenarios import Scenario, read, write
from benchmarks.servers import HOST
from benchmarks.sessions import recorded

# What they keep in the session for themselves.
THEIR_KEYS = {"_permanent", "__metadata__"}
SHORT_SECONDS = 1000


@dataclass(frozen=True)
class StoreScenario(Scenario):
    """
    One kind of request.

    Args:
        slides: It lets the session live longer.
    """

    payloads: tuple[str, ...] = ("s", "m")
    slides: bool = True


@dataclass(frozen=True)
class StoreCost(Cost):
    """
    What a request costs a contender.

    Args:
        commands: The names of those that Redis is sent.
    """

    commands: tuple[str, ...] = ()


STORE_SCENARIOS = (
    StoreScenario("Redis: no cookie", "none", None, ("s",)),
    StoreScenario("Redis: untouched", "valid", None, if_unchanged="doesn't let it live longer"),
    StoreScenario("Redis: read", "valid", read, slides=False),
    StoreScenario("Redis: read, sliding expiry", "valid", read),
    StoreScenario("Redis: write", "valid", write),
)


@dataclass(frozen=True)
class Stores:
    """
    Everybody, and the server where they keep sessions.

    Args:
        port: The server's.
        keepers: Everybody.
    """

    port: int
    keepers: Keepers

    def ask(self, keeper: Keeper, scenario: StoreScenario, act: Act | None, cookie: str | None) -> str | None:
        """
        Send one request and return the cookie as the browser has it afterwards.

        Raises:
            RuntimeError: It isn't answered as it should.
        """
        answer = keeper.ask(act, cookie, slides=scenario.slides)
        if answer[0] != 200:
            raise RuntimeError(f"{keeper.name}, {scenario.name}: answers {answer[0]}")
        return cookie_after(answer, cookie)

    def make_cookie(self, keeper: Keeper, scenario: StoreScenario, payload: dict[str, Any]) -> str | None:
        """
        Return the cookie of a new session with *payload*, or None where the scenario has none.
        """
        if scenario.cookie == "none":
            return None
        cookie = self.ask(keeper, scenario, lambda session: session.update(copy.deepcopy(payload)), None)
        if cookie is None:
            raise RuntimeError(f"{keeper.name} did not set its cookie")
        return cookie

    def check(self, keeper: Keeper, scenario: StoreScenario, payload: dict[str, Any]) -> tuple[tuple[str, ...], str]:
        """
        Return the commands that a request takes, and in what the contender doesn't do what the scenario asks for, if
        that is known to happen.

        Raises:
            RuntimeError: It does something else altogether, and its time would say nothing.
        """
        cookie = self.make_cookie(keeper, scenario, payload)
        results: list[object] = []
        with redis.Redis(HOST, self.port) as client:
            keys = [key for key in client.scan_iter() if cookie and key.endswith(cookie.encode())]
            if cookie and not keys:
                raise RuntimeError(f"{keeper.name}, {scenario.name}: the session isn't in Redis")
            for key in keys:
                client.expire(key, SHORT_SECONDS)
            with recorded_commands(self.port) as commands:
                after = self.ask(keeper, scenario, recorded(scenario.act, results), cookie)
            is_prolonged = all(client.ttl(key) > SHORT_SECONDS for key in keys)
        left: dict[str, Any] = {}
        self.ask(keeper, scenario, lambda session: left.update(copy.deepcopy(dict(session))), after)
        left = {key: value for key, value in left.items() if key not in THEIR_KEYS}

        expected = copy.deepcopy(payload) if cookie else {}
        expected_results: list[object] = []
        if act := recorded(scenario.act, expected_results):
            act(expected)
        if (results, left) != (expected_results, expected):
            raise RuntimeError(
                f"{keeper.name}, {scenario.name}: the view got {results}, not {expected_results},"
                f" and leaves {left}, not {expected}"
            )
        if is_prolonged or not scenario.slides:
            return tuple(commands), ""
        if scenario.if_unchanged:
            return tuple(commands), scenario.if_unchanged
        raise RuntimeError(f"{keeper.name}, {scenario.name}: the session doesn't live longer")


def measure_stores(
    effort: Effort, scenarios: Iterable[StoreScenario] = STORE_SCENARIOS, cases: Mapping[str, int] = CASES
) -> Iterator[StoreCost]:
    """
    Measure everybody in each scenario with each of its payloads.
    """
    settle_allocator()
    with open_stores() as stores:
        for scenario in scenarios:
            for payload in scenario.payloads:
                for case, clients in cases.items():
                    yield from _compare(stores, scenario, payload, case, clients, effort)


@contextmanager
def open_stores() -> Iterator[Stores]:
    """
    Start a server, and connect everybody. They have a core for themselves, where the machine has two.
    """
    with serve_redis() as (port, process_id):
        keep_off_that_core(process_id)
        with on_one_core(), running_loop() as loop, open_keepers(port, loop) as keepers:
            yield Stores(port, keepers)


def _compare(
    stores: Stores, scenario: StoreScenario, payload: str, case: str, clients: int, effort: Effort
) -> Iterator[StoreCost]:
    case = f"{payload}, {case}"
    bare: dict[str, Runner] = {}
    measured = []
    for keeper in (*stores.keepers.all, *stores.keepers.variants.get(scenario.name, ())):
        commands, remark = stores.check(keeper, scenario, PAYLOADS[payload])
        # Each client has a session of its own.
        cookies = [stores.make_cookie(keeper, scenario, PAYLOADS[payload]) for _ in range(clients)]
        clock = keeper.clock(scenario.act, cookies, slides=scenario.slides)
        if keeper.bare.name not in bare:
            bare_clock = keeper.bare.clock(scenario.act, cookies, slides=scenario.slides)
            bare[keeper.bare.name] = Runner(scenario.name, case, keeper.bare.name, bare_clock)
        measured.append((Runner(scenario.name, case, keeper.name, clock, remark), keeper.bare, commands))
    take_turns([*bare.values(), *(runner for runner, _, _ in measured)], effort)
    for runner, without, commands in measured:
        cost = runner.cost(bare=median(bare[without.name].slices))
        yield StoreCost(**asdict(cost), commands=commands)
