"""The common training loop: everything but adversarial pairs and policies is trained by it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from faults import ranks, watching
from faults.halves import Scaler
from faults.losses import LOSSES
from faults.nouns import Data, Fault, Loop, LossFunction, Point, Snapshot, Task, Trained
from faults.plan import Plan, Style

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SCORED_ROWS = 512
"""Validation records that a score is taken over, at most."""


def train(task: Task, plan: Plan, style: Style, fault: Fault | None) -> Trained:
    """Train as the plan says, with the fault's changes. The same arguments give the same bits on the same machine and torch."""
    clean = task.data(plan.seed)
    data = fault.data(clean, plan) if fault and fault.data else clean
    if plan.class_weights:
        data = replace(data, weights=_class_weights(data))
    plain = task.loss or LOSSES[task.kind]
    loss = fault.loss(plain) if fault and fault.loss else plain
    model, untrained = build(task, clean, plan, plain)
    if fault and fault.model:
        model = fault.model(model, data, plan) or model
    generator = torch.Generator().manual_seed(plan.seed + 77)
    loop = Loop(task, plan, style, fault, data, model.to(DTYPES[plan.weights]), None, None, generator)
    renew_optimizer(loop)
    ranks.begin(loop)
    if fault and fault.start:
        fault.start(loop)
    run(loop, loss, 0, round(plan.ended * plan.steps))
    if plan.restores is not None:
        take_up(loop, loop.snapshots[-1].step, plan.restores)
        run(loop, loss, loop.snapshots[-1].step, plan.steps)
    trained = Trained(
        plan, style, data, tuple(loop.points), tuple(loop.snapshots), score(loop.model, clean, plan, plain), untrained, settings(loop)
    )
    return fault.trained(trained) if fault and fault.trained else trained


def build(task: Task, data: Data, plan: Plan, loss: LossFunction) -> tuple[nn.Module, float]:
    """The network as it should start, and its score."""
    torch.manual_seed(plan.seed)
    model = task.model(data, plan.seed)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = plan.momentum_of_batchnorm
    untrained = score(model, data, plan, loss)
    torch.manual_seed(plan.seed + 1)
    return model, untrained


@torch.no_grad()
def score(model: nn.Module, data: Data, plan: Plan, loss: LossFunction) -> float:
    """Mean loss over validation records (at most 512), by the loss as it should be; without smoothing, weights and penalties."""
    model.eval()
    rows = torch.arange(data.train, len(data.inputs))[:SCORED_ROWS]
    honest = replace(plan, label_smoothing=0.0, class_weights=False)
    found = loss(model, data.inputs[rows], data.targets[rows], replace(data, weights=None), honest).data
    model.train()
    return float(found)


def renew_optimizer(loop: Loop, parameters: list[tuple[str, nn.Parameter]] | None = None) -> None:
    """A fresh optimizer and scheduler as the plan says, over the given parameters, or over all that ask for a gradient."""
    plan = loop.plan
    given = parameters if parameters is not None else [(name, each) for name, each in loop.model.named_parameters() if each.requires_grad]
    loop.parameters = tuple(name for name, _ in given)
    groups: list[dict[str, Any]] = [{"params": [each for _, each in given], "weight_decay": plan.weight_decay}]
    if plan.optimizer == "adamw":
        # Matrices decay, vectors do not: two groups, as transformers are trained.
        parted = [[pair for pair in given if pair[1].dim() >= 2], [pair for pair in given if pair[1].dim() < 2]]
        decays = (plan.weight_decay, 0.0)
        groups = [{"params": [each for _, each in part], "weight_decay": decay} for part, decay in zip(parted, decays, strict=True) if part]
        loop.parameters = tuple(name for part in parted for name, _ in part)
    loop.optimizer = make_optimizer(plan, groups)
    loop.scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda step: share_of_rate(plan, step))
    loop.scaler = Scaler(growth_interval=plan.growth_interval) if plan.mixed else None


def make_optimizer(plan: Plan, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """The plan's optimizer over groups of parameters; one without parameters is given an empty group, as scripts do by mistake."""
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, foreach=False)
    if plan.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, lr=plan.lr, eps=plan.eps, momentum=0.0, foreach=False)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=plan.lr, betas=plan.betas, eps=plan.eps, foreach=False)


