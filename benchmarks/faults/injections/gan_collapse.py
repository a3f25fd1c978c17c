"""Adversarial pairs of which one side wins: rates far apart, a discriminator without a bound, losses that saturate."""

from __future__ import annotations

from dataclasses import replace

from faults.nouns import Fault

_PAIR = frozenset({"adversarial"})
_CRITIC = frozenset({"adversarial", "critic"})
FAULTS = (
    Fault(
        "generator-rate-100th", "blatant", "The generator's learning rate was a hundredth of the discriminator's, which had no penalty.",
        wants=_PAIR, settings={"maker_rate": 0.01, "penalty": 0.0},
    ),
    Fault(
        "discriminator-rate-100th", "blatant", "The discriminator's learning rate was a hundredth of the generator's.",
        wants=_PAIR, settings={"judge_rate": 0.01},
    ),
    Fault(
        "critic-unbounded", "blatant", "The critic's gradient penalty was left out.",
        wants=_CRITIC, settings={"penalty": 0.0},
    ),
    Fault(
        "saturating-strong-discriminator", "clear",
        "The generator minimized log(1 - D), against a discriminator with four updates for each of its own and five times its rate.",
        wants=_PAIR, spares=frozenset({"critic"}), settings={"rule": "saturating", "judge_steps": 4, "judge_rate": 5.0, "penalty": 0.0},
    ),
    Fault(
        "generator-rate-times-30", "clear", "The generator's learning rate was 30 times the discriminator's.",
        wants=_PAIR, spares=frozenset({"critic"}), settings={"maker_rate": 30.0},
    ),
    Fault(
        "generator-rate-30th", "subtle", "The generator's learning rate was a thirtieth of the discriminator's, which had no penalty.",
        wants=_PAIR, settings={"maker_rate": 1 / 30, "penalty": 0.0},
    ),
    Fault(
        "both-rates-times-10", "subtle", "Both learning rates were 10 times too high, with Adam's usual betas and no penalty.",
        wants=_PAIR, settings={"penalty": 0.0}, accepted=("lr-too-high",),
        plan=lambda plan: replace(plan, lr=10 * plan.lr, betas=(0.9, 0.999)),
    ),
)  # fmt: skip
