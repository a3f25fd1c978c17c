"""Learning rate below the usual range of its optimizer

## What it looks for
The highest learning rate of the run: below 3e-5 for Adam, its kin and RMSprop; below 3e-4 for SGD; below 1e-5 where the optimizer is
not known. From 3e-4 on (SGD and unknown: 0.01) it passes; what lies between may be right or too low, and nothing is said. A rate less
than 1 % below one of these is taken to be there. It only warns: a rate alone is no fault. Runs that start from trained weights are
left out.

## Why it matters
Rates that were meant for fine-tuning or for another optimizer are a common mistake, and often the rate is all that a log tells besides
the loss.

## What to do
Start from 1e-3 with Adam, from 0.1 or 0.01 with SGD and momentum.

## When it is wrong
Very large networks, and fine-tuning that no setting speaks of, take lower rates. Sums instead of means of a loss make gradients long.

## References
Bengio 2012 (arXiv 1206.5533), 3.1.1: 0.01 as a default for SGD. Kingma and Ba 2015: 1e-3 for Adam. Kaplan et al. 2020 (arXiv
2001.08361), D.6: from 1e-2 for small to 1e-4 for the largest language models, trained from nothing.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

SIGNED_RATE = Threshold(
    3e-5,
    "",
    source="a third of the rates of the largest language models, a thirtieth of Adam's default",
    half="rates for fine-tuning pass in training from nothing",
    double="large language models are warned",
)
PLAIN_RATE = Threshold(
    3e-4,
    "",
    source="a thirtieth of Bengio's default of 0.01",
    half="Adam's small rates pass for SGD",
    double="careful training is warned",
)
UNKNOWN_RATE = Threshold(
    1e-5,
    "",
    source="a decade below what the largest networks take with Adam, the lowest of the usual optimizers",
    half="rates for fine-tuning pass in training from nothing",
    double="fine-tuning that no setting speaks of is warned",
)
USUAL_SIGNED, USUAL = 3e-4, 0.01
"""From here on no rate is too low for a net that is trained from nothing: of Adam and its kin, and of SGD and of whom nothing is known."""
SIGNED = ("adam", "adamw", "nadam", "radam", "lamb", "rmsprop", "adamax", "lion", "adafactor")

SAME = 0.01
"""Less below a line than this share is no less: 1e-5 is 9.9999997e-6 in float32, and a log every so many steps misses the very peak."""
LATE_START = 0.1
"""A log that begins after a tenth of the steps does not show the start."""

NEEDS = ("lr.max",)
USES = ("optimizer.algorithm", "run.optimizer", "run.pretrained", "run.goes_on", "loss.first", "steps.last")
CHECKLIST = ("learning-rate",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    if measured.number("lr.max") == 0:
        return "the rate is 0 throughout, which is another symptom"
    careful = measured.text("run.pretrained") == "true" or measured.text("run.goes_on") == "true"
    if careful:
        return "fine-tuning takes low rates"
    first, last_step = measured.get("loss.first"), measured.number("steps.last")
    late = first is not None and last_step and (first.first_step or 0) > LATE_START * last_step
    return "the log begins after the start, when rates may have fallen" if late else ""


def judge(measured: Measured) -> Finding:
    rate = measured["lr.max"]
    name = (measured.text("optimizer.algorithm") or measured.text("run.optimizer")).lower()
    line = SIGNED_RATE if name in SIGNED else PLAIN_RATE if name == "sgd" else UNKNOWN_RATE
    seen = f"the highest learning rate is {number(rate.value, 2)} for {name or 'an unknown optimizer'}"
    above = rate.value / (1 - SAME)
    if above < line.value:
        return Finding(
            "warn", f"{seen}, below the usual range, which begins at {number(line.value)}", rate.value, line, line.unit, rate.first_step
        )
    usual = USUAL_SIGNED if name in SIGNED else USUAL
    if above >= usual:
        return Finding("pass", seen, rate.value, line, line.unit)
    if above >= line.value:
        return Finding("not-checked", f"{seen}: between {number(line.value)} and {number(usual)} a rate may be right or too low")
    return Finding("not-checked", "the learning rate is not a number")


def _rate(value: float, optimizer: str = "", pretrained: str = "") -> tuple[Measurement, ...]:
    given = [Measurement("lr.max", value, "per step", "'lr', 100 points", 0)]
    if optimizer:
        given.append(Measurement("run.optimizer", float("nan"), "", "setting 'optimizer'", text=optimizer))
    if pretrained:
        given.append(Measurement("run.pretrained", float("nan"), "", "setting 'pretrained'", text=pretrained))
    return tuple(given)


EXAMPLES = (
    Example("a rate for fine-tuning, from nothing", _rate(2e-5, "adamw"), "warn"),
    Example("a rate of 3e-7", _rate(3e-7), "warn"),
    Example("Adam's rate for SGD", _rate(1e-4, "sgd"), "warn"),
    Example("1e-5 as float32 has it", _rate(9.999999747378752e-06), "not-checked"),
    Example("1e-5, logged shortly after its peak", _rate(9.95e-6), "not-checked"),
    Example("3e-4 as float32 has it", _rate(2.9999998514540493e-4, "adamw"), "pass"),
    Example("fine-tuning", _rate(5e-6, "adamw", "true"), "not-applicable"),
    Example(
        "the end of a run",
        (
            *_rate(1e-7, "adamw"),
            Measurement("loss.first", 2.3, "loss", "first point", 3000),
            Measurement("steps.last", 6000.0, "steps", "last step", 6000),
        ),
        "not-applicable",
    ),
    Example("Adam's default", _rate(1e-3, "adam"), "pass"),
    Example("Adam's rate for whatever it is", _rate(1e-3), "not-checked"),
    Example("a rate of large language models", _rate(1e-4, "adamw"), "not-checked"),
    Example("no learning rate", (), "not-checked"),
)
