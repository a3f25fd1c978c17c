"""Labels that the loss refused

## What it looks for
Messages of the loss function, in the job's text logs, that a label is outside the classes of the head: a device-side assertion of
`t >= 0 && t < n_classes`, or `Target 10 is out of bounds`. It alarms where the job ended with 1 or more.

## Why it matters
The labels are not what the model was built for: they begin at 1, hold a value for "ignore" that the loss was not told of, or the head
has too few classes. What the device reports afterwards is misleading.

## What to do
Print the smallest and the largest label and the width of the head; set `ignore_index` where a label stands for "none".

## When it is wrong
Never known to be wrong where the message itself is there; the job may have gone over the data of another head.

## References
torch.nn.CrossEntropyLoss; the assertions of PyTorch's Loss.cu and NLLLoss2d.cu.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

REFUSED = Threshold(
    1,
    "messages",
    source="by definition: a label has to be one of the classes",
    half="the same, messages being counted whole",
    double="a single message on the CPU passes",
)

NEEDS = ("job.label_faults",)


def judge(measured: Measured) -> Finding:
    refused = measured["job.label_faults"]
    if not refused.value < REFUSED.value:
        seen = f"the loss refused labels outside the head's classes ({counted(refused.value, 'message')}): {refused.basis}"
        return Finding("fail", seen, refused.value, REFUSED, REFUSED.unit)
    return Finding("pass", f"no message of a refused label in {refused.basis}", refused.value, REFUSED, REFUSED.unit)


EXAMPLES = (
    Example(
        "labels begin at 1",
        (Measurement("job.label_faults", 1, "lines", "train.log, line 40: 'IndexError: Target 10 is out of bounds.', in 40 lines"),),
        "fail",
    ),
    Example("no such message", (Measurement("job.label_faults", 0, "lines", "812 lines of train.log"),), "pass"),
    Example("no text log", (), "not-checked"),
)
