"""Manifests of one file a split (`train.csv`, `val.csv`) or of several shards become one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from postmortem.model import FilesSeen, Manifest, Targets
from postmortem.read.manifests.tables.columns import SPLIT_ALIASES

_SHARD = re.compile(r"[-_.]?(part[-_]?\d+|\d{3,})([-_]of[-_]\d+)?$")


def _family(manifest: Manifest) -> tuple[str, ...]:
    """What files of one data set have in common: folder, name without its split and shard number, and columns."""
    path = PurePosixPath(manifest.source)
    stem, _, suffix = path.name.partition(".")
    words = [word for word in re.split(r"[^A-Za-z0-9]+", _SHARD.sub("", stem)) if word.lower() not in SPLIT_ALIASES]
    # A folder named as Hive names it: `split=train`.
    folders = [part for part in path.parent.parts if part.lower().rpartition("=")[2] not in SPLIT_ALIASES]
    return ("/".join(folders), "-".join(words), suffix, manifest.label_column, str(manifest.key_column))


def mergeable(manifests: Sequence[Manifest]) -> list[list[Manifest]]:
    """Manifests grouped into data sets, in the order of their first file; a manifest with splits of its own stays alone."""
    groups: dict[tuple[str, ...], list[Manifest]] = {}
    for manifest in manifests:
        alone = manifest.split_column is not None or len(manifest.records or manifest.counts) != 1
        key = (manifest.source, "alone") if alone else _family(manifest)
        groups.setdefault(key, []).append(manifest)
    split: list[list[Manifest]] = []
    for group in groups.values():
        names = [next(iter(each.records or each.counts), "") for each in group]
        shards = all(_SHARD.search(PurePosixPath(each.source).name.partition(".")[0]) for each in group)
        if len(group) == 1 or shards or (len(set(names)) == len(names) and "" not in names):
            split.append(group)
        else:
            split.extend([each] for each in group)
    return split


def merged(group: Sequence[Manifest]) -> Manifest:
    """One manifest from the files of one data set; a group of one is returned as it is.

    Its key column is None: nothing here has compared keys across the files, and a key that was not compared is no proof.
    """
    if len(group) == 1:
        return group[0]
    counts: dict[str, dict[str, int]] = {}
    records: dict[str, int] = {}
    for manifest in group:
        for split, labels in manifest.counts.items():
            into = counts.setdefault(split, {})
            for label, count in labels.items():
                into[label] = into.get(label, 0) + count
        for split, count in manifest.records.items():
            records[split] = records.get(split, 0) + count
    runs = [each.order_runs for each in group]
    targets = [each.targets for each in group if each.targets is not None]
    return Manifest(
        source=" + ".join(each.source for each in group),
        rows=sum(each.rows for each in group),
        label_column=group[0].label_column,
        split_column=None,
        key_column=None,
        counts={split: dict(sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))) for split, labels in counts.items()},
        missing_labels=sum(each.missing_labels for each in group),
        duplicate_keys=None,
        shared_keys={},
        features=_pooled([(each.rows, each.features) for each in group]),
        order_runs=sum(run for run in runs if run is not None) if None not in runs else None,
        records=records,
        targets=_joined_targets(targets) if len(targets) == len(group) else None,
        format=group[0].format,
        labels=group[0].labels if len({each.labels for each in group}) == 1 else "",
        classes=max((each.classes for each in group), key=len) if _agree([each.classes for each in group]) else (),
        placeholders=group[0].placeholders,
        background=sum(each.background for each in group),
        declared=any(each.declared for each in group),
        rejected=sum(each.rejected for each in group),
        seconds=_sum([each.seconds for each in group]),
        names_files=_any_names_files([each.names_files for each in group]),
        files=_joined_files([each.files for each in group if each.files is not None]),
        images=next((each.images for each in sorted(group, key=_is_training) if each.images is not None), None),
    )


def _is_training(manifest: Manifest) -> bool:
    """False, which sorts first, for the file of the training split."""
    return next(iter(manifest.records), "") != "train"


def _any_names_files(parts: Sequence[bool | None]) -> bool | None:
    """True where one part does, False where none does, None where that is not known of all."""
    return True if True in parts else None if None in parts else False


def _joined_files(parts: Sequence[FilesSeen]) -> FilesSeen | None:
    """What was seen of the files that parts name; parts of which none is there say nothing."""
    if not parts:
        return None
    examples = tuple(name for part in parts for name in part.examples)[:5]
    return FilesSeen(sum(part.looked for part in parts), sum(part.found for part in parts), sum(part.empty for part in parts), examples)


def _sum(parts: Sequence[float | None]) -> float | None:
    """The total, where every part is known."""
    known = [part for part in parts if part is not None]
    return math.fsum(known) if len(known) == len(parts) else None


def _agree(lists: Sequence[tuple[str, ...]]) -> bool:
    """Whether the longest list of classes begins as every other one does: a split may lack the last of them."""
    longest = max(lists, key=len)
    return all(longest[: len(each)] == each for each in lists)


def _joined_targets(parts: Sequence[Targets]) -> Targets:
    """Targets of all files; order statistics of parts cannot be put together, and are left out."""
    mean, deviation = _moments([(part.count, (part.mean, part.deviation)) for part in parts])
    return Targets(
        count=sum(part.count for part in parts),
        mean=mean,
        deviation=deviation,
        minimum=min(part.minimum for part in parts),
        maximum=max(part.maximum for part in parts),
        different=max(part.different for part in parts),
        not_finite=sum(part.not_finite for part in parts),
        splits={split: numbers for part in parts for split, numbers in part.splits.items()},
    )


def _moments(parts: Sequence[tuple[int, tuple[float, float]]]) -> tuple[float, float]:
    """Mean and standard deviation of parts put together, from each part's rows, mean and standard deviation."""
    rows = sum(count for count, _ in parts)
    mean = math.fsum(count * each for count, (each, _) in parts) / rows
    variance = math.fsum(count * (deviation**2 + (each - mean) ** 2) for count, (each, deviation) in parts) / rows
    return mean, math.sqrt(variance)


def _pooled(parts: Sequence[tuple[int, Mapping[str, tuple[float, float]]]]) -> dict[str, tuple[float, float]]:
    """Feature statistics of columns that every part has."""
    shared = [name for name in parts[0][1] if all(name in features for _, features in parts)]
    return {name: _moments([(rows, features[name]) for rows, features in parts]) for name in shared}
