"""Clipping far below the usual norm of gradients. Adam divides it out again: only SGD is held back by it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault, Loop, Trained
from faults.plan import Plan


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.02, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, clip_norm=None)


def _fast_sgd(plan: Plan) -> Plan:
    return replace(_sgd(plan), lr=0.5, momentum=0.9, steps=500)


def _plain_sgd(plan: Plan) -> Plan:
    return replace(_sgd(plan), lr=0.2, momentum=0.0, clip_norm=10.0)


def _norm(limit: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, clip_norm=limit)


def _by_value(limit: float) -> Callable[[Loop], None]:
    def gradients(loop: Loop) -> None:
        for each in loop.model.parameters():
            if each.grad is not None:
                each.grad.clamp_(-limit, limit)

    return gradients


def _with_setting(name: str, value: float) -> Callable[[Trained], Trained]:
    return lambda trained: replace(trained, settings={**trained.settings, name: value})


GAMES = frozenset({"adversarial", "policy"})
# Where SGD at these rates does not learn, or learns nothing that clipping could take away.
UNFIT = GAMES | {"text", "sigmoid", "table", "variational", "autoencoder", "pretrained"}
FAULTS = (
    Fault(
        "norm-1e-3", "blatant", "Gradients were clipped to a norm of 1e-3.", base=_sgd, plan=_norm(1e-3),
        spares=UNFIT,
    ),
    Fault(
        "norm-1e-2", "clear", "Gradients were clipped to a norm of 1e-2.", base=_sgd, plan=_norm(1e-2),
        spares=UNFIT,
    ),
    Fault(
        "value-1e-5", "blatant", "Every element of the gradient was clipped to 1e-5.", base=_sgd, gradients=_by_value(1e-5),
        trained=_with_setting("gradient_clip_val", 1e-5), spares=UNFIT,
    ),
    Fault(
        "recurrent-norm-1e-3", "clear", "Gradients of a recurrence were clipped to a norm of 1e-3.", base=_fast_sgd, plan=_norm(1e-3),
        wants=frozenset({"recurrent"}), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "plain-norm-5e-3", "clear", "SGD without momentum, gradients clipped to 5e-3 where the twin clips to 10.",
        base=_plain_sgd, plan=_norm(5e-3), wants=frozenset({"dense"}), spares=GAMES | {"sigmoid", "pretrained", "table"},
    ),
    Fault(
        "autoencoder-norm-1e-3", "clear", "Gradients of an autoencoder were clipped to a norm of 1e-3.", base=_fast_sgd, plan=_norm(1e-3),
        wants=frozenset({"autoencoder"}), spares=GAMES,
    ),
)  # fmt: skip
