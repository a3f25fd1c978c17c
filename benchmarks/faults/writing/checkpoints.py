"""Checkpoints as trainers lay them down."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from faults.nouns import Snapshot, Trained
from faults.writing.ranks import rank_files, rank_weights, tensor_parallel
from faults.writing.scalars import state_at


def write_checkpoints(trained: Trained, folder: Path) -> None:
    """Write all snapshots, as the run's style says."""
    if trained.style.layout != "none":
        for snapshot in trained.snapshots:
            LAYOUTS[trained.style.layout](trained, snapshot, folder)


def numbered(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`checkpoints/step_000100.pt` with model, optimizer, scheduler, scaler and step."""
    state: dict[str, Any] = {"model": snapshot.model, "step": snapshot.step, **snapshot.other}
    if trained.style.optimizer_state:
        state.update({key: part for key, part in _rest(snapshot).items() if part})
    _save(state, folder / "checkpoints" / f"step_{snapshot.step:06d}.pt")


def by_epoch(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`ckpt/epoch_012.pth` with the keys of PyTorch's tutorial; no step in it but the epoch."""
    epoch = snapshot.step // max(1, trained.data.train // trained.plan.batch_size)
    state: dict[str, Any] = {"epoch": epoch, "model_state_dict": snapshot.model, **snapshot.other}
    if trained.style.optimizer_state and snapshot.optimizer:
        state["optimizer_state_dict"] = snapshot.optimizer
    if snapshot.scaler:
        state["scaler_state_dict"] = snapshot.scaler
    _save(state, folder / "ckpt" / f"epoch_{epoch:03d}.pth")


def bare(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`model_100.pth`, a bare state_dict, beside `optimizer_100.pth`."""
    _save(snapshot.model, folder / f"model_{snapshot.step}.pth")
    if trained.style.optimizer_state and snapshot.optimizer:
        _save(snapshot.optimizer, folder / f"optimizer_{snapshot.step}.pth")


def parallel(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`checkpoint_0100.pth.tar` of the ImageNet example: names with DataParallel's prefix."""
    state = {"step": snapshot.step, "state_dict": {f"module.{name}": each for name, each in snapshot.model.items()}, **snapshot.other}
    if trained.style.optimizer_state and snapshot.optimizer:
        state["optimizer"] = snapshot.optimizer
    _save(state, folder / f"checkpoint_{snapshot.step:04d}.pth.tar")


def lightning(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`checkpoints/epoch=3-step=400.ckpt` with the keys of PyTorch Lightning and plain contents."""
    epoch = snapshot.step // max(1, trained.data.train // trained.plan.batch_size)
    state = {
        "epoch": epoch,
        "global_step": snapshot.step,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"net.{name}": tensor for name, tensor in snapshot.model.items()},
        "hyper_parameters": {"lr": trained.plan.lr, "batch_size": trained.plan.batch_size},
        **snapshot.other,
    }
    if trained.style.optimizer_state:
        state["optimizer_states"] = [snapshot.optimizer] if snapshot.optimizer else []
        state["lr_schedulers"] = [snapshot.scheduler] if snapshot.scheduler else []
    if snapshot.scaler:
        state["MixedPrecision"] = snapshot.scaler
    _save(state, folder / "checkpoints" / f"epoch={epoch}-step={snapshot.step}.ckpt")


def hugging_face(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`checkpoint-100/` of transformers' Trainer: weights, optimizer, scheduler, its state."""
    target = folder / f"checkpoint-{snapshot.step}"
    target.mkdir(parents=True, exist_ok=True)
    _safetensors(snapshot.model, {"format": "pt"}, target / "model.safetensors")
    described: dict[str, object] = {"model_type": trained.settings.get("model", "net")}
    if "vocab_size" in trained.settings:
        described["vocab_size"] = trained.settings["vocab_size"]
    (target / "config.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    if trained.style.optimizer_state:
        for key, part in _rest(snapshot).items():
            if part:
                _save(part, target / f"{key}.pt")
    state = state_at(trained, snapshot.step)
    (target / "trainer_state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def tensors_only(trained: Trained, snapshot: Snapshot, folder: Path) -> None:
    """`weights/step-000100.safetensors`: weights and nothing else."""
    target = folder / "weights" / f"step-{snapshot.step:06d}.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    _safetensors(snapshot.model, {"format": "pt", "step": str(snapshot.step)}, target)


def _rest(snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
    return {"optimizer": snapshot.optimizer, "scheduler": snapshot.scheduler, "scaler": snapshot.scaler}


def _save(state: object, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, target)


def _safetensors(tensors: Mapping[str, torch.Tensor], metadata: dict[str, str], target: Path) -> None:
    target.write_bytes(safetensors.torch.save({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, metadata))


LAYOUTS: Mapping[str, Callable[[Trained, Snapshot, Path], None]] = {
    "numbered": numbered,
    "by-epoch": by_epoch,
    "bare": bare,
    "parallel": parallel,
    "lightning": lightning,
    "hugging-face": hugging_face,
    "tensors-only": tensors_only,
    "rank-files": rank_files,
    "rank-weights": rank_weights,
    "tensor-parallel": tensor_parallel,
}
