"""Event files that are whole: tbparse and closed forms are the oracles."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from postmortem.model import FoundFile, Series
from postmortem.read.events.files import EventData, read_events, split_runs
from postmortem.read.events.records import frame

NAME = "events.out.tfevents.1700000000.host.1.0"


def found(path: Path, group: str = "", name: str = "") -> FoundFile:
    """The file as discovery hands it on."""
    return FoundFile(path, name or path.name, "events", path.stat().st_size, group)


def written(folder: Path, *values: summary_pb2.Summary.Value, steps: Sequence[int] = ()) -> FoundFile:
    """An event file with one value a record."""
    records = [event_pb2.Event(wall_time=1.0, file_version="brain.Event:2")]
    for index, value in enumerate(values):
        step = steps[index] if steps else index
        records.append(event_pb2.Event(wall_time=2.0 + index, step=step, summary=summary_pb2.Summary(value=[value])))
    path = folder / NAME
    path.write_bytes(b"".join(frame(record.SerializeToString()) for record in records))
    return found(path)


def by_tag(data: EventData) -> dict[str, Series]:
    """Series by tag, each tag once."""
    assert len({series.tag for series in data.series}) == len(data.series)
    return {series.tag: series for series in data.series}


def plugin(name: str) -> summary_pb2.SummaryMetadata:
    """Metadata as writers put it on the first value of a tag."""
    return summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name=name))


@pytest.mark.filterwarnings("ignore")  # the oracle's own warnings are not ours
@pytest.mark.parametrize("new_style", [False, True], ids=["simple_value", "tensor"])
def test_every_scalar_equals_tbparse(tmp_path: Path, new_style: bool) -> None:
    """On an undamaged file by torch's writer every step, value and time is the oracle's, NaN and infinity among them."""
    from tbparse import SummaryReader
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    rng = np.random.default_rng(3)
    for step in range(120):
        writer.add_scalar("train/loss", float(rng.normal()), step, new_style=new_style)
        writer.add_scalar("lr", 10.0**-step if step < 30 else math.nan, step * 7, new_style=new_style)
    writer.add_scalar("edge", math.inf, 2**40, new_style=new_style)
    writer.close()
    (path,) = tmp_path.iterdir()
    reader = SummaryReader(str(tmp_path), extra_columns={"wall_time"})
    frame_of_oracle: Any = reader.tensors if new_style else reader.scalars
    expected = {tag: rows.sort_values("step", kind="stable") for tag, rows in frame_of_oracle.groupby("tag")}
    data = read_events([found(path)])
    assert data.problems == () and data.notes == ()
    assert by_tag(data).keys() == expected.keys() == {"train/loss", "lr", "edge"}
    for tag, series in by_tag(data).items():
        np.testing.assert_array_equal(series.steps, expected[tag]["step"].to_numpy())
        np.testing.assert_array_equal(series.values, expected[tag]["value"].to_numpy(dtype=np.float64))
        np.testing.assert_array_equal(series.wall_seconds, expected[tag]["wall_time"].to_numpy())


@pytest.mark.filterwarnings("ignore")
def test_hyperparameters_equal_tbparse(tmp_path: Path) -> None:
    """Hyper-parameters that torch's writer stores are the oracle's, of each kind."""
    from tbparse import SummaryReader
    from torch.utils.tensorboard import SummaryWriter

    settings: dict[str, Any] = {"lr": 0.1, "layers": 3, "activation": "tanh", "pretrained": False}
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_hparams(settings, {"accuracy": 0.5}, run_name="one")
    files = sorted((tmp_path / "one").iterdir())
    data = read_events([found(path) for path in files])
    oracle = SummaryReader(str(tmp_path / "one")).hparams
    assert data.hyperparameters == dict(zip(oracle["tag"], oracle["value"], strict=True)) == settings
    assert by_tag(data)["accuracy"].values.tolist() == [0.5]


@pytest.mark.filterwarnings("ignore")
def test_histogram_of_torch_counts_what_was_written(tmp_path: Path) -> None:
    """A histogram's counts sum to the values that went in, its limits ascend, and its extremes are theirs."""
    from torch.utils.tensorboard import SummaryWriter

    rng = np.random.default_rng(4)
    drawn = [rng.normal(size=1000) for _ in range(25)]
    with SummaryWriter(str(tmp_path)) as writer:
        for step, values in enumerate(drawn):
            writer.add_histogram("activations/tanh1", values, step)
    (path,) = tmp_path.iterdir()
    (histogram,) = read_events([found(path)]).histograms
    assert histogram.tag == "activations/tanh1" and histogram.steps == tuple(range(25))
    for values, limits, counts, low, high in zip(
        drawn, histogram.limits, histogram.counts, histogram.minimum, histogram.maximum, strict=True
    ):
        assert counts.sum() == 1000 and np.all(np.diff(limits) > 0)
        assert (low, high) == (values.min(), values.max())
        middle = float(np.interp(500, np.cumsum(counts), limits))
        assert middle == pytest.approx(np.median(values), abs=0.2)


CONTENT = {
    "DT_FLOAT": ("<f4", "float_val"),
    "DT_DOUBLE": ("<f8", "double_val"),
    "DT_HALF": ("<f2", "half_val"),
    "DT_INT8": ("<i1", "int_val"),
    "DT_INT16": ("<i2", "int_val"),
    "DT_INT32": ("<i4", "int_val"),
    "DT_INT64": ("<i8", "int64_val"),
    "DT_UINT8": ("<u1", "int_val"),
    "DT_UINT16": ("<u2", "int_val"),
    "DT_UINT32": ("<u4", "uint32_val"),
    "DT_UINT64": ("<u8", "uint64_val"),
    "DT_BOOL": ("?", "bool_val"),
}


