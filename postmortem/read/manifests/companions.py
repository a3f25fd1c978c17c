"""The files that a manifest names: whether they are there, and what a sample of the images among them looks like.

Looking for a file is one `stat`; nothing but the images of the sample is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from postmortem.model import FilesSeen

MOST_LOOKED = 2000
"""Names that are looked up, spread evenly over the manifest: a share of 0.2% that is missing shows with 98%."""
_TRIED = 20
"""Names that decide in which folder the files lie."""
_SIBLINGS = ("images", "image", "imgs", "img", "data", "files", "train", "val", "valid", "test", "audio", "wavs", "clips", "JPEGImages")
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Located:
    """Files of a sample of names, and the folder that the names are relative to."""

    folder: Path
    """Of absolute names, the manifest's own."""
    seen: FilesSeen
    paths: tuple[Path, ...]
    """Those that are there and hold something, in the manifest's order."""


def spread(count: int, most: int) -> range | list[int]:
    """At most so many of the numbers below `count`, evenly spread, the same each time."""
    return range(count) if count <= most else [index * count // most for index in range(most)]


def look(names: Sequence[str], base: Path, most: int = MOST_LOOKED) -> FilesSeen | None:
    """Whether files that a manifest names are there; None where none of them is: then the data lie elsewhere, and nothing is known."""
    found = locate(names, base, most)
    return found.seen if found is not None else None


def locate(names: Sequence[str], base: Path, most: int = MOST_LOOKED) -> Located | None:
    """The same with the paths of the files.

    Args:
        names: paths as the manifest writes them; addresses of a network and names that lead out of the folder by `..` are passed over.
        base: the manifest's folder. Relative names are looked for there, in folders in it that are called like `images`, and in its
            parent and the folders beside it that are called so.
        most: how many names are looked up.
    """
    chosen = [name for name in (names[index].strip() for index in spread(len(names), most)) if _is_local(name)]
    if not chosen:
        return None
    tried = [chosen[index] for index in spread(len(chosen), _TRIED)]
    best, most_found = base, 0
    for folder in _folders(base):
        found = sum(_size(_joined(folder, name)) is not None for name in tried)
        if found > most_found:
            best, most_found = folder, found
            if found == len(tried):
                break
    if not most_found:
        return None
    sizes = [(name, _joined(best, name)) for name in chosen]
    looked = [(name, path, _size(path)) for name, path in sizes]
    there = [(name, path, size) for name, path, size in looked if size is not None]
    bad = [name for name, _, size in looked if not size]
    seen = FilesSeen(len(looked), len(there), sum(size == 0 for _, _, size in there), tuple(bad[:_EXAMPLES]))
    return Located(best, seen, tuple(path for _, path, size in there if size))


def _folders(base: Path) -> Iterator[Path]:
    """Where files may lie, the likeliest first."""
    yield base
    for parent in (base, base.parent):
        yield parent
        yield from (parent / sibling for sibling in _SIBLINGS if (parent / sibling).is_dir())


def _is_local(name: str) -> bool:
    """Whether a name is a path that may be looked up: no address, no way out of the folder, nothing that no file system takes."""
    if not name or "://" in name or "\0" in name or len(name) > 4096:
        return False
    return ".." not in PurePosixPath(name.replace("\\", "/")).parts


def _joined(folder: Path, name: str) -> Path:
    path = folder / name
    return path if "\\" not in name or path.exists() else folder / name.replace("\\", "/")


def _size(path: Path) -> int | None:
    """Bytes of a regular file; None for all else."""
    try:
        status = os.stat(path)  # noqa: PTH116  half the time of Path.stat, and asked thousands of times
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
