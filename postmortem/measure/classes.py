"""Counts of classes and records from dataset manifests, joined with the model's size and the run's length. Pure numbers, no file.

Probabilities are shares of labelled records; entropies are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from postmortem.measure.settings import BATCH_SIZE, first_of, number_of
from postmortem.model import Manifest, Measurement, Missing, Plain

CLASS_NAMES = (
    "classes.count",
    "classes.imbalance",
    "classes.effective",
    "classes.prior_entropy",
    "classes.largest_share",
    "classes.missing",
    "classes.head_difference",
    "classes.validation_cross_entropy",
)
RECORD_NAMES = (
    "data.records",
    "data.training_records",
    "data.duplicates",
    "data.shared",
    "data.parameters_per_record",
    "data.epochs",
    "data.unlabelled",
    "data.label_order_z",
    "data.shuffled",
)
EPOCHS = ("epochs", "num_epochs", "max_epochs", "num_train_epochs", "n_epochs", "nb_epochs", "total_epochs")
SHUFFLE = ("shuffle", "shuffle_train", "train_shuffle", "shuffle_data")
LEAST_RUNS_RECORDS = 20
"""The runs test rests on a normal approximation, which needs about so many records."""

Found = Measurement | Missing
_HELD_OUT = ("validation", "test")


def entropy(counts: Iterable[int]) -> float:
    """Entropy of the shares of some counts, in nats; zero counts add nothing. 0 where all counts are zero."""
    positive = [count for count in counts if count > 0]
    total = sum(positive)
    return -math.fsum(count / total * math.log(count / total) for count in positive) + 0.0


def cross_entropy(counts: Mapping[str, int], model: Mapping[str, int]) -> float:
    """Mean of -ln p(label) over records with these counts, p being the shares of `model`; infinite where p lacks a label that occurs."""
    total, known = sum(counts.values()), sum(model.values())
    terms = [(count / total, model.get(label, 0) / known) for label, count in counts.items() if count > 0]
    return math.inf if any(share == 0 for _, share in terms) else -math.fsum(weight * math.log(share) for weight, share in terms)


def runs_z(counts: Iterable[int], runs: int) -> float:
    """Standard score of a number of runs of equal labels against random order (Barton & David 1957, for any number of classes).

    Far below 0: labels are sorted; far above: they alternate. NaN where order cannot vary.
    """
    sizes = [count for count in counts if count > 0]
    n = sum(sizes)
    squares = sum(size**2 for size in sizes)
    cubes = sum(size**3 for size in sizes)
    expected = (n * (n + 1) - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1)) if n > 1 else 0.0
    return (runs - expected) / math.sqrt(variance) if variance > 0 else math.nan


def split_counts(manifest: Manifest, split: str) -> dict[str, int]:
    """Records of each label in a split, largest first, with labels that occur only in other splits at 0.

    `train` is every split that is neither validation nor test where none is called so.
    """
    chosen = [split] if split in manifest.counts or split != "train" else [name for name in manifest.counts if name not in _HELD_OUT]
    totals = {label: 0 for counts in manifest.counts.values() for label in counts}
    for name in chosen:
        for label, count in manifest.counts.get(name, {}).items():
            totals[label] += count
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))


def training_records(manifest: Manifest) -> int:
    """Records that training sees: the training split's, else those of all splits that are not held out."""
    records = _records(manifest)
    if "train" in records:
        return records["train"]
    return sum(count for split, count in records.items() if split not in _HELD_OUT)


def main_manifest(manifests: Sequence[Manifest]) -> Manifest | None:
    """The manifest that speaks for the data set: with labels rather than without, then the one with the most records."""
    return max(manifests, key=lambda one: (any(one.counts.values()), one.targets is not None, one.rows), default=None)


def _records(manifest: Manifest) -> dict[str, int]:
    """Split -> records, unlabelled ones included where the reader counted them."""
    if manifest.records:
        return dict(manifest.records)
    counted = {split: sum(counts.values()) for split, counts in manifest.counts.items()}
    return counted or {"": manifest.rows}


def _missing(names: Iterable[str], reason: str, log_next: str = "manifest") -> Iterator[Missing]:
    return (Missing(name, reason, log_next) for name in names)


