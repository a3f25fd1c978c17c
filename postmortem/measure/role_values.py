"""Roles by numbers, where they prove something that words cannot: sums, running extremes, counters, signs, constants.

Each rule here takes back or gives a role only on what no healthy curve of the other kind shows: it is a proof over all common points, or
a bound that the quantity cannot leave. A tag whose numbers prove nothing keeps the role that its words gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from postmortem.measure import role_words as known
from postmortem.measure.role_sums import by_sums
from postmortem.measure.roled import LEAST_POINTS, LOSS_ROLES, MOST_COMPARED, UNKNOWN, Role, Roled, side_of
from postmortem.measure.smooth import Floats, finite_points
from postmortem.measure.tags import words

OTHER_UNITS = 1000.0
"""Groups of parameters do not differ so much in their rates; a rate times 1e5, to be read more easily, does."""
HIGHEST_ACCURACY = 100.5
HIGHEST_RATE = 10.0
"""No usual optimizer takes a learning rate above this for half of its run; layer-wise ones (LARS) pass it only at their peak."""


def by_values(named: Sequence[Roled]) -> tuple[Roled, ...]:
    """The series with the roles that their numbers leave or give them, in the order given."""
    told = [_alone(one) for one in named]
    told = _final_means(told)
    told = _coefficients(told)
    told = _scaled_rates(told)
    told = _negated_returns(told)
    told = _running_extremes(told)
    return tuple(by_sums(told))


# --- one series -------------------------------------------------------------------------------------------------------


def _alone(one: Roled) -> Roled:
    """What the series' own numbers rule out or prove."""
    _, values = finite_points(one.series)
    if not values.size:
        return one
    if one.role == "accuracy" and (values.min() < 0 or values.max() > HIGHEST_ACCURACY):
        return replace(one, role="metric", why=f"words of accuracy, but values from {values.min():.3g} to {values.max():.3g}")
    if one.role == "learning-rate" and (values.min() < 0 or float(np.median(values)) > HIGHEST_RATE):
        return replace(one, role="other", why=f"words of a learning rate, but values from {values.min():.3g} to {values.max():.3g}")
    if one.role == "loss-scale" and not _is_scale(values):
        role: Role = "part-of-loss" if side_of(one.split) == "train" else "other"
        return replace(one, role=role, why="words loss and scale, but its values are no powers of two")
    if one.role == "other" and one.why == UNKNOWN and _counts_epochs(one, values):
        return replace(one, role="epoch", why=f"it counts up by one, each time after equally many points, to {values[-1]:g}")
    return one


def _is_scale(values: Floats) -> bool:
    """Whether a gradient scaler can have had these values: it doubles and halves, or stays as it was set."""
    # After about 165 halvings it is 0 in float32, and stays so.
    values = values[: int(np.flatnonzero(values)[-1]) + 1] if values.any() else values
    if values.min() <= 0:
        return False
    exponents = np.log2(values)
    return float(np.ptp(exponents)) == 0 or float(np.mean(np.abs(exponents - np.round(exponents)) < 1e-6)) > 0.5


def _counts_epochs(one: Roled, values: Floats) -> bool:
    """A staircase from 0 or 1 by ones whose steps are equally long: episodes, updates and levels do not come so evenly."""
    rises = np.diff(values)
    if values.size < LEAST_POINTS or values[0] not in (0, 1) or not np.isin(rises, (0, 1)).all():
        return False
    lengths = np.diff(np.flatnonzero(rises))
    return lengths.size >= 2 and lengths.min() >= 2 and float(np.ptp(lengths)) <= 1


# --- one series beside others -----------------------------------------------------------------------------------------


def _final_means(told: Sequence[Roled]) -> list[Roled]:
    """A loss of one point beside a curve is the mean that a trainer logs when it is done (`train/train_loss`)."""
    longest: dict[str, int] = {}
    for one in told:
        if one.role in ("training-loss", "validation-loss"):
            longest[one.split or "train"] = max(longest.get(one.split or "train", 0), one.series.values.size)
    return [
        replace(one, role="other", why="one final value, no curve")
        if one.role in ("training-loss", "validation-loss")
        and one.series.values.size == 1
        and longest[one.split or "train"] >= LEAST_POINTS
        else one
        for one in told
    ]


def _coefficients(told: Sequence[Roled]) -> list[Roled]:
    """A constant that is called regularization, but not loss, while the losses move, is the coefficient and not the loss."""
    moving = any(one.role in LOSS_ROLES and np.ptp(finite_points(one.series)[1]) > 0 for one in _long(told))
    constant = {id(one) for one in _long(told) if one.role == "regularization" and moving and _is_constant(one)}
    return [
        replace(one, role="other", why=f"constant at {finite_points(one.series)[1][0]:.3g}: a coefficient") if id(one) in constant else one
        for one in told
    ]


