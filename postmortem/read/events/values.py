"""Decodes event records one at a time, with the protobuf classes that TensorBoard ships: all kinds of values, into one sink.

Most scalars never come here (`event_columns`), nor do most histograms (`event_histograms`); what both leave does, whatever it holds.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from postmortem.read.events import summaries
from postmortem.read.events.columns import ScalarSink
from postmortem.read.events.histograms import SHORTEST, histograms_in
from postmortem.read.events.images import ImageSink
from postmortem.read.events.records import Bytes
from postmortem.read.events.trainings import HistogramPoint

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

HPARAMS_PLUGIN = "hparams"
TEXT_PLUGIN = "text"
_IMAGES_PLUGIN = "images"
LATEST_SECONDS = 253_402_300_800.0
"""The end of the year 9999 as Unix time."""
_MOST_SETTINGS = 64
"""Records of hyper-parameters of one file: a run writes three at most, and each takes tbparse 10 ms."""
_MOST_TEXTS = 2000
_MOST_TEXT_BYTES = 4 << 20
"""Of one file; samples that a language model writes at every evaluation are not searched for settings without end."""
_KINDS = {"obsolete_old_style_histogram": "histogram of a form before 2015", "audio": "audio clip"}
_PLUGINS = {
    "pr_curves": "PR curve",
    "audio": "audio clip",
    "mesh": "mesh",
    "custom_scalars": "layout of charts",
    "graph_keras_model": "model graph",
}


@dataclass(slots=True, eq=False)
class Sink:
    """What has been decoded so far of one file."""

    scalars: ScalarSink = field(default_factory=ScalarSink)
    histograms: dict[str, list[HistogramPoint]] = field(default_factory=dict)
    settings: list[tuple[int, bytes]] = field(default_factory=list)
    """Offset and payload of records that hold hyper-parameters."""
    texts: list[tuple[int, bytes]] = field(default_factory=list)
    """The same of records that hold texts, among which may be settings."""
    text_bytes: int = 0
    images: ImageSink = field(default_factory=ImageSink)
    undecodable: list[int] = field(default_factory=list)
    """Offsets of sound records that hold no event."""
    bad_values: list[tuple[int, str]] = field(default_factory=list)
    """Offset and tag of values that a sound record holds, but that contradict themselves."""
    unsupported: Counter[str] = field(default_factory=Counter)
    left_aside: Counter[str] = field(default_factory=Counter)
    version: bool = False
    """Whether the first record names the format's version."""
    started: float = float("nan")
    ended: float = float("nan")

    def at_time(self, wall_seconds: float) -> None:
        """Widens the time that the file spans. Zero and NaN are no times: that is how a record without one reads."""
        if wall_seconds and abs(wall_seconds) <= LATEST_SECONDS:
            self.started = wall_seconds if math.isnan(self.started) else min(self.started, wall_seconds)
            self.ended = wall_seconds if math.isnan(self.ended) else max(self.ended, wall_seconds)


def decode_one(data: Bytes, offset: int, payload: bytes, record: int, sink: Sink) -> None:
    """Hands everything in a sound record to the sink. `record` counts the records of the file from 1."""
    from google.protobuf.message import DecodeError

    # Measured in a fresh process: 0.04 s, and neither pandas nor a TensorFlow stub is loaded.
    from tensorboard.compat.proto.event_pb2 import Event

    if len(payload) >= SHORTEST and (found := histograms_in(data, offset, payload)) is not None:
        sink.at_time(found.wall_seconds)
        for each in found.values:
            if each.plugin:
                sink.scalars.plugins.setdefault(each.tag, each.plugin)
            _keep_histogram(each.buckets, each.tag, found.step, offset, record, sink)
        return
    try:
        event = Event.FromString(payload)
    except DecodeError:
        sink.undecodable.append(offset)
        return
    wall_seconds, step = event.wall_time, event.step
    if record == 1:
        sink.version = event.WhichOneof("what") == "file_version"
    sink.at_time(wall_seconds)
    for value in event.summary.value:
        if value.WhichOneof("value") == "simple_value":
            sink.scalars.add(value.tag, step, value.simple_value, wall_seconds, record)
        else:
            number = _other_value(value, step, offset, record, payload, sink)
            if number is not None:
                sink.scalars.add(value.tag, step, number, wall_seconds, record)


def _other_value(value: Summary.Value, step: int, offset: int, record: int, payload: bytes, sink: Sink) -> float | None:
    """The scalar in a value that is no `simple_value`; None for other kinds, which go into the sink."""
    tag, kind = value.tag, value.WhichOneof("value")
    plugin = value.metadata.plugin_data.plugin_name
    if plugin:
        sink.scalars.plugins.setdefault(tag, plugin)
    if plugin == HPARAMS_PLUGIN:
        if len(sink.settings) < _MOST_SETTINGS:
            sink.settings.append((offset, payload))
        else:
            sink.left_aside["hyper-parameter record"] += 1
    elif kind == "histo":
        _keep_histogram(summaries.histogram_of(value.histo), tag, step, offset, record, sink)
    elif kind == "tensor":
        return _tensor_value(value, step, offset, record, payload, sink)
    elif kind == "image":
        sink.images.add(tag, [value.image.encoded_image_string])
    elif kind is not None:
        sink.left_aside[_KINDS.get(kind, kind)] += 1
    return None


def _tensor_value(value: Summary.Value, step: int, offset: int, record: int, payload: bytes, sink: Sink) -> float | None:
    tag, tensor = value.tag, value.tensor
    plugin = sink.scalars.plugins.get(tag, "")
    if summaries.is_text(tensor) and plugin in ("", TEXT_PLUGIN):
        if sink.text_bytes + len(payload) <= _MOST_TEXT_BYTES and len(sink.texts) < _MOST_TEXTS:
            sink.texts.append((offset, payload))
            sink.text_bytes += len(payload)
        else:
            sink.left_aside["text"] += 1
    elif plugin == _IMAGES_PLUGIN and summaries.is_text(tensor):
        sink.images.add(tag, tensor.string_val[2:])  # behind width and height
    elif plugin == summaries.HISTOGRAM_PLUGIN:
        _keep_histogram(summaries.tensor_histogram_of(tensor, named=True), tag, step, offset, record, sink)
    elif plugin in ("", "scalars"):
        return _number_of(value, step, offset, record, plugin, sink)
    else:
        sink.left_aside[_PLUGINS.get(plugin, f"value of plugin {plugin}")] += 1
    return None


def _number_of(value: Summary.Value, step: int, offset: int, record: int, plugin: str, sink: Sink) -> float | None:
    """The number of a tensor that may be a scalar; what else it is goes into the sink."""
    tag, tensor = value.tag, value.tensor
    number = summaries.scalar_of(tensor)
    if number is not None:
        return number
    buckets = None if plugin else summaries.tensor_histogram_of(tensor, named=False)
    if buckets is not None:
        _keep_histogram(buckets, tag, step, offset, record, sink)
    elif plugin and not summaries.is_numeric(tensor):
        sink.unsupported[tag] += 1
    elif plugin:
        sink.bad_values.append((offset, tag))
    else:
        sink.left_aside["tensor"] += 1
    return None


def _keep_histogram(buckets: summaries.Buckets | None, tag: str, step: int, offset: int, record: int, sink: Sink) -> None:
    if buckets is None:
        sink.bad_values.append((offset, tag))
    else:
        sink.histograms.setdefault(tag, []).append(HistogramPoint(step, *buckets, record))
