"""Splits whose records have no label, but a word in its place: `None`, -1 or `?` in each row of a test file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from postmortem.model import Manifest

HELD_OUT = ("validation", "test")
PLACEHOLDERS = frozenset(("none", "null", "n/a", "na", "-1", "?", "-", "unknown", "unlabeled", "unlabelled", "no_label", "tbd", "todo"))
"""Lower-case words that stand for a label that was not given."""


def without_placeholders(manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """The manifest with its unlabelled held-out splits counted as such, and one sentence for each.

    Such a word is a class like any other (`none` among emotions) unless it is all that a held-out split holds while what is
    trained on holds at least two classes and lacks it.
    """
    if manifest.labels not in ("", "single") or manifest.declared:
        return manifest, ()
    counts = dict(manifest.counts)
    notes: list[str] = []
    emptied = 0
    for split in HELD_OUT:
        labels = {label: count for label, count in counts.get(split, {}).items() if count}
        if len(labels) != 1 or not _stands_alone(next(iter(labels)), manifest.counts):
            continue
        word, records = next(iter(labels.items()))
        counts[split] = {}
        emptied += records
        notes.append(f"{manifest.source}: every record of {split} has the label {word!r}, which training lacks: taken for no label")
    if not emptied:
        return manifest, ()
    return replace(manifest, counts=counts, missing_labels=manifest.missing_labels + emptied), tuple(notes)


def _stands_alone(word: str, counts: Mapping[str, Mapping[str, int]]) -> bool:
    if word.strip().lower() not in PLACEHOLDERS:
        return False
    elsewhere = {label for other, labels in counts.items() if other not in HELD_OUT for label, count in labels.items() if count}
    return word not in elsewhere and len(elsewhere) > 1
