"""Every value of event files by the writers in use, equal to what tbparse reads: scalars of all layouts, histograms, settings, texts."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from postmortem.model import FoundFile
from postmortem.read.events.files import read_events
from postmortem.read.events.records import frame

pytestmark = pytest.mark.filterwarnings("ignore")  # of the writers and of tbparse

POINTS = (3, 200)
"""Few points are decoded one at a time, many as columns."""


def curve(points: int, seed: int) -> list[float]:
    """Values with everything that float32 can be."""
    values = np.random.default_rng(seed).normal(size=points).astype(np.float32).tolist()
    values[0], values[-1] = math.inf, math.nan
    return [float(value) for value in values]


def metadata(plugin: str) -> summary_pb2.SummaryMetadata:
    """As TensorFlow 2 puts it on every value."""
    return summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name=plugin))


def shape(*axes: int) -> tensor_shape_pb2.TensorShapeProto:
    """A tensor's shape."""
    return tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=axis) for axis in axes])


def stored(folder: Path, events: Sequence[event_pb2.Event]) -> None:
    """A file of these events behind the record of its version."""
    first = event_pb2.Event(wall_time=1.0, file_version="brain.Event:2")
    data = b"".join(frame(event.SerializeToString()) for event in (first, *events))
    (folder / "events.out.tfevents.1700000000.host.v2").write_bytes(data)


def by_torch(folder: Path, points: int) -> None:
    """torch's writer, its plain scalars."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(curve(points, 1)):
            writer.add_scalar("train/loss", value, step)
            writer.add_scalar("Learning Rate", 1e-3, 10 * step)


def by_torch_new_style(folder: Path, points: int) -> None:
    """The same with scalars as tensors, of float32 and float64."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(curve(points, 2)):
            writer.add_scalar("train/loss", value, step, new_style=True)
            writer.add_scalar("train/loss_in_double", value, step, new_style=True, double_precision=True)


def by_torch_histograms(folder: Path, points: int) -> None:
    """Histograms of torch's writer."""
    from torch.utils.tensorboard import SummaryWriter

    generator = np.random.default_rng(3)
    with SummaryWriter(str(folder)) as writer:
        for step in range(min(points, 30)):
            writer.add_histogram("weights/fc", generator.normal(size=500), step)
            writer.add_histogram("relu", np.maximum(generator.normal(size=50), 0), step, bins="auto")


def by_torch_settings(folder: Path, points: int) -> None:
    """Hyper-parameters and a text."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        settings: dict[str, Any] = {"lr": 0.1, "layers": 3, "optimizer": "sgd", "pretrained": True}
        writer.add_hparams(settings, {"final": 0.5}, run_name=".")
        writer.add_text("config", '{"batch_size": 32}', 0)
        for step in range(points):
            writer.add_scalar("loss", step / 7, step)


def by_tensorboard_x(folder: Path, points: int) -> None:
    """tensorboardX, which many older trainers use."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step, value in enumerate(curve(points, 4)):
            writer.add_scalar("data/loss", value, step)
            writer.add_scalar("data/negative_step", value, step - 5)
        writer.add_histogram("h", np.random.default_rng(5).normal(size=100), 1)


def by_tensorflow_1(folder: Path, points: int) -> None:
    """All scalars of a step merged into one record, as `merge_all` makes them; with the old name of the node."""
    value = summary_pb2.Summary.Value
    events = [
        event_pb2.Event(
            wall_time=1.6e9 + step,
            step=step,
            summary=summary_pb2.Summary(
                value=[
                    value(tag="loss_1", simple_value=number),
                    value(tag="accuracy_1", simple_value=step / 300, node_name="accuracy"),
                    value(tag="loss_2", simple_value=-number),
                ]
            ),
        )
        for step, number in enumerate(curve(points, 6))
    ]
    stored(folder, events)


def by_tensorflow_2(folder: Path, points: int) -> None:
    """Scalars in `tensor_content`, as `tf.summary.scalar` and Keras write them."""
    events = []
    for step, number in enumerate(curve(points, 7)):
        content = tensor_pb2.TensorProto(dtype=types_pb2.DT_FLOAT, tensor_shape=shape(), tensor_content=struct.pack("<f", number))
        values = [summary_pb2.Summary.Value(tag="epoch_loss", tensor=content, metadata=metadata("scalars"))]
        events.append(event_pb2.Event(wall_time=1.6e9 + step, step=step, summary=summary_pb2.Summary(value=values)))
    stored(folder, events)


