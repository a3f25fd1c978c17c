"""Samples that got worse

## What it looks for
Logged measures of the samples: distances to data such as FID or KID, which should fall, and counts of what the samples cover
(coverage, modes, diversity, inception score), which should rise. The worst of them at the end (median of its last fifth) against its
own best. Fails from a factor of 2 on, warns from 1.5 on.

## Why it matters
The losses of an adversarial pair do not tell how good its samples are. A generator that has collapsed onto a few samples often has the
same losses as before.

## What to do
Take the checkpoint of the best step. Lower both learning rates, or add a gradient penalty, from there on.

## When it is wrong
FID over a few hundred samples is noisy, and near 0 any wobble is a large factor.

## References
Heusel et al. 2017 (arXiv 1706.08500). Brock et al. 2018 (arXiv 1809.11096), 4: training collapses late, and the best checkpoint is taken.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

HALVED = Threshold(
    2.0, "ratio", source="the project's own choice: half of the quality is gone", half="any wobble fails", double="only collapses fail"
)
WORSE = Threshold(1.5, "ratio", source="the project's own choice", half="any wobble is warned", double="as fail")

NEEDS = ("pair.sample_decline",)


def judge(measured: Measured) -> Finding:
    decline = measured["pair.sample_decline"]
    seen = f"a measure of the samples is {number(decline.value)} times worse than at its best ({decline.basis})"
    if decline.value >= HALVED.value:
        return Finding("fail", seen, decline.value, HALVED, decline.unit, decline.first_step)
    if decline.value >= WORSE.value:
        return Finding("warn", seen, decline.value, WORSE, decline.unit, decline.first_step)
    return Finding("pass", seen, decline.value, WORSE, decline.unit)


def _given(decline: float) -> tuple[Measurement, ...]:
    return (Measurement("pair.sample_decline", decline, "ratio", "'fid' 20 at step 4000, 90 at the end, 12 points", 4000),)


EXAMPLES = (
    Example("a collapse", _given(4.5), "fail"),
    Example("a third worse", _given(1.6), "warn"),
    Example("best at the end", _given(1.02), "pass"),
    Example("no measure of samples", (), "not-checked"),
)
