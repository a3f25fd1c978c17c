"""Small real trainings on handwritten digits, saved as a user would save them, and the report of each."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import postmortem
from postmortem.diagnose import judge as judge_run
from postmortem.discover import find_runs
from postmortem.measure.run import measure_run
from postmortem.model import Manifest, Outcome, ReadOptions, RunReport
from postmortem.read.run import reading

CLASSES = 10
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Names of the digits; in alphabetical order they stand otherwise."""
EVEN = (100,) * CLASSES


@dataclass(frozen=True, slots=True)
class Plan:
    """One training, completely. Two plans that differ in one field are a sick run and its healthy twin."""

    counts: tuple[int, ...] = EVEN
    """Training records of each class, drawn with replacement above the 130 or so that there are."""
    held: tuple[int, ...] = (45,) * CLASSES
    """Validation records of each class, at most 45."""
    steps: int = 300
    lr: float = 3e-3
    weighted: bool = False
    """Whether the loss weights classes by inverse frequency."""
    smoothing: float = 0.0
    prior_bias: bool = False
    """Whether the head's bias begins at the logarithm of the class shares."""
    blind: bool = False
    """Whether the inputs are zero."""
    shuffled_labels: bool = False
    wrong_labels: float = 0.0
    """Share of all records that have the label of another record."""
    labels: tuple[str, ...] = tuple(str(label) for label in range(CLASSES))
    """What the manifest calls each class."""
    multiple: bool = False
    """Whether a record has several labels, each with a loss of its own."""
    leaked: float = 0.0
    """Share of the validation records that stand in training too."""
    outputs: int = CLASSES
    per_class: str = ""
    """Tag of the recall of each class, with `{}` for its name."""
    settings: Mapping[str, str | float | bool] | None = None
    unshuffled: bool = False
    """Whether records are sorted by class and read in that order."""
    accuracy: bool = True
    refused: bool = False
    """Whether the loss gets labels that are one too large, and gives NaN for the largest, as TensorFlow does on a GPU."""
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A run's report, and what really happened."""

    run: RunReport
    recall: tuple[float, ...]
    """Of each class on validation."""

    def check(self, id: str) -> Outcome:
        """One check's outcome."""
        return next(each for each in self.run.checks if each.id == id)

    @property
    def causes(self) -> dict[str, float]:
        """Probability of each cause that is shown, most likely first."""
        return {cause.id: cause.probability for cause in self.run.causes}

    @property
    def alarms(self) -> set[str]:
        """Checks that failed or warned."""
        return {each.id for each in self.run.checks if each.alarmed}


@cache
def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.data - bunch.data.mean()) / bunch.data.std(), bunch.target


def _split(plan: Plan, draw: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of training and of validation; a quarter of each class is held out, and training takes its counts of the rest."""
    _, labels = _digits()
    held, train = [], []
    for label, count in enumerate(plan.counts):
        rows = draw.permutation(np.flatnonzero(labels == label))
        held.append(rows[: plan.held[label]])
        train.append(rows[45:][:count] if count <= len(rows) - 45 else draw.choice(rows[45:], count))
    kept = np.concatenate(train) if plan.unshuffled else draw.permutation(np.concatenate(train))
    validation = draw.permutation(np.concatenate(held))
    leaked = round(plan.leaked * len(validation))
    if leaked:
        validation = np.concatenate([draw.choice(kept, leaked, replace=False), validation[leaked:]])
    return kept, validation


def _several(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Even, above four, prime, a multiple of three: four labels that a digit has or has not."""
    return np.stack([labels % 2 == 0, labels > 4, np.isin(labels, (2, 3, 5, 7)), labels % 3 == 0], axis=1).astype(np.float64)


MULTIPLE_NAMES = ("even", "large", "prime", "threefold")


def _manifest(folder: Path, plan: Plan, rows: tuple[NDArray[np.int64], NDArray[np.int64]], labels: NDArray[np.int64]) -> None:
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("sha256", "label", "split"))
        seen: dict[int, int] = {}
        for split, chosen in zip(("train", "val"), rows, strict=True):
            for row in chosen.tolist():
                # A record that was drawn again is a record of its own.
                seen[row] = seen.get(row, -1) + 1
                copy = 0 if split == "val" else seen[row]
                if plan.multiple:
                    present = _several(labels[[row]])[0]
                    label = "|".join(name for name, there in zip(MULTIPLE_NAMES, present, strict=True) if there)
                else:
                    label = plan.labels[int(labels[row])]
                writer.writerow((f"{row:06x}{copy:04x}", label, split))


