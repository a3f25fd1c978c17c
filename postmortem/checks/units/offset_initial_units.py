"""Units whose first bias holds them at an end

## What it looks for
The biases of hidden layers before the first step: a unit is held at an end where its bias is 4 or more from 0, and 3 deviations of what
inputs of unit scale add to it. Fails where 0.5 or more of a layer's units are so and biases lie above 0, or on both sides. Applies to nets
without normalization; biases that all lie below 0 are judged by another check, since they silence ReLU units.

## Why it matters
A tanh or sigmoid unit there has hardly any slope, whatever it is shown, and passes neither signal nor gradient on. A ReLU unit there
is always on or always off, and the layer is a linear one.

## What to do
Start biases at 0; a bias is meant to be drawn large only in gates, and in a head that starts from the class shares.

## When it is wrong
Layers that are fed inputs far above unit scale are not held by such biases.

## References
Glorot, Bengio 2010: saturated units at the start. The slopes are those of tanh and of the logistic function at 4.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

HALF = Threshold(
    0.5,
    "share",
    source="SageMaker Debugger, SaturatedActivation: more than half of a layer; usual initializations give 0",
    half="layers with a quarter of their units out of use fail",
    double="no share is above 1: only whole layers would fail",
)

NEEDS = ("signal.offset",)
USES = ("run.pretrained",)
CHECKLIST = ("saturated-tanh-sigmoid", "init-shallow")
LEADS_ITEMS = ("saturated-tanh-sigmoid",)
FIGURE = "saturation"


def applies(measured: Measured) -> str:
    return "the run starts from pre-trained weights" if measured.text("run.pretrained") == "true" else ""


def judge(measured: Measured) -> Finding:
    found = measured["signal.offset"]
    where = tuple(name for name in found.items if found.items[name] >= HALF.value)
    if not found.value:
        return Finding("pass", "no unit starts with a bias that holds it at an end", found.value, HALF, found.unit)
    seen = f"{percent(found.value)} of the units{f' of {where[0]}' if where else ''} start with a bias of 4 or more from 0"
    if found.value < HALF.value:
        return Finding("pass", seen, found.value, HALF, found.unit)
    if found.text == "below":
        return Finding("pass", f"{seen}, all below it: what matters is whether they are silent", found.value, HALF, found.unit)
    told = "above it" if found.text == "above" else "on both sides of it"
    return Finding("fail", f"{seen}, {told}, above {percent(HALF.value)}", found.value, HALF, found.unit, found.first_step, where)


def _share(value: float, side: str) -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": 0.0}
    return Measurement("signal.offset", value, "share", "biases of 2 hidden layers at step 0", 0, items, side)


EXAMPLES = (
    Example("biases of 6 and -6", (_share(1.0, "both"),), "fail"),
    Example("biases of 12", (_share(1.0, "above"),), "fail"),
    Example("biases of -6", (_share(1.0, "below"),), "pass"),
    Example("three in ten", (_share(0.3, "both"),), "pass"),
    Example("biases of 0", (_share(0.0, ""),), "pass"),
    Example("no first checkpoint", (), "not-checked"),
)
