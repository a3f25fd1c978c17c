"""Weight variance that differs widely between layers

## What it looks for
Variance times fan of the hidden layers that do the same work at different depths, largest over smallest, in the last finite
checkpoint. Fails above 100, and warns above 10 where the ratio has at least doubled since the first checkpoint. Where
normalization layers make weights scale-free, the line for a warning is 1000, and nothing fails.

## Why it matters
Layers of one kind should carry signals of one scale. One layer with a hundred times the others' variance has blown up, or has
been left behind without gradients while weight decay ate it.

## What to do
See in the figure which layer leaves the others, and from which step on. A blown-up first layer points to inputs that are not
normalized, a shrinking one to dead units, a slope over depth to an initialization that ignores fan_in.

## When it is wrong
Layers of different kinds always differ: only one family of names is compared at a time, heads and embeddings never. Wide and
narrow layers differ by their initialization: the fan that makes them most alike is used. Residual nets scale some layers on
purpose.

## References
SageMaker Debugger, rule PoorWeightInitialization (ratio above 10). The debugging checklist's item on weight variance by depth.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR_APART = Threshold(
    100,
    "ratio",
    source="own runs: 948 after a blow-up, at most 1.7 among 16 healthy runs; a tenfold standard deviation",
    half="nets with one strongly trained layer fail",
    double="a layer that died under weight decay passes with a warning",
)
APART = Threshold(
    10,
    "ratio",
    source="SageMaker Debugger, PoorWeightInitialization",
    half="most healthy nets after long training are warned",
    double="layers with four times the others' deviation pass unseen",
)
SCALE_FREE = Threshold(
    1000,
    "ratio",
    source="weights before a normalization grow at their own pace without harm",
    half="residual nets trained for long are warned",
    double="a layer that was left behind passes unseen",
)
GROWN = 2.0

NEEDS = ("weights.variance_by_depth",)
USES = ("weights.variance_by_depth_first", "weights.normalization", "weights.variance_slope")
CHECKLIST = ("weight-variance",)
LEADS_ITEMS = ("weight-variance",)
FIGURE = "weight-variance"


def judge(measured: Measured) -> Finding:
    found = measured["weights.variance_by_depth"]
    first = measured.number("weights.variance_by_depth_first")
    ordered = sorted(found.items, key=lambda name: found.items[name])
    ends = (ordered[-1], ordered[0]) if len(ordered) > 1 else tuple(ordered)
    since = f" ({number(first)}-fold in the first checkpoint)" if first is not None else ""
    seen = f"weight variance differs {number(found.value)}-fold between layers"
    if measured.text("weights.normalization") == "normalization":
        if found.value > SCALE_FREE.value:
            return Finding(
                "warn", f"{seen}, above {number(SCALE_FREE.value)}{since}", found.value, SCALE_FREE, found.unit, found.first_step, ends
            )
        if found.value <= SCALE_FREE.value:
            return Finding("pass", f"{seen}{since}, and normalization layers make the scale free", found.value, SCALE_FREE, found.unit)
    if found.value > FAR_APART.value:
        return Finding(
            "fail", f"{seen}, above {number(FAR_APART.value)}{since}", found.value, FAR_APART, found.unit, found.first_step, ends
        )
    if found.value > APART.value and (first is None or found.value > GROWN * first):
        return Finding("warn", f"{seen}, above {number(APART.value)}{since}", found.value, APART, found.unit, found.first_step, ends)
    if found.value <= FAR_APART.value:
        return Finding("pass", f"{seen}{since}", found.value, APART, found.unit)
    return Finding("not-checked", "the spread of the variances is not a number")


def _given(last: float, first: float, norms: int = 0) -> tuple[Measurement, ...]:
    items = {"fc1.weight": last, "fc2.weight": 1.0, "fc3.weight": 1.2}
    return (
        Measurement("weights.variance_by_depth", last, "ratio", "3 layers at step 600", 600, items),
        Measurement("weights.variance_by_depth_first", first, "ratio", "3 layers at step 0", 0),
        Measurement("weights.normalization", norms, "layers", "scales", text="normalization" if norms else "none"),
    )


EXAMPLES = (
    Example("a first layer that blew up", _given(900.0, 1.4), "fail"),
    Example("a layer that is leaving the others", _given(30.0, 1.4), "warn"),
    Example("an initialization that differs by layer and stayed so", _given(13.0, 13.0), "pass"),
    Example("a healthy net", _given(3.1, 1.1), "pass"),
    Example("a trained residual net with batch normalization", _given(150.0, 1.1, norms=20), "pass"),
    Example("one hidden layer", (), "not-checked"),
)
