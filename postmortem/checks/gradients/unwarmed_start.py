"""Highest learning rate from the first step, and a start that shows it

## What it looks for
A network with attention that begins at 0.9 of its highest learning rate or more, and whose loss rose by 0.1 of its start within the
first tenth of its points, or whose gradient norm burst 5-fold after its first point. It fails where the loss ended above 0.8 of a
guess, and warns otherwise.

## Why it matters
In the first steps Adam's second moments hold a handful of gradients, and its updates are as large as the rate allows. Attention that is
thrown to its extremes at the start often does not come back.

## What to do
Let the rate rise over the first 1 to 5 % of the steps.

## When it is wrong
A constant rate from the start is a choice, and alone says nothing: without a rise of loss or gradients it passes. Resumed runs begin at
the rate where they stopped.

## References
Godbole et al., Deep Learning Tuning Playbook, on warm-up. Xiong et al. 2020 (arXiv 2002.04745): why transformers with norms behind their
blocks need it.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

AT_ONCE = Threshold(
    0.9,
    "of its peak",
    source="a rate that begins at nine tenths of its peak was not warmed up",
    half="short warm-ups that were logged late count as none",
    double="no rate begins above its own peak",
)
ROSE = Threshold(
    0.1,
    "share",
    source="own: a start that is sound falls, and its noise is taken out before",
    half="small rises in the first steps of sound runs are warned",
    double="a start that threw the loss up by a seventh passes",
)
BURST = Threshold(
    5,
    "ratio",
    source="own: gradient norms of sound starts fall from their first value",
    half="sound runs of small batches are warned",
    double="starts whose gradients grew ninefold pass",
)
LOST = Threshold(
    0.8,
    "ratio",
    source="own: what a language model gains by the frequencies of its letters alone is a fifth to a third of chance",
    half="sound trainings of hard tasks fail",
    double="no run fails that did not diverge",
)
BEGIN = 0.05

NEEDS = ("lr.first", "lr.max")
USES = ("weights.attention", "run.family", "steps.last", "loss.early_rise", "gradnorm.early_burst", "loss.last_to_chance", "resume.count")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    attention = measured.number("weights.attention")
    if attention is None and measured.text("run.family") not in ("", "unknown", "language-model"):
        return "no checkpoint shows attention, and the run is no language model"
    return "the network has no attention" if attention == 0 else ""


def judge(measured: Measured) -> Finding:
    first, peak = measured["lr.first"], measured["lr.max"]
    if not peak.value > 0:
        return Finding("not-checked", "the learning rate is nowhere above 0")
    share = first.value / peak.value
    seen = f"the learning rate begins at {percent(share)} of its peak of {number(peak.value)}"
    if measured.number("weights.attention") is None and measured.text("run.family") != "language-model":
        return Finding("not-checked", f"{seen}, but nothing tells whether the network has attention")
    last = measured.number("steps.last")
    late = first.first_step is not None and last is not None and last > 0 and first.first_step > BEGIN * last
    if share < AT_ONCE.value or late or (measured.number("resume.count") or 0) > 0:
        return Finding("pass", f"{seen}{', in the middle of a run' if late else ''}", share, AT_ONCE, AT_ONCE.unit)
    rise, burst = measured.get("loss.early_rise"), measured.get("gradnorm.early_burst")
    if rise is None and burst is None:
        return Finding("not-checked", f"{seen}, but neither the first losses nor gradient norms tell what that did")
    if rise is not None and rise.value >= ROSE.value:
        seen, value, limit, step = f"{seen}, and the loss rose by {percent(rise.value)} at first", rise.value, ROSE, rise.first_step
    elif burst is not None and burst.value >= BURST.value:
        seen, value, limit, step = (
            f"{seen}, and the gradient norm burst to {number(burst.value)} times its usual size",
            burst.value,
            BURST,
            burst.first_step,
        )
    elif share >= AT_ONCE.value:
        return Finding("pass", f"{seen}, and the first steps went well", share, AT_ONCE, AT_ONCE.unit)
    else:
        return Finding("not-checked", "the first learning rate is not a number")
    left = measured.number("loss.last_to_chance")
    if left is not None and left >= LOST.value:
        return Finding("fail", f"{seen}, and ended at {multiple(left)} chance level", value, limit, limit.unit, step)
    return Finding("warn", seen, value, limit, limit.unit, step)


def _given(first: float, rise: float | None, left: float | None = None, attention: float = 8, start: int = 0) -> tuple[Measurement, ...]:
    given: tuple[Measurement, ...] = (
        Measurement("lr.first", first, "per step", "'lr'", start),
        Measurement("lr.max", 1e-2, "per step", "'lr'", start),
        Measurement("steps.last", 600.0, "steps", "last step", 600),
        Measurement("weights.attention", attention, "tensors", "names of tensors"),
    )
    if rise is not None:
        given = (*given, Measurement("loss.early_rise", rise, "share", "'train/loss'", 20))
    return given if left is None else (*given, Measurement("loss.last_to_chance", left, "ratio", "ln 60"))


EXAMPLES = (
    Example("a transformer thrown at its start", _given(1e-2, 0.8, 0.97), "fail"),
    Example("one that came back", _given(1e-2, 0.8, 0.5), "warn"),
    Example("a constant rate that did no harm", _given(1e-2, 0.0, 0.4), "pass"),
    Example("a warm-up", _given(1e-4, 0.0, 0.4), "pass"),
    Example("a log that begins late", _given(1e-2, 0.8, 0.97, start=300), "pass"),
    Example("a convolutional net", _given(1e-2, 0.8, 0.97, attention=0), "not-applicable"),
    Example("no loss and no gradients", _given(1e-2, None), "not-checked"),
    Example("no learning rate", (), "not-checked"),
)
