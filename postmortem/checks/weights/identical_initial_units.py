"""Units that start identical

## What it looks for
Rows of hidden and recurrent weight matrices that repeat another row of their matrix before the first step, zeros included. It
alarms where they are more than 0.5 of all units.

## Why it matters
Units that start with the same weights, in front and behind, get the same gradients and stay the same: a layer of them works as
one unit. Where something sets them apart, a random head for one, the run still loses the steps until they are.

## What to do
Draw hidden weights at random, with standard deviation sqrt(2 / fan_in) before ReLU and sqrt(1 / fan_in) before tanh.

## When it is wrong
The last layers of residual branches, gates and LoRA's second factors start at zero on purpose; they are less than half of the
units of a net. Models that start from pruned weights may repeat zeros.

## References
Goodfellow, Bengio and Courville, Deep Learning, 8.4: parameter initialization has to break symmetry.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MOST = Threshold(
    0.5,
    "share",
    source="half of all units; branches that start at zero on purpose are up to two fifths of a block's rows",
    half="transformers whose modulation starts at zero fail",
    double="no share is above 1: nothing would be told",
)

NEEDS = ("weights.initial_duplicate_units",)
USES = ("run.pretrained",)
CHECKLIST = ("init-shallow", "init-deep")


def applies(measured: Measured) -> str:
    return "the run starts from pre-trained weights" if measured.text("run.pretrained") == "true" else ""


def judge(measured: Measured) -> Finding:
    found = measured["weights.initial_duplicate_units"]
    where = tuple(sorted((name for name in found.items if found.items[name] > MOST.value), key=lambda name: -found.items[name]))
    seen = f"{percent(found.value)} of the hidden units start as copies of another unit of their layer"
    if found.value > MOST.value:
        return Finding("fail", f"{seen}, above {percent(MOST.value)}", found.value, MOST, found.unit, found.first_step, where)
    if found.value <= MOST.value:
        return Finding("pass", seen if found.value else "no hidden unit starts as a copy of another", found.value, MOST, found.unit)
    return Finding("not-checked", "the share of equal units is not a number")


def _share(value: float) -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": value}
    return Measurement("weights.initial_duplicate_units", value, "share", "rows of 2 hidden matrices at step 0", 0, items)


EXAMPLES = (
    Example("hidden weights start at zero", (_share(0.98),), "fail"),
    Example("residual branches that start at zero", (_share(0.22),), "pass"),
    Example("random initialization", (_share(0.0),), "pass"),
    Example(
        "pre-trained weights",
        (_share(0.6), Measurement("run.pretrained", float("nan"), "", "settings", text="true")),
        "not-applicable",
    ),
    Example("no checkpoint from the start", (), "not-checked"),
)
