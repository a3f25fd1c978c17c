"""Train the sample runs and lay them down beside this file.

python sample_runs/make.py [--only NAME] [--out DIR]

Each run with a fault is trained next to its healthy twin, which differs in the fault alone, and must come out measurably worse. The
same torch on the same kind of machine gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import time
from pathlib import Path

# Both are read when torch is loaded: kernels that do not depend on the processor's vector units. oneDNN's are switched off below.
os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")
os.environ.setdefault("MKL_CBWR", "COMPATIBLE")

import torch
from making import manifests
from making.events import write_events
from making.recipe import Recipe
from making.recipes import RECIPES
from making.training import Point, Setup, Trained, train

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Make all runs, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="make this run alone")
    parser.add_argument("--out", metavar="DIR", type=Path, default=HERE, help="folder for the runs (default: beside this file)")
    options = parser.parse_args()
    chosen = [recipe for recipe in RECIPES if options.only in (None, recipe.name)]
    if not chosen:
        parser.error(f"no run is called {options.only}; there are {', '.join(recipe.name for recipe in RECIPES)}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.set_flags(False)
    worked = [make(recipe, options.out) for recipe in chosen]
    return 0 if all(worked) else 1


def make(recipe: Recipe, out: Path) -> bool:
    """Train a run and its twin, write the run, print one line; whether the run is as sick or as well as it is said to be."""
    started = time.monotonic()
    trained = train(recipe.setup)
    ends = summary(trained)
    role, bound = recipe.proof
    if recipe.sick:
        twin = summary(train(recipe.healthy))
        worked = not ends[role] < bound * twin[role]
        beside = f"twin {_shown(twin)}"
    else:
        worked = ends[role] <= bound
        beside = "healthy"
    write(recipe, trained, out / recipe.name)
    size = sum(file.stat().st_size for file in (out / recipe.name).rglob("*") if file.is_file())
    mark = "" if worked else f"  NOT PROVED by {role} {bound}"
    sys.stdout.write(f"{recipe.name:8} {_shown(ends)}  |  {beside}  |  {size / 1000:.0f} kB, {time.monotonic() - started:.1f} s{mark}\n")
    sys.stdout.flush()
    return worked


def summary(trained: Trained) -> dict[str, float]:
    """Where a training ended, with the share of the second class that it misses as `missed_rare` where there are two."""
    ends = trained.end()
    if trained.data.classes == 2:
        rows = torch.arange(trained.data.train, len(trained.data.inputs))
        rare = rows[trained.data.targets[rows] == 1]
        trained.model.eval()
        with torch.no_grad():
            ends["missed_rare"] = float((trained.model(trained.data.inputs[rare]).argmax(dim=1) != 1).float().mean())
    return ends


def _shown(ends: dict[str, float]) -> str:
    keys = {"first_loss": "first", "loss": "loss", "validation_loss": "val", "validation_accuracy": "val acc", "missed_rare": "missed"}
    return " ".join(f"{name} {ends[key]:.3g}" for key, name in keys.items() if key in ends)


def write(recipe: Recipe, trained: Trained, folder: Path) -> None:
    """Lay a training down as its recipe says."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for session in sorted({point.session for point in trained.points}):
        write_session(recipe, trained, [point for point in trained.points if point.session == session], folder)
    recipe.layout(folder, trained)
    if recipe.manifest is not None:
        recipe.manifest(folder, manifests.rows(trained.data, recipe.columns))
    truth = {
        "verdict": recipe.verdicts[0] if recipe.sick else "healthy",
        "verdicts": list(recipe.verdicts) if recipe.sick else ["healthy"],
        "causes": list(recipe.causes),
        "fault": recipe.fault,
        "seed": recipe.setup.seed,
    }
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


def write_session(recipe: Recipe, trained: Trained, points: list[Point], folder: Path) -> None:
    """Write the event file, or the two, of one process of a training."""
    split = bool(recipe.validation_events)
    session = points[0].session
    per_epoch = max(1, trained.data.train // trained.setup.batch_size)
    kept = by_epoch(points, per_epoch) if split else points
    train_side = [
        (
            point.step,
            {tag: point.values[role] for role, tag in recipe.tags.items() if role in point.values and not (split and "validation" in role)},
        )
        for point in kept
    ]
    histograms = [(point.step, {recipe.histograms + layer: out for layer, out in point.activations.items()}) for point in points]
    settings = honest_settings(trained.setup, trained.data.classes) if recipe.settings else None
    write_events(folder / recipe.events, train_side, settings, histograms if recipe.histograms else (), session, as_tensors=split)
    if split:
        other = [(point.step, {tag: point.values[role] for role, tag in recipe.tags.items() if "validation" in role}) for point in kept]
        write_events(folder / recipe.validation_events, other, session=session, as_tensors=True)


def by_epoch(points: list[Point], per_epoch: int) -> list[Point]:
    """One point an epoch, as Keras logs: training scalars are means over the epoch, validation stands at its end."""
    epochs: list[Point] = []
    for epoch in range(math.ceil(points[-1].step / per_epoch)):
        within = [point.values for point in points if epoch * per_epoch < point.step <= (epoch + 1) * per_epoch]
        roles = dict.fromkeys(role for values in within for role in values)
        logged = {role: [values[role] for values in within if role in values] for role in roles}
        values = {role: of[-1] if "validation" in role or role == "lr" else sum(of) / len(of) for role, of in logged.items()}
        epochs.append(Point(epoch, 0, values))
    return epochs


def honest_settings(setup: Setup, classes: int) -> dict[str, str | float | bool]:
    """The hyper-parameters that a training script logs, as they were."""
    settings: dict[str, str | float | bool] = {
        "dataset": setup.data.source,
        "model": setup.net.kind,
        "hidden": "-".join(str(width) for width in setup.net.hidden),
        "optimizer": setup.optimizer,
        "lr": setup.lr,
        "batch_size": setup.batch_size,
        "max_steps": setup.steps,
        "weight_decay": setup.weight_decay,
        "pretrained": setup.pretrained is not None,
        "seed": setup.seed,
    }
    if setup.net.kind == "mlp":
        settings["activation"] = setup.net.activation
    if classes and setup.net.kind != "transformer":
        settings["num_classes"] = classes
    return settings


if __name__ == "__main__":
    raise SystemExit(main())
