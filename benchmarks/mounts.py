"""
What a mounted Flask app costs in one process, beside the same app called directly.
"""

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from threading import Thread
from time import perf_counter_ns
from typing import Any, TypeVar

from benchmarks.adapters import CALLERS, Answer, Ask, Caller
from benchmarks.contenders import OURS, make_cookie
from benchmarks.payloads import PAYLOADS
from benchmarks.rounds import Cost, Effort, Runner, settle_allocator, take_turns
from benchmarks.visits import DIGEST, VISITS, Visit, whose_session

CASES = {"one at a time": 1, "16 at once": 16}
"""
How many clients ask at once, by the names of the report.
"""
PATIENCE_SECONDS = 120

T = TypeVar("T")


def measure_mounts(
    effort: Effort, callers: Sequence[Caller] = CALLERS, cases: Mapping[str, int] = CASES
) -> Iterator[Cost]:
    """
    Measure every caller with each kind of request.
    """
    settle_allocator()
    cookie = make_cookie(OURS, PAYLOADS["s"])
    with on_one_core(), running_loop() as loop:
        for caller in callers:
            for visit in (DIGEST, whose_session(caller.session_from)):
                check(caller, visit, cookie, loop)
        for visit in VISITS:
            for case, clients in cases.items():
                runners = []
                for caller in callers:
                    check(caller, visit, cookie, loop, clients)
                    clock = partial(_time, caller.asker(visit, cookie), clients, loop)
                    runners.append(Runner(visit.name, case, caller.name, clock))
                take_turns(runners, effort)
                yield from (runner.cost() for runner in runners)


@contextmanager
def on_one_core() -> Iterator[None]:
    """
    Keep this thread, and those that it starts, on one core of the machine, where the system can.

    Of Python's threads one runs at a time anyway. With more cores, what a hop to another thread takes depends on
    where the two happen to live: the same contender is twice as slow in one run, from beginning to end, as in another.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """
    Run an event loop in a thread until the end, as a server does: what is kept for a loop outlives a slice.
    """
    loop, end = asyncio.new_event_loop(), asyncio.Event()
    thread = Thread(target=loop.run_until_complete, args=[end.wait()])
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def check(caller: Caller, visit: Visit, cookie: str | None, loop: asyncio.AbstractEventLoop, clients: int = 1) -> None:
    """
    See that each of so many *clients*, who ask at once, gets the right answer.

    Raises:
        RuntimeError: One doesn't, and the time of it would say nothing.
    """
    ask = caller.asker(visit, cookie)

    async def ask_at_once() -> list[Answer]:
        return await asyncio.gather(*(ask() for _ in range(clients)))

    for status, chunks in _result(ask_at_once(), loop):
        body = b"".join(chunks)
        if (status, body) != (200, visit.answer):
            raise RuntimeError(f"{caller.name}, {visit.name}: answers {status} with {len(body)} bytes, {body[:80]!r}")


def _time(ask: Ask, clients: int, loop: asyncio.AbstractEventLoop, requests: int) -> float:
    """
    Return the nanoseconds for each request when each of the *clients* sends so many, one after the other.
    """

    async def ask_in_turn() -> None:
        for _ in repeat(None, requests):
            status, _ = await ask()
            if status != 200:
                raise RuntimeError(f"a request is answered with {status}")

    async def time() -> float:
        start = perf_counter_ns()
        await asyncio.gather(*(ask_in_turn() for _ in range(clients)))
        return (perf_counter_ns() - start) / (clients * requests)

    return _result(time(), loop)


def _result(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_SECONDS)
