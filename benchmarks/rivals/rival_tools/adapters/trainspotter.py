"""trainspotter: detectors over the curves of a training log. Reads logs only."""

from __future__ import annotations

from pathlib import Path

from rival_tools.findings import Finding, finding
from rival_tools.handed import Handed
from rival_tools.signs import FLAT, NOT_FINITE, RISING, SPIKE, STEEP_GRADIENT, credited

CREDIT = {
    # detector/title, as the tool calls them
    "divergence/Diverged (non-finite values)": credited("lr-too-high", "exploding-gradients", "loss-misconfigured", *NOT_FINITE),
    "divergence/Diverged (sustained growth)": RISING,
    "spikes/Loss spike": SPIKE,
    "overfitting/Overfitting onset": ("overfitting", "split-leakage"),
    "eval_noise/Eval metric too noisy to rank checkpoints": (),
    "grad_norm/Gradient-norm explosion": STEEP_GRADIENT,
    "grad_norm/Gradient clipping likely saturated": ("clipping-too-tight", "lr-too-high"),
    "lr_schedule/No LR warmup detected": ("lr-schedule", "lr-too-high"),
    "lr_schedule/LR increased after its peak": ("lr-schedule", "resume-lost-state"),
    "lr_schedule/LR discontinuity": ("lr-schedule", "resume-lost-state"),
    "plateau/Plateau": credited("lr-schedule", "lr-too-low", "frozen-parameters", *FLAT),
    "loss_floor/Suspiciously low loss early (heuristic)": ("split-leakage",),
    "throughput/Throughput regression": (),
}
SEVERITIES = {"error": "error", "warning": "warning", "info": "advice"}


def findings(handed: Handed) -> list[Finding]:
    """What `trainspotter analyze` reports, in its order: errors first."""
    from trainspotter.detectors import run_all
    from trainspotter.readers import load_run

    if not handed.table:
        return []
    said = run_all(load_run(Path(handed.table), fmt="csv"))
    return [finding(f"{one.detector}/{one.title}", SEVERITIES[one.severity], CREDIT) for one in said]
