"""Labels do not follow the inputs

## What happens
Labels were shuffled, misaligned or random: there is nothing to learn but the training set by heart.

## How it shows
Validation never gets better than the class prior predicts while training loss falls below it.

## What to do
Look at a few records with their labels; check every join, sort and shuffle between inputs and labels.

## How to confirm
Train on 20 records checked by hand, and validate on 20 more.

## When it is wrong
A very small training set generalizes badly as well, but validation then still beats the prior. Stale batch-norm statistics spoil
validation only.

## References
Zhang, Bengio, Hardt, Recht, Vinyals 2017 (arXiv 1611.03530): networks fit random labels.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, percent

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "validation is no better than the class prior while training falls below it", alarm=("uninformative-labels",)),
    Evidence(6.0, "validation turned while training was hardly fitted, and training goes on", alarm=("early-validation-turn",)),
    Evidence(
        2.5,
        "errors at the head do not shrink although weights move as they should",
        alarm=("unshrunk-head-residuals",),
        passed=("small-updates", "large-updates"),
    ),
    Evidence(2.5, "errors at the head do not shrink", alarm=("unshrunk-head-residuals",)),
    Evidence(
        4.0,
        "validation gains nothing from training that goes well, and no batch normalization explains it",
        alarm=("unmatched-validation",),
        inapplicable=("stale-batchnorm",),
    ),
    Evidence(
        2.0,
        "nothing was learned although gradients reach every layer and weights move at a usual pace",
        alarm=("flat-loss",),
        passed=("gradient-depth-slope", "large-updates", "short-travel"),
    ),
    Evidence(
        2.0,
        "nothing was learned although units live and inputs are of unit scale",
        alarm=("flat-loss",),
        passed=("silent-units", "unscaled-inputs", "short-travel", "large-updates"),
    ),
    Evidence(1.0, "records stand with different labels", alarm=("conflicting-labels",)),
    Evidence(
        2.0,
        "nothing was learned although the weights went far at a usual pace",
        alarm=("flat-loss",),
        passed=("short-travel", "overwritten-weights"),
    ),
    Evidence(
        3.0,
        "the loss stays at a guess's although the weights went far at a usual pace",
        alarm=("plateaued-loss",),
        passed=("short-travel", "overwritten-weights", "unfinished-descent"),
    ),
    Evidence(0.5, "training records lack labels", alarm=("unlabelled-records",)),
    Evidence(2.0, "every record is equally uncertain", alarm=("even-errors",)),
    Evidence(
        5.0, "every record is equally uncertain although the model goes on changing", alarm=("even-errors",), passed=("still-validation",)
    ),
    Evidence(5.5, "what little training gained, validation does not share", alarm=("unshared-gain",)),
    Evidence(-1.5, "validation shares what little training gained", passed=("unshared-gain",)),
    Evidence(-3.0, "some records are known far better than others", alarm=("settled-high-loss",), passed=("even-errors",)),
    Evidence(-4.5, "validation beats the class prior", passed=("uninformative-labels",)),
    Evidence(-3.5, "errors at the head shrank: training was learned at an ordinary pace", passed=("unshrunk-head-residuals",)),
    Evidence(-2.0, "training and validation settled together", alarm=("settled-high-loss",)),
    Evidence(
        -3.0,
        "validation gained nothing while training was learned at an ordinary pace: labels are not memorized so fast",
        alarm=("unmatched-validation",),
    ),
    Evidence(-4.0, "training was not learned either where validation turned", alarm=("early-validation-turn", "flat-loss")),
    Evidence(-3.0, "validation swings by more than it turned", alarm=("early-validation-turn", "swinging-validation")),
    Evidence(-4.0, "a burst of gradients threw the run off", alarm=("remembered-burst",)),
    Evidence(-4.0, "the loss follows the order of the records", alarm=("epoch-patterned-loss",)),
    Evidence(-3.0, "the loss jumped at one step", alarm=("early-validation-turn", "lasting-jump")),
    Evidence(-6.0, "the learning rate was zero", alarm=("zero-rate",)),
    Evidence(-3.0, "a layer of one or two units holds the model back", alarm=("narrow-layers",)),
    Evidence(-4.0, "batch-norm statistics are stale, which harms validation only", alarm=("stale-batchnorm",)),
    Evidence(-3.0, "units are identical", alarm=("identical-units",)),
    Evidence(-3.0, "one class is named for every record: nothing was learned by heart either", alarm=("majority-class-only",)),
    Evidence(-2.0, "the learning rate is too high for anything to be learned", alarm=("diverged-loss", "large-updates")),
    Evidence(4.0, "validation was never better than a guess while training was fitted", alarm=("chance-level-validation",)),
    Evidence(-3.0, "batch-norm statistics stopped, which harms validation only", alarm=("halted-batchnorm",)),
    Evidence(-4.0, "validation is wrong far more often than by guessing, which noise is not", alarm=("contrary-validation",)),
    Evidence(-4.0, "labels are wrong one way and not at random", alarm=("chance-level-validation", "contrary-validation")),
    Evidence(-3.0, "batch-norm statistics are those of other weights, which harms validation only", alarm=("aged-batchnorm",)),
    Evidence(
        -6.0,
        "validation names one class whatever it is shown, which a model that learned by heart does not",
        alarm=("constant-validation-accuracy",),
    ),
    Evidence(0.5, "the loss stayed flat", alarm=("flat-loss",)),
    Evidence(0.5, "the loss stayed high", alarm=("plateaued-loss",)),
    Evidence(1.5, "the loss stayed flat while the validation loss jitters", alarm=("flat-loss",), passed=("still-validation",)),
    Evidence(2.5, "both losses settled high although no layer is narrow", alarm=("settled-high-loss",), passed=("narrow-layers",)),
    Evidence(1.0, "the loss stayed high although no layer is narrow", alarm=("plateaued-loss",), passed=("narrow-layers", "short-travel")),
)
EXPLAINS = ("overfitting",)
USES = ("loss.train_evenness", "loss.validation_evenness")


def summary(case: Case) -> str:
    return case.said(
        "even-errors",
        "early-validation-turn",
        "uninformative-labels",
        "unshared-gain",
        "unshrunk-head-residuals",
        otherwise="Labels do not follow the inputs.",
    )


def fix(case: Case) -> str:
    share, told = _wrong_share(case), ""
    if share is not None:
        told = f" About {percent(share)} of the labels would be random ones to leave this accuracy: begin with the records of highest loss."
    return (
        "Check the join between inputs and labels: print 20 records with their labels as the "
        f"loader delivers them, after every sort and shuffle.{told}"
    )


def _wrong_share(case: Case) -> float | None:
    """Share of labels drawn anew among all classes that leaves this accuracy: 1 - share + share / C. None where errors are not even."""
    outcome = case.outcomes.get("even-errors")
    found = case.measured.get("loss.train_evenness") or case.measured.get("loss.validation_evenness")
    if outcome is None or not outcome.alarmed or found is None:
        return None
    return (1 - found.items["accuracy"]) / (1 - found.items["guess"])


def confirm(case: Case) -> str:
    return "Train on 20 records labelled by hand: validation on 20 more should beat the class prior."


EXAMPLES = (
    CauseExample(
        "training learns by heart, validation stays at the prior", "likely", fail=("uninformative-labels", "rising-validation-loss")
    ),
    CauseExample("validation beats the prior", "unlikely", fail=("rising-validation-loss",), passed=("uninformative-labels",)),
    CauseExample("nothing is known", "unlikely"),
)
