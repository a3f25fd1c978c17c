"""Memory of reading and measuring checkpoints of any size, and how often their bytes are read from the disk.

    python benchmarks/checkpoint_memory.py [--gigabytes 1 12] [--format safetensors|pt] [--folder DIR]

For each size builds one sparse checkpoint of zeros (a file of that size that takes no room on the disk), and prints the peak of anonymous
memory of reading and measuring it, of all processes, above the interpreter with its imports (torch among them where the file is torch's).
Then builds a pair of 1 GB of random weights, takes it out of the page cache, and prints how many bytes the disk delivered for each byte
of the files. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from made_checkpoints import anonymous_mb, build, build_sparse, disk_bytes, drop_cached, found, peak_anonymous_mb

from postmortem.measure.tensors import pass_over
from postmortem.read.checkpoints.files import read_checkpoints

MEMORY_TARGET_MB = 300.0
READS_TARGET = 1.02
"""A little more than once: the interpreter reads its own modules too."""


def measure(paths: list[Path]) -> dict[str, float]:
    """Read and measure in this interpreter: peak memory above its own, and bytes from the disk."""
    if paths[0].suffix == ".pt":
        import_module("torch")  # the interpreter's own cost
    with tempfile.TemporaryDirectory() as scratch:
        base, before = anonymous_mb(), disk_bytes()
        with peak_anonymous_mb() as peak:
            data = read_checkpoints(found(paths), Path(scratch))
            table = pass_over(data.checkpoints)
    if len(table.rows) != len(paths) or data.problems:
        raise RuntimeError(f"the files were not read as {len(paths)} checkpoints: {data.problems}")
    return {"base_mb": base, "above_mb": peak[0] - base, "read_bytes": float(disk_bytes() - before)}


def _apart(paths: list[Path]) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", *map(str, paths)]
    result: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    return result


def _word(met: bool) -> str:
    return "met" if met else "MISSED"


def main() -> int:
    """Build, measure, print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("safetensors", "pt"), default="safetensors")
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 12.0], help="sizes of the sparse checkpoints")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: the system's temporary folder)")
    parser.add_argument("--measure", nargs="+", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(json.dumps(measure(options.measure)))
        return 0
    all_met = True
    for gigabytes in options.gigabytes:
        with tempfile.TemporaryDirectory(dir=options.folder) as name:
            path = Path(name) / f"step_000100.{options.format}"
            build_sparse(path, gigabytes)
            seen = _apart([path])
            met = seen["above_mb"] <= MEMORY_TARGET_MB
            all_met &= met
            sys.stdout.write(
                f"{options.format}: {path.stat().st_size / 1e9:.2f} GB, anonymous memory {seen['above_mb']:.0f} MB above "
                f"{seen['base_mb']:.0f} MB (target: at most {MEMORY_TARGET_MB:.0f} MB): {_word(met)}\n"
            )
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        paths = build(Path(name), options.format, "float32", 1.0)
        drop_cached(paths)
        size = sum(path.stat().st_size for path in paths)
        seen = _apart(paths)
        reads = seen["read_bytes"] / size
        met = 0.5 < reads <= READS_TARGET and seen["above_mb"] <= MEMORY_TARGET_MB
        sys.stdout.write(
            f"{options.format}: a pair of {size / 1e9:.2f} GB out of the cache, {reads:.3f} bytes from the disk for each byte "
            f"(target: 1, at most {READS_TARGET:g}), anonymous memory {seen['above_mb']:.0f} MB: {_word(met)}\n"
        )
    return 0 if all_met and met else 1


if __name__ == "__main__":
    raise SystemExit(main())
