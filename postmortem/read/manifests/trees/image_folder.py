"""Trees of class folders (`train/<class>/*.jpg`): a folder's name is the class of all that lies in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postmortem.discover.datasets import NOTEBOOK_GHOST, are_sides, kind_of, split_of
from postmortem.model import FilesSeen, FoundFile, ImageSample, Manifest, Problem, ReadOptions
from postmortem.read.manifests.data import ManifestData, failed
from postmortem.read.manifests.pictures import sample_images
from postmortem.read.manifests.trees.contents import SameFiles, same_files
from postmortem.read.manifests.trees.keys import compared, ordered
from postmortem.read.manifests.trees.listing import DEAD, Branch, Listing, list_branch, printable, quoted, walk

MOST_CLASSES = 1_000_000
LABEL = "folder"
KEY = "content of the files"
_COPY = re.compile(r"(?:copy of |kopie von )(.+)|(.+?)(?: \((?:copy|\d+)\)| - copy(?: \(\d+\))?| copy(?: \d+)?|_copy|~)", re.IGNORECASE)
_WHAT = {"image": "images", "audio": "recordings", "video": "videos", "array": "arrays", "text": "texts"}


@dataclass(slots=True)
class _Tree:
    """What each folder is in a data set."""

    splits: dict[str, list[Branch]] = field(default_factory=dict)
    """Split -> the folders that hold its class folders, or its records where there are no classes."""
    aside: list[str] = field(default_factory=list)
    """Folders with data that are of no split."""


@dataclass(slots=True)
class _Records:
    """All records of a data set, by the folders that they lie in."""

    places: list[tuple[str, str | None, Branch]] = field(default_factory=list)
    """Split, class (None for those that lie beside class folders) and folder."""
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    strays: dict[str, int] = field(default_factory=dict)
    """Split with class folders -> records beside them."""
    deep: int = 0
    """Records in folders within class folders."""
    hollow: list[str] = field(default_factory=list)
    """Class folders with other files only."""


def read_image_folder(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Counts of a tree of class folders; None where the path is no folder, or its folders are no classes."""
    if not file.path.is_dir():
        return None
    try:
        listing = list_branch(file.path)
    except OSError as error:
        return failed(file, "unreadable", f"the folder could not be listed: {error.strerror}")
    kind = _main_kind(listing.root)
    if not kind:
        return None
    others = _keep_only(listing.root, kind)
    tree = _tree(listing.root)
    if tree is None:
        return None
    found = _records(tree)
    classes = sorted({label for counts in found.counts.values() for label in counts})
    if len(classes) < 2 or len(classes) > MOST_CLASSES:
        return None
    return _put_together(file, listing, kind, others, tree, found, classes)


def _put_together(
    file: FoundFile, listing: Listing, kind: str, others: int, tree: _Tree, found: _Records, classes: list[str]
) -> ManifestData:
    total = sum(found.records.values())
    same = _same(found)
    duplicates, shared, conflicting, said = _repeats(found, same)
    key_known = duplicates is not None or bool(shared)
    notes = [
        f"taken for a tree of class folders: {total} {_WHAT[kind]} in {len(classes)} classes, "
        + ("splits " + ", ".join(split or "without a name" for split in found.records) if "" not in found.records else "no splits"),
        *_what_is_odd(listing, others, tree, found, classes),
        *said,
    ]
    manifest = Manifest(
        source=file.name,
        rows=total,
        label_column=LABEL,
        split_column=None if set(found.records) == {""} else LABEL,
        key_column=KEY if key_known else None,
        counts={
            split: dict(sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))) for split, labels in found.counts.items() if labels
        },
        missing_labels=sum(found.strays.values()),
        duplicate_keys=duplicates,
        shared_keys=shared,
        features={},
        records=found.records,
        format=f"{kind} folder",
        labels="single",
        classes=tuple(classes),
        conflicting_keys=conflicting,
        files=_files(found),
        images=_sampled(found) if kind == "image" else None,
    )
    problems = [
        Problem(file.name, "unreadable", f"folder {each} could not be listed; its files are not counted") for each in listing.unlisted
    ]
    if listing.full:
        detail = f"holds more than {listing.files} files; those beyond are not counted, nor compared"
        problems.append(Problem(file.name, "unsupported", detail))
    return ManifestData(manifest, tuple(problems), tuple(f"{file.name}: {note}" for note in notes))


# --- structure --------------------------------------------------------------------------------------------------------


