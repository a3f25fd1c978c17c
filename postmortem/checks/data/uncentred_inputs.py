"""Inputs far from centred

## What it looks for
The mean of the inputs over their standard deviation: as settings declare it, else as a sample of images has it after the
mean and deviation that settings give a loader, else the largest among the manifest's numeric columns. It warns above 3
where it is declared or sampled, and above 10 for columns that a loader may still centre. The mean
of images that the run logged is told, and judged by nobody: they are stored from black to white whatever the model saw.

## Why it matters
A common offset in all inputs acts like one large extra direction: gradients of a unit's weights then all share one sign
and move together, and the useful differences between inputs are learned slowly.

## What to do
Subtract the training set's mean from each feature or channel.

## When it is wrong
Images scaled to [0, 1] have a ratio near 1.7 and train well; so nothing below 3 is named, though 0.2 is what a cloud
rule asks for. A BatchNorm first in the model centres for itself. Columns are not named where the optimizer's state or the
settings say that the model sees inputs near unit scale.

## References
LeCun, Bottou, Orr, Mueller 1998, Efficient BackProp, 4.3. Amazon SageMaker Debugger, CheckInputImages (0.2).
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

OFFSET = Threshold(
    3.0,
    "standard deviations",
    source="the project's own choice, above the 1.7 of images in [0, 1], which train well",
    half="images in [0, 1] are warned about",
    double="inputs whose mean is five times their spread pass",
)
OFFSET_COLUMNS = Threshold(
    10.0,
    "standard deviations",
    source="the project's own choice: lengths and temperatures reach 7, and loaders centre",
    half="Iris' columns are warned about",
    double="a column of years with a spread of a century passes",
)

NEEDS = ()
USES = (
    "run.family",
    "inputs.declared_mean",
    "inputs.declared_std",
    "inputs.normalized",
    "inputs.sample_mean",
    "inputs.sample_std",
    "inputs.rms",
    "inputs.feature_mean",
    "inputs.feature_rms",
    "inputs.image_mean",
)
CHECKLIST = ("mean-centering",)

NEAR_UNIT = 3.0
"""Inputs whose root mean square is below this, where raw columns are far above, were scaled on the way."""


def applies(measured: Measured) -> str:
    return "a language model's inputs are tokens" if measured.text("run.family") == "language-model" else ""


def judge(measured: Measured) -> Finding:
    mean, deviation = measured.number("inputs.declared_mean"), measured.number("inputs.declared_std")
    if mean is not None and deviation is not None and math.isfinite(mean) and deviation > 0:
        ratio = abs(mean) / deviation
        seen = f"the declared mean of {number(mean)} is {multiple(ratio)} the standard deviation"
        if ratio > OFFSET.value:
            return Finding("warn", f"{seen}, above {number(OFFSET.value)}", ratio, OFFSET, OFFSET.unit)
        return Finding("pass", f"{seen}, within {number(OFFSET.value)}", ratio, OFFSET, OFFSET.unit)
    sampled = _sampled(measured)
    if sampled is not None:
        return sampled
    columns = measured.get("inputs.feature_mean")
    if measured.text("inputs.normalized") == "true":
        return Finding("pass", "settings say that inputs are normalized")
    if columns is None:
        nothing = "neither settings nor numeric columns of a manifest tell the inputs' mean"
        images = measured.get("inputs.image_mean")
        if images is not None:
            seen = f"logged images have a mean of {number(images.value, 2)} of white ({images.basis})"
            nothing += f", {seen}, and whether a loader centres them is not known"
        return Finding("not-checked", nothing, lacks=("inputs.declared_mean", "inputs.feature_mean") if images is None else ())
    rms, raw = measured.number("inputs.rms"), measured.number("inputs.feature_rms")
    if rms is not None and raw is not None and rms < NEAR_UNIT < raw:
        told = f"raw columns reach {number(raw)}, and the model sees inputs with a root mean square of {number(rms)}"
        return Finding("not-checked", f"{told}: they were scaled on the way, and whether they were centred is not known")
    where = tuple(sorted(columns.items, key=lambda name: -columns.items[name])[:5])
    seen = f"a numeric column of the manifest has a mean of {number(columns.value)} standard deviations"
    if columns.value > OFFSET_COLUMNS.value:
        return Finding(
            "warn",
            f"{seen}, above {number(OFFSET_COLUMNS.value)}, unless the loader centres it",
            columns.value,
            OFFSET_COLUMNS,
            OFFSET_COLUMNS.unit,
            where=where,
        )
    return Finding("pass", f"{seen}, within {number(OFFSET_COLUMNS.value)}", columns.value, OFFSET_COLUMNS, OFFSET_COLUMNS.unit)


def _sampled(measured: Measured) -> Finding | None:
    """What a sample of images shows behind the loader's constants; None where there is none."""
    mean, deviation = measured.get("inputs.sample_mean"), measured.get("inputs.sample_std")
    if mean is None or deviation is None or not (math.isfinite(mean.value) and deviation.value > 0):
        return None
    offsets = {name: abs(value) / deviation.items[name] for name, value in mean.items.items() if deviation.items.get(name, 0.0) > 0}
    ratio = max(offsets.values(), default=abs(mean.value) / deviation.value)
    seen = f"a sample of images has a mean of {number(ratio)} standard deviations behind the loader ({mean.basis})"
    if ratio > OFFSET.value:
        where = tuple(sorted(offsets, key=lambda name: -offsets[name]))
        return Finding("warn", f"{seen}, above {number(OFFSET.value)}", ratio, OFFSET, OFFSET.unit, where=where)
    return Finding("pass", f"{seen}, within {number(OFFSET.value)}", ratio, OFFSET, OFFSET.unit)


def _sample(mean: float, deviation: float) -> tuple[Measurement, ...]:
    basis = "64 images of train.csv, with the constants of setting 'image_mean'"
    return (
        Measurement("inputs.sample_mean", mean, "units of the input", basis, items={"red": mean}),
        Measurement("inputs.sample_std", deviation, "units of the input", basis, items={"red": deviation}),
    )


def _of(name: str, value: float, **items: float) -> Measurement:
    return Measurement(name, value, "ratio", "manifest.csv", items=items)


EXAMPLES = (
    Example("temperatures in kelvin", (_of("inputs.declared_mean", 288.0), _of("inputs.declared_std", 12.0)), "warn"),
    Example("a column of years", (_of("inputs.feature_mean", 150.0, year=150.0),), "warn"),
    Example("constants of another scale", _sample(-2.1, 0.0046), "warn"),
    Example("grey X-rays with ImageNet's constants", _sample(0.35, 1.1), "pass"),
    Example("images in [0, 1]", (_of("inputs.declared_mean", 0.45), _of("inputs.declared_std", 0.27)), "pass"),
    Example("lengths of petals", (_of("inputs.feature_mean", 7.1, sepal_length=7.1),), "pass"),
    Example(
        "raw years that the loader scaled",
        (_of("inputs.feature_mean", 150.0), _of("inputs.feature_rms", 2000.0), _of("inputs.rms", 1.0)),
        "not-checked",
    ),
    Example("tokens", (Measurement("run.family", math.nan, "", "tags", text="language-model"),), "not-applicable"),
    Example("images that were logged", (Measurement("inputs.image_mean", 0.45, "share of white", "8 images of 1 tag"),), "not-checked"),
    Example("nothing tells", (), "not-checked"),
)
