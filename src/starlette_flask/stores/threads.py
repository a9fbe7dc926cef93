"""
Threads for stores whose clients wait.
"""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")

# Not those in which Starlette runs an app's plain functions: these may all be busy, while the store has time.
_LIMITER: RunVar[anyio.CapacityLimiter] = RunVar("starlette_flask.stores")
_MOST = 40


async def in_thread(function: Callable[[], T]) -> T:
    """
    Call *function* in a thread. Whoever is cancelled doesn't wait for it.
    """
    limiter = _LIMITER.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(_MOST)
        _LIMITER.set(limiter)
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=limiter)
