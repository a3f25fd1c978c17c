"""Mean and scale of the inputs, as settings declare them and as a manifest's numeric columns show them.

`inputs.declared_*` are taken as the numbers that the model sees. Plain `mean` and `std` settings are not read: they are the constants that
a loader subtracts and divides by. Columns of a manifest are raw: a loader may scale them later, which is for a check to weigh.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.data_sets import label_kind, main_manifest
from postmortem.measure.settings import first_of
from postmortem.measure.tags import words
from postmortem.model import LoggedImages, Manifest, Measurement, Missing, Plain, counted

MEANS = ("input_mean", "inputs_mean", "x_mean", "data_mean", "batch_mean", "feature_mean", "mean_input")
DEVIATIONS = ("input_std", "inputs_std", "x_std", "data_std", "batch_std", "feature_std", "std_input")
NORMALIZED = (
    "normalize",
    "normalized",
    "normalization",
    "normalize_inputs",
    "normalize_input",
    "input_normalization",
    "standardize",
    "standardized",
    "standardize_inputs",
    "scale_inputs",
    "normalise",
    "normalised",
)
_INPUT_WORDS = frozenset(
    {"input", "inputs", "image", "images", "img", "imgs", "batch", "x", "data", "sample", "samples", "examples", "train"}
)
_MADE_WORDS = frozenset(
    {
        "generated", "generator", "fake", "fakes", "recon", "recons", "reconstruction", "reconstructions", "reconstructed", "pred", "preds",
        "prediction", "predictions", "predicted", "output", "outputs", "mask", "masks", "attention", "heatmap", "figure", "confusion",
        "matrix", "grad", "gradient", "features", "feature", "filters", "filter", "weight", "weights", "kernel", "target", "targets",
        "label", "labels", "gt", "sampled", "latent", "embedding", "plot", "histogram", "cam", "gradcam",
    }
)  # fmt: skip
"""What a model made, or what it should make, is no input."""
LEAST_PIXELS = 48
"""So many columns that differ only in a number are one image or signal, not features of their own: their statistics are pooled."""
MOST_ITEMS = 256

Found = Measurement | Missing
_NO = frozenset({"", "false", "no", "none", "0", "0.0", "off", "null"})
_LAYERS = frozenset({"batch", "layer", "group", "instance", "batchnorm", "layernorm", "bn", "ln", "gn", "rms", "rmsnorm"})


def measure_inputs(
    manifests: Sequence[Manifest], hyperparameters: Mapping[str, Plain], images: Sequence[LoggedImages] = ()
) -> Iterator[Found]:
    """`inputs.declared_mean`, `inputs.declared_std`, `inputs.normalized`, `inputs.feature_mean`, `_scale`, `_rms` and `inputs.image_mean`.

    Args:
        manifests: of one run; where there are several, the largest with labels counts.
        hyperparameters: settings by plain lower-case name.
        images: that the run logged; those whose tags speak of inputs count.
    """
    yield _image_mean(images)
    yield _declared("inputs.declared_mean", hyperparameters, MEANS, "mean")
    yield _declared("inputs.declared_std", hyperparameters, DEVIATIONS, "standard deviation")
    yield _normalized(hyperparameters)
    yield from _features(main_manifest(manifests))


def _numbers(value: Plain) -> list[float]:
    """The finite numbers in a setting: one, or those of a list written as text."""
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        found = [float(value)]
    else:
        found = [float(word) for word in re.findall(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", value)]
    return [number for number in found if math.isfinite(number)]


def _declared(name: str, known: Mapping[str, Plain], settings: Sequence[str], what: str) -> Found:
    found = first_of(known, settings)
    numbers = [] if found is None else _numbers(found[1])
    if found is None or not numbers:
        return Missing(name, f"no setting gives the inputs' {what}", "input-statistics")
    # One number a channel: the channel that is farthest from where it should be speaks for all.
    value = max(numbers, key=abs) if what == "mean" else max(numbers, key=lambda one: abs(math.log(one)) if one > 0 else math.inf)
    return Measurement(name, value, "units of the input", f"setting {found[0]!r}, {len(numbers)} numbers")


def _normalized(known: Mapping[str, Plain]) -> Found:
    found = first_of(known, NORMALIZED)
    if found is None or (isinstance(found[1], str) and set(re.split(r"[^a-z]+", found[1].lower())) & _LAYERS):
        return Missing("inputs.normalized", "no setting says whether inputs are normalized", "hyperparameters")
    yes = str(found[1]).strip().lower() not in _NO
    return Measurement("inputs.normalized", math.nan, "", f"setting {found[0]!r}", text="true" if yes else "false")


def _image_mean(images: Sequence[LoggedImages]) -> Found:
    """Mean brightness of logged inputs, as a share of white. An image is stored from black to white whatever the model saw."""
    shown = [one for one in images if set(words(one.tag)) & _INPUT_WORDS and not set(words(one.tag)) & _MADE_WORDS]
    if not shown:
        return Missing("inputs.image_mean", "no image whose tag speaks of inputs was logged", "input-statistics")
    items = {one.tag: one.mean for one in shown[:MOST_ITEMS]}
    widest = max(shown, key=lambda one: one.looked)
    basis = (
        f"{sum(one.looked for one in shown)} images of {counted(len(shown), 'tag')}; tag {widest.tag!r} reaches from {widest.low:.2g} to "
        f"{widest.high:.2g} of white"
    )
    return Measurement("inputs.image_mean", widest.mean, "share of white", basis, items=items)


def pooled(features: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Columns of one image or signal (`pixel0`, `pixel1`, ...) made one, with the mean and deviation of all their cells."""
    families: dict[str, list[str]] = {}
    for name in features:
        families.setdefault(re.sub(r"\d+", "#", name), []).append(name)
    result: dict[str, tuple[float, float]] = {}
    for stem, names in families.items():
        if len(names) < LEAST_PIXELS:
            result |= {name: features[name] for name in names}
            continue
        mean = math.fsum(features[name][0] for name in names) / len(names)
        variance = math.fsum(features[name][1] ** 2 + (features[name][0] - mean) ** 2 for name in names) / len(names)
        result[f"{stem} ({len(names)} columns)"] = (mean, math.sqrt(variance))
    return result


