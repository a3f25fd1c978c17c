"""Part of the network does not train: no gradient, no place in the optimizer, cut off from the loss, or a rate of 0 of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from faults.nouns import Data, Fault, Loop
from faults.plan import Plan


def _owners(model: nn.Module) -> list[str]:
    """Names of the modules that hold matrices, in the order in which they were declared."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name, each in model.named_parameters() if each.dim() >= 2))


def _in(name: str, owners: Sequence[str]) -> bool:
    return any(name.startswith(f"{owner}.") for owner in owners)


def _no_gradient(model: nn.Module, data: Data, plan: Plan) -> None:
    """All but the last layer, as a line that froze a backbone does which is not pre-trained."""
    head = _owners(model)[-1]
    for name, each in model.named_parameters():
        each.requires_grad_(_in(name, [head]))


def _first_half_without_gradient(model: nn.Module, data: Data, plan: Plan) -> None:
    owners = _owners(model)
    held = owners[: max(1, (len(owners) + 1) // 2)]
    for name, each in model.named_parameters():
        each.requires_grad_(not _in(name, held))


def _only(chosen: Callable[[list[str]], list[str]]) -> Callable[[Loop], None]:
    """An optimizer that was given some layers only; the others get gradients and nothing comes of it."""

    def start(loop: Loop) -> None:
        from faults.loop import renew_optimizer

        owners = chosen(_owners(loop.model))
        renew_optimizer(loop, [(name, each) for name, each in loop.model.named_parameters() if _in(name, owners)])

    return start


def _detached(model: nn.Module, data: Data, plan: Plan) -> None:
    """The answer of the layer before the last is detached, as by a no_grad() left in the forward pass."""
    layer = model.get_submodule(_owners(model)[-2])
    layer.register_forward_hook(lambda module, given, answer: answer.detach())


def _rate_zero(loop: Loop) -> None:
    """A group of its own for all but the last two layers, whose rate is 0."""
    given = dict(loop.model.named_parameters())
    kept = _owners(loop.model)[-2:]
    parted = [[name for name in given if not _in(name, kept)], [name for name in given if _in(name, kept)]]
    plan = loop.plan
    groups = [
        {"params": [given[name] for name in part], "weight_decay": 0.0, "lr": rate}
        for part, rate in zip(parted, (0.0, plan.lr), strict=True)
    ]
    from faults.loop import make_optimizer, share_of_rate

    loop.optimizer = make_optimizer(plan, groups)
    loop.parameters = tuple(name for part in parted for name in part)
    loop.scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda step: share_of_rate(plan, step))


GAMES = frozenset({"adversarial", "policy"})
# Random features of a shallow network do well enough for a head to learn from.
DEEP = GAMES | {"pretrained"}
FAULTS = (
    Fault("backbone-without-gradient", "blatant", "All layers but the last had requires_grad off, and nothing was pre-trained.",
          model=_no_gradient, spares=DEEP | {"recurrent"}),
    Fault("head-only-in-optimizer", "clear", "The optimizer was given the last layer's parameters only.",
          start=_only(lambda owners: owners[-1:]), spares=DEEP),
    Fault("first-layers-only", "clear", "The optimizer was built from the first third of the layers, before the others were added.",
          start=_only(lambda owners: owners[: max(1, len(owners) // 3)]), spares=DEEP | {"recurrent"}),
    Fault("detached-before-the-head", "clear", "The last hidden layer's answer is detached: nothing before the head has a gradient.",
          model=_detached, wants=frozenset({"dense"}), spares=DEEP),
    Fault("first-half-without-gradient", "subtle", "The first half of the layers had requires_grad off.",
          model=_first_half_without_gradient, spares=DEEP | {"recurrent", "table"}),
    Fault("group-with-rate-zero", "clear", "All but the last two layers are in a parameter group whose rate is 0.",
          start=_rate_zero, spares=DEEP | {"recurrent", "table"}),
)  # fmt: skip
