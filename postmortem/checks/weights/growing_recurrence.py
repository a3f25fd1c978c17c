"""A recurrence that grows what it carries

## What it looks for
The recurrent weights before training, state to state: their standard deviation times the square root of the states' number, which
is the radius of their eigenvalues (the circular law). Above 1 what is carried grows from step to step. It alarms above 3 and
warns above 2.

## Why it matters
Over n steps of a sequence gradients grow by about the radius to the power of n until units saturate: they explode where these do
not, and vanish where they do.

## What to do
Start state-to-state weights orthogonal, or with standard deviation 1 / sqrt(states), and clip the gradient norm.

## When it is wrong
Gates between states keep the gradient of LSTMs and GRUs smaller than the radius says. Pre-trained weights are no initialization.

## References
Pascanu, Mikolov, Bengio 2013 (arXiv 1211.5063). Le, Jaitly, Hinton 2015 (arXiv 1504.00941), identity starts.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR = Threshold(
    3.0,
    "ratio",
    source="ten steps of it are 59,000-fold; an orthogonal start has 1, torch's default 0.58",
    half="weights of 1.5 times the stable scale fail, which units bound",
    double="sixfold starts pass with a warning",
)
LARGE = Threshold(
    2.0,
    "ratio",
    source="twice an orthogonal start",
    half="an orthogonal start itself is told",
    double="above the line of failure",
)

NEEDS = ("weights.initial_recurrent_gain",)
USES = ("run.pretrained",)
CHECKLIST = ("init-deep",)
LEADS_ITEMS = ("init-deep",)
FIGURE = "weight-variance"


def applies(measured: Measured) -> str:
    return "the run starts from pre-trained weights" if measured.text("run.pretrained") == "true" else ""


def judge(measured: Measured) -> Finding:
    found = measured["weights.initial_recurrent_gain"]
    where = tuple(sorted((name for name in found.items if found.items[name] > LARGE.value), key=lambda name: -found.items[name]))
    seen, usual = (
        f"the initial recurrent weights have a spectral radius of {number(found.value, 2)}",
        "(orthogonal: 1, torch's default: 0.58)",
    )
    if found.value > FAR.value:
        return Finding("fail", f"{seen}, above {number(FAR.value)} {usual}", found.value, FAR, found.unit, found.first_step, where)
    if found.value > LARGE.value:
        return Finding("warn", f"{seen}, above {number(LARGE.value)} {usual}", found.value, LARGE, found.unit, found.first_step, where)
    if found.value <= LARGE.value:
        return Finding("pass", f"{seen} {usual}", found.value, LARGE, found.unit)
    return Finding("not-checked", "the radius of the recurrent weights is not a number")


def _gain(value: float) -> Measurement:
    return Measurement("weights.initial_recurrent_gain", value, "ratio", "step 0", 0, {"rnn.weight_hh_l0": value})


EXAMPLES = (
    Example("six times orthogonal", (_gain(6.0),), "fail"),
    Example("two and a half times", (_gain(2.5),), "warn"),
    Example("torch's default", (_gain(0.58),), "pass"),
    Example("no recurrence", (), "not-checked"),
)
