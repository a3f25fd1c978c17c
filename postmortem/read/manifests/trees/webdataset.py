"""Shards of WebDataset: tar archives in which members of one name before the first dot are one sample.

Only headers and the small members that hold labels are read.
"""

from __future__ import annotations

import gzip
import json
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from postmortem.discover.datasets import SHARD, split_of
from postmortem.discover.names import natural
from postmortem.model import FoundFile, LabelKind, Manifest, Problem, ProblemKind, ReadOptions
from postmortem.read.manifests.data import ManifestData
from postmortem.read.manifests.tables.columns import split_name
from postmortem.read.manifests.trees.keys import are_counters, compared, hashed, ordered
from postmortem.read.manifests.trees.listing import list_branch, printable, quoted, walk
from postmortem.read.manifests.trees.tar_headers import End, ending_of, length_of, members

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_SAMPLES = 20_000_000
MOST_CLASSES = 1_000_000
MOST_UNPACKED_BYTES = 2 << 30
"""Of compressed shards, which must be read through; about ten seconds. Shards beyond are not counted."""
_MOST_LABEL_BYTES = 1 << 16
_LONGEST_LABEL = 256
_CLASS_ENDINGS = ("cls", "cls.txt", "class", "class.txt", "label", "label.txt", "target", "target.txt", "cls2", "class_id", "label_id")
_TEXT_ENDINGS = ("txt", "text", "caption", "caption.txt", "transcript", "transcript.txt")
_JSON_ENDINGS = ("json",)
_LABEL_FIELDS = ("label", "cls", "class", "class_id", "label_id", "category", "category_id", "target", "class_name", "label_name", "labels")
_TEXT_FIELDS = ("caption", "text", "transcript", "transcription", "prompt")
_WANTED = frozenset((*_CLASS_ENDINGS, *_TEXT_ENDINGS, *_JSON_ENDINGS))
_NUMBERS_KEPT = 20_000
"""Keys of the first shard of a split by which running numbers are told."""
_UNEQUAL = 4.0
"""Shards differ so many times: workers that take a shard each are far from equally long at work."""


