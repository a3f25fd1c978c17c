"""Learning rates that are too high: from those that diverge at once to those that never let the loss settle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault
from faults.plan import Plan


def _times(factor: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, lr=plan.lr * factor)


def _plain_sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0)


FAULTS = (
    Fault(
        "times-100", "blatant", "The learning rate was 100 times what the twin learns with.", plan=_times(100),
        spares=frozenset({"adversarial", "policy"}),
    ),
    Fault(
        "times-30", "clear", "The learning rate was 30 times what the twin learns with.", plan=_times(30),
        spares=frozenset({"adversarial", "policy"}),
    ),
    Fault(
        "sgd-times-40", "blatant", "SGD with momentum at a rate 40 times too high.", base=_plain_sgd, plan=_times(40),
        wants=frozenset({"classes"}), spares=frozenset({"text", "saturating"}),
    ),
)  # fmt: skip
