"""Goes through the pieces of a text log and keeps what its lines tell.

Training logs repeat themselves: lines that differ in numbers only say the same, so that each kind of line is looked at closely once and
passed over afterwards, at the speed of `bytes.translate` and `bytes.split`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from postmortem.read.console.lines import LINE_ENDS, Piece, clean
from postmortem.read.console.tracebacks import HEADER, LONGEST, Traceback, parse
from postmortem.read.console.words import DROPPED, NEEDLES, TEMPLATE, Said, exception_kind, progress_of, rank_of, said

_KNOWN = 200_000
"""Kinds of lines that are remembered; more are forgotten and looked at again."""
_KNOWN_BYTES = 32 << 20
_KNOWN_INCIDENTS = 2000
"""Incidents of one kind that say different things; further ones are counted together."""
_MOST_LEARNED = 200_000
"""Kinds of lines with a telling word that are looked at closely: 5,000 a second at worst. The last ones of a log always are."""
_TRACEBACKS = 500
_LAST_BYTES = 1 << 20
"""Of more tracebacks than `_TRACEBACKS` only those so near the end of the file are taken apart."""
_SHORT = 60
"""Lines of a traceback that are looked at first."""
_LONGEST_TEXT = 4096
_STARTS_APART = 20
_MOST_STARTS = 50
_HEADER_BYTES = HEADER.encode()
_HEADER_KIND = _HEADER_BYTES.translate(TEMPLATE, DROPPED)


@dataclass(slots=True)
class Group:
    """Incidents that say the same; what stands here is of the last of them."""

    said: Said
    first_line: int
    text: bytes = b""
    frame: str = ""
    rank: int | None = None
    frames: int = 0
    uncaught: bool = False
    cut: bool = False
    """Whether a line was cut off by it and goes on behind it, as buffered output does."""
    count: int = 0
    line: int = 0
    begin: int = 0
    end: int = 0


@dataclass(slots=True)
class Scan:
    """What is known while a log is gone through."""

    size: int
    """Bytes of the file."""
    hot: dict[bytes, Said | None] = field(default_factory=dict)
    """Kinds of lines that tell something, and what; None where that depends on a number in the line, or on the lines that follow."""
    cold: set[bytes] = field(default_factory=set)
    groups: dict[tuple[str, bytes], Group] = field(default_factory=dict)
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Offset and line of each start."""
    last_line: str = ""
    tracebacks: int = 0
    learned: int = 0
    """Lines that were looked at closely, each of a kind of its own."""
    unlearned: int = 0
    """Kinds of lines that were not, because there were too many before."""
    _opening: tuple[bytes, bytes] | None = None
    """Kinds of the first two lines that hold anything: where they come again, the job was started again."""
    _cold_bytes: int = 0
    _passed_over: int = 0
    """Offset up to which a traceback was taken in."""

    def look_at(self, piece: Piece, following: bytes) -> None:
        """Takes in what the lines of one piece tell; `following` holds the rest of a traceback that the piece ends in."""
        kinds = piece.data.translate(TEMPLATE, DROPPED).split(b"\n")
        distinct = set(kinds)
        new = distinct - self.hot.keys() - self.cold
        first = self._opening[0] if self._opening is not None else b""
        told = not distinct.isdisjoint(self.hot)
        if new or told or self._opening is None or (first and first in distinct):
            lines = piece.data.translate(LINE_ENDS).split(b"\n")
            if new:
                self._learn(new, kinds, lines, near_end=self.size - piece.offset - len(piece.data) < _LAST_BYTES)
            self._look_for_starts(kinds, distinct, lines, piece)
            if told or not new.isdisjoint(self.hot):
                self._take_in(piece, kinds, lines, following)
        end = piece.data[-65536:].translate(LINE_ENDS).split(b"\n")
        self.last_line = next((text for line in reversed(end) if line.strip() and (text := clean(line)).strip()), self.last_line)

    def _learn(self, new: set[bytes], kinds: Sequence[bytes], lines: Sequence[bytes], near_end: bool) -> None:
        """Tells which of the kinds of lines that were not seen before say anything."""
        self._cold_bytes += sum(map(len, new))
        if len(self.cold) > _KNOWN or self._cold_bytes > _KNOWN_BYTES:
            self.cold.clear()
            self._cold_bytes = sum(map(len, new))
        pending = _holding(b"\n".join(new))
        if self.learned + len(pending) > _MOST_LEARNED and not near_end:
            self.unlearned += len(pending)
            pending = set()
        self.learned += len(pending)
        for kind, line in zip(kinds, lines, strict=True) if pending else ():
            if kind in pending:
                pending.discard(kind)
                if _HEADER_KIND in kind or (b"exit" in kind and (b"code" in kind or b"status" in kind)):
                    self.hot[kind] = None
                elif (found := said(clean(line))) is not None:
                    self.hot[kind] = found
        self.cold |= new - self.hot.keys()

    def _take_in(self, piece: Piece, kinds: Sequence[bytes], lines: Sequence[bytes], following: bytes) -> None:
        offset, counted_to, number = piece.offset, 0, piece.lines_before + 1
        for index, (kind, line) in enumerate(zip(kinds, lines, strict=True)):
            begin, offset = offset, offset + len(line) + 1
            if kind not in self.hot or begin < self._passed_over:
                continue
            at = begin - piece.offset
            number += piece.data.count(b"\n", counted_to, at)
            counted_to = at
            if _HEADER_KIND in kind and HEADER in clean(line):
                self.tracebacks += 1
                if self.tracebacks <= _TRACEBACKS or self.size - begin < _LAST_BYTES:
                    block = _block(lines, index, following, piece.data.endswith((b"\n", b"\r")))
                    self._take_traceback(kinds, block, lines[max(0, index - 5) : index], number, begin, (piece.data, at, following))
            elif (found := self.hot[kind] or said(clean(line))) is not None:
                group = self._group(found, kind, line, number)
                group.begin, group.end = begin, offset

    def _take_traceback(
        self,
        kinds: Sequence[bytes],
        block: Sequence[bytes],
        above: Sequence[bytes],
        number: int,
        begin: int,
        place: tuple[bytes, int, bytes],
    ) -> None:
        """Takes in the traceback that a block of lines begins with; `place` is a piece, where in it that is, and the piece behind it."""
        before = next((last for line in reversed(above) if (last := clean(line).strip())), "")
        found = parse([clean(line) for line in block[:_SHORT]], before)
        if found is None or found.lines > _SHORT - 10:
            found = parse([clean(line) for line in block], before)
        if found is None:
            return
        self._passed_over = begin + _length(block[: found.lines])
        text, said_at = _reason(found)
        key = text.translate(TEMPLATE, DROPPED)
        group = self._group(Said(exception_kind(text.decode()), True), key, text, number + _line_ends(*place, _length(block[:said_at])))
        group.frame, group.uncaught, group.begin, group.end = found.frame, found.uncaught, begin, self._passed_over
        group.rank, group.frames = rank_of(clean(block[0])), found.frames
        before_it = block[0].partition(_HEADER_BYTES)[0]
        behind = block[found.lines] if found.lines < len(block) else b""
        group.cut = bool(before_it.strip()) and (before_it + behind).translate(TEMPLATE, DROPPED) in kinds

    def _group(self, found: Said, key: bytes, text: bytes, line: int) -> Group:
        """The incidents that say the same, this one counted and taken for the last."""
        key = key[:_LONGEST_TEXT] if len(self.groups) < _KNOWN_INCIDENTS else b""
        group = self.groups.get((found.kind, key))
        if group is None:
            group = self.groups[found.kind, key] = Group(found, line)
        group.count += 1
        group.text, group.line = text[:_LONGEST_TEXT], line
        return group

    def _look_for_starts(self, kinds: Sequence[bytes], distinct: set[bytes], lines: Sequence[bytes], piece: Piece) -> None:
        """Remembers where the log was begun again: where its first two lines come again, numbers aside."""
        if self._opening is None:
            held = list(islice((index for index, kind in enumerate(kinds) if len(kind.strip()) >= 8), 2))
            opening = [kinds[index] for index in held]
            tells = any(kinds[index] in self.hot or progress_of(clean(lines[index])) for index in held)
            self._opening = (opening[0], opening[1]) if len(set(opening)) == 2 and not tells else (b"", b"")
        first, second = self._opening
        if not first or first not in distinct or len(self.starts) >= _MOST_STARTS:
            return
        offset = 0
        for index, (kind, line) in enumerate(zip(kinds, lines, strict=True)):
            if kind == first and next((each for each in kinds[index + 1 : index + 6] if len(each.strip()) >= 8), b"") == second:
                number = piece.lines_before + piece.data.count(b"\n", 0, offset) + 1
                if len(self.starts) < _MOST_STARTS and (not self.starts or number - self.starts[-1][1] >= _STARTS_APART):
                    self.starts.append((piece.offset + offset, number))
            offset += len(line) + 1


