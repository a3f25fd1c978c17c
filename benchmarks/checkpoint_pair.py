"""Time and memory of reading and measuring two large checkpoints, against reading the same two files through.

    python benchmarks/checkpoint_pair.py [--format safetensors|pt] [--gigabytes 1.0] [--repeat 3] [--folder FOLDER]

Builds two float32 checkpoints of a transformer's shapes, one update apart, brings both into the page cache, and prints how many times
longer `read_checkpoints` and `pass_over` take than `cat`, and how much anonymous memory they need above the interpreter with its
imports. The measurement runs in an interpreter of its own, so that building the files does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postmortem.measure.tensors import pass_over
from postmortem.model import FoundFile
from postmortem.read.checkpoints import read_checkpoints

WIDTH = 2048
VOCABULARY = 16_000
TIME_TARGET = 3.0
MEMORY_TARGET_MB = 400.0


def _shapes(gigabytes: float) -> dict[str, tuple[int, ...]]:
    """A decoder's tensors, as many blocks as the size asks for."""
    shapes: dict[str, tuple[int, ...]] = {"embed.weight": (VOCABULARY, WIDTH)}
    left = gigabytes * 2**30 / 4 - VOCABULARY * WIDTH
    block = 12 * WIDTH * WIDTH + 4 * WIDTH
    for index in range(max(1, round(left / block))):
        shapes |= {
            f"blocks.{index}.ln1.weight": (WIDTH,),
            f"blocks.{index}.ln1.bias": (WIDTH,),
            f"blocks.{index}.attention.weight": (3 * WIDTH, WIDTH),
            f"blocks.{index}.projection.weight": (WIDTH, WIDTH),
            f"blocks.{index}.ln2.weight": (WIDTH,),
            f"blocks.{index}.ln2.bias": (WIDTH,),
            f"blocks.{index}.mlp.up.weight": (4 * WIDTH, WIDTH),
            f"blocks.{index}.mlp.down.weight": (WIDTH, 4 * WIDTH),
        }
    return shapes


def build(folder: Path, form: str, gigabytes: float) -> list[Path]:
    """Write the two checkpoints; weights N(0, 0.02²), the second one update of N(0, 0.0002²) later."""
    generator = np.random.default_rng(0)
    first: dict[str, NDArray[np.float32]] = {}
    for name, shape in _shapes(gigabytes).items():
        first[name] = generator.standard_normal(shape, np.float32)
        first[name] *= np.float32(0.02)
    paths = []
    for step, tensors in ((100, first), (200, first)):
        if step == 200:
            for tensor in tensors.values():
                tensor += np.float32(0.0002) * generator.standard_normal(tensor.shape, np.float32)
        path = folder / f"step_{step:06d}.{form}"
        if form == "safetensors":
            from safetensors.numpy import save_file

            save_file(tensors, path)
        else:
            import torch

            torch.save({"model": {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, "step": step}, path)
        paths.append(path)
    return paths


def cat_seconds(paths: list[Path]) -> float:
    """Wall time of reading the files through."""
    start = time.perf_counter()
    with Path(os.devnull).open("wb") as nothing:
        subprocess.run(["cat", *map(str, paths)], stdout=nothing, check=True)
    return time.perf_counter() - start


def anonymous_mb() -> float:
    """Anonymous memory of this process, mapped files left out (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise OSError("this kernel does not report RssAnon")


@contextmanager
def peak_anonymous_mb() -> Iterator[list[float]]:
    """Samples anonymous memory every ten milliseconds; the list holds the peak when the block is left."""
    peak = [anonymous_mb()]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.01):
            peak[0] = max(peak[0], anonymous_mb())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def measure(paths: list[Path]) -> dict[str, float]:
    """One run in this interpreter, its imports done before the clock starts."""
    if paths[0].suffix == ".pt":
        import torch  # noqa: F401 - the interpreter's own cost, reported apart by the caller
    files = [FoundFile(path, path.name, "checkpoint", path.stat().st_size) for path in paths]
    base = anonymous_mb()
    with tempfile.TemporaryDirectory() as scratch, peak_anonymous_mb() as peak:
        start = time.perf_counter()
        data = read_checkpoints(files, Path(scratch))
        read = time.perf_counter() - start
        table = pass_over(data.checkpoints)
        seconds = time.perf_counter() - start
    if len(table.rows) != 2 or data.problems:
        raise RuntimeError(f"the pair was not read as two checkpoints: {data.problems}")
    return {"seconds": seconds, "read_seconds": read, "base_mb": base, "above_mb": peak[0] - base}


def _measure_apart(paths: list[Path]) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", *map(str, paths)]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    return found


def main() -> int:
    """Build, warm, time, print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("safetensors", "pt"), default="safetensors")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of each of the two files")
    parser.add_argument("--repeat", type=int, default=3, help="runs; the median is judged")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: the system's temporary folder)")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(options.measure)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        paths = build(Path(name), options.format, options.gigabytes)
        size = sum(path.stat().st_size for path in paths)
        cat_seconds(paths)
        runs = []
        for _ in range(options.repeat):
            cat = cat_seconds(paths)
            found = _measure_apart(paths)
            ratio = found["seconds"] / cat
            runs.append((ratio, found["above_mb"]))
            speed = size / 1e9 / found["seconds"]
            sys.stdout.write(
                f"{options.format}: {size / 1e9:.2f} GB, cat {cat:.3f} s, read and pass {found['seconds']:.3f} s, "
                f"{ratio:.2f} x cat, {speed:.2f} GB/s, anonymous memory {found['above_mb']:.0f} MB above {found['base_mb']:.0f} MB\n"
            )
    ratio = sorted(run[0] for run in runs)[len(runs) // 2]
    memory = max(run[1] for run in runs)
    met = ratio < TIME_TARGET and memory < MEMORY_TARGET_MB
    targets = f"below {TIME_TARGET:.0f} x and {MEMORY_TARGET_MB:.0f} MB"
    sys.stdout.write(f"median {ratio:.2f} x cat, at most {memory:.0f} MB (targets: {targets}): {'met' if met else 'MISSED'}\n")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
