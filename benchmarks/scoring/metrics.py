"""Recall, false alarms and calibration of judged runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from postmortem.rivalry import LIKELY
from scoring.judging import Judged

BINS = (0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0)
"""Edges of the bins of printed probabilities; in the first are mostly causes that lose to a likelier one beside them."""


@dataclass(frozen=True, slots=True)
class Recall:
    """How often the right cause is named."""

    runs: int
    first: int
    three: int

    @property
    def first_share(self) -> float:
        """Share of the runs whose first cause is right."""
        return self.first / self.runs if self.runs else float("nan")

    @property
    def three_share(self) -> float:
        """Share of the runs with a right cause among the first three."""
        return self.three / self.runs if self.runs else float("nan")


def recall(runs: Iterable[Judged]) -> Recall:
    """Of the faulty runs among these."""
    faulty = [run for run in runs if run.truth.cause]
    first = sum(bool(run.causes) and run.causes[0][0] in run.truth.right for run in faulty)
    three = sum(any(id in run.truth.right for id, _ in run.causes[:3]) for run in faulty)
    return Recall(len(faulty), first, three)


def by_cause(runs: Iterable[Judged]) -> dict[str, Recall]:
    """Recall of each cause, in the order of their ids."""
    of_cause: dict[str, list[Judged]] = defaultdict(list)
    for run in runs:
        if run.truth.cause:
            of_cause[run.truth.cause].append(run)
    return {cause: recall(found) for cause, found in sorted(of_cause.items())}


def is_false_alarm(run: Judged) -> bool:
    """Whether a healthy run is given a likely cause, or a verdict other than healthy or inconclusive."""
    return run.verdict not in ("healthy", "inconclusive") or any(probability >= LIKELY for _, probability in run.causes)


@dataclass(frozen=True, slots=True)
class Alarms:
    """False alarms on healthy runs."""

    runs: int
    alarmed: int
    failed: int

    @property
    def share(self) -> float:
        """Share of the healthy runs that are alarmed."""
        return self.alarmed / self.runs if self.runs else float("nan")


def alarms(runs: Iterable[Judged]) -> Alarms:
    """Of the healthy runs among these."""
    healthy = [run for run in runs if not run.truth.cause]
    return Alarms(len(healthy), sum(map(is_false_alarm, healthy)), sum(run.verdict == "failed" for run in healthy))


def by_kind(runs: Iterable[Judged]) -> dict[str, Alarms]:
    """False alarms by kind of healthy run."""
    of_kind: dict[str, list[Judged]] = defaultdict(list)
    for run in runs:
        if not run.truth.cause:
            of_kind[run.truth.kind].append(run)
    return {kind: alarms(found) for kind, found in sorted(of_kind.items())}


@dataclass(frozen=True, slots=True)
class Bin:
    """Printed probabilities of one size."""

    low: float
    high: float
    causes: int
    said: float
    """Mean of the probabilities."""
    true: float
    """Share of the causes that are true of their runs."""


def reliability(runs: Iterable[Judged]) -> list[Bin]:
    """Of all causes that are printed, by probability."""
    printed = [(probability, id in run.truth.true) for run in runs for id, probability in run.causes]
    bins = []
    for low, high in pairwise(BINS):
        inside = [(p, hit) for p, hit in printed if low <= p < high or (high == 1.0 and p == 1.0)]
        if inside:
            said, true = (sum(part) / len(inside) for part in zip(*inside, strict=True))
            bins.append(Bin(low, high, len(inside), said, true))
    return bins


def brier(runs: Sequence[Judged], causes: Sequence[str]) -> tuple[float, float]:
    """Mean squared error of probabilities: over every pair of run and cause (what is not printed counts 0), and over printed ones."""
    everywhere, printed = [], []
    for run in runs:
        said = dict(run.causes)
        for cause in causes:
            error = (said.get(cause, 0.0) - (cause in run.truth.true and (cause in run.truth.right or cause in said))) ** 2
            everywhere.append(error)
            if cause in said:
                printed.append(error)
    return _mean(everywhere), _mean(printed)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
