"""The one training loop of all sample runs. What can go wrong is a field of `Setup`."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from making.data import Data, DataPlan, load
from making.nets import ACTIVATIONS, NetPlan, build

CHECKPOINTS = 4
"""Checkpoints after the one at step 0, evenly spaced."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One training, completely. Two setups that differ in one field are a sick run and its healthy twin."""

    data: DataPlan
    net: NetPlan
    loss: str = "cross-entropy"
    """`cross-entropy`, `squared` or `gaussian` (negative log-likelihood of mean and log-variance)."""
    optimizer: str = "adam"
    """`adam`, `adamw` or `sgd`."""
    lr: float = 3e-3
    momentum: float = 0.9
    """Of `sgd`."""
    weight_decay: float = 0.0
    schedule: str = "constant"
    """`constant`, `cosine` (to 0), `warm-up` (5 %, then linear to 0) or `drop` (0 after 6 % of the steps)."""
    batch_size: int = 32
    steps: int = 500
    points: int = 100
    """Logged points of the training loss."""
    l2: float = 0.0
    """Weight of the squared norm of all matrices in the loss."""
    clip_norm: float | None = None
    dtype: torch.dtype = torch.float32
    trained: tuple[str, ...] = ()
    """Prefixes of the parameters that the optimizer is given; empty gives it all."""
    optimizer_of_copy: bool = False
    """Whether the optimizer is given the parameters of another copy of the network."""
    pretrained: Setup | None = None
    """Training that the network's backbone comes from."""
    resumed_at: int | None = None
    """Step of the checkpoint that training was taken up from again, after it had gone on a little."""
    resumed_state: bool = True
    """Whether the optimizer's state was taken up as well."""
    seed: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """Scalars logged at one step, by role: `loss`, `validation_loss`, `accuracy`, `lr`, ..."""

    step: int
    session: int
    """0, and 1 after a resumption."""
    values: Mapping[str, float]
    activations: Mapping[str, Tensor] = field(default_factory=dict)
    """Outputs of the activation layers on validation records, where they were kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All that a checkpoint can hold."""

    step: int
    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    """`optimizer.state_dict()`, as torch makes it."""
    scheduler: Mapping[str, Any]
    parameters: tuple[str, ...]
    """Names of the parameters in the order in which the optimizer lists them."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What a training leaves."""

    setup: Setup
    data: Data
    points: tuple[Point, ...]
    snapshots: tuple[Snapshot, ...]
    model: nn.Module

    def end(self) -> dict[str, float]:
        """Where it ended: the mean of the last fifth of the points for each scalar, and the first loss as `first_loss`."""
        kept = self.points[-len(self.points) // 5 :]
        roles = dict.fromkeys(role for point in kept for role in point.values)
        ends = {role: _mean([point.values[role] for point in kept if role in point.values]) for role in roles}
        return {**ends, "first_loss": self.points[0].values["loss"]}


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def train(setup: Setup) -> Trained:
    """Train, log and snapshot. The same setup gives the same bits on the same machine and torch."""
    data = load(setup.data)
    torch.manual_seed(setup.seed)
    model = build(setup.net, data).to(setup.dtype)
    if setup.pretrained is not None:
        _take_backbone(model, train(setup.pretrained).model)
    loop = _Loop(setup, data, model)
    if setup.resumed_at is None:
        loop.run(0, setup.steps, session=0)
    else:
        loop.run(0, setup.resumed_at + setup.steps // 10, session=0)
        loop.take_up(setup.resumed_at)
        loop.run(setup.resumed_at, setup.steps, session=1)
    return Trained(setup, data, tuple(loop.points), tuple(loop.snapshots), model)


def _take_backbone(model: nn.Module, source: nn.Module) -> None:
    own = model.state_dict()
    own.update({name: tensor for name, tensor in source.state_dict().items() if name.startswith("backbone.")})
    model.load_state_dict(own)


class _Loop:
    """The state of one training between its sessions."""

    def __init__(self, setup: Setup, data: Data, model: nn.Module) -> None:
        self.setup, self.data, self.model = setup, data, model
        self.points: list[Point] = []
        self.snapshots: list[Snapshot] = []
        self.names: tuple[str, ...] = ()
        self.optimizer, self.scheduler = self._fresh_optimizer()

    def _fresh_optimizer(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
        setup = self.setup
        model = copy.deepcopy(self.model) if setup.optimizer_of_copy else self.model
        given = [(name, parameter) for name, parameter in model.named_parameters() if not setup.trained or name.startswith(setup.trained)]
        groups: list[dict[str, Any]] = [{"params": [parameter for _, parameter in given]}]
        self.names = tuple(name for name, _ in given)
        if setup.optimizer == "adamw":
            # Matrices decay, biases and normalization do not: two groups, as language models are trained.
            matrices = [(name, parameter) for name, parameter in given if parameter.dim() >= 2]
            vectors = [(name, parameter) for name, parameter in given if parameter.dim() < 2]
            groups = [
                {"params": [parameter for _, parameter in matrices], "weight_decay": setup.weight_decay},
                {"params": [parameter for _, parameter in vectors], "weight_decay": 0.0},
            ]
            self.names = tuple(name for name, _ in (*matrices, *vectors))
        optimizer: torch.optim.Optimizer
        if setup.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=setup.lr, momentum=setup.momentum, weight_decay=setup.weight_decay, foreach=False)
        elif setup.optimizer == "adam":
            optimizer = torch.optim.Adam(groups, lr=setup.lr, weight_decay=setup.weight_decay, foreach=False)
        else:
            optimizer = torch.optim.AdamW(groups, lr=setup.lr, foreach=False)
        return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _share_of_lr(setup, step))

    def take_up(self, step: int) -> None:
        """Go back to the snapshot of `step`, as a process does that was started again."""
        saved = next(snapshot for snapshot in self.snapshots if snapshot.step == step)
        self.model.load_state_dict(saved.model)
        self.optimizer, self.scheduler = self._fresh_optimizer()
        if self.setup.resumed_state:
            self.optimizer.load_state_dict(copy.deepcopy(dict(saved.optimizer)))
            self.scheduler.load_state_dict(copy.deepcopy(dict(saved.scheduler)))
        self.snapshots = [snapshot for snapshot in self.snapshots if snapshot.step <= step]

    def run(self, start: int, stop: int, session: int) -> None:
        """Steps `start` to `stop`; snapshots and points stand before the update of their step, and the last one after all."""
        setup = self.setup
        log_every, save_every = max(1, setup.steps // setup.points), setup.steps // CHECKPOINTS
        batches = _batches(self.data.train, setup.batch_size, setup.seed + 7919 * session)
        since: list[dict[str, float]] = []
        for step in range(start, stop + 1):
            if step % save_every == 0 and (step > start or session == 0):
                self._snapshot(step)
            rate = float(self.optimizer.param_groups[0]["lr"])
            since.append({**self._step(next(batches), update=step < setup.steps), "lr": rate})
            if step % log_every == 0:
                values = {role: _mean([logged[role] for logged in since]) for role in since[0]}
                values["lr"] = rate
                seen = {}
                if step % (2 * log_every) == 0:
                    values.update(self._validate())
                if setup.net.kind == "mlp" and step % (setup.steps // 5) == 0:
                    seen = self._activations()
                self.points.append(Point(step, session, values, seen))
                since = []

    def _step(self, rows: Tensor, update: bool) -> dict[str, float]:
        setup = self.setup
        self.model.train()
        self.model.zero_grad()
        data_loss, right = self._loss(rows)
        penalty = setup.l2 * sum((matrix.square().sum() for matrix in self.model.parameters() if matrix.dim() >= 2), torch.zeros(()))
        loss = data_loss + penalty
        loss.backward()
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients, foreach=False)
        if setup.clip_norm is not None:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), setup.clip_norm, norm, foreach=False)
        if update:
            self.optimizer.step()
            self.scheduler.step()
        logged = {"loss": loss.item(), "data_loss": data_loss.item(), "penalty": penalty.item(), "gradient_norm": norm.item()}
        return logged if right is None else {**logged, "accuracy": right}

    def _loss(self, rows: Tensor) -> tuple[Tensor, float | None]:
        """Mean loss over some records, and the share of right answers where there are classes."""
        inputs, targets = self.data.inputs[rows], self.data.targets[rows]
        answers = self.model(inputs.to(self.setup.dtype) if inputs.is_floating_point() else inputs).float()
        if self.setup.loss == "squared":
            return nn.functional.mse_loss(answers[:, 0], targets), None
        if self.setup.loss == "gaussian":
            mean, log_variance = answers.unbind(dim=1)
            return (0.5 * (log_variance + (targets - mean).square() * torch.exp(-log_variance))).mean(), None
        logits, labels = answers.flatten(0, -2), targets.flatten()
        return nn.functional.cross_entropy(logits, labels), float((logits.argmax(dim=-1) == labels).float().mean())

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.model.eval()
        rows = torch.arange(self.data.train, len(self.data.inputs))
        loss, right = self._loss(rows)
        return {"validation_loss": float(loss)} if right is None else {"validation_loss": float(loss), "validation_accuracy": right}

    @torch.no_grad()
    def _activations(self) -> dict[str, Tensor]:
        """Outputs of each activation layer on 100 validation records."""
        self.model.eval()
        kinds = tuple(ACTIVATIONS.values())
        kept: dict[str, Tensor] = {}
        layers = [layer for layer in self.model.modules() if isinstance(layer, kinds)]
        hooks = [
            layer.register_forward_hook(lambda _layer, _given, out, name=f"hidden{depth}": kept.__setitem__(name, out.float()))
            for depth, layer in enumerate(layers, start=1)
        ]
        self.model(self.data.inputs[self.data.train :][:100].to(self.setup.dtype))
        for hook in hooks:
            hook.remove()
        return kept

    def _snapshot(self, step: int) -> None:
        model, optimizer, scheduler = (copy.deepcopy(part.state_dict()) for part in (self.model, self.optimizer, self.scheduler))
        self.snapshots.append(Snapshot(step, model, optimizer, scheduler, self.names))


def _batches(records: int, size: int, seed: int) -> Iterator[Tensor]:
    """Row numbers of one batch after the other, each epoch in a new order; the incomplete last batch is left out."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(records, generator=generator)
        for start in range(0, max(1, records - size + 1), size):
            yield order[start : start + size]


def _share_of_lr(setup: Setup, step: int) -> float:
    """The schedule: which share of the learning rate is used at a step."""
    done = step / setup.steps
    if setup.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    if setup.schedule == "warm-up":
        return min(done / 0.05, max(0.0, (1 - done) / 0.95)) if step else 1 / (0.05 * setup.steps)
    if setup.schedule == "drop":
        return 1.0 if done < 0.06 else 0.0
    return 1.0
