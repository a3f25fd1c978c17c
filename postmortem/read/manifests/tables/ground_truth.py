"""Augmented manifests of SageMaker Ground Truth: a JSON object a line, with a label attribute and what is known of it beside.

https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, LabelKind, Manifest, Problem, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.tables.encodings import unzipped
from postmortem.read.manifests.tables.separated import LONGEST_LINE_BYTES
from postmortem.read.manifests.tables.vocabulary import split_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = "SageMaker Ground Truth"
_SOURCES = ("source-ref", "source")
_BESIDE = "-metadata"
_LINES_NAMED = 5
_LINES_TO_TELL = 20
MOST_CLASSES = 1_000_000


@dataclass(slots=True)
class _Tally:
    """Sums over the lines; a record that names its split in no way is of the file's split."""

    counts: Counter[str] = field(default_factory=Counter)
    records: int = 0
    missing: int = 0
    background: int = 0
    kinds: Counter[LabelKind] = field(default_factory=Counter)
    order_runs: int = 0
    last: str = ""
    keys: dict[int, str] = field(default_factory=dict)
    """Hash of the key -> its label, to find the ones that recur."""
    duplicates: int = 0
    conflicts: set[int] = field(default_factory=set)
    classes: dict[str, str] = field(default_factory=dict)
    """Number of a class -> its name, as the lines say."""


