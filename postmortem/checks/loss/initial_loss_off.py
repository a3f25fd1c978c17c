"""First loss that is not at chance

## What it looks for
The first logged cross-entropy over the logarithm of the number of classes, which is what a model that knows nothing should
have. It alarms above 2 times chance and warns above 1.5.

## Why it matters
A first loss far above chance says that the model is confidently wrong before it has seen anything: weights too large, inputs
not normalized, or a loss that is summed instead of averaged, or misconfigured.

## What to do
Make the last layer's weights small and its bias the logarithm of the class shares; check the reduction of the loss and the
number of classes.

## When it is wrong
A first point well after the first step is not a first loss, and is not judged. A model that was trained before starts below
chance, and so does a mean over the first epoch: that passes. Losses with class weights, sums over heads, or auxiliary terms
have another chance level.

## References
CS231n, neural-networks-3: look for correct loss at chance performance (2.302 for 10 classes). Karpathy, A Recipe for Training
Neural Networks.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold

FAR_OFF = Threshold(
    2.0,
    "ratio",
    source="CS231n's test, with room for He initialization of the last layer (about 1.4 for 10 classes)",
    half="every run fails",
    double="a first loss of 9 for 10 classes is only warned",
)
OFF = Threshold(
    1.5,
    "ratio",
    source="as above",
    half="every run is warned",
    double="is above the line for failing",
)

NEEDS = ("loss.first_to_chance", "loss.first", "loss.chance")
USES = ("run.family", "run.batch_size", "run.pretrained")
CHECKLIST = ("initial-cross-entropy",)
FIGURE = "loss"

LOW = 0.5
"""Below half of chance something was known before the first point."""
NEAR = 0.15
"""How near the ratio must be to the batch size to be called a sum over the batch."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family and family not in ("classification", "language-model", "unknown"):
        return f"the loss of a run of family {family} is no cross-entropy over classes"
    return ""


def judge(measured: Measured) -> Finding:
    ratio, first, chance = measured["loss.first_to_chance"], measured["loss.first"], measured["loss.chance"]
    seen = f"first loss {first.value:.4g}, chance {chance.value:.4g} ({chance.basis.split(';')[0]}), ratio {ratio.value:.3g}"
    if ratio.value > OFF.value:
        batch = measured.number("run.batch_size")
        if batch is not None and batch > 1 and abs(ratio.value / batch - 1) <= NEAR:
            seen += f", as a sum over the batch of {batch:.0f} would be"
        if ratio.value > FAR_OFF.value:
            return Finding("fail", f"{seen}; the line is {FAR_OFF.value:g}", ratio.value, FAR_OFF, ratio.unit, ratio.first_step)
        return Finding("warn", f"{seen}; the line is {OFF.value:g}", ratio.value, OFF, ratio.unit, ratio.first_step)
    if ratio.value < LOW:
        why = (
            "weights are pre-trained"
            if measured.text("run.pretrained") == "true"
            else "a resumed or pre-trained model, a mean over an epoch, or a leak"
        )
        return Finding("pass", f"{seen}; below chance: {why}", ratio.value, OFF, ratio.unit)
    return Finding("pass", seen, ratio.value, OFF, ratio.unit)


def _given(first: float, batch: float | None = None, family: str = "classification") -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.first_to_chance", first / 2.3026, "ratio", "'train/loss'", 0),
        Measurement("loss.first", first, "loss", "'train/loss'", 0),
        Measurement("loss.chance", 2.3026, "nats", "ln(10); labels of manifest.csv"),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if batch is None else (*given, Measurement("run.batch_size", batch, "records", "setting"))


EXAMPLES = (
    Example("weights 12 times too large", _given(2775.0), "fail"),
    Example("a loss summed over a batch of 32", _given(74.0, 32.0), "fail"),
    Example("a last layer twice too large", _given(4.0), "warn"),
    Example("at chance", _given(2.35), "pass"),
    Example("a pre-trained model", _given(0.4), "pass"),
    Example("a regression", _given(140.0, family="regression"), "not-applicable"),
    Example("the number of classes is not known", (), "not-checked"),
)
