"""What a training is, completely: its settings, and how it is logged and saved."""

from __future__ import annotations

from dataclasses import dataclass

STATE = ("layers", "optimizer", "scheduler", "scaler")
"""What a process that is started again can load besides the weights. Without `layers` the last one is drawn anew."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a run is left on the disk. A run and its twin have the same style."""

    logs: str = "tensorboard"
    """A writer of `writing/scalars.py`: `tensorboard`, `tensorboard-split`, `tensors`, `lightning-csv`, `keras-csv`, `jsonl`, `console`,
    `trainer-state` or `none`."""
    tags: str = "slash"
    """A row of `writing/tags.py`: `slash` (train/loss), `bare` (loss, val_loss), `lightning`, `capital` (Loss/train) or `hugging-face`."""
    points: int = 100
    """Logged points of the training loss, evenly spaced."""
    validations: int = 25
    """Logged points of the validation loss."""
    roles: tuple[str, ...] = ("loss", "validation_loss", "lr")
    """Which scalars are logged, of those that the loop knows."""
    layout: str = "numbered"
    """A layout of `writing/checkpoints.py`, or `none`."""
    checkpoints: int = 4
    """Checkpoints after the one at step 0, evenly spaced, the last at the end."""
    first: bool = True
    """Whether the weights before the first step are saved."""
    optimizer_state: bool = True
    manifest: str = "none"
    """A writer of `writing/manifests.py`: `csv`, `jsonl`, `tsv` or `none`."""
    settings: str = "none"
    """Where the settings stand: `hparams.yaml`, `config.json` or `none`."""
    watched: tuple[str, ...] = ()
    """What is measured layer by layer at logged steps: `gradient-norms`, `weight-norms`, `updates`, `activations`, and for writers of event
    files `weight-histograms` and `gradient-histograms`."""
    histograms: int = 4
    """Times that histograms are written, evenly spaced, beside step 0."""
    tells_skips: bool = False
    """Whether the console tells each step that the gradient scaler skipped."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of one training. What a user's script could set wrongly is a field; deeper faults are hooks of `Fault`."""

    steps: int = 400
    batch_size: int = 32
    optimizer: str = "adam"
    """`adam`, `adamw`, `sgd` (with `momentum`) or `rmsprop`."""
    lr: float = 3e-3
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    schedule: str = "constant"
    """`constant`, `cosine` or `linear` (to 0 at `schedule_steps`), `restarts` (cosine, four periods), `steps` (a tenth each third)."""
    schedule_steps: int | None = None
    """Steps after which the schedule has run out; None is the planned end."""
    warm_up: float = 0.0
    """Share of the steps over which the learning rate rises from near 0."""
    clip_norm: float | None = None
    penalty: float = 0.0
    """Weight of the sum of squares of all matrices in the loss; the part is logged as `penalty`."""
    label_smoothing: float = 0.0
    class_weights: bool = False
    """Whether the loss weights classes by inverse frequency."""
    augmentation: float = 0.0
    """Standard deviation of the noise on training inputs, in units of theirs."""
    weights: str = "float32"
    """`float32`, `bfloat16` or `float16`: the dtype in which weights and optimizer state are kept."""
    momentum_of_batchnorm: float = 0.1
    mixed: bool = False
    """Whether gradients pass through float16 under a gradient scaler, as under autocast."""
    growth_interval: int = 2000
    """Steps without an overflow after which the scaler doubles its scale."""
    ended: float = 1.0
    """Share of the steps at which the process ended."""
    restores: tuple[str, ...] | None = None
    """What it loads besides weights when it is started again from its last snapshot, of `STATE`; None: it never was."""
    lr_after: float | None = None
    """The learning rate with which it is started again, where that is another."""
    ranks: int = 1
    """Processes that train replicas of the model, each on batches of its own."""
    unsynchronized: str = ""
    """What they do not do alike, a word of `ranks.py`."""
    planned_steps: int | None = None
    """Steps that the settings and the trainer's state name; None is `steps`. A run that was cut short has more."""
    seed: int = 0
