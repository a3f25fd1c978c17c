"""Attention whose logits grew to extremes

## What it looks for
The deviation that the matrices of queries and keys give attention's logits over inputs of unit scale (times the scales of the norm
before), in the last finite checkpoint. It warns above 10 where it grew more than 10-fold.

## Why it matters
Softmax over logits that far apart looks at one place and nowhere else, and has no gradient. Trainings of transformers at rates too high
break here first.

## What to do
Lower the learning rate, lengthen the warm-up, or give queries and keys norms of their own.

## When it is wrong
Queries and keys with norms of their own are not judged. Where norms follow in another order than names do, the wrong scales may be
taken. Matrices of more than a million elements are left out.

## References
Wortsman et al. 2023 (arXiv 2309.14322) and Dehghani et al. 2023 (arXiv 2302.05442) on the growth of attention logits. Own runs: 0.3 to
0.5 in healthy trainings, 0.9 to 1.2 with five times the rate, 5 to 11 with 20 times, 21 to 103 with 60 times. With a deviation of 10 one
of a thousand places gets most of the weight: the largest of a thousand normal numbers stands about 0.27 deviations above the next.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, number

EXTREME = Threshold(
    10,
    "nats",
    source="own runs: at most 1.2 where the loss was as good as it gets; the largest two of many logits then lie 3 nats apart",
    half="rates that cost a little are warned",
    double="attention that looks at one place only passes",
)
GROWN = Threshold(
    10,
    "ratio",
    source="the catalogue's line for growth at a constant rate",
    half="the same runs: what is extreme and was trained from scratch grew a hundredfold",
    double="models that began at large logits pass",
)

NEEDS = ("attention.logits", "attention.logits_growth")
USES = ("weights.attention",)
CHECKLIST = ("weight-variance",)
DOUBTS_ITEMS = ("weight-variance",)


def applies(measured: Measured) -> str:
    return "the network has no attention" if measured.number("weights.attention") == 0 else ""


def judge(measured: Measured) -> Finding:
    found, growth = measured["attention.logits"], measured["attention.logits_growth"]
    where = sorted(
        (name for name in found.items if found.items[name] > EXTREME.value and growth.items.get(name, 0.0) > GROWN.value),
        key=lambda name: -found.items[name],
    )
    if where:
        highest = found.items[where[0]]
        seen = f"attention logits have a standard deviation of {number(highest)} in {where[0]}, above {number(EXTREME.value)}"
        seen += f", after growing {number(growth.items[where[0]])}-fold ({len(where)} of {counted(len(found.items), 'attention layer')})"
        return Finding("warn", seen, highest, EXTREME, found.unit, found.first_step, tuple(where))
    if found.value >= 0 and growth.value >= 0:
        return Finding(
            "pass", f"attention logits have a standard deviation of at most {number(found.value)}", found.value, EXTREME, found.unit
        )
    return Finding("not-checked", "the deviation of attention's logits is not a number")


def _given(deviation: float, growth: float, layers: float = 2) -> tuple[Measurement, ...]:
    return (
        Measurement("weights.attention", layers, "layers", "names"),
        Measurement("attention.logits", deviation, "nats", "2 layers", 600, {"h.0.qkv.weight": deviation, "h.1.qkv.weight": 0.4}),
        Measurement("attention.logits_growth", growth, "ratio", "2 layers", 600, {"h.0.qkv.weight": growth, "h.1.qkv.weight": 4.0}),
    )


EXAMPLES = (
    Example("a learning rate 60 times too high", _given(100.0, 1000.0), "warn"),
    Example("a model that began so", _given(14.0, 1.2), "pass"),
    Example("a healthy transformer", _given(0.5, 6.0), "pass"),
    Example("no attention", _given(0.0, 0.0, 0)[:1], "not-applicable"),
    Example("one checkpoint", (), "not-checked"),
)
