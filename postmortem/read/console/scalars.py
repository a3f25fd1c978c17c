"""Reads the scalars that a training script prints, as series like those of other logs.

A text log is gone through once: lines that differ in numbers only are taken apart once (`printed`), and the numbers of all of them are
picked and converted together, piece by piece.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from postmortem.model import FoundFile, Series
from postmortem.read.console.counting import LEAST_POINTS, Row, series_of
from postmortem.read.console.lines import LINE_ENDS, Piece, clean, pieces
from postmortem.read.console.printed import NUMBER, TELLING, Printed, printed
from postmortem.read.console.words import DROPPED, TEMPLATE
from postmortem.read.tables.files import LogData
from postmortem.read.tables.rows import Floats, Ints

_MOST_LEARNED = 10_000
"""Kinds of lines that are taken apart, at some 10,000 a second. What prints more of them prints words."""
_KNOWN = 200_000
_KNOWN_BYTES = 32 << 20
_LONGEST_LINE = 4096
_MOST_ROWS = 1 << 17
"""Lines of one kind that are held; of more, every second, fourth, ... is."""
_MARK = b"\n7e307\n"
"""Stands between lines whose numbers are read at once; no training prints it."""
_MARKED = 7e307
_WITHIN_A_NUMBER = tuple(bytes([each]) for each in b"0123456789.-+eE")
_OTHER_SPLITS = ("val", "eval", "test", "dev")
_PLANS = re.compile(r"step|epoch|iter")
"""In the name of a setting: it may say how long the run was to be."""


@dataclass(slots=True)
class _Held:
    """Numbers of the lines of one kind."""

    kind: Printed
    lines: list[Ints] = field(default_factory=list)
    numbers: list[Floats] = field(default_factory=list)
    every: int = 1
    size: int = 0
    seen: int = 0

    def picked(self, indices: Sequence[int]) -> Sequence[int]:
        """Those of further lines that are to be held."""
        first = -self.seen % self.every
        self.seen += len(indices)
        return indices[first :: self.every]

    def add(self, lines: Ints, numbers: Floats) -> None:
        """Holds the numbers of further lines; of too many every second is let go."""
        self.lines.append(lines)
        self.numbers.append(numbers)
        self.size += lines.size
        while self.size > _MOST_ROWS:
            self.lines = [np.concatenate(self.lines)[::2]]
            self.numbers = [np.concatenate(self.numbers)[::2]]
            self.size = self.lines[0].size
            self.every *= 2


@dataclass(slots=True)
class _Kinds:
    """Kinds of lines that are known."""

    hot: dict[bytes, Printed] = field(default_factory=dict)
    cold: set[bytes] = field(default_factory=set)
    cold_bytes: int = 0
    learned: int = 0

    def learn(self, kinds: Sequence[bytes], lines: Sequence[bytes]) -> None:
        """Takes apart the first line of each kind that was not seen before and may hold something."""
        new = set() if self.learned >= _MOST_LEARNED else set(kinds) - self.hot.keys() - self.cold
        if not new:
            return
        self.cold_bytes += sum(map(len, new))
        if len(self.cold) > _KNOWN or self.cold_bytes > _KNOWN_BYTES:
            self.cold.clear()
            self.cold_bytes = sum(map(len, new))
        self.cold |= new
        pending = {kind for kind in new if len(kind) <= _LONGEST_LINE and any(word in kind for word in TELLING)}
        for kind, line in zip(kinds, lines, strict=True) if pending else ():
            if kind not in pending:
                continue
            pending.discard(kind)
            if self.learned >= _MOST_LEARNED:
                return
            self.learned += 1
            found = printed(line) if len(line) <= _LONGEST_LINE else None
            if found is not None:
                self.hot[kind] = found
                self.cold.discard(kind)


def read_scalars(file: FoundFile) -> LogData:
    """The scalars that one text log prints, by step or epoch; nothing, in silence, where it prints none.

    A tag needs five points. A log that cannot be read is told of by `read_console`.
    """
    kinds = _Kinds()
    held: dict[Printed, _Held] = {}
    try:
        for piece in pieces(file.path):
            _take_in(piece, kinds, held)
    except OSError:
        return LogData()
    rows = [Row(each.kind, np.concatenate(each.lines), np.concatenate(each.numbers), each.every) for each in held.values() if each.size]
    return series_of(rows, file)


def holds_training_loss(series: Series) -> bool:
    """Whether a series of another log is a training loss by its name: no text log is asked for scalars then."""
    words = set(re.split(r"[^a-z]+", f"{series.tag} {series.group}".lower()))
    return series.steps.size >= LEAST_POINTS and "loss" in series.tag.lower() and not any(word.startswith(_OTHER_SPLITS) for word in words)


def with_printed(curves: LogData, printed: LogData, logged: Sequence[Series]) -> LogData:
    """The curves of other logs, and those printed scalars that none of `logged` holds; what settings say wins over printed plans."""
    known = {(series.tag.lower(), series.group) for series in logged}
    series = tuple(one for one in printed.series if (one.tag.lower(), one.group) not in known)
    if not series:
        return curves
    told = any(_PLANS.search(name.lower()) for name in curves.hyperparameters)
    return replace(
        curves,
        series=(*curves.series, *series),
        hyperparameters=curves.hyperparameters if told else {**printed.hyperparameters, **curves.hyperparameters},
        notes=(*curves.notes, *printed.notes),
        resumes=(*curves.resumes, *printed.resumes),
    )


def _take_in(piece: Piece, kinds: _Kinds, held: dict[Printed, _Held]) -> None:
    keys = piece.data.translate(TEMPLATE, DROPPED).split(b"\n")
    lines = piece.data.translate(LINE_ENDS).split(b"\n")
    if lines[-1][-1:] in _WITHIN_A_NUMBER:
        # A last line without its end may be cut within its last number, where 1.5e-05 reads as 1.5.
        keys[-1] = lines[-1] = b""
    kinds.learn(keys, lines)
    if kinds.hot.keys().isdisjoint(keys):
        return
    at: dict[bytes, list[int]] = defaultdict(list)
    hot = kinds.hot
    for index, key in enumerate(keys):
        if key in hot:
            at[key].append(index)
    for key, indices in at.items():
        kind = hot[key]
        mine = held.setdefault(kind, _Held(kind))
        picked = mine.picked(indices)
        numbers, kept = _numbers([lines[index] for index in picked], kind)
        if numbers.size:
            # Drawings of a bar are lines here, so that the place in the file keeps their order.
            order = np.array(picked, dtype=np.int64)[kept] + piece.offset
            mine.add(order, numbers)


def _numbers(lines: list[bytes], kind: Printed) -> tuple[Floats, Ints]:
    """A row of numbers for each line that has as many as its kind, and which lines these are."""
    if kind.washed:
        lines = [clean(line).encode() for line in lines]
    together = NUMBER.findall(_MARK.join([*lines, b""]))
    width = kind.numbers + 1
    if len(together) == width * len(lines):
        block: Floats = np.array(list(map(float, together))).reshape(len(lines), width)
        if np.all(block[:, -1] == _MARKED):
            return block[:, :-1], np.arange(len(lines), dtype=np.int64)
    each = [NUMBER.findall(line) for line in lines]
    kept = np.array([index for index, found in enumerate(each) if len(found) == kind.numbers], dtype=np.int64)
    if not kept.size:
        return np.zeros((0, kind.numbers)), kept
    return np.array([list(map(float, each[index])) for index in kept]), kept
