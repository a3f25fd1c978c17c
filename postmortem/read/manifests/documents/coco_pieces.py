"""Pieces of a COCO file's arrays as numbers: what of each image, annotation and category is wanted, and nothing else of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from postmortem.read.manifests.keys import are_running, different, hashed, is_copy, numbers_of, source_name

NOWHERE = -(2**63)
"""Stands for an image or category that an annotation does not name."""
_NO_BOX = (0.0, 0.0, -1.0, -1.0)


class _Image(msgspec.Struct, gc=False):
    id: int | str | None = None
    file_name: str | None = None
    coco_url: str | None = None
    width: float | None = None
    height: float | None = None
    neg_category_ids: msgspec.Raw | None = None


class _Segment(msgspec.Struct, gc=False):
    category_id: int | str | None = None
    iscrowd: int | bool | None = 0


class _Annotation(msgspec.Struct, gc=False):
    image_id: int | str | None = None
    category_id: int | str | None = None
    bbox: tuple[float, float, float, float] | None = None
    iscrowd: int | bool | None = 0
    segments_info: list[_Segment] | None = None
    caption: str | None = None
    num_keypoints: int | None = None


class _LooseAnnotation(msgspec.Struct, gc=False):
    """Any annotation whose fields are of other kinds than they should be."""

    image_id: Any = None
    category_id: Any = None
    bbox: Any = None
    iscrowd: Any = 0
    segments_info: Any = None
    caption: Any = None
    num_keypoints: Any = None


class _LooseImage(msgspec.Struct, gc=False):
    id: Any = None
    file_name: Any = None
    coco_url: Any = None
    width: Any = None
    height: Any = None
    neg_category_ids: Any = None


class _Category(msgspec.Struct, gc=False):
    id: Any = None
    name: Any = None
    supercategory: Any = None


class _Nothing(msgspec.Struct, gc=False):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Count:
    """Objects that are of no interest."""

    count: int


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images of one piece, or of all."""

    count: int
    ids: NDArray[np.int64]
    """In the order of the file."""
    known: NDArray[np.int64]
    """Those that are there; of all images, each once."""
    sizes: NDArray[np.float32]
    """Width and height; 0 where they are not given."""
    sources: NDArray[np.uint64]
    """Hashes of names without what tells copies apart; one for each image that has a name."""
    names: NDArray[np.int64]
    """Python's own hashes of the names, equal in a process and those forked off it."""
    copies: NDArray[np.bool_]
    """Whether each of these names is of a copy that Roboflow made."""
    named: int
    negatives: int
    """Images that name the categories which they surely lack, as LVIS does."""
    numbers: tuple[tuple[str, NDArray[np.int64]] | None, ...]
    running: bool = False

    @property
    def different(self) -> int:
        """Images of different names."""
        return int(different(self.names).size)

    @property
    def sized(self) -> bool:
        """Whether an image gives its size."""
        return bool((self.sizes > 0).any())


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Annotations of one piece, or of all; a segment of a panoptic annotation counts as one."""

    count: int
    image: NDArray[np.int64]
    category: NDArray[np.int64]
    far: NDArray[np.float32]
    """Right and lower end of each box; 0 where there is none."""
    before: NDArray[np.bool_]
    """Whether a box begins left of or above its image by more than a pixel."""
    boxes: int
    flat: int
    """Boxes without an area."""
    crowds: int
    captions: int
    keypoints: int
    segments: int


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """Categories in the order of their numbers."""

    count: int
    ids: NDArray[np.int64]
    names: tuple[str, ...]
    parents: tuple[str, ...]
    shown: tuple[str, ...]
    """Numbers as the file writes them."""


@lru_cache(maxsize=8)
def _decoder(kind: type) -> Callable[[bytes | bytearray], Any]:
    return msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]


def _listed(data: bytes | bytearray, strict: type, loose: type) -> list[Any]:
    """Objects of a JSON array. What is unusual (text for a number, NaN, bytes that are no UTF-8) costs time only where it stands.

    Raises:
        ValueError: it is no such array.
    """
    try:
        found: list[Any] = _decoder(strict)(data)
        return found
    except (msgspec.ValidationError, UnicodeDecodeError):
        pass
    except msgspec.DecodeError as error:
        _let_pass(error)
    try:
        found = _decoder(loose)(data)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    except UnicodeDecodeError:
        pass
    except msgspec.DecodeError as error:
        _let_pass(error)
    else:
        return found
    try:
        plain = json.loads(data.decode("utf-8", "replace"), strict=False)
        return msgspec.convert(plain, list[loose])  # type: ignore[valid-type]
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _let_pass(error: msgspec.DecodeError) -> None:
    """Raises what another decoder would not read either: more brackets closed than opened, or fewer."""
    if "trailing characters" in str(error) or "truncated" in str(error):
        raise ValueError(str(error)) from error


def _number(value: object) -> int:
    """The number that stands for an image or category: whole numbers for themselves, whatever their spelling; names by their hash."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) < 2**62:
        return int(value)
    if isinstance(value, str) and value.strip():
        text = value.strip()
        return int(text) if text.isdecimal() and len(text) <= 18 else int(hashed([text]).view(np.int64)[0])
    return NOWHERE


