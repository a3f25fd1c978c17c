"""Resumed without its state

## What happens
The run went on from saved weights with a new optimizer, scheduler or scaler: moments start at zero, the warm-up or peak learning
rate comes again. Or some of the weights themselves were not loaded and started anew.

## How it shows
The optimizer has counted fewer steps than the checkpoint by a constant, and the loss jumps where the run was resumed: above its own
earlier record of the same steps, where two files hold them. A layer that was not loaded has nothing to do with what it was in the
checkpoint before.

## What to do
Save and load the optimizer's, scheduler's and scaler's state together with the weights.

## How to confirm
Resume from an earlier checkpoint with its optimizer state: there should be no jump.

## When it is wrong
With gradient accumulation the step counters differ by a constant factor, not by a constant; fine-tuning starts a new optimizer on
purpose.

## References
PyTorch tutorial: saving and loading a general checkpoint for inference and/or resuming training.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(-4.0, "weights were shrunk to nothing, beside which every update is large", alarm=("collapsed-weights",)),
    Evidence(7.0, "the optimizer has counted fewer steps than the run", alarm=("optimizer-step-lag",)),
    Evidence(1.0, "the loss jumped", alarm=("optimizer-step-lag", "spiky-loss")),
    Evidence(4.0, "the loss stood above its own earlier record where the run was resumed", alarm=("resumed-loss-jump",)),
    Evidence(4.0, "the loss lost a good part of what was learned where the run was resumed", alarm=("lasting-jump", "resumed-loss-jump")),
    Evidence(8.5, "layers were drawn anew in the middle of the run while the others went on", alarm=("reinitialized-layers",)),
    Evidence(4.0, "layers were drawn anew while the optimizer went on", alarm=("reinitialized-layers",), passed=("optimizer-step-lag",)),
    Evidence(-4.5, "the optimizer's count agrees with the run's", passed=("optimizer-step-lag",)),
    Evidence(-1.0, "the loss went on where the run was resumed", passed=("resumed-loss-jump",)),
    Evidence(-4.0, "the gradient scaler skipped the steps that are missing", alarm=("collapsed-loss-scale",)),
    Evidence(4.0, "the optimizer's settings changed in the middle of the run", alarm=("changed-optimizer-settings",)),
    Evidence(4.0, "the loss jumped and the optimizer's settings changed", alarm=("changed-optimizer-settings", "resumed-loss-jump")),
    Evidence(2.0, "the rate is above the usual range since the settings changed", alarm=("changed-optimizer-settings", "large-rate")),
    Evidence(7.0, "the scheduler began to count again", alarm=("desynchronized-scheduler",)),
    Evidence(
        3.5, "the scheduler began again while the optimizer went on", alarm=("desynchronized-scheduler",), passed=("optimizer-step-lag",)
    ),
    Evidence(8.0, "the learning rate was another after the resume", alarm=("resumed-rate-jump",)),
    Evidence(4.0, "it was another while the optimizer counted on", alarm=("resumed-rate-jump",), passed=("optimizer-step-lag",)),
    Evidence(1.0, "weights that were tied came apart", alarm=("untied-weights",)),
    Evidence(-4.0, "steps are missing more and more: updates were skipped", alarm=("skipped-updates",)),
    Evidence(1.0, "names and contents of checkpoints tell different steps", alarm=("disagreeing-steps",)),
    Evidence(4.5, "settings changed while the optimizer counted on", alarm=("changed-optimizer-settings",), passed=("optimizer-step-lag",)),
    Evidence(4.0, "the schedule was cut off and began again", alarm=("cut-schedule",)),
    Evidence(4.0, "rate and scheduler both began again", alarm=("cut-schedule", "desynchronized-scheduler")),
)
EXPLAINS = ("loss-spike", "lr-too-high")


def summary(case: Case) -> str:
    return case.said(
        "reinitialized-layers",
        "optimizer-step-lag",
        "resumed-rate-jump",
        "desynchronized-scheduler",
        "resumed-loss-jump",
        "changed-optimizer-settings",
        "spiky-loss",
        otherwise="The run was resumed without its optimizer state.",
    )


def fix(case: Case) -> str:
    if layers := case.where("reinitialized-layers"):
        return (
            f"Load the weights with strict=True on every resume, so that {layers[0]} is not left as it is drawn, and go back to the "
            "checkpoint before; save and load the states of optimizer, scheduler and scaler with it."
        )
    return (
        "Save optimizer.state_dict(), scheduler.state_dict() and scaler.state_dict() in every "
        "checkpoint, and load all of them before going on."
    )


def confirm(case: Case) -> str:
    return "Resume from a checkpoint with its optimizer state loaded: loss and learning rate should go on without a jump."


EXAMPLES = (
    CauseExample("the optimizer counts 300 steps of 700", "likely", fail=("optimizer-step-lag",)),
    CauseExample("a layer was not loaded on resume", "likely", fail=("reinitialized-layers",), passed=("optimizer-step-lag",)),
    CauseExample("the head was swapped by design", "unlikely", warn=("reinitialized-layers",), passed=("optimizer-step-lag",)),
    CauseExample(
        "the loss jumped at the resume, and counts agree", "unlikely", warn=("resumed-loss-jump",), passed=("optimizer-step-lag",)
    ),
    CauseExample("the schedule began again", "likely", fail=("resumed-rate-jump",), passed=("optimizer-step-lag", "resumed-loss-jump")),
    CauseExample("counts agree", "unlikely", passed=("optimizer-step-lag",)),
    CauseExample("nothing is known", "unlikely"),
)
