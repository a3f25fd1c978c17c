"""Text logs as pieces of whole lines, however large, long-lined or strangely encoded; and single lines as a report can show them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

PIECE = 4 << 20
"""Bytes that are looked at together; a longer line is cut here."""
LARGEST_WHOLE = 1 << 30
HEAD_KEPT = 64 << 20
TAIL_KEPT = 448 << 20
"""Of a log larger than LARGEST_WHOLE so much is looked at: at the worst (no two lines alike) 40 MB pass in a second."""
SHOWN = 300
"""Characters of a line that are shown."""
_LOOKED_AT = 4096
"""Bytes of a line that are looked at."""

_ESCAPES = re.compile(r"\x1b\[[0-?]{0,40}[ -/]{0,10}[@-~]|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|\x1b[@-_]?")
_NAMES = (
    r"(?:api|access|account|private|secret|auth|encryption|signing)[_ -]?(?:access[_ -]?)?key|[a-z_-]{0,30}token|"
    r"(?:[a-z]{1,20}[_-])?secret(?:[_ -]?(?:access[_ -]?)?key)?|credentials?"
)
_PASSWORDS = r"passw(?:or)?d|passwd|passphrase|pwd"
_SECRETS = (
    (re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).{0,4096}"), r"\1[masked]"),
    (
        re.compile(
            r"\b(hf_|sk-|gh[opsu]_|github_pat_|glpat-|xox[abepr]-|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|dckr_pat_|nvapi-|gsk_|r8_|wandb_v1_)"
            r"[A-Za-z0-9_-]{8,}"
        ),
        r"\1[masked]",
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{1,4096}){0,2}"), "[masked]"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "[masked]"),
    (re.compile(r"(?i)\b(bearer )[A-Za-z0-9._~+/-]{8,}"), r"\1[masked]"),
    (re.compile(r"(?i)(\bauthorization\b[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:(?:basic|token|digest) )?)[^\s\"',;\[]{4,}"), r"\1[masked]"),
    (re.compile(rf"(?i)((?:{_NAMES})\b[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)[^\s\"',;&\[]{{8,}}"), r"\1[masked]"),
    (re.compile(rf"(?i)(--?(?:{_NAMES}|{_PASSWORDS})[ =][\"']?)[^\s\"',;\[-][^\s\"',;]*"), r"\1[masked]"),
    (
        re.compile(rf"(?i)((?<![a-z])(?:[a-z]{{1,20}}[_-])?(?:{_PASSWORDS})\b[\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?)[^\s\"',;&\[]+"),
        r"\1[masked]",
    ),
    (re.compile(r"(?i)([?&](?:sig|key|[a-z-]{0,20}signature|[a-z-]{0,20}credential)=)[^&\s\"'\[]{8,}"), r"\1[masked]"),
    (re.compile(r"(://[^/\s:@]{0,60}:)[^@\s/]{1,200}@"), r"\1[masked]@"),
    (re.compile(r"(://)[^/\s:@\[]{12,200}@"), r"\1[masked]@"),
)

LINE_ENDS = bytes.maketrans(b"\r\x08", b"\n\n")
"""Progress bars draw over themselves by carriage returns and backspaces: each drawing is a line of its own."""


class Piece(NamedTuple):
    """Some whole lines of a log."""

    data: bytes
    """UTF-8, or what was meant to be."""
    offset: int
    """Bytes of the (decoded) log before it, those skipped included."""
    lines_before: int
    skipped_bytes: int
    """Bytes just before it that were not looked at."""


def pieces(path: Path) -> Iterator[Piece]:
    """The log from its beginning to its end, in pieces that end where a line ends, or after PIECE bytes without any line end.

    Raises:
        OSError: where the file cannot be read.
    """
    size = path.stat().st_size
    skipped = max(0, size - HEAD_KEPT - TAIL_KEPT) if size > LARGEST_WHOLE else 0
    with path.open("rb") as file:
        encoding = _encoding(file)
        offset = lines = 0
        head = _reads(file, encoding, HEAD_KEPT if skipped else None)
        for data in _whole_lines(head):
            yield Piece(data, offset, lines, 0)
            offset, lines = offset + len(data), lines + data.count(b"\n")
        if not skipped:
            return
        for data in iter(lambda: file.read(min(PIECE, HEAD_KEPT + skipped - file.tell())), b""):
            lines += data.count(b"\n")
        offset += skipped
        pending = skipped
        for data in _whole_lines(_reads(file, encoding, None)):
            yield Piece(data, offset, lines, pending)
            offset, lines, pending = offset + len(data), lines + data.count(b"\n"), 0


def _encoding(file: BinaryIO) -> str:
    """Leaves the file where its text begins."""
    head = file.read(400)
    file.seek(0)
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF8, "utf-8")):
        if head.startswith(mark):
            file.seek(len(mark))
            return name
    # Zeros everywhere are no text: a machine that dies leaves blocks of them.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) >= 4 and max(even, odd) > len(head) // 3 and min(even, odd) <= len(head) // 20:
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


def _reads(file: BinaryIO, encoding: str, limit: int | None) -> Iterator[bytes]:
    decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)("replace")
    left = limit
    while left is None or left > 0:
        data = file.read(PIECE if left is None else min(PIECE, left))
        if not data:
            return
        left = None if left is None else left - len(data)
        yield data if decoder is None else decoder.decode(data).encode("utf-8", "replace")


def _whole_lines(reads: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for data in reads:
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        elif len(rest) + len(data) > PIECE:
            yield rest + data
            rest = b""
        else:
            rest += data
    if rest:
        yield rest


def clean(line: bytes) -> str:
    """A line as text: escapes of terminals and control characters gone, tabs as spaces, the rest as it stands."""
    text = _ESCAPES.sub("", line[:_LOOKED_AT].decode("utf-8", "replace"))
    return text if text.isprintable() else "".join(each if each.isprintable() else " " if each in "\t\xa0" else "" for each in text)


def shown(text: str) -> str:
    """A cleaned line as a report may show it: no longer than SHOWN, and what looks like a password or a key masked."""
    text = " ".join(text[: 4 * SHOWN].split())
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
