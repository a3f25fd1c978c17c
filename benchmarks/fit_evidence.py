"""Fit the weights of all evidence on the tuning half of the fault corpus, and write postmortem/fitted.py.

python benchmarks/fit_evidence.py CORPUS [--jobs N] [--dry] [--onward]

The reporting half is not looked at. With --onward the present weights stand for the runs that they were fitted on, and CORPUS needs to hold
only what is newer: a draw that tunes by now, or any runs that show what new evidence is worth.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scoring.corpus import VIEWS, Truth, View, truths
from scoring.fitting import fit, table
from scoring.judging import reports

from postmortem import rules
from postmortem.fitted import WEIGHTS
from postmortem.model import Outcome

TARGET = Path(__file__).resolve().parent.parent / "postmortem" / "fitted.py"
WEIGHT_OF_VIEW: Mapping[View, float] = {"all": 1.0, "logs": 0.5, "checkpoints": 0.5}
"""How much a run counts in each view: runs with everything are the rule."""
HEAD = '''"""Weights of evidence in log-odds (nats), fitted on the tuning half of the fault corpus. Generated; do not edit.

Made by benchmarks/fit_evidence.py from {runs}.
A weight keeps the sign that the cause's file gives it, is at most twice as large, and is drawn towards it. Evidence that is not listed
keeps the weight of its file.
"""

from __future__ import annotations

from collections.abc import Mapping

WEIGHTS: Mapping[str, Mapping[str, float]] = {{
'''


def main() -> int:
    """Fit, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dry", action="store_true", help="print the file and write nothing")
    parser.add_argument("--onward", action="store_true", help="hold the present weights, and fit what the corpus adds to them")
    options = parser.parse_args()
    chosen, _ = truths(options.corpus, "tuning")
    work = [(options.corpus, truth, view) for view in VIEWS for truth in chosen]
    with ProcessPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(_outcomes, work, chunksize=4))
    before = WEIGHTS if options.onward else {}
    tables = [table(cause, outcomes, before.get(cause)) for cause in rules.causes()]
    weights = np.array([WEIGHT_OF_VIEW[view] for _, _, view in work])
    runs = f"{_runs_before()}, and onward from {len(chosen)} runs" if options.onward else f"{len(chosen)} runs"
    text = written(fit(tables, [truth for _, truth, _ in work], weights), runs)
    if options.dry:
        sys.stdout.write(text)
    else:
        TARGET.write_text(text, encoding="utf-8")
    return 0


def _outcomes(work: tuple[Path, Truth, View]) -> dict[str, Outcome]:
    """The checks' outcomes on one run; none where nothing was found."""
    found = reports(*work)
    if not found:
        return {}
    worst = max(found, key=lambda run: max((cause.probability for cause in run.causes), default=0.0))
    return {outcome.id: outcome for outcome in worst.checks}


def _runs_before() -> str:
    """What the present weights were fitted on, in the words of their file."""
    told = re.search(r"fit_evidence\.py from (.*?)\.\s+A weight", TARGET.read_text(encoding="utf-8"), re.DOTALL)
    assert told is not None
    return " ".join(told.group(1).split())


def written(fitted: Mapping[str, Mapping[str, float]], runs: str) -> str:
    """The module's text."""
    lines = [HEAD.format(runs=runs)]
    for cause, weights in fitted.items():
        lines.append(f'    "{cause}": {{\n')
        lines += [f'        "{key}": {weight + 0.0:.2f},\n' for key, weight in weights.items()]
        lines.append("    },\n")
    return "".join([*lines, "}\n"])


if __name__ == "__main__":
    raise SystemExit(main())
