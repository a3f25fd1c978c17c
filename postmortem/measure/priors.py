"""What the manifest's class shares let one expect of a loss and of an accuracy: the levels of a model that ignores its input.

Label smoothing of e among C classes turns the shares p that a loss sees into (1 - e) p + e / C. It leaves the first loss of a model that
knows nothing at ln C, and raises every other level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from postmortem.measure.chance import Classes
from postmortem.measure.class_shares import binary_entropy, entropy
from postmortem.measure.data_sets import main_manifest, split_counts, training_records
from postmortem.measure.roles import Roled, main
from postmortem.measure.settings import number_of
from postmortem.measure.smooth import Floats, finite_points
from postmortem.model import Manifest, Measurement, Missing, Plain, counted

SMOOTHING = ("label_smoothing", "label_smoothing_factor", "label_smooth", "labelsmoothing", "smoothing")
LEAST_EVALUATIONS = 5
DECIMALS = 6
"""An accuracy with more decimals than these counts as not rounded."""


def smoothing_of(known: Mapping[str, Plain]) -> float:
    """Label smoothing as the settings give it; 0 where they give none, or none that can be."""
    found = number_of(known, SMOOTHING)
    return found[1] if found is not None and 0 < found[1] < 1 else 0.0


def smoothed(counts: Mapping[str, int], smoothing: float) -> dict[str, float]:
    """Shares of the classes as a smoothed loss sees them."""
    total = sum(counts.values())
    return {label: (1 - smoothing) * count / total + smoothing / len(counts) for label, count in counts.items()}


def crossed(shares: Mapping[str, float], model: Mapping[str, float]) -> float | None:
    """Mean of -ln model over labels with these shares, nats; None where the model gives a label that occurs no share."""
    terms = [(share, model.get(label, 0.0)) for label, share in shares.items() if share > 0]
    return None if any(given <= 0 for _, given in terms) else -math.fsum(share * math.log(given) for share, given in terms) + 0.0


def smoothed_floor(smoothing: float, classes: int) -> float:
    """Entropy of one label after smoothing, nats: what is left of the loss where every record is known."""
    sure, rest = 1 - smoothing + smoothing / classes, smoothing / classes
    return -sure * math.log(sure) - (classes - 1) * rest * math.log(rest) if smoothing else 0.0


def known_classes(manifests: Sequence[Manifest], known: Mapping[str, Plain], count: int | None, basis: str) -> Classes:
    """The levels that curves are held against. `count` and `basis`: the number of classes, from who knows it best."""
    manifest = main_manifest(manifests)
    training = {} if manifest is None else split_counts(manifest, "train")
    if manifest is None or not any(training.values()) or manifest.labels in ("objects", "targets", "text"):
        return Classes(count, basis)
    if manifest.labels == "multiple":
        return _per_label(manifest, training, count, basis)
    smoothing = smoothing_of(known)
    # A head may be wider than the manifest's list: smoothing spreads over the head, but that is not known here.
    prior = smoothed(training, smoothing)
    held = manifest.counts.get("validation", {})
    validation = smoothed({**dict.fromkeys(training, 0), **held}, smoothing) if any(held.values()) else None
    return Classes(
        count,
        basis,
        crossed(prior, prior),
        None if validation is None else crossed(validation, prior),
        entropy(held.values()) if validation is not None else None,
        -math.log(min(share for share in prior.values() if share > 0)),
        smoothed_floor(smoothing, len(prior)),
        said=f" with label smoothing of {smoothing:g}" if smoothing else "",
    )


def _per_label(manifest: Manifest, training: Mapping[str, int], count: int | None, basis: str) -> Classes:
    """Levels of a mean binary cross-entropy over labels; a sum over them would be as many times higher."""
    records = training_records(manifest)
    if records == 0 or max(training.values()) > records:
        return Classes(count, basis, per_label=True)
    entropies = [binary_entropy(number / records) for number in training.values()]
    return Classes(count, basis, math.fsum(entropies) / len(entropies), per_label=True, said=", the mean over labels")


# --- accuracy ---------------------------------------------------------------------------------------------------------


def measure_majority(roled: Sequence[Roled], manifests: Sequence[Manifest]) -> Measurement | Missing:
    """`accuracy.majority_gap`: validation accuracy less what predicting the class that is most frequent in training would have there.

    Items: `accuracy`, `share` (of that class), `records` (of the split), `spread` (highest less lowest accuracy over the last third of
    the evaluations, at least five), `evaluations` (in that third), `unit` (half of the last decimal that the log kept; of three where the
    accuracy never moved, which hides how it was rounded), `single` (the distance to the nearest share of any class: a model that predicts
    one class alone has exactly its share). The text names the class of that share, the most frequent one among equals.
    """
    name = "accuracy.majority_gap"
    accuracy, manifest = main(roled, "accuracy", "validation"), main_manifest(manifests)
    if accuracy is None:
        return Missing(name, "no accuracy on validation data was logged", "accuracy")
    if manifest is None or manifest.labels not in ("", "single"):
        return Missing(name, "no manifest tells the shares of single labels", "manifest")
    counts, held = split_counts(manifest, "train"), manifest.counts.get(accuracy.split, {})
    total = sum(held.values())
    if not any(counts.values()) or total == 0 or len(counts) < 2:
        return Missing(name, f"{manifest.source} does not tell the classes of training and {accuracy.split or 'validation'}", "manifest")
    values = finite_points(accuracy.series)[1]
    if values.size < LEAST_EVALUATIONS:
        return Missing(name, f"only {counted(values.size, 'finite point')} of {accuracy.series.tag!r}", "accuracy")
    values = values / 100.0 if values.max() > 1.5 else values
    tail = values[-max(LEAST_EVALUATIONS, values.size // 3) :]
    majority = next(iter(counts))
    share, level = held.get(majority, 0) / total, float(np.median(tail))
    # Classes stand most frequent first, and of equals `min` takes the first.
    nearest = min(counts, key=lambda label: abs(level - held.get(label, 0) / total))
    items = {
        "accuracy": level,
        "share": share,
        "records": float(total),
        "spread": float(np.ptp(tail)),
        "evaluations": float(tail.size),
        "unit": half_unit(values) if float(np.ptp(values)) > 0 else 0.5e-3,
        "single": abs(level - held.get(nearest, 0) / total),
    }
    basis = (
        f"{accuracy.series.tag!r}, last {counted(tail.size, 'point')}; {majority!r} is {share:.2%} of {total} records in {manifest.source}"
    )
    return Measurement(name, level - share, "share", basis, int(accuracy.series.steps[-1]), items, nearest)


def half_unit(values: Floats) -> float:
    """Half of the last decimal that all of these numbers were rounded to; that of six decimals where they were not rounded."""
    for decimals in range(1, DECIMALS):
        if np.allclose(values, np.round(values, decimals), rtol=0.0, atol=2e-7):
            return float(0.5 * 10.0**-decimals)
    return float(0.5 * 10.0**-DECIMALS)
