"""What logs, weights and optimizers say of an adversarial pair: whether one side decides the game.

A discriminator that outputs a half for everything has a cross-entropy of 2 ln 2 = 1.386 over both kinds of sample (ln 2 where the
mean of both is logged), one that tells all apart has 0. Hinge losses run from 2 to 0 likewise. A critic's loss has no such scale: it
is minus the distance that it sees, which a critic of bounded slope cannot make larger than the data are wide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from postmortem.measure.family import not_of_family
from postmortem.measure.pair_tags import losses, sample_metrics, scores
from postmortem.measure.roles import Roled
from postmortem.measure.sides import by_side, coherence, gradient_size, judged_rows, known, side_of_pair
from postmortem.measure.smooth import Smooth, ratio, smooth
from postmortem.measure.spectra import matrix, stable_rank
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import Found, View, at_step, missing, peak_row, view_of
from postmortem.model import Checkpoint, Measurement, Missing, counted

LOGGED = ("pair.judge_loss", "pair.maker_loss", "pair.certainty", "pair.distance_growth", "pair.sample_decline")
STORED = ("pair.update_ratio", "pair.rate_ratio", "pair.coherence", "pair.gradient_growth")
TRAVEL, STEEPNESS = "pair.travel_ratio", "pair.judge_steepness"
NAMES = (*LOGGED, *STORED, TRAVEL, STEEPNESS)
LEAST_POINTS = 10
COIN = {"cross-entropy": 2 * math.log(2), "saturating": 2 * math.log(2), "hinge": 2.0}
"""Loss over both kinds of sample of a discriminator that says nothing."""
FEWEST_STEEP = 2
_SCALED = re.compile(r"weight_(?:orig|u|v)$|parametrizations\.|spectral|modulat|to_rgb|from_rgb")
"""Names of tensors that a spectral norm or an equalized learning rate scales whenever they are used."""
_MANY_INPUTS, _UNIT_DEVIATION = 16, 0.5
SURE_AND_WRONG = -1.0
"""A loss of twice a coin's; penalties on gradients do not come there."""


