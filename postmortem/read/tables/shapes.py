"""What the rows of a table are: training and validation, one metric a row, several trainings one after the other, or no log at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from postmortem.discover.names import group_of, words
from postmortem.read.tables.rows import Ints, Table
from postmortem.read.tables.steps import TIME_NAMES, dense, is_step_name, plain
from postmortem.read.words import counted

Mask: TypeAlias = NDArray[np.bool_]

_SPLIT_NAMES = frozenset(
    (
        "mode",
        "split",
        "phase",
        "stage",
        "subset",
        "partition",
        "set",
        "loader",
        "data_split",
        "type",
        "kind",
        "train_or_val",
        "event",
        "dataset",
    )
)
_STAGES = {"fit": "train", "validate": "validation", "sanity_check": "validation"}
"""Lightning's words for them."""
_NAME_NAMES = ("metric", "metric_name", "tag", "name", "key", "variable", "measure", "scalar", "series")
_VALUE_NAMES = ("value", "values", "metric_value", "scalar", "val")
_TRAINING_NAMES = (
    "fold",
    "seed",
    "trial",
    "trial_id",
    "run",
    "run_id",
    "run_name",
    "experiment",
    "exp",
    "model",
    "method",
    "algorithm",
    "client",
    "client_id",
)
_RECORD_NAMES = frozenset(
    (
        "id",
        "index",
        "idx",
        "image",
        "image_id",
        "img",
        "filename",
        "file",
        "file_name",
        "path",
        "label",
        "name",
        "subject",
        "patient",
        "class",
        "category",
        "dataset",
        "config",
        "text",
    )
)
"""Columns of these names tell records or results apart: such a table is no log."""
CURVE_WORDS = frozenset(
    [
        "loss",
        "losses",
        "acc",
        "accuracy",
        "reward",
        "rewards",
        "return",
        "returns",
        "lr",
        "perplexity",
        "ppl",
        "mse",
        "mae",
        "rmse",
        "elbo",
        "nll",
        "error",
        "auc",
        "f1",
        "iou",
        "map",
        "dice",
        "psnr",
        "ssim",
        "bleu",
    ]
)
_MEASURES = frozenset(("mse", "mae", "rmse", "error", "auc", "f1", "iou", "map", "dice", "psnr", "ssim", "bleu"))
"""Of these those that a finished model is measured by as well: without a word for a split they may stand in a table of results."""
_FIGURES = re.compile(r"[\d\s.:,%/+-]+[a-z]{0,3}|\d.*\d:\d\d.*", re.IGNORECASE)
"""Figures with a unit, times and dates."""
_ANSWERS = frozenset(("true", "false", "yes", "no", "*", "best"))
_MOST_SPLITS = 12


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of one kind: their series carry one group, and the prefix where several kinds share a group."""

    rows: Mask
    group: str
    prefix: str = ""
    follows: bool = False
    """Its own count is not that of the training rows: its rows stand where they were written among them."""


def parts_of(table: Table, group: str) -> tuple[Part, ...]:
    """The kinds of rows, training first. `group` is what the file's name and folder say."""
    everything = np.ones(table.rows, dtype=bool)
    split = _split_column(table)
    if split is not None:
        return _by_split(table, split, group)
    if _is_mmengine(table):
        others = everything.copy()
        others[table.columns["iter"][0]] = False
        if others.any():
            table.notes.append(f"{counted(int(others.sum()), 'row')} without an iteration taken as validation")
            return Part(~others, group), Part(others, "validation", follows=True)
    return (Part(everything, group),)


def _split_column(table: Table) -> str | None:
    for name, found in table.texts.items():
        if plain(name) in _SPLIT_NAMES and 2 * len(found) >= table.rows:
            values = set(found.values())
            if len(values) <= _MOST_SPLITS and any(group_of(value) or value.strip().lower() in _STAGES for value in values):
                return name
    return None


def _by_split(table: Table, split: str, group: str) -> tuple[Part, ...]:
    by_value: dict[str, list[int]] = {}
    for row, value in table.texts[split].items():
        by_value.setdefault(value, []).append(row)
    unsaid = np.ones(table.rows, dtype=bool)
    unsaid[list(table.texts[split])] = False
    groups = {value: _STAGES.get(value.strip().lower(), group_of(value)) for value in by_value}
    shared = [each for each in groups.values() if list(groups.values()).count(each) > 1]
    # mmcv counts iterations anew in validation: the length of that set.
    follows = {"iter", "epoch"} <= set(table.columns)
    parts = []
    for value, rows in by_value.items():
        mask = np.zeros(table.rows, dtype=bool)
        mask[rows] = True
        prefix = f"{value}/" if groups[value] in shared or not groups[value] else ""
        parts.append(Part(mask, groups[value] or group, prefix, follows and groups[value] != "train"))
    if unsaid.any():
        parts.append(Part(unsaid, group))
    table.notes.append(f"column {split} taken as the split: {', '.join(f'{value} ({len(rows)} rows)' for value, rows in by_value.items())}")
    return tuple(sorted(parts, key=lambda part: part.group != "train"))


