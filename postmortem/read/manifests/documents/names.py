"""Gives the numbers that stand for classes in a table the names that a description beside it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from postmortem.model import Manifest
from postmortem.read.manifests.data import ManifestData


def with_declared_names(read: Mapping[Path, ManifestData]) -> dict[Path, ManifestData]:
    """Manifests of tables with named classes; a description that named one, or that describes a set counted beside it, is left out.

    A description names the tables of its own folder and of the folders below it, where every label is the index of one of its classes.
    """
    declarers = {
        path: each for path, each in read.items() if each.manifest is not None and each.manifest.declared and each.manifest.classes
    }
    named: dict[Path, ManifestData] = {}
    used: set[Path] = set()
    for path, each in read.items():
        if each.manifest is None or each.manifest.declared or each.manifest.classes or not each.manifest.counts:
            named[path] = each
            continue
        for place, declarer in declarers.items():
            assert declarer.manifest is not None
            manifest = _named(each.manifest, declarer.manifest) if path.is_relative_to(place.parent) else None
            if manifest is not None:
                used.add(place)
                note = f"{manifest.source}: its {len(declarer.manifest.classes)} classes are named by {declarer.manifest.source}"
                each = replace(each, manifest=manifest, notes=(*each.notes, note))
                break
        named[path] = each
    return {path: replace(each, manifest=None) if path in used and not _counts(each) else each for path, each in named.items()}


def _counts(read: ManifestData) -> bool:
    return read.manifest is not None and bool(read.manifest.counts)


def _named(table: Manifest, declared: Manifest) -> Manifest | None:
    """The table's counts by name; None where its labels are not indices of the declared classes, or its column is another."""
    if declared.labels not in ("single", "multiple") or (declared.label_column and declared.label_column != table.label_column):
        return None
    labels = {label for counts in table.counts.values() for label in counts}
    classes = _different(declared.classes)
    if labels <= set(declared.classes):  # named already
        return replace(table, classes=declared.classes)
    if not all(label.isdecimal() and len(label) < 10 and int(label) < len(classes) for label in labels):
        return None
    counts = {split: {classes[int(label)]: count for label, count in numbers.items()} for split, numbers in table.counts.items()}
    return replace(table, counts=counts, classes=classes)


def _different(names: Sequence[str]) -> tuple[str, ...]:
    """Names with their index behind those that are not the first of their kind."""
    first: dict[str, int] = {}
    return tuple(name if first.setdefault(name, at) == at else f"{name} ({at})" for at, name in enumerate(names))
