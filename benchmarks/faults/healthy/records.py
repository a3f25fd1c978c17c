"""Ways of logging and saving that leave little, or odd things, of a sound training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from faults import damage
from faults.nouns import Fault, Loop, Snapshot, Trained
from faults.plan import STATE, Plan, Style

_COMMON = frozenset({"adversarial", "policy"})


def _logs(style: Style) -> Style:
    """Logs that count steps."""
    return replace(style, logs="tensorboard", tags="slash") if style.logs in ("keras-csv", "tensorboard-split", "trainer-state") else style


def _sparse(style: Style) -> Style:
    return replace(_logs(style), points=12, validations=4)


def _by_epoch(style: Style) -> Style:
    return replace(style, logs="keras-csv" if style.logs == "keras-csv" else "tensorboard-split", points=100, validations=20)


def _no_validation(style: Style) -> Style:
    return replace(_logs(style), roles=("loss", "lr"))


def _only_logs(style: Style) -> Style:
    style = _logs(style)
    return replace(style, layout="none", manifest="none")


def _only_checkpoints(style: Style) -> Style:
    return replace(style, logs="none", manifest="none", layout="numbered" if style.layout in ("none", "hugging-face") else style.layout)


def _one_export(style: Style) -> Style:
    """One file of weights at the end."""
    return replace(_logs(style), layout="tensors-only", checkpoints=1, first=False, optimizer_state=False)


def _exported(dtype: torch.dtype) -> Callable[[Trained], Trained]:
    def changed(trained: Trained) -> Trained:
        return replace(trained, snapshots=tuple(_cast(each, dtype) for each in trained.snapshots))

    return changed


def _cast(snapshot: Snapshot, dtype: torch.dtype) -> Snapshot:
    model = {name: each.to(dtype) if each.is_floating_point() and "running" not in name else each for name, each in snapshot.model.items()}
    return replace(snapshot, model=model)


def _noisy_validation(trained: Trained) -> Trained:
    """Validation on 16 records: each point is a draw."""
    noise = torch.Generator().manual_seed(trained.plan.seed)
    first = trained.points[0].values.get("validation_loss", 1.0)
    points = []
    for point in trained.points:
        values = dict(point.values)
        if "validation_loss" in values:
            factor = 1 + 0.25 * float(torch.randn((), generator=noise).clamp(-2, 2))
            values["validation_loss"] = max(values["validation_loss"], 0.02 * abs(first)) * factor
        points.append(replace(point, values=values))
    return replace(trained, points=tuple(points))


def _again(ended: float) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, ended=ended, restores=STATE)


def _many_checkpoints(style: Style) -> Style:
    return replace(style, checkpoints=max(5, style.checkpoints))


def _stopped_early(folder: Path, trained: Trained) -> None:
    damage.say(
        folder, "Validation loss did not improve for 10 evaluations.", "Early stopping triggered", "Best model restored, training finished"
    )


def _with_patience(trained: Trained) -> Trained:
    return replace(trained, settings={**trained.settings, "early_stopping_patience": 10})


def _second_stage(loop: Loop) -> None:
    """From the middle on a new optimizer at a tenth of the rate, over the same weights: a second stage that was planned."""
    if loop.step == loop.plan.steps // 2:
        from faults.loop import renew_optimizer

        plan = loop.plan
        loop.plan = replace(plan, lr=0.2 * plan.lr)
        renew_optimizer(loop)
        loop.plan = plan


def _two_stages(trained: Trained) -> Trained:
    return replace(trained, settings={**trained.settings, "stage1_steps": trained.plan.steps // 2, "stage2_lr": 0.2 * trained.plan.lr})


def _finished(folder: Path, trained: Trained) -> None:
    damage.say(folder, "Training completed. Do not forget to evaluate the model.")


TRAPS = (
    Fault("sparse-logs", "clear", "Twelve points of the loss.", style=_sparse, spares=_COMMON),
    Fault("logged-by-epoch", "clear", "A point an epoch, and the index counts epochs.", style=_by_epoch, spares=_COMMON),
    Fault("no-validation", "clear", "Nothing was validated.", style=_no_validation, spares=_COMMON),
    Fault("only-logs", "clear", "No checkpoint was kept.", style=_only_logs, spares=_COMMON),
    Fault("only-checkpoints", "clear", "No log was kept.", style=_only_checkpoints, spares=_COMMON),
    Fault("one-export", "clear", "Weights were exported once, at the end.", style=_one_export, spares=_COMMON),
    Fault(
        "exported-half/float16",
        "clear",
        "Trained in float32, saved in float16.",
        trained=_exported(torch.float16),
        style=lambda style: replace(style, layout="tensors-only"),
        spares=_COMMON,
    ),
    Fault(
        "exported-half/bfloat16",
        "clear",
        "Trained in float32, saved in bfloat16 beside the optimizer's float32 state.",
        trained=_exported(torch.bfloat16),
        style=lambda style: replace(style, layout="numbered"),
        spares=_COMMON,
    ),
    Fault("noisy-validation", "clear", "Validation on a handful of records.", trained=_noisy_validation, spares=_COMMON),
    Fault(
        "resumed/once",
        "clear",
        "Ended in the middle, and went on with all of its state.",
        plan=_again(0.62),
        style=_many_checkpoints,
        spares=_COMMON,
    ),
    Fault("resumed/late", "clear", "Ended near the end, and went on from far before.", plan=_again(0.95), spares=_COMMON),
    Fault(
        "stopped-early/told",
        "clear",
        "Early stopping ended it at 60 %, and its log says so.",
        plan=lambda plan: replace(plan, ended=0.6, steps=round(1.7 * plan.steps)),
        files=_stopped_early,
        spares=_COMMON,
        style=lambda style: replace(style, settings="hparams.yaml"),
    ),
    Fault(
        "stopped-early/patience",
        "clear",
        "Early stopping ended it at 70 %; the settings have a patience.",
        plan=lambda plan: replace(plan, ended=0.7, steps=round(1.5 * plan.steps)),
        trained=_with_patience,
        spares=_COMMON,
        style=lambda style: replace(style, settings="config.json"),
    ),
    Fault(
        "second-stage",
        "clear",
        "A second stage with a new optimizer at a fifth of the rate.",
        after=_second_stage,
        trained=_two_stages,
        style=lambda style: replace(style, settings="config.json"),
        spares=_COMMON | {"saturating"},
    ),
    Fault("told-finished", "clear", "The job's log says that it came to its end.", files=_finished, spares=_COMMON),
)
