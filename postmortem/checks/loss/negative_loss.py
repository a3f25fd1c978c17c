"""Cross-entropy below zero

## What it looks for
Points of a classifier's training loss below 0. It alarms where at least 0.1 of the points are, and warns from
0.01 on, or where it ends there.

## Why it matters
A cross-entropy cannot be negative. Where it is, the loss is given what it does not expect: probabilities in place of their
logarithms, targets outside 0 to 1, or a wrong sign. The optimizer then drives the numbers to where the mistake pays most.

## What to do
Give CrossEntropyLoss raw scores; give NLLLoss the output of log_softmax; give BCEWithLogitsLoss targets between 0 and 1.

## When it is wrong
Likelihoods of continuous variables, evidence bounds, adversarial and contrastive losses are negative by right; an entropy bonus
can pull a sound loss below zero.

## References
The Deep Checker, catalogue of pitfalls (binary cross-entropy on values that are no probabilities). torch.nn.NLLLoss.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number, percent

OFTEN = Threshold(
    0.1,
    "share",
    source="the project's own choice: more than a stray point",
    half="an entropy bonus at the end of a run fails",
    double="a run that ends negative in its last fifth is only warned",
)

STRAY = Threshold(
    0.01,
    "share",
    source="the project's own choice: joined logs and auxiliary terms leave single points below zero",
    half="single points of short logs are warned",
    double="a loss that was below zero for some epochs in a hundred passes",
)

NEEDS = ("loss.negative", "loss.points", "run.family")
USES = ("loss.last", "loss.chance")
CHECKLIST = ()
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} may be negative" if family and family not in ("classification", "language-model") else ""


def judge(measured: Measured) -> Finding:
    negative, points = measured["loss.negative"], measured["loss.points"]
    share = negative.value / max(1.0, points.value)
    seen = f"{negative.value:.0f} of {points.value:.0f} training losses ({percent(share)}) are below 0"
    if negative.value == 0:
        return Finding("pass", "no training loss is below 0", share, OFTEN, "share")
    last = measured.number("loss.last")
    if share < STRAY.value and (last is None or last >= 0):
        return Finding("pass", f"{seen}, a few stray ones", share, STRAY, "share")
    if last is not None and -1 <= last < 0:
        seen += f", and the last is {number(last)}, between -1 and 0 as the mean of probabilities does"
    return Finding("fail" if share >= OFTEN.value else "warn", seen, share, OFTEN, "share", negative.first_step)


def _given(negative: float, family: str = "classification") -> tuple[Measurement, ...]:
    return (
        Measurement("loss.negative", negative, "points", "'train/loss'", 10 if negative else None),
        Measurement("loss.points", 600.0, "points", "'train/loss'"),
        Measurement("loss.last", -0.8 if negative > 300 else 0.2, "loss", "'train/loss'"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("NLLLoss on probabilities", _given(600), "fail"),
    Example("twenty points", _given(20), "warn"),
    Example("three stray points", _given(3), "pass"),
    Example("a cross-entropy", _given(0), "pass"),
    Example("an evidence bound", _given(400, family="vae"), "not-applicable"),
    Example("no training loss", (), "not-checked"),
)
