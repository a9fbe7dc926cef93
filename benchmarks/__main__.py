"""
The command line: ``python -m benchmarks``; ``scripts/bench`` runs it in an environment with everybody in it.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.chart import draw
from benchmarks.growth import measure_growth
from benchmarks.mounts import measure_mounts
from benchmarks.readers import measure_slow_readers
from benchmarks.redis_server import MissingServerError, find_redis
from benchmarks.report import Table, full_tables, short_tables
from benchmarks.results import Results, describe_environment
from benchmarks.rounds import Effort
from benchmarks.servers import Load, measure_mount_servers, measure_servers
from benchmarks.sessions import measure_scenarios, measure_sizes
from benchmarks.stores import measure_stores

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->\n"

T = TypeVar("T")


def main() -> None:
    """
    Measure, or read what was measured; show it, and keep it.
    """
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="What sessions and mounting cost, beside others."
    )
    parser.add_argument(
        "what",
        nargs="?",
        default="all",
        choices=("all", "sessions", "servers", "growth", "stores", "mounts", "report"),
        help="what to measure; report: nothing, show --out again (default: all)",
    )
    parser.add_argument("--quick", action="store_true", help="less of everything: to see it work, not to compare")
    parser.add_argument("--out", type=Path, default=HERE / "results.json", metavar="FILE", help="the JSON file")
    parser.add_argument("--docs", action="store_true", help="fill in docs/performance.md and draw its chart, too")
    arguments = parser.parse_args()

    if arguments.what in ("all", "stores"):
        try:
            find_redis()  # now, not after ten minutes
        except MissingServerError as exc:
            sys.exit(str(exc))
    console = Console()
    if arguments.what == "report":
        results = Results.load(arguments.out)
    else:
        results = _measure(arguments.what, arguments.quick, console)
        results.save(arguments.out)
    for table in full_tables(results):
        console.print(_rich(table))
    console.print(", ".join(f"{key} {value}" for key, value in results.environment.items()), highlight=False)
    if arguments.docs and not results.is_complete:
        sys.exit("docs/performance.md needs everything from one run; measure all")
    if arguments.docs:
        _write_page(results)


def _measure(what: str, is_quick: bool, console: Console) -> Results:
    effort = Effort(rounds=9, slice_ms=1) if is_quick else Effort()
    load = Load(rounds=3, requests=50) if is_quick else Load()
    # In a process that is young: what growth tells would drown in what the others leave.
    growth = None
    if what in ("all", "growth"):
        with console.status("growth: requests in one process, for a minute or so"):
            growth = measure_growth(20_000, traced_requests=5_000) if is_quick else measure_growth()
    sessions, sizes, servers, mounts, mount_servers, slow_readers, stores = [], [], [], [], [], [], []
    if what in ("all", "sessions"):
        sessions = _shown(console, "sessions: every contender in turn", measure_scenarios(effort))
        sizes = _shown(console, "sizes: from 100 B to 4 KB", measure_sizes(effort))
    if what in ("all", "servers"):
        servers = _shown(console, "servers: uvicorn, granian", measure_servers(load))
    if what in ("all", "stores"):
        stores = _shown(console, "stores: sessions in Redis", measure_stores(effort))
    if what in ("all", "mounts"):
        load = replace(load, requests=load.requests // 4)
        seconds = 1.0 if is_quick else 5.0
        mounts = _shown(console, "mounts: every adapter in turn", measure_mounts(effort))
        mount_servers = _shown(console, "mounts: uvicorn, granian", measure_mount_servers(load))
        slow_readers = _shown(console, "mounts: slow readers", measure_slow_readers(seconds=seconds))
    return Results(
        describe_environment(), sessions, sizes, servers, growth, mounts, mount_servers, slow_readers, stores
    )


def _shown(console: Console, what: str, measurements: Iterable[T]) -> list[T]:
    measured = []
    with console.status(what) as status:
        for measurement in measurements:
            measured.append(measurement)
            status.update(f"{what}, {len(measured)} done")
    return measured


def _rich(table: Table) -> RichTable:
    rich_table = RichTable(title=table.title, title_justify="left")
    for number, column in enumerate(table.columns):
        rich_table.add_column(column, justify="right" if number else "left")
    for row in table.rows:
        rich_table.add_row(*row, style="bold red" if row[-1] == "MISSED" else None)
    return rich_table


def _write_page(results: Results) -> None:
    environment = ", ".join(f"{key} {value}" for key, value in results.environment.items())
    tables = "\n\n".join(table.to_markdown() for table in short_tables(results))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\nMeasured with {environment}.\n\n{tables}\n\n{END}{after}")
    draw(results, PAGE.with_suffix(".svg"))


main()
