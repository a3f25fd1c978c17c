"""Layers that never moved

## What it looks for
Parameters whose bits are the same in the first and the last checkpoint while others moved. Warns where they hold more than 0.05
of all parameters, fails where besides most of their weights are as freshly drawn and the optimizer does not hold them, and says
what the optimizer's state tells of them: not in the optimizer, no state (no gradient ever came), zero gradient, or learning rate
0.

## Why it matters
What does not move does not learn. Parameters are left out of the optimizer by accident, cut off by a detach, or left with
requires_grad off after a first stage.

## What to do
Compare the names in the finding with what was meant to train, and unfreeze the rest before the optimizer is built.

## When it is wrong
Freezing a backbone is common and sound. So it is only told, not warned of, where the loss fell by half, training accuracy reached
0.8, or the run starts from pre-trained weights and its loss fell at all. Running statistics and tied copies do not count.

## References
torcheck. Own runs: only the head trainable by mistake, and a frozen backbone that works.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

SHARE = Threshold(
    0.05,
    "share",
    source="own: single biases and positional tables that stand still are below it",
    half="a frozen embedding of a large model is told",
    double="a frozen stage of a small net passes unseen",
)
FELL_BY_HALF = 0.5
FELL_AT_ALL = 0.2
ACCURATE = 0.8
MOST = 0.5
ALIVE = "zero gradient"
"""A layer with zero gradients may be dead, which is another symptom."""

NEEDS = ("updates.frozen", "updates.moved")
USES = ("weights.fresh", "weights.head_rows", "loss.improvement", "accuracy.train_last", "run.pretrained")
CHECKLIST = ("update-ratio",)
DOUBTS_ITEMS = ("update-ratio",)
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    return "no tensor moved at all, which is another symptom" if measured.number("updates.moved") == 0 else ""


def judge(measured: Measured) -> Finding:
    frozen = measured["updates.frozen"]
    where = tuple(sorted(frozen.items, key=lambda name: -frozen.items[name]))
    why = f", {frozen.text.replace('in optimizer', 'in the optimizer')}" if frozen.text and frozen.text != "unknown" else ""
    seen = f"{percent(frozen.value)} of the parameters ({counted(len(where), 'tensor')}{why}) never moved"
    line = f", more than {percent(SHARE.value)}; their ratio of updates to weights is 0"
    if frozen.value > SHARE.value:
        drawn = _freshly_drawn(measured, frozen)
        if head := _head(measured, frozen):
            reason = f"{seen}{line}; among them is the last layer ({head}), which nobody freezes on purpose"
            return Finding("fail", reason, frozen.value, SHARE, frozen.unit, frozen.first_step, where)
        if _learned(measured) and not drawn:
            return Finding("pass", f"{seen}, yet the run learned", frozen.value, SHARE, frozen.unit, None, where)
        told = "; they hold freshly initialized weights, which nobody freezes on purpose" if drawn else ""
        reason = f"{seen}{line}{told}"
        return Finding("fail" if drawn else "warn", reason, frozen.value, SHARE, frozen.unit, frozen.first_step, where)
    if frozen.value <= SHARE.value:
        return Finding("pass", seen if where else "every parameter tensor moved", frozen.value, SHARE, frozen.unit)
    return Finding("not-checked", "the share of unmoved parameters is not a number")


def _learned(measured: Measured) -> bool:
    fell = measured.number("loss.improvement") or 0.0
    accurate = (measured.number("accuracy.train_last") or 0.0) >= ACCURATE
    return fell >= FELL_BY_HALF or accurate or (measured.text("run.pretrained") == "true" and fell >= FELL_AT_ALL)


def _head(measured: Measured, frozen: Measurement) -> str:
    """The last matrix, where it stands still while others move and its gradients are not zero; else the empty string."""
    head = measured.text("weights.head_rows")
    return head if head in frozen.items and ALIVE not in frozen.text else ""


def _freshly_drawn(measured: Measured, frozen: Measurement) -> bool:
    """Whether most of what the optimizer leaves out is as an initialization draws it. Layers without gradients are another symptom."""
    fresh = measured.get("weights.fresh")
    judged = {name: size for name, size in frozen.items.items() if fresh is not None and name in fresh.items}
    if fresh is None or not judged or ALIVE in frozen.text:
        return False
    return sum(size for name, size in judged.items() if fresh.items[name] > 0) > MOST * sum(judged.values())


def _given(share: float, why: str = "not in optimizer") -> tuple[Measurement, ...]:
    items = {"backbone.0.weight": 4096.0, "backbone.2.weight": 2048.0} if share else {}
    moved = 0.5 if share else 1.0
    return (
        Measurement("updates.frozen", share, "share", "bits of 8 tensors", 600, items, why if share else ""),
        Measurement("updates.moved", moved, "share", "bits of 8 tensors", 600, {"backbone.0.weight": 0.0, "head.weight": 1.0}),
    )


def _fell(share: float) -> Measurement:
    return Measurement("loss.improvement", share, "share", "60 points of train/loss")


def _fresh(value: float) -> Measurement:
    items = {"backbone.0.weight": value, "backbone.2.weight": value}
    return Measurement("weights.fresh", value, "share", "moments of 2 hidden matrices at step 0", 0, items)


EXAMPLES = (
    Example("a backbone of random weights is left out of the optimizer", (*_given(0.9), _fell(0.3), _fresh(1.0)), "fail"),
    Example("a trained backbone that does not fit the data", (*_given(0.9), _fell(0.1), _fresh(0.0)), "warn"),
    Example("only the head trains, by mistake", (*_given(0.9), _fell(0.12)), "warn"),
    Example("layers behind a detach", _given(0.4, "no state"), "warn"),
    Example("a frozen backbone that works", (*_given(0.9), _fell(0.8)), "pass"),
    Example("all layers move", _given(0.0), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
