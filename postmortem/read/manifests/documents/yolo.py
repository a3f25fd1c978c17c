"""YOLO data sets: a YAML file with names of classes and folders of splits, and a text file of labels for each image."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Manifest, Problem, ProblemKind, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.documents.small import NoDocument, inside, names_of, yaml_of
from postmortem.read.manifests.documents.yolo_labels import Labels, read_labels
from postmortem.read.manifests.documents.yolo_twins import settle
from postmortem.read.manifests.keys import are_running, hashed, is_copy, numbers_of, shared_between, source_name, with_classes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
_MENTIONS = re.compile(rb"(?m)(^\s*|[{,]\s*)['\"]?names['\"]?\s*:")
_FOLDERS = re.compile(rb"(?m)(^\s*|[{,]\s*)['\"]?(train|val|valid|test)['\"]?\s*:")
_MOST_PLACES = 1000
"""Folders and lists that one split may name."""


def read_yolo(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Objects by class and split, counted in the label files; None where the file is no YAML with names and splits."""
    del options
    if not file.name.lower().endswith((".yaml", ".yml")) or not _MENTIONS.search(head) or not _FOLDERS.search(head):
        return None
    try:
        document = yaml_of(file.path)
    except NoDocument as problem:
        return failed(file, "corrupt", f"has names and splits as YOLO data sets have, but {problem}")
    if not isinstance(document, Mapping):
        return None
    names = names_of(document.get("names"))
    named = {split: _texts(document.get(key)) for key, split in _SPLITS.items() if _texts(document.get(key))}
    if names is None or not named:
        return None
    return _Set(file, document, names, named).read()


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each.strip()][:_MOST_PLACES]


