"""Learning rate of zero throughout

## What it looks for
A highest learning rate of exactly 0, logged, saved or set. It fails, unless weights moved or the loss fell by 0.2 of its start all the
same: then the rate of another group of parameters was logged. It warns where nothing tells either.

## Why it matters
At a rate of zero nothing is learned, whatever the gradients are.

## What to do
Print `optimizer.param_groups[0]["lr"]` at the first steps. Look for a schedule that multiplies by zero: a warm-up that starts at 0 and is
never stepped, whole numbers that are divided as such, a total of 0 steps.

## When it is wrong
A script may log the rate of a group that is frozen on purpose. A log that rounds prints 0 for a rate below its last digit.

## References
torch.optim.lr_scheduler.LambdaLR multiplies the initial rate by what the function returns, 0 included.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, number, percent

FELL = Threshold(
    0.2,
    "share",
    source="the project's own choice: a fifth of the starting loss is learning, and more than the noise of batches",
    half="noise of small batches counts as learning",
    double="runs whose other groups learned slowly fail",
)

NEEDS = ("lr.max",)
USES = ("updates.moved", "loss.improvement")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    rate, moved, fell = measured["lr.max"], measured.number("updates.moved"), measured.number("loss.improvement")
    if rate.value > 0:
        return Finding("pass", f"the highest learning rate is {number(rate.value)}", rate.value)
    if rate.value == 0:
        seen = f"the learning rate is 0 throughout ({rate.basis})"
        if moved:
            return Finding(
                "pass", f"{seen}, yet {percent(moved)} of the tensors moved: another group's rate was logged", moved, None, "share"
            )
        if moved is None and fell is not None and fell >= FELL.value:
            return Finding("pass", f"{seen}, and the loss fell by {percent(fell)} all the same", fell, FELL, FELL.unit)
        if moved is None and fell is None:
            return Finding("warn", f"{seen}, and neither weights nor a loss tell whether that mattered", None, FELL, FELL.unit)
        shown = "no tensor moved" if moved is not None else _fallen(fell or 0.0)
        return Finding("fail", f"{seen}, and {shown}", fell, FELL, FELL.unit, rate.first_step)
    return Finding("not-checked", "the highest learning rate is not a number")


def _fallen(share: float) -> str:
    return f"the loss fell by {percent(share)}, less than {percent(FELL.value)}" if share > 0 else "the loss did not fall"


def _given(rate: float, moved: float | None = None, fell: float | None = None) -> tuple[Measurement, ...]:
    given = [Measurement("lr.max", rate, "per step", "'lr', 100 points", 0)]
    if moved is not None:
        given.append(Measurement("updates.moved", moved, "share", "step 0 to step 400"))
    if fell is not None:
        given.append(Measurement("loss.improvement", fell, "share", "'train/loss', 100 points"))
    return tuple(given)


EXAMPLES = (
    Example("a schedule that is always zero", _given(0.0, 0.0, 0.0), "fail"),
    Example("the same by logs alone", _given(0.0, None, 0.02), "fail"),
    Example("nothing but the rate was logged", _given(0.0), "warn"),
    Example("the rate of a frozen group was logged", _given(0.0, 0.6, 0.5), "pass"),
    Example("the loss fell all the same", _given(0.0, None, 0.5), "pass"),
    Example("a usual rate", _given(1e-3), "pass"),
    Example("no learning rate", (), "not-checked"),
)
