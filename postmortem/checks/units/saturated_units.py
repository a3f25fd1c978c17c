"""Tanh or sigmoid units at their extremes

## What it looks for
In histograms of activations: the mass beyond 0.95 of tanh's range, or within 0.05 of sigmoid's ends. Fails above 0.5 and warns
above 0.3. Without histograms, where the hyper-parameters name the activation: the rms of pre-activations that the weights
predict. Fails above 5 for tanh and above 8 for sigmoid.

## Why it matters
At its extremes the activation's slope is nearly zero, and so is every gradient that passes it. Such layers stop learning.

## What to do
Normalize the inputs, start from smaller weights (Glorot's initialization), lower the learning rate, or put a normalization layer
before the activation.

## When it is wrong
Gates, attention and outputs are meant to saturate: tags that name them are left out. A prediction takes inputs to be
uncorrelated, and is right to a factor of two at best.

## References
SageMaker Debugger, rule SaturatedActivation (more than half of the nodes). DeepDiagnosis. The Deep Checker (0.85). For a normal
pre-activation of rms 5, 0.71 of tanh's outputs are beyond 0.95.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold

HALF = Threshold(
    0.5,
    "share",
    source="SageMaker Debugger, SaturatedActivation: more than half",
    half="trained tanh nets that work fail",
    double="no share is above 1: nothing would fail",
)
MANY = Threshold(
    0.3,
    "share",
    source="own: what a normal pre-activation of rms 1.8 gives; a healthy own run had 0.76",
    half="healthy layers late in training are warned",
    double="later than the failure itself",
)
FAR_TANH = Threshold(
    5,
    "ratio",
    source="DeepDiagnosis: pre-activations beyond 5",
    half="tanh nets late in training fail, whose histograms would pass",
    double="nets without any slope left pass unseen",
)
FAR_SIGMOID = Threshold(
    8,
    "ratio",
    source="own: sigmoid is half as steep as tanh",
    half="sigmoid nets late in training fail, whose histograms would pass",
    double="nets without any slope left pass unseen",
)

NEEDS = ()
USES = ("units.saturated", "units.preactivation_rms", "run.settings_activation")
CHECKLIST = ("saturated-tanh-sigmoid",)
FIGURE = "tensors"


def applies(measured: Measured) -> str:
    told = measured.text("run.settings_activation")
    if told and told not in {"tanh", "sigmoid"} and measured.get("units.saturated") is None:
        return f"the hidden activation is {told}, which does not saturate at both ends"
    return ""


def judge(measured: Measured) -> Finding:
    seen, predicted = measured.get("units.saturated"), measured.get("units.preactivation_rms")
    if seen is not None:
        where = tuple(sorted((tag for tag in seen.items if seen.items[tag] > MANY.value), key=lambda tag: -seen.items[tag]))
        told = f"{seen.value:.0%} of the activations{f' under {where[0]}' if where else ''} are at their extremes"
        if seen.value > HALF.value:
            return Finding("fail", f"{told}, above {HALF.value:.0%}", seen.value, HALF, seen.unit, seen.first_step, where)
        if seen.value > MANY.value:
            return Finding("warn", f"{told}, above {MANY.value:.0%}", seen.value, MANY, seen.unit, seen.first_step, where)
        if seen.value <= MANY.value:
            return Finding("pass", told, seen.value, MANY, seen.unit)
    if predicted is not None:
        limit = FAR_SIGMOID if measured.text("run.settings_activation") == "sigmoid" else FAR_TANH
        told = f"the weights predict pre-activations of rms {predicted.value:.2g}"
        if predicted.value > limit.value:
            where = tuple(
                sorted((name for name in predicted.items if predicted.items[name] > limit.value), key=lambda name: -predicted.items[name])
            )
            return Finding("fail", f"{told}, above {limit.value:g}", predicted.value, limit, predicted.unit, predicted.first_step, where)
        if predicted.value <= limit.value:
            return Finding("pass", f"{told} ({predicted.basis})", predicted.value, limit, predicted.unit)
    return Finding("not-checked", "no histogram of activations, and the activation or the weights are not known well enough to predict it")


def _seen(value: float) -> Measurement:
    return Measurement("units.saturated", value, "share", "1 histogram", 0 if value > 0.5 else None, {"activations/tanh1": value})


def _predicted(value: float, activation: str) -> tuple[Measurement, ...]:
    return (
        Measurement("units.preactivation_rms", value, "ratio", "weights at step 600", 600, {"fc1.weight": value}),
        Measurement("run.settings_activation", float("nan"), "", "hyper-parameters", text=activation),
    )


EXAMPLES = (
    Example("raw inputs into tanh", (_seen(0.83),), "fail"),
    Example("huge weights before tanh", _predicted(17.0, "tanh"), "fail"),
    Example("a third at the extremes", (_seen(0.35),), "warn"),
    Example("healthy tanh layers", (_seen(0.08),), "pass"),
    Example("healthy weights before sigmoid", _predicted(2.1, "sigmoid"), "pass"),
    Example("a ReLU net", _predicted(0.0, "relu")[1:], "not-applicable"),
    Example("nothing is known of activations", (), "not-checked"),
)
