"""What a figure shows, as its title: the numbers of the picture in one clause. Facts; whether they are a fault is for the checks to say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.roles import Roled
from postmortem.model import Measurement, at_about, multiple, number, percent

STEADY = 0.02
"""A curve whose end lies so near its start, relative to the larger of both, stayed where it was."""
TURNED = 0.25
"""A loss that gave back so much of its progress is said to have turned up, and not to have fallen."""
RISEN = 0.1
"""A last validation loss so far above its best one is said to have come back."""
HELD = 0.2
"""A level that was held for so large a share of the run, up to its end, is said to be held."""
CLIMBED = 2.0
"""A loss that rose to so many times its first value is said to have climbed, whatever it did then."""
BURST = 10.0
"""A gradient norm so many times its usual one is said to burst."""
GROWN = 4.0
"""Weights whose median variance grew or shrank so many times over are said to have done so."""
DECADE = 10.0
"""Values by depth that differ less than this are given by their factor, others by their decades."""
EVEN = 1.05
"""Values by depth that differ less than this are even."""
LEAST_LAYERS = 4
"""Layers from which on a slope by depth is one."""
LONGEST_NAME = 40
FEWEST = 10
"""Fewer points than this have a last one, but no level."""
LAST_SHARE = 0.1
"""The end of a curve is the median of so large a share of its points."""

Floats = NDArray[np.float64]


def named(name: str) -> str:
    """A name that is short enough for a title; of a longer one its end, which tells layers apart."""
    return name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"


# --- curves -----------------------------------------------------------------------------------------------------------


def loss_title(training: Roled | None, validation: Roled | None, measurements: Mapping[str, Measurement]) -> str:
    """Where the training loss went, and where the validation loss ended."""
    clauses = []
    if training is not None:
        clauses.append(f"Training loss {_training_course(training, measurements)}")
    if validation is not None:
        start = "validation loss" if clauses else "Validation loss"
        clauses.append(f"{start} {_validation_course(validation, measurements)}")
    return "; ".join(clauses) or "Parts of the loss"


def _training_course(training: Roled, measurements: Mapping[str, Measurement]) -> str:
    values, steps = training.series.values, training.series.steps
    if lost := _lost(training):
        return lost
    first, last = _ends(values)
    if np.isfinite(values).sum() == 1:
        return f"has one point, {number(last)}"
    divergence = measurements.get("loss.divergence")
    if divergence is not None and divergence.value >= TURNED and divergence.first_step is not None:
        return _turned(first, _end(values), measurements.get("loss.lowest"), int(steps[0]))
    if summit := climb(training):
        step, highest = summit
        return f"climbs from {number(first)} to {number(highest)} at step {step:,} and ends {_end(values)}"
    course = f"{_course(values)}{_beside_chance(last, measurements.get('loss.chance'))}"
    plateau = measurements.get("loss.plateau")
    if plateau is None or plateau.value < HELD or _steady(first, last) or (held := level_stretch(plateau)) is None:
        return course
    # A level that was left again is a mark on the curve; one that was kept to the end is where the run went. One that was kept from the
    # start has nothing before it.
    kept = held[1] >= int(steps[-1]) and held[0] > int(steps[0])
    return f"{course} and stays there from step {held[0]:,}" if kept else course


def _turned(first: float, end: str, lowest: Measurement | None, begin: int) -> str:
    """Down to the lowest point and up again; of a loss whose lowest point is its first, up alone."""
    climbs = f"climbs back to {end.removeprefix('at ')}"
    if lowest is None:
        return f"falls and {climbs}"
    step, value = int(lowest.items.get("logged_step", lowest.first_step or 0)), lowest.items.get("logged", lowest.value)
    if step <= begin:
        return climbs.replace("climbs back", f"rises from {number(first)}")
    return f"falls from {number(first)} to {number(value)} at step {step:,} and {climbs}"


def climb(curve: Roled) -> tuple[int, float] | None:
    """Step and value of the highest point of a curve that rose far above its first one."""
    values = curve.series.values
    if not np.isfinite(values).any():
        return None
    peak = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    first = _ends(values)[0]
    return (int(curve.series.steps[peak]), float(values[peak])) if first > 0 and values[peak] >= CLIMBED * first else None


def level_stretch(plateau: Measurement) -> tuple[int, int] | None:
    """First and last step of a plateau that looks like one; None of one within whose noise the loss falls, rises or swings."""
    if plateau.text != "steady":
        return None
    return int(plateau.items["settled"]), int(plateau.items["end"])


def _lost(curve: Roled) -> str:
    """From where on a curve is no number, where it ends so or never was one; else empty."""
    values, steps = curve.series.values, curve.series.steps
    finite = np.isfinite(values)
    if not finite.any():
        return "is never a finite number"
    if finite[-1]:
        return ""
    last = int(np.flatnonzero(finite)[-1])
    return f"is no finite number from step {int(steps[last + 1]):,} on; the last one was {number(float(values[last]))}"


def _validation_course(validation: Roled, measurements: Mapping[str, Measurement]) -> str:
    values, steps = validation.series.values, validation.series.steps
    if lost := _lost(validation):
        return lost
    rise = measurements.get("validation.rise")
    if rise is not None and rise.value >= RISEN and rise.first_step is not None:
        best = values[(steps == rise.first_step) & np.isfinite(values)]
        level = f" ({number(float(best[0]))})" if best.size else ""
        return f"is best at step {rise.first_step:,}{level} and ends {_end(values)}"
    return f"ends {_end(values)}"


def _steady(first: float, last: float) -> bool:
    return abs(last - first) <= STEADY * max(abs(first), abs(last))


def _course(values: Floats) -> str:
    (first, last), end = _ends(values), _end(values)
    if _steady(first, last):
        return f"stays {end}"
    return f"{'falls' if last < first else 'rises'} from {number(first)} to {end.removeprefix('at ')}"


def _end(values: Floats, write: Callable[[float], str] = number) -> str:
    """`at 0.43`, or `around 0.43` where the last point would be written differently."""
    sound = values[np.isfinite(values)]
    return at_about(_ends(values)[1], float(sound[-1]), write)


def said_around(title: str) -> str:
    """What "around" means in a title, for the line beneath it; empty where nothing is around anything."""
    return '"Around": the median of the last tenth of the points.' if " around " in title else ""


def _beside_chance(last: float, chance: Measurement | None) -> str:
    if chance is None or not chance.value > 0 or abs(last - chance.value) > STEADY * chance.value:
        return ""
    return " (the chance level)"


def _ends(values: Floats) -> tuple[float, float]:
    """The first finite value, and the last level as measures have it: the median of a tenth, at least three; of few points the last."""
    sound = values[np.isfinite(values)]
    window = max(3, int(sound.size * LAST_SHARE)) if sound.size >= FEWEST else 1
    return float(sound[0]), float(np.median(sound[-window:]))


def regularization_title(ratio_steps: Sequence[int], ratios: Sequence[float]) -> str:
    """How the regularization loss compares with the data loss."""
    finite = [(step, ratio) for step, ratio in zip(ratio_steps, ratios, strict=True) if math.isfinite(ratio)]
    if not finite:
        return "Regularization loss"
    peak_step, peak = max(finite, key=lambda point: point[1])
    last = finite[-1][1]
    most = f", at most {number(peak, 2)} times (step {peak_step:,})" if peak > 1.1 * last else ""
    return f"Regularization loss ends at {number(last, 2)} times the data loss{most}"


def gradient_norm_title(curve: Roled, measurements: Mapping[str, Measurement], name: str = "") -> str:
    """The range of the gradient norm, or its burst; `name`: which one it is, where there are several."""
    subject = f"Gradient norm {named(name)}" if name else "Gradient norm"
    values, steps = curve.series.values, curve.series.steps
    sound = values[np.isfinite(values)]
    if sound.size < values.size:
        first = int(steps[np.flatnonzero(~np.isfinite(values))[0]])
        return f"{subject} is no finite number at {values.size - sound.size:,} of {values.size:,} points, first at step {first:,}"
    burst = measurements.get("gradnorm.burst")
    if burst is not None and burst.value >= BURST and burst.first_step is not None:
        return (
            f"Gradient norm bursts to {number(float(sound.max()))} at step {burst.first_step:,}, {number(burst.value, 2)} times the usual"
        )
    low, high = float(sound.min()), float(sound.max())
    return f"{subject} is {number(low)}" if low == high else f"{subject} lies between {number(low)} and {number(high)}"


def accuracy_title(curves: Sequence[Roled]) -> str:
    """Where the accuracies of training and validation ended."""
    sides = (("train", "training accuracy"), ("", "accuracy"), ("validation", "validation accuracy"), ("test", "test accuracy"))
    ends = [f"{name} {'' if rank else 'ends '}{_share(one.series.values)}" for rank, (name, one) in enumerate(_first_of(curves, sides)[:2])]
    title = ", ".join(ends) or "accuracy"
    return title[0].upper() + title[1:]


def _first_of(curves: Sequence[Roled], sides: Sequence[tuple[str, str]]) -> list[tuple[str, Roled]]:
    """Name and first curve of each side that has one with a finite value."""
    sound = [curve for curve in curves if np.isfinite(curve.series.values).any()]
    firsts = ((name, next((curve for curve in sound if curve.split == split), None)) for split, name in sides)
    return [(name, curve) for name, curve in firsts if curve is not None]


def _share(values: Floats) -> str:
    sound = values[np.isfinite(values)]
    return _end(values, percent if sound.min() >= 0 and sound.max() <= 1 else number)


def pace_title(rates: Floats, longest_seconds: float | None, step: int | None) -> str:
    """Throughput from first to last, and the longest pause where one stands out."""
    usual = f"{number(float(np.median(rates)))} steps a second"
    if longest_seconds is None or step is None:
        return usual
    return f"{usual}; nothing was logged for {longest_seconds:,.0f} s after step {step:,}"


# --- layers -----------------------------------------------------------------------------------------------------------


def variance_title(layers: Sequence[str], columns: Mapping[str, Sequence[float]], usual: Mapping[str, float]) -> str:
    """How weight variance changed over the run, else how it began beside `usual` initializations, else how it lies across depth."""
    (first_name, first), *_, (last_name, last) = [*columns.items()] * 2
    growth = [
        after / before
        for before, after in zip(first, last, strict=True)
        if before > 0 and after > 0 and math.isfinite(after) and math.isfinite(before)
    ]
    median = float(np.median(growth)) if growth and first_name != last_name else 1.0
    if not any(map(math.isfinite, last)):
        return f"Weights are no finite numbers at {last_name}"
    if median >= GROWN:
        return f"Weight variance grew {number(median, 2)}-fold from {first_name} to {last_name}"
    if median <= 1 / GROWN:
        return f"Weight variance shrank {number(1 / median, 2)}-fold from {first_name} to {last_name}"
    # The last matrix is the head, whose scale is another.
    hidden = slice(0, -1 if len(layers) > 2 else None)
    if first_name == "step 0" and (beside := _beside(first[hidden], usual)):
        return f"Weights began at {beside}"
    return f"Weight variance {_across('hidden matrices' if len(layers) > 2 else 'matrices', layers[hidden], last[hidden])}"


def _beside(values: Sequence[float], usual: Mapping[str, float]) -> str:
    """`17 times the variance of He's initialization` where the median lies far outside of what is usual; else empty."""
    sound = [value for value in values if math.isfinite(value) and value > 0]
    if not sound or not usual:
        return ""
    median = float(np.median(sound))
    largest, least = max(usual, key=lambda name: usual[name]), min(usual, key=lambda name: usual[name])
    if median >= GROWN * usual[largest]:
        return f"{number(median / usual[largest], 2)} times the variance of {_initialization(largest)}"
    if median <= usual[least] / GROWN:
        return f"1/{number(usual[least] / median, 2)} of the variance of {_initialization(least)}"
    return ""


def _initialization(name: str) -> str:
    """`He's initialization`; a name that is a possessive already stays."""
    return f"{name} initialization" if "'" in name else f"{name}'s initialization"


def gradient_title(layers: Sequence[str], name: str, values: Sequence[float]) -> str:
    """How the gradient changes with depth at one checkpoint."""
    depths = [index for index, value in enumerate(values) if value > 0 and math.isfinite(value)]
    logs = [math.log10(values[index]) for index in depths]
    if len(depths) >= LEAST_LAYERS:
        slope = _median_slope(depths, logs)
        if abs(slope) * (depths[-1] - depths[0]) >= 1:
            verb = "shrink" if slope > 0 else "grow"
            rate = number(abs(slope), 2)
            return f"Gradients {verb} {rate} {'decade' if rate == '1' else 'decades'} a layer toward the input ({name})"
    return f"Gradient {_across('layers', layers, values)} ({name})"


def _median_slope(places: Sequence[int], values: Sequence[float]) -> float:
    """Theil-Sen: the median of the slopes of all pairs."""
    x, y = np.array(places, dtype=np.float64), np.array(values)
    upper = np.triu_indices(x.size, 1)
    return float(np.median((y[upper[1]] - y[upper[0]]) / (x[upper[1]] - x[upper[0]])))


def _across(what: str, layers: Sequence[str], values: Sequence[float]) -> str:
    """`is within a factor of 3 across 8 layers`, or the decades that it spans and where it is least."""
    sound = [(value, layer) for value, layer in zip(values, layers, strict=True) if math.isfinite(value)]
    zeros = [layer for value, layer in sound if value == 0]
    if not sound:
        return f"is no finite number in any of {len(values)} {what}"
    if zeros:
        return f"is 0 in {named(zeros[0])}" if len(zeros) == 1 else f"is 0 in {len(zeros)} of {len(values)} {what}"
    (low, least), (high, _) = min(sound), max(sound)
    if len(sound) == 1:
        return f"is {number(low)} in {named(least)}"
    if low > 0 and high / low < EVEN:
        return f"is even across {len(sound)} {what}"
    if low < 0 or high / low < DECADE:
        return f"is within a factor of {number(high / low, 2)} across {len(sound)} {what}"
    return f"spans {number(math.log10(high / low), 2)} decades across {len(sound)} {what}, least in {named(least)}"


def update_title(what: str, columns: Sequence[str], values: Sequence[Sequence[float]], usual: float, idle: Collection[str] = ()) -> str:
    """The median ratio of update to weight at the first and the last checkpoint, beside the usual one.

    `values`: layers x checkpoints, NaN where there is none. `idle`: columns at which the learning rate was 0: they tell nothing.
    """
    medians: dict[str, float] = {}
    for index, column in enumerate(columns):
        sound = [row[index] for row in values if math.isfinite(row[index])]
        if sound and column not in idle:
            medians[column] = float(np.median(sound))
    if not medians:
        return f"The {what} is known only where the learning rate was 0"
    if not any(value > 0 for row in values for value in row):
        return f"No weight moves: the {what} is 0 everywhere"
    (first_name, first), *_, (last_name, last) = [*medians.items()] * 2
    then = f" at {first_name} and {number(last, 2)} at {last_name}" if first_name != last_name else f" at {first_name}"
    return f"The median {what} is {number(first, 2)}{then}; usual is {number(usual)}"


def units_title(kind: str, what: str, shares: Mapping[str, float]) -> str:
    """The layer with the largest share of units of one kind, `dead` or `at their extremes`."""
    worst, share = max(shares.items(), key=lambda item: item[1])
    if share == 0:
        return f"No {what} are {kind} in {len(shares)} {'layer' if len(shares) == 1 else 'layers'}"
    return f"{percent(share)} of the {what} of {named(worst)} are {kind}"


def tensors_title(count: int, source: str, changes: Mapping[str, float]) -> str:
    """How many tensors there are, and which moved most."""
    tensors = f"{count:,} {'tensor' if count == 1 else 'tensors'} of {named(source)}"
    if not changes:
        return tensors
    most, change = max(changes.items(), key=lambda item: item[1])
    if change == 0:
        return f"{tensors}; none moved since the first checkpoint"
    return f"{tensors}; {named(most)} moved most, by {multiple(change)} its first norm"


# --- data -------------------------------------------------------------------------------------------------------------


def classes_title(trained: Counter[str], labels: Sequence[str], split: str) -> str:
    """How uneven the classes of the split that was trained on are."""
    where = f" in {split}" if split else ""
    if len(labels) == 1:
        return f"One class: {named(labels[0])}"
    starved = sum(trained.get(label, 0) == 0 for label in labels)
    if starved:
        return f"{starved:,} of {len(labels):,} classes have no record{where}"
    most, least = max(labels, key=lambda label: trained[label]), min(labels, key=lambda label: trained[label])
    if trained[most] == trained[least]:
        return f"{len(labels):,} classes with {trained[most]:,} {'record' if trained[most] == 1 else 'records'} each{where}"
    ratio = trained[most] / trained[least]
    compared = f"the largest ({named(most)}) has {number(ratio, 2)} times the records of the smallest ({named(least)})"
    return f"{len(labels):,} classes; {compared}{where}"
