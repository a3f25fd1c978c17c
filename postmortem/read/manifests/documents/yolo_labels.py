"""Label files of one YOLO split: listed by folder, read one by one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postmortem.read.manifests.keys import is_copy

IMAGE_ENDINGS = frozenset(
    (".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".pfm", ".heic", ".avif", ".jp2", ".gif", ".npy")
)
MOST_FILES = 2_000_000
MOST_LABEL_BYTES = 1 << 22
"""Of one label file; an image of a thousand long polygons has a quarter of it."""
_DEEPEST = 8
_SLACK = 1e-3
"""Beyond 0 and 1 by no more than rounding."""


@dataclass(slots=True)
class Labels:
    """What the label files of a split say."""

    objects: Counter[int] = field(default_factory=Counter)
    """Class number -> objects."""
    records: int = 0
    """Images; label files where there are no images."""
    images: list[str] = field(default_factory=list)
    """Name of each, below the split's folder and without its ending."""
    shown: dict[str, frozenset[int]] = field(default_factory=dict)
    """Name of each copy that Roboflow made -> classes in its label file."""
    images_here: bool = True
    looked: int = 0
    """Label files that were read."""
    background: int = 0
    unlabelled: int = 0
    """Images without a label file."""
    orphans: int = 0
    broken: int = 0
    """Lines with a wrong number of cells, or with cells that are no numbers."""
    broken_in: str = ""
    unknown: int = 0
    """Lines whose class number no name belongs to."""
    unknown_ids: set[int] = field(default_factory=set)
    outside: int = 0
    outside_in: str = ""
    repeated: int = 0
    skipped: bool = False
    unreadable: int = 0


def labels_folder(images: Path) -> Path:
    """Where the labels of a folder of images lie: the last `images` of its path becomes `labels`."""
    parts = list(images.parts)
    for at in range(len(parts) - 1, -1, -1):
        if parts[at] == "images":
            return Path(*parts[:at], "labels", *parts[at + 1 :])
    return images


def read_labels(places: Sequence[Path], classes: int, points: int) -> Labels:
    """All labels of a split.

    Args:
        places: folders of images, or text files that list images.
        classes: how many names there are.
        points: numbers that a pose has behind its box; 0 where the set has no poses.
    """
    found = Labels()
    for place in places:
        if place.suffix == ".txt":
            _of_list(place, classes, points, found)
        else:
            _of_folder(place, classes, points, found)
    return found


def _of_folder(place: Path, classes: int, points: int, found: Labels) -> None:
    folder = labels_folder(place)
    images = [name for name, ending in _files(place, found) if ending in IMAGE_ENDINGS] if place.is_dir() else []
    texts = {name for name, ending in _files(folder, found) if ending == ".txt"} if folder.is_dir() else set()
    texts -= {"classes", "labels", "notes"} - set(images)  # names of classes beside the labels
    if not images:
        found.images_here = False
        images = sorted(texts)
    found.records += len(images)
    found.images.extend(images)
    found.orphans += len(texts - set(images))
    for name in sorted(set(images)):
        if name in texts:
            _read(folder, name, classes, points, found)
        else:
            found.unlabelled += 1
            found.background += 1


def _of_list(place: Path, classes: int, points: int, found: Labels) -> None:
    root = place.parent
    try:
        with place.open(encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line, _ in zip(file, range(MOST_FILES), strict=False)]
    except OSError:
        found.unreadable += 1
        return
    folders: dict[Path, bool] = {}
    for line in filter(None, lines):
        # Absolute paths are of the machine that wrote the list: what stands behind its last `images` is looked for here.
        parts = [part for part in line.replace("\\", "/").split("/") if part not in ("", ".")]
        if ".." in parts:
            parts = parts[len(parts) - parts[::-1].index("..") :]
        if line.startswith("/") or line[1:2] == ":":
            start = len(parts) - 1 - parts[::-1].index("images") if "images" in parts else len(parts) - 1
            parts = parts[start:]
        image = root.joinpath(*parts)
        name = os.path.splitext("/".join(parts))[0]  # noqa: PTH122  a name of dots is one here
        found.records += 1
        found.images.append(name)
        folder = labels_folder(image.parent)
        if folder not in folders:
            folders[folder] = folder.is_dir()
        if folders[folder] and (folder / f"{image.stem}.txt").is_file():
            _read(folder, image.stem, classes, points, found)
        else:
            found.unlabelled += 1
            found.background += 1


def _files(folder: Path, found: Labels) -> Iterator[tuple[str, str]]:
    """Name without ending, with folders below the given one, and ending of each regular file."""
    pending = [(os.fspath(folder), "", 0)]
    count = 0
    while pending:
        path, below, depth = pending.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    stem, ending = os.path.splitext(entry.name)  # noqa: PTH122  once for each of a million names
                    if entry.is_dir(follow_symlinks=False):
                        if depth < _DEEPEST:
                            pending.append((entry.path, f"{below}{entry.name}/", depth + 1))
                    elif entry.is_file():
                        count += 1
                        if count > MOST_FILES:
                            found.skipped = True
                            return
                        yield f"{below}{stem}", ending.lower()
        except OSError:
            found.unreadable += 1


def _read(folder: Path, name: str, classes: int, points: int, found: Labels) -> None:
    """Count the lines of one label file."""
    try:
        with open(f"{os.fspath(folder)}/{name}.txt", "rb", buffering=0) as file:  # noqa: PTH123  Path costs more than the reading
            data = file.read(MOST_LABEL_BYTES)
    except OSError:
        found.unreadable += 1
        return
    found.looked += 1
    lines = [line for line in data.splitlines() if line.strip()]
    if not lines:
        found.background += 1
        return
    different = set(lines)
    kinds: list[int] = []
    found.repeated += len(lines) - len(different)
    for line in different:
        cells = line.split()
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        count = len(numbers)
        # A box; a box with its points; corners or a polygon.
        if not (count == 5 or (count == 5 + points) or (count >= 7 and count % 2)) or not numbers[0].is_integer():
            found.broken += 1
            found.broken_in = found.broken_in or f"{name}.txt"
            continue
        kind = int(numbers[0])
        if not 0 <= kind < classes:
            found.unknown += 1
            if len(found.unknown_ids) < 100:
                found.unknown_ids.add(kind)
            continue
        found.objects[kind] += 1
        kinds.append(kind)
        place = numbers[1:5] if points else numbers[1:]
        if not (min(place) >= -_SLACK and max(place) <= 1 + _SLACK):
            found.outside += 1
            found.outside_in = found.outside_in or f"{name}.txt"
    if is_copy(name):
        found.shown[name] = frozenset(kinds)
