"""Whole matrices of zeros after training began

## What it looks for
Linear and convolution weights that are zero in every element in the last finite checkpoint, after step 0: 1 such matrix warns, and fails
where the loss fell by less than 0.02 of its start.

## Why it matters
A matrix of zeros passes nothing on. Where weights were made on a meta device, or sharded, and never filled, this is what is trained.

## What to do
Load or draw the weights after the model has been put on its device, and assert that no parameter is all zero.

## When it is wrong
Projections that start at zero on purpose move with their first update. Pruned layers and adapters of a first step are zero by design;
adapters are not looked at.

## References
VeOmni issue 118: a first loss of ln of the vocabulary and a gradient norm of 0 from weights that were never loaded.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

ANY = Threshold(
    1,
    "matrices",
    source="own: no healthy training of this project ends with a matrix of zeros",
    half="the same: matrices are whole",
    double="a single layer that was never filled passes",
)
LEARNED = Threshold(
    0.02,
    "share",
    source="the line below which a loss is flat (flat-loss)",
    half="runs that learn next to nothing are warned only",
    double="slow trainings of pruned nets fail",
)

NEEDS = ("weights.zero_share",)
USES = ("loss.improvement",)
CHECKLIST = ("pretrained-models",)
DOUBTS_ITEMS = ("pretrained-models",)
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    found = measured.get("weights.zero_share")
    return "the last finite checkpoint is from before the first update" if found is not None and found.first_step == 0 else ""


def judge(measured: Measured) -> Finding:
    found, fell = measured["weights.zero_share"], measured.number("loss.improvement")
    where = tuple(name for name in found.items if found.items[name] == 1.0)
    hold = "holds" if len(where) == 1 else "hold"
    seen = f"{len(where)} of {counted(len(found.items), 'weight matrix', 'weight matrices')} {hold} nothing but zeros"
    if len(where) >= ANY.value:
        if fell is not None and fell < LEARNED.value:
            reason = f"{seen}, and the loss fell by only {percent(fell)}"
            return Finding("fail", reason, float(len(where)), ANY, ANY.unit, found.first_step, where)
        return Finding("warn", seen, float(len(where)), ANY, ANY.unit, found.first_step, where)
    if found.value <= 1:
        return Finding("pass", "no weight matrix is all zeros", 0.0, ANY, ANY.unit)
    return Finding("not-checked", "the share of zeros is not a number")


def _given(share: float, step: int = 600, fell: float | None = None) -> tuple[Measurement, ...]:
    given = (Measurement("weights.zero_share", share, "share", "exact zeros", step, {"fc1.weight": share, "fc2.weight": 0.0}),)
    return given if fell is None else (*given, Measurement("loss.improvement", fell, "share", "'train/loss'"))


EXAMPLES = (
    Example("weights that were never filled", _given(1.0, 600, 0.001), "fail"),
    Example("a layer of zeros in a run that learned", _given(1.0, 600, 0.6), "warn"),
    Example("a pruned layer", _given(0.9), "pass"),
    Example("a head that starts at zero", _given(1.0, 0), "not-applicable"),
    Example("no checkpoint", (), "not-checked"),
)
