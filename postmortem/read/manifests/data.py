"""What a reader of manifests gives back, whatever the format."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postmortem.model import FoundFile, Manifest, Problem, ProblemKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from postmortem.read.manifests.keys import Marked


@dataclass(frozen=True, slots=True, eq=False)
class ManifestData:
    """One manifest as far as it could be read."""

    manifest: Manifest | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What was taken for what, one sentence each, the file's name in front."""
    is_log: bool = False
    """Whether it is no manifest but a table of the training itself, for another reader."""
    is_other: bool = False
    """Whether it was read whole and its problems only say that it is no list of labels, or that the data which it describes lies
    elsewhere: no matter where nobody called it a manifest."""
    keys: Mapping[str, NDArray[np.uint64]] | None = None
    """Split -> hash of each record's key, so that files of one data set can be compared. None for tables: those are asked again."""
    marks: Mapping[str, Marked] = field(default_factory=dict)
    """Split -> its keys with what tells records of one key apart; empty where equal keys are of one record."""
    file_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Split -> a sample of the files that it names, as it writes them."""
    speaks_for: tuple[Path, ...] = ()
    """Other files that it was read together with: they are no manifests of their own."""
    keys_are_numbers: bool = False
    """Whether the keys count from 0 or 1 without a gap; where those of every split do, equal keys mean nothing."""


@dataclass(frozen=True, slots=True)
class ManifestsData:
    """All manifests of a run; sets of one file a split are joined."""

    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    logs: tuple[FoundFile, ...] = ()
    """Files that are tables of the training itself."""


def failed(file: FoundFile, kind: ProblemKind, detail: str, notes: tuple[str, ...] = ()) -> ManifestData:
    """A file that gave nothing, and why."""
    return ManifestData(None, (Problem(file.name, kind, detail),), notes)


def first_line(problem: Exception, *paths: Path) -> str:
    """What an error says, without the folders of paths in it: reports do not depend on where a file lies."""
    text = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    for path in paths:
        for folder in (path.parent, path.absolute().parent, path.resolve().parent):
            text = text.replace(f"{folder}{os.sep}", "")
    return re.sub(r"\S*postmortem-\w+[/\\]", "", text)[:200]
