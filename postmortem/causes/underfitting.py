"""Too little capacity

## What happens
The model learns what it can and settles high; more of the same training brings nothing.

## How it shows
The loss is on a long plateau far above what the task allows, training and validation agree, and weights, updates and gradients
are all in order.

## What to do
Use a wider or deeper model, or better features; train longer only if the loss still falls.

## How to confirm
Try to overfit 100 records: a model that cannot is too small or broken.

## When it is wrong
Noisy tasks have a floor that no capacity goes below. Anything else that is wrong explains a high loss better, so every other
cause goes first.

## References
Karpathy, A Recipe for Training Neural Networks: overfit one batch first.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, counted

PRIOR = 0.02
EVIDENCE = (
    Evidence(1.5, "the loss settled high", alarm=("plateaued-loss",)),
    Evidence(
        2.5, "the loss settled high although updates were in order", alarm=("plateaued-loss",), passed=("small-updates", "large-updates")
    ),
    Evidence(
        1.5, "the loss settled high although gradients reach every layer", alarm=("plateaued-loss",), passed=("gradient-depth-slope",)
    ),
    Evidence(6.0, "both splits settled high together", alarm=("settled-high-loss",)),
    Evidence(
        2.5,
        "both splits settled high although updates were in order",
        alarm=("settled-high-loss",),
        passed=("small-updates", "large-updates"),
    ),
    Evidence(7.0, "a layer that all data must pass has one or two units", alarm=("narrow-layers",)),
    Evidence(-2.0, "the training data is fitted", passed=("unfitted-training-data",)),
    Evidence(-1.0, "the loss did not stay flat and high", passed=("plateaued-loss",)),
    Evidence(-2.0, "the losses did not settle high together", passed=("settled-high-loss",)),
    Evidence(-3.0, "the model learned only the class prior", alarm=("prior-only-loss",)),
    Evidence(
        -4.0,
        "every record is equally uncertain, which no size of a model brings about",
        alarm=("even-errors",),
        passed=("still-validation",),
    ),
    Evidence(-3.0, "what little training gained holds for no other record", alarm=("unshared-gain",)),
    Evidence(0.3, "what little training gained holds for validation too", passed=("unshared-gain",)),
    Evidence(0.5, "some records are known far better than others", alarm=("settled-high-loss",), passed=("even-errors",)),
    Evidence(-3.0, "labels carry no information", alarm=("uninformative-labels",)),
    Evidence(-4.0, "validation turned while training goes on falling", alarm=("early-validation-turn",)),
    Evidence(-3.0, "regularization took the weights away", alarm=("collapsed-weights",)),
    Evidence(-2.0, "the loss stayed flat from the start", alarm=("flat-loss",)),
    Evidence(-2.0, "training and validation do not agree", alarm=("rising-validation-loss",)),
    Evidence(-3.0, "norms keep channels silent, which leaves too little of the net", alarm=("silent-channels",)),
    Evidence(-2.0, "dead units leave too little of the net", alarm=("silent-units",)),
    Evidence(-2.0, "the loss was still falling", alarm=("unfinished-descent",)),
    Evidence(0.5, "the loss ends high", alarm=("high-final-loss",)),
    Evidence(1.0, "the loss ends high and was still falling", alarm=("high-final-loss", "unfinished-descent")),
    Evidence(-1.5, "no layer is narrow", passed=("narrow-layers",)),
)
USES = ("weights.parameters",)


def summary(case: Case) -> str:
    return case.said(
        "narrow-layers", "settled-high-loss", "plateaued-loss", otherwise="The loss settled high with everything else in order."
    )


def fix(case: Case) -> str:
    size = case.number("weights.parameters")
    now = f" (now {counted(size, 'parameter')})" if size else ""
    return f"Use a wider or deeper model{now}, or features that carry more of the task."


def confirm(case: Case) -> str:
    return "Train on 100 records until the loss is near zero: a model that cannot is too small or broken."


EXAMPLES = (
    CauseExample(
        "settled high, all else in order",
        "likely",
        fail=("plateaued-loss",),
        passed=("small-updates", "large-updates", "gradient-depth-slope"),
    ),
    CauseExample(
        "only the prior was learned", "unlikely", fail=("plateaued-loss", "prior-only-loss"), passed=("small-updates", "large-updates")
    ),
    CauseExample("nothing is known", "unlikely"),
)
