"""Tells the trainings in several event files apart, and joins the files of one training into series.

In every folder with several event files that was surveyed the steps restart: a run that was resumed, or several runs. Putting their
points in one line invents spikes; so a resumed run's later file wins from its first step on, and separate runs stay separate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from postmortem.model import FoundFile, Histogram, LoggedImages, Plain, Problem, ProblemKind, Resume, Series
from postmortem.read.restarts import begins_anew, interval

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class HistogramPoint(NamedTuple):
    """One histogram of one tag."""

    step: int
    limits: Floats
    """Upper limit of each bucket."""
    counts: Floats
    minimum: float
    maximum: float
    record: int
    """Number of the record in its file."""


_FEWEST_POINTS = 3  # a fall of the step that fewer points stand behind is a straggler, no restart
_LARGEST_STEP = 2**53  # no counter; sums of such numbers run over
_UNORDERED_SHARE = 0.1  # a tag whose step falls back more often than this is written out of order


class Column(NamedTuple):
    """One tag of one file, in the order of writing."""

    steps: Ints
    values: Floats
    wall_seconds: Floats
    order: Ints
    """Number of the record in its file."""

    def keep(self, mask: NDArray[np.bool_] | Ints) -> Column:
        """The points that the mask or index selects."""
        return Column(self.steps[mask], self.values[mask], self.wall_seconds[mask], self.order[mask])


@dataclass(frozen=True, slots=True, eq=False)
class EventFile:
    """What one event file, or one training's part of it, holds."""

    file: FoundFile
    columns: Mapping[str, Column]
    histograms: Mapping[str, list[HistogramPoint]]
    hyperparameters: Mapping[str, Plain]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    started: float = float("nan")
    ended: float = float("nan")
    images: tuple[LoggedImages, ...] = ()

    def with_problem(self, kind: ProblemKind, detail: str) -> EventFile:
        """The same, and a problem of its file."""
        return replace(self, problems=(*self.problems, Problem(self.file.name, kind, detail)))

    @property
    def folder(self) -> str:
        """The file's folder within its run; empty for the run's own folder."""
        return self.file.name.rpartition("/")[0]


@dataclass(frozen=True, slots=True, eq=False)
class United:
    """The files of one training, joined."""

    series: tuple[Series, ...]
    histograms: tuple[Histogram, ...]
    hyperparameters: dict[str, Plain]
    notes: tuple[str, ...]
    resumes: tuple[Resume, ...] = ()


# --- within one file --------------------------------------------------------------------------------------------------


def segments(file: EventFile) -> list[EventFile]:
    """The file cut where its steps begin anew for all tags that write on both sides: one writer used for several trainings.

    A tag whose step alone falls back (a batch number that begins anew each epoch) is no such cut: `unite` puts it in order of writing.
    """
    falls = {tag: _falls(column) for tag, column in file.columns.items()}
    fallen = [tag for tag in falls if falls[tag]]
    if not fallen:
        return [file]
    main = max(fallen, key=lambda tag: len(file.columns[tag].steps))
    recorded = np.unique(np.concatenate([np.array(records, dtype=np.int64) for records in falls.values()]))
    cuts = [_first_of_round(cut, file.columns[main], recorded) for cut in _where_all_fall(file, falls[main])]
    if not cuts or _goes_on(file.columns[main], cuts):
        return [file]
    return _cut(file, cuts)


def _falls(column: Column) -> list[int]:
    """Record numbers at which the step falls back and runs over points again."""
    steps = column.steps
    at = np.flatnonzero(np.diff(steps) < 0) + 1
    if at.size == 0 or at.size > max(1, _UNORDERED_SHARE * steps.size):
        return []
    borders = [0, *at.tolist(), steps.size]
    return [
        int(column.order[begin])
        for before, begin, end in zip(borders, borders[1:], borders[2:], strict=False)
        if end - begin >= _FEWEST_POINTS and np.count_nonzero(steps[before:begin] >= steps[begin]) >= _FEWEST_POINTS
    ]


def _first_of_round(cut: int, main: Column, recorded: Ints) -> int:
    """The record at which the first tag falls, where tags are written one after the other and `main` is not the first of them.

    `recorded` are the records at which any tag falls, ascending, `cut` among them.
    """
    before = int(main.order[np.searchsorted(main.order, cut) - 1])
    return int(recorded[np.searchsorted(recorded, before, side="right")])


def _where_all_fall(file: EventFile, cuts: Sequence[int]) -> list[int]:
    """Those records at which every tag with points on both sides steps back."""
    records = np.array(cuts, dtype=np.int64)
    fall = np.ones(records.size, dtype=np.bool_)
    for column in file.columns.values():
        border = np.searchsorted(column.order, records)
        both = np.flatnonzero((border > 0) & (border < column.order.size))
        fall[both] &= column.steps[border[both]] <= np.maximum.accumulate(column.steps)[border[both] - 1]
    return [int(record) for record in records[fall]]