def _numbers(values: list[Any]) -> NDArray[np.int64]:
    try:
        return np.fromiter(values, np.int64, len(values))
    except (TypeError, ValueError, OverflowError):
        return np.fromiter(map(_number, values), np.int64, len(values))


def decode_nothing(data: bytes | bytearray) -> Count:
    """Objects that are counted and passed over."""
    return Count(len(_listed(data, _Nothing, _Nothing)))


def decode_images(data: bytes | bytearray) -> Images:
    """Images of a JSON array; ValueError where it is none."""
    found = _listed(data, _Image, _LooseImage)
    texts = [each.file_name or each.coco_url for each in found]
    names = [text for text in texts if isinstance(text, str) and text]
    sources = list(map(source_name, names))
    copies = np.fromiter(map(is_copy, names), np.bool_, len(names))
    ids = _numbers([each.id for each in found])
    sizes = np.array([_sizes([each.width for each in found]), _sizes([each.height for each in found])]).T
    negatives = sum(each.neg_category_ids is not None for each in found)
    return Images(
        len(found), ids, ids[ids != NOWHERE], sizes, hashed(sources), _hashes(names), copies, len(names), negatives, (numbers_of(sources),)
    )


def _hashes(names: list[str]) -> NDArray[np.int64]:
    return np.fromiter(map(hash, names), np.int64, len(names))


def _sizes(values: list[Any]) -> NDArray[np.float32]:
    try:
        found = np.fromiter(values, np.float32, len(values))
    except (TypeError, ValueError, OverflowError):
        found = np.fromiter((each if isinstance(each, int | float) else 0.0 for each in values), np.float32, len(values))
    return np.where((found > 0) & (found < 1e9), found, np.float32(0.0))


