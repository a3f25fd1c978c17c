"""Reads TensorBoard event files: every scalar, histogram and hyper-parameter, nothing sampled away, damage counted.

tbparse and TensorBoard's own reader stop at the first damaged record without a word, and sample; so the records are walked here
(`records`) and decoded with the protobuf classes that TensorBoard ships. Files that lie in one folder may be one training that was
resumed, or several trainings: `split_runs` tells them apart.
"""

from __future__ import annotations

import mmap
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from postmortem.model import FoundFile, Histogram, Plain, Problem, Series
from postmortem.read import summaries
from postmortem.read.event_problems import counted, problems_of
from postmortem.read.records import Bytes, Damage, walk
from postmortem.read.trainings import Column, EventFile, HistogramPoint, partition, segments, unite

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

_NOT_EVENTS = (
    (b"version https://git-lfs", "is a git-LFS pointer: the file itself was never fetched"),
    (b"\x00\x05\x16\x07", "is an AppleDouble companion that macOS wrote beside the real file"),
    (b"\x1f\x8b", "is compressed with gzip"),
    (b"PK\x03\x04", "is a zip archive"),
)


@dataclass(frozen=True, slots=True, eq=False)
class EventData:
    """What the event files of one training hold."""

    series: tuple[Series, ...]
    histograms: tuple[Histogram, ...]
    hyperparameters: dict[str, Plain]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    files: tuple[str, ...] = ()
    """Names of the files that belong to this training."""
    started: float = float("nan")
    """Unix time of the first event; NaN where no file tells."""
    ended: float = float("nan")
    """Unix time of the last event; NaN where no file tells."""


def read_events(files: Sequence[FoundFile]) -> EventData:
    """Everything in these files, taken as one training: where files overlap, the later one wins from its first step on."""
    return _event_data([_read_file(file) for file in files])


def split_runs(files: Sequence[FoundFile]) -> tuple[EventData, ...]:
    """Everything in these files, one value a training, in order of time; always at least one.

    Files are one training where the later goes on from within the earlier one's steps (resumed), or where they hold different tags.
    They are several where both start at the beginning and write the same tags.
    """
    read = [segment for file in files for segment in segments(_read_file(file))]
    return tuple(_event_data(training) for training in partition(read)) or (_event_data([]),)


def _event_data(files: Sequence[EventFile]) -> EventData:
    united = unite(files)
    started = [file.started for file in files if not np.isnan(file.started)]
    ended = [file.ended for file in files if not np.isnan(file.ended)]
    return EventData(
        series=united.series,
        histograms=united.histograms,
        hyperparameters=united.hyperparameters,
        problems=tuple(problem for file in files for problem in file.problems),
        notes=(*(note for file in files for note in file.notes), *united.notes),
        files=tuple(dict.fromkeys(file.file.name for file in files)),
        started=min(started, default=float("nan")),
        ended=max(ended, default=float("nan")),
    )


def _read_file(file: FoundFile) -> EventFile:
    """One file; never raises for what the file holds or for being unreadable."""
    empty = EventFile(file, {}, {}, {})
    try:
        with file.path.open("rb") as handle:
            if not handle.seek(0, 2):
                return empty.with_problem("truncated", "is empty (0 bytes)")
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
                for signature, meaning in _NOT_EVENTS:
                    if data[: len(signature)] == signature:
                        return empty.with_problem("unsupported", f"{meaning}, no event file")
                return _decode(file, data)
    except (OSError, ValueError) as error:
        return empty.with_problem("unreadable", f"could not be read: {getattr(error, 'strerror', None) or error}")


@dataclass(slots=True, eq=False)
class _Sink:
    """What has been decoded so far of one file."""

    columns: dict[str, tuple[array[int], array[float], array[float], array[int]]] = field(default_factory=dict)
    histograms: dict[str, list[HistogramPoint]] = field(default_factory=dict)
    hyperparameters: dict[str, Plain] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    """Tag -> plugin: writers state it with the first value of a tag only."""
    bad_values: list[tuple[int, str]] = field(default_factory=list)
    """Offset and tag of values that a sound record holds, but that contradict themselves."""
    unsupported: Counter[str] = field(default_factory=Counter)
    left_aside: Counter[str] = field(default_factory=Counter)


