"""Puts the tables of one run together: one series a tag and split, whatever number of files it stands in, and each thing said once.

A trainer that writes its whole history beside each checkpoint leaves the same curve many times, ever longer; a resumed one goes on in a new
file; the environments of an agent have a file each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from postmortem.model import Series
from postmortem.read.tables.files import LogData
from postmortem.read.tables.json_documents import TRAINER_END, TRAINER_ENDS
from postmortem.read.tables.monitors import united_monitors
from postmortem.read.words import counted


def united(logs: Sequence[LogData]) -> LogData:
    """What all tables and settings of a run say together; settings files win over what stands in logs, later files over earlier ones."""
    notes = [note for log in logs for note in log.notes]
    states = sorted(
        (log for log in logs if log.kind == "trainer state"),
        key=lambda log: (_progress(log), log.hyperparameters.get(TRAINER_END) != TRAINER_ENDS[-1]),
    )
    others = [log for log in logs if log.kind != "trainer state"]
    if states:
        notes += _other_trainings(states)
    series, said = _joined(_with_monitors_united([*states[-1:], *others], notes))
    return LogData(
        series=series,
        hyperparameters={name: value for log in (*states, *others) for name, value in log.hyperparameters.items()},
        problems=tuple(problem for log in logs for problem in log.problems),
        notes=(*_folded(notes), *said),
        histograms=tuple(histogram for log in logs for histogram in log.histograms),
        resumes=tuple(resume for log in logs for resume in log.resumes),
    )


def _progress(state: LogData) -> float:
    """The step that a trainer had reached when it saved its state."""
    step = state.hyperparameters.get("global_step")
    return float(step) if isinstance(step, int | float) else max((float(series.steps[-1]) for series in state.series), default=0.0)


def _other_trainings(states: Sequence[LogData]) -> list[str]:
    """What is said of states whose history is not the beginning of the last one's: each state holds the whole history of its training."""
    last = {(series.tag, series.group): series for series in states[-1].series}
    strange: list[str] = []
    for state in states[:-1]:
        for series in state.series:
            longer = last.get((series.tag, series.group))
            if longer is not None and not _holds(longer, series):
                strange.append(series.source)
                break
    if not strange:
        return []
    more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
    kept = next(iter(last.values())).source
    return [f"{strange[0]}{more}: another history than {kept} tells: of another training, left aside"]


def _with_monitors_united(logs: Sequence[LogData], notes: list[str]) -> list[Series]:
    monitors: dict[tuple[str, str], list[LogData]] = defaultdict(list)
    found: list[Series] = []
    for log in logs:
        if log.kind == "monitor" and log.series:
            monitors[log.series[0].source.rpartition("/")[0], log.series[0].group].append(log)
        else:
            found.extend(log.series)
    for several in monitors.values():
        if len(several) > 1:
            notes.append(
                f"{several[0].series[0].source} and {len(several) - 1} more taken as environments of one agent: their steps are summed"
            )
        found.extend(united_monitors([log.series for log in several]) if len(several) > 1 else several[0].series)
    return found


def _joined(found: Iterable[Series]) -> tuple[tuple[Series, ...], list[str]]:
    """One series a tag and group, and what had to be left aside for it."""
    by_tag: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for series in found:
        by_tag[series.tag, series.group].append(series)
    united: list[Series] = []
    resumed: dict[str, int] = {}
    aside: dict[str, set[str]] = defaultdict(set)
    for several in by_tag.values():
        kept = several[0]
        for other in several[1:]:
            longer, shorter = (kept, other) if kept.steps.size >= other.steps.size else (other, kept)
            if _holds(longer, shorter):
                kept = longer
            elif _resumes(kept, other):
                replaced = int(np.count_nonzero(kept.steps >= other.steps[0]))
                resumed[other.source] = max(resumed.get(other.source, 0), replaced)
                kept = _continued(kept, other)
            else:
                aside[shorter.source].add(shorter.tag)
                kept = longer
        united.append(kept)
    said = [
        f"{source} resumes the run; {counted(count, 'earlier point')} of each curve gave way to its own"
        for source, count in resumed.items()
    ]
    for source, tags in aside.items():
        named = ", ".join(sorted(tags)[:3])
        said.append(f"{source}: {counted(len(tags), 'curve')} ({named}) left aside for a longer one of the same name in another file")
    return tuple(united), said


def _holds(longer: Series, shorter: Series) -> bool:
    """Whether the longer series has all points of the shorter one."""
    last = int(shorter.steps[-1])
    begin = int(np.searchsorted(longer.steps, shorter.steps[0], side="left"))
    end = int(np.searchsorted(longer.steps, last, side="right"))
    same_steps = np.isin(shorter.steps, longer.steps[begin:end]).all()
    if not same_steps:
        return False
    if end - begin == shorter.steps.size:
        return bool(np.allclose(longer.values[begin:end], shorter.values, rtol=1e-6, equal_nan=True))
    return shorter.steps.size == 1


def _resumes(earlier: Series, later: Series) -> bool:
    """Whether the later file goes on within or behind the earlier one, rather than at its beginning."""
    return bool(later.steps[0] > earlier.steps[0] and later.steps[-1] > earlier.steps[-1])


def _continued(earlier: Series, later: Series) -> Series:
    keep = earlier.steps < later.steps[0]
    return Series(
        earlier.tag,
        earlier.group,
        np.concatenate([earlier.steps[keep], later.steps]),
        np.concatenate([earlier.values[keep], later.values]),
        np.concatenate([earlier.wall_seconds[keep], later.wall_seconds]),
        f"{earlier.source}, {later.source}",
    )


def _folded(notes: Sequence[str]) -> list[str]:
    """Notes that differ in the file alone as one: a file a metric, or a state beside each checkpoint, says the same many times."""
    files: Mapping[str, list[str]] = defaultdict(list)
    for note in notes:
        name, _, said = note.partition(": ")
        files[said or note].append(name if said else "")
    return [_of_files(said, names) for said, names in files.items()]


def _of_files(said: str, names: Sequence[str]) -> str:
    named = [name for name in names if name]
    if not named:
        return said
    return f"{named[0]}: {said}" if len(named) == 1 else f"{named[0]} and {len(named) - 1} more: {said}"
