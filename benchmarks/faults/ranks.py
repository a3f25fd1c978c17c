"""The other processes of a data-parallel job: replicas that train on batches of their own and share their gradients.

What they may fail to do alike, by the plan's word: `all` (no gradient is shared), `vectors` (those of norms and biases are not), `head`
(those of the last layer are not), `late` (none from the middle on), `clip` (each clips by the norm of its own batch), `skip` (one step in
the middle is skipped by one rank), `rate` (one rank has another learning rate), `seed` (weights were not broadcast at the start).
"""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from faults import loop as loops
from faults.nouns import Loop, LossFunction

_SKIPPED = 0.5
_LATE = 0.5
_OTHER_RATE = 1.3
_OWN_CLIP = 0.3


def begin(loop: Loop) -> None:
    """Start the other ranks with rank 0's weights."""
    for rank in range(1, loop.plan.ranks):
        model = copy.deepcopy(loop.model)
        if loop.plan.unsynchronized == "seed":
            with torch.random.fork_rng():
                torch.manual_seed(loop.plan.seed + 1000 * rank)
                model.load_state_dict(loop.task.model(loop.data, loop.plan.seed + 1000 * rank).state_dict())
        other = replace(loop, model=model, others=[], notes={})
        loops.renew_optimizer(other)
        other.notes["batches"] = loops.shuffled(loop.data.train, loop.plan.batch_size, loop.plan.seed + 100 * rank)
        loop.others.append(other)


def exchange(loop: Loop, loss: LossFunction) -> None:
    """Give every rank the mean of all gradients, but for what is not shared."""
    if not loop.others:
        return
    plan = loop.plan
    for other in loop.others:
        other.optimizer.zero_grad(set_to_none=True)
        rows = next(other.notes["batches"])
        loss(other.model, loop.data.inputs[rows], loop.data.targets[rows], loop.data, plan).data.backward()
    every = [dict(each.model.named_parameters()) for each in (loop, *loop.others)]
    # Each by the norm of its own batch, where the norm of what is shared was meant.
    shrunk = [min(1.0, _OWN_CLIP / float(_norm(parameters))) if plan.unsynchronized == "clip" else 1.0 for parameters in every]
    last = [name for name, each in every[0].items() if each.dim() >= 2][-1].rpartition(".")[0]
    for name, first in every[0].items():
        if first.grad is None or _is_own(loop, name, first, last):
            continue
        gradients = [grad for parameters in every if (grad := parameters[name].grad) is not None]
        shared = torch.stack(gradients).mean(dim=0)
        for gradient in gradients:
            gradient.copy_(shared)
    for parameters, share in zip(every, shrunk, strict=True):
        for each in parameters.values():
            if each.grad is not None and share != 1.0:
                each.grad.mul_(share)


def _norm(parameters: dict[str, nn.Parameter]) -> torch.Tensor:
    return nn.utils.get_total_norm([each.grad for each in parameters.values() if each.grad is not None], foreach=False)


def _is_own(loop: Loop, name: str, parameter: nn.Parameter, last: str) -> bool:
    word = loop.plan.unsynchronized
    return (
        word == "all"
        or (word == "late" and loop.step >= _LATE * loop.plan.steps)
        or (word == "vectors" and parameter.dim() < 2)
        or (word == "head" and name.startswith(last))
    )


def step(loop: Loop) -> None:
    """Step the other ranks, at rank 0's learning rate."""
    word = loop.plan.unsynchronized
    for other in loop.others:
        for own, first in zip(other.optimizer.param_groups, loop.optimizer.param_groups, strict=True):
            own["lr"] = first["lr"] * (_OTHER_RATE if word == "rate" else 1.0)
        if loop.plan.clip_norm is not None:
            parameters = dict(other.model.named_parameters())
            nn.utils.clip_grads_with_norm_(parameters.values(), loop.plan.clip_norm, _norm(parameters), foreach=False)
        if not (word == "skip" and loop.step == round(_SKIPPED * loop.plan.steps)):
            other.optimizer.step()
