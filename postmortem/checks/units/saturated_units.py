"""Tanh or sigmoid units at their extremes

## What it looks for
In histograms of activations: the mass beyond 0.95 of tanh's range, or within 0.05 of sigmoid's ends. Fails above 0.5 and warns
above 0.3. Without histograms, where the hyper-parameters name the activation: the rms of pre-activations that the
weights predict. Fails above 5 for tanh and above 8 for sigmoid. Where nothing names the activation, the same of the initial
weights, if something shows that hidden units are bounded: recurrent cells are; the scale of hidden units, which the optimizer's
state tells, is at most 1 (the last weights count too then, above 8); or ReLU units would have made the first outputs, and the
first loss, far larger than it was. And where the optimizer's state puts hidden units of three layers or more at a root mean
square of 0.97 to 1: tanh units at their ends.

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

import math
from dataclasses import replace

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number, percent

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
    "rms",
    source="DeepDiagnosis: pre-activations beyond 5",
    half="tanh nets late in training fail, whose histograms would pass",
    double="nets without any slope left pass unseen",
)
FAR_SIGMOID = Threshold(
    8,
    "rms",
    source="own: sigmoid is half as steep as tanh",
    half="sigmoid nets late in training fail, whose histograms would pass",
    double="nets without any slope left pass unseen",
)

AT_ENDS = Threshold(
    0.97,
    "rms",
    source="tanh units of which six in seven are at their ends and one is at 0.8",
    half="healthy tanh layers, and many of ReLU, fail",
    double="no bounded unit gives more than 1: nothing would be told",
)
ROUNDING = 1e-3
"""Above 1 by more than this, units are not bounded by 1."""
FEWEST_LAYERS = 3
"""So many layers have their units at 1 by no chance: ReLU units have any scale, and one layer in thirty falls into that range."""
SATURATED = 0.5
"""Units at their ends have a root mean square of 1, sigmoid units of 0.7; units that never fire have 0."""
BOUNDED = 1.05
"""Root mean square of bounded units at most, and the error of the estimate in layers whose units all are at their ends."""
LARGE_OUTPUT = 5.0
"""Logits of deviation 5 are sure of wrong classes: the loss is then some units above chance, whatever the number of classes."""
LEAST_EXCESS = 0.1
"""Share of the outputs' deviation by which the first loss is above chance at least: 0.56 for two classes, and 1.5 for ten, on average."""

NEEDS = ()
USES = (
    "units.saturated",
    "units.preactivation_rms",
    "units.hidden_rms",
    "signal.preactivation_rms",
    "signal.final_preactivation_rms",
    "signal.relu_output_rms",
    "loss.first",
    "loss.chance",
    "run.settings_activation",
    "run.pretrained",
)
CHECKLIST = ("saturated-tanh-sigmoid",)
LEADS_ITEMS = ("saturated-tanh-sigmoid",)
FIGURE = "saturation"


def applies(measured: Measured) -> str:
    told = measured.text("run.settings_activation")
    if told and told not in {"tanh", "sigmoid"} and measured.get("units.saturated") is None:
        return f"the hidden activation is {told}, which does not saturate at both ends"
    return ""


def judge(measured: Measured) -> Finding:
    seen, predicted = measured.get("units.saturated"), measured.get("units.preactivation_rms")
    if seen is not None:
        where = tuple(sorted((tag for tag in seen.items if seen.items[tag] > MANY.value), key=lambda tag: -seen.items[tag]))
        told = f"{percent(seen.value)} of the activations{f' under {where[0]}' if where else ''} are at the ends of their range"
        if seen.value > HALF.value:
            return Finding("fail", f"{told}, above {percent(HALF.value)}", seen.value, HALF, HALF.unit, seen.first_step, where)
        if seen.value > MANY.value:
            return Finding("warn", f"{told}, above {percent(MANY.value)}", seen.value, MANY, MANY.unit, seen.first_step, where)
        if seen.value <= MANY.value:
            return Finding("pass", told, seen.value, MANY, MANY.unit)
    if predicted is not None:
        limit = FAR_SIGMOID if measured.text("run.settings_activation") == "sigmoid" else FAR_TANH
        told = f"the weights predict pre-activations of rms {number(predicted.value, 2)}"
        if predicted.value > limit.value:
            where = tuple(
                sorted((name for name in predicted.items if predicted.items[name] > limit.value), key=lambda name: -predicted.items[name])
            )
            return Finding("fail", f"{told}, above {number(limit.value)}", predicted.value, limit, limit.unit, predicted.first_step, where)
        if predicted.value <= limit.value:
            return Finding("pass", f"{told} ({predicted.basis})", predicted.value, limit, limit.unit)
    return (
        _at_ends(measured)
        or _assumed(measured)
        or _final(measured)
        or Finding(
            "not-checked", "nothing tells the activations", lacks=("units.saturated", "units.preactivation_rms", "signal.preactivation_rms")
        )
    )


def _at_ends(measured: Measured) -> Finding | None:
    """Layers whose units give -1 or 1 and little else, by the gradients of the layers behind them."""
    given = measured.get("units.hidden_rms")
    if given is None:
        return None
    where = tuple(name for name in given.items if AT_ENDS.value <= given.items[name] <= 1 + ROUNDING)
    if len(where) < FEWEST_LAYERS or 2 * len(where) < len(given.items):
        return None
    least = min(given.items[name] for name in where)
    told = f"hidden units before {counted(len(where), 'layer')} have a root mean square of {number(least, 2)} to 1"
    return Finding(
        "fail", f"{told}, above {number(AT_ENDS.value)}, which is tanh at its ends", least, AT_ENDS, AT_ENDS.unit, given.first_step, where
    )


