"""Files that cannot be what they should: cut, filled with zeros, with bytes turned, missing parts, or with weights that memory spoiled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch

from faults import damage
from faults.nouns import Fault, Trained
from faults.plan import Style

_SPARES = frozenset({"adversarial", "policy"})
_TORCH = ("numbered", "by-epoch", "bare", "parallel", "lightning")


def _torch(style: Style) -> Style:
    return style if style.layout in _TORCH else replace(style, layout="numbered")


def _tensors(style: Style) -> Style:
    return replace(style, layout="tensors-only")


def _events(style: Style) -> Style:
    return style if style.logs in ("tensorboard", "tensors") else replace(style, logs="tensorboard", tags="slash")


def _cut(folder: Path, trained: Trained) -> None:
    damage.cut(damage.checkpoints(folder)[-1], 0.7)


def _zeros(folder: Path, trained: Trained) -> None:
    damage.zero_tail(damage.checkpoints(folder)[-1], 0.5)


def _turned(folder: Path, trained: Trained) -> None:
    damage.flip(damage.checkpoints(folder)[-2], 0.45)


def _short(folder: Path, trained: Trained) -> None:
    damage.cut(damage.checkpoints(folder)[2], 0.8)


def _empty(folder: Path, trained: Trained) -> None:
    damage.checkpoints(folder)[-1].write_bytes(b"")


def _garbled_events(folder: Path, trained: Trained) -> None:
    path = next(iter(folder.rglob("*tfevents*")))
    damage.flip(path, 0.55, 400)


def _missing_shard(folder: Path, trained: Trained) -> None:
    """The last state in three shards with their index; the second was never uploaded."""
    last = trained.snapshots[-1]
    names = sorted(last.model)
    parts = [names[start::3] for start in range(3)]
    target = folder / "weights" / f"step-{last.step:06d}"
    target.mkdir(parents=True)
    (folder / "weights" / f"step-{last.step:06d}.safetensors").unlink()
    files = [f"model-{number:05d}-of-00003.safetensors" for number in (1, 2, 3)]
    for file, part in zip(files, parts, strict=True):
        if file != files[1]:
            tensors = {name: last.model[name].contiguous().clone() for name in part}
            (target / file).write_bytes(safetensors.torch.save(tensors, {"format": "pt"}))
    where = {name: file for file, part in zip(files, parts, strict=True) for name in part}
    size = sum(each.numel() * each.element_size() for each in last.model.values())
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
    (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _spoiled(trained: Trained) -> Trained:
    """One snapshot in the middle has a row of NaN in one matrix; the one behind it is sound: the file is wrong, not the training."""
    at = len(trained.snapshots) - 2
    kept = dict(trained.snapshots[at].model)
    name = next(name for name, each in kept.items() if each.dim() >= 2)
    kept[name] = kept[name].clone()
    kept[name][0] = torch.nan
    snapshots = list(trained.snapshots)
    snapshots[at] = replace(snapshots[at], model=kept)
    return replace(trained, snapshots=tuple(snapshots))


FAULTS = (
    Fault(
        "cut-zip", "blatant", "The last checkpoint was cut off at 70 % of its length.", "construction",
        style=_torch, files=_cut, spares=_SPARES,
    ),
    Fault(
        "zeros-at-the-end", "clear", "The second half of the last checkpoint is zeros: its blocks were never written.", "construction",
        style=_torch, files=_zeros, spares=_SPARES,
    ),
    Fault(
        "bytes-turned", "clear", "64 bytes in the middle of a checkpoint were turned.", "construction",
        style=_torch, files=_turned, spares=_SPARES,
    ),
    Fault(
        "cut-safetensors", "blatant", "A file of tensors in the middle of the run is shorter than its header says.", "construction",
        style=_tensors, files=_short, spares=_SPARES,
    ),
    Fault(
        "missing-shard", "clear", "One of three shards that the index names is not there.", "construction",
        style=_tensors, files=_missing_shard, spares=_SPARES,
    ),
    Fault(
        "nan-in-one-file", "subtle", "A row of one matrix is NaN in one checkpoint, and sound in the next.", "construction",
        trained=_spoiled, style=lambda style: style if style.layout != "none" else _torch(style), spares=_SPARES,
    ),
    Fault(
        "empty-file", "blatant", "The last checkpoint has no bytes.", "construction", style=_torch, files=_empty, spares=_SPARES,
    ),
    Fault(
        "garbled-events", "clear", "400 bytes in the middle of an event file were turned.", "construction",
        style=_events, files=_garbled_events, spares=_SPARES,
    ),
)  # fmt: skip
