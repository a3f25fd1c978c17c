"""Policies that collapse before they have learned: steps too large, exploration lost, clipping and normalization left out."""

from __future__ import annotations

from dataclasses import replace

from faults.nouns import Fault

_POLICY = frozenset({"policy"})
_DISCRETE = frozenset({"policy", "discrete"})
_CONTINUOUS = frozenset({"policy", "continuous"})
FAULTS = (
    Fault(
        "rate-times-100", "blatant", "The learning rate was 100 times too high, and gradients were not clipped.", accepted=("lr-too-high",),
        wants=_POLICY, plan=lambda plan: replace(plan, lr=100 * plan.lr, clip_norm=None),
    ),
    Fault(
        "rate-times-30", "clear", "The learning rate was 30 times too high.", accepted=("lr-too-high",),
        wants=_DISCRETE, plan=lambda plan: replace(plan, lr=30 * plan.lr),
    ),
    Fault(
        "clipping-off", "blatant", "PPO without its clip, ten passes over each rollout, at ten times the rate.",
        wants=_CONTINUOUS, settings={"clip": float("inf"), "epochs": 10}, plan=lambda plan: replace(plan, lr=10 * plan.lr),
    ),
    Fault(
        "entropy-bonus-negative", "clear", "The entropy bonus had the wrong sign: the policy was paid for being sure.",
        wants=_DISCRETE, settings={"entropy": -1.0}, plan=lambda plan: replace(plan, lr=3 * plan.lr),
    ),
    Fault(
        "exploration-narrow", "subtle", "The deviation of the actions started at 0.02 of their range.",
        wants=_CONTINUOUS, settings={"log_std": -4.0},
    ),
    Fault(
        "advantages-not-normalized", "subtle", "Rewards were 100 times too large and advantages not normalized, at thirty times the rate.",
        wants=_DISCRETE, settings={"normalized": 0.0, "reward_scale": 100.0},
        plan=lambda plan: replace(plan, lr=30 * plan.lr, clip_norm=None),
    ),
)  # fmt: skip
