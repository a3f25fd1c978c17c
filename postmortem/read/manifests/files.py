"""Reads all manifests of a run: each file goes to the reader that knows its format, and files of one data set are joined.

A reader is a function of a file, its first bytes and the user's options that gives None where the format is not its own. What none of
them knows is taken for a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from postmortem.model import FoundFile, Manifest, Problem, ReadOptions
from postmortem.read.manifests.companions import locate, look
from postmortem.read.manifests.data import ManifestData, ManifestsData, failed, first_line
from postmortem.read.manifests.documents.class_counts import read_class_counts, read_class_names
from postmortem.read.manifests.documents.coco import read_coco
from postmortem.read.manifests.documents.croissant import read_croissant
from postmortem.read.manifests.documents.huggingface import read_huggingface
from postmortem.read.manifests.documents.names import with_declared_names
from postmortem.read.manifests.documents.small import read_other
from postmortem.read.manifests.documents.tfds import read_tfds
from postmortem.read.manifests.documents.yolo import read_yolo
from postmortem.read.manifests.keys import joined_keys, settled_between, shared_between
from postmortem.read.manifests.merge import mergeable, merged
from postmortem.read.manifests.pictures import sample_images
from postmortem.read.manifests.tables.across import keys_across
from postmortem.read.manifests.tables.files import read_table
from postmortem.read.manifests.tables.ground_truth import read_ground_truth
from postmortem.read.manifests.tables.sources import SourceError
from postmortem.read.manifests.trees.image_folder import read_image_folder
from postmortem.read.manifests.trees.kaldi import read_kaldi
from postmortem.read.manifests.trees.path_list import read_path_list
from postmortem.read.manifests.trees.webdataset import read_webdataset
from postmortem.read.manifests.unlabelled import without_placeholders

HEAD_BYTES = 1 << 16
"""How much of a file a reader is shown to tell its format."""

Reader = Callable[[FoundFile, bytes, ReadOptions], ManifestData | None]
READERS: tuple[Reader, ...] = (
    read_coco,
    read_ground_truth,
    read_yolo,
    read_huggingface,
    read_tfds,
    read_croissant,
    read_class_counts,
    read_class_names,
    read_other,
    read_path_list,
    read_webdataset,
    read_kaldi,
    read_image_folder,
)
"""Asked in this order."""


def read_manifest(file: FoundFile, options: ReadOptions = ReadOptions()) -> ManifestData:  # noqa: B008  the options are frozen
    """What one manifest says, by the first reader that knows its format. Damage comes back as problems."""
    head = b""
    if file.path.is_file():
        try:
            with file.path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
        except OSError:
            head = b""  # the table reader says what is wrong
    for reader in READERS:
        read = reader(file, head, options)
        if read is not None:
            return read
    if file.path.is_dir():
        detail = "a folder of no known kind: neither class folders, nor shards, nor files that describe a data set lie in it"
        return failed(file, "unsupported", detail)
    return read_table(file, options)


def read_manifests(files: Iterable[FoundFile], options: ReadOptions = ReadOptions()) -> ManifestsData:  # noqa: B008  as above
    """All manifests of a run: each read by `read_manifest`, those of one file a split joined, keys compared across their files."""
    # A manifest may lie in the run's folder and be named by the user as well.
    once = {file.path.resolve(): file for file in files}
    return _read_all(tuple(once.items()), tuple(map(_stamp, once)), options)


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does, and when anything right in a folder does."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=32)
def _read_all(files: tuple[tuple[Path, FoundFile], ...], stamps: tuple[tuple[int, int], ...], options: ReadOptions) -> ManifestsData:
    """The same for files by their place on the disk. Kept, because a data set beside a hundred runs belongs to each of them."""
    del stamps  # part of the key only
    once = dict(files)
    asked_for = {path.resolve() for path in options.manifests}
    read = {path: read_manifest(file, options) for path, file in once.items()}
    read = {path: _looked(each, path) if each.file_names else each for path, each in read.items()}
    read = {path: _told(each) if each.is_other and path not in asked_for else each for path, each in read.items()}
    spoken_for = {path.resolve() for each in read.values() for path in each.speaks_for}
    read = with_declared_names({path: each for path, each in read.items() if path not in spoken_for})
    known = {once[path].name: once[path] for path in read}
    problems = [problem for each in read.values() for problem in each.problems]
    notes = [note for each in read.values() for note in each.notes]
    given = {each.manifest.source for path, each in read.items() if each.manifest is not None and path in asked_for}
    joined: list[Manifest] = []
    for group in mergeable([each.manifest for each in read.values() if each.manifest is not None]):
        one = merged(group)
        if len(group) > 1:
            notes.append(f"{one.source}: taken for the splits of one data set")
        if len(group) > 1 and group[0].key_column is not None:
            one = _compared(one, group, known, {each.manifest.source: each for each in read.values() if each.manifest}, notes, problems)
        one, said = without_placeholders(one)
        notes.extend(said)
        joined.append(replace(one, given=True) if any(each.source in given for each in group) else one)
    logs = tuple(once[path] for path, each in read.items() if each.is_log)
    return ManifestsData(tuple(joined), tuple(problems), tuple(notes), logs)


def _looked(data: ManifestData, path: Path) -> ManifestData:
    """With what a sample of the named files shows: whether they are there, and what the images of the training split look like."""
    if data.manifest is None:
        return data
    seen = data.manifest.files or look([name for names in data.file_names.values() for name in names], path.parent)
    split = "train" if "train" in data.file_names else "" if "" in data.file_names else next(iter(data.file_names))
    training = locate(data.file_names[split], path.parent) if data.manifest.images is None else None
    images = data.manifest.images if training is None else sample_images(training.paths, None, split)
    return replace(data, manifest=replace(data.manifest, files=seen, images=images))


def _told(data: ManifestData) -> ManifestData:
    """What is wrong with a file as a manifest, told and no more: tables of all kinds lie beside a run."""
    return replace(data, problems=(), notes=(*data.notes, *(f"{problem.path}: {problem.detail}" for problem in data.problems)))


def _compared(
    one: Manifest,
    group: list[Manifest],
    known: Mapping[str, FoundFile],
    read: Mapping[str, ManifestData],
    notes: list[str],
    problems: list[Problem],
) -> Manifest:
    """The joined manifest with what its files' keys say together."""
    if any(read[each.source].keys is not None for each in group):
        return _compared_by_hashes(one, group, [read[each.source] for each in group], notes)
    import duckdb

    try:
        found, said = keys_across(one, group, known)
    except (duckdb.Error, SourceError, OSError) as problem:
        detail = f"keys could not be compared across files: {first_line(problem, *(file.path for file in known.values()))}"
        problems.append(Problem(one.source, "unreadable", detail))
        return one
    notes.extend(f"{one.source}: {note}" for note in said)
    return found


def _compared_by_hashes(one: Manifest, group: list[Manifest], parts: list[ManifestData], notes: list[str]) -> Manifest:
    """The same for files that gave hashes of their keys; the repeated ones of each were counted when it was read."""
    if any(part.keys is None for part in parts):
        return one
    if all(part.keys_are_numbers for part in parts):
        notes.append(f"{one.source}: names are running numbers that start anew in every split: they do not tell records apart")
        return one
    splits = {split: [part.keys[split] for part in parts if part.keys and split in part.keys] for split in one.records}
    shared, alike = shared_between(joined_keys(splits)), dict[str, int]()
    if shared and all(part.marks for part in parts):
        marked = {split: [part.marks[split] for part in parts if split in part.marks] for split in one.records}
        shared, alike = settled_between({split: each for split, each in marked.items() if each}, shared)
    repeated = [each.duplicate_keys for each in group]
    counted = [each for each in repeated if each is not None]
    duplicates = sum(counted) if len(counted) == len(repeated) else None
    return replace(one, key_column=group[0].key_column, duplicate_keys=duplicates, shared_keys=shared, named_alike=alike)