@dataclass(slots=True)
class _Labels:
    """What one source of labels (an ending, or a field of the JSON) said so far."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    samples: int = 0
    several: bool = False
    different: set[str] = field(default_factory=set)
    overflow: bool = False


@dataclass(slots=True)
class _Shards:
    """What all shards said so far."""

    labels: dict[str, _Labels] = field(default_factory=dict)
    keys: dict[str, array[int]] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    sizes: list[tuple[int, str]] = field(default_factory=list)
    """Samples of each whole shard, and its name."""
    texts: int = 0
    empty: int = 0
    """Members without a byte."""
    members: int = 0
    unmarked: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unpacked: int = 0


def read_webdataset(file: FoundFile, head: bytes, options: ReadOptions) -> ManifestData | None:
    """Samples and labels of a folder of shards, or of one shard; None where there are none."""
    found = _shards_of(file.path)
    if not found:
        return None
    shards = _Shards()
    for path, shown, split in found:
        name = f"{file.name}/{shown}" if shown else file.name
        if sum(shards.records.values()) >= MOST_SAMPLES:
            detail = f"not read, like the shards behind it: {MOST_SAMPLES} samples were counted before"
            shards.problems.append(Problem(name, "unsupported", detail))
            break
        _read_shard(path, name, split or (file.group if not shown else ""), shards)
    total = sum(shards.records.values())
    if not total:
        if not shards.problems:
            return None
        return ManifestData(None, tuple(shards.problems), ())
    return _put_together(file, shards, len(found))


def _shards_of(path: Path) -> list[tuple[Path, str, str]]:
    """Path, name within the folder (empty for a shard given by itself) and split of each shard."""
    if path.is_file():
        tar = path.name.lower().endswith((".tar", ".tar.gz", ".tgz")) and not path.name.lower().endswith((".pth.tar", ".pt.tar"))
        return [(path, "", split_name(SHARD.sub(r"\g<series>", path.name)) or split_of(path.parent.name))] if tar else []
    if not path.is_dir():
        return []
    try:
        root = list_branch(path, 100_000).root
    except OSError:
        return []
    found = []
    for branch in walk(root):
        for name in branch.names:
            match = SHARD.fullmatch(name)
            if match is not None:
                folder = branch.path[len(root.path) :].lstrip("/\\").replace("\\", "/")
                split = split_name(match["series"]) or split_name(folder)
                found.append((Path(branch.path, name), printable(f"{folder}/{name}" if folder else name), split))
    found.sort(key=lambda each: natural(each[1]))
    return found


# --- one shard --------------------------------------------------------------------------------------------------------


def _read_shard(path: Path, name: str, split: str, shards: _Shards) -> None:
    end = End()
    before = shards.records.get(split, 0)
    packed = path.name.lower().endswith(("gz", "tgz"))
    if packed and shards.unpacked >= MOST_UNPACKED_BYTES:
        detail = f"not read: compressed shards must be read through, and {MOST_UNPACKED_BYTES >> 30} GiB of others were"
        shards.problems.append(Problem(name, "unsupported", detail))
        return
    try:
        with path.open("rb", buffering=0) as raw:
            if packed:
                with gzip.open(path, "rb") as stream:
                    counted = _Counted(cast("BinaryIO", stream), shards)
                    _samples(cast("BinaryIO", counted), None, split, shards, end)
            else:
                _samples(raw, length_of(raw), split, shards, end)
    except (EOFError, zlib.error) as error:
        end.damage = f"its compressed data end early or are damaged ({error})"
    except OSError as error:
        shards.problems.append(Problem(name, "unreadable", f"cannot be read: {error.strerror or error}"))
        return
    read = shards.records.get(split, 0) - before
    if not read and not end.damage and not end.marked:
        shards.problems.append(Problem(name, "truncated", "the shard is empty: not even the end that archives have is there"))
    elif end.damage:
        kind: ProblemKind = "corrupt" if "checksum" in end.damage or "size" in end.damage else "truncated"
        shards.problems.append(Problem(name, kind, f"{end.damage}, at byte {end.at}; {read} samples before it were counted"))
    else:
        shards.sizes.append((read, name))
        if not end.marked:
            shards.unmarked.append(name)


class _Counted:
    """A stream that ends where too much was unpacked."""

    def __init__(self, stream: BinaryIO, shards: _Shards) -> None:
        self._stream, self._shards = stream, shards

    def read(self, size: int) -> bytes:
        found = self._stream.read(size)
        self._shards.unpacked += len(found)
        if self._shards.unpacked > 2 * MOST_UNPACKED_BYTES:
            raise EOFError(f"more than {2 * MOST_UNPACKED_BYTES >> 30} GiB were unpacked")
        return found


def _samples(stream: BinaryIO, length: int | None, split: str, shards: _Shards, end: End) -> None:
    keys = shards.keys.setdefault(split, array("Q"))
    stems = shards.stems.setdefault(split, [])
    shards.records.setdefault(split, 0)
    last = None
    for member in members(stream, length, _WANTED, _MOST_LABEL_BYTES, end):
        folder, _, base = member.name.rpartition("/")
        stem, dot, _ = base.partition(".")
        # `__index__` and its like describe the shard.
        if not dot or not stem or (stem.startswith("__") and stem.endswith("__")):
            continue
        shards.members += 1
        shards.empty += member.size == 0
        key = f"{folder}/{stem}" if folder else stem
        if key != last:
            last = key
            shards.records[split] += 1
            keys.append(hashed(key.encode("utf-8", "surrogateescape")))
            if len(stems) < _NUMBERS_KEPT:
                stems.append(stem)
        if member.content is not None:
            for source, values in _labels(ending_of(member.name), member.content, shards):
                _count(shards.labels.setdefault(source, _Labels()), split, values)


def _labels(ending: str, content: bytes, shards: _Shards) -> Iterator[tuple[str, list[str]]]:
    """Sources of labels in one member with the classes that they give."""
    if ending in _JSON_ENDINGS:
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            return
        if isinstance(value, dict):
            for name in _LABEL_FIELDS:
                values = _classes(value.get(name))
                if values:
                    yield f"json: {name}", values
            shards.texts += any(isinstance(value.get(name), str) for name in _TEXT_FIELDS)
        return
    text = content.decode("utf-8", "replace").strip()
    if text and len(text) <= _LONGEST_LABEL and "\n" not in text:
        yield ending, [text]
    shards.texts += bool(text) and ending in _TEXT_ENDINGS


def _classes(value: object) -> list[str]:
    if isinstance(value, list):
        return [each for one in value[:1000] for each in _classes(one) if not isinstance(one, list)]
    if isinstance(value, bool) or not isinstance(value, int | str):
        return []
    text = str(value).strip()
    return [text] if text and len(text) <= _LONGEST_LABEL else []


def _count(labels: _Labels, split: str, values: Sequence[str]) -> None:
    counts = labels.counts.setdefault(split, {})
    labels.samples += 1
    labels.several = labels.several or len(values) > 1
    for value in values:
        if value not in labels.different:
            if len(labels.different) >= MOST_CLASSES:
                labels.overflow = True
                continue
            labels.different.add(value)
        counts[value] = counts.get(value, 0) + 1


# --- all shards -------------------------------------------------------------------------------------------------------


def _chosen(shards: _Shards) -> tuple[str, _Labels | None, list[str]]:
    """The source that labels are taken from: an ending made for classes before a field of the JSON, and texts only where they recur."""
    total = sum(shards.records.values())
    notes: list[str] = []
    for source in (*_CLASS_ENDINGS, *(f"json: {name}" for name in _LABEL_FIELDS), *_TEXT_ENDINGS):
        labels = shards.labels.get(source)
        if labels is None or labels.samples < total / 2:
            continue
        recurs = len(labels.different) <= labels.samples / 2 if labels.samples >= 20 else source not in _TEXT_ENDINGS
        if source in _TEXT_ENDINGS:
            recurs = recurs and len(labels.different) <= labels.samples / 10
        if recurs and not labels.overflow:
            return source, labels, notes
        if source not in _TEXT_ENDINGS:
            more = "more than " if labels.overflow else ""
            notes.append(f"{source} holds {more}{len(labels.different)} different values in {labels.samples} samples: no classes")
    return "", None, notes


def _put_together(file: FoundFile, shards: _Shards, files: int) -> ManifestData:
    total = sum(shards.records.values())
    source, labels, notes = _chosen(shards)
    kind: LabelKind = "" if labels is None and shards.texts * 2 < total else "text" if labels is None else "single"
    if labels is not None and labels.several:
        kind = "multiple"
    splits = ordered(shards.records)
    notes.insert(0, f"{total} samples in {files} {'shard' if files == 1 else 'shards'}" + (f"; labels are {source!r}" if labels else ""))
    if splits != [""]:
        notes.append(f"splits {', '.join(each or 'without a name' for each in splits)} by the names of shards and folders")
    keys = _keys(shards)
    duplicates, shared = compared(keys) if keys is not None else (None, {})
    if keys is None:
        notes.append("keys are running numbers, which do not tell what a sample is: they were not compared")
    notes.extend(_about_shards(shards))
    manifest = Manifest(
        source=file.name,
        rows=total,
        label_column=source,
        split_column=None if splits == [""] else "shard",
        key_column="__key__" if duplicates is not None else None,
        counts={} if labels is None else {split: _sorted(labels.counts.get(split, {})) for split in splits},
        missing_labels=0 if labels is None else total - labels.samples,
        duplicate_keys=duplicates,
        shared_keys=shared,
        features={},
        records={split: shards.records[split] for split in splits},
        format="WebDataset",
        labels=kind,
    )
    return ManifestData(manifest, tuple(shards.problems), tuple(f"{file.name}: {note}" for note in notes), keys=keys)


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _keys(shards: _Shards) -> dict[str, NDArray[np.uint64]] | None:
    """Hashes of keys by split; None where keys are running numbers."""
    import numpy as np

    if any(are_counters(stems) for stems in shards.stems.values() if stems):
        return None
    return {split: np.frombuffer(keys, dtype=np.uint64) for split, keys in shards.keys.items()}


def _about_shards(shards: _Shards) -> list[str]:
    notes = []
    # The last shard of each split holds what is left over.
    sizes = sorted(shards.sizes)[len(shards.records) :]
    if sizes:
        low, high = sizes[0], sizes[-1]
        if high[0] > _UNEQUAL * max(1, low[0]):
            notes.append(f"shards are of very unequal size: {low[0]} samples in {low[1]}, {high[0]} in {high[1]}")
    if shards.empty:
        notes.append(f"{shards.empty} of {shards.members} members are empty (0 bytes)")
    if shards.unmarked:
        notes.append(f"without the end that archives have, so that whether samples are lost cannot be told: {quoted(shards.unmarked)}")
    return notes