@pytest.mark.parametrize("stored", ["content", "field"])
@pytest.mark.parametrize("name", sorted(CONTENT))
def test_tensor_scalar_of_each_dtype(tmp_path: Path, name: str, stored: str) -> None:
    """A scalar stored as a tensor is read from every numeric type, packed or in its own field."""
    dtype, field = CONTENT[name]
    value = np.array(1 if name == "DT_BOOL" else 3, dtype=dtype)
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DataType.Value(name))
    if stored == "content":
        tensor.tensor_content = value.tobytes()
    else:
        getattr(tensor, field).append(int(value.view(np.uint16)) if name == "DT_HALF" else value.item())
    file = written(tmp_path, summary_pb2.Summary.Value(tag="x", tensor=tensor, metadata=plugin("scalars")))
    data = read_events([file])
    assert by_tag(data)["x"].values.tolist() == [float(value)] and data.problems == ()


@pytest.mark.parametrize("stored", ["content", "field"])
def test_tensor_scalar_of_bfloat16(tmp_path: Path, stored: str) -> None:
    """1.5 in bfloat16 is 0x3FC0."""
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_BFLOAT16)
    if stored == "content":
        tensor.tensor_content = b"\xc0\x3f"
    else:
        tensor.half_val.append(0x3FC0)
    file = written(tmp_path, summary_pb2.Summary.Value(tag="x", tensor=tensor))
    assert by_tag(read_events([file]))["x"].values.tolist() == [1.5]


def test_many_tensor_scalars_are_all_kept(tmp_path: Path) -> None:
    """TensorBoard's own reader keeps 10 tensors a tag; here all of TF2's scalars stay, and their plugin is stated only once."""
    values = [
        summary_pb2.Summary.Value(tag="epoch_loss", tensor=tensor_pb2.TensorProto(dtype=1, float_val=[step / 8])) for step in range(500)
    ]
    values[0].metadata.CopyFrom(plugin("scalars"))
    data = read_events([written(tmp_path, *values)])
    assert by_tag(data)["epoch_loss"].values.tolist() == [step / 8 for step in range(500)]


def test_tf2_histogram(tmp_path: Path) -> None:
    """TF2 stores a histogram as rows of left edge, right edge and count."""
    rows = np.array([[-1.0, 0.0, 4.0], [0.0, 2.0, 6.0]])
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_DOUBLE, tensor_content=rows.tobytes())
    for size in rows.shape:
        tensor.tensor_shape.dim.add(size=size)
    for metadata in (plugin("histograms"), None):
        file = written(tmp_path, summary_pb2.Summary.Value(tag="w", tensor=tensor, metadata=metadata))
        (histogram,) = read_events([file]).histograms
        assert histogram.limits[0].tolist() == [0.0, 2.0] and histogram.counts[0].tolist() == [4.0, 6.0]
        assert (histogram.minimum, histogram.maximum) == ((-1.0,), (2.0,))


def test_settings_in_a_text_of_the_trainer(tmp_path: Path) -> None:
    """Hugging Face's Trainer writes its arguments as one JSON text; other texts are left aside and counted."""
    text = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b'{"learning_rate": 5e-05, "max_steps": 100}'])
    prose = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"hello"])
    file = written(
        tmp_path,
        summary_pb2.Summary.Value(tag="args/text_summary", tensor=text, metadata=plugin("text")),
        summary_pb2.Summary.Value(tag="samples/text_summary", tensor=prose, metadata=plugin("text")),
    )
    data = read_events([file])
    assert data.hyperparameters == {"learning_rate": 5e-05, "max_steps": 100}
    assert data.notes == (f"{NAME}: left aside 1 text",)


def test_hyperparameters_without_a_value_field(tmp_path: Path) -> None:
    """Records of the hparams plugin carry their content in the metadata alone."""
    content = plugin_data_pb2.HParamsPluginData(version=0)
    content.session_start_info.hparams["dropout"].number_value = 0.25
    metadata = summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    )
    file = written(tmp_path, summary_pb2.Summary.Value(tag="_hparams_/session_start_info", metadata=metadata))
    assert read_events([file]).hyperparameters == {"dropout": 0.25}


def test_steps_are_sorted_and_ties_keep_their_order(tmp_path: Path) -> None:
    """Points written a little out of order come sorted by step; two of one step stay in order of writing."""
    values = [summary_pb2.Summary.Value(tag="x", simple_value=value) for value in (0.0, 2.0, 1.0, 3.0, 3.5)]
    series = by_tag(read_events([written(tmp_path, *values, steps=(0, 2, 1, 3, 3))]))["x"]
    assert series.steps.tolist() == [0, 1, 2, 3, 3] and series.values.tolist() == [0.0, 1.0, 2.0, 3.0, 3.5]


def test_header_alone_is_told(tmp_path: Path) -> None:
    """A file with its header and no value is no damage, but not silence either."""
    (data,) = split_runs([written(tmp_path)])
    assert data.series == () and data.problems == () and "holds no scalar" in data.notes[0]


def test_no_files_are_no_training() -> None:
    """Without event files there is one empty answer."""
    (data,) = split_runs([])
    assert data.series == () and data.files == () and math.isnan(data.started)


def test_reading_loads_no_heavy_package(tmp_path: Path) -> None:
    """Neither pandas nor torch nor a TensorFlow stub is needed for an event file."""
    file = written(tmp_path, summary_pb2.Summary.Value(tag="x", simple_value=1.0))
    program = (
        "import sys; from pathlib import Path; from postmortem.model import FoundFile; from postmortem.read.events.files import split_runs;"
        f"split_runs([FoundFile(Path({str(file.path)!r}), 'e', 'events', 1)]);"
        "print([name for name in ('pandas', 'torch', 'tbparse', 'tensorboard.compat.tensorflow_stub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"
