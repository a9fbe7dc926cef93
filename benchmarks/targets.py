"""
What the measurements must show, as ratios of medians of one run.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks import keepers
from benchmarks.adapters import A2WSGI, MOUNTED, MOUNTED_SHARED, PLAIN
from benchmarks.contenders import OBVIOUS, OURS, OURS_WITHOUT_NESTED, OURS_WITHOUT_REFRESH, STARLETTE
from benchmarks.loops import CASES
from benchmarks.rounds import Cost
from benchmarks.visits import LARGE, SMALL


@dataclass(frozen=True)
class Target:
    """
    Ours may cost so much of what another's does.

    Args:
        scenario: By name.
        case: By name.
        limit: The highest ratio.
        ours: In which configuration, by the contender's name.
        other: Compared with whom, by name.
        noise: How far above the limit two equal costs may seem to be.
    """

    scenario: str
    case: str
    limit: float
    ours: str = OURS.name
    other: str = STARLETTE.name
    noise: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """
    A target, and what was measured.
    """

    target: Target
    ratio: float

    @property
    def is_met(self) -> bool:
        return self.ratio <= self.target.limit + self.target.noise


SESSION_TARGETS = (
    Target("no cookie", "s", 0.45),
    Target("untouched", "s", 0.50),
    Target("untouched", "s", 0.16, ours=OURS_WITHOUT_REFRESH.name),
    Target("untouched", "l", 0.06, ours=OURS_WITHOUT_REFRESH.name),
    Target("read", "s", 0.70),
    Target("read", "m", 0.85),
    Target("read", "s", 0.60, other=OBVIOUS.name),
    Target("write", "s", 0.90),
    Target("write", "m", 1.20),
    Target("write", "m", 0.50, other=OBVIOUS.name),
    Target("tampered", "s", 0.35),
    Target("expired", "s", 0.40),
    # A flat key of a session that also holds a large cart: watching for nested changes costs nothing.
    Target("read", "l", 1.00, other=OURS_WITHOUT_NESTED.name, noise=0.03),
)
MOUNT_TARGETS = (
    *(
        Target(SMALL.name, case, limit, ours.name, other.name)
        for ours in (MOUNTED, MOUNTED_SHARED)
        for case in CASES
        for other, limit in ((A2WSGI, 0.50), (PLAIN, 2.20))
    ),
    *(Target(visit.name, case, 1.00, other=A2WSGI.name, noise=0.05) for visit in LARGE for case in CASES),
)
STORE_TARGETS = tuple(
    Target(scenario, f"{payload}, {case}", 0.60, keepers.OURS, other)
    for scenario in ("Redis: read", "Redis: read, sliding expiry")
    for other in (keepers.STARSESSIONS, keepers.FLASK_SESSION)
    for payload in ("s", "m")
    for case in CASES
)
TARGETS = SESSION_TARGETS + MOUNT_TARGETS + STORE_TARGETS


def judge(costs: Iterable[Cost]) -> list[Verdict]:
    """
    Return a verdict for each target of which both sides were measured.
    """
    medians = {(cost.scenario, cost.case, cost.contender): cost.median for cost in costs}
    verdicts = []
    for target in TARGETS:
        ours, other = (medians.get((target.scenario, target.case, name)) for name in (target.ours, target.other))
        if ours is not None and other is not None:
            verdicts.append(Verdict(target, ours / other))
    return verdicts
