"""Reads the monitors of reinforcement-learning environments: one row an episode, its return (r), length (l) and end in seconds (t).

Stable-Baselines3, Baselines and the like write one file an environment, `0.monitor.csv` and so on. The step of an episode is the number of
environment steps that all environments of a folder had taken when it ended, as the trainer counts them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from postmortem.model import FoundFile, Series
from postmortem.read.tables.rows import Table
from postmortem.read.words import counted

RETURN = "episode_reward"
LENGTH = "episode_length"
_LONGEST_EPISODE = 1e9


def is_monitor(table: Table) -> bool:
    """Whether the columns are those of a monitor."""
    return {"r", "l", "t"} <= set(table.columns)


def monitor_series(table: Table, file: FoundFile) -> tuple[Series, ...]:
    """Return, length and what else was kept of each episode, by environment steps; dated where the file says when it began."""
    table.kind = "monitor"
    began = table.hyperparameters.pop("t_start", None)
    lengths = np.zeros(table.rows)
    lengths[table.columns["l"][0]] = table.columns["l"][1]
    sound = (lengths >= 0) & (lengths <= _LONGEST_EPISODE)
    if not sound.all():
        first = int(np.flatnonzero(~sound)[0]) + 1
        table.problems.append(
            ("corrupt", f"{counted(int((~sound).sum()), 'episode')} of impossible length, the first in row {first}; taken as 0 steps")
        )
        lengths[~sound] = 0
    seconds = np.full(table.rows, math.nan)
    seconds[table.columns["t"][0]] = table.columns["t"][1]
    if isinstance(began, int | float):
        seconds += began
    table.notes.append("its rows are episodes: r taken as the return, l as the length; the steps are the sum of the lengths")
    steps = np.cumsum(lengths).astype(np.int64)
    names = {"r": RETURN, "l": LENGTH}
    # Without the time of the beginning, t is no date; it orders the episodes of several files all the same.
    return tuple(
        Series(names.get(name, name), file.group, steps[rows], values, seconds[rows], file.name)
        for name, (rows, values) in table.columns.items()
        if name != "t"
    )


def united_monitors(found: Sequence[Sequence[Series]]) -> tuple[Series, ...]:
    """Series of several environments of one folder as one: episodes in order of their ends, steps summed over all environments."""
    by_tag: dict[str, list[Series]] = {}
    for each in found:
        for series in each:
            by_tag.setdefault(series.tag, []).append(series)
    ends = [np.array(series.wall_seconds) for series in by_tag[LENGTH]]
    lengths = [np.diff(series.steps, prepend=0) for series in by_tag[LENGTH]]
    order = np.argsort(np.concatenate(ends), kind="stable")
    sorted_ends = np.concatenate(ends)[order]
    total = np.cumsum(np.concatenate(lengths)[order])
    united: list[Series] = []
    for tag, several in by_tag.items():
        walls = np.concatenate([series.wall_seconds for series in several])
        by_end = np.argsort(walls, kind="stable")
        place = np.clip(np.searchsorted(sorted_ends, walls[by_end], side="right") - 1, 0, None)
        source = several[0].source if len(several) == 1 else f"{several[0].source} and {len(several) - 1} more"
        values = np.concatenate([series.values for series in several])[by_end]
        united.append(Series(tag, several[0].group, total[place], values, walls[by_end], source))
    return tuple(united)