def _block(lines: Sequence[bytes], index: int, following: bytes, whole: bool) -> list[bytes]:
    """The lines from one on, into the next piece where this one ends; `whole` says that it ends where a line ends."""
    block = list(lines[index : index + LONGEST])
    if len(block) < LONGEST and following:
        more = following[: LONGEST * 2000].translate(LINE_ENDS).split(b"\n")[: LONGEST - len(block)]
        block = block[:-1] + (more if whole else [block[-1] + more[0], *more[1:]])
    return block


def _line_ends(data: bytes, at: int, following: bytes, length: int) -> int:
    """How often a line ends in so many bytes from a place on, into the piece behind it where this one ends."""
    return data.count(b"\n", at, at + length) + following.count(b"\n", 0, max(0, at + length - len(data)))


def _length(lines: Sequence[bytes]) -> int:
    return sum(len(line) + 1 for line in lines)


def _holding(text: bytes) -> set[bytes]:
    """Those lines of a text that hold a needle."""
    found: set[bytes] = set()
    for needle in NEEDLES:
        at = text.find(needle)
        while at >= 0:
            end = text.find(b"\n", at)
            end = end if end >= 0 else len(text)
            found.add(text[text.rfind(b"\n", 0, at) + 1 : end])
            at = text.find(needle, end)
    return found


def _reason(found: Traceback) -> tuple[bytes, int]:
    """The exception to tell of, and how many lines below the header it stands: the first of a chain, or that somebody pressed Ctrl-C."""
    if exception_kind(found.last) == "stopped-by-hand":
        return found.last.encode(), found.lines - 1
    if not found.exception:
        return f"{HEADER}, without its end".encode(), 0
    return found.exception.encode(), found.line