@dataclass(frozen=True, slots=True)
class Level:
    """A curve's median over its first fifth, its second half and its last tenth."""

    tag: str
    early: float
    second_half: float
    last: float

    @staticmethod
    def of(curve: Smooth) -> Level:
        """The levels of a curve."""
        half, tenth = curve.values[curve.points // 2 :], curve.values[-max(3, curve.points // 10) :]
        early = curve.values[: max(3, curve.points // 5)]
        return Level(
            curve.tag,
            float(np.median(early)),
            float(np.median(half)),
            float(np.median(tenth)),
        )


def measure_adversaries(roled: Sequence[Roled], table: TensorTable, checkpoints: Sequence[Checkpoint], family: str) -> Iterator[Found]:
    """All `pair.*` measurements of one run; none for a run that is no adversarial pair."""
    if family != "gan":
        reason, may_be = not_of_family(family, "an adversarial pair", roled)
        yield from missing(NAMES, reason, "pair-losses", applies=may_be)
        return
    yield from _of_losses(roled)
    yield _decline(roled)
    yield from _of_weights(table, checkpoints)


# --- logs -------------------------------------------------------------------------------------------------------------


def _of_losses(roled: Sequence[Roled]) -> Iterator[Found]:
    judge, maker = (None if series is None else smooth(series, LEAST_POINTS) for series in losses(roled))
    ranged = _probabilities(roled)
    kind = _kind(judge, maker, ranged)
    for name, curve, what in ((LOGGED[0], judge, "discriminator"), (LOGGED[1], maker, "generator")):
        if curve is None:
            yield Missing(name, f"no loss of the {what} with {LEAST_POINTS} points was logged", "pair-losses")
            continue
        level = Level.of(curve)
        items = {"early": level.early, "second_half": level.second_half, "last": level.last}
        yield Measurement(name, level.last, "loss", _basis(curve), _settled(curve), items, kind)
    yield _certainty(judge, maker, kind, roled, ranged)
    yield _growth(judge, kind)


def _basis(curve: Smooth) -> str:
    return f"{curve.tag!r}, {curve.points} points of {curve.source}"


def _probabilities(roled: Sequence[Roled]) -> bool | None:
    """Whether the discriminator's scores are probabilities; None where they were not logged."""
    ranged = [one.values[np.isfinite(one.values)] for one in scores(roled) if one is not None]
    return all(values.min() >= 0 and values.max() <= 1 for values in ranged) if ranged else None


def _kind(judge: Smooth | None, maker: Smooth | None, probabilities: bool | None) -> str:
    """`wasserstein`, `hinge`, `saturating` or `cross-entropy` (least squares go under it) by what can be negative; empty without losses.

    Distances of critics are negative, a hinge's score has either sign, ln(1 - D) is never positive, and a cross-entropy never negative.
    """
    if judge is None:
        return ""
    if judge.values.min() < 0:
        return "wasserstein"
    if maker is None or maker.values.min() >= 0:
        return "hinge" if probabilities is False else "cross-entropy"
    return "saturating" if probabilities or (probabilities is None and maker.values.max() <= 0) else "hinge"


def _certainty(judge: Smooth | None, maker: Smooth | None, kind: str, roled: Sequence[Roled], probabilities: bool | None) -> Found:
    """How surely the discriminator tells both kinds apart over the second half and at the end, the less of both.

    1: always right; 0: no better than a coin; below: more often wrong than right. By its scores where these are probabilities, else by
    its loss over that of a coin. `text` says by which, items hold the generator's last loss (`maker`) and the scores where known.
    """
    name = LOGGED[2]
    real, fake = scores(roled)
    curves = [None if one is None else smooth(one, LEAST_POINTS) for one in (real, fake)]
    items = {} if maker is None else {"maker": Level.of(maker).last}
    by_loss = math.nan if judge is None or kind not in COIN else 1 - max(Level.of(judge).last, Level.of(judge).second_half) / COIN[kind]
    # A loss far above a coin's is that of a discriminator which is sure and wrong; means of probabilities hide it.
    if probabilities and curves[0] is not None and curves[1] is not None and not by_loss < SURE_AND_WRONG:
        on_real, on_fake = Level.of(curves[0]), Level.of(curves[1])
        items |= {"real": on_real.last, "fake": on_fake.last}
        basis = f"{on_real.tag!r} {on_real.last:.3g}, {on_fake.tag!r} {on_fake.last:.3g} at the end; {curves[0].points} points"
        both = (on_real.last - on_fake.last, on_real.second_half - on_fake.second_half)
        return Measurement(name, min(both), "certainty", basis, _settled(curves[1]), items, "scores")
    if judge is None or math.isnan(by_loss):
        return Missing(name, "neither a loss nor probabilities of the discriminator were logged", "pair-scores")
    return Measurement(name, by_loss, "certainty", f"{judge.last:.3g} at the end; {_basis(judge)}", _settled(judge), items, kind)


def _settled(curve: Smooth) -> int | None:
    """The step from which the curve keeps within a tenth of its range of its last level."""
    band = 0.1 * float(np.ptp(curve.blocks))
    away = np.flatnonzero(np.abs(curve.blocks - curve.last) > band)
    at = int(away[-1]) + 1 if away.size else 0
    return int(curve.block_steps[min(at, curve.block_steps.size - 1)])


def _growth(judge: Smooth | None, kind: str) -> Found:
    """Size of a critic's loss at the end over its median in the first fifth of the run."""
    name = LOGGED[3]
    if judge is None or kind != "wasserstein":
        return Missing(name, "the run logs no loss of a critic", "pair-losses")
    last, first = abs(judge.last), float(np.median(np.abs(judge.values[: max(3, judge.points // 5)])))
    basis = f"{judge.tag!r}: {first:.3g} in the first fifth, {last:.3g} at the end"
    return Measurement(name, ratio(last, first), "ratio", basis, int(judge.steps[-1]), {"early": first, "last": last})


def _decline(roled: Sequence[Roled]) -> Found:
    """By what factor a measure of the samples (FID, coverage, ...) is worse at the end than at its best; the worst of several."""
    name = LOGGED[4]
    found: list[tuple[float, str, int]] = []
    for series, more_is_better in sample_metrics(roled):
        finite = np.isfinite(series.values)
        values, steps = series.values[finite].astype(np.float64), series.steps[finite]
        tail = float(np.median(values[-max(1, values.size // 5) :]))
        best = float(values.max() if more_is_better else values.min())
        at = int(steps[int(values.argmax() if more_is_better else values.argmin())])
        if best > 0:
            worse = ratio(best, tail) if more_is_better else ratio(tail, best)
            found.append((worse, f"{series.tag!r} {best:.3g} at step {at}, {tail:.3g} at the end, {counted(values.size, 'point')}", at))
    if not found:
        return Missing(name, "no measure of the samples was logged three times", "sample-quality")
    worst = max(found)
    return Measurement(name, worst[0], "ratio", worst[1], worst[2])


# --- checkpoints ------------------------------------------------------------------------------------------------------


def _of_weights(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    if not table.rows:
        yield from missing((*STORED, TRAVEL, STEEPNESS), "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    yield _travel_ratio(view)
    yield _steepness(view)
    row = peak_row(view)
    if row is None:
        yield from missing(STORED, "no checkpoint holds the optimizers' state", "optimizer-state")
        return
    yield _update_ratio(view, row)
    yield _rate_ratio(row)
    yield from _of_gradients(view)


def _update_ratio(view: View, row: CheckpointRow) -> Found:
    """Median update of the discriminator's matrices over their norms, divided by the generator's; items: both sides' own."""
    ratios = {
        side: [one.update_norm / one.weight_norm for one in updates if one.weight_norm > 0 and math.isfinite(one.update_norm)]
        for side, updates in by_side(view, row, side_of_pair).items()
    }
    if not ratios.get("judge") or not ratios.get("maker"):
        return Missing(STORED[0], "the checkpoint does not hold both nets with their optimizers' state", "optimizer-state")
    judge, maker = float(np.median(ratios["judge"])), float(np.median(ratios["maker"]))
    basis = f"{len(ratios['judge'])} and {counted(len(ratios['maker']), 'matrix', 'matrices')} at step {row.step}"
    return Measurement(STORED[0], ratio(judge, maker), "ratio", basis, row.step, {"discriminator": judge, "generator": maker})


def _travel_ratio(view: View) -> Found:
    """How far the discriminator's matrices move between checkpoints over their norms, divided by the generator's; medians.

    Of the interval in which the sides are least apart: a side that has come to rest for a while is no sign.
    """
    found: list[tuple[float, float, float, int | None]] = []
    for before, after in pairwise(view.rows):
        moved: dict[str, list[float]] = {"judge": [], "maker": []}
        for layer in view.matrices:
            delta, weight, side = after.deltas.get(layer.name), before.tensors.get(layer.name), side_of_pair(layer.name)
            if side and delta is not None and weight is not None and weight.norm > 0 and math.isfinite(delta.norm):
                moved[side].append(delta.norm / weight.norm)
        if moved["judge"] and moved["maker"]:
            judge, maker = float(np.median(moved["judge"])), float(np.median(moved["maker"]))
            found.append((ratio(judge, maker), judge, maker, after.step))
    if not found:
        return Missing(TRAVEL, "no two checkpoints hold finite matrices of both nets", "two-checkpoints")
    least = min(found, key=lambda one: abs(math.log(one[0])) if 0 < one[0] < math.inf else math.inf)
    items = {"discriminator": least[1], "generator": least[2]}
    return Measurement(
        TRAVEL, least[0], "ratio", f"{counted(len(found), 'interval')} between checkpoints, the one to step {least[3]}", least[3], items
    )


def _steepness(view: View) -> Found:
    """Geometric mean of the largest singular values of the judging net's matrices in the last finite checkpoint: what a layer may stretch.

    Items: by matrix. A normalization of layers sets the slope itself, and weights that a spectral norm or an equalized learning rate scales
    where they are used are not what is stored: nothing is told of either.
    """
    judging = [layer for layer in view.matrices if side_of_pair(layer.name) == "judge"]
    nets = {layer.net for layer in judging}
    if any(layer.kind == "norm-scale" and layer.net in nets for layer in view.layers.values()):
        return Missing(STEEPNESS, "normalizations in the judging net set its slope", "", applies=False)
    if any(side_of_pair(name) == "judge" and _SCALED.search(name) for name in view.layers):
        return Missing(STEEPNESS, "the judging net's weights are scaled where they are used, and not as they are stored", "", applies=False)
    if not judging or not view.sound_rows:
        return Missing(STEEPNESS, "no checkpoint with finite weights holds a judging net", "checkpoint")
    row = view.sound_rows[-1]
    begun = [view.rows[0].tensors[layer.name] for layer in judging if layer.name in view.rows[0].tensors and layer.fan_in >= _MANY_INPUTS]
    if begun and all(stats.norm >= _UNIT_DEVIATION * math.sqrt(stats.elements) for stats in begun):
        reason = (
            "the judging net's weights begin with a deviation near 1 whatever their inputs, as those that are scaled where they are used"
        )
        return Missing(STEEPNESS, reason, "", applies=False)
    stretch: dict[str, float] = {}
    for layer in judging:
        values = matrix(view, row, layer.name)
        if values is None:
            return Missing(STEEPNESS, f"{layer.name} is too large to be read whole", "", applies=False)
        ranked = stable_rank(values)
        if math.isfinite(ranked) and ranked > 0:
            stretch[layer.name] = float(np.linalg.norm(values)) / math.sqrt(ranked)
    if len(stretch) < FEWEST_STEEP:
        return Missing(STEEPNESS, f"the judging net has fewer than {FEWEST_STEEP} matrices that are not 0", "", applies=False)
    mean = math.exp(sum(math.log(value) for value in stretch.values()) / len(stretch))
    basis = f"largest singular values of {len(stretch)} matrices of the judging net at {at_step(row)}"
    return Measurement(STEEPNESS, mean, "ratio", basis, row.step, stretch)


def _rate_ratio(row: CheckpointRow) -> Found:
    """The discriminator's learning rate over the generator's."""
    rates: dict[str, list[float]] = {"judge": [], "maker": []}
    for name, update in row.updates.items():
        side = side_of_pair(name)
        if side and math.isfinite(update.lr):
            rates[side].append(update.lr)
    if not rates["judge"] or not rates["maker"]:
        return Missing(STORED[1], "the checkpoint does not hold both nets with their optimizers' settings", "optimizer-state")
    judge, maker = max(rates["judge"]), max(rates["maker"])
    basis = f"optimizers' groups at step {row.step}"
    return Measurement(STORED[1], ratio(judge, maker), "ratio", basis, row.step, {"discriminator": judge, "generator": maker})


def _of_gradients(view: View) -> Iterator[Found]:
    """How much gradient each side still gets beside what it had, and by what factor the generator's grew over the run."""
    rows = judged_rows(view)
    sides = [by_side(view, row, side_of_pair) for row in rows]
    if not rows or set(sides[-1]) != {"judge", "maker"}:
        yield from missing(STORED[2:], "no checkpoint holds both nets with their optimizers' state", "optimizer-state")
        return
    still = known({"discriminator": coherence(sides[-1]["judge"]), "generator": coherence(sides[-1]["maker"])})
    if still:
        basis = f"Adam's moments at step {rows[-1].step}"
        yield Measurement(STORED[2], min(still.values()), "ratio", basis, rows[-1].step, still)
    else:
        yield Missing(STORED[2], "the optimizers keep no two moments", "optimizer-state")
    sizes = [gradient_size(one.get("maker", [])) for one in sides]
    if len(rows) < 2 or not math.isfinite(sizes[0]) or not math.isfinite(sizes[-1]) or sizes[0] <= 0:
        yield Missing(STORED[3], "fewer than two checkpoints hold the generator's moments", "two-checkpoints")
        return
    basis = f"gradients of the generator {sizes[0]:.2g} at step {rows[0].step}, {sizes[-1]:.2g} at step {rows[-1].step}"
    yield Measurement(STORED[3], ratio(sizes[-1], sizes[0]), "ratio", basis, rows[-1].step, {"first": sizes[0], "last": sizes[-1]})