def _is_mmengine(table: Table) -> bool:
    """Whether `step` repeats `iter` wherever both stand, as mmengine's scalars do."""
    if not {"iter", "step"} <= set(table.columns):
        return False
    iterations, steps = dense(table, "iter"), dense(table, "step")
    both = ~np.isnan(iterations)
    return bool(np.all(iterations[both] == steps[both]))


# --- one metric a row -------------------------------------------------------------------------------------------------


def pivoted(table: Table) -> Table:
    """A table of one metric a row (`step, metric, value`) with a column for each metric; other tables as they are."""
    names = {plain(name): name for name in reversed(list(table.texts))}
    values = {plain(name): name for name in reversed(list(table.columns))}
    name = next((names[each] for each in _NAME_NAMES if each in names), None)
    value = next((values[each] for each in _VALUE_NAMES if each in values), None)
    if name is None or value is None or not any(is_step_name(each) for each in table.columns):
        return table
    rows, numbers = table.columns.pop(value)
    at: dict[str, list[int]] = {}
    tags: Mapping[int, str] = table.texts.pop(name)
    for index, row in enumerate(rows.tolist()):
        at.setdefault(tags.get(row, value), []).append(index)
    table.shared = tuple(table.columns)
    for tag, indexes in at.items():
        named = tag if tag not in table.columns else f"{tag} ({value})"
        table.columns[named] = (rows[indexes], numbers[indexes])
        table.apart[named] = rows[indexes]
    table.notes.append(f"holds one metric a row: column {name} taken as their names, {value} as their values")
    return table


def rows_of(table: Table, rows: Ints, columns: Sequence[str]) -> Table:
    """These rows (ascending) of a table, numbered anew, with these columns alone; notes and problems go into the same lists."""
    found: dict[str, tuple[Ints, NDArray[np.float64]]] = {}
    for name in columns:
        at, values = table.columns[name]
        place = np.searchsorted(at, rows)
        held = np.zeros(rows.size, dtype=bool)
        held[place < at.size] = at[place[place < at.size]] == rows[place < at.size]
        found[name] = (np.flatnonzero(held), values[place[held]])
    return replace(table, columns=found, texts={}, rows=rows.size, apart={})


# --- several trainings, or none ---------------------------------------------------------------------------------------


def last_training(table: Table) -> Mask:
    """The rows of the last training, where a column (`fold`, `seed`, `model`) tells several apart; else all rows."""
    everything = np.ones(table.rows, dtype=bool)
    for name in (*table.texts, *table.columns):
        if plain(name) not in _TRAINING_NAMES:
            continue
        found: dict[int, object] = dict(table.texts[name]) if name in table.texts else _by_row(table, name)
        distinct = dict.fromkeys(found.values())
        if len(found) != table.rows or not 1 < len(distinct) <= table.rows // 2:
            continue
        last = found[table.rows - 1]
        shown = f"{last:g}" if isinstance(last, float) else str(last)
        table.notes.append(
            f"column {name} tells {len(distinct)} trainings apart: only the last ({name} {shown}) is read, the others are left aside"
        )
        return np.fromiter((found[row] == last for row in range(table.rows)), dtype=bool, count=table.rows)
    return everything


def _by_row(table: Table, name: str) -> dict[int, object]:
    rows: Ints
    rows, values = table.columns[name]
    return dict(zip(rows.tolist(), values.tolist(), strict=True))


def is_curve_by_row(table: Table) -> bool:
    """Whether a table without a counting column may hold curves, one point a row: it names metrics and tells no records apart."""
    if any(plain(name) in _RECORD_NAMES or plain(name) in _TRAINING_NAMES for name in (*table.columns, *table.texts)):
        return False
    split = _split_column(table)
    if any(_tells_apart(name, found, table.rows) for name, found in table.texts.items() if name != split):
        return False
    return any(names_curve(name) and (not _MEASURES & set(words(name)) or group_of(name)) for name in table.columns)


_MARKS = frozenset(
    {
        *("phase", "stage", "status", "state", "mode", "optimizer", "optim", "scheduler", "device"),
        *("saved", "save", "checkpoint", "ckpt", "note", "notes", "event", "message"),
    }
)
"""Words of columns that say how a training stood at a row, and not what the row is about."""


def _tells_apart(name: str, found: Mapping[int, str], rows: int) -> bool:
    """Whether a column of words is a key of what the rows are about (`basin_id`, `city`), and no time, length or mark of the best."""
    if plain(name) in TIME_NAMES or 2 * len(found) < rows:
        return False
    values = {value.strip().lower() for value in found.values()} - _ANSWERS
    marks = bool(_MARKS & set(words(name)))
    return len(values) > 1 and not marks and not all(_FIGURES.fullmatch(value) for value in values)


def names_curve(name: str) -> bool:
    """Whether a name is one that curves have: it speaks of a loss, an accuracy, a return."""
    return bool(CURVE_WORDS & set(words(name))) and not by_class(name)


def by_class(name: str) -> bool:
    """Whether a list of this name holds one value a class."""
    return bool({"per", "by"} & set(words(name))) and "class" in words(name)
