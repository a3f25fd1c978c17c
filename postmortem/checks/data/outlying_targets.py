"""Targets far out

## What it looks for
Numbers to predict of which one alone holds above 25 % of all squared deviations, in 100 records or more; a smallest or largest one
that is a usual sign for "not known" (-999, 9999, -32768, ...) and lies more than 3 interquartile ranges beyond the quartiles; and
NaN or infinite ones. It warns.

## Why it matters
A squared error follows the farthest records: a batch that holds one makes a gradient that is many times the others', the loss jumps,
and the optimizer's second moments remember it for long.

## What to do
Look at the farthest records first. Take out those that stand for "not known"; of the rest predict the logarithm, or use Huber's loss.

## When it is wrong
Prices, counts and durations have long tails by nature; a robust loss or a logarithm in the loader makes them harmless. The numbers are
those of the file.

## References
Tukey 1977, Exploratory Data Analysis (three interquartile ranges: far out). Huber 1964, Robust Estimation of a Location Parameter.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

HEAVY = Threshold(
    0.25,
    "share",
    source="own calculation: of 1,000 normal targets the farthest holds 1 % of the squares, of log-normal ones (sigma 1) about 12 %",
    half="log-normal targets of a thousand records are warned about",
    double="a slip that holds a third of all squares passes",
)
LEAST = Threshold(
    100,
    "records",
    source="own calculation: of 100 normal targets the farthest holds 7 % of the squares in half of all samples",
    half="ordinary sets of fifty records are warned about",
    double="a sentinel among 150 records passes",
)
FAR_OUT = Threshold(
    3.0,
    "interquartile ranges",
    source="Tukey 1977: values beyond are far out",
    half="a largest value of 999 among hundreds is taken for a sign",
    double="a sentinel of -999 among numbers up to 200 passes",
)

NEEDS = ("data.target_extreme_weight", "data.target_not_finite")
USES = ("data.target_extreme", "classes.kind")

SENTINELS = frozenset(
    {-1e30, 1e30, -9999.0, 9999.0, -99999.0, 99999.0, -999999.0, 999999.0, -999.0, 999.0, -32768.0, 32767.0, -2147483648.0}
)
"""What programs write for a number that is not known."""


def applies(measured: Measured) -> str:
    kind = measured.text("classes.kind")
    return "the manifest's labels are classes or texts, not numbers to predict" if kind and kind not in ("targets", "none") else ""


def judge(measured: Measured) -> Finding:
    weight, lost = measured["data.target_extreme_weight"], measured["data.target_not_finite"]
    extreme = measured.get("data.target_extreme")
    if lost.value > 0:
        told = f"{percent(lost.value)} of the targets are no finite numbers ({lost.basis}), where 0 should be"
        return Finding("warn", told, lost.value, HEAVY, lost.unit)
    for name in ("minimum", "maximum"):
        value = weight.items.get(name)
        if value in SENTINELS and (ranges := _beyond(weight, value)) is not None and ranges > FAR_OUT.value:
            sign = f"the {name} of the targets is {number(value)}, a usual sign for a number that is not known"
            told = f"{sign}, {number(ranges)} interquartile ranges beyond the quartiles"
            return Finding("warn", told, ranges, FAR_OUT, FAR_OUT.unit)
    scores = f" at {number(extreme.value)} standard deviations" if extreme is not None else ""
    seen = f"the farthest target{scores} holds {percent(weight.value)} of all squared deviations"
    records = extreme.value**2 / weight.value if extreme is not None and weight.value > 0 else None
    if weight.value > HEAVY.value and (records is None or records >= LEAST.value):
        return Finding("warn", f"{seen}, above {percent(HEAVY.value)} ({weight.basis})", weight.value, HEAVY, weight.unit)
    return Finding("pass", seen, weight.value, HEAVY, weight.unit)


def _beyond(found: Measurement, value: float) -> float | None:
    """How many interquartile ranges a value lies beyond the nearer quartile; None where quartiles are not known."""
    lower, upper = found.items.get("lower quartile"), found.items.get("upper quartile")
    if lower is None or upper is None or not upper > lower:
        return None
    return max(lower - value, value - upper) / (upper - lower)


def _given(weight: float, score: float, lost: float = 0.0, **items: float) -> tuple[Measurement, ...]:
    basis = "targets of column 'price' of manifest.csv"
    named = {name.replace("_", " "): value for name, value in items.items()}
    return (
        Measurement("data.target_extreme_weight", weight, "share", basis, items=named),
        Measurement("data.target_extreme", score, "standard deviations", basis, items=named),
        Measurement("data.target_not_finite", lost, "share", basis),
    )


EXAMPLES = (
    Example("one price with six zeros too many", _given(0.99, 99.0), "warn"),
    Example("targets that are NaN", _given(0.002, 4.0, lost=0.01), "warn"),
    Example("-999 for not known", _given(0.01, 9.0, minimum=-999.0, maximum=80.0, lower_quartile=10.0, upper_quartile=30.0), "warn"),
    Example("a largest count of 999", _given(0.01, 4.0, minimum=0.0, maximum=999.0, lower_quartile=300.0, upper_quartile=700.0), "pass"),
    Example("normal targets", _given(0.0015, 3.9), "pass"),
    Example("thirty normal targets", _given(0.2, 2.45), "pass"),
    Example("ten classes", (Measurement("classes.kind", float("nan"), "", "labels of manifest.csv", text="single"),), "not-applicable"),
    Example("no manifest", (), "not-checked"),
)
