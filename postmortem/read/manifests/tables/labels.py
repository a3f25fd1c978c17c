"""What a label column holds: classes, several classes a record, numbers to predict, or nothing of the kind."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postmortem.model import Targets
from postmortem.read.manifests.tables.load import BETWEEN, CLEAN, Label, number
from postmortem.read.manifests.tables.relation import Parameter
from postmortem.read.manifests.tables.targets import are_targets, targets
from postmortem.read.manifests.tables.vocabulary import is_number

if TYPE_CHECKING:
    import duckdb

MANY_CLASSES = 10_000
"""Beyond these a label must recur to be one."""
MOST_CLASSES = 1_000_000
SURELY_TOO_MANY = 1.2
"""Times `MOST_CLASSES` as a sketch of 2% error estimates them."""
_SKETCH = "SELECT approx_count_distinct(label) FROM records"
_BLANK = frozenset(("", "nan", "<na>"))
_SEPARATORS = ("|", ";", ",")
LONGEST_MEMBER = 40
LEAST_SEVERAL = 0.05
"""Share of cells that hold several classes, from which a separator is one."""
LEAST_ALONE = 0.3
"""Share of the classes of such cells that must stand alone in other cells: the parts of `Paris, France` do not."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What the label column turned out to be."""

    label: Label
    counts: Mapping[str, Mapping[str, int]]
    missing: int
    targets: Targets | None = None
    refused: str = ""
    """Why it does not hold classes, one clause; empty where it does."""
    several: bool = False
    """Whether a record may carry several classes."""
    none: int = 0
    """Records that say that they carry none of several classes."""
    merged: bool = False
    """Whether labels that are written differently are one class (`1` and `1.0`)."""


def clean(text: str | None) -> str:
    """A label without blanks around it and without the `.0` that a table of floats puts behind an integer; empty for none."""
    trimmed = (text or "").strip()
    if trimmed.lower() in _BLANK:
        return ""
    return trimmed[:-2] if trimmed.endswith(".0") and re.fullmatch(r"-?[0-9]+\.0", trimmed) else trimmed


def separator(values: Sequence[str]) -> str:
    """How several classes stand in one cell of these: `list`, a character, or empty where a cell is one class.

    A separator stands in a share of the cells and not in all, and what it separates are short words that also stand alone.
    """
    if values and all(re.fullmatch(r"\[[^\[{]*\]", cell) for cell in values):
        return "list"
    for character in _SEPARATORS:
        several = [[part.strip() for part in cell.split(character)] for cell in values if character in cell]
        if len(several) < max(2, LEAST_SEVERAL * len(values)):
            continue
        alone = {cell for cell in values if character not in cell}
        members = {part for parts in several for part in parts if part}
        if all(len(part) <= LONGEST_MEMBER for part in members) and len(members & alone) >= max(2, LEAST_ALONE * len(members)):
            return character
    return ""


def members(text: str, how: str, names: Sequence[str] = ()) -> tuple[str, ...]:
    """The different classes in one cell, in their order."""
    if how == "one-hot":
        return tuple(names[int(place)] for place in text.split(BETWEEN) if place)
    if how == "list":
        try:
            parsed = json.loads(text)
            parts = [each if isinstance(each, str) else json.dumps(each) for each in parsed if each is not None]
        except (ValueError, RecursionError):
            parts = [part.strip().strip("'\"") for part in text.strip().strip("[]").split(",")]
    else:
        parts = text.split(how)
    return tuple(dict.fromkeys(found for part in parts if (found := clean(part))))


def tally(
    connection: duckdb.DuckDBPyConnection, sampled: Sequence[str], rows: str = "records", parameters: Sequence[Parameter] = ()
) -> bool:
    """Write the table `pairs` (split, label, n); False where labels are too many for it.

    Args:
        connection: holds `records`.
        rows: what holds split and label: that table, or where it is faster a statement in brackets over the file itself.
        parameters: of that statement.
        sampled: the label's sampled cells; where they hardly recur, a sketch is made first.
    """
    doubtful = len(sampled) >= 100 and len(set(sampled)) > 0.5 * len(sampled)
    if doubtful and number(connection, _SKETCH) > SURELY_TOO_MANY * MOST_CLASSES:
        return False
    question = f"CREATE OR REPLACE TABLE pairs AS SELECT split, label, count(*) AS n FROM {rows} GROUP BY split, label"
    connection.execute(question, list(parameters))
    return True


