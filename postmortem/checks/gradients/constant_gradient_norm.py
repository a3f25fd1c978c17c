"""Gradient clipping that is nearly always active

## What it looks for
The share of gradient norms that equal their maximum (logged after clipping), or that lie above the clip norm (logged before).
From 0.9 on, clipping is nearly always active: it alarms where the loss fell by less than 0.1, warns where it fell by less than
0.5, and passes where the run learned all the same.

## Why it matters
Clipping is a guard against rare large gradients. Where it always acts, it sets the length of every step, and the learning rate
no longer says what it seems to say.

## What to do
Raise the clip norm to about twice the median norm, or lower the learning rate and leave clipping for the exceptions.

## When it is wrong
A norm logged after clipping is at its limit whenever clipping acts, by construction. Adam divides by the size of gradients, so
that constant clipping hardly matters to it. A model whose weights do not move, on full batches, has a constant norm without any
clipping.

## References
Pascanu et al. 2013 (arXiv 1211.5063). Run monitors that note norms equal to their maximum at 90 % of the points.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

ALWAYS = Threshold(
    0.9,
    "share",
    source="run monitors in use",
    half="clipping that acts during the first half of a sound run counts as always",
    double="nothing is above it",
)
LITTLE = Threshold(
    0.1,
    "share",
    source="a fall of the loss below a tenth",
    half="only flat runs fail",
    double="slow runs fail",
)
SOME = Threshold(
    0.5,
    "share",
    source="a fall of the loss below a half",
    half="a run held back to a quarter of its fall passes",
    double="every run with constant clipping is warned",
)

NEEDS = ("gradnorm.constant_share",)
USES = ("gradnorm.clipped_share", "run.clip_norm", "loss.improvement", "gradnorm.burst")
CHECKLIST = ("gradient-clipping",)
LEADS_ITEMS = ("gradient-clipping",)
FIGURE = "gradient-norm"

CALM = 10.0
"""Without bursts above this there is nothing to clip."""


def judge(measured: Measured) -> Finding:
    constant, clipped, clip = measured["gradnorm.constant_share"], measured.get("gradnorm.clipped_share"), measured.number("run.clip_norm")
    share, how = constant.value, "of the gradient norms equal their maximum"
    if clipped is not None and clip is not None and clipped.value > share:
        share, how = clipped.value, f"of the gradient norms lie above the clip norm {number(clip)}"
    seen = f"{percent(share)} {how}"
    if clip is None and constant.items.get("points") == 1:
        seen = "no two gradient norms share their maximum, as clipped ones would"
    if share < ALWAYS.value:
        if clip is not None:
            return Finding("pass", f"{seen}: clipping acts now and then", share, ALWAYS, "share")
        burst = measured.number("gradnorm.burst")
        calm = "no setting tells of clipping"
        if burst is not None and burst < CALM:
            calm += f", and the highest norm, {number(burst, 2)} times the usual one, asks for none"
        return Finding("pass", f"{seen}; {calm}", share, ALWAYS, "share")
    fall = measured.number("loss.improvement")
    if fall is None:
        return Finding("warn", f"{seen}, and no loss shows whether that held learning back", share, ALWAYS, "share")
    seen += f", while the loss fell by {percent(max(0.0, fall))}"
    if fall < LITTLE.value:
        return Finding("fail", seen, share, ALWAYS, "share")
    if fall < SOME.value:
        return Finding("warn", seen, share, ALWAYS, "share")
    return Finding("pass", f"{seen}: clipping acts always, and the run learned all the same", share, ALWAYS, "share")


def _given(constant: float, fall: float, clipped: float | None = None) -> tuple[Measurement, ...]:
    given = (
        Measurement("gradnorm.constant_share", constant, "share", "'grad_norm', 600 points"),
        Measurement("loss.improvement", fall, "share", "'train/loss'"),
        Measurement("gradnorm.burst", 2.0, "ratio", "'grad_norm', 600 points"),
    )
    if clipped is None:
        return given
    return (
        *given,
        Measurement("gradnorm.clipped_share", clipped, "share", "'grad_norm', 600 points"),
        Measurement("run.clip_norm", 0.01, "gradient norm", "setting 'max_grad_norm'"),
    )


EXAMPLES = (
    Example("clipped to 0.01 at each step, nothing learned", _given(0.002, 0.03, 1.0), "fail"),
    Example("norms logged after clipping, little learned", _given(0.97, 0.3), "warn"),
    Example("always clipped, learned well", _given(0.95, 0.9), "pass"),
    Example("clipped now and then", _given(0.05, 0.8, 0.05), "pass"),
    Example("no clipping, no bursts", _given(0.002, 0.8), "pass"),
    Example("no gradient norm", (), "not-checked"),
)
