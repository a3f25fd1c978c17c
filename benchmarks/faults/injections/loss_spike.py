"""A few bad batches, gradients, or a stretch of unshuffled records throw the model back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Loop, Losses, LossFunction
from faults.plan import Plan


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0, clip_norm=None)


def _unclipped(plan: Plan) -> Plan:
    return replace(plan, clip_norm=None)


def _bad_inputs(at: float, factor: float, length: int) -> Callable[[LossFunction], LossFunction]:
    """Inputs of some batches are a large factor too large, as from a corrupt record or a missing division."""

    def wrap(loss: LossFunction) -> LossFunction:
        seen = 0

        def changed(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
            nonlocal seen
            if model.training:
                start = round(at * plan.steps)
                if start <= seen < start + length:
                    inputs = inputs * factor
                seen += 1
            return loss(model, inputs, targets, data, plan)

        return changed

    return wrap


def _burst(at: float, factor: float, length: int) -> Callable[[Loop], None]:
    """Gradients of some steps are a large factor too large, as from an overflow or a faulty sum over workers."""

    def gradients(loop: Loop) -> None:
        start = round(at * loop.plan.steps)
        if start <= loop.step < start + length:
            for each in loop.model.parameters():
                if each.grad is not None:
                    each.grad.mul_(factor)

    return gradients


def _upwards(at: float, length: int, factor: float) -> Callable[[Loop], None]:
    """Some steps go up the gradient by a large factor of the rate: a corrupt shard whose answers are the opposite."""

    def after(loop: Loop) -> None:
        start = round(at * loop.plan.steps)
        if start <= loop.step < start + length:
            with torch.no_grad():
                for each in loop.model.parameters():
                    each.add_(torch.randn(each.shape, generator=loop.generator) * factor * each.std(correction=0))

    return after


def _class_by_class(since: float) -> Callable[[Data, Plan], Iterator[Tensor]]:
    """Shuffled at first; from then on record after record in the order of the classes, as a shard that was written sorted."""

    def batches(data: Data, plan: Plan) -> Iterator[Tensor]:
        from faults.loop import shuffled

        start = round(since * plan.steps)
        rows = shuffled(data.train, plan.batch_size, plan.seed)
        for _ in range(start):
            yield next(rows)
        order = torch.argsort(data.targets[: data.train], stable=True)
        # So many steps for each class that the stretch ends with the run.
        left = plan.steps + 1 - start
        generator = torch.Generator().manual_seed(plan.seed + 5)
        for step in range(left):
            at = int(step / left * (len(order) - plan.batch_size))
            window = order[at : at + plan.batch_size]
            yield window[torch.randperm(len(window), generator=generator)]

    return batches


def _wrong_answers(since: float, length: int) -> Callable[[LossFunction], LossFunction]:
    """Some batches carry the answers of other records, all one class on."""

    def wrap(loss: LossFunction) -> LossFunction:
        seen = 0

        def changed(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
            nonlocal seen
            if model.training:
                start = round(since * plan.steps)
                if start <= seen < start + length:
                    targets = (targets + 1) % data.classes
                seen += 1
            return loss(model, inputs, targets, data, plan)

        return changed

    return wrap


GAMES = frozenset({"adversarial", "policy"})
_BURSTS = ("exploding-gradients",)
"""A few gradients out of range are an explosion that passed, and a spike by what they do to the loss: both name them."""
FAULTS = (
    Fault(
        "batches-of-raw-inputs", "clear", "Three batches, a tenth into the run, had inputs 10,000 times too large.", base=_unclipped,
        loss=_bad_inputs(0.1, 1e4, 3), accepted=("inputs-not-normalized", *_BURSTS),
        spares=GAMES | {"text", "batchnorm", "saturating", "variational"},
    ),
    Fault(
        "gradient-burst-of-sgd", "clear", "Gradients of four steps were 3,000 times too large.", base=_sgd,
        gradients=_burst(0.5, 3000.0, 4), accepted=_BURSTS, wants=frozenset({"classes"}), spares=GAMES | {"text", "sigmoid", "pretrained"},
    ),
    Fault(
        "gradient-burst-of-adam", "clear", "Gradients of four steps were 100,000 times too large: Adam remembers them and stands still.",
        base=_unclipped, gradients=_burst(0.1, 1e5, 4), accepted=_BURSTS, spares=GAMES | {"pretrained"},
    ),
    Fault(
        "class-by-class-at-the-end", "clear", "For the last third the records came class by class.",
        sampler=_class_by_class(0.66), wants=frozenset({"classes"}), spares=GAMES,
    ),
    Fault(
        "weights-thrown-off", "blatant", "A fault of the memory shook all weights at one step near the end.",
        after=_upwards(0.9, 1, 2.0), spares=GAMES,
    ),
    Fault(
        "wrong-answers-for-a-while", "subtle", "Twenty batches near the end carried the answers of the next class.",
        loss=_wrong_answers(0.9, 20), wants=frozenset({"classes"}), spares=GAMES,
    ),
)  # fmt: skip
