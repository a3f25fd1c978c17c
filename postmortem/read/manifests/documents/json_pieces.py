"""A large JSON object of arrays of objects, read in pieces: memory stays small, and damage in one place costs that place alone.

An array is cut where an object ends and the next begins with the same first name (`}, {"segmentation":`). Such a cut may lie within a text
or a nested array, so it is a guess, and the decoder proves it: the array's first object begins where the array does, and a piece that
decodes as an array ends where an object ends, so that the next one begins there. What does not decode is looked at in three ways:
the array ends in it, the cut was wrong, or it is damaged. Pieces of a large file are decoded by several processes.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

PIECE_BYTES = 4 << 20
LARGEST_PIECE_BYTES = 64 << 20
"""An object, or what stands beside the arrays, beyond this is given up as damaged."""
PARALLEL_BYTES = 48 << 20
"""Smaller files are decoded before processes would have started."""
_MOST_PROCESSES = 4
_AHEAD = 3
_WINDOW_BYTES = 1 << 15
_MOST_SINGLES = 100_000
"""Damaged objects that are looked for one by one."""

_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_NAME = re.compile(rb"\s*,?\s*(" + _TEXT + rb")\s*:\s*", re.DOTALL)
_FIRST_NAME = re.compile(rb"\{\s*(" + _TEXT + rb")\s*:", re.DOTALL)
_OBJECTS = re.compile(rb"\[\s*(?=\{)")
_TOKEN = re.compile(_TEXT + rb"|[\[\]{}]", re.DOTALL)
_PLAIN = re.compile(rb"[^\s,}\]\[{\"]+")
_ARRAY_END = re.compile(rb"\}\s*\]")

Decode: TypeAlias = Callable[[bytes | bytearray], Any]
"""Turns the bytes of a JSON array into a result that can be sent between processes; must raise ValueError where they are no such array."""


@dataclass(frozen=True, slots=True)
class Damage:
    """A place that could not be read."""

    section: str
    byte: int
    """Where it begins in the file."""
    objects: int
    """How many objects were lost there, at least."""
    cut: bool
    """Whether the file ends in it."""


@dataclass(slots=True)
class Sections:
    """What a file holds."""

    results: dict[str, list[Any]] = field(default_factory=dict)
    """Name of an array -> what its decoder made of each piece; an empty list where the array is empty."""
    others: dict[str, bytes] = field(default_factory=dict)
    """Names whose value is no array of objects -> the first bytes of the value."""
    damage: list[Damage] = field(default_factory=list)


class NotSections(Exception):  # noqa: N818  reads as the sentence that it is
    """The file is no JSON object at all."""


def read_sections(path: Path, decoders: Mapping[str, Decode], other: Decode) -> Sections:
    """Everything of a JSON object, arrays of objects by the decoder of their name, or by `other`.

    Raises:
        NotSections: the file does not begin as a JSON object.
        OSError: it cannot be read.
    """
    found = Sections()
    with path.open("rb") as file, ExitStack() as stack:
        size = file.seek(0, 2)
        pool = _pool(stack) if size >= PARALLEL_BYTES else None
        position = _beginning(_bytes(file, 0, 1 << 16))
        while position < size:
            window = _bytes(file, position, 1 << 16)
            if window.lstrip()[:1] == b"}":
                break
            if not window.strip():
                position += len(window)
                continue
            name = _NAME.match(window)
            if name is None:
                found.damage.append(Damage("", position, 0, position + len(window) >= size))
                return found
            key = json.loads(name[1].decode("utf-8", "replace"), strict=False)
            position += name.end()
            opening = _OBJECTS.match(window, name.end())
            if opening:
                decode = decoders.get(key, other)
                reading = _Array(path, file, size, key, decode, pool, found)
                position = reading.read(position + opening.end() - opening.start())
            else:
                start, position = position, _skipped(file, position, size)
                found.others[key] = window[name.end() : name.end() + min(position - start, 4096)]
                if window[name.end() :].replace(b" ", b"").startswith(b"[]"):
                    found.results.setdefault(key, [])
            if position < 0:
                return found
        else:
            found.damage.append(Damage("", size, 0, True))
    return found


def _beginning(head: bytes) -> int:
    """Where the first name stands."""
    mark = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    text = head[mark:].lstrip()
    if not text.startswith(b"{"):
        raise NotSections
    return len(head) - len(text) + 1


def _bytes(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def _skipped(file: BinaryIO, start: int, size: int) -> int:
    """Where the value that begins here ends; the file's size where it does not end within the largest piece."""
    window, length = b"", 1 << 16
    while True:
        window = _bytes(file, start, length)
        end = _value_end(window)
        if end is not None and (end < len(window) or start + end == size):
            return start + end
        if length > LARGEST_PIECE_BYTES or start + length >= size:
            return size
        length *= 4


