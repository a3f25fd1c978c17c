"""Which files make up one checkpoint: shards and their index, a model and its optimizer in a file beside it.

Looks at names only, except for indices of shards, which are small JSON files.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from postmortem.model import FoundFile, Problem
from postmortem.read.layouts import words
from postmortem.read.pickles import listed
from postmortem.read.word_sets import word_set

Part: TypeAlias = Literal["weights", "optimizer", "scheduler", "scaler", "other"]

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<suffix>\.\w+)")
_MAX_INDEX_BYTES = 64 * 2**20
_PART_WORDS: Mapping[str, Part] = {
    "optimizer": "optimizer", "optim": "optimizer", "opt": "optimizer", "optimizers": "optimizer",
    "scheduler": "scheduler", "sched": "scheduler", "lr_scheduler": "scheduler",
    "scaler": "scaler", "rng": "other", "args": "other", "arguments": "other",
}  # fmt: skip
_MODEL_WORDS = word_set("model weights net network pytorch state dict states tf diffusion adapter")


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one checkpoint."""

    source: FoundFile
    """The file, or the index or first shard, that stands for it."""
    weights: tuple[FoundFile, ...]
    """One file, or all shards that are there, in order."""
    companions: tuple[tuple[Part, FoundFile], ...] = ()
    """Optimizer, scheduler and scaler in files of their own."""
    expected: Mapping[str, str] | None = None
    """Tensor -> shard's file name, as an index tells."""


@dataclass(frozen=True, slots=True)
class Grouped:
    """All checkpoints among the files of a run."""

    sets: tuple[FileSet, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    unopened: tuple[FoundFile, ...]
    """Files that hold no weights by their names (states of random generators, training arguments)."""


def part_of(name: str) -> Part:
    """What a file's name says that it holds."""
    stem = PurePosixPath(name).name.split(".")[0]
    found = words(stem)
    if {"random", "states"} <= set(found):
        return "other"
    for position, word in enumerate(found):
        part = _PART_WORDS.get(word)
        # `model_opt.pt` may be an OPT model; only a leading `opt` speaks of an optimizer.
        if part is not None and (word != "opt" or position == 0):
            return "weights" if {"model", "weights"} & set(found) and part == "other" else part
    return "weights"


def _kin(name: str) -> tuple[str, tuple[str, ...]]:
    """Folder, and the words of the name that do not tell model from optimizer: equal for files that belong together."""
    path = PurePosixPath(name)
    kept = tuple(word for word in words(path.name.split(".")[0]) if word not in _PART_WORDS and word not in _MODEL_WORDS)
    return str(path.parent), kept


def group_files(files: Sequence[FoundFile]) -> Grouped:
    """Sort a run's checkpoint files into checkpoints, in the order of the files."""
    problems: list[Problem] = []
    notes: list[str] = []
    unopened: list[FoundFile] = []
    sets: list[FileSet] = []
    used: set[str] = set()
    checkpoints = [file for file in files if file.role == "checkpoint"]
    for index in (file for file in files if file.role == "checkpoint-index"):
        found = _from_index(index, checkpoints, problems)
        if found is not None:
            sets.append(found)
            used.update(file.name for file in found.weights)
    for found in _unindexed_shards([file for file in checkpoints if file.name not in used], problems):
        sets.append(found)
        used.update(file.name for file in found.weights)
    parts = {file.name: part_of(file.name) for file in checkpoints}
    sets += [FileSet(file, (file,)) for file in checkpoints if file.name not in used and parts[file.name] == "weights"]
    companions: dict[tuple[str, tuple[str, ...]], list[tuple[Part, FoundFile]]] = defaultdict(list)
    for file in checkpoints:
        part = parts[file.name]
        if file.name in used or part == "weights":
            continue
        if part == "other":
            unopened.append(file)
        else:
            companions[_kin(file.name)].append((part, file))
    joined = []
    for found in sets:
        beside = companions.pop(_kin(_without_shard(found.source.name)), [])
        joined.append(FileSet(found.source, found.weights, tuple(beside), found.expected))
    notes += [
        f"{file.name}: no weights stand beside it, so this {part} state was left out"
        for group in companions.values()
        for part, file in group
    ]
    order = {file.name: place for place, file in enumerate(files)}
    return Grouped(tuple(sorted(joined, key=lambda found: order[found.source.name])), tuple(problems), tuple(notes), tuple(unopened))


def _without_shard(name: str) -> str:
    match = _SHARD.fullmatch(name)
    plain = match["stem"] + match["suffix"] if match else name
    return plain.removesuffix(".index.json")


def _from_index(index: FoundFile, files: Sequence[FoundFile], problems: list[Problem]) -> FileSet | None:
    folder = PurePosixPath(index.name).parent
    try:
        if index.path.stat().st_size > _MAX_INDEX_BYTES:
            raise ValueError("larger than any index")
        table = json.loads(index.path.read_bytes().decode("utf-8"))
        weight_map = table["weight_map"]
        expected = {str(name): str(shard) for name, shard in weight_map.items()}
    except OSError as error:
        problems.append(Problem(index.name, "unreadable", f"cannot be opened ({error.strerror}); its shards are read without it"))
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        problems.append(Problem(index.name, "corrupt", "is no index of shards (JSON with a weight_map); its shards are read without it"))
        return None
    named = sorted(set(expected.values()))
    outside = [shard for shard in named if PurePosixPath(shard).is_absolute() or ".." in PurePosixPath(shard).parts or "\\" in shard]
    if outside:
        problems.append(Problem(index.name, "corrupt", f"names shards outside its folder, which were not opened: {listed(tuple(outside))}"))
    by_name = {file.name: file for file in files}
    there = {shard: by_name.get(str(folder / shard)) for shard in named if shard not in outside}
    missing = [shard for shard in named if there.get(shard) is None]
    if missing:
        lost = [name for name, shard in expected.items() if shard in set(missing)]
        detail = (
            f"{len(missing)} of {len(named)} shards are missing ({listed(tuple(missing))}): {len(lost)} of {len(expected)} tensors are lost"
        )
        problems.append(Problem(index.name, "truncated", f"{detail} ({listed(tuple(lost))})"))
    weights = tuple(file for file in there.values() if file is not None)
    return FileSet(index, weights, (), expected) if weights else None


def _unindexed_shards(files: Sequence[FoundFile], problems: list[Problem]) -> list[FileSet]:
    """`model-00001-of-00003.safetensors` and its kin, where no index stands beside them."""
    families: dict[tuple[str, str, int], dict[int, FoundFile]] = defaultdict(dict)
    for file in files:
        match = _SHARD.fullmatch(file.name)
        if match:
            families[match["stem"], match["suffix"], int(match["total"])][int(match["number"])] = file
    sets = []
    for (stem, suffix, total), shards in families.items():
        # The total is a claim of the name: count what is missing, do not list it from 1 to the total.
        missing = total - len(shards)
        if missing > 0:
            problems.append(Problem(f"{stem}{suffix}", "truncated", f"{missing} of {total} shards are missing, and their tensors are lost"))
        weights = tuple(shards[number] for number in sorted(shards))
        sets.append(FileSet(weights[0], weights))
    return sets
