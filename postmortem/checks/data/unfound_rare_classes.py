"""Rare classes that validation does not show to be found

## What it looks for
Classes with a tenth of the largest one's records or fewer: the errors on validation records over the share of records of these classes
there, and the lowest validation loss over what these records cost a model that gives them their share and no more. Where the errors
are fewer than 0.5 of the rare records, or the loss is below 0.35 of that cost, rare classes were learned, and it passes. It fails where
errors and rare records are as many, between 0.8 and 1.3 times. Where there are more errors than that, or the loss alone is known
and at least as high as the cost, nothing is proved: then it warns if a class has fewer than 10 training records or a hundredth of the
largest one's.

## Why it matters
Accuracy and loss are means over records. With 1 % of the records, classes that are never found cost 1 % of accuracy.

## What to do
Log the recall of each class. Weight the loss by inverse frequency, sample classes evenly, or collect more of the rare ones.

## When it is wrong
Errors may be as many as the rare records and fall on other records. The validation split of the manifest must be the one that was
evaluated. Class weights in the loss raise it on frequent classes.

## References
Japkowicz and Stephen 2002, The Class Imbalance Problem. The cost is the cross-entropy of the shares, as in Karpathy's input-independent
baseline (A Recipe for Training Neural Networks).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, multiple, number

AS_MANY = Threshold(
    0.8,
    "errors a record",
    source="all rare records missed but for a fifth, which luck may find",
    half="rare classes of which half is found fail",
    double="only runs with errors on frequent classes too are seen",
)
LEARNED = Threshold(
    0.5,
    "of missing them all",
    source="at least half of the rare records must have been found, whatever else went wrong",
    half="runs that found three of four rare records stay open",
    double="runs that found none pass",
)
CHEAP = Threshold(
    0.35,
    "of missing them all",
    source="tuning half: 0.55 and above where no rare record was found, 0.27 to 0.40 where half of them were",
    half="runs that learned rare classes stay open",
    double="runs that found none pass",
)
FEW = Threshold(
    10.0,
    "records",
    source="the project's own choice: fewer than ten examples do not show how a class varies",
    half="classes of five to nine records are not warned about",
    double="small sets with one smaller class are warned",
)
MORE = 1.3
"""More errors than this many times the rare records fall on frequent classes too."""
FAR = 100.0
NEEDS = ("classes.imbalance",)
USES = ("loss.validation_to_rare", "accuracy.errors_to_rare", "run.class_weights")
ASIDES = ("run.class_weights",)
CHECKLIST = ("balanced-classes",)
LEADS_ITEMS = ("balanced-classes",)
FIGURE = "classes"


def judge(measured: Measured) -> Finding:
    imbalance = measured["classes.imbalance"]
    counts = {label: records for label, records in imbalance.items.items() if records > 0}
    errors, loss = measured.get("accuracy.errors_to_rare"), measured.get("loss.validation_to_rare")
    if errors is None and loss is None:
        lacks = ("accuracy.errors_to_rare", "loss.validation_to_rare")
        return Finding("not-checked", "neither errors nor the loss of validation are known", lacks=lacks)
    rarest = tuple(sorted(counts, key=lambda label: counts[label])[:5])
    fewest = min(counts.values(), default=float("inf"))
    told = []
    if errors is not None:
        shown = number(errors.value, 2)
        told.append(f"there {'is 1 validation error' if shown == '1' else f'are {shown} validation errors'} for each rare-class record")
    if loss is not None:
        told.append(f"the validation loss is at best {multiple(loss.value)} what missing them all would cost")
    seen = ", and ".join(told)
    if errors is not None and errors.value < LEARNED.value:
        return Finding("pass", seen, errors.value, LEARNED, LEARNED.unit)
    if loss is not None and loss.value < CHEAP.value:
        return Finding("pass", seen, loss.value, CHEAP, CHEAP.unit)
    if errors is not None and AS_MANY.value <= errors.value <= MORE:
        return Finding("fail", seen, errors.value, AS_MANY, AS_MANY.unit, where=rarest)
    open_still = errors.value > MORE if errors is not None else loss is not None and loss.value >= 1.0
    if open_still and measured.text("run.class_weights") != "true" and (fewest < FEW.value or imbalance.value >= FAR):
        return Finding(
            "warn", f"{seen}, with {counted(fewest, 'training record')} of the rarest class", fewest, FEW, FEW.unit, where=rarest
        )
    return Finding("not-checked", f"{seen}, which tells neither way")


def _given(fewest: float, errors: float | None, loss: float | None) -> tuple[Measurement, ...]:
    counts = {"common": 900.0, "rare": fewest}
    given = [Measurement("classes.imbalance", 900.0 / fewest, "ratio", "manifest.csv", items=counts)]
    if errors is not None:
        given.append(Measurement("accuracy.errors_to_rare", errors, "ratio", "'val/acc', manifest.csv"))
    if loss is not None:
        given.append(Measurement("loss.validation_to_rare", loss, "ratio", "'val/loss', manifest.csv"))
    return tuple(given)


EXAMPLES = (
    Example("every rare record is an error", _given(9.0, 1.0, 0.6), "fail"),
    Example("three records, and nothing shows that they were learned", _given(3.0, None, 1.6), "warn"),
    Example("the same with fifty records", _given(50.0, None, 1.6), "not-checked"),
    Example("more errors than rare records, of classes with plenty", _given(50.0, 2.5, 3.0), "not-checked"),
    Example("most rare records were found", _given(9.0, 0.2, 0.3), "pass"),
    Example("a loss that rare classes leave no room in", _given(9.0, None, 0.2), "pass"),
    Example("no validation", _given(9.0, None, None), "not-checked"),
    Example("no manifest", (), "not-checked"),
)
