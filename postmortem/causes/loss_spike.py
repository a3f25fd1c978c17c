"""Sudden jump of the loss

## What happens
One bad batch, or a burst of the optimizer, throws the model back.

## How it shows
The loss jumps far above its noise within a few steps, and comes back slowly or not at all.

## What to do
Look at the batch at that step, skip it, resume from the checkpoint before it; lower the learning rate or clip.

## How to confirm
Repeat from the checkpoint before the jump with the batches shuffled anew.

## When it is wrong
A warm restart lifts the loss on purpose. Spikes that recover within a few steps are usual in long runs.

## References
Chowdhery et al. 2022 (arXiv 2204.02311), 5.1: rewind and skip batches.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(4.5, "the loss jumped far above its noise", alarm=("spiky-loss",)),
    Evidence(7.5, "the loss jumped at one step, and what was learned was lost", alarm=("lasting-jump",)),
    Evidence(1.0, "the gradient norm burst with it", alarm=("gradient-norm-burst", "spiky-loss")),
    Evidence(5.0, "the gradient norm burst, and the loss ends above that of a guess", alarm=("gradient-norm-burst", "worse-than-guessing")),
    Evidence(6.0, "the gradient norm burst, and the loss stayed high", alarm=("gradient-norm-burst", "plateaued-loss")),
    Evidence(2.0, "the gradient norm burst where the loss jumped", alarm=("gradient-norm-burst", "lasting-jump")),
    Evidence(1.0, "single targets are far out, and their batches jump", alarm=("outlying-targets", "spiky-loss")),
    Evidence(9.0, "the loss follows the order of records that are sorted and not shuffled", alarm=("epoch-patterned-loss",)),
    Evidence(-5.0, "the rate is above the usual range, which throws the loss without any burst", alarm=("large-rate", "lasting-jump")),
    Evidence(-3.0, "no level of the loss rose above the one before", passed=("lasting-jump",)),
    Evidence(-1.0, "no point of the loss jumped", passed=("spiky-loss",)),
    Evidence(-6.0, "the loss jumped where the run was resumed", alarm=("resumed-loss-jump",)),
    Evidence(-2.0, "the optimizer's state was lost there", alarm=("optimizer-step-lag",)),
    Evidence(-2.0, "updates are too large throughout", alarm=("large-updates",)),
    Evidence(-1.0, "the loss diverged for good", alarm=("diverged-loss",)),
    Evidence(-1.0, "the loss bounces throughout", alarm=("oscillating-loss",)),
)
EXPLAINS = ("dead-relus",)
USES = ("checkpoint.before_rise",)


def summary(case: Case) -> str:
    return case.said("epoch-patterned-loss", "lasting-jump", "spiky-loss", "gradient-norm-burst", otherwise="The loss jumped.")


def fix(case: Case) -> str:
    order = case.outcomes.get("epoch-patterned-loss")
    if order is not None and order.alarmed:
        return "Shuffle the training records at every epoch, and write them in random order where they are streamed."
    step, saved = _jump(case), _saved(case)
    place = f"the jump at step {step}" if step is not None else "the jump"
    source = f"{saved}, which lies before {place}" if saved else f"the last checkpoint before {place}"
    return f"Resume from {source}, skip the batches around it, and clip the gradient norm."


def _jump(case: Case) -> int | None:
    """The step at which the loss jumped first, by the check that is surest of it."""
    jumps = (case.outcomes.get(name) for name in ("lasting-jump", "spiky-loss"))
    return next((one.finding.first_step for one in jumps if one is not None and one.alarmed), None)


def _saved(case: Case) -> str:
    """The checkpoint to go back to, with its step; the empty string where none is known to lie before the jump."""
    step, saved = _jump(case), case.measured.get("checkpoint.before_rise")
    if saved is None or step is None or not saved.text or saved.value >= step:
        return ""
    return f"{saved.text} (step {saved.value:.0f})"


def confirm(case: Case) -> str:
    return (
        f"Repeat from {_saved(case) or 'the checkpoint before the jump'} with the batches in another order: a bad batch "
        "moves the jump, a bad step size keeps it."
    )


EXAMPLES = (
    CauseExample("a jump that did not recover", "likely", fail=("spiky-loss",)),
    CauseExample("records read class by class", "likely", fail=("epoch-patterned-loss",), passed=("lasting-jump", "spiky-loss")),
    CauseExample(
        "sorted records, and a loss that was learned all the same",
        "unlikely",
        warn=("epoch-patterned-loss",),
        passed=("lasting-jump", "spiky-loss"),
    ),
    CauseExample("a burst that threw the model back", "likely", fail=("lasting-jump",), passed=("spiky-loss",)),
    CauseExample("a spike that recovered", "unlikely", warn=("spiky-loss",)),
    CauseExample("nothing is known", "unlikely"),
)
