"""Loss that falls without bound

## What it looks for
A loss that ends below 0 at 100 times the size of its first value, or of 1 where that is smaller. It only warns: what has no bound by its
meaning may fall so.

## Why it matters
A loss that can be made smaller by making the outputs larger is no measure of how right they are: logits in the place of logarithms of
probabilities, a sign, or a density whose deviation goes to nothing. Training then makes outputs larger, and nothing else.

## What to do
Work out the loss of two records by hand. Give a likelihood logarithms of probabilities, and keep a deviation above a floor.

## When it is wrong
A return or a score whose negative is minimized has the size of what it counts. The losses of reinforcement learning and of adversarial
pairs do not apply.

## References
`nll_loss` of torch takes logarithms of probabilities, which are never above 0. Nalisnick et al. 2019 (arXiv 1810.09136): densities
without bound.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number

BOUNDLESS = Threshold(
    100,
    "times its first size",
    source="the project's own choice: likelihoods that train well end within a few times the size that they began with",
    half="densities that become sharp are warned",
    double="runs that are looked at early pass",
)

NEEDS = ("loss.first", "loss.last")
USES = ("run.family",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} has no bound by its meaning" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    first, last = measured["loss.first"], measured["loss.last"]
    fell = -last.value / max(1.0, abs(first.value))
    seen = f"the loss went from {number(first.value)} to {number(last.value)}"
    if fell >= BOUNDLESS.value:
        told = f"{seen}, below 0 by {number(fell)} times {'its first size' if abs(first.value) >= 1 else 'a loss of 1'}"
        return Finding("warn", told, fell, BOUNDLESS, BOUNDLESS.unit, last.first_step)
    return Finding("pass", f"{seen}, and not far below 0" if last.value < 0 else f"{seen}, and not below 0", None, BOUNDLESS)


def _given(first: float, last: float, family: str = "unknown") -> tuple[Measurement, ...]:
    return (
        Measurement("loss.first", first, "loss", "'train/loss'", 0),
        Measurement("loss.last", last, "loss", "'train/loss'", 300),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("logits in the place of logarithms", _given(-0.28, -2540.0), "warn"),
    Example("a density that became sharp", _given(0.7, -6.2), "pass"),
    Example("a density of an image, summed", _given(5200.0, -3100.0), "pass"),
    Example("a cross-entropy", _given(2.3, 0.1), "pass"),
    Example("a policy", _given(-0.1, -300.0, "rl"), "not-applicable"),
    Example("no training loss", (), "not-checked"),
)
