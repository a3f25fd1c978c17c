"""Which of a run's manifests speaks for its data, and what its splits and classes are. Pure numbers, no file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from postmortem.model import LabelKind, Manifest

HELD_OUT = ("validation", "test")
MOST_PAIRS = 50
"""Folds beyond these are not held against the others: a column of so many splits is hardly one of splits."""
_PREDICTED = frozenset(
    {
        "prediction",
        "predictions",
        "predicted",
        "preds",
        "pred",
        "submission",
        "submissions",
        "oof",
        "outputs",
        "inference",
        "logits",
        "probs",
    }
)
"""Words of files and columns that hold what a model answered rather than what it was trained on."""


def label_kind(manifest: Manifest) -> LabelKind:
    """What labels a record has; where the reader did not say, counts are of single classes."""
    if manifest.labels:
        return manifest.labels
    if manifest.targets is not None:
        return "targets"
    return "single" if any(manifest.counts.values()) else ""


def main_manifest(manifests: Sequence[Manifest]) -> Manifest | None:
    """The manifest that speaks for the data set.

    One that the user gave comes first; then one with labels, one that is no table of predictions, one that was counted rather than
    declared, one that has records to train on, and at last the one with the most records.
    """
    return max(manifests, key=_standing, default=None)


def speaker_notes(manifests: Sequence[Manifest]) -> tuple[str, ...]:
    """One sentence that says which of several manifests speaks, and why; nothing where there is no choice."""
    chosen = main_manifest(manifests)
    others = [one for one in manifests if one is not chosen]
    if chosen is None or not others:
        return ()
    reasons = ("was given", "has labels", "is no table of predictions", "was counted", "has records to train on", "has the most records")
    closest = _standing(max(others, key=_standing))
    why = next((reason for reason, own, other in zip(reasons, _standing(chosen), closest, strict=True) if own != other), "comes first")
    shown = ", ".join(one.source for one in others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return (f"{chosen.source}: speaks for the data set, since it {why}; {shown} left aside in all numbers of classes and records",)


def _standing(manifest: Manifest) -> tuple[int, ...]:
    trains = any(count for split, count in split_records(manifest).items() if split not in HELD_OUT)
    labelled = any(manifest.counts.values()) or manifest.targets is not None
    return (manifest.given, labelled, not _of_predictions(manifest), not manifest.declared, trains, manifest.rows)


def _of_predictions(manifest: Manifest) -> bool:
    stems = [PurePosixPath(part).name.partition(".")[0] for part in manifest.source.split(" + ")]
    words = {word for text in (*stems, *manifest.features, manifest.label_column) for word in re.split(r"[^a-z0-9]+", text.lower())}
    return bool(words & _PREDICTED)


def split_records(manifest: Manifest) -> dict[str, int]:
    """Split -> records, unlabelled ones included where the reader counted them."""
    if manifest.records:
        return dict(manifest.records)
    counted = {split: sum(counts.values()) for split, counts in manifest.counts.items()}
    return counted or {"": manifest.rows}


def training_splits(names: Sequence[str]) -> list[str]:
    """Those of some splits that training sees: `train`, else every one that is neither validation nor test (the folds of a k-fold)."""
    return ["train"] if "train" in names else [name for name in names if name not in HELD_OUT]


def training_records(manifest: Manifest) -> int:
    """Records that training sees: the training split's, else those of all splits that are not held out."""
    records = split_records(manifest)
    return sum(records[split] for split in training_splits(list(records)))


def label_totals(manifest: Manifest) -> dict[str, int]:
    """Label -> records over all splits; declared classes that nothing was counted of stand at 0."""
    totals: dict[str, int] = dict.fromkeys(class_names(manifest), 0)
    for counts in manifest.counts.values():
        for label, count in counts.items():
            totals[label] = totals.get(label, 0) + count
    return totals


def class_names(manifest: Manifest) -> tuple[str, ...]:
    """Declared classes in the order of their indices; empty where labels are called otherwise (then they are no help in counting)."""
    labels = {label for counts in manifest.counts.values() for label in counts}
    return manifest.classes if not labels or labels.intersection(manifest.classes) else ()


def split_counts(manifest: Manifest, split: str) -> dict[str, int]:
    """Records of each label in a split, largest first, with labels that it lacks at 0: declared ones, and those of other splits.

    `train` is every split that is neither validation nor test where none is called so.
    """
    chosen = [split] if split in manifest.counts or split != "train" else training_splits(list(manifest.counts))
    totals = dict.fromkeys(label_totals(manifest), 0)
    for name in chosen:
        for label, count in manifest.counts.get(name, {}).items():
            totals[label] += count
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))


def compared_pairs(names: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """Which splits are held against which: (splits put together, the other one).

    Each held-out split against what is trained on; where none is held out, each of the first 50 folds against all others.
    """
    held_out = [name for name in names if name in HELD_OUT]
    trained = training_splits(names)
    if held_out and trained:
        return [(tuple(trained), name) for name in held_out]
    return [(tuple(other for other in names if other != name), name) for name in names[:MOST_PAIRS]] if len(names) > 1 else []


def shown_split(split: str) -> str:
    """A split's name as sentences use it."""
    if not split:
        return "all records"
    return f"fold {split}" if split.isdecimal() else split


def put_together(counts: Mapping[str, Mapping[str, int]], splits: Sequence[str]) -> dict[str, int]:
    """Label -> records over some splits."""
    totals: dict[str, int] = {}
    for split in splits:
        for label, count in counts.get(split, {}).items():
            totals[label] = totals.get(label, 0) + count
    return totals


def natural(label: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorting key by which class 2 comes before class 10. Python converts no number of thousands of digits: those are text."""
    parts = re.split(r"((?<!\d)\d{1,99}(?!\d))", label)
    return tuple((at % 2 == 0, int(part) if at % 2 else 0, part) for at, part in enumerate(parts) if part)
