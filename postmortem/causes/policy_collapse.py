"""Policy that collapsed

## What happens
The policy becomes sure of its actions, or is thrown far from where its experience came from, before it has learned. From then on it
sees only what those actions lead to, and no gradient brings it back.

## How it shows
Its entropy is gone while the return has not risen; the divergence of an update is many times 0.01 nats or most samples are clipped; the
return that had risen falls and stays down; updates are too large for the weights.

## What to do
Lower the learning rate, keep an entropy bonus, normalize advantages, clip probability ratios at 0.2, and stop the epochs of a rollout where
the divergence passes 0.02.

## How to confirm
Repeat with a tenth of the learning rate and an entropy bonus of 0.01, and watch the entropy over the first tenth of the run.

## When it is wrong
A policy that has learned its task becomes sure of its actions and is well. Rewards of the wrong sign make an agent learn to fail, with
all the signs of a collapse but the divergence.

## References
Schulman et al. 2017 (arXiv 1707.06347). Mnih et al. 2016 (arXiv 1602.01783). Andrychowicz et al. 2020 (arXiv 2006.05990).
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence, number

PRIOR = 0.02
EVIDENCE = (
    Evidence(7.0, "the policy stopped exploring before it had learned", alarm=("lost-exploration",)),
    Evidence(4.5, "updates change the policy too much", alarm=("large-policy-steps",)),
    Evidence(3.0, "the return was lost under updates that change the policy too much", alarm=("fallen-return", "large-policy-steps")),
    Evidence(3.0, "the policy stopped exploring under updates that change it too much", alarm=("large-policy-steps", "lost-exploration")),
    Evidence(4.5, "the return was lost again", alarm=("fallen-return",)),
    Evidence(5.5, "the policy gets no gradient any more", alarm=("stilled-policy",)),
    Evidence(1.5, "the weights grew while exploration was lost", alarm=("growing-weights", "lost-exploration")),
    Evidence(2.0, "the return did not rise clearly", alarm=("unimproved-return",)),
    Evidence(2.0, "the return did not rise under too large updates", alarm=("unimproved-return", "large-updates")),
    Evidence(-1.0, "the return rose", passed=("unimproved-return",)),
    Evidence(-0.5, "the return was kept", passed=("fallen-return",)),
    Evidence(-1.0, "the policy still explores", passed=("lost-exploration",)),
    Evidence(-0.5, "the policy still gets gradients", passed=("stilled-policy",)),
    Evidence(-0.5, "updates change the policy little", passed=("large-policy-steps",)),
    Evidence(-3.0, "nothing was updated at all", alarm=("unmoved-weights",)),
    Evidence(-2.0, "updates are too small for the weights to move", alarm=("small-updates",)),
)
EXPLAINS = ("dead-relus", "exploding-gradients", "loss-spike", "lr-too-high", "saturated-activations", "vanishing-gradients")
USES = ("lr.max", "policy.divergence", "policy.return_fall", "policy.exploration")

USUAL_DIVERGENCE = 0.01


def summary(case: Case) -> str:
    seen = ("lost-exploration", "large-policy-steps", "fallen-return", "unimproved-return", "stilled-policy")
    return case.said(*seen, otherwise="The policy collapsed before it had learned.")


def fix(case: Case) -> str:
    rate, divergence = case.number("lr.max"), case.number("policy.divergence")
    wide = case.outcomes.get("large-policy-steps")
    if wide is not None and wide.alarmed and divergence:
        # A step's divergence grows with the square of its length.
        lower = max(1e-3, min(0.5, (USUAL_DIVERGENCE / divergence) ** 0.5))
        which = f"from {number(rate, 2)} to about {number(rate * lower, 1)}" if rate else f"to about {number(lower, 1)} of what it is"
        return f"Lower the learning rate {which}, for a divergence of {number(USUAL_DIVERGENCE)} nats an update, and clip ratios at 0.2."
    if rate:
        return (
            f"Give the entropy a bonus of 0.01 in the loss, and lower the learning rate from {number(rate, 2)} to {number(rate / 10, 2)}."
        )
    return "Give the entropy a bonus of 0.01 in the loss, lower the learning rate tenfold, and normalize advantages."


def confirm(case: Case) -> str:
    return "Repeat the first tenth of the run with a tenth of the learning rate: the entropy should stay above half of its start."


EXAMPLES = (
    CauseExample("entropy gone before the return rose", "likely", fail=("lost-exploration",), warn=("unimproved-return",)),
    CauseExample("steps far too large", "likely", fail=("large-policy-steps",), warn=("unimproved-return",), passed=("lost-exploration",)),
    CauseExample("learned and lost", "likely", fail=("fallen-return", "large-policy-steps"), warn=("unimproved-return",)),
    CauseExample("checkpoints only: a policy of one action", "likely", fail=("stilled-policy",)),
    CauseExample(
        "a return that did not rise, no more", "unlikely", warn=("unimproved-return",), passed=("lost-exploration", "large-policy-steps")
    ),
    CauseExample("a sure policy that has learned", "unlikely", passed=("lost-exploration", "unimproved-return", "fallen-return")),
    CauseExample("nothing is known", "unlikely"),
)