def read_ground_truth(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Counts of an augmented manifest, by names of classes; None for any other file."""
    attribute, others = _attribute(head, options.label_column)
    if not attribute:
        return None
    tally = _Tally()
    bad: list[int] = []
    try:
        for line, record in _records(file.path):
            if record is None:
                bad.append(line)
            else:
                _add(tally, record, attribute)
    except (OSError, EOFError) as problem:
        return failed(file, "unreadable", f"cannot be read to its end: {type(problem).__name__}; no record was counted")
    if len(tally.counts) > MOST_CLASSES:
        return failed(
            file, "unsupported", f"attribute {attribute!r} holds {len(tally.counts)} different classes: keys or texts, not classes"
        )
    split = file.group or split_name(Path(file.name).name.split(".")[0]) or split_name(Path(file.name).parent.name)
    kind = tally.kinds.most_common(1)[0][0] if tally.kinds else ""
    numbers = {str(place) for place in range(len(tally.classes))}
    manifest = Manifest(
        source=file.name,
        rows=tally.records,
        label_column=attribute,
        split_column=None,
        key_column=_SOURCES[0] if tally.keys else None,
        counts={split: dict(sorted(tally.counts.items(), key=lambda pair: (-pair[1], pair[0])))} if kind else {},
        missing_labels=tally.missing,
        duplicate_keys=tally.duplicates if tally.keys else None,
        shared_keys={},
        features={},
        order_runs=tally.order_runs if kind == "single" else None,
        records={split: tally.records},
        format=FORMAT,
        labels=kind,
        classes=tuple(tally.classes[number] for number in sorted(numbers, key=int)) if numbers and numbers == tally.classes.keys() else (),
        background=tally.background,
        conflicting_keys=len(tally.conflicts) if tally.keys and kind == "single" else None,
        rejected=len(bad),
    )
    problems = []
    if bad:
        named = ", ".join(f"line {line} (no JSON object)" for line in bad[:_LINES_NAMED]) + (", ..." if len(bad) > _LINES_NAMED else "")
        detail = f"{len(bad)} of {tally.records + len(bad)} records are broken and left out: {named}"
        problems.append(Problem(file.name, "corrupt", detail))
    if not kind:
        problems.append(Problem(file.name, "unsupported", f"no record of it is labelled in {attribute!r}; classes cannot be counted"))
    notes = [f"{file.name}: label is attribute {attribute!r}, by the names of classes beside it"]
    if others:
        notes.append(f"{file.name}: other label attributes are left aside: {', '.join(map(repr, others))}")
    return ManifestData(manifest, tuple(problems), tuple(notes), keys=_hashes(split, tally))


def _hashes(split: str, tally: _Tally) -> Mapping[str, NDArray[np.uint64]] | None:
    import numpy as np

    return {split: np.fromiter(tally.keys, np.uint64, len(tally.keys))} if tally.keys else None


def _attribute(head: bytes, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """The label attribute of the first lines, and the names of others; empty where they are of no augmented manifest."""
    found: dict[str, None] = {}
    for line in head.split(b"\n")[:_LINES_TO_TELL]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(record, dict) or not any(source in record for source in _SOURCES):
            continue
        for name, beside in record.items():
            if name.endswith(_BESIDE) and isinstance(beside, dict) and {"type", "class-name", "class-map", "job-name"} & beside.keys():
                found.setdefault(name.removesuffix(_BESIDE))
    names = tuple(found)
    if not names:
        return "", ()
    # A chained job appends its own attribute: the last one is the newest.
    chosen = asked if asked in names else names[-1]
    return chosen, tuple(name for name in names if name != chosen)


def _records(path: Path) -> Iterator[tuple[int, dict[str, object] | None]]:
    """Number and object of each line that is not blank; None for one that is no object or longer than a line may be."""
    with unzipped(path) as stream:
        number, inside = 0, False
        while line := stream.readline(LONGEST_LINE_BYTES):
            ends = line.endswith(b"\n")
            if not inside:
                number += 1
            if inside or (not ends and len(line) >= LONGEST_LINE_BYTES):
                if not inside:
                    yield number, None
                inside = not ends
                continue
            if not line.strip():
                continue
            try:
                record = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError):
                record = None
            yield number, record if isinstance(record, dict) else None


def _add(tally: _Tally, record: dict[str, object], attribute: str) -> None:
    tally.records += 1
    beside = record.get(attribute + _BESIDE)
    labels, kind = _labels(record.get(attribute), beside if isinstance(beside, dict) else {}, tally.classes)
    if labels is None:
        tally.missing += 1
    else:
        tally.kinds[kind] += 1
        tally.counts.update(labels)
        tally.background += kind == "objects" and not labels
    label = labels[0] if labels and kind == "single" else ""
    if label:
        tally.order_runs += label != tally.last
        tally.last = label
    key = next((record[source] for source in _SOURCES if isinstance(record.get(source), str)), None)
    if not isinstance(key, str):
        return
    hashed = _hash(key)
    if hashed not in tally.keys:
        tally.keys[hashed] = label
        return
    tally.duplicates += 1
    if label and tally.keys[hashed] and label != tally.keys[hashed]:
        tally.conflicts.add(hashed)


def _hash(key: str) -> int:
    from hashlib import blake2b

    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _labels(value: object, beside: Mapping[str, object], classes: dict[str, str]) -> tuple[tuple[str, ...] | None, LabelKind]:
    """Names of a record's classes (one for each object), None where it is not labelled; and the kind of label that it has."""
    if beside.get("failure-reason"):
        return None, ""
    named = beside.get("class-map")
    names = {str(number): str(name) for number, name in named.items() if isinstance(name, str)} if isinstance(named, dict) else {}
    classes.update(names)
    if isinstance(value, dict) and isinstance(value.get("annotations"), list):
        numbers = [str(each.get("class_id")) for each in value["annotations"] if isinstance(each, dict) and "class_id" in each]
        return tuple(names.get(number, number) for number in numbers), "objects"
    if isinstance(value, list):
        return tuple(dict.fromkeys(names.get(str(number), str(number)) for number in value if isinstance(number, int | str))), "multiple"
    name = beside.get("class-name")
    if isinstance(name, str) and name:
        if isinstance(value, int) and not isinstance(value, bool):
            classes.setdefault(str(value), name)
        return (name,), "single"
    if isinstance(value, int | str) and str(value).strip():
        return (names.get(str(value), str(value)),), "single"
    return None, ""
