"""Overfitting

## What happens
The model goes on learning its training data by heart after it has stopped learning the task.

## How it shows
Training loss keeps falling while validation loss turns and rises by more than its noise, or training is fitted while validation stays
hardly better than chance; often with many more parameters than records.

## What to do
Stop at the best validation step, add data, augmentation or regularization, or use a smaller model.

## How to confirm
Repeat with half of the data: validation should turn earlier.

## When it is wrong
Validation loss may rise while accuracy still improves, as confidence grows: that alone is not harmful. Shuffled labels and stale
batch-norm statistics look the same on the curves and are told apart by other files.

## References
Goodfellow, Bengio and Courville, Deep Learning, 7.8: early stopping.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.04
EVIDENCE = (
    Evidence(4.5, "validation loss rose while training loss fell", alarm=("rising-validation-loss",)),
    Evidence(5.5, "training is fitted and validation is not", alarm=("wide-generalization-gap",)),
    Evidence(5.5, "training was learned by heart long before the end, and validation was not", alarm=("memorized-training-data",)),
    Evidence(3.0, "few records were learned by heart", alarm=("little-data", "memorized-training-data")),
    Evidence(2.0, "a model large for its data learned it by heart", alarm=("memorized-training-data", "oversized-model")),
    Evidence(1.0, "there are few records for so many parameters", alarm=("little-data", "rising-validation-loss")),
    Evidence(0.5, "the model is large for its data", alarm=("oversized-model", "rising-validation-loss")),
    Evidence(
        -1.5, "validation did not turn up, or what turned up was its loss alone and not its accuracy", passed=("rising-validation-loss",)
    ),
    Evidence(-4.0, "labels carry no information, which training can only learn by heart", alarm=("uninformative-labels",)),
    Evidence(-4.0, "training is hardly fitted where validation turned", alarm=("early-validation-turn",)),
    Evidence(-4.0, "validation gained nothing while training was learned at an ordinary pace", alarm=("unmatched-validation",)),
    Evidence(-4.0, "only the class shares were learned, which hold for training and validation alike", alarm=("prior-only-loss",)),
    Evidence(-3.0, "one class is named for every record, which nobody learns by heart", alarm=("majority-class-only",)),
    Evidence(-3.0, "batch-norm statistics are stale, which harms validation only", alarm=("stale-batchnorm",)),
    Evidence(-1.5, "the loss diverged", alarm=("diverged-loss",)),
    Evidence(-3.0, "validation never learned anything that it could lose", alarm=("chance-level-validation",)),
    Evidence(-1.0, "validation is too noisy to tell its points apart", alarm=("noisy-validation", "rising-validation-loss")),
    Evidence(0.3, "the run went on past a best step that it did not keep", alarm=("rising-validation-loss", "unsaved-best")),
    Evidence(-4.0, "validation is wrong far more often than by guessing, which overfitting never is", alarm=("contrary-validation",)),
    Evidence(-3.0, "batch-norm statistics stopped or are those of other weights", alarm=("aged-batchnorm",)),
    Evidence(-4.0, "validation names one class whatever it is shown", alarm=("constant-validation-accuracy",)),
)
USES = ("validation.rise", "checkpoints.best_distance")


def summary(case: Case) -> str:
    by_heart = case.outcomes.get("memorized-training-data")
    # How wide the gap is repeats what was learned by heart.
    known = by_heart is not None and by_heart.alarmed
    seen = ("memorized-training-data", "rising-validation-loss") if known else ("rising-validation-loss", "wide-generalization-gap")
    return case.said(*seen, otherwise="Validation loss turned up while training loss fell.")


def fix(case: Case) -> str:
    step, nearest = _best_step(case), _nearest(case)
    stop = "Stop where validation is best" if step is None else f"Stop at step {step}, where validation was best"
    saved = f" (nearest checkpoint: {nearest})" if step is not None and nearest else ""
    return f"{stop}{saved}; then add data or augmentation, or weight decay and dropout, or use a smaller model."


def _nearest(case: Case) -> str:
    """The checkpoint nearest to that step, and its own; the empty string where none is known."""
    found = case.measured.get("checkpoints.best_distance")
    if found is None or not found.text:
        return ""
    return f"{found.text} of step {found.items[found.text]:.0f}" if found.text in found.items else found.text


def confirm(case: Case) -> str:
    step = _best_step(case)
    if step is None:
        return (
            "Repeat with half of the training data: the gap between validation and training should widen, and with twice the data narrow."
        )
    return f"Repeat with half of the training data: validation should turn up before step {step}, and with twice the data after it."


def _best_step(case: Case) -> int | None:
    """The step at which validation was best, where it rose after it."""
    rise = case.measured.get("validation.rise")
    return rise.first_step if rise is not None and rise.value > 0 else None


EXAMPLES = (
    CauseExample("validation turns up", "likely", fail=("rising-validation-loss",)),
    CauseExample("shuffled labels", "unlikely", fail=("rising-validation-loss", "uninformative-labels")),
    CauseExample(
        "training fitted, validation hardly better than chance", "likely", fail=("wide-generalization-gap",), warn=("little-data",)
    ),
    CauseExample("validation worse within its noise", "unlikely", warn=("wide-generalization-gap",), passed=("rising-validation-loss",)),
    CauseExample("nothing is known", "unlikely"),
)
