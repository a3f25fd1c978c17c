"""The job died

## What happens
The process ended before its training did: an error, killed, out of memory, out of time.

## How it shows
The job's own log tells what it died of, or the last step is well short of the planned number, files end abruptly, and nothing else is
wrong with the curves.

## What to do
Repair what the log tells of (where there is no log, look at the scheduler's and the kernel's for the reason), and resume from the last
whole checkpoint.

## How to confirm
Resume from the last checkpoint.

## When it is wrong
Early stopping ends runs short of their plan on purpose; a run that is still going on looks the same. Where somebody stopped the job, the
reason may be in the curves.

## References
PyTorch and cluster practice; the row L14 of the symptom catalogue in this project's design.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.03
EVIDENCE = (
    Evidence(6.5, "the job's log or tracker says that it died", alarm=("crashed-job",)),
    Evidence(5.0, "the run ended short of its plan", alarm=("abrupt-end",)),
    Evidence(4.0, "the run ended short of its plan and a file is cut off", alarm=("abrupt-end", "damaged-files")),
    Evidence(0.5, "it had stood still before it ended", alarm=("abrupt-end", "stalled-progress")),
    Evidence(0.5, "it had slowed down all along, as a leak makes it", alarm=("abrupt-end", "slowing-throughput")),
    Evidence(4.0, "the learning rate's schedule had not come to its end", alarm=("unfinished-schedule",)),
    Evidence(-5.0, "the scheduler began again at a resume", alarm=("desynchronized-scheduler", "unfinished-schedule")),
    Evidence(-5.0, "the schedule began again, which leaves it unfinished", alarm=("cut-schedule", "unfinished-schedule")),
    Evidence(-4.0, "the optimizer counts from another step, as its schedule does", alarm=("optimizer-step-lag", "unfinished-schedule")),
    Evidence(-4.0, "the run reached its planned end", passed=("abrupt-end",)),
    Evidence(-4.0, "the job's log or tracker says that it came to its end", passed=("crashed-job",)),
)
EXPLAINS = ("corrupt-artifact",)
USES = ("steps.last", "steps.planned", "job.end", "run.batch_size")

_FIXES = {
    "device-out-of-memory": "Halve the batch size{batch} and accumulate gradients over two batches, or recompute activations.",
    "host-out-of-memory": "Ask the scheduler for more memory, or use fewer data-loader workers and keep less of the data in memory.",
    "killed": "Look in the kernel's or the scheduler's log whether memory ran out; if so ask for more, or use fewer data-loader workers.",
    "shared-memory-full": "Give the container more shared memory (`--shm-size`), or use fewer data-loader workers.",
    "disk-full": "Make room on the disk or raise the quota, and keep fewer checkpoints.",
    "time-limit": "Ask for a longer time limit, or save checkpoints and let the job start itself again from the last.",
    "preempted": "Save a checkpoint when the scheduler's signal comes, and let the job be queued again.",
    "node-failure": "Submit the job again, without the node that failed.",
    "device-fault": "Run it again with CUDA_LAUNCH_BLOCKING=1, which names the operation; try another device.",
    "labels-out-of-range": "Bring the labels into the range from 0 to the head's classes less 1.",
    "collective-timeout": "Find the rank that fell behind or died first in its own log; a longer timeout only hides it.",
    "shape-mismatch": "Make the shapes fit at the line named.",
    "missing-file": "Put the file where the job looks for it, or correct the path.",
    "traceback": "Repair the error at the line named.",
    "crash": "Run it with `python -X faulthandler`, which names the line, and look for an extension built for another version.",
}


def summary(case: Case) -> str:
    return case.said("crashed-job", "abrupt-end", "damaged-files", "unfinished-schedule", otherwise="The run ended before its plan did.")


def fix(case: Case) -> str:
    last, planned = case.number("steps.last"), case.number("steps.planned")
    way = f" for the remaining {planned - last:.0f} steps" if last is not None and planned is not None and planned > last else ""
    size = case.number("run.batch_size")
    batch = f" (from {size:.0f} to {max(1, size // 2):.0f})" if size is not None and size >= 2 else ""
    first = _FIXES.get(case.measured.text("job.end"), "Find out from the job's own log why it ended.").format(batch=batch)
    return f"{first} Then resume from the last whole checkpoint{way}."


def confirm(case: Case) -> str:
    if case.measured.text("job.end") in _FIXES:
        return "Resume from the last whole checkpoint with that repaired, and see it pass the step at which it died."
    return "Look for 'Killed', 'out of memory' or 'time limit' in the job's log."


EXAMPLES = (
    CauseExample("ended at a third of the plan with a file cut off", "likely", fail=("abrupt-end",), warn=("damaged-files",)),
    CauseExample("its log ends with out of memory", "likely", fail=("crashed-job",)),
    CauseExample("stopped by hand at a third of the plan", "likely", fail=("abrupt-end",), warn=("crashed-job",)),
    CauseExample("stopped by hand, and nobody said how long it should be", "unlikely", warn=("crashed-job",)),
    CauseExample(
        "ended at a third of the plan, and its log says that it was done", "unlikely", warn=("abrupt-end",), passed=("crashed-job",)
    ),
    CauseExample("reached its end", "unlikely", passed=("abrupt-end",)),
    CauseExample("nothing is known", "unlikely"),
)