def _is_constant(one: Roled) -> bool:
    values = finite_points(one.series)[1]
    return not known.speaks_of_loss(words(one.series.tag)) and float(np.ptp(values)) == 0 and values[0] != 0


def _long(told: Sequence[Roled]) -> list[Roled]:
    return [one for one in told if finite_points(one.series)[1].size >= LEAST_POINTS]


def _scaled_rates(told: Sequence[Roled]) -> list[Roled]:
    """A curve that is a number times a learning rate that moves: a rate in other units, or a setting that follows it."""
    rates = [one for one in _long(told) if one.role == "learning-rate" and float(np.ptp(finite_points(one.series)[1])) > 0]
    result = []
    for one in told:
        found = None
        if one.role == "learning-rate" or one.why == UNKNOWN:
            factors = ((_factor(one, other), other) for other in rates if other is not one)
            found = next((pair for pair in factors if pair[0] is not None and (one.role == "other" or pair[0] >= OTHER_UNITS)), None)
        result.append(
            one if found is None else replace(one, role="other", why=f"{found[0]:.4g} times {found[1].series.tag!r} at every step")
        )
    return result


def _factor(one: Roled, other: Roled) -> float | None:
    """The number that turns the other into this one at every common step; None where there is none."""
    common = _common(one, other)
    if common is None or float(np.ptp(common[1])) == 0 or common[1].max() == 0:
        return None
    factor = float(common[0][int(np.argmax(common[1]))] / common[1].max())
    return factor if factor > 0 and np.all(np.abs(common[0] - factor * common[1]) <= 1e-4 * np.abs(common[0])) else None


def _negated_returns(told: Sequence[Roled]) -> list[Roled]:
    """A loss that is a return with the sign turned is no loss of its own."""
    returns = [one for one in _long(told) if one.role == "return"]
    result = []
    for one in told:
        twin = next((other for other in returns if one.role in LOSS_ROLES and _equal(one, other, sign=-1.0)), None)
        result.append(one if twin is None else replace(one, role="other", why=f"equals minus {twin.series.tag!r} at every step"))
    return result


def _running_extremes(told: Sequence[Roled]) -> list[Roled]:
    """A curve that is the lowest (or, of accuracies, the highest) so far of another one is no curve of its own."""
    losses = [one for one in _long(told) if one.role in ("training-loss", "validation-loss", "part-of-loss", "accuracy", "metric")]
    if len(losses) > MOST_COMPARED:
        return list(told)
    lowest = {id(one) for one in losses if _falls_only(one)}
    rising = {id(one) for one in losses if _falls_only(one, sign=-1.0)}
    result = []
    for one in told:
        others = [other for other in losses if other is not one and side_of(other.split) == side_of(one.split)]
        twin = next((other for other in others if id(one) in lowest and id(other) not in lowest and _follows(one, other, np.minimum)), None)
        twin = twin or next(
            (other for other in others if id(one) in rising and id(other) not in rising and _follows(one, other, np.maximum)), None
        )
        result.append(one if twin is None else replace(one, role="other", why=f"the best of {twin.series.tag!r} so far"))
    return result


def _falls_only(one: Roled, sign: float = 1.0) -> bool:
    return bool(np.all(sign * np.diff(finite_points(one.series)[1]) <= 0))


def _follows(one: Roled, other: Roled, extreme: np.ufunc) -> bool:
    common = _common(one, other)
    if common is None:
        return False
    mine, theirs = common
    so_far = extreme.accumulate(theirs)
    # Where the other one is at its best throughout, both are one curve and neither is the extreme of the other.
    return bool(np.any(so_far != theirs)) and bool(np.allclose(mine, so_far, rtol=1e-5, atol=0.0))


def _common(one: Roled, other: Roled) -> tuple[Floats, Floats] | None:
    """Both at their common steps; None where these are fewer than needed or not nearly all of the first's."""
    steps, values = finite_points(one.series)
    other_steps, others = finite_points(other.series)
    if steps.size < LEAST_POINTS or other_steps.size < LEAST_POINTS:
        return None
    if steps.size == other_steps.size and np.array_equal(steps, other_steps):
        return values, others
    shared, mine, theirs = np.intersect1d(steps, other_steps, return_indices=True)
    if shared.size < max(LEAST_POINTS, 0.9 * np.unique(steps).size):
        return None
    return values[mine], others[theirs]


def _equal(one: Roled, other: Roled, sign: float = 1.0) -> bool:
    common = _common(one, other)
    if common is None or float(np.ptp(common[0])) == 0:
        return False
    return bool(np.all(np.abs(common[0] - sign * common[1]) <= 1e-4 * np.maximum(np.abs(common[0]), np.abs(common[1]))))
