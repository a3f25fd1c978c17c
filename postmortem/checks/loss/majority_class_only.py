"""One class predicted for every record

## What it looks for
A validation accuracy that is the same at every evaluation of the run's last third, at least 5 of them, and is, to half of its last
decimal, the share of one class among the validation records. It alarms where the accuracy was logged to 0.001 or better, and
warns where it was rounded more coarsely, because a learned accuracy then hits a share by chance.

## Why it matters
A model that names one class for every record has learned nothing that can be used, however high its accuracy stands: with 97 %
of one class it is right 97 times in a hundred.

## What to do
Look at the recall of each class. Where classes are unbalanced weight the loss or sample classes evenly; where they are not, look at
whether the input reaches the output in evaluation: batch normalization, preprocessing, a saved head that was not loaded.

## When it is wrong
An accuracy whose model was no longer trained (early stopping, a rate of zero) stays constant as well, but hits the share of a class
only by accident. Where loss or weights are NaN it does not apply: such a model names one class for another reason. The validation
split of the manifest must be the one that was evaluated, all of it.

## References
Japkowicz & Stephen 2002, The Class Imbalance Problem. Karpathy, A Recipe for Training Neural Networks (input-independent baseline).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number, percent

FINE = Threshold(
    0.001,
    "share",
    source="the project's own choice: of a thousand constant accuracies one or two a class lie so near to its share by accident",
    half="accuracies in tenths of a percent are only warned about",
    double="nothing changes: decimals come in powers of ten",
)

BROKEN = 0.5
"""Share of the last losses that are not finite, from which on the run ended broken."""

NEEDS = ("accuracy.majority_gap",)
USES = ("run.family", "loss.nonfinite_tail", "weights.nonfinite")
CHECKLIST = ("balanced-classes",)
DOUBTS_ITEMS = ("balanced-classes",)
FIGURE = "accuracy"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family not in ("", "classification", "unknown"):
        return f"the accuracy of {kind_of_run(family)} is not over single classes"
    if (measured.number("weights.nonfinite") or 0) > 0:
        return "weights are NaN or infinite, and such a model names one class whatever it is shown"
    if (measured.number("loss.nonfinite_tail") or 0) > BROKEN:
        return "the loss ends as NaN or infinite, and such a model names one class whatever it is shown"
    return ""


def judge(measured: Measured) -> Finding:
    gap = measured["accuracy.majority_gap"]
    accuracy, share, unit = gap.items["accuracy"], gap.items["share"], gap.items["unit"]
    evaluations = f"the last {gap.items['evaluations']:.0f} evaluations"
    seen = f"the validation accuracy is {percent(accuracy, 3)} at {evaluations}"
    if gap.items["spread"] > 2 * unit:
        told = (
            f"the validation accuracy still moves about {percent(accuracy, 3)} over {evaluations}, "
            f"while always naming the most frequent class gives {percent(share, 3)}"
        )
        return Finding("pass", told, abs(gap.value), FINE, "share")
    # The nearest share is that of the most frequent class, or of another one that the model names instead.
    distance = gap.items["single"]
    near = max(unit, 1e-6) + 1e-9
    if distance > near:
        return Finding(
            "pass", f"{seen}, {number(distance * 100, 2)} percentage points from the share of any class", distance, FINE, "share"
        )
    named = f"{'the most frequent class' if abs(gap.value) <= near else 'one class'}, {gap.text[:40]!r}"
    told = f"the validation accuracy is {percent(accuracy, 3)} at each of {evaluations}, exactly the share of {named}"
    if 2 * unit > FINE.value * (1 + 1e-9):
        told += f", but is rounded to {number(2 * unit)}, so that this may be an accident"
        return Finding("warn", told, 2 * unit, FINE, "share", where=(gap.text,))
    # The line is one of how finely the log rounds: no measured value stands beside it that a ratio would explain.
    return Finding("fail", told, None, FINE, "share", where=(gap.text,))


def _given(
    accuracy: float, spread: float = 0.0, unit: float = 5e-7, share: float = 0.97, single: float | None = None
) -> tuple[Measurement, ...]:
    items = {"accuracy": accuracy, "share": share, "records": 600.0, "spread": spread, "evaluations": 7.0, "unit": unit}
    items["single"] = abs(accuracy - share) if single is None else single
    return (Measurement("accuracy.majority_gap", accuracy - share, "share", "'val/acc'; manifest.csv", 600, items, "common"),)


EXAMPLES = (
    Example("97 % of one class, and 97 % right", _given(0.97), "fail"),
    Example("one of ten even classes is named for all", _given(0.1, share=0.11, single=0.0), "fail"),
    Example("the same in whole percent", _given(0.97, unit=0.005), "warn"),
    Example("learned, and still moving", _given(0.985, 0.004), "pass"),
    Example("learned, and at rest", _given(0.995), "pass"),
    Example("near the share, but moving about it", _given(0.968, 0.01), "pass"),
    Example(
        "a model of NaN names the first class",
        (*_given(0.1, share=0.11, single=0.0), Measurement("weights.nonfinite", 898, "elements", "step_000180.pt", 180)),
        "not-applicable",
    ),
    Example("no accuracy", (), "not-checked"),
)
