"""Whether the validation loss and accuracy leave room for rare classes that are never found.

A model that knows the shares of the classes and never tells a rare class from the rest gives each of its records that class's share: these
records alone cost the sum of share times -ln share, and each of them is an error. A validation loss well below that cost, or fewer errors
than rare records, prove that rare classes were learned; nothing else in a mean over records does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from postmortem.measure.chance import CROSS_ENTROPIES
from postmortem.measure.data_sets import main_manifest, split_counts
from postmortem.measure.loss import basis_of
from postmortem.measure.roles import Roled, main, main_training_loss, main_validation_loss
from postmortem.measure.smooth import finite_points, smooth
from postmortem.model import Manifest, Measurement, Missing, counted, kind_of_run, percent

NAMES = ("loss.validation_to_rare", "accuracy.errors_to_rare")
RARE = 0.1
"""A class with at most this share of the largest one's records is rare."""
LEAST_RECORDS = 2
"""Fewer rare records in validation can be found by luck."""


def measure_rare(roled: Sequence[Roled], manifests: Sequence[Manifest], family: str) -> Iterator[Measurement | Missing]:
    """`loss.validation_to_rare` and `accuracy.errors_to_rare`: lowest loss over the cost, last errors over the share of rare records."""
    manifest = main_manifest(manifests)
    if manifest is None or manifest.labels not in ("", "single"):
        yield from (Missing(name, "no manifest tells the shares of single labels", "manifest") for name in NAMES)
        return
    counts, held = split_counts(manifest, "train"), manifest.counts.get("validation", {})
    largest, total, records = max(counts.values(), default=0), sum(counts.values()), sum(held.values())
    rare = {label: held.get(label, 0) for label, number in counts.items() if 0 < number <= RARE * largest and held.get(label, 0)}
    found = sum(rare.values())
    if found < LEAST_RECORDS:
        few = min(counts.values(), default=0) > 0 and min(counts.values()) > RARE * largest
        told = f"{manifest.source} holds {counted(found, 'validation record')} of rare classes"
        if few:
            told = f"no class is rare: the smallest has {percent(min(counts.values()) / largest)} of the records of the largest"
        yield from (Missing(name, told, "" if few or records else "manifest-splits", applies=not few) for name in NAMES)
        return
    cost = math.fsum(number / records * -math.log(counts[label] / total) for label, number in rare.items())
    said = f"{found} of {records} validation records are of {len(rare)} rare classes"
    yield _loss(roled, cost, said, family)
    yield _errors(roled, found / records, said)


def _loss(roled: Sequence[Roled], cost: float, said: str, family: str) -> Measurement | Missing:
    name = NAMES[0]
    validation = main_validation_loss(roled, main_training_loss(roled))
    if family not in CROSS_ENTROPIES:
        return Missing(name, f"the loss of {kind_of_run(family)} is not known to be a cross-entropy", "validation-loss")
    curve = None if validation is None else smooth(validation.series, 3)
    if curve is None:
        return Missing(name, "no validation loss with three points was logged", "validation-loss")
    basis = f"lowest level {curve.lowest:.4g} over {cost:.4g}, what rare classes cost that are never found: {said}; {basis_of(curve)}"
    return Measurement(name, curve.lowest / cost, "ratio", basis, curve.lowest_step)


def _errors(roled: Sequence[Roled], share: float, said: str) -> Measurement | Missing:
    name = NAMES[1]
    accuracy = main(roled, "accuracy", "validation")
    if accuracy is None:
        return Missing(name, "no accuracy on validation data was logged", "accuracy")
    steps, values = finite_points(accuracy.series)
    if values.size < 3:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {accuracy.series.tag!r}", "accuracy")
    values = values / 100.0 if values.max() > 1.5 else values
    errors = 1 - sorted(values[-max(3, values.size // 10) :])[-1]
    return Measurement(name, errors / share, "ratio", f"errors {errors:.2%} over {share:.2%}: {said}", int(steps[-1]))
