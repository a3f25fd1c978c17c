"""Learning rates that are too low: the way is clear and the steps are too short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault
from faults.plan import Plan


def _over(factor: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, lr=plan.lr / factor)


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, clip_norm=None)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3, weight_decay=0.0)


GAMES = frozenset({"adversarial", "policy"})
# A pre-trained network needs little, and some tables are learned by little.
FAULTS = (
    Fault("over-300", "blatant", "The learning rate was a 300th of what the twin learns with.", plan=_over(300), spares=GAMES),
    Fault("over-100", "clear", "The learning rate was a hundredth of what the twin learns with.", plan=_over(100), spares=GAMES),
    Fault(
        "sgd-with-adams-rate", "clear", "SGD was given 1e-4, as is usual for Adam.", base=_sgd, plan=lambda plan: replace(plan, lr=1e-4),
        wants=frozenset({"classes"}), spares=GAMES | {"text", "sigmoid", "pretrained"},
    ),
    Fault("over-3000", "blatant", "The learning rate was a 3000th of what the twin learns with.", plan=_over(3000), spares=GAMES),
    Fault("over-30", "subtle", "The learning rate was a 30th of what the twin learns with.", plan=_over(30), spares=GAMES | {"pretrained"}),
    Fault("rmsprop-over-100", "clear", "RMSprop at a hundredth of a good rate.", base=_rmsprop, plan=_over(100), spares=GAMES | {"text"}),
    Fault(
        "fine-tuning-rate", "clear", "2e-5, as for fine-tuning a large model, for a network that starts from nothing.",
        plan=lambda plan: replace(plan, lr=2e-5), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "plain-sgd-over-1000", "blatant", "SGD without momentum at a thousandth of a good rate.",
        base=lambda plan: replace(_sgd(plan), lr=0.2, momentum=0.0), plan=_over(1000),
        wants=frozenset({"dense"}), spares=GAMES | {"sigmoid", "pretrained"},
    ),
)  # fmt: skip
