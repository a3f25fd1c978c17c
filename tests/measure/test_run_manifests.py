"""What a run's measurements take from its manifests, and real trainings on targets of either scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from postmortem.diagnose import judge
from postmortem.measure.run import measure_run
from postmortem.model import FoundFile, ImageSample, Manifest, Measurement, Plain, ReadOptions, RunData, RunMeasurements, Series, Targets
from postmortem.read.manifests.files import read_manifests

OPTIONS = ReadOptions()
TABLE = Manifest(
    "manifest.csv", 1000, "label", "split", "id", {"train": {"a": 500, "b": 300}, "validation": {"a": 130, "b": 70}}, 0, 0, {}, {},
    records={"train": 800, "validation": 200},
)  # fmt: skip


def series(tag: str, values: list[float]) -> Series:
    """One scalar, a step a value."""
    steps = np.arange(len(values), dtype=np.int64)
    return Series(tag, "", steps, np.array(values, dtype=np.float64), np.full(len(values), np.nan), "events")


def measured(*curves: Series, manifests: tuple[Manifest, ...], settings: Mapping[str, Plain] | None = None) -> RunMeasurements:
    """All measurements of a run with these curves and manifests."""
    return measure_run(RunData("run", "run", (), curves, (), dict(settings or {}), (), manifests, (), (), OPTIONS))


def values(run: RunMeasurements) -> dict[str, Measurement]:
    """Measurements by name."""
    return {one.name: one for one in run.measurements}


FALL = [0.7 * 0.99**step for step in range(200)]
NUMBERS = replace(TABLE, source="blood.csv", features={"R": (47.0, 2.5), "G": (26.0, 1.4)}, names_files=False)
"""A table of numbers, whose mean lies far from 0."""


@pytest.mark.parametrize(
    ("tag", "settings"), [("train/box_loss", {}), ("train/loss", {"data": "set/data.yaml", "imgsz": 640}), ("loss_bbox", {"epochs": 9})]
)
def test_a_table_of_numbers_is_not_what_a_detector_learned_from(tag: str, settings: Mapping[str, Plain]) -> None:
    """It is another project's, and a note says so; what the user named, and what lists images or boxes, stays."""
    seen = measured(series(tag, FALL), manifests=(NUMBERS,), settings=settings)
    assert "data.records" not in values(seen) and not any("blood.csv" in one.basis for one in seen.measurements)
    assert any(note.startswith("blood.csv: left aside, a table that names no files") for note in seen.notes)
    listing = replace(NUMBERS, key_column="image_id")
    for kept in (
        replace(NUMBERS, given=True),
        replace(NUMBERS, names_files=True),
        listing,
        replace(NUMBERS, features={"xmin": (9.0, 1.0)}),
    ):
        assert "data.records" in values(measured(series(tag, FALL), manifests=(kept,), settings=settings))


@pytest.mark.parametrize(("tag", "settings"), [("train/loss", {}), ("train/loss", {"data": "blood.csv"}), ("reg_loss", {"imgsz": 640})])
def test_a_table_beside_any_other_run_is_its_data(tag: str, settings: Mapping[str, Plain]) -> None:
    """The twin: where nothing speaks of images, the table beside the run is taken for what it learned from."""
    assert "data.records" in values(measured(series(tag, FALL), manifests=(NUMBERS,), settings=settings))


def test_two_classes_have_a_chance_level() -> None:
    """The twin of the next: with one label a record ln C is chance."""
    assert values(measured(series("train/loss", FALL), manifests=(TABLE,)))["loss.chance"].value == pytest.approx(np.log(2))


@pytest.mark.parametrize("kind", ["multiple", "objects"])
def test_several_labels_a_record_are_not_held_against_the_number_of_classes(kind: str) -> None:
    """A loss over labels of which several apply has no chance level ln 3, even where a setting gives the number of classes."""
    three = replace(TABLE, counts={"train": {"a": 500, "b": 300, "c": 80}})
    several = replace(three, labels="multiple") if kind == "multiple" else replace(three, labels="objects")
    found = values(measured(series("train/loss", FALL), manifests=(several,), settings={"num_classes": 3}))
    assert "loss.chance" not in found or found["loss.chance"].value == pytest.approx(np.log(2))


