"""Splits that differ in their classes or targets

## What it looks for
Class shares of validation or test against those of training, by a chi-square test with rare classes counted as one, and by the
size of the difference: 0 for equal shares, 1 for no class in common. It warns where the size is above 0.3 and random splits differ
so much with a probability below 1e-6; above 0.6 where splits share no group of records (patients, speakers), since a few groups
differ by chance. Numeric targets are held against each other in the same way: it warns where their means
differ by more than 0.5 standard deviations.

## Why it matters
Validation then measures another task than the one that is trained. A model that learned how frequent classes are is wrong about it
there, its probabilities are off, and the best checkpoint is chosen for the wrong mixture.

## What to do
Split again, class by class (stratified). Where the difference is meant, weight the loss or correct the logits by the log of the
ratio of the shares, and look at numbers by class.

## When it is wrong
Splits by time, place or patient differ by design, and show what will happen in use. A held-out split with equally many records of
each class, a training split that was made even by resampling, and splits that share almost no class (few-shot benchmarks; else the
check of missing classes alarms) are told as a pass. With some hundred records nothing is certain enough to warn. Records that come in
groups which no column names differ more than the test allows for.

## References
Cochran 1954, Some Methods for Strengthening the Common Chi-Square Tests. Cohen 1988, Statistical Power Analysis (0.3 is a medium
effect w, 0.5 a medium d). Bergsma 2013, A bias-correction for Cramer's V. Saerens, Latinne, Decaestecker 2002, on correcting for
new priors.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

FAR = Threshold(
    0.3,
    "effect",
    source="Cohen 1988: a medium effect w; two even classes against 80 to 20 give 0.31",
    half="splits by patient and other natural differences are warned about",
    double="two even classes against 95 to 5 pass",
)
SHIFTED = Threshold(
    0.5,
    "standard deviations",
    source="Cohen 1988: a medium effect d",
    half="small differences between sites or seasons are warned about",
    double="a validation set whose mean lies at training's upper sixth passes",
)
GROUPED = Threshold(
    0.6,
    "effect",
    source="own simulation: 10 classes, one a patient, 20 patients held out: 0.37 in half of all splits, above 0.54 in 1 of 100",
    half="splits by patient are warned about",
    double="no split by group is ever warned about",
)
CHANCE = Threshold(
    1e-6,
    "probability",
    source="the project's own choice: records of one group are no independent draws, which a p-value of 0.001 does not allow for",
    half="the same but for splits of a few hundred records",
    double="the same but for splits of a few hundred records",
)

NEEDS = ()
USES = (
    "classes.drift",
    "classes.drift_p",
    "classes.drift_shares",
    "classes.drift_evenness",
    "data.shared_groups",
    "data.target_shift",
    "data.target_shift_p",
)
CHECKLIST = ("balanced-classes",)
FIGURE = "classes"

EVEN = 0.98
"""Classes in effect over classes present, above which a split was made even on purpose."""
DISJOINT = 0.95
"""An effect at which splits share almost no class: whether that is meant is for the check of missing classes to say."""


def judge(measured: Measured) -> Finding:
    drift, p = measured.get("classes.drift"), measured.number("classes.drift_p")
    if drift is not None and p is not None and drift.value == drift.value and p == p:
        return _classes(measured, drift, p)
    shift, p = measured.get("data.target_shift"), measured.number("data.target_shift_p")
    if shift is not None and p is not None and shift.value == shift.value and p == p:
        return _targets(shift, p)
    return Finding(
        "not-checked",
        "no manifest tells classes or targets of two splits with 20 labelled records each",
        lacks=("classes.drift", "data.target_shift"),
    )


def _classes(measured: Measured, drift: Measurement, p: float) -> Finding:
    shares, evenness = measured.get("classes.drift_shares"), measured.get("classes.drift_evenness")
    pair = next(iter(drift.items), "").replace("|", " and ")
    moved = dict(shares.items) if shares is not None else {}
    seen = f"class shares of {pair or 'two splits'} differ by an effect size of {number(drift.value, 2)}"
    if shares is not None:
        seen += f" ({percent(shares.value)} of the records would have to change class)"
    if drift.value <= FAR.value:
        return Finding("pass", f"{seen}, within {number(FAR.value)}", drift.value, FAR, drift.unit)
    if p >= CHANCE.value:
        return Finding("pass", f"{seen}, which chance brings about with a probability of {number(p, 2)}", p, CHANCE, CHANCE.unit)
    if measured.number("data.shared_groups") == 0 and drift.value <= GROUPED.value:
        told = f"{seen}, within {number(GROUPED.value)} for splits by group"
        return Finding("pass", told, drift.value, GROUPED, drift.unit)
    if drift.value > DISJOINT:
        return Finding("pass", f"{seen}: they share almost no class, as in few-shot benchmarks", drift.value, FAR, drift.unit)
    even = [name for name, value in evenness.items.items() if value > EVEN] if evenness is not None else []
    if len(even) == 1:
        return Finding("pass", f"{seen}: what is {even[0]} was made even, by design", drift.value, FAR, drift.unit)
    most = ", ".join(f"{label[:40]!r} {change * 100:+.1f} percentage points" for label, change in list(moved.items())[:3])
    told = f"{seen}, above {number(FAR.value)}" + (f": {most}" if most else "")
    return Finding("warn", told, drift.value, FAR, drift.unit, where=tuple(list(moved)[:10]))


def _targets(shift: Measurement, p: float) -> Finding:
    pair = max(shift.items, key=lambda name: abs(shift.items[name]), default="")
    seen = f"mean targets of {pair.replace('|', ' and ') or 'two splits'} differ by {number(shift.value, 2)} standard deviations"
    if shift.value <= SHIFTED.value:
        return Finding("pass", f"{seen}, within {number(SHIFTED.value)}", shift.value, SHIFTED, shift.unit)
    if p >= CHANCE.value:
        return Finding("pass", f"{seen}, which chance brings about with a probability of {number(p, 2)}", p, CHANCE, CHANCE.unit)
    return Finding("warn", f"{seen}, above {number(SHIFTED.value)}", shift.value, SHIFTED, shift.unit, where=(pair,) if pair else ())


def _drift(effect: float, p: float, trained: float = 0.8, held_out: float = 0.7) -> tuple[Measurement, ...]:
    basis = "train and validation of manifest.csv"
    return (
        Measurement("classes.drift", effect, "effect", basis, items={"train|validation": effect}),
        Measurement("classes.drift_p", p, "probability", basis),
        Measurement("classes.drift_shares", effect, "share", basis, items={"yes": effect, "no": -effect}),
        Measurement("classes.drift_evenness", 0.5, "share", basis, items={"trained on": trained, "held out": held_out}),
    )


def _shift(shift: float, p: float) -> tuple[Measurement, ...]:
    basis = "targets of train and test in manifest.csv"
    return (
        Measurement("data.target_shift", abs(shift), "standard deviations", basis, items={"train|test": shift}),
        Measurement("data.target_shift_p", p, "probability", basis),
    )


EXAMPLES = (
    Example("validation was cut from the end of a sorted list", _drift(0.6, 1e-200), "warn"),
    Example("later targets are larger", _shift(1.3, 1e-80), "warn"),
    Example("a random split of 100 records", _drift(0.32, 0.02), "pass"),
    Example("five million records, a difference of 0.1 %", _drift(0.001, 1e-12), "pass"),
    Example("validation holds as many of each class", _drift(0.5, 1e-90, trained=0.3, held_out=1.0), "pass"),
    Example("splits by patient", (*_drift(0.4, 1e-90), Measurement("data.shared_groups", 0.0, "groups", "patients")), "pass"),
    Example("few-shot splits", _drift(1.0, 0.0), "pass"),
    Example("targets of a random split", _shift(0.02, 0.4), "pass"),
    Example("one split", (), "not-checked"),
)
