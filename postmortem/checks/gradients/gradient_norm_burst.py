"""Bursts of the gradient norm

## What it looks for
The highest gradient norm after the first 5 % of the points, over the usual norm (the larger of the run's median and the early
median). It alarms from 100 on and warns from 10; where a clip norm is set, it warns at most. Norms that are not finite alarm
where they are more than 0.05 of all points.

## Why it matters
One gradient a hundred times too large undoes hundreds of steps, and fills Adam's second moments so that the next hundreds are
too small.

## What to do
Clip the gradient norm at about twice its median; lower the learning rate; look at the batches of the steps named.

## When it is wrong
Single infinite norms under fp16 are steps that the gradient scaler skips. Norms of small batches have heavy tails. In a
converged model the norm is near zero and anything bursts: so the early norm counts as usual too.

## References
AUTOTRAINER (ratio of 70 for exploding gradients). Pascanu et al. 2013 (arXiv 1211.5063): clipping.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, multiple, number, percent

BURST = Threshold(
    100.0,
    "of the usual one",
    source="AUTOTRAINER takes 70; an injected fault gave 3000",
    half="heavy tails of small batches come near it",
    double="gradients a hundred times too large are only warned",
)
HIGH = Threshold(
    10.0,
    "of the usual one",
    source="run monitors in use take 10 times the median",
    half="ordinary noise is warned",
    double="moderate bursts pass",
)
OFTEN_INFINITE = Threshold(
    0.05,
    "share",
    source="the gradient scaler's skips are 10 of 34,000 steps in a sound run, and the first ten or so",
    half="short fp16 runs fail for the scaler's first skips",
    double="one step in ten lost passes",
)

NEEDS = ("gradnorm.burst",)
USES = ("run.clip_norm", "gradnorm.nonfinite", "gradnorm.nonfinite_share")
CHECKLIST = ("plot-gradients", "gradient-clipping")
DOUBTS_ITEMS = ("plot-gradients",)
LEADS_ITEMS = ("gradient-clipping",)
FIGURE = "gradient-norm"


def judge(measured: Measured) -> Finding:
    burst, infinite = measured["gradnorm.burst"], measured.get("gradnorm.nonfinite_share")
    if infinite is not None and infinite.value > OFTEN_INFINITE.value:
        text = f"{percent(infinite.value)} of the gradient norms are NaN or infinite, the first at step {infinite.first_step}"
        return Finding("fail", text, infinite.value, OFTEN_INFINITE, OFTEN_INFINITE.unit, infinite.first_step)
    seen = f"the highest gradient norm is {multiple(burst.value)} the usual one"
    skipped = measured.number("gradnorm.nonfinite")
    beside = f" ({counted(skipped, 'norm is', 'norms are')} not finite, as where a gradient scaler skips steps)" if skipped else ""
    if burst.value < HIGH.value:
        return Finding("pass", f"{seen}{beside}", burst.value, HIGH, HIGH.unit)
    clip = measured.number("run.clip_norm")
    if clip is not None:
        return Finding(
            "warn", f"{seen}, but gradients are clipped at {number(clip)}{beside}", burst.value, HIGH, HIGH.unit, burst.first_step
        )
    line = BURST if burst.value >= BURST.value else HIGH
    return Finding(
        "fail" if line is BURST else "warn", f"{seen}, above {number(line.value)}{beside}", burst.value, line, line.unit, burst.first_step
    )


def _given(burst: float, clip: float | None = None, infinite: float = 0.0) -> tuple[Measurement, ...]:
    given = (
        Measurement("gradnorm.burst", burst, "ratio", "'grad_norm', 600 points", 310),
        Measurement("gradnorm.nonfinite", infinite * 600, "points", "'grad_norm'", 20 if infinite else None),
        Measurement("gradnorm.nonfinite_share", infinite, "share", "'grad_norm'", 20 if infinite else None),
    )
    return given if clip is None else (*given, Measurement("run.clip_norm", clip, "gradient norm", "setting"))


EXAMPLES = (
    Example("four gradients 3000 times too large", _given(2800.0), "fail"),
    Example("every tenth norm infinite", _given(2.0, infinite=0.1), "fail"),
    Example("a burst of 20", _given(20.0), "warn"),
    Example("a burst that was clipped", _given(300.0, clip=1.0), "warn"),
    Example("two steps skipped by the scaler", _given(3.0, infinite=2 / 600), "pass"),
    Example("calm", _given(2.5), "pass"),
    Example("no gradient norm", (), "not-checked"),
)
