"""
What a long-lived process keeps of a million requests: nothing.

The visitors don't repeat themselves. Each write makes a cookie that nobody has seen before, and the
next requests come with it, or with a forged copy: whatever was kept for a cookie would add up.
"""

import gc
import os
import tracemalloc
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from benchmarks.contenders import OURS, forge, make_cookie
from benchmarks.handlers import drive
from benchmarks.payloads import PAYLOADS, SECRET_KEY, scope_with
from starlette_flask import SessionMiddleware

PROC = Path("/proc")
FLAT_KB = 512


@dataclass(frozen=True)
class Growth:
    """
    The memory of a process that answers requests.

    Args:
        requests: How many.
        resident_kb: The resident set at equal distances, the first time after some requests.
        traced_requests: How many more were answered while allocations were traced.
        traced_bytes: What these left behind.
        traced_places: Where most of it was allocated.
    """

    requests: int
    resident_kb: tuple[int, ...]
    traced_requests: int
    traced_bytes: int
    traced_places: tuple[str, ...]

    @property
    def grown_kb(self) -> int:
        """
        The last sample less the first.
        """
        return self.resident_kb[-1] - self.resident_kb[0]

    @property
    def is_flat(self) -> bool:
        """
        It has not grown by more than a page here and there.
        """
        return self.grown_kb <= FLAT_KB and self.traced_bytes / self.traced_requests < 1


def measure_growth(requests: int = 1_000_000, *, traced_requests: int = 50_000, samples: int = 10) -> Growth:
    """
    Answer *requests* in this process and watch its memory.
    """
    visitors = _Visitors()
    resident = []
    for _ in range(samples):
        visitors.send(requests // samples)
        resident.append(resident_kb(os.getpid()))

    tracemalloc.start()
    visitors.send(traced_requests // 10)  # what is allocated once: the free lists, the zlib objects
    before = _snapshot()
    visitors.send(traced_requests)
    after = _snapshot()
    tracemalloc.stop()
    itself = [tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)]
    growth = after.filter_traces(itself).compare_to(before.filter_traces(itself), "lineno")
    return Growth(
        requests,
        tuple(resident),
        traced_requests,
        sum(place.size_diff for place in growth),
        tuple(_told(place) for place in growth[:3] if place.size_diff > 0),
    )


def resident_kb(process_id: int) -> int:
    """
    Return the resident set of a process and its children.

    Raises:
        RuntimeError: This system doesn't tell the memory of a process in /proc.
    """
    if not PROC.exists():
        raise RuntimeError(f"{PROC} tells the memory of a process, but isn't there; measure it on Linux")
    process = PROC / str(process_id)
    pages = int((process / "statm").read_text().split()[1])
    children = [int(child) for file in process.glob("task/*/children") for child in file.read_text().split()]
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024 + sum(map(resident_kb, children))


class _Visitors:
    """
    An endless stream of requests to one app: read, write, forged, without a cookie.
    """

    def __init__(self) -> None:
        self._app = SessionMiddleware(self._view, secret_key=SECRET_KEY)
        self._cookie = make_cookie(OURS, PAYLOADS["s"]) or ""
        self._kinds = cycle(("read", "write", "forged", "none"))
        self._writes = 0

    def send(self, requests: int) -> None:
        """
        Let the app answer the next *requests*.
        """
        for kind in islice(self._kinds, requests):
            cookie = forge(self._cookie) if kind == "forged" else self._cookie
            scope = scope_with(None if kind == "none" else cookie)
            drive(self._app({**scope, "path": f"/{kind}"}, self._receive, self._receive_answer))

    async def _view(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = Request(scope).session
        if scope["path"] == "/write":
            self._writes += 1
            session["seen"] = self._writes
        elif session.get("_user_id") != ("42" if scope["path"] == "/read" else None):
            raise RuntimeError(f"{scope['path']}: the session is {dict(session)}")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def _receive(self) -> Message:
        return {"type": "http.request"}

    async def _receive_answer(self, message: Message) -> None:
        for name, value in message.get("headers", ()):
            if name == b"set-cookie":
                self._cookie = value.decode().partition(";")[0].partition("=")[2]


def _snapshot() -> tracemalloc.Snapshot:
    gc.collect()
    return tracemalloc.take_snapshot()


def _told(place: tracemalloc.StatisticDiff) -> str:
    frame = place.traceback[0]
    # Two parts of the path tell the module, on any machine.
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}: {place.size_diff:+} bytes"
