"""Lists what lies under a path: names and sizes only, no file is opened.

Hidden folders, companions that macOS leaves, and ways back into folders that were listed already are left out and told.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from postmortem.discover.names import OTHER, FileKind, file_kind, is_data_folder, is_metric_folder, natural
from postmortem.discover.stores import (
    Store,
    history_id,
    is_model_of_mlflow,
    is_read_with_run,
    is_shown_only,
    kind_in_store,
    may_be_copy,
    store_of,
)

_DEEPEST = 48
_GHOST_FOLDERS = frozenset(("__macosx", "__pycache__", "node_modules", "site-packages"))
_ENVIRONMENT_MARKS = frozenset(("pyvenv.cfg", "conda-meta"))
_READ_HIDDEN = frozenset((".hydra",))
"""Hidden folders that frameworks keep a run's settings in."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, or a folder that is one data set."""

    name: str
    path: Path
    bytes: int
    kind: FileKind
    folder: tuple[str, ...]
    """Names from the root of the listing down to the file's folder."""
    holds: str = ""
    """Set where it stands for a whole folder: what that holds."""


@dataclass(slots=True)
class Folder:
    """One folder: its files and folders in natural order."""

    name: str
    path: Path
    parts: tuple[str, ...]
    files: list[Entry] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    store: Store = ""
    """Whose run it holds or is part of; see `stores`."""
    of_model: bool = False
    """Whether it lies in a model that MLflow saved: a folder `data` holds weights then."""


@dataclass(slots=True)
class Tree:
    """A listing, and what it left out."""

    root: Folder
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> how many."""
    notes: list[str] = field(default_factory=list)


def shown(name: str) -> str:
    """The name as a report can hold it: bytes that are no text are written as escapes, and control characters too."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def list_tree(root: Path, without: Collection[Path] = ()) -> Tree:
    """Everything under a folder.

    Args:
        root: the folder; it is listed even where `without` names it.
        without: files and folders to pass over as if they were not there.

    Raises:
        OSError: where the folder itself cannot be listed.
    """
    tree = Tree(Folder(root.name, root, ()))
    listed = {_identity(root.stat())}
    passed_over = frozenset(filter(None, map(_identity_of, without)))
    links: list[tuple[Folder, str, Path]] = []
    file_links: list[tuple[Folder, Entry]] = []
    linked: dict[tuple[str, ...], Folder] = {}
    with os.scandir(root):
        pass  # only the root may raise
    pending = [tree.root]
    while pending or links:
        if pending:
            folder = pending.pop()
        else:
            # Links come last, so that a `latest` that points to a run beside it never takes the run's place.
            parent, name, path = links.pop()
            identity = _identity_of(path)
            if identity is None or identity in listed:
                tree.left_out["link to a folder that is listed already" if identity else "link that leads nowhere"] += 1
                continue
            listed.add(identity)
            folder = Folder(name, path, (*parent.parts, name))
            parent.folders.append(folder)
            linked[folder.parts[:-1]] = parent
        pending.extend(_list(folder, tree, listed, links, file_links, passed_over))
    for folder, entry in file_links:
        identity = _identity_of(entry.path)
        if identity is None or identity in listed:
            tree.left_out["link to a file that is listed already" if identity else "link that leads nowhere"] += 1
        else:
            folder.files.append(entry)
            linked[folder.parts] = folder
    for folder in linked.values():  # once: a data set can be a hundred thousand links in one folder
        folder.files.sort(key=lambda each: natural(each.name))
        folder.folders.sort(key=lambda each: natural(each.name))
    _leave_out_copies(tree)
    return tree


def _leave_out_copies(tree: Tree) -> None:
    """Takes out folders `latest-run` that hold what a run beside them holds: a link that a checkout or an archive made a copy of."""
    pending = [tree.root]
    while pending:
        folder = pending.pop()
        pending.extend(folder.folders)
        for child in [child for child in folder.folders if child.store == "wandb" and may_be_copy(child.name)]:
            run, held = history_id([file.name for file in child.files]), _held(child)
            others = [each for each in folder.folders if each is not child and each.store == "wandb"]
            if any((run and history_id([file.name for file in each.files]) == run) or _held(each) == held for each in others):
                folder.folders.remove(child)
                tree.left_out["copy of a run of Weights & Biases (latest-run)"] += 1


def _held(folder: Folder) -> list[tuple[str, int]]:
    """Names and sizes of the files right in a folder and in those right below."""
    return [(file.name, file.bytes) for each in (folder, *folder.folders) for file in each.files]


