"""Nothing is updated

## What happens
The optimizer's steps do not reach the model: after hundreds of steps every parameter has the bits that it started with.

## How it shows
All parameter tensors are equal in the first and the last checkpoint, or the optimizer's state is empty although it lists
parameters. The loss is flat apart from the noise of its batches.

## What to do
Build the optimizer from the parameters of the model that is trained, after it has been moved, wrapped or re-created; check that
step() is called.

## How to confirm
Compare the sum of one weight before and after a single step.

## When it is wrong
Copies of one file under several names are equal too; that is checked first. Plain SGD keeps no state even when it works.

## References
Hugging Face accelerate issues 2665 and 3209; PyTorch issue 149205: optimizers that hold stale parameters.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(6.0, "no parameter changed between checkpoints", alarm=("unmoved-weights",)),
    Evidence(1.5, "the loss stayed flat while no parameter changed", alarm=("flat-loss", "unmoved-weights")),
    Evidence(5.0, "the optimizer's state is empty: no step of it ever reached the parameters", alarm=("empty-optimizer-state",)),
    Evidence(3.0, "the loss stayed flat while the optimizer's state is empty", alarm=("empty-optimizer-state", "flat-loss")),
    Evidence(
        -8.0, "a gradient scaler that skips every step leaves the state empty", alarm=("collapsed-loss-scale", "empty-optimizer-state")
    ),
    Evidence(6.0, "the learning rate is 0 throughout", alarm=("zero-rate",)),
    Evidence(6.0, "the validation loss has one value throughout", alarm=("unchanging-validation",)),
    Evidence(-4.0, "the validation loss changes", passed=("unchanging-validation",)),
    Evidence(-5.0, "parameters changed between checkpoints", passed=("unmoved-weights",)),
    Evidence(-3.0, "the gradient scaler skipped the steps", alarm=("collapsed-loss-scale",)),
    Evidence(-3.0, "updates were rounded away by the weights' precision", alarm=("rounded-updates",)),
    Evidence(-2.0, "the learning rate was gone", alarm=("early-decayed-rate",)),
    Evidence(2.0, "the loss repeats one number to the last digit", alarm=("repeated-loss",)),
    Evidence(2.0, "the loss stayed flat and repeats one number", alarm=("flat-loss", "repeated-loss")),
    Evidence(0.5, "the moving average of the weights stands still", alarm=("halted-average",)),
    Evidence(-3.0, "the loss fell, so that other weights than those saved were trained", alarm=("stale-copies",)),
    Evidence(1.0, "the loss stayed flat and hardly differs between evaluations", alarm=("flat-loss", "still-validation")),
)
EXPLAINS = ("frozen-parameters",)
USES = ("lr.max",)


def summary(case: Case) -> str:
    return case.said("unmoved-weights", "empty-optimizer-state", "unchanging-validation", "flat-loss", otherwise="No parameter changed.")


def fix(case: Case) -> str:
    if case.number("lr.max") == 0:
        return "The learning rate is 0: set it to the value that was meant."
    return (
        "Build the optimizer from the parameters of the model that is trained, after every .to(), "
        "wrapping and re-creation, and call step()."
    )


def confirm(case: Case) -> str:
    return "Print the sum of one weight before and after one optimizer step: it should change."


EXAMPLES = (
    CauseExample("equal bits in all checkpoints", "likely", fail=("unmoved-weights", "flat-loss")),
    CauseExample("one checkpoint whose optimizer never stepped", "likely", fail=("flat-loss",), warn=("empty-optimizer-state",)),
    CauseExample("state that is empty beside weights that moved", "unlikely", warn=("empty-optimizer-state",), passed=("unmoved-weights",)),
    CauseExample("a scaler that skipped every step", "unlikely", fail=("unmoved-weights", "collapsed-loss-scale")),
    CauseExample(
        "a scaler that skipped every step before the first state was made",
        "unlikely",
        fail=("unmoved-weights", "empty-optimizer-state", "collapsed-loss-scale", "flat-loss"),
    ),
    CauseExample("logs only: one validation loss throughout", "likely", fail=("flat-loss", "unchanging-validation")),
    CauseExample("weights that moved", "unlikely", passed=("unmoved-weights",)),
    CauseExample("nothing is known", "unlikely"),
)
