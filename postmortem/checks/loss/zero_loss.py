"""Loss that is zero from the first point

## What it looks for
The share of points of the training loss that are exactly 0, where the first is: fails at 0.9 and more.

## Why it matters
No loss of a fresh model is zero: all labels are masked (-100), the weights of the loss are zero, or what is logged is not the loss.

## What to do
Count the labels of one batch that are not ignored; print the loss where it is computed.

## When it is wrong
Losses of agents begin at zero where they are measured against the policy itself: runs of that family are not judged. A run that was
resumed at the end may have nothing left to learn.

## References
Own reasoning: a cross-entropy over C classes begins near ln C. Rule of the same kind in other tools: a loss of exactly zero from the
first point says that all labels are ignored.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, percent

ALL = Threshold(
    0.9,
    "share",
    source="own: nine points of ten are no rounding of small losses",
    half="losses that are rounded to zero half of the time fail",
    double="nothing would fail: no more than all points are zero",
)

NEEDS = ("loss.zeros", "run.family")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} may begin at zero" if family in ("rl", "gan", "contrastive") else ""


def judge(measured: Measured) -> Finding:
    found = measured["loss.zeros"]
    tag = f" of {found.text!r}" if found.text else ""
    seen = f"{percent(found.value)} of the points{tag} are exactly 0" if found.value else f"no point{tag} is exactly 0"
    if found.value >= ALL.value and found.first_step is not None:
        return Finding("fail", f"{seen}, from the first on", found.value, ALL, found.unit, found.first_step)
    if found.value >= 0:
        return Finding("pass", seen, found.value, ALL, found.unit)
    return Finding("not-checked", "the share of zeros is not a number")


def _given(share: float, first: int | None, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("loss.zeros", share, "share", "300 points of 'train/loss'", first),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("all labels are ignored", _given(1.0, 0), "fail"),
    Example("fitted to zero in the end", _given(0.6, None), "pass"),
    Example("a healthy run", _given(0.0, None), "pass"),
    Example("an agent", _given(1.0, 0, "rl"), "not-applicable"),
    Example("no loss", (), "not-checked"),
)
