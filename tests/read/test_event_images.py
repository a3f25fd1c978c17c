"""Images of event files: mean and range of what was logged, whatever wrote it; nothing for what is no image."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2

from postmortem.measure.inputs import measure_inputs
from postmortem.model import FoundFile, LoggedImages, Measurement, Missing
from postmortem.read.events.files import EventData, read_events
from postmortem.read.events.images import ImageSink
from postmortem.read.events.records import frame


def read(folder: Path) -> EventData:
    """What the reader makes of the event files of a folder."""
    files = [path for path in folder.iterdir() if "tfevents" in path.name]
    return read_events([FoundFile(path, path.name, "events", path.stat().st_size, "train") for path in files])


@pytest.mark.filterwarnings("ignore")  # of the writer
def test_images_of_torch(tmp_path: Path) -> None:
    """Mean and range over all channels of all images of a tag, as shares of white."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_image("train/input", np.full((3, 4, 6), 0.2), 0)
        writer.add_image("train/input", np.full((3, 4, 6), 0.6), 1)
        writer.add_image("grey", np.zeros((1, 5, 5)), 0)
    data = read(tmp_path)
    first, second = data.images
    assert (first.tag, first.group, first.images, first.looked) == ("train/input", "train", 2, 2)
    assert first.mean == pytest.approx(0.4, abs=1 / 255) and first.low == pytest.approx(0.2) and first.high == pytest.approx(0.6)
    assert (second.tag, second.mean, second.low, second.high) == ("grey", 0.0, 0.0, 0.0)
    assert data.problems == () and data.notes == ()


def png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """A greyscale picture."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def test_images_of_tensorflow_2(tmp_path: Path) -> None:
    """Strings of width, height and any number of pictures."""
    pictures = [png(np.full((2, 2), value, dtype=np.uint8)) for value in (0, 255)]
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[b"2", b"2", *pictures])
    metadata = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="images"))
    value = summary_pb2.Summary.Value(tag="batch", tensor=tensor, metadata=metadata)
    events = [event_pb2.Event(file_version="brain.Event:2"), event_pb2.Event(step=1, summary=summary_pb2.Summary(value=[value]))]
    (tmp_path / "events.out.tfevents.1").write_bytes(b"".join(frame(event.SerializeToString()) for event in events))
    (images,) = read(tmp_path).images
    assert (images.images, images.mean, images.low, images.high) == (2, 0.5, 0.0, 1.0)


def test_what_is_no_image_is_left_out() -> None:
    """Damage, other formats and pictures that claim to be huge are counted and not looked at."""
    sink = ImageSink()
    header = b"\x89PNG\r\n\x1a\n"
    size = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    huge = header + struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    whole = png(np.full((8, 8), 128, dtype=np.uint8))
    for encoded in (b"", b"no picture", huge, whole[: len(whole) // 2], b"<svg></svg>"):
        sink.add("bad", [encoded])
    assert sink.counts == {"bad": 5} and sink.looked_at("", "f") == ()
    for _ in range(100):
        sink.add("many", [whole])
    (many,) = sink.looked_at("", "f")
    assert many.images == 100 and many.looked < 100 and many.mean == pytest.approx(128 / 255)


def logged(tag: str, mean: float = 0.5) -> LoggedImages:
    """Images of one tag."""
    return LoggedImages(tag, "", "events", 4, 4, mean, 0.0, 1.0)


def test_only_images_of_inputs_speak_of_inputs() -> None:
    """Reconstructions, samples of a generator and drawn figures do not count."""
    (found,) = (one for one in measure_inputs((), {}, [logged("train/images", 0.3), logged("recon/images", 0.9)]) if "image" in one.name)
    assert isinstance(found, Measurement) and found.value == 0.3 and found.items == {"train/images": 0.3}
    for tag in ("generated/samples", "confusion_matrix", "gradients", "fake_images", "weights/filter"):
        (found,) = (one for one in measure_inputs((), {}, [logged(tag)]) if "image" in one.name)
        assert isinstance(found, Missing)
