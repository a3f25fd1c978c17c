"""Schedules that look like trouble: rates that end at zero, start again, fall in steps, or rise for long."""

from __future__ import annotations

from dataclasses import replace

from faults.nouns import Fault, Loop

_COMMON = frozenset({"adversarial", "policy"})


def _slower_below(loop: Loop) -> None:
    """Rates by layer: the head at the full rate, everything before it at a tenth, as fine-tuning does."""
    plan = loop.plan
    last = [name for name, each in loop.model.named_parameters() if each.dim() >= 2][-1].rpartition(".")[0]
    head = [name for name, _ in loop.model.named_parameters() if name.startswith(last)]
    for group in list(loop.optimizer.param_groups):
        parted = [each for name, each in loop.model.named_parameters() if name in head]
        inside = [each for each in group["params"] if any(each is other for other in parted)]
        if inside and len(inside) < len(group["params"]):
            group["params"] = [each for each in group["params"] if not any(each is other for other in inside)]
            loop.optimizer.add_param_group({**{key: value for key, value in group.items() if key != "params"}, "params": inside})
            group["lr"] = group["initial_lr"] = 0.2 * plan.lr
    order = {id(each): name for name, each in loop.model.named_parameters()}
    loop.parameters = tuple(order[id(each)] for group in loop.optimizer.param_groups for each in group["params"])
    loop.scheduler.base_lrs = [group["initial_lr"] for group in loop.optimizer.param_groups]
    loop.scheduler.lr_lambdas = loop.scheduler.lr_lambdas[:1] * len(loop.optimizer.param_groups)


TRAPS = (
    Fault(
        "cosine-to-zero", "clear", "The rate falls to exactly 0 at the planned end.",
        plan=lambda plan: replace(plan, schedule="cosine"), spares=_COMMON,
    ),
    Fault(
        "warm-restarts", "clear", "Cosine with three restarts: the loss rises after each.",
        plan=lambda plan: replace(plan, schedule="restarts"), spares=_COMMON,
    ),
    Fault(
        "rate-in-steps", "clear", "A tenth of the rate from each third on: the loss falls at each step, and stands still at the end.",
        plan=lambda plan: replace(plan, schedule="steps"), spares=_COMMON,
    ),
    Fault(
        "long-warm-up", "clear", "The rate rises for a third of the run: the loss barely moves at first.",
        plan=lambda plan: replace(plan, schedule="linear", warm_up=0.33, steps=round(1.3 * plan.steps)), spares=_COMMON,
    ),
    Fault(
        "rates-by-layer", "clear", "All layers but the head learn at a fifth of the rate.", start=_slower_below,
        plan=lambda plan: replace(plan, steps=round(1.5 * plan.steps)), spares=_COMMON | {"saturating"},
    ),
    Fault(
        "constant-rate", "clear", "A constant rate to the end, without warm-up.",
        plan=lambda plan: replace(plan, schedule="constant", warm_up=0.0), spares=_COMMON,
    ),
)  # fmt: skip
