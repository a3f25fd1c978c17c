"""How a job ended, from what its text logs tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from postmortem.diagnose import judge
from postmortem.measure.incidents import BUFFERED_BYTES, NAMES, NEAR_BYTES, STRAGGLERS, ends, last_jobs, measure_incidents
from postmortem.measure.run import measure_run
from postmortem.model import Console, Incident, Measurement, Missing, Plain, ReadOptions, RunData, RunReport, Series

ERROR = Incident("traceback", 90, "KeyError: 'x'", "train.py, line 7, in main", uncaught=True, first_line=90)
MEMORY = replace(ERROR, kind="device-out-of-memory", line=95, text="torch.OutOfMemoryError: CUDA out of memory")
LIMIT = Incident("time-limit", 99, "*** JOB 12 CANCELLED DUE TO TIME LIMIT ***", first_line=99)
CHILD = Incident("child-failed", 98, "ChildFailedError:", "torchrun, line 8", uncaught=True, first_line=98)
NAN = Incident("nan", 40, "loss is nan", first_line=12, count=3, loud=False)
DONE = Incident("finished", 80, "Training completed", first_line=80, loud=False)
LABELS = Incident("labels-out-of-range", 70, "Assertion `t >= 0 && t < n_classes` failed", first_line=39, count=32)


def console(*incidents: Incident, source: str = "train.log", lines: int = 100) -> Console:
    """A log of a hundred lines."""
    return Console(source, lines, 6000, incidents, last_line="step 900 loss 0.4")


def run_of(*consoles: Console) -> RunData:
    """A run that left these logs only."""
    return RunData("r", "r", (), (), (), {}, (), (), (), (), ReadOptions(), consoles=consoles)


def measured(*consoles: Console) -> dict[str, Measurement]:
    """What is measured of it."""
    return {found.name: found for found in measure_incidents(run_of(*consoles)) if isinstance(found, Measurement)}


def judged(*consoles: Console) -> RunReport:
    """The report of it."""
    return judge(measure_run(run_of(*consoles)))


def test_end_is_quoted() -> None:
    """The basis names the file, the line's number, the line, the frame and the rank."""
    end = measured(console(replace(MEMORY, rank=3)))["job.end"]
    assert end.text == "device-out-of-memory"
    assert end.basis == "train.log, line 95: 'torch.OutOfMemoryError: CUDA out of memory' (train.py, line 7, in main; rank 3)"


def pairs() -> Iterator[tuple[tuple[Incident, ...], str]]:
    """Incidents of one log, and which of them is the reason."""
    yield (ERROR, MEMORY), "device-out-of-memory"
    yield (ERROR, LIMIT), "traceback"  # one rank died, the others waited until the time was up
    yield (LIMIT, replace(ERROR, line=100)), "time-limit"  # the signal made it raise
    yield (ERROR, CHILD), "traceback"
    yield (CHILD,), "child-failed"
    yield (LABELS, replace(ERROR, kind="device-fault")), "labels-out-of-range"
    yield (DONE, ERROR), "traceback"
    yield (replace(ERROR, line=60), DONE), "finished"
    lost = Incident("collective-timeout", 91, "Watchdog caught collective operation timeout", first_line=91)
    yield (lost, Incident("crash", 92, "terminate called after throwing", first_line=92)), "collective-timeout"  # the watchdog's own abort
    yield (Incident("crash", 90, "Segmentation fault", first_line=90), lost), "crash"  # the others waited for the rank that had died


@pytest.mark.parametrize(("incidents", "kind"), list(pairs()), ids=lambda each: each if isinstance(each, str) else "")
def test_reason_among_what_is_told(incidents: tuple[Incident, ...], kind: str) -> None:
    """The reason is told rather than what followed from it."""
    assert measured(console(*incidents))["job.end"].text == kind


