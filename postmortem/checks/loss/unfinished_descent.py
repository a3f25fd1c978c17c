"""Loss that was still falling steadily when the run ended

## What it looks for
A loss that fell in the second half of the run by at least 0.35 of what it fell in the first, by at least 3 of its noises, and
that still stands at 0.5 of chance (of the first loss, where chance is not known) or more. Fails from 0.7 of chance on. Halves are halves
of the sum of the learning rates, where they were logged. Of a loss that climbed in the first half the way down from the top is its
fall, and in the second half only what goes below the start counts.

## Why it matters
A loss that is being learned falls fast and then slower and slower. One that falls along a straight line has only begun its way:
the steps are too short, or there were too few of them.

## What to do
Raise the learning rate, or train longer. Look at the update:weight ratio, which tells the one from the other.

## When it is wrong
The logged beginning of a long run looks the same, as does a plateau that is left late. Sums over a warm-up fall late on purpose.

## References
For an exponential fall with rate k per run the ratio is exp(-k / 2); 0.35 is k = 2.1, with an eighth of the way left.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, LossEnd, Measured, Measurement, Threshold, kind_of_run, loss_end, multiple, number

STEADY = Threshold(
    0.35,
    "of the first half's fall",
    source="an exponential fall with an eighth of its way left gives 0.35, a finished one (95 %) 0.22, a straight line 1",
    half="finished runs are told",
    double="only lines that are nearly straight are told",
)
CLEAR_NOISES = Threshold(
    3.0,
    "of its noise",
    source="three standard errors of the difference of two levels",
    half="noise of flat curves is told",
    double="steady falls of noisy losses pass",
)
HIGH = Threshold(
    0.5,
    "of chance level",
    source="the project's own choice: less than half of what there is to learn was learned",
    half="well trained runs are told",
    double="nothing is told",
)
FAR = Threshold(
    0.7,
    "of chance level",
    source="the project's own choice: less than a third was learned",
    half="runs that are half-way fail",
    double="nothing fails",
)

NEEDS = ("loss.late_fall", "loss.late_fall_noise", "loss.last", "loss.first")
USES = ("loss.last_to_chance", "run.family", "run.goes_on")
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family in ("rl", "gan", "contrastive"):
        return f"the level of the loss of {kind_of_run(family)} says nothing"
    if measured.text("run.goes_on") == "true":
        return "the model goes on with what it was trained for before, and may have little left to learn"
    first = measured.number("loss.first")
    if measured.get("loss.last_to_chance") is None and first is not None and first <= 0:
        return "a loss that begins at or below 0 has no level to compare with"
    return ""


def judge(measured: Measured) -> Finding:
    late, noises = measured["loss.late_fall"], measured["loss.late_fall_noise"]
    to_chance = measured.number("loss.last_to_chance")
    last = measured["loss.last"]
    end = loss_end(measured)
    level, seen = end.share, f"{_brought(late, end)}, and {end.said}"
    if late.value < STEADY.value:
        return Finding("pass", seen, late.value, STEADY, STEADY.unit)
    if noises.value < CLEAR_NOISES.value:
        return Finding("pass", f"{seen}, but the fall is within the noise", noises.value, CLEAR_NOISES, CLEAR_NOISES.unit)
    if level < HIGH.value:
        return Finding("pass", f"{seen}, which is learned", level, HIGH, HIGH.unit)
    # Without a chance level the constant part of a loss is not known: of a sum of many terms a small share may be all.
    if level < FAR.value or to_chance is None:
        return Finding("warn", f"{seen}: it was still on its way", late.value, STEADY, STEADY.unit, last.first_step)
    return Finding("fail", f"{seen}: learning had only begun", late.value, STEADY, STEADY.unit, last.first_step)


def _brought(late: Measurement, end: LossEnd) -> str:
    """What the second half brought beside the first, whose fall begins at the top where the loss climbed."""
    climbed = f"the loss first climbed to a level of {number(late.items['top'])} and came back; " if "top" in late.items else ""
    run = "finite part of the run" if end.lost else "run"
    if late.value <= 0:
        return f"{climbed}the second half of the {run} brought no further fall"
    return f"{climbed}the second half of the {run} brought {multiple(late.value)} the first half's fall"


def _given(
    late: float, noises: float, last: float, to_chance: float | None = None, family: str = "classification"
) -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.late_fall", late, "ratio", "'train/loss'"),
        Measurement("loss.late_fall_noise", noises, "ratio", "'train/loss'"),
        Measurement("loss.last", last, "loss", "'train/loss'", 600),
        Measurement("loss.first", 2.4, "loss", "'train/loss'", 0),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if to_chance is None else (*given, Measurement("loss.last_to_chance", to_chance, "ratio", "ln 10"))


EXAMPLES = (
    Example("a straight line from 2.3 to 2.0", _given(0.95, 20.0, 2.0, 0.87), "fail"),
    Example("a bent line that came half of its way", _given(0.6, 20.0, 1.4, 0.6), "warn"),
    Example("a straight line of a regression", _given(0.9, 20.0, 2.1), "warn"),
    Example("learned", _given(0.05, 4.0, 0.1, 0.04), "pass"),
    Example("late, and learned", _given(1.5, 40.0, 0.1, 0.04), "pass"),
    Example(
        "climbed to 52 and came back, then flat",
        (Measurement("loss.late_fall", 0.01, "ratio", "'train/loss'", None, {"top": 52.0}), *_given(0.01, 10.0, 2.8, 0.84)[1:]),
        "pass",
    ),
    Example("flat", _given(0.8, 0.7, 2.3, 1.0), "pass"),
    Example("an adversarial pair", _given(1.0, 20.0, 2.0, family="gan"), "not-applicable"),
    Example("five points", (), "not-checked"),
)
