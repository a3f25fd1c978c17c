"""Work shared among forked processes and threads."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from postmortem.measure import workers
from postmortem.measure.workers import WorkerDiedError, in_processes, in_threads

forked = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setattr(workers, "cores", lambda: 2)


def children() -> list[str]:
    """Processes that this one still has to wait for."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.parametrize("share", [in_processes, in_threads])
@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_results_come_in_the_order_of_the_items(share: Callable[..., Iterator[bytes]], count: int) -> None:
    """However the items are shared out, and however large a result is."""

    def work(item: int) -> bytes:
        return bytes([item % 251]) * (200_000 if item % 100 == 7 else item)

    assert list(share(work, range(count))) == [work(item) for item in range(count)]


@forked
def test_the_work_is_done_in_other_processes() -> None:
    """Two of them, and none is left when all is done."""
    found = set(in_processes(lambda item: os.getpid(), range(200)))
    assert os.getpid() not in found and 1 <= len(found) <= 2
    assert not children()


@forked
@pytest.mark.parametrize("bad", [signal.SIGKILL, signal.SIGBUS, signal.SIGSEGV])
def test_a_killed_process_is_an_error(bad: signal.Signals) -> None:
    """Neither a hang nor a silent gap: the reader is told, and why it happens."""

    def work(item: int) -> int:
        if item == 20:
            faulthandler.disable()  # pytest's, which would print the child's stack
            os.kill(os.getpid(), bad)
        return item

    with pytest.raises(WorkerDiedError, match="was killed, as happens where memory ran out, or a file became shorter"):
        list(in_processes(work, range(40)))
    assert not children()


@forked
def test_an_error_of_the_work_is_raised_here() -> None:
    """With its own type and text, after the results before it."""

    def work(item: int) -> int:
        if item == 30:
            raise ValueError("the thirtieth")
        return item

    found = []
    with pytest.raises(ValueError, match="the thirtieth"):
        for result in in_processes(work, range(60)):
            found.append(result)  # noqa: PERF402 - what came before the error counts
    assert found == list(range(30))
    assert not children()


@forked
def test_leaving_early_ends_the_processes() -> None:
    """An interrupt, or a reader who has seen enough, leaves nothing behind."""
    results = in_processes(lambda item: item, range(1000))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not children()


@forked
def test_without_a_process_to_be_had_threads_do_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system refuses to fork, nothing is lost but time."""

    def refuse() -> int:
        raise OSError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    assert list(in_processes(lambda item: (item, os.getpid()), range(20))) == [(item, os.getpid()) for item in range(20)]


def _all(items: Sequence[int]) -> list[int]:
    return list(in_processes(lambda item: item, items))


def test_one_core_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the work is done where it is asked for."""
    monkeypatch.setattr(workers, "cores", lambda: 1)
    assert set(in_processes(lambda item: os.getpid(), range(5))) == {os.getpid()}
    assert _all(range(3)) == [0, 1, 2]
