"""Layers drawn anew in the middle of a run

## What it looks for
Weight matrices whose cosine with the checkpoint before is within noise (0.05, or 4 / sqrt(elements) where that is more) while the
others' is above 0.9; or within 0.5 where their own was above 0.9 before and is again after. Fails from 1 matrix on; only warns where
they are heads, or the end of the net with nothing behind them that went on, unless the optimizer went on with what it knew of them.

## Why it matters
What such a layer had learned is lost, and the layers behind it are fed with noise until it is learned again. The loss may recover, so
that nothing else tells.

## What to do
Load weights with strict=True on every resume, and print the missing and unexpected keys where that fails. See whether names changed
between the two checkpoints, and whether something calls an initialization after loading.

## When it is wrong
Heads are swapped, and last layers of agents reset, on purpose. A layer of its own, far higher rate can forget what it was between two
distant checkpoints. Stretches that start at step 0 are not judged.

## References
torch, Module.load_state_dict with strict=False. Independent vectors of n elements have a cosine of 0 with a standard deviation of
1 / sqrt(n).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Status, Threshold, counted, number

NONE = Threshold(
    1,
    "tensors",
    source="own runs: 0 in trainings at rates up to ten times the usual; every matrix that was drawn anew is found",
    half="the same: tensors are counted whole",
    double="a single lost layer passes unseen",
)

NEEDS = ("weights.redrawn", "weights.redrawn_inside")
USES = ("optimizer.step_lag",)
LOSES_GROUND = True


def judge(measured: Measured) -> Finding:
    redrawn = measured["weights.redrawn"]
    names = tuple(redrawn.items)
    if redrawn.value >= NONE.value:
        shown = ", ".join(f"{name} {number(redrawn.items[name], 2)}" for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        seen = (
            f"{counted(len(names), 'weight matrix bears', 'weight matrices bear')} no relation "
            f"to the checkpoint before ({redrawn.basis}): {shown}{more}"
        )
        # A head that is swapped on purpose gets an optimizer that does not know the old one.
        went_on = measured.text("optimizer.step_lag") == "none"
        seen += ", while the optimizer went on with the old moments" if went_on else ""
        status: Status = "fail" if went_on or measured["weights.redrawn_inside"].value >= NONE.value else "warn"
        return Finding(status, seen, redrawn.value, NONE, redrawn.unit, redrawn.first_step, names)
    if redrawn.value < NONE.value:
        return Finding("pass", f"every matrix goes on from what it was ({redrawn.basis})", redrawn.value, NONE, redrawn.unit)
    return Finding("not-checked", "the number of redrawn tensors is not a number")


def _given(*inside: str, **cosines: float) -> tuple[Measurement, ...]:
    items = {f"{name}.weight": cosine for name, cosine in cosines.items()}
    basis = "cosine between step_300.pt and step_400.pt; median of 7 others: 0.991"
    within = {f"{name}.weight": cosines[name] for name in inside}
    return (
        Measurement("weights.redrawn", len(items), "tensors", basis, 400, items, "step_300.pt"),
        Measurement("weights.redrawn_inside", len(within), "tensors", basis, 400, within),
    )


EXAMPLES = (
    Example("a hidden layer was not loaded on resume", _given("conv2", conv2=0.012), "fail"),
    Example("the head was swapped", _given(head=-0.02), "warn"),
    Example(
        "a head was not loaded, and the optimizer's state was",
        (*_given(head=-0.02), Measurement("optimizer.step_lag", 0.0, "share", "7 checkpoints", None, {}, "none")),
        "fail",
    ),
    Example("the last two layers were swapped", _given(neck=0.01, head=-0.02), "warn"),
    Example("a head and a hidden layer", _given("conv2", conv2=0.012, head=-0.02), "fail"),
    Example("a training that goes on", _given(), "pass"),
    Example("one checkpoint", (), "not-checked"),
)
