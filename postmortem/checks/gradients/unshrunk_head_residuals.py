"""Errors at the head that do not shrink

## What it looks for
The squares of the head's gradients between the last two saved states of Adam or RMSprop over those up to the first state. Where the
batch size is known and the head is over classes, the same squares give the Brier score of the training records over that of a model
that knows nothing. It warns where the first ratio is at 0.6 or above, and fails where the Brier score is at 0.75 of ignorance or above
as well. Where the Brier score is below 0.35 it passes.

## Why it matters
The gradient of a head's bias is the mean error of a batch. A model that learns is less and less wrong: its errors at the head shrink.
It shows from checkpoints alone whether a run learned its training records.

## What to do
Look for what keeps the errors up: labels that do not follow the inputs, a model too small, updates that are far too small or large.

## When it is wrong
A run that was resumed or fine-tuned starts with small errors, which cannot shrink much. The first stretch must not hold the whole
learning: with two saved states a run that learned at once stands near 1. Growing batches, growing loss weights and clipping that ends
change the scale. A loss that is summed over the batch makes the Brier score too large.

## References
Kingma and Ba 2015 (arXiv 1412.6980) for the averages. The Brier score of p = 1/C is 1 - 1/C.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple

STEADY = Threshold(
    0.6,
    "of their early level",
    source="tuning half: 0.65 to 0.95 with labels of which a third to all were others', 0.5 and below in sound runs",
    half="sound runs whose first state is late are warned",
    double="only errors that grow are seen",
)
IGNORANT = Threshold(
    0.75,
    "of blind guessing's",
    source="a quarter of what ignorance costs was learned; sound runs of the tuning half end at 0.42 and below",
    half="hard tasks fail",
    double="nothing fails",
)
NEEDS = ("head.residual_trend",)
USES = ("head.residual", "run.family")
FIGURE = "gradient-rms"
NOT_SMALL = 0.35


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the errors of {kind_of_run(family)} need not shrink" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    trend, brier = measured["head.residual_trend"], measured.get("head.residual")
    seen = f"squared errors at the head end at {multiple(trend.value)} their early level"
    where = (trend.text,) if trend.text else ()
    known = brier is not None and measured.text("run.family") in ("classification", "unknown") and brier.value <= 2.0
    if brier is not None and known:
        seen += f", and at {multiple(brier.value)} those of blind guessing"
        if brier.value < NOT_SMALL:
            return Finding("pass", seen, brier.value, IGNORANT, IGNORANT.unit)
    if trend.value < STEADY.value:
        return Finding("pass", seen, trend.value, STEADY, STEADY.unit)
    if brier is not None and known and brier.value >= IGNORANT.value:
        return Finding("fail", seen, brier.value, IGNORANT, IGNORANT.unit, None, where)
    return Finding("warn", seen, trend.value, STEADY, STEADY.unit, None, where)


def _given(trend: float, brier: float | None = None, family: str = "classification") -> tuple[Measurement, ...]:
    given = (
        Measurement("head.residual_trend", trend, "ratio", "squares of gradients of fc.bias", 400, text="fc.weight"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if brier is None else (*given, Measurement("head.residual", brier, "ratio", "squares of gradients of fc.bias", 400))


EXAMPLES = (
    Example("shuffled labels", _given(0.91, 0.96), "fail"),
    Example("shuffled labels, batch size not known", _given(0.82), "warn"),
    Example("a third of the labels shuffled", _given(0.66, 0.65), "warn"),
    Example("learned within the first stretch", _given(0.9, 0.1), "pass"),
    Example("a sound run", _given(0.09, 0.03), "pass"),
    Example("an adversarial pair", _given(1.0, family="gan"), "not-applicable"),
    Example("no optimizer state", (), "not-checked"),
)
