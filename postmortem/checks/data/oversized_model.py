"""Model too large for the data

## What it looks for
More than 10 parameters for each training record, together with a validation loss that has turned up: more than 0.1
above its best, or more than 2 times the training loss at the end. Size alone never warns.

## Why it matters
Where validation gets worse while training goes on, capacity is spent on learning records by heart. A smaller model has
less of it to spend, and trains faster.

## What to do
Halve width or depth until training loss rises, or regularize: weight decay, dropout, augmentation, early stopping.

## When it is wrong
Most good models have more parameters than records. Validation may rise for another reason: stale normalization
statistics, shifted data, noisy labels. A training loss near zero makes the ratio of the two losses large without harm,
so that the rise counts first.

## References
Karpathy, A Recipe for Training Neural Networks (overfit, then regularize). Belkin, Hsu, Ma, Mandal 2019 (arXiv
1812.11118).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number, percent

LARGE = Threshold(
    10.0,
    "ratio",
    source="the project's own choice: with one decade more weights than records each can be learned by heart",
    half="models that cannot hold their data are named",
    double="perceptrons on small sets pass",
)
RISE = Threshold(
    0.1,
    "share",
    source="Amazon SageMaker Debugger, rule Overfit",
    half="the noise of small validation sets warns",
    double="validation 15 % above its best passes",
)
GAP = Threshold(
    2.0,
    "ratio",
    source="the project's own choice, used only with a rise beyond noise",
    half="dropout's usual gap warns",
    double="three times the training loss passes",
)

NEEDS = ("data.parameters_per_record",)
USES = ("validation.rise", "validation.rise_noise", "validation.gap", "run.family")
CHECKLIST = ("simplify-model",)

BEYOND_NOISE = 2.0


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"{kind_of_run(family)} is not judged by its validation loss" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    ratio = measured["data.parameters_per_record"]
    rise, noise, gap = measured.get("validation.rise"), measured.number("validation.rise_noise"), measured.number("validation.gap")
    seen = f"there are {number(ratio.value)} parameters for each training record"
    if ratio.value <= LARGE.value:
        return Finding("pass", seen, ratio.value, LARGE, ratio.unit)
    if rise is None:
        return Finding("not-checked", f"{seen}, and no validation loss tells whether that is too many", ratio.value, LARGE, ratio.unit)
    # A NaN compares as false, and so never reads as a rise within noise.
    certain = noise is not None and noise > BEYOND_NOISE
    if certain and rise.value > RISE.value:
        told = f"{seen}, above {number(LARGE.value)}, and the validation loss ends {percent(rise.value)} above its best"
        return Finding("warn", told, ratio.value, LARGE, ratio.unit, rise.first_step)
    if certain and rise.value > 0 and gap is not None and gap > GAP.value:
        told = f"{seen}, above {number(LARGE.value)}, and the validation loss ends at {number(gap)} times that of training, past its best"
        return Finding("warn", told, gap, GAP, GAP.unit, rise.first_step)
    if rise.value != rise.value:
        return Finding("not-checked", f"{seen}, and the validation loss is no number", ratio.value, LARGE, ratio.unit)
    return Finding("pass", f"{seen}, and the validation loss has not turned up", ratio.value, LARGE, ratio.unit)


def _given(ratio: float, **others: float) -> tuple[Measurement, ...]:
    return (
        Measurement("data.parameters_per_record", ratio, "ratio", "manifest.csv"),
        *(Measurement(name.replace("_", ".", 1), value, "ratio", "'val/loss' of events", 300) for name, value in others.items()),
    )


EXAMPLES = (
    Example("84 parameters a record and overfitted", _given(84.0, validation_rise=0.6, validation_rise_noise=9.0), "warn"),
    Example("a wide gap, just past the best", _given(84.0, validation_rise=0.05, validation_rise_noise=3.0, validation_gap=4.0), "warn"),
    Example("many parameters, validation still falls", _given(220.0, validation_rise=0.0, validation_rise_noise=0.0), "pass"),
    Example("a rise within noise", _given(220.0, validation_rise=0.2, validation_rise_noise=0.8), "pass"),
    Example("a small model that overfits has another fault", _given(2.0, validation_rise=0.6, validation_rise_noise=9.0), "pass"),
    Example("many parameters, no validation", _given(220.0), "not-checked"),
    Example("no manifest", (), "not-checked"),
)
