"""What a training is made of and what it leaves: records, scalars, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from torch import Tensor, nn

from faults.plan import Plan, Style

Draw = Literal["first", "second", "third", "fourth", "fifth"]
"""Sets of tasks in the order in which they were written."""
Half = Literal["tuning", "reporting"]
Kind = Literal["classification", "language", "regression", "likelihood", "reconstruction", "variational", "adversarial", "policy"]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Records in order: training first, then validation."""

    inputs: Tensor
    """(records, ...), float32, or int64 where they are characters."""
    targets: Tensor
    """(records,) int64 classes, (records, length) int64 characters, or (records,) float32."""
    train: int
    """The first `train` records are for training."""
    classes: int = 0
    """Width of the softmax: classes, or characters of a language model. 0 for everything else."""
    class_names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    """Names of the input columns where the inputs are a table."""
    keys: tuple[str, ...] = ()
    """Identity of each record, for the manifest; empty numbers them."""
    weights: Tensor | None = None
    """(classes,) weights of the loss, set by the loop where the plan asks for them."""


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """The loss of some records."""

    data: Tensor
    """What is minimized, without penalties: a scalar."""
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    """Further scalars to log, such as `kl`."""
    accuracy: float | None = None


LossFunction: TypeAlias = Callable[[nn.Module, Tensor, Tensor, Data, Plan], Losses]
"""Model, inputs, targets, the data they are from, the plan."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """What is logged at one step; scalars by role: `loss`, `validation_loss`, `accuracy`, `lr`, `gradient_norm@fc1.weight`, ..."""

    step: int
    session: int
    """0, and 1 after a resumption."""
    values: Mapping[str, float]
    histograms: Mapping[str, Tensor] = field(default_factory=dict)
    """Values whose histograms are logged at this step, by role."""
    skipped: tuple[tuple[int, float], ...] = ()
    """Steps since the last point that the gradient scaler skipped, each with the scale that it set then."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that a checkpoint can hold."""

    step: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    """`optimizer.state_dict()`; empty where none was kept."""
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)
    """`GradScaler.state_dict()`, where the run has one."""
    parameters: tuple[str, ...] = ()
    """Names of the parameters in the order in which the optimizer lists them."""
    replicas: tuple[tuple[Mapping[str, Tensor], Mapping[str, Any]], ...] = ()
    """Model and optimizer of the other ranks."""
    other: Mapping[str, Any] = field(default_factory=dict)
    """Further entries of the file, such as a second optimizer, by key."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training leaves, before it is written."""

    plan: Plan
    style: Style
    data: Data
    points: tuple[Point, ...]
    snapshots: tuple[Snapshot, ...]
    score: float
    """How bad the trained model is on validation records as they should be: lower is better, NaN where it is broken."""
    untrained: float
    """The same before the first step, of the model as it should start."""
    settings: Mapping[str, str | float | bool] = field(default_factory=dict)
    """What a training script logs of its settings, as they were."""


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to train. Draws never share architecture and data, so that nothing is reported on what was tuned on."""

    name: str
    draw: Draw
    architecture: str
    kind: Kind
    data: Callable[[int], Data]
    """Seed to records."""
    model: Callable[[Data, int], nn.Module]
    """Records and seed to the network before training."""
    plan: Plan
    """Settings with which it learns."""
    learned: float
    """A training has learned where its score is at most this share of the untrained model's."""
    tags: frozenset[str] = frozenset()
    """What a fault may ask for: `relu`, `tanh`, `sigmoid`, `deep`, `batchnorm`, `images`, `text`, `table`, `pretrained`, `recurrent`,
    `transformer`, `classes` (a classification), `dropout` ..."""
    loss: LossFunction | None = None
    """None takes that of the kind."""
    train: Callable[[Task, Plan, Style, Fault | None], Trained] | None = None
    """A training loop of its own (adversarial pairs, policies); None takes the common one."""


def half_of(draw: Draw) -> Half:
    """The newest draw is reported on; those before it were reported on once, were looked into, and tune since."""
    return "reporting" if draw == get_args(Draw)[-1] else "tuning"


def _same_plan(plan: Plan) -> Plan:
    return plan


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which a training goes wrong, or, in `healthy/`, one way in which a training looks wrong and is not.

    A fault is a change of the plan, and hooks where a setting does not reach. Everything random in a hook comes from the plan's seed.
    """

    name: str
    """Unique within its file; what is done, such as `reduction-summed`."""
    severity: Literal["blatant", "clear", "subtle"]
    told: str
    """What was done to the run, in one sentence."""
    proof: Literal["worse", "construction"] = "worse"
    """`worse`: it must score measurably worse than its twin. `construction`: the fault is there whatever the score is."""
    accepted: tuple[str, ...] = ()
    """Other causes that may stand first: names of the same fault, seen from another side."""
    also: tuple[str, ...] = ()
    """Causes that are true of the run as well, because this fault brings them about; not enough as the first."""
    wants: frozenset[str] = frozenset()
    """Tags that a task must have."""
    spares: frozenset[str] = frozenset()
    """Tags that a task must not have."""
    style: Callable[[Style], Style] | None = None
    """A change of how the run and its twin are written, where the fault cannot be there without."""
    base: Callable[[Plan], Plan] = _same_plan
    """A change of the plan of the run and of its twin, such as an optimizer that the fault needs."""
    plan: Callable[[Plan], Plan] = _same_plan
    data: Callable[[Data, Plan], Data] | None = None
    model: Callable[[nn.Module, Data, Plan], nn.Module | None] | None = None
    """Changes the network before the first step, in place or by another."""
    loss: Callable[[LossFunction], LossFunction] | None = None
    """Wraps the training loss (validation is logged with it, scored without it)."""
    start: Callable[[Loop], None] | None = None
    """Called when optimizer and scheduler are there, before step 0."""
    gradients: Callable[[Loop], None] | None = None
    """Called each step after the backward pass, before clipping."""
    update: Callable[[Loop], bool] | None = None
    """Called each step in place of `optimizer.step()`; whether the scheduler steps."""
    after: Callable[[Loop], None] | None = None
    """Called each step after the update."""
    trained: Callable[[Trained], Trained] | None = None
    """A change of what is left, before it is written."""
    files: Callable[[Any, Trained], None] | None = None
    """A change of the folder (pathlib.Path) after it was written."""
    sampler: Callable[[Data, Plan], Any] | None = None
    """An iterator over batches of row numbers in place of shuffled epochs."""
    settings: Mapping[str, float | str] = field(default_factory=dict)
    """Read by tasks with a training loop of their own."""


@dataclass(slots=True, eq=False)
class Loop:
    """The state of a running training, as hooks see it."""

    task: Task
    plan: Plan
    style: Style
    fault: Fault | None
    data: Data
    model: nn.Module
    optimizer: Any
    scheduler: Any
    generator: Any
    """torch.Generator seeded from the plan, for hooks."""
    step: int = 0
    session: int = 0
    scaler: Any = None
    """A torch.amp.GradScaler, or a stand-in with `state_dict`, where a hook set one."""
    parameters: tuple[str, ...] = ()
    others: list[Loop] = field(default_factory=list)
    """The other ranks of the job."""
    points: list[Point] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    logged: dict[str, float] = field(default_factory=dict)
    """Scalars that a hook adds to the next point, by role."""
    skipped: list[tuple[int, float]] = field(default_factory=list)
    """Steps since the last point that the scaler skipped, and the scale that it set."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Whatever a hook wants to keep from one step to the next."""
