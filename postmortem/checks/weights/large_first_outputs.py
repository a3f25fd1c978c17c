"""First outputs far too large

## What it looks for
The root mean square of what the initial weights give, taken through the layers as random ReLU nets are, for inputs of unit scale.
It alarms above 10 where the first loss is as large as such outputs make it: 0.25 of them or more.

## Why it matters
Logits of deviation 10 are sure of wrong classes, and predictions ten deviations off give a hundred times the error of knowing
nothing: the run spends its first steps, or all of them, on taking them back.

## What to do
Draw hidden weights with standard deviation sqrt(2 / fan_in), and the last matrix smaller still.

## When it is wrong
Targets that are themselves in the tens or thousands need outputs as large. Inputs far from unit scale are left to their own check.

## References
Karpathy, A Recipe for Training Neural Networks (verify the loss at initialization). He, Zhang, Ren, Sun 2015 (arXiv 1502.01852).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number

FAR = Threshold(
    10.0,
    "rms",
    source="one decade above outputs of unit scale; He's initialization gives 1.4 and torch's default 0.2",
    half="wide heads under He's initialization by fan_out come near it",
    double="first losses of two hundred times that of knowing nothing pass",
)
EXPLAINED = 0.25
"""Share of the outputs' size that the first loss has at least. The cross-entropy of two logits of deviation s is 0.56 s where s is large,
of more classes it is more, and squared errors are s squared; the predicted outputs are right to a factor of 2."""
AT_CHANCE = 2.0
"""Outputs of deviation 10 raise a cross-entropy by several times chance: below twice chance they were not so large."""

NEEDS = ("signal.relu_output_rms", "loss.first")
USES = ("loss.first_to_chance", "inputs.rms", "inputs.rms_at_least", "run.pretrained", "run.settings_activation")
CHECKLIST = ("initial-cross-entropy", "init-shallow")
DOUBTS_ITEMS = ("initial-cross-entropy",)
FIGURE = "weight-variance"
BOUNDED = {"tanh", "sigmoid"}


def applies(measured: Measured) -> str:
    if measured.text("run.pretrained") == "true":
        return "the run starts from pre-trained weights"
    told = measured.text("run.settings_activation")
    return f"the hidden activation is {told}, which bounds what the layers give" if told in BOUNDED else ""


def judge(measured: Measured) -> Finding:
    found, first = measured["signal.relu_output_rms"], measured["loss.first"]
    inputs = max(1.0, measured.number("inputs.rms") or 1.0, measured.number("inputs.rms_at_least") or 1.0)
    output = found.value / inputs
    begun = f"the initial weights turn inputs of unit scale into outputs of rms {number(output)}"
    seen = f"{begun}, and the first loss is {number(first.value)}"
    to_chance = measured.number("loss.first_to_chance")
    if output > FAR.value and to_chance is not None and to_chance < AT_CHANCE:
        return Finding("pass", f"{seen}, {multiple(to_chance)} chance level: what the layers give is bounded", output, FAR, FAR.unit)
    if output > FAR.value and first.value >= EXPLAINED * output:
        return Finding(
            "fail",
            f"{begun}, above {number(FAR.value)}, and the first loss is {number(first.value)}",
            output,
            FAR,
            FAR.unit,
            found.first_step,
        )
    if output <= FAR.value or first.value < EXPLAINED * output:
        return Finding("pass", seen, output, FAR, FAR.unit)
    return Finding("not-checked", "outputs or first loss are no number")


def _given(output: float, first: float, inputs: float = 1.0) -> tuple[Measurement, ...]:
    return (
        Measurement("signal.relu_output_rms", output, "ratio", "weights at step 0", 0),
        Measurement("loss.first", first, "loss", "'train/loss'", 0),
        Measurement("inputs.rms", inputs, "units of the input", "second moments"),
    )


EXAMPLES = (
    Example("uniform weights between -1 and 1", _given(61.0, 2900.0), "fail"),
    Example("He's initialization", _given(1.4, 2.1), "pass"),
    Example("bounded units keep the loss at chance", _given(61.0, 2.3), "pass"),
    Example(
        "few classes, and a first loss near chance",
        (*_given(14.7, 2.41), Measurement("loss.first_to_chance", 1.05, "ratio", "ln(10)")),
        "pass",
    ),
    Example("large by the inputs alone", _given(61.0, 54.0, 60.0), "pass"),
    Example("no training loss", _given(61.0, 2.3)[:1], "not-checked"),
)
