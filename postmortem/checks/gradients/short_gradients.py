"""Gradients as short as the clip norm, or shorter than any network's

## What it looks for
The norm of the whole averaged gradient that SGD has kept, at the checkpoint where it is longest. It alarms where that is between 0.2
and 1.05 of the clip norm that the settings name (each gradient was clipped), or below 0.02 where they name none or another: fails where
the loss fell by less than 0.1, warns below 0.5, and passes where the run learned.

## Why it matters
The step of SGD is as long as the gradient. Where clipping always acts, the learning rate means something else than it says: the run
looks as if its rate were far too low. The optimizer's state shows it where nobody logged the norm.

## What to do
Raise the clip norm above the usual norm of the gradient, or switch clipping off.

## When it is wrong
A loss scaled down by a large number has short gradients without any clipping. A network that has learned all has none.

## References
Pascanu et al. 2013 (arXiv 1211.5063): clip norms are set from the average norm over many updates. Momentum averages pure noise down to
the root of (1 - beta) / (1 + beta), 0.23 at 0.9.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, multiple, number, percent

OF_LIMIT = Threshold(
    0.2,
    "of the clip norm",
    source="what momentum 0.9 leaves of gradients of the clip norm that are pure noise: 0.23",
    half="runs that are clipped one step in two are told",
    double="clipped runs with noisy gradients pass",
)
SHORT = Threshold(
    0.02,
    "gradient norm",
    source="a hundredth of the usual norms from 1 to 10 of networks that have not learned; healthy own runs have 0.1 and more",
    half="clip norms of 0.01 pass where no setting names them",
    double="sound networks with small outputs are told",
)
OVER_LIMIT = 1.05
LITTLE = 0.1
HALF = 0.5

NEEDS = ("gradients.total",)
USES = ("run.clip_norm", "loss.improvement")
CHECKLIST = ("gradient-clipping",)
FIGURE = "gradient-norm"


def judge(measured: Measured) -> Finding:
    total, clip, fell = measured["gradients.total"], measured.number("run.clip_norm"), measured.number("loss.improvement")
    seen = f"the largest averaged gradient has a norm of {number(total.value, 2)}"
    line, value = SHORT, total.value
    low = total.value < SHORT.value
    if clip is not None:
        of_limit = total.value / clip
        seen += f", {multiple(of_limit)} the clip norm {number(clip)}"
        if OF_LIMIT.value <= of_limit <= OVER_LIMIT:
            line, value, low = OF_LIMIT, of_limit, True
    unit = line.unit
    if not low:
        return Finding("pass", seen, value, line, unit)
    if fell is None:
        return Finding("warn", f"{seen}, and no loss shows whether that held learning back", value, line, unit, total.first_step)
    seen += f", while the loss fell by {percent(max(0.0, fell))}"
    if fell >= HALF:
        return Finding("pass", f"{seen}: it learned all the same", value, line, unit)
    return Finding("fail" if fell < LITTLE else "warn", seen, value, line, unit, total.first_step)


def _given(total: float, fell: float | None, clip: float | None = None) -> tuple[Measurement, ...]:
    given = [Measurement("gradients.total", total, "gradient norm", "momentum buffers at step 100", 100, {"step 100": total})]
    if fell is not None:
        given.append(Measurement("loss.improvement", fell, "share", "60 points"))
    if clip is not None:
        given.append(Measurement("run.clip_norm", clip, "gradient norm", "setting 'max_grad_norm'"))
    return tuple(given)


EXAMPLES = (
    Example("clipped to 1e-3", _given(9e-4, 0.01, 1e-3), "fail"),
    Example("clipped to 1e-2 and slow", _given(6e-3, 0.3), "warn"),
    Example("clipped, no loss", _given(9e-4, None, 1e-3), "warn"),
    Example("always clipped at 1, and learned", _given(0.6, 0.9, 1.0), "pass"),
    Example("a rate that is too low", _given(0.8, 0.01), "pass"),
    Example("Adam", (), "not-checked"),
)
