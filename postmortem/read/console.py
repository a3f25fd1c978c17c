"""Reads text logs: what a terminal or a scheduler kept of a job, for how the job ended.

The whole log is looked at. Training logs repeat themselves: lines that differ in numbers only say the same, so that each kind of line
is looked at closely once and passed over afterwards, at the speed of `bytes.translate` and `bytes.split`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from postmortem.model import Console, FoundFile, Incident, Problem
from postmortem.read.console_lines import LINE_ENDS, Piece, clean, pieces, shown
from postmortem.read.console_tracebacks import HEADER, LONGEST, parse
from postmortem.read.console_words import DROPPED, NEEDLES, TEMPLATE, Said, exception_kind, progress_of, rank_of, said

_KNOWN = 200_000
"""Kinds of lines that are remembered; more are forgotten and looked at again."""
_BINARY = 0.3
"""Share of zero bytes in the first piece above which a file is no text."""
_STARTS_APART = 20
_MOST_STARTS = 50
_IMPORT = ("ImportError", "ModuleNotFoundError")
_HEADER_BYTES = HEADER.encode()


@dataclass(frozen=True, slots=True)
class ConsoleData:
    """What one text log tells."""

    console: Console | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Group:
    """Incidents that say the same."""

    said: Said
    first_line: int
    text: str = ""
    frame: str = ""
    rank: int | None = None
    uncaught: bool = False
    cut: bool = False
    """Whether a line was cut off by it and goes on behind it, as buffered output does."""
    count: int = 0
    line: int = 0
    begin: int = 0
    end: int = 0


@dataclass(slots=True)
class _Scan:
    """What is known while a log is gone through."""

    hot: set[bytes] = field(default_factory=set)
    """Kinds of lines that tell something."""
    cold: set[bytes] = field(default_factory=set)
    groups: dict[tuple[str, bytes], _Group] = field(default_factory=dict)
    opening: tuple[bytes, bytes] | None = None
    """Kinds of the first two lines that hold anything: where they come again, the job was started again."""
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Offset and line of each start."""
    passed_over: int = 0
    """Offset up to which a traceback was taken in."""
    last_line: str = ""


