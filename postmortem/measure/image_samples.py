"""What a model would see of a sample of images: as they are stored, and after the mean and deviation that the run's settings declare.

Stored images are shares of white. Loaders hand them on as such or as 0 to 255. Where no setting tells which, the scale is taken on which
the declared constants bring the images nearer to unit scale: only what is wrong on both is then wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.data_sets import main_manifest
from postmortem.model import ImageSample, Manifest, Measurement, Missing, Plain, RunData

SAMPLE_NAMES = ("inputs.stored_mean", "inputs.stored_std", "inputs.sample_mean", "inputs.sample_std", "inputs.sample_rms")
PAIRS = (
    ("image_mean", "image_std"),
    ("pixel_mean", "pixel_std"),
    ("img_mean", "img_std"),
    ("normalize_mean", "normalize_std"),
    ("norm_mean", "norm_std"),
    ("dataset_mean", "dataset_std"),
    ("mean", "std"),
)
BRIGHTEST = 255.0
LEAST_IMAGES = 8
"""Images that a sample needs to stand for a data set."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_CHANNELS = {1: ("grey",), 3: ("red", "green", "blue")}

Found = Measurement | Missing


def raw_settings(run: RunData) -> dict[str, Plain]:
    """Every setting of a run by its whole name, lower case; event files and settings files win over checkpoints."""
    found: dict[str, Plain] = {}
    for values in (run.hyperparameters, *(checkpoint.values for checkpoint in run.checkpoints)):
        for name, value in values.items():
            found.setdefault(name.strip().lower().replace("-", "_").replace("/", "."), value)
    return found


def declared_constants(known: Mapping[str, Plain]) -> tuple[str, tuple[float, ...], tuple[float, ...]] | None:
    """Name, means and deviations that a loader subtracts and divides by, one a channel; None where settings do not give both.

    A list stands as one setting an index (`image_mean.0`) or as text. Plain `mean` and `std` count as lists only: a single number of that
    name can be anything.
    """
    lists = _lists(known)
    for mean, deviation in PAIRS:
        for name, means in lists.items():
            prefix, _, last = name.rpartition(".")
            deviations = lists.get(f"{prefix}.{deviation}" if prefix else deviation)
            if last != mean or deviations is None or len(deviations) != len(means) or min(deviations) <= 0:
                continue
            if mean == "mean" and len(means) == 1 and f"{name}.0" not in known and "[" not in str(known.get(name, "")):
                continue
            return name, means, deviations
    return None


def _lists(known: Mapping[str, Plain]) -> dict[str, tuple[float, ...]]:
    """Settings of these names as tuples of numbers."""
    wanted = {name for pair in PAIRS for name in pair}
    found: dict[str, dict[int, float]] = {}
    for name, value in known.items():
        stem, _, index = name.rpartition(".")
        place = int(index) if index.isdecimal() and len(index) < 3 else None
        base = name if place is None else stem
        if base.rpartition(".")[2] not in wanted or isinstance(value, bool) or value is None:
            continue
        numbers = [float(value)] if isinstance(value, int | float) else [float(text) for text in _NUMBER.findall(value)][:8]
        for offset, number in enumerate(numbers if place is None else numbers[:1]):
            if math.isfinite(number):
                found.setdefault(base, {})[(place or 0) + offset] = number
    return {name: tuple(each[at] for at in sorted(each)) for name, each in found.items() if sorted(each) == list(range(len(each)))}


