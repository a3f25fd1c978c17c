"""Class imbalance

## What happens
Some classes are so rare that predicting the frequent ones is nearly as good as learning the task.

## How it shows
The manifest's counts are far apart, and the loss settles at the entropy of the class prior: the model learned how frequent
classes are, and nothing else.

## What to do
Weight the loss by inverse frequency, sample classes evenly, or collect more of the rare ones.

## How to confirm
Look at recall per class on validation.

## When it is wrong
Imbalance alone is not a fault: many runs learn all classes at 100 to 1. It is named as a cause only where the run shows it or a
class is all but absent.

## References
Cui, Jia, Lin, Song, Belongie 2019 (arXiv 1901.05555). Karpathy, A Recipe for Training Neural Networks (input-independent
baseline).
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(0.5, "class counts are far apart", alarm=("skewed-classes",)),
    Evidence(8.0, "class counts are far apart and only the class prior was learned", alarm=("prior-only-loss", "skewed-classes")),
    Evidence(1.5, "only the class prior was learned", alarm=("prior-only-loss",)),
    Evidence(5.0, "class counts are far apart and one class is named for every record", alarm=("majority-class-only", "skewed-classes")),
    Evidence(9.5, "rare classes are never found", alarm=("starved-classes",)),
    Evidence(5.5, "errors on validation leave no room for rare classes that are found", alarm=("unfound-rare-classes",)),
    Evidence(3.5, "some classes have hardly a record", alarm=("scarce-classes",)),
    Evidence(
        3.0, "some classes have hardly a record, and nothing shows that they are found", alarm=("unfound-rare-classes", "skewed-classes")
    ),
    Evidence(7.0, "a few units of the head have nearly all of its gradients", alarm=("skewed-head-errors",)),
    Evidence(1.5, "a class is missing from a split", alarm=("missing-classes",)),
    Evidence(-4.5, "class counts are close", passed=("skewed-classes",)),
    Evidence(-0.5, "more than the class prior was learned", passed=("prior-only-loss",)),
    Evidence(-4.5, "validation leaves no room for rare classes that are never found", passed=("unfound-rare-classes",)),
    Evidence(-2.0, "the head's units share its gradients evenly", passed=("skewed-head-errors",)),
    Evidence(-4.0, "every class is found, the rarest too", passed=("starved-classes",)),
    Evidence(-0.5, "more than one class is named", passed=("majority-class-only",)),
    Evidence(-3.0, "units are identical, which leaves only the prior to learn", alarm=("identical-units",)),
    Evidence(-3.0, "dead units leave only the prior to learn", alarm=("silent-units",)),
    Evidence(-3.0, "nothing was updated", alarm=("unmoved-weights",)),
    Evidence(-8.0, "the weights hardly moved, so that no class was learned yet", alarm=("short-travel",)),
)
EXPLAINS = ("overfitting",)
USES = ("classes.imbalance",)


def summary(case: Case) -> str:
    seen = (
        "starved-classes",
        "majority-class-only",
        "unfound-rare-classes",
        "prior-only-loss",
        "scarce-classes",
        "skewed-classes",
        "skewed-head-errors",
        "missing-classes",
    )
    return case.said(*seen, otherwise="Some classes are starved.")


def fix(case: Case) -> str:
    ratio = case.number("classes.imbalance")
    times = f" (up to {ratio:.0f} to 1 for the rarest class)" if ratio else ""
    return f"Weight the loss by inverse class frequency{times}, or sample classes evenly; the report's class weights are ready to paste."


def confirm(case: Case) -> str:
    return "Compute recall per class on validation: the rare classes should be near 0 now, and rise with class weights."


EXAMPLES = (
    CauseExample("97 % of one class and only the prior learned", "likely", fail=("prior-only-loss",), warn=("skewed-classes",)),
    CauseExample("one class is named for every record", "likely", fail=("majority-class-only", "skewed-classes")),
    CauseExample(
        "rare classes are never found, the rest is",
        "likely",
        fail=("starved-classes",),
        warn=("skewed-classes",),
        passed=("prior-only-loss",),
    ),
    CauseExample("100 to 1, and the recall of each class is high", "unlikely", warn=("skewed-classes",), passed=("starved-classes",)),
    CauseExample("100 to 1, learned all the same", "unlikely", warn=("skewed-classes",), passed=("prior-only-loss",)),
    CauseExample(
        "skewed, and the run had only begun",
        "unlikely",
        fail=("unfound-rare-classes", "short-travel"),
        warn=("skewed-classes", "skewed-head-errors"),
    ),
    CauseExample("balanced, but nothing learned", "unlikely", fail=("prior-only-loss",), passed=("skewed-classes",)),
    CauseExample("nothing is known", "unlikely"),
)
