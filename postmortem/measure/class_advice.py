"""Numbers that would balance a data set, as tables with lines to paste. Each is offered only where it applies.

For one class a record: weights by inverse frequency and by effective number, a sampler, biases of the head that begin at the class
shares, and what undersampling would leave. For several labels a record: positive weights and biases. For objects: repeat factors of images.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.class_shares import binary_entropy, entropy
from postmortem.measure.data_sets import class_names, label_kind, natural, split_counts, training_records
from postmortem.measure.drift import of_all
from postmortem.model import Manifest, Table

MAX_PASTED = 200
"""Classes up to which numbers are worth pasting."""
BALANCED = 1.5
"""Largest over smallest class below which weights would change nothing that matters."""
BETAS = (0.999, 0.9999)
"""Of the effective number (1 - beta^n) / (1 - beta), Cui et al. 2019: the second where every class has more than MANY records."""
MANY = 1000
REPEAT_BELOW = 0.001
"""Share of images with a class below which images are repeated (Gupta, Dollar, Girshick 2019, LVIS)."""

_Row = tuple[str, int, float] | tuple[str, int, float, float] | tuple[str, int, float, float, float]


def advise(manifest: Manifest) -> Iterator[Table]:
    """Every table that applies to this manifest's training records."""
    kind = label_kind(manifest)
    trained = in_order(manifest, split_counts(manifest, "train"))
    present = [count for count in trained.values() if count > 0]
    if kind == "targets":
        yield from _scaling(manifest)
    elif kind == "multiple":
        yield from _positive_weights(trained, training_records(manifest))
    elif len(present) < 2 or max(present) < BALANCED * min(present):
        return
    elif kind == "objects":
        yield from _repeat_factors(trained, training_records(manifest))
    elif kind == "single":
        yield _weights(trained)
        yield _biases(trained)
        yield _undersampling(present)


def in_order(manifest: Manifest, counts: Mapping[str, int]) -> dict[str, int]:
    """Counts in the order of the class indices: the declared one, else by name, 2 before 10.

    Folders are sorted as text, as loaders sort them. Classes without a training record keep their place.
    """
    places = {name: index for index, name in enumerate(class_names(manifest))}
    folders = manifest.format == "image folder"
    ordered = sorted(counts, key=lambda label: (places.get(label, len(places)), () if folders else natural(label), label))
    return {label: counts[label] for label in ordered}


def inverse_frequency(counts: Mapping[str, int]) -> dict[str, float]:
    """Records over classes times the class's records: the mean over records is 1. Classes without a record get 1, which nothing uses."""
    present = [count for count in counts.values() if count > 0]
    even = sum(present) / max(1, len(present))
    return {label: even / count if count else 1.0 for label, count in counts.items()}


def effective_number(counts: Mapping[str, int], beta: float) -> dict[str, float]:
    """(1 - beta) / (1 - beta^n), scaled to a mean over records of 1 (Cui et al. 2019). Classes without a record get 1."""
    raw = {label: (1 - beta) / -math.expm1(count * math.log(beta)) for label, count in counts.items() if count}
    scale = sum(counts.values()) / math.fsum(weight * counts[label] for label, weight in raw.items())
    return {label: raw[label] * scale if count else 1.0 for label, count in counts.items()}


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _listed(numbers: Sequence[float]) -> str:
    return f"[{', '.join(f'{number:.4g}' for number in numbers)}]"


def _labels(counts: Mapping[str, int]) -> str:
    return f"labels = [{', '.join(json.dumps(label) for label in counts)}]  # class indices must be in this order\n"


def _table(id: str, title: str, caption: str, columns: tuple[str, ...], rows: Sequence[_Row], code: str) -> Table:
    """A table with a row a class, in the order of the indices; where they are too many to paste, the rarest of them without code."""
    if len(rows) > MAX_PASTED:
        caption += f" The {MAX_PASTED} rarest of {len(rows)} classes."
        return Table(id, "data", title, caption, columns, tuple(sorted(rows, key=lambda row: row[1])[:MAX_PASTED]))
    return Table(id, "data", title, caption, columns, tuple(rows), code)


