"""Runs that were started again from saved weights without the rest, or with other settings. Their twins load everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault
from faults.plan import STATE, Plan, Style

_SPARES = frozenset({"adversarial", "policy"})
_CLASSES = frozenset({"classes"})


def _again(ended: float, optimizer: str = "", schedule: str = "", mixed: bool = False) -> Callable[[Plan], Plan]:
    """A process that ended at a share of the steps and was started again with all of its state."""

    def changed(plan: Plan) -> Plan:
        plan = replace(plan, ended=ended, restores=STATE, mixed=mixed, schedule=schedule or plan.schedule)
        rate = {"sgd": 0.03, "rmsprop": 1e-3, "adam": 2e-3, "adamw": 2e-3}
        return replace(plan, optimizer=optimizer, lr=rate[optimizer]) if optimizer else plan

    return changed


def _without(*lost: str) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, restores=tuple(part for part in STATE if part not in lost))


def _kept(*layouts: str, logged: tuple[str, ...] = ()) -> Callable[[Style], Style]:
    """Enough checkpoints, and the learning rate is logged."""

    def changed(style: Style) -> Style:
        layout = style.layout if style.layout in layouts or not layouts else layouts[0]
        logs, tags = style.logs, style.tags
        if layout == "hugging-face":
            logs = "trainer-state"
        elif logs == "trainer-state":
            logs, tags = "tensorboard", "slash"
        roles = tuple(dict.fromkeys((*style.roles, "lr", *logged)))
        return replace(style, layout=layout, logs=logs, tags=tags, checkpoints=max(5, style.checkpoints), roles=roles)

    return changed


def _other_rate(factor: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, lr_after=plan.lr * factor)


_COUNTED = ("numbered", "lightning", "hugging-face", "bare", "parallel")
FAULTS = (
    Fault(
        "weights-only", "blatant", "Started again from weights alone, with a new optimizer and a new schedule.", "construction",
        base=_again(0.7), plan=_without("optimizer", "scheduler", "scaler"), style=_kept(*_COUNTED), spares=_SPARES | {"recurrent"},
    ),
    Fault(
        "schedule-begun-again", "clear", "Started again with the optimizer but without the scheduler: the rate rose to its peak again.",
        "construction", base=_again(0.8, schedule="cosine"), plan=_without("scheduler"), spares=_SPARES,
        style=_kept("numbered", "lightning", "hugging-face"),
    ),
    Fault(
        "layer-not-loaded", "clear", "Started again with loading that was not strict: the last layer was drawn anew.", "construction",
        base=_again(0.7), plan=_without("layers"), style=_kept(*_COUNTED, "tensors-only"), spares=_SPARES,
    ),
    Fault(
        "other-rate", "clear", "Started again at 10 times the learning rate of the settings before.", "construction",
        base=_again(0.6), plan=_other_rate(10), style=_kept(), spares=_SPARES,
    ),
    Fault(
        "momenta-lost", "subtle", "Adam's moments were lost when the run was started again; its schedule went on.", "construction",
        base=_again(0.55, "adam"), plan=_without("optimizer"), style=_kept("numbered", "lightning", "hugging-face"), wants=_CLASSES,
    ),
    Fault(
        "sgd-all-lost", "clear", "SGD with momentum, started again without momenta and with the schedule from its beginning.",
        "construction", base=_again(0.75, "sgd", "cosine"), plan=_without("optimizer", "scheduler"), style=_kept(), wants=_CLASSES,
        spares=frozenset({"text", "saturating"}),
    ),
    Fault(
        "scaler-lost", "subtle", "Mixed precision, started again with a new optimizer and a new gradient scaler.", "construction",
        base=_again(0.65, "adamw", mixed=True), plan=_without("optimizer", "scaler"), style=_kept("numbered", logged=("loss_scale",)),
        wants=_CLASSES, spares=frozenset({"saturating"}),
    ),
)  # fmt: skip
