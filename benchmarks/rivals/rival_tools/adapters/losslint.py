"""losslint: a linter of training logs. Reads logs only."""

from __future__ import annotations

from pathlib import Path

from rival_tools.findings import Finding, finding, ranked
from rival_tools.handed import Handed
from rival_tools.signs import FLAT, NOT_FINITE, RISING, SPIKE, credited

CREDIT = {
    "nan_inf": NOT_FINITE,
    "divergence": RISING,
    "loss_spike": credited("loss-spike", "label-noise", *SPIKE),
    "step_backtrack": ("resume-lost-state", "interrupted"),
    "overfit_onset": ("overfitting",),
    "stagnation": credited("lr-too-low", *FLAT),
    "parse": ("corrupt-artifact",),
}
SEVERITIES = {"error": "error", "warning": "warning", "info": "advice"}


def findings(handed: Handed) -> list[Finding]:
    """What `losslint check` reports, most severe first. It gets the log in the order of writing: it looks for steps that go back."""
    from losslint.checks import run_all_checks
    from losslint.parsing import load_run

    if not handed.as_written:
        return []
    # It raises where a table has no column of a loss, which is nothing to hold against it: then there is nothing for it to read.
    with Path(handed.as_written).open(encoding="utf-8") as file:
        if not any("loss" in name for name in file.readline().strip().split(",")):
            return []
    said = run_all_checks(load_run(Path(handed.as_written)))
    return ranked(finding(one.check, SEVERITIES[one.severity], CREDIT) for one in said)
