"""Hands each log to its reader: what MLflow and Weights & Biases keep to theirs, everything else to that of tables and settings."""

from __future__ import annotations

from postmortem.model import FoundFile
from postmortem.read.tables.files import LogData, read_log
from postmortem.read.trackers.mlflow_runs import read_mlflow_run
from postmortem.read.trackers.wandb_beside import read_wandb_metadata, read_wandb_summary
from postmortem.read.trackers.wandb_files import read_wandb_run


def read_any_log(file: FoundFile) -> LogData:
    """All curves and settings of one file of role `log` or `config`; never raises for what the file holds."""
    name = file.path.name
    if name == "meta.yaml":
        return read_mlflow_run(file)
    if name.lower().endswith(".wandb"):
        return read_wandb_run(file)
    if name == "wandb-summary.json":
        return read_wandb_summary(file)
    if name == "wandb-metadata.json":
        return read_wandb_metadata(file)
    return read_log(file)
