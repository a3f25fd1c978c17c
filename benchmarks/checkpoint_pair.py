"""Time of reading and measuring two large checkpoints, against a raw read of both, and against the script that everybody writes.

    python benchmarks/checkpoint_pair.py [--format safetensors|pt] [--dtype float32|bfloat16] [--gigabytes G] [--repeat 7] [--folder DIR]

Builds two checkpoints of a transformer's shapes, one update apart, brings both into the page cache, and prints how many times longer
`read_checkpoints` and `pass_over` take than `cat` of both files, and how many times longer than they the obvious script takes: load
each tensor with torch or safe_open, and take its mean, variance, norm, largest magnitude, zeros, whether all is finite, and the norm of
its difference from the other checkpoint's. Both run in interpreters of their own. What they import at the start does
not count; what reading a format makes them import (torch, where that is needed) does. The three take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from made_checkpoints import build, cat_seconds, found

from postmortem.measure.tensors import pass_over
from postmortem.read.checkpoints.files import read_checkpoints

if TYPE_CHECKING:
    import torch

CAT_TARGET = 2.0
OBVIOUS_TARGET = 8.0


def pass_seconds(paths: list[Path]) -> float:
    """Wall time of reading and measuring in this interpreter."""
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        data = read_checkpoints(found(paths), Path(scratch))
        table = pass_over(data.checkpoints)
        seconds = time.perf_counter() - start
    if len(table.rows) != len(paths) or data.problems:
        raise RuntimeError(f"the files were not read as a series of {len(paths)} checkpoints: {data.problems}")
    return seconds


def _loaded(paths: list[Path]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    if paths[0].suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(paths[0], "pt") as first, safe_open(paths[1], "pt") as second:
            names = first.keys()  # it is no mapping
            for name in names:
                yield first.get_tensor(name), second.get_tensor(name)
        return
    import torch

    states = [torch.load(path, map_location="cpu", weights_only=True)["model"] for path in paths]
    for name, tensor in states[0].items():
        yield tensor, states[1][name]


def obvious_seconds(paths: list[Path]) -> float:
    """Wall time of the obvious script in this interpreter."""
    import torch

    start = time.perf_counter()
    numbers = []
    for before, after in _loaded(paths):
        for tensor in (before.float(), after.float()):
            numbers += [tensor.mean().item(), tensor.var().item(), tensor.norm().item(), tensor.abs().max().item()]
            numbers += [(tensor == 0).sum().item(), torch.isfinite(tensor).all().item()]
        numbers.append((after.float() - before.float()).norm().item())
    return time.perf_counter() - start


def _apart(what: str, paths: list[Path]) -> float:
    command = [sys.executable, __file__, "--measure", what, *map(str, paths)]
    return float(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))


def _judged(label: str, ratio: float, met: bool, target: str) -> bool:
    sys.stdout.write(f"median {label}: {ratio:.2f} (target: {target}): {'met' if met else 'MISSED'}\n")
    return met


def main() -> int:
    """Build, warm, time, print; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=("safetensors", "pt"), default="safetensors")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--gigabytes", type=float, help="size of each of the two files (default: 1, for bfloat16 0.5)")
    parser.add_argument("--repeat", type=int, default=7, help="turns; medians are judged")
    parser.add_argument("--no-obvious", action="store_true", help="leave the obvious script out")
    parser.add_argument("--folder", type=Path, help="where to put the files (default: the system's temporary folder)")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, *names = options.measure
        seconds = (pass_seconds if what == "pass" else obvious_seconds)([Path(name) for name in names])
        sys.stdout.write(json.dumps(seconds))
        return 0
    gigabytes = options.gigabytes or {"float32": 1.0, "bfloat16": 0.5}[options.dtype]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        paths = build(Path(name), options.format, options.dtype, gigabytes)
        size = sum(path.stat().st_size for path in paths) / 1e9
        cat_seconds(paths)
        turns = []
        for _ in range(options.repeat):
            cat, ours = cat_seconds(paths), _apart("pass", paths)
            obvious = 0.0 if options.no_obvious else _apart("obvious", paths)
            turns.append((ours / cat, obvious / ours))
            sys.stdout.write(
                f"{options.format} {options.dtype}: {size:.2f} GB, cat {cat:.3f} s, read and pass {ours:.3f} s ({size / ours:.2f} GB/s), "
                f"{ours / cat:.2f} x cat" + (f"; obvious script {obvious:.2f} s, {obvious / ours:.1f} times as long\n" if obvious else "\n")
            )
    cats, scripts = (statistics.median(column) for column in zip(*turns, strict=True))
    met = _judged("over cat", cats, cats <= CAT_TARGET, f"at most {CAT_TARGET:g}")
    if not options.no_obvious:
        met &= _judged("of the obvious script over the pass", scripts, scripts >= OBVIOUS_TARGET, f"at least {OBVIOUS_TARGET:g}")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
