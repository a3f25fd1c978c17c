"""Loss that blew up after it had fallen far

## What it looks for
A loss that made at least 0.5 of its start good, and then rose again by 0.5 of that progress or more and stayed there, or ends above
its start (above 1 of its first level).

## Why it matters
A rate that is too high shows from its first steps. Where a run learned well for long at the same rate, something else came up:
a gradient that burst, a bad batch, numbers out of range.

## What to do
Resume from the last checkpoint before the rise, with clipping, and look at the batches at that step.

## When it is wrong
A rate that rises in the course of the run (a long warm-up, a restart) may pass the edge late. Curvature grows while a run learns,
so that a rate near the edge may pass it late too (Cohen et al. 2021, arXiv 2103.00065).

## References
Chowdhery et al. 2022 (arXiv 2204.02311), 5.1: spikes late in training, mended by going back and leaving out batches.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

ROSE = Threshold(
    0.5,
    "of its progress",
    source="half of the progress is gone, as the check diverged-loss has it",
    half="ordinary swings fail",
    double="a loss that lost all it had won just fails",
)
RELAPSED = Threshold(
    1.0,
    "of its first level",
    source="by definition: above where it began, a loss has given back more than it ever won",
    half="losses that end below their start fail",
    double="a loss that ends at 1.9 times its start passes here",
)
FELL = 0.5
"""Share of the loss that must be gone before; chance to half of chance, say."""

NEEDS = ("loss.divergence", "loss.improvement")
USES = ("run.family", "loss.divergence_noise", "loss.relapse", "loss.negative")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"

NOISES = 5.0
"""A rise of fewer noises is none."""


def applies(measured: Measured) -> str:
    if measured.text("run.family") in ("rl", "gan"):
        return "losses of adversarial and reinforcement runs rise and fall by nature"
    return "a loss that goes below 0 has no scale of its own" if measured.number("loss.negative") else ""


def judge(measured: Measured) -> Finding:
    rise, fall, noises = measured["loss.divergence"], measured["loss.improvement"], measured.number("loss.divergence_noise")
    name = fall.text or "loss"
    seen = f"the {name} fell by {percent(fall.value)} and then gave back {multiple(rise.value)} its progress"
    clear = noises is None or noises >= NOISES
    if rise.value >= ROSE.value and fall.value >= FELL and clear:
        return Finding("fail", f"{seen}, above {percent(ROSE.value)}", rise.value, ROSE, ROSE.unit, rise.first_step)
    back = measured.get("loss.relapse")
    if back is not None and back.value > RELAPSED.value and back.items.get("lowest", 1.0) <= 1 - FELL:
        told = f"{_low(back)}, and ends at {multiple(back.value)} that level"
        return Finding("fail", told, back.value, RELAPSED, RELAPSED.unit, back.first_step)
    if rise.value < ROSE.value or fall.value < FELL or not clear:
        kept = f"the {name} fell by {percent(fall.value)} and gave nothing back"
        return Finding("pass", seen if rise.value > 0 else kept, rise.value, ROSE, ROSE.unit)
    return Finding("not-checked", "rise or fall of the loss is not a number")


def _low(back: Measurement) -> str:
    """How far down the loss was, and from where on it was above its early level again."""
    start, since = back.items.get("start"), f" at step {back.first_step}" if back.first_step is not None else ""
    if start is None:
        return f"the loss fell to {percent(back.items['lowest'])} of the level of its first points, was back there{since}"
    low = f"{number(back.items['low'])} at step {back.items['low_step']:.0f}"
    return f"the loss fell to {low}, was above the level of its first points ({number(start)}) again{since}"


def _given(rise: float, fall: float) -> tuple[Measurement, ...]:
    return (
        Measurement("loss.divergence", rise, "progress", "'train/loss', 100 points", 270),
        Measurement("loss.improvement", fall, "share", "'train/loss'"),
    )


EXAMPLES = (
    Example("learned for 160 steps, then blew up", _given(1e6, 0.89), "fail"),
    Example("blew up from the start", _given(1e6, 0.02), "pass"),
    Example(
        "burst after burst",
        (*_given(0.25, 0.45), Measurement("loss.relapse", 2.2, "ratio", "'train/loss'", 130, {"lowest": 0.42})),
        "fail",
    ),
    Example("learned and stayed", _given(0.01, 0.9), "pass"),
    Example("no training loss", (), "not-checked"),
)
