"""A file cannot be what it should be

## What happens
A checkpoint or log was cut off while it was written, or damaged afterwards.

## How it shows
A file's own structure contradicts itself: a missing directory at the end of a zip, offsets beyond the end, a checksum that does
not match. Or its weights are such as no training makes: not finite in one file and sound in the next.

## What to do
Use the previous whole file; write to a temporary name and rename when done.

## How to confirm
Copy the file again from its source and compare sizes.

## When it is wrong
A file that is still being written or copied looks cut off. An event file's last record is often incomplete while the job runs,
and does not count.

## References
TFRecord and zip format definitions; safetensors format.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(12.0, "files are damaged", alarm=("damaged-files",)),
    Evidence(12.0, "weights are spoiled in one file alone", alarm=("spoiled-weights",)),
    Evidence(5.0, "the averaged weights, which are what is kept, are no numbers while the model is sound", alarm=("poisoned-average",)),
    Evidence(0.5, "files of the data set are missing or empty", alarm=("missing-files",)),
    Evidence(0.5, "images of the data set cannot be read", alarm=("unreadable-images",)),
    Evidence(0.5, "rows of the manifest are broken", alarm=("broken-records",)),
    Evidence(-5.0, "every file is whole", passed=("damaged-files",)),
    Evidence(3.0, "the checkpoints hold weights that were not trained", alarm=("stale-copies",)),
    Evidence(9.0, "an element differs from what it was by one bit", alarm=("flipped-bits",)),
    Evidence(3.0, "whole files can hold turned bits", alarm=("flipped-bits",), passed=("damaged-files",)),
)


def summary(case: Case) -> str:
    return case.said("damaged-files", "spoiled-weights", "poisoned-average", otherwise="A file is damaged.")


def fix(case: Case) -> str:
    files = case.where("damaged-files")
    if not files and case.where("poisoned-average"):
        return "Set the moving average to the model's own weights, which are finite, and update it only by finite weights."
    instead = f"Use another file than {', '.join(files[:3])}" if files else "Use a file that is whole"
    return f"{instead}, or a new copy from its source; save to a temporary name and rename it when it is complete."


def confirm(case: Case) -> str:
    return "Copy the damaged files again from their source: if they are damaged there too, the job wrote them so."


EXAMPLES = (
    CauseExample("a truncated checkpoint", "likely", warn=("damaged-files",)),
    CauseExample("an average that is not finite in a whole file", "unlikely", fail=("poisoned-average",), passed=("damaged-files",)),
    CauseExample("NaN in one file, and whole files", "likely", fail=("spoiled-weights",), passed=("damaged-files",)),
    CauseExample("whole files", "unlikely", passed=("damaged-files",)),
    CauseExample("nothing is known", "unlikely"),
)
