"""Inputs far from unit scale

## What it looks for
The root mean square of the inputs as the model sees them: from the squares of gradients that the optimizer keeps of the first
layer, over those of its bias (Adam's second moments, RMSprop's averages, SGD's momentum squared; a first convolution gives a lower
bound), as settings declare it, or as a sample of images has it after the constants that settings give a loader. It
alarms above 10, and warns above 3, below 0.01, and where one input is more than 10 times the median input and the whole
is not small. Numeric columns of the manifest that are that large, or whose deviations differ more than 100 times, are a
hint: they warn where nothing tells what the model sees, and alarm only where the settings say that inputs are not
normalized.

## Why it matters
A weight's gradient is proportional to its input. Inputs a thousand times larger than others need a learning rate a
thousand times smaller, which stands still for the others; and large inputs saturate or blow up the first activations.

## What to do
Divide each feature or channel by the training set's standard deviation, after subtracting its mean.

## When it is wrong
A loader may scale the columns of a manifest later. Normalization inside the model (a BatchNorm first) makes the inputs'
scale harmless. One-hot and sparse inputs are small and fine. The estimate from the optimizer's state assumes that inputs and
gradients are independent, and is right within a factor of 2 or so. It is not used where the regularization loss
outweighs the data's, since that gradient is in the moments too.

## References
LeCun, Bottou, Orr, Mueller 1998, Efficient BackProp, 4.3. Amazon SageMaker Debugger, CheckInputImages. Schoop, Huang,
Hartmann 2021, UMLAUT (inputs beyond +-1).
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

FAR_TOO_LARGE = Threshold(
    10.0,
    "rms",
    source="one decade above unit scale, which LeCun et al. 1998 ask for; the project's catalogue, M10",
    half="standardized features with heavy tails and small counts fail",
    double="inputs fifteen times too large are only warned about",
)
LARGE = Threshold(
    3.0,
    "rms",
    source="the project's own choice: three times unit scale, beyond the estimate's factor of 2",
    half="the estimate's own error warns",
    double="inputs five times too large pass",
)
SMALL = Threshold(
    0.01,
    "rms",
    source="two decades below unit scale; sparse one-hot inputs of 1,000 columns have 0.03",
    half="inputs a hundred times too small pass",
    double="one-hot inputs of many columns are warned about",
)
UNEVEN = Threshold(
    10.0,
    "times the median one",
    source="the project's own choice: one decade between one input and the median",
    half="images whose border is dark are warned about",
    double="a feature fifteen times the others passes",
)
UNEVEN_COLUMNS = Threshold(
    100.0,
    "times the median one",
    source="the project's own choice: two decades between columns that no loader has seen yet",
    half="tables of ordinary measurements are warned about",
    double="a table of shares beside one of hundreds passes",
)

NEEDS = ()
USES = (
    "run.family",
    "regularization.ratio",
    "inputs.rms",
    "inputs.rms_at_least",
    "inputs.spread",
    "inputs.declared_mean",
    "inputs.declared_std",
    "inputs.sample_rms",
    "inputs.normalized",
    "inputs.feature_rms",
    "inputs.feature_scale",
    "optimizer.algorithm",
)
ASIDES = ("regularization.ratio", "optimizer.algorithm")
CHECKLIST = ("mean-centering",)
LEADS_ITEMS = ("mean-centering",)

REGULARIZED = 1.0
"""A regularization loss as large as the data's: its gradient is then part of the weights' second moments, and of no input."""

STATES = {
    "sgd": "SGD's momentum",
    "rmsprop": "RMSprop's averages",
    **dict.fromkeys(("adam", "adamw", "nadam", "radam", "lamb"), "Adam's moments"),
}
"""What an optimizer keeps that tells of the inputs' scale."""


def applies(measured: Measured) -> str:
    return "a language model's inputs are tokens" if measured.text("run.family") == "language-model" else ""


def judge(measured: Measured) -> Finding:
    rms, spread = measured.get("inputs.rms"), measured.number("inputs.spread")
    penalized = (measured.number("regularization.ratio") or 0.0) > REGULARIZED
    if rms is not None and math.isfinite(rms.value) and not penalized:
        return _seen_by_model(rms.value, f"from {_state(measured)}", spread)
    least = measured.get("inputs.rms_at_least")
    if least is not None and math.isfinite(least.value) and least.value > LARGE.value and not penalized:
        return _seen_by_model(least.value, f"from {_state(measured)} of the first convolution, at least", None)
    deviation = measured.number("inputs.declared_std")
    if deviation is not None and math.isfinite(deviation):
        mean = measured.number("inputs.declared_mean") or 0.0
        return _seen_by_model(math.hypot(mean, deviation), "from the declared mean and deviation", None)
    sampled = measured.get("inputs.sample_rms")
    if sampled is not None and math.isfinite(sampled.value):
        return _seen_by_model(sampled.value, sampled.basis, None)
    return _columns(measured)


def _state(measured: Measured) -> str:
    """Which state told: several optimizers share the name of none."""
    algorithm = measured.text("optimizer.algorithm")
    return STATES.get(algorithm, "the optimizer's state")


