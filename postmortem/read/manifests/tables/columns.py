"""Which column of a manifest holds labels, splits and keys, and which are numeric features: by name first, then by content."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

LABELS = (
    "label",
    "labels",
    "target",
    "targets",
    "class",
    "category",
    "y",
    "class_name",
    "label_name",
    "classname",
    "category_name",
    "species",
    "class_label",
    "class_id",
    "label_id",
    "category_id",
    "classid",
    "diagnosis",
    "sentiment",
    "emotion",
    "fine_label",
    "coarse_label",
    "annotation",
    "ground_truth",
    "gt",
    "outcome",
)
SPLITS = (
    "split",
    "subset",
    "partition",
    "set",
    "fold",
    "dataset_split",
    "data_split",
    "phase",
    "is_valid",
    "is_validation",
    "is_test",
    "is_train",
)
KEYS = (
    "sha256",
    "hash",
    "md5",
    "sha1",
    "checksum",
    "uuid",
    "guid",
    "filepath",
    "file_path",
    "image_path",
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "img",
    "image_file",
    "img_path",
    "image_id",
    "sample_id",
    "record_id",
    "example_id",
    "key",
    "id",
    "uid",
    "url",
    "record",
    "sample",
)
CONTENT = (
    "text",
    "sentence",
    "sentence1",
    "sentence2",
    "prompt",
    "completion",
    "question",
    "review",
    "title",
    "content",
    "caption",
    "transcript",
)
"""Columns that hold the record itself, as text."""
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

_SPLIT_NAMES = {
    "train": ("train", "training", "tr", "trn", "fit", "learn"),
    "validation": ("validation", "val", "valid", "dev", "development", "eval", "evaluation", "cv", "holdout"),
    "test": ("test", "testing", "tst", "te"),
}
SPLIT_ALIASES = {alias: name for name, aliases in _SPLIT_NAMES.items() for alias in aliases}
"""Lower-case word -> `train`, `validation` or `test`."""


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


def plain(name: str) -> str:
    """A column's name in lower case, with one underscore between words."""
    return re.sub(r"[\s\-.]+", "_", name.strip().lower())


def known_name(name: str) -> bool:
    """Whether a name is one that label, split, key or content columns go by."""
    return plain(name) in {*LABELS, *SPLITS, *KEYS, *CONTENT}


def is_number(text: str) -> bool:
    """Whether a cell reads as a number (NaN and Inf included)."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def split_name(text: str) -> str:
    """`train`, `validation` or `test` where a word of the text says so (`train-00000-of-00002`, `my_val`), else empty."""
    found = {SPLIT_ALIASES[word] for word in re.split(r"[^a-z]+", text.lower()) if word in SPLIT_ALIASES}
    return found.pop() if len(found) == 1 else ""


def is_training_log(names: Sequence[str]) -> bool:
    """Whether columns are those of a training log: a step or epoch, and a loss or metric."""
    tokens = {token for name in names for token in re.split(r"[^a-z0-9]+", name.lower())}
    return any(plain(name) in _PROGRESS for name in names) and bool(tokens & _PROGRESS_WORDS)


def holds_curves(names: Sequence[str]) -> bool:
    """Whether the columns of a training log are worth reading as curves: `epoch` and `error` are columns of star catalogues too."""
    return bool({token for name in names for token in re.split(r"[^a-z0-9]+", name.lower())} & _CURVE_WORDS)


def _by_name(names: Sequence[str], known: Sequence[str]) -> list[int]:
    simple = [plain(name) for name in names]
    return [simple.index(word) for word in known if word in simple]


def _values(sample: Sequence[Sequence[str | None]], column: int) -> list[str]:
    """The sample's cells that are not blank."""
    return [cell.strip() for row in sample if (cell := row[column]) is not None and cell.strip()]


def _numeric(values: Sequence[str]) -> bool:
    return len(values) > 0 and all(map(is_number, values))


def choose(names: Sequence[str], sample: Sequence[Sequence[str | None]], lists: frozenset[int]) -> Columns:
    """Positions of label, split, key and feature columns.

    Args:
        names: the file's names, in order.
        sample: first rows, as text.
        lists: columns that hold lists or structures; they are never a label, split or key.
    """
    said: list[str] = []
    single = [index for index in range(len(names)) if index not in lists]
    values = {index: _values(sample, index) for index in single}
    few = {index: len(set(cells)) for index, cells in values.items()}

    splits = [index for index in _by_name(names, SPLITS) if index in values and few[index] <= 50]
    split = splits[0] if splits else None
    if split is None:
        # Nothing but names of splits in a column leaves no doubt, whatever it is called.
        split = next((i for i in single if values[i] and all(cell.lower() in SPLIT_ALIASES for cell in values[i])), None)
        if split is not None:
            said.append(f"column {names[split]!r} holds names of splits")
    labels = [index for index in _by_name(names, LABELS) if index in values and index != split]
    if not labels:
        ends = [i for i in single if i != split and plain(names[i]).split("_")[-1] in ("label", "class", "target", "category")]
        labels = ends[:1]
    keys = [index for index in _by_name(names, KEYS) if index in values and index not in labels and index != split]
    key = keys[0] if keys else None
    if not labels:
        found = _label_by_content(names, values, few, {split, key})
        if found is not None:
            labels = [found]
            said.append(f"column {names[found]!r} is taken for the label by its content ({few[found]} different values)")
    if key is None:
        rest = [i for i in single if i not in labels and i != split and len(values[i]) >= 20 and few[i] == len(values[i])]
        key = next(
            (i for i in rest if not _numeric(values[i]) and plain(names[i]) not in CONTENT and max(map(len, values[i])) <= 200), None
        )
        if key is not None:
            said.append(f"column {names[key]!r} is taken for the key: its values differ in the first {len(values[key])} rows")
    features = _features(names, values, {*labels, split, key})
    return Columns(tuple(labels), split, key, features, tuple(said))


def _label_by_content(names: Sequence[str], values: dict[int, list[str]], few: dict[int, int], taken: set[int | None]) -> int | None:
    """The one column of words that repeat, beside a key or beside columns of numbers; None where several or none would do."""
    words = [
        index
        for index, cells in values.items()
        if index not in taken
        and len(cells) >= 10
        and 2 <= few[index] <= max(2, len(cells) // 4)
        and not _numeric(cells)
        and plain(names[index]) not in CONTENT
    ]
    others = [index for index in values if index not in words and index not in taken]
    beside = None not in taken or any(_numeric(values[index]) for index in others) or any(few[i] == len(values[i]) for i in others)
    return words[0] if len(words) == 1 and beside else None


def _features(names: Sequence[str], values: dict[int, list[str]], taken: set[int | None]) -> tuple[int, ...]:
    """Numeric columns that a model may be fed; none where the record is a file or a text, of which they are mere attributes."""
    for index, cells in values.items():
        name = plain(names[index])
        if name in CONTENT and not _numeric(cells):
            return ()
        if any(word in name for word in _FILES) and cells and not _numeric(cells):
            return ()
    return tuple(
        index
        for index, cells in values.items()
        if index not in taken and plain(names[index]) not in _COUNTERS | set(KEYS) and _numeric(cells)
    )


def whole(text: str) -> str:
    """A label without the `.0` that a table of floats puts behind an integer."""
    return text[:-2] if re.fullmatch(r"-?\d+\.0", text) else text


def finite(value: float | None) -> bool:
    """Whether there is a number, and it is finite."""
    return value is not None and math.isfinite(value)
