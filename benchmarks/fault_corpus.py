"""Make the fault corpus: real trainings with an injected fault, each beside its healthy twin, and healthy runs that look sick.

python benchmarks/fault_corpus.py OUT [--jobs N] [--only TEXT] [--half tuning|reporting] [--draw NAME] [--list]

Restartable: what is there as the present code would make it is left alone. Writes OUT/runs/<name>/ as trainers leave it, and
OUT/truth/<name>.json with what was done, which no analysis reads.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from faults.making import is_made, make, prepare, told
from faults.nouns import Draw
from faults.roster import Entry, roster


def main() -> int:
    """Make what is missing; 1 where a run did not turn out as it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the corpus")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--only", default="", help="entries whose line of --list contains this")
    parser.add_argument("--half", choices=("tuning", "reporting"))
    parser.add_argument("--draw", choices=get_args(Draw))
    parser.add_argument("--list", action="store_true", help="name the entries and make nothing")
    options = parser.parse_args()
    chosen = [entry for entry in roster() if options.half in (None, entry.half) and options.draw in (None, entry.draw)]
    chosen = [entry for entry in chosen if options.only in _line(entry)]
    if options.list:
        sys.stdout.write("".join(f"{_line(entry)}\n" for entry in chosen))
        return 0
    waiting = [entry for entry in chosen if not is_made(entry, options.out)]
    sys.stdout.write(f"{len(chosen)} entries, {len(chosen) - len(waiting)} already made\n")
    started, unproved = time.monotonic(), 0
    # Fresh interpreters: forked ones would share the state of torch's threads.
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), initializer=prepare) as pool:
        waited = {pool.submit(make_named, entry.name, options.out): entry for entry in waiting}
        for done in as_completed(waited):
            truth = done.result()
            unproved += not truth["proved"]
            sys.stdout.write(told(waited[done], truth) + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"made {len(waiting)} in {time.monotonic() - started:.0f} s; {unproved} did not turn out as they should\n")
    return 1 if unproved else 0


def make_named(name: str, out: Path) -> dict[str, object]:
    """Make an entry by its name: hooks are functions, which do not travel between processes."""
    return make(next(entry for entry in roster() if entry.name == name), out)


def _line(entry: Entry) -> str:
    what = entry.cause or f"healthy: {entry.kind}"
    fault, style = entry.fault, entry.style
    return f"{entry.name} {entry.draw} {what} {fault.name} {fault.severity} {entry.task.name} {style.logs} {style.layout}"


if __name__ == "__main__":
    raise SystemExit(main())
