"""Python tracebacks in text logs: the exception that began it all, the user's own innermost frame, and whether anything caught it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from postmortem.read.console.words import bare

HEADER = "Traceback (most recent call last)"
LONGEST = 400
"""Lines of a chain of tracebacks that are looked at."""

_FRAME = re.compile(r'>?\s{0,8}File "([^"]{1,500})", line (\d{1,7})(?:, in (.{1,200}))?$')
_RICH_FRAME = re.compile(r"[│|]\s{0,4}(\S{1,300}\.py):(\d{1,7}) in (\S{1,200})")
_EXCEPTION = re.compile(
    r"(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Za-z_]\w{0,60}(?:Error|Exception|Interrupt|Exit|Iteration|Timeout|Warning|Failure)(?:: |:?$)"
)
_OTHER_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{2,60}(?:: \S|$)")
_CHAINED = ("During handling of the above exception, another exception", "The above exception was the direct cause of")
_INSTALLED = re.compile(
    r"(?:site|dist)-packages|/lib(?:64)?/python[\d.]{1,5}/|\\lib\\|<frozen |<string>|<decorator|importlib|/runpy\.py|"
    r"torchinductor|autograph_generated",
    re.IGNORECASE,
)
_LAUNCHER = re.compile(r"<frozen runpy>|runpy\.py$")
_DEAD_ALL_THE_SAME = "Error executing job with overrides"  # Hydra cuts its own frames off, the main script's with them
_NEVER_FATAL = ("Exception ignored in", "Exception in thread", "Error in atexit", "--- Logging error ---")
_CAUGHT = re.compile(r"\bwarn(?:ing)?\b|\bdebug\b|^Process \S{1,60}:$", re.IGNORECASE)


class Traceback(NamedTuple):
    """What a chain of tracebacks says."""

    exception: str
    """`Type: message` of the first of the chain: what brought the others about."""
    last: str
    """The same of the last; equal where there is one only."""
    frame: str
    frames: int
    """How many frames the last of the chain has."""
    uncaught: bool
    line: int
    """Lines from its header to that of `exception`."""
    lines: int
    """Lines from its header to its end, that included."""


class _Link(NamedTuple):
    exception: str
    frame: str
    own: bool
    """Whether the frame lies outside of installed packages."""
    frames: int
    from_top: bool
    said_at: int
    """Where in the body the exception stands."""
    end: int


def parse(lines: Sequence[str], before: str) -> Traceback | None:
    """The chain of tracebacks that begins with the first line (which holds HEADER).

    Args:
        lines: cleaned, with their indentation, as far as they are there.
        before: the line before them that holds anything.

    Returns:
        None where it cannot have ended anything: raised in a destructor, a thread or while exiting, or without an end and a frame.
    """
    prefix = lines[0][: lines[0].index(HEADER)]
    if any(before.startswith(words) or words in prefix for words in _NEVER_FATAL):
        return None
    body = _own_lines(lines[:LONGEST], prefix.split("╭")[0])
    links = [_link(body, 0)]
    while (following := _next_link(body, links[-1].end)) is not None:
        links.append(_link(body, following))
    first, last = links[0], links[-1]
    if not first.exception and not first.frame:
        return None
    frame = next((link.frame for link in links if link.own), first.frame or last.frame)
    uncaught = (last.from_top and not _CAUGHT.search(prefix) and not _CAUGHT.search(before)) or before.startswith(_DEAD_ALL_THE_SAME)
    end = body[min(last.end, len(body) - 1)][0] + 1
    return Traceback(first.exception, last.exception, frame, last.frames, uncaught, body[first.said_at][0], end)


def _own_lines(lines: Sequence[str], prefix: str) -> list[tuple[int, str]]:
    """Index and text of the lines of this traceback: other ranks write between them, and launchers put names before them."""
    numbered = list(enumerate(lines))
    if not prefix.strip():
        return numbered
    mine = [(index, line[len(prefix) :]) for index, line in numbered if line.startswith(prefix)]
    if len(mine) >= 3:
        return mine
    return [(index, bare(line)) for index, line in numbered]


def _link(body: Sequence[tuple[int, str]], start: int) -> _Link:
    """One traceback of the chain, from its header on."""
    frames: list[tuple[str, str, str]] = []
    maybe = ""
    maybe_end = end = start
    for position in range(start + 1, len(body)):
        line = body[position][1]
        found = _FRAME.match(line) or _RICH_FRAME.search(line)
        if found is not None:
            frames.append((found[1], found[2], (found[3] or "").strip()))
            end = position
        elif HEADER in line and not line.startswith("Original "):
            break
        elif not line or line[0] in " │|╰╭":
            continue
        elif frames and _EXCEPTION.match(line):
            message, end = _message(body, position)
            # A worker's error carries the traceback of the worker in its message; that one is the root.
            inner = position + 1
            if inner < len(body) and body[inner][1].startswith(f"Original {HEADER}"):
                deeper = _link(body, inner)
                if deeper.exception:
                    return deeper._replace(frames=len(frames), from_top=_from_top(frames))
            return _Link(message, *_users(frames), len(frames), _from_top(frames), position, end)
        elif frames and not maybe and _OTHER_EXCEPTION.match(line):
            maybe, maybe_end = line, position
        elif position - end > 60:
            break
    return _Link(maybe, *_users(frames), len(frames), _from_top(frames), maybe_end, max(end, maybe_end))


def _message(body: Sequence[tuple[int, str]], position: int) -> tuple[str, int]:
    """The exception's line, with what follows where it ends in a colon."""
    text = body[position][1].rstrip()
    if text.endswith(":") and position + 1 < len(body) and not body[position + 1][1].startswith("Original "):
        return f"{text} {body[position + 1][1].strip()}", position + 1
    return text, position


def _next_link(body: Sequence[tuple[int, str]], end: int) -> int | None:
    """Where the next traceback of the chain begins, if one does."""
    chained = False
    for position in range(end + 1, min(end + 8, len(body))):
        line = body[position][1]
        if line.startswith(_CHAINED):
            chained = True
        elif HEADER in line:
            return position if chained else None
        elif line.strip():
            return None
    return None


def _users(frames: Sequence[tuple[str, str, str]]) -> tuple[str, bool]:
    """The innermost frame outside of installed packages, and that it is one; where all are inside, the innermost."""
    own = [frame for frame in frames if not _INSTALLED.search(frame[0])]
    if not frames:
        return "", False
    file, line, function = (own or list(frames))[-1]
    name = re.split(r"[\\/]", file)[-1]
    inside = f", in {function}" if function and function != "<module>" else ""
    return f"{name}, line {line}{inside}", bool(own)


def _from_top(frames: Sequence[tuple[str, str, str]]) -> bool:
    """Whether the first frame is the main script's top level (or what starts modules as scripts)."""
    if not frames:
        return False
    file, _, function = frames[0]
    return bool(_LAUNCHER.search(file)) or (function == "<module>" and not re.search(r"(?:site|dist)-packages", file))