def tree_of_files(paths: list[Path]) -> Tree:
    """The same for single files: as if nothing else lay in their common folder."""
    absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  resolve() would follow links, and names are shown as given
    common = Path(os.path.commonpath([path.parent for path in absolute]))
    tree = Tree(Folder(common.name, common, ()))
    folders: dict[tuple[str, ...], Folder] = {(): tree.root}
    for path, given in zip(absolute, paths, strict=True):
        parts = path.relative_to(common).parts[:-1]
        for depth in range(1, len(parts) + 1):
            if parts[:depth] not in folders:
                made = folders[parts[:depth]] = Folder(parts[depth - 1], common.joinpath(*parts[:depth]), parts[:depth])
                folders[parts[: depth - 1]].folders.append(made)
        kind = file_kind(path.name)
        if path.name == "meta.yaml":
            kind = kind_in_store(store_of(path.parent.name, [each.name for each in path.parent.iterdir()]), path.name, kind, True)
        folders[parts].files.append(Entry(path.name, given, given.stat().st_size, kind, parts))
    return tree


def _list(
    folder: Folder,
    tree: Tree,
    listed: set[tuple[int, int]],
    links: list[tuple[Folder, str, Path]],
    file_links: list[tuple[Folder, Entry]],
    passed_over: frozenset[tuple[int, int]],
) -> list[Folder]:
    """Fills one folder; the answer is the folders to go on with."""
    where = "/".join(map(shown, folder.parts)) or "."
    try:
        with os.scandir(folder.path) as found:
            entries = sorted(found, key=lambda each: natural(each.name))
    except OSError as error:
        tree.notes.append(f"{where} could not be listed: {error.strerror}")
        return []
    if folder.parts and any(entry.name in _ENVIRONMENT_MARKS for entry in entries):
        tree.left_out[f"folder {shown(folder.name)} with a Python environment"] += 1
        return []
    one_metric_a_file = is_metric_folder(folder.path.parts)
    in_data_folder = bool(folder.parts) and is_data_folder(folder.name) and not folder.of_model
    names = [entry.name for entry in entries]
    sharded = any(name.endswith(".distcp") for name in names)
    within_store = bool(folder.store)
    folder.store = folder.store or store_of(folder.name or folder.path.resolve().name, names)
    of_model = is_model_of_mlflow(names)
    below: list[Folder] = []
    for entry in entries:
        try:
            status = entry.stat()
        except OSError:
            tree.left_out["link that leads nowhere" if entry.is_symlink() else "file that could not be looked up"] += 1
            continue
        if passed_over and _identity(status) in passed_over:
            continue
        if stat.S_ISDIR(status.st_mode):
            name = entry.name
            if name.lower() in _GHOST_FOLDERS or (name.startswith(".") and name not in _READ_HIDDEN):
                tree.left_out[f"folder {shown(name)}"] += 1
            elif len(folder.parts) >= _DEEPEST:
                tree.notes.append(f"{where} holds folders more than {_DEEPEST} levels deep, which were not entered")
            elif is_read_with_run(folder.store, name, not within_store):
                pass
            elif is_shown_only(folder.store, name):
                tree.left_out[f"folder {shown(name)} of a Weights & Biases run"] += 1
            elif entry.is_symlink():
                links.append((folder, name, Path(entry.path)))
            elif _identity(status) not in listed:
                listed.add(_identity(status))
                below.append(Folder(name, Path(entry.path), (*folder.parts, name), store=folder.store, of_model=of_model))
        elif not stat.S_ISREG(status.st_mode):
            tree.left_out["file that is no regular one"] += 1
        elif within_store and folder.store == "mlflow" and entry.name == "meta.yaml":
            pass  # in `outputs`: that the run made a model is told by the folder's name
        elif entry.name.startswith("._"):
            tree.left_out["companion file that macOS writes (._*)"] += 1
        else:
            # Other programs have a `.metadata` too.
            kind = OTHER if entry.name == ".metadata" and not sharded else file_kind(entry.name, in_data_folder)
            if one_metric_a_file and entry.name.lower().endswith(".tsv"):
                kind = FileKind("log")
            if folder.store or folder.name == "wandb":
                kind = kind_in_store(folder.store or "wandb", entry.name, kind, not within_store)
            if of_model and entry.name.endswith(".pkl"):
                kind = OTHER  # beside `MLmodel` lie models of scikit-learn and its like: networks lie in `data`
            file = Entry(entry.name, Path(entry.path), status.st_size, kind, folder.parts)
            if entry.is_symlink():
                file_links.append((folder, file))
            else:
                listed.add(_identity(status))
                folder.files.append(file)
    folder.folders.extend(below)
    return below


def _identity_of(path: Path) -> tuple[int, int] | None:
    """The same for a path; None where it went away since it was listed."""
    try:
        return _identity(path.stat())
    except OSError:
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
