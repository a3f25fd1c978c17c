"""Data sets of the sample runs: scikit-learn's small real ones, drawn shapes, overlapping clouds, and names of characters.

Everything is a function of a `DataPlan`. A fault of the data is a field of the plan, so that a sick run and its healthy twin are two
plans that differ in one field.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CONTEXT = 24
"""Characters in one training window of the language model."""


@dataclass(frozen=True, slots=True)
class DataPlan:
    """What to train on."""

    source: str
    """`digits`, `wine`, `diabetes`, `friedman`, `shapes`, `clouds` or `names`."""
    seed: int = 0
    train_records: int | None = None
    """Keep so many training records; None keeps all. Validation is the same either way."""
    standardized: bool = True
    """Whether inputs are brought to mean 0 and standard deviation 1."""
    labels_shuffled: bool = False
    """Whether labels are dealt out to the records at random."""
    noise: float = 0.0
    """Standard deviation of the noise added to standardized inputs."""
    class_counts: tuple[int, ...] = ()
    """Training records to keep of each class, at most; empty keeps all."""
    minority_share: float = 0.5
    """`clouds` only: share of the second class, in training and validation."""


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Records in order: training first, then validation."""

    inputs: Tensor
    targets: Tensor
    train: int
    """The first `train` records are for training."""
    classes: int
    """0 for a regression."""
    columns: tuple[str, ...] = ()
    """Names of the input columns where the inputs are a table."""
    class_names: tuple[str, ...] = ()


def load(plan: DataPlan) -> Data:
    """The records that a plan asks for; the same plan gives the same bits."""
    if plan.source == "names":
        return _names(plan)
    inputs, targets, columns, class_names = _raw(plan)
    classes = len(class_names)
    generator = np.random.default_rng(1000 + plan.seed)
    order = generator.permutation(len(inputs))
    inputs, targets = inputs[order], targets[order]
    train = round(len(inputs) * 0.75)
    if plan.standardized:
        inputs = _standardize(inputs, train, by_column=bool(columns))
    if plan.noise:
        inputs = inputs + plan.noise * generator.standard_normal(inputs.shape)
    if plan.labels_shuffled:
        targets = generator.permutation(targets)
    rows = np.concatenate([_kept(plan, targets[:train]), np.arange(train, len(inputs))])
    kept = int(np.count_nonzero(rows < train))
    as_target = torch.int64 if classes else torch.float32
    return Data(
        torch.tensor(inputs[rows], dtype=torch.float32), torch.tensor(targets[rows], dtype=as_target), kept, classes, columns, class_names
    )


def _standardize(inputs: Floats, train: int, by_column: bool) -> Floats:
    """Mean 0 and standard deviation 1 over the training records: each column of a table, all pixels of an image alike."""
    axes = 0 if by_column else None
    mean, deviation = inputs[:train].mean(axis=axes), inputs[:train].std(axis=axes)
    scaled: Floats = (inputs - mean) / deviation
    return scaled


def _kept(plan: DataPlan, targets: NDArray[np.generic]) -> Integers:
    """Training rows that the plan keeps, in order."""
    rows = np.arange(len(targets))
    if plan.class_counts:
        of_class = [np.flatnonzero(targets == label)[:count] for label, count in enumerate(plan.class_counts)]
        rows = np.sort(np.concatenate(of_class))
    return rows[: plan.train_records]


def _raw(plan: DataPlan) -> tuple[Floats, NDArray[np.generic], tuple[str, ...], tuple[str, ...]]:
    """Inputs, targets, column names and class names of a source, before anything is done to them."""
    # scikit-learn takes a second to import, and only some runs need it.
    from sklearn import datasets

    if plan.source == "digits":
        bunch = datasets.load_digits()
        return bunch.data, bunch.target, (), tuple(str(digit) for digit in range(10))
    if plan.source == "wine":
        bunch = datasets.load_wine()
        columns = tuple(name.replace("/", "_") for name in bunch.feature_names)
        return bunch.data, bunch.target, columns, ("barolo", "grignolino", "barbera")
    if plan.source == "diabetes":
        bunch = datasets.load_diabetes()
        return bunch.data, (bunch.target - bunch.target.mean()) / bunch.target.std(), tuple(bunch.feature_names), ()
    if plan.source == "friedman":
        inputs, targets = datasets.make_friedman1(n_samples=1200, n_features=8, noise=0.2, random_state=plan.seed)
        return inputs, (targets - targets.mean()) / targets.std(), tuple(f"x{column}" for column in range(8)), ()
    if plan.source == "shapes":
        return (*_shapes(plan.seed), (), ("bar", "pillar", "slope", "ring"))
    if plan.source == "clouds":
        return (*_clouds(plan.seed, plan.minority_share), tuple(f"f{column:02d}" for column in range(12)), ("common", "rare"))
    raise ValueError(f"no data source is called {plan.source!r}")


def _shapes(seed: int) -> tuple[Floats, Integers]:
    """1,600 images of 1x10x10: a bar, a pillar, a slope or a ring at a random place, under noise."""
    generator = np.random.default_rng(2000 + seed)
    labels = generator.integers(0, 4, size=1600)
    images = 0.35 * generator.standard_normal((1600, 1, 10, 10))
    for image, label in zip(images[:, 0], labels, strict=True):
        top, left = generator.integers(0, 5, size=2)
        patch = image[top : top + 6, left : left + 6]
        if label == 0:
            patch[2:4, :] += 1.0
        elif label == 1:
            patch[:, 2:4] += 1.0
        elif label == 2:
            patch[np.arange(6), np.arange(6)] += 1.5
        else:
            patch[[0, -1], 1:-1] += 1.0
            patch[1:-1, [0, -1]] += 1.0
    return images, labels.astype(np.int64)


def _clouds(seed: int, minority_share: float) -> tuple[Floats, Integers]:
    """2,400 points of two normal clouds in 12 dimensions, 0.8 standard deviations apart."""
    generator = np.random.default_rng(3000 + seed)
    labels = (np.arange(2400) < round(2400 * minority_share)).astype(np.int64)
    way = generator.standard_normal(12)
    points = generator.standard_normal((2400, 12)) + np.outer(labels, 0.8 * way / np.linalg.norm(way))
    return points, labels


def _names(plan: DataPlan) -> Data:
    """Windows of text for a character language model: names of Unicode 3.2's letters, which never change."""
    unicode = unicodedata.ucd_3_2_0
    names = [unicode.name(chr(code), "") for code in (*range(0x00C0, 0x0590), *range(0x1E00, 0x2000))]
    generator = np.random.default_rng(4000 + plan.seed)
    found = [name for name in names if name]
    text = "\n".join(found[row] for row in generator.permutation(len(found)))
    letters = sorted(set(text))
    codes = np.array([letters.index(letter) for letter in text], dtype=np.int64)
    windows = (len(codes) - 1) // CONTEXT
    inputs = codes[: windows * CONTEXT].reshape(windows, CONTEXT)
    targets = codes[1 : windows * CONTEXT + 1].reshape(windows, CONTEXT)
    return Data(torch.tensor(inputs), torch.tensor(targets), round(windows * 0.9), len(letters))
