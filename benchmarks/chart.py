"""
The results as a picture: an SVG that is the same for the same results.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from benchmarks.contenders import OURS, OURS_WITHOUT_NESTED, STARLETTE
from benchmarks.payloads import PAYLOADS, json_size
from benchmarks.results import Results
from benchmarks.rounds import Cost

# Okabe and Ito's colours, which the colour-blind tell apart too; the shapes differ as well.
_STYLES = (
    ("#d55e00", "o"),
    ("#000000", "|"),
    ("#0072b2", "s"),
    ("#56b4e9", "D"),
    ("#009e73", "^"),
    ("#cc79a7", "v"),
    ("#e69f00", "P"),
    ("#d55e00", "*"),
)
_RATIOS = (0.1, 0.2, 0.5, 1, 2, 5, 10)


def draw(results: Results, path: Path) -> None:
    """
    Draw every scenario with payload s as a ratio to Starlette's, and the cost against the payload's size.
    """
    options: dict[Any, Any] = {
        "svg.hashsalt": "starlette-flask",  # instead of random identifiers
        "svg.fonttype": "none",  # text stays text
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(options):
        figure = Figure(figsize=(10, 5.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _draw_scenarios(left, [cost for cost in results.sessions if cost.case == "s" and not cost.remark])
        _draw_sizes(right, results.sizes)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _draw_scenarios(axes: Axes, costs: Sequence[Cost]) -> None:
    references = {cost.scenario: cost.median for cost in costs if cost.contender == STARLETTE.name}
    scenarios = list(references)
    contenders = dict.fromkeys(cost.contender for cost in costs if cost.contender != OURS_WITHOUT_NESTED.name)
    for contender, (color, marker) in zip(contenders, _STYLES, strict=False):
        points = [
            (cost.median / references[cost.scenario], scenarios.index(cost.scenario))
            for cost in costs
            if cost.contender == contender
        ]
        axes.plot(*zip(*points, strict=True), linestyle="", color=color, marker=marker, markersize=8, label=contender)
    axes.set_title(f"Cost of a session of {json_size(PAYLOADS['s'])} B: Starlette's is 1, less is better")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_RATIOS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(range(len(scenarios)), scenarios)
    axes.invert_yaxis()
    axes.grid(axis="both", color="#dddddd")
    axes.set_axisbelow(True)
    axes.axvline(1, color="#000000", linewidth=0.8)


def _draw_sizes(axes: Axes, costs: Sequence[Cost]) -> None:
    for contender, (color, marker) in zip((OURS.name, STARLETTE.name), _STYLES, strict=False):
        for scenario, line in (("read", "-"), ("write", "--")):
            points = [
                (int(cost.case), cost.median)
                for cost in costs
                if (cost.contender, cost.scenario) == (contender, scenario)
            ]
            label = f"{contender}, {scenario}"
            axes.plot(*zip(*points, strict=True), color=color, marker=marker, linestyle=line, label=label)
    axes.legend(frameon=False)
    axes.set_title("Cost against size")
    axes.set_xlabel("bytes of JSON")
    axes.set_ylabel("µs for each request, net of the bare app")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(color="#dddddd")
    axes.set_axisbelow(True)
