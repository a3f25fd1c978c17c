"""Checkpoint layouts: how different training codes lay down the same snapshot."""

from __future__ import annotations

import copy
import io
import json
import pickle
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.serialization import MAGIC_NUMBER, PROTOCOL_VERSION

from making.training import Trained

Layout = Callable[[Path, Trained], None]
"""Writes all checkpoints of a training below a run's folder."""


def numbered(folder: Path, trained: Trained) -> None:
    """`checkpoints/step_000100.pt`: model, optimizer, scheduler and step in one file."""
    for snapshot in trained.snapshots:
        state = {
            "model": snapshot.model,
            "optimizer": snapshot.optimizer,
            "scheduler": snapshot.scheduler,
            "step": snapshot.step,
        }
        _save(state, folder / "checkpoints" / f"step_{snapshot.step:06d}.pt")


def by_epoch(folder: Path, trained: Trained) -> None:
    """`ckpt/epoch_012.pth` with the keys of PyTorch's tutorial; no step in it but the epoch."""
    for snapshot in trained.snapshots:
        epoch = snapshot.step // steps_per_epoch(trained)
        state = {"epoch": epoch, "model_state_dict": snapshot.model, "optimizer_state_dict": snapshot.optimizer}
        _save(state, folder / "ckpt" / f"epoch_{epoch:03d}.pth")


def apart(folder: Path, trained: Trained) -> None:
    """`model_000100.pth`, a bare state_dict, beside `optimizer_000100.pth`."""
    for snapshot in trained.snapshots:
        _save(snapshot.model, folder / f"model_{snapshot.step:06d}.pth")
        _save(snapshot.optimizer, folder / f"optimizer_{snapshot.step:06d}.pth")


def lightning(folder: Path, trained: Trained) -> None:
    """`checkpoints/epoch=3-step=400.ckpt` with the keys of PyTorch Lightning and plain contents, and `hparams.yaml`."""
    settings = {"lr": trained.setup.lr, "batch_size": trained.setup.batch_size}
    (folder / "hparams.yaml").write_text("".join(f"{name}: {value}\n" for name, value in settings.items()), encoding="utf-8")
    for snapshot in trained.snapshots:
        epoch = snapshot.step // steps_per_epoch(trained)
        state = {
            "epoch": epoch,
            "global_step": snapshot.step,
            "pytorch-lightning_version": "2.4.0",
            "state_dict": {f"net.{name}": tensor for name, tensor in snapshot.model.items()},
            "loops": {"fit_loop": {"epoch_progress": {"current": {"completed": epoch}}}},
            "callbacks": {"ModelCheckpoint": {"monitor": "val_loss", "best_model_path": ""}},
            "optimizer_states": [snapshot.optimizer],
            "lr_schedulers": [snapshot.scheduler],
            "hparams_name": "kwargs",
            "hyper_parameters": settings,
        }
        _save(state, folder / "checkpoints" / f"epoch={epoch}-step={snapshot.step}.ckpt")


def archive(folder: Path, trained: Trained) -> None:
    """`checkpoint_0100.pth.tar`, saved before torch 1.6: a legacy pickle, and names with DataParallel's prefix."""
    for snapshot in trained.snapshots:
        state = {
            "step": snapshot.step,
            "arch": trained.setup.net.kind,
            "state_dict": {f"module.{name}": tensor for name, tensor in snapshot.model.items()},
            "optimizer": snapshot.optimizer,
        }
        target = folder / f"checkpoint_{snapshot.step:04d}.pth.tar"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(legacy_bytes(state))


def beside(folder: Path, trained: Trained) -> None:
    """`weights/model_000100.safetensors` beside `weights/optimizer_000100.pt`."""
    for snapshot in trained.snapshots:
        metadata = {"format": "pt", "step": str(snapshot.step)}
        _save_safetensors(snapshot.model, metadata, folder / "weights" / f"model_{snapshot.step:06d}.safetensors")
        _save(snapshot.optimizer, folder / "weights" / f"optimizer_{snapshot.step:06d}.pt")


def tensors_only(folder: Path, trained: Trained) -> None:
    """`saved/step-000100.safetensors`: weights, `optimizer.<slot>.<parameter>`, and the optimizer's numbers as metadata."""
    for snapshot in trained.snapshots:
        tensors = dict(snapshot.model)
        for index, name in enumerate(snapshot.parameters):
            slots = snapshot.optimizer["state"].get(index, {})
            tensors.update({f"optimizer.{slot}.{name}": tensor for slot, tensor in slots.items() if slot != "step"})
        group = snapshot.optimizer["param_groups"][0]
        numbers = {"algorithm": trained.setup.optimizer, **{key: group[key] for key in ("lr", "betas", "eps", "weight_decay")}}
        metadata = {"step": str(snapshot.step), "optimizer": json.dumps(numbers)}
        _save_safetensors(tensors, metadata, folder / "saved" / f"step-{snapshot.step:06d}.safetensors")