def measure_image_samples(manifests: Sequence[Manifest], known: Mapping[str, Plain]) -> Iterator[Found]:
    """Every measurement of `SAMPLE_NAMES`; the last three only where settings tell what loaders do to the pixels."""
    main = main_manifest(manifests)
    holder = next((one for one in (main, *manifests) if one is not None and one.images is not None), None)
    sample = holder.images if holder is not None else None
    readable = 0 if sample is None else sample.looked - len(sample.unreadable)
    if holder is None or sample is None or readable < LEAST_IMAGES or not sample.mean or len(sample.mean) != len(sample.deviation):
        why = "no image that a manifest names was opened" if sample is None else f"only {readable} images could be sampled"
        yield from (Missing(name, why, "data-files") for name in SAMPLE_NAMES)
        return
    channels = _CHANNELS.get(len(sample.mean), tuple(f"channel {index}" for index in range(len(sample.mean))))
    of = f"{readable} images{f' of split {sample.split}' if sample.split else ''} of {holder.source}"
    means, deviations = (dict(zip(channels, each, strict=True)) for each in (sample.mean, sample.deviation))
    yield Measurement("inputs.stored_mean", _mean(sample.mean), "share of white", of, items=means)
    yield Measurement("inputs.stored_std", _mean(sample.deviation), "share of white", of, items=deviations)
    seen = _seen(sample, known)
    if isinstance(seen, str):
        yield from (Missing(name, seen, "input-constants") for name in SAMPLE_NAMES[2:])
        return
    mean, deviation, told = seen
    names = channels if len(mean) == len(channels) else tuple(f"channel {index}" for index in range(len(mean)))
    basis = f"{of}, {told}"
    yield Measurement(SAMPLE_NAMES[2], max(mean, key=abs), "units of the input", basis, items=dict(zip(names, mean, strict=True)))
    farthest = max(deviation, key=lambda one: abs(math.log(one)) if one > 0 else math.inf)
    yield Measurement(SAMPLE_NAMES[3], farthest, "units of the input", basis, items=dict(zip(names, deviation, strict=True)))
    yield Measurement(SAMPLE_NAMES[4], _level(mean, deviation), "units of the input", basis)


def _seen(sample: ImageSample, known: Mapping[str, Plain]) -> tuple[tuple[float, ...], tuple[float, ...], str] | str:
    """Mean and deviation by channel as a model sees them and how that was reckoned, or why it cannot be."""
    found = declared_constants(known)
    if _word(known, "do_normalize") == "false":
        found = None
        if _scale(known) is None:
            return "settings say that images are not normalized, and not on which scale loaders hand them on"
    elif found is None:
        return "no setting gives the mean and deviation that a loader subtracts and divides by"
    name, shift, divide = found or ("", (0.0,), (1.0,))
    width = max(len(shift), len(sample.mean))
    if len(shift) not in (1, width) or len(sample.mean) not in (1, width):
        return f"setting {name!r} has {len(shift)} channels, and images have {len(sample.mean)}"

    def wide(numbers: Sequence[float]) -> tuple[float, ...]:
        return tuple(numbers) * width if len(numbers) == 1 else tuple(numbers)

    def on(scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        columns = list(zip(wide(sample.mean), wide(sample.deviation), wide(shift), wide(divide), strict=True))
        return tuple((scale * m - s) / d for m, _, s, d in columns), tuple(scale * v / d for _, v, _, d in columns)

    told = f"with the constants of setting {name!r}" if name else "not normalized"
    stated = _scale(known)
    if stated is not None:
        return *on(stated), f"{told}, scaled to 0 .. {stated:.4g} as settings say"
    nearest = min((1.0, BRIGHTEST), key=lambda scale: abs(math.log(max(_level(*on(scale)), 1e-300))))
    return *on(nearest), f"{told}, which fit pixels of 0 to {nearest:g} best"


def _scale(known: Mapping[str, Plain]) -> float | None:
    """The brightest pixel as a loader hands it on, where settings say so (Hugging Face's image processors); None where they do not."""
    rescaled = _word(known, "do_rescale")
    if rescaled == "false":
        return BRIGHTEST
    factor = next((value for name, value in known.items() if name.rpartition(".")[2] == "rescale_factor"), None)
    if rescaled == "true":
        usable = isinstance(factor, int | float) and not isinstance(factor, bool) and math.isfinite(factor) and factor > 0
        return BRIGHTEST * float(factor) if usable and factor is not None else 1.0
    return None


def _word(known: Mapping[str, Plain], setting: str) -> str:
    value = next((value for name, value in known.items() if name.rpartition(".")[2] == setting), None)
    return "" if value is None else "true" if str(value).strip().lower() in ("true", "1", "1.0") else "false"


def _mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def _level(mean: Sequence[float], deviation: Sequence[float]) -> float:
    """Root mean square over channels."""
    return math.sqrt(math.fsum(m * m + d * d for m, d in zip(mean, deviation, strict=True)) / len(mean))
