"""Images of two YOLO splits that bear one name: whether they are one image, by their content and their labels."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from postmortem.read.manifests.documents.yolo_labels import IMAGE_ENDINGS, Labels, labels_folder
from postmortem.read.manifests.keys import is_copy

_MOST_COMPARED = 2000
"""Names of two splits; more of them are known by name alone."""
_LARGEST = 1 << 26
"""Bytes of an image that is compared."""
_USUAL = (".jpg", ".png", ".jpeg")
_ORDER = (*_USUAL, *(ending.upper() for ending in _USUAL), *sorted(IMAGE_ENDINGS - set(_USUAL)))


def settle(
    sources: Mapping[str, Sequence[str]], found: Mapping[str, Labels], places: Mapping[str, Sequence[Path]]
) -> tuple[dict[str, int], dict[str, int]]:
    """Pairs of splits -> names in both that are of one image, and those of which nothing tells.

    Args:
        sources: split -> name of each image's source, in the order of `found`.
        found: what each split holds.
        places: folders and lists that it was read from.
    """
    same: dict[str, int] = {}
    alike: dict[str, int] = {}
    order = {"train": 0, "validation": 1, "test": 2}
    for one, two in combinations(sorted(sources, key=lambda split: (order.get(split, 3), split)), 2):
        left, right = (dict(zip(sources[split], found[split].images, strict=True)) for split in (one, two))
        common = sorted(left.keys() & right.keys())
        told = [_same(left[name], right[name], places[one], places[two]) for name in common[:_MOST_COMPARED]]
        told += [None] * (len(common) - len(told))
        same[f"{one}|{two}"], alike[f"{one}|{two}"] = told.count(True), told.count(None)
    return {pair: count for pair, count in same.items() if count}, {pair: count for pair, count in alike.items() if count}


def _same(one: str, two: str, here: Sequence[Path], there: Sequence[Path]) -> bool | None:
    """Whether two images of one name are one; None where neither they nor their labels are there to tell.

    Of copies that Roboflow made the bytes differ, and the name with its classes stands for the source. An image that was stored
    again keeps its labels to the last digit.
    """
    if is_copy(one) and is_copy(two):
        return True
    left, right = _image(one, here), _image(two, there)
    labels = _label(one, here), _label(two, there)
    if labels[0] and labels[0] == labels[1]:
        return True
    if left is not None and right is not None:
        try:
            return filecmp.cmp(left, right, shallow=False)
        except OSError:
            return None
    return False if labels[0] and labels[1] else None


def _image(name: str, places: Sequence[Path]) -> Path | None:
    """The image's file, where it is there and holds something."""
    for place in places:
        folder = place.parent if place.suffix == ".txt" else place
        for ending in _ORDER:
            path = folder / f"{name}{ending}"
            if path.is_file():
                return path if 0 < path.stat().st_size <= _LARGEST else None
    return None


def _label(name: str, places: Sequence[Path]) -> bytes:
    """What its label file holds; empty where there is none."""
    for place in places:
        image = (place.parent if place.suffix == ".txt" else place) / name
        path = labels_folder(image.parent) / f"{image.name}.txt"
        if path.is_file() and path.stat().st_size <= _LARGEST:
            try:
                return b"\n".join(sorted(path.read_bytes().split(b"\n"))).strip()
            except OSError:
                return b""
    return b""
