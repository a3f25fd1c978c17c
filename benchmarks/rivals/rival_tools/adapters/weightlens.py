"""weightlens: statistics of one checkpoint's tensors against fixed limits, and whether files load. Reads weights only."""

from __future__ import annotations

import gc
import logging

from rival_tools.findings import Finding, finding, ranked
from rival_tools.handed import Handed
from rival_tools.signs import LARGE_WEIGHTS, NOT_FINITE, credited

UNREADABLE = ("corrupt-artifact", "interrupted")
CREDIT = {
    # rules
    "dead-layer": ("symmetric-init", "dead-relus", "regularization-dominates", "not-training", "pretrained-not-loaded"),
    "exploding-variance": LARGE_WEIGHTS,
    "extreme-spike": credited(*LARGE_WEIGHTS, "loss-spike", "corrupt-artifact"),
    "abnormal-norm": LARGE_WEIGHTS,
    "non-finite-values": NOT_FINITE,
    "non-finite-statistics": NOT_FINITE,
    "empty-tensor": ("corrupt-artifact",),
    # flags of a checkpoint's health
    "nan_flood": NOT_FINITE,
    "zero_flood": ("symmetric-init", "dead-relus", "regularization-dominates", "pretrained-not-loaded"),
    "tensor_access_failed": UNREADABLE,
    "empty_file": UNREADABLE,
    "load_failed": UNREADABLE,
    "unreadable": UNREADABLE,
}
TORCH_FILES = (".pt", ".pth", ".ckpt", ".bin", ".tar")
SEVERITIES = {"error": "error", "warn": "warning", "info": "advice"}


def findings(handed: Handed) -> list[Finding]:
    """What `lens analyze`, as it is set, says of the first and of the last checkpoint, and whether it can load the files of the run.

    Flags of health carry no severity, files that it refuses are often files that others can read, and a network is not trained yet when
    its first checkpoint is written: none of them counts as an alarm. The last checkpoint comes first.
    """
    from weightlens.validators.pytorch_checkpoint import PyTorchCheckpointValidator
    from weightlens.validators.safetensors import SafetensorsCheckpointValidator

    logging.disable(logging.CRITICAL)
    # It collects garbage for every file, which takes most of its time where torch is loaded.
    gc.freeze()
    said = [one for path in reversed(handed.weights) for one in _of_weights(path, path == handed.weights[-1])]
    flags: list[str] = []
    for path in handed.checkpoint_files:
        if path.endswith(".safetensors"):
            flags += SafetensorsCheckpointValidator(path).validate().corruption_flags
        elif path.endswith(TORCH_FILES):
            flags += PyTorchCheckpointValidator(path).validate().corruption_flags
    return ranked(said + [one for one in _of_flags(flags) if one.causes == UNREADABLE])


def _of_weights(path: str, is_last: bool) -> list[Finding]:
    import torch
    from safetensors.torch import load_file
    from weightlens.aggregators import StreamingGlobalAggregator
    from weightlens.analyzer import Analyzer
    from weightlens.classifiers import PyTorchParameterClassifier
    from weightlens.diagnostics import DeadLayerRule, ExplodingVarianceRule, ExtremeSpikeRule
    from weightlens.sources import PyTorchWeightSource
    from weightlens.stats_engines import BasicStatsEngine
    from weightlens.validators.pytorch_checkpoint import PyTorchCheckpointValidator

    # Of a torch file it also tells whether whole tensors are zero or NaN; of safetensors it does not.
    torch_file = f"{path}.pt"
    torch.save(load_file(path), torch_file)
    health = PyTorchCheckpointValidator(torch_file).validate()
    flags = _of_flags(health.corruption_flags)
    analyzer = Analyzer(
        source=PyTorchWeightSource(torch_file),
        validator=PyTorchCheckpointValidator(torch_file),
        stats_engine=BasicStatsEngine(),
        aggregator=StreamingGlobalAggregator(),
        rules=[DeadLayerRule(), ExplodingVarianceRule(), ExtremeSpikeRule()],
        classifier=PyTorchParameterClassifier(),
        num_workers=1,
    )
    try:
        said = analyzer.analyze().diagnostics
    except ValueError:
        # Where no tensor is finite it stops for want of values. What it told before that counts.
        return flags
    return [finding(one.rule, SEVERITIES[one.severity] if is_last else "advice", CREDIT) for one in said] + flags


def _of_flags(flags: list[str]) -> list[Finding]:
    return [finding(name, "advice", CREDIT) for flag in flags if (name := flag.partition(":")[0]) in CREDIT]
