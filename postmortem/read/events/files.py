"""Reads TensorBoard event files: every scalar, histogram and hyper-parameter, nothing sampled away, damage counted.

tbparse and TensorBoard's own reader stop at the first damaged record without a word, sample, and take half a microsecond a byte.
So records are found here (`records`), those of scalars decoded as columns (`event_columns`), and the others one at a time
(`event_values`). Files that lie in one folder may be one training that was resumed, or several: `split_runs` tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from postmortem.model import FoundFile, Histogram, LoggedImages, Plain, Problem, Resume, Series
from postmortem.read.events.columns import FEWEST_ALIKE, LONGEST, decode_alike
from postmortem.read.events.problems import problems_of
from postmortem.read.events.records import FRAME_BYTES, Block, Bytes, Damage, Ints, blocks, sound_payload
from postmortem.read.events.settings import settings_of
from postmortem.read.events.trainings import Column, EventFile, partition, segments, unite
from postmortem.read.events.values import LATEST_SECONDS, Sink, decode_one
from postmortem.read.snapshots import snapshot
from postmortem.read.words import counted

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
    images: tuple[LoggedImages, ...] = ()
    resumes: tuple[Resume, ...] = ()


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
        images=tuple(image for file in files for image in file.images),
        resumes=united.resumes,
    )


def _read_file(file: FoundFile) -> EventFile:
    """One file; never raises for what the file holds or for being unreadable."""
    empty = EventFile(file, {}, {}, {})
    try:
        data = snapshot(file.path)
        if not data:
            return empty.with_problem("truncated", "is empty (0 bytes)")
        for signature, meaning in _NOT_EVENTS:
            if data[: len(signature)] == signature:
                return empty.with_problem("unsupported", f"{meaning}, no event file")
        return _decode(file, data)
    except (OSError, ValueError) as error:
        return empty.with_problem("unreadable", f"could not be read: {getattr(error, 'strerror', None) or error}")


def _decode(file: FoundFile, data: Bytes) -> EventFile:
    damage: list[Damage] = []
    sink = Sink()
    records = looked = 0
    for block in blocks(data, damage):
        read = _decode_block(data, block, looked, damage, sink)
        looked += block.starts.size
        records += read
    hyperparameters, bad, others = settings_of(sink.settings, sink.texts)
    unread = [(offset, "_hparams_") for offset in bad]
    sink.left_aside["text"] += others
    columns = {tag: Column(*column) for tag, column in sink.scalars.columns().items()}
    for column in columns.values():
        # 0: the record told no time; what lies beyond the year 9999 is none.
        column.wall_seconds[(column.wall_seconds == 0) | (np.abs(column.wall_seconds) > LATEST_SECONDS)] = np.nan
        sink.at_time(float(np.fmin.reduce(column.wall_seconds)))
        sink.at_time(float(np.fmax.reduce(column.wall_seconds)))
    whole = EventFile(
        file=file,
        columns=columns,
        histograms=sink.histograms,
        hyperparameters=hyperparameters,
        problems=problems_of(
            file.name,
            len(data),
            records,
            sorted(damage, key=lambda each: each.offset),
            sink.undecodable,
            sorted([*sink.bad_values, *unread]),
            sink.unsupported,
        ),
        started=sink.started,
        ended=sink.ended,
        images=sink.images.looked_at(file.group, file.name),
    )
    return replace(whole, notes=tuple(_notes(file.name, whole, records, damage, sink)))


def _notes(name: str, whole: EventFile, records: int, damage: Sequence[Damage], sink: Sink) -> Iterator[str]:
    if records and not sink.version and (not damage or min(each.offset for each in damage) > 0):
        yield f"{name} does not begin with the record that names its format version; what precedes it may be lost"
    if records and not whole.columns and not whole.histograms and not whole.hyperparameters and not whole.images and not damage:
        yield f"{name} holds no scalar, histogram or hyper-parameter ({counted(records, 'record')})"
    aside = [counted(count, kind) for kind, count in sorted(sink.left_aside.items()) if count]
    if aside:
        yield f"{name}: left aside {', '.join(aside)}"


def _decode_block(data: Bytes, block: Block, before: int, damage: list[Damage], sink: Sink) -> int:
    """Hands what the block's records hold to the sink; the answer is how many of them are sound.

    Records of one length are decoded together where there are many; all others, and what these left, one at a time.
    """
    numbers = np.arange(before + 1, before + 1 + block.starts.size)
    order = np.argsort(block.lengths, kind="stable")
    lengths, first, counts = np.unique(block.lengths[order], return_index=True, return_counts=True)
    single: list[Ints] = []
    together: list[tuple[int, Ints]] = []
    for length, begin, count in zip(lengths.tolist(), first.tolist(), counts.tolist(), strict=True):
        members = order[begin : begin + count]
        if count < FEWEST_ALIKE or length > LONGEST:
            single.append(members)
        else:
            together.append((length, members))
    sound = 0
    for index in np.sort(np.concatenate(single)).tolist() if single else ():
        sound += _decode_single(data, block, index, int(numbers[index]), damage, sink)
    for length, members in together:
        left = decode_alike(data, block.starts[members], length, numbers[members], sink.scalars)
        sound += members.size - left.size
        for index in members[left].tolist():
            sound += _decode_single(data, block, index, int(numbers[index]), damage, sink)
    return sound


def _decode_single(data: Bytes, block: Block, index: int, number: int, damage: list[Damage], sink: Sink) -> bool:
    start, length = int(block.starts[index]), int(block.lengths[index])
    payload = sound_payload(data, start, length)
    if payload is None:
        damage.append(Damage("payload", start, length + FRAME_BYTES))
        return False
    decode_one(data, start, payload, number, sink)
    return True