def judge(
    connection: duckdb.DuckDBPyConnection, label: Label, names: Mapping[object, str], tallied: bool, columns: Sequence[str]
) -> Labels:
    """Count the labels in `records`, or say why they are no classes.

    Args:
        connection: holds `records`, `split_names`, and `pairs` where they are tallied.
        label: where the labels come from.
        names: what stands in the split column -> split.
        tallied: what `tally` gave back.
        columns: the file's own names.
    """
    if not tallied:
        return _too_many(connection, label, number(connection, _SKETCH), "about ")
    if number(connection, "SELECT count(*) FROM pairs") > MOST_CLASSES + len(names):
        different = number(connection, "SELECT count(DISTINCT label) FROM pairs")
        if different > MOST_CLASSES:
            return _too_many(connection, label, different)
    pairs = [(names[split], text, int(n)) for split, text, n in connection.execute("SELECT split, label, n FROM pairs").fetchall()]
    return _counted(connection, label, pairs, names, columns)


def _too_many(connection: duckdb.DuckDBPyConnection, label: Label, different: int, about: str = "") -> Labels:
    rows = number(connection, "SELECT count(*) FROM records")
    blank = number(connection, f"SELECT count(*) FROM records WHERE {CLEAN} IS NULL")
    sums = targets(connection, different)
    if sums is not None and sums.count + sums.not_finite >= rows - blank:
        return Labels(label, {}, blank, sums)
    why = f"column {label.name!r} holds {about}{different} different values in {rows - blank} rows: a key or a text, not classes"
    return Labels(label, {}, blank, refused=why)


def _counted(
    connection: duckdb.DuckDBPyConnection,
    label: Label,
    pairs: Sequence[tuple[str, str | None, int]],
    names: Mapping[object, str],
    columns: Sequence[str],
) -> Labels:
    rows = sum(n for _, _, n in pairs)
    one_hot = [columns[i] for i in label.one_hot]
    if label.members:
        return _several(label, pairs, names, lambda text: members(text, label.members, one_hot))
    texts = {text: clean(text) for text in {text for _, text, _ in pairs}}
    missing = sum(n for _, text, n in pairs if not texts[text])
    different = {text for text in texts.values() if text}
    labelled = rows - missing
    if not labelled:
        return Labels(label, {}, missing, refused=f"column {label.name!r} is empty throughout")
    if all(map(is_number, different)):
        numbers = [float(text) for text in different]
        if are_targets(numbers, labelled, label.name):
            return Labels(label, {}, missing, targets(connection, len(different)))
    recurring = len(different) <= labelled / 2 if len(different) > MANY_CLASSES else labelled < 100 or len(different) < 0.9 * labelled
    if len(different) > MOST_CLASSES or not recurring:
        why = f"column {label.name!r} holds {len(different)} different values in {labelled} rows: a key or a text, not classes"
        return Labels(label, {}, missing, refused=why)
    # `1` and `1.0` are one class (a column of integers turns into floats where a cell is missing), but grades of 0.0, 0.5 and 1.0 stay.
    integers = all(re.fullmatch(r"-?[0-9]+", text) for text in different)
    written = texts if integers else {text: (text or "").strip() if cleaned else "" for text, cleaned in texts.items()}
    counts = _ordered(((split, written[text], n) for split, text, n in pairs if written[text]), names)
    raw = sum(1 for cleaned in written.values() if cleaned)
    return Labels(label, counts, missing, merged=raw > len({cleaned for cleaned in written.values() if cleaned}))


def _several(
    label: Label, pairs: Sequence[tuple[str, str | None, int]], names: Mapping[object, str], parts_of: Callable[[str], tuple[str, ...]]
) -> Labels:
    """Records that carry each class; a record counts once for each class that it carries."""
    cells = {text: parts_of(text or "") for text in {text for _, text, _ in pairs}}
    blank = {text for text in cells if not (text or "").strip()} if label.members != "one-hot" else set()
    missing = sum(n for _, text, n in pairs if text in blank)
    none = sum(n for _, text, n in pairs if text not in blank and not cells[text])
    different = {part for parts in cells.values() for part in parts}
    if not different:
        return Labels(label, {}, missing, refused=f"column {label.name!r} is empty throughout")
    rows = sum(n for _, _, n in pairs)
    if len(different) > MANY_CLASSES and len(different) > rows / 2:
        why = f"the lists of column {label.name!r} hold {len(different)} different values in {rows} rows: no classes"
        return Labels(label, {}, missing, refused=why)
    counts = _ordered(((split, part, n) for split, text, n in pairs for part in cells[text]), names)
    several = any(len(parts) != 1 for text, parts in cells.items() if text not in blank)
    return Labels(label, counts, missing, several=several, none=none)


def _ordered(counted: Iterable[tuple[str, str, int]], names: Mapping[object, str]) -> dict[str, dict[str, int]]:
    """Split -> label -> count, the most frequent label first; every split stands there, labelled or not."""
    sums: dict[str, Counter[str]] = {split: Counter() for split in names.values()}
    for split, text, n in counted:
        sums[split][text] += n
    return {split: dict(sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))) for split, labels in sums.items()}
