"""The largest run that a report must stay usable for, written as files, without a training: numbers are drawn, not learned.

60 layers in 200 checkpoints, 500 scalar tags, curves of 100,000 points with gaps, a data set of 1,000 classes, a layer's name of 300
characters, and names in Arabic and Chinese.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

LAYERS, CHECKPOINTS, TAGS, POINTS, CLASSES = 60, 200, 500, 100_000, 1000
LONG_NAME = "model.encoder." + "block." * 46 + "projection"
ARABIC_NAME = "\N{ARABIC LETTER TAH}\N{ARABIC LETTER BEH}\N{ARABIC LETTER QAF}\N{ARABIC LETTER TEH MARBUTA}"
CHINESE_NAME = "\N{CJK UNIFIED IDEOGRAPH-5C42}\N{CJK UNIFIED IDEOGRAPH-6743}\N{CJK UNIFIED IDEOGRAPH-91CD}"
DENSE = ("train/loss", "val/loss", "train/grad_norm", "train/learning_rate", "train/accuracy", "train/reg_loss")
"""Tags that are logged at every step."""
WIDTH = 8

Floats = NDArray[np.float64]


def write_large_run(folder: Path, seed: int = 0) -> None:
    """Writes the run's files, about 20 MB, into a folder that exists."""
    draw = np.random.default_rng(seed)
    _write_checkpoints(folder, draw)
    _write_scalars(folder, draw)
    _write_manifest(folder, draw)


def layer_names() -> tuple[str, ...]:
    """The names of all layers; three of them are hard to set."""
    plain = tuple(f"layers.{index}.linear" for index in range(LAYERS - 3))
    return (LONG_NAME, ARABIC_NAME, CHINESE_NAME, *plain)


def _write_checkpoints(folder: Path, draw: np.random.Generator) -> None:
    names = layer_names()
    weights = {name: draw.normal(0, WIDTH**-0.5, (WIDTH, WIDTH)).astype(np.float32) for name in names}
    for index in range(CHECKPOINTS):
        tensors = {f"{name}.weight": array for name, array in weights.items()}
        tensors |= {f"{name}.bias": np.full(WIDTH, 0.01 * index, dtype=np.float32) for name in names}
        save_file(tensors, folder / f"step_{(index + 1) * POINTS // CHECKPOINTS:06d}.safetensors")
        for row, name in enumerate(names):
            weights[name] = weights[name] + (10 ** -(2 + row / 20) * draw.normal(size=(WIDTH, WIDTH))).astype(np.float32)


def _write_scalars(folder: Path, draw: np.random.Generator) -> None:
    steps = np.arange(1, POINTS + 1)
    fall = 0.4 + 6.5 * np.exp(-steps / 15_000)
    noise = 1 + 0.05 * draw.normal(size=(2, POINTS))
    columns: tuple[Floats, ...] = (
        fall * noise[0],
        (fall + 0.2) * noise[1],
        np.exp(draw.normal(size=POINTS)),
        1e-3 * np.minimum(1, steps / 2000),
        1 - fall / 8,
        0.01 * np.sqrt(steps / POINTS),
    )
    columns[0][[30_000, 30_001, 70_000]] = (np.nan, np.nan, np.inf)
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as out:
        out.write(",".join(("step", *DENSE)) + "\n")
        np.savetxt(out, np.column_stack([steps, *columns]), fmt=["%d", *["%.5g"] * len(columns)], delimiter=",")
    rest = [f"probe/{ARABIC_NAME if index % 50 == 0 else 'unit'}_{index:03d}" for index in range(TAGS - len(DENSE))]
    with (folder / "progress.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["step", *rest])
        for step in range(1000, POINTS + 1, 5000):
            rows.writerow([step, *(f"{value:.4g}" for value in draw.normal(size=len(rest)))])


def _write_manifest(folder: Path, draw: np.random.Generator) -> None:
    counts = np.maximum(3, (400 / np.arange(1, CLASSES + 1) ** 0.7)).astype(int)
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "label", "split"])
        for index, count in enumerate(counts):
            label = f"{CHINESE_NAME}_{index}" if index % 100 == 0 else f"class_{index:04d}"
            for record in range(int(count)):
                rows.writerow([f"{index}-{record}", label, "val" if draw.random() < 0.2 else "train"])
