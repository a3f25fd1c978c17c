"""Reads logs that are tables: CSV and TSV, JSON lines, `trainer_state.json`, Keras histories; and settings files.

A table becomes one series a numeric column, by its step, iteration or epoch column. Blank cells are no points; NaN is data.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from pathlib import PurePath

import numpy as np

from postmortem.model import FoundFile, Histogram, Plain, Problem, Resume, Series
from postmortem.read.tables.csv_rows import csv_table
from postmortem.read.tables.json_documents import json_table
from postmortem.read.tables.json_lines import by_line, lines_table, parsed_line
from postmortem.read.tables.monitors import is_monitor, monitor_series
from postmortem.read.tables.rows import Floats, Table, as_number
from postmortem.read.tables.settings import read_settings
from postmortem.read.tables.shapes import Mask, Part, is_curve_by_row, last_training, parts_of, pivoted, rows_of
from postmortem.read.tables.steps import (
    EPOCH_NAMES,
    MANY_RESTARTS,
    TIME_NAMES,
    Restart,
    dense,
    in_order,
    is_step_name,
    placed,
    plain,
    step_column,
    wall_seconds,
    whole_columns,
)
from postmortem.read.texts import Reading, lines_of
from postmortem.read.words import counted

_LARGEST_DOCUMENT = 64 << 20
"""Characters of a JSON document, which must be held whole; tables and JSON lines are read a line at a time, whatever their size."""
_MOST_PEEKED = 1000
"""Lines that are held to see what a file is: one of blank lines alone may have a billion of them."""
_PEEKED_CHARACTERS = 1 << 24
_JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
_OTHER_ENDINGS = (".txt", ".log")
_WRITTEN_WHOLE = re.compile(r"(?:trainer_state|history)[^/]*\.json$")
"""Documents that a trainer writes whole at each save."""
_TENSORBOARD_DOWNLOAD = re.compile(r".*?-?tag-(?P<tag>.+)")


@dataclass(frozen=True, slots=True, eq=False)
class LogData:
    """What one table or settings file holds, or several of them together."""

    series: tuple[Series, ...] = ()
    hyperparameters: Mapping[str, Plain] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    histograms: tuple[Histogram, ...] = ()
    resumes: tuple[Resume, ...] = ()
    """Places at which the log was appended to by a new start; none where that is more often than a job is started again."""
    kind: str = ""
    """`monitor`, `trainer state`, `history`, `summary`, `text`, or empty for tables of rows and for settings."""


def read_log(file: FoundFile) -> LogData:
    """All curves and settings of one file of role `log`, `console` or `config`; never raises for what the file holds.

    A file of role `console`, or whose name ends as a text's (`training.log`, `log.txt`), is read where it is a table, and is of kind
    `text` where it is none.
    """
    if file.role == "config":
        settings, problems = read_settings(file)
        return LogData(hyperparameters=settings, problems=problems)
    reading = Reading()
    try:
        table = _table(file, reading)
    except OSError as error:
        return LogData(problems=(Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}"),))
    if reading.broken:
        kind = "truncated" if reading.broken.startswith("ends") else "corrupt"
        table.problems.append(("truncated" if kind == "truncated" else "corrupt", f"{reading.broken}; {counted(table.rows, 'row')} read"))
    if reading.undecoded:
        where = f"the first in line {reading.first_undecoded}"
        table.problems.append(("corrupt", f"{counted(reading.undecoded, 'character')} could not be decoded, {where}"))
    series = monitor_series(table, file) if is_monitor(table) else _series(table, file)
    if not series and not table.problems and not table.notes and table.kind != "trainer state":
        table.notes.append("holds no numeric column beside its step")
    return LogData(
        series,
        table.hyperparameters,
        tuple(Problem(file.name, kind, detail) for kind, detail in table.problems),
        tuple(f"{file.name}: {note}" for note in dict.fromkeys(table.notes)),
        resumes=resumes_of(table, file),
        kind=table.kind,
    )


def resumes_of(table: Table, file: FoundFile) -> tuple[Resume, ...]:
    """The places at which a table was appended to, once its series were made; none where that is more often than a job is started again."""
    by_step: dict[float, list[Series]] = {}
    for step, old in table.taken_up:
        by_step.setdefault(step, []).append(old)
    found = [Resume(file.name, int(step), tuple(old)) for step, old in sorted(by_step.items())]
    times = Counter((old.tag, old.group) for _, old in table.taken_up)
    return tuple(found) if max(times.values(), default=0) < MANY_RESTARTS else ()


def _table(file: FoundFile, reading: Reading) -> Table:
    """The file taken apart by what its ending, or else its beginning, says that it is."""
    name = file.name.lower().removesuffix(".gz")
    lines = lines_of(file.path, reading)
    head, lines = _peeked(lines)
    may_be_text = file.role == "console" or name.endswith(_OTHER_ENDINGS)
    if may_be_text and (not head or not is_table(head)):
        return Table(kind="text", notes=["is text, no table"])
    if not head and not file.bytes and not _WRITTEN_WHOLE.search(name):
        # Loggers open their file before they have anything to write; what is written whole has no such beginning.
        return Table(notes=["is empty (0 bytes): nothing was logged"])
    if not head:
        return _without_rows("truncated", f"holds nothing ({file.bytes} bytes)")
    if head[0].startswith("version https://git-lfs"):
        return _without_rows("unsupported", "is a git-LFS pointer: the file itself was never fetched")
    if name.endswith(_JSON_ENDINGS) or head[0].startswith(("{", "[{")):
        is_lines, lines = (True, lines) if name.endswith((".jsonl", ".ndjson")) else by_line(lines)
        if is_lines:
            return lines_table(lines)
        document = _held(lines)
        if document is None:
            limit = f"more than {_LARGEST_DOCUMENT >> 20} MiB"
            return _without_rows("unsupported", f"is one JSON document of {limit}, too large to be held; all of it is lost")
        return json_table(document)
    return csv_table(lines, file.name)


def _peeked(lines: Iterator[str]) -> tuple[list[str], Iterator[str]]:
    """The first lines that hold something, stripped; and all lines."""
    seen: list[str] = []
    head: list[str] = []
    size = 0
    for line in lines:
        filled = line.strip()
        if filled:
            head.append(filled)
        elif len(seen) >= _MOST_PEEKED and not head:
            continue  # nothing but blank lines so far: no more of them are held
        seen.append(line)
        size += len(line)
        if len(head) == 12 or (head and (len(seen) >= _MOST_PEEKED or size > _PEEKED_CHARACTERS)):
            break
    return head, chain(seen, lines)


def _held(lines: Iterator[str]) -> str | None:
    """All lines as one text; None where that is too large. Lines are put together early: a short one takes 50 bytes by itself."""
    pieces: list[str] = []
    pending: list[str] = []
    size = 0
    for line in lines:
        pending.append(line)
        size += len(line)
        if size > _LARGEST_DOCUMENT:
            return None
        if len(pending) == _MOST_PEEKED:
            pieces.append("".join(pending))
            pending = []
    return "".join([*pieces, *pending])


def _without_rows(kind: str, detail: str) -> Table:
    table = Table()
    table.problems.append(("truncated" if kind == "truncated" else "unsupported", detail))
    return table


def is_table(head: list[str]) -> bool:
    """Whether the first filled lines of a text file are those of a table: JSON objects or names with a step, epoch or loss, and figures."""
    if head[0].startswith("{"):
        found = parsed_line(head[0])
        return isinstance(found, dict) and any(is_step_name(str(key)) or "loss" in str(key).lower() for key in found)
    comments = next((index for index, line in enumerate(head) if not line.startswith("#")), 0)
    filled = head[comments:]
    if comments and as_number(filled[0].split()[0]) is not None:  # NumPy saves the names of columns in a comment
        filled = [head[comments - 1].lstrip("# "), *filled]
    names, *rows = [re.split(r"[,;\t]" if re.search(r"[,;\t]", line) else r"\s+", line) for line in filled]
    names = [name.strip() for name in names if name.strip()]
    if len(names) < 2 or not rows or any(as_number(name) is not None for name in names) or max(map(len, names)) > 60:
        return False
    numbers = [sum(as_number(cell) is not None for cell in row) for row in islice(rows, 3)]
    counts = any(is_step_name(name) for name in names) or "loss" in " ".join(names).lower()
    return counts and all(2 * number >= len(names) for number in numbers)


def _series(table: Table, file: FoundFile) -> tuple[Series, ...]:
    table = _named_by_file(pivoted(table), file)
    if not table.columns:
        return ()
    chosen = last_training(table)
    walls = wall_seconds(table)
    series: list[Series] = []
    main: Floats | None = None
    counters = whole_columns(table)
    for part in parts_of(table, file.group):
        if table.apart:
            series.extend(_one_by_one(table, file, part, chosen, walls, counters))
            continue
        rows = part.rows & chosen
        if not rows.any():
            continue
        count = _count(table, part, rows, main, counters)
        if count is None:
            return ()
        main = count.steps if main is None else np.fmax(main, count.steps)
        series.extend(series_of_part(table, file, part, count, walls))
    return tuple(series)


def _one_by_one(table: Table, file: FoundFile, part: Part, chosen: Mask, walls: Floats, counters: list[str]) -> Iterator[Series]:
    """Each metric of a table of one metric a row, as a table of its own rows: there may be thousands."""
    for tag, rows in table.apart.items():
        mine = rows[part.rows[rows] & chosen[rows]]
        if mine.size:
            one = rows_of(table, mine, (*table.shared, tag))
            everything = np.ones(mine.size, dtype=bool)
            count = _count(one, Part(everything, part.group, part.prefix), everything, None, counters)
            if count is not None:
                yield from series_of_part(one, file, part, count, walls[mine])


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """The step of each row of a part (NaN elsewhere), the column that it came from, and restarts among the rows."""

    name: str | None
    steps: Floats
    restarts: tuple[Restart, ...] = ()


def _count(table: Table, part: Part, rows: Mask, main: Floats | None, counters: list[str]) -> Counted | None:
    """The rows of a part counted, by one of the columns of whole numbers; None where the table is no log."""
    name = step_column(table, rows, counters)
    if name is None:
        shared = next((each for each, (_, values) in table.columns.items() if is_step_name(each) and np.unique(values).size > 1), None)
        shared = shared or next((each for each in table.shared if is_step_name(each)), None)
        if shared is not None:
            table.notes.append(f"many rows have the same {shared}; rows are numbered instead")
        elif table.kind != "history" and not is_curve_by_row(table):
            table.notes.append("has no column of whole steps, iterations or epochs, and tells records or results apart: taken for no log")
            return None
        elif table.kind != "history":
            table.notes.append("has no column of whole steps, iterations or epochs; rows are numbered instead")
        return Counted(None, np.where(rows, np.arange(table.rows), np.nan))
    steps = np.where(rows, dense(table, name), np.nan)
    lost = int(np.count_nonzero(rows & np.isnan(steps)))
    if lost:
        table.notes.append(f"{counted(lost, 'row')} without a {name} left aside")
    if part.follows and main is not None:
        return Counted(name, placed(steps, main))
    return Counted(name, *in_order(steps, name, table))


def series_of_part(table: Table, file: FoundFile, part: Part, count: Counted, walls: Floats) -> Iterator[Series]:
    """A series for each column of some rows of a table; points that gave way after a restart go to `table.taken_up`."""
    dated = not np.all(np.isnan(walls))
    for name, (rows, values) in table.columns.items():
        if name == count.name or (dated and plain(name) in TIME_NAMES):
            continue
        keep = ~np.isnan(count.steps[rows])
        for restart in count.restarts:
            gone = np.flatnonzero(keep)[restart.replaces(rows[keep], count.steps)]
            keep[gone] = False
            if gone.size and not restart.anew:
                steps = count.steps[rows[gone]].astype(np.int64)
                old = Series(f"{part.prefix}{name}", part.group, steps, values[gone], walls[rows[gone]], file.name)
                table.taken_up.append((restart.step, old))
        kept, points = rows[keep], values[keep]
        if not kept.size or (part.follows and plain(name) in EPOCH_NAMES | {"iter"}):
            continue
        own_steps = count.steps[kept].astype(np.int64)
        order = np.argsort(own_steps, kind="stable")
        yield Series(f"{part.prefix}{name}", part.group, own_steps[order], points[order], walls[kept][order], file.name)


def _named_by_file(table: Table, file: FoundFile) -> Table:
    """A column that is called `value`, or the one metric of a DVCLive file, under the name that its file has."""
    path = PurePath(file.path)
    stem = path.name.removesuffix(".gz").rpartition(".")[0]
    metrics = [name for name in table.columns if not is_step_name(name) and plain(name) not in TIME_NAMES]
    if len(metrics) != 1:
        return table
    below = _below_dvclive(path)
    if below is not None:
        tag = "/".join((*below, stem))
    elif plain(metrics[0]) == "value":
        download = _TENSORBOARD_DOWNLOAD.fullmatch(stem)
        tag = download["tag"] if download else stem
    else:
        return table
    table.columns = {tag if name == metrics[0] else name: column for name, column in table.columns.items()}
    return table


def _below_dvclive(path: PurePath) -> tuple[str, ...] | None:
    """Folders between DVCLive's own and a file of it: `dvclive/plots/metrics/train/loss.tsv` is the metric `train/loss`.

    Earlier versions kept files in `dvclive/scalars/`, or in `dvclive/` itself.
    """
    parents = [part.lower() for part in path.parts[:-1]]
    if "dvclive" in parents:
        start = parents.index("dvclive") + 1
    elif ("plots", "metrics") in pairwise(parents):
        start = list(pairwise(parents)).index(("plots", "metrics"))
    else:
        return None
    for known in (["plots", "metrics"], ["scalars"], ["plots"]):
        if parents[start : start + len(known)] == known:
            return path.parts[start + len(known) : -1]
    return path.parts[start:-1]
