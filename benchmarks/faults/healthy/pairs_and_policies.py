"""Adversarial pairs and policies that learn: their losses rise, swing, are negative or stay flat, and nothing is wrong."""

from __future__ import annotations

from dataclasses import replace

from faults.nouns import Fault

_PAIR, _POLICY = frozenset({"adversarial"}), frozenset({"policy"})
TRAPS = (
    Fault("adversarial-pair/plain", "clear", "Both losses of a pair settle where they began.", wants=_PAIR),
    Fault(
        "adversarial-pair/two-time-scales", "clear", "The discriminator's learning rate is three times the generator's.", wants=_PAIR,
        settings={"judge_rate": 3.0},
    ),
    Fault("policy-gradient/plain", "clear", "The loss of a policy stays near 0 while its return rises.", wants=_POLICY),
    Fault(
        "policy-gradient/fast", "clear", "Twice the learning rate: the policy is sure of its actions sooner.", wants=_POLICY,
        plan=lambda plan: replace(plan, lr=2 * plan.lr),
    ),
)  # fmt: skip
