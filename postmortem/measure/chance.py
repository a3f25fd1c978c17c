"""The cross-entropy beside what a model reaches that ignores its input: ln C at first, H(p) once it knows the class shares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from postmortem.measure.loss import DATA_LOSS, LEAST_POINTS, basis_of, lost_from, missing
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Smooth, finite_points, ratio, smooth
from postmortem.model import Measurement, Missing, counted, kind_of_run

EARLY_STEP = 10
EARLY_SHARE = 0.01
"""A first point counts as the loss before learning up to step 10 or 1 % of the run."""
LEAST_MEAN_POINTS = 30
"""A mean over the end takes so many points where the run has twice as many."""
LEAST_ROOM = 0.02
"""Nats between two levels below which a loss cannot tell them apart."""
CROSS_ENTROPIES = ("classification", "language-model")
"""Families whose loss is known to be a cross-entropy over classes."""


@dataclass(frozen=True, slots=True)
class Classes:
    """What is known of the classes when curves are measured."""

    count: int | None = None
    """Number of classes (of tokens, for a language model)."""
    basis: str = ""
    """Where the count came from, one clause."""
    prior_entropy: float | None = None
    """H(p) of the training labels as the loss sees them (smoothed where the settings say so), nats. Mean over labels where `per_label`."""
    validation_cross_entropy: float | None = None
    """Cross-entropy of the validation labels under the training labels' shares, nats."""
    validation_entropy: float | None = None
    """H of the validation labels themselves, without smoothing, nats: no model that ignores its input comes below it."""
    highest: float | None = None
    """-ln of the rarest class's share, nats: the most that one record costs a model that knows the shares alone."""
    floor: float = 0.0
    """The loss of a model that is always right and sure: above 0 with label smoothing, nats."""
    per_label: bool = False
    """Whether a record has several labels, each with a binary cross-entropy of its own."""
    said: str = ""
    """What was taken into account besides counts, one clause."""

    @property
    def chance(self) -> float | None:
        """Mean loss of a model that knows nothing, nats; None where the number of classes is not known."""
        if self.per_label:
            return math.log(2)
        return math.log(self.count) if self.count is not None and self.count >= 2 else None


def measure_chance(
    training: Roled | None, validation: Roled | None, data: Roled | None, classes: Classes, family: str
) -> Iterator[Measurement | Missing]:
    """The loss against ln C and against the entropy of the class shares.

    `data` (the loss without regularization) stands in for the training loss where it was logged: only it compares with chance.
    """
    names = ("loss.first_to_chance", "loss.last_to_chance")
    compared = data or training
    chance = classes.chance
    if chance is None:
        asked = "whether it tells classes apart, and how many," if family == "unknown" else "the number of classes"
        yield from missing(("loss.chance", *names), f"{asked} is not known", "num-classes")
    else:
        of = "ln(2) a label" if classes.per_label else f"ln({classes.count})"
        yield Measurement("loss.chance", chance, "nats", f"{of}; {classes.basis or 'number of classes as given'}")
        yield from _against_chance(compared, chance, family, of, DATA_LOSS if data is not None else "")
    yield from _against_prior(compared, classes, family)
    yield _validation_to_prior(validation, classes, family)


def _excuse(compared: Roled | None, family: str) -> tuple[str, str]:
    """Why a loss cannot be held against a cross-entropy, and what to log; two empty strings where it can."""
    if family not in CROSS_ENTROPIES:
        return f"the loss of {kind_of_run(family)} is not known to be a cross-entropy", "num-classes" if family == "unknown" else ""
    if compared is None:
        return "no training loss was logged", "training-loss"
    if not finite_points(compared.series)[0].size:
        return f"{compared.series.tag!r} has no finite point", "training-loss"
    return "", ""


def _first(name: str, compared: Roled, level: float, of: str, called: str = "") -> Measurement | Missing:
    """The first point over a level, where it stands before learning has begun."""
    steps, values = finite_points(compared.series)
    first_step = int(steps[0])
    if first_step > max(EARLY_STEP, EARLY_SHARE * int(steps[-1])):
        return Missing(name, f"{compared.series.tag!r} begins at step {first_step}, after learning has begun", "training-loss")
    basis = f"first point {values[0]:.4g} of {compared.series.tag!r} over {of} = {level:.4g}"
    return Measurement(name, ratio(float(values[0]), level), "ratio", basis, first_step, {"loss": float(values[0])}, called)


def _against_chance(compared: Roled | None, chance: float, family: str, of: str, called: str) -> Iterator[Measurement | Missing]:
    """`called`: what the compared loss is called where it is not the training loss itself; the text of both. Items: `loss`, and of the last
    one the last point as it was `logged`, and where it is `lost`."""
    names = ("loss.first_to_chance", "loss.last_to_chance")
    reason, log_next = _excuse(compared, family)
    if reason or compared is None:
        yield from missing(names, reason, log_next)
        return
    level = "ln C" if of.startswith("ln(") and "label" not in of else of
    yield _first(names[0], compared, chance, level, called)
    curve = smooth(compared.series, LEAST_POINTS)
    if curve is None:
        points = finite_points(compared.series)[0].size
        yield Missing(names[1], f"only {counted(points, 'finite point')} of {compared.series.tag!r}", "longer-curve")
    else:
        basis = f"last level {curve.last:.4g} over {level} = {chance:.4g}; {basis_of(curve)}"
        items = {"loss": curve.last, "logged": float(curve.values[-1])} | lost_from(compared)
        yield Measurement(names[1], curve.last / chance, "ratio", basis, items=items, text=called)


