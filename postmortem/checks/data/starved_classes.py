"""Classes that were never learned

## What it looks for
The last metric of each class (recall, accuracy, F1, IoU, AP or precision, as logged) beside the class's training records. A class
is starved where its metric is at 0.02 or below. It alarms where the largest class has 10 times the records of a starved one or more,
and validation holds 5 records of that one or more. With fewer it does not judge; with an unknown number it warns. Starved classes that
are not rare are warned about: something else than imbalance keeps them down.

## Why it matters
The mean over records hides them: with 1 % of the records, a class that is never found costs 1 % of accuracy.

## What to do
Weight the loss by inverse frequency or sample classes evenly, and watch the metric of these classes. With a handful of records
collect more: no weight makes up for them.

## When it is wrong
The AP of a hard class can be near 0 for long. A metric that was logged
early in the run only is not its end.

## References
Cui, Jia, Lin, Song, Belongie 2019 (arXiv 1901.05555). Amazon SageMaker Debugger, ClassImbalance (mispredictions by class).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number

STARVED = Threshold(
    0.02,
    "share",
    source="the project's own choice: one record in fifty, which a guess among ten classes passes",
    half="classes of which one record in sixty is found pass",
    double="hard classes of detection sets count as starved",
)
RARE = Threshold(
    10.0,
    "ratio",
    source="Amazon SageMaker Debugger, rule ClassImbalance",
    half="classes of a fifth of the largest are called rare",
    double="starved classes of a fifteenth of the largest are put down to something else",
)
LEAST_RECORDS = Threshold(
    5.0,
    "records",
    source="of 5 records of a class that is found half of the time all are missed in 3 runs of 100",
    half="of two records all are missed by chance in a quarter of runs",
    double="small validation sets are only warned about",
)

NEEDS = ("classes.metric", "classes.imbalance")
USES = ("classes.metric_trend", "classes.validation_records")
CHECKLIST = ("balanced-classes",)
FIGURE = "classes"


def judge(measured: Measured) -> Finding:
    metric, sizes = measured["classes.metric"], measured["classes.imbalance"].items
    held = measured.get("classes.validation_records")
    judged = {
        label: value for label, value in metric.items.items() if sizes.get(label, 0) > 0 and (held is None or held.items.get(label, 1) > 0)
    }
    if not judged:
        return Finding("not-checked", f"no class of the manifest has a {metric.text} of its own in the log", None, STARVED)
    starved = {label: value for label, value in judged.items() if value <= STARVED.value}
    lowest = min(judged, key=lambda label: judged[label])
    if not starved:
        seen = f"every one of {len(judged)} classes is found, and the lowest {metric.text} is {number(judged[lowest])}, of {lowest[:40]!r}"
        return Finding("pass", seen, judged[lowest], STARVED, metric.unit)
    names = sorted(starved, key=lambda label: sizes[label])
    shown = ", ".join(f"{label[:40]!r} ({sizes[label]:.0f} records)" for label in names[:3])
    have = "has its" if len(starved) == 1 else "have their"
    seen = f"{len(starved)} of {len(judged)} classes {have} {metric.text} at {number(STARVED.value)} or below: {shown}"
    if len(starved) == len(judged):
        return Finding("warn", f"{seen}, so that no class was learned at all", judged[lowest], STARVED, metric.unit, where=tuple(names[:5]))
    largest = max(sizes.values())
    rare = [label for label in names if sizes[label] * RARE.value <= largest]
    if not rare:
        told = f"{seen}, but they are not rare beside the largest class with {largest:.0f}"
        return Finding("warn", told, judged[lowest], STARVED, metric.unit, where=tuple(names[:5]))
    seen += f", beside {largest:.0f} in the largest"
    trend = measured.get("classes.metric_trend")
    if trend is not None:
        seen += f", with a rank correlation of metric and size of {number(trend.value, 2)}"
    if held is None:
        told = f"{seen}, but how many records of them validation has is not known"
        return Finding("warn", told, judged[lowest], STARVED, metric.unit, where=tuple(rare[:5]))
    sure = [label for label in rare if held.items.get(label, 0) >= LEAST_RECORDS.value]
    if not sure:
        most = max(held.items.get(label, 0) for label in rare)
        told = f"{seen}, but of {most:.0f} validation records, fewer than {number(LEAST_RECORDS.value)}, all can be missed by chance"
        return Finding("not-checked", told, most, LEAST_RECORDS, LEAST_RECORDS.unit)
    return Finding("fail", seen, judged[lowest], STARVED, metric.unit, where=tuple(sure[:5]))


def _given(held: float | None = 20.0, **found: tuple[float, float]) -> tuple[Measurement, ...]:
    sizes = {label: records for label, (records, _) in found.items()}
    metrics = {label: value for label, (_, value) in found.items()}
    given = (
        Measurement("classes.metric", min(metrics.values()), "share", "tags like 'val/recall/cat'", 600, metrics, "recall"),
        Measurement("classes.imbalance", max(sizes.values()) / min(sizes.values()), "ratio", "manifest.csv", items=sizes),
    )
    if held is None:
        return given
    return (*given, Measurement("classes.validation_records", held, "records", "manifest.csv", items=dict.fromkeys(sizes, held)))


EXAMPLES = (
    Example("the rare class is never found", _given(cat=(900.0, 0.95), dog=(300.0, 0.8), emu=(12.0, 0.0)), "fail"),
    Example("the same, of two validation records", _given(2.0, cat=(900.0, 0.95), dog=(300.0, 0.8), emu=(12.0, 0.0)), "not-checked"),
    Example("the same, and no validation split is known", _given(None, cat=(900.0, 0.95), emu=(12.0, 0.0)), "warn"),
    Example("a class as large as others is never found", _given(cat=(300.0, 0.9), dog=(280.0, 0.0)), "warn"),
    Example("no class was learned", _given(cat=(900.0, 0.0), emu=(12.0, 0.0)), "warn"),
    Example("100 to 1, and all were learned", _given(cat=(900.0, 0.95), emu=(9.0, 0.6)), "pass"),
    Example("no metric by class", _given(cat=(900.0, 0.95), emu=(9.0, 0.6))[1:], "not-checked"),
)