LASTING: tuple[tuple[str, Incident, bool], ...] = (
    ("a bar drawn again", replace(ERROR, progress_after=STRAGGLERS), True),
    ("training goes on", replace(ERROR, progress_after=STRAGGLERS + 1), False),
    ("output that may be older", replace(ERROR, progress_after=90, bytes_after=BUFFERED_BYTES, buffered=True), True),
    ("more than a buffer holds", replace(ERROR, progress_after=90, bytes_after=BUFFERED_BYTES + 1, buffered=True), False),
    ("of eight ranks", replace(ERROR, progress_after=90, bytes_after=8 * BUFFERED_BYTES, buffered=True, count=8), True),
    ("much else follows", replace(ERROR, bytes_after=NEAR_BYTES + 1), False),
    ("caught, and nothing follows", replace(ERROR, uncaught=False), True),
    ("caught, and a little follows", replace(ERROR, uncaught=False, progress_after=2), False),
    ("a mention as the last thing said", replace(NAN, progress_after=0, bytes_after=0), True),
    ("a mention, and a line follows", replace(NAN, progress_after=1), False),
    ("the scheduler's word", replace(LIMIT, progress_after=2), True),
    ("one word, and a line follows", Incident("killed", 9, "Killed", progress_after=1), False),
    ("an overflow", Incident("overflow", 9, "Gradient overflow", loud=False), False),
)


@pytest.mark.parametrize("name", [name for name, _, _ in LASTING])
def test_what_is_an_end(name: str) -> None:
    """An incident is an end by what follows it, and by how sure its own form makes it."""
    incident, expected = next((incident, expected) for each, incident, expected in LASTING if each == name)
    assert ends(incident) == expected


def test_nothing_told_is_not_fine() -> None:
    """Without a word of an end the end is unknown, and the last line stands in the reason; without a log everything is."""
    silent = {found.name: found for found in measure_incidents(run_of(console()))}
    assert isinstance(silent["job.end"], Missing) and "step 900 loss 0.4" in silent["job.end"].reason
    assert isinstance(silent["job.nan"], Measurement) and silent["job.nan"].value == 0
    for consoles in ((), (console(lines=0),)):
        none = {found.name: found for found in measure_incidents(run_of(*consoles))}
        assert set(NAMES) <= set(none) and all(isinstance(found, Missing) for found in none.values())


def test_counts() -> None:
    """NaN messages are counted from the first; labels that the loss refused count where the job ended by them."""
    found = measured(console(replace(NAN, progress_after=50), LABELS))
    assert found["job.nan"].value == 3 and "line 12" in found["job.nan"].basis and found["job.nan_end"].value == 0
    assert found["job.label_faults"].value == 32 and "line 39" in found["job.label_faults"].basis
    assert measured(console(replace(LABELS, progress_after=50)))["job.label_faults"].value == 0


JOBS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("slurm-1234.out", "slurm-1240.out"), ("slurm-1240.out",)),
    (("slurm-1240.out", "slurm-1240.err"), ("slurm-1240.out", "slurm-1240.err")),
    (("slurm-1234.err", "slurm-1240.out"), ("slurm-1240.out",)),
    (("train.o12345", "train.e12345", "train.o12399"), ("train.o12399",)),
    (("log_rank0.txt", "log_rank1.txt"), ("log_rank0.txt", "log_rank1.txt")),
    (("wandb/run-20240101_100000-ab12cd34/files/output.log", "wandb/run-20240102_100000-zz99yy88/files/output.log"), ("run-20240102",)),
    (("train.log", "slurm-9999.out", "slurm-10000.out"), ("train.log", "slurm-10000.out")),
    (("2024-01-01/10-00-00/a.log", "2024-01-01/11-00-00/a.log"), ("11-00-00",)),
)


@pytest.mark.parametrize(("sources", "kept"), JOBS)
def test_last_job(sources: tuple[str, ...], kept: tuple[str, ...]) -> None:
    """Of several jobs' logs the last job's count, output and errors both; ranks of one job all count."""
    found = [each.source for each in last_jobs([console(source=source) for source in sources])]
    assert len(found) == len(kept) and all(part in source for part, source in zip(kept, found, strict=True))


def test_log_of_evaluation_does_not_speak_for_training() -> None:
    """A crash of what came after training is no crash of training; alone, such a log is all there is."""
    assert measured(console(DONE), console(ERROR, source="eval.log"))["job.end"].text == "finished"
    assert measured(console(ERROR, source="eval.log"))["job.end"].text == "traceback"


