"""Event files for the benchmarks, in the layouts that torch's `SummaryWriter` and TensorFlow 2 write."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from postmortem.read.events.records import frame

TAGS = (
    "train/loss", "train/accuracy", "train/learning_rate", "train/grad_norm", "train/regularization_loss", "val/loss", "val/accuracy",
    "lr/group_0", "lr/group_1", "time/seconds_per_step", "time/samples_per_second", "gpu/memory_gigabytes", "scaler/loss_scale",
    "grad/encoder.layers.0.weight", "grad/encoder.layers.1.weight", "grad/encoder.layers.2.weight", "grad/encoder.layers.3.weight",
    "norm/head.weight", "norm/embedding.weight", "epoch",
)  # fmt: skip


def write_scalars(path: Path, scalars: int) -> None:
    """So many scalars in the 20 tags, one record each, round by round, as a training loop logs them."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    generator = np.random.default_rng(0)
    noise = generator.normal(size=scalars)
    with path.open("wb") as file:
        file.write(frame(Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString()))
        for index in range(scalars):
            step, place = divmod(index, len(TAGS))
            value = math.exp(-step / 8000) + 0.05 * noise[index] + place
            summary = Summary(value=[Summary.Value(tag=TAGS[place], simple_value=value)])
            event = Event(wall_time=1.7e9 + 0.013 * index, step=step, summary=summary)
            file.write(frame(event.SerializeToString()))


def write_histograms(path: Path, histograms: int, buckets: int, tags: int = 20) -> None:
    """So many histograms, as torch's `add_histogram` writes them: upper limits and counts of every bucket."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

    generator = np.random.default_rng(0)
    limits = np.linspace(-1, 1, buckets)
    with path.open("wb") as file:
        file.write(frame(Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString()))
        for index in range(histograms):
            step, place = divmod(index, tags)
            counts = generator.poisson(100, size=buckets).astype(np.float64)
            histogram = HistogramProto(min=-1, max=1, num=float(counts.sum()), sum=0.0, sum_squares=1.0, bucket_limit=limits, bucket=counts)
            summary = Summary(value=[Summary.Value(tag=f"weights/layer_{place:02d}", histo=histogram)])
            file.write(frame(Event(wall_time=1.7e9 + index, step=step, summary=summary).SerializeToString()))


def payload_bytes(path: Path) -> int:
    """Bytes of all payloads: the file without its frames."""
    data = path.read_bytes()
    offset = total = 0
    while offset < len(data):
        (length,) = struct.unpack_from("<Q", data, offset)
        total += length
        offset += length + 16
    return total
