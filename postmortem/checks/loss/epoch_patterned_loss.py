"""Loss that follows the order of the records

## What it looks for
The share of the training loss's variance that its place within the epoch explains, where the manifest's rows are sorted by label (a
standard score below -10). From 0.1 on it warns, and alarms where the settings say that nothing is shuffled and the loss swings within an
epoch by 0.4 of its whole fall.

## Why it matters
Read class by class, each batch holds one class. The model unlearns the others before they come again, and the loss jumps where the
class changes. With a high learning rate units die of it, and only the classes that came last are known.

## What to do
Shuffle at every epoch (`shuffle=True`), or write the records in random order where they are streamed.

## When it is wrong
Losses of several epochs over a small set go down in steps, and running means start anew at each epoch: both repeat themselves, and pass
unless the rows are sorted too. With gradient accumulation or several devices an epoch has fewer steps than records over the batch size.

## References
The project's own catalogue, L9 and M9. Wald & Wolfowitz 1940 on runs. Bengio 2012, Practical Recommendations (arXiv 1206.5533), on order.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

PATTERN = Threshold(
    0.1,
    "share",
    source="twelve trainings on digits read class by class, five points an epoch: 0.14 to 0.37; eight shuffled ones: -0.03 to 0.01",
    half="within two standard deviations of no pattern in a run of a hundred points",
    double="patterns under much noise pass",
)
SWING = Threshold(
    0.4,
    "share",
    source="the same trainings: 0.17 to 0.28 where all classes were learned all the same, 0.36 to 2.3 where half of them were not",
    half="runs that learned all the same fail",
    double="runs that know half of the classes are only warned about",
)
SORTED = Threshold(
    -10.0,
    "z",
    source="the project's catalogue, M9: no random order ever comes near it",
    half="records in natural groups count as sorted",
    double="sets of a few hundred records, fully sorted, pass",
)

NEEDS = ("loss.epoch_pattern", "data.label_order_z")
USES = ("data.shuffled", "run.family")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    if measured.text("data.shuffled") == "true":
        return "the settings shuffle the records"
    z = measured.number("data.label_order_z")
    return f"the rows are not sorted by label ({number(z)} standard deviations from random)" if z is not None and z >= SORTED.value else ""


def judge(measured: Measured) -> Finding:
    pattern, z = measured["loss.epoch_pattern"], measured["data.label_order_z"]
    swing = pattern.items["swing"]
    seen = (
        f"the place in the epoch ({pattern.items['period']:.0f} steps) explains {percent(max(pattern.value, 0.0))} of how the loss varies"
    )
    if not pattern.value >= PATTERN.value:
        return Finding("pass", f"{seen}, although the rows are sorted", pattern.value, PATTERN, pattern.unit)
    seen += f", by {percent(swing)} of its fall, and the rows are sorted by label ({number(z.value)} standard deviations from random)"
    if measured.text("data.shuffled") == "false" and swing >= SWING.value:
        return Finding("fail", f"{seen} and not shuffled", swing, SWING, "share", pattern.first_step)
    return Finding("warn", seen, pattern.value, PATTERN, pattern.unit, pattern.first_step)


def _given(pattern: float, swing: float, z: float, shuffled: str = "") -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.epoch_pattern", pattern, "share", "'train/loss'", None, {"period": 31.0, "cycles": 18.0, "swing": swing}),
        Measurement("data.label_order_z", z, "z", "10 runs in 1000 rows of manifest.csv"),
    )
    return (*given, Measurement("data.shuffled", float("nan"), "", "setting 'shuffle'", text=shuffled)) if shuffled else given


EXAMPLES = (
    Example("read class by class, and half of the classes are unlearned", _given(0.8, 0.6, -78.0, "false"), "fail"),
    Example("read class by class, and learned all the same", _given(0.7, 0.1, -78.0, "false"), "warn"),
    Example("sorted, and no setting says whether it is shuffled", _given(0.7, 0.6, -78.0), "warn"),
    Example("sorted rows that a loader shuffles unsaid", _given(0.05, 0.02, -78.0), "pass"),
    Example("a staircase of epochs on shuffled rows", _given(0.8, 0.3, 0.4), "not-applicable"),
    Example("the batch size is not known", _given(0.8, 0.6, -78.0)[1:], "not-checked"),
)
