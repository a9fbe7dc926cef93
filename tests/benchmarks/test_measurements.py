"""
The benchmarks run, with numbers so small that their times say nothing.
"""

import math
from pathlib import Path

import pytest

from benchmarks import keepers
from benchmarks.adapters import A2WSGI, MOUNTED, MOUNTED_SHARED, PLAIN
from benchmarks.contenders import CONTENDERS, OURS, OURS_WITHOUT_REFRESH, STARLETTE
from benchmarks.growth import PROC, measure_growth
from benchmarks.loops import CASES
from benchmarks.mounts import measure_mounts
from benchmarks.readers import Memory, measure_slow_readers
from benchmarks.report import full_tables, short_tables
from benchmarks.results import Results, describe_environment
from benchmarks.rounds import Cost, Effort
from benchmarks.scenarios import SCENARIOS
from benchmarks.servers import APPS, MOUNTED_APPS, Load, Throughput, measure_mount_servers, measure_servers
from benchmarks.sessions import measure_scenarios, measure_sizes
from benchmarks.stores import STORE_SCENARIOS, StoreCost, measure_stores
from benchmarks.targets import MOUNT_TARGETS, SESSION_TARGETS, STORE_TARGETS, judge
from benchmarks.visits import SMALL, VISITS
from tests.interop.apps import needs
from tests.stores.servers import need

TINY = Effort(rounds=2, slice_ms=0.05)
TINY_LOAD = Load(rounds=2, requests=2)
FEW_APPS = {name: MOUNTED_APPS[name] for name in (MOUNTED.name, A2WSGI.name)}
STORE_MEDIANS = [(keepers.OURS, 3.0, 1), (keepers.STARSESSIONS, 4.0, 2), (keepers.FLASK_SESSION, 6.0, 2)]

on_linux = pytest.mark.skipif(not PROC.exists(), reason="only Linux tells the memory of a process in /proc")


def cost(scenario: str, contender: str, median: float) -> Cost:
    return Cost(scenario, "s", contender, lower=median, median=median, upper=median, bare=1.0, requests=1)


def test_scenarios() -> None:
    """
    Every scenario is measured with each payload and every contender.
    """
    costs = list(measure_scenarios(TINY))
    assert all(math.isfinite(cost.median) and cost.lower <= cost.median <= cost.upper for cost in costs)
    assert all(cost.bare > 0 and cost.requests >= 1 for cost in costs)
    measured = {(cost.scenario, cost.case, cost.contender) for cost in costs}
    for scenario in SCENARIOS:
        for payload in scenario.payloads:
            assert {(scenario.name, payload, contender.name) for contender in CONTENDERS} <= measured
    assert len(judge(costs)) == len(SESSION_TARGETS)


def test_sizes() -> None:
    """
    Reading and writing are measured with each size.
    """
    costs = list(measure_sizes(TINY, sizes=(100, 500)))
    assert [(cost.scenario, cost.case, cost.contender) for cost in costs] == [
        (scenario, size, contender.name)
        for scenario in ("read", "write")
        for size in ("100", "500")
        for contender in (OURS, STARLETTE)
    ]


def test_servers() -> None:
    """
    Each app is served and asked. (Of the servers, the tests have uvicorn.)
    """
    throughputs = list(measure_servers(TINY_LOAD, servers=["uvicorn"]))
    assert [(each.scenario, each.app) for each in throughputs] == [
        (scenario, app) for scenario in ("read", "write") for app in APPS
    ]
    assert all(each.median > 0 for each in throughputs)


def test_mounts() -> None:
    """
    A mounted app is asked for everything, by one client and by several.
    """
    callers = (MOUNTED, MOUNTED_SHARED, A2WSGI, PLAIN)
    costs = list(measure_mounts(TINY, callers, dict.fromkeys(CASES, 2)))
    assert [(cost.scenario, cost.case, cost.contender) for cost in costs] == [
        (visit.name, case, caller.name) for visit in VISITS for case in CASES for caller in callers
    ]
    assert all(0 < cost.lower <= cost.median <= cost.upper and cost.bare == 0 for cost in costs)
    assert len(judge(costs)) == len(MOUNT_TARGETS)


