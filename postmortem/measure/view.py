"""What the measures about weights share: the table joined to its checkpoints, and which rows of it to judge."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from postmortem.measure.layers import Layer, layers
from postmortem.measure.table import CheckpointRow, TensorTable, UpdateStats
from postmortem.model import Checkpoint, Measurement, Missing

Found: TypeAlias = "Measurement | Missing"

EARLIEST_JUDGED_STEP = 2
"""Adam's state after 0 updates is empty and after 1 it holds one gradient: neither says how a run goes."""

ADAM_KIN = frozenset({"adam", "adamw", "nadam", "radam", "lamb"})
"""Algorithms whose two moments fall by beta1 and beta2 where there is no gradient, and hold gradients as they are."""

_IN_A_ROW = frozenset({"block", "blocks", "stack", "stacks", "stage", "stages"})
_SKIPS = {"downsample", "shortcut", "skip", "residual", "resblock", "res"}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The table with its tensors classified and its rows joined to the checkpoints that they came from."""

    rows: tuple[CheckpointRow, ...]
    layers: Mapping[str, Layer]
    checkpoints: Mapping[str, Checkpoint]
    """By source."""
    tied: frozenset[str]
    """Tensors that repeat an earlier one of the same shape in every checkpoint (a head that shares its embedding)."""
    parameters: tuple[Layer, ...]
    """Everything that training is meant to change, tied tensors once."""

    @property
    def matrices(self) -> tuple[Layer, ...]:
        """Linear and convolution weights in depth order, heads included."""
        return tuple(layer for layer in self.layers.values() if layer.is_matrix)

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """Weight matrices with another one after them."""
        return tuple(layer for layer in self.layers.values() if layer.is_hidden)

    @property
    def sound_rows(self) -> tuple[CheckpointRow, ...]:
        """Checkpoints whose parameters are all finite."""
        return tuple(row for row in self.rows if not any(stats.nonfinite for name, stats in row.tensors.items() if self._watched(name)))

    def _watched(self, name: str) -> bool:
        layer = self.layers.get(name)
        return layer is not None and (layer.is_parameter or layer.kind == "running-stat")

    @property
    def normalizations(self) -> int:
        """Normalization layers, by their scales and running variances."""
        scales = sum(layer.kind == "norm-scale" and layer.elements > 1 for layer in self.layers.values())
        return max(scales, sum(name.endswith("running_var") for name in self.layers))

    @property
    def skips(self) -> bool:
        """Whether a module's name speaks of a skip connection, or blocks of several layers each take what the first one takes."""
        named = any(part in _SKIPS for name in self.layers for part in re.split(r"[._\d]+", name.lower()))
        return named or self._blocks_read_inputs()

    def _blocks_read_inputs(self) -> bool:
        """Whether numbered blocks of two matrices or more begin with the net's own width each, and have another inside.

        N-BEATS' do, each of which takes the series less what those before told of it.
        """
        blocks: dict[str, dict[str, list[Layer]]] = {}
        for layer in self.matrices:
            if found := re.match(r"(.*?)(\d+)\.", layer.name):
                blocks.setdefault(found[1], {}).setdefault(found[2], []).append(layer)
        for prefix, members in blocks.items():
            several = list(members.values())
            if not _IN_A_ROW & set(re.split(r"[._]", prefix.lower())):
                continue  # critics, experts and members of an ensemble stand beside each other
            if len(several) < 2 or min(map(len, several)) < 2:
                continue
            width = several[0][0].fan_in
            inside = {layer.fan_in for block in several for layer in block[1:]}
            if width not in inside and all(block[0].fan_in == width for block in several):
                return True
        return False

    def setting(self, row: CheckpointRow, name: str, key: str) -> float | None:
        """A plain hyper-parameter of the group that the optimizer keeps a parameter in; None where it says nothing."""
        checkpoint = self.checkpoints.get(row.source)
        for optimizer in checkpoint.optimizers if checkpoint else ():
            if name in optimizer.group_of:
                value = optimizer.groups[optimizer.group_of[name]].get(key)
                return float(value) if isinstance(value, int | float) else None
        return None

    def rate(self, row: CheckpointRow) -> float:
        """Highest learning rate among the optimizers' groups; that of the kept states where no group tells one."""
        checkpoint = self.checkpoints.get(row.source)
        groups = [group.get("lr") for optimizer in (checkpoint.optimizers if checkpoint else ()) for group in optimizer.groups]
        rates = [float(rate) for rate in groups if isinstance(rate, int | float) and math.isfinite(rate)]
        return max(rates, default=highest_rate(row))

    def betas(self, row: CheckpointRow, name: str) -> tuple[float, float] | None:
        """Adam's two decay rates for a parameter; None where the optimizer has none, or they are none (not from 0 to 1)."""
        checkpoint = self.checkpoints.get(row.source)
        for optimizer in checkpoint.optimizers if checkpoint else ():
            if name in optimizer.group_of:
                value = optimizer.groups[optimizer.group_of[name]].get("betas")
                if isinstance(value, tuple | list) and len(value) == 2 and all(0 <= beta <= 1 for beta in value):
                    return float(value[0]), float(value[1])
        return None

    def momentum(self, row: CheckpointRow, name: str) -> float | None:
        """SGD's momentum for a parameter (bitsandbytes keeps it as the first beta); None where the optimizer has none."""
        betas = self.betas(row, name)
        return self.setting(row, name, "momentum") if betas is None else betas[0]


