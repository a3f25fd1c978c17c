"""A run as it is handed to a tool: a folder with what the tools can read, and a note of what is in it. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NOTE = "handed.json"


@dataclass(frozen=True, slots=True)
class Handed:
    """What there is of a run. Paths are absolute."""

    table: str = ""
    """CSV of all scalars by step, under the names that all tools know: `step`, `train_loss`, `val_loss`, `lr`, `grad_norm`, then the
    other tags as they were logged. Blank cells where a scalar has no point. Of a resumed run no point that was written again. Empty
    where the run has no scalars."""
    as_written: str = ""
    """The same in the order of writing: a resumed run goes back to an earlier step."""
    weights: tuple[str, ...] = ()
    """safetensors files of plain tensors in float32 under the names that the model gives them: the first checkpoint and the last, or
    the only one."""
    checkpoint_files: tuple[str, ...] = ()
    """Every checkpoint file as the run left it, optimizers' among them."""
    text_logs: tuple[str, ...] = ()
    """What the terminal showed."""

    def save(self, folder: Path) -> None:
        """Leaves the note in a folder."""
        (folder / NOTE).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Handed:
        """Reads the note of a folder."""
        note: dict[str, Any] = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        lists = (tuple(note[key]) for key in ("weights", "checkpoint_files", "text_logs"))
        return cls(note["table"], note["as_written"], *lists)
