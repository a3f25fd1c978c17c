"""Loss that does not fall, or never below chance level

## What it looks for
The fall from the level at the start to the lowest level (medians, not single points), as a share of the start and in units of
the curve's noise. It alarms below 0.02 of the start or below 2 noises, and warns below 3 noises. It alarms as well where the
number of classes is known and the loss never came below 0.97 of chance, from wherever it fell. A pass is the proof that the run
learned.

## Why it matters
A loss that never falls says that nothing was learned, whatever else the run did.

## What to do
Look, in this order, at whether weights move at all, at the learning rate, at the initialization, at dead or saturated units,
and at the labels.

## When it is wrong
The losses of reinforcement learning and of adversarial pairs need not fall: there it does not apply. A run that resumed, or
fine-tunes a model that fits already, starts low and stays low: where the loss is below half of chance, the log begins far
into the run, the validation accuracy rose by as much as the loss should fall, or the settings name adapters or a model that goes on with
its task, this passes or warns. A log that begins after the
fall cannot show it.

## References
The Deep Checker (loss must decrease). SageMaker Debugger, LossNotDecreasing. A fall of 2 % is the line of several run monitors.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, at_about, kind_of_run, multiple, number, percent

LEAST_FALL = Threshold(
    0.02,
    "share",
    source="run monitors in use take 2 %; runs with a learning rate 1000 times too low fall by less than 1 %",
    half="learning rates a hundred times too low pass",
    double="slow but sound fine-tuning fails",
)
LEAST_NOISES = Threshold(
    2.0,
    "of its noise",
    source="of drawn flat curves of 60 to 50,000 points 19 in 20 stay below 2.5; falling ones with the noise of batches of 4 reach 3",
    half="flat curves with heavy noise pass",
    double="short curves of small batches fail",
)
CLEAR_NOISES = Threshold(
    3.0,
    "of its noise",
    source="drawn curves, as above",
    half="below the line for failing",
    double="noisy curves of 60 points are warned",
)
NEVER_BELOW = Threshold(
    0.97,
    "of chance level",
    source="a cross-entropy at ln C is that of a guess, whatever it fell from; 3 % for noise",
    half="sound models of hard tasks fail",
    double="nothing fails",
)

NEEDS = ("loss.improvement", "loss.improvement_noise")
USES = (
    "run.family",
    "run.goes_on",
    "loss.first",
    "loss.last",
    "loss.last_to_chance",
    "loss.lowest",
    "loss.chance",
    "steps.last",
    "loss.divergence",
    "accuracy.validation_rise",
    "loss.ramp",
)
FIGURE = "loss"
VITAL = True

FITTED = 0.5
"""A loss below half of chance was learned, here or before."""
LATE_START = 0.1
"""A log that begins after a tenth of the steps does not show the start."""
LARGE_FALL = 0.5
AT_CHANCE = (0.995, 1.015)
"""What never came below a level between these never came below chance level, to the digits of a sentence."""
ACCURACY_NOISES = 5.0
CAME_BACK = 0.5
"""A loss that gave back half of its progress came back."""


RAMP = 0.95
"""Share of its variance that a straight line from near 0 tells of a loss whose weight rises step by step; divergence bends, or jumps."""


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family not in ("classification", "language-model") and (measured.number("loss.ramp") or 0.0) >= RAMP:
        return "the loss rises from near 0 in a straight line, as one whose weight a schedule raises"
    return f"the loss of {kind_of_run(family)} need not fall" if family in ("rl", "gan") else ""


def judge(measured: Measured) -> Finding:
    fall, noises = measured["loss.improvement"], measured["loss.improvement_noise"]
    first, last_step = measured.get("loss.first"), measured.number("steps.last")
    begin = first.first_step if first is not None else None
    seen = _rise(fall.text or "loss", fall.value)
    if fall.value > 0:
        seen = f"the {fall.text or 'loss'} fell {_fallen(measured)}, {_beside_noise(noises.value)}"
    to_chance, chance, lowest = measured.number("loss.last_to_chance"), measured.number("loss.chance"), measured.number("loss.lowest")
    if to_chance is not None and chance is not None and lowest is not None:
        least = min(to_chance, lowest / chance)
        if least >= NEVER_BELOW.value:
            lowest_share = "" if AT_CHANCE[0] <= least < AT_CHANCE[1] else f"{multiple(least)} "
            return Finding("fail", f"{seen}, and never came below {lowest_share}chance level", least, NEVER_BELOW, NEVER_BELOW.unit, begin)
    if fall.value >= LEAST_FALL.value and noises.value >= CLEAR_NOISES.value:
        return Finding("pass", seen, fall.value, LEAST_FALL, LEAST_FALL.unit)
    if to_chance is not None and to_chance <= FITTED:
        return Finding(
            "pass",
            f"{seen}, and stays at {multiple(to_chance)} chance level: it was learned before the log begins",
            fall.value,
            LEAST_FALL,
            LEAST_FALL.unit,
        )
    if learned := _accuracy_rose(measured):
        return Finding("pass", f"{seen}, yet {learned}", fall.value, LEAST_FALL, LEAST_FALL.unit)
    noisy = noises.value < LEAST_NOISES.value and fall.value < LARGE_FALL
    if measured.text("run.goes_on") == "true" and fall.value > -LEAST_FALL.value and (noisy or fall.value < LEAST_FALL.value):
        seen += f", in a model that goes on with its earlier task ({measured['run.goes_on'].basis}) and may have fitted already"
        return Finding("warn", seen, fall.value, LEAST_FALL, LEAST_FALL.unit, begin)
    if fall.value < LEAST_FALL.value:
        if begin is not None and last_step and begin > LATE_START * last_step:
            return Finding("warn", f"{seen}, in a log that begins only at step {begin}", fall.value, LEAST_FALL, LEAST_FALL.unit, begin)
        return Finding(
            "fail", f"{seen}, and less than {percent(LEAST_FALL.value)} is no learning", fall.value, LEAST_FALL, LEAST_FALL.unit, begin
        )
    if noisy and (back := _came_back(measured)):
        told = f"{back}: its levels fell by {number(noises.value, 2)} times its noise, below {number(LEAST_NOISES.value)}"
        return Finding("fail", told, noises.value, LEAST_NOISES, LEAST_NOISES.unit, int(measured["loss.lowest"].items["logged_step"]))
    if noisy:
        return Finding(
            "fail",
            f"{seen}: below {number(LEAST_NOISES.value)} times it cannot be told from no fall",
            noises.value,
            LEAST_NOISES,
            LEAST_NOISES.unit,
            begin,
        )
    return Finding(
        "warn", f"{seen}: below {number(CLEAR_NOISES.value)} times it is uncertain", noises.value, CLEAR_NOISES, CLEAR_NOISES.unit, begin
    )


def _accuracy_rose(measured: Measured) -> str:
    """Where the validation accuracy rose clearly, which a loss on soft labels or with a large constant part need not show; else empty."""
    rise = measured.get("accuracy.validation_rise")
    if rise is None or rise.value < LEAST_FALL.value or rise.value < ACCURACY_NOISES * rise.items["noise"]:
        return ""
    last = rise.items["last"]
    return f"the {rise.text} rose from {percent(last - rise.value, 3)} to {percent(last, 3)}"


def _rise(name: str, share: float) -> str:
    """Of a loss that ends no lower than it began."""
    return f"the {name} did not fall but rose by {percent(-share)}" if share < 0 else f"the {name} did not fall"


def _beside_noise(noises: float) -> str:
    return "no more than its noise" if noises < 1.05 else f"{number(noises, 2)} times its noise"


def _came_back(measured: Measured) -> str:
    """Of a loss that fell and came back: from where to where, and where it ended; else empty."""
    first, last, lowest, rise = (measured.get(name) for name in ("loss.first", "loss.last", "loss.lowest", "loss.divergence"))
    if first is None or last is None or lowest is None or rise is None or rise.value < CAME_BACK or "logged" not in lowest.items:
        return ""
    step, low = int(lowest.items["logged_step"]), lowest.items["logged"]
    if step <= (first.first_step or 0):
        return ""
    end = at_about(last.value, last.items.get("logged"))
    return f"the loss fell from {number(first.value)} to {number(low)} at step {step}, and came back to end {end}"


def _fallen(measured: Measured) -> str:
    """By what share of its start; of a loss that goes below 0, which falls by more than all of that, from where to where."""
    share, first, lowest = measured["loss.improvement"].value, measured.number("loss.first"), measured.number("loss.lowest")
    last = measured.number("loss.last")
    if first is None or (share <= 1 and first > 0):
        return f"by {percent(share)}"
    end = last if last is not None and last < first else lowest
    return f"from {number(first)} to {number(end)}" if end is not None else f"by {percent(share)}"


def _given(
    fall: float, noises: float, begin: int = 0, to_chance: float | None = None, family: str = "classification"
) -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.improvement", fall, "share", "'train/loss', 600 points"),
        Measurement("loss.improvement_noise", noises, "ratio", "'train/loss', 600 points"),
        Measurement("loss.first", 2.3, "loss", "first point", begin),
        Measurement("steps.last", 6000.0, "steps", "last step", 6000),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if to_chance is None else (*given, Measurement("loss.last_to_chance", to_chance, "ratio", "chance"))


EXAMPLES = (
    Example(
        "a weight that rises with the step",
        (*_given(-5.0, -40.0, family="unknown"), Measurement("loss.ramp", 0.99, "share", "straight line through 625 points")),
        "not-applicable",
    ),
    Example("a learning rate of 1e-6", _given(0.004, 3.1), "fail"),
    Example("noise without a fall", _given(0.06, 1.3), "fail"),
    Example(
        "soft labels, and an accuracy that rises",
        (
            *_given(0.0056, 4.0),
            Measurement(
                "accuracy.validation_rise", 0.036, "share", "'val/acc'", 90, {"noise": 0.002, "last": 0.732}, "validation accuracy"
            ),
        ),
        "pass",
    ),
    Example(
        "an accuracy that wobbles",
        (
            *_given(0.0056, 4.0),
            Measurement("accuracy.validation_rise", 0.03, "share", "'val/acc'", 90, {"noise": 0.02, "last": 0.13}, "'val/mAP50'"),
        ),
        "fail",
    ),
    Example("a loss that rises from its first point", _given(-0.4, -12.0), "fail"),
    Example(
        "a start at 170 times chance that came down to chance",
        (
            *_given(0.99, 300.0, to_chance=1.0),
            Measurement("loss.chance", 2.3026, "nats", "ln(10)"),
            Measurement("loss.lowest", 2.301, "loss", "'train/loss'"),
        ),
        "fail",
    ),
    Example("a fall that is hardly more than noise", _given(0.05, 2.5), "warn"),
    Example("a resumed run whose log begins late", _given(0.01, 2.0, begin=3000), "warn"),
    Example("fine-tuning of a model that fits", _given(0.01, 2.0, to_chance=0.1), "pass"),
    Example(
        "an adapter on a language model",
        (*_given(0.06, 1.3, family="unknown"), Measurement("run.goes_on", float("nan"), "", "setting 'peft_type'", text="true")),
        "warn",
    ),
    Example("a healthy fall", _given(0.9, 300.0), "pass"),
    Example("an adversarial pair", _given(0.0, 0.0, family="gan"), "not-applicable"),
    Example("no training loss", (), "not-checked"),
)
