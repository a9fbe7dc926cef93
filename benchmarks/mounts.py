"""
What a mounted Flask app costs in one process, beside the same app called directly.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from benchmarks.adapters import CALLERS, Answer, Caller
from benchmarks.contenders import OURS, make_cookie
from benchmarks.loops import CASES, on_one_core, result_of, running_loop, time_clients
from benchmarks.payloads import PAYLOADS
from benchmarks.rounds import Cost, Effort, Runner, settle_allocator, take_turns
from benchmarks.visits import DIGEST, VISITS, Visit, whose_session


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
                    clock = partial(time_clients, [caller.asker(visit, cookie)] * clients, loop)
                    runners.append(Runner(visit.name, case, caller.name, clock))
                take_turns(runners, effort)
                yield from (runner.cost() for runner in runners)


def check(caller: Caller, visit: Visit, cookie: str | None, loop: asyncio.AbstractEventLoop, clients: int = 1) -> None:
    """
    See that each of so many *clients*, who ask at once, gets the right answer.

    Raises:
        RuntimeError: One doesn't, and the time of it would say nothing.
    """
    ask = caller.asker(visit, cookie)

    async def ask_at_once() -> list[Answer]:
        return await asyncio.gather(*(ask() for _ in range(clients)))

    for status, chunks in result_of(ask_at_once(), loop):
        body = b"".join(chunks)
        if (status, body) != (200, visit.answer):
            raise RuntimeError(f"{caller.name}, {visit.name}: answers {status} with {len(body)} bytes, {body[:80]!r}")
