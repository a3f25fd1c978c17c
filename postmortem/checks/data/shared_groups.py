"""Groups in more than one split

## What it looks for
Groups of records that belong together (a patient, a speaker, a scene, a recording) and stand in the training split as well as in a
held-out one. It warns from 10 shared groups on.

## Why it matters
Records of one patient or speaker resemble each other. A model that knows the patient knows the answer, so that validation promises
more than new patients will show.

## What to do
Split by group (`GroupKFold`, `GroupShuffleSplit`), and give each group to one split.

## When it is wrong
Where the model is meant for the same people, sites or machines, sharing them is right: a recommender knows its users, speakers are
identified among those trained on, and a model of time series goes on with the same series. A handful of shared groups (sites,
scanners) is how data are collected. So it never fails a run.

## References
Kaufman, Rosset, Perlich, Stitelman 2012, Leakage in Data Mining. Roberts et al. 2017, Cross-validation strategies for data with
temporal, spatial, hierarchical, or phylogenetic structure.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

SHARED = Threshold(
    10.0,
    "groups",
    source="the project's own choice: fewer are sites, devices or the few speakers that a set is made of",
    half="sets from half a dozen sites are warned about",
    double="a dozen patients in both splits pass",
)

NEEDS = ("data.shared_groups",)
FIGURE = "data-sets"


def judge(measured: Measured) -> Finding:
    shared = measured["data.shared_groups"]
    pairs = tuple(pair.replace("|", " and ") for pair in shared.items)
    if shared.value >= SHARED.value:
        told = f"{counted(shared.value, 'group stands', 'groups stand')} in two splits ({shared.basis}), at least {number(SHARED.value)}"
        return Finding("warn", told, shared.value, SHARED, shared.unit, where=pairs)
    if shared.value > 0:
        told = f"{counted(shared.value, 'group stands', 'groups stand')} in two splits ({shared.basis}), fewer than {number(SHARED.value)}"
        return Finding("pass", told, shared.value, SHARED, shared.unit)
    if not shared.value <= 0:
        return Finding("not-checked", f"the number of shared groups is no number ({shared.basis})")
    return Finding("pass", f"no group stands in training and another split ({shared.basis})", 0.0, SHARED, shared.unit)


def _given(count: float) -> tuple[Measurement, ...]:
    basis = f"groups of column 'patient_id' of manifest.csv: {count:.0f} in train and validation"
    return (Measurement("data.shared_groups", count, "groups", basis, items={"train|validation": count} if count else {}),)


EXAMPLES = (
    Example("images were split, not patients", _given(812.0), "warn"),
    Example("patients were split", _given(0.0), "pass"),
    Example("three scanners", _given(3.0), "pass"),
    Example("no column of groups", (), "not-checked"),
)
