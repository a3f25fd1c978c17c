"""Channels that batch normalization keeps below zero

## What it looks for
The share of a layer's channels whose shift lies more than 3 scales below zero, or whose scale is gone with no shift above zero: before
a ReLU they fire for one input in 770 or for none. Fails where it is above 0.5 in a layer, the settings say ReLU and the loss is still
above half of chance, and warns above 0.5 otherwise.

## Why it matters
Such a channel is dead, whatever its weights do, and gets next to no gradient to come back.

## What to do
Take the scales and shifts of norms out of weight decay, lower the learning rate, or start shifts at 0.

## When it is wrong
Scales that start at zero in the last norm of a residual block are left out, as is what is added to a skip connection before it is cut
off. Smooth activations let some of it through. Channels that decay or pruning has switched off are no loss where the model is good.

## References
Ioffe and Szegedy 2015 (arXiv 1502.03167). Under N(b, g^2) the share above zero is Phi(b / |g|). SageMaker Debugger, rule DeadRelu
(more than half of a layer).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MOST = Threshold(
    0.5,
    "share",
    source="SageMaker Debugger: more than half of a layer",
    half="trained image models whose decay switched channels off are warned",
    double="no layer has more than all of its channels dead",
)
POOR = 0.5
"""Share of chance above which a loss is poor."""

NEEDS = ("batchnorm.silent_share",)
USES = ("batchnorm.layers", "run.settings_activation", "loss.last_to_chance")
CHECKLIST = ("dead-relus",)
FIGURE = "dead-units"


def applies(measured: Measured) -> str:
    layers, activation = measured.get("batchnorm.layers"), measured.text("run.settings_activation").lower()
    if layers is not None and layers.value == 0:
        return "the net has no batch normalization with running statistics"
    return (
        f"the activation is {activation}, which lets part of what is below zero through" if activation and "relu" not in activation else ""
    )


def judge(measured: Measured) -> Finding:
    found = measured["batchnorm.silent_share"]
    where = tuple(sorted((name for name in found.items if found.items[name] > MOST.value), key=lambda name: -found.items[name]))
    seen = f"batch norm's scale and shift keep up to {percent(found.value)} of a layer's channels below zero"
    if found.value > MOST.value:
        known, left = measured.text("run.settings_activation") != "", measured.number("loss.last_to_chance")
        grave = known and left is not None and left > POOR
        seen += f" in {len(where)} of {len(found.items)} layers"
        return Finding("fail" if grave else "warn", seen, found.value, MOST, found.unit, found.first_step, where)
    if found.value <= MOST.value:
        return Finding("pass", seen if found.value else "batch norm keeps no channel below zero", found.value, MOST, found.unit)
    return Finding("not-checked", "the share of silent channels is not a number")


def _given(silent: float, activation: str = "", left: float | None = None) -> tuple[Measurement, ...]:
    given: tuple[Measurement, ...] = (Measurement("batchnorm.silent_share", silent, "share", "2 layers", 600, {"bn1": silent, "bn2": 0.0}),)
    if activation:
        given = (*given, Measurement("run.settings_activation", float("nan"), "", "setting 'activation'", text=activation))
    return given if left is None else (*given, Measurement("loss.last_to_chance", left, "ratio", "ln 10"))


EXAMPLES = (
    Example("shifts far below zero under ReLU", _given(0.9, "relu", 0.95), "fail"),
    Example("the same, activation unknown", _given(0.9), "warn"),
    Example("a good model with channels switched off", _given(0.6, "relu", 0.05), "warn"),
    Example("a healthy net", _given(0.02, "relu", 0.1), "pass"),
    Example("a net of smooth units", _given(0.9, "gelu"), "not-applicable"),
    Example("no batch normalization", (), "not-checked"),
)
