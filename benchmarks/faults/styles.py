"""Which style a run gets: combinations that belong together, dealt out evenly."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from faults.plan import Style

USUAL = ("loss", "validation_loss", "lr")
MORE = (*USUAL, "accuracy", "validation_accuracy")
FULL = (*MORE, "gradient_norm", "penalty", "data_loss", "kl", "reconstruction")

STYLES: tuple[Style, ...] = (
    Style("tensorboard", "slash", 100, 25, (*USUAL, "penalty"), "numbered", settings="hparams.yaml", manifest="csv"),
    Style("lightning-csv", "lightning", 80, 20, (*MORE, "penalty"), "lightning", settings="hparams.yaml"),
    Style("trainer-state", "hugging-face", 50, 10, USUAL, "hugging-face"),
    Style("tensorboard", "bare", 40, 20, (*MORE, "penalty"), "by-epoch", manifest="jsonl"),
    Style("keras-csv", "bare", 100, 20, MORE, "tensors-only", manifest="csv"),
    Style("tensorboard", "capital", 100, 50, FULL, "bare", 5, settings="config.json", manifest="tsv"),
    Style("jsonl", "slash", 60, 15, (*USUAL, "gradient_norm"), "numbered", 3, settings="config.json"),
    Style("tensorboard-split", "bare", 100, 25, MORE, "by-epoch", manifest="csv"),
    Style("console", "bare", 50, 10, USUAL, "bare", 4),
    Style("tensors", "slash", 100, 20, FULL, "parallel", manifest="jsonl"),
    Style("tensorboard", "hugging-face", 20, 5, ("loss", "validation_loss", "lr"), "numbered", 2, settings="hparams.yaml"),
    Style("tensorboard", "slash", 100, 25, ("loss", "accuracy", "validation_loss", "validation_accuracy"), "tensors-only", manifest="csv"),
    Style(
        "tensorboard", "slash", 100, 25, (*MORE, "gradient_norm", "penalty", "loss_scale"), "numbered",
        settings="hparams.yaml", manifest="csv", watched=("gradient-norms", "weight-histograms", "gradient-histograms"),
    ),
    Style(
        "tensorboard", "capital", 50, 25, (*USUAL, "loss_scale"), "by-epoch", settings="config.json", manifest="jsonl",
        watched=("activations", "updates", "weight-histograms"), histograms=6,
    ),
    Style(
        "lightning-csv", "lightning", 80, 20, (*MORE, "gradient_norm", "penalty"), "lightning", settings="hparams.yaml",
        watched=("gradient-norms",),
    ),
    Style(
        "jsonl", "bare", 60, 15, (*USUAL, "gradient_norm", "penalty", "loss_scale"), "bare", 3, settings="config.json", manifest="tsv",
        watched=("gradient-norms", "weight-norms"),
    ),
    Style("console", "bare", 50, 10, (*USUAL, "gradient_norm", "loss_scale"), "numbered", 4, tells_skips=True),
)  # fmt: skip
"""The last five log what is seen layer by layer, or what the gradient scaler says."""


def style_of(seed: int, kind: str) -> Style:
    """The style of a run: by its seed, so that neighbours differ. Penalties are logged where there are any."""
    at = int.from_bytes(hashlib.sha256(f"{seed} {kind}".encode()).digest()[:4], "big")
    style = STYLES[at % len(STYLES)]
    # Gradient norms are in the Trainer's state whether asked for or not; own tags of a task are always kept.
    return replace(style, roles=tuple(dict.fromkeys(style.roles)))