def _against_prior(compared: Roled | None, classes: Classes, family: str) -> Iterator[Measurement | Missing]:
    """First and last loss over H(p); the last one above the floor that label smoothing puts under both."""
    names = ("loss.first_to_prior", "loss.last_to_prior")
    prior, floor = classes.prior_entropy, classes.floor
    if prior is None or prior <= 0:
        yield from missing(names, "the classes' shares are not known", "manifest")
        return
    reason, _ = _excuse(compared, family)
    if reason or compared is None:
        yield from missing(names, reason, "training-loss")
        return
    yield _first(names[0], compared, prior, "H(p)")
    curve = smooth(compared.series, LEAST_POINTS)
    if curve is None:
        yield Missing(names[1], f"fewer than {LEAST_POINTS} points of a training loss", "training-loss")
        return
    if prior - floor < LEAST_ROOM:
        reason = f"label smoothing leaves {prior - floor:.2g} nats between knowing the shares and knowing all"
        yield Missing(names[1], reason, "manifest")
        return
    mean, error, points = _mean_at_the_end(curve, classes)
    above = f", both above the floor {floor:.4g}" if floor else ""
    basis = f"mean {mean:.4g} of the last {counted(points, 'point')} over H(p) = {prior:.4g}{classes.said}{above}; {basis_of(curve)}"
    items = {"error": error / (prior - floor), "points": float(points)}
    yield Measurement(names[1], max(0.0, mean - floor) / (prior - floor) if floor else mean / prior, "ratio", basis, items=items)


def _mean_at_the_end(curve: Smooth, classes: Classes) -> tuple[float, float, int]:
    """Mean of the curve's end, its standard error, and the points in it.

    A mean, because an entropy is one: the loss of a batch without a rare record is far below it, and of rare classes most batches hold
    none, so that their median says that more was learned than was. Cut at what a record can cost a model that knows the shares, so
    that a spike does not stand for the end.
    """
    points = min(max(LEAST_MEAN_POINTS, curve.points // 10), max(3, curve.points // 2))
    tail = curve.values[-points:]
    if classes.highest is not None:
        tail = np.minimum(tail, max(classes.highest, float(np.median(tail))))
    return float(tail.mean()), float(tail.std(ddof=1)) / math.sqrt(points), points


def _validation_to_prior(validation: Roled | None, classes: Classes, family: str) -> Measurement | Missing:
    """The lowest validation loss over what ignorance costs there; as the item `entropy` over H of the validation labels themselves.

    On the way from chance to the training shares a model that ignores its input passes both levels: the lower one is what counts.
    """
    name = "loss.validation_to_prior"
    prior, of = classes.validation_cross_entropy, "cross-entropy of the validation labels under the training shares"
    if prior is None:
        prior, of = classes.prior_entropy, "entropy of the training labels"
    if prior is None or prior <= 0:
        return Missing(name, "the classes' shares are not known", "manifest")
    if family not in CROSS_ENTROPIES:
        return Missing(name, f"the loss of {kind_of_run(family)} is not known to be a cross-entropy", "validation-loss")
    if validation is None:
        return Missing(name, "no validation loss was logged", "validation-loss")
    curve = smooth(validation.series, 3)
    if curve is None:
        return Missing(name, f"fewer than 3 points of {validation.series.tag!r}", "validation-loss")
    if classes.chance is not None and classes.chance < prior:
        prior, of = classes.chance, "loss of a model that knows nothing, which is below that of the training shares on validation labels"
    floor = classes.validation_entropy if classes.validation_entropy is not None else prior
    return Measurement(
        name,
        curve.lowest / prior,
        "ratio",
        f"lowest level {curve.lowest:.4g} over {prior:.4g}, the {of}; {basis_of(curve)}",
        curve.lowest_step,
        {"entropy": ratio(curve.lowest, floor)},
    )


def measure_early_share(seen: Mapping[str, Measurement], classes: Classes) -> Measurement | Missing:
    """`loss.early_prior_share`: how much of the early drop the class shares explain, (ln C - H(p)) / drop. `seen`: the measurements before.

    Near 1: the first steps taught the head's bias how frequent classes are, and nothing else. Above 1: the drop did not get that far.
    """
    name = "loss.early_prior_share"
    drop, first = seen.get("loss.early_drop"), seen.get("loss.first")
    if classes.chance is None or classes.prior_entropy is None or classes.per_label:
        return Missing(name, "the classes' shares are not known", "manifest")
    if drop is None or first is None or drop.value <= 0:
        return Missing(name, "no early drop of a training loss was seen", "longer-curve")
    fell = first.value - drop.items["level_after"]
    explained = max(0.0, classes.chance - classes.prior_entropy)
    if fell <= 0:
        return Missing(name, "the loss did not fall at the start", "longer-curve")
    basis = f"ln C - H(p) = {explained:.4g} over a drop of {fell:.4g} from {first.value:.4g}; {drop.basis}"
    return Measurement(name, ratio(explained, fell), "ratio", basis, drop.first_step, {"explained": explained, "drop": fell})
