"""How the job ended, as its text logs tell: what it died of, or that it came to its end; NaN messages, overflows, refused labels.

A line ends a job only where training does not go on after it. How sure that is depends on the line: a scheduler's own message, or a
traceback that came out of the main script, is an end even where a little output that was buffered follows; a mention of an error in
some message is one only where it is all but the last thing said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from postmortem.model import Console, Incident, IncidentKind, Measurement, Missing, Plain, RunData

STRAGGLERS = 3
"""Lines of progress after an end that prove nothing: a progress bar is drawn once more, other ranks finish their step."""
BUFFERED_BYTES = 8192
"""Output to a file is held back in a buffer of this size, and comes after the traceback of the script that wrote it."""
NEAR_BYTES = 64 * 1024
"""An end lies no further from the end of the file: beside what launchers, profilers and epilogues print, it is the last thing told."""
LAST_WORDS_BYTES = 2048
EVALUATION_LINES = 20
"""Lines that name a loss or an epoch after the words that training is done: evaluation prints some too."""

ROOTS: tuple[IncidentKind, ...] = ("labels-out-of-range", "device-out-of-memory", "shared-memory-full", "disk-full", "host-out-of-memory")
"""What is the reason of all else that is told near it."""
CONSEQUENCES: tuple[IncidentKind, ...] = ("stopped-by-hand", "collective-timeout", "killed", "terminated", "child-failed", "exit-code")
"""What a job says when something else has ended it: the reason only where nothing else is told."""
GOOD: tuple[IncidentKind, ...] = ("finished", "early-stopped")
RECORDED_FAILURE, RECORDED_STOP = "recorded-failure", "recorded-stop"
"""What a tracker noted down: that the process ended with an exception, or that somebody stopped it."""
_STATUSES = {"FINISHED": "finished", "FAILED": RECORDED_FAILURE, "KILLED": RECORDED_STOP}
_TRAINER_ENDS = {
    "finished": "the Trainer's state ends with the row that sums up a training",
    "early-stopped": "the Trainer's state says that early stopping ran out of patience",
}
_INTERRUPTED = 255
"""What the W&B client records for KeyboardInterrupt (its `exit_hooks`, 0.31)."""
_NUMBERS = r"\d{4}-\d\d-\d\d(?:[/_T ]\d\d[-:]\d\d[-:]\d\d)?|\d{4,}"
_BESIDE = re.compile(r"eval|test|infer|predict|preprocess|prepare|download|convert|tokeniz|plot|export|deploy", re.IGNORECASE)
NAMES = ("job.end", "job.end_progress", "job.nan", "job.nan_end", "job.overflows", "job.label_faults")


def measure_incidents(run: RunData) -> Iterator[Measurement | Missing]:
    """`job.end` and `job.end_progress`, `job.finished`, `job.nan`, `job.nan_end`, `job.overflows`, `job.label_faults`, `job.starts`."""
    consoles = _of_training(last_jobs([console for console in run.consoles if console.lines]))
    recorded = _recorded(run.hyperparameters)
    if not consoles:
        reason = "the run has no text log" if not run.consoles else "the run's text logs are empty"
        found = {one.name: one for one in recorded}
        for name in (*NAMES, "job.finished", "job.starts"):
            yield found.get(name) or Missing(name, reason, "job-log")
        return
    fate = list(_end(consoles))
    # What a log says comes before what a tracker noted down: it has the line.
    yield from recorded if any(isinstance(one, Missing) and one.name == "job.end" for one in fate) else ()
    yield from fate
    looked_at = ", ".join(f"{console.lines} lines of {console.source}" for console in consoles[:3])
    looked_at += f" and {len(consoles) - 3} more text logs" if len(consoles) > 3 else ""
    for name, kind in (("job.nan", "nan"), ("job.overflows", "overflow"), ("job.label_faults", "labels-out-of-range")):
        told = [(console, incident) for console in consoles for incident in console.incidents if incident.kind == kind]
        if kind == "labels-out-of-range":
            told = [pair for pair in told if ends(pair[1])]
        passed_over = next((console for console in consoles if console.bytes_skipped or console.lines_skipped), None)
        if not told and passed_over is not None:
            # Nothing found in a part of a log is not nothing.
            yield Missing(name, f"{passed_over.source} is too large to be looked at whole, and the part that was tells of none", "job-log")
            continue
        count = sum(incident.count for _, incident in told)
        basis = looked_at if not told else f"{_quoted(*told[0], told[0][1].first_line)}, in {looked_at}"
        yield Measurement(name, float(count), "lines", basis)
    starts = max(consoles, key=lambda console: console.starts)
    yield Measurement("job.starts", float(starts.starts), "starts", starts.source)


def _recorded(settings: Mapping[str, Plain]) -> tuple[Measurement, ...]:
    """How the job ended by the records of MLflow, Weights & Biases or a Trainer: nothing where they tell of no end, as while it runs."""
    code, status, trainer = settings.get("wandb.exit_code"), settings.get("mlflow.status"), settings.get("trainer_state.json: end")
    if isinstance(code, int):
        word = "finished" if code == 0 else RECORDED_STOP if code == _INTERRUPTED else RECORDED_FAILURE
        basis = f"Weights & Biases recorded exit code {code}"
    elif status in _STATUSES:
        word, basis = _STATUSES[str(status)], f"MLflow recorded the status {status}"
    elif trainer in _TRAINER_ENDS:
        word, basis = str(trainer), _TRAINER_ENDS[str(trainer)]
    else:
        return ()
    end = Measurement("job.end", math.nan, "", basis, text=word)
    return (end, Measurement("job.end_progress", 0.0, "lines", "no text log")) + (
        (Measurement("job.finished", 0.0, "line", basis, text=word),) if word in GOOD else ()
    )


def _end(consoles: Sequence[Console]) -> Iterator[Measurement | Missing]:
    finish = _finish(consoles)
    ending = _ending(consoles)
    # Numbers that are not finite stay so, whatever the script says of its end.
    if ending is not None and ending[1].kind != "nan" and finish is not None and finish[0] is ending[0] and finish[1].line > ending[1].line:
        ending = None  # it went on to its end
    nan = ending is not None and ending[1].kind == "nan"
    yield Measurement("job.nan_end", float(nan), "", _quoted(*ending) if nan and ending is not None else "how the job ended")
    if ending is not None:
        console, incident = ending
        yield Measurement("job.end", math.nan, "", _quoted(console, incident), text=incident.kind)
        yield Measurement("job.end_progress", float(incident.progress_after), "lines", f"after line {incident.line} of {console.source}")
    elif finish is not None:
        yield Measurement("job.end", math.nan, "", _quoted(*finish), text=finish[1].kind)
        yield Measurement("job.end_progress", 0.0, "lines", f"after line {finish[1].line} of {finish[0].source}")
    else:
        last = consoles[-1]
        reason = (
            f"{last.source} tells neither of a crash nor of an end of training; its last line, {last.lines}, is '{last.last_line[:100]}'"
        )
        yield Missing("job.end", reason, "job-log")
        yield Missing("job.end_progress", reason, "job-log")
    if finish is None:
        yield Missing("job.finished", "no text log says that training came to its end", "job-log")
    else:
        yield Measurement("job.finished", float(finish[1].line), "line", _quoted(*finish), text=finish[1].kind)


def last_jobs(consoles: Sequence[Console]) -> list[Console]:
    """Of logs whose names differ in a long number only (`slurm-1234.out`, `slurm-1240.out`), those of the highest: the last job."""
    numbers: dict[str, tuple[int, ...]] = {}
    keys = [_job(console.source) for console in consoles]
    for scheme, ids in keys:
        numbers[scheme] = max(numbers.get(scheme, ()), ids)
    return [console for console, (scheme, ids) in zip(consoles, keys, strict=True) if ids == numbers[scheme]]


def _of_training(consoles: Sequence[Console]) -> list[Console]:
    """Without the logs of what is done before and after training, where others are there."""
    return [console for console in consoles if not _BESIDE.search(console.source.rpartition("/")[2])] or list(consoles)


def _job(source: str) -> tuple[str, tuple[int, ...]]:
    """A log's name without long numbers and dates, and these: what tells one job's log from the next one's."""
    name = re.sub(r"\.(?:out|err|log|txt)$|(?<=\.)[oe](?=\d)", "", source)
    name = re.sub(r"(run-\d{8}_\d{6})-[0-9a-z]{4,12}\b", r"\1", name)  # W&B puts a random word behind the time
    numbers = re.findall(_NUMBERS, name)
    return re.sub(_NUMBERS, "#", name), tuple(int(re.sub(r"\D", "", number)[:18]) for number in numbers)


