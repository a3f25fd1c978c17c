"""Adversarial pair of which one side has won

## What it looks for
How surely the discriminator tells real from made samples, over the second half of the run and at its end, the less of both: 1 is
always right, 0 no better than a coin. By the probabilities that it gives both kinds where these are logged, else by its loss over that of a
coin (2 ln 2 for a cross-entropy, 2 for a hinge loss). Fails from 0.9 on, warns from 0.8 on, and from 0.6 on where the generator's
loss is the saturating one. At the other end it fails where probabilities are the wrong way round, at -0.05 or below, or the loss is half
above a coin's, and warns from -0.01 down.

## Why it matters
A discriminator that is always right gives the generator a gradient of nearly nothing, or one that leads nowhere. One that is
mostly wrong teaches it nothing either.

## What to do
Weaken the side that wins: a lower learning rate, fewer of its updates, a gradient penalty on real samples, smoothed labels.

## When it is wrong
Where only the losses are known, a least-squares loss near 0.1 looks like a discriminator that has won, and a loss with its penalty
like one that has lost: then the generator's loss has to agree. Early in a run one side may lead for a while.

## References
Goodfellow et al. 2014 (arXiv 1406.2661): at equilibrium the discriminator answers a half. Arjovsky and Bottou 2017 (arXiv 1701.04862):
gradients of the generator under a perfect discriminator.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

WON = Threshold(
    0.9,
    "certainty",
    source="own pairs: 0.93 and more where the discriminator won, at most 0.15 in healthy ones; image nets of papers stand at 0.6 to 0.7",
    half="healthy pairs of images fail",
    double="nothing can fail",
)
LEADS = Threshold(
    0.8,
    "certainty",
    source="between the 0.6 to 0.7 of healthy pairs of images and a discriminator that has won",
    half="many healthy pairs are warned",
    double="nothing can be warned",
)
STARVES = Threshold(
    0.6,
    "certainty",
    source="derived: ln(1 - D) passes on D of the gradient; at a certainty of 0.6 that is a fifth, where a coin gives a half",
    half="saturating pairs that still learn are warned",
    double="nothing can be warned",
)
LOST = Threshold(
    -0.05,
    "certainty",
    source="a discriminator that learns is right more often than not about what it was just trained on; healthy own pairs: 0.03 and more",
    half="noise of a few batches fails",
    double="discriminators that hardly learn pass with a warning",
)
BEHIND = Threshold(
    -0.01, "certainty", source="as above", half="pairs at their equilibrium are warned", double="a discriminator that stands still passes"
)

NEEDS = ("pair.certainty",)
USES = ("pair.maker_loss",)
FIGURE = "loss"

LOSS_BEHIND = -0.5
"""A logged loss may hold its penalty: from half above a coin's on it cannot be that alone."""
MAKER_BEATEN = 3.0
"""-ln D(G(z)) where the discriminator gives made samples less than 5 %; a least-squares loss does not come there."""
MAKER_SATURATED = 0.1


def judge(measured: Measured) -> Finding:
    sure = measured["pair.certainty"]
    how = sure.text
    seen = (
        f"the discriminator is right with a certainty of {number(sure.value, 2)} (at most "
        f"1), by its {'scores' if how == 'scores' else 'loss'} ({sure.basis})"
    )
    step = sure.first_step
    if sure.value >= LEADS.value:
        agrees = how in ("scores", "hinge") or _maker_agrees(measured.get("pair.maker_loss"))
        if sure.value >= WON.value and agrees:
            return Finding("fail", seen, sure.value, WON, sure.unit, step)
        if agrees:
            return Finding("warn", seen, sure.value, LEADS, sure.unit, step)
        return Finding("pass", f"{seen}, but the generator's loss does not say so", sure.value, LEADS, sure.unit)
    if sure.value >= STARVES.value and _saturates(how, measured.get("pair.maker_loss")):
        told = f"{seen}, and the generator's loss, which is never above 0, passes on hardly any gradient then"
        return Finding("warn", told, sure.value, STARVES, sure.unit, step)
    if sure.value <= (LOST.value if how == "scores" else LOSS_BEHIND):
        return Finding("fail", f"{seen}: below 0 it is wrong more often than right", sure.value, LOST, sure.unit, step)
    if sure.value <= (BEHIND.value if how == "scores" else LOST.value):
        return Finding("warn", f"{seen}: below 0 it is wrong more often than right", sure.value, BEHIND, sure.unit, step)
    return Finding("pass", seen, sure.value, LEADS, sure.unit)


def _saturates(how: str, maker: Measurement | None) -> bool:
    """Whether the generator minimizes ln(1 - D(G(z))), which is below 0 and flat where the discriminator is right."""
    return maker is not None and maker.value < 0 and (how == "saturating" or (how == "scores" and maker.text == "saturating"))


def _maker_agrees(maker: Measurement | None) -> bool:
    """Whether the generator's loss is that of samples which are all told for what they are."""
    if maker is None:
        return False
    saturated = maker.text == "saturating" and abs(maker.value) < MAKER_SATURATED
    return maker.value >= MAKER_BEATEN or saturated


def _given(value: float, how: str = "scores", maker: float | None = None) -> tuple[Measurement, ...]:
    given = (Measurement("pair.certainty", value, "certainty", "'D(x)' 0.99, 'D(G(z))' 0.01 at the end; 100 points", 120, text=how),)
    kind = "cross-entropy" if how == "scores" else how
    return given if maker is None else (*given, Measurement("pair.maker_loss", maker, "loss", "'loss_g'", 120, text=kind))


EXAMPLES = (
    Example("all told apart", _given(0.99), "fail"),
    Example("all told apart, by both losses", _given(0.98, "cross-entropy", 9.0), "fail"),
    Example("a saturating loss that has saturated", _given(0.99, "saturating", -0.001), "fail"),
    Example("a saturating loss under a discriminator that is mostly right", _given(0.7, "saturating", -0.15), "warn"),
    Example("a hinge loss of nothing", _given(1.0, "hinge"), "fail"),
    Example("the wrong way round", _given(-0.2), "fail"),
    Example("most told apart", _given(0.85), "warn"),
    Example("a discriminator that stands still", _given(-0.02), "warn"),
    Example("a pair of images", _given(0.65), "pass"),
    Example("a least-squares loss", _given(0.92, "cross-entropy", 0.6), "pass"),
    Example("a hinge loss with its penalty", _given(-0.03, "hinge", 0.2), "pass"),
    Example("an equilibrium", _given(0.03), "pass"),
    Example("no loss of either", (), "not-checked"),
)
