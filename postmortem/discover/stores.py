"""Recognizes the folders in which MLflow and Weights & Biases keep runs, by the names in them. Opens nothing.

MLflow's file store keeps each run in a folder of its own: `meta.yaml` beside `metrics/`, `params/` and `tags/`, where each file is one
name with its values. `meta.yaml` stands for all of these: its reader opens them. Since MLflow 3 a model that a run saved lies beside the
runs, in `models/m-<id>/`, and the run names it in `outputs/m-<id>/`. Weights & Biases keeps `run-<time>-<id>/` with `run-<id>.wandb`,
`files/` and `logs/`; early versions kept the files in the run's folder itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from postmortem.discover.names import OTHER, FileKind

Store: TypeAlias = Literal["", "mlflow", "mlflow-model", "mlflow-database", "wandb"]

STORE_NAMES: dict[Store, str] = {"mlflow": "MLflow", "mlflow-model": "MLflow", "mlflow-database": "MLflow", "wandb": "Weights & Biases"}

_MLFLOW_PARTS = frozenset(("metrics", "params", "tags"))
_MLFLOW_READ = _MLFLOW_PARTS | {"inputs"}
_WANDB_SHOWN = frozenset(("media", "code", "tmp", "artifact"))
"""What was shown and what was run: no artifact of a training, though the names in there may look like one."""
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")
_WANDB_RUN = re.compile(r"(?:offline-|dry)?run-(\d{8}_\d{6})-\w+")
_WANDB_HISTORY = re.compile(r"run-(\w+)\.wandb")
_WANDB_LATEST = re.compile(r"latest-run(\.\d+)?")
_WANDB_FILES = frozenset(("wandb-summary.json", "wandb-metadata.json", "wandb-history.jsonl"))
_WANDB_OWN_LOGS = frozenset(("debug.log", "debug-internal.log", "debug-core.log"))
"""Of the client itself: what it sent where, and nothing of the training."""


def store_of(name: str, inside: Sequence[str]) -> Store:
    """Whose run, or saved model, the folder of this name with these names inside holds; empty where it is neither."""
    held = set(inside)
    if "meta.yaml" in held and held & {*_MLFLOW_PARTS, "artifacts"}:
        if _MODEL_ID.fullmatch(name):
            return "mlflow-model"
        # An experiment has a `meta.yaml` and may have tags too.
        return "mlflow" if held & {"metrics", "params"} or _RUN_ID.fullmatch(name) else ""
    named = _WANDB_RUN.fullmatch(name) or _WANDB_LATEST.fullmatch(name)
    if history_id(inside) or (named and held & {"files", *_WANDB_FILES}):
        return "wandb"
    return ""


def history_id(inside: Sequence[str]) -> str:
    """Id of the run whose history lies among these files; empty where none does, or those of several runs were put together."""
    found = [match[1] for name in inside if (match := _WANDB_HISTORY.fullmatch(name))]
    return found[0] if len(found) == 1 else ""


def is_read_with_run(store: Store, name: str, in_own_folder: bool) -> bool:
    """Whether a folder of this name holds what the reader of MLflow's `meta.yaml` opens, so that it need not be listed."""
    return store in ("mlflow", "mlflow-model") and in_own_folder and name in _MLFLOW_READ


def is_shown_only(store: Store, name: str) -> bool:
    """Whether a folder of this name in a run of Weights & Biases holds images, tables and code rather than artifacts."""
    return store == "wandb" and name in _WANDB_SHOWN


def may_be_copy(name: str) -> bool:
    """Whether a folder is called as the link to the latest run is: where links are no links, it holds a copy."""
    return bool(_WANDB_LATEST.fullmatch(name))


def is_model_of_mlflow(inside: Sequence[str]) -> bool:
    """Whether these are the files of a model that MLflow saved: its weights lie in a folder `data` then, and are no data."""
    return "MLmodel" in inside


def kind_in_store(store: Store, name: str, kind: FileKind, in_own_folder: bool) -> FileKind:
    """What a file in a run's folder is, given what its name alone says."""
    if name == "meta.yaml":
        return FileKind("log") if store == "mlflow" and in_own_folder else OTHER
    return OTHER if store == "wandb" and name in _WANDB_OWN_LOGS else kind


def stamp_of(name: str) -> str:
    """Date and time, `20240131_235959`, in the name of a run's folder of Weights & Biases; empty where there is none."""
    match = _WANDB_RUN.fullmatch(name)
    return match[1] if match else ""
