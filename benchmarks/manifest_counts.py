"""Time of reading a large manifest against the one question that any tool would ask of DuckDB.

    python benchmarks/manifest_counts.py [ROWS]

Writes a table of ROWS records (5,000,000 by default) into a temporary folder, then asks DuckDB for counts by split and label
alone, and reads the manifest in full (encoding, broken lines, labels, runs, duplicate and shared keys), each in turn, three
times. Prints both times, their ratio, and the peak memory of the process.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from reporting import say

from postmortem.model import FoundFile
from postmortem.read.manifests.files import read_manifest

QUESTION = "SELECT split, label, count(*) FROM read_csv(?) GROUP BY ALL"


def write_table(path: Path, rows: int) -> None:
    """A table of paths, 100 classes and three splits."""
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'img_' || lpad(i::VARCHAR, 8, '0') || '.png' AS path, 'class_' || (hash(i) % 100)::VARCHAR AS label,"
            " CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'val' ELSE 'test' END AS split"
            f" FROM range({rows}) t(i)) TO '{path}' (HEADER)"
        )


def main(rows: int) -> None:
    """Print the times of both, best of three."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.csv"
        write_table(path, rows)
        direct: list[float] = []
        full: list[float] = []
        for _ in range(3):
            begin = time.perf_counter()
            with duckdb.connect(config={"threads": 2}) as connection:
                connection.execute(QUESTION, [str(path)]).fetchall()
            direct.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            manifest = read_manifest(FoundFile(path, path.name, "manifest", path.stat().st_size)).manifest
            full.append(time.perf_counter() - begin)
            if manifest is None or manifest.rows != rows:
                raise SystemExit("the manifest was not read in full")
        megabytes = path.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{rows} records, {megabytes:.0f} MB: one question {min(direct):.2f} s, the whole manifest {min(full):.2f} s")
    say(f"ratio {min(full) / min(direct):.1f}, peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000)
