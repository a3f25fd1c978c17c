"""Manifests: one row a record, with id, label and split, in four formats."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from making.data import Data

Row = Mapping[str, str | float]
ManifestWriter = Callable[[Path, list[Row]], None]


def rows(data: Data, with_columns: bool) -> list[Row]:
    """One row a record, training first; with the input columns as the model saw them where asked for."""
    found: list[Row] = []
    for row, target in enumerate(data.targets.tolist()):
        label: str | float = data.class_names[target] if data.classes else round(target, 6)
        values = data.inputs[row].tolist() if with_columns else []
        columns = {name: round(value, 6) for name, value in zip(data.columns, values, strict=False)}
        found.append({"id": f"r{row:05d}", **columns, "label": label, "split": "train" if row < data.train else "val"})
    return found


def as_csv(folder: Path, records: list[Row]) -> None:
    """`manifest.csv`."""
    _separated(folder / "manifest.csv", records, ",")


def as_tsv(folder: Path, records: list[Row]) -> None:
    """`data/records.tsv`, with the columns named otherwise."""
    renamed: list[Row] = [{"uid": row["id"], "class": row["label"], "subset": row["split"]} for row in records]
    _separated(folder / "data" / "records.tsv", renamed, "\t")


def as_jsonl(folder: Path, records: list[Row]) -> None:
    """`dataset.jsonl`."""
    (folder / "dataset.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records), encoding="utf-8")


def as_parquet(folder: Path, records: list[Row]) -> None:
    """`manifest.parquet`."""
    source, target = folder / "rows.csv", folder / "manifest.parquet"
    _separated(source, records, ",")
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        read = connection.read_csv(str(source), header=True)
        read.write_parquet(str(target))
    source.unlink()


def _separated(target: Path, records: list[Row], separator: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(records[0]), delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(records)
