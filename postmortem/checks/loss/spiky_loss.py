"""Sudden jumps of the loss

## What it looks for
Points that stand far above the level before them: beyond eight local noises in plain and logarithmic terms. It alarms where the
level does not come back after a jump of at least 0.25 of the progress, and warns where it does come back after a jump of at
least 0.5, or after 3 smaller ones of at least 0.1.

## Why it matters
A jump says that one update went far wrong: a bad batch, a gradient too large, an optimizer whose second moments had shrunk.
Some runs recover, some carry the damage on.

## What to do
Clip gradients; look at the batches of the steps named; rewind to a checkpoint before the jump and skip a few hundred batches.

## When it is wrong
The first descent is no spike, nor is the noise of small batches, nor a loss that bounces near zero: the measure guards against
these. Jumps at a rise of the learning rate are left out where the rate was logged. A change of the data on the way looks like a
jump.

## References
PaLM (arXiv 2204.02311), section 5.1: rewind and skip batches. stas00/ml-engineering, training instabilities: spikes that
recover fast, slowly, or not.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, kind_of_run, multiple, percent, times

LASTING = Threshold(
    0.25,
    "of its progress",
    source="the project's own drawn curves: a quarter of the progress lost at once and not regained",
    half="steps of the level where data changes fail",
    double="a lasting loss of a third of the progress passes",
)
HIGH = Threshold(
    0.5,
    "of its progress",
    source="half of all progress gone in one step",
    half="ordinary spikes of large language models are warned",
    double="only spikes up to the first loss are warned",
)
SMALL = Threshold(
    0.1,
    "of its progress",
    source="twice the least height that is called a spike",
    half="heavy-tailed noise near zero is warned",
    double="series of middling spikes pass",
)
MANY = 3

NEEDS = ("loss.spikes", "loss.spikes_unrecovered")
USES = ("run.family", "loss.last")
CHECKLIST = ("gradient-clipping",)
DOUBTS_ITEMS = ("gradient-clipping",)
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    return f"the loss of {kind_of_run(family)} jumps while the run goes well" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    spikes, lasting = measured["loss.spikes"], measured["loss.spikes_unrecovered"]
    if not spikes.items:
        return Finding("pass", "the loss never jumps far out of its noise", 0.0, HIGH, HIGH.unit)
    highest = max(spikes.items.values())
    step = max(spikes.items, key=lambda key: spikes.items[key])
    where = step if step.startswith("step") else f"step {step}"
    up_to = f"to as much as {spikes.text} at {where}" if spikes.text else f"highest at {where}"
    seen = f"the loss jumped {times(spikes.value)}, {up_to}, a height of {multiple(highest)} all that it fell"
    last = measured.get("loss.last")
    lost = last is not None and "lost" in last.items
    back = f"is no finite number from step {last.items['lost']:.0f} on" if last is not None and lost else "came back"
    stays = max(lasting.items.values(), default=0.0)
    if stays >= LASTING.value:
        text = f"{seen}, and did not come back after step {lasting.first_step}"
        return Finding("fail", text, stays, LASTING, LASTING.unit, lasting.first_step)
    if highest >= HIGH.value:
        return Finding("warn", f"{seen}, and {back}", highest, HIGH, HIGH.unit, spikes.first_step)
    notable = sum(height >= SMALL.value for height in spikes.items.values())
    if notable >= MANY:
        return Finding(
            "warn",
            f"{seen}, {notable} times by more than {percent(SMALL.value)}, and {back}",
            highest,
            SMALL,
            SMALL.unit,
            spikes.first_step,
        )
    return Finding("pass", f"{seen}, and {back}", highest, HIGH, HIGH.unit)


def _given(heights: dict[str, float], lasting: dict[str, float], family: str = "classification") -> tuple[Measurement, ...]:
    def measurement(name: str, items: dict[str, float]) -> Measurement:
        return Measurement(name, float(len(items)), "spikes", "'train/loss', 600 points", min(map(int, items), default=None), items)

    return (
        measurement("loss.spikes", heights),
        measurement("loss.spikes_unrecovered", lasting),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )


EXAMPLES = (
    Example("a jump without return", _given({"300": 0.9}, {"300": 0.9}), "fail"),
    Example("one high spike that recovers", _given({"300": 1.4}, {}), "warn"),
    Example("four middling spikes", _given({"100": 0.2, "200": 0.3, "300": 0.2, "400": 0.15}, {}), "warn"),
    Example("one small spike", _given({"300": 0.12}, {}), "pass"),
    Example("a calm curve", _given({}, {}), "pass"),
    Example("a policy", _given({"300": 3.0}, {"300": 3.0}, family="rl"), "not-applicable"),
    Example("five points", (), "not-checked"),
)
