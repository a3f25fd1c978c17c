"""Numbers of classes from the dataset manifest that speaks for a run, and all else that manifests tell. Pure numbers, no file.

Probabilities are shares of labelled records; entropies are in nats. Where a record has several labels or objects, shares of labels are no
probabilities of a record's class: then the entropies that a loss is compared with are missing, and say why.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from postmortem.measure.class_shares import binary_entropy, cross_entropy, entropy, odd_names, runs_z
from postmortem.measure.data_sets import (
    class_names,
    label_kind,
    label_totals,
    main_manifest,
    put_together,
    split_counts,
    training_records,
)
from postmortem.measure.drift import CLASS_DRIFT, TARGET_DRIFT, measure_class_drift, measure_target_drift
from postmortem.measure.epochs import SIZE_NAMES, measure_sizes
from postmortem.measure.named_files import FILE_NAMES, measure_named_files
from postmortem.measure.records import RECORD_NAMES as COUNT_NAMES
from postmortem.measure.records import measure_records, shuffled
from postmortem.measure.targets import TARGET_NAMES, measure_targets
from postmortem.model import LabelKind, Manifest, Measurement, Missing, Plain, counted

__all__ = [
    "CLASS_NAMES",
    "RECORD_NAMES",
    "cross_entropy",
    "entropy",
    "main_manifest",
    "measure_classes",
    "runs_z",
    "split_counts",
    "training_records",
]

CLASS_NAMES = (
    "classes.kind",
    "classes.count",
    "classes.imbalance",
    "classes.effective",
    "classes.prior_entropy",
    "classes.binary_entropy",
    "classes.largest_share",
    "classes.missing",
    "classes.unused",
    "classes.odd_names",
    "classes.head_difference",
    "classes.validation_cross_entropy",
    *CLASS_DRIFT,
)
RECORD_NAMES = (*COUNT_NAMES, *SIZE_NAMES, *FILE_NAMES, *TARGET_NAMES, *TARGET_DRIFT)
UNKNOWN_TO_TRAINING = 0.01
"""Share of validation records whose class training lacks, up to which they are left out of the cross-entropy."""
MOST_LACKING = 10_000
"""Gaps of classes in splits that are named one by one; all are counted."""

NORMAL = frozenset({"good", "normal", "ok", "healthy", "nominal", "no defect", "no_defect", "no anomaly", "no_anomaly"})
"""What sets for finding anomalies call the one class that they train on (MVTec AD: `good`)."""

Found = Measurement | Missing
_COUNTED = {"": "labelled training records", "single": "labelled training records", "multiple": "labels of training records"}


def measure_classes(
    manifests: Sequence[Manifest],
    head_rows: int | None,
    parameters: int | None,
    hyperparameters: Mapping[str, Plain],
    steps_last: int | None,
    epochs_logged: float | None = None,
) -> Iterator[Found]:
    """Every `classes.*` measurement, and those of `data.*` that a manifest tells.

    Args:
        manifests: of one run; where there are several, `main_manifest` says which counts.
        head_rows: output units of the model's last matrix.
        parameters: elements of the model's weights.
        hyperparameters: settings by plain lower-case name.
        steps_last: last step that was logged or saved.
        epochs_logged: passes over the data as a logged `epoch` tells them.
    """
    manifest = main_manifest(manifests)
    if manifest is None:
        names = (*CLASS_NAMES, *(name for name in RECORD_NAMES if name != "data.shuffled"))
        yield from (Missing(name, "no dataset manifest was found", "manifest") for name in names)
        yield shuffled(hyperparameters)
        return
    yield from _classes(manifest, head_rows)
    yield from measure_class_drift(manifest) if not _anomalies(manifest) else _missing(CLASS_DRIFT, _anomalies(manifest))
    yield from measure_records(manifest)
    yield from measure_sizes(manifest, parameters, hyperparameters, steps_last, epochs_logged)
    yield from measure_named_files(manifests, manifest)
    yield from measure_targets(manifest)
    yield from measure_target_drift(manifest)
    yield shuffled(hyperparameters)


def _missing(names: Iterable[str], reason: str) -> Iterator[Missing]:
    return (Missing(name, reason, "manifest") for name in names)


def _classes(manifest: Manifest, head_rows: int | None) -> Iterator[Found]:
    training, kind = split_counts(manifest, "train"), label_kind(manifest)
    yield Measurement("classes.kind", math.nan, "", f"labels of {manifest.source}", text=kind or "none")
    total = sum(training.values())
    if total == 0:
        whats = {"targets": "its labels are numbers, not classes", "text": "its labels are texts to produce, not classes"}
        names = [name for name in CLASS_NAMES if name not in (*CLASS_DRIFT, "classes.kind")]
        yield from _missing(names, f"{manifest.source}: {whats.get(kind, 'it has no labelled training record')}")
        return
    if told := _anomalies(manifest):
        yield from _missing([name for name in CLASS_NAMES if name not in (*CLASS_DRIFT, "classes.kind")], told)
        return
    what = "objects of training records" if kind == "objects" else _COUNTED.get(kind, "labels")
    basis = f"column {manifest.label_column!r} of {manifest.source}, {total} {what}"
    if manifest.declared:
        basis += ", as declared and not counted"
    if manifest.placeholders:
        basis += f"; without {len(manifest.placeholders)} declared placeholders, {manifest.placeholders[0][:40]!r}"
    count = len(training)
    present = [records for records in training.values() if records > 0]
    items = {label: float(records) for label, records in training.items()}
    yield Measurement("classes.count", float(count), "classes", basis, items=items)
    yield Measurement("classes.imbalance", max(present) / min(present), "ratio", basis, items=items)
    nats = entropy(present)
    yield Measurement("classes.effective", math.exp(nats) / count, "share", basis, items={"classes in effect": math.exp(nats)})
    yield from _priors(manifest, kind, training, basis)
    yield _absent(manifest)
    yield from _names(manifest)
    if head_rows is None:
        yield Missing("classes.head_difference", "no checkpoint tells the width of the model's head", "checkpoint")
    else:
        items = {"head rows": float(head_rows), "classes": float(count)}
        yield Measurement(
            "classes.head_difference", float(head_rows - count), "rows", f"{head_rows} rows of the head; {basis}", items=items
        )


def _anomalies(manifest: Manifest) -> str:
    """Why a set for finding anomalies has no classes to balance: training holds one class, whose name says that nothing is wrong."""
    training = split_counts(manifest, "train")
    present = [label for label, records in training.items() if records > 0]
    if label_kind(manifest) != "single" or not len(present) == 1 < len(training) or present[0].strip().lower() not in NORMAL:
        return ""
    return f"{manifest.source}: training holds {present[0]!r} alone, as sets for finding anomalies do: it has no classes to tell apart"


def _priors(manifest: Manifest, kind: LabelKind, training: Mapping[str, int], basis: str) -> Iterator[Found]:
    """What a model that knows the class shares alone would answer and lose, where shares of labels are shares of records."""
    names = ("classes.prior_entropy", "classes.largest_share", "classes.validation_cross_entropy")
    if kind in ("multiple", "objects"):
        each = "object" if kind == "objects" else "label"
        why = f"a record of {manifest.source} has any number of {each}s: the shares of {each}s are no probabilities of a record's class"
        yield from _missing(names, why)
    else:
        present = [records for records in training.values() if records > 0]
        share = max(present) / sum(present)
        yield Measurement(names[0], entropy(present), "nats", basis)
        yield Measurement(names[1], share, "share", basis, items={next(iter(training)): share})
        yield _crossed(manifest, training, basis)
    records = training_records(manifest)
    if kind != "multiple" or not records or max(training.values()) > records:
        yield Missing("classes.binary_entropy", f"a record of {manifest.source} is not known to have several labels", "manifest")
        return
    shares = {label: count / records for label, count in training.items()}
    value = math.fsum(map(binary_entropy, shares.values())) / len(shares)
    told = f"mean over {len(shares)} labels of the entropy of yes and no, with {records} training records; {basis}"
    yield Measurement("classes.binary_entropy", value, "nats", told, items=shares)


def _absent(manifest: Manifest) -> Measurement:
    """Classes that a split lacks; the items hold the records that the split would have of them if classes were spread evenly."""
    totals = put_together(manifest.counts, list(manifest.counts))
    everything = sum(totals.values())
    sizes = {split: sum(counts.values()) for split, counts in manifest.counts.items()}
    present = {label: records for label, records in totals.items() if records > 0}
    count = sum(sum(not manifest.counts[split].get(label) for label in present) for split, size in sizes.items() if size)
    lacking = (
        (-records * size / everything, f"{split or 'all'}: {label}")
        for split, size in sizes.items()
        if size
        for label, records in present.items()
        if not manifest.counts[split].get(label)
    )
    ordered = {name: -expected for expected, name in heapq.nsmallest(MOST_LACKING, lacking)}
    basis = f"{len(totals)} classes in {len(manifest.counts)} splits of {manifest.source}; by split and class, the records expected there"
    if count > len(ordered):
        basis += f", of the {len(ordered)} with the most"
    return Measurement("classes.missing", float(count), "classes", basis, items=ordered)


def _names(manifest: Manifest) -> Iterator[Found]:
    totals, declared = label_totals(manifest), class_names(manifest)
    if not declared and 0 in totals.values():
        declared = tuple(totals)  # a count of 0 declares a class as well
    everything = sum(totals.values())
    if declared:
        unused = {name: everything / len(totals) for name in declared if totals[name] == 0}
        basis = f"{len(declared)} classes that {manifest.source} declares, {everything} labels; by class, the mean number of labels a class"
        if manifest.placeholders:
            basis += f"; not counted: {len(manifest.placeholders)} placeholders"
        yield Measurement("classes.unused", float(len(unused)), "classes", basis, items=unused)
    else:
        why = "declares no classes" if not manifest.classes else "calls its labels otherwise than the classes that it declares"
        yield Missing("classes.unused", f"{manifest.source} {why}", "class-names")
    odd = odd_names({label: count for label, count in totals.items() if count > 0})
    told = (
        "; ".join(f"{label[:40]!r} {why}" for label, why in list(odd.items())[:5])
        or f"{counted(len(totals), 'class', 'classes')} of {manifest.source}"
    )
    yield Measurement("classes.odd_names", float(len(odd)), "classes", told, items={label: float(totals[label]) for label in odd})


def _crossed(manifest: Manifest, training: Mapping[str, int], basis: str) -> Found:
    name = "classes.validation_cross_entropy"
    held_out = {label: count for label, count in manifest.counts.get("validation", {}).items() if count > 0}
    if not held_out:
        return Missing(name, f"{manifest.source} names no validation records", "manifest")
    known = {label: count for label, count in held_out.items() if training.get(label, 0) > 0}
    total, unknown = sum(held_out.values()), sum(held_out.values()) - sum(known.values())
    if unknown > UNKNOWN_TO_TRAINING * total:
        return Missing(name, f"validation holds {unknown} records of classes that training lacks, which makes it infinite", "manifest")
    told = f"{total} validation records against {basis}"
    if unknown:
        told += f"; a lower bound, {unknown} records of classes that training lacks being left out"
    return Measurement(name, cross_entropy(known, training), "nats", told)