VERDICTS: tuple[tuple[tuple[Incident, ...], str, str], ...] = (
    ((MEMORY,), "failed", "interrupted"),
    ((LABELS,), "failed", "loss-misconfigured"),
    ((replace(NAN, loud=True),), "suspect", "exploding-gradients"),
    ((DONE,), "inconclusive", ""),
    ((DONE, ERROR), "inconclusive", "interrupted"),
    ((replace(ERROR, kind="stopped-by-hand", text="KeyboardInterrupt"),), "inconclusive", "interrupted"),
    ((), "inconclusive", ""),
)


@pytest.mark.parametrize(("incidents", "verdict", "cause"), VERDICTS)
def test_verdict_from_a_log_alone(incidents: tuple[Incident, ...], verdict: str, cause: str) -> None:
    """A job that died failed; one that was stopped, or was done before, is no failure by that; silence is no health."""
    report = judged(console(*incidents))
    assert report.verdict == verdict, report.headline
    assert (report.causes[0].id if report.causes else "") == cause


def test_fix_follows_from_the_reason_and_the_settings() -> None:
    """Out of memory on the device halves the batch size that is known."""
    run = replace(run_of(console(MEMORY)), hyperparameters={"batch_size": 96})
    (cause,) = judge(measure_run(run)).causes
    assert "from 96 to 48" in cause.fix and "line 95" in cause.summary


def test_log_that_says_it_is_done_tempers_an_early_end() -> None:
    """A run short of its plan whose log says that training came to its end only warns, and nobody says that it died."""
    steps = np.arange(0, 300, 10)
    loss = Series("train/loss", "", steps, 2.0 / (1 + steps / 50), np.full(steps.size, np.nan), "metrics.csv")
    run = replace(run_of(console(DONE)), series=(loss,), hyperparameters={"max_steps": 1000})
    report = judge(measure_run(run))
    checks = {outcome.id: outcome for outcome in report.checks}
    assert checks["crashed-job"].status == "pass" and checks["abrupt-end"].status == "warn"
    assert "interrupted" not in {cause.id for cause in report.causes}
    silent = judge(measure_run(replace(run, consoles=())))
    assert silent.causes[0].id == "interrupted"


# --- recorded by trackers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"wandb.exit_code": 0}, "finished"),
        ({"wandb.exit_code": 1}, "recorded-failure"),
        ({"wandb.exit_code": 255}, "recorded-stop"),
        ({"mlflow.status": "FAILED"}, "recorded-failure"),
        ({"mlflow.status": "FINISHED"}, "finished"),
    ],
)
def test_end_that_a_tracker_recorded(settings: dict[str, Plain], word: str) -> None:
    """Without a text log, exit code and status tell how the job ended."""
    run = replace(run_of(), hyperparameters=settings)
    found = {one.name: one for one in measure_incidents(run)}
    end = found["job.end"]
    assert isinstance(end, Measurement) and end.text == word and "recorded" in end.basis
    assert isinstance(found["job.finished"], Measurement) == (word == "finished")


@pytest.mark.parametrize("settings", [{}, {"wandb.exit_code": None}, {"mlflow.status": "RUNNING"}])
def test_running_job_has_no_end(settings: dict[str, Plain]) -> None:
    """No record of an end is no end."""
    found = {one.name: one for one in measure_incidents(replace(run_of(), hyperparameters=settings))}
    assert isinstance(found["job.end"], Missing)


@pytest.mark.parametrize("passed_over", [{"bytes_skipped": 10**9}, {"lines_skipped": 5}])
def test_nothing_in_the_part_that_was_looked_at_is_not_nothing(passed_over: dict[str, int]) -> None:
    """Of a log that is too large to be looked at whole, silence is no pass; what was found still counts."""
    bytes_skipped, lines_skipped = passed_over.get("bytes_skipped", 0), passed_over.get("lines_skipped", 0)
    large = replace(console(), bytes_skipped=bytes_skipped, lines_skipped=lines_skipped)
    silent = {one.name: one for one in measure_incidents(run_of(large))}
    assert isinstance(silent["job.nan"], Missing) and isinstance(silent["job.label_faults"], Missing)
    told = {one.name: one for one in measure_incidents(run_of(replace(large, incidents=(NAN,))))}
    assert isinstance(told["job.nan"], Measurement) and told["job.nan"].value == 3
