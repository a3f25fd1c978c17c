"""Units that never fire

## What it looks for
Output units of hidden layers that had no gradient between two checkpoints, neither in their weights nor in their bias: under Adam
the second moment then falls by exactly beta2 per update, under plain SGD the weights do not move at all. Fails where 0.5 or more
of a layer's units are so, warns at 0.4 and more. What is left of their moments tells when they had their last gradient.
Activations that are 0.95 zeros or more, by histogram or by a logged share, are a warning too, and fail where a whole layer
is zero (0.999) while the loss did not fall.

## Why it matters
A ReLU unit that never fires gets no gradient and never comes back. A layer of them cuts off all that lies before it.

## What to do
Lower the learning rate or warm it up, check that inputs are centred and biases are not far below zero, or use a leaky activation.

## When it is wrong
A few silent units (2 to 3 %, up to a third in deep plain nets) are normal. Where the loss fell by half and stayed down, a
failure is a warning and a warning a pass. Rare inputs may wake a unit outside the window. Embeddings, heads and layers that the
optimizer does not hold are left out, and so are layers that get no gradient because those behind them have almost none (that is
vanishing) or because the whole model has converged.

## References
SageMaker Debugger, rule DeadRelu (more than half of a layer). Own derivation and run: 0.904792 over 100 updates where beta2 to
the power of 100 is 0.904792; live units 0.946 to 1.35.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

HALF = Threshold(
    0.5,
    "share",
    source="SageMaker Debugger, DeadRelu: more than half of a layer",
    half="small nets with a harmless share of silent units fail",
    double="no share is above 1: only wholly dead layers would fail",
)
MANY = Threshold(
    0.4,
    "share",
    source="own runs: healthy layers of deep plain nets reach 0.34, of other nets 0.03",
    half="healthy deep nets are warned",
    double="above the line of failure",
)
ZEROS = Threshold(
    0.95,
    "share",
    source="random ReLU units are zero half of the time; sparse healthy layers up to 0.9",
    half="every healthy ReLU layer is warned",
    double="no share is above 1: nothing would be told",
)

WHOLE = 0.999
"""A layer whose activations are all zero passes nothing on."""
LEARNED = 0.5
CAME_BACK = 0.5

NEEDS = ()
USES = (
    "units.dead",
    "units.dead_since",
    "units.zero_activation",
    "run.settings_activation",
    "loss.improvement",
    "loss.divergence",
    "policy.learned",
    "weights.nonfinite",
)
ASIDES = ("loss.improvement", "loss.divergence", "policy.learned", "run.settings_activation", "units.dead", "units.dead_since")
CHECKLIST = ("dead-relus",)
LEADS_ITEMS = ("dead-relus",)
FIGURE = "dead-units"
NEVER_EXACTLY_SILENT = {"tanh", "sigmoid", "gelu", "silu", "swish", "elu", "selu", "leaky_relu", "leakyrelu", "softplus", "mish"}


def applies(measured: Measured) -> str:
    told = measured.text("run.settings_activation")
    unseen = measured.get("units.dead") is None and measured.get("units.zero_activation") is None
    return f"the hidden activation is {told}" if unseen and told in NEVER_EXACTLY_SILENT else ""


def judge(measured: Measured) -> Finding:
    dead, zeros = measured.get("units.dead"), measured.get("units.zero_activation")
    if dead is not None:
        order = {name: position for position, name in enumerate(dead.items)}
        # Layers before a wholly dead one have no gradient either: of equals, the deepest stands first.
        where = tuple(
            sorted((name for name in order if dead.items[name] >= MANY.value), key=lambda name: (-dead.items[name], -order[name]))
        )
        since = f" since step {dead.first_step} at the latest" if dead.first_step is not None else ""
        dated = measured.get("units.dead_since")
        if dated is not None and where and where[0] in dated.items:
            since = f" since about step {dated.items[where[0]]:.0f}"
        layer = f" of {where[0]}" if where else ""
        seen = f"{percent(dead.value)} of the units{layer} have had no gradient{since}"
        if dead.value >= HALF.value:
            return Finding(
                "warn" if _learned(measured) else "fail",
                f"{seen}, above {percent(HALF.value)}",
                dead.value,
                HALF,
                dead.unit,
                dead.first_step,
                where,
            )
        if dead.value >= MANY.value and not _learned(measured):
            return Finding("warn", f"{seen}, above {percent(MANY.value)}", dead.value, MANY, dead.unit, dead.first_step, where)
    if zeros is not None and zeros.value >= ZEROS.value:
        tags = tuple(tag for tag in zeros.items if zeros.items[tag] >= ZEROS.value)
        reason = (
            f"{percent(zeros.value)} of the activations under {tags[0] if tags else 'a tag'} are exactly zero, above {percent(ZEROS.value)}"
        )
        silent = zeros.value >= WHOLE and not _learned(measured) and measured.number("loss.improvement") is not None
        return Finding("fail" if silent else "warn", reason, zeros.value, ZEROS, zeros.unit, zeros.first_step, tags)
    if (measured.number("weights.nonfinite") or 0) > 0:
        return Finding("not-checked", "weights are NaN or infinite, and no silent unit can be told from one that fires")
    if dead is not None and dead.value < HALF.value:
        return Finding(
            "pass",
            f"at most {percent(dead.value)} of a layer's units had no gradient at the end"
            if dead.value
            else "every unit had a gradient at the end",
            dead.value,
            MANY,
            dead.unit,
            leaves=CHECKLIST if measured.text("run.settings_activation") in NEVER_EXACTLY_SILENT else (),
        )
    if dead is None and zeros is not None and zeros.value < ZEROS.value:
        return Finding("pass", f"at most {percent(zeros.value)} of a tag's activations are exactly zero", zeros.value, ZEROS, zeros.unit)
    lacks = ("units.dead", "units.zero_activation")
    return Finding("not-checked", "neither the optimizer's state nor histograms of activations tell of silent units", lacks=lacks)


def _learned(measured: Measured) -> bool:
    return measured.number("policy.learned") == 1 or (
        (measured.number("loss.improvement") or 0) >= LEARNED and (measured.number("loss.divergence") or 0) < CAME_BACK
    )


def _dead(value: float, since: int | None = None) -> Measurement:
    basis = "second moments fell by exactly beta2 per update, step 500 to step 600, 2 hidden layers"
    return Measurement("units.dead", value, "share", basis, since, {"fc1.weight": value, "fc2.weight": 0.02})


def _zeros(value: float) -> Measurement:
    return Measurement("units.zero_activation", value, "share", "1 histogram", None, {"activations/relu1": value})


EXAMPLES = (
    Example(
        "gradients of NaN weights", (_dead(0.0), Measurement("weights.nonfinite", 898, "elements", "step_000180.pt", 180)), "not-checked"
    ),
    Example("a kick of the learning rate killed a layer", (_dead(1.0, 300),), "fail"),
    Example(
        "half of a layer, dated by its moments",
        (_dead(0.6, 300), Measurement("units.dead_since", 271.0, "step", "step 600", 271, {"fc1.weight": 271.0}, "248 to 281")),
        "fail",
    ),
    Example("nearly half of a layer", (_dead(0.45, 200),), "warn"),
    Example(
        "nearly half of a layer, and it learned", (_dead(0.45, 200), Measurement("loss.improvement", 0.9, "share", "60 points")), "pass"
    ),
    Example("histograms of zeros", (_zeros(0.99),), "warn"),
    Example(
        "a layer that is silent altogether, and a loss that stands",
        (_zeros(1.0), Measurement("loss.improvement", 0.01, "share", "60 points")),
        "fail",
    ),
    Example("a few silent units", (_dead(0.03),), "pass"),
    Example("healthy histograms", (_zeros(0.5),), "pass"),
    Example(
        "a net of tanh without histograms",
        (Measurement("run.settings_activation", float("nan"), "", "hyper-parameters", text="tanh"),),
        "not-applicable",
    ),
    Example("one checkpoint and no histogram", (), "not-checked"),
)
