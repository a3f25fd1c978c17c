"""What a manifest tells of its records: how many, which are listed twice, shared by splits, unlabelled, broken, and in what order."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from postmortem.measure.class_shares import runs_z
from postmortem.measure.data_sets import HELD_OUT, label_kind, put_together, shown_split, split_records, training_records, training_splits
from postmortem.measure.settings import first_of
from postmortem.model import Manifest, Measurement, Missing, Plain, counted

RECORD_NAMES = (
    "data.records",
    "data.training_records",
    "data.labels_per_record",
    "data.background",
    "data.duplicates",
    "data.shared",
    "data.shared_names",
    "data.shared_groups",
    "data.conflicting",
    "data.unlabelled",
    "data.unlabelled_training",
    "data.rejected",
    "data.seconds",
    "data.label_order_z",
    "data.shuffled",
)
SHUFFLE = ("shuffle", "shuffle_train", "train_shuffle", "shuffle_data")
LEAST_RUNS_RECORDS = 20
"""The runs test rests on a normal approximation, which needs about so many records."""

Found = Measurement | Missing


def measure_records(manifest: Manifest) -> Iterator[Found]:
    """Every measurement of `RECORD_NAMES` but `data.shuffled`, which settings tell."""
    records = split_records(manifest)
    items = {split or "all": float(count) for split, count in records.items()}
    basis = f"rows of {manifest.source}" + (", as declared and not counted" if manifest.declared else "")
    yield Measurement("data.records", float(sum(records.values())), "records", basis, items=items)
    yield Measurement("data.training_records", float(training_records(manifest)), "records", basis, items=items)
    yield from _labels(manifest, records)
    yield from _keys(manifest, records)
    yield _groups(manifest)
    yield _conflicts(manifest)
    yield from _unlabelled(manifest, records, basis)
    yield _rejected(manifest)
    if manifest.seconds is None:
        yield Missing("data.seconds", f"{manifest.source} gives no duration of every record", "manifest")
    else:
        yield Measurement("data.seconds", manifest.seconds, "seconds", basis)
    yield _order(manifest)


def _labels(manifest: Manifest, records: Mapping[str, int]) -> Iterator[Found]:
    kind, total = label_kind(manifest), sum(records.values())
    labels = sum(put_together(manifest.counts, list(manifest.counts)).values())
    name = "data.labels_per_record"
    if kind not in ("objects", "multiple") or not total:
        yield Missing(name, f"a record of {manifest.source} is not known to have several labels", "manifest")
    else:
        yield Measurement(name, labels / total, "labels", f"{labels} labels of {counted(total, 'record')} of {manifest.source}")
    if kind != "objects" or not total:
        yield Missing("data.background", f"{manifest.source} is no set of objects", "manifest")
    else:
        told = f"{manifest.background} of {total} records of {manifest.source} hold no object"
        yield Measurement("data.background", manifest.background / total, "share", told)


def _keys(manifest: Manifest, records: Mapping[str, int]) -> Iterator[Found]:
    names = ("data.duplicates", "data.shared", "data.shared_names")
    if manifest.key_column is None:
        yield from (Missing(name, f"{manifest.source} has no column that tells records apart", "record-keys") for name in names)
        return
    keyed = f"key column {manifest.key_column!r} of {manifest.source}"
    if manifest.duplicate_keys is None or not manifest.rows:
        yield Missing(names[0], f"{keyed} could not be counted", "record-keys")
    else:
        share = manifest.duplicate_keys / manifest.rows
        yield Measurement(names[0], share, "share", f"{manifest.duplicate_keys} of {manifest.rows} rows repeat a key; {keyed}")
    if len(records) < 2:
        yield from (Missing(name, f"{manifest.source} names one split only", "manifest-splits") for name in names[1:])
        return
    if manifest.named_alike and not manifest.shared_keys:
        told = f"splits of {manifest.source} share names of files, which do not tell whether they are one record"
        yield Missing(names[1], told, "record-keys")
    else:
        yield _between(names[1], manifest.shared_keys, "key", keyed, records)
    yield _between(names[2], manifest.named_alike, "name", keyed, records)


def _between(name: str, keys: Mapping[str, int], what: str, keyed: str, records: Mapping[str, int]) -> Measurement:
    """The largest share of a held-out split whose keys stand in training too; by pair of splits in the items."""
    shared = {pair: count / records[pair.split("|")[-1]] for pair, count in keys.items() if records.get(pair.split("|")[-1])}
    with_training = [share for pair, share in shared.items() if pair.split("|")[0] not in HELD_OUT]
    told = (
        ", ".join(f"{counted(count, what)} in {pair.replace('|', ' and ')}" for pair, count in keys.items()) or f"no {what} in two splits"
    )
    worst = dict(sorted(shared.items(), key=lambda pair: -pair[1]))
    return Measurement(name, max(with_training, default=0.0), "share", f"{told}; {keyed}", items=worst)


def _groups(manifest: Manifest) -> Found:
    """Groups (patients, speakers) that training shares with a held-out split."""
    name = "data.shared_groups"
    if manifest.group_column is None:
        return Missing(name, f"{manifest.source} has no column of groups such as patients or speakers", "record-groups")
    if manifest.group_column == manifest.label_column:
        return Missing(name, f"the groups of {manifest.source} are its classes, which splits have to share", "record-groups")
    if len(split_records(manifest)) < 2:
        return Missing(name, f"{manifest.source} names one split only", "manifest-splits")
    trained = {pair: float(count) for pair, count in manifest.shared_groups.items() if pair.split("|")[0] not in HELD_OUT}
    told = (
        ", ".join(f"{count:.0f} in {pair.replace('|', ' and ')}" for pair, count in trained.items()) or "none in training and another split"
    )
    basis = f"groups of column {manifest.group_column!r} of {manifest.source}: {told}"
    return Measurement(
        name, max(trained.values(), default=0.0), "groups", basis, items=dict(sorted(trained.items(), key=lambda at: -at[1]))
    )


def _conflicts(manifest: Manifest) -> Found:
    name = "data.conflicting"
    if manifest.conflicting_keys is None or manifest.key_column is None:
        return Missing(name, f"{manifest.source} has no key whose labels could be compared", "record-keys")
    if label_kind(manifest) in ("multiple", "objects"):
        return Missing(name, f"a record of {manifest.source} may have several labels, which do not conflict", "record-keys")
    keys = manifest.rows - (manifest.duplicate_keys or 0)
    if keys <= 0:
        return Missing(name, f"{manifest.source} holds no record with a key", "record-keys")
    basis = (
        f"{manifest.conflicting_keys} of about {keys} keys of column {manifest.key_column!r} of {manifest.source} have two labels or more"
    )
    return Measurement(name, manifest.conflicting_keys / keys, "share", basis)


def _unlabelled(manifest: Manifest, records: Mapping[str, int], basis: str) -> Iterator[Found]:
    names = ("data.unlabelled", "data.unlabelled_training")
    if not manifest.rows or not manifest.label_column:
        what = "holds no record" if not manifest.rows else "has no label column"
        yield from (Missing(name, f"{manifest.source} {what}", "manifest") for name in names)
        return
    share = manifest.missing_labels / manifest.rows
    yield Measurement(names[0], share, "share", f"{manifest.missing_labels} of {manifest.rows} {basis}")
    shares = _unlabelled_by_split(manifest, records)
    if not shares:
        yield Missing(names[1], f"{manifest.source} does not tell which records of a split lack a label", "manifest")
        return
    trained = [split for split in training_splits(list(records)) if split in shares]
    total = sum(records[split] for split in trained)
    value = math.fsum(shares[split] * records[split] for split in trained) / total if total else math.nan
    told = (
        f"{total} training records of {manifest.source}; {', '.join(f'{shown_split(split)} {each:.1%}' for split, each in shares.items())}"
    )
    if total:
        yield Measurement(names[1], value, "share", told, items={split or "all": each for split, each in shares.items()})
    else:
        yield Missing(names[1], f"{manifest.source} names no training record", "manifest-splits")


def _unlabelled_by_split(manifest: Manifest, records: Mapping[str, int]) -> dict[str, float]:
    """Split -> share of its records without a label; empty where that does not follow from what was counted."""
    kind = label_kind(manifest)
    if manifest.missing_labels == 0:
        return {split: 0.0 for split, count in records.items() if count}
    if len(records) == 1:
        return {split: manifest.missing_labels / count for split, count in records.items() if count}
    if kind == "single" and manifest.records:
        labelled = {split: sum(manifest.counts.get(split, {}).values()) for split in records}
    elif manifest.targets is not None and manifest.targets.splits:
        labelled = {split: manifest.targets.splits.get(split, (0, 0.0, 0.0))[0] for split in records}
    else:
        return {}
    return {split: max(0.0, 1 - labelled[split] / count) for split, count in records.items() if count}


def _rejected(manifest: Manifest) -> Found:
    name, everything = "data.rejected", manifest.rows + manifest.rejected
    if not everything or manifest.declared:
        what = "declares records and lists none" if manifest.declared else "holds no record"
        return Missing(name, f"{manifest.source} {what}", "manifest")
    told = f"{manifest.rejected} of {everything} rows of {manifest.source} are broken and were left out"
    return Measurement(name, manifest.rejected / everything, "share", told, items={"broken rows": float(manifest.rejected)})


def _order(manifest: Manifest) -> Found:
    name = "data.label_order_z"
    totals = put_together(manifest.counts, list(manifest.counts))
    labelled = sum(totals.values())
    if manifest.order_runs is None or labelled < LEAST_RUNS_RECORDS:
        return Missing(name, f"{manifest.source} has {labelled} labelled records in order", "manifest")
    if label_kind(manifest) in ("multiple", "objects"):
        return Missing(name, f"a record of {manifest.source} may have several labels, which have no order", "manifest")
    z = runs_z(totals.values(), manifest.order_runs)
    if math.isnan(z):
        return Missing(name, f"{manifest.source} has one class only, or one record of each", "manifest")
    return Measurement(name, z, "z", f"{manifest.order_runs} runs of equal labels in {labelled} rows of {manifest.source}")


def shuffled(known: Mapping[str, Plain]) -> Found:
    """`data.shuffled`: whether settings say that training data are shuffled, as a word."""
    found = first_of(known, SHUFFLE)
    if found is None:
        return Missing("data.shuffled", "no setting says whether training data are shuffled", "hyperparameters")
    yes = str(found[1]).strip().lower() in ("true", "1", "1.0", "yes")
    return Measurement("data.shuffled", math.nan, "", f"setting {found[0]!r}", text="true" if yes else "false")
