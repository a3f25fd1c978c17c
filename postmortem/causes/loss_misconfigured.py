"""The loss is not what it is meant to be

## What happens
The number that is minimized is not the one that was meant: summed instead of averaged, softmax applied twice, wrong sign, labels
off by one or for another number of classes.

## How it shows
A first loss far from ln(classes) although weights and inputs have a usual scale, a cross-entropy below zero, a head whose
width is not the number of classes, or a job that died because the loss refused a label.

## What to do
Write down the expected first loss by hand and compare; check reduction, sign, and what the loss function expects (logits or
probabilities).

## How to confirm
Feed the loss function two records whose loss is known.

## When it is wrong
Likelihoods of continuous variables may be negative. Label smoothing and class weights shift the first loss a little.

## References
Karpathy, A Recipe for Training Neural Networks: verify the loss at initialization.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(7.5, "a cross-entropy below zero cannot be", alarm=("negative-loss",)),
    Evidence(
        3.0,
        "the first loss is off although weights started at a usual scale",
        alarm=("initial-loss-off",),
        passed=("large-initial-weights",),
    ),
    Evidence(
        2.0,
        "the first loss is off although weights and inputs have a usual scale",
        alarm=("initial-loss-off",),
        passed=("large-initial-weights", "unscaled-inputs"),
    ),
    Evidence(2.5, "the head's width is not the number of classes", alarm=("mismatched-head",)),
    Evidence(5.0, "labels run past the head's rows, and the loss refused them or became NaN", alarm=("labels-beyond-head",)),
    Evidence(2.0, "the head's bias counts the classes in another order than the manifest", alarm=("misordered-head-bias",)),
    Evidence(5.0, "labels past the head, and a first loss that is not finite", alarm=("labels-beyond-head", "nonfinite-first-loss")),
    Evidence(7.0, "the loss refused labels that the head has no class for", alarm=("out-of-range-labels",)),
    Evidence(8.0, "validation is right far less often than a guess: its classes are numbered otherwise", alarm=("inverted-accuracy",)),
    Evidence(9.0, "the loss is what a known mistake gives, by its formula", alarm=("misread-loss-formula",)),
    Evidence(2.5, "the loss falls without bound", alarm=("boundless-loss",)),
    Evidence(2.0, "validation gains nothing from training that goes well", alarm=("unmatched-validation",)),
    Evidence(-1.5, "the first loss is as chance has it", passed=("initial-loss-off",)),
    Evidence(-1.0, "the loss is never below zero", passed=("negative-loss",)),
    Evidence(-2.5, "weights were too large from the start", alarm=("large-initial-weights",)),
    Evidence(-2.5, "the inputs are far from unit scale", alarm=("unscaled-inputs",)),
    Evidence(-3.0, "regularization is part of the loss and dominates it", alarm=("dominant-regularization",)),
    Evidence(6.5, "the loss is zero from its first point, as where all labels are ignored", alarm=("zero-loss",)),
    Evidence(4.5, "accuracy fell while the loss fell", alarm=("contrary-accuracy",)),
    Evidence(1.0, "validation loss is far below training loss, as where one is a sum and the other a mean", alarm=("inverted-gap",)),
    Evidence(6.0, "validation is wrong far more often than by guessing, as under another map of labels", alarm=("contrary-validation",)),
    Evidence(
        2.5,
        "a sound first loss does not see labels that differ between splits",
        alarm=("contrary-validation",),
        passed=("initial-loss-off",),
    ),
)
EXPLAINS = ("interrupted", "exploding-gradients", "lr-too-high")
USES = ("loss.first", "loss.chance")


def summary(case: Case) -> str:
    return case.said(
        "out-of-range-labels",
        "labels-beyond-head",
        "inverted-accuracy",
        "misread-loss-formula",
        "negative-loss",
        "initial-loss-off",
        "mismatched-head",
        otherwise="The loss is not what it is meant to be.",
    )


def fix(case: Case) -> str:
    if any(id in case.outcomes and case.outcomes[id].alarmed for id in ("out-of-range-labels", "labels-beyond-head")):
        return "Count labels from 0, make the head as wide as the largest label plus 1, and set `ignore_index` for a label of 'none'."
    first, chance = case.number("loss.first"), case.number("loss.chance")
    if first and chance and first > 1.5 * chance:
        return (
            f"Average the loss over the batch instead of summing it (the first loss is {number(first / chance)} times chance level, "
            "which would be the batch size), and give the loss function logits, not probabilities."
        )
    return "Check the loss function's reduction, its sign, and whether it expects logits or probabilities; check the labels' range."


def confirm(case: Case) -> str:
    return "Give the loss function uniform logits for one batch: it should return ln(classes)."


EXAMPLES = (
    CauseExample("a negative cross-entropy", "likely", fail=("negative-loss",)),
    CauseExample(
        "a first loss of 64 times chance from usual weights",
        "likely",
        fail=("initial-loss-off",),
        passed=("large-initial-weights", "unscaled-inputs"),
    ),
    CauseExample("labels that the loss refused", "likely", fail=("out-of-range-labels",)),
    CauseExample("labels from 1, and a loss of NaN", "likely", fail=("labels-beyond-head",)),
    CauseExample("a first loss at chance", "unlikely", passed=("initial-loss-off", "negative-loss")),
    CauseExample("nothing is known", "unlikely"),
)
