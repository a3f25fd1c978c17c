"""Batch normalization of channels that do not vary

## What it looks for
The share of a layer's channels whose running variance is below 1e-8, behind a weight matrix. Fails where it is above 0.5 in a layer and
the loss is still above half of chance, and warns above 0.1.

## Why it matters
A variance far below the normalization's own epsilon (1e-5) says that the channel is the same for every record: the units before it are
dead, or their weights are next to zero.

## What to do
Look at the layer before: units that never fire, weights that decayed or were never drawn.

## When it is wrong
Constant columns of the input are usual: norms that stand before every weight matrix are left out. Pruned units are constant on
purpose.

## References
Own reasoning: with a variance of 1e-8 and an epsilon of 1e-5 a deviation of 0.03 is left of one.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

MOST = Threshold(
    0.5,
    "share",
    source="SageMaker Debugger counts a layer as dead from half of its units on",
    half="pruned and poorly trained layers fail",
    double="no layer has more than all of its channels constant",
)
SOME = Threshold(
    0.1,
    "share",
    source="own: four times the two or three percent of dead units that are usual",
    half="usual shares of dead units are warned",
    double="layers with a fifth of their units dead pass unseen",
)
POOR = 0.5
"""Share of chance above which a loss is poor."""

NEEDS = ("batchnorm.collapsed_share",)
USES = ("batchnorm.layers", "loss.last_to_chance")
CHECKLIST = ("dead-relus",)
FIGURE = "dead-units"


def applies(measured: Measured) -> str:
    layers = measured.get("batchnorm.layers")
    return "the net has no batch normalization with running statistics" if layers is not None and layers.value == 0 else ""


def judge(measured: Measured) -> Finding:
    found, left = measured["batchnorm.collapsed_share"], measured.number("loss.last_to_chance")
    where = tuple(sorted((name for name in found.items if found.items[name] > SOME.value), key=lambda name: -found.items[name]))
    seen = f"up to {percent(found.value)} of a layer's channels have a running variance below 1e-8"
    if found.value > MOST.value and left is not None and left > POOR:
        seen += f", and the loss is at {multiple(left)} chance level"
        return Finding("fail", seen, found.value, MOST, found.unit, found.first_step, where)
    if found.value > SOME.value:
        return Finding("warn", seen, found.value, SOME, found.unit, found.first_step, where)
    if found.value <= SOME.value:
        return Finding("pass", seen if found.value else "no channel has a running variance below 1e-8", found.value, SOME, found.unit)
    return Finding("not-checked", "the share of constant channels is not a number")


def _given(share: float, left: float | None = None) -> tuple[Measurement, ...]:
    given = (Measurement("batchnorm.collapsed_share", share, "share", "2 layers", 600, {"bn1": 0.0, "bn2": share}),)
    return given if left is None else (*given, Measurement("loss.last_to_chance", left, "ratio", "ln 10"))


EXAMPLES = (
    Example("dead units before the norm", _given(0.9, 0.98), "fail"),
    Example("a fifth of the units", _given(0.2, 0.4), "warn"),
    Example("all of them, no loss", _given(0.9), "warn"),
    Example("a healthy net", _given(0.0, 0.1), "pass"),
    Example("no batch normalization", (), "not-checked"),
)
