"""Event files by torch's `SummaryWriter`, with the clock and the host's name taken out of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

FIRST_SECOND = 1_700_000_000
SECONDS_PER_STEP = 0.05
SECONDS_BETWEEN_SESSIONS = 5400

Scalars = Iterable[tuple[int, Mapping[str, float]]]
"""Step and tag -> value, in the order of logging."""


def write_events(
    folder: Path,
    scalars: Scalars,
    settings: Mapping[str, str | float | bool] | None = None,
    histograms: Sequence[tuple[int, Mapping[str, Tensor]]] = (),
    session: int = 0,
    as_tensors: bool = False,
) -> None:
    """Write one event file into `folder`.

    `settings` become the hyper-parameters' records; `session` sets the time in the file's name; `as_tensors` writes scalars as
    one-element tensors, as TF2 and Keras do.
    """
    with tempfile.TemporaryDirectory() as scratch:
        writer = SummaryWriter(scratch)
        if settings is not None:
            for summary in hparams(dict(settings), {}):
                # add_hparams would put them into a folder named for the clock.
                writer._get_file_writer().add_summary(summary)
        for step, values in scalars:
            for tag, value in values.items():
                writer.add_scalar(tag, value, step, new_style=as_tensors)
        for step, seen in histograms:
            for tag, tensor in seen.items():
                writer.add_histogram(tag, tensor, step, bins="tensorflow")
        writer.close()
        (written,) = Path(scratch).iterdir()
        start = FIRST_SECOND + session * SECONDS_BETWEEN_SESSIONS
        folder.mkdir(parents=True, exist_ok=True)
        _without_clock(written, folder / f"events.out.tfevents.{start}.host.{4021 + session}.0", start)


def _without_clock(written: Path, target: Path, start: int) -> None:
    """Copy an event file with each record's time derived from its step, and maps in sorted order."""
    stripped = written.with_suffix(".stripped")
    with stripped.open("wb") as stream:
        records = RecordWriter(stream)
        for raw in RawEventFileLoader(str(written)).Load():
            event = Event.FromString(raw)
            event.wall_time = start + SECONDS_PER_STEP * event.step
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "hparams":
                    content = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                    value.metadata.plugin_data.content = content.SerializeToString(deterministic=True)
            records.write(event.SerializeToString(deterministic=True))
        records.flush()
    shutil.move(stripped, target)
