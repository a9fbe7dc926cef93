"""
The benchmarks run, with numbers so small that their times say nothing.
"""

import math
from pathlib import Path

import pytest

from benchmarks.contenders import CONTENDERS, OURS, OURS_WITHOUT_REFRESH, STARLETTE
from benchmarks.growth import STATM, measure_growth
from benchmarks.report import full_tables, short_tables
from benchmarks.results import Results, describe_environment
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import APPS, Load, Throughput, measure_servers
from benchmarks.sessions import Cost, Effort, measure_scenarios, measure_sizes
from benchmarks.targets import TARGETS, judge

TINY = Effort(rounds=2, slice_ms=0.05)


def cost(scenario: str, contender: str, median: float) -> Cost:
    return Cost(scenario, "s", contender, lower=median, median=median, upper=median, bare=1.0, requests=1)


def test_scenarios() -> None:
    """
    Every scenario is measured with each payload and every contender.
    """
    costs = list(measure_scenarios(TINY))
    assert all(math.isfinite(cost.median) and cost.lower <= cost.median <= cost.upper for cost in costs)
    assert all(cost.bare > 0 and cost.requests >= 1 for cost in costs)
    measured = {(cost.scenario, cost.payload, cost.contender) for cost in costs}
    for scenario in SCENARIOS:
        for payload in scenario.payloads:
            assert {(scenario.name, payload, contender.name) for contender in CONTENDERS} <= measured
    assert len(judge(costs)) == len(TARGETS)


def test_sizes() -> None:
    """
    Reading and writing are measured with each size.
    """
    costs = list(measure_sizes(TINY, sizes=(100, 500)))
    assert [(cost.scenario, cost.payload, cost.contender) for cost in costs] == [
        (scenario, size, contender.name)
        for scenario in ("read", "write")
        for size in ("100", "500")
        for contender in (OURS, STARLETTE)
    ]


def test_servers() -> None:
    """
    Each app is served and asked. (Of the servers, the tests have uvicorn.)
    """
    throughputs = list(measure_servers(Load(rounds=2, requests=2), servers=["uvicorn"]))
    assert [(each.scenario, each.app) for each in throughputs] == [
        (scenario, app) for scenario in ("read", "write") for app in APPS
    ]
    assert all(each.median > 0 for each in throughputs)


@pytest.mark.skipif(not STATM.exists(), reason="only Linux tells the memory of a process in /proc")
def test_growth() -> None:
    """
    The memory is sampled, and what stays is told.
    """
    growth = measure_growth(400, traced_requests=200, samples=2)
    assert len(growth.resident_kb) == 2
    assert growth.grown_kb == growth.resident_kb[1] - growth.resident_kb[0]
    assert len(growth.traced_places) <= 3


def test_verdicts() -> None:
    """
    A target is met up to its limit, and judged only if both sides were measured.
    """
    costs = [cost("untouched", STARLETTE.name, 100), cost("untouched", OURS.name, 50), cost("read", OURS.name, 1)]
    (met,) = judge(costs)
    assert (met.ratio, met.is_met) == (0.5, True)
    (_, missed) = judge([*costs, cost("untouched", OURS_WITHOUT_REFRESH.name, 17)])
    assert (missed.target.ours, missed.is_met) == (OURS_WITHOUT_REFRESH, False)


def test_results_are_kept(tmp_path: Path) -> None:
    """
    What is saved is what is loaded, to the third digit; the tables show it.
    """
    results = Results(
        describe_environment(),
        [cost("untouched", OURS.name, 51.0), cost("untouched", STARLETTE.name, 100.0)],
        [Cost("read", "100", each.name, 1.0, 2.0, 3.0, 1.0, 10) for each in (OURS, STARLETTE)],
        [Throughput("uvicorn", "read", app, 900.0, 1000.0, 1100.0) for app in APPS],
    )
    results.save(tmp_path / "results.json")
    loaded = Results.load(tmp_path / "results.json")
    assert loaded == results
    page = "\n".join(table.to_markdown() for table in short_tables(loaded))
    assert "| untouched, s | Starlette | 0.50 | 0.51 | MISSED |" in page
    assert "| untouched, s | 51.0 | 100.0 |" in page
    assert "| uvicorn, read, s | 1,000 (900-1,100) |" in page
    titles = [table.title for table in full_tables(loaded)]
    assert (titles[0], len(titles)) == ("untouched", 4)
