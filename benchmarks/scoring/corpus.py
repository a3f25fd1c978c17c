"""What the corpus holds: its runs with their truths, and the views of a run in which some artifacts are missing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from faults.nouns import half_of

View = Literal["all", "logs", "checkpoints"]
VIEWS: tuple[View, ...] = get_args(View)
_WEIGHTS = (".pt", ".pth", ".ckpt", ".safetensors", ".tar", ".bin", ".npz", ".msgpack", ".h5")
_LOG_NAMES = ("tfevents", "trainer_state", "metrics", "all_results", "progress")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one run."""

    name: str
    half: str
    cause: str
    """Empty for a healthy run."""
    accepted: frozenset[str]
    """Causes that may stand first, beside the injected one."""
    also: frozenset[str]
    """Consequences: true of the run, and not enough as the first."""
    kind: str
    """Of a healthy run: its trap, or `twin`."""
    severity: str
    fault: str
    task: str
    architecture: str

    @property
    def right(self) -> frozenset[str]:
        """Causes that may stand first."""
        return self.accepted | {self.cause} if self.cause else frozenset()

    @property
    def true(self) -> frozenset[str]:
        """Causes that are no false alarm."""
        return self.right | self.also


def truths(corpus: Path, half: str | None = None) -> tuple[list[Truth], list[str]]:
    """All runs of the corpus that are proved, twins among the healthy ones, and the names of those that are not proved."""
    found: list[Truth] = []
    unproved: list[str] = []
    for path in sorted((corpus / "truth").glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        told_half = half_of(told["draw"])
        if half not in (None, told_half):
            continue
        if not told["proved"]:
            unproved.append(f"{path.stem} {told['cause'] or told['kind']} {told['fault']} {told['task']}")
            continue
        common = (told["severity"], told["fault"], told["task"], told["architecture"])
        also = frozenset(told["also"])
        found.append(Truth(path.stem, told_half, told["cause"], frozenset(told["accepted"]), also, told["kind"], *common))
        if told["cause"]:
            found.append(Truth(told["twin"], told_half, "", frozenset(), frozenset(), "twin", *common))
    return found, unproved


def viewed(corpus: Path, name: str, view: View) -> Path:
    """The folder of a run with the artifacts of a view only, made of hard links where it is not the whole."""
    whole = corpus / "runs" / name
    if view == "all":
        return whole
    folder = corpus / "views" / view / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in _kept(sorted(each for each in whole.rglob("*") if each.is_file()), view):
        target = folder / path.relative_to(whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)
    return folder


def _kept(paths: Iterable[Path], view: View) -> list[Path]:
    """Logs alone: everything but weights and optimizer state. Checkpoints alone: nothing that was logged, and no manifest."""
    if view == "logs":
        return [path for path in paths if not _is_checkpoint(path)]
    return [path for path in paths if _is_checkpoint(path) or path.name.endswith(".index.json")]


def _is_checkpoint(path: Path) -> bool:
    return path.suffix in _WEIGHTS and not any(name in path.name for name in _LOG_NAMES)
