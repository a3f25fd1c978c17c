"""Optimizer that never stepped

## What it looks for
Optimizers that keep something for each parameter once it has had a gradient (Adam and its kin, SGD with momentum) and were saved without
any of it at step 2 or later. Of more than 0 parameters without state, fails where they did not move between checkpoints either, and warns
where that is not known.

## Why it matters
The state is made by the first step that finds a gradient. An empty one after hundreds of steps proves that no step ever reached these
parameters: the optimizer holds stale copies of them, gradients were gone before the step, or step() was never called.

## What to do
Build the optimizer from the parameters of the model that is trained, after it has been moved, wrapped or re-created, and call step()
between backward() and zero_grad().

## When it is wrong
Some programs strip the state when they save and keep the groups: so it passes where the parameters moved. A new optimizer that was saved
before its first step looks the same, and so does one whose every step a gradient scaler skipped. Plain SGD keeps no state: there the check
does not apply.

## References
PyTorch documentation of torch.optim.Optimizer.state_dict. accelerate issues 2665 and 3209; pytorch issue 149205 (an optimizer that holds
stale parameters). Tuning half of the fault corpus: it fails in 9 of 12 runs that kept checkpoints and in which nothing was updated (the
others stepped at a rate of 0), in 3 whose gradient scaler skipped every step, and in none of 615 healthy ones.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

NONE = Threshold(
    0,
    "tensors",
    source="own: the first step with a gradient fills the state",
    half="the same: there is no half of none",
    double="the same: one optimizer that never stepped is one too many",
)

NEEDS = ("optimizer.filled",)
USES = ("updates.moved",)


def judge(measured: Measured) -> Finding:
    filled = measured["optimizer.filled"]
    where = tuple(name for name, size in filled.items.items() if size > 0)
    bare, at = len(filled.items), _at(filled)
    if bare > NONE.value:
        seen = f"{filled.text} was saved with an empty state{at}, though it lists {counted(bare, 'parameter tensor')}"
        still = _stood_still(filled, measured.get("updates.moved"))
        if still is None:
            reason = f"{seen}: no step of it reached them, or the state was left out when it was saved"
            return Finding("warn", reason, bare, NONE, "tensors", None, where)
        if still:
            reason = f"{seen}: no step of it ever reached them, and none of them moved"
            return Finding("fail", reason, bare, NONE, "tensors", 0, where)
        return Finding("pass", f"{seen}; they moved, so that the state was left out when it was saved", bare, NONE, "tensors")
    if filled.value > 0:
        return Finding("pass", f"{filled.text} was saved with the state of its parameters{at}", bare, NONE, "tensors")
    return Finding("not-checked", "the share of parameters with optimizer state is not a number")


def _at(filled: Measurement) -> str:
    _, between, step = filled.basis.partition(" at ")
    return f"{between}{step}"


def _stood_still(filled: Measurement, moved: Measurement | None) -> bool | None:
    """Whether none of the parameters without state moved; None where no two checkpoints tell."""
    if moved is None:
        return None
    known = [moved.items[name] > 0 for name in filled.items if name in moved.items]
    if known:
        return not any(known)
    # Entries without names: only where all parameters moved, or none, does that say something of them.
    return True if moved.value == 0 else False if moved.value == 1 else None


def _filled(share: float, *empty: str) -> Measurement:
    return Measurement(
        "optimizer.filled", share, "share", "state of 2 listed parameters at step 500", 500, dict.fromkeys(empty, 64.0), "Adam"
    )


def _moved(first: float, second: float) -> Measurement:
    items = {"fc1.weight": first, "fc2.weight": second}
    return Measurement(
        "updates.moved", (first + second) / 2, "share", "bits of 2 parameter tensors between step 0 and step 500", 500, items
    )


EXAMPLES = (
    Example("the optimizer holds another copy of the model", (_filled(0.0, "fc1.weight", "fc2.weight"), _moved(0.0, 0.0)), "fail"),
    Example("the second of two optimizers never stepped", (_filled(0.5, "fc2.weight"), _moved(1.0, 0.0)), "fail"),
    Example("one checkpoint, without state", (_filled(0.0, "fc1.weight", "fc2.weight"),), "warn"),
    Example("state that was stripped when it was saved", (_filled(0.0, "fc1.weight", "fc2.weight"), _moved(1.0, 1.0)), "pass"),
    Example("entries without names, of weights some of which moved", (_filled(0.0, "#0", "#1"), _moved(1.0, 0.0)), "warn"),
    Example("Adam after its first steps", (_filled(1.0), _moved(1.0, 1.0)), "pass"),
    Example("no optimizer was saved", (), "not-checked"),
)
