"""Validation loss with one value at every evaluation

## What it looks for
At least 5 evaluations whose validation losses are equal to the last digit, where the training loss stands above 0.5 of chance, or
chance is not known.

## Why it matters
The records are the same at each evaluation. A loss that is equal to the last digit comes from a model that is: not one weight has
moved. It shows without a single checkpoint that nothing is updated.

## What to do
See whether optimizer.step() is called, and whether the optimizer holds the parameters of the model that is evaluated.

## When it is wrong
Losses that were rounded before they were logged may be equal at the end of training. Evaluating a frozen copy, such as an average that
is never updated, shows that copy.

## References
Karpathy, A Recipe for Training Neural Networks: fixed seeds, and a baseline that ignores its input.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run

FEWEST = Threshold(
    5.0,
    "evaluations",
    source="four chances to differ; losses of float32 agree by chance once in thousands of times at most",
    half="three rounded values of a slow run fail",
    double="short logs pass",
)
FITTED = 0.5

NEEDS = ("validation.values",)
USES = ("loss.last_to_chance", "run.family")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the validation loss of {kind_of_run(family)} says little" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    values = measured["validation.values"]
    evaluations = values.items["evaluations"]
    seen = f"the validation loss has {values.value:.0f} different values at {evaluations:.0f} evaluations"
    if values.value == 1:
        seen = f"the validation loss is the same number at all {evaluations:.0f} evaluations"
    if values.value > 1:
        return Finding("pass", seen, evaluations, FEWEST, "evaluations")
    level = measured.number("loss.last_to_chance")
    if level is not None and level <= FITTED:
        return Finding("pass", f"{seen}, of a model that has fitted", evaluations, FEWEST, "evaluations")
    if evaluations >= FEWEST.value:
        return Finding("fail", f"{seen}: the model did not change at all", evaluations, FEWEST, "evaluations", values.first_step)
    return Finding("not-checked", f"{seen}, too few to tell")


def _given(distinct: float, level: float | None = None, family: str = "classification") -> tuple[Measurement, ...]:
    given = (
        Measurement("validation.values", distinct, "values", "'val/loss', 20 evaluations", 0, {"evaluations": 20.0}),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if level is None else (*given, Measurement("loss.last_to_chance", level, "ratio", "ln 10"))


EXAMPLES = (
    Example("step() is never called", _given(1.0, 1.0), "fail"),
    Example("a regression that is never updated", _given(1.0), "fail"),
    Example("a rate that is far too low", _given(18.0, 1.0), "pass"),
    Example("converged, and rounded by the logger", _given(1.0, 0.01), "pass"),
    Example("a policy", _given(1.0, family="rl"), "not-applicable"),
    Example("no validation", (), "not-checked"),
)
