"""Scalars of any log as a DataFrame, for notebooks; in the layout of tbparse's, so that what works on the one works on the other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

EXTRA_COLUMNS = ("wall_time", "dir_name", "file_name")


def scalars(*paths: str | Path, extra_columns: Iterable[str] = ()) -> pandas.DataFrame:
    """Every scalar of the runs under some paths, nothing sampled: a row each, with `step`, `tag` and `value`.

    Unlike tbparse's own table it holds scalars that were stored as tensors, those of all logs besides event files, and of a resumed run
    no point that a later file replaced. What could not be read stands in `attrs["problems"]` of the table, one sentence each.

    Args:
        paths: runs, folders of runs, or files; at least one.
        extra_columns: `wall_time` (Unix time in seconds; NaN where the log has none), `dir_name` (the run's name, as reports show it) and
            `file_name` (below the run's folder; several where a run was resumed).

    Raises:
        ValueError: a column of another name is asked for.
        discover.NoSuchPath, discover.NothingFound: a path is not there, or nothing under it is of a training run.
    """
    import pandas

    from postmortem.discover import find_runs
    from postmortem.model import ReadOptions
    from postmortem.read.run import reading

    wanted = tuple(extra_columns)
    if unknown := sorted(set(wanted) - set(EXTRA_COLUMNS)):
        raise ValueError(f"no such column: {', '.join(unknown)}; there are {', '.join(EXTRA_COLUMNS)}")
    tables: list[pandas.DataFrame] = []
    problems: list[str] = []
    for found in find_runs([Path(path) for path in paths]):
        with reading(found, ReadOptions()) as opened:
            for run in opened:
                problems += [f"{run.name}/{problem.path}: {problem.detail}" for problem in run.problems]
                for series in run.series:
                    columns = {"step": series.steps, "tag": series.tag, "value": series.values}
                    extra = {"wall_time": series.wall_seconds, "dir_name": run.name, "file_name": series.source}
                    tables.append(pandas.DataFrame({**columns, **{name: extra[name] for name in wanted}}))
    names = ["step", "tag", "value", *wanted]
    table = pandas.concat(tables, ignore_index=True) if tables else pandas.DataFrame({name: [] for name in names})
    table.attrs["problems"] = list(dict.fromkeys(problems))
    return table
