"""Runs that log more than losses: what is measured layer by layer is right, and stands in the files as trainers write it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from faults import registry, watching
from faults.loop import train
from faults.nouns import Fault, Loop, Trained
from faults.styles import STYLES
from faults.writing.histograms import histogram
from faults.writing.scalars import write_scalars
from torch import Tensor, nn

from postmortem.model import FoundFile
from postmortem.read.events.files import EventData, read_events

LATEST = STYLES[-5:]
STEPS = 40


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_norms_and_updates_are_those_of_the_tensors() -> None:
    """A matrix of ones of shape 2 x 8 has norm 4; halved, its update is half of it."""
    layer = nn.Linear(8, 2, bias=False)
    nn.init.ones_(layer.weight)
    layer.weight.grad = torch.full((2, 8), 3.0)
    found = watching.norms(layer, ("gradient-norms", "weight-norms"))
    assert found == pytest.approx({"gradient_norm@weight": 12.0, "weight_norm@weight": 4.0})
    before = watching.copies(layer, ("updates",))
    with torch.no_grad():
        layer.weight.mul_(0.5)
    assert watching.updates(layer, before) == pytest.approx({"update_ratio@weight": 0.5})
    assert not watching.copies(layer, ()) and not watching.norms(layer, ())


def test_activations_are_those_of_the_first_pass() -> None:
    """Of -1, 0, 3, 5 a ReLU leaves two zeros; a second pass within is not counted, and no hook stays."""
    model = nn.Sequential(nn.ReLU())
    with watching.activations(model, ("activations",)) as seen:
        model(torch.tensor([-1.0, 0.0, 3.0, 5.0]))
        model(torch.zeros(4))
    assert seen == pytest.approx({"activation_zeros@0": 0.5, "activation_mean@0": 2.0, "activation_std@0": 4.5**0.5})
    model(torch.zeros(4))
    assert seen["activation_mean@0"] == 2.0


@pytest.mark.parametrize(
    "values", [torch.randn(999, generator=torch.Generator().manual_seed(3)), torch.zeros(7), torch.tensor([-2.0, 5e-9])]
)
def test_histograms_count_every_value(values: Tensor) -> None:
    """All values stand in buckets whose edges enclose them, and the moments are theirs."""
    made = histogram(values)
    assert made is not None
    assert sum(made.bucket) == len(values) == made.num
    assert len(made.bucket) == len(made.bucket_limit) and made.bucket_limit == sorted(made.bucket_limit)
    assert made.min == float(values.min()) and made.max == float(values.max()) <= made.bucket_limit[-1]
    below = np.cumsum(made.bucket)
    for limit, count in zip(made.bucket_limit, below, strict=True):
        assert count == int((values.double() < limit).sum())


def test_values_that_are_not_finite_have_no_histogram() -> None:
    """A histogram of NaN cannot be written: scripts leave it out."""
    assert histogram(torch.tensor([1.0, torch.nan])) is None
    assert histogram(torch.tensor([3e30])) is None


def _trained(number: int) -> Trained:
    task = registry.tasks()["digits-mlp"]
    used = replace(task.plan, steps=STEPS, seed=5)
    trained = train(task, used, replace(LATEST[number], points=20, validations=10, histograms=5), None)
    own = dict.fromkeys(role for point in trained.points for role in point.values if "@" in role)
    return replace(trained, style=replace(trained.style, roles=(*trained.style.roles, *own)))


def _matrices(trained: Trained) -> list[str]:
    return [name for name, each in trained.snapshots[0].model.items() if each.dim() >= 2]


def test_watching_changes_no_training() -> None:
    """A training ends with the same weights whether or not its layers are watched."""
    task = registry.tasks()["digits-mlp"]
    plan = replace(task.plan, steps=STEPS, seed=5)
    ends = [train(task, plan, replace(style, checkpoints=1), None).snapshots[-1].model for style in (STYLES[0], *LATEST[:4])]
    assert all(torch.equal(end[name], each) for end in ends for name, each in ends[0].items())


def _read(folder: Path) -> EventData:
    paths = sorted(folder.rglob("events*"))
    return read_events([FoundFile(path, path.name, "events", path.stat().st_size) for path in paths])


@pytest.mark.parametrize(
    ("number", "scalar", "histograms"), [(0, "grad_norm/{}", ("weights/{}", "gradients/{}")), (1, "Update_ratio/{}", ("Weights/{}",))]
)
def test_event_files_hold_scalars_and_histograms_by_layer(number: int, scalar: str, histograms: tuple[str, ...], tmp_path: Path) -> None:
    """Each matrix has its scalar at logged steps, and its histograms, of all its values, at fewer."""
    trained = _trained(number)
    write_scalars(trained, tmp_path)
    data = _read(tmp_path)
    series = {each.tag: each for each in data.series}
    found = {each.tag: each for each in data.histograms}
    assert not data.problems
    for name in _matrices(trained):
        assert len(series[scalar.format(name)].values) == 20 + (number == 0), "the last step updates nothing"
        for pattern in histograms:
            each = found[pattern.format(name)]
            assert each.steps == (0, 8, 16, 24, 32, 40)
            assert {int(counts.sum()) for counts in each.counts} == {trained.snapshots[0].model[name].numel()}
    assert len(found) == len(histograms) * len(_matrices(trained))


def test_activations_are_logged_by_module(tmp_path: Path) -> None:
    """Each ReLU has its share of zeros, mean and deviation, all of them what a ReLU can give."""
    trained = _trained(1)
    write_scalars(trained, tmp_path)
    series = {each.tag: each.values for each in _read(tmp_path).series}
    zeros = {tag: values for tag, values in series.items() if tag.startswith("Activation_sparsity/")}
    assert zeros and all(0 < value < 1 for values in zeros.values() for value in values)
    for tag in zeros:
        layer = tag.partition("/")[2]
        assert min(*series[f"Activation_mean/{layer}"], *series[f"Activation_std/{layer}"]) > 0


def test_lightnings_table_has_a_column_for_each_gradient(tmp_path: Path) -> None:
    """Squares of the norms by layer add up to the square of the total, as Lightning logs both."""
    trained = _trained(2)
    write_scalars(trained, tmp_path)
    with (tmp_path / "lightning_logs/version_0/metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    first = {column: float(value) for column, value in rows[0].items() if value}
    parts = [value for column, value in first.items() if column.startswith("grad_2.0_norm/net.")]
    assert len(parts) == len(list(trained.snapshots[0].model))
    assert sum(part**2 for part in parts) == pytest.approx(first["grad_2.0_norm_total"] ** 2, rel=1e-5)


def test_lines_of_json_hold_norms_of_weights_and_gradients(tmp_path: Path) -> None:
    """The weights' norm that is logged at a checkpoint's step is that of the checkpoint."""
    trained = _trained(3)
    write_scalars(trained, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in _matrices(trained):
        assert rows[0][f"param_norm/{name}"] == pytest.approx(float(trained.snapshots[0].model[name].norm()))
        assert rows[0][f"grad_norm/{name}"] > 0


@pytest.mark.parametrize("seed", [4, 5])
def test_the_console_tells_each_skipped_step(seed: int, tmp_path: Path) -> None:
    """Five overflows are five lines in the words of DeepSpeed or Apex, each with half the scale before it; a run without is silent."""
    task = registry.tasks()["digits-mlp"]

    def overflow(loop: Loop) -> None:
        gradient = next(loop.model.parameters()).grad
        if 10 <= loop.step < 15 and gradient is not None:
            gradient[0] = torch.inf

    fault = Fault("overflow", "clear", "Five steps overflowed.", gradients=overflow)
    trained = train(task, replace(task.plan, steps=STEPS, seed=seed, mixed=True), LATEST[4], fault)
    write_scalars(trained, tmp_path)
    told = [line for line in (tmp_path / "train.log").read_text(encoding="utf-8").splitlines() if "kipping step" in line]
    assert [float(line.split()[-1]) for line in told] == [65536 / 2**halvings for halvings in range(1, 6)]
    assert all(line.startswith("Gradient overflow." if seed % 2 else "[deepspeed] OVERFLOW!") for line in told)
    write_scalars(_trained(4), tmp_path)
    assert "kipping" not in (tmp_path / "train.log").read_text(encoding="utf-8")


def test_keras_files_hold_no_layers(tmp_path: Path) -> None:
    """Where a fault asks for a writer that knows no layers, what was watched is left out."""
    trained = _trained(3)
    write_scalars(replace(trained, style=replace(trained.style, logs="keras-csv")), tmp_path)
    assert (tmp_path / "training.log").read_text(encoding="utf-8").splitlines()[0].split(",")[:3] == ["epoch", "gradient_norm", "loss"]


@pytest.mark.parametrize(("name", "layer"), [("moons-critic", "discriminator.0.weight"), ("rod-ppo", "trunk.0.weight")])
def test_pairs_and_policies_are_watched_too(name: str, layer: str) -> None:
    """Trainings with a loop of their own log gradients by layer, and histograms, where the style asks for them, and only there."""
    task = registry.tasks()[name]
    assert task.train is not None
    plan = replace(task.plan, steps=6, seed=5)
    watched = task.train(task, plan, LATEST[0], None)
    assert all(point.values[f"gradient_norm@{layer}"] > 0 for point in watched.points)
    assert f"gradient_norm@{layer}" in watched.style.roles
    assert watched.points[0].histograms[f"weights@{layer}"].dim() == 2
    plain = task.train(task, plan, STYLES[0], None)
    assert not any("@" in role for point in plain.points for role in (*point.values, *point.histograms))
