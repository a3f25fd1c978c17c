"""Fits priors and weights of evidence on judged runs, near what the authors of the causes gave them.

The model is that of `postmortem.diagnose`: log-odds of a cause are those of its prior plus the weights of the evidence that counts. The
loss is the sum, over runs, of the logistic loss of every cause, and of the negative log-probability of the right answer where exactly one
of all causes, or none, is it. Both are convex. Knowledge enters three times: a weight keeps its author's sign and at most twice its size,
is drawn towards it, and the examples in the causes' files must come out as they say.

An earlier fit may stand in for runs that are no longer there: its weights are held, the more so as they rest on more runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from postmortem import rules
from postmortem.diagnose import strength
from postmortem.model import CauseExample, Evidence, Finding, Outcome, Status
from scoring.corpus import Truth

Floats = NDArray[np.float64]
RELATIVE_SPREAD = 0.6
"""Standard deviation of a weight around its author's value, as a share of it."""
LEAST_SPREAD = 1.0
LARGEST_RATIO = 2.0
"""A fitted weight is at most so many times its author's."""
SMALLEST_RATIO = 0.1
"""Evidence that tells nothing on these runs keeps a tenth of its weight: others may show what it is for."""
HELD_SPREAD = 0.3
"""Spread of a weight around what it was fitted to before, as a share of that around its author's value: those runs count as well."""
PRIOR_SPREAD = 0.7
LARGEST_PRIOR_SHIFT = 1.5
EXAMPLE_MARGIN = 0.15
"""Log-odds by which an example of a cause's file must be on its side of even."""
EXAMPLE_WEIGHT = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One cause: its evidence on every run."""

    cause: str
    keys: tuple[str, ...]
    start: Floats
    """The author's prior (in log-odds) and weights."""
    given: Floats
    """(runs, 1 + evidence): a one, and how far each evidence counts."""
    examples: Floats
    """(examples, 1 + evidence)."""
    likely: NDArray[np.bool_]
    """(examples,): which of them must come out likely."""
    before: Floats | None = None
    """The prior and weights of an earlier fit, NaN where evidence is newer; None where there was none, or it does not count."""


def table(cause: str, outcomes: Sequence[Mapping[str, Outcome]], before: Mapping[str, float] | None = None) -> Table:
    """What a cause's evidence says on these runs, and on its author's examples. `before`: its weights of an earlier fit."""
    prior, evidence = rules.authored(cause)
    examples = rules.causes()[cause].examples
    start = np.array([math.log(prior / (1 - prior)), *(each.log_odds for each in evidence)])
    stated = [_outcomes(example) for example in examples]
    keys = (rules.PRIOR_KEY, *(each.key for each in evidence))
    return Table(
        cause,
        keys,
        start,
        _rows(evidence, outcomes),
        _rows(evidence, stated),
        np.array([example.expect == "likely" for example in examples], dtype=np.bool_),
        None if before is None else np.array([before.get(key, math.nan) for key in keys]),
    )


def _rows(evidence: Sequence[Evidence], outcomes: Sequence[Mapping[str, Outcome]]) -> Floats:
    rows = [[1.0, *(strength(each, found) for each in evidence)] for found in outcomes]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 1 + len(evidence))


def _outcomes(example: CauseExample) -> dict[str, Outcome]:
    by_status: dict[Status, tuple[str, ...]] = {"fail": example.fail, "warn": example.warn, "pass": example.passed}
    return {id: Outcome(id, id, "", Finding(status, "example"), (), "") for status, ids in by_status.items() for id in ids}


