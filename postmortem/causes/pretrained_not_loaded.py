"""Pre-trained weights were not loaded

## What happens
The run was meant to start from a trained model and started from random numbers, wholly or in part.

## How it shows
The first checkpoint's weights follow the distribution of a fresh initialization although the settings ask for pre-trained ones;
the first loss is at chance.

## What to do
Load with strict=True, and print missing and unexpected keys.

## How to confirm
Compare one layer of the first checkpoint with the pre-trained file.

## When it is wrong
A new head on a pre-trained backbone is fresh by design. Weights can be trained and still look close to normal.

## References
PyTorch load_state_dict documentation on strict.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(6.5, "weights that should be pre-trained look freshly initialized", alarm=("unloaded-pretrained-weights",)),
    Evidence(-5.0, "the first weights are trained ones", passed=("unloaded-pretrained-weights",)),
    Evidence(3.0, "the same tensors stand under other names, which loading that is not strict passes over", alarm=("renamed-tensors",)),
    Evidence(1.5, "weights were never filled", alarm=("zero-matrices",)),
)


def summary(case: Case) -> str:
    return case.said("unloaded-pretrained-weights", otherwise="The first weights look freshly initialized.")


def fix(case: Case) -> str:
    return (
        "Load the state_dict with strict=True after the model is built, strip prefixes such as "
        "module., and print missing and unexpected keys."
    )


def confirm(case: Case) -> str:
    return "Compare the norm of one backbone layer in the first checkpoint with that in the pre-trained file: they should be equal."


EXAMPLES = (
    CauseExample("fresh weights where trained ones were meant", "likely", fail=("unloaded-pretrained-weights",)),
    CauseExample("trained weights", "unlikely", passed=("unloaded-pretrained-weights",)),
    CauseExample("nothing is known", "unlikely"),
)
