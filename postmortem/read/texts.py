"""Text files as strings, whatever their encoding, with what could not be decoded counted."""

from __future__ import annotations

import codecs
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_text(path: Path) -> tuple[str, int]:
    """The text without its byte-order mark, line ends as `\\n`, and how many characters could not be decoded.

    Raises:
        OSError: where the file cannot be read.
    """
    data = path.read_bytes()
    encoding = "utf-8"
    for mark, name in _MARKS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    else:
        # UTF-16 without a mark: every other byte of plain figures and letters is zero.
        head = data[:400]
        if len(head) >= 4 and head[1::2].count(0) > len(head) // 3:
            encoding = "utf-16-le"
        elif len(head) >= 4 and head[0::2].count(0) > len(head) // 3:
            encoding = "utf-16-be"
    text = data.decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n"), text.count("\ufffd")
