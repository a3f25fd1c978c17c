"""Validation records that training has seen: copied, oversampled before the split, or of the same patient."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from faults.nouns import Data, Fault, Trained
from faults.plan import Plan, Style


def _key(row: int) -> str:
    return hashlib.sha256(f"record {row}".encode()).hexdigest()[:16]


def _of_rows(data: Data, train: torch.Tensor, held: torch.Tensor) -> Data:
    """The records of these rows under keys of their own; a row in both is the same record twice."""
    rows = torch.cat([train, held])
    keys = tuple(_key(int(row)) for row in rows)
    return replace(data, inputs=data.inputs[rows], targets=data.targets[rows], keys=keys, train=len(train))


def _copied(share: float) -> Callable[[Data, Plan], Data]:
    """A share of validation is replaced by records of training."""

    def change(data: Data, plan: Plan) -> Data:
        generator = torch.Generator().manual_seed(plan.seed + 23)
        held = torch.arange(data.train, len(data.inputs))
        count = round(share * len(held))
        held[torch.randperm(len(held), generator=generator)[:count]] = torch.randperm(data.train, generator=generator)[:count]
        return _of_rows(data, torch.arange(data.train), held)

    return change


def _oversampled(times: int) -> Callable[[Data, Plan], Data]:
    """Every record of one class was repeated before the records were split, so that copies fall on both sides."""

    def change(data: Data, plan: Plan) -> Data:
        generator = torch.Generator().manual_seed(plan.seed + 23)
        everything = torch.arange(len(data.inputs))
        rare = everything[data.targets == int(torch.randint(data.classes, (1,), generator=generator))]
        rows = torch.cat([everything, rare.repeat(times - 1)])
        rows = rows[torch.randperm(len(rows), generator=generator)]
        cut = round(0.75 * len(rows))
        return _of_rows(data, rows[:cut], rows[cut:])

    return change


def _drawn_again(data: Data, plan: Plan) -> Data:
    """Training and validation were two random draws from all records, each without a look at the other."""
    generator = torch.Generator().manual_seed(plan.seed + 23)
    everything = len(data.inputs)
    first, second = (torch.randperm(everything, generator=generator) for _ in range(2))
    return _of_rows(data, first[: data.train], second[: everything - data.train])


def _of_patients(folder: Path, trained: Trained) -> None:
    """A manifest that names the patient of each record: five records of each, split record by record."""
    data = trained.data
    generator = torch.Generator().manual_seed(trained.plan.seed + 29)
    order = torch.randperm(len(data.inputs), generator=generator)
    patients = torch.empty(len(data.inputs), dtype=torch.int64)
    patients[order] = torch.arange(len(data.inputs)) // 5
    for old in folder.glob("manifest.*"):
        old.unlink()
    with (folder / "records.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("image", "patient_id", "label", "split"))
        for row, target in enumerate(data.targets.tolist()):
            patient = f"P{int(patients[row]):04d}"
            writer.writerow((f"images/{_key(row)}.png", patient, data.class_names[target], "train" if row < data.train else "val"))


def _apart(folder: Path, trained: Trained) -> None:
    """Lists of the splits as files of their own: `train.csv` and `val.csv`, path and label."""
    data = trained.data
    for old in (*folder.glob("manifest.*"), *folder.glob("dataset.jsonl")):
        old.unlink()
    for split, rows in (("train", range(data.train)), ("val", range(data.train, len(data.keys)))):
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("path", "label"))
            writer.writerows((f"images/{data.keys[row]}.png", data.class_names[int(data.targets[row])]) for row in rows)


def _listed(kind: str) -> Callable[[Style], Style]:
    return lambda style: replace(style, manifest=kind)


def _longer(plan: Plan) -> Plan:
    return replace(plan, steps=plan.steps * 3 // 2)


CLASSES = frozenset({"classes"})
FAULTS = (
    Fault(
        "three-fifths-copied", "blatant", "Three of five validation records were records of training.", "construction",
        data=_copied(0.6), wants=CLASSES, style=_listed("csv"), base=_longer,
    ),
    Fault(
        "drawn-without-regard", "blatant", "Both splits were drawn from all records.", "construction",
        data=_drawn_again, style=_listed("jsonl"), spares=frozenset({"autoencoder", "variational", "adversarial", "policy", "language"}),
    ),
    Fault(
        "one-fifth-copied", "clear", "One of five validation records was a record of training.", "construction",
        data=_copied(0.2), wants=CLASSES, style=_listed("tsv"),
    ),
    Fault(
        "listed-in-both-files", "clear", "A third of the validation list was lines of the training list.", "construction",
        data=_copied(0.33), wants=CLASSES, style=_listed("csv"), files=_apart, spares=frozenset({"table"}),
    ),
    Fault(
        "oversampled-before-split", "subtle", "One class was repeated four times before the split.", "construction",
        data=_oversampled(4), wants=CLASSES, style=_listed("csv"),
    ),
    Fault(
        "patients-in-both", "clear", "Records of one patient stood in both splits.", "construction",
        wants=frozenset({"classes", "images"}), style=_listed("csv"), files=_of_patients,
    ),
)  # fmt: skip
