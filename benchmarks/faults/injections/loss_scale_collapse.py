"""Overflow after overflow: the gradient scaler halves its scale until float16 holds no gradient at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from faults.nouns import Fault, Loop
from faults.plan import Plan, Style

_SPARES = frozenset({"adversarial", "policy"})
_WITH_STATE = ("numbered", "by-epoch", "lightning", "hugging-face")


def _mixed(optimizer: str = "") -> Callable[[Plan], Plan]:
    def changed(plan: Plan) -> Plan:
        plan = replace(plan, mixed=True)
        rate = {"sgd": 0.03, "rmsprop": 1e-3, "adamw": 2e-3}
        return replace(plan, optimizer=optimizer, lr=rate[optimizer], weight_decay=0.0) if optimizer else plan

    return changed


def _with_state(logged: bool = False, keeps: bool = True) -> Callable[[Style], Style]:
    """Checkpoints hold the optimizer's state; the scale is logged, or saved with it."""

    def changed(style: Style) -> Style:
        roles = (*style.roles, "loss_scale") if logged and "loss_scale" not in style.roles else style.roles
        layout = style.layout if style.layout in _WITH_STATE else "numbered"
        logs = "trainer-state" if layout == "hugging-face" else style.logs
        if logged and logs in ("trainer-state", "tensorboard-split"):
            layout, logs = "numbered", "tensorboard"
        tags = "slash" if logs == "tensorboard" and style.tags == "hugging-face" else style.tags
        return replace(style, layout=layout if keeps else "tensors-only", logs=logs, roles=roles, tags=tags)

    return changed


def _overflow(loop: Loop, where: int = 0) -> None:
    """The gradient of one weight matrix is what float16 makes of a number beyond its range."""
    gradients = [each.grad for each in loop.model.parameters() if each.dim() >= 2 and each.grad is not None]
    if gradients:
        gradients[where].flatten()[0] = torch.inf


def _every(loop: Loop) -> None:
    _overflow(loop, -1)


def _from(share: float) -> Callable[[Loop], None]:
    def gradients(loop: Loop) -> None:
        if loop.step >= share * loop.plan.steps:
            _overflow(loop)

    return gradients


def _often(share: float) -> Callable[[Loop], None]:
    """A batch that holds one of some records overflows."""

    def gradients(loop: Loop) -> None:
        if float(torch.rand((), generator=loop.generator)) < share:
            _overflow(loop)

    return gradients


def _square_root(loop: Loop) -> None:
    """What the derivative of sqrt(x) at 0 gives: NaN in the first layer, once a unit of it is exactly 0 for a whole batch."""
    first = next(each for each in loop.model.parameters() if each.dim() >= 2)
    if loop.step >= 10 and first.grad is not None and loop.step % 3:
        first.grad[0] = torch.nan


FAULTS = (
    Fault(
        "overflow-each-step", "blatant", "One layer's gradient overflowed float16 in each step: all were skipped.",
        base=_mixed(), gradients=_every, style=_with_state(), spares=_SPARES,
    ),
    Fault(
        "overflow-of-some-batches", "clear", "A third of the batches overflowed, and the scaler never grew again.",
        base=_mixed("adamw"), gradients=_often(0.35), style=_with_state(logged=True), wants=frozenset({"classes"}),
        spares=frozenset({"saturating"}),
    ),
    Fault(
        "overflow-from-a-step-on", "clear", "From a tenth of the run on, every step overflowed.",
        base=_mixed(), gradients=_from(0.1), style=_with_state(), spares=_SPARES,
    ),
    Fault(
        "root-of-zero", "blatant", "The derivative of a square root at 0 was NaN in two of three steps.",
        base=_mixed("rmsprop"), gradients=_square_root, style=_with_state(), wants=frozenset({"classes"}), spares=frozenset({"text"}),
    ),
    Fault(
        "logged-only", "clear", "Half of the batches overflowed; the scale was logged, and checkpoints held weights only.",
        base=_mixed(), gradients=_often(0.5), style=_with_state(logged=True, keeps=False), spares=_SPARES,
    ),
    Fault(
        "sgd-overflow", "clear", "SGD whose gradients overflowed in three of four steps.",
        base=_mixed("sgd"), gradients=_often(0.75), style=_with_state(), wants=frozenset({"classes"}),
        spares=frozenset({"text", "saturating"}),
    ),
)  # fmt: skip
