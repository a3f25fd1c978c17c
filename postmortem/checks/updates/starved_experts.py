"""Experts that are never chosen

## What it looks for
The share of a layer's experts that moved by less than a hundredth of the median expert since the first checkpoint: it warns at 0.25 and
more, of four experts or more.

## Why it matters
A router that sends everything to a few experts trains those and starves the rest, which makes them worse and the router surer.

## What to do
Add a loss that balances the load, noise on the router's logits, or a limit of tokens for each expert.

## When it is wrong
Shortly after the start few experts have been met. Experts may be frozen on purpose.

## References
Shazeer et al. 2017 (arXiv 1701.06538), on balancing the use of experts.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MANY = Threshold(
    0.25,
    "share",
    source="own: a single starved expert of four is as small a share as can be told from chance in layers of that size",
    half="one of eight experts, which large models do lose, is warned",
    double="a layer that starves a third of its experts passes",
)

NEEDS = ("experts.starved",)
CHECKLIST = ("plot-gradients",)
FIGURE = "update-ratio"


def judge(measured: Measured) -> Finding:
    found = measured["experts.starved"]
    seen = f"up to {percent(found.value)} of a layer's experts moved by less than a hundredth of the median expert"
    if found.value >= MANY.value:
        where = tuple(sorted((name for name in found.items if found.items[name] >= MANY.value), key=lambda name: -found.items[name]))
        return Finding("warn", f"{seen} (line: {percent(MANY.value)})", found.value, MANY, found.unit, found.first_step, where)
    if found.value < MANY.value:
        return Finding("pass", seen if found.value else "every expert moved", found.value, MANY, found.unit)
    return Finding("not-checked", "the share of starved experts is not a number")


def _found(share: float) -> tuple[Measurement, ...]:
    return (Measurement("experts.starved", share, "share", "2 layers", 600, {"h.0.experts": share, "h.1.experts": 0.0}),)


EXAMPLES = (
    Example("a router without balance", _found(0.5), "warn"),
    Example("a healthy mixture", _found(0.0), "pass"),
    Example("no experts", (), "not-checked"),
)
