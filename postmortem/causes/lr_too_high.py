"""Learning rate too high

## What happens
Each step overshoots: the loss bounces instead of settling, rises, or leaves the numbers that a float can hold.

## How it shows
Updates of several percent of the weights per step, a loss that diverges or oscillates, displacements between checkpoints that
turn back on each other, growing weights. Dead ReLUs, saturated units and exploding gradients often follow.

## What to do
Lower the learning rate until the ratio of updates to weights is near 1e-3; add a warm-up if only the first steps are too large.

## How to confirm
Repeat the start of the run with the learning rate that the advice names, or a tenth of what it was.

## When it is wrong
Too large initial weights and inputs far from unit scale make a usual learning rate behave like a high one: mend these first where
they are found. A warm restart lifts the loss on purpose. Losses of adversarial and reinforcement runs swing by nature.

## References
CS231n, neural-networks-3. Goodfellow, Bengio and Courville, Deep Learning, 11.4.1.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.04
EVIDENCE = (
    Evidence(-4.0, "weights were shrunk to nothing, beside which every update is large", alarm=("collapsed-weights",)),
    Evidence(3.5, "updates are too large for the weights", alarm=("large-updates",)),
    Evidence(3.5, "weights were overwritten between checkpoints", alarm=("overwritten-weights",)),
    Evidence(2.0, "the loss stayed flat while weights were overwritten", alarm=("flat-loss", "overwritten-weights")),
    Evidence(3.0, "units died where weights were overwritten", alarm=("overwritten-weights", "silent-units")),
    Evidence(5.0, "the loss ends high and swings between evaluations", alarm=("high-final-loss", "swinging-validation")),
    Evidence(4.0, "the loss stayed flat and swings between evaluations", alarm=("flat-loss", "swinging-validation")),
    Evidence(3.0, "the loss ends high at an unusually high rate", alarm=("high-final-loss", "large-rate")),
    Evidence(1.5, "the loss ends above that of a guess", alarm=("worse-than-guessing",)),
    Evidence(1.5, "the rate is above the usual range", alarm=("large-rate",)),
    Evidence(3.0, "the loss stayed flat at an unusually high rate", alarm=("flat-loss", "large-rate")),
    Evidence(5.0, "numbers overflowed at an unusually high rate", alarm=("large-rate", "nonfinite-loss")),
    Evidence(6.0, "weights were overwritten at an unusually high rate", alarm=("large-rate", "overwritten-weights")),
    Evidence(-8.0, "the loss was learned until it jumped at one step", alarm=("lasting-jump",)),
    Evidence(7.0, "the loss jumped at an unusually high rate, which may throw it at any step", alarm=("large-rate", "lasting-jump")),
    Evidence(2.0, "the loss ends above that of a guess at an unusually high rate", alarm=("large-rate", "worse-than-guessing")),
    Evidence(2.5, "the loss diverged", alarm=("diverged-loss",)),
    Evidence(2.0, "the loss bounces instead of settling", alarm=("oscillating-loss",)),
    Evidence(1.5, "the weights turn back between checkpoints", alarm=("reversing-displacement",)),
    Evidence(2.0, "the loss diverged while updates were too large", alarm=("diverged-loss", "large-updates")),
    Evidence(3.0, "the loss stayed flat under too large updates", alarm=("flat-loss", "large-updates")),
    Evidence(2.0, "the loss stayed high under too large updates", alarm=("large-updates", "plateaued-loss")),
    Evidence(1.5, "numbers overflowed under too large updates", alarm=("large-updates", "nonfinite-loss")),
    Evidence(1.0, "the weights grew many times over", alarm=("growing-weights",)),
    Evidence(2.5, "the weights grew many times over under too large updates", alarm=("growing-weights", "large-updates")),
    Evidence(1.0, "gradient norms burst", alarm=("gradient-norm-burst",)),
    Evidence(-6.0, "the loss was not finite before any update", alarm=("nonfinite-first-loss",)),
    Evidence(-1.0, "the rate is within the usual range", passed=("large-rate",)),
    Evidence(-4.0, "the loss swings between evaluations at a usual rate", alarm=("swinging-validation",), passed=("large-rate",)),
    Evidence(-2.0, "the weights grew many times over at a usual rate", alarm=("growing-weights",), passed=("large-rate",)),
    Evidence(-4.0, "weights were thrown far at a usual learning rate", alarm=("overwritten-weights",), passed=("large-rate",)),
    Evidence(-1.0, "updates are not too large for the weights", passed=("large-updates",)),
    Evidence(-0.5, "the loss did not diverge", passed=("diverged-loss",)),
    Evidence(-0.5, "the loss settled", passed=("oscillating-loss",)),
    Evidence(-2.0, "weights were too large from the start", alarm=("large-initial-weights",)),
    Evidence(-2.0, "the inputs are far from unit scale", alarm=("unscaled-inputs",)),
    Evidence(-2.0, "the optimizer's state was lost, which enlarges its first steps", alarm=("optimizer-step-lag",)),
    Evidence(-2.0, "the loss had fallen far before it blew up", alarm=("late-divergence",)),
    Evidence(-1.5, "gradients burst after the loss had fallen far", alarm=("gradient-norm-burst", "late-divergence")),
    Evidence(-1.5, "weights were thrown away after the loss had fallen far", alarm=("late-divergence", "overwritten-weights")),
    Evidence(-3.0, "nothing was updated at all", alarm=("unmoved-weights",)),
    Evidence(1.0, "scales of norms grew many times over", alarm=("exploded-norm-scales",)),
    Evidence(-1.5, "second moments vanished in half precision, which enlarges updates", alarm=("underflowed-moments",)),
    Evidence(-3.0, "weights moved at a usual pace", passed=("overwritten-weights",)),
    Evidence(-2.0, "the rate was usual until the schedule raised it", alarm=("rising-rate",)),
    Evidence(0.5, "hidden matrices work in one direction only", alarm=("collapsed-rank",)),
    Evidence(1.5, "too large updates left hidden matrices one direction", alarm=("collapsed-rank", "large-updates")),
    Evidence(3.0, "the logits of attention grew to extremes", alarm=("extreme-attention-logits",)),
    Evidence(1.0, "weights doubled from checkpoint to checkpoint", alarm=("doubling-weights",)),
    Evidence(0.5, "the head went on growing late in the run", alarm=("growing-head",)),
)
EXPLAINS = ("dead-relus", "saturated-activations", "exploding-gradients", "loss-spike", "underfitting")
USES = ("lr.max", "updates.ratio", "updates.ratio_max")


USUAL_RATIO = 1e-3


def summary(case: Case) -> str:
    seen = (
        "large-updates",
        "overwritten-weights",
        "diverged-loss",
        "oscillating-loss",
        "reversing-displacement",
        "worse-than-guessing",
        "nonfinite-loss",
    )
    return case.said(*seen, otherwise="Steps are too large for the weights.")


def fix(case: Case) -> str:
    rate, (ratio, what) = case.number("lr.max"), _ratio(case)
    if rate and ratio > USUAL_RATIO:
        return (
            f"Lower the learning rate from {number(rate, 2)} to {_advised(case)}: in proportion, that brings "
            f"the median {what} over weight from {number(ratio, 2)} to about {number(USUAL_RATIO)}."
        )
    if rate:
        return f"Lower the learning rate from {number(rate, 2)} to {_advised(case)}."
    return "Lower the learning rate tenfold, until the ratio of updates to weights is near 1e-3."


def _ratio(case: Case) -> tuple[float, str]:
    """The ratio of updates to weights, and in words which one: of the last update, or what the check saw where weights ran away.

    The last update may be small beside weights that have grown.
    """
    large, last = case.outcomes.get("large-updates"), case.number("updates.ratio") or 0.0
    seen = (large.finding.value or 0.0) if large is not None and large.alarmed else 0.0
    return (last, "last update") if last >= seen else (seen, "distance moved per step")


def _advised(case: Case) -> str:
    """The rate that the advice names; the empty string where no rate is known."""
    rate, (ratio, _) = case.number("lr.max"), _ratio(case)
    if not rate:
        return ""
    return f"about {number(rate * USUAL_RATIO / ratio, 1)}" if ratio > USUAL_RATIO else number(rate / 10, 2)


def confirm(case: Case) -> str:
    rate = _advised(case)
    how = f"a learning rate of {rate}" if rate else "a tenth of the learning rate"
    return f"Repeat the first 200 steps with {how}: the loss should fall and stay down."


EXAMPLES = (
    CauseExample("divergence under large updates", "likely", fail=("large-updates", "diverged-loss")),
    CauseExample("logs only: the loss diverged and bounces", "likely", fail=("diverged-loss", "oscillating-loss")),
    CauseExample(
        "a flat loss under large updates", "likely", fail=("flat-loss", "large-updates"), passed=("diverged-loss", "oscillating-loss")
    ),
    CauseExample(
        "Adam at 0.5: all is overwritten at once, and the last update looks usual",
        "likely",
        fail=("flat-loss", "overwritten-weights"),
        warn=("large-rate",),
        passed=("large-updates", "diverged-loss", "oscillating-loss"),
    ),
    CauseExample("a healthy run", "unlikely", passed=("large-updates", "diverged-loss", "oscillating-loss")),
    CauseExample("a noisy small batch", "unlikely", warn=("oscillating-loss",), passed=("large-updates", "diverged-loss")),
    CauseExample("nothing is known", "unlikely"),
)