def _weights(trained: Mapping[str, int]) -> Table:
    beta = BETAS[1] if min(count for count in trained.values() if count) > MANY else BETAS[0]
    inverse, effective = inverse_frequency(trained), effective_number(trained, beta)
    total = sum(trained.values())
    rows = tuple(
        (label, count, _short(count / total), _short(inverse[label]), _short(effective[label])) for label, count in trained.items()
    )
    caption = (
        "Inverse-frequency weights: with them each class has the same say in the loss. Effective-number weights (Cui et al. 2019, "
        f"beta = {beta:g}) are milder on classes with more than {1 / (1 - beta):.0f} records. Both have a mean of 1 over the records. "
        "The order of the labels is the order of the weights. Use weights or the sampler, not both."
    )
    code = (
        f"{_labels(trained)}"
        f"weights = torch.tensor({_listed(list(inverse.values()))})  # inverse frequency\n"
        f"effective = torch.tensor({_listed(list(effective.values()))})  # effective number, beta = {beta:g}\n"
        "loss_function = torch.nn.CrossEntropyLoss(weight=weights)\n"
        "# or, in place of weights, a sampler by which every class is drawn as often; train_labels holds each record's label:\n"
        "by_label = dict(zip(labels, weights.tolist()))\n"
        "record_weights = [by_label[label] for label in train_labels]\n"
        "sampler = torch.utils.data.WeightedRandomSampler(record_weights, num_samples=len(record_weights))"
    )
    columns = ("class", "records", "share", "weight", "effective-number weight")
    return _table("class-weights", "Class weights", caption, columns, rows, code)


def _biases(trained: Mapping[str, int]) -> Table:
    """ln p of each class, centred; a class without a record counts as half a record."""
    total = math.fsum(count or 0.5 for count in trained.values())
    logs = {label: math.log((count or 0.5) / total) for label, count in trained.items()}
    mean = math.fsum(logs.values()) / len(logs)
    biases = {label: value - mean for label, value in logs.items()}
    chance, prior = math.log(len(trained)), entropy(trained.values())
    caption = (
        f"Biases of the head with which an untrained model answers the class shares. The first loss is then H(p) = {prior:.4g} in place "
        f"of ln {len(trained)} = {chance:.4g}, without the steep first drop in which only the shares are learned. Not together with class "
        "weights or an even sampler, which make the shares even."
    )
    rows = tuple((label, count, _short(biases[label])) for label, count in trained.items())
    numbers = _listed(list(biases.values()))
    code = f"{_labels(trained)}with torch.no_grad():\n    model.head.bias.copy_(torch.tensor({numbers}))  # the last layer's"
    if len(trained) == 2:
        first, second = logs.values()
        code += f"\n# a head of one unit for the second class: model.head.bias.fill_({second - first:.4g})"
    columns = ("class", "records", "bias")
    return _table("bias-initialization", "Biases of the head", caption, columns, rows, code)


def _undersampling(present: Sequence[int]) -> Table:
    total = sum(present)
    rows: list[tuple[str | int | float | None, ...]] = []
    for name, most in (("the rarest class", min(present)), ("the median class", int(statistics.median(present)))):
        kept = sum(min(count, most) for count in present)
        rows.append((name, most, kept, _short(kept / total), _short(most / min(present))))
    caption = "What would be left of the training records if larger classes were cut. Weights or a sampler keep all of them."
    columns = ("cut to", "records a class at most", "records kept", "share kept", "largest over smallest then")
    return Table("undersampling", "data", "What undersampling would leave", caption, columns, tuple(rows))


