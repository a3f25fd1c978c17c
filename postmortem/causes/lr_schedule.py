"""Learning-rate schedule at fault

## What happens
The learning rate goes to nothing long before the run ends, and the rest of the run is spent standing still.

## How it shows
The logged or saved learning rate falls below a thousandth of its peak early, weights stop moving from then on, and the loss stays
where it was, above what the task allows.

## What to do
Make the schedule as long as the run: total steps counted in optimizer steps, the scheduler stepped once per unit that it was made
for.

## How to confirm
Resume from the last checkpoint with the peak learning rate: the loss should fall again.

## When it is wrong
A cosine or linear schedule that reaches zero at the run's end is as it should be. A run that was stopped early because it had
converged may have a dead tail by choice.

## References
Godbole, Dahl, Gilmer, Shallue, Nado: Deep Learning Tuning Playbook, on schedules that decay to zero at the end of training.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "the learning rate was gone long before the end", alarm=("early-decayed-rate",)),
    Evidence(1.0, "the loss stayed high after the learning rate was gone", alarm=("early-decayed-rate", "plateaued-loss")),
    Evidence(1.0, "the loss stayed flat after the learning rate was gone", alarm=("early-decayed-rate", "flat-loss")),
    Evidence(4.5, "updates faded away while the loss was high", alarm=("faded-updates",)),
    Evidence(6.0, "the highest learning rate came at once and threw the first steps", alarm=("unwarmed-start",)),
    Evidence(5.0, "a start without warm-up is no early end", alarm=("unwarmed-start",), passed=("early-decayed-rate",)),
    Evidence(6.0, "the learning rate came back and set the run back", alarm=("restarted-rate",)),
    Evidence(5.0, "a rate that came back did not end early", alarm=("restarted-rate",), passed=("early-decayed-rate",)),
    Evidence(2.5, "the learning rate was still rising where the files end", alarm=("rising-rate",)),
    Evidence(6.5, "the learning rate was still rising at the planned end", alarm=("rising-rate",), passed=("abrupt-end",)),
    Evidence(
        4.0,
        "the learning rate was still rising at the planned end and the loss is high",
        alarm=("high-final-loss", "rising-rate"),
        passed=("abrupt-end",),
    ),
    Evidence(3.0, "the loss diverged under a rate that was still rising", alarm=("diverged-loss", "rising-rate")),
    Evidence(3.0, "the loss left the range of floats under a rate that was still rising", alarm=("nonfinite-loss", "rising-rate")),
    Evidence(-6.0, "the loss follows the squares of the weights: a penalty makes it", alarm=("penalty-shaped-loss",)),
    Evidence(-5.0, "the learning rate did not go or rise late", passed=("early-decayed-rate", "rising-rate")),
    Evidence(-5.0, "the validation loss has one value throughout, from the start", alarm=("unchanging-validation",)),
    Evidence(-4.0, "no parameter changed at all, so that the rate was 0 from the start", alarm=("unmoved-weights",)),
)
EXPLAINS = ("not-training", "frozen-parameters", "lr-too-high", "lr-too-low")
USES = ("lr.max", "lr.dead_share", "steps.last")


def summary(case: Case) -> str:
    return case.said(
        "early-decayed-rate", "faded-updates", "rising-rate", "plateaued-loss", otherwise="The learning rate ended before the run did."
    )


def fix(case: Case) -> str:
    rising = case.outcomes.get("rising-rate")
    if rising is not None and rising.alarmed:
        return "Make the warm-up 2 to 10% of the run's own steps, and let the rate fall from there to the end of the run."
    dead, last = case.number("lr.dead_share"), case.number("steps.last")
    if dead and last:
        return (
            f"Stretch the schedule from about {(1 - dead) * last:.0f} to {last:.0f} steps: "
            "the learning rate should reach its end with the run, not before."
        )
    return "Make the schedule as long as the run, and step it once per optimizer step if it counts optimizer steps."


def confirm(case: Case) -> str:
    rate = case.number("lr.max")
    start = f"a learning rate of {number(rate / 10, 2)}" if rate else "a tenth of the peak learning rate"
    return f"Resume from the last checkpoint with {start}: the loss should start to fall again."


EXAMPLES = (
    CauseExample("the rate is gone after a tenth of the run", "likely", fail=("early-decayed-rate", "plateaued-loss")),
    CauseExample("a warm-up without end", "likely", fail=("rising-rate",), passed=("early-decayed-rate",)),
    CauseExample("a cosine that ends with the run", "unlikely", passed=("early-decayed-rate", "flat-loss", "rising-rate")),
    CauseExample("nothing is known", "unlikely"),
)
