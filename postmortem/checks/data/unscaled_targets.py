"""Targets that do not vary, or are far from unit scale

## What it looks for
Numbers to predict that are all the same, and ones whose root mean square is above 10 where the first loss shows that the model sees them as
they stand: within a factor of 2 of the root mean square or of its square. It alarms at 0 deviation, and warns of the scale.

## Why it matters
A model begins with answers near 0. With targets in the thousands the first loss is in the millions, its gradients are as many times too
large, and the last layer's bias has to travel the whole way at the learning rate's pace.

## What to do
Subtract the training targets' mean and divide by their deviation, and turn predictions back for reporting; or set the last bias to the
mean.

## When it is wrong
A first loss that agrees by chance. Optimizers such as Adam forgive the scale of gradients, and an initialized bias the mean. Without a
logged first loss nothing is said of the scale, since loaders commonly take it out.

## References
LeCun, Bottou, Orr, Mueller 1998, Efficient BackProp, 4.5 (targets). Karpathy, A Recipe for Training Neural Networks (init the final
layer's bias to the mean).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

LARGE = Threshold(
    10.0,
    "rms",
    source="the project's own choice: one decade above unit scale, as for inputs",
    half="ratings of 1 to 10 are named",
    double="ages with a mean of 15 pass",
)
SAME = Threshold(
    2.0,
    "ratio",
    source="the project's own choice: a random model answers near 0, and single batches differ",
    half="only losses equal to the targets' level count",
    double="losses of another scale count",
)
VARYING = Threshold(
    0,
    "units of the target",
    source="by definition: a constant is nothing to learn",
    half="the same",
    double="the same",
)

NEEDS = ("data.target_deviation", "data.target_level")
USES = ("loss.first", "classes.kind")


def applies(measured: Measured) -> str:
    kind = measured.text("classes.kind")
    return "the manifest's labels are classes or texts, not numbers to predict" if kind and kind not in ("targets", "none") else ""


def judge(measured: Measured) -> Finding:
    deviation, level, first = measured["data.target_deviation"], measured["data.target_level"], measured.number("loss.first")
    if deviation.value == VARYING.value:
        told = f"all training targets are {number(measured['data.target_level'].value, 6)} ({level.basis}), with a deviation of 0"
        return Finding("fail", told, 0.0, VARYING, VARYING.unit)
    seen = f"the targets' root mean square is {number(level.value, 4)}"
    if level.value <= LARGE.value:
        return Finding("pass", f"{seen}, within {number(LARGE.value)}", level.value, LARGE, LARGE.unit)
    if first is None or not first > 0:
        told = f"{seen}, and no first loss tells whether the model sees them as they stand"
        return Finding("not-checked", told, level.value, LARGE, LARGE.unit)
    for expected, kind in ((level.value**2, "squared"), (level.value, "absolute")):
        if 1 / SAME.value <= first / expected <= SAME.value:
            told = f"{seen}, above {number(LARGE.value)}, and the first loss is {number(first, 4)}, that of an answer of 0 in {kind} error"
            return Finding("warn", told, level.value, LARGE, LARGE.unit)
    return Finding(
        "pass", f"{seen} in the file, and the first loss is {number(first, 4)}: scaled on the way", level.value, LARGE, LARGE.unit
    )


def _given(deviation: float, level: float, first: float | None = None) -> tuple[Measurement, ...]:
    basis = "500 targets of column 'price' of manifest.csv"
    return (
        Measurement("data.target_deviation", deviation, "units of the target", basis),
        Measurement("data.target_level", level, "units of the target", basis),
        *((Measurement("loss.first", first, "nats", "'train/loss' of events"),) if first is not None else ()),
    )


EXAMPLES = (
    Example("every target is the same", _given(0.0, 7.0), "fail"),
    Example("raw prices, squared error", _given(80.0, 220.0, 47000.0), "warn"),
    Example("raw prices, absolute error", _given(80.0, 220.0, 210.0), "warn"),
    Example("prices, standardized by the loader", _given(80.0, 220.0, 1.03), "pass"),
    Example("standardized targets", _given(1.0, 1.0, 1.1), "pass"),
    Example("raw prices, no loss logged", _given(80.0, 220.0), "not-checked"),
    Example("ten classes", (Measurement("classes.kind", float("nan"), "", "labels of manifest.csv", text="single"),), "not-applicable"),
    Example("no manifest", (), "not-checked"),
)
