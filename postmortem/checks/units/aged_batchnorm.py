"""Batch normalization with the statistics of an earlier checkpoint

## What it looks for
Layers whose counter of batches fell from one checkpoint to the next, and whose running variances are less than half as far from those
of the checkpoint with that count as from the last ones. Fails where that is so of a share of layers above 0.

## Why it matters
Weights that were averaged, merged or loaded without their buffers run through statistics of other weights: training is not harmed, and
validation is.

## What to do
After averaging weights pass over the training data once in training mode (update_bn), and load buffers with the parameters.

## When it is wrong
A refresh of the statistics begins the counter again as well: it finds what the last ones were near to, and passes. A run that went back
to an earlier checkpoint as a whole has fallen counters too, and then its step falls with them.

## References
Izmailov et al. 2018 (arXiv 1803.05407): averaged weights need their own statistics.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

ANY = Threshold(
    0,
    "share",
    source="a counter of batches never falls while one model is trained",
    half="the same: there is nothing between none and some",
    double="the same: twice nothing is nothing",
)

NEEDS = ("batchnorm.layers", "batchnorm.aged")
CHECKLIST = ("mean-centering",)
DOUBTS_ITEMS = ("mean-centering",)
FIGURE = ""


def applies(measured: Measured) -> str:
    layers = measured.get("batchnorm.layers")
    return "the net has no batch normalization with running statistics" if layers is not None and layers.value == 0 else ""


def judge(measured: Measured) -> Finding:
    found = measured["batchnorm.aged"]
    if found.value > ANY.value:
        where = tuple(sorted(found.items, key=lambda name: -found.items[name]))
        seen = f"{percent(found.value)} of the batch-norm layers went back to an earlier checkpoint's statistics: {where[0]} has counted"
        seen += f" {found.items[where[0]]:.0f} batches fewer than before"
        return Finding("fail", seen, found.value, ANY, found.unit, found.first_step, where)
    if found.value == 0:
        return Finding("pass", f"no batch-norm layer went back to earlier statistics ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the share of aged layers is not a number")


def _given(share: float, layers: float = 2) -> tuple[Measurement, ...]:
    items = {"bn1": 380.0} if share else {}
    return (
        Measurement("batchnorm.layers", layers, "layers", "tensors called running_var"),
        Measurement("batchnorm.aged", share, "share", "2 layers in 6 checkpoints", 400 if share else None, items),
    )


EXAMPLES = (
    Example("averaged without a refresh", _given(1.0), "fail"),
    Example("a healthy net", _given(0.0), "pass"),
    Example("no batch normalization", _given(0.0, 0)[:1], "not-applicable"),
    Example("one checkpoint", _given(0.0)[:1], "not-checked"),
)