def measure_classes(
    manifests: Sequence[Manifest],
    head_rows: int | None,
    parameters: int | None,
    hyperparameters: Mapping[str, Plain],
    steps_last: int | None,
) -> Iterator[Found]:
    """Every `classes.*` measurement, and those of `data.*` that a manifest tells.

    Args:
        manifests: of one run; where there are several, the largest with labels counts.
        head_rows: output units of the model's last matrix.
        parameters: elements of the model's weights.
        hyperparameters: settings by plain lower-case name.
        steps_last: last step that was logged or saved.
    """
    manifest = main_manifest(manifests)
    if manifest is None:
        yield from _missing((*CLASS_NAMES, *(name for name in RECORD_NAMES if name != "data.shuffled")), "no dataset manifest was found")
        yield _shuffled(hyperparameters)
        return
    yield from _classes(manifest, head_rows)
    yield from _record_counts(manifest)
    yield from _sizes(manifest, parameters, hyperparameters, steps_last)
    yield _order(manifest)
    yield _shuffled(hyperparameters)


def _classes(manifest: Manifest, head_rows: int | None) -> Iterator[Found]:
    training = split_counts(manifest, "train")
    total = sum(training.values())
    if total == 0:
        what = "its labels are numbers, not classes" if manifest.targets is not None else "it has no labelled training record"
        yield from _missing(CLASS_NAMES, f"{manifest.source}: {what}")
        return
    basis = f"column {manifest.label_column!r} of {manifest.source}, {total} labelled training records"
    count = len(training)
    present = [records for records in training.values() if records > 0]
    items = {label: float(records) for label, records in training.items()}
    yield Measurement("classes.count", float(count), "classes", basis, items=items)
    yield Measurement("classes.imbalance", max(present) / min(present), "ratio", basis, items=items)
    nats = entropy(present)
    yield Measurement("classes.effective", math.exp(nats) / count, "share", basis, items={"classes in effect": math.exp(nats)})
    yield Measurement("classes.prior_entropy", nats, "nats", basis)
    yield Measurement("classes.largest_share", max(present) / total, "share", basis, items={next(iter(training)): max(present) / total})
    yield _absent(manifest)
    if head_rows is None:
        yield Missing("classes.head_difference", "no checkpoint tells the width of the model's head", "checkpoint")
    else:
        items = {"head rows": float(head_rows), "classes": float(count)}
        yield Measurement(
            "classes.head_difference", float(head_rows - count), "rows", f"{head_rows} rows of the head; {basis}", items=items
        )
    yield _crossed(manifest, training, basis)


def _absent(manifest: Manifest) -> Measurement:
    """Classes that a split lacks; the items hold the records that the split would have of them if classes were spread evenly."""
    totals: dict[str, int] = {}
    for counts in manifest.counts.values():
        for label, records in counts.items():
            totals[label] = totals.get(label, 0) + records
    everything = sum(totals.values())
    lacking = {
        f"{split or 'all'}: {label}": records * sum(counts.values()) / everything
        for split, counts in manifest.counts.items()
        for label, records in totals.items()
        if counts.get(label, 0) == 0 and any(counts.values())
    }
    ordered = dict(sorted(lacking.items(), key=lambda pair: (-pair[1], pair[0])))
    basis = f"{len(totals)} classes in {len(manifest.counts)} splits of {manifest.source}; by split and class, the records expected there"
    return Measurement("classes.missing", float(len(ordered)), "classes", basis, items=ordered)


def _crossed(manifest: Manifest, training: Mapping[str, int], basis: str) -> Found:
    name = "classes.validation_cross_entropy"
    held_out = manifest.counts.get("validation", {})
    if not any(held_out.values()):
        return Missing(name, f"{manifest.source} names no validation records", "manifest")
    value = cross_entropy(held_out, training)
    if math.isinf(value):
        return Missing(name, "validation holds classes that training lacks, which makes it infinite", "manifest")
    return Measurement(name, value, "nats", f"{sum(held_out.values())} validation records against {basis}")