def decode_annotations(data: bytes | bytearray) -> Annotations:
    """Annotations of a JSON array; ValueError where it is none."""
    found = _listed(data, _Annotation, _LooseAnnotation)
    segments = len(found) - [each.segments_info for each in found].count(None)
    if segments:
        return _segments(found, segments)
    boxes = [each.bbox for each in found]
    try:
        filled = [box or _NO_BOX for box in boxes] if None in boxes else boxes
        cells = np.fromiter(chain.from_iterable(filled), np.float64).reshape(-1, 4)
    except (TypeError, ValueError):
        cells = np.array([_box(box) for box in boxes], np.float64).reshape(-1, 4)
    if len(cells) != len(found):
        cells = np.array([_box(box) for box in boxes], np.float64).reshape(-1, 4)
    # By columns: numpy reduces short rows one at a time.
    left, top, width, height = np.ascontiguousarray(cells.T)
    there = (width != -1.0) | (height != -1.0) | (left != 0.0) | (top != 0.0)
    far = np.zeros((len(found), 2), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        np.add(left, width, out=far[:, 0], where=there, casting="same_kind")
        np.add(top, height, out=far[:, 1], where=there, casting="same_kind")
    return Annotations(
        len(found),
        _numbers([each.image_id for each in found]),
        _numbers([each.category_id for each in found]),
        far,
        there & ((left < -1.0) | (top < -1.0)),
        int(np.count_nonzero(there)),
        int(np.count_nonzero(there & ~((width > 0) & (height > 0)))),
        _set([each.iscrowd for each in found]),
        len(found) - [each.caption for each in found].count(None),
        _set([each.num_keypoints for each in found]),
        0,
    )


def _set(values: list[Any]) -> int:
    """Values that are neither None, False nor 0."""
    return len(values) - values.count(None) - values.count(0)


def _box(value: object) -> tuple[float, ...]:
    """Four numbers, whatever stands there."""
    if not isinstance(value, list | tuple) or len(value) < 4:
        return _NO_BOX
    try:
        return tuple(float(each) for each in value[:4])
    except (TypeError, ValueError):
        return _NO_BOX


def _segments(found: list[Any], count: int) -> Annotations:
    """Segments of panoptic annotations, each as an annotation."""
    pairs: list[tuple[Any, Any]] = []
    crowds = 0
    for each in found:
        for segment in each.segments_info or ():
            plain = segment if isinstance(segment, dict) else {"category_id": segment.category_id, "iscrowd": segment.iscrowd}
            pairs.append((each.image_id, plain.get("category_id")))
            crowds += bool(plain.get("iscrowd"))
    none = np.zeros((len(pairs), 2), np.float32)
    image, category = _numbers([pair[0] for pair in pairs]), _numbers([pair[1] for pair in pairs])
    return Annotations(len(pairs), image, category, none, np.zeros(len(pairs), np.bool_), 0, 0, crowds, 0, 0, count)


def decode_categories(data: bytes | bytearray) -> Categories:
    """Categories of a JSON array, in its order; ValueError where it is none."""
    found = _listed(data, _Category, _Category)
    names = tuple(str(each.name).strip() if each.name is not None else str(each.id) for each in found)
    parents = tuple(each.supercategory if isinstance(each.supercategory, str) else "" for each in found)
    return Categories(len(found), _numbers([each.id for each in found]), names, parents, tuple(str(each.id) for each in found))


def places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each wanted number stands among the ids (any place, where it stands several times); -1 where it does not."""
    low, high = (int(ids.min()), int(ids.max())) if ids.size else (0, -1)
    if high - low <= 8 * (ids.size + wanted.size):
        table = np.full(high - low + 2, -1, np.int64)  # the last one is for what lies beyond
        table[ids - low] = np.arange(ids.size)
        return table[np.where((wanted >= low) & (wanted <= high), wanted - low, high - low + 1)]
    order = np.argsort(ids, kind="stable")
    at = np.clip(np.searchsorted(ids[order], wanted), 0, ids.size - 1)
    return np.where(ids[order][at] == wanted, order[at], -1)


def undeclared(annotations: Annotations) -> Categories:
    """The numbers that annotations name, as categories: for a file that is cut short before it declares them."""
    ids = np.unique(annotations.category[annotations.category != NOWHERE])
    names = tuple(map(str, ids.tolist()))
    return Categories(len(names), ids, names, ("",) * len(names), names)


def all_images(pieces: Sequence[Images]) -> Images:
    """All pieces as one."""
    ids = np.concatenate([np.empty(0, np.int64), *(each.ids for each in pieces)])
    numbers = tuple(part for each in pieces for part in each.numbers)
    return Images(
        sum(each.count for each in pieces),
        ids,
        different(ids[ids != NOWHERE]),
        np.concatenate([np.empty((0, 2), np.float32), *(each.sizes for each in pieces)]),
        np.concatenate([np.empty(0, np.uint64), *(each.sources for each in pieces)]),
        np.concatenate([np.empty(0, np.int64), *(each.names for each in pieces)]),
        np.concatenate([np.empty(0, np.bool_), *(each.copies for each in pieces)]),
        sum(each.named for each in pieces),
        sum(each.negatives for each in pieces),
        numbers,
        are_running(numbers),
    )


def all_annotations(pieces: Sequence[Annotations]) -> Annotations:
    """All pieces as one."""
    return Annotations(
        sum(each.count for each in pieces),
        np.concatenate([np.empty(0, np.int64), *(each.image for each in pieces)]),
        np.concatenate([np.empty(0, np.int64), *(each.category for each in pieces)]),
        np.concatenate([np.empty((0, 2), np.float32), *(each.far for each in pieces)]),
        np.concatenate([np.empty(0, np.bool_), *(each.before for each in pieces)]),
        sum(each.boxes for each in pieces),
        sum(each.flat for each in pieces),
        sum(each.crowds for each in pieces),
        sum(each.captions for each in pieces),
        sum(each.keypoints for each in pieces),
        sum(each.segments for each in pieces),
    )


def all_categories(pieces: Sequence[Categories]) -> Categories:
    """All pieces as one, in the order of their numbers."""
    ids = np.concatenate([np.empty(0, np.int64), *(each.ids for each in pieces)])
    names = [name for each in pieces for name in each.names]
    parents = [parent for each in pieces for parent in each.parents]
    shown = [number for each in pieces for number in each.shown]
    order = np.argsort(ids, kind="stable").tolist()
    return Categories(
        len(names), ids[order], tuple(names[at] for at in order), tuple(parents[at] for at in order), tuple(shown[at] for at in order)
    )
