"""Time of finding and reading data sets that are folders, beside listing the same files and beside the standard library's tar reader.

    python benchmarks/manifest_trees.py [--files 50000] [--gigabytes 2]

Makes a tree of class folders with small files and eight shards of WebDataset (sparse files, samples of 100 KB) in a temporary folder, in a
warm cache. Prints how many times longer than `os.walk` with a `stat` of every file it takes to find the tree and to read it, how much
longer tarfile takes over the shards, and the peak of memory. Exits with 1 where a target was missed.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from reporting import say

from postmortem.discover import find_runs
from postmortem.model import FoundFile, ReadOptions
from postmortem.read.manifests.files import read_manifest

FIND_TARGET = 8.0
"""Times the raw listing; most of it is what finding runs takes with any files."""
TAR_TARGET = 2.0
MEMORY_TARGET = 800
_SAMPLE_BYTES = 100_000


def make_tree(root: Path, files: int) -> None:
    """Class folders of 500 files, a tenth of them for validation; sizes recur, contents do not."""
    for index in range(files):
        split = "val" if index % 10 == 9 else "train"
        folder = root / split / f"class_{index // 500:04d}"
        if index % 500 in (0, 9):
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{index:07d}.jpg").write_bytes(index.to_bytes(4, "little") * (50 + index % 97))


def make_shards(root: Path, total_bytes: int) -> int:
    """Sparse shards; the answer is how many samples they hold."""
    root.mkdir()
    each = total_bytes // 8 // _SAMPLE_BYTES
    for shard in range(8):
        with (root / f"set-train-{shard:06d}.tar").open("wb") as stream:
            for index in range(each):
                image = tarfile.TarInfo(f"{shard}x{index * 7919}.jpg")
                image.size = _SAMPLE_BYTES
                label = tarfile.TarInfo(f"{shard}x{index * 7919}.cls")
                label.size = 1
                stream.write(image.tobuf(tarfile.GNU_FORMAT))
                stream.seek(-(-_SAMPLE_BYTES // 512) * 512, io.SEEK_CUR)
                stream.write(label.tobuf(tarfile.GNU_FORMAT) + str(index % 10).encode().ljust(512, b"\0"))
            stream.write(bytes(1024))
    return 8 * each


def listed(root: Path) -> int:
    """Files, each looked up."""
    return sum(Path(folder, name).stat().st_size >= 0 for folder, _, names in os.walk(root) for name in names)


def with_tarfile(root: Path) -> int:
    """Samples as the standard library counts them, labels read."""
    count = 0
    for path in sorted(root.iterdir()):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".cls"):
                    extracted = archive.extractfile(member)
                    count += extracted is not None and len(extracted.read()) == 1
    return count


def seconds(work: Callable[[], object]) -> float:
    """Best of three turns."""
    turns = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        turns.append(time.perf_counter() - start)
    return min(turns)


def rows(path: Path) -> int:
    """Records of a data set."""
    manifest = read_manifest(FoundFile(path, path.name, "manifest", 0), ReadOptions()).manifest
    return manifest.rows if manifest is not None else 0


def main() -> int:
    """Makes, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        tree, shards = root / "data" / "tree", root / "data" / "shards"
        make_tree(tree, options.files)
        samples = make_shards(shards, int(options.gigabytes * 1e9))
        right = rows(tree) == options.files and rows(shards) == samples == with_tarfile(shards)
        raw, found, read = seconds(lambda: listed(tree)), seconds(lambda: find_runs([tree])), seconds(lambda: rows(tree))
        own, other = seconds(lambda: rows(shards)), seconds(lambda: with_tarfile(shards))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    met = (right, found / raw <= FIND_TARGET, other / own >= TAR_TARGET, peak <= MEMORY_TARGET)
    say(f"{options.files} files in a tree: listing {raw:.2f} s, finding {found:.2f} s, reading with contents {read:.2f} s")
    say(f"  finding beside listing: {found / raw:.1f} times (target at most {FIND_TARGET:g}): {'met' if met[1] else 'MISSED'}")
    say(f"{samples} samples in {options.gigabytes:g} GB of shards: {own:.2f} s, tarfile {other:.2f} s")
    say(f"  tarfile beside it: {other / own:.1f} times (target at least {TAR_TARGET:g}): {'met' if met[2] else 'MISSED'}")
    say(f"peak memory {peak:.0f} MB (target at most {MEMORY_TARGET}): {'met' if met[3] else 'MISSED'}")
    if not right:
        say("counts are WRONG")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