def test_a_logged_epoch_tells_the_passes() -> None:
    """It stands before steps times batch."""
    epochs = series("train/epoch", [step / 50 for step in range(200)])
    found = values(measured(series("train/loss", FALL), epochs, manifests=(TABLE,), settings={"batch_size": 32}))
    assert found["data.epochs"].value == pytest.approx(199 / 50)


def test_the_choice_among_manifests_is_told() -> None:
    """A table of predictions beside the data set is left aside, and the report says so."""
    run = measured(manifests=(replace(TABLE, source="predictions.csv", rows=5000), TABLE))
    assert any("manifest.csv: speaks for the data set" in note for note in run.notes)
    assert values(run)["data.records"].value == 1000


def test_a_manifest_that_the_user_gave_speaks(tmp_path: Path) -> None:
    """A small table that was named on the command line counts, and not the large one that was found."""
    for name, rows in (("found.csv", 400), ("named.csv", 60)):
        lines = "".join(f"r{row},{'ab'[row % 2]}\n" for row in range(rows))
        (tmp_path / name).write_text(f"id,label\n{lines}", encoding="utf-8")
    files = [FoundFile(path, path.name, "manifest", path.stat().st_size) for path in sorted(tmp_path.iterdir())]
    data = read_manifests(files, ReadOptions(manifests=(tmp_path / "named.csv",)))
    assert {one.source: one.given for one in data.manifests} == {"found.csv": False, "named.csv": True}
    assert values(measured(manifests=data.manifests))["data.records"].value == 60


def test_constants_in_settings_meet_a_sample_of_images() -> None:
    """Pixels that settings say are not rescaled, with constants for pixels of 0 to 1, fail; the same constants on rescaled ones pass."""
    known: dict[str, Plain] = {f"{name}.{index}": value for name, value in (("image_mean", 0.5), ("image_std", 0.25)) for index in range(3)}
    pictures = replace(TABLE, images=ImageSample(40, (0.5, 0.45, 0.4), (0.25, 0.25, 0.3)))
    for rescaled, status in ((False, "fail"), (True, "pass")):
        report = judge(measured(manifests=(pictures,), settings={**known, "do_rescale": rescaled}))
        assert {check.id: check.status for check in report.checks}["unscaled-inputs"] == status


def trained(scaled: bool) -> tuple[list[float], Targets]:
    """Losses of a small regression on raw or standardized targets, and what the manifest tells of the raw ones."""
    torch.manual_seed(3)
    inputs = torch.randn(600, 6)
    raw = 220 + 80 * torch.tanh(inputs[:, 0] + 0.5 * inputs[:, 1])
    mean, deviation = float(raw.mean()), float(raw.std(unbiased=False))
    targets = (raw - mean) / deviation if scaled else raw
    model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    rate = 0.02 if scaled else 1e-4
    losses = []
    for step in range(200):
        batch = slice(step % 10 * 60, step % 10 * 60 + 60)
        loss = torch.nn.functional.mse_loss(model(inputs[batch])[:, 0], targets[batch])
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter.sub_(gradient, alpha=rate)
        losses.append(loss.item())
    return losses, Targets(600, mean, deviation, float(raw.min()), float(raw.max()), 600)


@pytest.mark.parametrize(("scaled", "status"), [(False, "warn"), (True, "pass")], ids=["raw", "standardized"])
def test_a_training_on_raw_targets_is_told_from_one_on_scaled_ones(scaled: bool, status: str) -> None:
    """The same manifest, twins that differ in the loader only: the first loss shows which targets the model sees."""
    losses, targets = trained(scaled)
    prices = Manifest("prices.csv", 600, "price", None, None, {}, 0, None, {}, {}, records={"": 600}, targets=targets, labels="targets")
    report = judge(measured(series("train/mse_loss", losses), manifests=(prices,)))
    found = {check.id: check for check in report.checks}
    assert found["unscaled-targets"].status == status, found["unscaled-targets"].finding.reason
    assert found["skewed-classes"].status == "not-applicable"
