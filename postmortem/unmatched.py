"""What was asked for and cannot be had: options that no tag or column of a run answers, folders without a run, addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from postmortem.model import ReadOptions, RunMeasurements

SAID = 3
"""Runs that are named where an option matches none of their tags."""


def unmatched_options(measured: Sequence[RunMeasurements], read: ReadOptions) -> tuple[str, ...]:
    """One sentence for each of the first runs that an option does not fit, and one for how many more there are."""
    asked = (
        ("--loss-tag", read.loss_tag, "tag"),
        ("--reg-tag", read.reg_tag, "tag"),
        ("--label-column", read.label_column, "column"),
        ("--split-column", read.split_column, "column"),
        ("--key-column", read.key_column, "column"),
    )
    messages: list[str] = []
    for name, option, what in asked:
        said = [(run.name, note) for run in measured for note in run.notes if note.startswith(f"{name} {option!r} matches no {what}")]
        messages.extend(note if run == "." else f"{run}: {note}" for run, note in said[:SAID])
        if len(said) > SAID:
            messages.append(f"{name} {option!r} matches no {what} of {len(said) - SAID} more runs of {len(measured)}")
    return tuple(messages)


def addresses(paths: Sequence[Path]) -> tuple[str, ...]:
    """Those of the paths that were written as addresses of another machine, such as `s3://bucket/run`; no such folder is here."""
    return tuple(
        re.sub("^([a-z0-9]+):/+", r"\1://", str(path)) for path in paths if re.match("[a-z][a-z0-9]+:/", str(path)) and not path.exists()
    )


def idle_folders(paths: Sequence[Path], measured: Sequence[RunMeasurements]) -> tuple[str, ...]:
    """One sentence for each folder that was given beside others and holds nothing of a training run."""
    # A run that two of the folders hold is named by one of them alone.
    runs = [Path(run.path).resolve() for run in measured]
    idle = [path for path in paths if path.is_dir() and not any(path.resolve() in (run, *run.parents) for run in runs)]
    return tuple(f"{path} holds nothing of a training run" for path in idle)
