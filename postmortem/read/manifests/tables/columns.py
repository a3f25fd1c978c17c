"""Which column of a manifest holds labels, splits, keys and groups, and which are numeric features: by name first, then by content."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from postmortem.model import ReadOptions
from postmortem.read.manifests.tables.relation import Sample
from postmortem.read.manifests.tables.vocabulary import (
    BOXES,
    CONTENT,
    GROUPS,
    HASHES,
    KEYS,
    LABELS,
    NAME_OF,
    RECORDINGS,
    SPLIT_ALIASES,
    SPLITS,
    TRANSCRIPTS,
    is_number,
    plain,
    split_name,
)

__all__ = ["LABELS", "SPLIT_ALIASES", "Columns", "choose", "finite", "holds_curves", "is_number", "is_training_log", "plain", "split_name"]

_COUNTERS = frozenset(
    {"index", "idx", "row", "unnamed_0", "unnamed:_0", "", "number", "no", "n", "weight", "sample_weight", "timestamp", "time"}
)
_FILES = ("path", "file", "image", "img", "audio", "video", "url", "wav")
_PROGRESS = frozenset({"step", "epoch", "iteration", "iter", "global_step", "steps", "batch", "total_steps"})
_PROGRESS_WORDS = frozenset(
    {"loss", "acc", "accuracy", "lr", "rate", "reward", "perplexity", "error", "map50", "r2", "rmse", "mse", "mae", "val"}
)

_CURVE_WORDS = frozenset({"loss", "losses", "acc", "accuracy", "reward", "perplexity", "rmse", "mse", "mae"})
"""Those of them that hardly any record of a data set has a column for."""
_LABEL_ENDS = ("label", "class", "target", "category")
_YES_NO = frozenset({"0", "1", "0.0", "1.0", "true", "false"})
FEWEST_ONE_HOT = 3
"""Two columns of 0 and 1 are two attributes as often as two classes."""
SUSPECT_SHARE = 0.5
"""Of different values in the sampled rows, from which a candidate for the label is tried after the others."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions of the columns that a manifest's counts are made from."""

    labels: tuple[int, ...]
    """Candidates for the label, best first."""
    split: int | None
    key: int | None
    features: tuple[int, ...]
    said: tuple[str, ...]
    """How each was found, one clause each."""
    group: int | None = None
    one_hot: tuple[int, ...] = ()
    """Columns of 0 and 1, one a class, where no column holds the label."""
    objects: bool = False
    """Whether a row is an object in an image rather than a record."""
    transcript: int | None = None
    """The text to produce, beside a column of recordings."""
    seconds: int | None = None
    """The duration of each recording."""
    names: int | None = None
    """A column that may name the classes that the first candidate numbers."""


def is_training_log(names: Sequence[str]) -> bool:
    """Whether columns are those of a training log: a step or epoch, and a loss or metric."""
    tokens = {token for name in names for token in re.split(r"[^a-z0-9]+", name.lower())}
    return any(plain(name) in _PROGRESS for name in names) and bool(tokens & _PROGRESS_WORDS)


def holds_curves(names: Sequence[str]) -> bool:
    """Whether the columns of a training log are worth reading as curves: `epoch` and `error` are columns of star catalogues too."""
    return bool({token for name in names for token in re.split(r"[^a-z0-9]+", name.lower())} & _CURVE_WORDS)


def _by_name(names: Sequence[str], known: Sequence[str]) -> list[int]:
    positions: dict[str, int] = {}
    for index, name in enumerate(names):
        positions.setdefault(plain(name), index)
    return [positions[word] for word in known if word in positions]


def _values(sample: Sequence[Sequence[str | None]], column: int) -> list[str]:
    """The sample's cells that are not blank."""
    return [cell.strip() for row in sample if (cell := row[column]) is not None and cell.strip()]


def _numeric(values: Sequence[str]) -> bool:
    return len(values) > 0 and all(map(is_number, values))


def _ends_as_label(words: Sequence[str]) -> bool:
    """Whether a name ends as those of labels do; a sub-class is an attribute (`MSSubClass` of houses)."""
    return words[-1] in _LABEL_ENDS and not (len(words) > 1 and words[-2].endswith("sub"))


