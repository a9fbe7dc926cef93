"""
How what needs an event loop is measured: a loop that runs all the time, on one core, and clients that ask at once.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import repeat
from threading import Thread
from time import perf_counter_ns
from typing import Any, TypeVar

CASES = {"one at a time": 1, "16 at once": 16}
"""
How many clients ask at once, by the names of the report.
"""
PATIENCE_SECONDS = 120

T = TypeVar("T")


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


def keep_off_that_core(process_id: int) -> None:
    """
    Let another process have all cores but that of `on_one_core`, if there are more.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(process_id, cores - {max(cores)} or cores)


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


def result_of(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """
    Run a coroutine on *loop*, which runs in another thread, and return its result.
    """
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(PATIENCE_SECONDS)


def time_clients(
    clients: Sequence[Callable[[], Awaitable[tuple[int, Any]]]], loop: asyncio.AbstractEventLoop, requests: int
) -> float:
    """
    Return the nanoseconds for each request when each of the clients sends so many, one after the other.

    Args:
        clients: Each sends a request, and returns the status of the answer with something else.
        loop: Where they do.
        requests: How many each of them sends.
    """

    async def ask_in_turn(ask: Callable[[], Awaitable[tuple[int, Any]]]) -> None:
        for _ in repeat(None, requests):
            status, _ = await ask()
            _expect(status)

    async def time() -> float:
        start = perf_counter_ns()
        await asyncio.gather(*map(ask_in_turn, clients))
        return (perf_counter_ns() - start) / (len(clients) * requests)

    return result_of(time(), loop)


def time_threads(clients: Sequence[Callable[[], tuple[int, Any]]], pool: Executor, requests: int) -> float:
    """
    Return the same, when each of the clients has a thread of its own.
    """

    def ask_in_turn(ask: Callable[[], tuple[int, Any]]) -> None:
        for _ in repeat(None, requests):
            status, _ = ask()
            _expect(status)

    start = perf_counter_ns()
    for _ in pool.map(ask_in_turn, clients, timeout=PATIENCE_SECONDS):
        pass
    return (perf_counter_ns() - start) / (len(clients) * requests)


def _expect(status: int) -> None:
    if status != 200:
        raise RuntimeError(f"a request is answered with {status}")