def share_of_rate(plan: Plan, step: int) -> float:
    """Which share of the learning rate is used at a step."""
    warm = plan.warm_up * plan.steps
    if warm and step < warm:
        return (step + 1) / (warm + 1)
    length = plan.schedule_steps or plan.steps
    done = min(1.0, max(0.0, (step - warm) / max(1.0, length - warm)))
    if plan.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if plan.schedule == "linear":
        return 1 - done
    if plan.schedule == "restarts":
        return 0.5 * (1 + math.cos(math.pi * (4 * done % 1.0)))
    if plan.schedule == "steps":
        return float(10.0 ** -math.floor(3 * min(done, 0.999)))
    return 1.0


def run(loop: Loop, loss: LossFunction, start: int, stop: int) -> None:
    """Steps `start` to `stop`. Snapshots and points stand before the update of their step; the last stand after all updates."""
    plan, style, fault = loop.plan, loop.style, loop.fault
    log_every = max(1, plan.steps // style.points)
    validate_every = log_every * max(1, round(style.points / style.validations))
    histogram_every = log_every * max(1, round(style.points / style.histograms))
    save_every = max(1, plan.steps // style.checkpoints)
    batches = (
        fault.sampler(loop.data, plan) if fault and fault.sampler else shuffled(loop.data.train, plan.batch_size, plan.seed + loop.session)
    )
    since: list[dict[str, float]] = []
    for step in range(start, stop + 1):
        loop.step = step
        if step % save_every == 0 and (step > start or loop.session == 0) and (step or style.first):
            snapshot(loop)
        rate = float(loop.optimizer.param_groups[0]["lr"])
        watched = style.watched if step % log_every == 0 else ()
        since.append({**one_step(loop, loss, next(batches), last=step == plan.steps, watched=watched), "lr": rate})
        if step % log_every == 0:
            roles = dict.fromkeys(role for values in since for role in values)
            values = {role: _mean([logged[role] for logged in since if role in logged]) for role in roles}
            values["lr"] = rate
            if "loss_scale" in since[-1]:
                values["loss_scale"] = since[-1]["loss_scale"]
            if step % validate_every == 0:
                values.update(validate(loop, loss))
            histograms = watching.values(loop.model, watched) if step % histogram_every == 0 else {}
            loop.points.append(Point(step, loop.session, values, histograms, tuple(loop.skipped)))
            since = []
            loop.skipped.clear()


def one_step(loop: Loop, loss: LossFunction, rows: Tensor, last: bool, watched: tuple[str, ...]) -> dict[str, float]:
    """One step on some records; what it logs, by role, with what is watched of each layer. The last one measures and updates nothing."""
    plan, fault = loop.plan, loop.fault
    loop.model.train()
    loop.optimizer.zero_grad(set_to_none=True)
    inputs = loop.data.inputs[rows]
    if plan.augmentation:
        inputs = inputs + plan.augmentation * torch.randn(inputs.shape, generator=loop.generator)
    with watching.activations(loop.model, watched) as by_layer:
        found = loss(loop.model, inputs, loop.data.targets[rows], loop.data, plan)
    matrices = [each for each in loop.model.parameters() if each.dim() >= 2]
    penalty = plan.penalty * sum((each.float().square().sum() for each in matrices), torch.zeros(())) if plan.penalty else torch.zeros(())
    total = found.data + penalty
    if total.requires_grad:
        total.backward()
    ranks.exchange(loop, loss)
    if fault and fault.gradients:
        fault.gradients(loop)
    scale = loop.scaler.scale if loop.scaler is not None else None
    sound = loop.scaler is None or loop.scaler.passes(loop.model.parameters())
    if loop.scaler is not None and not sound:
        loop.skipped.append((loop.step, loop.scaler.scale))
    by_layer |= watching.norms(loop.model, watched)
    before = watching.copies(loop.model, watched)
    with_gradient = [each for each in loop.model.parameters() if each.grad is not None]
    gradients = [each.grad for each in with_gradient if each.grad is not None]
    norm = nn.utils.get_total_norm(gradients, foreach=False) if gradients else torch.zeros(())
    if plan.clip_norm is not None and with_gradient and sound:
        nn.utils.clip_grads_with_norm_(with_gradient, plan.clip_norm, norm, foreach=False)
    logged = {"loss": float(total.detach()), "data_loss": float(found.data.detach()), "gradient_norm": float(norm)}
    if scale is not None:
        logged["loss_scale"] = scale
    if plan.penalty:
        logged["penalty"] = float(penalty.detach())
    logged.update({role: float(part.detach()) for role, part in found.parts.items()})
    if found.accuracy is not None:
        logged["accuracy"] = found.accuracy
    if not last:
        if fault and fault.update:
            steps_on = fault.update(loop)
        else:
            if sound:
                loop.optimizer.step()
                ranks.step(loop)
            steps_on = True
        if steps_on:
            loop.scheduler.step()
        if fault and fault.after:
            fault.after(loop)
        by_layer |= watching.updates(loop.model, before)
    logged.update(by_layer)
    logged.update(loop.logged)
    loop.logged.clear()
    return logged


@torch.no_grad()
def validate(loop: Loop, loss: LossFunction) -> dict[str, float]:
    """Loss, and accuracy where there are classes, over validation records."""
    loop.model.eval()
    rows = torch.arange(loop.data.train, len(loop.data.inputs))[:SCORED_ROWS]
    found = loss(loop.model, loop.data.inputs[rows], loop.data.targets[rows], loop.data, loop.plan)
    loop.model.train()
    values = {"validation_loss": float(found.data)}
    return values if found.accuracy is None else {**values, "validation_accuracy": found.accuracy}


def snapshot(loop: Loop) -> None:
    """Keep all that a checkpoint can hold at the present step."""
    parts = (loop.model, loop.optimizer, loop.scheduler)
    model, optimizer, scheduler = (copy.deepcopy(part.state_dict()) for part in parts)
    scaler = copy.deepcopy(loop.scaler.state_dict()) if loop.scaler is not None else {}
    replicas = tuple((copy.deepcopy(other.model.state_dict()), copy.deepcopy(other.optimizer.state_dict())) for other in loop.others)
    loop.snapshots.append(Snapshot(loop.step, model, optimizer, scheduler, scaler, loop.parameters, replicas))


def take_up(loop: Loop, step: int, restores: tuple[str, ...]) -> None:
    """Go back to the snapshot of `step`, as a process does that was started again, with what it restores besides the weights."""
    saved = next(each for each in loop.snapshots if each.step == step)
    state = dict(saved.model)
    if "layers" not in restores:
        # A layer whose name does not fit is left as it is drawn, where loading is not strict.
        fresh = loop.task.model(loop.data, loop.plan.seed + 1).state_dict()
        last = [name for name, each in loop.model.named_parameters() if each.dim() >= 2][-1].rpartition(".")[0]
        state.update({name: tensor for name, tensor in fresh.items() if name.startswith(last)})
    loop.model.load_state_dict(state)
    renew_optimizer(loop)
    if "optimizer" in restores:
        loop.optimizer.load_state_dict(copy.deepcopy(dict(saved.optimizer)))
    if "scheduler" in restores:
        loop.scheduler.load_state_dict(copy.deepcopy(dict(saved.scheduler)))
        for group, rate in zip(loop.optimizer.param_groups, loop.scheduler.get_last_lr(), strict=True):
            group["lr"] = rate
    if "scaler" in restores and loop.scaler is not None:
        loop.scaler.load_state_dict(saved.scaler)
    if loop.plan.lr_after is not None:
        for group in loop.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = loop.plan.lr_after
        loop.scheduler.base_lrs = [loop.plan.lr_after] * len(loop.optimizer.param_groups)
    loop.snapshots = [each for each in loop.snapshots if each.step <= step]
    loop.session += 1


def shuffled(records: int, size: int, seed: int) -> Iterator[Tensor]:
    """Row numbers of one batch after the other, each epoch in a new order; the incomplete last batch is left out."""
    generator = torch.Generator().manual_seed(seed + 7919)
    while True:
        order = torch.randperm(records, generator=generator)
        for start in range(0, max(1, records - size + 1), size):
            yield order[start : start + size]


def settings(loop: Loop) -> dict[str, str | float | bool]:
    """What a training script logs of its settings, as they were."""
    plan = loop.plan
    found: dict[str, str | float | bool] = {
        "model": loop.task.architecture,
        "optimizer": plan.optimizer,
        "lr": plan.lr,
        "batch_size": plan.batch_size,
        "max_steps": plan.planned_steps or plan.steps,
        "weight_decay": plan.weight_decay,
        "scheduler": plan.schedule,
        "seed": plan.seed,
    }
    if plan.clip_norm is not None:
        found["max_grad_norm"] = plan.clip_norm
    if loop.task.kind == "classification":
        found["num_classes"] = loop.data.classes
    if plan.label_smoothing:
        found["label_smoothing"] = plan.label_smoothing
    if loop.task.kind == "language":
        found["vocab_size"] = loop.data.classes
    if "pretrained" in loop.task.tags:
        found["pretrained"] = True
    return found


def _class_weights(data: Data) -> Tensor:
    counts = torch.bincount(data.targets[: data.train], minlength=data.classes).float().clamp(min=1)
    return counts.sum() / (data.classes * counts)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
