"""The table of data sets in a report: what each manifest was taken for, and what it holds by split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postmortem.model import Manifest, Table

COLUMNS = ("data set", "format", "split", "records", "labelled", "classes", "max:min", "labels", "keys")
MAX_SPLITS = 12
"""Splits of one data set with a row of their own; folds can be many."""

_ORDER = {"train": 0, "": 1, "validation": 2, "test": 3}


def data_sets(manifests: Sequence[Manifest]) -> Iterator[Table]:
    """One table with a row for each split of each data set; none without manifests."""
    rows = tuple(row for manifest in manifests for row in _rows(manifest))
    if not rows:
        return
    declared = [manifest.source for manifest in manifests if manifest.declared]
    caption = "What each manifest was taken for. A column can be named with --label-column, --split-column and --key-column."
    if declared:
        caption += f" Numbers of {', '.join(declared)} are what it declares; nothing was counted."
    yield Table("data-sets", "data", "Data sets", caption, COLUMNS, rows)


def _rows(manifest: Manifest) -> Iterator[tuple[str | int | float | None, ...]]:
    splits = sorted(manifest.records or manifest.counts or {"": 0}, key=lambda split: (_ORDER.get(split, 4), split))
    for split in splits[:MAX_SPLITS]:
        yield _row(manifest, split)
    if len(splits) > MAX_SPLITS:
        rest = splits[MAX_SPLITS:]
        records = sum(manifest.records.get(split, 0) for split in rest)
        yield (manifest.source, manifest.format, f"{len(rest)} more", records, None, None, None, "", "")


def _row(manifest: Manifest, split: str) -> tuple[str | int | float | None, ...]:
    counts = [count for count in manifest.counts.get(split, {}).values() if count > 0]
    records = manifest.records.get(split, sum(counts) if manifest.labels in ("", "single") else manifest.rows)
    ratio = float(f"{max(counts) / min(counts):.4g}") if len(counts) > 1 else None
    return (
        manifest.source,
        manifest.format,
        split or "all",
        records,
        _labelled(manifest, split, sum(counts)),
        len(counts) if counts else None,
        ratio,
        manifest.label_column,
        manifest.key_column or "",
    )


def _labelled(manifest: Manifest, split: str, counted: int) -> str | int | None:
    """Records with a label; for sets whose records hold several, how many labels or objects there are."""
    if manifest.targets is not None:
        return manifest.targets.splits[split][0] if split in manifest.targets.splits else None
    if not counted:
        return None if manifest.declared or manifest.labels in ("", "text") else 0
    nouns = {"objects": "objects", "multiple": "labels"}
    return f"{counted} {nouns[manifest.labels]}" if manifest.labels in nouns else counted
