"""The job died

## What happens
The process ended before its training did: killed, out of memory, out of time.

## How it shows
The last step is well short of the planned number, files end abruptly, and nothing else is wrong with the curves.

## What to do
Look at the scheduler's and the kernel's log for the reason, and resume from the last whole checkpoint.

## How to confirm
Resume from the last checkpoint.

## When it is wrong
Early stopping ends runs short of their plan on purpose; a run that is still going on looks the same.

## References
PyTorch and cluster practice; the row L14 of the symptom catalogue in this project's design.
"""

from __future__ import annotations

from postmortem.model import Case, CauseExample, Evidence

PRIOR = 0.03
EVIDENCE = (
    Evidence(5.0, "the run ended short of its plan", alarm=("abrupt-end",)),
    Evidence(4.0, "the run ended short of its plan and a file is cut off", alarm=("abrupt-end", "damaged-files")),
    Evidence(0.5, "it had stood still before it ended", alarm=("abrupt-end", "stalled-progress")),
    Evidence(0.5, "it had slowed down all along, as a leak makes it", alarm=("abrupt-end", "slowing-throughput")),
    Evidence(-4.0, "the run reached its planned end", passed=("abrupt-end",)),
)
USES = ("steps.last", "steps.planned")


def summary(case: Case) -> str:
    return case.said("abrupt-end", "damaged-files", otherwise="The run ended before its plan did.")


def fix(case: Case) -> str:
    last, planned = case.number("steps.last"), case.number("steps.planned")
    way = f" for the remaining {planned - last:.0f} steps" if last is not None and planned is not None and planned > last else ""
    return f"Find out from the job's own log why it ended, and resume from the last whole checkpoint{way}."


def confirm(case: Case) -> str:
    return "Look for 'Killed', 'out of memory' or 'time limit' in the job's log."


EXAMPLES = (
    CauseExample("ended at a third of the plan with a file cut off", "likely", fail=("abrupt-end",), warn=("damaged-files",)),
    CauseExample("reached its end", "unlikely", passed=("abrupt-end",)),
    CauseExample("nothing is known", "unlikely"),
)