def _features(manifest: Manifest | None) -> Iterator[Found]:
    names = ("inputs.feature_mean", "inputs.feature_scale", "inputs.feature_rms")
    if manifest is None or not manifest.features:
        reason = "no dataset manifest was found" if manifest is None else f"{manifest.source} has no numeric columns that are inputs"
        yield from (Missing(name, reason, "input-statistics") for name in names)
        return
    if manifest.files is not None or manifest.images is not None or label_kind(manifest) in ("text", "objects"):
        # Width, duration or age beside a file's name: the file is the input.
        why = f"numeric columns of {manifest.source} stand beside the files or texts that are the inputs"
        yield from (Missing(name, why, "input-statistics") for name in names)
        return
    varying = {name: pair for name, pair in pooled(manifest.features).items() if pair[1] > 0}
    if not varying:
        yield from (Missing(name, f"every numeric column of {manifest.source} is constant", "input-statistics") for name in names)
        return
    basis = f"{len(varying)} numeric columns of {manifest.source} that vary, as they stand in the file"

    def largest(values: Mapping[str, float]) -> dict[str, float]:
        return dict(sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_ITEMS])

    offsets = largest({name: abs(mean) / deviation for name, (mean, deviation) in varying.items()})
    yield Measurement(names[0], max(offsets.values()), "ratio", basis, items=offsets)
    scales = largest({name: deviation for name, (_, deviation) in varying.items()})
    if len(varying) < 2:
        yield Missing(names[1], f"{manifest.source} has one kind of numeric column only", "input-statistics")
    else:
        smallest = min(deviation for _, deviation in varying.values())
        yield Measurement(names[1], max(scales.values()) / smallest, "ratio", basis, items=scales)
    levels = largest({name: math.hypot(mean, deviation) for name, (mean, deviation) in varying.items()})
    yield Measurement(names[2], max(levels.values()), "units of the input", basis, items=levels)
