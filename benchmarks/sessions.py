"""
What a session costs in one process, net of all the rest that a request costs.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.contenders import CONTENDERS, OURS, STARLETTE, VARIANTS, ask, make_cookie
from benchmarks.handlers import Act, Contender
from benchmarks.payloads import PAYLOADS, payload_of
from benchmarks.rounds import Clock, Cost, Effort, Runner, settle_allocator, take_turns, time_calls
from benchmarks.scenarios import SCENARIOS, Scenario, read, write

SIZES = (100, 250, 500, 1000, 2000, 4000)


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


def check(contender: Contender, scenario: Scenario, payload: dict[str, Any], cookie: str | None) -> str:
    """
    Return in what the contender doesn't do what the scenario asks for, if that is known to happen.

    Raises:
        RuntimeError: It does something else altogether, and its time would say nothing.
    """
    results: list[object] = []
    after = ask(contender, recorded(scenario.act, results), cookie)
    left: dict[str, Any] = {}
    ask(contender, lambda session: left.update(copy.deepcopy(dict(session))), after)

    expected = copy.deepcopy(payload) if scenario.cookie == "valid" else {}
    expected_results: list[object] = []
    if act := recorded(scenario.act, expected_results):
        act(expected)
    if (results, left) == (expected_results, expected):
        return ""
    if left == payload and scenario.if_unchanged:
        return scenario.if_unchanged
    raise RuntimeError(
        f"{contender.name}, {scenario.name}: the view got {results}, not {expected_results},"
        f" and leaves {left}, not {expected}"
    )


def recorded(act: Act | None, results: list[object]) -> Act | None:
    """
    Return an act that notes in *results* what *act* returns.
    """
    return None if act is None else lambda session: results.append(act(session))


def _compare(
    scenario: Scenario, payloads: Mapping[str, dict[str, Any]], contenders: Sequence[Contender], effort: Effort
) -> Iterator[Cost]:
    bare: dict[str, Runner] = {}
    measured = []
    for name, payload in payloads.items():
        for contender in contenders:
            cookie = make_cookie(contender, payload, scenario.cookie)
            remark = check(contender, scenario, payload, cookie)
            without = contender.bare
            if without.name not in bare:
                bare[without.name] = Runner(scenario.name, name, without.name, _clock(without, scenario, cookie))
            runner = Runner(scenario.name, name, contender.name, _clock(contender, scenario, cookie), remark)
            measured.append((runner, bare[without.name]))
    take_turns([*bare.values(), *(runner for runner, _ in measured)], effort)
    for runner, bare_runner in measured:
        yield runner.cost(bare=median(bare_runner.slices))


def _clock(contender: Contender, scenario: Scenario, cookie: str | None) -> Clock:
    handle = contender.handler(scenario.act, cookie)
    return lambda requests: contender.context.run(time_calls, handle, requests)
