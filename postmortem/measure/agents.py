"""What logs and weights say of a policy: whether its return rose, whether it still explores, how far each update carries it.

A return is judged against its own noise and never by its size, which the task alone decides. Entropies are compared with their own
start: that of a discrete policy is ln(actions) and falls towards 0, whatever sign and factor it is logged with; that of a continuous
one has no zero, and its standard deviation is looked at instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from postmortem.measure.agent_tags import clip_series, divergence_series, entropy_series, return_series, spread_series
from postmortem.measure.family import not_of_family
from postmortem.measure.roles import Roled
from postmortem.measure.sides import by_side, coherence, judged_rows, side_of_agent
from postmortem.measure.smooth import Floats, Smooth, finite_points, level_near, ratio, smooth
from postmortem.measure.table import TensorTable
from postmortem.measure.view import Found, missing, view_of
from postmortem.model import Checkpoint, Measurement, Missing, Series, counted

NAMES = (
    "policy.return_gain",
    "policy.return_fall",
    "policy.exploration",
    "policy.divergence",
    "policy.clip_fraction",
    "policy.coherence",
    "policy.learned",
)
LEAST_POINTS = 10
CLEAR_ERRORS = 5.0
LEAST_SHARE = 0.1
"""A return rose where the rise is five standard errors and a tenth of the return's size."""
LOST = 0.1
"""Share of its exploration from which a policy counts as settled."""
_ROLLOUTS = {"rollout", "ep", "episode"}
FEWEST_CHANGES = 3
"""A mean over past episodes that changed less often has seen fewer than four of them end."""
SETTLED_SPREAD = 0.05
"""Deviation of actions, where they range over about 1, that explores nothing: one in 20 of the range."""
_LOG_SPREADS = ("log_std", "logstd", "log_stds", "actor_logstd", "log_std_parameter", "log_sigma")


