"""Layers of one or two units

## What it looks for
The fewest units that one layer hands to the next, over linear, convolution and recurrent layers. It fails at 1 and warns at 2.

## Why it matters
Whatever the layers in front have seen must pass as one number, or two: classes and shades that do not fit on a line are lost.

## What to do
Give the layer at least as many units as there are classes, and more where the task is hard.

## When it is wrong
A map of two dimensions is drawn on purpose, and two classes fit on a line. Variational models are left out for that reason.

## References
Tishby and Zaslavsky 2015, Deep Learning and the Information Bottleneck Principle (arXiv 1503.02406).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, kind_of_run

ONE = Threshold(
    1.0,
    "units",
    source="one number orders its records along a line, and more than two classes are told apart by intervals of it only",
    half="the same: there is no half of a unit",
    double="maps of two dimensions fail",
)
TWO = Threshold(
    2.0,
    "units",
    source="the next larger width, which is used on purpose for drawing",
    half="only single units are told",
    double="small but sound layers are warned",
)
NEEDS = ("capacity.narrowest",)
USES = ("run.family",)
CHECKLIST = ("simplify-model",)
DOUBTS_ITEMS = ("simplify-model",)
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"{kind_of_run(family)} has narrow places by design" if family in ("vae", "rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["capacity.narrowest"]
    seen = f"{found.text or 'a layer'} hands on {counted(found.value, 'unit')}"
    where = (found.text,) if found.text else ()
    if found.value <= ONE.value:
        return Finding("fail", seen, found.value, ONE, found.unit, None, where)
    if found.value <= TWO.value:
        return Finding("warn", seen, found.value, TWO, found.unit, None, where)
    return Finding("pass", f"{seen}, the fewest of all", found.value, TWO, found.unit)


def _given(units: float, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("capacity.narrowest", units, "units", "outputs of fc1.weight", None, {"fc1.weight": units}, "fc1.weight"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("one hidden unit", _given(1.0), "fail"),
    Example("two hidden units", _given(2.0), "warn"),
    Example("a usual net", _given(32.0), "pass"),
    Example("a variational map of two dimensions", _given(2.0, "vae"), "not-applicable"),
    Example("no checkpoint", (), "not-checked"),
)
