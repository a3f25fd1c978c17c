"""Checkpoints that hold the same tensors under other names

## What it looks for
Checkpoints of one run of which most tensors (four of five) have the same endings and shapes as those of the last one, while hardly one
has the same name. 1 such checkpoint warns.

## Why it matters
Weights are loaded by name. Where a wrapper or a rename changed the names and loading was told not to be strict, nothing was loaded, and
nobody was told.

## What to do
Strip the prefix, load with strict=True, and print missing and unexpected keys.

## When it is wrong
A folder may hold two models of one architecture, or an exported copy under the names of another library.

## References
PyTorch documentation of load_state_dict, on strict.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ANY = Threshold(
    1,
    "checkpoints",
    source="one checkpoint that cannot be loaded by name is enough",
    half="the same: checkpoints are whole",
    double="the usual case, one file of pre-trained weights, passes",
)

NEEDS = ("checkpoints.renamed",)
CHECKLIST = ("pretrained-models",)
DOUBTS_ITEMS = ("pretrained-models",)


def judge(measured: Measured) -> Finding:
    found = measured["checkpoints.renamed"]
    if found.value >= ANY.value:
        seen = f"{counted(found.value, 'checkpoint holds', 'checkpoints hold')} the same tensors under other names: {found.text}"
        return Finding("warn", seen, found.value, ANY, found.unit, found.first_step, tuple(found.items))
    if found.value < ANY.value:
        return Finding("pass", f"tensors keep their names ({found.basis})", found.value, ANY, found.unit)
    return Finding("not-checked", "the number of renamed checkpoints is not a number")


def _found(count: float) -> tuple[Measurement, ...]:
    items = {"pretrained.pt": 40.0} if count else {}
    text = "backbone.conv1.weight in pretrained.pt is conv1.weight in step_600.pt" if count else ""
    return (Measurement("checkpoints.renamed", count, "checkpoints", "44 tensors", None, items, text),)


EXAMPLES = (
    Example("a prefix that was not stripped", _found(1.0), "warn"),
    Example("a healthy run", _found(0.0), "pass"),
    Example("no checkpoint", (), "not-checked"),
)