def _main_kind(root: Branch) -> str:
    """The kind that most data files are of; texts beside others describe these."""
    totals = dict.fromkeys(_WHAT, 0)
    for branch in walk(root):
        for name in branch.names:
            kind = kind_of(name)
            if kind:
                totals[kind] += 1
    texts = totals.pop("text")
    best = max(totals, key=lambda kind: totals[kind])
    if totals[best] > texts // 2:
        return best
    return "text" if texts else ""


def _keep_only(root: Branch, kind: str) -> int:
    """Takes all files out of the listing that are no records; the answer is how many they were."""
    others = 0
    for branch in walk(root):
        kept = [index for index, name in enumerate(branch.names) if kind_of(name) == kind]
        if len(kept) < len(branch.names):
            others += len(branch.names) - len(kept)
            sizes = [branch.sizes[index] for index in kept]
            branch.names = [branch.names[index] for index in kept]
            branch.had_others = True
            del branch.sizes[:]
            branch.sizes.extend(sizes)
    return others


def _total(branch: Branch) -> int:
    return sum(len(each.names) for each in walk(branch))


def _tree(root: Branch) -> _Tree | None:
    """Which folders are splits and which hold classes; None where folders are no classes."""
    branch = root
    while True:
        kids = [each for each in branch.folders if _total(each)]
        named = [(split_of(each.name), each) for each in kids]
        splits = [(split, each) for split, each in named if split]
        if splits and (len(splits) > 1 or splits[0][0] == "train"):
            tree = _Tree(aside=[each.name for split, each in named if not split])
            for split, each in splits:
                tree.splits.setdefault(split, []).append(_inner(each))
            tree.splits = {split: tree.splits[split] for split in ordered(tree.splits)}
            held = {each.name for inner in tree.splits.values() for one in inner for each in one.folders}
            return None if are_sides(held) else tree
        if len(kids) > 1:
            return None if are_sides([each.name for each in kids]) else _Tree({_own_split(root, branch): [branch]})
        if not kids or branch.names:
            return None
        branch = kids[0]


def _own_split(root: Branch, branch: Branch) -> str:
    """`train`, where the folder that was given is one split of a data set."""
    return split_of(branch.name) or split_of(root.name)


def _inner(branch: Branch) -> Branch:
    """The folder with the classes: archives are often unpacked into a folder of their own name (`train/train/cats`)."""
    while len(branch.folders) == 1 and not branch.names and len([each for each in branch.folders[0].folders if _total(each)]) > 1:
        branch = branch.folders[0]
    return branch


def _records(tree: _Tree) -> _Records:
    found = _Records()
    for split, branches in tree.splits.items():
        counts = found.counts.setdefault(split, {})
        found.records[split] = 0
        for branch in branches:
            classes = [each for each in branch.folders if _total(each)]
            for each in branch.folders:
                if each not in classes:
                    _add_empty(each, counts, found)
                    continue
                label = printable(each.name)
                found.places.extend((split, label, place) for place in walk(each))
                number = _total(each)
                counts[label] = counts.get(label, 0) + number
                found.records[split] += number
                found.deep += number - len(each.names)
            if branch.names:
                found.places.append((split, None, branch))
                found.records[split] += len(branch.names)
                if classes:
                    found.strays[split] = found.strays.get(split, 0) + len(branch.names)
    return found


def _add_empty(branch: Branch, counts: dict[str, int], found: _Records) -> None:
    """A class folder without a record declares its class; one with other files may be anything."""
    if any(each.had_others for each in walk(branch)):
        found.hollow.append(printable(branch.name))
    elif branch.name != NOTEBOOK_GHOST:
        counts.setdefault(printable(branch.name), 0)


# --- contents ---------------------------------------------------------------------------------------------------------


def _same(found: _Records) -> SameFiles:
    import numpy as np

    sizes = np.concatenate([np.frombuffer(branch.sizes, dtype=np.int64) for _, _, branch in found.places])
    starts = np.cumsum([0, *(len(branch.names) for _, _, branch in found.places)])

    def path_of(index: int) -> str:
        place = int(np.searchsorted(starts, index, side="right")) - 1
        branch = found.places[place][2]
        return f"{branch.path}/{branch.names[index - int(starts[place])]}"

    return same_files(sizes, path_of)


