"""Pre-trained weights that were not loaded

## What it looks for
In a run that says it starts from pre-trained weights: the share of hidden weights in the first checkpoint that are what a usual
initialization draws (mean 0, a known standard deviation, the kurtosis of a uniform or a normal distribution). Fails at 0.5 and
more, warns at 0.1 and more.

## Why it matters
Loading with strict=False leaves every parameter whose name does not match as it was drawn, without a word. The run then trains
from scratch, with a fine-tuning's learning rate.

## What to do
Load with strict=True, or print the missing and unexpected keys that load_state_dict returns. Prefixes such as "module." are the
usual reason.

## When it is wrong
New layers are drawn fresh on purpose; the last matrix never counts, and adapters in front of it are below the line as a rule. It
takes a checkpoint from before training. Weights that were trained for a few steps only still look drawn.

## References
torch, Module.load_state_dict with strict=False. Moments of a uniform distribution: kurtosis 1.8; of a normal one: 3.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

MOST = Threshold(
    0.5,
    "share",
    source="own: more than half of the hidden weights are drawn, not learned",
    half="models with large new parts fail",
    double="only a model without any loaded weight fails",
)
SOME = Threshold(
    0.1,
    "share",
    source="own: new heads are rarely a tenth of a model's hidden weights",
    half="a small adapter is told",
    double="a stage that was not loaded passes unseen",
)

NEEDS = ("run.pretrained", "weights.fresh")
CHECKLIST = ("pretrained-models",)
LEADS_ITEMS = ("pretrained-models",)


def applies(measured: Measured) -> str:
    return "the run trains from scratch, as its hyper-parameters say" if measured.text("run.pretrained") == "false" else ""


def judge(measured: Measured) -> Finding:
    fresh = measured["weights.fresh"]
    drawn = tuple(name for name, value in fresh.items.items() if value > 0)
    those = f"{len(drawn)} of {len(fresh.items)} matrices"
    seen = f"{percent(fresh.value)} of the hidden weights in the first checkpoint look freshly initialized ({those})"
    if fresh.value >= MOST.value:
        return Finding(
            "fail",
            f"{seen}, though the run is meant to start from pre-trained ones",
            fresh.value,
            MOST,
            fresh.unit,
            fresh.first_step,
            drawn,
        )
    if fresh.value >= SOME.value:
        return Finding("warn", f"{seen}: pre-trained in part", fresh.value, SOME, fresh.unit, fresh.first_step, drawn)
    if fresh.value < SOME.value:
        return Finding("pass", f"{seen}: the rest was learned before", fresh.value, SOME, fresh.unit)
    return Finding("not-checked", "the share of fresh weights is not a number")


def _given(share: float, word: str = "true") -> tuple[Measurement, ...]:
    items = {f"layers.{index}.weight": float(index < 10 * share) for index in range(10)}
    return (
        Measurement("run.pretrained", float("nan"), "", "hyper-parameter pretrained", text=word),
        Measurement("weights.fresh", share, "share", "moments of 10 hidden matrices at step 0", 0, items),
    )


EXAMPLES = (
    Example("no weight was loaded", _given(1.0), "fail"),
    Example("one stage was not loaded", _given(0.3), "warn"),
    Example("all weights were loaded", _given(0.0), "pass"),
    Example("trained from scratch", _given(1.0, "false"), "not-applicable"),
    Example("nobody says whether it is pre-trained", _given(1.0)[1:], "not-checked"),
)
