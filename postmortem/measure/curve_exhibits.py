"""Line plots of a run: its losses with what was found on them, regularization, gradient norm, accuracy; the learning rate beneath."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.chance import CROSS_ENTROPIES
from postmortem.measure.figure_titles import (
    accuracy_title,
    climb,
    gradient_norm_title,
    level_stretch,
    loss_title,
    regularization_title,
    said_around,
)
from postmortem.measure.rates import main_rate
from postmortem.measure.roled import side_of
from postmortem.measure.roles import Role, Roled, main, main_training_loss, main_validation_loss
from postmortem.measure.smooth import finite_points
from postmortem.measure.thinning import thin
from postmortem.measure.view import View, highest_rate
from postmortem.measure.warmups import restarts
from postmortem.model import Curve, LinePlot, Mark, Measurement, Series, number

MAX_CURVES = 8
"""More lines than this in one plot cannot be told apart."""
MAX_RATES = 3
MAX_SPIKES = 8
MAX_RESUMES = 8
AT_CHANCE = 0.15
"""A first loss so near the chance level is a cross-entropy's."""
LEAST_RATES = 20
"""Fewer points of a learning rate show no schedule."""

# From here on something is worth a mark. Whether it is a fault is for the checks to say: a mark on a sound curve does no harm.
NOTABLE_EARLY_DROP = 0.5
NOTABLE_PLATEAU = 0.2
NOTABLE_DIVERGENCE = 0.25
NOTABLE_RISE = 0.02
NOTABLE_BURST = 10.0

OUTWEIGHED = 10.0
"""The debugging checklist asks whether the regularization loss is ten times the data loss or more."""
LOG_RANGE = 50.0
"""Where the highest value is so many times the median, a linear scale shows nothing but that value."""

CURVE_ROLES: Mapping[Role, str] = {
    "training-loss": "train",
    "validation-loss": "validation",
    "data-loss": "data",
    "regularization": "regularization",
    "learning-rate": "learning-rate",
    "gradient-norm": "gradient-norm",
}


def build(roled: Sequence[Roled], view: View | None, measurements: Mapping[str, Measurement]) -> Iterator[LinePlot]:
    """Every line plot for which there is a curve."""
    rates = _rates(roled, view)
    yield from map(_with_meaning, _losses(roled, rates, view, measurements))
    yield from _regularization(roled)
    yield from _plain(
        roled,
        "gradient-norm",
        LinePlot(
            "gradient-norm", "loss", "Gradient norm", "As logged; before clipping or after, the tag does not say.", "", (), lower=rates
        ),
        _burst(measurements),
        lambda chosen: gradient_norm_title(chosen[0], measurements, chosen[0].series.tag if len(chosen) > 1 else ""),
    )
    accuracies = _plain(
        roled,
        "accuracy",
        LinePlot("accuracy", "loss", "Accuracy", "", "", (), lower=()),
        _best(measurements, view),
        accuracy_title,
    )
    yield from map(_with_meaning, accuracies)


def _with_meaning(plot: LinePlot) -> LinePlot:
    return replace(plot, caption=" ".join(filter(None, (plot.caption, said_around(plot.title)))))


def _losses(
    roled: Sequence[Roled], rates: tuple[Curve, ...], view: View | None, measurements: Mapping[str, Measurement]
) -> Iterator[LinePlot]:
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    leading = [one for one in (training, validation) if one is not None]
    of_loss = [one for one in roled if one.role in ("training-loss", "validation-loss", "data-loss", "part-of-loss")]
    others = sorted((one for one in of_loss if one not in leading), key=lambda one: -one.series.values.size)
    distinct, twins = _distinct(leading + others)
    chosen = distinct[:MAX_CURVES]
    if not chosen:
        if rates:
            yield LinePlot("learning-rate", "loss", _rate_title(rates[0]), "No loss was logged.", "learning rate", rates)
        return
    left_out = len(distinct) - len(chosen)
    said = ["Beneath, the learning rate."] if rates else []
    said += twins
    if left_out:
        said.append(f"{left_out} more loss {'tag is' if left_out == 1 else 'tags are'} not drawn.")
    curves = _curves(chosen, leading_role="train" if training is not None else "")
    yield LinePlot(
        "loss",
        "loss",
        loss_title(training, validation, measurements),
        " ".join(said),
        "",
        curves,
        lower=rates,
        lower_unit="learning rate" if rates else "",
        marks=_in_order((*_loss_marks(measurements, view, training), *_rate_restarts(main_rate(roled)))),
        log=_wide(curves),
    )


