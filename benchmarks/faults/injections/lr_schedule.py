"""Schedules at fault: counted in the wrong unit, made for another length, rising where they should fall, without a warm-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from faults.nouns import Fault, Loop
from faults.plan import Plan

EPOCHS = 40
"""Epochs that a script counts in, where the unit is confused: a step of the scheduler for each batch instead of each epoch."""


def _share(of: Callable[[Loop, int], float]) -> Callable[[Loop], None]:
    """A schedule that scripts write themselves: its share of the rate at a step."""

    def start(loop: Loop) -> None:
        loop.scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda step: of(loop, step))

    return start


def _ends_at(share: float, schedule: str = "cosine") -> Callable[[Plan], Plan]:
    def plan(plan: Plan) -> Plan:
        return replace(plan, schedule=schedule, warm_up=0.0, schedule_steps=max(2, round(share * plan.steps)))

    return plan


def _constant(plan: Plan) -> Plan:
    return replace(plan, schedule="constant", warm_up=0.0)


def _milestones(loop: Loop, step: int) -> float:
    return 0.1 ** sum(step >= milestone for milestone in (EPOCHS // 4, EPOCHS // 2, 3 * EPOCHS // 4))


def _exponential(loop: Loop, step: int) -> float:
    return 0.9**step


def _growing(loop: Loop, step: int) -> float:
    """An exponential schedule with a factor above 1: from a twentieth of the rate to 100 times."""
    return float(0.05 * 2000 ** (step / loop.plan.steps))


def _endless_warm_up(loop: Loop, step: int) -> float:
    return min(1.0, (step + 1) / (60 * loop.plan.steps))


def _restart_of_warm_up(loop: Loop, step: int) -> float:
    """The scheduler of a larger run: its second cycle peaks at 40 times the first, just before the end."""
    at = step / loop.plan.steps
    return min(1.0, 10 * at) if at < 0.7 else 40 * min(1.0, (at - 0.7) / 0.1)


GAMES = frozenset({"adversarial", "policy"})
FAULTS = (
    Fault(
        "cosine-ends-at-6-percent", "blatant", "The cosine was made for a run a sixteenth as long; the rate is 0 ever after.",
        base=_constant, plan=_ends_at(0.06), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "milestones-in-batches", "clear", "Milestones meant as epochs were counted in batches: three decays within the first tenth.",
        base=_constant, start=_share(_milestones), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "exponential-per-batch", "blatant", "A decay of 0.9 meant for each epoch was applied at each batch.",
        base=_constant, start=_share(_exponential), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "linear-ends-at-15-percent", "subtle", "The rate falls to 0 within the first 15 % of the steps.",
        base=_constant, plan=_ends_at(0.15, "linear"), spares=GAMES | {"pretrained", "table"},
    ),
    Fault(
        "warm-up-beyond-the-end", "clear", "The warm-up is made for a run 60 times as long: the rate never arrives.",
        base=_constant, start=_share(_endless_warm_up), spares=GAMES | {"pretrained"},
    ),
    Fault(
        "factor-above-one", "clear", "The factor of the exponential schedule is above 1: the rate rises to the end.",
        base=_constant, start=_share(_growing), also=("lr-too-high",), spares=GAMES | {"batchnorm"},
    ),
    Fault(
        "second-cycle-too-high", "clear", "A second cycle starts at 70 % and climbs to 40 times the first peak.",
        base=_constant, start=_share(_restart_of_warm_up), also=("lr-too-high", "loss-spike"), spares=GAMES | {"batchnorm"},
    ),
)  # fmt: skip