def _assumed(measured: Measured) -> Finding | None:
    """What the initial weights predict of bounded units, where something shows that they are bounded."""
    predicted = measured.get("signal.preactivation_rms")
    if predicted is None or measured.text("run.pretrained") == "true" or not (limit := FAR_TANH).value < predicted.value < math.inf:
        return None
    shown = _bounded(measured, predicted.text)
    if not shown:
        return None
    where = tuple(
        sorted((name for name in predicted.items if predicted.items[name] > limit.value), key=lambda name: -predicted.items[name])
    )
    told = (
        "the initial weights and biases predict pre-activations of rms "
        f"{number(predicted.value, 2)}, above {number(limit.value)}, and {shown}"
    )
    return Finding("fail", told, predicted.value, limit, limit.unit, predicted.first_step, where)


def _final(measured: Measured) -> Finding | None:
    """The same of the last weights, where cells or the scale of hidden units show that they are bounded."""
    predicted, given = measured.get("signal.final_preactivation_rms"), measured.get("units.hidden_rms")
    if predicted is None or not (limit := FAR_SIGMOID).value < predicted.value < math.inf:
        return None
    within = given is not None and given.items and min(given.items.values()) >= SATURATED and max(given.items.values()) <= BOUNDED
    if not predicted.text and not within:
        return None
    where = tuple(
        sorted((name for name in predicted.items if predicted.items[name] > limit.value), key=lambda name: -predicted.items[name])
    )
    told = f"the last weights predict pre-activations of rms {number(predicted.value, 2)} of bounded units, above {number(limit.value)}"
    return Finding("fail", told, predicted.value, limit, limit.unit, predicted.first_step, where)


def _bounded(measured: Measured, cells: str) -> str:
    """What shows that hidden units are bounded; empty where nothing does."""
    if cells:
        return "recurrent cells are of tanh and sigmoid units"
    given = measured.get("units.hidden_rms")
    if given is not None and given.items and min(given.items.values()) >= SATURATED and max(given.items.values()) <= BOUNDED:
        return f"hidden units have a root mean square of at most {number(max(given.items.values()), 2)}, as bounded ones"
    output, first, chance = (measured.number(name) for name in ("signal.relu_output_rms", "loss.first", "loss.chance"))
    if output is None or first is None or output < LARGE_OUTPUT:
        return ""
    expected = LEAST_EXCESS * output if chance is not None else LEAST_EXCESS * output**2
    if first - (chance or 0.0) >= expected:
        return ""
    return (
        f"the first loss of {number(first)} is far below what ReLU units would give "
        f"(outputs of rms {number(output)}), so that they are bounded"
    )


def _seen(value: float) -> Measurement:
    return Measurement("units.saturated", value, "share", "1 histogram", 0 if value > 0.5 else None, {"activations/tanh1": value})


def _predicted(value: float, activation: str) -> tuple[Measurement, ...]:
    return (
        Measurement("units.preactivation_rms", value, "ratio", "weights at step 600", 600, {"fc1.weight": value}),
        Measurement("run.settings_activation", float("nan"), "", "hyper-parameters", text=activation),
    )


def _initial(rms: float, output: float, loss: float) -> tuple[Measurement, ...]:
    return (
        Measurement("signal.preactivation_rms", rms, "ratio", "weights at step 0", 0, {"fc1.weight": rms, "fc2.weight": rms}),
        Measurement("signal.relu_output_rms", output, "ratio", "weights at step 0", 0),
        Measurement("loss.first", loss, "loss", "'train/loss'", 0),
        Measurement("loss.chance", 2.303, "nats", "ln(10)"),
    )


def _cells(rms: float) -> Measurement:
    return Measurement("signal.preactivation_rms", rms, "ratio", "weights at step 0", 0, {"rnn.weight_hh_l0": rms}, "recurrent cells")


def _hidden(rms: float) -> Measurement:
    return Measurement("units.hidden_rms", rms, "ratio", "second moments", 400, {f"fc{layer}.weight": rms for layer in range(2, 8)})


EXAMPLES = (
    Example("raw inputs into tanh", (_seen(0.83),), "fail"),
    Example("huge weights before tanh", _predicted(17.0, "tanh"), "fail"),
    Example("a third at the extremes", (_seen(0.35),), "warn"),
    Example("healthy tanh layers", (_seen(0.08),), "pass"),
    Example("healthy weights before sigmoid", _predicted(2.1, "sigmoid"), "pass"),
    Example("a ReLU net", _predicted(0.0, "relu")[1:], "not-applicable"),
    Example("offsets far from zero, and a first loss at chance", _initial(8.1, 5.4, 2.31), "fail"),
    Example("huge weights of ReLU units, and a huge first loss", _initial(8.1, 900.0, 640.0), "not-checked"),
    Example("recurrent weights far too large", (_cells(14.0),), "fail"),
    Example("recurrent weights that a shock made huge", (replace(_cells(40.0), name="signal.final_preactivation_rms"),), "fail"),
    Example("six layers whose units are at -1 or 1", (_hidden(0.9998),), "fail"),
    Example("six layers of healthy tanh units", (_hidden(0.7),), "not-checked"),
    Example("nothing is known of activations", (), "not-checked"),
)