def _of_type(dtype: int, numbers: Mapping[str, Any]) -> Callable[[Path, int], None]:
    def write(folder: Path, points: int) -> None:
        """Scalars as tensors of one type."""
        events = []
        for step in range(points):
            tensor = tensor_pb2.TensorProto(dtype=dtype, tensor_shape=shape(), **{field: [make(step)] for field, make in numbers.items()})
            values = [summary_pb2.Summary.Value(tag="counted", tensor=tensor, metadata=metadata("scalars"))]
            events.append(event_pb2.Event(wall_time=1.6e9 + step, step=step, summary=summary_pb2.Summary(value=values)))
        stored(folder, events)

    return write


# tbparse breaks on tensors of whole numbers itself; `test_tensor_scalar_of_each_dtype` has them.
WRITERS: dict[str, Callable[[Path, int], None]] = {
    "torch": by_torch,
    "torch new style": by_torch_new_style,
    "torch histograms": by_torch_histograms,
    "torch settings": by_torch_settings,
    "tensorboardX": by_tensorboard_x,
    "TensorFlow 1": by_tensorflow_1,
    "TensorFlow 2": by_tensorflow_2,
    "float64": _of_type(types_pb2.DT_DOUBLE, {"double_val": lambda step: step / 3}),
    "float16": _of_type(types_pb2.DT_HALF, {"half_val": lambda step: int(np.float16(step / 3).view(np.uint16))}),
}


def rows_of(frame_of_oracle: Any) -> dict[str, list[tuple[int, float, float]]]:
    """Tag -> step, value (as bits, so that NaN equals itself) and time, of a table of tbparse's."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    if not len(frame_of_oracle):
        return found
    columns = (frame_of_oracle[name] for name in ("tag", "step", "value", "wall_time"))
    for tag, step, value, wall in zip(*columns, strict=True):
        found.setdefault(tag, []).append((int(step), _bits(float(value)), float(wall)))
    return {tag: sorted(rows) for tag, rows in found.items()}


def _bits(value: float) -> float:
    return struct.unpack("<q", struct.pack("<d", value))[0] if not math.isnan(value) else 1


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("name", WRITERS)
def test_everything_equals_tbparse(tmp_path: Path, name: str, points: int) -> None:
    """Each scalar, step and time, each histogram's buckets, each hyper-parameter is the oracle's, and nothing is a problem."""
    from tbparse import SummaryReader

    WRITERS[name](tmp_path, points)
    files = sorted(path for path in tmp_path.rglob("*tfevents*") if path.is_file())
    data = read_events([FoundFile(path, path.name, "events", path.stat().st_size) for path in files])
    oracle = [SummaryReader(str(path), extra_columns={"wall_time", "min", "max"}) for path in files]
    assert data.problems == ()

    expected: dict[str, list[tuple[int, float, float]]] = {}
    for each in oracle:
        for table in (each.scalars, each.tensors):
            for tag, rows in rows_of(table).items():
                expected.setdefault(tag, []).extend(rows)
    mine = {
        series.tag: sorted(
            (int(step), _bits(float(value)), float(wall))
            for step, value, wall in zip(series.steps, series.values, series.wall_seconds, strict=True)
        )
        for series in data.series
    }
    assert mine == {tag: sorted(rows) for tag, rows in expected.items()}
    assert mine or data.histograms

    buckets = [row for each in oracle if len(each.histograms) for _, row in each.histograms.iterrows()]
    ours = {
        (histogram.tag, step): (limits, counts, low, high)
        for histogram in data.histograms
        for step, limits, counts, low, high in zip(
            histogram.steps, histogram.limits, histogram.counts, histogram.minimum, histogram.maximum, strict=True
        )
    }
    assert len(ours) == len(buckets)
    for row in buckets:
        limits, counts, low, high = ours[row["tag"], row["step"]]
        np.testing.assert_array_equal(limits, row["limits"])
        np.testing.assert_array_equal(counts, row["counts"])
        assert (low, high) == (row["min"], row["max"])

    settings = {
        tag: value for each in oracle if len(each.hparams) for tag, value in zip(each.hparams["tag"], each.hparams["value"], strict=True)
    }
    if name == "torch settings":
        assert settings and data.hyperparameters == {**settings, "batch_size": 32}
    else:
        assert data.hyperparameters == settings == {}
