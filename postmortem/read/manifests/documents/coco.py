"""COCO and what is written like it: Roboflow's and Label Studio's exports, LVIS, panoptic sets, key points, captions."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Manifest, Problem, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed, first_line
from postmortem.read.manifests.documents.json_pieces import NotSections, Sections, read_sections
from postmortem.read.manifests.tables.columns import split_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from postmortem.read.manifests.documents.coco_pieces import Annotations, Categories, Images

_TELLING = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
_DETECTIONS = re.compile(rb'\s*\[\s*\{(?=[^{}]*"image_id"\s*:)(?=[^{}]*"score"\s*:)')
_SHARE_OUTSIDE = 0.01
"""Boxes that reach further beyond their image than this share of its width or height are outside: annotators round."""


def read_coco(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Objects by category and split; None where the file is no JSON object with images or annotations as COCO has them."""
    del options
    if _DETECTIONS.match(head):
        return ManifestData(None, (), (f"{file.name}: detections that a model made (image_id, score), not a manifest",))
    if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") or not _TELLING.search(head):
        return None
    from postmortem.read.manifests.documents import coco_pieces  # msgspec and numpy

    decoders = {
        "images": coco_pieces.decode_images,
        "annotations": coco_pieces.decode_annotations,
        "categories": coco_pieces.decode_categories,
    }
    try:
        sections = read_sections(file.path, decoders, coco_pieces.decode_nothing)
    except NotSections:
        return None
    except OSError as problem:
        return failed(file, "unreadable", f"cannot be read: {first_line(problem, file.path)}")
    if "images" not in sections.results or not {"annotations", "categories"} & set(sections.results):
        damaged = _damage(file, sections)
        return ManifestData(None, tuple(damaged), ()) if damaged and "annotations" in sections.results else None
    images = coco_pieces.all_images(sections.results["images"])
    if images.count and not images.named and not images.known.size:
        return None  # objects of another kind
    annotations = coco_pieces.all_annotations(sections.results.get("annotations", []))
    categories = coco_pieces.all_categories(sections.results.get("categories", []))
    return _judged(file, sections, images, annotations, categories)


def _judged(file: FoundFile, sections: Sections, images: Images, annotations: Annotations, categories: Categories) -> ManifestData:
    import numpy as np

    from postmortem.read.manifests.documents.coco_marks import keys_of, marked
    from postmortem.read.manifests.documents.coco_pieces import NOWHERE, places, undeclared

    problems, notes = _damage(file, sections), []
    split = file.group or split_name(PurePosixPath(file.name).stem) or split_name(PurePosixPath(file.name).parent.name)
    place = places(images.ids, annotations.image)
    known_image = (place >= 0) & (annotations.image != NOWHERE)
    texts = annotations.captions > 0 and not categories.ids.size
    if annotations.count and not categories.ids.size and not texts:
        categories = undeclared(annotations)
        notes.append("its categories are not there: their numbers stand for them")
    kind_of = places(categories.ids, annotations.category)
    known_category = (kind_of >= 0) & (annotations.category != NOWHERE)
    usable = known_image if texts else known_image & known_category
    counts: dict[str, int] = {}
    placeholders: tuple[str, ...] = ()
    listed = "annotations" in sections.results
    if not texts and listed:
        objects = np.bincount(kind_of[usable], minlength=categories.count).tolist()
        placeholders = _placeholders(categories, objects)
        names = _labels(categories)
        counts = {name: objects[at] for at, name in enumerate(names) if name not in placeholders}
        if len(set(categories.names)) < len(categories.names):
            notes.append("several categories have the same name; their number stands behind it")
    background = images.count - int((np.bincount(place[usable], minlength=images.count) > 0).sum())
    if not listed or any(each.cut for each in sections.damage):
        background = 0  # not counted: the objects of the last images are lost
    if not listed and not sections.damage:
        problems.append(Problem(file.name, "unsupported", f"lists {images.count} images and no annotations; classes cannot be counted"))
    problems += _lost(file, images, annotations, int((~known_image).sum()), int((known_image & ~known_category).sum()) if not texts else 0)
    notes += _remarks(images, annotations, place)
    if placeholders:
        named = ", ".join(map(repr, placeholders))
        notes.append(f"category {named} holds no object and stands above the others: a placeholder, not a class")
    named_all = images.named == images.count > 0
    marks = None
    if named_all:
        own = keys_of(images, place[usable], annotations.category[usable])
        marks = marked(images, own, place[usable], annotations.category[usable], annotations.far[usable])
    keys = {split: marks.keys} if marks is not None else None
    manifest = Manifest(
        source=file.name,
        rows=images.count,
        label_column="caption" if texts else "category_id",
        split_column=None,
        key_column="file_name" if keys is not None else None,
        counts={split: dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))} if listed and not texts else {},
        missing_labels=background if texts else 0,
        duplicate_keys=images.count - images.different if keys is not None else None,
        shared_keys={},
        features={},
        records={split: images.count},
        format=_format(sections, annotations, images),
        labels="text" if texts else "objects",
        classes=tuple(name for name in _labels(categories) if name not in placeholders),
        placeholders=placeholders,
        background=0 if texts else background,
        rejected=int((~usable).sum()) + sum(each.objects for each in sections.damage if each.section == "annotations"),
    )
    kind = "captions" if texts else "objects"
    said_split = f"; split {split!r} by its name" if split else ""
    notes.insert(0, f"{manifest.format}: {int(usable.sum())} {kind} in {images.count} images{said_split}")
    said = tuple(f"{file.name}: {note}" for note in notes)
    if not images.count and not annotations.count:
        problems.append(Problem(file.name, "corrupt", "an empty list of images"))
        return ManifestData(None, tuple(problems), said)
    return ManifestData(
        manifest, tuple(problems), said, keys=keys, keys_are_numbers=images.running, marks={} if marks is None else {split: marks}
    )


