"""What belongs to one checkpoint: its files, and in which way they make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from postmortem.model import FoundFile
from postmortem.read.checkpoints.rank_names import RankName

Part: TypeAlias = Literal["weights", "optimizer", "scheduler", "scaler", "arguments", "average", "other"]
Kind: TypeAlias = Literal["files", "distributed", "deepspeed"]


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one checkpoint."""

    source: FoundFile
    """The file, or the index or first shard, that stands for it."""
    weights: tuple[FoundFile, ...]
    """One file, or all shards that are there, in order."""
    companions: tuple[tuple[Part, FileSet], ...] = ()
    """Optimizer, scheduler, scaler and arguments in files of their own."""
    expected: Mapping[str, str] | None = None
    """Tensor -> shard's file name, as an index tells."""
    kind: Kind = "files"
    partitions: tuple[FoundFile, ...] = ()
    """DeepSpeed's optimizer states, one file a rank."""
    rank: RankName | None = None
    """Whose files these are, where they are one of several ranks'."""
    ranks: tuple[FileSet, ...] = ()
    """The same checkpoint as the other ranks wrote it."""
    is_average: bool = False
    """By its name it holds a moving average of weights that stand in another file."""

    @property
    def files(self) -> tuple[FoundFile, ...]:
        """Every file of it, its index left out."""
        below = (*(found for _, found in self.companions), *self.ranks)
        return (*self.weights, *self.partitions, *(file for found in below for file in found.files))
