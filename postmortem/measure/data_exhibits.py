"""What a report draws of the data: records of each class by split, and numbers that would balance them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.class_advice import advise
from postmortem.measure.data_sets import label_kind, main_manifest, natural, shown_split
from postmortem.measure.figure_titles import classes_title
from postmortem.model import CountPlot, Exhibit, LabelKind, Manifest

MOST_FREQUENT = 25
"""Classes with a bar of their own where there are more than both together: so many of the most frequent ones"""
RAREST = 15
"""and of the rarest, which are those that imbalance starves."""
MOST_SPLITS = 6
"""Splits with bars of their own; more, such as the folds of a long cross-validation, are counted together."""

_TRAIN_FIRST = {"train": 0, "training": 0, "": 1, "validation": 2, "val": 2, "test": 3}
_COUNTED: dict[LabelKind, str] = {
    "objects": "Objects of each class",
    "multiple": "Records that bear each label, of which a record may bear several",
}


def build(manifests: Sequence[Manifest]) -> Iterator[Exhibit]:
    """Class counts of the manifest that speaks for the data set, and what would balance its classes."""
    manifest = main_manifest(manifests)
    if manifest is None:
        return
    counts = class_counts(manifest)
    if any(counts.values()):
        yield _plot(manifest, counts)
    yield from advise(manifest)


def class_counts(manifest: Manifest) -> dict[str, Counter[str]]:
    """Split, as it is shown -> label -> records; the split that training saw first, unlabelled splits left out."""
    counts = {split: Counter(labels) for split, labels in manifest.counts.items() if any(labels.values())}
    if len(counts) > MOST_SPLITS:
        return {f"all {len(counts)} splits": sum(counts.values(), Counter())}
    ordered = sorted(counts.items(), key=lambda item: (_TRAIN_FIRST.get(item[0].lower(), 4), natural(item[0])))
    return {shown_split(split) if split else "": labels for split, labels in ordered}


def _plot(manifest: Manifest, counts: Mapping[str, Counter[str]]) -> CountPlot:
    split, trained = next(iter(counts.items()))
    total: Counter[str] = sum(counts.values(), Counter())
    ordered = sorted(total, key=lambda label: (-trained.get(label, 0), -total[label], natural(label)))
    caption = f"{_COUNTED.get(label_kind(manifest), 'Records of each class')}, from {manifest.source}. "
    shown = ordered
    if len(ordered) > MOST_FREQUENT + RAREST:
        shown, rest = [*ordered[:MOST_FREQUENT], *ordered[-RAREST:]], ordered[MOST_FREQUENT:-RAREST]
        left = sum(total[label] for label in rest)
        caption += (
            f"The {MOST_FREQUENT} most frequent and the {RAREST} rarest of {len(ordered)} classes; the {len(rest)} between them, with "
            f"{left} of {total.total()} in all splits, are left out. "
        )
    caption += "Bars are relative to the largest class of their split."
    if manifest.declared:
        caption += " The numbers are declared, and were not counted."
    columns = {split: tuple(labels.get(label, 0) for label in shown) for split, labels in counts.items()}
    return CountPlot("classes", "data", classes_title(trained, ordered, split), caption, tuple(shown), columns)
