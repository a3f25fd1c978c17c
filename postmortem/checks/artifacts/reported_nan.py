"""Job that stopped over NaN

## What it looks for
Messages of NaN or infinite losses, gradients or inputs in the job's text logs, and a training loss printed as NaN. It alarms where the
job ended with one (1 or more); where training went on after them, it passes and says how many there were.

## Why it matters
A script that stops over NaN was ended by its numbers, not by its machine: resuming it brings it to the same place.

## What to do
Resume from the last checkpoint whose tensors are finite, with a lower learning rate or clipped gradients; look at the batch of the
step named in the log. Gradient scalers that skip a step over an overflow do what they are there for, and are no such message.

## When it is wrong
A message of NaN in a metric, not in the loss, may be the last thing that a log holds.

## References
The words that DETR, MAE, Detectron2, Keras' TerminateOnNaN, fairseq, DeepSpeed, scikit-learn and torch's anomaly mode use.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted

ENDED = Threshold(
    1,
    "ends",
    source="by definition: a job ends once",
    half="the same, ends being counted whole",
    double="no job ever fails",
)

NEEDS = ("job.nan", "job.nan_end")


def judge(measured: Measured) -> Finding:
    messages, ended = measured["job.nan"], measured["job.nan_end"]
    if not ended.value < ENDED.value:
        return Finding("fail", f"the job ended with NaN or infinite numbers: {ended.basis}", None, ENDED)
    if messages.value > 0:
        seen = f"{counted(messages.value, 'message')} of NaN, after which the job went on: {messages.basis}"
        return Finding("pass", seen, None, ENDED)
    return Finding("pass", f"no message of NaN in {messages.basis}", None, ENDED)


def _given(messages: float, ended: float) -> tuple[Measurement, ...]:
    said = "train.log, line 812: 'Loss is nan, stopping training'"
    return (
        Measurement("job.nan", messages, "lines", f"{said}, in 812 lines of train.log" if messages else "812 lines of train.log"),
        Measurement("job.nan_end", ended, "", said if ended else "how the job ended"),
    )


EXAMPLES = (
    Example("stopped by its own script", _given(1, 1), "fail"),
    Example("a batch that gave NaN, and was survived", _given(2, 0), "pass"),
    Example("no such message", _given(0, 0), "pass"),
    Example("no text log", (), "not-checked"),
)
