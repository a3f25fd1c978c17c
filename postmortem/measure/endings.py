"""How far the run came: last step logged or saved, steps planned, and the share done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from postmortem.measure.loss import missing
from postmortem.measure.roles import Roled, main_training_loss, main_validation_loss
from postmortem.measure.settings import number_of, settings
from postmortem.model import Measurement, Missing, RunData

STEPS = (
    "max_steps",
    "total_steps",
    "num_training_steps",
    "num_train_steps",
    "train_steps",
    "max_iters",
    "max_iter",
    "num_iterations",
    "iterations",
    "num_steps",
    "n_steps",
    "n_iter",
    "steps",
    "total_timesteps",
)
EPOCHS = ("num_train_epochs", "num_epochs", "max_epochs", "n_epochs", "epochs", "total_epochs")
STOPPING = ("early_stopping", "early_stop", "patience", "early_stopping_patience", "early_stop_patience", "es_patience")


def last_step(run: RunData, roled: Sequence[Roled]) -> int | None:
    """The last step that a scalar (epoch counters aside) or a checkpoint stands at."""
    steps = [int(one.series.steps[-1]) for one in roled if one.series.steps.size and one.role != "epoch"]
    steps += [checkpoint.step for checkpoint in run.checkpoints if checkpoint.step is not None]
    return max(steps, default=None)


def _interval(roled: Sequence[Roled]) -> int:
    """Usual distance in steps between two points of the training loss."""
    training = main_training_loss(roled)
    if training is None or training.series.steps.size < 3:
        return 1
    return max(1, int(np.median(np.diff(training.series.steps))))


def _by_epoch(roled: Sequence[Roled]) -> bool:
    """Whether losses count epochs: Keras' `epoch_loss`, or both splits evaluated at each of consecutive numbers."""
    training = main_training_loss(roled)
    if training is None or _interval(roled) != 1:
        return False
    validation = main_validation_loss(roled, training)
    together = validation is not None and np.array_equal(training.series.steps, validation.series.steps)
    return training.series.tag.rpartition("/")[2].startswith("epoch_") or together


def _epochs_done(run: RunData, roled: Sequence[Roled], planned: float) -> tuple[float, str] | None:
    """Epochs done and where that was seen; None where no artifact counts epochs."""
    for one in roled:
        finite = one.series.values[np.isfinite(one.series.values)]
        if one.role == "epoch" and finite.size >= 2:
            whole = bool(np.all(finite == np.round(finite)))
            return float(finite.max()) + (1.0 if whole and finite.min() == 0 else 0.0), f"tag {one.series.tag!r}"
    training = main_training_loss(roled)
    if training is not None and training.series.steps.size >= 3 and _interval(roled) == 1 and int(training.series.steps[-1]) <= planned:
        steps = training.series.steps
        return float(steps[-1] - steps[0] + 1), f"{training.series.tag!r} has one point an epoch"
    epochs = [checkpoint.epoch for checkpoint in run.checkpoints if checkpoint.epoch is not None]
    if epochs:
        return float(max(epochs) + (1 if min(epochs) == 0 or max(epochs) + 1 == planned else 0)), "epochs stored in checkpoints"
    return None


def measure_endings(run: RunData, roled: Sequence[Roled]) -> Iterator[Measurement | Missing]:
    """`steps.last`, `steps.planned`, `steps.done`, `run.early_stopping` and `run.snapshot`."""
    known = settings(run)
    snapshot = _snapshot(run)
    said = snapshot or "the files are more than one state that was saved on the way"
    yield Measurement("run.snapshot", float("nan"), "", said, text="true" if snapshot else "false")
    last = last_step(run, roled)
    if last is None:
        yield Missing("steps.last", "neither a scalar nor a checkpoint has a step", "training-loss")
    else:
        yield Measurement("steps.last", float(last), "steps", "last step of any scalar or checkpoint", last)
    planned = _planned(run, roled, last)
    if snapshot:
        planned = (Missing(one.name, snapshot, "job-log") if one.name == "steps.done" else one for one in planned)
    yield from planned
    stopping = next((key for key in STOPPING if known.get(key) not in (None, False, 0, "", "False", "false", "None")), None)
    if stopping is None:
        yield Missing("run.early_stopping", "no setting says whether the run stops early", "hyperparameters")
    else:
        yield Measurement("run.early_stopping", float("nan"), "", f"setting {stopping!r}", text="true")


def _snapshot(run: RunData) -> str:
    """Why the files are one state that a Trainer saved on its way, and show nothing of what came after it; else the empty string.

    A copy of `checkpoint-1000`, or a repository to which it was published: all scalars are of one trainer_state.json, which sums nothing
    up, and no other checkpoint lies below it.
    """
    sources = {series.source for series in run.series}
    if run.hyperparameters.get("trainer_state.json: end") != "on the way" or len(sources) != 1:
        return ""
    (source,) = sources
    below = any("/" in checkpoint.source for checkpoint in run.checkpoints)
    if source.rpartition("/")[2] != "trainer_state.json" or below:
        return ""
    return f"{source} was saved while training went on, and nothing shows what came after it"


def _planned(run: RunData, roled: Sequence[Roled], last: int | None) -> Iterator[Measurement | Missing]:
    known = settings(run)
    names = ("steps.planned", "steps.done")
    steps, epochs = number_of(known, STEPS), number_of(known, EPOCHS)
    if steps is not None and steps[1] > 1:
        yield Measurement("steps.planned", steps[1], "steps", f"setting {steps[0]!r}")
        interval = _interval(roled)
        if last is None:
            yield Missing("steps.done", "neither a scalar nor a checkpoint has a step", "training-loss")
        elif interval == 1 and (last < 0.05 * steps[1] or (last < 0.5 * steps[1] and _by_epoch(roled))):
            yield Missing("steps.done", f"the last step logged is {last}: steps may count epochs here", "training-loss")
        else:
            done = min(1.0, (last + interval) / steps[1])
            yield Measurement(
                "steps.done", done, "share", f"last step {last}, one a point every {interval}; setting {steps[0]!r} is {steps[1]:g}", last
            )
        return
    if epochs is None or epochs[1] < 1:
        yield from missing(names, "no setting gives the number of steps or epochs", "planned-steps")
        return
    yield Measurement("steps.planned", epochs[1], "epochs", f"setting {epochs[0]!r}")
    done_epochs = _epochs_done(run, roled, epochs[1])
    if done_epochs is None:
        yield Missing("steps.done", f"{epochs[1]:g} epochs were planned, and no artifact counts epochs", "planned-steps")
    else:
        said = f"{done_epochs[0]:g} of {epochs[1]:g} epochs: {done_epochs[1]}; setting {epochs[0]!r}"
        yield Measurement("steps.done", min(1.0, done_epochs[0] / epochs[1]), "share", said, last)
