"""Time of finding and reading the runs that MLflow and Weights & Biases keep on disk, beside reading the bytes alone.

    python benchmarks/kept_runs.py

Writes 100 runs of MLflow's file store (20 metrics of 100 points, 20 parameters: 4,100 small files) and a history of Weights & Biases with
500,000 scalars in 10 keys (22 MB) into a temporary folder, and reads each three times. The best time counts. Exits with 1 where a target
was missed.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from reporting import say

from postmortem.discover import find_runs
from postmortem.model import ReadOptions
from postmortem.read.run import reading
from postmortem.read.trackers.wandb_records import BLOCK_BYTES, CHUNK_HEADER, FILE_HEADER, FIRST, LAST, MIDDLE, WHOLE

RUNS, METRICS, POINTS, ROWS, KEYS = 100, 20, 100, 50_000, 10
MLFLOW_SECONDS, WANDB_SECONDS = 2.0, 3.0
"""Targets. 2 s for the store, 3 s for the history, which is 170,000 scalars a second."""


def write_store(root: Path) -> None:
    """A store of MLflow's."""
    for number in range(RUNS):
        run = root / "mlruns" / "0" / f"{number:032x}"
        for part in ("metrics", "params", "tags"):
            (run / part).mkdir(parents=True)
        meta = {"experiment_id": "'0'", "lifecycle_stage": "active", "run_name": f"run-{number}", "start_time": 1700000000000, "status": 3}
        (run / "meta.yaml").write_text("".join(f"{key}: {value}\n" for key, value in meta.items()))
        for index in range(METRICS):
            lines = (f"{1700000000000 + 1000 * step} {2.5 / (1 + step + index)!r} {step}\n" for step in range(POINTS))
            (run / "metrics" / f"metric_{index}").write_text("".join(lines))
            (run / "params" / f"param_{index}").write_text("0.1")


def write_history(path: Path) -> None:
    """A history of Weights & Biases."""
    out = bytearray(FILE_HEADER)
    for step in range(ROWS):
        values = {f"train/metric_{key}": 2.5 / (1 + step + key) for key in range(KEYS)} | {"_step": step, "_timestamp": 1.7e9 + step}
        items = b"".join(_field(1, _field(1, key.encode()) + _field(16, json.dumps(value).encode())) for key, value in values.items())
        rest, kind = _field(2, items), FIRST
        while True:
            room = BLOCK_BYTES - len(out) % BLOCK_BYTES
            if room < CHUNK_HEADER.size:
                out += bytes(room)
                room = BLOCK_BYTES
            now, rest = rest[: room - CHUNK_HEADER.size], rest[room - CHUNK_HEADER.size :]
            as_what = kind if rest else WHOLE if kind == FIRST else LAST
            out += CHUNK_HEADER.pack(zlib.crc32(bytes([as_what]) + now), len(now), as_what) + now
            if not rest:
                break
            kind = MIDDLE
    path.write_bytes(out)


def _field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes."""
    head, length = number << 3 | 2, len(data)
    key = struct.pack("B", head) if head < 128 else struct.pack("BB", head & 127 | 128, head >> 7)
    size = struct.pack("B", length) if length < 128 else struct.pack("BB", length & 127 | 128, length >> 7)
    return key + size + data


def read_all(root: Path) -> int:
    """Scalars in all runs under a folder."""
    scalars = 0
    for run in find_runs([root]):
        with reading(run, ReadOptions()) as found:
            scalars += sum(series.steps.size for data in found for series in data.series)
    return scalars


def read_bytes(root: Path) -> int:
    """Bytes in all files under a folder."""
    return sum(len(path.read_bytes()) for path in root.rglob("*") if path.is_file())


def best_seconds(work: Callable[[Path], int], root: Path) -> tuple[float, int]:
    """The best time of three, and what the work gave."""
    times: list[float] = []
    result = 0
    for _ in range(3):
        begin = time.perf_counter()
        result = work(root)
        times.append(time.perf_counter() - begin)
    return min(times), result


def main() -> int:
    """Print both times, and 1 where a target was missed."""
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        store, history = Path(folder) / "mlflow", Path(folder) / "wandb-runs" / "run-20240101_000000-abc"
        write_store(store)
        history.mkdir(parents=True)
        write_history(history / "run-abc.wandb")
        for name, root, expected, target in (
            ("100 runs of MLflow", store, RUNS * METRICS * POINTS, MLFLOW_SECONDS),
            ("a history of Weights & Biases", history, ROWS * KEYS, WANDB_SECONDS),
        ):
            plain, size = best_seconds(read_bytes, root)
            seconds, scalars = best_seconds(read_all, root)
            if scalars != expected:
                raise SystemExit(f"{name}: {scalars} scalars were read, {expected} were written")
            met = seconds <= target
            missed += not met
            verdict = f"target {target:.0f} s {'met' if met else 'missed'}"
            ratio = f"{seconds / plain:.0f} times the reading of its {size / 1e6:.0f} MB alone"
            say(f"{name}, {scalars} scalars: {seconds:.2f} s, {ratio}; {verdict}")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
