"""Which rank of a job wrote a file, by the names that torch, Megatron, DeepSpeed and hand-made loops give their files and folders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

Style: TypeAlias = Literal["data", "model", "fully-sharded"]
"""`data`: `rank0.pt`, a whole model each as far as names tell; `model`: `mp_rank_00`, a part of each tensor; `fully-sharded`: names that
tell the number of ranks, as sharded trainings write them (`model_world_size_8_rank_0.pt`)."""

_MODEL = re.compile(r"(?:mp|tp|model_parallel)_rank_(?P<tensor>\d{1,5})(?:_(?:pp_rank_)?(?P<pipeline>\d{1,5}))?(?:_(?P<expert>\d{1,5}))?")
_LLAMA = re.compile(r"consolidated\.(?P<tensor>\d\d)\.pth")
_SHARDED = re.compile(r"world_size_(?P<total>\d{1,6})_rank_(?P<rank>\d{1,6})")
# Not `low_rank_8` and not `top_rank_2`, which number other things.
_DATA = re.compile(r"(?<![a-zA-Z])(?<!low[_-])(?<!top[_-])(?<!best[_-])rank[_=-]?(?P<rank>\d{1,6})(?!\d)", re.IGNORECASE)
_ZERO = re.compile(
    r"(?:(?:bf16|fp16)_)?zero_pp_rank_(?P<rank>\d{1,6})_mp_rank_(?P<tensor>\d{1,5})(?:_\d{1,5})?_(?P<part>optim|model)_states\.pt"
)
_DEEPSPEED_MODEL = re.compile(r"mp_rank_(?P<tensor>\d{1,5})(?:_\d{1,5})?_model_states\.pt")
_DEEPSPEED_PART = re.compile(
    r"layer_(?P<layer>\d{1,5})(?:-model_(?P<tensor>\d{1,5})-model_states|_expert_(?P<expert>\d{1,6})_mp_rank_(?P<other>\d{1,5})_model_states)\.pt"
)


@dataclass(frozen=True, slots=True)
class RankName:
    """What a name says of the rank that wrote a file."""

    family: str
    """The name with the rank left out: equal for what the ranks of one job wrote at one time."""
    style: Style
    rank: int
    """Place along the tensor-parallel or data-parallel axis."""
    stage: int = 0
    """Place along the pipeline."""
    total: int | None = None
    """How many ranks there are, where the name tells."""

    @property
    def without_rank(self) -> str:
        """The file's name without what speaks of ranks, whose numbers are no steps."""
        return self.family.replace("/#/", "/").replace("#", "")

    @property
    def label(self) -> str:
        """As reports show it."""
        return f"rank {self.rank}" if not self.stage else f"rank {self.rank}, stage {self.stage}"


def rank_of(name: str) -> RankName | None:
    """The rank that a file's name, or a folder above it, speaks of; None where neither does."""
    path = PurePosixPath(name)
    match = _LLAMA.fullmatch(path.name)
    if match:
        return RankName(f"{path.parent}/consolidated.#.pth", "model", int(match["tensor"]))
    for place in range(len(path.parts) - 1, max(-1, len(path.parts) - 3), -1):
        part = path.parts[place]
        match = _MODEL.search(part)
        if match and (place < len(path.parts) - 1 or not _ZERO.fullmatch(part)):
            family = _without(path, place, match)
            return RankName(family, "model", int(match["tensor"]), int(match["pipeline"] or 0))
        match = _SHARDED.search(part)
        if match:
            return RankName(_without(path, place, match), "fully-sharded", int(match["rank"]), total=int(match["total"]))
        match = _DATA.search(part)
        if match:
            return RankName(_without(path, place, match), "data", int(match["rank"]))
    return None


def _without(path: PurePosixPath, place: int, match: re.Match[str]) -> str:
    part = path.parts[place]
    return "/".join((*path.parts[:place], f"{part[: match.start()]}#{part[match.end() :]}", *path.parts[place + 1 :]))


@dataclass(frozen=True, slots=True)
class DeepSpeedName:
    """What a name says of a file that DeepSpeed wrote."""

    part: Literal["model", "optimizer", "sharded-model", "layer", "expert"]
    tensor: int
    """Tensor-parallel rank (`mp_rank`)."""
    rank: int = 0
    """Data-parallel rank, or the layer's number."""


def deepspeed_of(name: str) -> DeepSpeedName | None:
    """What DeepSpeed's own names say; None for every other file."""
    last = PurePosixPath(name).name
    match = _ZERO.fullmatch(last)
    if match:
        return DeepSpeedName("optimizer" if match["part"] == "optim" else "sharded-model", int(match["tensor"]), int(match["rank"]))
    match = _DEEPSPEED_MODEL.fullmatch(last)
    if match:
        return DeepSpeedName("model", int(match["tensor"]))
    match = _DEEPSPEED_PART.fullmatch(last)
    if match:
        tensor = int(match["tensor"] or match["other"])
        return DeepSpeedName("expert" if match["expert"] else "layer", tensor, int(match["layer"]))
    return None
