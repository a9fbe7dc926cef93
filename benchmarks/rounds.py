"""
How costs are compared: every contender in turn, again and again.

A *slice* is some milliseconds of one contender answering the same request. A *round* is one slice of
each contender. Whatever else the machine does meets all of them alike, so that the ratios of
their medians hold where the times themselves don't.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from statistics import quantiles
from time import perf_counter_ns

Clock = Callable[[int], float]
"""
Answers so many requests, and returns the nanoseconds that each took.
"""


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
    What a request costs a contender, in microseconds.

    Args:
        scenario: By name.
        case: In which case of it, by name: with which payload, with how many requests at once.
        contender: By name.
        lower: The lower quartile.
        median: The median.
        upper: The upper quartile.
        bare: What was taken off, the median of the contender's bare app; 0 where there is none.
        requests: How many are in a slice; of several clients at once, how many each of them sends.
        remark: In what the contender doesn't do what the scenario asks for; mostly empty.
    """

    scenario: str
    case: str
    contender: str
    lower: float
    median: float
    upper: float
    bare: float
    requests: int
    remark: str = ""


@dataclass
class Runner:
    """
    One contender in one case of a scenario, as `Cost` names them.

    Args:
        time: What is measured.
        requests: How many make a slice.
        slices: The microseconds for each request, slice by slice.
    """

    scenario: str
    case: str
    contender: str
    time: Clock
    remark: str = ""
    requests: int = 1
    slices: list[float] = field(default_factory=list)

    def calibrate(self, slice_ms: float) -> None:
        """
        Find how many requests make a slice, and warm up.
        """
        self.run()
        while (spent := self.requests * self.run()) < slice_ms * 250:
            self.requests *= 2
        self.requests = max(1, round(slice_ms * 1000 / min(spent / self.requests, *(self.run() for _ in range(2)))))
        self.run()

    def run(self) -> float:
        """
        Return the microseconds that a request took in a new slice.
        """
        gc.collect()
        gc.disable()
        try:
            return self.time(self.requests) / 1000
        finally:
            gc.enable()

    def cost(self, *, bare: float = 0.0) -> Cost:
        """
        Return what the slices say, less *bare*.
        """
        lower, middle, upper = (quartile - bare for quartile in quantiles(self.slices, method="inclusive"))
        return Cost(self.scenario, self.case, self.contender, lower, middle, upper, bare, self.requests, self.remark)


def take_turns(runners: Sequence[Runner], effort: Effort) -> None:
    """
    Give each runner its slices, round by round.
    """
    gc.collect()
    gc.freeze()  # collecting between the slices then looks at what these left, not at all modules again
    for runner in runners:
        runner.calibrate(effort.slice_ms)
    for _ in range(effort.rounds):
        for runner in runners:
            runner.slices.append(runner.run())
    gc.unfreeze()


def time_calls(call: Callable[[], object], times: int) -> float:
    """
    Return the nanoseconds that a call takes.
    """
    start = perf_counter_ns()
    for _ in repeat(None, times):
        call()
    return (perf_counter_ns() - start) / times


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
