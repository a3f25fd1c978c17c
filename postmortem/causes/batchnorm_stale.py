"""Batch-norm statistics stale

## What happens
The running mean and variance that validation uses are not those of the data: the model is judged through the wrong glasses.

## How it shows
Running statistics move linearly with the number of steps instead of settling, have counted far fewer batches than there were
steps, or are out of all proportion; validation is far worse than training.

## What to do
Set the momentum to 0.1 (PyTorch's sense: the weight of the new batch), keep the model in train mode while training, and refresh
the statistics before validation.

## How to confirm
Validate once in train mode with large batches.

## When it is wrong
Frozen batch-norm layers in fine-tuning keep their statistics on purpose.

## References
Ioffe and Szegedy 2015 (arXiv 1502.03167); PyTorch BatchNorm documentation on momentum.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "running statistics do not follow the data", alarm=("stale-batchnorm",)),
    Evidence(1.5, "validation is far worse than training", alarm=("stale-batchnorm", "wide-generalization-gap")),
    Evidence(4.5, "validation gains nothing from training that goes well", alarm=("unmatched-validation",)),
    Evidence(2.0, "evaluation through running statistics is not finite while training is", alarm=("nonfinite-validation",)),
    Evidence(
        -5.0,
        "the validation accuracy is far below that of a guess, which stale statistics do not bring about",
        alarm=("inverted-accuracy",),
    ),
    Evidence(7.0, "running statistics stopped on the way", alarm=("halted-batchnorm",)),
    Evidence(5.0, "statistics that stopped look settled", alarm=("halted-batchnorm",), passed=("stale-batchnorm",)),
    Evidence(2.0, "validation was never better than a guess", alarm=("chance-level-validation", "stale-batchnorm")),
    Evidence(-8.0, "the net has no batch normalization", inapplicable=("stale-batchnorm",)),
    Evidence(-4.0, "running statistics have settled", passed=("stale-batchnorm",)),
    Evidence(7.0, "running statistics are those of an earlier checkpoint", alarm=("aged-batchnorm",)),
    Evidence(5.0, "statistics of an earlier checkpoint look settled", alarm=("aged-batchnorm",), passed=("stale-batchnorm",)),
    Evidence(
        10.0,
        "validation names one class, whatever it is shown, while training is fitted through batch statistics",
        alarm=("constant-validation-accuracy",),
        passed=("halted-batchnorm",),
    ),
)
EXPLAINS = ("overfitting",)


def summary(case: Case) -> str:
    return case.said("stale-batchnorm", "unmatched-validation", "wide-generalization-gap", otherwise="Batch-norm statistics are stale.")


def fix(case: Case) -> str:
    return (
        "Set BatchNorm's momentum to 0.1, call model.train() before every training epoch, and run "
        "100 batches in train mode before validating."
    )


def confirm(case: Case) -> str:
    return "Validate the last checkpoint once in train mode with large batches: its loss should drop to that of training."


EXAMPLES = (
    CauseExample("statistics that creep linearly", "likely", fail=("stale-batchnorm",)),
    CauseExample("settled statistics", "unlikely", passed=("stale-batchnorm",)),
    CauseExample("nothing is known", "unlikely"),
)
