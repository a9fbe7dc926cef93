"""
The results as tables, wherever these are shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.contenders import OURS, STARLETTE
from benchmarks.growth import Growth
from benchmarks.payloads import PAYLOADS, json_size
from benchmarks.results import Results
from benchmarks.servers import Throughput
from benchmarks.sessions import Cost
from benchmarks.targets import judge

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """
    A table; all of its columns but the first are aligned to the right.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def to_markdown(self) -> str:
        """
        Return the table below a heading.
        """
        rule = ["---", *("---:" for _ in self.columns[1:])]
        lines = ("| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows))
        return "\n".join([f"### {self.title}", "", *lines])


def full_tables(results: Results) -> Iterator[Table]:
    """
    Return the tables of all that was measured, with quartiles.
    """
    for scenario in _unique(cost.scenario for cost in results.sessions):
        yield _scenario_table([cost for cost in results.sessions if cost.scenario == scenario])
    yield from _other_tables(results)


def short_tables(results: Results) -> Iterator[Table]:
    """
    Return the same with one table, of medians, for all scenarios.
    """
    *others, targets = _other_tables(results)
    yield targets
    yield _median_table(results.sessions)
    yield from others


def _other_tables(results: Results) -> Iterator[Table]:
    if results.sizes:
        yield _size_table(results.sizes)
    if results.servers:
        yield _server_table(results.servers)
    if results.growth:
        yield _growth_table(results.growth)
    if results.sessions:
        yield _target_table(results.sessions)


def _scenario_table(costs: Sequence[Cost]) -> Table:
    payloads = _unique(cost.payload for cost in costs)
    by_key = {(cost.contender, cost.payload): cost for cost in costs}
    columns = ["net µs"]
    for payload in payloads:
        columns += [_described(payload), "quartiles", "ratio"]
    rows = []
    for contender in _unique(cost.contender for cost in costs):
        cells = [contender]
        for payload in payloads:
            cost = by_key[contender, payload]
            ratio = cost.median / by_key[STARLETTE.name, payload].median
            cells += [f"{cost.median:.1f}", f"{cost.lower:.1f}-{cost.upper:.1f}", f"{ratio:.2f}"]
        if cost.remark:
            cells[0] += f" ({cost.remark})"
        rows.append(cells)
    return Table(costs[0].scenario, columns, rows)


def _median_table(costs: Sequence[Cost]) -> Table:
    contenders = _unique(cost.contender for cost in costs)
    by_key = {(cost.scenario, cost.payload, cost.contender): cost for cost in costs}
    rows = []
    for scenario, payload in _unique((cost.scenario, cost.payload) for cost in costs):
        row = [f"{scenario}, {payload}"]
        for contender in contenders:
            found = by_key.get((scenario, payload, contender))
            row.append("" if found is None else f"{found.median:.1f}{'*' if found.remark else ''}")
        rows.append(row)
    return Table("What a session costs: µs for each request, net of the bare app", ["", *contenders], rows)


def _size_table(costs: Sequence[Cost]) -> Table:
    by_key = {(cost.scenario, cost.payload, cost.contender): cost.median for cost in costs}
    scenarios = _unique(cost.scenario for cost in costs)
    columns = ["bytes of JSON"]
    for scenario in scenarios:
        columns += [f"{scenario}: ours", "Starlette's", "ratio"]
    rows = []
    for size in _unique(cost.payload for cost in costs):
        row = [size]
        for scenario in scenarios:
            ours, other = (by_key[scenario, size, contender.name] for contender in (OURS, STARLETTE))
            row += [f"{ours:.1f}", f"{other:.1f}", f"{ours / other:.2f}"]
        rows.append(row)
    return Table("Cost against size: net µs", columns, rows)


def _server_table(throughputs: Sequence[Throughput]) -> Table:
    apps = _unique(each.app for each in throughputs)
    rows = []
    for server, scenario in _unique((each.server, each.scenario) for each in throughputs):
        found = {each.app: each for each in throughputs if (each.server, each.scenario) == (server, scenario)}
        cells = (f"{found[app].median:,.0f} ({found[app].lower:,.0f}-{found[app].upper:,.0f})" for app in apps)
        ratio = found[OURS.name].median / found[STARLETTE.name].median
        rows.append([f"{server}, {scenario}, s", *cells, f"{ratio:.2f}"])
    return Table("Whole server: requests per second (quartiles)", ["", *apps, "ours / Starlette's"], rows)


def _growth_table(growth: Growth) -> Table:
    rows = [
        [f"resident after {growth.requests // len(growth.resident_kb):,} requests", f"{growth.resident_kb[0]:,} KB"],
        [f"resident after {growth.requests:,} requests", f"{growth.resident_kb[-1]:,} KB"],
        ["grown", f"{growth.grown_kb:+,} KB, {'flat' if growth.is_flat else 'NOT FLAT'}"],
        [f"traced, kept of {growth.traced_requests:,} requests", f"{growth.traced_bytes:+,} bytes"],
        *(["where", place] for place in growth.traced_places),
    ]
    return Table("Memory", ["", ""], rows)


def _target_table(costs: Sequence[Cost]) -> Table:
    rows = []
    for verdict in judge(costs):
        target = verdict.target
        options = target.ours.name.partition(", ")[2]
        rows.append(
            [
                f"{target.scenario}, {target.payload}{f' ({options})' if options else ''}",
                target.other.name.removeprefix(f"{OURS.name}, "),
                f"{target.limit:.2f}{f' + {target.noise:.2f}' if target.noise else ''}",
                f"{verdict.ratio:.2f}",
                "met" if verdict.is_met else "MISSED",
            ]
        )
    return Table("Targets: ours / theirs, net medians of this run", ["", "compared with", "at most", "is", ""], rows)


def _described(payload: str) -> str:
    return f"{payload}, {json_size(PAYLOADS[payload]):,} B"


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
