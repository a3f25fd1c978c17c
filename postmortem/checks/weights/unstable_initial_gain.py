"""A signal that shrinks or grows with depth from the start

## What it looks for
The gains of the hidden matrices before training, multiplied over depth, in decades. Only what lies outside the range from 1
(right for tanh) to 1.41 (right for ReLU) counts, so that no choice of activation is held against a net. Fails below -4 decades or
above 2, warns below -2.5 or above 1. Applies to nets of 4 or more weight matrices without normalization and skip connections.

## Why it matters
A gain that is slightly off is harmless once and fatal twenty times: 0.58, torch's default, leaves a ten-thousandth of the signal
after 17 layers, and a gradient as small comes back.

## What to do
Scale the initial weights so that each layer's gain is 1.41 before ReLU and 1 before tanh (He, Glorot), or put normalization or
skip connections between the layers.

## When it is wrong
Skip connections that no module's name tells of carry the signal past the layers. Layers that do not follow each other (towers,
several heads) are multiplied all the same.

## References
He, Zhang, Ren, Sun 2015 (arXiv 1502.01852), section 2.2. AutoTrainer (first to last gradient below 1e-3 and 1e-4).
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

VANISHED = Threshold(
    -4,
    "decades",
    source="AutoTrainer: gradients of the first layer below 1e-4 of the last",
    half="torch's default fails at 9 hidden layers, which Adam can still train",
    double="30 layers of torch's default, which do not train, pass",
)
SHRINKING = Threshold(
    -2.5,
    "decades",
    source="between AutoTrainer's warning at 1e-3 and a factor of a hundred",
    half="nets of 6 layers under torch's default are warned",
    double="nets that do not train pass unseen",
)
EXPLODED = Threshold(
    2,
    "decades",
    source="outputs a hundred times too large put the first loss at about a hundred",
    half="nets that recover within an epoch fail",
    double="nets whose first outputs are ten thousand times too large pass with a warning",
)
GROWING = Threshold(
    1,
    "decades",
    source="outputs ten times too large are sure of wrong classes",
    half="three times is within what Adam repairs at once",
    double="a hundredfold passes unseen",
)
FEWEST_LAYERS = 4

NEEDS = ("weights.initial_depth_gain", "weights.depth", "weights.normalization")
USES = ("run.pretrained",)
CHECKLIST = ("init-deep",)
LEADS_ITEMS = ("init-deep",)
FIGURE = "weight-variance"


def applies(measured: Measured) -> str:
    depth, guards = measured.get("weights.depth"), measured.text("weights.normalization")
    if depth is not None and depth.value < FEWEST_LAYERS:
        return f"the net has {depth.value:.0f} weight matrices, depth begins at {FEWEST_LAYERS}"
    if guards in {"normalization", "skip connections"}:
        return f"{guards} keep the signal's scale whatever the gains"
    if measured.text("run.pretrained") == "true":
        return "the run starts from pre-trained weights"
    return ""


def judge(measured: Measured) -> Finding:
    found = measured["weights.initial_depth_gain"]
    way = "shrinks" if found.value < 0 else "grows"
    seen = f"before training the signal {way} by {number(abs(found.value), 2)} decades over {counted(len(found.items), 'hidden layer')}"
    worst = tuple(sorted((name for name in found.items if found.items[name] * found.value > 0), key=lambda name: -abs(found.items[name])))
    for limit in (VANISHED, EXPLODED):
        if _beyond(found.value, limit):
            return Finding("fail", f"{seen}, above {number(abs(limit.value))}", found.value, limit, found.unit, found.first_step, worst)
    for limit in (SHRINKING, GROWING):
        if _beyond(found.value, limit):
            return Finding("warn", f"{seen}, above {number(abs(limit.value))}", found.value, limit, found.unit, found.first_step, worst)
    if SHRINKING.value <= found.value <= GROWING.value:
        return Finding(
            "pass",
            seen,
            found.value,
            SHRINKING,
            found.unit,
        )
    return Finding("not-checked", "the product of the gains is not a number")


def _beyond(value: float, limit: Threshold) -> bool:
    return value < limit.value if limit.value < 0 else value > limit.value


def _given(decades: float, depth: int, guard: str = "none") -> tuple[Measurement, ...]:
    items = {f"layers.{index}.weight": decades / depth for index in range(depth - 1)}
    return (
        Measurement("weights.initial_depth_gain", decades, "decades", f"{depth - 1} hidden matrices at step 0", 0, items),
        Measurement("weights.depth", depth, "layers", "linear and convolution weights"),
        Measurement("weights.normalization", float(guard != "none"), "layers", "names", text=guard),
    )


EXAMPLES = (
    Example("twelve layers of normal(0, 0.02) and width 64", _given(-8.7, 12), "fail"),
    Example("six layers of normal(0, 1) and width 64", _given(3.7, 6), "fail"),
    Example("fourteen layers of torch's default", _given(-3.1, 14), "warn"),
    Example("five layers at twice He's gain", _given(1.2, 5), "warn"),
    Example("He's initialization", _given(0.0, 12), "pass"),
    Example("three layers", _given(-1.9, 3), "not-applicable"),
    Example("a deep net with batch normalization", _given(-8.7, 12, "normalization"), "not-applicable"),
    Example("no checkpoint from the start", _given(0.0, 12)[1:], "not-checked"),
)
