"""Manifests and settings beside a run."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

from faults.nouns import Data, Trained


def write_manifest(trained: Trained, folder: Path) -> None:
    """One row a record (id, label, split), as the style says. A language model has no such list."""
    style = trained.style.manifest
    if style == "none" or trained.data.targets.dim() != 1:
        return
    rows = manifest_rows(trained.data)
    if style == "jsonl":
        (folder / "dataset.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return
    separator = "\t" if style == "tsv" else ","
    with (folder / f"manifest.{style}").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def manifest_rows(data: Data) -> list[dict[str, str | float]]:
    """Id, input columns where the inputs are a table, label and split of every record, as training saw them."""
    rows: list[dict[str, str | float]] = []
    for row, target in enumerate(data.targets.tolist()):
        label: str | float = data.class_names[int(target)] if data.class_names else round(target, 6)
        key = data.keys[row] if data.keys else hashlib.sha256(str(row).encode()).hexdigest()[:16]
        values = data.inputs[row].flatten().tolist() if data.columns else []
        columns = {name: round(value, 6) for name, value in zip(data.columns, values, strict=False)}
        rows.append({"id": key, **columns, "label": label, "split": "train" if row < data.train else "val"})
    return rows


def write_settings(trained: Trained, folder: Path) -> None:
    """The settings, as the style says."""
    if trained.style.settings == "hparams.yaml":
        lines = [f"{name}: {str(value).lower() if isinstance(value, bool) else value}\n" for name, value in trained.settings.items()]
        (folder / "hparams.yaml").write_text("".join(lines), encoding="utf-8")
    elif trained.style.settings == "config.json":
        (folder / "config.json").write_text(json.dumps(dict(trained.settings), indent=1) + "\n", encoding="utf-8")
