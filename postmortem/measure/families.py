"""What checkpoints' names say about which of them belong together, once steps, numbers and words of bookkeeping are taken off."""

from __future__ import annotations

import re
from typing import TypeAlias

from postmortem.model import Checkpoint

Family: TypeAlias = tuple[str, ...]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COPY_NAME = re.compile(r"(?:^|[^a-z])(best|last|latest|final|newest|current|min|top)(?:[^a-z]|$)", re.IGNORECASE)
_FINAL_NAME = re.compile(r"(?:^|[^a-z])(last|latest|final|newest|current)(?:[^a-z]|$)", re.IGNORECASE)
_BESIDE_NAME = re.compile(r"(?:^|[^a-z])(ema|swa|averaged?|shadow|export(?:ed)?|half|quantized)(?:[^a-z]|$)", re.IGNORECASE)
_NEUTRAL = _set(
    "best last latest final newest current min max top init initial start end checkpoint checkpoints ckpt ckpts chkpt cp model models "
    "weights net network state dict states saved save snapshot snapshots epoch epochs ep e step steps global iter iters iteration "
    "iterations it its update updates batch k th pt pth bin tar pkl t safetensors index json pytorch train training val valid validation "
    "loss acc accuracy score metric auc f map iou psnr ppl bleu full trained"
)
_TELLING_NUMBER = re.compile(r"(seed|run|fold|version|trial|exp|experiment|split|cv|rank|job|v|try|member)[_\-=]?(\d+)")
_WEAK_BASES = ("number in the file name", "number in the folder name")


def family(source: str) -> Family:
    """Words of a file's path that are left when numbers, steps and words that any checkpoint may bear are taken off.

    Numbers behind `seed`, `run`, `fold` and the like stay. `seed0/step_100.pt` -> (seed0,), `best.pt` -> ().
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", source).lower()
    telling = [f"{word}{int(number)}" for word, number in _TELLING_NUMBER.findall(apart)]
    rest = _TELLING_NUMBER.sub(" ", apart)
    words = [word for word in re.split(r"[^a-z]+", rest) if word and word not in _NEUTRAL]
    return (*telling, *words)


def called_copy(checkpoint: Checkpoint) -> bool:
    """Whether its name is one that scripts give to a copy of a numbered file (`best`, `last`, `final`)."""
    return bool(_COPY_NAME.search(checkpoint.source.rsplit("/", 1)[-1]))


def called_final(checkpoint: Checkpoint) -> bool:
    """Whether its name says that it is the newest."""
    return bool(_FINAL_NAME.search(checkpoint.source.rsplit("/", 1)[-1]))


def stands_beside(checkpoint: Checkpoint) -> bool:
    """Whether its path speaks of an average of the weights or an export, which are no state of the training itself."""
    return bool(_BESIDE_NAME.search(checkpoint.source))


def only_numbered(checkpoint: Checkpoint) -> bool:
    """Whether nothing but a bare number in its name makes it a step: members of an ensemble are numbered like that too."""
    return checkpoint.step is not None and checkpoint.step_basis in _WEAK_BASES
