"""Bytes of a text manifest: compression, encoding, line ends; and copies in UTF-8 where the database cannot read them as they are."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import mmap
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from postmortem.read.manifests.tables.relation import SourceError

HEAD_BYTES = 1 << 18
"""How much of a file is looked at to tell its encoding and its dialect."""
_BOMS = (("utf-32", codecs.BOM_UTF32_LE), ("utf-32", codecs.BOM_UTF32_BE), ("utf-16", codecs.BOM_UTF16_LE), ("utf-16", codecs.BOM_UTF16_BE))

_PACKED = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook, not a table of text: unpack it, or save its sheet as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook, not a table of text: save its sheet as CSV"),
    (b"BZh", "compressed by bzip2, which is not read: unpack it, or compress it by gzip"),
    (b"\xfd7zXZ\x00", "compressed by xz, which is not read: unpack it, or compress it by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard, which is not read: unpack it, or compress it by gzip"),
)
"""First bytes of what is taken for tables by its name."""


def is_zipped(path: Path) -> bool:
    """Whether a file is gzip by its first bytes; names lie."""
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


@contextmanager
def unzipped(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed where it is gzip."""
    with path.open("rb") as raw:
        if not is_zipped(path):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream  # type: ignore[misc]  # GzipFile is a readable binary stream, though not typed as IO[bytes]


def head_of(path: Path) -> bytes:
    """The first bytes of a file, decompressed."""
    with unzipped(path) as stream:
        return stream.read(HEAD_BYTES)


def checked_head(path: Path) -> bytes:
    """The same of a gzip file that was decompressed to its end, so that damage anywhere raises."""
    with unzipped(path) as stream:
        head = stream.read(HEAD_BYTES)
        while stream.read(1 << 20):
            pass
    return head


def whole_lines(head: bytes) -> bytes:
    """The head without its last, possibly incomplete line."""
    return head if len(head) < HEAD_BYTES else head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head


def copy_path(scratch: Path) -> Path:
    """A file that does not exist yet."""
    return scratch / f"manifest-{len(list(scratch.iterdir()))}.txt"


def salvaged(path: Path, scratch: Path) -> Path:
    """A copy of the whole lines that a damaged gzip file still gives."""
    copy = copy_path(scratch)
    with path.open("rb") as raw, copy.open("wb") as target:
        unzip = zlib.decompressobj(wbits=31)
        rest = b""
        with contextlib.suppress(zlib.error):
            while chunk := raw.read(1 << 12):
                *whole, rest = (rest + unzip.decompress(chunk)).split(b"\n")
                target.writelines(line + b"\n" for line in whole)
        if unzip.eof:
            target.write(rest)
    if not copy.stat().st_size:
        raise SourceError("truncated", "the compressed data is cut short or damaged before the first line ends; nothing could be read")
    return copy


