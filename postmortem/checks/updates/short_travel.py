"""Weights that end almost where they started

## What it looks for
The distance between the first and the last checkpoint beside the norm of the first weights, median of the matrices that moved. Warns
below 0.1, fails below 0.03; passes where the loss fell by half all the same.

## Why it matters
Whatever the update of a single step is, weights that have moved by a hundredth of themselves over the whole run have learned next to
nothing. It needs no optimizer state.

## What to do
Raise the learning rate, or look for what holds it back: clipping, a schedule that ends early, a scaler that skips.

## When it is wrong
Very wide networks learn with weights that hardly move, and a pre-trained network has little to learn. Checkpoints from a short
stretch of a run show that stretch only.

## References
Chizat, Oyallon and Bach 2019, On Lazy Training (arXiv 1812.07956): relative movement falls with the root of the width; at widths from
64 to 1,000 it is 0.03 to 0.12.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, percent

SHORT = Threshold(
    0.1,
    "of their norm",
    source="lazy training at width 100",
    half="rates a hundred times too low pass",
    double="careful fine-tuning is warned",
)
SHORTEST = Threshold(
    0.03,
    "of their norm",
    source="lazy training at width 1,000",
    half="rates 300 times too low are warned only",
    double="rates fifty times too low fail",
)
LEARNED = 0.5

NEEDS = ("updates.displacement",)
USES = ("loss.improvement", "run.pretrained", "run.goes_on")
CHECKLIST = ("update-ratio", "learning-rate")
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    moved = measured.number("updates.displacement")
    if moved == 0:
        return "no matrix moved at all"
    if measured.text("run.pretrained") == "true" or measured.text("run.goes_on") == "true":
        return "a pre-trained network has little way to go"
    return ""


def judge(measured: Measured) -> Finding:
    moved = measured["updates.displacement"]
    # A third digit where two would read as the line itself.
    digits = 3 if percent(moved.value) in (percent(SHORT.value), percent(SHORTEST.value)) else 2
    seen = f"over the run the weights moved by {multiple(moved.value, digits)} their norm"
    if (measured.number("loss.improvement") or 0.0) >= LEARNED:
        return Finding("pass", f"{seen}, which was enough to learn", moved.value, SHORT, SHORT.unit)
    where = tuple(sorted((name for name, value in moved.items.items() if 0 < value < SHORT.value), key=lambda name: moved.items[name]))
    if moved.value < SHORTEST.value:
        return Finding("fail", f"{seen}, below {percent(SHORTEST.value)}", moved.value, SHORTEST, SHORTEST.unit, moved.first_step, where)
    if moved.value < SHORT.value:
        return Finding("warn", f"{seen}, below {percent(SHORT.value)}", moved.value, SHORT, SHORT.unit, moved.first_step, where)
    if moved.value >= SHORT.value:
        return Finding("pass", seen, moved.value, SHORT, SHORT.unit)
    return Finding("not-checked", "the distance is not a number")


def _moved(share: float, fell: float | None = None, pretrained: str = "") -> tuple[Measurement, ...]:
    given = [Measurement("updates.displacement", share, "share", "step 0 to step 600", 600, {"fc1.weight": share})]
    if fell is not None:
        given.append(Measurement("loss.improvement", fell, "share", "60 points"))
    if pretrained:
        given.append(Measurement("run.pretrained", float("nan"), "", "setting", text=pretrained))
    return tuple(given)


EXAMPLES = (
    Example("a rate 300 times too low", _moved(0.008, 0.1), "fail"),
    Example("a rate 100 times too low", _moved(0.06, 0.1), "warn"),
    Example("a very wide network that learned", _moved(0.02, 0.9), "pass"),
    Example("a healthy run", _moved(0.4, 0.9), "pass"),
    Example("fine-tuning", _moved(0.01, 0.1, "true"), "not-applicable"),
    Example("nothing moved", _moved(0.0), "not-applicable"),
    Example("one checkpoint", (), "not-checked"),
)
