"""
What a session costs in one process: every contender in turn, again and again.

A *slice* is some milliseconds of one contender answering the same request. A *round* is one slice of
each contender. Whatever else the machine does meets all of them alike, so that the ratios of
their medians hold where the times themselves don't.
"""

import copy
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from statistics import median, quantiles
from time import perf_counter_ns
from typing import Any

from benchmarks.contenders import CONTENDERS, OURS, STARLETTE, VARIANTS, ask, make_cookie
from benchmarks.handlers import Act, Contender
from benchmarks.payloads import PAYLOADS, payload_of
from benchmarks.scenarios import SCENARIOS, Scenario, read, write

SIZES = (100, 250, 500, 1000, 2000, 4000)


@dataclass(frozen=True)
class Effort:
    """
    How long to measure.

    Args:
        rounds: How many slices of each contender.
        slice_ms: How long one of them takes, roughly.
    """

    rounds: int = 60
    slice_ms: float = 4.0


@dataclass(frozen=True)
class Cost:
    """
    What a session costs a contender: microseconds for each request, less its bare app's median.

    Args:
        scenario: By name.
        payload: By name, or its size in bytes.
        contender: By name.
        lower: The lower quartile.
        median: The median.
        upper: The upper quartile.
        bare: What was taken off.
        requests: How many are in a slice.
        remark: In what the contender doesn't do what the scenario asks for; mostly empty.
    """

    scenario: str
    payload: str
    contender: str
    lower: float
    median: float
    upper: float
    bare: float
    requests: int
    remark: str = ""


def measure_scenarios(effort: Effort, scenarios: Iterable[Scenario] = SCENARIOS) -> Iterator[Cost]:
    """
    Measure every contender in each scenario with each of its payloads.
    """
    settle_allocator()
    for scenario in scenarios:
        contenders = [*CONTENDERS, *VARIANTS.get(scenario.name, ())]
        yield from _compare(scenario, {name: PAYLOADS[name] for name in scenario.payloads}, contenders, effort)


def measure_sizes(effort: Effort, sizes: Iterable[int] = SIZES) -> Iterator[Cost]:
    """
    Measure how the cost grows with the payload, ours and Starlette's.
    """
    settle_allocator()
    payloads = {str(size): payload_of(size) for size in sizes}
    for scenario in (Scenario("read", "valid", read), Scenario("write", "valid", write)):
        yield from _compare(scenario, payloads, [OURS, STARLETTE], effort)


def settle_allocator() -> None:
    """
    Bring the C library's allocator into the state of a server that has been running for a while.

    zlib takes some 260 KB for each compression and gives them back. In a fresh process glibc returns
    them to the system every time, and the page faults of taking them anew, some 60 us, would be most of
    a write. Once a larger block was freed it keeps them: its threshold is dynamic (mallopt(3)). Reading one
    large body does that, and so may importing an app; here nobody must be the lucky one who comes after.
    """
    block = bytearray(1024 * 1024)
    del block


def check(contender: Contender, scenario: Scenario, payload: dict[str, Any], cookie: str | None) -> str:
    """
    Return in what the contender doesn't do what the scenario asks for, if that is known to happen.

    Raises:
        RuntimeError: It does something else altogether, and its time would say nothing.
    """
    results: list[object] = []
    after = ask(contender, _recorded(scenario.act, results), cookie)
    left: dict[str, Any] = {}
    ask(contender, lambda session: left.update(copy.deepcopy(dict(session))), after)

    expected = copy.deepcopy(payload) if scenario.cookie == "valid" else {}
    expected_results: list[object] = []
    if act := _recorded(scenario.act, expected_results):
        act(expected)
    if (results, left) == (expected_results, expected):
        return ""
    if left == payload and scenario.if_unchanged:
        return scenario.if_unchanged
    raise RuntimeError(
        f"{contender.name}, {scenario.name}: the view got {results}, not {expected_results},"
        f" and leaves {left}, not {expected}"
    )


def _recorded(act: Act | None, results: list[object]) -> Act | None:
    return None if act is None else lambda session: results.append(act(session))


@dataclass
class _Runner:
    contender: Contender
    handle: Callable[[], Any]
    payload: str = ""
    remark: str = ""
    requests: int = 20
    slices: list[float] = field(default_factory=list)

    def calibrate(self, slice_ms: float) -> None:
        """
        Find how many requests make a slice, and warm up.
        """
        self.run()
        self.requests = max(1, round(slice_ms * 1000 / min(self.run() for _ in range(5))))
        self.run()

    def run(self) -> float:
        """
        Return the microseconds that a request took in a new slice.
        """
        gc.collect()
        gc.disable()
        try:
            return self.contender.context.run(_time, self.handle, self.requests) / 1000
        finally:
            gc.enable()


def _time(handle: Callable[[], Any], requests: int) -> float:
    start = perf_counter_ns()
    for _ in repeat(None, requests):
        handle()
    return (perf_counter_ns() - start) / requests


def _compare(
    scenario: Scenario, payloads: Mapping[str, dict[str, Any]], contenders: Sequence[Contender], effort: Effort
) -> Iterator[Cost]:
    bare: dict[str, _Runner] = {}
    runners = []
    for name, payload in payloads.items():
        for contender in contenders:
            cookie = make_cookie(contender, payload, scenario.cookie)
            remark = check(contender, scenario, payload, cookie)
            runners.append(_Runner(contender, contender.handler(scenario.act, cookie), name, remark))
            if contender.bare.name not in bare:
                bare[contender.bare.name] = _Runner(contender.bare, contender.bare.handler(scenario.act, cookie))
    everybody = [*bare.values(), *runners]

    gc.collect()
    gc.freeze()  # collecting between the slices then looks at what these left, not at all modules again
    for runner in everybody:
        runner.calibrate(effort.slice_ms)
    for _ in range(effort.rounds):
        for runner in everybody:
            runner.slices.append(runner.run())
    gc.unfreeze()

    for runner in runners:
        without = median(bare[runner.contender.bare.name].slices)
        lower, middle, upper = (quartile - without for quartile in quantiles(runner.slices, method="inclusive"))
        yield Cost(
            scenario.name,
            runner.payload,
            runner.contender.name,
            lower=lower,
            median=middle,
            upper=upper,
            bare=without,
            requests=runner.requests,
            remark=runner.remark,
        )
