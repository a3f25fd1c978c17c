"""Gradients that shrink towards the first layers

## What it looks for
The slope of log10 of the gradient's rms over depth, for at least 4 hidden layers of one kind, from the optimizer's second
moments. Fails where gradients fall by 0.3 decades a layer, or by 3 decades over all layers, and the first layer's
are below 1e-3 of the last one's; warns where they fall by 0.3 decades a layer and the first layer's are below a thirtieth. With 2
or 3 hidden layers there is no slope: below 1e-3 it warns. Where 0.5 of the layers or more, from the first on, moved by weight decay alone
while later ones did not, their gradients drowned in the decay, which stands in the optimizer's momentum beside them: it fails. Where
no optimizer was kept, the ways that layers moved stand for their gradients, if they differ by two decades or more.

## Why it matters
Layers that get a thousandth of the gradient learn a thousandth as fast under SGD, and are lost in rounding and noise under Adam.

## What to do
Use ReLU or its kin instead of sigmoid, He's or Glorot's initialization, normalization layers and skip connections.

## When it is wrong
Frozen and dead layers have no gradient at all; they are left out. The first layer's gradients also carry the scale of the inputs,
so the slope is the median over all pairs of layers. Adam evens out differences of scale, so a slope that a run lives with is
possible.

## References
AutoTrainer (first to last below 1e-3). SageMaker Debugger, rule VanishingGradient. Own run: about 1 decade a layer in 12 sigmoid
layers.
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, multiple, number, percent

STEEP = Threshold(
    0.3,
    "decades per layer",
    source="own runs: 0.84 and 0.85 behind sigmoids, below 0.1 in healthy nets",
    half="healthy plain nets of five layers are told",
    double="sigmoid nets with strong weights pass unseen",
)
LOST = Threshold(
    1e-3,
    "of the last layer's",
    source="AutoTrainer: gradient of the first layer over that of the last",
    half="as good as the same: the slope decides",
    double="as good as the same: the slope decides",
)
WEAK = 1 / 30
"""Ratio below which a steep slope is told."""

DROWNED = Threshold(
    0.5,
    "of the hidden layers",
    source="own: a layer that gets gradients moves sideways as well; one that is cut off by another fault stands alone",
    half="two dead layers in front of six that live fail",
    double="only nets without any gradient would fail, and those are left to other checks",
)

NEEDS = ("gradients.first_to_last",)
USES = ("gradients.depth_slope", "updates.decay_only")
CHECKLIST = ("plot-gradients",)
LEADS_ITEMS = ("plot-gradients",)
FIGURE = "gradient-rms"


def judge(measured: Measured) -> Finding:
    slope, ratio = measured.get("gradients.depth_slope"), measured["gradients.first_to_last"]
    seen = f"the gradient of the first of {counted(len(ratio.items), 'hidden layer')} is {multiple(ratio.value)} the last one's"
    where = tuple(sorted(ratio.items, key=lambda name: ratio.items[name]))
    if drowned := _drowned(measured, tuple(ratio.items)):
        share = len(drowned) / len(ratio.items)
        told = f"the first {percent(share)} of {counted(len(ratio.items), 'hidden layer')} moved by weight decay alone, the others did not"
        return Finding("fail", told, share, DROWNED, DROWNED.unit, ratio.first_step, drowned)
    if slope is None:
        if ratio.value < LOST.value:
            return Finding("warn", seen, ratio.value, LOST, LOST.unit, ratio.first_step, where)
        if ratio.value >= LOST.value:
            return Finding("pass", seen, ratio.value, LOST, LOST.unit)
        return Finding("not-checked", "the gradients' ratio is not a number")
    way = "lose" if slope.value >= 0 else "gain"
    seen = f"gradients {way} {number(abs(slope.value), 2)} decades per layer on the way back, so that {seen}"
    # Many layers that each take a little: the slope of all of them together accounts for the ratio.
    steady = slope.value * (len(ratio.items) - 1) >= -math.log10(LOST.value)
    if (slope.value >= STEEP.value or steady) and ratio.value < LOST.value:
        return Finding("fail", seen, slope.value, STEEP, STEEP.unit, slope.first_step, where)
    if slope.value >= STEEP.value and ratio.value < WEAK:
        return Finding("warn", seen, slope.value, STEEP, STEEP.unit, slope.first_step, where)
    if ratio.value >= 0 and (slope.value < STEEP.value or ratio.value >= WEAK):
        return Finding("pass", seen, slope.value, STEEP, STEEP.unit)
    return Finding("not-checked", "the slope of the gradients is not a number")


def _drowned(measured: Measured, layers: tuple[str, ...]) -> tuple[str, ...]:
    """The first layers, where they only shrank, are two or more, half of all or more, and not all."""
    shrunk = measured.get("updates.decay_only")
    moved = [place for place, name in enumerate(layers) if shrunk is None or name not in shrunk.items]
    first = layers[: moved[0]] if moved else ()
    return first if len(first) >= max(2, DROWNED.value * len(layers)) and len(moved) == len(layers) - len(first) else ()


def _given(slope: float, ratio: float) -> tuple[Measurement, ...]:
    items = {f"layers.{index}.weight": 1e-3 * 10 ** (slope * (index - 5)) for index in range(6)}
    return (
        Measurement("gradients.depth_slope", slope, "decades per layer", "second moments at step 100", 100, items),
        Measurement("gradients.first_to_last", ratio, "ratio", "second moments at step 100", 100, items),
    )


def _deep(slope: float) -> tuple[Measurement, ...]:
    items = {f"layers.{index}.weight": 1e-3 * 10 ** (slope * (index - 19)) for index in range(20)}
    return (
        Measurement("gradients.depth_slope", slope, "decades per layer", "second moments at step 100", 100, items),
        Measurement("gradients.first_to_last", 10 ** (-19 * slope), "ratio", "second moments at step 100", 100, items),
    )


def _shrunk(layers: int) -> Measurement:
    items = {f"layers.{index}.weight": 1e-3 for index in range(layers)}
    return Measurement("updates.decay_only", layers, "layers", "6 matrices, step 50 to step 100", 100, items)


EXAMPLES = (
    Example("twelve sigmoid layers", _given(1.0, 1e-10), "fail"),
    Example("twenty layers of torch's default", _deep(0.22), "fail"),
    Example("six sigmoid layers with larger weights", _given(0.4, 0.01), "warn"),
    Example("He's initialization", _given(0.02, 0.9), "pass"),
    Example("a steep pair in a short net", _given(0.35, 0.09), "pass"),
    Example("three hidden layers, the first one starved", _given(1.6, 6e-4)[1:], "warn"),
    Example("three hidden layers", _given(0.0, 0.4)[1:], "pass"),
    Example("gradients drowned in weight decay", (*_given(0.03, 0.12), _shrunk(4)), "fail"),
    Example("dead layers all the way", (*_given(0.0, 1.0), _shrunk(6)), "pass"),
    Example("no optimizer state", (), "not-checked"),
)
