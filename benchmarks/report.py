"""
The results as tables, wherever these are shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks import keepers
from benchmarks.adapters import A2WSGI, PLAIN
from benchmarks.contenders import OURS, STARLETTE
from benchmarks.growth import Growth
from benchmarks.payloads import PAYLOADS, json_size
from benchmarks.readers import LIMIT_MB, Memory
from benchmarks.results import Results
from benchmarks.rounds import Cost
from benchmarks.servers import Throughput
from benchmarks.stores import StoreCost
from benchmarks.visits import FILM_BYTES

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
    for costs in _by_scenario(results.sessions):
        yield _scenario_table(costs, "net µs", STARLETTE.name)
    yield from _session_tables(results)
    for costs in _by_scenario(results.stores):
        for payload in PAYLOADS:  # of both, nobody's terminal is wide enough
            if part := [cost for cost in costs if cost.case.startswith(f"{payload}, ")]:
                yield _scenario_table(part, "net µs", keepers.STARSESSIONS)
    for costs in _by_scenario(results.mounts):
        yield _scenario_table(costs, "µs", PLAIN.name)
    yield from _mount_tables(results)
    yield _target_table(results)


def short_tables(results: Results) -> Iterator[Table]:
    """
    Return the same with one table, of medians, for all scenarios of a kind.
    """
    yield _target_table(results)
    yield _median_table("What a session costs: µs for each request, net of the bare app", results.sessions)
    yield from _session_tables(results)
    if results.stores:
        yield _store_table(results.stores)
    yield _median_table("What a mounted Flask app costs: µs for each request", results.mounts)
    yield from _mount_tables(results)


def _session_tables(results: Results) -> Iterator[Table]:
    if results.sizes:
        yield _size_table(results.sizes)
    if results.servers:
        yield _server_table("Whole server, session s", results.servers, STARLETTE.name)
    if results.growth:
        yield _growth_table(results.growth)


def _mount_tables(results: Results) -> Iterator[Table]:
    if results.mount_servers:
        yield _server_table("Whole server, mounted Flask app", results.mount_servers, A2WSGI.name)
    if results.slow_readers:
        yield _memory_table(results.slow_readers)


def _scenario_table(costs: Sequence[Cost], unit: str, reference: str) -> Table:
    cases = _unique(cost.case for cost in costs)
    by_key = {(cost.contender, cost.case): cost for cost in costs}
    columns = [unit]
    for case in cases:
        columns += [_described(case), "quartiles", "ratio"]
    rows = []
    for contender in _unique(cost.contender for cost in costs):
        cells = [contender]
        for case in cases:
            cost = by_key[contender, case]
            ratio = cost.median / by_key[reference, case].median
            cells += [f"{cost.median:.1f}", f"{cost.lower:.1f}-{cost.upper:.1f}", f"{ratio:.2f}"]
        if isinstance(cost, StoreCost) and cost.commands:
            cells[0] += f": {', '.join(cost.commands)}"
        if cost.remark:
            cells[0] += f" ({cost.remark})"
        rows.append(cells)
    return Table(costs[0].scenario, columns, rows)


def _median_table(title: str, costs: Sequence[Cost]) -> Table:
    contenders = _unique(cost.contender for cost in costs)
    by_key = {(cost.scenario, cost.case, cost.contender): cost for cost in costs}
    rows = []
    for scenario, case in _unique((cost.scenario, cost.case) for cost in costs):
        row = [f"{scenario}, {case}"]
        for contender in contenders:
            found = by_key.get((scenario, case, contender))
            row.append("" if found is None else f"{found.median:.1f}{'*' if found.remark else ''}")
        rows.append(row)
    return Table(title, ["", *contenders], rows)


def _store_table(costs: Sequence[StoreCost]) -> Table:
    contenders = _unique(cost.contender for cost in costs)
    others = (keepers.STARSESSIONS, keepers.FLASK_SESSION)
    rows = []
    for scenario, case in _unique((cost.scenario, cost.case) for cost in costs):
        found = {cost.contender: cost for cost in costs if (cost.scenario, cost.case) == (scenario, case)}
        row = [f"{scenario}, {case}"]
        for contender in contenders:
            cost = found.get(contender)
            row.append("" if cost is None else f"{cost.median:.1f} ({len(cost.commands)}){'*' if cost.remark else ''}")
        row += [f"{found[keepers.OURS].median / found[other].median:.2f}" for other in others]
        rows.append(row)
    columns = ["", *contenders, *(f"ours / {other}'s" for other in others)]
    title = "What a session in Redis costs: µs for each request, net of the bare app (and commands sent to Redis)"
    return Table(title, columns, rows)


def _size_table(costs: Sequence[Cost]) -> Table:
    by_key = {(cost.scenario, cost.case, cost.contender): cost.median for cost in costs}
    scenarios = _unique(cost.scenario for cost in costs)
    columns = ["bytes of JSON"]
    for scenario in scenarios:
        columns += [f"{scenario}: ours", "Starlette's", "ratio"]
    rows = []
    for size in _unique(cost.case for cost in costs):
        row = [size]
        for scenario in scenarios:
            ours, other = (by_key[scenario, size, contender.name] for contender in (OURS, STARLETTE))
            row += [f"{ours:.1f}", f"{other:.1f}", f"{ours / other:.2f}"]
        rows.append(row)
    return Table("Cost against size: net µs", columns, rows)


def _server_table(title: str, throughputs: Sequence[Throughput], other: str) -> Table:
    apps = _unique(each.app for each in throughputs)
    rows = []
    for server, scenario in _unique((each.server, each.scenario) for each in throughputs):
        found = {each.app: each for each in throughputs if (each.server, each.scenario) == (server, scenario)}
        cells = (f"{found[app].median:,.0f} ({found[app].lower:,.0f}-{found[app].upper:,.0f})" for app in apps)
        rows.append([f"{server}, {scenario}", *cells, f"{found[OURS.name].median / found[other].median:.2f}"])
    return Table(f"{title}: requests per second (quartiles)", ["", *apps, f"ours / {other}'s"], rows)


def _growth_table(growth: Growth) -> Table:
    rows = [
        [f"resident after {growth.requests // len(growth.resident_kb):,} requests", f"{growth.resident_kb[0]:,} KB"],
        [f"resident after {growth.requests:,} requests", f"{growth.resident_kb[-1]:,} KB"],
        ["grown", f"{growth.grown_kb:+,} KB, {'flat' if growth.is_flat else 'NOT FLAT'}"],
        [f"traced, kept of {growth.traced_requests:,} requests", f"{growth.traced_bytes:+,} bytes"],
        *(["where", place] for place in growth.traced_places),
    ]
    return Table("Memory", ["", ""], rows)


def _memory_table(memories: Sequence[Memory]) -> Table:
    readers = memories[0].readers
    rows = []
    for each in memories:
        verdict = "" if OURS.name not in each.app else "met" if each.is_bounded else "MISSED"
        cells = [f"{each.answered} of {readers}", f"{each.idle_mb:.0f} MB", f"+{each.grown_mb:.0f} MB", verdict]
        rows.append([f"{each.server}, {each.app}", *cells])
    columns = ["", "being answered", "before", "at most", f"target: +{LIMIT_MB} MB"]
    return Table(f"Memory of a server with {readers} slow readers of {FILM_BYTES >> 20} MB", columns, rows)


def _target_table(results: Results) -> Table:
    rows = []
    for verdict in results.verdicts:
        target = verdict.target
        options = target.ours.partition(", ")[2]
        rows.append(
            [
                f"{target.scenario}, {target.case}{f' ({options})' if options else ''}",
                target.other.removeprefix(f"{OURS.name}, "),
                f"{target.limit:.2f}{f' + {target.noise:.2f}' if target.noise else ''}",
                f"{verdict.ratio:.2f}",
                "met" if verdict.is_met else "MISSED",
            ]
        )
    columns = ["", "compared with", "at most", "is", ""]
    return Table("Targets: ours / theirs, medians of this run; of sessions, net", columns, rows)


def _by_scenario(costs: Sequence[Cost]) -> Iterator[list[Cost]]:
    for scenario in _unique(cost.scenario for cost in costs):
        yield [cost for cost in costs if cost.scenario == scenario]


def _described(case: str) -> str:
    return f"{case}, {json_size(PAYLOADS[case]):,} B" if case in PAYLOADS else case


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
