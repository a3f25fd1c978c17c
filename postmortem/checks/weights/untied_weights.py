"""Tied weights that came apart

## What it looks for
Tensors that were equal in two checkpoints between which both moved, so that they were one, and that differ in a later one: 1 such
pair is a warning.

## Why it matters
An embedding and a head that share their weights learn from both sides. After a conversion, a resize of the vocabulary or a load that
copies, each goes its own way, and nobody is told.

## What to do
Tie them again after every load and resize, before the optimizer is built.

## When it is wrong
Weights may be untied on purpose for a second stage.

## References
Press and Wolf 2017 (arXiv 1608.05859): using the output embedding to improve language models.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

SPLIT = Threshold(
    1,
    "pairs",
    source="two tensors are one or they are not",
    half="the same: pairs are whole",
    double="the one pair that most models have may come apart unseen",
)

NEEDS = ("weights.tie_split",)
USES = ("weights.tied",)


def applies(measured: Measured) -> str:
    tied = measured.get("weights.tied")
    return "the net has no tied weights" if tied is not None and tied.value == 0 else ""


def judge(measured: Measured) -> Finding:
    found = measured["weights.tie_split"]
    if found.value >= SPLIT.value:
        seen = f"{counted(found.value, 'pair')} of tied weights came apart: {found.text}"
        return Finding("warn", seen, found.value, SPLIT, found.unit, found.first_step, tuple(found.items))
    if found.value < SPLIT.value:
        return Finding("pass", "the tied weights stayed one", found.value, SPLIT, found.unit)
    return Finding("not-checked", "the number of split ties is not a number")


def _given(tied: float, split: float) -> tuple[Measurement, ...]:
    told = "head.weight was embedding.weight until step 200" if split else ""
    return (
        Measurement("weights.tied", tied, "pairs", "6 checkpoints", 600),
        Measurement("weights.tie_split", split, "pairs", "of 1 tied pairs", 300, {"head.weight": 1.0} if split else {}, told),
    )


EXAMPLES = (
    Example("untied by a resize", _given(1.0, 1.0), "warn"),
    Example("tied throughout", _given(1.0, 0.0), "pass"),
    Example("nothing is tied", _given(0.0, 0.0), "not-applicable"),
    Example("one checkpoint", (), "not-checked"),
)
