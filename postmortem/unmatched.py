"""Options that no tag or column of a run answers: the run is judged as if they were not given, and that is said at once."""

from __future__ import annotations

from collections.abc import Sequence

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
        messages.extend(f"{run}: {note}" for run, note in said[:SAID])
        if len(said) > SAID:
            messages.append(f"{name} {option!r} matches no {what} of {len(said) - SAID} more runs of {len(measured)}")
    return tuple(messages)