def _asked(name: str | None, names: Sequence[str]) -> int | None:
    """Where the column stands that the user named: exactly, else whatever the case."""
    if name is None:
        return None
    if name in names:
        return names.index(name)
    lower = [each.strip().lower() for each in names]
    return lower.index(name.strip().lower()) if name.strip().lower() in lower else None


def choose(
    names: Sequence[str],
    sample: Sample | Sequence[Sequence[str | None]],
    lists: frozenset[int],
    options: ReadOptions = ReadOptions(),  # noqa: B008  the options are frozen
) -> Columns:
    """Positions of label, split, key, group and feature columns.

    Args:
        names: the file's names, in order.
        sample: first rows, as text; lists of plain values as JSON.
        lists: columns that hold lists or structures; they are never a split, key or feature, and a label only as a list of classes.
        options: columns that the user named go before all others.
    """
    asked = {what: _asked(getattr(options, f"{what}_column"), names) for what in ("label", "split", "key")}
    said = [f"there is no column {wanted!r}" for what, at in asked.items() if at is None and (wanted := getattr(options, f"{what}_column"))]
    taken = {at for at in asked.values() if at is not None}
    single = [index for index in range(len(names)) if index not in lists]
    values = {index: _values(sample, index) for index in single}
    few = {index: len(set(cells)) for index, cells in values.items()}

    split = asked["split"] if asked["split"] is not None else _split(names, values, few, taken, said)
    of_lists = {i: cells for i in lists if (cells := _values(sample, i)) and all(re.fullmatch(r"\[[^\[{]*\]", cell) for cell in cells)}
    labels = [i for i in _by_name(names, LABELS) if (i in values or i in of_lists) and i != split and i != asked["key"]]
    if not labels:
        ends = [i for i in single if i not in (split, asked["key"]) and _ends_as_label(plain(names[i]).split("_"))]
        labels = ends[:1]
    if asked["label"] is not None:
        labels = [asked["label"]]
    keys = [i for i in _by_name(names, KEYS) if i in values and i not in labels and i != split and (few[i] > 1 or len(values[i]) < 2)]
    key = asked["key"] if asked["key"] is not None else next(iter(keys), None)
    one_hot = () if labels else _one_hot(names, values, few, {split, key})
    if not labels and not one_hot:
        found = _label_by_content(names, values, few, {split, key})
        if found is not None:
            labels = [found]
            said.append(f"column {names[found]!r} is taken for the label by its content ({few[found]} different values)")
    if key is None:
        key = _key_by_content(names, values, few, {*labels, split})
        if key is not None:
            said.append(f"column {names[key]!r} is taken for the key: its values differ in the first {len(values[key])} rows")
    elif asked["key"] is None and plain(names[key]) in HASHES and len(keys) > 1:
        said.append(f"of columns {names[key]!r} and {names[keys[1]]!r} the hash is the key: it tells what a record holds")
    groups = [i for i in _by_name(names, GROUPS) if i in values and i not in (*labels, split, key) and 1 <= few[i] < max(2, len(values[i]))]
    group = groups[0] if groups else None
    recordings = _by_name(names, RECORDINGS)
    transcripts = [i for i in _by_name(names, TRANSCRIPTS) if i in values and recordings]
    durations = [i for i in _by_name(names, ("duration", "duration_seconds", "length_seconds")) if i in values and recordings]
    columns = Columns(
        labels=tuple(labels),
        split=split,
        key=key,
        features=_features(names, values, {*labels, *one_hot, split, key, group}),
        said=tuple(said),
        group=group,
        one_hot=one_hot,
        objects=any({*words} <= {plain(name) for name in names} for words in BOXES) and bool(labels),
        transcript=transcripts[0] if transcripts else None,
        seconds=durations[0] if durations and _numeric(values[durations[0]]) else None,
    )
    return columns if asked["label"] is not None else _ordered(columns, names, values, few)


def _ordered(columns: Columns, names: Sequence[str], values: Mapping[int, list[str]], few: Mapping[int, int]) -> Columns:
    """Candidates whose sampled values hardly recur after the others, and a column of names behind the numbers that it names."""

    def suspect(index: int) -> bool:
        return len(values.get(index, ())) >= 100 and few[index] > SUSPECT_SHARE * len(values[index]) and not _numeric(values[index])

    # A column of nothing in the sampled rows says nothing about them.
    labels = sorted(columns.labels, key=lambda i: (i in values and not values[i], suspect(i)))
    first = labels[0] if labels else None
    if first is None or first not in values or not _numeric(values[first]):
        return replace(columns, labels=tuple(labels))
    by_name = {plain(names[i]): i for i in values}
    called = (by_name[word] for word in NAME_OF.get(plain(names[first]), ()) if word in by_name)
    naming = next((i for i in called if i != first and values[i] and not _numeric(values[i]) and not suspect(i)), None)
    return replace(columns, labels=tuple(labels), names=naming)


