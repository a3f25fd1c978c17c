"""Folders that are one checkpoint, and files that several ranks wrote: sorted by their names, nothing is opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from postmortem.model import FoundFile, Problem
from postmortem.read.checkpoints.file_sets import FileSet, Part
from postmortem.read.checkpoints.rank_names import RankName, deepspeed_of, rank_of

DISTRIBUTED_INDEX, DISTRIBUTED_SHARD = ".metadata", ".distcp"
_BESIDE_DISTRIBUTED = ("common.pt", "meta.pt")
"""What Megatron and Lightning write into a folder of torch.distributed.checkpoint besides its shards: plain values."""


# --- folders of torch.distributed.checkpoint, and DeepSpeed's ---------------------------------------------------------


def distributed_sets(indexes: Sequence[FoundFile], checkpoints: Sequence[FoundFile], problems: list[Problem]) -> list[FileSet]:
    """One checkpoint for each `.metadata`; shards without one are a problem."""
    shards: dict[PurePosixPath, list[FoundFile]] = defaultdict(list)
    plain: dict[PurePosixPath, list[FoundFile]] = defaultdict(list)
    for file in checkpoints:
        path = PurePosixPath(file.name)
        if path.name.endswith(DISTRIBUTED_SHARD):
            shards[path.parent].append(file)
        elif path.name in _BESIDE_DISTRIBUTED:
            plain[path.parent].append(file)
    sets = []
    for index in indexes:
        path = PurePosixPath(index.name)
        if path.name == DISTRIBUTED_INDEX:
            companions: tuple[tuple[Part, FileSet], ...] = tuple(("arguments", FileSet(file, (file,))) for file in plain[path.parent])
            sets.append(FileSet(index, tuple(shards.pop(path.parent, [])), companions, kind="distributed"))
    for folder, files in shards.items():
        held = f"{len(files)} shards of torch.distributed.checkpoint ({sum(file.bytes for file in files)} bytes)"
        why = "which is written last: the save did not finish, or the file was not copied"
        detail = f"{held} without their .metadata, {why}; nothing of them can be read"
        problems.append(Problem(str(folder), "truncated", detail))
    return sets


def is_partition(name: str) -> bool:
    """Whether a file holds a rank's share of the optimizer's state, which belongs to a folder and to no single file."""
    told = deepspeed_of(name)
    return told is not None and told.part == "optimizer"


def deepspeed_sets(checkpoints: Sequence[FoundFile], problems: list[Problem]) -> list[FileSet]:
    """One checkpoint for each folder and tensor-parallel rank."""
    folders: dict[tuple[str, int], dict[str, list[tuple[int, FoundFile]]]] = defaultdict(lambda: defaultdict(list))
    for file in checkpoints:
        told = deepspeed_of(file.name)
        if told is not None:
            folders[str(PurePosixPath(file.name).parent), told.tensor][told.part].append((told.rank, file))
    sets = []
    for (folder, tensor), parts in folders.items():
        ordered = {part: tuple(file for _, file in sorted(found, key=lambda pair: pair[0])) for part, found in parts.items()}
        models = ordered.get("model", ()) or ordered.get("sharded-model", ())
        if not models:
            optimizers = ordered.get("optimizer", ())
            if optimizers:
                detail = (
                    f"{len(optimizers)} files of optimizer state without the model's states beside them: they cannot be cut into parameters"
                )
                problems.append(Problem(optimizers[0].name, "truncated", detail))
            continue
        weights = (*models, *ordered.get("layer", ()), *ordered.get("expert", ()))
        rank = RankName(f"{folder}/mp_rank_#", "model", tensor)
        sets.append(FileSet(models[0], weights, (), kind="deepspeed", partitions=ordered.get("optimizer", ()), rank=rank))
    return sets


# --- ranks ------------------------------------------------------------------------------------------------------------


def fold_ranks(sets: Sequence[FileSet], problems: list[Problem]) -> list[FileSet]:
    """What several ranks wrote at one time as one set, rank 0's in front."""
    families: dict[tuple[str, str], list[FileSet]] = defaultdict(list)
    rest: list[FileSet] = []
    for found in sets:
        rank = found.rank or (None if found.kind == "distributed" else rank_of(found.source.name))
        if rank is None:
            rest.append(found)
        else:
            families[rank.family, rank.style].append(replace(found, rank=rank))
    for members in families.values():
        known = sorted(((member.rank.stage, member.rank.rank), member) for member in members if member.rank is not None)
        places = [place for place, _ in known]
        if len(known) < 2 or places[0] != (0, 0) or len(set(places)) < len(places):
            rest += members
            continue
        first, *others = (member for _, member in known)
        _name_missing_ranks(first, places, problems)
        rest.append(replace(first, ranks=tuple(others)))
    return rest


def _name_missing_ranks(first: FileSet, places: Sequence[tuple[int, int]], problems: list[Problem]) -> None:
    """Parts that the names of the others show to be lost. Of replicas nothing is lost with one of them."""
    if first.rank is None or first.rank.style == "data":
        return
    ranks = max(first.rank.total or 0, max(rank for _, rank in places) + 1)
    stages = max(stage for stage, _ in places) + 1
    missing = ranks * stages - len(places)
    if missing > 0:
        detail = f"the files of {missing} of {ranks * stages} ranks are missing: their parts of every tensor are lost"
        problems.append(Problem(first.source.name, "truncated", detail))
