"""Puts runs together: paths -> trees -> clusters of files -> runs with names, files and notes.

A run is one training; its name is the lowest folder that holds all of its artifacts. Tables and settings that lie above go to the runs
below them. What was taken for what stands in the run's notes.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from postmortem.discover.clusters import Cluster, Parts, cluster_runs
from postmortem.discover.consoles import jobs, named_after, place_of
from postmortem.discover.datasets import fold_datasets
from postmortem.discover.folders import Entry, Tree, list_tree, shown, tree_of_files
from postmortem.discover.names import group_of, is_data_folder, is_split, natural
from postmortem.model import FileRole, FoundFile, FoundRun

_MANY_TABLES = 20
"""Tables of one folder whose names say nothing: more than these are the data itself, not lists of it."""
_ROLE_WORDS: dict[FileRole, tuple[str, str]] = {
    "events": ("event file", "event files"),
    "checkpoint": ("checkpoint", "checkpoints"),
    "checkpoint-index": ("index of shards", "indexes of shards"),
    "log": ("log", "logs"),
    "console": ("text log", "text logs"),
    "config": ("settings file", "settings files"),
    "manifest": ("table that may be a manifest", "tables that may be manifests"),
}


class NoSuchPath(Exception):  # noqa: N818  reads as the sentence that it is, and is part of the public interface
    """A path that the user gave does not exist or cannot be opened."""


class NothingFound(Exception):  # noqa: N818  as above
    """The paths exist, but nothing under them is an artifact of a training run."""


def find_runs(paths: Sequence[Path], without: Collection[Path] = ()) -> tuple[FoundRun, ...]:
    """The runs under these paths, in natural order of their names, path by path.

    A path is a run, a folder of runs, or a file. Several files given singly are taken together, as if nothing else lay beside them; tables
    and settings given singly beside folders belong to every run of these. What `without` names is passed over.

    Raises:
        NoSuchPath: a path is not there.
        NothingFound: nothing under the paths is an artifact.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise NoSuchPath(f"no such file or folder: {', '.join(shown(str(path)) for path in missing)}")
    # A pipe or a device would be waited for without end.
    strange = [path for path in paths if not path.is_dir() and not path.is_file()]
    if strange:
        raise NoSuchPath(f"neither a file nor a folder: {', '.join(shown(str(path)) for path in strange)}")
    folders = [path for path in paths if path.is_dir()]
    singles = list(dict.fromkeys(path for path in paths if not path.is_dir()))
    runs: list[FoundRun] = []
    reasons: list[str] = []
    for path in folders:
        try:
            tree = list_tree(path, without)
        except OSError as error:
            raise NoSuchPath(f"{shown(str(path))} could not be listed: {error.strerror}") from error
        found = _runs_of(tree, path)
        runs.extend(found)
        if not found:
            reasons.append(_why_nothing(tree, path))
    if singles:
        tree = tree_of_files(singles)
        of_runs = {"manifest", "config", *(("console",) if len(runs) == 1 else ())}
        shared = bool(runs) and all(entry.kind.role in of_runs for entry in _entries(tree))
        if shared:
            runs = [_with_shared(run, list(_entries(tree))) for run in runs]
        else:
            path = singles[0] if len(singles) == 1 else _common_folder(singles)
            found = _runs_of(tree, path)
            runs.extend(found)
            if not found:
                reasons.append(_why_nothing(tree, path))
    # Of one path, each file is listed once already.
    runs = _distinct(runs) if len(paths) > 1 else runs
    if not runs:
        raise NothingFound("nothing to analyze: " + "; ".join(reasons or ["no path was given"]))
    return tuple(runs)


# --- one path ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """A run in the making."""

    cluster: Cluster
    anchor: Parts
    files: list[Entry]
    notes: list[str] = field(default_factory=list)