def _decode(file: FoundFile, data: Bytes) -> EventFile:
    from google.protobuf.message import DecodeError

    # Measured in a fresh process: 0.04 s, and neither pandas nor a TensorFlow stub is loaded.
    from tensorboard.compat.proto.event_pb2 import Event

    damage: list[Damage] = []
    sink = _Sink()
    columns = sink.columns
    undecodable: list[int] = []
    records = 0
    started = ended = float("nan")
    version = False
    parse = Event.FromString
    for offset, payload in walk(data, damage):
        records += 1
        try:
            event = parse(payload)
        except DecodeError:
            undecodable.append(offset)
            continue
        wall_seconds = event.wall_time
        if records == 1:
            version = event.WhichOneof("what") == "file_version"
        if not started <= wall_seconds:
            started = wall_seconds
        if not ended >= wall_seconds:
            ended = wall_seconds
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                number = value.simple_value
            else:
                found = _other_value(value, event.step, offset, sink)
                if found is None:
                    continue
                number = found
            tag = value.tag
            column = columns.get(tag)
            if column is None:
                column = columns[tag] = (array("q"), array("d"), array("d"), array("q"))
            column[0].append(event.step)
            column[1].append(number)
            column[2].append(wall_seconds)
            column[3].append(records)
    notes: list[str] = []
    if records and not version and (not damage or damage[0].offset > 0):
        notes.append(f"{file.name} does not begin with the record that names its format version; what precedes it may be lost")
    if records and not columns and not sink.histograms and not sink.hyperparameters and not damage:
        notes.append(f"{file.name} holds no scalar, histogram or hyper-parameter ({counted(records, 'record')})")
    if sink.left_aside:
        notes.append(f"{file.name}: left aside {', '.join(counted(count, kind) for kind, count in sorted(sink.left_aside.items()))}")
    return EventFile(
        file=file,
        columns={tag: Column.of(*column) for tag, column in columns.items()},
        histograms=sink.histograms,
        hyperparameters=sink.hyperparameters,
        problems=problems_of(file.name, len(data), records, damage, undecodable, sink.bad_values, sink.unsupported),
        notes=tuple(notes),
        started=started,
        ended=ended,
    )


def _other_value(value: Summary.Value, step: int, offset: int, sink: _Sink) -> float | None:
    """The scalar in a value that is no `simple_value`; None for other kinds, which go into the sink."""
    tag, kind = value.tag, value.WhichOneof("value")
    plugin = value.metadata.plugin_data.plugin_name
    if plugin:
        sink.plugins.setdefault(tag, plugin)
    if plugin == summaries.HPARAMS_PLUGIN:
        found = summaries.hyperparameters_of(value)
        if found is None:
            sink.bad_values.append((offset, tag))
        else:
            sink.hyperparameters.update(found)
        return None
    if kind == "histo":
        _keep_histogram(summaries.histogram_of(value.histo), tag, step, offset, sink)
    elif kind == "tensor":
        return _tensor_value(value, step, offset, sink)
    elif kind is not None:
        sink.left_aside[kind.replace("obsolete_old_style_histogram", "old histogram")] += 1
    return None


def _tensor_value(value: Summary.Value, step: int, offset: int, sink: _Sink) -> float | None:
    tag, tensor = value.tag, value.tensor
    plugin = sink.plugins.get(tag, "")
    if summaries.is_text(tensor):
        settings = summaries.text_settings(tag, tensor)
        if settings:
            sink.hyperparameters.update(settings)
        else:
            sink.left_aside["text or image"] += 1
    elif plugin == summaries.HISTOGRAM_PLUGIN:
        _keep_histogram(summaries.tensor_histogram_of(tensor, named=True), tag, step, offset, sink)
    elif plugin in ("", "scalars"):
        number = summaries.scalar_of(tensor)
        if number is not None:
            return number
        buckets = None if plugin else summaries.tensor_histogram_of(tensor, named=False)
        if buckets is not None:
            _keep_histogram(buckets, tag, step, offset, sink)
        elif plugin and not summaries.is_numeric(tensor):
            sink.unsupported[tag] += 1
        elif plugin:
            sink.bad_values.append((offset, tag))
        else:
            sink.left_aside["tensor"] += 1
    else:
        sink.left_aside[f"value of plugin {plugin}"] += 1
    return None


def _keep_histogram(buckets: summaries.Buckets | None, tag: str, step: int, offset: int, sink: _Sink) -> None:
    if buckets is None:
        sink.bad_values.append((offset, tag))
    else:
        sink.histograms.setdefault(tag, []).append((step, *buckets))
