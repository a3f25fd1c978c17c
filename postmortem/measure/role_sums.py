"""Losses that are the sum of others beside them: which is the total and which are its parts, proved point by point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from postmortem.measure import role_words as known
from postmortem.measure.roled import LEAST_POINTS, LOSS_ROLES, MOST_COMPARED, Role, Roled, side_of
from postmortem.measure.smooth import Floats, finite_points
from postmortem.measure.tags import words

ROUNDING = 2e-3
"""Logs keep three or four digits: a sum holds within this share."""
MOST_PARTS = 10
"""Of more losses beside each other only the sum of all and of all but one or two are tried."""
PROBED = 16
"""Points at which a sum is tried before it is tried at all."""


def by_sums(told: Sequence[Roled]) -> list[Roled]:
    """Losses that are the sum of others beside them are totals, and those are their parts."""
    result = list(told)
    at = {id(one): index for index, one in enumerate(told)}
    losses = [one for one in told if one.role in LOSS_ROLES and finite_points(one.series)[1].size >= LEAST_POINTS]
    if len(losses) > MOST_COMPARED:
        return result
    proofs = [proof for proof in _proofs(losses) if not set(words(proof[0].series.tag)) & (known.ADVERSARIAL | known.AGENT)]
    for total, members in proofs:
        rivals = [proof for proof in proofs if proof[0] is not total and _beside(proof[0], total)]
        if any(not _within(rival, total, members) for rival in rivals):
            continue  # each side of a pair, each task, has a sum of its own; none of them is the run's
        names = ", ".join(repr(member.series.tag) for member in members)
        role: Role = "training-loss" if side_of(total.split) == "train" else "validation-loss"
        result[at[id(total)]] = replace(total, role=role, why=f"the sum of {names} at every step")
        rest = [member for member in members if member.role != "regularization"]
        for member in (*rest, *(rival for rival, _ in rivals)):
            alone = len(rest) == 1 and role == "training-loss"
            why = f"a part of the sum {total.series.tag!r}"
            result[at[id(member)]] = replace(member, role="data-loss" if alone else "part-of-loss", why=why)
    return result


def _beside(one: Roled, other: Roled) -> bool:
    return side_of(one.split) == side_of(other.split) and one.series.group == other.series.group


def _within(rival: tuple[Roled, tuple[Roled, ...]], total: Roled, members: tuple[Roled, ...]) -> bool:
    """Whether another sum is only a part of this one."""
    return total not in rival[1] and (rival[0] in members or set(map(id, rival[1])) < set(map(id, members)))


def _proofs(losses: Sequence[Roled]) -> Iterator[tuple[Roled, tuple[Roled, ...]]]:
    """(total, its parts): every point of the one is the sum of the others, which all move and all count."""
    grouped: dict[tuple[object, ...], list[Roled]] = {}
    for one in losses:
        steps = finite_points(one.series)[0]
        grouped.setdefault((side_of(one.split), one.series.group, steps.size, int(steps[0]), int(steps[-1])), []).append(one)
    for members in grouped.values():
        alike = [one for one in members if np.array_equal(finite_points(one.series)[0], finite_points(members[0].series)[0])]
        if len(alike) < 3:
            continue
        curves = np.stack([finite_points(one.series)[1] for one in alike])
        for index, total in enumerate(alike):
            found = _summands(curves, index)
            if found:
                yield total, tuple(alike[other] for other in found)


def _summands(curves: Floats, total: int) -> tuple[int, ...]:
    """Rows that add up to the row `total` at every point; empty where none do, or where it does not move."""
    target = curves[total]
    others = [row for row in range(len(curves)) if row != total]
    # Rows that are the total once more, or that hardly count, would make sums of anything.
    least = 5 * ROUNDING * float(np.median(np.abs(target)))
    useful = [row for row in others if not _near(curves[row], target) and float(np.median(np.abs(curves[row]))) > least]
    if float(np.ptp(target)) == 0 or len(useful) < 2:
        return ()
    # A few points refute nearly every sum; what is left is held against all.
    some = np.linspace(0, target.size - 1, min(target.size, PROBED)).astype(np.int64)
    probed = curves[:, some]
    sizes = range(len(useful), 1, -1) if len(useful) <= MOST_PARTS else range(len(useful), len(useful) - 3, -1)
    for size in sizes:
        for chosen in combinations(useful, size):
            if _near(probed[list(chosen)].sum(axis=0), probed[total]) and _near(curves[list(chosen)].sum(axis=0), target):
                return chosen
    return ()


def _near(one: Floats, other: Floats) -> bool:
    return bool(np.all(np.abs(one - other) <= ROUNDING * np.abs(other)))
