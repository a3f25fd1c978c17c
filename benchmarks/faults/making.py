"""Makes one entry of the roster: trains it (and its twin), proves what it is, writes its folder and its truth."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from faults.loop import train
from faults.nouns import Fault, Trained
from faults.plan import Plan
from faults.roster import Entry
from faults.stamps import stamp
from faults.writing.checkpoints import write_checkpoints
from faults.writing.manifests import write_manifest, write_settings
from faults.writing.scalars import write_scalars

MARGIN = 0.1
"""A faulty run is worse than its twin where it loses at least this share of what the twin gained over the untrained model."""


def prepare() -> None:
    """Make torch deterministic in this process: one thread, no kernels that depend on the processor."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.mkldnn.set_flags(False)


def is_made(entry: Entry, out: Path) -> bool:
    """Whether the entry is there as the present code makes it. The truth is written last, so that half a run does not count."""
    try:
        return bool(json.loads((out / "truth" / f"{entry.name}.json").read_text(encoding="utf-8"))["stamp"] == stamp(entry))
    except (OSError, ValueError, KeyError):
        return False


def make(entry: Entry, out: Path) -> dict[str, object]:
    """Train and write an entry, and its twin where it is faulty; the truth, which is written too."""
    started = time.monotonic()
    fault = entry.fault
    changed = fault.plan(entry.plan)
    trained = _train(entry, changed, fault)
    _write(trained, fault, out / "runs" / entry.name)
    truth: dict[str, object] = {
        "draw": entry.draw,
        "cause": entry.cause,
        "accepted": list(fault.accepted),
        "also": list(fault.also),
        "kind": entry.kind,
        "fault": fault.name,
        "severity": fault.severity,
        "told": fault.told,
        "task": entry.task.name,
        "architecture": entry.task.architecture,
        "family": entry.task.kind,
        "optimizer": changed.optimizer,
        "logs": entry.style.logs,
        "layout": entry.style.layout,
        "score": _plain(trained.score),
        "untrained": _plain(trained.untrained),
        "stamp": stamp(entry),
    }
    if entry.cause:
        twin = _train(entry, entry.plan, None)
        _write(twin, None, out / "runs" / entry.twin)
        learned = twin.score <= entry.task.learned * twin.untrained if twin.untrained > 0 else twin.score < twin.untrained
        gained = twin.untrained - twin.score
        worse = not trained.score < twin.score + MARGIN * gained
        truth.update({"twin": entry.twin, "twin_score": _plain(twin.score), "twin_learned": learned})
        truth["proved"] = learned and (worse or fault.proof == "construction")
    else:
        truth["proved"] = bool(trained.score <= entry.task.learned * trained.untrained or fault.proof == "construction")
    truth["seconds"] = round(time.monotonic() - started, 1)
    target = out / "truth" / f"{entry.name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def _train(entry: Entry, plan: Plan, fault: Fault | None) -> Trained:
    with torch.random.fork_rng():
        return (entry.task.train or train)(entry.task, plan, entry.style, fault)


def _write(trained: Trained, fault: Fault | None, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Scalars that a task or a hook names itself (`rollout/ep_rew_mean`) are logged whatever the style chooses, and so is every layer:
    # one is watched only where the style asks for it.
    own = dict.fromkeys(role for point in trained.points for role in point.values if "/" in role or "@" in role)
    trained = replace(trained, style=replace(trained.style, roles=tuple(dict.fromkeys((*trained.style.roles, *own)))))
    write_scalars(trained, folder)
    write_checkpoints(trained, folder)
    write_manifest(trained, folder)
    write_settings(trained, folder)
    if fault and fault.files:
        fault.files(folder, trained)


def _plain(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None


def told(entry: Entry, truth: Mapping[str, object]) -> str:
    """One line about an entry."""
    what = entry.cause or f"healthy: {entry.kind}"
    ends = f"score {truth['score']} of {truth['untrained']}" + (f", twin {truth['twin_score']}" if entry.cause else "")
    mark = "" if truth["proved"] else "  NOT PROVED"
    return f"{entry.name} {entry.draw:6} {what:26} {entry.fault.name:28} {entry.task.name:20} {ends}{mark}"
