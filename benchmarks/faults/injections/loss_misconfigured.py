"""Losses that are not what they are meant to be: softmax twice, the wrong axis, reduction, sign, or labels in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Losses, LossFunction
from faults.plan import Plan

Formula = Callable[[Tensor, Tensor], Tensor]
"""Logits (records, classes) and labels to a scalar."""


def _of_logits(formula: Formula) -> Callable[[LossFunction], LossFunction]:
    """The formula in place of the cross-entropy; what the classifier gets right is counted as before."""

    def wrap(plain: LossFunction) -> LossFunction:
        def loss(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
            logits = model(inputs).float().flatten(0, -2)
            labels = targets.flatten()
            return Losses(formula(logits, labels), accuracy=float((logits.argmax(dim=-1) == labels).float().mean()))

        return loss

    return wrap


def _softmax_twice(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(torch.softmax(logits, dim=-1), labels)


def _likelihood_of_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """`nll_loss`, which expects logarithms of probabilities, given logits."""
    return nn.functional.nll_loss(logits, labels)


def _likelihood_of_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.nll_loss(torch.softmax(logits, dim=-1), labels)


def _over_the_batch(logits: Tensor, labels: Tensor) -> Tensor:
    """The softmax over the records of a batch instead of the classes."""
    return nn.functional.nll_loss(torch.log_softmax(logits, dim=0), labels)


def _summed(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, labels, reduction="sum")


def _averaged_twice(logits: Tensor, labels: Tensor) -> Tensor:
    """Divided by the number of records once more after the mean."""
    return nn.functional.cross_entropy(logits, labels) / len(labels)


def _with_wrong_sign(logits: Tensor, labels: Tensor) -> Tensor:
    return -nn.functional.cross_entropy(logits, labels)


def _squared_class_numbers(logits: Tensor, labels: Tensor) -> Tensor:
    """The likeliest class as a soft number, compared with the label's number."""
    expected = (torch.softmax(logits, dim=-1) * torch.arange(logits.shape[-1])).sum(dim=-1)
    return nn.functional.mse_loss(expected, labels.float())


def _without_the_commonest(logits: Tensor, labels: Tensor) -> Tensor:
    """`ignore_index` was a character that texts are full of, in place of padding."""
    return nn.functional.cross_entropy(logits, labels, ignore_index=0)


def _next_class(data: Data, plan: Plan) -> Data:
    """Training counts classes from 1, the last is 0; validation counts from 0."""
    targets = data.targets.clone()
    targets[: data.train] = (targets[: data.train] + 1) % data.classes
    return replace(data, targets=targets)


def _sgd(rate: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, optimizer="sgd", lr=rate, momentum=0.9, weight_decay=0.0, schedule="constant", warm_up=0.0)


SOFTMAX = frozenset({"classes"})
FAULTS = (
    Fault(
        "softmax-twice", "clear", "The loss took probabilities for logits and applied softmax again.", loss=_of_logits(_softmax_twice),
        wants=SOFTMAX,
    ),
    Fault(
        "sgd-summed", "clear", "The loss was summed over the batch; SGD with momentum.", base=_sgd(0.03), loss=_of_logits(_summed),
        wants=SOFTMAX, spares=frozenset({"text"}), accepted=("lr-too-high",),
    ),
    Fault(
        "labels-rotated", "blatant", "Labels of training counted from 1, those of validation from 0.", data=_next_class, wants=SOFTMAX,
    ),
    Fault(
        "likelihood-of-logits", "blatant", "nll_loss was given logits in place of logarithms.", loss=_of_logits(_likelihood_of_logits),
        wants=SOFTMAX,
    ),
    Fault(
        "over-the-batch", "clear", "The softmax ran over the records of a batch.", loss=_of_logits(_over_the_batch), wants=SOFTMAX,
    ),
    Fault(
        "language-ignores-blanks", "subtle", "The blank was the character that the loss ignores.", loss=_of_logits(_without_the_commonest),
        wants=frozenset({"language"}),
    ),
    Fault(
        "wrong-sign", "blatant", "The cross-entropy was maximized.", loss=_of_logits(_with_wrong_sign), wants=SOFTMAX,
    ),
    Fault(
        "likelihood-of-probabilities", "subtle", "nll_loss was given probabilities in place of logarithms.",
        loss=_of_logits(_likelihood_of_probabilities), wants=SOFTMAX,
    ),
    Fault(
        "averaged-twice", "clear", "The mean over the batch was divided by its size again; SGD with momentum.", base=_sgd(0.02),
        loss=_of_logits(_averaged_twice), wants=SOFTMAX, spares=frozenset({"text"}), accepted=("lr-too-low",),
    ),
    Fault(
        "squared-class-numbers", "clear", "The squared difference of class numbers was minimized.", loss=_of_logits(_squared_class_numbers),
        wants=SOFTMAX,
    ),
)  # fmt: skip
