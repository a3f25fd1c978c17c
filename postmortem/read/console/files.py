"""Reads text logs: what a terminal or a scheduler kept of a job, for how the job ended.

A log tells of incidents; how much of what looks like training follows each of them is counted here, and judged elsewhere.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest

from postmortem.model import Console, FoundFile, Incident, Problem
from postmortem.read.console.lines import LINE_ENDS, Piece, clean, pieces, shown
from postmortem.read.console.scan import Group, Scan
from postmortem.read.console.words import DROPPED, TEMPLATE, progress_of, rank_of, reached_end

_BINARY = 0.3
"""Share of zero bytes in the first piece above which a file is no text."""
_TAIL = 1 << 20
"""Bytes at the end of a log in which lines of progress are counted: an incident that ended the job lies well within."""
_NEWEST = 2000
"""Lines of progress that are kept to tell whether the last epoch came to its end."""
_MOST_INCIDENTS = 5000
_IMPORT = ("ImportError", "ModuleNotFoundError")


@dataclass(frozen=True, slots=True)
class ConsoleData:
    """What one text log tells."""

    console: Console | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def read_console(file: FoundFile) -> ConsoleData:
    """What one file of role `console` tells; never raises for what the file holds."""
    scan = Scan(file.bytes)
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
                scan.look_at(held, piece.data)
            skipped += piece.skipped_bytes
            held = piece
            last = [*last[-1:], piece]
        if held is not None:
            scan.look_at(held, b"")
    except OSError as error:
        return ConsoleData(problems=(Problem(file.name, "unreadable", f"could not be read: {error.strerror or error}"),))
    if not last:
        return ConsoleData(Console(file.name, 0, 0, ()))
    size = last[-1].offset + len(last[-1].data)
    lines = last[-1].lines_before + last[-1].data.count(b"\n") + (not last[-1].data.endswith(b"\n"))
    every, losses, newest = _progress(last, scan)
    begun = scan.starts[-1][0] if scan.starts else 0
    # Of a log in which everything sounds like an incident, the last ones: they are nearest to how the job ended.
    groups = nlargest(_MOST_INCIDENTS, (group for group in scan.groups.values() if group.end > begun), key=lambda one: one.end)
    told = (*(_incident(group, every, losses, size) for group in groups), *_end_by_number(last, losses, newest, size))
    incidents = sorted(told, key=lambda one: one.line)
    console = Console(
        file.name, lines, size, tuple(incidents), max(1, len(scan.starts)), len(every), shown(scan.last_line), skipped, scan.unlearned
    )
    return ConsoleData(console, notes=tuple(_notes(console)))


def _notes(console: Console) -> Iterator[str]:
    if console.lines_skipped:
        many = f"{console.source} holds too many lines that each differ"
        yield f"{many}: {console.lines_skipped} of them in its middle were not looked at closely"
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


# --- the end ----------------------------------------------------------------------------------------------------------


def _progress(last: Sequence[Piece], scan: Scan) -> tuple[list[int], list[int], Sequence[tuple[bytes, bytes]]]:
    """Offsets of lines of training progress near the end, and of those that name an epoch or a loss; the newest of the latter."""
    newest: deque[tuple[bytes, bytes]] = deque(maxlen=_NEWEST)
    known: dict[bytes, int] = {}
    every: list[int] = []
    losses: list[int] = []
    size = last[-1].offset + len(last[-1].data)
    for piece in last:
        cut = max(0, size - _TAIL - piece.offset)
        data = piece.data[cut:]
        offset = piece.offset + cut
        lines = data.translate(LINE_ENDS).split(b"\n")
        for kind, line in zip(data.translate(TEMPLATE, DROPPED).split(b"\n"), lines, strict=True):
            begin, offset = offset, offset + len(line) + 1
            grade = known.get(kind)
            if grade is None:
                grade = known[kind] = 0 if kind in scan.hot else progress_of(clean(line))
            if grade:
                every.append(begin)
                if grade == 2:
                    losses.append(begin)
                    newest.append((kind, line))
    return every, losses, newest


def _end_by_number(last: Sequence[Piece], losses: Sequence[int], newest: Sequence[tuple[bytes, bytes]], size: int) -> Iterator[Incident]:
    """The end that the numbers of the last line of progress tell (`Epoch [20/20]`), where no words do."""
    told = [(kind, clean(line)) for kind, line in newest]
    if not told or not reached_end(told):
        return
    piece = next(piece for piece in reversed(last) if piece.offset <= losses[-1])
    line = piece.lines_before + piece.data.count(b"\n", 0, losses[-1] - piece.offset) + 1
    behind = max(0, size - losses[-1] - len(newest[-1][1]))
    yield Incident("finished", line, shown(told[-1][1].strip()), first_line=line, loud=False, bytes_after=behind)


def _incident(group: Group, every: Sequence[int], losses: Sequence[int], size: int) -> Incident:
    end = group.end - 1
    text = clean(group.text)
    return Incident(
        kind=group.said.kind,
        line=group.line,
        text=shown(text),
        frame=shown(group.frame),
        rank=group.rank if group.rank is not None else rank_of(text),
        count=group.count,
        first_line=group.first_line,
        uncaught=group.uncaught,
        # Nothing told of progress before it, though it came from within the training code: all of that may have been held back. A module
        # that cannot be imported, or a line of the main script itself, fails before training begins.
        buffered=group.cut or (bisect_left(every, group.begin) == 0 and group.frames >= 2 and not text.startswith(_IMPORT)),
        loud=group.said.loud,
        progress_after=len(every) - bisect_right(every, end - 1),
        losses_after=len(losses) - bisect_right(losses, end - 1),
        bytes_after=max(0, size - end),
    )
