"""Time and memory of reading event files, against tbparse, TensorBoard's EventAccumulator, and TensorBoard's own loader in Rust.

    python benchmarks/event_files.py [--scalars 500000] [--histograms 20000] [--buckets 1000] [--repeat 5] [--folder DIR] [--no-slow]

Builds one file of scalars in 20 tags and one of histograms, brings both into the page cache, and takes turns: this project's reader in a
fresh interpreter (imports do not count, first uses do), tbparse and EventAccumulator likewise (nothing left out: size guidance 0), and
`tensorboard-data-server --checksum`, whose own words tell how long its load took. All check checksums but EventAccumulator on TensorFlow.
Memory is the peak of what the process holds above the interpreter with its imports; pages of the file itself do not count.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from made_checkpoints import anonymous_mb, peak_anonymous_mb
from made_events import write_histograms, write_scalars
from reporting import say, verdict

TBPARSE_TARGET = 12.0
RUST_TARGET = 1.3
ACCUMULATOR_TARGET = 30.0
MEMORY_TARGET_MEGABYTES = 200.0


def ours(path: Path) -> dict[str, float]:
    """Seconds and points of this project's reader, in this interpreter."""
    from postmortem.model import FoundFile
    from postmortem.read.events.files import split_runs

    file = FoundFile(path, path.name, "events", path.stat().st_size)
    start = time.perf_counter()
    (data,) = split_runs([file])
    seconds = time.perf_counter() - start
    points = sum(one.steps.size for one in data.series) + sum(len(one.steps) for one in data.histograms)
    if data.problems:
        raise RuntimeError(f"the file was not read whole: {data.problems}")
    return {"seconds": seconds, "points": points}


def tbparse(path: Path) -> dict[str, float]:
    """The same of tbparse."""
    from tbparse import SummaryReader

    start = time.perf_counter()
    points = len(SummaryReader(str(path), event_types={"scalars"}).scalars)
    return {"seconds": time.perf_counter() - start, "points": points}


def accumulator(path: Path) -> dict[str, float]:
    """The same of EventAccumulator, for histograms."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start = time.perf_counter()
    events = EventAccumulator(str(path), {"histograms": 0})
    events.Reload()
    points = sum(len(events.Histograms(tag)) for tag in events.Tags()["histograms"])
    return {"seconds": time.perf_counter() - start, "points": points}


def rust_seconds(folder: Path) -> float:
    """How long TensorBoard's data server says that it loaded the folder, every checksum looked at."""
    import tensorboard_data_server

    port = folder.parent / "port"
    command = [tensorboard_data_server.server_binary(), "--logdir", folder, "--port", "0", "--port-file", port, "--checksum"]
    with subprocess.Popen(
        [*map(str, command), "--reload", "once", "-v"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            for line in server.stderr:
                if (found := re.search(r"Finished load cycle \(([\d.]+)(ms|s)\)", line)) is not None:
                    return float(found[1]) / (1000 if found[2] == "ms" else 1)
        finally:
            server.kill()
    raise RuntimeError("the data server ended without having loaded the folder")


def memory(path: Path) -> dict[str, float]:
    """Peak of anonymous memory of this project's reader above the interpreter with its imports, in MB."""
    from postmortem.model import FoundFile
    from postmortem.read.events.files import split_runs

    file = FoundFile(path, path.name, "events", path.stat().st_size)
    base = anonymous_mb()
    with peak_anonymous_mb() as peak:
        data = split_runs([file])
    return {"megabytes": peak[0] - base, "trainings": len(data)}


MEASURES = {"ours": ours, "memory": memory, "tbparse": tbparse, "accumulator": accumulator}


def apart(what: str, path: Path) -> dict[str, float]:
    """One of the measuring functions in an interpreter of its own."""
    command = [sys.executable, __file__, "--measure", what, str(path)]
    answer: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[-1])
    return answer


def main() -> int:
    """Builds, measures, prints; 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scalars", type=int, default=500_000)
    parser.add_argument("--histograms", type=int, default=20_000)
    parser.add_argument("--buckets", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to keep the files; a temporary folder otherwise")
    parser.add_argument("--no-slow", action="store_true", help="leave tbparse and EventAccumulator out: they take minutes")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        say(
            json.dumps(
                {"ours": ours, "memory": memory, "tbparse": tbparse, "accumulator": accumulator}[options.measure[0]](
                    Path(options.measure[1])
                )
            )
        )
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        met = _scalars(folder, options)
        return 0 if _histograms(folder, options) and met else 1


def _scalars(folder: Path, options: argparse.Namespace) -> bool:
    path = folder / "scalars" / "events.out.tfevents.1700000000.host.1.0"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_scalars(path, options.scalars)
    say(f"{options.scalars} scalars, {len(path.read_bytes()) / 1e6:.0f} MB")
    own, rust = [], []
    for _ in range(options.repeat):
        own.append(apart("ours", path))
        rust.append(rust_seconds(path.parent))
    mine, theirs = statistics.median(one["seconds"] for one in own), statistics.median(rust)
    say(f"  this reader {mine:.3f} s, Rust loader {theirs:.3f} s (medians of {options.repeat} in turns)")
    if any(one["points"] != options.scalars for one in own):
        raise RuntimeError("not every scalar was read")
    met = [verdict("times the Rust loader's time", mine / theirs, RUST_TARGET)]
    met.append(verdict("MB of peak memory", apart("memory", path)["megabytes"], MEMORY_TARGET_MEGABYTES))
    if not options.no_slow:
        peer = apart("tbparse", path)["seconds"]
        say(f"  tbparse {peer:.2f} s")
        met.append(verdict("times faster than tbparse", peer / mine, TBPARSE_TARGET, at_least=True))
    return all(met)


def _histograms(folder: Path, options: argparse.Namespace) -> bool:
    path = folder / "histograms" / "events.out.tfevents.1700000000.host.1.0"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_histograms(path, options.histograms, options.buckets)
    say(f"{options.histograms} histograms of {options.buckets} buckets, {len(path.read_bytes()) / 1e6:.0f} MB")
    own = [apart("ours", path) for _ in range(options.repeat)]
    mine = statistics.median(one["seconds"] for one in own)
    say(f"  this reader {mine:.3f} s")
    if any(one["points"] != options.histograms for one in own):
        raise RuntimeError("not every histogram was read")
    met = [verdict("MB of peak memory", apart("memory", path)["megabytes"], MEMORY_TARGET_MEGABYTES)]
    if not options.no_slow:
        peer = apart("accumulator", path)["seconds"]
        say(f"  EventAccumulator {peer:.2f} s")
        met.append(verdict("times faster than EventAccumulator", peer / mine, ACCUMULATOR_TARGET, at_least=True))
    return all(met)


if __name__ == "__main__":
    sys.exit(main())
