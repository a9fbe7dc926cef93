"""
The threads that run a WSGI app.
"""

import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread

Job = Callable[[], None]


class Workers:
    """
    A bounded number of threads, started as they are needed, which end when nobody holds this object any more.

    They are daemons: a job that hangs doesn't keep the process from exiting, as it would with
    ``concurrent.futures.ThreadPoolExecutor``, which joins its threads.

    Args:
        limit: How many at most. Further jobs wait, first come, first served.
        name: Of the threads; ``_0``, ``_1`` ... are appended.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._count = 0
        self._starting = Lock()
        self._idle = Semaphore(0)
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        weakref.finalize(self, self._jobs.put, None)

    def submit(self, job: Job) -> None:
        """
        Let a thread run *job*, which must not raise.

        Raises:
            RuntimeError: There is no thread, and none can be started.
        """
        with self._starting:
            if not self._idle.acquire(blocking=False) and self._count < self._limit:
                self._start_thread()
        self._jobs.put(job)

    def _start_thread(self) -> None:
        name = f"{self._name}_{self._count}"
        try:
            Thread(target=_work, args=(self._jobs, self._idle), name=name, daemon=True).start()
        except RuntimeError:  # the system has none left; those that are there will do
            if self._count == 0:
                raise
        else:
            self._count += 1


def _work(jobs: "SimpleQueue[Job | None]", idle: Semaphore) -> None:
    # No reference to the Workers object, so that it can go.
    while True:
        job = jobs.get()
        if job is None:
            jobs.put(None)  # for the next thread
            return
        job()
        del job  # or it would live until the next one comes
        idle.release()
