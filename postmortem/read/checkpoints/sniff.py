"""What a file is by its first bytes, whatever its name says: real run folders are full of names that lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from postmortem.model import ProblemKind
from postmortem.read.checkpoints.formats import ForeignContainer, container_of, elsewhere
from postmortem.read.checkpoints.pickles import scan

Container: TypeAlias = Literal["zip", "pickle", "safetensors", "not-a-checkpoint"] | ForeignContainer

_HEAD_BYTES = 4096
_MAGICS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", "gzip archive"),
    (0, b"BZh", "bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "zstd archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z archive"),
    (0, b"\x00\x05\x16\x07", "AppleDouble fork (macOS metadata)"),
    (0, b"SQLite format 3\x00", "SQLite database"),
    (257, b"ustar", "tar archive"),
)
_UNSUPPORTED_SUFFIXES = {
    ".h5": "HDF5 (Keras weights)",
    ".hdf5": "HDF5 (Keras weights)",
    ".keras": "Keras archive",
    ".msgpack": "Flax msgpack",
    ".onnx": "ONNX",
    ".tflite": "TensorFlow Lite",
    ".pb": "TensorFlow graph",
    ".index": "TensorFlow checkpoint",
    ".meta": "TensorFlow checkpoint",
    ".gguf": "GGUF",
    ".npz": "NumPy archive",
    ".npy": "NumPy array",
    ".mat": "MATLAB",
    ".distcp": "torch.distributed.checkpoint shard",
    ".joblib": "joblib pickle",
    ".ot": "tch-rs archive",
    ".pdparams": "PaddlePaddle",
    ".params": "MXNet",
    ".caffemodel": "Caffe",
    ".mlmodel": "Core ML",
    ".engine": "TensorRT engine",
}


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the first bytes say. `kind` and `detail` word the problem where it is no checkpoint that can be read."""

    container: Container
    kind: ProblemKind = "unsupported"
    detail: str = ""


def _no(kind: ProblemKind, detail: str) -> Sniffed:
    return Sniffed("not-a-checkpoint", kind, detail)


def _lfs_pointer(text: str) -> Sniffed:
    size = next((line.split()[1] for line in text.splitlines() if line.startswith("size ") and line.split()[1:]), "unknown")
    return _no("unreadable", f"a git-LFS pointer: the weights themselves ({size} bytes) were never fetched")


def _readable_text(head: bytes) -> str | None:
    """The head as text, or None where it holds bytes that text does not."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character cut by the end of the head does not count
            return None
        text = head[: error.start].decode("utf-8")
    allowed = sum(letter.isprintable() or letter in "\r\n\t\f" for letter in text)
    return text if allowed == len(text) else None


def _judge_text(text: str) -> Sniffed:
    if text.startswith("version https://git-lfs"):
        return _lfs_pointer(text)
    if text.startswith("model_checkpoint_path"):
        return _no("unsupported", "TensorFlow's `checkpoint` text file, which only names other files")
    words = " ".join(text.split())
    if words.lower().startswith(("<!doctype", "<html", "<?xml")):
        return _no("corrupt", "holds a web page, not weights: the download failed")
    return _no("corrupt", f"holds text, not weights; it begins {words[:40]!r}")


def sniff(path: Path) -> Sniffed:
    """Judge a file by its content, then by its suffix. Raises OSError where it cannot be opened."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    suffix = path.suffix.lower()
    if not head:
        return _no("truncated", "the file is empty (0 bytes); all of it is lost")
    foreign = container_of(path, head)
    if foreign is not None:
        return Sniffed(foreign)
    if head.startswith(b"PK\x03\x04"):
        return Sniffed("zip")
    known = None if head.startswith(b"version https://git-lfs") else elsewhere(path, head)
    if known is not None:
        return _no("unsupported", known)
    for offset, magic, what in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return _no("unsupported", f"format not read by this version: {what}")
    if suffix == ".safetensors" and (head[8:9] == b"{" or not _looks_like_text(head)):
        return Sniffed("safetensors")
    if head[:1] == b"\x80" and len(head) > 1 and head[1] <= 5:
        return Sniffed("pickle")
    text = _readable_text(head)
    if text is not None:
        # Pickles of protocols 0 and 1 are text, and nothing but a walk over their opcodes tells them from it.
        walked = scan(memoryview(head))
        if walked.wanted and (walked.complete or walked.dangerous):
            return Sniffed("pickle")
        return _judge_text(text)
    if head[8:10] == b'{"':
        return Sniffed("safetensors")
    if suffix.startswith(".data-"):
        return _no("unsupported", "format not read by this version: TensorFlow checkpoint")
    if suffix in _UNSUPPORTED_SUFFIXES:
        return _no("unsupported", f"format not read by this version: {_UNSUPPORTED_SUFFIXES[suffix]}")
    if head.count(0) == len(head):
        return _no("corrupt", "begins with nothing but zero bytes: it was never written out, or its disk lost it")
    if scan(memoryview(head)).wanted:
        return Sniffed("pickle")
    return _no("corrupt", f"begins with {head[:8].hex(' ')}, which is neither a torch zip, a pickle nor safetensors")


def _looks_like_text(head: bytes) -> bool:
    return _readable_text(head) is not None