def hugging_face(folder: Path, trained: Trained) -> None:
    """`checkpoint-100/` as the Trainer of transformers leaves it: two shards with an index, optimizer, scheduler and its log."""
    for snapshot in trained.snapshots:
        target = folder / f"checkpoint-{snapshot.step}"
        names = sorted(snapshot.model)
        halves = {
            "model-00001-of-00002.safetensors": names[: len(names) // 2],
            "model-00002-of-00002.safetensors": names[len(names) // 2 :],
        }
        for file_name, kept in halves.items():
            _save_safetensors({name: snapshot.model[name] for name in kept}, {"format": "pt"}, target / file_name)
        total = sum(tensor.numel() * tensor.element_size() for tensor in snapshot.model.values())
        where = {name: file_name for file_name, kept in halves.items() for name in kept}
        _write_json({"metadata": {"total_size": total}, "weight_map": where}, target / "model.safetensors.index.json")
        _write_json({"model_type": "char-lm", "vocab_size": trained.data.classes}, target / "config.json")
        _save(snapshot.optimizer, target / "optimizer.pt")
        _save(snapshot.scheduler, target / "scheduler.pt")
        _write_json(_trainer_state(trained, snapshot.step), target / "trainer_state.json")


def steps_per_epoch(trained: Trained) -> int:
    """Batches that one pass over the training records takes."""
    return max(1, trained.data.train // trained.setup.batch_size)


def _trainer_state(trained: Trained, step: int) -> dict[str, object]:
    per_epoch = steps_per_epoch(trained)
    log: list[dict[str, float]] = []
    for point in trained.points:
        if point.step > step:
            break
        at = {"epoch": round(point.step / per_epoch, 3), "step": point.step}
        log.append({"loss": point.values["loss"], "grad_norm": point.values["gradient_norm"], "learning_rate": point.values["lr"], **at})
        if "validation_loss" in point.values:
            log.append({"eval_loss": point.values["validation_loss"], **at})
    return {"global_step": step, "max_steps": trained.setup.steps, "epoch": round(step / per_epoch, 3), "log_history": log}


def _write_json(value: object, target: Path) -> None:
    target.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _save(state: Mapping[str, Any], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(copy.deepcopy(state), target)


def _save_safetensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], target: Path) -> None:
    """Write a file whose bytes are the same each time: the library writes metadata in the order of a randomly seeded hash."""
    data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()}, dict(metadata))
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    ordered = {"__metadata__": dict(sorted(metadata.items())), **{name: header[name] for name in header if name != "__metadata__"}}
    text = json.dumps(ordered, separators=(",", ":")).encode().ljust(length)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data[:8] + text + data[8 + length :])


def legacy_bytes(value: object) -> bytes:
    """What torch.save wrote before version 1.6 for a value on the CPU, with counted storage keys.

    torch.save(_use_new_zipfile_serialization=False) takes memory addresses for keys, so that no two files are alike.
    """
    stream = io.BytesIO()
    sizes = {"short": 2, "int": 4, "long": 4}
    for part in (MAGIC_NUMBER, PROTOCOL_VERSION, {"protocol_version": PROTOCOL_VERSION, "little_endian": True, "type_sizes": sizes}):
        pickle.dump(part, stream, protocol=2)
    pickler = _LegacyPickler(stream)
    pickler.dump(value)
    pickle.dump([key for key, _ in pickler.storages.values()], stream, protocol=2)
    for _, storage in pickler.storages.values():
        data = bytes(storage._untyped_storage.tolist())
        stream.write(struct.pack("<q", storage._size()) + data)
    return stream.getvalue()


class _LegacyPickler(pickle.Pickler):
    """Replaces each storage by a reference and keeps it for the end of the file."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream, protocol=2)
        self.storages: dict[int, tuple[str, torch.storage.TypedStorage]] = {}

    def persistent_id(self, found: object) -> tuple[object, ...] | None:
        if not isinstance(found, torch.storage.TypedStorage):
            return None
        # The public methods of typed storages warn that these are on their way out; torch.save calls the private ones as well.
        kind = getattr(torch, found._pickle_storage_type())
        key, _ = self.storages.setdefault(found._data_ptr(), (f"{len(self.storages):08d}", found))
        return ("storage", kind, key, "cpu", found._size(), None)
