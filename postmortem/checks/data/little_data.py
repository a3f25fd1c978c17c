"""Few records for the model

## What it looks for
Training records for each class, parameters for each record, and passes over the data. It warns below 20 records a class
where the model has more than 10 parameters a record, and above 1000 parameters a record where the data are passed over
more than 50 times.

## Why it matters
A model with many more parameters than records can learn every record by heart, and with few records of a class nothing
tells which of its traits matter.

## What to do
Collect more, augment, start from pre-trained weights, or take a smaller model. Keep the weights of the best validation
loss.

## When it is wrong
Pre-trained weights need few records, so that a run with them is left out. Trained well, networks with far more
parameters than records generalize: hence only a warning, and nothing for a single pass over large data.

## References
Zhang, Bengio, Hardt, Recht, Vinyals 2017 (arXiv 1611.03530). Belkin, Hsu, Ma, Mandal 2019 (arXiv 1812.11118).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, number

FEW = Threshold(
    20.0,
    "records a class",
    source="seeded run with 12 records a class, which overfitted; 50 and more did not",
    half="runs with a dozen records a class pass",
    double="small teaching sets such as Iris are warned about",
)
LARGE = Threshold(
    10.0,
    "parameters a record",
    source="the project's own choice: linear models on few records stay unnamed",
    half="models of a few hundred weights are warned about",
    double="small perceptrons on a hundred records pass",
)
HUGE = Threshold(
    1000.0,
    "parameters a record",
    source="the project's own choice, above the 220 of ResNet-18 on CIFAR-10",
    half="common image models on common sets are warned about",
    double="a million weights on a few hundred records pass",
)
REPEATED = Threshold(
    50.0,
    "epochs",
    source="the project's own choice, together with 1000 parameters a record",
    half="ordinary schedules of 30 epochs are warned about",
    double="fewer than a hundred passes never warn",
)

NEEDS = ("data.training_records", "data.parameters_per_record")
USES = ("classes.count", "data.epochs", "run.pretrained", "run.family")
CHECKLIST = ("simplify-model",)
FIGURE = "data-sets"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family in ("rl", "gan"):
        return f"{kind_of_run(family)} does not learn from the manifest's records alone"
    return "weights are pre-trained, and need few records" if measured.text("run.pretrained") == "true" else ""


def judge(measured: Measured) -> Finding:
    records, ratio = measured["data.training_records"].value, measured["data.parameters_per_record"]
    classes, epochs = measured.number("classes.count"), measured.number("data.epochs")
    seen = f"there are {number(ratio.value)} parameters for each of {records:.0f} training records"
    if classes is not None and classes >= 1 and records / classes < FEW.value and ratio.value > LARGE.value:
        told = f"{seen}, and {number(records / classes)} records for each of {classes:.0f} classes, fewer than {number(FEW.value)}"
        return Finding("warn", told, records / classes, FEW, FEW.unit)
    if ratio.value > HUGE.value and epochs is not None and epochs > REPEATED.value:
        return Finding("warn", f"{seen}, above {number(HUGE.value)}, and {number(epochs)} passes over them", ratio.value, HUGE, HUGE.unit)
    return Finding("pass", seen, ratio.value, HUGE, HUGE.unit)


def _given(records: float, ratio: float, classes: float, **others: float) -> tuple[Measurement, ...]:
    basis = "rows of manifest.csv"
    return (
        Measurement("data.training_records", records, "records", basis),
        Measurement("data.parameters_per_record", ratio, "ratio", basis),
        Measurement("classes.count", classes, "classes", basis),
        *(Measurement(name.replace("_", ".", 1), value, "", basis) for name, value in others.items()),
    )


EXAMPLES = (
    Example("120 records of ten classes", _given(120.0, 84.0, 10.0), "warn"),
    Example("a large model on a thousand records, 200 passes", _given(1000.0, 11000.0, 2.0, data_epochs=200.0), "warn"),
    Example("a large model, one pass", _given(100000.0, 1250.0, 10.0, data_epochs=1.0), "pass"),
    Example("a residual net on 50,000 images", _given(50000.0, 220.0, 10.0, data_epochs=200.0), "pass"),
    Example("a linear model on 120 records", _given(120.0, 0.1, 3.0), "pass"),
    Example(
        "fine-tuning on 120 records",
        (*_given(120.0, 90000.0, 10.0), Measurement("run.pretrained", float("nan"), "", "settings", text="true")),
        "not-applicable",
    ),
    Example("no manifest", (), "not-checked"),
)
