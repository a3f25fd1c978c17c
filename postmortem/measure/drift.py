"""Whether splits hold the same classes or targets: a test that respects the sample size, and an effect that does not grow with it.

`classes.drift` is 0 for splits with the same shares and 1 for splits without a class in common; `data.target_shift` is in pooled
standard deviations. Both are told with the probability that random splits differ as much.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from postmortem.measure.chi_square import upper_tail
from postmortem.measure.data_sets import compared_pairs, label_kind, put_together, shown_split, split_records, training_splits
from postmortem.model import Manifest, Measurement, Missing, Targets, counted

CLASS_DRIFT = ("classes.drift", "classes.drift_p", "classes.drift_shares", "classes.drift_evenness")
TARGET_DRIFT = ("data.target_shift", "data.target_shift_p", "data.target_spread_ratio")
LEAST_EXPECTED = 5.0
"""Records expected in each cell of the test (Cochran 1954); classes with fewer are put together."""
LEAST_IN_SPLIT = 20
"""Labelled records that a split needs to be compared at all."""
MOST_SHOWN = 20

Found = Measurement | Missing


@dataclass(frozen=True, slots=True)
class Drift:
    """How far two splits differ in their classes."""

    effect: float
    """0 to 1: the square root of a quarter of the triangular distance between the shares, less what chance alone brings about."""
    p: float
    """Probability of a chi-square statistic at least as large between random splits."""
    statistic: float
    degrees: int
    pooled: int
    """Classes too rare for cells of their own, counted as one."""


def homogeneity(one: Mapping[str, float], other: Mapping[str, float]) -> Drift | None:
    """Pearson's chi-square test that two sets of counts have the same shares, and the size of the difference.

    The effect is Cramer's V (Cohen's w) of the table with both splits scaled to one size, so that it does not depend on how large a share
    the validation split is; the sum's expectation under equal shares, (cells - 1)(1/n + 1/m), is taken off as Bergsma 2013 does for
    V. None where fewer than two cells have 5 expected records in both splits.
    """
    n, m = sum(one.values()), sum(other.values())
    if n <= 0 or m <= 0:
        return None
    cells, pooled = _cells(one, other, min(n, m) / (n + m))
    if len(cells) < 2:
        return None
    statistic = effect = 0.0
    for a, b in cells:
        both = (a + b) / (n + m)
        statistic += (a - n * both) ** 2 / (n * both) + (b - m * both) ** 2 / (m * both)
        effect += (a / n - b / m) ** 2 / ((a / n + b / m) / 2)
    by_chance = (len(cells) - 1) * (1 / n + 1 / m)
    degrees = len(cells) - 1
    return Drift(math.sqrt(max(0.0, effect - by_chance) / 4), upper_tail(statistic, degrees), statistic, degrees, pooled)


def _cells(one: Mapping[str, float], other: Mapping[str, float], smaller: float) -> tuple[list[tuple[float, float]], int]:
    """Pairs of counts of which at least five are expected in the smaller split, rare classes put together, and how many those are."""
    named = [(label, (one.get(label, 0), other.get(label, 0))) for label in dict.fromkeys((*one, *other))]
    # By name where counts are equal, so that the order of the splits does not matter.
    pairs = [pair for label, pair in sorted(named, key=lambda each: (sum(each[1]), each[0])) if sum(pair) > 0]
    rare = [pair for pair in pairs if sum(pair) * smaller < LEAST_EXPECTED]
    kept = pairs[len(rare) :]
    rest = (sum(a for a, _ in rare), sum(b for _, b in rare))
    if rare and sum(rest) * smaller >= LEAST_EXPECTED:
        kept.append(rest)
    elif rare and kept:
        # The rest is too little for a cell of its own: it goes to the smallest class that has one.
        kept[0] = (kept[0][0] + rest[0], kept[0][1] + rest[1])
    return kept, len(rare)


def measure_class_drift(manifest: Manifest) -> Iterator[Found]:
    """`classes.drift` of the pair of splits that differs most, its p-value, the classes that differ and how even the splits are."""
    kind = label_kind(manifest)
    counts = {split: labels for split, labels in manifest.counts.items() if sum(labels.values()) >= LEAST_IN_SPLIT}
    pairs = compared_pairs(list(counts))
    if not pairs:
        what = "its labels are no classes" if kind in ("targets", "text") else f"fewer than two splits have {LEAST_IN_SPLIT} labels"
        yield from (Missing(name, f"{manifest.source}: {what}", "manifest-splits") for name in CLASS_DRIFT)
        return
    records = split_records(manifest)
    found: dict[tuple[tuple[str, ...], str], Drift] = {}
    for trained, held_out in pairs:
        drift = homogeneity(*(_as_records(counts, splits, records, kind) for splits in (trained, (held_out,))))
        if drift is not None:
            found[trained, held_out] = drift
    if not found:
        told = f"{manifest.source}: no two classes have {LEAST_EXPECTED:g} records expected in both splits"
        yield from (Missing(name, told, "manifest-splits") for name in CLASS_DRIFT)
        return
    (trained, held_out), worst = max(found.items(), key=lambda pair: pair[1].effect)
    p = min(1.0, worst.p * len(pairs))
    names = f"{shown_split(trained[0]) if len(trained) == 1 else 'the other splits'} and {shown_split(held_out)}"
    basis = f"{names} of {manifest.source}: chi-square {worst.statistic:.4g} with {worst.degrees} degrees of freedom"
    if worst.pooled:
        basis += f", {worst.pooled} rare classes counted as one"
    if len(counts) > len(pairs) + 1:
        basis += f"; {len(pairs)} of {len(counts)} splits were held against the others"
    if kind in ("objects", "multiple"):
        basis += f"; {'objects' if kind == 'objects' else 'labels'} of one record count as one observation"
    effects = {f"{shown_split(pair[0][0]) if len(pair[0]) == 1 else 'others'}|{pair[1]}": drift.effect for pair, drift in found.items()}
    yield Measurement("classes.drift", worst.effect, "effect", basis, items=dict(sorted(effects.items(), key=lambda pair: -pair[1])))
    yield Measurement(
        "classes.drift_p", p, "probability", basis + (f"; times {counted(len(pairs), 'comparison')}" if len(pairs) > 1 else "")
    )
    one, other = put_together(counts, trained), put_together(counts, (held_out,))
    yield _shares(one, other, basis)
    evenness = {"trained": _evenness(one), "held out": _evenness(other)}
    yield Measurement("classes.drift_evenness", min(evenness.values()), "share", f"exp(H) over classes present; {basis}", items=evenness)


def _as_records(counts: Mapping[str, Mapping[str, int]], splits: Sequence[str], records: Mapping[str, int], kind: str) -> dict[str, float]:
    """Counts by label; where a record has several, scaled to the number of records: boxes of one image are no independent draws."""
    labels = put_together(counts, splits)
    total, most = sum(labels.values()), sum(records.get(split, 0) for split in splits)
    scale = min(1.0, most / total) if kind in ("objects", "multiple") and most > 0 and total > 0 else 1.0
    return {label: count * scale for label, count in labels.items()}


def _shares(one: Mapping[str, int], other: Mapping[str, int], basis: str) -> Measurement:
    """Total variation, and the classes whose share differs most: share held out less share trained on."""
    n, m = sum(one.values()), sum(other.values())
    differences = {label: other.get(label, 0) / m - one.get(label, 0) / n for label in dict.fromkeys((*one, *other))}
    ordered = sorted(differences.items(), key=lambda pair: (-abs(pair[1]), pair[0]))[:MOST_SHOWN]
    return Measurement("classes.drift_shares", math.fsum(map(abs, differences.values())) / 2, "share", basis, items=dict(ordered))


def _evenness(counts: Mapping[str, int]) -> float:
    positive = [count for count in counts.values() if count > 0]
    total = sum(positive)
    return math.exp(-math.fsum(count / total * math.log(count / total) for count in positive)) / len(positive)


def measure_target_drift(manifest: Manifest) -> Iterator[Found]:
    """`data.target_shift` of the pair of splits whose mean targets differ most, its p-value, and the ratio of their deviations."""
    targets = manifest.targets
    splits = {} if targets is None else {name: one for name, one in targets.splits.items() if one[0] >= LEAST_IN_SPLIT}
    found: dict[str, tuple[float, float, float]] = {}
    pairs = compared_pairs(list(splits))
    for trained, held_out in pairs:
        one, other = _moments([splits[name] for name in trained]), splits[held_out]
        if (told := standard_shift(one, other)) is not None:
            found[f"{trained[0] if len(trained) == 1 else 'others'}|{held_out}"] = told
    if not found:
        why = "its labels are no numbers to predict" if targets is None else "fewer than two splits have targets that vary"
        yield from (Missing(name, f"{manifest.source}: {why}", "manifest-splits") for name in TARGET_DRIFT)
        return
    worst = max(found, key=lambda pair: abs(found[pair][0]))
    shift, p, _ = found[worst]
    basis = f"targets of {worst.replace('|', ' and ')} in {manifest.source}"
    shifts = {pair: each[0] for pair, each in found.items()}
    yield Measurement("data.target_shift", abs(shift), "standard deviations", basis, items=shifts)
    yield Measurement("data.target_shift_p", min(1.0, p * len(pairs)), "probability", f"{basis}, {counted(len(pairs), 'comparison')}")
    ratios = {pair: each[2] for pair, each in found.items()}
    widest = max(ratios, key=lambda pair: abs(math.log(ratios[pair])) if ratios[pair] > 0 else math.inf)
    spread = f"deviation held out over that trained on, {widest.replace('|', ' and ')} of {manifest.source}"
    yield Measurement("data.target_spread_ratio", ratios[widest], "ratio", spread, items=ratios)


def standard_shift(one: tuple[int, float, float], other: tuple[int, float, float]) -> tuple[float, float, float] | None:
    """Cohen's d (difference of means over the pooled deviation), its two-sided p-value, and the ratio of the deviations.

    The p-value is that of Welch's statistic, taken as normal. Arguments are (count, mean, population deviation). None where neither varies.
    """
    (n, mean, deviation), (m, mean_other, deviation_other) = one, other
    pooled = math.sqrt((n * deviation**2 + m * deviation_other**2) / (n + m))
    error = math.sqrt(deviation**2 / n + deviation_other**2 / m)
    if not (pooled > 0 and error > 0 and deviation > 0) or not all(map(math.isfinite, (mean, mean_other, pooled))):
        return None
    return (mean_other - mean) / pooled, math.erfc(abs(mean_other - mean) / error / math.sqrt(2)), deviation_other / deviation


def _moments(parts: Sequence[tuple[int, float, float]]) -> tuple[int, float, float]:
    """Count, mean and deviation of parts put together."""
    count = sum(each[0] for each in parts)
    mean = math.fsum(n * each for n, each, _ in parts) / count
    variance = math.fsum(n * (deviation**2 + (each - mean) ** 2) for n, each, deviation in parts) / count
    return count, mean, math.sqrt(variance)


def of_all(targets: Targets) -> tuple[int, float, float]:
    """Count, mean and deviation of what is trained on, where splits are told apart, else of all targets."""
    trained = [name for name in targets.splits if targets.splits[name][0] > 0]
    chosen = [targets.splits[name] for name in training_splits(trained)]
    return _moments(chosen) if chosen else (targets.count, targets.mean, targets.deviation)
