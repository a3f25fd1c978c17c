"""Score the diagnosis on the fault corpus.

python benchmarks/scoreboard.py CORPUS [--half tuning|reporting] [--views all,logs,checkpoints] [--cause ID] [--mistakes]
                                 [--rivals DIR] [--page FILE]

Prints recall by cause, false alarms by kind of healthy run, and calibration. Measurements are kept in CORPUS/measured, so that changes of
checks and causes are scored in seconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scoring.corpus import VIEWS, truths
from scoring.judging import Judged, judge_corpus
from scoring.metrics import alarms, brier, by_cause, by_kind, is_false_alarm, recall, reliability
from scoring.page import page
from scoring.rivals import rival_scores

from postmortem import rules


def main() -> int:
    """Print the scores of one half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--half", choices=("tuning", "reporting"), default="tuning")
    parser.add_argument("--views", default="all", help="comma-separated: all, logs, checkpoints")
    parser.add_argument("--cause", default="", help="only runs of this cause, and their twins with them")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rivals", type=Path, help="folder of the answers of benchmarks/rivals/run.py")
    parser.add_argument("--page", type=Path, help="write the page of docs/ here")
    parser.add_argument("--mistakes", action="store_true", help="name every run that is told wrong")
    options = parser.parse_args()
    chosen, unproved = truths(options.corpus, options.half)
    names = {truth.fault + truth.task for truth in chosen if options.cause == truth.cause}
    if options.cause:
        chosen = [truth for truth in chosen if truth.cause == options.cause or (truth.kind == "twin" and truth.fault + truth.task in names)]
    views = [view for view in VIEWS if view in options.views.split(",")]
    runs = judge_corpus(options.corpus, chosen, views, options.jobs)
    out = sys.stdout
    out.write(f"{options.half}: {len(chosen)} runs, {len(unproved)} not proved and left out\n")
    for view in views:
        of_view = [run for run in runs if run.view == view]
        out.write(f"\n== {view} ==\n")
        for cause, found in by_cause(of_view).items():
            out.write(f"{cause:28} first {found.first:2}/{found.runs:<2}  three {found.three:2}/{found.runs:<2}\n")
        total = recall(of_view)
        out.write(f"{'all causes':28} first {total.first_share:.3f}  three {total.three_share:.3f}  of {total.runs}\n")
        for kind, found_alarms in by_kind(of_view).items():
            if found_alarms.alarmed:
                out.write(f"healthy {kind:30} alarmed {found_alarms.alarmed}/{found_alarms.runs}  failed {found_alarms.failed}\n")
        every = alarms(of_view)
        out.write(f"healthy: alarmed {every.alarmed} of {every.runs} ({every.share:.3f}), failed {every.failed}\n")
        everywhere, printed = brier(of_view, list(rules.causes()))
        out.write(f"Brier {everywhere:.4f} over all pairs, {printed:.4f} over printed causes\n")
        for each in reliability(of_view):
            out.write(f"  said {each.low:.2f}-{each.high:.2f}: {each.causes:4} causes, mean {each.said:.2f}, true {each.true:.2f}\n")
        if options.mistakes:
            for run in of_view:
                if mistake := _mistake(run):
                    out.write(f"{mistake}\n")
    if options.page:
        rivals = rival_scores(options.rivals, chosen) if options.rivals else []
        options.page.write_text(page(runs, unproved, rivals), encoding="utf-8")
    for line in unproved:
        out.write(f"not proved: {line}\n")
    return 0


def _mistake(run: Judged) -> str:
    truth = run.truth
    said = ", ".join(f"{id} {probability:.2f}" for id, probability in run.causes[:4]) or "nothing"
    where = f"{run.view:11} {truth.name} {truth.task:20} {truth.fault:28}"
    if truth.cause and (not run.causes or run.causes[0][0] not in truth.right):
        return f"wrong {where} {truth.cause}: {run.verdict}: {said}"
    if not truth.cause and is_false_alarm(run):
        failed = [id for id, status in run.statuses.items() if status == "fail"]
        return f"alarm {where} {truth.kind}: {run.verdict}: {said}; failed: {', '.join(failed)}"
    return ""


if __name__ == "__main__":
    raise SystemExit(main())