def _seen_by_model(rms: float, source: str, spread: float | None) -> Finding:
    told, where = f"the inputs have a root mean square of {number(rms)}", f" ({source})"
    if rms > FAR_TOO_LARGE.value:
        return Finding("fail", f"{told}, above {number(FAR_TOO_LARGE.value)}{where}", rms, FAR_TOO_LARGE, FAR_TOO_LARGE.unit)
    if rms > LARGE.value:
        return Finding("warn", f"{told}, above {number(LARGE.value)}{where}", rms, LARGE, LARGE.unit)
    if rms < SMALL.value:
        return Finding("warn", f"{told}, below {number(SMALL.value)}{where}", rms, SMALL, SMALL.unit)
    if spread is not None and spread > UNEVEN.value and rms > 1:
        return Finding(
            "warn",
            f"{told}, and the largest input is {number(spread)} times the median one, above {number(UNEVEN.value)}{where}",
            spread,
            UNEVEN,
            UNEVEN.unit,
        )
    return Finding("pass", f"{told}, between {number(SMALL.value)} and {number(LARGE.value)}{where}", rms, LARGE, LARGE.unit)


def _columns(measured: Measured) -> Finding:
    """What the manifest's raw columns hint at, where nothing tells what the model sees."""
    level, scale = measured.get("inputs.feature_rms"), measured.get("inputs.feature_scale")
    normalized = measured.text("inputs.normalized")
    if level is None:
        return Finding("not-checked", "nothing tells the inputs' scale", lacks=("inputs.rms", "inputs.declared_std", "inputs.feature_rms"))
    if normalized == "true":
        return Finding(
            "pass",
            f"settings say that inputs are normalized (raw columns reach {number(level.value)})",
            level.value,
            FAR_TOO_LARGE,
            FAR_TOO_LARGE.unit,
        )
    large = level.value > FAR_TOO_LARGE.value
    uneven = scale is not None and scale.value > UNEVEN_COLUMNS.value
    if not large and not uneven:
        told = f"numeric columns of the manifest reach a root mean square of {number(level.value)}, within {number(FAR_TOO_LARGE.value)}"
        return Finding("pass", told, level.value, FAR_TOO_LARGE, FAR_TOO_LARGE.unit)
    if large:
        value, limit, names = level.value, FAR_TOO_LARGE, level.items
        told = f"numeric columns of the manifest reach a root mean square of {number(level.value)}, above {number(FAR_TOO_LARGE.value)}"
    else:
        value, limit, names = scale.value if scale is not None else math.nan, UNEVEN_COLUMNS, scale.items if scale is not None else {}
        told = f"deviations of the manifest's numeric columns differ {number(value)}-fold, above {number(UNEVEN_COLUMNS.value)}"
    where = tuple(sorted(names, key=lambda name: -names[name])[:5])
    if normalized == "false":
        return Finding("fail", f"{told}, and settings say that inputs are not normalized", value, limit, limit.unit, where=where)
    return Finding("warn", f"{told}, unless the loader scales them", value, limit, limit.unit, where=where)


def _of(name: str, value: float, **items: float) -> Measurement:
    return Measurement(name, value, "units of the input", "4 numeric columns of manifest.csv", items=items)


def _word(name: str, text: str) -> Measurement:
    return Measurement(name, math.nan, "", "settings", text=text)


_RAW = (_of("inputs.feature_rms", 2100.0, year=2100.0), _of("inputs.feature_scale", 900.0, year=900.0))

EXAMPLES = (
    Example("raw features reach the first layer", (_of("inputs.rms", 140.0), *_RAW), "fail"),
    Example("raw pixels reach a convolution", (_of("inputs.rms_at_least", 115.0),), "fail"),
    Example("a lower bound that says nothing", (_of("inputs.rms_at_least", 0.4),), "not-checked"),
    Example("raw columns, declared as not normalized", (*_RAW, _word("inputs.normalized", "false")), "fail"),
    Example("raw pixels declared", (_of("inputs.declared_std", 78.0), _of("inputs.declared_mean", 33.0)), "fail"),
    Example("pixels of 0 to 255, constants for 0 to 1", (_of("inputs.sample_rms", 498.0),), "fail"),
    Example("pixels of 0 to 1, constants for 0 to 255", (_of("inputs.sample_rms", 0.0046),), "warn"),
    Example("images with ImageNet's constants", (_of("inputs.sample_rms", 1.1),), "pass"),
    Example("raw columns, nothing else known", _RAW, "warn"),
    Example("five times unit scale", (_of("inputs.rms", 5.0),), "warn"),
    Example("inputs divided by 255 twice", (_of("inputs.declared_std", 0.0012),), "warn"),
    Example("one feature stands out", (_of("inputs.rms", 2.5), _of("inputs.spread", 14.0)), "warn"),
    Example("raw columns, scaled by the loader", (_of("inputs.rms", 0.97), *_RAW), "pass"),
    Example("raw columns, declared as normalized", (*_RAW, _word("inputs.normalized", "true")), "pass"),
    Example("one-hot inputs", (_of("inputs.rms", 0.04), _of("inputs.spread", 60.0)), "pass"),
    Example("standardized columns", (_of("inputs.feature_rms", 1.02), _of("inputs.feature_scale", 1.1)), "pass"),
    Example("a regularization loss in the moments", (_of("inputs.rms", 143.0), _of("regularization.ratio", 60.0)), "not-checked"),
    Example("tokens", (_word("run.family", "language-model"),), "not-applicable"),
    Example("nothing tells", (), "not-checked"),
)