def fit(tables: Sequence[Table], truths: Sequence[Truth], weights: Floats) -> dict[str, dict[str, float]]:
    """Cause -> key of evidence -> weight in nats. `weights` are those of the runs."""
    causes = [each.cause for each in tables]
    right = np.array([[cause in truth.right for cause in causes] for truth in truths])
    injected = np.array([[cause == truth.cause for cause in causes] for truth in truths])
    # A consequence is neither right as the first nor a false alarm: it is left out of the sum.
    counted = np.array([[cause == truth.cause or cause not in truth.true for cause in causes] for truth in truths])
    ends = np.cumsum([len(each.start) for each in tables])
    parts = [slice(end - len(each.start), end) for each, end in zip(tables, ends, strict=True)]
    start = np.concatenate([each.start for each in tables])
    is_prior = np.concatenate([np.arange(len(each.start)) == 0 for each in tables])
    spread = np.where(is_prior, PRIOR_SPREAD, np.maximum(LEAST_SPREAD, RELATIVE_SPREAD * np.abs(start)))
    before = np.concatenate([np.full(len(each.start), math.nan) if each.before is None else each.before for each in tables])
    centre = np.where(np.isnan(before), start, before)
    spread = np.where(np.isnan(before), spread, HELD_SPREAD * spread)

    def loss(point: Floats) -> tuple[float, Floats]:
        scores = np.stack([each.given @ point[part] for each, part in zip(tables, parts, strict=True)], axis=1)
        value, slope = _data_loss(scores, right, injected, counted, weights)
        gradient = np.concatenate([each.given.T @ slope[:, column] for column, each in enumerate(tables)])
        away = (point - centre) / spread
        value += 0.5 * float(away @ away)
        gradient += away / spread
        for each, part in zip(tables, parts, strict=True):
            sign = np.where(each.likely, 1.0, -1.0)
            short = np.maximum(0.0, EXAMPLE_MARGIN - sign * (each.examples @ point[part]))
            value += EXAMPLE_WEIGHT * float(short @ short)
            gradient[part] -= 2 * EXAMPLE_WEIGHT * each.examples.T @ (sign * short)
        return value, gradient

    bounds = [_bounds(value, prior) for value, prior in zip(start, is_prior, strict=True)]
    found = minimize(
        loss, np.clip(centre, *np.array(bounds).T), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 3000, "maxfun": 6000}
    )
    point = np.round(found.x, 2)
    return {each.cause: dict(zip(each.keys, point[part].tolist(), strict=True)) for each, part in zip(tables, parts, strict=True)}


def _data_loss(
    scores: Floats, right: NDArray[np.bool_], injected: NDArray[np.bool_], counted: NDArray[np.bool_], weights: Floats
) -> tuple[float, Floats]:
    """The loss over all runs, and its slope at each score of shape (runs, causes)."""
    probability = 1 / (1 + np.exp(-scores))
    single = np.where(injected, np.logaddexp(0, -scores), np.logaddexp(0, scores)) * counted
    slope = (probability - injected) * counted
    # One of all causes, or none, whose score is 0, is the answer. Consequences do not compete.
    competing = np.where(counted | right, scores, -np.inf)
    answers = np.concatenate([np.zeros((len(scores), 1)), competing], axis=1)
    wanted = np.concatenate([~right.any(axis=1, keepdims=True), right], axis=1)
    total = _log_sum(answers)
    chosen = _log_sum(np.where(wanted, answers, -np.inf))
    share = np.exp(answers - total[:, None])
    share_of_wanted = np.where(wanted, np.exp(answers - chosen[:, None]), 0.0)
    slope = slope + (share - share_of_wanted)[:, 1:]
    value = float(weights @ (single.sum(axis=1) + total - chosen))
    return value, slope * weights[:, None]


def _log_sum(values: Floats) -> Floats:
    top = values.max(axis=1, keepdims=True)
    summed: Floats = (top + np.log(np.exp(values - top).sum(axis=1, keepdims=True)))[:, 0]
    return summed


def _bounds(value: float, is_prior: bool) -> tuple[float, float]:
    if is_prior:
        return value - LARGEST_PRIOR_SHIFT, value + LARGEST_PRIOR_SHIFT
    ends = (SMALLEST_RATIO * value, LARGEST_RATIO * value)
    return min(ends), max(ends)
