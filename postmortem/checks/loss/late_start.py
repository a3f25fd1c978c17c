"""Loss that does not move at first

## What it looks for
The share of the run that goes by before the loss has made a tenth of its whole fall. It warns above 0.1 of the run.

## Why it matters
A run that learns makes most of its fall early. A first stretch at the level of chance is what a signal that dies on its way through
the layers looks like, until the weights have grown.

## What to do
Look at the scale of the initial weights and of the inputs, and at the warm-up.

## When it is wrong
Some tasks are found all at once after a plateau (induction heads, parity, algorithmic tasks), and a long warm-up delays any
start: so it is a warning, and says something only beside weights that were too small. Logs that begin late miss it.

## References
Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120): plateaus of small initial weights, whose length grows with depth.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

LATE = Threshold(
    0.1,
    "share",
    source="the project's own choice: healthy runs of the fault corpus make a tenth of their fall within 0.05 of the run",
    half="slow starts under a warm-up are told",
    double="a fifth of the run may be lost unseen",
)

NEEDS = ("loss.late_start",)
USES = ("run.family",)
CHECKLIST = ("init-deep",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return "losses of adversarial and reinforcement runs do not tell when learning began" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    found = measured["loss.late_start"]
    seen = f"the first tenth of the loss's fall took {percent(found.value)} of the run"
    if found.value > LATE.value:
        return Finding("warn", f"{seen}, above {percent(LATE.value)}", found.value, LATE, found.unit, found.first_step)
    if found.value <= LATE.value:
        return Finding("pass", seen, found.value, LATE, found.unit)
    return Finding("not-checked", "the start of the fall is not a number")


def _share(value: float) -> Measurement:
    return Measurement("loss.late_start", value, "share", "'train/loss', 100 points", 60)


EXAMPLES = (
    Example("a third of the run at chance", (_share(0.34),), "warn"),
    Example("a fall from the first step", (_share(0.01),), "pass"),
    Example("a reinforcement run", (_share(0.5), Measurement("run.family", float("nan"), "", "tags", text="rl")), "not-applicable"),
    Example("no training loss", (), "not-checked"),
)