def _format(sections: Sections, annotations: Annotations, images: Images) -> str:
    if annotations.segments:
        return "COCO panoptic"
    if images.negatives:
        return "LVIS"
    if annotations.keypoints:
        return "COCO key points"
    return "COCO captions" if annotations.captions and not annotations.boxes else "COCO"


def _labels(categories: Categories) -> list[str]:
    """Names in the order of the categories' numbers, told apart where two are equal."""
    times = Counter(categories.names)
    return [f"{name} ({number})" if times[name] > 1 else name for name, number in zip(categories.names, categories.shown, strict=True)]


def _placeholders(categories: Categories, objects: list[int]) -> tuple[str, ...]:
    """Categories that are none: one without objects that all others name as their parent (Roboflow's first), or the background."""
    found = []
    labels = _labels(categories)
    for at, name in enumerate(categories.names):
        parents = {parent for index, parent in enumerate(categories.parents) if index != at}
        above = len(categories.names) > 1 and parents == {name} and categories.parents[at] != name
        if not objects[at] and (above or name.strip("_").lower() == "background"):
            found.append(labels[at])
    return tuple(found)


def _damage(file: FoundFile, sections: Sections) -> list[Problem]:
    problems = []
    counts = {name: sum(piece.count for piece in pieces) for name, pieces in sections.results.items()}
    whole = ", ".join(f"{counts[name]} {name}" for name in ("images", "annotations", "categories") if counts.get(name))
    for each in sections.damage:
        where = f"in {each.section!r} " if each.section else ""
        if each.cut:
            detail = f"the file ends early: {where}at byte {each.byte} of {file.bytes}; {whole or 'nothing'} could be read"
        elif each.section:
            total = counts.get(each.section, 0) + each.objects
            detail = f"at least {each.objects} of {total} {each.section} are damaged, the first at byte {each.byte}"
        else:
            detail = f"is no JSON from byte {each.byte} on; {whole or 'nothing'} before it could be read"
        problems.append(Problem(file.name, "truncated" if each.cut else "corrupt", detail))
    return problems


def _lost(file: FoundFile, images: Images, annotations: Annotations, unknown_images: int, unknown_categories: int) -> list[Problem]:
    """Annotations that no loader would find."""
    problems = []
    if unknown_images:
        detail = f"{unknown_images} of {annotations.count} annotations belong to images that are not listed; they are left out"
        problems.append(Problem(file.name, "corrupt", detail))
    if unknown_categories:
        detail = f"{unknown_categories} of {annotations.count} annotations have categories that are not declared; they are left out"
        problems.append(Problem(file.name, "corrupt", detail))
    if images.known.size < images.count:
        detail = f"{images.count - images.known.size} of {images.count} images have no number of their own"
        problems.append(Problem(file.name, "corrupt", detail))
    return problems


def _remarks(images: Images, annotations: Annotations, place: NDArray[np.int64]) -> list[str]:
    """What is odd about objects, and counted all the same."""
    import numpy as np

    notes = []
    if annotations.crowds:
        notes.append(f"{annotations.crowds} annotations are crowds; they are counted as one object each")
    if annotations.flat:
        notes.append(f"{annotations.flat} of {annotations.boxes} boxes have no area")
    if images.sized and annotations.boxes:
        width, height = images.sizes.T
        right, lower = (side * (1 + _SHARE_OUTSIDE) + 1 for side in (width, height))
        beyond = (annotations.far[:, 0] > right[place]) | (annotations.far[:, 1] > lower[place]) | annotations.before
        listed = (place >= 0) & ((width > 0) & (height > 0))[place]
        outside = int(np.count_nonzero(listed & beyond))
        if outside:
            notes.append(f"{outside} of {annotations.boxes} boxes reach outside of their image")
    if annotations.keypoints:
        notes.append(f"{annotations.keypoints} annotations hold key points")
    return notes