@dataclass(slots=True)
class _Set:
    """One data set on its way from the YAML file to a manifest."""

    file: FoundFile
    document: Mapping[object, object]
    names: tuple[str, ...]
    named: dict[str, list[str]]
    """Split -> folders and lists, as the file writes them."""
    notes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    places: dict[str, list[Path]] = field(default_factory=dict)
    """Split -> folders and lists that are there."""

    def read(self) -> ManifestData:
        """Find, count and judge the labels of all splits."""
        self._check_number_of_classes()
        shape = self.document.get("kpt_shape")
        points = shape[0] * shape[1] if isinstance(shape, list) and len(shape) == 2 and all(isinstance(each, int) for each in shape) else 0
        found: dict[str, Labels] = {}
        absent: list[str] = []
        for split, entries in self.named.items():
            places = [place for entry in entries if (place := self._place(entry)) is not None]
            if not places:
                absent.append(f"{split} ({entries[0][:80]!r})")
                continue
            self.lists.extend(place for place in places if place.suffix == ".txt")
            self.places[split] = places
            found[split] = read_labels(places, len(self.names), points)
        return self._judged(found, absent)

    def _check_number_of_classes(self) -> None:
        number = self.document.get("nc")
        if isinstance(number, int) and number != len(self.names):
            self._problem("corrupt", f"declares nc {number} and {len(self.names)} names of classes")

    def _problem(self, kind: ProblemKind, detail: str) -> None:
        self.problems.append(Problem(self.file.name, kind, detail))

    def _place(self, entry: str) -> Path | None:
        """The folder of images (or of labels alone), or the list of images, that an entry means; None where nothing is there.

        Roboflow writes `../train/images` for what lies beside the YAML file, and `path` often names a folder of another machine.
        """
        here = self.file.path.absolute().parent
        root = self.document.get("path")
        bases = [here]
        if isinstance(root, str) and root.strip():
            bases = [Path(base) for base in (here / root, here.parent / root.removeprefix("../"), here)]
        entry = entry.strip().replace("\\", "/").removeprefix("./")
        places = [inside(base, entry.removeprefix("../")) for base in bases]
        if entry.startswith("../"):
            places.append(inside(here.parent, entry.removeprefix("../")))
        elif entry.startswith("/") or entry[1:2] == ":":
            places += [inside(here, *entry.split("/")[-count:]) for count in (3, 2)]
        return next((path for path in places if path is not None and _is_there(path) and _may_be_read(path, here.parent)), None)

    def _say_absent(self, absent: list[str], nothing_counted: bool) -> None:
        if absent:
            lost = "their objects could not be counted" + ("; classes are known by name alone" if nothing_counted else "")
            self._problem("unreadable", f"the images and labels of {', '.join(absent)} are not beside it; {lost}")
        elif nothing_counted:
            self._problem("unsupported", "no label file was found; classes are known by name alone")

    def _judged(self, found: Mapping[str, Labels], absent: list[str]) -> ManifestData:
        counts: dict[str, dict[str, int]] = {}
        for split, labels in found.items():
            if labels.looked:
                pairs = [(self._label(at), labels.objects.get(at, 0)) for at in range(len(self.names))]
                counts[split] = dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
            self._say(split, labels)
        sources = {split: _sources(labels) for split, labels in found.items() if labels.images}
        keys = {split: hashed(each) for split, each in sources.items()}
        running = [numbers_of([source_name(name) for name in labels.images]) for labels in found.values() if labels.images]
        shared, alike = dict[str, int](), dict[str, int]()
        compared = bool(keys) and not (len(keys) > 1 and all(are_running([each]) for each in running))
        if compared:
            shared = shared_between(keys)
            if shared:
                shared, alike = settle(sources, found, self.places)
        elif keys:
            self.notes.append("image names are running numbers that start anew in every split: they do not tell images apart")
        # Data sets are seldom kept with a project's code: where nobody named this file, it is enough to tell that they are not there.
        is_other = bool(absent) and not self.problems
        self._say_absent(absent, not counts)
        manifest = Manifest(
            source=self.file.name,
            rows=sum(labels.records for labels in found.values()),
            label_column="label files",
            split_column=None,
            key_column="image name" if compared else None,
            counts=counts,
            missing_labels=0,
            duplicate_keys=_repeated(found) if compared else None,
            shared_keys=shared,
            named_alike=alike,
            features={},
            records={split: labels.records for split, labels in found.items()},
            format="YOLO",
            labels="objects",
            classes=tuple(self._label(at) for at in range(len(self.names))),
            background=sum(labels.background for labels in found.values() if labels.looked),
            rejected=sum(labels.broken + labels.unknown for labels in found.values()),
        )
        said = tuple(f"{self.file.name}: {note}" for note in self.notes)
        own_keys = _unique(keys) if compared else None
        return ManifestData(manifest, tuple(self.problems), said, is_other=is_other, keys=own_keys, speaks_for=tuple(self.lists))

    def _label(self, index: int) -> str:
        name = self.names[index]
        return f"{name} ({index})" if self.names.count(name) > 1 else name

    def _say(self, split: str, labels: Labels) -> None:
        images = f"{labels.records} images" if labels.images_here else f"{labels.records} label files without their images"
        self.notes.append(f"YOLO: {split} has {sum(labels.objects.values())} objects in {images}")
        if labels.unknown:
            shown = ", ".join(map(str, sorted(labels.unknown_ids)[:5]))
            detail = f"{labels.unknown} lines of {split} have class numbers beyond the {len(self.names)} names ({shown}); they are left out"
            self._problem("corrupt", detail)
        if labels.broken:
            detail = f"{labels.broken} lines of {split} are no labels (the first in {labels.broken_in}); they are left out"
            self._problem("corrupt", detail)
        if labels.outside:
            where = f"the first in {labels.outside_in}"
            self._problem(
                "corrupt", f"{labels.outside} lines of {split} have coordinates outside of 0 to 1 ({where}); trainers drop such images"
            )
        if labels.unlabelled and labels.looked:
            self.notes.append(f"{labels.unlabelled} images of {split} have no label file and count as background")
        if labels.records and not labels.looked:
            self._problem("unreadable", f"no label file of {split} was found for {labels.records} images; its objects could not be counted")
        if labels.orphans:
            self.notes.append(f"{labels.orphans} label files of {split} have no image and are left out")
        if labels.repeated:
            self.notes.append(f"{labels.repeated} lines of {split} stand twice in their file and count once")
        if labels.skipped:
            self._problem("unsupported", f"{split} holds more than {labels.looked} label files; those beyond were not counted")
        if labels.unreadable:
            self._problem("unreadable", f"{labels.unreadable} label files of {split} could not be read")


def _may_be_read(path: Path, around: Path) -> bool:
    """Whether a place lies around the YAML file, or is laid out as these data sets are: `path: /etc` names none."""
    return "images" in path.parts or path.suffix == ".txt" or path.is_relative_to(os.path.normpath(around))


def _is_there(path: Path) -> bool:
    from postmortem.read.manifests.documents.yolo_labels import labels_folder

    return path.is_file() if path.suffix == ".txt" else path.is_dir() or labels_folder(path).is_dir()


def _sources(labels: Labels) -> list[str]:
    """The name of each image's source; of copies with their classes."""
    sources = map(source_name, labels.images)
    pairs = zip(labels.images, sources, strict=True)
    return [with_classes(source, labels.shown.get(name, ())) if is_copy(name) else source for name, source in pairs]


def _repeated(found: Mapping[str, Labels]) -> int:
    """Images beyond the first of each name within their split: they share one label file."""
    return sum(len(labels.images) - len(set(labels.images)) for labels in found.values())


def _unique(keys: Mapping[str, NDArray[np.uint64]]) -> dict[str, NDArray[np.uint64]]:
    import numpy as np

    return {split: np.unique(each) for split, each in keys.items()}
