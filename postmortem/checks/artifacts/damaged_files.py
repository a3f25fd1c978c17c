"""Damaged files

## What it looks for
Checkpoints, logs and manifests that contradict their own format: a zip without its directory, offsets beyond the end, a checksum
that does not match. It warns at 1 file or more.

## Why it matters
A checkpoint that was cut off while it was written cannot be resumed from, and often tells when and why the job ended.

## What to do
Go back to the last whole file. Save to a temporary name and rename it when it is complete.

## When it is wrong
A file that is still being written or copied looks cut off. The unfinished last record of an event file does not count, since writers
append to it while the job runs.

## References
Zip (PKWARE APPNOTE 4.3.16), safetensors and TFRecord format definitions.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

DAMAGED = Threshold(
    1,
    "files",
    source="by definition: whole files contradict nothing",
    half="the same, files being counted whole",
    double="a run whose only damaged file is its last checkpoint passes",
)

NEEDS = ("files.damaged",)


def judge(measured: Measured) -> Finding:
    damaged = measured["files.damaged"]
    if not damaged.value < DAMAGED.value:
        names = tuple(damaged.items)
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return Finding(
            "warn", f"{counted(damaged.value, 'file is', 'files are')} damaged: {listed}", damaged.value, DAMAGED, damaged.unit, None, names
        )
    return Finding("pass", f"none of the {damaged.basis} is damaged", damaged.value, DAMAGED, damaged.unit)


EXAMPLES = (
    Example(
        "a checkpoint without its zip directory",
        (Measurement("files.damaged", 1, "files", "6 files looked at", items={"step_500.pt": 1}),),
        "warn",
    ),
    Example("whole files", (Measurement("files.damaged", 0, "files", "6 files looked at"),), "pass"),
    Example("no files of a known kind", (), "not-checked"),
)
