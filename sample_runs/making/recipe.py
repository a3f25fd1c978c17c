"""What a recipe of a sample run is, and the families of tag names that recipes log under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from making.checkpoints import Layout
from making.manifests import ManifestWriter
from making.training import Setup

SLASHED = {
    "loss": "train/loss",
    "validation_loss": "val/loss",
    "accuracy": "train/accuracy",
    "validation_accuracy": "val/accuracy",
    "lr": "train/lr",
    "gradient_norm": "train/grad_norm",
}
CAPITAL = {
    "loss": "Loss/train",
    "validation_loss": "Loss/val",
    "accuracy": "Accuracy/train",
    "validation_accuracy": "Accuracy/val",
    "lr": "LR",
    "gradient_norm": "Gradient Norm",
}
BARE = {"loss": "loss", "validation_loss": "val_loss", "accuracy": "accuracy", "validation_accuracy": "val_accuracy", "lr": "learning_rate"}
UNDERSCORED = {
    "loss": "train_loss_step",
    "accuracy": "train_acc",
    "validation_loss": "val_loss",
    "validation_accuracy": "val_acc",
    "lr": "lr-Adam",
}
PARTS = {"loss": "total_loss", "data_loss": "data_loss", "penalty": "regularization_loss", "validation_loss": "val_loss", "lr": "lr"}
TRAINER = {"loss": "train/loss", "validation_loss": "eval/loss", "lr": "train/learning_rate", "gradient_norm": "train/grad_norm"}
SPLIT = {
    "loss": "epoch_loss",
    "validation_loss": "epoch_loss",
    "accuracy": "epoch_accuracy",
    "validation_accuracy": "epoch_accuracy",
    "lr": "epoch_learning_rate",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One sample run."""

    name: str
    healthy: Setup
    layout: Layout
    tags: Mapping[str, str]
    """Role -> tag; what has no tag is not logged."""
    events: str
    """Folder of the event file, relative to the run's."""
    manifest: ManifestWriter | None = None
    columns: bool = False
    """Whether the manifest holds the inputs as well."""
    settings: bool = True
    """Whether hyper-parameters are logged."""
    histograms: str = ""
    """Prefix of the activation histograms' tags; empty logs none."""
    validation_events: str = ""
    """Folder of a second event file for the validation scalars; empty writes all into one."""
    sick: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the setup that the fault replaces: `lr`, `net.gain`, `data.train_records`; empty for a healthy run."""
    fault: str = ""
    """What was done, one sentence; empty for a healthy run."""
    causes: tuple[str, ...] = ()
    """Causes that may stand first."""
    verdicts: tuple[str, ...] = ("failed",)
    proof: tuple[str, float] = ("loss", 1.0)
    """A scalar of `Trained.end`. Sick: at least so many times the twin's. Healthy: at most so large."""

    @property
    def setup(self) -> Setup:
        """The training that is saved."""
        return changed(self.healthy, self.sick)


def changed(setup: Setup, fields: Mapping[str, Any]) -> Setup:
    """The setup with some fields replaced; a dot reaches into its data and its net."""
    for path, value in fields.items():
        part, _, name = path.rpartition(".")
        if part:
            setup = replace(setup, **{part: replace(getattr(setup, part), **{name: value})})
        else:
            setup = replace(setup, **{name: value})
    return setup
