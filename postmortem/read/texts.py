"""Text files as strings, whatever their encoding, with what could not be decoded counted."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_GZIP = b"\x1f\x8b"
_HEAD = 400
_LONGEST_LINE = 16 << 20
"""Characters held as one line; what is longer comes in pieces."""
_MOST_UNPACKED = 64 << 20
"""Characters read of a compressed file: a small one can stand for any number."""


def read_text(path: Path) -> tuple[str, int]:
    """The text without its byte-order mark, line ends as `\\n`, and how many characters could not be decoded.

    Raises:
        OSError: where the file cannot be read.
    """
    data = path.read_bytes()
    mark, encoding = _encoding(data[:_HEAD])
    text = data[mark:].decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n"), text.count("\ufffd")


def _encoding(head: bytes) -> tuple[int, str]:
    """Bytes of the mark, and the encoding."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return len(mark), name
    # UTF-16 without a mark: every other byte of plain figures and letters is zero.
    # Zeros everywhere are no text: a machine that dies leaves blocks of them.
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if len(head) >= 4 and max(even, odd) > len(head) // 3 and min(even, odd) <= len(head) // 20:
        return 0, "utf-16-le" if odd > even else "utf-16-be"
    return 0, "utf-8"


@dataclass(slots=True)
class Reading:
    """What was met while the lines of a file were read."""

    undecoded: int = 0
    first_undecoded: int = 0
    """Number of the line with the first character that could not be decoded."""
    lines: int = 0
    broken: str = ""
    """Why reading ended before the file did, where it did: `ends within its compressed data`, ..."""


def lines_of(path: Path, reading: Reading) -> Iterator[str]:
    """The lines of a text file, compressed or not, each with its `\\n`; only the last may lack it. Holds one line at a time.

    Raises:
        OSError: where the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(len(_GZIP))
        file.seek(0)
        stream = io.BufferedReader(gzip.GzipFile(fileobj=file)) if head == _GZIP else file
        try:
            mark, encoding = _encoding(stream.peek(_HEAD)[:_HEAD])
            stream.read(mark)
            # The line ends of every system become `\n`.
            text = io.TextIOWrapper(stream, encoding=encoding, errors="replace")
            unpacked = 0
            while line := text.readline(_LONGEST_LINE):
                reading.lines += 1
                unpacked += len(line)
                if head == _GZIP and unpacked > _MOST_UNPACKED:
                    reading.broken = f"unpacks to more than {_MOST_UNPACKED >> 20} MiB, of which the rest was not read"
                    return
                if "\ufffd" in line:
                    reading.undecoded += line.count("\ufffd")
                    reading.first_undecoded = reading.first_undecoded or reading.lines
                yield line
        except EOFError:
            reading.broken = "ends within its compressed data"
        except (gzip.BadGzipFile, zlib.error) as error:
            reading.broken = f"holds compressed data that cannot be unpacked ({error})"
