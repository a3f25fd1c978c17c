"""Which files make up one checkpoint: shards and their index, a model and its optimizer in a file beside it, what each rank wrote.

Looks at names only, except for indices of shards, which are small JSON files.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TypeAlias

from postmortem.model import FoundFile, Problem
from postmortem.read.checkpoints.families import (
    DISTRIBUTED_INDEX,
    DISTRIBUTED_SHARD,
    deepspeed_sets,
    distributed_sets,
    fold_ranks,
    is_partition,
)
from postmortem.read.checkpoints.file_sets import FileSet, Part
from postmortem.read.checkpoints.layouts import words
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.words import counted, word_set

_Kin: TypeAlias = tuple[str, tuple[str, ...]]
"""Folder, and words of a name."""

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<total>\d{5})(?P<suffix>\.\w+)")
_MAX_INDEX_BYTES = 64 * 2**20
_PART_WORDS: Mapping[str, Part] = {
    "optimizer": "optimizer", "optim": "optimizer", "opt": "optimizer", "optimizers": "optimizer",
    "scheduler": "scheduler", "sched": "scheduler", "lr_scheduler": "scheduler",
    "scaler": "scaler", "rng": "other", "args": "arguments", "arguments": "arguments",
    "ema": "average", "swa": "average", "averaged": "average",
}  # fmt: skip
_MODEL_WORDS = word_set("model weights net network pytorch state dict states tf diffusion adapter fsdp training")


@dataclass(frozen=True, slots=True)
class Grouped:
    """All checkpoints among the files of a run."""

    sets: tuple[FileSet, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    unopened: tuple[FoundFile, ...]
    """Files that hold no weights by their names (states of random generators, training arguments)."""


def _apart(stem: str) -> tuple[str, ...]:
    """Words of a stem, numbers apart from letters: `opt000100` is an optimizer's file."""
    return words(re.sub(r"(?<=[A-Za-z])(?=\d{3,})", " ", stem))


def part_of(name: str) -> Part:
    """What a file's name says that it holds."""
    stem = PurePosixPath(name).name.split(".")[0]
    found = _apart(stem)
    if {"random", "states"} <= set(found):
        return "other"
    if found == ("model", "optim", "rng"):  # Megatron's file of everything
        return "weights"
    for position, word in enumerate(found):
        part = _PART_WORDS.get(word)
        # `model_opt.pt` may be an OPT model; only a leading `opt` speaks of an optimizer.
        if part is not None and (word != "opt" or position == 0):
            return "weights" if {"model", "weights"} & set(found) and part in ("other", "arguments") else part
    return "weights"


def kin(name: str) -> _Kin:
    """Folder, and the words of the name that do not tell model from optimizer or average: equal for files that belong together."""
    path = PurePosixPath(name)
    kept = tuple(word for word in _apart(path.name.split(".")[0]) if word not in _PART_WORDS and word not in _MODEL_WORDS)
    return str(path.parent), kept


def _kin_of(found: FileSet) -> _Kin:
    """The same of a checkpoint; of a folder that is one, by the folder's name."""
    name = found.source.name
    return kin(str(PurePosixPath(name).parent)) if found.kind == "distributed" else kin(_without_shard(name))


def group_files(files: Sequence[FoundFile]) -> Grouped:
    """Sort a run's checkpoint files into checkpoints, in the order of the files."""
    problems: list[Problem] = []
    absent: list[str] = []
    unopened: list[FoundFile] = []
    checkpoints = [file for file in files if file.role == "checkpoint"]
    indexes = [file for file in files if file.role == "checkpoint-index"]
    sets = [*distributed_sets(indexes, checkpoints, problems), *deepspeed_sets(checkpoints, problems)]
    used = {file.name for found in sets for file in found.files}
    used |= {file.name for file in checkpoints if file.name.endswith(DISTRIBUTED_SHARD) or is_partition(file.name)}
    for index in (file for file in indexes if PurePosixPath(file.name).name != DISTRIBUTED_INDEX):
        indexed = _from_index(index, checkpoints, problems, absent)
        if indexed is not None:
            sets.append(indexed)
            used.update(file.name for file in indexed.weights)
    for found in _unindexed_shards([file for file in checkpoints if file.name not in used], problems):
        sets.append(found)
        used.update(file.name for file in found.weights)
    parts = {file.name: part_of(file.name) for file in checkpoints}
    sets += [FileSet(file, (file,)) for file in checkpoints if file.name not in used and parts[file.name] == "weights"]
    averages = [FileSet(file, (file,)) for file in checkpoints if file.name not in used and parts[file.name] == "average"]
    if not sets:  # nothing else was kept: then the average is the model
        sets, averages = averages, []
    beside: list[tuple[Part, _Kin, FileSet]] = []
    for file in checkpoints:
        part = parts[file.name]
        if file.name in used or part in ("weights", "average"):
            continue
        if part == "other":
            unopened.append(file)
        else:
            beside.append((part, kin(file.name), FileSet(file, (file,))))
    # A folder of shards can hold nothing but the optimizer's state, beside another that holds the weights.
    for found in [each for each in sets if each.kind == "distributed"]:
        part = part_of(PurePosixPath(found.source.name).parent.name)
        if part == "optimizer" and any(_kin_of(other) == _kin_of(found) for other in sets if other is not found):
            sets.remove(found)
            beside.append((part, _kin_of(found), found))
    joined, notes, idle = _joined(sets, beside)
    unopened += idle
    folded = [*fold_ranks(joined, problems), *(replace(found, is_average=True) for found in averages)]
    order = {file.name: place for place, file in enumerate(files)}
    return Grouped(tuple(sorted(folded, key=lambda found: order[found.source.name])), tuple(problems), (*absent, *notes), tuple(unopened))


def _joined(sets: Sequence[FileSet], beside: Sequence[tuple[Part, _Kin, FileSet]]) -> tuple[list[FileSet], list[str], list[FoundFile]]:
    """Give each companion to the checkpoint that is called like it, else to the only one of its folder."""
    known: dict[_Kin, int] = {}
    folders: dict[str, list[int]] = defaultdict(list)
    for place, found in enumerate(sets):
        known.setdefault(_kin_of(found), place)
        folders[_kin_of(found)[0]].append(place)
    given: dict[int, list[tuple[Part, FileSet]]] = defaultdict(list)
    notes: list[str] = []
    idle: list[FoundFile] = []
    for part, key, companion in beside:
        folder, kept = key
        owner = known.get(key)
        if owner is None and (part == "arguments" or (len(folders[folder]) == 1 and not kept)):
            owner = next(iter(folders[folder]), None)  # arguments are of the whole training: one of its checkpoints will do
        if owner is not None:
            given[owner].append((part, companion))
        elif part == "arguments":
            idle.append(companion.source)
        else:
            notes.append(f"{companion.source.name}: no weights stand beside it, so this {part} state was left out")
    whole = [replace(each, companions=(*each.companions, *given[place])) for place, each in enumerate(sets)]
    return whole, notes, idle


def _without_shard(name: str) -> str:
    match = _SHARD.fullmatch(name)
    plain = match["stem"] + match["suffix"] if match else name
    return plain.removesuffix(".index.json")


def _from_index(index: FoundFile, files: Sequence[FoundFile], problems: list[Problem], notes: list[str]) -> FileSet | None:
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
    if missing == named and not outside:
        # Whoever copies logs and settings leaves the weights behind, all of them; damage takes some.
        notes.append(f"{index.name}: none of its {counted(len(named), 'shard')} is here: the weights were not copied")
    elif missing:
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
