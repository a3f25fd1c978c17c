"""Job whose log says that it died

## What it looks for
The last thing that the job's text logs tell of its fate: a traceback, a message of the scheduler or the kernel, or the words that
training is done. It alarms where the job died of it. Where more than 3 lines of progress stand after it, where somebody stopped the
job, and where training had finished before (the log says so, or the steps planned were done), it warns. Where no log tells, the exit
code or status that Weights & Biases or MLflow recorded counts; whether training was done by then it does not say, so it warns where
anything was logged.

## Why it matters
A job that died has not shown what it can do, and its last line mostly says what has to be changed.

## What to do
Look the line up in the log named here. Repair what it tells of, and resume from the last whole checkpoint.

## When it is wrong
Output that was buffered comes after the traceback and looks like training that went on; a script may catch an error and print it as if it
had not. A job that was killed with nobody to write it down leaves no line, and then this cannot be judged.

## References
Messages of Python, PyTorch, TensorFlow, JAX, Linux, Slurm, LSF and PBS. BUFSIZ of the C library is 8192 bytes.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, percent

STRAGGLERS = Threshold(
    3,
    "lines",
    source="the project's own choice: a progress bar that is drawn once more, other ranks that finish their step",
    half="a job whose progress bar is drawn again after the traceback only warns",
    double="an error that was caught right before the last epochs of a short log fails",
)

NEEDS = ("job.end", "job.end_progress")
USES = ("job.finished", "steps.done", "steps.last")

GOOD = ("finished", "early-stopped")
WORDS = {
    "traceback": "an error in the code",
    "device-out-of-memory": "out of memory on the device",
    "host-out-of-memory": "out of memory on the host",
    "shared-memory-full": "shared memory is full",
    "disk-full": "the disk is full",
    "labels-out-of-range": "labels outside the head's classes",
    "device-fault": "a fault on the device",
    "collective-timeout": "ranks lost each other",
    "crash": "the process crashed outside of Python",
    "shape-mismatch": "shapes do not fit",
    "missing-file": "a file is missing",
    "time-limit": "the scheduler's time limit",
    "preempted": "preempted by the scheduler",
    "node-failure": "the node failed",
    "cancelled": "cancelled",
    "stopped-by-hand": "stopped by hand",
    "terminated": "terminated by a signal",
    "killed": "killed by signal 9, mostly for want of memory",
    "child-failed": "one of its processes failed",
    "exit-code": "it ended with an exit code other than 0",
    "recorded-failure": "it ended with an error",
    "recorded-stop": "somebody stopped it",
}
ALL_DONE = 0.99
"""Share of the plan from which on a run has come to its end, whatever happened to the job then."""
DECIDED = ("cancelled", "stopped-by-hand", "recorded-stop")
"""Somebody wanted it so: no proof that anything was wrong."""
UNDATED = "recorded-failure"
"""An error that may have come after training, in a last evaluation or an upload."""


def applies(measured: Measured) -> str:
    return "the job stopped itself over a loss that is not finite" if measured.text("job.end") == "nan" else ""


def judge(measured: Measured) -> Finding:
    end, after = measured["job.end"], measured["job.end_progress"]
    if end.text in GOOD:
        came = "training stopped early by design" if end.text == "early-stopped" else "training came to its end"
        return Finding("pass", f"{came}: {end.basis}", after.value, STRAGGLERS, after.unit)
    seen = f"{WORDS.get(end.text, end.text)}: {end.basis}"
    finished = measured.get("job.finished")
    if finished is not None:
        return Finding("warn", f"{seen}, after training had finished ({finished.basis})", after.value, STRAGGLERS, after.unit)
    done = measured.number("steps.done")
    if done is not None and done >= ALL_DONE:
        said = f"{seen}, yet {percent(done)} of the steps planned were done"
        return Finding("warn", said, after.value, STRAGGLERS, after.unit)
    if after.value > STRAGGLERS.value:
        said = f"{seen}, with {counted(after.value, 'line')} of progress after it, which may be output that was buffered"
        return Finding("warn", said, after.value, STRAGGLERS, after.unit)
    if after.value > 0:
        seen += f", with {counted(after.value, 'line')} of progress after it"
    if end.text in DECIDED or (end.text == UNDATED and measured.number("steps.last") is not None):
        return Finding("warn", seen, after.value, STRAGGLERS, after.unit)
    return Finding("fail", seen, after.value, STRAGGLERS, after.unit)


def _given(end: str, basis: str, after: float = 0, finished: bool = False) -> tuple[Measurement, ...]:
    given = (
        Measurement("job.end", float("nan"), "", basis, text=end),
        Measurement("job.end_progress", after, "lines", "after line 812 of slurm-12.out"),
    )
    return (*given, Measurement("job.finished", 640, "line", "slurm-12.out, line 640: 'Training completed'")) if finished else given


_MEMORY = "slurm-12.out, line 812: 'torch.OutOfMemoryError: CUDA out of memory' (train.py, line 12, in main)"
EXAMPLES = (
    Example("out of memory", _given("device-out-of-memory", _MEMORY), "fail"),
    Example("time limit", _given("time-limit", "slurm-12.out, line 812: '*** JOB 12 CANCELLED DUE TO TIME LIMIT ***'", 1), "fail"),
    Example("an error with buffered output behind it", _given("traceback", "slurm-12.out, line 812: 'KeyError: 3'", 40), "warn"),
    Example("stopped by hand", _given("stopped-by-hand", "slurm-12.out, line 812: 'KeyboardInterrupt'"), "warn"),
    Example("died after training was done", _given("disk-full", "slurm-12.out, line 812: 'No space left on device'", 0, True), "warn"),
    Example(
        "died after the last step",
        (*_given("traceback", "slurm-12.out, line 812: 'KeyError: 3'"), Measurement("steps.done", 1.0, "share", "last step 3120")),
        "warn",
    ),
    Example(
        "W&B recorded an error, which may have come after training",
        (*_given("recorded-failure", "Weights & Biases recorded exit code 1"), Measurement("steps.last", 900, "steps", "tag 'loss'")),
        "warn",
    ),
    Example(
        "W&B recorded an error before anything was logged", _given("recorded-failure", "Weights & Biases recorded exit code 1"), "fail"
    ),
    Example("came to its end", _given("finished", "slurm-12.out, line 812: 'Training completed'"), "pass"),
    Example("stopped over NaN", _given("nan", "slurm-12.out, line 812: 'Loss is nan, stopping training'"), "not-applicable"),
    Example("no text log, or one that does not tell", (), "not-checked"),
)
