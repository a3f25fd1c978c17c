"""The folder that a scan writes: what of it is the scan's own, and what is a stranger's and stays as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

INDEX_PAGE, INDEX_ROWS, PAGES = "index.html", "index.json", "runs"
_HEAD_BYTES = 20_000
"""A page's title stands before this, whatever the path in it."""


class RefusedFolderError(Exception):
    """A scan cannot be written into this folder; the message says why."""


@dataclass(frozen=True, slots=True)
class ScanFolder:
    """Where a scan goes, and what it found there."""

    path: Path
    own: frozenset[Path]
    """Files that an earlier scan wrote, and folders that hold nothing else. They are no part of the archive."""
    taken: frozenset[str]
    """Names in the folder of pages that a stranger's files have."""

    def page(self, name: str) -> Path:
        """Path of a run's page."""
        return self.path / PAGES / name


def inspected(path: Path) -> ScanFolder:
    """The folder as it is before a scan; nothing is made or changed.

    Raises:
        RefusedFolderError: where something stands in the way that no scan wrote.
    """
    pages = path / PAGES
    for folder in (path, pages):
        if folder.exists() and not folder.is_dir():
            raise RefusedFolderError(f"cannot write into {folder}: it is a file")
    try:
        for file in (path / INDEX_PAGE, path / INDEX_ROWS):
            if file.exists() and not is_own(file):
                raise RefusedFolderError(f"{file} is in the way: no scan wrote it")
        beside = set(path.iterdir()) if path.is_dir() else set()
        within = set(pages.iterdir()) if pages.is_dir() else set()
        own = {file for file in within | {path / INDEX_PAGE, path / INDEX_ROWS} if file.is_file() and is_own(file)}
    except OSError as error:
        raise RefusedFolderError(f"cannot read {path}: {error.strerror}") from error
    strangers = within - own
    if not strangers:
        own.add(pages)
    if not beside - own:
        own.add(path)
    return ScanFolder(path, frozenset(own), frozenset(file.name.lower() for file in strangers))


def made(folder: ScanFolder) -> None:
    """The folders are there when this returns.

    Raises:
        RefusedFolderError: where they cannot be made.
    """
    try:
        (folder.path / PAGES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RefusedFolderError(f"cannot make {folder.path / PAGES}: {error.strerror}") from error


def written(file: Path, text: str) -> None:
    """Replaces the file's text.

    Raises:
        RefusedFolderError: where it cannot be written.
    """
    try:
        # A name may hold halves of surrogate pairs, which no encoding has; pages write them out, so that none is left here.
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise RefusedFolderError(f"cannot write {file}: {error.strerror}") from error


def without_stale(folder: ScanFolder, kept: frozenset[str]) -> None:
    """Removes pages that an earlier scan wrote and this one did not; `kept` are the names of this one's.

    Raises:
        RefusedFolderError: where one cannot be removed.
    """
    for file in sorted(folder.own):
        if file.parent == folder.path / PAGES and file.name not in kept:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise RefusedFolderError(f"cannot remove {file}, a page of an earlier scan: {error.strerror}") from error


def is_own(file: Path) -> bool:
    """Whether this program wrote the file, by its first bytes: a page of a run or of a scan, or the rows of a scan.

    Raises:
        OSError: where it cannot be read.
    """
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    if file.suffix == ".json":
        return head.startswith(b'{"fleet_version":')
    title = head.partition(b"<title>")[2].partition(b"</title>")[0]
    return file.suffix == ".html" and title.endswith(b"(postmortem)")
