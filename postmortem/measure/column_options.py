"""The columns that --label-column, --split-column and --key-column name: what to say where no manifest of a run has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postmortem.model import Manifest, ReadOptions


def unmatched_columns(manifests: Sequence[Manifest], options: ReadOptions) -> Iterator[str]:
    """One sentence for each option that no manifest of the run answers; it was not used then."""
    asked = (
        ("--label-column", options.label_column, [one.label_column for one in manifests]),
        ("--split-column", options.split_column, [one.split_column for one in manifests]),
        ("--key-column", options.key_column, [one.key_column for one in manifests]),
    )
    for name, option, used in asked:
        if option is not None and option.casefold() not in {column.casefold() for column in used if column}:
            columns = ", ".join(dict.fromkeys(repr(column) for column in used if column))
            instead = f"used is {columns}" if columns else "none was used"
            yield f"{name} {option!r} matches no column of this run's manifests; {instead}"
