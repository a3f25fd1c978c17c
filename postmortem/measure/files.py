"""Measures of the files themselves: how many are damaged, and how many checkpoints tell what."""

from __future__ import annotations

from collections.abc import Iterator

from postmortem.model import Measurement, Missing, RunData, counted


def measure_files(run: RunData) -> Iterator[Measurement | Missing]:
    """`files.damaged`: files that contradict their own format; items by path.

    An event file, or a history of Weights & Biases, whose last record is cut off is left out: writers append, and a file of a running or
    killed job ends in mid record.
    """
    appended = {file.name for file in run.files if file.role == "events" or file.name.endswith(".wandb")}
    damaged: dict[str, float] = {}
    for problem in run.problems:
        unfinished = problem.kind == "truncated" and problem.path in appended
        if problem.kind in ("truncated", "corrupt") and not unfinished:
            damaged[problem.path] = damaged.get(problem.path, 0.0) + 1
    looked = [file for file in run.files if file.role not in ("other",)]
    if not looked:
        yield Missing("files.damaged", "the run has no file of a known kind", "checkpoint")
        return
    yield Measurement("files.damaged", float(len(damaged)), "files", f"{counted(len(looked), 'file')} looked at", items=damaged)