def _goes_on(column: Column, cuts: Sequence[int]) -> bool:
    """Whether values go on across the cuts, as from epoch to epoch, rather than back to where the first part began, as a fresh run does."""
    borders = [0, *np.searchsorted(column.order, cuts).tolist(), column.order.size]
    parts = [column.values[begin:end] for begin, end in pairwise(borders)]
    heads = [float(np.median(part[: max(1, part.size // 10)])) for part in parts]
    tails = [float(np.median(part[-max(1, part.size // 10) :])) for part in parts]
    on = sum(abs(head - tail) < abs(head - heads[0]) for head, tail in zip(heads[1:], tails[:-1], strict=True))
    return 2 * on > len(cuts)


def _cut(file: EventFile, cuts: Sequence[int]) -> list[EventFile]:
    borders = [0, *cuts, np.iinfo(np.int64).max]
    parts: list[EventFile] = []
    for index, (begin, end) in enumerate(pairwise(borders)):
        columns = {tag: column.keep((column.order >= begin) & (column.order < end)) for tag, column in file.columns.items()}
        columns = {tag: column for tag, column in columns.items() if column.steps.size}
        walls = np.concatenate([column.wall_seconds for column in columns.values()])
        parts.append(
            EventFile(
                file=file.file,
                columns=columns,
                histograms={
                    tag: mine
                    for tag, points in file.histograms.items()
                    if (mine := [point for point in points if begin <= point.record < end])
                },
                hyperparameters=file.hyperparameters,
                images=file.images,
                problems=file.problems if index == 0 else (),
                notes=(*file.notes, f"{file.file.name}: its steps begin anew {len(cuts)} times; cut there") if index == 0 else (),
                started=float(np.nanmin(walls)) if not np.all(np.isnan(walls)) else float("nan"),
                ended=float(np.nanmax(walls)) if not np.all(np.isnan(walls)) else float("nan"),
            )
        )
    return parts


# --- between files ----------------------------------------------------------------------------------------------------


def partition(files: Sequence[EventFile]) -> list[list[EventFile]]:
    """The files, one list a training, both in order of time (then of name as given)."""
    trainings: list[list[EventFile]] = []
    for file in sorted(files, key=_time_order):
        fitting = [training for training in trainings if not any(_separate(earlier, file) for earlier in training)]
        if not fitting:
            trainings.append([file])
            continue
        # A file that fits several trainings (other tags: validation, metrics of hyper-parameters) goes to one that was running.
        running = [training for training in fitting if any(_at_one_time(other, file) for other in training)]
        (running or fitting)[-1].append(file)
    return trainings


def _time_order(file: EventFile) -> float:
    return float("inf") if np.isnan(file.started) else file.started


def _at_one_time(first: EventFile, second: EventFile) -> bool:
    return bool(first.started <= second.ended and second.started <= first.ended)


def _separate(earlier: EventFile, later: EventFile) -> bool:
    """Whether two files cannot be of one training: the same tags, and both from the beginning."""
    if earlier.file.group != later.file.group or (earlier.folder != later.folder and _at_one_time(earlier, later)):
        return False  # writers side by side in folders of their own are parts of one run, as `add_scalars` makes them
    votes = 0
    for tag in earlier.columns.keys() & later.columns.keys():
        one, two = earlier.columns[tag], later.columns[tag]
        points = min(one.steps.size, two.steps.size)
        # A tag of a single point (`hp_metric`, a final score) says little, and nothing at all beside a curve.
        votes += (points**2) * (1 if _restarts(one.steps, two.steps) else -1)
    return votes > 0


def _restarts(earlier: Ints, later: Ints) -> bool:
    """Whether the later curve begins at the beginning again, rather than within or behind the earlier one."""
    first = int(later.min())
    if first > int(earlier.max()):
        return False
    if begins_anew(earlier, later):
        return True
    # Logged less often, the first point of a fresh run stands one interval in; then it is no deeper than its own interval.
    return first <= interval(later) and interval(later) > 1.5 * interval(earlier)


# --- one training -----------------------------------------------------------------------------------------------------


def unite(files: Sequence[EventFile]) -> United:
    """Series and histograms of one training's files; the later file wins from its first step on."""
    files = sorted(files, key=_time_order)
    notes: list[str] = []
    hyperparameters: dict[str, Plain] = {}
    for file in files:
        changed = sorted(
            key for key, value in file.hyperparameters.items() if key in hyperparameters and not _same(hyperparameters[key], value)
        )
        if changed:
            notes.append(f"{file.file.name} states other values for the hyper-parameters {', '.join(changed)}; the later values count")
        hyperparameters.update(file.hyperparameters)
    found: dict[tuple[str, str], list[tuple[EventFile, Column]]] = defaultdict(list)
    for (group, tag, prefix), members in _by_tag(files).items():
        found[group, f"{prefix}{tag}"].extend(members)
    series: list[Series] = []
    resumes: dict[str, list[tuple[int, Series]]] = defaultdict(list)
    for (group, tag), pieces in found.items():
        joined, taken_up = _join(pieces)
        for name, first, earlier, gone in taken_up:
            resumes[name].append((first, Series(tag, group, gone.steps, gone.values, gone.wall_seconds, earlier)))
        if _continue_counter(joined.steps):
            notes.append(
                f"the step of {tag!r} begins anew within one file (a number within the epoch); its points keep the order of writing"
            )
            joined = joined._replace(steps=_continued(joined.steps))
        order = np.argsort(joined.steps, kind="stable")
        joined = joined.keep(order)
        source = ", ".join(dict.fromkeys(file.file.name for file, _ in pieces))
        series.append(Series(tag, group, joined.steps, joined.values, joined.wall_seconds, source))
    taken = [Resume(name, min(first for first, _ in gone), tuple(one for _, one in gone)) for name, gone in resumes.items()]
    for resume in taken:
        points = sum(one.steps.size for one in resume.replaced)
        notes.append(
            f"{resume.source} resumes the run at step {resume.first_step}; "
            f"{points} points that earlier files hold from its first steps on were replaced by its own"
        )
    return United(tuple(series), _histograms(files), hyperparameters, tuple(notes), tuple(sorted(taken, key=lambda one: one.first_step)))


def _by_tag(files: Sequence[EventFile]) -> dict[tuple[str, str, str], list[tuple[EventFile, Column]]]:
    """(group, tag, folder before the tag) -> the files' columns; the folder stands there where several at one time write one tag."""
    members: dict[tuple[str, str], list[EventFile]] = defaultdict(list)
    for file in files:
        for tag in file.columns:
            members[file.file.group, tag].append(file)
    found: dict[tuple[str, str, str], list[tuple[EventFile, Column]]] = defaultdict(list)
    for (group, tag), holders in members.items():
        beside = any(
            one.folder != two.folder and _at_one_time(one, two) for index, one in enumerate(holders) for two in holders[index + 1 :]
        )
        for file in holders:
            prefix = f"{file.folder}/" if beside and file.folder else ""
            found[group, tag, prefix].append((file, file.columns[tag]))
    return found


def _join(pieces: Sequence[tuple[EventFile, Column]]) -> tuple[Column, list[tuple[str, int, str, Column]]]:
    """The columns one after the other, and where a later file took over.

    Each such place: the later file, its first step, the earlier file, and the points of the earlier that gave way.
    """
    kept: list[tuple[EventFile, Column]] = []
    taken_up: list[tuple[str, int, str, Column]] = []
    for file, column in pieces:
        first = int(column.steps.min())
        for index, (earlier, points) in enumerate(kept):
            # Two writers at one time share the tag: neither replaces the other.
            if earlier is not file and points.steps.size and not _interleaved(points, column):
                gone = points.steps >= first
                if gone.any():
                    taken_up.append((file.file.name, first, earlier.file.name, points.keep(gone)))
                kept[index] = (earlier, points.keep(~gone))
        kept.append((file, column))
    columns = [column for _, column in kept]
    return Column(*(np.concatenate(parts) for parts in zip(*columns, strict=True))), taken_up


def _interleaved(one: Column, two: Column) -> bool:
    if not one.steps.size:
        return False
    return bool(one.wall_seconds.max() > two.wall_seconds.min() and two.wall_seconds.max() > one.wall_seconds.min())


def _continue_counter(steps: Ints) -> bool:
    """Whether the step is a number within the epoch: it falls back to its first value, each time over some points."""
    at = np.flatnonzero(np.diff(steps) < 0) + 1
    if at.size < 1 or at.size > max(2, _UNORDERED_SHARE * 2 * steps.size):
        return False
    first = steps[np.concatenate([[0], at])]
    if int(np.abs(steps.astype(np.float64)).max()) > _LARGEST_STEP:
        return False
    return bool(np.all(first == first[0])) and bool(np.all(np.diff(at) >= _FEWEST_POINTS))


def _continued(steps: Ints) -> Ints:
    """Steps that go on where the counter fell back."""
    at = np.flatnonzero(np.diff(steps) < 0) + 1
    further = np.zeros(steps.size, dtype=np.int64)
    further[at] = steps[at - 1] + 1 - steps[at]
    return steps + np.cumsum(further)


def _histograms(files: Sequence[EventFile]) -> tuple[Histogram, ...]:
    points: dict[tuple[str, str], dict[str, list[HistogramPoint]]] = defaultdict(dict)
    for file in files:
        for tag, found in file.histograms.items():
            earlier = points[file.file.group, tag]
            first = min(point.step for point in found)
            for name in earlier:
                earlier[name] = [point for point in earlier[name] if point.step < first]
            earlier[file.file.name] = found
    histograms: list[Histogram] = []
    for (group, tag), by_file in points.items():
        ordered = sorted((point for found in by_file.values() for point in found), key=lambda point: point.step)
        steps, limits, counts, minimum, maximum, _ = zip(*ordered, strict=True)
        histograms.append(Histogram(tag, group, steps, limits, counts, minimum, maximum, ", ".join(by_file)))
    return tuple(histograms)


def _same(one: Plain, two: Plain) -> bool:
    return one == two or (one != one and two != two)