def train(folder: Path, plan: Plan) -> tuple[float, ...]:
    """Train, and leave events, four checkpoints and a manifest in `folder`. Gives the recall of each class on validation."""
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)
    draw = np.random.default_rng(plan.seed)
    inputs, labels = _digits()
    rows, held = _split(plan, draw)
    _manifest(folder, plan, (rows, held), labels)
    given = torch.tensor(inputs, dtype=torch.float32) * (0.0 if plan.blind else 1.0)
    targets = torch.tensor(_several(labels), dtype=torch.float32) if plan.multiple else torch.tensor(labels)
    if plan.shuffled_labels:
        targets = targets[torch.tensor(draw.permutation(len(labels)))]
    if plan.wrong_labels:
        hit = torch.tensor(draw.random(len(labels)) < plan.wrong_labels)
        targets = torch.where(hit, targets[torch.tensor(draw.integers(0, len(labels), len(labels)))], targets)
    counts = torch.tensor(plan.counts, dtype=torch.float32)
    outputs = len(MULTIPLE_NAMES) if plan.multiple else plan.outputs
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, outputs))
    head = model[-1]
    assert isinstance(head, nn.Linear)
    if plan.prior_bias:
        with torch.no_grad():
            head.bias[:CLASSES] = torch.log(counts / counts.sum())
            head.weight.mul_(0.1)
    weights = counts.sum() / (CLASSES * counts) if plan.weighted else None
    loss_of: nn.Module = nn.BCEWithLogitsLoss() if plan.multiple else nn.CrossEntropyLoss(weights, label_smoothing=plan.smoothing)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.lr)
    writer = SummaryWriter(str(folder / "tb"))
    if plan.settings is not None:
        for summary in hparams(dict(plan.settings), {}):
            writer._get_file_writer().add_summary(summary)
    recall: tuple[float, ...] = ()
    every, save = max(1, plan.steps // 100), max(1, plan.steps // 4)
    for step in range(plan.steps + 1):
        batch = np.arange(step * 32, step * 32 + 32) % len(rows) if plan.unshuffled else draw.integers(0, len(rows), 32)
        chosen = torch.tensor(rows[batch])
        loss = loss_of(model(given[chosen]), targets[chosen])
        if plan.refused:
            shifted = targets[chosen] + 1
            per_record = nn.functional.cross_entropy(model(given[chosen]), shifted.clamp(max=outputs - 1), reduction="none")
            loss = torch.where(shifted < outputs, per_record, per_record * math.nan).mean()
        if step % save == 0:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(state, folder / f"step_{step:06d}.pt")
        if step % every == 0:
            writer.add_scalar("train/loss", loss.item(), step)
            writer.add_scalar("train/lr", plan.lr, step)
        if step % (5 * every) == 0:
            with torch.no_grad():
                answers = model(given[torch.tensor(held)])
                wanted = targets[torch.tensor(held)]
                writer.add_scalar("val/loss", loss_of(answers, wanted).item(), step)
                if not plan.multiple:
                    recall = _recall(answers, wanted)
                    if plan.accuracy:
                        writer.add_scalar("val/acc", float((answers.argmax(1) == wanted).float().mean()), step)
                    for label, value in enumerate(recall if plan.per_class else ()):
                        writer.add_scalar(plan.per_class.format(plan.labels[label]), value, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    writer.close()
    return recall


def _recall(answers: Tensor, wanted: Tensor) -> tuple[float, ...]:
    right = answers.argmax(1) == wanted
    return tuple(float(right[wanted == label].float().mean()) if bool((wanted == label).any()) else math.nan for label in range(CLASSES))


Change = Callable[[Manifest], Manifest]
Training: TypeAlias = Plan


@dataclass(frozen=True, slots=True)
class Lab:
    """Trains by plans in folders of one test, and judges the runs."""

    folder: Path
    Plan: type[Training] = Plan

    def judge(self, plan: Training) -> Judged:
        """The report of one training, from its files alone."""
        folder = self._fresh()
        recall = train(folder, plan)
        (run,) = postmortem.analyze(folder).runs
        return Judged(run, recall)

    def judge_with(self, plan: Training, change: Change) -> Judged:
        """The same with a manifest that says something else, as a reader of another format would have it."""
        folder = self._fresh()
        recall = train(folder, plan)
        (found,) = find_runs([folder])
        with reading(found, ReadOptions()) as opened:
            (data,) = opened
            run = judge_run(measure_run(replace(data, manifests=tuple(change(one) for one in data.manifests))))
        return Judged(run, recall)

    def _fresh(self) -> Path:
        folder = self.folder / f"run{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        return folder


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A folder of the test's own to train in."""
    return Lab(tmp_path)
