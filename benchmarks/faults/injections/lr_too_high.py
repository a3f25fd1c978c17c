"""Learning rates that are too high: from those that diverge at once to those that never let the loss settle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault
from faults.plan import Plan


def _times(factor: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, lr=plan.lr * factor)


def _to(rate: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, lr=rate)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, clip_norm=None)


def _plain_sgd(plan: Plan) -> Plan:
    return replace(_sgd(plan), lr=0.2, momentum=0.0)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3, weight_decay=0.0, clip_norm=None)


def _adamw(plan: Plan) -> Plan:
    return replace(plan, optimizer="adamw", weight_decay=0.01, schedule="constant")


GAMES = frozenset({"adversarial", "policy"})
# Batch normalization takes the scale out of the weights before it: there only a far higher rate does harm.
HARDY = GAMES | {"batchnorm"}
FAULTS = (
    Fault("times-100", "blatant", "The learning rate was 100 times what the twin learns with.", plan=_times(100), spares=HARDY),
    Fault(
        "sgd-times-40", "blatant", "SGD with momentum at a rate 40 times too high.", base=_sgd, plan=_times(40),
        wants=frozenset({"classes"}), spares=HARDY | {"text", "saturating", "pretrained", "deep"},
    ),
    Fault(
        "adamw-decimal-point", "clear", "A rate of 0.3 where AdamW learns with a hundredth of it.", base=_adamw, plan=_to(0.3),
        wants=frozenset({"transformer"}), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "of-another-optimizer", "clear", "Adam was given 0.1, as is usual for SGD.",
        base=lambda plan: replace(plan, optimizer="adam"), plan=_to(0.1), spares=HARDY | {"transformer", "variational"},
    ),
    Fault(
        "rmsprop-times-50", "clear", "RMSprop at a rate 50 times too high.", base=_rmsprop, plan=_times(50),
        spares=HARDY | {"text", "pretrained", "table"},
    ),
    Fault(
        "batchnorm-times-1000", "blatant", "A rate of 3 for convolutions with batch normalization.", plan=_to(3.0),
        wants=frozenset({"batchnorm"}), spares=GAMES,
    ),
    Fault("times-15", "subtle", "The learning rate was 15 times what the twin learns with.", plan=_times(15), spares=HARDY | {"table"}),
    Fault(
        "plain-sgd-times-20", "clear", "SGD without momentum at a rate 20 times too high.", base=_plain_sgd, plan=_times(20),
        wants=frozenset({"dense", "classes"}), spares=HARDY | {"saturating", "pretrained", "deep"},
    ),
)  # fmt: skip
