"""trainproof: a linter of training logs, and of checkpoint files as archives. What it guards while a training runs is not asked for."""

from __future__ import annotations

from pathlib import Path

from rival_tools.findings import Finding, finding, ranked
from rival_tools.handed import Handed
from rival_tools.signs import FLAT, NOT_FINITE, RISING, STEEP_GRADIENT, credited

CREDIT = {
    "TP-NAN": NOT_FINITE,
    "TP-NAN-GRAD": credited("loss-scale-collapse", *NOT_FINITE),
    "TP-ZERO-LOSS": ("loss-misconfigured", "label-noise"),
    "TP-ZERO-LOSS-ONSET": credited("loss-scale-collapse", *NOT_FINITE),
    # it calls both dead runs, and names a learning rate of zero and garbage labels as what they were made for
    "TP-FLAT": FLAT,
    "TP-DEAD-RUN": FLAT,
    "TP-DIVERGE": RISING,
    "TP-ZERO-GRAD": ("frozen-parameters", "not-training", "vanishing-gradients", "dead-relus"),
    "TP-GRAD-SPIKE": STEEP_GRADIENT,
    "TP-ZERO-LR": ("not-training", "lr-schedule", "lr-too-low"),
    "TP-ZERO-LR-PARTIAL": ("lr-schedule", "lr-too-low"),
    "TP-OVERFIT": ("overfitting",),
    "TP-ENV-CKPT-EMPTY": ("corrupt-artifact", "interrupted"),
    "TP-ENV-CKPT-TRUNCATED": ("corrupt-artifact", "interrupted"),
    "TP-ENV-CKPT-CORRUPT": ("corrupt-artifact",),
    # what it could not look at, what went well, and how fast it went
    "TP-ENV-CKPT-UNREADABLE": (),
    "TP-ENV-CKPT-LEGACY": (),
    "TP-ENV-CKPT-OK": (),
    "TP-NO-RECORDS": (),
    "TP-NO-LOSS": (),
    "TP-NOT-CHECKED": (),
    "TP-PASS": (),
    "TP-THROUGHPUT": (),
    "TP-GPU-UTIL": (),
    "TP-STEP-CLIFF": (),
    "TP-LOADER-BOUND": (),
}
SEVERITIES = {"FAIL": "error", "WARN": "warning"}
TORCH_FILES = (".pt", ".pth", ".ckpt", ".bin", ".tar")


def findings(handed: Handed) -> list[Finding]:
    """What `trainproof epoch` and `trainproof env --checkpoint` (for every torch file) report, most severe first."""
    from trainproof.envcheck import check_checkpoint
    from trainproof.epoch import check_epoch

    said = check_epoch(handed.table, fmt="csv")["findings"] if handed.table else []
    for path in handed.checkpoint_files:
        if Path(path).suffix in TORCH_FILES:
            said += check_checkpoint(path)
    # A finding that is credited with nothing is about what trainproof could not read, or about speed.
    return ranked(finding(one["id"], SEVERITIES.get(one["level"], "advice"), CREDIT) for one in said if CREDIT[one["id"]])