def _record_counts(manifest: Manifest) -> Iterator[Found]:
    records = _records(manifest)
    items = {split or "all": float(count) for split, count in records.items()}
    basis = f"rows of {manifest.source}"
    yield Measurement("data.records", float(sum(records.values())), "records", basis, items=items)
    yield Measurement("data.training_records", float(training_records(manifest)), "records", basis, items=items)
    if manifest.rows:
        share = manifest.missing_labels / manifest.rows
        if manifest.label_column:
            yield Measurement("data.unlabelled", share, "share", f"{manifest.missing_labels} of {manifest.rows} {basis}")
        else:
            yield Missing("data.unlabelled", f"{manifest.source} has no label column", "manifest")
    else:
        yield Missing("data.unlabelled", f"{manifest.source} holds no record", "manifest")
    if manifest.key_column is None:
        yield from _missing(("data.duplicates", "data.shared"), f"{manifest.source} has no column that tells records apart", "record-keys")
        return
    keyed = f"key column {manifest.key_column!r} of {manifest.source}"
    if manifest.duplicate_keys is None or not manifest.rows:
        yield Missing("data.duplicates", f"{keyed} could not be counted", "record-keys")
    else:
        share = manifest.duplicate_keys / manifest.rows
        yield Measurement("data.duplicates", share, "share", f"{manifest.duplicate_keys} of {manifest.rows} rows repeat a key; {keyed}")
    if len(records) < 2:
        yield Missing("data.shared", f"{manifest.source} names one split only", "manifest")
        return
    shared = {
        pair: count / records[pair.split("|")[-1]] for pair, count in manifest.shared_keys.items() if records.get(pair.split("|")[-1])
    }
    with_training = [share for pair, share in shared.items() if pair.split("|")[0] not in _HELD_OUT]
    told = (
        ", ".join(f"{count} keys in {pair.replace('|', ' and ')}" for pair, count in manifest.shared_keys.items()) or "no key in two splits"
    )
    worst = dict(sorted(shared.items(), key=lambda pair: -pair[1]))
    yield Measurement("data.shared", max(with_training, default=0.0), "share", f"{told}; {keyed}", items=worst)


def _sizes(manifest: Manifest, parameters: int | None, known: Mapping[str, Plain], steps_last: int | None) -> Iterator[Found]:
    records = training_records(manifest)
    names = ("data.parameters_per_record", "data.epochs")
    if records == 0:
        yield from _missing(names, f"{manifest.source} names no training record")
        return
    if parameters is None:
        yield Missing(names[0], "no checkpoint tells the number of parameters", "checkpoint")
    else:
        yield Measurement(
            names[0], parameters / records, "ratio", f"{parameters} parameters, {records} training records of {manifest.source}"
        )
    yield _epochs(records, known, steps_last)


def _epochs(records: int, known: Mapping[str, Plain], steps_last: int | None) -> Found:
    """Passes over the training records: from steps and batch size, else as the settings plan them."""
    name = "data.epochs"
    batch, planned = number_of(known, BATCH_SIZE), number_of(known, EPOCHS)
    if batch is not None and batch[1] >= 1 and steps_last:
        epochs = steps_last * batch[1] / records
        # Many projects log by epoch: then the last step is no more than the planned epochs, and steps times batch says nothing.
        if planned is None or steps_last > planned[1]:
            return Measurement(name, epochs, "epochs", f"{steps_last} steps of {batch[1]:g} records over {records} training records")
        return Measurement(name, float(steps_last), "epochs", f"last step {steps_last} of {planned[1]:g} epochs, taken for an epoch")
    if planned is not None and planned[1] > 0:
        return Measurement(name, planned[1], "epochs", f"setting {planned[0]!r}")
    return Missing(name, "no setting gives the batch size or the epochs", "hyperparameters")


def _order(manifest: Manifest) -> Found:
    name = "data.label_order_z"
    totals: dict[str, int] = {}
    for counts in manifest.counts.values():
        for label, records in counts.items():
            totals[label] = totals.get(label, 0) + records
    labelled = sum(totals.values())
    if manifest.order_runs is None or labelled < LEAST_RUNS_RECORDS:
        return Missing(name, f"{manifest.source} has {labelled} labelled records in order", "manifest")
    z = runs_z(totals.values(), manifest.order_runs)
    if math.isnan(z):
        return Missing(name, f"{manifest.source} has one class only, or one record of each", "manifest")
    return Measurement(name, z, "z", f"{manifest.order_runs} runs of equal labels in {labelled} rows of {manifest.source}")


def _shuffled(known: Mapping[str, Plain]) -> Found:
    found = first_of(known, SHUFFLE)
    if found is None:
        return Missing("data.shuffled", "no setting says whether training data are shuffled", "hyperparameters")
    yes = str(found[1]).strip().lower() in ("true", "1", "1.0", "yes")
    return Measurement("data.shuffled", math.nan, "", f"setting {found[0]!r}", text="true" if yes else "false")