def _split(names: Sequence[str], values: Mapping[int, list[str]], few: Mapping[int, int], taken: set[int], said: list[str]) -> int | None:
    splits = [index for index in _by_name(names, SPLITS) if index in values and few[index] <= 50 and index not in taken]
    if splits:
        return splits[0]
    # Nothing but names of splits in a column leaves no doubt, whatever it is called.
    found = next((i for i in values if i not in taken and values[i] and all(cell.lower() in SPLIT_ALIASES for cell in values[i])), None)
    if found is not None:
        said.append(f"column {names[found]!r} holds names of splits")
    return found


def _key_by_content(names: Sequence[str], values: Mapping[int, list[str]], few: Mapping[int, int], taken: set[int | None]) -> int | None:
    """The first column of short texts that all differ."""
    return next(
        (
            i
            for i, cells in values.items()
            if i not in taken
            and len(cells) >= 20
            and few[i] == len(cells)
            and not _numeric(cells)
            and plain(names[i]) not in CONTENT
            and max(map(len, cells)) <= 200
        ),
        None,
    )


def _is_content(name: str) -> bool:
    """Whether a column holds the record itself: `text`, `comment_text`."""
    return name in CONTENT or name.split("_")[-1] in CONTENT


def _one_hot(names: Sequence[str], values: Mapping[int, list[str]], few: Mapping[int, int], taken: set[int | None]) -> tuple[int, ...]:
    """Columns of 0 and 1 side by side, one a class, beside a file or a text; none where other numbers stand there too."""
    content = any(
        not _numeric(cells)
        and cells
        and (_is_content(plain(names[i])) or plain(names[i]) in KEYS or any(word in plain(names[i]) for word in _FILES))
        for i, cells in values.items()
    )
    ones = [i for i, cells in values.items() if i not in taken and cells and {cell.lower() for cell in cells} <= _YES_NO]
    others = [
        i
        for i, cells in values.items()
        if i not in taken and i not in ones and _numeric(cells) and plain(names[i]) not in _COUNTERS | {*KEYS, *GROUPS}
    ]
    side_by_side = len(ones) >= FEWEST_ONE_HOT and ones[-1] - ones[0] + 1 == len(ones)
    return tuple(ones) if content and side_by_side and not others and sum(few[i] > 1 for i in ones) >= FEWEST_ONE_HOT else ()


def _label_by_content(names: Sequence[str], values: Mapping[int, list[str]], few: Mapping[int, int], taken: set[int | None]) -> int | None:
    """The one column of words that repeat, beside a key or beside columns of numbers; None where several or none would do."""
    words = [
        index
        for index, cells in values.items()
        if index not in taken
        and len(cells) >= 10
        and 2 <= few[index] <= max(2, len(cells) // 4)
        and not _numeric(cells)
        and not {cell.lower() for cell in cells} <= _YES_NO
        and plain(names[index]) not in {*CONTENT, *GROUPS}
    ]
    others = [index for index in values if index not in words and index not in taken]
    beside = None not in taken or any(_numeric(values[index]) for index in others) or any(few[i] == len(values[i]) for i in others)
    return words[0] if len(words) == 1 and beside else None


def _features(names: Sequence[str], values: Mapping[int, list[str]], taken: Iterable[int | None]) -> tuple[int, ...]:
    """Numeric columns that a model may be fed; none where the record is a file or a text, of which they are mere attributes."""
    for index, cells in values.items():
        name = plain(names[index])
        if _is_content(name) and not _numeric(cells):
            return ()
        if any(word in name for word in _FILES) and cells and not _numeric(cells):
            return ()
    away = {*taken}
    return tuple(
        index
        for index, cells in values.items()
        if index not in away and plain(names[index]) not in _COUNTERS | set(KEYS) and _numeric(cells)
    )


def finite(value: float | None) -> bool:
    """Whether there is a number, and it is finite."""
    return value is not None and math.isfinite(value)
