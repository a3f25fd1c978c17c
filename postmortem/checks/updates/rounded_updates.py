"""Updates that rounding swallows

## What it looks for
The share of half-precision weights whose last update, rebuilt from the optimizer's state, is below half a unit in their last
place. Fails where it is 0.5 or more and at least 0.5 of the elements are the same bit for bit in the last two checkpoints; warns
where the first holds and the second is not known, or between 0.25 and 0.5, or where the loss lost more than half of its start, unless 0.75
of the elements and more stood still at the full learning rate and a tenth of the loss is left.
Where the update cannot be rebuilt, the equal bits alone are judged: at the full learning rate by the same lines, else from 0.9 on,
beside a loss that did not fall.

## Why it matters
bfloat16 keeps 8 bits: next to a weight of 1.0 an update below 0.002 is rounded to nothing, each time. The run stands still with
healthy gradients.

## What to do
Keep the weights in float32 and autocast the arithmetic, or use an optimizer with stochastic rounding or Kahan summation.

## When it is wrong
Files exported in half precision from a float32 training show the same weights: only those whose optimizer state is in half
precision too are judged. Weights in float32 are left to the check small-updates.

## References
Zamirai, Zhang, Aberger, De Sa 2020 (arXiv 2010.06192). Own run: predicted 0.92 to 0.97, observed 0.97 to 0.99 at a rate of 2e-5.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

STUCK = Threshold(
    0.5,
    "share",
    source="own runs: 0.92 to 0.97 at a rate of 2e-5; half of the elements cannot move",
    half="healthy half-precision runs near the end of their schedule are told",
    double="no share is above 1: only wholly frozen models would be told",
)
SAME = Threshold(
    0.5,
    "share",
    source="own: a walk of a hundred updates of half a unit each leaves 1 in 12 elements where it was; half of them is no chance",
    half="half-precision runs at the end of their schedule are told",
    double="no share is above 1: only wholly frozen models would be told",
)
SAME_IN_PART = 0.25
SAME_ALONE = 0.9
FELL = 0.2
LEARNED = 0.5
"""A run that lost more than half of its first loss went on in spite of the rounding: stalled ones of the fault corpus lost less."""
STANDING = 0.75
"""At the full learning rate healthy half-precision runs of the fault corpus keep at most half of their weights, stalled ones mostly more
than this, whatever the rest has learned."""
FITTED = 0.9
"""A run that lost so much of its first loss needed no further updates."""
HALF_TYPES = ("bfloat16", "float16")

NEEDS = ("precision.stored",)
USES = ("precision.stuck", "updates.equal_share", "updates.moved", "loss.improvement", "lr.last", "lr.max")
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    stored = measured.text("precision.stored")
    if stored.endswith(" copy"):
        return f"the {stored.removesuffix(' copy')} weights are a copy of those that the optimizer keeps in float32"
    return f"the weights are stored as {stored}" if stored and not stored.startswith(HALF_TYPES) else ""


def judge(measured: Measured) -> Finding:
    stored, stuck = measured.text("precision.stored"), measured.get("precision.stuck")
    same = 1.0 if measured.number("updates.moved") == 0 else measured.number("updates.equal_share")
    if stuck is None:
        return _by_equality(stored, same, measured.number("loss.improvement"), _at_full_rate(measured))
    observed = "" if same is None else f", and {percent(same)} of them are the same in the last two checkpoints"
    seen = (
        f"{percent(stuck.value)} of the {stuck.text} weights have an update too small "
        f"to change them (below half a unit in the last place){observed}"
    )
    where = tuple(sorted((name for name in stuck.items if stuck.items[name] >= STUCK.value), key=lambda name: -stuck.items[name]))
    if stuck.value >= STUCK.value:
        fell = measured.number("loss.improvement")
        standing = same is not None and same >= STANDING and _at_full_rate(measured) and (fell is None or fell < FITTED)
        if fell is not None and fell > LEARNED and not standing:
            seen += f", yet the loss fell by {percent(fell)}"
        elif same is not None and same >= SAME.value:
            return Finding("fail", seen, stuck.value, STUCK, stuck.unit, stuck.first_step, where)
        if same is None or same >= SAME_IN_PART:
            return Finding("warn", seen, stuck.value, STUCK, stuck.unit, stuck.first_step, where)
    if stuck.value >= 0:
        return Finding("pass", seen, stuck.value, STUCK, stuck.unit)
    return Finding("not-checked", "the share of rounded updates is not a number")


def _at_full_rate(measured: Measured) -> bool:
    """Whether the last stretch was trained at no less than half of the highest rate."""
    last, peak = measured.number("lr.last"), measured.number("lr.max")
    return last is not None and peak is not None and last >= peak / 2 > 0


def _by_equality(stored: str, same: float | None, fell: float | None, at_full_rate: bool) -> Finding:
    """Where the updates cannot be rebuilt, what did not change can be seen all the same."""
    if same is None:
        return Finding(
            "not-checked", f"the weights are stored as {stored}, and neither the last update nor two checkpoints are there to compare"
        )
    seen = f"{percent(same)} of the {stored.removesuffix(' alone')} weights are bit for bit the same in the last two checkpoints"
    known = not stored.endswith(" alone")
    if known and at_full_rate and same >= SAME_IN_PART:
        told = f"{seen}, at the full learning rate"
        # Weights are of one type from the first step on.
        return Finding("fail" if same >= SAME.value else "warn", told, same, SAME, "share", 0)
    if same >= SAME_ALONE and (fell is None or fell < FELL):
        flat = ", and the loss did not fall" if fell is not None else ""
        return Finding("fail" if known and fell is not None else "warn", f"{seen}{flat}", same, SAME, "share")
    if same >= 0:
        return Finding("pass", seen, same, SAME, "share")
    return Finding("not-checked", "the share of equal weights is not a number")


def _stored(word: str) -> Measurement:
    return Measurement("precision.stored", 1.0, "share", "types of 4 tensors at step 600", 600, text=word)


def _stuck(value: float, stored: str = "bfloat16") -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": value}
    return Measurement("precision.stuck", value, "share", f"2 tensors, mostly {stored}", 100, items, stored)


def _same(value: float) -> Measurement:
    return Measurement("updates.equal_share", value, "share", "2 matrices, step 500 to step 600", 600)


def _fell(share: float) -> Measurement:
    return Measurement("loss.improvement", share, "share", "60 points of train/loss")


BF16 = _stored("bfloat16")
EXAMPLES = (
    Example("bfloat16 weights under AdamW at 2e-5", (BF16, _stuck(0.95), _same(0.98)), "fail"),
    Example("the same without a learning rate in the file", (BF16, _same(0.98), _fell(0.0)), "fail"),
    Example("bfloat16 weights without any optimizer state", (_stored("bfloat16 alone"), _same(0.98), _fell(0.0)), "warn"),
    Example("one checkpoint of such a run", (BF16, _stuck(0.95)), "warn"),
    Example("a rate at which half of the weights cannot move", (BF16, _stuck(0.8), _same(0.75)), "fail"),
    Example(
        "RMSprop, whose last update cannot be rebuilt",
        (BF16, _same(0.4), Measurement("lr.last", 7e-5, "", "'lr'", 900), Measurement("lr.max", 7e-5, "", "'lr'", 0)),
        "warn",
    ),
    Example("small updates that add up nevertheless", (BF16, _stuck(0.6), _same(0.1)), "pass"),
    Example("bfloat16 weights at a rate that moves them", (BF16, _stuck(0.2), _same(0.3)), "pass"),
    Example("the end of a schedule, after the loss fell", (_stored("bfloat16 alone"), _same(0.98), _fell(0.9)), "pass"),
    Example("float32 weights", (_stored("float32"), _stuck(0.9, "float32"), _same(0.98)), "not-applicable"),
    Example("an export of float32 weights", (_stored("bfloat16 copy"), _same(0.98)), "not-applicable"),
    Example("one checkpoint without optimizer state", (BF16,), "not-checked"),
    Example("no checkpoint", (), "not-checked"),
)
