"""Jobs that died: out of memory, killed, out of time, by an error in their own code, with or without a word of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from faults import damage
from faults.nouns import Fault, Trained
from faults.plan import Plan, Style

_SPARES = frozenset({"adversarial", "policy"})


def _until(share: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, ended=share)


def _plan_known(style: Style) -> Style:
    """The settings name the planned steps, and steps are logged as such."""
    logs = {"keras-csv": "tensorboard", "tensorboard-split": "tensorboard", "tensors": "tensorboard"}.get(style.logs, style.logs)
    return replace(style, settings="hparams.yaml" if style.settings == "none" else style.settings, logs=logs)


def _with_log(style: Style) -> Style:
    """Nothing but the job's own log says that it died."""
    return replace(style, settings="none")


def _schedule(schedule: str) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, schedule=schedule)


def _out_of_memory(folder: Path, trained: Trained) -> None:
    damage.say(
        folder,
        *damage.TRACEBACK,
        '  File "/home/user/project/model.py", line 88, in forward',
        "    scores = query @ key.transpose(-2, -1)",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 23.68 GiB of which 1.02 GiB "
        "is free. Including non-PyTorch memory, this process has 22.65 GiB memory in use.",
    )


def _time_limit(folder: Path, trained: Trained) -> None:
    damage.say(
        folder,
        "slurmstepd: error: *** JOB 482113 ON node17 CANCELLED AT 2025-03-02T11:04:09 DUE TO TIME LIMIT ***",
        name="slurm-482113.out",
    )
    damage.cut_logs(folder)


def _cut_checkpoint(folder: Path, trained: Trained) -> None:
    last = damage.checkpoints(folder)
    if last:
        damage.cut(last[-1], 0.6)
    damage.cut_logs(folder)


def _disk_full(folder: Path, trained: Trained) -> None:
    _cut_checkpoint(folder, trained)
    damage.say(
        folder,
        *damage.TRACEBACK,
        '  File "/home/user/project/train.py", line 170, in main',
        "    torch.save(state, path)",
        "RuntimeError: [enforce fail at inline_container.cc:664] . unexpected pos 704 vs 598",
        "OSError: [Errno 28] No space left on device",
    )


def _own_error(folder: Path, trained: Trained) -> None:
    damage.say(
        folder,
        *damage.TRACEBACK,
        '  File "/home/user/project/data.py", line 41, in __getitem__',
        "    label = self.labels[self.names[index]]",
        "KeyError: 'IMG_20391.png'",
    )


def _killed(folder: Path, trained: Trained) -> None:
    damage.say(folder, "/var/spool/slurmd/job55102/slurm_script: line 14: 20311 Killed                  python train.py", name="job.log")


FAULTS = (
    Fault(
        "no-word", "clear", "The process was gone at 55 % of its steps; nothing says why.", "construction",
        plan=_until(0.55), style=_plan_known, spares=_SPARES,
    ),
    Fault(
        "out-of-memory", "blatant", "Out of memory at a third of the steps.", "construction",
        plan=_until(0.34), style=_with_log, files=_out_of_memory, spares=_SPARES,
    ),
    Fault(
        "cut-checkpoint", "clear", "Killed while it wrote a checkpoint, at three quarters.", "construction", also=("corrupt-artifact",),
        plan=_until(0.75), style=_plan_known, files=_cut_checkpoint, spares=_SPARES,
    ),
    Fault(
        "time-limit", "clear", "Cancelled by the scheduler at 60 %; event files end in mid record.", "construction",
        plan=_until(0.6), style=_plan_known, files=_time_limit, spares=_SPARES,
    ),
    Fault(
        "late", "subtle", "Gone at 84 % of its steps, in the middle of a linear schedule.", "construction",
        base=_schedule("linear"), plan=_until(0.84), style=_plan_known, spares=_SPARES,
    ),
    Fault(
        "own-error", "clear", "An error of its own data set at 45 %.", "construction",
        plan=_until(0.45), style=_with_log, files=_own_error, spares=_SPARES,
    ),
    Fault(
        "schedule-unfinished", "subtle", "Gone at half of a cosine schedule; no setting names the steps.", "construction",
        base=_schedule("cosine"), plan=_until(0.5), style=lambda style: replace(style, settings="none"), spares=_SPARES,
    ),
    Fault(
        "killed", "clear", "Killed by the kernel at 70 %.", "construction",
        plan=_until(0.7), style=_plan_known, files=_killed, spares=_SPARES,
    ),
)  # fmt: skip
