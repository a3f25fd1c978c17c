"""Lists a folder of data: names and sizes, without the files that operating systems and editors leave there."""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from postmortem.discover.datasets import NOTEBOOK_GHOST

MOST_FILES = 3_000_000
"""Of one data set; names of more would take hundreds of megabytes."""
DEAD = -1
_DEEPEST = 16
_LEFTOVERS = frozenset((".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"))
_GHOSTS = frozenset(("__macosx", "__pycache__", "@eadir"))


@dataclass(slots=True, eq=False)
class Branch:
    """One folder, with what lies in it in the order of its names."""

    name: str
    path: str
    names: list[str] = field(default_factory=list)
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """Bytes of each file; -1 for a link that leads nowhere."""
    folders: list[Branch] = field(default_factory=list)
    had_others: bool = False
    """Whether files that are no records were taken out of it."""


@dataclass(slots=True)
class Listing:
    """A listing, and what was left out of it."""

    root: Branch
    files: int = 0
    leftovers: int = 0
    companions: int = 0
    """Files `._*` that macOS writes; they end like data, and loaders take them for data."""
    unlisted: list[str] = field(default_factory=list)
    """Folders that could not be listed, with the reason."""
    full: bool = False
    """Whether there were more files than are listed."""


def list_branch(root: Path, most: int = MOST_FILES) -> Listing:
    """Everything under a folder; links to folders are followed, but never into a folder that was listed already.

    Raises:
        OSError: where the folder itself cannot be listed.
    """
    listing = Listing(Branch(root.name, str(root)))
    with os.scandir(root):
        pass  # only the root may raise
    status = root.stat()
    seen = {(status.st_dev, status.st_ino)}
    pending: list[tuple[Branch, int]] = [(listing.root, 0)]
    while pending:
        branch, depth = pending.pop()
        pending.extend((below, depth + 1) for below in reversed(_fill(branch, depth, listing, seen, most)))
    return listing


def _fill(branch: Branch, depth: int, listing: Listing, seen: set[tuple[int, int]], most: int) -> list[Branch]:
    try:
        with os.scandir(branch.path) as found:
            entries = sorted(found, key=lambda each: each.name)
    except OSError as error:
        listing.unlisted.append(f"{branch.name} ({error.strerror})")
        return []
    for entry in entries:
        name = entry.name
        if name.startswith("._"):
            listing.companions += 1
            continue
        if name.lower() in _LEFTOVERS or name.lower() in _GHOSTS:
            listing.leftovers += 1
            continue
        try:
            status = entry.stat()
        except OSError:
            branch.names.append(name)
            branch.sizes.append(DEAD)
            continue
        if stat.S_ISDIR(status.st_mode):
            hidden = name.startswith(".") and name != NOTEBOOK_GHOST
            if hidden or depth >= _DEEPEST or (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            branch.folders.append(Branch(name, entry.path))
        elif stat.S_ISREG(status.st_mode) and not name.startswith("."):
            if listing.files >= most:
                listing.full = True
                break
            listing.files += 1
            branch.names.append(name)
            branch.sizes.append(status.st_size)
    return branch.folders


def walk(branch: Branch) -> Iterator[Branch]:
    """The folder and all below it, from the top, in the order of names."""
    yield branch
    for below in branch.folders:
        yield from walk(below)


def quoted(names: list[str], most: int = 4) -> str:
    """A few names, as notes show them."""
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def printable(name: str) -> str:
    """The name as a report can hold it: bytes that are no text, and control characters, are written as escapes."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
