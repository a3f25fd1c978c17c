"""What the benchmarks of checkpoints share: files of a transformer's shapes, raw reads, and a look at memory and disk."""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from postmortem.model import FoundFile

WIDTH = 2048
VOCABULARY = 16_000
BYTES = {"float32": 4, "bfloat16": 2}
SAFETENSORS_TYPES = {"float32": "F32", "bfloat16": "BF16"}


def shapes(elements: float, width: int = WIDTH, vocabulary: int = VOCABULARY) -> dict[str, tuple[int, ...]]:
    """A decoder's tensors, as many blocks as come nearest to that many elements."""
    found: dict[str, tuple[int, ...]] = {"embed.weight": (vocabulary, width)}
    block = 12 * width * width + 4 * width
    for index in range(max(1, round((elements - vocabulary * width) / block))):
        found |= {
            f"blocks.{index}.ln1.weight": (width,),
            f"blocks.{index}.ln1.bias": (width,),
            f"blocks.{index}.attention.weight": (3 * width, width),
            f"blocks.{index}.projection.weight": (width, width),
            f"blocks.{index}.ln2.weight": (width,),
            f"blocks.{index}.ln2.bias": (width,),
            f"blocks.{index}.mlp.up.weight": (4 * width, width),
            f"blocks.{index}.mlp.down.weight": (width, 4 * width),
        }
    return found


def _stored(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """The elements as a file holds them; bfloat16 as codes, rounded to nearest."""
    if dtype == "float32":
        return values
    bits = values.view(np.uint32)
    rounded: NDArray[Any] = ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)
    return rounded


def header(tensors: dict[str, tuple[int, ...]], dtype: str) -> bytes:
    """The beginning of a safetensors file that holds these tensors one after another."""
    position, table = 0, {}
    for name, shape in tensors.items():
        end = position + int(np.prod(shape)) * BYTES[dtype]
        table[name] = {"dtype": SAFETENSORS_TYPES[dtype], "shape": list(shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _write(path: Path, tensors: dict[str, NDArray[np.float32]], dtype: str, step: int) -> None:
    if path.suffix == ".safetensors":
        with path.open("wb") as stream:
            stream.write(header({name: tensor.shape for name, tensor in tensors.items()}, dtype))
            for tensor in tensors.values():
                _stored(tensor, dtype).tofile(stream)
        return
    import torch

    kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    torch.save({"model": {name: torch.from_numpy(tensor).to(kind) for name, tensor in tensors.items()}, "step": step}, path)


def build(folder: Path, form: str, dtype: str, gigabytes: float, count: int = 2, width: int = WIDTH) -> list[Path]:
    """Write checkpoints; the first of weights N(0, 0.02²), each other one update of N(0, 0.0002²) later."""
    generator = np.random.default_rng(0)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, shape in shapes(gigabytes * 2**30 / BYTES[dtype], width, VOCABULARY if width == WIDTH else 4 * width).items():
        tensors[name] = generator.standard_normal(shape, np.float32)
        tensors[name] *= np.float32(0.02)
    paths = []
    for index in range(count):
        for tensor in tensors.values() if index else ():
            tensor += np.float32(0.0002) * generator.standard_normal(tensor.shape, np.float32)
        paths.append(folder / f"step_{100 * (index + 1):06d}.{form}")
        _write(paths[-1], tensors, dtype, 100 * (index + 1))
    return paths


class _Holes(io.RawIOBase):
    """A file in which zeros take no room."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._position = 0

    def close(self) -> None:
        """Close the file, which ends where the last byte was written."""
        if not self._file.closed:
            os.truncate(self._file.fileno(), self._position)
            self._file.close()
        super().close()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Write what is not zero, and step over what is."""
        piece = memoryview(data).cast("B")
        if len(piece) > 4096 and not np.frombuffer(piece, np.uint8).any():
            self._position += len(piece)
        else:
            os.pwrite(self._file.fileno(), piece, self._position)
            self._position += len(piece)
        return len(piece)


def build_sparse(path: Path, gigabytes: float) -> None:
    """Write a float32 checkpoint of zeros that takes next to no room on the disk. As .pt it takes a while: torch sums every byte."""
    tensors = shapes(gigabytes * 2**30 / 4)
    if path.suffix == ".safetensors":
        start = header(tensors, "float32")
        path.write_bytes(start)
        os.truncate(path, len(start) + 4 * sum(int(np.prod(shape)) for shape in tensors.values()))
        return
    import torch

    with _Holes(path) as holes:
        torch.save({"model": {name: torch.zeros(shape) for name, shape in tensors.items()}, "step": 1}, cast("IO[bytes]", holes))


def found(paths: Sequence[Path]) -> list[FoundFile]:
    """The files as discovery would hand them on."""
    return [FoundFile(path, path.name, "checkpoint", path.stat().st_size) for path in paths]


def cat_seconds(paths: Sequence[Path]) -> float:
    """Wall time of reading the files through."""
    start = time.perf_counter()
    with Path(os.devnull).open("wb") as nothing:
        subprocess.run(["cat", *map(str, paths)], stdout=nothing, check=True)
    return time.perf_counter() - start


def drop_cached(paths: Sequence[Path]) -> None:
    """Take files out of the page cache."""
    for path in paths:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def disk_bytes() -> int:
    """Bytes that this process and the children it has waited for made the disk deliver (Linux)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def anonymous_mb() -> float:
    """Anonymous memory of this process and its children, shared pages once, mapped files left out (Linux)."""
    kilobytes = 0
    for process in (str(os.getpid()), *_children()):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
    return kilobytes / 1024


def _children() -> list[str]:
    children: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            children += (task / "children").read_text().split()
        except OSError:  # noqa: PERF203  the thread has just ended
            continue
    return children


@contextmanager
def peak_anonymous_mb() -> Iterator[list[float]]:
    """Samples anonymous memory every twenty milliseconds; the list holds the peak when the block is left."""
    peak = [anonymous_mb()]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], anonymous_mb())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
