"""Time and memory of reading a large manifest, beside the same questions put to DuckDB by hand and beside pandas.

    python benchmarks/manifest_tables.py [--rows 5000000] [--turns 3] [--formats csv,parquet,jsonl]

Writes a table of paths, 100 classes and three splits (CSV of 300 MB for 5,000,000 rows) into a temporary folder. In turns, each in a
fresh interpreter with two threads: the manifest is read in full (encoding, broken lines, labels, runs, duplicate, shared and
contradicting keys); DuckDB is asked for counts by split and label, duplicates within a split and keys in two splits, put in three
ways, of which the fastest is the peer; pandas is asked the same. Prints medians, ratios, and the peak memory of the reader's process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
from reporting import say, verdict

READ = """
from pathlib import Path
from postmortem.model import FoundFile
from postmortem.read.manifests.files import read_manifest
path = Path(FILE)
found = read_manifest(FoundFile(path, path.name, "manifest", path.stat().st_size)).manifest
answer = [found.rows, found.duplicate_keys, found.shared_keys.get("train|validation", 0), sum(map(len, found.counts.values()))]
"""
_DUCKDB = """
import duckdb
reader = {"csv": "read_csv", "parquet": "read_parquet", "jsonl": "read_json"}[FILE.rpartition(".")[2]] + "('" + FILE + "')"
bits = "bit_or(CASE split WHEN 'train' THEN 1 WHEN 'validation' THEN 2 ELSE 4 END)"
with duckdb.connect(config={"threads": 2}) as connection:
    connection.execute("SET enable_progress_bar = false")
    SOURCE
    counts = connection.execute(f"SELECT split, label, count(*) FROM {table} GROUP BY ALL").fetchall()
    groups = connection.execute(
        f"SELECT inside, count(*), sum(n) FROM (SELECT {key} AS k, {bits} AS inside, count(*) AS n FROM {table} GROUP BY k) GROUP BY inside"
    ).fetchall()
duplicates = sum(rows - keys * inside.bit_count() for inside, keys, rows in groups)
answer = [sum(n for *_, n in counts), int(duplicates), sum(keys for inside, keys, _ in groups if inside & 3 == 3), len(counts)]
"""
_MADE = 'table, key = "t", "{key}"; connection.execute(f"CREATE TABLE t AS SELECT {what}, label, split FROM {{reader}}")'
_SOURCES = {
    "a table of hashes": _MADE.format(key="key", what="hash(path) AS key"),
    "a table of texts": _MADE.format(key="path", what="path"),
    "the file twice": 'table, key = reader, "hash(path)"',
}
PANDAS = """
import pandas
table = pandas.read_csv(FILE) if FILE.endswith("csv") else pandas.read_json(FILE, lines=True)
counts = table.groupby(["split", "label"]).size()
duplicates = int(table.duplicated(["path", "split"]).sum())
train, held = (set(table.path[table.split == name]) for name in ("train", "validation"))
answer = [len(table), duplicates, len(train & held), len(counts)]
"""
_TURN = """
import json, resource, sys, time
begin = time.perf_counter()
{work}
seconds = time.perf_counter() - begin
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, answer]))
"""


def write_tables(folder: Path, rows: int, formats: list[str]) -> dict[str, Path]:
    """The same records in each format; one key in a thousand stands twice, one in ten thousand in two splits."""
    question = (
        "SELECT 'data/images/originals_2024/batch_' || lpad((key // 10000)::VARCHAR, 4, '0')"
        " || '/img_' || lpad(key::VARCHAR, 8, '0') || '.jpg' AS path,"
        " 'class_' || (hash(i) % 100)::VARCHAR AS label,"
        " CASE WHEN i % 10 < 8 THEN 'train' WHEN i % 10 = 8 THEN 'validation' ELSE 'test' END AS split"
        " FROM (SELECT i, CASE WHEN i % 1000 = 7 THEN i - 1 WHEN i % 10000 = 8 THEN i - 3 ELSE i END AS key"
        f" FROM range({rows}) t(i))"
    )
    options = {"csv": "HEADER", "parquet": "FORMAT parquet", "jsonl": "FORMAT json"}
    with duckdb.connect() as connection:
        for form in formats:
            connection.execute(f"COPY ({question}) TO '{folder / f'manifest.{form}'}' ({options[form]})")
    return {form: folder / f"manifest.{form}" for form in formats}


def turn(work: str, path: Path) -> tuple[float, float, list[int]]:
    """Seconds, peak memory in MB and the answer of one fresh interpreter; imports are counted."""
    code = _TURN.format(work=work.replace("FILE", repr(str(path))))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, peak, answer = json.loads(done.stdout)
    return seconds, peak, answer


def compare(path: Path, turns: int) -> bool:
    """Print the medians of one format; whether all targets were met."""
    works = {"this reader": READ, **{how: _DUCKDB.replace("SOURCE", made) for how, made in _SOURCES.items()}}
    if path.suffix != ".parquet":  # pandas needs another package for it
        works["pandas"] = PANDAS
    times: dict[str, list[float]] = {name: [] for name in works}
    peak = 0.0
    for number in range(turns):
        answers = {}
        for name, work in works.items():
            if name == "pandas" and number > 0:
                continue  # one turn is enough for a ratio of many
            seconds, memory, answers[name] = turn(work, path)
            times[name].append(seconds)
            peak = max(peak, memory) if name == "this reader" else peak
        if any(answer != answers["this reader"] for answer in answers.values()):
            raise SystemExit(f"the answers differ: {answers}")
    medians = {name: statistics.median(each) for name, each in times.items()}
    say(f"{path.name}, {path.stat().st_size / 1e6:.0f} MB: " + ", ".join(f"{name} {each:.2f} s" for name, each in medians.items()))
    peer = min(_SOURCES, key=lambda how: medians[how])
    met = verdict(f"beside DuckDB ({peer})", medians["this reader"] / medians[peer], 1.5)
    if "pandas" in medians:
        met &= verdict("pandas beside this reader", medians["pandas"] / medians["this reader"], 4, at_least=True)
    return verdict("peak memory, MB", peak, 800) and met


def main() -> int:
    """Measure every format; 1 where a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--formats", default="csv,parquet,jsonl")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_tables(Path(folder), chosen.rows, chosen.formats.split(","))
        met = [compare(path, chosen.turns) for path in paths.values()]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
