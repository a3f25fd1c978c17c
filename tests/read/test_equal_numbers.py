"""One set of weights in every container that torch and its users write gives one set of numbers."""

from __future__ import annotations

import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from postmortem.measure.table import TensorStats
from postmortem.measure.tensors import pass_over
from postmortem.model import FoundFile
from postmortem.read.checkpoints.files import read_checkpoints

torch.set_num_threads(1)


def _net() -> torch.nn.Sequential:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(6 * 36, 5)
    )


NET = _net().eval()
WEIGHTS = NET.state_dict()


def _deflated(path: Path) -> None:
    torch.save(WEIGHTS, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(NET, torch.ones(1, 3, 8, 8)), path)


def _sharded(path: Path) -> None:
    names = list(WEIGHTS)
    for number, part in ((1, names[:4]), (2, names[4:])):
        save_file({name: WEIGHTS[name] for name in part}, path.parent / f"model-0000{number}-of-00002.safetensors")


def _numpy(path: Path) -> None:
    path.write_bytes(pickle.dumps({name: tensor.numpy() for name, tensor in WEIGHTS.items()}))


WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "zip": ("a.pt", lambda path: torch.save(WEIGHTS, path)),
    "zip of protocol 5": ("a.pt", lambda path: torch.save(WEIGHTS, path, pickle_protocol=5)),
    "compressed zip": ("a.pt", _deflated),
    "legacy": ("a.pth.tar", lambda path: torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)),
    "in a table": ("a.ckpt", lambda path: torch.save({"state_dict": WEIGHTS, "epoch": 1}, path)),
    "wrapped": ("a.pt", lambda path: torch.save({f"module.{name}": tensor for name, tensor in WEIGHTS.items()}, path)),
    "whole module": ("a.pth", lambda path: torch.save(NET, path)),
    "legacy whole module": ("a.pth", lambda path: torch.save(NET, path, _use_new_zipfile_serialization=False)),
    "TorchScript": ("a.pt", _script),
    "plain pickle": ("a.pkl", lambda path: path.write_bytes(pickle.dumps(WEIGHTS))),
    "plain pickle of protocol 2": ("a.pkl", lambda path: path.write_bytes(pickle.dumps(WEIGHTS, protocol=2))),
    "numpy in a pickle": ("a.pkl", _numpy),
    "safetensors": ("a.safetensors", lambda path: save_file(WEIGHTS, path)),
    "shards": ("model-00001-of-00002.safetensors", _sharded),
}


def stats_of(folder: Path) -> dict[str, TensorStats]:
    """The statistics of the one checkpoint in a folder."""
    scratch = folder / "scratch"
    scratch.mkdir()
    files = [FoundFile(path, path.name, "checkpoint", path.stat().st_size) for path in sorted(folder.iterdir()) if path.is_file()]
    data = read_checkpoints(files, scratch)
    assert not data.problems and len(data.checkpoints) == 1
    (row,) = pass_over(data.checkpoints).rows
    return dict(row.tensors)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", list(WRITERS))
def test_every_container_gives_the_same_numbers(tmp_path: Path, name: str) -> None:
    """Statistics of every tensor are the same to the last bit, and those of the tensor itself."""
    file, write = WRITERS[name]
    write(tmp_path / file)
    found = stats_of(tmp_path)
    assert sorted(found) == sorted(WEIGHTS)
    for each, tensor in WEIGHTS.items():
        values = tensor.double().numpy()
        stats = found[each]
        assert stats.shape == tuple(tensor.shape) and stats.dtype == str(tensor.dtype).removeprefix("torch.")
        assert (stats.minimum, stats.maximum) == (values.min(), values.max())
        assert math.isclose(stats.norm, float(np.linalg.norm(values)), rel_tol=1e-12)
        assert math.isclose(stats.mean, float(values.mean()), rel_tol=1e-9, abs_tol=1e-12)
        assert math.isclose(stats.variance, float(values.var()), rel_tol=1e-9, abs_tol=1e-15)
