"""What tells images of one COCO file apart: their names, their size and the boxes in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from postmortem.read.manifests.keys import COPY, UNKNOWN, Marked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from postmortem.read.manifests.documents.coco_pieces import Images

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""Factors of Fibonacci hashing and of SplitMix64: numbers that differ stay different, and sums of different sets differ."""


def keys_of(images: Images, place: NDArray[np.int64], category: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Keys of images that all have names: their sources, of copies with the categories that they show.

    A flip or a turn keeps these; of other images of the same name (`frame-12` of several films) they differ as a rule.

    Args:
        images: all of the file.
        place: of each object the place of its image.
        category: the number of its category.
    """
    if not images.copies.any():
        return images.sources
    of_copies = images.copies[place]
    pairs = np.unique(np.column_stack([place[of_copies], category[of_copies]]), axis=0)
    shown = np.zeros(images.count, np.uint64)
    # An odd factor (Fibonacci hashing) and a fold, so that sums of different sets differ.
    mixed = (pairs[:, 1].astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    np.add.at(shown, pairs[:, 0], mixed ^ (mixed >> np.uint64(29)))
    keys: NDArray[np.uint64] = images.sources ^ (shown * np.uint64(0xBF58476D1CE4E5B9))
    return keys


def marked(
    images: Images, keys: NDArray[np.uint64], place: NDArray[np.int64], category: NDArray[np.int64], far: NDArray[np.float32]
) -> Marked:
    """The different keys, and for each a number that images of one name share only where size and boxes agree.

    Args:
        images: all of the file.
        keys: of each image.
        place: of each object the place of its image.
        category: the number of its category.
        far: right and lower end of its box.
    """
    corners = _whole(far)
    boxed = np.zeros(images.count, np.uint64)
    mixed = (category.astype(np.int64).view(np.uint64) + np.uint64(1)) * _ODD[0]
    mixed ^= (corners[:, 0] * _ODD[1]) ^ (corners[:, 1] * _ODD[2])
    np.add.at(boxed, place, mixed ^ (mixed >> np.uint64(29)))
    known = np.zeros(images.count, np.bool_)
    known[place[(far > 0).any(axis=1)]] = True
    sides = _whole(images.sizes)
    marks = np.where(known, (boxed ^ (sides[:, 0] * _ODD[1]) ^ (sides[:, 1] * _ODD[2])) | np.uint64(2), UNKNOWN)
    marks = np.where(images.copies, COPY, marks)
    found, first = np.unique(keys, return_index=True)
    return Marked(found, marks[first])


def _whole(lengths: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Quarters of pixels; what is no length is none."""
    quarters = np.nan_to_num(np.round(lengths.astype(np.float64) * 4), nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(quarters, -(2.0**53), 2.0**53).astype(np.int64).view(np.uint64)