def _value_end(window: bytes) -> int | None:
    plain = _PLAIN.match(window)
    if plain:
        return plain.end()
    depth = 0
    for token in _TOKEN.finditer(window):
        if token[0][:1] != b'"':
            depth += 1 if token[0] in b"[{" else -1
        if depth <= 0:
            return token.end()
    return None


def _pool(stack: ExitStack) -> ProcessPoolExecutor | None:
    """Processes that decode, where this system forks them; they touch the file alone."""
    import os
    from multiprocessing import current_process, get_context

    processes = min(_MOST_PROCESSES, len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    if processes < 2 or current_process().daemon:  # a daemon may have no children
        return None
    return stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("fork")))


def _decoded(path: Path, start: int, end: int, decode: Decode) -> Any:
    """One piece as its decoder's result, None where it does not decode: errors of decoders need not be fit to be sent."""
    array = bytearray(end - start + 2)
    array[0], array[-1] = b"[]"
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        filled = file.readinto(memoryview(array)[1:-1])
        if filled != end - start:  # it became shorter, or the system gives less at once
            array[1:-1] = _bytes(file, start, end - start)
    return _tried(decode, array)


def _tried(decode: Decode, array: bytes | bytearray) -> Any:
    collecting = gc.isenabled()
    gc.disable()  # a million small tuples would set it off a thousand times, and none of them is garbage
    try:
        return decode(array)
    except ValueError:
        return None
    finally:
        if collecting:
            gc.enable()


def _array(objects: bytes) -> bytes:
    return b"[" + objects + b"]"


