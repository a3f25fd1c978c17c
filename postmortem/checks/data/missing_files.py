"""Files of the data set missing or empty

## What it looks for
Files that the manifest names, as far as they were looked for on this machine. It warns where above 1 % are not there while most
are, and about any that has 0 bytes.

## Why it matters
A loader that skips what it cannot open trains on less than is thought, and one that does not ends the job in the middle of an epoch.

## What to do
Copy the data again and compare sizes, or take the lines out of the manifest.

## When it is wrong
The folder may hold a part of the data set that was brought along for the analysis. Where above 50 % are missing nothing is said of
the training's own copy. Only a sample of the names may have been looked up.

## References
The project's own catalogue, M8.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

LOST = Threshold(
    0.01,
    "share",
    source="the project's own choice: fewer do not change what is learned",
    half="a few lost files among hundreds are warned about",
    double="one lost file in sixty passes",
)
ELSEWHERE = Threshold(
    0.5,
    "share",
    source="the project's own choice: most of the data lie on another machine",
    half="a copy that lost a third of its files is taken for a part",
    double="a folder with a few samples is warned about",
)

NEEDS = ("data.missing_files", "data.empty_files")
FIGURE = "data-sets"


def judge(measured: Measured) -> Finding:
    missing, empty = measured["data.missing_files"], measured["data.empty_files"]
    where = tuple(list(missing.items)[:5])
    if empty.value > 0:
        told = f"{percent(empty.value)} of the files that are there have 0 bytes ({empty.basis})"
        return Finding("warn", told, empty.value, LOST, empty.unit, where=where)
    if missing.value > ELSEWHERE.value:
        told = f"{percent(missing.value)} of the named files are not on this machine, which tells nothing of the training's"
        return Finding("not-checked", told, missing.value, ELSEWHERE, missing.unit)
    if missing.value > LOST.value:
        told = f"{percent(missing.value)} of the named files are missing, above {percent(LOST.value)} ({missing.basis})"
        return Finding("warn", told, missing.value, LOST, missing.unit, where=where)
    return Finding(
        "pass",
        f"{percent(missing.value)} of the named files are missing, and none is empty"
        if missing.value
        else "every named file is there and filled",
        missing.value,
        LOST,
        missing.unit,
    )


def _given(missing: float, empty: float = 0.0) -> tuple[Measurement, ...]:
    basis = "1000 files that manifest.csv names were looked for"
    return (
        Measurement("data.missing_files", missing, "share", basis, items={"images/0007.jpg": 1.0} if missing or empty else {}),
        Measurement("data.empty_files", empty, "share", basis),
    )


EXAMPLES = (
    Example("every tenth file is gone", _given(0.1), "warn"),
    Example("a copy that ran out of disk", _given(0.0, 0.2), "warn"),
    Example("all files are there", _given(0.0), "pass"),
    Example("one of a thousand is gone", _given(0.001), "pass"),
    Example("a sample was brought along", _given(0.99), "not-checked"),
    Example("nothing was looked for", (), "not-checked"),
)
