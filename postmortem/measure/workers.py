"""Work on many items, on all cores: in processes forked off this one where that is possible and worth it, in threads elsewhere.

A numpy call on a piece that fits the cache lasts some microseconds, and then wants the interpreter's lock back; threads spend much of
their time waiting for it. A forked process has a lock of its own and sees the same mapped files. It touches nothing but the memory that
it inherits.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_PROCESSES, _MAX_THREADS = 8, 4
_AHEAD = 4
"""Items for each process that are under way or waiting: enough to keep it busy, and few to wait for when all is called off."""


class WorkerDiedError(RuntimeError):
    """A process that worked for this one ended before its work was done."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results in the order of the items."""
    threads = min(_MAX_THREADS, cores(), len(items))
    if threads < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, items)


def in_processes(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results in the order of the items, from processes where this system forks them well, else from threads.

    Whatever ends the iteration ends the processes. Raises what `work` raises, and WorkerDiedError where a process was killed.
    """
    processes = min(_MAX_PROCESSES, cores(), len(items))
    if sys.platform != "linux" or processes < 2:
        yield from in_threads(work, items)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # The job reaches a child through the fork alone: mapped files cannot be sent, and need not be.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("fork"), initializer=_take, initargs=(work, items))
    try:
        pending = _first(pool, min(len(items), _AHEAD * processes))
        if not pending:
            yield from in_threads(work, items)
            return
        for index in range(len(items)):
            result: Result = pending.popleft().result()
            following = index + _AHEAD * processes
            if following < len(items):
                pending.append(pool.submit(_work, following))
            yield result
    except BrokenProcessPool as error:
        why = "memory ran out, or a file became shorter while it was read"
        raise WorkerDiedError(f"a process that read checkpoints was killed, as happens where {why}") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _first(pool: Executor, count: int) -> deque[Future[Any]]:
    """The first items under way; none where the system gives no process."""
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads, BLAS's sleeping ones among them. A child uses numpy on what it inherits only.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return deque(pool.submit(_work, index) for index in range(count))
        except OSError:
            return deque()


_job: tuple[Callable[[Any], Any], Sequence[Any]] | None = None
"""A child's only job, from its first moment on; never set in the parent."""


def _take(work: Callable[[Any], Any], items: Sequence[Any]) -> None:
    global _job
    _job = work, items
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its children
    gc.disable()  # a collection would copy every page that it marks


def _work(index: int) -> Any:
    assert _job is not None
    work, items = _job
    return work(items[index])