def _runs_of(tree: Tree, path: Path) -> list[FoundRun]:
    fold_datasets(tree)
    clusters, loose = cluster_runs(tree.root)
    if not clusters and any(entry.kind.role == "manifest" for entry in loose):
        clusters, loose = [Cluster((), loose)], []
    drafts = [
        _Draft(
            cluster,
            cluster.home if cluster.store else _common(entry.folder for entry in cluster.files),
            list(cluster.files),
            list(cluster.notes),
        )
        for cluster in clusters
    ]
    _share_consoles(drafts, tree)
    if not drafts:
        return []
    _share_loose(drafts, loose, tree)
    drafts.sort(key=lambda draft: ([natural(part) for part in draft.anchor], natural(draft.cluster.label)))
    _add_other_files(drafts, tree)
    times = Counter(draft.anchor for draft in drafts)
    numbers: Counter[Parts] = Counter()
    runs: list[FoundRun] = []
    for draft in drafts:
        name = "/".join(map(shown, draft.anchor)) or "."
        if times[draft.anchor] > 1:
            numbers[draft.anchor] += 1
            name += f"#{numbers[draft.anchor]}"
        runs.append(_found_run(draft, name, path))
    if runs and (tree.left_out or tree.notes):
        left_out = [f"left out: {_listed(tree.left_out)}"] if tree.left_out else []
        first = runs[0]
        runs[0] = FoundRun(first.name, first.path, first.files, (*first.notes, *tree.notes, *left_out))
    return runs


def _share_consoles(drafts: list[_Draft], tree: Tree) -> None:
    """Gives text logs to the run whose folder holds them, or that they are named after; where no run is near they are runs themselves."""
    bases = [min(draft.cluster.home, draft.anchor, key=len) for draft in drafts]
    names = [draft.cluster.label.rpartition("/")[2] or (base or ("",))[-1] for draft, base in zip(drafts, bases, strict=True)]
    alone: dict[Parts, list[Entry]] = defaultdict(list)
    aside: list[str] = []
    # What Weights & Biases and MLflow keep of a run holds its text logs already.
    given = {entry.path for draft in drafts for entry in draft.files}
    for entry in _entries(tree):
        if entry.kind.role != "console" or entry.path in given:
            continue
        holding = [len(base) for base in bases if entry.folder[: len(base)] == base]
        place = place_of(entry.folder)
        near = [index for index, base in enumerate(bases) if holding and base == entry.folder[: max(holding)]]
        near = near or [index for index, base in enumerate(bases) if base[: len(place)] == place]
        if len(near) > 1 or (near and not holding and not entry.kind.sure):
            named = named_after(entry.name, [names[index] for index in near])
            if named is None:
                aside.append(_relative(entry, ()))
                continue
            near = [near[named]]
        if near:
            draft = drafts[near[0]]
            draft.files.append(entry)
            if entry.folder[: len(draft.cluster.home)] == draft.cluster.home:
                draft.anchor = _common([draft.anchor, entry.folder])
        elif entry.kind.sure or not drafts:
            alone[entry.folder].append(entry)
        else:
            aside.append(_relative(entry, ()))
    for folder, entries in alone.items():
        drafts.extend(_Draft(Cluster(folder, each, (), label), folder, list(each)) for label, each in jobs(entries))
    if aside:
        more = f" and {len(aside) - 3} more" if len(aside) > 3 else ""
        tree.notes.append(f"{', '.join(aside[:3])}{more}: text logs of no single run by place and name, left aside")


def _share_loose(drafts: list[_Draft], loose: list[Entry], tree: Tree) -> None:
    """Gives manifests and settings that lie above the runs to the runs below them."""
    by_folder: dict[Parts, list[Entry]] = defaultdict(list)
    for entry in loose:
        by_folder[_owner(entry)].append(entry)
    given: set[Path] = set()
    for folder, entries in by_folder.items():
        below = [draft for draft in drafts if draft.anchor[: len(folder)] == folder]
        if len(below) != 1:
            continue
        # One run only: then the folder that holds all of its artifacts is this one.
        draft = below[0]
        taken = [
            entry for entry in entries if entry.kind.sure and (entry.kind.role == "manifest" or len(draft.cluster.home) <= len(folder) + 1)
        ]
        if taken:
            draft.files.extend(taken)
            draft.anchor = _common([draft.anchor, *(entry.folder for entry in taken)])
            given.update(entry.path for entry in taken)
    manifests: dict[Parts, list[Entry]] = defaultdict(list)
    for entry in _entries(tree):
        if entry.kind.role == "manifest" and entry.kind.sure:
            manifests[_owner(entry)].append(entry)
    for draft in drafts:
        if any(entry.kind.role == "manifest" and entry.kind.sure for entry in draft.files):
            continue
        for depth in range(len(draft.anchor) - 1, -1, -1):
            shared = manifests.get(draft.anchor[:depth])
            if shared:
                draft.files.extend(shared)
                listed = ", ".join(_relative(entry, draft.anchor) for entry in shared)
                draft.notes.append(f"{listed}, in a folder above, was taken as shared by the runs below it")
                given.update(entry.path for entry in shared)
                break
    unused = [entry for entry in loose if entry.path not in given]
    if unused:
        names = [_relative(entry, ()) for entry in unused]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        tree.notes.append(f"{', '.join(names[:3])}{more}: of no single run, left aside")


