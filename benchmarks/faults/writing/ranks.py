"""Checkpoints of a job of several ranks: a file each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from faults.nouns import Snapshot, Trained


def _of_ranks(snapshot: Snapshot) -> list[tuple[Mapping[str, Tensor], Mapping[str, Any]]]:
    return [(snapshot.model, snapshot.optimizer), *snapshot.replicas]


def rank_files(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`checkpoints/step_000100_rank0.pt`, a whole model each."""
    for rank, (model, optimizer) in enumerate(_of_ranks(snapshot)):
        state: dict[str, Any] = {"model": model, "step": snapshot.step}
        if trained.style.optimizer_state:
            state["optimizer"] = optimizer
        _save(state, folder / "checkpoints" / f"step_{snapshot.step:06d}_rank{rank}.pt")


def rank_weights(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`ckpt/global_step100/rank_0/model.pt`, a bare state_dict with DDP's prefix."""
    for rank, (model, _) in enumerate(_of_ranks(snapshot)):
        _save(
            {f"module.{name}": each for name, each in model.items()},
            folder / "ckpt" / f"global_step{snapshot.step}" / f"rank_{rank}" / "model.pt",
        )


def tensor_parallel(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`iter_0000100/mp_rank_00/model_optim_rng.pt`: matrices cut along their first axis where it can be halved, the rest whole."""
    states = [model for model, _ in _of_ranks(snapshot)]
    for rank, model in enumerate(states):
        kept = {name: _part(each, rank, len(states)) if each.dim() >= 2 else each for name, each in model.items()}
        state = {"model": kept, "iteration": snapshot.step, "checkpoint_version": 3.0}
        _save(state, folder / f"iter_{snapshot.step:07d}" / f"mp_rank_{rank:02d}" / "model_optim_rng.pt")


def _part(tensor: Tensor, rank: int, ranks: int) -> Tensor:
    return tensor if tensor.shape[0] % ranks else tensor.chunk(ranks)[rank].clone()


def _save(state: object, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, target)
