"""Learning-rate schedule that had not come to its end

## What it looks for
A logged learning rate that falls from its peak on a cosine or a line to zero, and the share of that fall which had gone by at the last
logged point. It warns below 0.9. Rates that fall to a floor above zero, staircases and constant rates fit neither curve and are not judged.

## Why it matters
The schedule knows how long the run was meant to be. A run whose rate still stood at half of its peak was cut off, or its schedule was
given another length than the run: either way the low rates, in which most of the last gains are made, never came.

## What to do
Look for what ended the job, and resume it; or give the scheduler the number of updates that the run really makes.

## When it is wrong
Early stopping ends runs on purpose: where settings allow it, or the job says that it came to its end, nothing is said. A schedule that
counts updates beside a log that counts batches looks the same, and is worth a look.

## References
Loshchilov and Hutter 2017 (arXiv 1608.03983): cosine decay to zero over the length of the run.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

DONE = Threshold(
    0.9,
    "share",
    source="the project's own choice: at nine tenths of a cosine the rate is at 2.4 % of its peak, and what is left is small",
    half="runs that end at half of their schedule pass",
    double="runs whose last points were not logged are warned",
)

NEEDS = ("lr.schedule_done",)
USES = ("run.early_stopping", "job.end", "run.snapshot")
CHECKLIST = ("learning-rate",)
DOUBTS_ITEMS = ("learning-rate",)
FIGURE = "loss"


def judge(measured: Measured) -> Finding:
    done = measured["lr.schedule_done"]
    by_plan = measured.text("run.early_stopping") == "true" or measured.text("job.end") in ("finished", "early-stopped")
    if done.value < DONE.value and by_plan:
        seen = f"the run ended {percent(done.value)} of the way through a {done.text} decay"
        return Finding("not-checked", f"{seen}, but was free to end there, by its settings or by what the job left behind")
    if done.value < DONE.value and measured.text("run.snapshot") == "true":
        return Finding("not-checked", f"{measured['run.snapshot'].basis}, {percent(done.value)} of the way through a {done.text} decay")
    if done.value < DONE.value:
        seen = f"the run ended {percent(done.value)} of the way through a {done.text} decay, which goes on to step {done.first_step}"
        return Finding("warn", seen, done.value, DONE, done.unit, done.first_step)
    if done.value >= DONE.value:
        return Finding("pass", f"the learning rate completed {percent(done.value)} of its {done.text} decay", done.value, DONE, done.unit)
    return Finding("not-checked", "the share of the schedule is not a number")


def _given(done: float, form: str = "cosine") -> tuple[Measurement, ...]:
    return (Measurement("lr.schedule_done", done, "share", "50 logged rates, the last at 50% of the peak", 1000, text=form),)


EXAMPLES = (
    Example(
        "a checkpoint that was saved half way",
        (*_given(0.5), Measurement("run.snapshot", float("nan"), "", "trainer_state.json was saved while training went on", text="true")),
        "not-checked",
    ),
    Example("a job that died half way", _given(0.5), "warn"),
    Example(
        "a run that may stop early",
        (*_given(0.5), Measurement("run.early_stopping", float("nan"), "", "setting 'patience'", text="true")),
        "not-checked",
    ),
    Example("a line that was to be four times as long", _given(0.25, "linear"), "warn"),
    Example("a schedule that ended with the run", _given(1.0), "pass"),
    Example("the last points were not logged", _given(0.96, "linear"), "pass"),
    Example("a constant rate", (), "not-checked"),
)
