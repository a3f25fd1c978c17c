"""Numeric targets: told from classes that are numbers, and described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from postmortem.model import Targets
from postmortem.read.manifests.tables.columns import finite
from postmortem.read.manifests.tables.vocabulary import IDENTIFIERS, plain

if TYPE_CHECKING:
    import duckdb

MOST_RATINGS = 20
"""Different fractions up to which they may be grades (0, 0.5, 1 ... 10 in halves), so classes."""
MOST_NUMBERED = 256
"""Different whole numbers up to which they are classes, whatever they are called."""
LEAST_PER_NUMBER = 20
"""Records for each whole number, below which they are too thin to be classes."""
LEAST_CONSTANT = 20
"""Records from which one and the same fraction is a target and not a grade."""
DENSE = 0.9
"""Share of the whole numbers from 0 or 1 to the largest that occur, from which they number classes."""
LARGEST = 1e150
"""The square of a larger number is none; such cells count as not finite."""
FAR_OUT = 3.0
"""Interquartile ranges beyond the outer quartiles (Tukey 1977, `far out`)."""


def are_targets(numbers: Sequence[float], labelled: int, name: str) -> bool:
    """Whether labels that are numbers are to be predicted as such: many fractions, or very many whole numbers that number nothing.

    Args:
        numbers: the different values.
        labelled: records that have one.
        name: of the column; `class_id` numbers classes, however many.
    """
    usable = [each for each in numbers if finite(each) and abs(each) < LARGEST]
    if not usable:
        return False
    if any(each != int(each) for each in usable):
        # One fraction throughout is a constant to predict: no class is called 0.731.
        return len(numbers) > min(MOST_RATINGS, labelled / 2) or (len(numbers) == 1 and labelled >= LEAST_CONSTANT)
    if len(usable) <= MOST_NUMBERED or len(usable) * LEAST_PER_NUMBER <= labelled or IDENTIFIERS.search(plain(name)):
        return False
    low, high = min(usable), max(usable)
    return not (low in (0, 1) and len(usable) >= DENSE * (high - low + 1) and len(usable) <= labelled / 2)


def targets(connection: duckdb.DuckDBPyConnection, different: int) -> Targets | None:
    """The numbers among the labels of `records`, by split; None where there are none.

    Args:
        connection: holds `records` and `split_names`.
        different: values, exact or as a sketch estimates them.
    """
    connection.execute(
        "CREATE OR REPLACE TABLE numbers AS SELECT s.name AS split, try_cast(trim(label) AS DOUBLE) AS x"
        " FROM records r JOIN split_names s ON r.split IS NOT DISTINCT FROM s.raw WHERE try_cast(trim(label) AS DOUBLE) IS NOT NULL"
    )
    usable = f"FROM numbers WHERE isfinite(x) AND abs(x) < {LARGEST}"
    row = connection.execute(
        f"SELECT count(x), avg(x), stddev_pop(x), min(x), max(x), quantile_cont(x, [0.25, 0.5, 0.75]) {usable}"
    ).fetchone()
    if row is None or not row[0]:
        return None
    total = connection.execute("SELECT count(*) FROM numbers").fetchone()
    first, median, third = (float(each) for each in row[5])
    reach = FAR_OUT * (third - first)
    beyond = connection.execute(f"SELECT count(*) {usable} AND (x < ? OR x > ?)", [first - reach, third + reach]).fetchone()
    splits = connection.execute(f"SELECT split, count(x), avg(x), stddev_pop(x) {usable} GROUP BY split ORDER BY split").fetchall()
    return Targets(
        count=int(row[0]),
        mean=float(row[1]),
        deviation=float(row[2]),
        minimum=float(row[3]),
        maximum=float(row[4]),
        different=different,
        quartiles=(first, median, third),
        far_out=int(beyond[0]) if beyond is not None else None,
        not_finite=int(total[0]) - int(row[0]) if total is not None else 0,
        splits={str(split): (int(count), float(mean), float(deviation)) for split, count, mean, deviation in splits},
    )
