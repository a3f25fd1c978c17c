"""Regularization loss against data loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from postmortem.measure.loss import compared_loss, missing
from postmortem.measure.roles import Roled, main
from postmortem.measure.smooth import Floats, Ints, finite_points
from postmortem.model import Measurement, Missing, counted

LEAST_POINTS = 5
NAMES = ("regularization.ratio", "regularization.ratio_start", "regularization.ratio_p80", "regularization.data_share")


def measure_regularization(roled: Sequence[Roled], penalties: Mapping[int, float] | None) -> Iterator[Measurement | Missing]:
    """Median and 80th percentile of regularization over data loss, and how far the data loss itself came down.

    The data loss is logged apart, or the total less the regularization; the regularization is logged, or the total less the data loss.
    `penalties` (step -> weight decay's penalty, from checkpoints) stands in where neither was logged; pass it only for optimizers
    whose weight decay is part of the loss (SGD, Adam; not AdamW).
    """
    total, data, regularization = main(roled, "training-loss"), compared_loss(roled), main(roled, "regularization")
    # A total that lies below its regularization is no total of both: then it is the data loss itself.
    base = data or total
    if regularization is not None and base is not None:
        pair = _joined(regularization, base)
        said = f"{regularization.series.tag!r} over {base.series.tag!r}"
    elif data is not None and total is not None:
        steps, totals, parts = _joined(total, data)
        pair = (steps, totals - parts, parts)
        said = f"{total.series.tag!r} less {data.series.tag!r}, over the latter"
    elif penalties and total is not None:
        steps, losses = finite_points(total.series)
        at = np.array(sorted(penalties), dtype=np.int64)
        if not losses.size:
            yield from missing(NAMES, f"{total.series.tag!r} has no finite point", "regularization-loss")
            return
        pair = (at, np.array([penalties[int(step)] for step in at]), np.interp(at, steps, losses))
        said = f"weight decay's penalty on the weights of {counted(at.size, 'checkpoint')} over {total.series.tag!r}"
        yield from _ratios(*pair, said, least=1)
        return
    else:
        yield from missing(NAMES, "no regularization loss was logged", "regularization-loss")
        return
    yield from _ratios(*pair, said, least=LEAST_POINTS)


def _joined(first: Roled, second: Roled) -> tuple[Ints, Floats, Floats]:
    """Values of both at the steps of the first, the second interpolated; steps outside the second's range are left out."""
    steps, values = finite_points(first.series)
    other_steps, others = finite_points(second.series)
    if not steps.size or not other_steps.size:
        return steps[:0], values[:0], values[:0]
    inside = (steps >= other_steps[0]) & (steps <= other_steps[-1])
    return steps[inside], values[inside], np.interp(steps[inside], other_steps, others)


def _ratios(steps: Ints, parts: Floats, data: Floats, said: str, least: int) -> Iterator[Measurement | Missing]:
    usable = (parts >= 0) & (data > 0)
    if int(usable.sum()) < least or float(usable.mean()) < 0.8:
        yield from missing(NAMES, f"{said}: only {int(usable.sum())} of {steps.size} points have both above 0", "regularization-loss")
        return
    steps, parts, data = steps[usable], parts[usable], data[usable]
    with np.errstate(over="ignore"):
        ratios = np.minimum(parts / np.maximum(data, 1e-300), 1e6)
    basis = f"{said}, {counted(steps.size, 'point')}"
    highest = int(steps[int(np.argmax(ratios))])
    begin = float(np.median(ratios[:3]))
    yield Measurement("regularization.ratio_start", begin, "ratio", f"median of the first three of {basis}", int(steps[0]))
    yield Measurement("regularization.ratio", float(np.median(ratios)), "ratio", f"median of {basis}", highest)
    yield Measurement(
        "regularization.ratio_p80", float(np.quantile(ratios, 0.8)), "ratio", f"exceeded in a fifth of the run; {basis}", highest
    )
    few = max(1, min(3, data.size // 3))
    first, last = float(np.median(data[:few])), float(np.median(data[-max(few, data.size // 10) :]))
    share = min(last / first, 1e6) if first > 0 else 1e6
    yield Measurement(
        "regularization.data_share", share, "share", f"data loss {last:.4g} at the end over {first:.4g} at the start; {basis}"
    )
