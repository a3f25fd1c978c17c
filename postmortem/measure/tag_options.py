"""The tags that --loss-tag and --reg-tag name: which series they are, and what to say where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from postmortem.model import ReadOptions, Series

LISTED = 3
"""Closest tags that are named where an option matches none."""


def matches(option: str | None, series: Sequence[Series]) -> frozenset[int]:
    """Positions of the series that an option names.

    The tag as it stands; else with the group before it (`train/epoch_loss` for the tag `epoch_loss` of the group `train`); else either in
    other capitals. Only the best kind of match counts.
    """
    if option is None:
        return frozenset()
    for lower in (False, True):
        wanted = option.casefold() if lower else option
        for grouped in (False, True):
            found = frozenset(
                index for index, one in enumerate(series) if (one.group or not grouped) and _written(one, grouped, lower) == wanted
            )
            if found:
                return found
    return frozenset()


def _written(one: Series, grouped: bool, lower: bool) -> str:
    text = f"{one.group}/{one.tag}" if grouped else one.tag
    return text.casefold() if lower else text


def unmatched(series: Sequence[Series], options: ReadOptions) -> Iterator[str]:
    """One sentence for each option that names no tag of the run, with the closest tags that there are."""
    for name, option in (("--loss-tag", options.loss_tag), ("--reg-tag", options.reg_tag)):
        if option is not None and not matches(option, series):
            yield f"{name} {option!r} matches no tag of this run and was not used; {_closest(option, series)}"


def _closest(option: str, series: Sequence[Series]) -> str:
    tags = {one.tag.casefold(): one.tag for one in series}
    if not tags:
        return "it has no tags"
    near = get_close_matches(option.casefold(), tags, LISTED, cutoff=0.0)
    return "the closest are " + ", ".join(repr(tags[tag]) for tag in near) if len(near) > 1 else f"its only tag is {tags[near[0]]!r}"