def ends(incident: Incident) -> bool:
    """Whether an incident ended its job, by what follows it in the log."""
    if incident.kind in GOOD or incident.kind == "overflow":
        return False
    few, near = incident.progress_after <= STRAGGLERS, incident.bytes_after <= NEAR_BYTES
    if incident.uncaught:
        held_back = incident.buffered and incident.bytes_after <= BUFFERED_BYTES * incident.count
        return held_back or (few and near)
    if incident.frame:  # something caught it, and may have raised it again out of the log's sight
        return incident.progress_after <= 1 and incident.bytes_after <= BUFFERED_BYTES
    if incident.loud and incident.text not in ("Killed", "Terminated"):
        return few and near
    return incident.progress_after == 0 and incident.bytes_after <= LAST_WORDS_BYTES


def _ending(consoles: Sequence[Console]) -> tuple[Console, Incident] | None:
    """What ended the job, the reason rather than what followed from it; None where nothing did."""
    told = [(console, incident) for console in consoles for incident in console.incidents if ends(incident)]

    lost = {console.source: incident.first_line for console, incident in told if incident.kind == "collective-timeout"}

    def rank(pair: tuple[Console, Incident]) -> tuple[int, int]:
        kind = pair[1].kind
        if kind == "crash" and pair[1].first_line > lost.get(pair[0].source, pair[1].first_line):
            return 3, 0  # the watchdog of NCCL ends its process by an abort
        if kind in ROOTS:
            return 0, ROOTS.index(kind)
        return (2, CONSEQUENCES.index(kind)) if kind in CONSEQUENCES else (1, 0)

    return min(told, key=rank, default=None)  # of equals the first that was told


def _finish(consoles: Sequence[Console]) -> tuple[Console, Incident] | None:
    told = [
        (console, incident)
        for console in consoles
        for incident in console.incidents
        if incident.kind in GOOD and incident.losses_after <= EVALUATION_LINES
    ]
    return max(told, key=lambda pair: (pair[1].kind == "early-stopped", pair[1].line), default=None)


def _quoted(console: Console, incident: Incident, line: int | None = None) -> str:
    """`slurm-12.out, line 812: '...' (train.py, line 12, in main)`."""
    extra = [incident.frame] if incident.frame else []
    extra += [f"rank {incident.rank}"] if incident.rank is not None else []
    extra += [f"{incident.count} times"] if incident.count > 1 else []
    return f"{console.source}, line {line or incident.line}: '{incident.text}'" + (f" ({'; '.join(extra)})" if extra else "")
