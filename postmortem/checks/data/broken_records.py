"""Rows of the manifest that are broken

## What it looks for
The share of rows that could not be read as the others are: ragged lines, cells of the wrong type, records without the fields that they
need. It warns above 0.1 %, from 3 such rows on.

## Why it matters
What reads the same file for training skips these rows without a word, stops at them, or shifts their columns, so that a label stands
where a path should.

## What to do
Look at the lines that are named among the problems: mostly a separator or a quote inside a text, or a file that was written twice.

## When it is wrong
The training may have read another copy, or read it more leniently. A remark at the end of a table counts as a broken row.

## References
RFC 4180, on quotes and separators in CSV.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

BROKEN = Threshold(
    0.001,
    "share",
    source="the project's own choice: a stray line in a table of thousands is no sign of a fault",
    half="two bad lines in 3,000 are warned about",
    double="a file that lost a row in 600 passes",
)

SEVERAL = Threshold(
    3,
    "rows",
    source="the project's own choice: one or two are a remark or a last line that was cut",
    half="a remark in two lines below a small table is warned about",
    double="a table of a hundred rows that lost five passes",
)

NEEDS = ("data.rejected",)
FIGURE = "data-sets"


def judge(measured: Measured) -> Finding:
    broken = measured["data.rejected"]
    seen, where = f"{percent(broken.value)} of the manifest's rows could not be read", f" ({broken.basis})"
    few = broken.items.get("broken rows", SEVERAL.value) < SEVERAL.value
    if broken.value > BROKEN.value and not few:
        return Finding("warn", f"{seen}, above {percent(BROKEN.value)}{where}", broken.value, BROKEN, broken.unit)
    if not broken.value <= 1:
        return Finding("not-checked", f"{seen}{where}")
    return Finding(
        "pass", f"{seen}{where}" if broken.value else f"every row of the manifest could be read{where}", broken.value, BROKEN, broken.unit
    )


def _given(share: float, rows: float) -> tuple[Measurement, ...]:
    basis = f"{rows:.0f} rows of manifest.csv are broken and were left out"
    return (Measurement("data.rejected", share, "share", basis, items={"broken rows": rows}),)


EXAMPLES = (
    Example("texts with unquoted commas", _given(0.04, 400), "warn"),
    Example("a remark at the end of a small table", _given(0.01, 1), "pass"),
    Example("every row is whole", _given(0.0, 0), "pass"),
    Example("no manifest", (), "not-checked"),
)
