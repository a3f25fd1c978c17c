"""Records in more than one split

## What happens
Validation holds records of the training set, so that its numbers promise more than the model can do.

## How it shows
The same key, path or hash stands in two splits of the manifest.

## What to do
Split by record, and by group where records belong together; remove the shared ones from validation.

## How to confirm
Validate again without the shared records.

## When it is wrong
Keys that are unique only within a split (a running number per file) look shared and are not.

## References
Kaufman, Rosset, Perlich, Stitelman 2012, Leakage in Data Mining.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.02
EVIDENCE = (
    Evidence(5.5, "splits share records", alarm=("shared-records",)),
    Evidence(8.0, "splits share groups of records that belong together", alarm=("shared-groups",)),
    Evidence(
        0.5, "splits share records, and validation stands close to training", alarm=("shared-records",), passed=("wide-generalization-gap",)
    ),
    Evidence(1.0, "files of both splits have one name", alarm=("shared-names",)),
    Evidence(-5.0, "splits share no record", passed=("shared-records",)),
)


def summary(case: Case) -> str:
    return case.said("shared-records", "duplicate-records", otherwise="Splits share records.")


def fix(case: Case) -> str:
    return "Remove the shared records from validation and test, and split by a key that keeps copies and groups together."


def confirm(case: Case) -> str:
    return "Validate the last checkpoint again without the shared records: the loss should rise to its true value."


EXAMPLES = (
    CauseExample("a tenth of validation stands in training", "likely", fail=("shared-records",)),
    CauseExample("names of files are all that splits share", "unlikely", warn=("shared-names",)),
    CauseExample("disjoint splits", "unlikely", passed=("shared-records",)),
    CauseExample("nothing is known", "unlikely"),
)
