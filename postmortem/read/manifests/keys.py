"""Keys of records as 64-bit numbers, and what splits say of each other by them: for manifests that are no tables.

Two different names get the same number with odds of 2^-64 a pair: of a million names, one pair in 37 million such sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from postmortem.read.manifests.tables.columns import SPLIT_ALIASES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Number = TypeVar("_Number", bound="np.generic")
_ROBOFLOW = re.compile(r"\.rf\.[0-9A-Za-z]{8,}(?=\.\w+$|$)")
_STORED_AS = re.compile(r"[_.](jpe?g|png|bmp|tiff?|webp|gif)$", re.IGNORECASE)
_PLACES = frozenset(("images", "image", "imgs", "img", "labels", "data"))
_FEWEST_FOR_NUMBERS = 3
UNKNOWN, COPY = 0, 1
"""Marks of records that nothing but the name is known of, and of copies whose name says what they are of."""


class Marked(NamedTuple):
    """Keys that are names, and what was seen of the records that bear them."""

    keys: NDArray[np.uint64]
    """Different ones, ascending."""
    marks: NDArray[np.uint64]
    """Equal for one record; `UNKNOWN` where nothing was seen."""


def hashed(names: Iterable[str]) -> NDArray[np.uint64]:
    """One stable 64-bit number a name (BLAKE2b), the same in every process and version."""
    from hashlib import blake2b

    import numpy as np

    digests = b"".join(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def source_name(name: str) -> str:
    """What copies of one image have in common, whatever split they lie in.

    Folders of splits (`train2017`) and of images are left out, and so are the ending and what Roboflow puts behind the name of each
    augmented copy: `train/images/cat_jpg.rf.0a1b2c3d.jpg` is `cat`.
    """
    folder, stem = "", name
    if "/" in name or "\\" in name:
        *folders, stem = name.replace("\\", "/").split("/")
        folder = "".join(f"{part}/" for part in folders if part and not _is_place(part))
    if ".rf." in stem:
        stem = _without_ending(_ROBOFLOW.sub("", stem))
    return folder + _without_ending(stem)


def _without_ending(name: str) -> str:
    return name[:-4] if name.endswith((".jpg", ".png")) else _STORED_AS.sub("", name)


def different(values: NDArray[_Number]) -> NDArray[_Number]:
    """Different values in order. By sorting: numpy's own way, by hashing, takes ten times as long."""
    import numpy as np

    ordered = np.sort(values)
    first = np.ones(ordered.size, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def is_copy(name: str) -> bool:
    """Whether a name ends in what Roboflow puts behind it: such names are of one source image, or of several that were uploaded as one."""
    return ".rf." in name and _ROBOFLOW.search(name) is not None


def with_classes(source: str, classes: Iterable[int]) -> str:
    """The name of a copy's source with the classes that it shows.

    A flip or a turn keeps them; of other images of the same name (`frame-12` of several films) they differ as a rule.
    """
    return f"{source}|{','.join(map(str, sorted(set(classes))))}"


def _is_place(folder: str) -> bool:
    word = re.sub(r"[\d_-]+$", "", folder.lower())
    return folder in (".", "..", "/") or word in _PLACES or word in SPLIT_ALIASES


def numbers_of(stems: Sequence[str]) -> tuple[str, NDArray[np.int64]] | None:
    """What stands before the number at the end of all these names, and the numbers; None where a name does not end in one."""
    import numpy as np

    first, last = (min(stems), max(stems)) if stems else ("", "")
    alike = next((at for at, (one, two) in enumerate(zip(first, last, strict=False)) if one != two), min(len(first), len(last)))
    before = first[:alike].rstrip("0123456789")
    rest = [stem[len(before) :] for stem in stems]
    if not all(each.isdecimal() and len(each) <= 18 for each in rest):
        return None
    return before, np.fromiter(map(int, rest), np.int64, len(rest))


def are_running(parts: Sequence[tuple[str, NDArray[np.int64]] | None]) -> bool:
    """Whether names, by `numbers_of` of their parts, count from 0 or 1 without a gap."""
    import numpy as np

    if len({part[0] if part is not None else None for part in parts}) != 1:
        return False
    numbers = different(np.concatenate([part[1] for part in parts if part is not None] or [np.empty(0, np.int64)]))
    return numbers.size >= _FEWEST_FOR_NUMBERS and int(numbers[0]) in (0, 1) and int(numbers[-1] - numbers[0]) + 1 == numbers.size


def shared_between(keys: Mapping[str, NDArray[np.uint64]]) -> dict[str, int]:
    """`train|validation` -> different keys that both splits hold; pairs that share none are left out."""
    import numpy as np

    order = {"train": 0, "validation": 1, "test": 2}
    splits = sorted(keys, key=lambda name: (order.get(name, 3), name))
    once = {split: different(keys[split]) for split in splits}
    counts = {f"{one}|{two}": int(np.intersect1d(once[one], once[two], assume_unique=True).size) for one, two in combinations(splits, 2)}
    return {pair: count for pair, count in counts.items() if count}


def settled_between(marked: Mapping[str, Sequence[Marked]], shared: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Of keys that two splits share, how many are of one record by their marks, and how many may be of two that bear one name.

    Those whose marks contradict each other are neither.

    Args:
        marked: the keys of each split, file by file.
        shared: pairs of splits that share keys.
    """
    import numpy as np

    once = {}
    for split, parts in marked.items():
        keys, first = np.unique(np.concatenate([part.keys for part in parts]), return_index=True)
        once[split] = Marked(keys, np.concatenate([part.marks for part in parts])[first])
    same: dict[str, int] = {}
    alike: dict[str, int] = {}
    for pair in shared:
        one, two = (once[split] for split in pair.split("|"))
        _, left, right = np.intersect1d(one.keys, two.keys, assume_unique=True, return_indices=True)
        seen = (one.marks[left] != UNKNOWN) & (two.marks[right] != UNKNOWN)
        same[pair] = int(np.count_nonzero(seen & (one.marks[left] == two.marks[right])))
        alike[pair] = int(np.count_nonzero(~seen))
    return {pair: count for pair, count in same.items() if count}, {pair: count for pair, count in alike.items() if count}


def joined_keys(parts: Mapping[str, Sequence[NDArray[np.uint64]]]) -> dict[str, NDArray[np.uint64]]:
    """Keys of each split from all the files that hold some of it."""
    import numpy as np

    return {split: np.concatenate([np.empty(0, np.uint64), *arrays]) for split, arrays in parts.items()}


def repeated_within(keys: Mapping[str, NDArray[np.uint64]]) -> int:
    """Records beyond the first of each key within its split."""
    return sum(int(each.size - different(each).size) for each in keys.values())
