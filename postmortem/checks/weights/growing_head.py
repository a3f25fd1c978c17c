"""Head that grows late in the run

## What it looks for
The norm of the head's matrix in the last finite checkpoint over that at two thirds of the run. It warns above 2, where the loss does not
fall towards zero any more (it ended above 0.2 of a guess, or no chance level is known).

## Why it matters
Logits that go on growing while the loss does not fall make the softmax ever surer and every mistake dearer; large models diverge that
way late in their runs.

## What to do
Add a small penalty on the logarithm of the softmax's sum (z-loss, 1e-4), or weight decay on the head; lower the rate.

## When it is wrong
Where training data are fitted, heads grow without end and without harm: there it passes. Heads that started at zero grow most.

## References
Chowdhery et al. 2022 (arXiv 2204.02311), z-loss. Wortsman et al. 2023 (arXiv 2309.14322), on the growth of output logits.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

GROWN = Threshold(
    2,
    "of its earlier norm",
    source="own: a third of a run that undoes a halving; sound trainings have done most of their growing by then",
    half="every head that grows at all is warned",
    double="heads that tripled in a third of the run pass",
)
FITTED = 0.2

NEEDS = ("head.late_growth",)
USES = ("loss.last_to_chance",)
FIGURE = "weight-variance"


def judge(measured: Measured) -> Finding:
    found, left = measured["head.late_growth"], measured.number("loss.last_to_chance")
    seen = f"the head ends at {multiple(found.value)} its norm two thirds into the run"
    if found.value > GROWN.value:
        if left is not None and left < FITTED:
            return Finding("pass", f"{seen}, with the loss at {multiple(left)} chance level", found.value, GROWN, GROWN.unit)
        where = tuple(name for name in found.items if found.items[name] > GROWN.value)
        return Finding("warn", f"{seen}, above {number(GROWN.value)} times", found.value, GROWN, GROWN.unit, found.first_step, where)
    if found.value <= GROWN.value:
        return Finding("pass", seen, found.value, GROWN, GROWN.unit)
    return Finding("not-checked", "the growth of the head is not a number")


def _given(growth: float, left: float) -> tuple[Measurement, ...]:
    return (
        Measurement("head.late_growth", growth, "ratio", "step 600 over step 400", 400, {"head.weight": growth}),
        Measurement("loss.last_to_chance", left, "ratio", "ln 10"),
    )


EXAMPLES = (
    Example("logits that run away", _given(6.0, 0.9), "warn"),
    Example("training data that are fitted", _given(2.5, 0.01), "pass"),
    Example("a healthy run", _given(1.1, 0.4), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
