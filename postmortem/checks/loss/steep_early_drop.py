"""Steep early drop of the loss

## What it looks for
A hockey stick: at least 0.25 of the whole fall within the first 2 % of the run's steps, from a first loss that should not have
been there. With the number of classes known it alarms from 3 times chance on and warns from 2. Without, it warns where the loss
falls by a factor of 1000 at once.

## Why it matters
The first steps went into squeezing weights, or the output's bias, back to where a good initialization starts. Learning began
only after, and from weights that nobody chose.

## What to do
Initialize with He's or Glorot's variance, the last layer smaller; set the last bias to the logarithm of the class shares;
normalize inputs and regression targets.

## When it is wrong
Adam, batch normalization and easy data make a loss fall fast from a healthy start: a steep drop alone passes. Regression
targets that are not normalized drop steeply whatever the initialization: hence no more than a warning without chance. Unbalanced
classes drop from chance to the entropy of their shares at once, which wastes a few steps and harms nothing: that passes, and is
said with its share of the drop.

## References
Karpathy, A Recipe for Training Neural Networks ("init well"; hockey-stick loss curves). CS231n, neural-networks-3.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Status, Threshold, kind_of_run, multiple, number, percent

STEEP = Threshold(
    0.25,
    "share",
    source="the project's own runs: weights 4 to 12 times too large lose 0.3 to 0.7 there; exponential falls over a run 0.1 to 0.3",
    half="slow descents from too high a start count as steep",
    double="weights 12 times too large pass",
)
ABOVE_CHANCE = Threshold(
    2.0,
    "of chance level",
    source="catalogue of injected faults: an initialization 12 times too large began at 1200 times chance",
    half="every run is above it",
    double="initializations 3 times too large pass",
)
FAR_ABOVE_CHANCE = Threshold(
    3.0,
    "of chance level",
    source="He initialization of a last layer gives about 1.4; nothing sound gives 3",
    half="He initialization of the last layer comes near it",
    double="initializations 4 times too large are only warned",
)
FACTOR = Threshold(
    1000.0,
    "ratio",
    source="the project's own choice for losses without a known scale",
    half="targets in the twenties are warned",
    double="targets below about 45 pass",
)

NEEDS = ("loss.early_drop", "loss.first")
USES = ("loss.first_to_chance", "loss.early_prior_share", "run.family")
CHECKLIST = ("steep-loss-reduction",)
LEADS_ITEMS = ("steep-loss-reduction",)
FIGURE = "loss"

UNKNOWN_STEEP = 0.9
EXPLAINED = 0.5
"""Share of the drop from which on the class shares are named as what was learned in it."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} has no healthy start to compare with" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    drop, first = measured["loss.early_drop"], measured["loss.first"]
    after = drop.items["level_after"]
    until = f"in the first {percent(drop.items['part'])} of the run, by step {drop.items['end']:.0f}" if "part" in drop.items else "early"
    seen = (
        f"{percent(drop.value)} of the fall, from {number(first.value, 4)} to {number(after, 4)}, came {until}"
        if drop.value > 0
        else f"the loss did not fall {until} ({number(first.value, 4)} at first, {number(after, 4)} there)"
    )
    if drop.value < STEEP.value:
        return Finding("pass", seen, drop.value, STEEP, STEEP.unit)
    to_chance = measured.get("loss.first_to_chance")
    if to_chance is not None:
        line = FAR_ABOVE_CHANCE if to_chance.value >= FAR_ABOVE_CHANCE.value else ABOVE_CHANCE
        said = f"{seen}, from a first {to_chance.text or 'loss'} of {multiple(to_chance.value, 3)} chance level"
        if to_chance.value < ABOVE_CHANCE.value:
            return Finding("pass", f"{said}, a healthy start{_of_shares(measured)}", to_chance.value, ABOVE_CHANCE, ABOVE_CHANCE.unit)
        status: Status = "fail" if line is FAR_ABOVE_CHANCE else "warn"
        return Finding(status, said, to_chance.value, line, line.unit, drop.first_step)
    if drop.value >= UNKNOWN_STEEP and after > 0 and first.value / after >= FACTOR.value:
        factor = first.value / after
        return Finding(
            "warn", f"{seen}, a factor of {number(factor)}, and chance level is not known", factor, FACTOR, FACTOR.unit, drop.first_step
        )
    return Finding("pass", f"{seen}: steep, but from a start that is not known to be too high", drop.value, STEEP, STEEP.unit)


def _of_shares(measured: Measured) -> str:
    """How much of the drop the class shares explain, as a clause; empty where that is little."""
    share = measured.get("loss.early_prior_share")
    if share is None or share.value < EXPLAINED:
        return ""
    return (
        f"; {percent(min(share.value, 1.0))} of the drop is the way from chance to the entropy of the class shares, "
        "which a head bias that starts at their logarithm spares"
    )


def _given(drop: float, first: float, after: float, to_chance: float | None = None) -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.early_drop", drop, "share", "'train/loss'", 0, {"level_after": after, "end": 12.0}),
        Measurement("loss.first", first, "loss", "'train/loss'", 0),
    )
    return given if to_chance is None else (*given, Measurement("loss.first_to_chance", to_chance, "ratio", "ln 10", 0))


EXAMPLES = (
    Example("initialization 12 times too large", _given(0.97, 2775.0, 60.0, 1205.0), "fail"),
    Example("a start at 2.4 times chance", _given(0.8, 5.5, 2.1, 2.4), "warn"),
    Example("targets in the thousands", _given(0.99, 4.0e6, 900.0), "warn"),
    Example("easy data from a healthy start", _given(0.9, 2.31, 0.3, 1.003), "pass"),
    Example(
        "unbalanced classes whose shares are learned first",
        (*_given(0.8, 2.31, 0.5, 1.003), Measurement("loss.early_prior_share", 0.99, "ratio", "'train/loss'")),
        "pass",
    ),
    Example("an ordinary descent", _given(0.15, 2.3, 2.0, 1.0), "pass"),
    Example("a point every tenth of the run", (), "not-checked"),
)