@needs("starsessions", "2.2.1", "before, its store closed all connections after each command")
def test_stores() -> None:
    """
    Everybody who keeps sessions in Redis is measured in every scenario, with one client and with several.
    """
    need("redis-server", package="redis-server")
    costs = list(measure_stores(TINY, cases=dict.fromkeys(CASES, 2)))
    measured = {(cost.scenario, cost.case, cost.contender) for cost in costs}
    assert len(measured) == len(costs)
    assert measured >= {
        (scenario.name, f"{payload}, {case}", contender)
        for scenario in STORE_SCENARIOS
        for payload in scenario.payloads
        for case in CASES
        for contender in (keepers.OURS, keepers.STARSESSIONS, keepers.FLASK_SESSION)
    }
    assert all(math.isfinite(cost.median) and cost.bare > 0 for cost in costs)
    assert len(judge(costs)) == len(STORE_TARGETS)


def test_mount_servers() -> None:
    """
    Each adapter is served and asked.
    """
    throughputs = list(measure_mount_servers(TINY_LOAD, ["uvicorn"], FEW_APPS))
    assert [(each.scenario, each.app) for each in throughputs] == [(SMALL.name, app) for app in FEW_APPS]
    assert all(each.median > 0 for each in throughputs)


@on_linux
def test_slow_readers() -> None:
    """
    A server is watched while somebody reads slowly, and what he has read so far is right.
    """
    (memory,) = measure_slow_readers(2, seconds=0.2, servers=["uvicorn"], mounts={MOUNTED.name: FEW_APPS[MOUNTED.name]})
    assert (memory.server, memory.app, memory.readers) == ("uvicorn", MOUNTED.name, 2)
    assert 1 <= memory.answered <= 2
    assert memory.idle_mb > 1
    assert memory.is_bounded


@on_linux
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
    assert (missed.target.ours, missed.is_met) == (OURS_WITHOUT_REFRESH.name, False)


def test_results_are_kept(tmp_path: Path) -> None:
    """
    What is saved is what is loaded, to the third digit; the tables show it.
    """
    results = Results(
        describe_environment(),
        [cost("untouched", OURS.name, 51.0), cost("untouched", STARLETTE.name, 100.0)],
        [Cost("read", "100", each.name, 1.0, 2.0, 3.0, 1.0, 10) for each in (OURS, STARLETTE)],
        [Throughput("uvicorn", "read", app, 900.0, 1000.0, 1100.0) for app in APPS],
        None,
        [Cost(SMALL.name, "16 at once", each.name, 1.0, 2.0, 3.0, 0.0, 10) for each in (MOUNTED, A2WSGI, PLAIN)],
        [Throughput("granian", SMALL.name, app, 900.0, 1000.0, 1100.0) for app in FEW_APPS],
        [Memory("uvicorn", app, 50, 10, 50.0, 120.5) for app in FEW_APPS],
        [
            StoreCost("Redis: read", "s, 16 at once", name, 1.0, median, 9.0, 1.0, 10, commands=("GET", "SET")[:count])
            for name, median, count in STORE_MEDIANS
        ],
    )
    results.save(tmp_path / "results.json")
    loaded = Results.load(tmp_path / "results.json")
    assert loaded == results
    page = "\n".join(table.to_markdown() for table in short_tables(loaded))
    assert "| untouched, s | Starlette | 0.50 | 0.51 | MISSED |" in page
    assert "| untouched, s | 51.0 | 100.0 |" in page
    assert "| uvicorn, read | 1,000 (900-1,100) |" in page
    assert "| small JSON, session read, 16 at once | a2wsgi | 0.50 | 1.00 | MISSED |" in page
    assert "| small JSON, session read, 16 at once | 2.0 | 2.0 | 2.0 |" in page
    assert "| granian, small JSON, session read | 1,000 (900-1,100) | 1,000 (900-1,100) | 1.00 |" in page
    assert "| Redis: read, s, 16 at once | 3.0 (1) | 4.0 (2) | 6.0 (2) | 0.75 | 0.50 |" in page
    assert "| Redis: read, s, 16 at once | starsessions | 0.60 | 0.75 | MISSED |" in page
    assert "| Redis: read, s, 16 at once | Flask-Session | 0.60 | 0.50 | met |" in page
    assert "| uvicorn, starlette-flask | 10 of 50 | 50 MB | +120 MB | MISSED |" in page
    assert "| uvicorn, a2wsgi | 10 of 50 | 50 MB | +120 MB |  |" in page
    titles = [table.title for table in full_tables(loaded)]
    assert (titles[0], len(titles)) == ("untouched", 8)
    [table] = [table for table in full_tables(loaded) if table.title == "Redis: read"]
    assert [row[0] for row in table.rows] == [
        "starlette-flask: GET",
        "starsessions: GET, SET",
        "Flask-Session: GET, SET",
    ]
