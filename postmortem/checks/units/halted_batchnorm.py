"""Batch normalization whose statistics stopped on the way

## What it looks for
Running means and variances that changed at first and then kept every bit while the weights went on moving, as a share of the steps.
From 0.5 on it fails, from 0.2 on it warns. Where only part of the layers changed at all, it says so.

## Why it matters
After a validation that ends without `model.train()` the rest of the training runs in evaluation mode: batch normalization no longer
normalizes, dropout is off, and the statistics are those of weights that are long gone.

## What to do
Call `model.train()` at the start of every training epoch, after every validation.

## When it is wrong
Normalization may be frozen for the last part of a run on purpose, which warns. Statistics that never changed are not judged here:
they are a pre-trained model's, or never were in training mode, which another check tells apart by their values.

## References
PyTorch documentation of Module.train and of BatchNorm. With batches that differ, no running statistic keeps all its bits over a
single update in training mode.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

LONG = Threshold(
    0.5,
    "share",
    source="own: recipes that freeze normalization on purpose in mid-run do so for the last tenth to fifth of it",
    half="recipes that freeze it for the last quarter fail",
    double="no run would fail: statistics that moved at all moved for part of it",
)
SOME = Threshold(
    0.2,
    "share",
    source="what is usual where it is done on purpose",
    half="usual recipes are warned",
    double="a model that was left in evaluation mode for a third of the run passes",
)

NEEDS = ("batchnorm.layers", "batchnorm.halted")
USES = ("batchnorm.tracked",)
CHECKLIST = ("mean-centering",)
DOUBTS_ITEMS = ("mean-centering",)
FIGURE = ""


def applies(measured: Measured) -> str:
    layers = measured.get("batchnorm.layers")
    return "the net has no batch normalization with running statistics" if layers is not None and layers.value == 0 else ""


def judge(measured: Measured) -> Finding:
    found, tracked = measured["batchnorm.halted"], measured.get("batchnorm.tracked")
    where = tuple(sorted((name for name in found.items if found.items[name] >= SOME.value), key=lambda name: -found.items[name]))
    seen = (
        f"the running statistics of {len(where)} of {len(found.items)} layers stood still for the last {percent(found.value)} of the steps"
    )
    seen += " while weights moved"
    if tracked is not None and where:
        seen += f", and their counters hold {number(tracked.value, 2)} batches a step"
    if found.text == "part":
        seen += ", and other layers never changed theirs"
    for status, limit in (("fail", LONG), ("warn", SOME)):
        if found.value >= limit.value:
            return Finding("fail" if status == "fail" else "warn", seen, found.value, limit, found.unit, found.first_step, where)
    if found.value < SOME.value:
        told = f"running statistics moved as long as weights did, but for {percent(found.value)} of the steps"
        return Finding("pass", told if found.value else "running statistics moved as long as weights did", found.value, SOME, found.unit)
    return Finding("not-checked", "the share of steps without statistics is not a number")


def _given(halted: float, layers: float = 2) -> tuple[Measurement, ...]:
    return (
        Measurement("batchnorm.layers", layers, "layers", "tensors called running_var"),
        Measurement("batchnorm.halted", halted, "share", "2 layers, 6 intervals", 100, {"bn1": halted, "bn2": halted}),
        Measurement("batchnorm.tracked", 1 - halted, "ratio", "2 layers", 600, {"bn1.num_batches_tracked": 1 - halted}),
    )


EXAMPLES = (
    Example("left in evaluation mode after the first validation", _given(0.83), "fail"),
    Example("frozen for the last third", _given(0.33), "warn"),
    Example("a healthy net", _given(0.0), "pass"),
    Example("no batch normalization", _given(0.0, 0)[:1], "not-applicable"),
    Example("one checkpoint", _given(0.0)[:1], "not-checked"),
)