def _in_order(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Levels, then the rest by step, so that their numbers ascend along the axis."""
    return tuple(sorted(marks, key=lambda mark: (mark.kind != "level", mark.step or 0)))


def _is_cross_entropy(measurements: Mapping[str, Measurement]) -> bool:
    """Whether levels of guessing mean anything to the loss: its family says so, or it starts at chance."""
    family, first = measurements.get("run.family"), measurements.get("loss.first_to_chance")
    return (family is not None and family.text in CROSS_ENTROPIES) or (first is not None and abs(first.value - 1) < AT_CHANCE)


def _loss_marks(measurements: Mapping[str, Measurement], view: View | None, training: Roled | None) -> Iterator[Mark]:
    chance, prior = measurements.get("loss.chance"), measurements.get("classes.prior_entropy")
    if not _is_cross_entropy(measurements):
        chance = prior = None
    if chance is not None:
        yield Mark("level", f"chance level {chance.value:.4g}", value=chance.value)
    # With balanced classes both are the same line.
    if prior is not None and (chance is None or abs(prior.value - chance.value) > 0.02 * chance.value):
        yield Mark("level", f"entropy of the class shares {prior.value:.4g}", value=prior.value)
    drop = measurements.get("loss.early_drop")
    if drop is not None and drop.value >= NOTABLE_EARLY_DROP and drop.first_step is not None and "end" in drop.items:
        yield Mark("span", f"{drop.value:.0%} of the whole fall", drop.first_step, int(drop.items["end"]))
    plateau = measurements.get("loss.plateau")
    if plateau is not None and plateau.value >= NOTABLE_PLATEAU and (held := level_stretch(plateau)) is not None:
        yield Mark("span", f"steady at {number(plateau.items['level'], 4)} from step {held[0]:,} to {held[1]:,}", *held)
    divergence = measurements.get("loss.divergence")
    if divergence is not None and divergence.value >= NOTABLE_DIVERGENCE and divergence.first_step is not None:
        above = f": mostly above {number(divergence.items['line'])} from here on" if "line" in divergence.items else ""
        yield Mark("step", f"the loss turns up for good{above}", divergence.first_step)
    if training is not None and (summit := climb(training)):
        yield Mark("point", f"highest: {number(summit[1])}", summit[0], value=summit[1])
    yield from _resumes(measurements.get("resume.count"))
    yield from _spikes(measurements.get("loss.spikes"), training)
    nonfinite = measurements.get("loss.nonfinite")
    if nonfinite is not None and nonfinite.value > 0 and nonfinite.first_step is not None:
        yield Mark("step", "first value that is NaN or infinite", nonfinite.first_step)
    yield from _best(measurements, view)


def _resumes(resumes: Measurement | None) -> Iterator[Mark]:
    if resumes is not None:
        for source, step in list(resumes.items.items())[:MAX_RESUMES]:
            yield Mark("step", f"resumed here: {source}", int(step))


def _rate_restarts(rate: Series | None) -> Iterator[Mark]:
    """Where the learning rate turned up again, as warm restarts do."""
    if rate is None:
        return
    steps, values = finite_points(rate)
    if values.size < LEAST_RATES or not float(values.max()) > 0:
        return
    for place in restarts(values)[:MAX_RESUMES]:
        yield Mark("step", f"learning rate comes back from {number(float(values[place]))}", int(steps[place]))


def _spikes(spikes: Measurement | None, training: Roled | None) -> Iterator[Mark]:
    if spikes is None or training is None:
        return
    steps_of_points, values = finite_points(training.series)
    steps = [(int(step), height) for step, height in spikes.items.items() if step.lstrip("-").isdigit()]
    highest = sorted(steps, key=lambda spike: -spike[1])[:MAX_SPIKES]
    for step, _ in sorted(highest):
        there = values[steps_of_points == step]
        yield Mark("step", f"spike to {number(float(there.max()))}" if there.size else "spike", step)


def _best(measurements: Mapping[str, Measurement], view: View | None) -> Iterator[Mark]:
    rise = measurements.get("validation.rise")
    if rise is not None and rise.value >= NOTABLE_RISE and rise.first_step is not None:
        best = f", {number(rise.items['best'])}" if "best" in rise.items else ""
        nearest = _nearest_checkpoint(rise.first_step, view)
        label = f"best validation loss{best}; at the end its level is {rise.value:.0%} higher{nearest}"
        yield Mark("step", label, rise.first_step)


def _nearest_checkpoint(step: int, view: View | None) -> str:
    """Which checkpoint of those that were kept lies nearest to a step."""
    saved = [row for row in view.rows if row.step is not None] if view is not None else []
    if not saved:
        return ""
    nearest = min(saved, key=lambda row: abs((row.step or 0) - step))
    return f"; the nearest checkpoint, {nearest.source}, is of step {nearest.step:,}"


def _burst(measurements: Mapping[str, Measurement]) -> Iterator[Mark]:
    burst = measurements.get("gradnorm.burst")
    if burst is not None and burst.value >= NOTABLE_BURST and burst.first_step is not None:
        usual = f", {number(burst.items['usual'])}" if "usual" in burst.items else ""
        yield Mark("step", f"{_times(burst.value)} the usual norm{usual}", burst.first_step)


def _times(factor: float) -> str:
    return f"{factor:,.0f} times" if 100 <= factor < 1e6 else f"{factor:.2g} times"


def _regularization(roled: Sequence[Roled]) -> Iterator[LinePlot]:
    penalty = main(roled, "regularization", "train")
    data = main(roled, "data-loss", "train") or main_training_loss(roled)
    if penalty is None:
        return
    chosen = [one for one in (data, penalty) if one is not None]
    ratio = _ratio(penalty, data) if data is not None else ()
    curves = _curves(chosen)
    yield LinePlot(
        "regularization",
        "loss",
        regularization_title(ratio[0].steps, ratio[0].values) if ratio else "Regularization loss",
        "Data loss and regularization loss; beneath, regularization over data loss." if ratio else "Regularization loss.",
        "",
        curves,
        lower=ratio,
        lower_unit="ratio" if ratio else "",
        marks=(Mark("level", "ten times the data loss", value=OUTWEIGHED, lower=True),) if ratio else (),
        log=_wide(curves),
    )


def _ratio(penalty: Roled, data: Roled) -> tuple[Curve, ...]:
    steps, above, below = np.intersect1d(penalty.series.steps, data.series.steps, return_indices=True)
    bottom = data.series.values[below]
    sound = bottom != 0
    if not sound.any():
        return ()
    return (_curve("regularization : data", "other", steps[sound], penalty.series.values[above][sound] / bottom[sound]),)


def _plain(
    roled: Sequence[Roled], role: Role, plot: LinePlot, marks: Iterable[Mark], title: Callable[[Sequence[Roled]], str]
) -> Iterator[LinePlot]:
    chosen = sorted((one for one in roled if one.role == role), key=lambda one: (one.split == "validation", -one.series.values.size))
    if not chosen:
        return
    chosen, twins = _distinct(chosen)
    curves = _curves(chosen[:MAX_CURVES])
    left_out = len(chosen) - len(curves)
    more = [f"{left_out} more {'tag is' if left_out == 1 else 'tags are'} not drawn."] if left_out else []
    caption = " ".join(filter(None, [plot.caption, *twins, *more]))
    unit = "learning rate" if plot.lower else ""
    yield LinePlot(plot.id, plot.section, title(chosen), caption, plot.unit, curves, plot.lower, unit, tuple(marks), _wide(curves))


def _distinct(curves: Sequence[Roled]) -> tuple[list[Roled], list[str]]:
    """The curves without those that repeat an earlier one point by point, and a sentence on each of these."""
    kept: list[Roled] = []
    said = []
    for one in curves:
        alike = (other for other in kept if one.role == other.role and side_of(one.split) == side_of(other.split))
        twin = next((other for other in alike if _same(one.series, other.series)), None)
        if twin is None:
            kept.append(one)
        else:
            said.append(f"{twin.series.tag!r} was logged as {one.series.tag!r} too.")
    return kept, said


def _same(one: Series, other: Series) -> bool:
    return np.array_equal(one.steps, other.steps) and np.array_equal(one.values, other.values, equal_nan=True)


def _rate_title(rate: Curve) -> str:
    finite = [value for value in rate.values if math.isfinite(value)]
    return f"Learning rate goes from {number(finite[0])} to {number(finite[-1])}" if finite else "Learning rate"


def _rates(roled: Sequence[Roled], view: View | None) -> tuple[Curve, ...]:
    """Learning rates as logged; where none was, those that the checkpoints hold."""
    logged = [one for one in roled if one.role == "learning-rate"]
    if logged:
        return _curves(_distinct(sorted(logged, key=lambda one: -one.series.values.size))[0][:MAX_RATES])
    saved = [(row.step, highest_rate(row)) for row in view.rows if row.step is not None and row.updates] if view is not None else []
    if not saved:
        return ()
    steps, values = zip(*saved, strict=True)
    return (_curve("learning rate in checkpoints", "learning-rate", np.array(steps, dtype=np.int64), np.array(values, dtype=np.float64)),)


def _curves(chosen: Sequence[Roled], leading_role: str = "") -> tuple[Curve, ...]:
    tags = [one.series.tag for one in chosen]
    found = []
    for position, one in enumerate(chosen):
        label = one.series.tag
        if one.series.group and (tags.count(label) > 1 or one.series.group not in label.lower()):
            label = f"{label} ({one.series.group})"
        role = CURVE_ROLES.get(one.role, "other")
        if position == 0 and leading_role:
            role = leading_role
        found.append(_curve(label, role, one.series.steps, one.series.values))
    return tuple(found)


def _curve(label: str, role: str, steps: NDArray[np.int64], values: NDArray[np.float64]) -> Curve:
    kept_steps, kept_values = thin(steps, values)
    return Curve(label, role, tuple(kept_steps.tolist()), tuple(float(f"{value:.7g}") for value in kept_values.tolist()), int(values.size))


def _wide(curves: Sequence[Curve]) -> bool:
    """Whether a logarithmic scale is the one to start with: all above 0, and the highest dwarfs the rest."""
    shown = [value for curve in curves for value in curve.values if math.isfinite(value)]
    return bool(shown) and min(shown) > 0 and max(shown) > LOG_RANGE * float(np.median(shown))
