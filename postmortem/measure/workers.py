"""Work on many items, on all cores: in processes forked off this one where that is possible and worth it, in threads elsewhere.

A numpy call on a piece that fits the cache lasts some microseconds, and then wants the interpreter's lock back; threads spend much of
their time waiting for it. A forked process has a lock of its own and sees the same mapped files. It touches nothing but the memory that
it inherits: no other library, no stream, no lock of another thread; it ends without running anybody's cleaning up.
"""

from __future__ import annotations

import gc
import os
import pickle
import selectors
import signal
import struct
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NoReturn, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_PROCESSES, _MAX_THREADS = 8, 4
_FAILED = 70
"""Exit code of a child whose work raised (EX_SOFTWARE of sysexits.h)."""
_HEAD = struct.Struct("<QQ")
"""Number of an item and length of its result; or a count."""


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
    workers = _forked(work, items) if sys.platform == "linux" and min(cores(), len(items)) > 1 else []
    if not workers:
        yield from in_threads(work, items)
        return
    try:
        yield from _collected(workers, work, items)
    finally:
        for worker in workers:
            worker.end()


@dataclass(slots=True, eq=False)
class _Worker:
    """A child process, and the end of the pipe that its results come from."""

    process: int
    results: int
    pending: bytearray
    status: int | None = None

    def received(self) -> list[tuple[int, bytes]]:
        """What has come whole by now. Raises WorkerDiedError where the process ended in any way but its own."""
        block = os.read(self.results, 1 << 20)
        if not block:
            code = os.waitstatus_to_exitcode(self.wait())
            if code not in (0, _FAILED):
                raise WorkerDiedError(_obituary(code))
            return []
        self.pending += block
        found = []
        while len(self.pending) >= _HEAD.size:
            number, length = _HEAD.unpack_from(self.pending)
            if len(self.pending) < _HEAD.size + length:
                break
            found.append((number, bytes(self.pending[_HEAD.size : _HEAD.size + length])))
            del self.pending[: _HEAD.size + length]
        return found

    def wait(self) -> int:
        """How the process ended, once it has."""
        if self.status is None:
            self.status = os.waitpid(self.process, 0)[1]
        return self.status

    def end(self) -> None:
        """Now, whatever it does: it holds nothing that needs cleaning up."""
        if self.status is None:
            os.kill(self.process, signal.SIGKILL)
            self.wait()
        os.close(self.results)


def _obituary(code: int) -> str:
    if code > 0:
        return f"a process that read checkpoints ended by itself (exit code {code}) before its work was done"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    why = {
        "SIGBUS": ": a file became shorter while it was read, or its disk failed",
        "SIGKILL": ": it was killed, as happens where memory runs out",
    }.get(name, "")
    return f"a process that read checkpoints died of {name}{why}"


def _forked(work: Callable[[Item], Result], items: Sequence[Item]) -> list[_Worker]:
    """Processes that share the items among them; none where the system gives none."""
    tickets, counter = os.pipe()
    # The pipe holds the number of the next item: who reads it has the turn, and writes the number after it at once.
    os.write(counter, _HEAD.pack(0, 0))
    workers: list[_Worker] = []
    # An interrupt between the fork and the child's first line would send the child up this process's stack.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(min(_MAX_PROCESSES, cores(), len(items))):
            receiver, sender = os.pipe()
            try:
                process = _fork()
            except OSError:
                os.close(receiver)
                os.close(sender)
                break
            if process == 0:
                _serve(work, items, tickets, counter, sender, [receiver, *(worker.results for worker in workers)])
            os.close(sender)
            workers.append(_Worker(process, receiver, bytearray()))
    finally:
        os.close(tickets)
        os.close(counter)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return workers


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of every fork beside threads, BLAS's sleeping ones among them; see the module's text for why it is safe here.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _serve(
    work: Callable[[Item], Result], items: Sequence[Item], tickets: int, counter: int, sender: int, foreign: Sequence[int]
) -> NoReturn:
    """The life of a child: take the next number, do its work, send the result. It leaves by the emergency exit only."""
    code = _FAILED
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends its children
        gc.disable()  # a collection would copy every page that it marks
        for end in foreign:  # with these closed, a write fails once the parent is gone
            os.close(end)
        while True:
            number, _ = _HEAD.unpack(os.read(tickets, _HEAD.size))
            os.write(counter, _HEAD.pack(number + 1, 0))
            if number >= len(items):
                code = 0
                break
            result = pickle.dumps(work(items[number]), pickle.HIGHEST_PROTOCOL)
            message = memoryview(_HEAD.pack(number, len(result)) + result)
            while message:
                message = message[os.write(sender, message) :]
    finally:
        os._exit(code)


def _collected(workers: Sequence[_Worker], work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results in the order of their numbers."""
    early: dict[int, bytes] = {}
    following = 0
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.results, selectors.EVENT_READ, worker)
        while following < len(items):
            if not selector.get_map():
                # An error of Python ended one of them, and the others did what was left: met again here, it can be raised.
                yield from map(work, items[following:])
                return
            for key, _ in selector.select():
                sender: _Worker = key.data
                early.update(sender.received())
                if sender.status is not None:
                    selector.unregister(sender.results)
            while following in early:
                yield pickle.loads(early.pop(following))
                following += 1
