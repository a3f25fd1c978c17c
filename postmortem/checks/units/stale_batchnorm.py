"""Batch normalization whose running statistics do not follow

## What it looks for
Whether running means and variances arrived at the data's, or still walk away from their start in a straight line: 1 is a straight
line or no move at all, 0 means they arrived in the first window. At 0.65 and more it fails where the validation loss is at least
1.5 times the training loss or the statistics never left their start, and warns otherwise. A running variance above 1e8 fails as
well. So do statistics that count batches and keep every bit (1 layer or more), and a first variance above 2 times the most that the
weights can give inputs of unit variance, where the validation loss is 1.5 times the training loss.

## Why it matters
Training normalizes with the batch, validation with the running statistics. Where these are stale, the model is another one in
validation: it looks overfitted and is not.

## What to do
Give batch normalization its usual momentum (0.1 in torch: the weight of the new batch), let it see batches in training mode, and
recompute the statistics after averaging weights.

## When it is wrong
A frozen normalization of a pre-trained model keeps its statistics on purpose: only statistics that start at mean 0 and variance 1
are judged. Weights that drift steadily pull the statistics along.

## References
Own runs: 1.00, 1.09, 1.20, 1.30 with a momentum of 1e-5, 1.00, 1.57, 1.63 in a healthy twin. After 50 updates at momentum 0.1
half a percent of the start is left.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

LINEAR = Threshold(
    0.65,
    "ratio",
    source="half way between 0.42 and 0.88: tuning half, 0.91 to 1.05 with a momentum of 1e-5 to 1e-3, 0.0 to 0.42 with 0.1 and 0.01",
    half="nets whose weights drift are warned",
    double="the measure ends near 1: nothing would be told",
)
APART = Threshold(
    1.5,
    "ratio",
    source="validation loss over training loss that a sound model of this check's kind does not have",
    half="every run would be told",
    double="stale statistics of well-scaled nets are warned of only",
)
HUGE = Threshold(
    1e8,
    "ratio",
    source="own: activations of ten thousand standard deviations",
    half="unnormalized inputs in the thousands are still below",
    double="the same: runaways pass every line",
)

STOPPED = Threshold(
    1.0,
    "layers",
    source="a running average of batches that differ never repeats itself to the last bit",
    half="the same: there is no half of a layer",
    double="nets with one such layer pass",
)
EXCESS = Threshold(
    2.0,
    "ratio",
    source="(sum of |w|)^2 bounds the variance of any inputs of unit variance; twice that for inputs that are not quite normalized",
    half="the bound itself, which a single pixel of large variance can pass",
    double="statistics of inputs six times too large are the first that are seen",
)

NEEDS = ("batchnorm.layers",)
USES = ("batchnorm.staleness", "batchnorm.tracked", "batchnorm.variance_max", "batchnorm.stopped", "batchnorm.excess", "validation.gap")


def applies(measured: Measured) -> str:
    return "the net has no batch normalization with running statistics" if measured.number("batchnorm.layers") == 0 else ""


def judge(measured: Measured) -> Finding:
    variance, stale, gap = measured.get("batchnorm.variance_max"), measured.get("batchnorm.staleness"), measured.number("validation.gap")
    if not measured["batchnorm.layers"].value > 0:
        return Finding("not-checked", "the number of normalization layers is not a number")
    if variance is not None and variance.value > HUGE.value:
        where = tuple(
            sorted((name for name in variance.items if variance.items[name] > HUGE.value), key=lambda name: -variance.items[name])
        )
        reason = f"a running variance reached {number(variance.value, 2)}, above {number(HUGE.value, 2)}"
        return Finding("fail", reason, variance.value, HUGE, variance.unit, variance.first_step, where)
    stopped, excess = measured.get("batchnorm.stopped"), measured.get("batchnorm.excess")
    if stopped is not None and stopped.value >= STOPPED.value:
        reason = f"{counted(stopped.value, 'batch-norm layer')} counted batches and kept their statistics to the last bit ({stopped.basis})"
        return Finding("fail", reason, stopped.value, STOPPED, stopped.unit, stopped.first_step, tuple(stopped.items))
    if excess is not None and excess.value > EXCESS.value and gap is not None and gap >= APART.value:
        reason = f"the running variance is {number(excess.value)} times the most that weights can give inputs of unit variance"
        reason += f", and the validation loss is {number(gap, 2)} times the training loss"
        return Finding("fail", reason, excess.value, EXCESS, excess.unit, None, (excess.text,) if excess.text else ())
    if stale is None:
        return Finding("not-checked", "it takes checkpoints from the start and two later ones to see running statistics move")
    where = tuple(sorted((name for name in stale.items if stale.items[name] >= LINEAR.value), key=lambda name: -stale.items[name]))
    if stale.text == "untouched":
        tracked = measured.number("batchnorm.tracked")
        per_step = f", and its counter holds {number(tracked, 2)} batches a step" if tracked is not None else ""
        reason = f"the running statistics of {counted(len(where), 'layer')} never left mean 0 and variance 1{per_step}"
        return Finding("fail", reason, stale.value, LINEAR, stale.unit, stale.first_step, where)
    seen = f"batch norm's running statistics move with a linearity of {number(stale.value, 2)} (0: arrived at once, 1: never arrived)"
    if stale.value >= LINEAR.value:
        if gap is not None and gap >= APART.value:
            reason = f"{seen}, and the validation loss is {number(gap, 2)} times the training loss"
            return Finding("fail", reason, stale.value, LINEAR, stale.unit, stale.first_step, where)
        return Finding("warn", seen, stale.value, LINEAR, stale.unit, stale.first_step, where)
    if stale.value < LINEAR.value:
        return Finding("pass", seen, stale.value, LINEAR, stale.unit)
    return Finding("not-checked", "the linearity of the running statistics is not a number")


def _layers(count: int) -> Measurement:
    return Measurement("batchnorm.layers", count, "layers", "tensors called running_var")


def _stale(value: float, word: str = "") -> Measurement:
    return Measurement("batchnorm.staleness", value, "ratio", "2 layers, 7 checkpoints", None, {"bn1.running_var": value}, word)


def _gap(value: float) -> Measurement:
    return Measurement("validation.gap", value, "ratio", "last levels")


EXAMPLES = (
    Example("a momentum of 1e-5", (_layers(2), _stale(1.02), _gap(3.0)), "fail"),
    Example("never in training mode", (_layers(2), _stale(1.0, "untouched")), "fail"),
    Example("a variance that ran away", (_layers(2), Measurement("batchnorm.variance_max", 3e9, "ratio", "step 600", 600)), "fail"),
    Example(
        "a momentum of 0 since the second checkpoint",
        (_layers(2), _stale(0.3), Measurement("batchnorm.stopped", 2.0, "layers", "step 200 to step 300", 200, {"bn1.running_var": 100.0})),
        "fail",
    ),
    Example(
        "raw inputs in training mode",
        (
            _layers(2),
            _stale(0.3),
            _gap(20.0),
            Measurement("batchnorm.excess", 7.0, "ratio", "bn1.running_var", 300, text="bn1.running_var"),
        ),
        "fail",
    ),
    Example("straight without a gap", (_layers(2), _stale(0.9), _gap(1.05)), "warn"),
    Example("a healthy net", (_layers(2), _stale(0.14), _gap(1.1)), "pass"),
    Example("no batch normalization", (_layers(0),), "not-applicable"),
    Example("no checkpoint", (), "not-checked"),
    Example("one checkpoint", (_layers(2),), "not-checked"),
)