@dataclass(frozen=True, slots=True, eq=False)
class Risen:
    """A return turned over, so that its rise is a fall and the measures of losses serve it."""

    curve: Smooth

    @property
    def start(self) -> float:
        """Return at the start. Of one that ends below it the lower of that and the level of the first tenth: the first points of a mean
        over a hundred episodes are of one or two."""
        first = -self.curve.start
        tenth = -float(np.median(self.curve.values[: max(5, self.curve.points // 10)]))
        return min(first, tenth) if self.last < first else first

    @property
    def best(self) -> float:
        """Highest level."""
        return -self.curve.lowest

    @property
    def last(self) -> float:
        """Level of the last tenth."""
        return -self.curve.last

    @property
    def noise(self) -> float:
        """Standard error of the difference of two levels."""
        return math.hypot(self.curve.level_noise, self.curve.start_noise)

    @property
    def kept(self) -> float:
        """What was kept for good: the higher of the last level and the median of the last quarter, so that a dip is no loss."""
        return max(self.last, -float(np.median(self.curve.values[-max(3, self.curve.points // 4) :])))

    def share_at(self, step: int) -> float:
        """Share of the whole rise to the best level that was there about a step; 0 where there was none."""
        gain = self.best - self.start
        return ratio(-level_near(self.curve, step) - self.start, gain) if gain > CLEAR_ERRORS * self.noise else 0.0


def measure_agents(roled: Sequence[Roled], table: TensorTable, checkpoints: Sequence[Checkpoint], family: str) -> Iterator[Found]:
    """All `policy.*` measurements of one run; none for a run that is no agent's."""
    if family != "rl":
        reason, may_be = not_of_family(family, "a reinforcement-learning run", roled)
        yield from missing(NAMES, reason, "return", applies=may_be)
        return
    returns = return_series(roled)
    risen = None if returns is None else _risen(returns)
    if returns is None:
        yield from missing((*NAMES[:2], NAMES[6]), "no return of episodes was logged", "return")
    elif risen is None:
        yield from missing((*NAMES[:2], NAMES[6]), f"fewer than {LEAST_POINTS} different points of {returns.tag!r}", "return")
    else:
        yield from _return(risen)
    yield _exploration(roled, table, risen)
    yield _highest(NAMES[3], "nats", divergence_series(roled), "the divergence between a policy and the one before")
    yield _highest(NAMES[4], "share", clip_series(roled), "the share of clipped samples")
    yield _coherence(table, checkpoints)


def _risen(series: Series) -> Risen | None:
    """None where there are too few points. A mean of past episodes that is repeated until another one ends is one point."""
    finite = series.values[np.isfinite(series.values)]
    of_rollouts = bool(_ROLLOUTS & set(re.split(r"[/_.-]", series.tag.lower())))
    if of_rollouts and np.count_nonzero(np.diff(finite)) < FEWEST_CHANGES:
        return None
    turned = smooth(replace(series, values=-series.values), LEAST_POINTS)
    return None if turned is None or turned.span <= 0 else Risen(turned)


def _return(risen: Risen) -> Iterator[Measurement]:
    """The rise of the return from its start to its last level, in standard errors, and the share of its highest rise that it lost for good.

    `policy.learned` is 1 where it rose clearly and less than half of the rise was lost again, else 0.
    """
    start, best, last = risen.start, risen.best, risen.last
    basis = (
        f"{risen.curve.tag!r} from {start:.4g} to {last:.4g}, at best {best:.4g} at step {risen.curve.lowest_step}; "
        f"{risen.curve.points} points of {risen.curve.source}"
    )
    size = max(abs(start), abs(best), abs(last))
    items = {"start": start, "best": best, "last": last, "share": ratio(last - start, size), "best_step": float(risen.curve.lowest_step)}
    yield Measurement(NAMES[0], ratio(last - start, risen.noise), "errors", basis, risen.curve.lowest_step, items)
    clear = last - start > CLEAR_ERRORS * risen.noise and last - start > LEAST_SHARE * size
    yield Measurement(NAMES[6], float(clear and best - risen.kept < 0.5 * (best - start)), "", basis)
    gain = best - start
    counts = gain > CLEAR_ERRORS * risen.noise and gain > LEAST_SHARE * size
    items = {"gain": gain, "errors": ratio(best - risen.kept, risen.noise), "best": best, "last": risen.kept}
    yield Measurement(NAMES[1], ratio(best - risen.kept, gain) if counts else 0.0, "share", basis, risen.curve.lowest_step, items)


# --- exploration ------------------------------------------------------------------------------------------------------


def _exploration(roled: Sequence[Roled], table: TensorTable, risen: Risen | None) -> Found:
    """What is left of the policy's exploration at the end: entropy over its start, or the deviation of its actions.

    `first_step`: the step from which less than a tenth is left (deviation: less than 0.05), for good. Items: `start`, `last`, `position`
    (share of the run at that step) and, where a return is known, `return_share` (share of its rise that was there by then).
    """
    name = NAMES[2]
    spread, entropy = spread_series(roled), entropy_series(roled)
    stored = _stored_spreads(table)
    if spread is not None and (curve := smooth(spread, LEAST_POINTS)) is not None and float(curve.values.min()) >= 0:
        return _left(name, "deviation", _levels(curve), SETTLED_SPREAD, f"{spread.tag!r}, {curve.points} points of {spread.source}", risen)
    if stored is not None:
        basis = f"log deviations of actions in {stored[0].size} checkpoints"
        return _left(name, "deviation", stored, SETTLED_SPREAD, basis, risen)
    if entropy is None:
        return Missing(name, "neither the policy's entropy nor the deviation of its actions was logged", "policy-entropy")
    curve = smooth(entropy, LEAST_POINTS)
    if curve is None:
        return Missing(name, f"fewer than {LEAST_POINTS} finite points of {entropy.tag!r}", "policy-entropy")
    steps, values = _levels(curve)
    sign = math.copysign(1.0, values[0])
    if values[0] == 0 or float(np.min(sign * curve.values)) < -1e-3 * abs(values[0]):
        # The entropy of a density passes through 0 and means nothing beside its start.
        return Missing(name, f"{entropy.tag!r} changes its sign: a continuous policy, whose deviation was not logged", "policy-entropy")
    basis = f"{entropy.tag!r}, {curve.points} points of {entropy.source}"
    return _left(name, "entropy", (steps, np.abs(values)), LOST * abs(values[0]), basis, risen)


def _levels(curve: Smooth) -> tuple[Floats, Floats]:
    """The first points, one by one, and then the medians of blocks: a policy can settle within its first updates."""
    steps = np.concatenate([curve.steps[:1], curve.block_steps[1:], curve.steps[-1:]]).astype(np.float64)
    return steps, np.concatenate([curve.values[:1], curve.blocks[1:], [curve.last]])


def _stored_spreads(table: TensorTable) -> tuple[Floats, Floats] | None:
    """Steps and geometric means of the deviations that checkpoints hold as their logarithm."""
    found = []
    for row in table.rows:
        logs = [stats for name, stats in row.tensors.items() if name.rsplit(".", 1)[-1].lower() in _LOG_SPREADS and not stats.nonfinite]
        if logs and row.step is not None:
            found.append((row.step, math.exp(min(50.0, sum(one.mean for one in logs) / len(logs)))))
    if not found:
        return None
    return np.array([step for step, _ in found], dtype=np.float64), np.array([value for _, value in found])


def _left(name: str, kind: str, levels: tuple[Floats, Floats], line: float, basis: str, risen: Risen | None) -> Measurement:
    steps, values = levels
    start, last = float(values[0]), float(values[-1])
    items = {"start": start, "last": last}
    above = np.flatnonzero(values >= line)
    lost = None
    if last < line:
        at = int(above[-1]) + 1 if above.size else 0
        lost = int(steps[at])
        span = float(steps[-1] - steps[0])
        items["position"] = float(steps[at] - steps[0]) / span if span > 0 else 0.0
        if risen is not None:
            items["return_share"] = risen.share_at(lost)
    return Measurement(name, ratio(last, start), "share", f"{start:.3g} to {last:.3g}; {basis}", lost, items, kind)


# --- updates ----------------------------------------------------------------------------------------------------------


def _highest(name: str, unit: str, series: Series | None, what: str) -> Found:
    """The highest level over windows of a tenth of the run; items: the median of all points, and the share of points above it tenfold."""
    if series is None:
        return Missing(name, f"{what} was not logged", "policy-divergence")
    curve = smooth(replace(series, values=-np.abs(series.values)), LEAST_POINTS)
    if curve is None:
        return Missing(name, f"fewer than {LEAST_POINTS} finite points of {series.tag!r}", "policy-divergence")
    _, values = finite_points(series)
    items = {"median": float(np.median(np.abs(values))), "largest": float(np.abs(values).max())}
    basis = f"{series.tag!r}, {curve.points} points of {series.source}"
    return Measurement(name, float(-curve.levels.min()), unit, basis, curve.lowest_step, items)


def _coherence(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Found:
    """Adam's mean |m| / sqrt(v) over the policy's matrices at the last checkpoint; items: that at each checkpoint."""
    name = NAMES[5]
    if not table.rows:
        return Missing(name, "the run has no readable checkpoint", "checkpoint")
    view = view_of(table, checkpoints)
    found: dict[str, float] = {}
    last: int | None = None
    for row in judged_rows(view):
        sides = by_side(view, row, side_of_agent)
        value = coherence(sides.get("actor") or sides.get("shared") or [])
        if math.isfinite(value):
            found[f"step {row.step}"] = value
            last = row.step
    if not found:
        return Missing(name, "no checkpoint holds the policy with Adam's two moments", "optimizer-state")
    return Measurement(name, list(found.values())[-1], "ratio", f"Adam's moments in {counted(len(found), 'checkpoint')}", last, found)
