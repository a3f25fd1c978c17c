"""Critic whose layers stretch without bound

## What it looks for
The geometric mean of the largest singular values of the judging net's matrices, in a net without normalization: by what factor a layer
may stretch a difference at most. Where the loss is a Wasserstein distance it fails from 4 on; for other losses it warns.

## Why it matters
The distance that a critic sees means something only while its slope is held near 1. What random layers do to a usual difference is a half
of their largest singular value, and a ReLU halves its square: a slope of 1 leaves each layer about 2.8. A critic that goes beyond sees
any distance it likes, and a discriminator as steep as that gives its generator no gradient but where samples already pass.

## What to do
Hold the slope: a gradient penalty of weight 10, or spectral normalization. See that the penalty is added to the loss that is minimized.

## When it is wrong
Features in front of the first layer of far below unit scale take steep layers to a usual slope.

## References
Gulrajani et al. 2017 (arXiv 1704.00028). Miyato et al. 2018 (arXiv 1802.05957), spectral norms of discriminators. The half is Marchenko
and Pastur's: the largest singular value of a square random matrix is 2, its root mean square 1.
"""

from __future__ import annotations

from typing import Literal

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

STEEP = Threshold(
    4,
    "ratio",
    source="2.8 for random layers of slope 1; tuning half: 3.5 at most with a penalty on the slope, 4 and more without",
    half="ordinary critics fail",
    double="critics that are half as steep again as they should be in each layer pass",
)

NEEDS = ("pair.judge_steepness",)
USES = ("pair.judge_loss",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    found = measured["pair.judge_steepness"]
    seen = f"a layer of the judging net stretches {number(found.value, 2)}-fold at most, on average over {len(found.items)}"
    where = tuple(sorted(found.items, key=lambda name: -found.items[name]))
    if found.value >= STEEP.value:
        bounded = measured.text("pair.judge_loss") == "wasserstein"
        status: Literal["fail", "warn"] = "fail" if bounded else "warn"
        return Finding(status, f"{seen}, above {number(STEEP.value)}", found.value, STEEP, found.unit, found.first_step, where)
    if found.value < STEEP.value:
        return Finding("pass", seen, found.value, STEEP, found.unit)
    return Finding("not-checked", "the singular values are not numbers")


def _given(steepness: float, kind: str) -> tuple[Measurement, ...]:
    items = {"critic.0.weight": steepness, "critic.2.weight": steepness, "critic.4.weight": steepness}
    return (
        Measurement("pair.judge_steepness", steepness, "ratio", "largest singular values of 3 matrices", 600, items),
        Measurement("pair.judge_loss", -2.0, "loss", "'loss_d'", 590, text=kind),
    )


EXAMPLES = (
    Example("no penalty", _given(4.2, "wasserstein"), "fail"),
    Example("a penalty", _given(2.4, "wasserstein"), "pass"),
    Example("a discriminator that is four times as fast", _given(4.5, "saturating"), "warn"),
    Example("an ordinary pair", _given(1.2, "cross-entropy"), "pass"),
    Example("no checkpoint", (), "not-checked"),
)