@dataclass(slots=True)
class _Array:
    """One array of objects on its way from the file."""

    path: Path
    file: BinaryIO
    size: int
    name: str
    decode: Decode
    pool: ProcessPoolExecutor | None
    found: Sections

    def read(self, start: int) -> int:
        """Decode the array whose first object begins here; the answer is where it ends, behind its bracket, or -1 where the file does."""
        results = self.found.results.setdefault(self.name, [])
        first = _FIRST_NAME.match(_bytes(self.file, start, 1 << 16))
        name = rb'"' if first is None else re.escape(first[1]) + rb"\s*:"
        boundary = re.compile(rb"\}\s*,\s*(?=\{\s*" + name + rb")")
        position = start
        while True:
            ahead = self._ahead(position, boundary)
            for position, _, following, result in ahead:  # noqa: B007  the last one is where to go on slowly
                if result is None or following is None:
                    break
                results.append(result)
            ahead.close()
            position, closed = self._slowly(position, boundary, results)
            if closed:
                return position

    def _cuts(self, position: int, boundary: re.Pattern[bytes]) -> Iterator[tuple[int, int, int | None]]:
        """Begin, end and next begin of each piece, as guessed; the last one has no next."""
        while True:
            after = position + PIECE_BYTES
            match = None
            for length in (_WINDOW_BYTES, PIECE_BYTES):  # an object is small as a rule
                match = match or boundary.search(_bytes(self.file, after, length))
            if match is None:
                yield position, min(self.size, after + PIECE_BYTES), None
                return
            following = after + match.end()
            yield position, after + match.start() + 1, following
            position = following

    def _ahead(self, position: int, boundary: re.Pattern[bytes]) -> Generator[tuple[int, int, int | None, Any], None, None]:
        """Pieces with their results, in order; with processes, some are under way while one is looked at."""
        cuts = self._cuts(position, boundary)
        if self.pool is None:
            for begin, end, following in cuts:
                result = None if following is None else _decoded(self.path, begin, end, self.decode)
                yield begin, end, following, result
            return
        pending: deque[tuple[int, int, int | None, Future[Any] | None]] = deque()
        try:
            for begin, end, following in cuts:
                pending.append((begin, end, following, None if following is None else self._submitted(begin, end)))
                if len(pending) > _AHEAD:
                    yield self._settled(pending.popleft())
            while pending:
                yield self._settled(pending.popleft())
        finally:
            for *_, future in pending:
                if future is not None:
                    future.cancel()

    def _submitted(self, begin: int, end: int) -> Future[Any] | None:
        assert self.pool is not None
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork beside threads; a child decodes bytes of a file and does nothing else.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                return self.pool.submit(_decoded, self.path, begin, end, self.decode)
            except (OSError, RuntimeError):  # no process is to be had, or one was killed
                return None

    def _settled(self, piece: tuple[int, int, int | None, Future[Any] | None]) -> tuple[int, int, int | None, Any]:
        begin, end, following, future = piece
        if following is None:
            return begin, end, None, None
        try:
            result = _decoded(self.path, begin, end, self.decode) if future is None else future.result()
        except BrokenProcessPool:
            result = _decoded(self.path, begin, end, self.decode)
        return begin, end, following, result

    def _slowly(self, position: int, boundary: re.Pattern[bytes], results: list[Any]) -> tuple[int, bool]:
        """A piece that the quick way could not decode: where to go on, and whether the array (or the file) ended there."""
        length = 2 * PIECE_BYTES
        while True:
            data = _bytes(self.file, position, length)
            whole = position + len(data) >= self.size
            closing = _closing(data, self.decode)
            if closing is not None:
                results.append(closing[1])
                return position + closing[0], True
            step = _balanced(data, boundary, self.decode)
            if step is not None:
                results.append(step[1])
                return position + step[0], False
            if whole or length >= LARGEST_PIECE_BYTES or len(boundary.findall(data)) > 1:
                return self._salvaged(position, data, boundary, results)
            length *= 4

    def _salvaged(self, position: int, data: bytes, boundary: re.Pattern[bytes], results: list[Any]) -> tuple[int, bool]:
        """What decodes of a damaged piece."""
        matches = list(boundary.finditer(data))
        ends = [*(match.start() + 1 for match in matches), len(data)]
        begins = [0, *(match.end() for match in matches)]
        whole = position + len(data) >= self.size
        last = len(begins) if whole or len(begins) == 1 else len(begins) - 1  # the last one goes on behind the data
        lost: list[int] = []
        closed: list[int] = []

        def halves(low: int, high: int) -> None:
            if closed or low >= high or len(lost) >= _MOST_SINGLES:
                return
            result = _tried(self.decode, _array(data[begins[low] : ends[high - 1]].rstrip(b", \r\n\t")))
            if result is not None:
                results.append(result)
            elif high - low > 1:
                middle = (low + high) // 2
                halves(low, middle)
                halves(middle, high)
            else:
                closing = _closing(data[begins[low] : ends[low]], self.decode)
                if closing is None:
                    lost.append(begins[low])
                else:
                    results.append(closing[1])
                    closed.append(begins[low] + closing[0])

        halves(0, last)
        at_end = whole and bool(lost) and lost[-1] == begins[-1]
        if lost or (whole and not closed):
            at = position + (lost[0] if lost else len(data))
            self.found.damage.append(Damage(self.name, at, len(lost), at_end or (whole and not closed)))
        if closed:
            return position + closed[0], True
        if whole or len(begins) == 1:
            return -1, True
        return position + begins[-1], False


def _closing(data: bytes, decode: Decode) -> tuple[int, Any] | None:
    """Where an array ends within the data, behind its bracket, and what the objects up to there are."""
    depth = [0, 0]
    looked = 0
    for match in _ARRAY_END.finditer(data):
        end = match.start() + 1
        depth[0] += data.count(b"{", looked, end) - data.count(b"}", looked, end)
        depth[1] += data.count(b"[", looked, end) - data.count(b"]", looked, end)
        looked = end
        if depth == [0, 0]:
            result = _tried(decode, _array(data[:end]))
            if result is not None:
                return match.end(), result
    # Brackets in texts lead the count astray. Slower, but surely:
    level = 0
    for token in _TOKEN.finditer(data):
        if token[0][:1] != b'"':
            level += 1 if token[0] in b"[{" else -1
        if level < 0:
            result = _tried(decode, _array(data[: token.start()])) if token[0] == b"]" else None
            return None if result is None else (token.end(), result)
    return None


def _balanced(data: bytes, boundary: re.Pattern[bytes], decode: Decode) -> tuple[int, Any] | None:
    """The last cut of which the brackets say that it lies between objects of the array itself, and what the objects up to there are."""
    depth = [0, 0]
    looked = 0
    good: Sequence[int] = ()
    for match in boundary.finditer(data):
        end = match.start() + 1
        depth[0] += data.count(b"{", looked, end) - data.count(b"}", looked, end)
        depth[1] += data.count(b"[", looked, end) - data.count(b"]", looked, end)
        looked = end
        if depth == [0, 0]:
            good = (end, match.end())
    if not good:
        return None
    result = _tried(decode, _array(data[: good[0]]))
    return None if result is None else (good[1], result)