def is_utf8(stream: IO[bytes]) -> bool:
    """Whether a stream is UTF-8 throughout, or nearly so: a few broken characters in otherwise valid multi-byte text are damage."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    surplus = broken = 0
    while chunk := stream.read(HEAD_BYTES):
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        text = decoder.decode(chunk)
        broken += text.count("\ufffd")
        surplus += max(0, len(chunk) - len(text))
    # A character of two bytes or more leaves one byte or more over, a broken byte none.
    return broken == 0 or surplus > 10 * broken


def _mixed_line_ends(path: Path) -> bool:
    """Whether lines end in more than one way."""
    returns = feeds = both = 0
    last = b""
    with unzipped(path) as stream:
        while chunk := stream.read(HEAD_BYTES):
            returns += chunk.count(b"\r")
            feeds += chunk.count(b"\n")
            both += chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
            last = chunk[-1:]
    return returns > 0 and both != max(returns, feeds)


def _unmarked(head: bytes) -> str:
    """The byte order of UTF-16 that no mark tells: separators and line ends have an empty half, and no other character is NUL."""
    whole = head[: len(head) // 2 * 2]
    for encoding, empty in (("utf-16-le", whole[1::2]), ("utf-16-be", whole[::2])):
        if not empty or empty.count(0) < len(empty) / 5 or empty.count(0) != whole.count(0):
            continue
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(whole)
        except UnicodeDecodeError:
            continue
        if text.count("\n") > 1 and not any(character < " " and character not in "\t\r\n" for character in text):
            return encoding
    return ""


def as_utf8(path: Path, head: bytes, scratch: Path, suspect: bool = False) -> tuple[Path, tuple[str, ...]]:
    """The file itself where DuckDB can read it as it is, else a copy in UTF-8 with one kind of line end.

    Args:
        path: the file.
        head: its first bytes, decompressed.
        scratch: where a copy goes.
        suspect: look at all bytes; otherwise the head alone decides, and the database finds what stands behind it.
    """
    encoding = next((name for name, bom in _BOMS if head.startswith(bom)), "") or _unmarked(head)
    if not encoding and b"\x00" in head:
        raise SourceError(
            "unsupported", next((said for start, said in _PACKED if head.startswith(start)), "binary data, not a table of text")
        )
    # The end of the head may cut a character in two.
    if not encoding and (suspect or not is_utf8(io.BytesIO(whole_lines(head)))):
        with unzipped(path) as stream:
            if not is_utf8(stream):
                # Every byte is a character in Latin-1, so that nothing is lost even where the guess is wrong.
                encoding = "latin-1"
    returns, feeds, both = head.count(b"\r"), head.count(b"\n"), head.count(b"\r\n")
    # A head that ends between the two bytes of a line end is not mixed.
    mixed = returns > head.endswith(b"\r") and both + head.endswith(b"\r") != max(returns, feeds)
    mixed = mixed or (suspect and _mixed_line_ends(path))
    if not encoding and not mixed:
        return path, ()
    copy = copy_path(scratch)
    # Reading as text makes every line end one line feed.
    with (
        unzipped(path) as stream,
        io.TextIOWrapper(stream, encoding=encoding or "utf-8-sig", errors="replace") as text,
        copy.open("w", encoding="utf-8", newline="") as target,
    ):
        shutil.copyfileobj(text, target, HEAD_BYTES)
    said = f"read as {encoding.upper()}" if encoding else "line ends of several kinds were made one"
    if encoding == "latin-1" and any(0x80 <= byte < 0xA0 for byte in head):
        said += ", though it holds bytes that are no letters there: names may be shown wrongly, counts stay right"
    return copy, (said,)


def lines_longer(path: Path, longest: int) -> int:
    """How many lines of the (uncompressed) text are longer than so many bytes."""
    if is_zipped(path):
        with unzipped(path) as stream:
            return _lines_longer(stream, longest)
    size = path.stat().st_size
    if size <= longest:
        return 0
    count, at = 0, 0
    with path.open("rb") as raw, mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as text:
        # A line that is longer reaches from end to end of a piece of half the length: of all others the first page tells.
        while at < size:
            if text.find(b"\n", at, at + longest // 2) >= 0:
                at += longest // 2
                continue
            start, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
            end = end if end >= 0 else size
            count += end - start > longest
            at = max(end, at + longest // 2)
    return count


def _lines_longer(stream: IO[bytes], longest: int) -> int:
    count = length = 0
    while chunk := stream.read(1 << 20):
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if first < 0:
            length += len(chunk)
            continue
        count += length + first > longest
        length = len(chunk) - last - 1
    return count + (length > longest)


def line_of(path: Path, offset: int) -> int:
    """Number of the line (from 1) that holds this byte of the (uncompressed) text."""
    line, left = 1, offset
    with unzipped(path) as stream:
        while left > 0 and (chunk := stream.read(min(left, HEAD_BYTES))):
            line += chunk.count(b"\n")
            left -= len(chunk)
    return line