def _repeats(found: _Records, same: SameFiles) -> tuple[int | None, dict[str, int], int | None, list[str]]:
    """Duplicates within splits, equal files in two splits, equal files in two classes, and what was compared."""
    import numpy as np

    lengths = [len(branch.names) for _, _, branch in found.places]
    splits = np.repeat([list(found.records).index(split) for split, _, _ in found.places], lengths)
    group = same.group
    keys = {split: group[splits == index].astype(np.uint64) for index, split in enumerate(found.records)}
    duplicates, shared = compared(keys)
    numbers = {label: index for index, label in enumerate(dict.fromkeys(label for _, label, _ in found.places if label is not None))}
    labels = np.repeat([numbers.get(label, -1) if label is not None else -1 for _, label, _ in found.places], lengths)
    pairs = np.unique(np.stack([group[labels >= 0], labels[labels >= 0]]), axis=1)
    conflicting = int((np.unique(pairs[0], return_counts=True)[1] > 1).sum())
    said = []
    if same.complete:
        return duplicates, shared, conflicting, ["records are told apart by their content: files of equal size were compared"]
    total = sum(lengths)
    said.append(
        f"{same.compared} of {total} files were compared by their content, all of some sizes: equal ones may be more than those found"
    )
    # Of a part only what was found counts: none found there is no proof for the rest.
    anything = duplicates or shared
    return duplicates if anything else None, shared, conflicting or None, said


def _files(found: _Records) -> FilesSeen | None:
    """None where every file is a link to somewhere that is not there: the data lie elsewhere then."""
    bad = [
        (size, f"{label or '.'}/{printable(name)}")
        for _, label, branch in found.places
        for name, size in zip(branch.names, branch.sizes, strict=True)
        if size <= 0
    ]
    total = sum(found.records.values())
    dead = sum(size == DEAD for size, _ in bad)
    return FilesSeen(total, total - dead, len(bad) - dead, tuple(name for _, name in bad[:5])) if dead < total else None


def _sampled(found: _Records) -> ImageSample | None:
    split = "train" if "train" in found.records else next(iter(found.records))
    paths = [Path(branch.path, name) for own, _, branch in found.places if own == split for name in branch.names]
    names = [f"{label or '.'}/{printable(name)}" for own, label, branch in found.places if own == split for name in branch.names]
    return sample_images(paths, names, split)


# --- what a user should know ------------------------------------------------------------------------------------------


def _what_is_odd(listing: Listing, others: int, tree: _Tree, found: _Records, classes: Sequence[str]) -> list[str]:
    notes = [*_names_alike(classes)]
    if NOTEBOOK_GHOST in classes:
        notes.append(f"{NOTEBOOK_GHOST} lies among the class folders, and loaders of class folders count it as a class")
    notes.extend(_differing(found.counts))
    if found.deep:
        notes.append(f"{found.deep} records lie in folders within class folders; they count for the class above")
    for split, count in found.strays.items():
        notes.append(f"{count} records lie beside the class folders{f' of {split}' if split else ''}, and have no class")
    unlabelled = [split for split in found.records if not found.counts[split]]
    if unlabelled:
        notes.append(
            f"{quoted(unlabelled)} has no class folders: its {sum(found.records[each] for each in unlabelled)} records have no label"
        )
    if found.hollow:
        notes.append(f"folders among the classes that hold no record but other files, left aside: {quoted(found.hollow)}")
    if tree.aside:
        notes.append(f"folders beside the splits, left aside: {quoted([printable(each) for each in tree.aside])}")
    if others:
        notes.append(f"{others} files of other kinds are no records")
    if listing.companions:
        notes.append(f"{listing.companions} files ._* that macOS writes are left out; loaders go by endings and may take them for data")
    return notes


def _names_alike(classes: Sequence[str]) -> list[str]:
    """Class names that differ in upper and lower case or in a mark of a copy only."""
    lower: dict[str, list[str]] = {}
    for name in classes:
        lower.setdefault(name.strip().casefold(), []).append(name)
    alike = [each for each in lower.values() if len(each) > 1]
    notes = [f"classes {quoted(each)} differ in case or spaces only" for each in alike[:5]]
    copies = [(name, match[1] or match[2]) for name in classes if (match := _COPY.fullmatch(name)) is not None]
    real = [(name, of) for name, of in copies if of.casefold() in lower]
    notes.extend(f"class {name!r} looks like a copy of class {of!r}" for name, of in real[:5])
    return notes


def _differing(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Splits that hold other classes: loaders number the classes of each split by itself."""
    labelled = {split: sorted(labels) for split, labels in counts.items() if labels}
    first = next(iter(labelled), "")
    return [
        f"{first} and {split} hold different class folders ({len(labelled[first])} and {len(labels)}): a loader that numbers the "
        "folders of each split by itself gives one number to different classes"
        for split, labels in labelled.items()
        if labels != labelled[first]
    ]
