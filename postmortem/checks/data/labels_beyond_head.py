"""Labels numbered beyond the head

## What it looks for
The largest label of the manifest, where labels are whole numbers, beside the last matrix's rows, which labels from 0 on reach up to.
It alarms where the label has no row and the job's log has 1 or more messages of a refused label, or the loss is not finite.

## Why it matters
Labels that begin at 1 are one too large for a head as wide as there are classes. PyTorch stops at the first such batch; TensorFlow
gives NaN for it on a GPU, and trains on.

## What to do
Count labels from 0, in one place, where they are read. Tell the loss which label means "none".

## When it is wrong
Most programs number labels anew: a label beyond the head alone passes. The last matrix need not be the head.

## References
torch.nn.CrossEntropyLoss (targets in [0, C)). tf.nn.sparse_softmax_cross_entropy_with_logits: out-of-range labels give NaN on GPU.
"""

from __future__ import annotations

import math

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, kind_of_run

BEYOND = Threshold(
    1.0,
    "labels",
    source="by definition: a head of n rows has classes 0 to n - 1",
    half="the same, labels being whole",
    double="labels that begin at 1 pass",
)

NEEDS = ("classes.label_span", "weights.head_rows")
USES = ("job.label_faults", "loss.nonfinite", "run.family")
FIGURE = "classes"


def applies(measured: Measured) -> str:
    if measured.text("classes.label_span") == "names":
        return "labels are names, which a program numbers as it likes"
    family = measured.text("run.family")
    return "" if family in ("", "classification", "unknown") else f"{kind_of_run(family)} has no head with one unit a class"


def judge(measured: Measured) -> Finding:
    span, rows = measured["classes.label_span"], measured["weights.head_rows"].value
    beyond = span.value - rows + 1
    seen = f"labels run from {span.items['lowest']:.0f} to {span.value:.0f}, and the head has {counted(rows, 'row')}"
    if beyond >= BEYOND.value:
        seen += f", {counted(beyond, 'label')} too few"
    if beyond < BEYOND.value:
        return Finding("pass", seen, max(beyond, 0.0), BEYOND, BEYOND.unit)
    if span.items["classes"] > rows + 1:
        told = f"{seen} for {span.items['classes']:.0f} different labels: not their numbers are the matter, if this is their head"
        return Finding("not-checked", told, beyond, BEYOND, BEYOND.unit)
    refused, bad = measured.number("job.label_faults"), measured.number("loss.nonfinite")
    if refused:
        told = f"{seen}, so that {_largest(span)} has none, and the job's log has {counted(refused, 'message')} of a refused label"
        return Finding("fail", told, beyond, BEYOND, BEYOND.unit)
    if bad:
        told = (
            f"{seen}, so that {_largest(span)} has none, and {counted(bad, 'loss is', 'losses are')} "
            "NaN or infinite, as such labels make them"
        )
        return Finding("fail", told, beyond, BEYOND, BEYOND.unit, measured["loss.nonfinite"].first_step)
    return Finding("pass", f"{seen}: the program numbers them anew, or it could not have trained", beyond, BEYOND, BEYOND.unit)


def _largest(span: Measurement) -> str:
    ignored = span.value in (255.0, 32767.0) and span.items["classes"] < span.value
    return f"label {span.value:.0f}" + (", which often means 'none'," if ignored else "")


def _given(lowest: float, highest: float, rows: float, **more: float) -> tuple[Measurement, ...]:
    items = {"lowest": lowest, "highest": highest, "classes": min(highest - lowest + 1, 22.0)}
    return (
        Measurement("classes.label_span", highest, "label", "10 labels of manifest.csv", items=items),
        Measurement("weights.head_rows", rows, "rows", "last weight matrix in order: fc.weight"),
        *(Measurement(name.replace("_", ".", 1), value, "", "log") for name, value in more.items()),
    )


EXAMPLES = (
    Example("labels from 1, and a loss of NaN", _given(1, 10, 10, loss_nonfinite=80.0), "fail"),
    Example("a label of 255, and the job's last words", _given(0, 255, 21, job_label_faults=2.0), "fail"),
    Example("labels from 1 that a program counts down", _given(1, 10, 10, loss_nonfinite=0.0), "pass"),
    Example("labels from 0", _given(0, 9, 10, loss_nonfinite=80.0), "pass"),
    Example("one unit for two classes", _given(0, 1, 1), "pass"),
    Example("ratings from 1 to 5, and one output", _given(1, 5, 1, loss_nonfinite=80.0), "not-checked"),
    Example(
        "names", (Measurement("classes.label_span", math.nan, "", "manifest.csv", text="names"), *_given(0, 9, 10)[1:]), "not-applicable"
    ),
    Example("no manifest", _given(0, 9, 10)[1:], "not-checked"),
)
