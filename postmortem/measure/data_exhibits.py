"""What a report draws of the data: records of each class by split, and weights that would balance them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from postmortem.model import CountPlot, Exhibit, Manifest, Table

MAX_CLASSES = 40
"""Classes with a bar of their own; the rest share one."""
MAX_PASTED = 200
"""Classes up to which weights are worth pasting."""
BALANCED = 1.5
"""Largest over smallest class below which weights would change nothing that matters."""

_TRAIN_FIRST = {"train": 0, "training": 0, "": 1, "validation": 2, "val": 2, "test": 3}


def build(manifests: Sequence[Manifest]) -> Iterator[Exhibit]:
    """Class counts, and class weights where classes differ in size."""
    counts = class_counts(manifests)
    if not any(counts.values()):
        return
    sources = ", ".join(manifest.source for manifest in manifests if any(manifest.counts.values()))
    trained = next(iter(counts.values()))
    total: Counter[str] = sum(counts.values(), Counter())
    ordered = sorted(total, key=lambda label: (-trained.get(label, 0), -total[label], natural(label)))
    yield _plot(ordered, counts, sources)
    yield from _weights(trained)


def class_counts(manifests: Sequence[Manifest]) -> dict[str, Counter[str]]:
    """Split -> label -> records over all manifests, the split that training saw first."""
    counts: dict[str, Counter[str]] = {}
    for manifest in manifests:
        for split, labels in manifest.counts.items():
            counts.setdefault(split, Counter()).update(labels)
    return dict(sorted(counts.items(), key=lambda item: (_TRAIN_FIRST.get(item[0].lower(), 4), item[0])))


def natural(label: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorting key by which class 2 comes before class 10."""
    parts = re.split(r"(\d+)", label)
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts if part)


def _plot(ordered: Sequence[str], counts: Mapping[str, Counter[str]], sources: str) -> CountPlot:
    shown, rest = list(ordered[:MAX_CLASSES]), ordered[MAX_CLASSES:]
    columns = {split: [labels.get(label, 0) for label in shown] for split, labels in counts.items()}
    if rest:
        shown.append(f"{len(rest)} other classes")
        for split, labels in counts.items():
            columns[split].append(sum(labels.get(label, 0) for label in rest))
    caption = f"Records of each class, from {sources}. Bars are relative to the largest class of their split."
    return CountPlot("classes", "data", "Classes", caption, tuple(shown), {split: tuple(column) for split, column in columns.items()})


def _weights(trained: Mapping[str, int]) -> Iterator[Table]:
    """Inverse-frequency weights, records over classes times the class's records, whose mean over records is 1."""
    present = {label: trained[label] for label in sorted(trained, key=natural) if trained[label] > 0}
    if len(present) < 2 or max(present.values()) < BALANCED * min(present.values()):
        return
    records = sum(present.values())
    weights = {label: float(f"{records / (len(present) * count):.4g}") for label, count in present.items()}
    rows = tuple((label, count, float(f"{count / records:.4g}"), weights[label]) for label, count in present.items())
    caption = (
        "Inverse-frequency weights: with them each class has the same say in the loss. The order of the labels is the order of the weights."
    )
    code = _code(weights) if len(weights) <= MAX_PASTED else ""
    yield Table("class-weights", "data", "Class weights", caption, ("class", "records", "share", "weight"), rows, code)


def _code(weights: Mapping[str, float]) -> str:
    labels = ", ".join(json.dumps(label) for label in weights)
    numbers = ", ".join(f"{weight:g}" for weight in weights.values())
    return (
        f"labels = [{labels}]  # class indices must be in this order\n"
        f"weights = torch.tensor([{numbers}])\n"
        "loss_function = torch.nn.CrossEntropyLoss(weight=weights)"
    )