def view_of(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> View:
    """Classify the table's tensors by its last row, which every earlier row of a series resembles."""
    classified = layers(table.rows[-1]) if table.rows else ()
    tied = _tied(table.rows, classified)
    return View(
        rows=table.rows,
        layers={layer.name: layer for layer in classified},
        checkpoints={checkpoint.source: checkpoint for checkpoint in checkpoints},
        tied=tied,
        parameters=tuple(layer for layer in classified if layer.is_parameter and layer.name not in tied),
    )


def _tied(rows: Sequence[CheckpointRow], classified: Sequence[Layer]) -> frozenset[str]:
    seen: set[tuple[object, ...]] = set()
    again: set[str] = set()
    for layer in classified:
        if len(layer.shape) < 2:
            continue
        stats = [row.tensors[layer.name] for row in rows if layer.name in row.tensors]
        key = (layer.shape, *((one.fingerprint, one.norm, one.mean) for one in stats))
        # Tensors that are constant (all ones, all zeros) look alike without being one.
        if layer.is_parameter and stats and key in seen and all(one.variance > 0 for one in stats):
            again.add(layer.name)
        seen.add(key)
    return frozenset(again)


def updates_done(row: CheckpointRow) -> int | None:
    """Updates that the optimizer counted up to this checkpoint, else the checkpoint's own step."""
    counted = [update.step for update in row.updates.values() if update.step is not None]
    return max(counted) if counted else row.step


def highest_rate(row: CheckpointRow) -> float:
    """Highest learning rate among the parameters of one checkpoint."""
    return max((update.lr for update in row.updates.values() if math.isfinite(update.lr)), default=0.0)


def peak_row(view: View, least_updates: int = EARLIEST_JUDGED_STEP, latest: bool = False) -> CheckpointRow | None:
    """The checkpoint to judge updates at: highest learning rate, and of several such the first after 10 updates, or the last.

    A schedule that ends at zero ends with updates of zero, as it should; early in the run a model has not converged yet.
    """
    ready = [row for row in view.rows if row.updates and (updates_done(row) or 0) >= least_updates]
    if not ready:
        return None
    peak = max(highest_rate(row) for row in ready)
    highest = [row for row in ready if highest_rate(row) >= 0.99 * peak]
    if latest:
        return highest[-1]
    return next((row for row in highest if (updates_done(row) or 0) >= 10), highest[0])


def update_items(view: View, row: CheckpointRow) -> Iterator[tuple[Layer, UpdateStats]]:
    """Weight matrices and their updates at one checkpoint, in depth order."""
    for layer in view.matrices:
        if layer.name in row.updates:
            yield layer, row.updates[layer.name]


def missing(names: Sequence[str], reason: str, log_next: str, applies: bool = True) -> Iterator[Missing]:
    """One `Missing` for each name, all for the same reason."""
    for name in names:
        yield Missing(name, reason, log_next, applies)


def at_step(row: CheckpointRow) -> str:
    """How a basis names a checkpoint."""
    return f"step {row.step}" if row.step is not None else row.source


def span(first: CheckpointRow, last: CheckpointRow) -> str:
    """How a basis names all from one checkpoint to another: `steps 0 to 500`."""
    if first.step is None or last.step is None:
        return f"{at_step(first)} to {at_step(last)}"
    return f"steps {first.step} to {last.step}"


def slope_by_depth(values: Sequence[float]) -> float:
    """Theil-Sen slope per position: the median over all pairs, which one odd layer does not move."""
    pairs = [(values[right] - values[left]) / (right - left) for left in range(len(values)) for right in range(left + 1, len(values))]
    return float(np.median(pairs))