def _add_other_files(drafts: list[_Draft], tree: Tree) -> None:
    """Gives every file that is nothing of ours to the run whose folder holds it, for the record."""
    claimed = {entry.path for draft in drafts for entry in draft.files}
    by_anchor: dict[Parts, _Draft] = {}
    for draft in drafts:
        by_anchor.setdefault(draft.anchor, draft)
    for entry in _entries(tree):
        if entry.path in claimed or entry.kind.role != "other":
            continue
        for depth in range(len(entry.folder), -1, -1):
            if entry.folder[:depth] in by_anchor:
                by_anchor[entry.folder[:depth]].files.append(entry)
                break


def _found_run(draft: _Draft, name: str, path: Path) -> FoundRun:
    draft.files.sort(key=lambda entry: ([natural(part) for part in entry.folder], natural(entry.name)))
    crowded = _crowded(draft.files)
    files: list[FoundFile] = []
    notes = list(draft.notes)
    empty: list[str] = []
    for entry in draft.files:
        role = entry.kind.role
        if not entry.kind.sure and (not entry.bytes or entry.folder in crowded):
            role = "other"
        if not entry.bytes and role != "other":
            empty.append(_relative(entry, draft.anchor))
        files.append(FoundFile(entry.path, _relative(entry, draft.anchor), role, entry.bytes, _group(entry, role, draft.anchor)))
    sets = [entry for entry in draft.files if entry.holds]
    whole_folders = {entry.path for entry in sets}
    notes[:0] = [
        *_what_is_what([file for file in files if file.path not in whole_folders]),
        *(f"{_relative(entry, draft.anchor)}/ taken for a data set: {entry.holds}" for entry in sets),
    ]
    notes.extend(
        f"tables in {'/'.join(map(shown, folder)) or '.'} are too many ({count}) to be manifests, left aside"
        for folder, count in sorted(crowded.items())
    )
    if empty:
        notes.append(f"empty (0 bytes): {', '.join(empty[:5])}{f' and {len(empty) - 5} more' if len(empty) > 5 else ''}")
    return FoundRun(name, path.joinpath(*draft.anchor) if draft.anchor else path, tuple(files), tuple(notes))


def _what_is_what(files: Sequence[FoundFile]) -> list[str]:
    """One sentence for what each folder was taken for, one for splits, one for what is left aside."""
    # Shards of one folder are one checkpoint, and their index is counted.
    counted = [file for file in files if file.role != "other" and not file.name.endswith(".distcp")]
    taken: dict[tuple[FileRole, str], int] = Counter((file.role, file.name.rpartition("/")[0]) for file in counted)
    notes = []
    for role, (one, many) in _ROLE_WORDS.items():
        places = [(folder, count) for (found, folder), count in taken.items() if found == role]
        if places:
            count = sum(each for _, each in places)
            named = [f"{folder}/" if folder else "its own folder" for folder, _ in places]
            more = f" and {len(named) - 3} other folders" if len(named) > 3 else ""
            notes.append(f"{count} {one if count == 1 else many} in {', '.join(named[:3])}{more}")
    groups = {file.name.rpartition("/")[0]: file.group for file in files if file.role == "events" and file.group}
    if groups:
        notes.append(", ".join(f"{folder or '.'}/ taken as {group} curves" for folder, group in groups.items()))
    others = [file.name for file in files if file.role == "other"]
    if others:
        more = ", ..." if len(others) > 3 else ""
        notes.append(f"{len(others)} {'file' if len(others) == 1 else 'files'} left aside by name ({', '.join(others[:3])}{more})")
    return notes


