"""Units that a ReLU silences from the start

## What it looks for
The initial weights and biases of each hidden layer, taken through the layers as random ones are: a unit whose pre-activation has
its mean 3 deviations or more below zero fires for one input in 740. It alarms where 0.5 or more of a layer's units are so.
Applies to plain chains of layers without normalization.

## Why it matters
A ReLU unit that never fires passes nothing on and gets no gradient, so that it stays as it is.

## What to do
Start biases at 0 and draw weights around a mean of 0.

## When it is wrong
Tanh, sigmoid and leaky units give and get something below zero as well: settings that name them excuse the run. The data are
taken to have mean 0 and the scale that the optimizer's state tells, else 1.

## References
Lu, Shin, Su, Karniadakis 2019 (arXiv 1903.06733), dying at initialization. Poole et al. 2016 (arXiv 1606.05340), means and
variances by layer. The share of half a layer is SageMaker Debugger's, DeadRelu.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

HALF = Threshold(
    0.5,
    "share",
    source="SageMaker Debugger, DeadRelu: more than half of a layer; weights of mean 0 with biases of 0 give 0",
    half="layers with a quarter of their units out of use fail",
    double="no share is above 1: only wholly silent layers would fail",
)

NEEDS = ("signal.silenced",)
USES = ("run.settings_activation", "run.pretrained")
CHECKLIST = ("dead-relus", "init-shallow")
LEADS_ITEMS = ("dead-relus",)
DOUBTS_ITEMS = ("dead-relus",)
FIGURE = "dead-units"
NEVER_SILENT = {"tanh", "sigmoid", "gelu", "silu", "swish", "elu", "selu", "leaky_relu", "leakyrelu", "softplus", "mish"}


def applies(measured: Measured) -> str:
    if measured.text("run.pretrained") == "true":
        return "the run starts from pre-trained weights"
    told = measured.text("run.settings_activation")
    return f"the hidden activation is {told}" if told in NEVER_SILENT else ""


def judge(measured: Measured) -> Finding:
    found = measured["signal.silenced"]
    where = tuple(name for name in found.items if found.items[name] >= HALF.value)
    layer = f" of {where[0]}" if where else ""
    seen, where_zero = (
        f"{percent(found.value)} of the units{layer}",
        "start 3 standard deviations or more below zero, where a ReLU never fires",
    )
    if found.value >= HALF.value:
        return Finding("fail", f"{seen}, above {percent(HALF.value)}, {where_zero}", found.value, HALF, found.unit, found.first_step, where)
    if found.value < HALF.value:
        return Finding(
            "pass",
            f"{seen} {where_zero}" if found.value else "no unit starts far below zero, where a ReLU never fires",
            found.value,
            HALF,
            found.unit,
        )
    return Finding("not-checked", "the share of silenced units is not a number")


def _share(value: float) -> Measurement:
    items = {"fc1.weight": value, "fc2.weight": 0.0}
    return Measurement("signal.silenced", value, "share", "weights and biases at step 0, 2 hidden layers of ReLU units", 0, items)


EXAMPLES = (
    Example("biases start at -6", (_share(1.0),), "fail"),
    Example("three in ten", (_share(0.3),), "pass"),
    Example("biases start at 0", (_share(0.0),), "pass"),
    Example(
        "a net of tanh", (_share(0.6), Measurement("run.settings_activation", float("nan"), "", "settings", text="tanh")), "not-applicable"
    ),
    Example("no checkpoint from the start", (), "not-checked"),
)
