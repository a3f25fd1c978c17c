"""One side of an adversarial pair has won

## What happens
Generator and discriminator have to stay a match for each other. Where one of them learns far faster, the other gets no gradient
that leads anywhere: the samples stay noise, or all become alike.

## How it shows
The discriminator's loss goes to 0 and it gives real samples 1 and made ones 0, while the generator's loss climbs; or it is wrong more
often than right. A critic's distance grows without bound. The learning rates of the two are far apart, and units of the generator die.

## What to do
Bring the learning rates together, hold the discriminator's slope with a gradient penalty on real samples, and train both once a
step.

## How to confirm
Halve the learning rate of the side that wins, and watch whether the discriminator's scores come back towards a half.

## When it is wrong
Pairs on images run well with a discriminator that is right most of the time. Losses alone do not tell a generator that makes one
good sample from one that makes many: only measures of the samples do.

## References
Goodfellow et al. 2014 (arXiv 1406.2661). Arjovsky and Bottou 2017 (arXiv 1701.04862). Mescheder et al. 2018 (arXiv 1801.04406): the
gradient penalty on real samples.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(6.0, "the discriminator tells all samples apart, or none", alarm=("one-sided-pair",)),
    Evidence(6.5, "one side is trained far faster than the other", alarm=("uneven-pair",)),
    Evidence(5.0, "the weights of one side move far farther than those of the other", alarm=("uneven-travel",)),
    Evidence(6.0, "the critic's distance grows without bound", alarm=("runaway-critic",)),
    Evidence(5.5, "the critic's layers are far steeper than a bounded slope leaves them", alarm=("steep-critic",)),
    Evidence(6.0, "the samples got worse", alarm=("worsening-samples",)),
    Evidence(5.5, "one side gets no gradient any more", alarm=("stilled-pair",)),
    Evidence(5.5, "the generator's gradients grow without bound", alarm=("runaway-generator-gradient",)),
    Evidence(1.0, "units died while one side won", alarm=("one-sided-pair", "silent-units")),
    Evidence(-1.2, "neither side has won", passed=("one-sided-pair",)),
    Evidence(-0.7, "both sides are trained alike", passed=("uneven-pair",)),
    Evidence(-0.7, "the weights of both sides move alike", passed=("uneven-travel",)),
    Evidence(-0.7, "the critic's distance is bounded", passed=("runaway-critic",)),
    Evidence(-0.3, "the judging net is not steep", passed=("steep-critic",)),
    Evidence(-0.5, "both sides still get gradients", passed=("stilled-pair",)),
    Evidence(-0.3, "the generator's gradients are bounded", passed=("runaway-generator-gradient",)),
    Evidence(-2.0, "the samples are as good as ever", passed=("worsening-samples",)),
    Evidence(-3.0, "nothing was updated at all", alarm=("unmoved-weights",)),
)
EXPLAINS = ("dead-relus", "exploding-gradients", "loss-spike", "lr-too-high", "lr-too-low", "saturated-activations", "vanishing-gradients")
USES = ("pair.rate_ratio", "pair.certainty")

FAR_APART = 4.0


def summary(case: Case) -> str:
    logged = ("one-sided-pair", "runaway-critic", "worsening-samples")
    stored = ("steep-critic", "stilled-pair", "runaway-generator-gradient", "uneven-pair", "uneven-travel")
    return case.said(*logged, *stored, otherwise="One side of the adversarial pair has won.")


def fix(case: Case) -> str:
    rates, sure = case.number("pair.rate_ratio"), case.number("pair.certainty")
    if rates is not None and rates > 0 and max(rates, 1 / rates) > FAR_APART:
        faster, slower = ("discriminator", "generator") if rates > 1 else ("generator", "discriminator")
        return (
            f"Bring the learning rates together: the {faster}'s is {number(max(rates, 1 / rates))} times the {slower}'s; "
            f"lower it, or raise the other, until they are within a factor of {number(FAR_APART)}."
        )
    if sure is not None and sure < 0:
        return "Give the discriminator a higher learning rate or two updates for each of the generator, whose rate goes down tenfold."
    return (
        "Weaken the discriminator: a penalty on its squared gradient at real samples (weight 0.1 to 10), one of its updates for each of "
        "the generator, and half its learning rate."
    )


def confirm(case: Case) -> str:
    return "Repeat with half the learning rate for the side that wins: the discriminator's scores should come back towards a half."


EXAMPLES = (
    CauseExample("the discriminator won", "likely", fail=("one-sided-pair",)),
    CauseExample("the discriminator won, at equal rates", "likely", fail=("one-sided-pair", "silent-units"), passed=("uneven-pair",)),
    CauseExample("checkpoints only: a hundred times the rate", "likely", fail=("uneven-pair",)),
    CauseExample("checkpoints only: a discriminator that has won", "likely", fail=("stilled-pair",)),
    CauseExample("a critic without a penalty", "likely", fail=("runaway-critic",), passed=("uneven-pair",)),
    CauseExample("collapsed samples at an equilibrium", "likely", fail=("worsening-samples",), passed=("one-sided-pair",)),
    CauseExample("a healthy pair", "unlikely", passed=("one-sided-pair", "uneven-pair")),
    CauseExample("a discriminator that leads", "unlikely", warn=("one-sided-pair",), passed=("uneven-pair",)),
    CauseExample("nothing is known", "unlikely"),
)