def read_console(file: FoundFile) -> ConsoleData:
    """What one file of role `console` tells; never raises for what the file holds."""
    scan = _Scan()
    last: list[Piece] = []
    skipped = 0
    try:
        held: Piece | None = None
        for piece in pieces(file.path):
            if held is None:
                problem = _no_text(piece, file)
                if problem is not None:
                    return ConsoleData(problems=(problem,))
            else:
                _look_at(held, piece.data, scan)
            skipped += piece.skipped_bytes
            held = piece
            last = [*last[-1:], piece]
        if held is not None:
            _look_at(held, b"", scan)
    except OSError as error:
        return ConsoleData(problems=(Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}"),))
    if not last:
        return ConsoleData(Console(file.name, 0, 0, ()))
    size = last[-1].offset + len(last[-1].data)
    lines = last[-1].lines_before + last[-1].data.count(b"\n") + (not last[-1].data.endswith(b"\n"))
    every, losses = _progress(last, scan)
    begun = scan.starts[-1][0] if scan.starts else 0
    incidents = sorted(
        (_incident(group, every, losses, size) for group in scan.groups.values() if group.end > begun), key=lambda one: one.line
    )
    console = Console(file.name, lines, size, tuple(incidents), max(1, len(scan.starts)), len(every), shown(scan.last_line), skipped)
    return ConsoleData(console, notes=tuple(_notes(console)))


def _notes(console: Console) -> Iterator[str]:
    if console.starts > 1:
        yield f"the first two lines of {console.source} come {console.starts} times: taken as starts of the job, of which the last counts"
    if console.bytes_skipped:
        yield f"{console.source} is very large: {console.bytes_skipped} bytes in its middle were not looked at"


def _no_text(piece: Piece, file: FoundFile) -> Problem | None:
    if piece.data.startswith(b"version https://git-lfs"):
        return Problem(file.name, "unsupported", "is a git-LFS pointer: the file itself was never fetched")
    zeros = piece.data.count(0)
    if zeros > _BINARY * len(piece.data):
        return Problem(file.name, "unsupported", f"is called like a text log and is no text ({zeros} zero bytes at its beginning)")
    return None


# --- one piece --------------------------------------------------------------------------------------------------------


def _look_at(piece: Piece, following: bytes, scan: _Scan) -> None:
    """Takes in what the lines of one piece tell; `following` holds the rest of a traceback that the piece ends in."""
    kinds = piece.data.translate(TEMPLATE, DROPPED).split(b"\n")
    distinct = set(kinds)
    new = distinct - scan.hot - scan.cold
    lines = piece.data.translate(LINE_ENDS).split(b"\n")
    if new:
        _learn(new, kinds, lines, scan)
    _starts(kinds, lines, piece, scan)
    if not scan.hot.isdisjoint(distinct):
        _take_in(piece, kinds, lines, following, scan)
    scan.last_line = next((text for line in reversed(lines) if line.strip() and (text := clean(line)).strip()), scan.last_line)


def _learn(new: set[bytes], kinds: Sequence[bytes], lines: Sequence[bytes], scan: _Scan) -> None:
    """Tells which of the kinds of lines that were not seen before say anything."""
    if len(scan.cold) > _KNOWN:
        scan.cold.clear()
    together = b"\n".join(new)
    needles = [needle for needle in NEEDLES if needle in together]
    maybe = {kind for kind in new if any(needle in kind for needle in needles)} if needles else set()
    if maybe:
        pending = set(maybe)
        for kind, line in zip(kinds, lines, strict=True):
            if kind in pending:
                pending.discard(kind)
                text = clean(line)
                if HEADER in text or said(text) is not None:
                    scan.hot.add(kind)
    scan.cold |= new - scan.hot


def _take_in(piece: Piece, kinds: Sequence[bytes], lines: Sequence[bytes], following: bytes, scan: _Scan) -> None:
    offset = piece.offset
    counted_to, line_number = 0, piece.lines_before + 1
    for index, (kind, line) in enumerate(zip(kinds, lines, strict=True)):
        begin, offset = offset, offset + len(line) + 1
        if kind not in scan.hot or begin < scan.passed_over:
            continue
        at = begin - piece.offset
        line_number += piece.data.count(b"\n", counted_to, at)
        counted_to = at
        text = clean(line)
        if HEADER in text:
            _take_traceback(kinds, lines, index, following, line_number, begin, scan)
        elif (found := said(text)) is not None:
            group = _group(scan, found, kind, text, line_number)
            group.begin, group.end, group.rank = begin, offset, rank_of(text)


def _take_traceback(
    kinds: Sequence[bytes], lines: Sequence[bytes], index: int, following: bytes, line_number: int, begin: int, scan: _Scan
) -> None:
    block = list(lines[index : index + LONGEST])
    if len(block) < LONGEST and following:
        # The piece ends with a line end, after which `split` left an empty rest.
        block = block[:-1] + following[: LONGEST * 2000].translate(LINE_ENDS).split(b"\n")[: LONGEST - len(block)]
    before = next((text for line in reversed(lines[max(0, index - 5) : index]) if (text := clean(line).strip())), "")
    texts = [clean(line) for line in block]
    found = parse(texts, before)
    if found is None:
        return
    end = begin + sum(len(line) + 1 for line in block[: found.lines])
    scan.passed_over = end
    by_hand = exception_kind(found.last) == "stopped-by-hand"
    exception = found.last if by_hand else found.exception
    kind = exception_kind(exception) if exception else "traceback"
    text = exception or f"{HEADER}, without its end"
    key = text.encode().translate(TEMPLATE, DROPPED)
    line = line_number + (found.lines - 1 if by_hand else found.line)
    group = _group(scan, Said(kind, True), key, text, line)
    group.frame, group.uncaught, group.begin, group.end, group.rank = found.frame, found.uncaught, begin, end, rank_of(texts[0])
    before_it = lines[index].partition(_HEADER_BYTES)[0]
    behind = lines[index + found.lines] if index + found.lines < len(lines) else b""
    group.cut = bool(before_it.strip()) and (before_it + behind).translate(TEMPLATE, DROPPED) in kinds


def _group(scan: _Scan, found: Said, key: bytes, text: str, line: int) -> _Group:
    """The incidents that say the same, this one counted and taken for the last."""
    group = scan.groups.setdefault((found.kind, key if len(scan.groups) < _KNOWN else b""), _Group(found, line))
    group.count += 1
    group.text, group.line = text, line
    return group


def _starts(kinds: Sequence[bytes], lines: Sequence[bytes], piece: Piece, scan: _Scan) -> None:
    """Remembers where the log was begun again: where its first two lines come again, numbers aside."""
    if scan.opening is None:
        held = [index for index, kind in enumerate(kinds) if len(kind.strip()) >= 8][:2]
        opening = [kinds[index] for index in held]
        tells = any(kinds[index] in scan.hot or progress_of(clean(lines[index])) for index in held)
        scan.opening = (opening[0], opening[1]) if len(set(opening)) == 2 and not tells else (b"", b"")
    first, second = scan.opening
    if not first or first not in kinds or len(scan.starts) >= _MOST_STARTS:
        return
    offset = 0
    for index, (kind, line) in enumerate(zip(kinds, lines, strict=True)):
        if kind == first and next((each for each in kinds[index + 1 : index + 6] if len(each.strip()) >= 8), b"") == second:
            number = piece.lines_before + piece.data.count(b"\n", 0, offset) + 1
            if len(scan.starts) < _MOST_STARTS and (not scan.starts or number - scan.starts[-1][1] >= _STARTS_APART):
                scan.starts.append((piece.offset + offset, number))
        offset += len(line) + 1


# --- the end ----------------------------------------------------------------------------------------------------------


def _progress(last: Sequence[Piece], scan: _Scan) -> tuple[list[int], list[int]]:
    """Offsets of lines of training progress in the last two pieces, and of those that name an epoch or a loss."""
    known: dict[bytes, int] = {}
    every: list[int] = []
    losses: list[int] = []
    for piece in last:
        offset = piece.offset
        lines = piece.data.translate(LINE_ENDS).split(b"\n")
        for kind, line in zip(piece.data.translate(TEMPLATE, DROPPED).split(b"\n"), lines, strict=True):
            begin, offset = offset, offset + len(line) + 1
            grade = known.get(kind)
            if grade is None:
                grade = known[kind] = 0 if kind in scan.hot else progress_of(clean(line))
            if grade:
                every.append(begin)
                if grade == 2:
                    losses.append(begin)
    return every, losses


def _incident(group: _Group, every: Sequence[int], losses: Sequence[int], size: int) -> Incident:
    end = group.end - 1
    return Incident(
        kind=group.said.kind,
        line=group.line,
        text=shown(group.text),
        frame=shown(group.frame),
        rank=group.rank,
        count=group.count,
        first_line=group.first_line,
        uncaught=group.uncaught,
        # Nothing told of progress before it, though training had begun: a module that cannot be imported fails before that.
        buffered=group.cut or (bisect_left(every, group.begin) == 0 and not group.text.startswith(_IMPORT)),
        loud=group.said.loud,
        progress_after=len(every) - bisect_right(every, end - 1),
        losses_after=len(losses) - bisect_right(losses, end - 1),
        bytes_after=max(0, size - end),
    )
