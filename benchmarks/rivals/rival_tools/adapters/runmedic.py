"""runmedic: checks of the curves of a run and of the text that it printed. Reads logs only; names likely causes in sentences."""

from __future__ import annotations

from pathlib import Path

from rival_tools.findings import Finding, finding
from rival_tools.handed import Handed
from rival_tools.signs import FLAT, NOT_FINITE, RISING, SPIKE, STEEP_GRADIENT, credited

CREDIT = {
    "non_finite": NOT_FINITE,
    "divergence": credited("lr-too-high", "lr-schedule", *RISING, "regularization-dominates"),
    "no_learning": FLAT,
    "overfitting": ("overfitting",),
    "loss_spikes": credited("loss-spike", "label-noise", "lr-too-high", *SPIKE),
    "grad_spikes": credited("lr-too-high", "lr-schedule", "loss-spike", *STEEP_GRADIENT),
    "val_below_train": ("split-leakage",),
    "constant_lr_plateau": ("lr-schedule", "lr-too-high", "underfitting"),
    "log:amp_overflow": ("loss-scale-collapse", "lr-too-high", "exploding-gradients"),
    "log:anomaly_nan": credited("exploding-gradients", *NOT_FINITE),
    "log:unused_params": ("frozen-parameters",),
    "log:nccl_timeout": ("interrupted", "replica-desync"),
    "log:cuda_oom": ("interrupted",),
    "log:dataloader_killed": ("interrupted",),
    "log:device_mismatch": ("interrupted",),
    "log:backward_twice": ("interrupted",),
    "log:inplace_grad": ("interrupted",),
    # how fast it runs
    "input_bound": (),
    "slow_steps": (),
    "slowdown": (),
    "memory_growth": (),
}
SAID = {
    # words of its likely causes, which it lists with the likeliest first -> what they name
    "LR schedule never stops increasing": ("lr-schedule",),
    "NaN from the very first steps": ("inputs-not-normalized", "loss-misconfigured", "init-too-large"),
    "Exploding gradients": ("exploding-gradients", "lr-too-high"),
    "Sudden blow-up": ("loss-spike", "loss-misconfigured"),
    "fp16 overflow": ("loss-scale-collapse",),
    "Learning rate too high": ("lr-too-high",),
    "learning rate is zero for the whole run": ("lr-schedule", "not-training"),
    "same prediction for every input": ("frozen-parameters", "symmetric-init", "dead-relus", "class-imbalance"),
    "Weights are not updated": ("not-training", "frozen-parameters"),
    "Learning rate far too low": ("lr-too-low",),
    "Labels are misaligned": ("label-noise",),
    "missing warmup": ("lr-schedule",),
    "Individual bad batches": ("loss-spike", "label-noise"),
    "Outlier batches": ("loss-spike",),
}
SEVERITIES = {"critical": "error", "warning": "warning", "info": "advice"}
NOT_ABOUT_LEARNING = ("input_bound", "slow_steps", "slowdown", "memory_growth")


def findings(handed: Handed) -> list[Finding]:
    """What `runmedic diagnose` reports, in its order: critical first. Its remarks on speed and memory count as advice."""
    from runmedic import roles
    from runmedic.checks import run_checks
    from runmedic.loaders import tabular, textlog

    texts = [textlog.load(Path(path)) for path in handed.text_logs]
    if not (handed.table or texts):
        return []
    run = tabular.load_csv(Path(handed.table)) if handed.table else texts.pop(0)
    for text in texts:
        run.log_lines += text.log_lines
    said = run_checks(run, roles.detect(run))
    return [finding(one.check, _severity(one.check, one.severity), CREDIT, _named(one.causes)) for one in said]


def _severity(check: str, severity: str) -> str:
    return "advice" if check in NOT_ABOUT_LEARNING else SEVERITIES[severity]


def _named(sentences: list[str]) -> list[str]:
    return [cause for sentence in sentences for words, causes in SAID.items() if words in sentence for cause in causes]
