"""Metrics that a run logs for each class (`val/acc/cat`, `bbox/AP-person`, `class_3/f1`), found by the class names in their tags.

A tag is one class's where a name of the manifest, or an index, stands in it beside a word of a metric, and where sibling tags that differ
in nothing else name other classes: a number alone says nothing (`recall_5` is a recall at five), a row of them does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from postmortem.measure.data_sets import main_manifest, split_counts
from postmortem.measure.role_words import ACCURACY, LOSS, METRICS
from postmortem.measure.roles import Roled
from postmortem.measure.smooth import Floats, finite_points
from postmortem.measure.tags import SPLIT_WORDS
from postmortem.model import Manifest, Measurement, Missing

KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("recall", frozenset({"recall", "sensitivity", "tpr", "acc", "accuracy"})),
    ("F1", frozenset({"f1", "fscore", "f1score"})),
    ("IoU", frozenset({"iou", "dice", "jaccard"})),
    ("AP", frozenset({"ap", "ap50", "map", "map50"})),
    ("precision", frozenset({"precision"})),
)
"""Metrics of one class that are 0 where the class is never found, the one that says so most plainly first."""
INDEX_WORDS = frozenset({"class", "cls", "label", "category", "cat", "c"})
COMMON = SPLIT_WORDS | LOSS | METRICS | ACCURACY | frozenset({"all", "mean", "avg", "total", "macro", "micro", "weighted", "epoch", "step"})
"""Words that tags use for other things: a class with such a name (COCO's `train`) cannot be told in a tag."""
LEAST_NAMED = 3
"""Siblings that name so many classes (or all of two) are the metrics of classes."""
LEAST_NUMBERED = 0.5
"""Of classes that are numbers, so large a share must be there."""
MOST_CLASSES = 20_000
LONGEST_INDEX = 9
"""Digits of a class's number."""
LEAST_RANKED = 5
"""Fewer classes have no order of metrics to speak of."""
NAMES = ("classes.metric", "classes.metric_trend", "classes.validation_records")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ClassSeries:
    """Sibling series, one a class."""

    template: str
    """Words of their tags, with `*` for the class."""
    kind: str
    split: str
    members: Mapping[str, Roled]
    """Class as the manifest calls it (else its index) -> series."""


def split_words(text: str) -> Words:
    """Lower-case words of a tag or a class name, taken apart at all that is no letter or digit."""
    return tuple(word for word in re.split(r"[\W_]+", text.lower()) if word)


def class_words(manifest: Manifest | None) -> dict[Words, str]:
    """Words that name a class -> the class; names that mean other things in tags are left out."""
    if manifest is None:
        return {}
    labels = dict.fromkeys((*split_counts(manifest, "train"), *manifest.classes))
    if len(labels) > MOST_CLASSES:
        return {}
    found: dict[Words, str] = {}
    for label in labels:
        name = split_words(label)
        if name and not set(name) <= COMMON:
            found.setdefault(name, label)
    return found


def _is_index(label: str) -> bool:
    """Whether a label may number a class; longer numbers are none, and Python refuses to convert those of thousands of digits."""
    return label.isdecimal() and len(label) <= LONGEST_INDEX


def index_names(manifest: Manifest | None) -> tuple[str, ...]:
    """Classes in the order of their indices, where the manifest is sure of it: declared, or numbered from 0."""
    if manifest is None:
        return ()
    if manifest.classes:
        return manifest.classes
    labels = sorted((label for label in split_counts(manifest, "train") if _is_index(label)), key=int)
    return tuple(labels) if [int(label) for label in labels] == list(range(len(labels))) else ()


def find(roled: Sequence[Roled], manifests: Sequence[Manifest]) -> tuple[ClassSeries, ...]:
    """All families of per-class metrics, the one that says most of starved classes first."""
    manifest = main_manifest(manifests)
    names, indices = class_words(manifest), index_names(manifest)
    longest = max((len(name) for name in names), default=0)
    known = len({*names.values()}) or len(indices)
    families: dict[tuple[str, str, str, bool], dict[str, Roled]] = {}
    for one in roled:
        words = split_words(one.series.tag)
        kind = next((kind for kind, metric in KINDS if metric & set(words)), "")
        placed = _placed(words, names, longest, indices) if kind and not set(words) & LOSS else None
        if placed is not None:
            label, template, numbered = placed
            families.setdefault((template, one.series.group, kind, numbered), {}).setdefault(label, one)
    order = [kind for kind, _ in KINDS]
    found = [
        ClassSeries(template, kind, next(iter(members.values())).split, members)
        for (template, _, kind, numbered), members in families.items()
        if _enough(len(members), known, numbered)
    ]
    return tuple(sorted(found, key=lambda one: (one.split not in ("validation", "test"), order.index(one.kind), -len(one.members))))


def _enough(members: int, known: int, numbered: bool) -> bool:
    least = min(LEAST_NAMED, known) if known else LEAST_NAMED
    return members >= max(2, least) and (not numbered or members >= LEAST_NUMBERED * known)


def _placed(words: Words, names: Mapping[Words, str], longest: int, indices: Sequence[str]) -> tuple[str, str, bool] | None:
    """Class, template, and whether a number alone named it; None where the words name no class."""
    for length in range(min(longest, len(words) - 1), 0, -1):
        for at in range(len(words) - length, -1, -1):
            label = names.get(words[at : at + length])
            if label is not None:
                return label, " ".join((*words[:at], "*", *words[at + length :])), length == 1 and words[at].isdecimal()
    for at, word in enumerate(words):
        written = re.fullmatch(r"(?:class|cls|label|category)(\d+)", word)
        number = written[1] if written else word if word.isdecimal() and at and words[at - 1] in INDEX_WORDS else ""
        if number:
            label = indices[int(number)] if int(number) < len(indices) else "" if indices else number
            return (label, " ".join((*words[:at], "*", *words[at + 1 :])), False) if label else None
    return None


def set_apart(roled: Sequence[Roled], families: Sequence[ClassSeries]) -> tuple[Roled, ...]:
    """The series with those of single classes taken out of the roles of the whole: the accuracy of one class is not the accuracy."""
    of_class = {id(one.series): (label, family) for family in families for label, one in family.members.items()}
    result = []
    for one in roled:
        label, family = of_class.get(id(one.series), ("", None))
        if family is not None and one.role in ("accuracy", "metric", "other"):
            one = replace(one, role="other", why=f"{family.kind} of one class, {label[:40]!r}")
        result.append(one)
    return tuple(result)


def measure_per_class(families: Sequence[ClassSeries], manifests: Sequence[Manifest]) -> Iterator[Measurement | Missing]:
    """`classes.metric`: the last value of each class (items) and the lowest; `classes.metric_trend`: how it follows class sizes.

    `classes.validation_records`: records of each class in the split that the metrics are of, and the fewest. Items of the trend:
    `p` (two-sided, normal approximation) and `classes`. Metrics are shares; what is below 0 or not finite was not measured (COCO
    writes -1).
    """
    if not families:
        for name in NAMES:
            yield Missing(name, "no metric was logged for each class", "per-class")
        return
    family, manifest = families[0], main_manifest(manifests)
    last = _last(family)
    if not last:
        for name in NAMES:
            yield Missing(name, f"{family.kind} of each class was logged, but never a value of 0 or above", "per-class")
        return
    training = {} if manifest is None else split_counts(manifest, "train")
    ordered = dict(sorted(last.items(), key=lambda pair: (pair[1], training.get(pair[0], 0), pair[0])))
    tags = next(iter(family.members.values())).series
    basis = f"last {family.kind} of {len(ordered)} classes, tags like {tags.tag!r} of {tags.source}"
    yield Measurement(NAMES[0], next(iter(ordered.values())), "share", basis, int(tags.steps[-1]), ordered, family.kind)
    yield _trend(ordered, training, basis)
    held = {} if manifest is None else manifest.counts.get(family.split or "validation", {})
    if not any(held.values()) or manifest is None:
        yield Missing(NAMES[2], f"no manifest tells the classes of the split {family.split or 'validation'!r}", "manifest")
        return
    records = {label: float(held.get(label, 0)) for label in ordered}
    yield Measurement(
        NAMES[2], min(records.values()), "records", f"split {family.split or 'validation'!r} of {manifest.source}", items=records
    )


def _last(family: ClassSeries) -> dict[str, float]:
    """Median of the last tenth of each class's points (at least three), as shares."""
    found: dict[str, float] = {}
    for label, one in family.members.items():
        values = finite_points(one.series)[1]
        values = values[values >= 0]
        if values.size:
            found[label] = float(np.median(values[-max(3, values.size // 10) :]))
    return {label: value / 100 for label, value in found.items()} if max(found.values(), default=0.0) > 1.5 else found


def _trend(values: Mapping[str, float], training: Mapping[str, int], basis: str) -> Measurement | Missing:
    both = [(training[label], value) for label, value in values.items() if training.get(label, 0) > 0]
    sizes, metrics = (np.array(column, dtype=np.float64) for column in zip(*both, strict=True)) if both else (np.zeros(0), np.zeros(0))
    if sizes.size < LEAST_RANKED or np.ptp(sizes) == 0 or np.ptp(metrics) == 0:
        return Missing(NAMES[1], "fewer than 5 classes of known and different sizes have a metric of their own", "manifest")
    rho = float(np.corrcoef(ranks(sizes), ranks(metrics))[0, 1])
    p = math.erfc(abs(rho) * math.sqrt(sizes.size - 1) / math.sqrt(2))
    items = {"p": p, "classes": float(sizes.size)}
    return Measurement(NAMES[1], rho, "correlation", f"Spearman, training records against {basis}", items=items)


def ranks(values: Floats) -> Floats:
    """Ranks from 1, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts).astype(np.float64)
    shared: Floats = (ends - (counts - 1) / 2)[inverse]
    return shared
