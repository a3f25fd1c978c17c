"""No weight moved at all

## What it looks for
The share of parameter tensors of which any bit changed between the first and the last checkpoint. Fails where it is 0: then the ratio
of updates to weights is 0 as well.

## Why it matters
Nothing was trained, whatever the logs say.

## What to do
Build the optimizer after the model has been wrapped or moved, from the parameters of the model that is saved, and see that step() is
called and the learning rate is not 0.

## When it is wrong
Checkpoints that are copies of one file look the same as weights that never moved.

## References
accelerate issues 2665, 3209 and 3256; pytorch issues 149205 and 107843 (an optimizer that holds stale parameters).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

NONE = Threshold(
    0,
    "share",
    source="own: training changes bits",
    half="the same: there is no half of none",
    double="the same: one moved tensor is another symptom",
)

WORDS = {"not in optimizer": "the optimizer does not list them"}
"""What the optimizer's state says of tensors that stand still, in full."""
SAID_ELSEWHERE = ("unknown", "no state")
"""An empty state is a symptom of its own: empty-optimizer-state."""

NEEDS = ("updates.moved",)
USES = ("updates.frozen",)
CHECKLIST = ("update-ratio",)
DOUBTS_ITEMS = ("update-ratio",)
FIGURE = "tensors"


def judge(measured: Measured) -> Finding:
    moved = measured["updates.moved"]
    if moved.value <= NONE.value:
        why = measured.text("updates.frozen")
        told = f" ({WORDS.get(why, why)})" if why and why not in SAID_ELSEWHERE else ""
        reason = (
            f"none of {len(moved.items)} parameter tensors changed by a single bit{_span(moved)}, a ratio of updates to weights of 0{told}"
        )
        return Finding("fail", reason, moved.value, NONE, moved.unit, 0, tuple(moved.items))
    if moved.value > NONE.value:
        return Finding("pass", f"{percent(moved.value)} of the parameter tensors moved{_span(moved)}", moved.value, NONE, moved.unit)
    return Finding("not-checked", "the share of moved tensors is not a number")


def _span(moved: Measurement) -> str:
    """Between which checkpoints, as the basis ends."""
    _, between, steps = moved.basis.partition(" between ")
    return f"{between}{steps}"


def _moved(value: float) -> Measurement:
    items = {"fc1.weight": float(value > 0), "fc2.weight": float(value == 1)}
    return Measurement("updates.moved", value, "share", "bits of 2 parameter tensors between step 0 and step 600", 600, items)


EXAMPLES = (
    Example(
        "the optimizer holds another copy of the model",
        (_moved(0.0), Measurement("updates.frozen", 1.0, "share", "bits", 600, {"fc1.weight": 64.0}, "no state")),
        "fail",
    ),
    Example("all tensors moved", (_moved(1.0),), "pass"),
    Example("one tensor moved", (_moved(0.5),), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
