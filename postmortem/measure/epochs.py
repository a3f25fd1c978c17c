"""The model's size and the run's length against the number of records: parameters a record, and passes over the data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from postmortem.measure.data_sets import training_records
from postmortem.measure.settings import BATCH_SIZE, number_of
from postmortem.model import Manifest, Measurement, Missing, Plain, Series

SIZE_NAMES = ("data.parameters_per_record", "data.epochs")
EPOCHS = ("epochs", "num_epochs", "max_epochs", "num_train_epochs", "n_epochs", "nb_epochs", "total_epochs")
ACCUMULATION = (
    "gradient_accumulation_steps",
    "accumulate_grad_batches",
    "grad_accumulation_steps",
    "gradient_accumulation",
    "accumulation_steps",
    "grad_accum_steps",
    "accum_iter",
    "iters_to_accumulate",
)
WORKERS = ("world_size", "num_gpus", "n_gpus", "ngpus", "n_gpu", "devices", "gpus", "num_devices", "num_processes", "nproc_per_node")
GLOBAL_BATCH = ("global_batch_size", "effective_batch_size", "total_batch_size", "total_train_batch_size")
"""Batch sizes over all workers and accumulated steps by their name."""
_MICRO = ("train_micro_batch_size_per_gpu", "micro_batch_size")
"""Where one of these stands, `train_batch_size` is what DeepSpeed means by it: that of all workers and accumulated steps."""
_PER_WORKER = ("per_device_train_batch_size", *_MICRO)
MOST_WORKERS = 100_000
MOST_EPOCHS = 10_000_000

Found = Measurement | Missing


def measure_sizes(
    manifest: Manifest, parameters: int | None, known: Mapping[str, Plain], steps_last: int | None, epochs_logged: float | None
) -> Iterator[Found]:
    """`data.parameters_per_record` and `data.epochs`."""
    records = training_records(manifest)
    if records == 0:
        yield from (Missing(name, f"{manifest.source} names no training record", "manifest") for name in SIZE_NAMES)
        return
    if parameters is None:
        yield Missing(SIZE_NAMES[0], "no checkpoint tells the number of parameters", "checkpoint")
    else:
        told = f"{parameters} parameters, {records} training records of {manifest.source}"
        yield Measurement(SIZE_NAMES[0], parameters / records, "ratio", told)
    yield _epochs(records, known, steps_last, epochs_logged)


def epochs_logged(series: Sequence[Series]) -> float | None:
    """Passes over the data as a scalar called `epoch` (`train/epoch`) tells them; None where none was logged.

    Whole numbers from 0 on are taken for the number of the epoch that goes on, one less than were made at its end.
    """
    best: float | None = None
    for one in series:
        if re.split(r"[/.]", one.tag.strip().lower())[-1] not in ("epoch", "epochs"):
            continue
        values = [float(value) for value in one.values if math.isfinite(value) and 0 <= value <= MOST_EPOCHS]
        if len(values) < 2 or max(values) <= min(values):
            continue
        counted = min(values) == 0 and all(value == int(value) for value in values)
        best = max(best or 0.0, max(values) + counted)
    return best


def records_a_step(known: Mapping[str, Plain]) -> tuple[float, str] | None:
    """Records that one optimizer step takes, and how that was reckoned; None where no setting gives a batch size.

    A batch size is multiplied by accumulated steps and by workers where settings tell them, unless its name says that it is that of all.
    """
    whole = number_of(known, GLOBAL_BATCH)
    if whole is None and number_of(known, _MICRO) is not None:
        whole = number_of(known, ("train_batch_size",))
    if whole is not None and whole[1] >= 1:
        return whole[1], f"{whole[1]:g} records, setting {whole[0]!r}"
    batch = number_of(known, (*BATCH_SIZE, *_MICRO))
    if batch is None or batch[1] < 1:
        return None
    accumulated, workers = number_of(known, ACCUMULATION), number_of(known, WORKERS)
    value, told = batch[1], f"{batch[1]:g} records"
    for found, what in ((accumulated, "accumulated steps"), (workers, "workers")):
        if found is not None and 1 < found[1] <= MOST_WORKERS and found[1] == int(found[1]):
            value *= found[1]
            told += f" x {found[1]:g} {what} (setting {found[0]!r})"
    if workers is None and batch[0] in _PER_WORKER:
        told += " on one worker, as no setting tells how many"
    return value, told


def _epochs(records: int, known: Mapping[str, Plain], steps_last: int | None, logged: float | None) -> Found:
    """Passes over the training records: as a logged epoch tells, else from steps and batch size, else as the settings plan them."""
    name = "data.epochs"
    if logged is not None and logged > 0:
        return Measurement(name, logged, "epochs", "the epoch that the run logged last")
    step, planned = records_a_step(known), number_of(known, EPOCHS)
    if step is not None and steps_last:
        # Many projects log by epoch: then the last step is no more than the planned epochs, and steps times batch says nothing.
        if planned is None or planned[1] <= 0 or steps_last > planned[1]:
            told = f"{steps_last} steps of {step[1]} over {records} training records, a step being one of the optimizer"
            return Measurement(name, steps_last * step[0] / records, "epochs", told)
        return Measurement(name, float(steps_last), "epochs", f"last step {steps_last} of {planned[1]:g} epochs, taken for an epoch")
    if planned is not None and planned[1] > 0:
        return Measurement(name, planned[1], "epochs", f"setting {planned[0]!r}")
    return Missing(name, "no setting gives the batch size or the epochs", "batch-size")


def passes(logged: float | None, epochs: Sequence[int | None]) -> Found:
    """`run.passes`: passes over the data as a logged epoch or the checkpoints' own tell, whether or not the records are known."""
    name = "run.passes"
    if logged is not None and logged > 0:
        return Measurement(name, logged, "epochs", "the epoch that the run logged last")
    kept = [epoch for epoch in epochs if epoch is not None and 0 < epoch <= MOST_EPOCHS]
    if kept:
        return Measurement(name, float(max(kept)), "epochs", "the epoch that the last checkpoint tells")
    return Missing(name, "neither a scalar nor a checkpoint tells the epoch", "hyperparameters")