def _crowded(files: Sequence[Entry]) -> dict[Parts, int]:
    counts = Counter(entry.folder for entry in files if entry.kind.role == "manifest" and not entry.kind.sure)
    return {folder: count for folder, count in counts.items() if count > _MANY_TABLES}


def _group(entry: Entry, role: FileRole, anchor: Parts) -> str:
    """The split that the file's nearest telling folder speaks for; for a table, its own name."""
    if role in ("manifest", "log"):
        named = group_of(PurePosixPath(entry.name).stem)
        if named:
            return named
    if role not in ("events", "log", "manifest"):
        return ""
    for folder in reversed(entry.folder[len(anchor) :]):
        group = group_of(folder)
        if group:
            return group
    # The run's own folder: `test` is a name for anything, `train` and `validation` are not.
    own = anchor[-1] if anchor else ""
    return group_of(own) if role == "events" and is_split(own) and group_of(own) != "test" else ""


# --- several paths ----------------------------------------------------------------------------------------------------


def _with_shared(run: FoundRun, entries: list[Entry]) -> FoundRun:
    files = tuple(
        FoundFile(entry.path, shown(entry.name), entry.kind.role, entry.bytes, _group(entry, entry.kind.role, ())) for entry in entries
    )
    note = f"{', '.join(file.name for file in files)} was given by itself and counts for every run"
    return FoundRun(run.name, run.path, (*run.files, *files), (*run.notes, note))


def _distinct(runs: list[FoundRun]) -> list[FoundRun]:
    """The runs without those whose artifacts an earlier path gave already (a folder, and a run in it)."""
    seen: set[tuple[str, ...]] = set()
    kept: list[FoundRun] = []
    for run in runs:
        artifacts = tuple(sorted(os.path.realpath(file.path) for file in run.files if file.role not in ("other", "manifest", "config")))
        key = artifacts or tuple(sorted(os.path.realpath(file.path) for file in run.files))
        if key not in seen:
            seen.add(key)
            kept.append(run)
    return kept


def _why_nothing(tree: Tree, path: Path) -> str:
    files = sum(1 for _ in _entries(tree))
    name = shown(str(path))
    left_out = f" (left out: {_listed(tree.left_out)})" if tree.left_out else ""
    if not path.is_dir():
        return f"{name} is no event file, checkpoint, log or manifest by its name"
    if not files:
        return f"{name} holds no files{left_out}"
    return f"none of the {files} files under {name} is an event file, checkpoint, log or manifest by its name{left_out}"


# --- small parts ------------------------------------------------------------------------------------------------------


def _entries(tree: Tree) -> Iterable[Entry]:
    pending = [tree.root]
    while pending:
        folder = pending.pop()
        yield from folder.files
        pending.extend(reversed(folder.folders))


def _common(folders: Iterable[Parts]) -> Parts:
    """The lowest folder that holds all of these."""
    common: Parts | None = None
    for folder in folders:
        if common is None:
            common = folder
        else:
            length = next(
                (index for index, (one, two) in enumerate(zip(common, folder, strict=False)) if one != two), min(len(common), len(folder))
            )
            common = common[:length]
    return common or ()


def _owner(entry: Entry) -> Parts:
    """The folder that a data folder belongs to. Data sets that are folders lie deep in such (`data/imagenet/images`)."""
    folder = entry.folder
    if entry.holds:
        return folder[: next((depth for depth, part in enumerate(folder) if is_data_folder(part)), len(folder))]
    while folder and is_data_folder(folder[-1]):
        folder = folder[:-1]
    return folder


def _relative(entry: Entry, anchor: Parts) -> str:
    if anchor == (*entry.folder, entry.name):
        return shown(entry.name)
    shared = len(_common([anchor, entry.folder]))
    return "/".join([".."] * (len(anchor) - shared) + [shown(part) for part in (*entry.folder[shared:], entry.name)])


def _common_folder(paths: Sequence[Path]) -> Path:
    common = os.path.commonpath([os.path.abspath(path.parent) for path in paths])  # noqa: PTH100  links stay as given
    return Path(common) if any(path.is_absolute() for path in paths) else Path(os.path.relpath(common))


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in sorted(counts.items()))