def _positive_weights(trained: Mapping[str, int], records: int) -> Iterator[Table]:
    """Negatives over positives, and ln(p / (1 - p)), of each label that some training record bears and some does not."""
    shares = {label: count / records for label, count in trained.items() if 0 < count < records} if records else {}
    if not shares or len(shares) < sum(count > 0 for count in trained.values()):
        return
    weights = {label: (1 - share) / share for label, share in shares.items()}
    biases = {label: math.log(share / (1 - share)) for label, share in shares.items()}
    floor = math.fsum(map(binary_entropy, shares.values())) / len(shares)
    caption = (
        f"Of {records} training records, any of which may bear several labels. With the weights positives and negatives of a label have "
        f"the same say. With the biases the first loss is {floor:.4g} in place of ln 2 = 0.6931. Weights above about 100 make single "
        "records decide: cap them."
    )
    kept = {label: trained[label] for label in shares}
    code = (
        f"{_labels(kept)}"
        f"pos_weight = torch.tensor({_listed(list(weights.values()))})  # negatives over positives\n"
        "loss_function = torch.nn.BCEWithLogitsLoss(pos_weight=pos_weight)\n"
        "# or, without the weights, biases that begin at the shares:\n"
        f"biases = torch.tensor({_listed(list(biases.values()))})\n"
        "with torch.no_grad():\n    model.head.bias.copy_(biases)  # the last layer's"
    )
    rows = tuple((label, kept[label], _short(shares[label]), _short(weights[label]), _short(biases[label])) for label in shares)
    columns = ("label", "positives", "share", "positive weight", "bias")
    yield _table("label-weights", "Weights of labels", caption, columns, rows, code)


def _repeat_factors(trained: Mapping[str, int], records: int) -> Iterator[Table]:
    """max(1, sqrt(t / f)) of each class, f being its objects over the images, which is at least the share of images that hold one."""
    if not records:
        return
    factors = {label: math.sqrt(REPEAT_BELOW * records / count) for label, count in trained.items() if 0 < count < REPEAT_BELOW * records}
    if not factors:
        return
    caption = (
        f"How often an image is drawn an epoch for the rarest class in it: the root of {REPEAT_BELOW:g} over the class's frequency "
        "(Gupta, Dollar, Girshick 2019). Frequency is objects over images, so that classes with several objects an image need more than "
        "this. Other classes have a factor of 1."
    )
    pairs = ", ".join(f"{json.dumps(label)}: {factor:.4g}" for label, factor in factors.items())
    code = (
        f"factors = {{{pairs}}}\n"
        "# image_classes holds the set of classes of each image\n"
        "repeats = [max((factors.get(name, 1.0) for name in names), default=1.0) for names in image_classes]\n"
        "sampler = torch.utils.data.WeightedRandomSampler(repeats, num_samples=round(sum(repeats)))"
    )
    rows = tuple((label, trained[label], _short(trained[label] / records), _short(factor)) for label, factor in factors.items())
    columns = ("class", "objects", "objects an image", "repeat factor")
    yield _table("repeat-factors", "Repeat factors of images", caption, columns, rows, code)


def _scaling(manifest: Manifest) -> Iterator[Table]:
    targets = manifest.targets
    if targets is None or targets.count < 2:
        return
    _, mean, deviation = of_all(targets)
    if not deviation > 0:
        return
    caption = (
        f"Numbers to predict. A model that answers 0 begins with a squared error of {mean**2 + deviation**2:.4g}, one that answers the "
        f"mean with {deviation**2:.4g}, and on standardized targets with 1."
    )
    splits = targets.splits or {"all": (targets.count, targets.mean, targets.deviation)}
    rows = tuple((split or "all", count, _short(each), _short(spread)) for split, (count, each, spread) in splits.items())
    code = f"mean, deviation = {mean:.6g}, {deviation:.6g}  # of the training targets\ntargets = (targets - mean) / deviation"
    yield Table("target-scaling", "data", "Targets", caption, ("split", "records", "mean", "deviation"), rows, code)
