"""Small real trainings in memory, handed to the pass as checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.measure.batchnorm import measure_batchnorm
from postmortem.measure.continuity import measure_continuity
from postmortem.measure.gradients import measure_gradients
from postmortem.measure.optimizer import measure_optimizer
from postmortem.measure.precision import measure_precision
from postmortem.measure.tensors import pass_over
from postmortem.measure.units import measure_units
from postmortem.measure.updates import measure_updates
from postmortem.measure.weights import measure_weights
from postmortem.model import Algorithm, Checkpoint, Histogram, Measurement, Missing, Optimizer

ALGORITHMS: dict[str, Algorithm] = {name: name.lower() for name in ("Adam", "AdamW", "SGD", "NAdam", "RAdam")}  # type: ignore[misc]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A tensor that lies in memory."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: NDArray[Any]

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Elements [start, stop) of the flattened tensor."""
        return self.values.reshape(-1)[start:stop]

    def stored(self, start: int, stop: int) -> NDArray[Any]:
        """The same as they would lie in a file."""
        values = self.read(start, stop)
        return (values.view(np.uint32) >> 16).astype(np.uint16) if self.dtype == "bfloat16" else values

    def widen(self, stored: NDArray[Any], out: NDArray[np.float32]) -> NDArray[Any]:
        """Numbers from what `stored` gave."""
        if self.dtype != "bfloat16":
            return stored
        out.view(np.uint32)[:] = stored.astype(np.uint32) << 16
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Lab:
    """What the tests of measures about weights share: checkpoints of models, trainings, and all measurements by name."""

    inputs: torch.Tensor
    labels: torch.Tensor

    def held(self, name: str, values: Any) -> Held:
        """A tensor of a checkpoint from a torch tensor or an array."""
        tensor = torch.as_tensor(values).detach().clone()
        dtype = str(tensor.dtype).removeprefix("torch.")
        return Held(name, tuple(tensor.shape), dtype, (tensor.float() if dtype == "bfloat16" else tensor).numpy())

    def bare(self, step: int | None, tensors: Mapping[str, Any]) -> Checkpoint:
        """A checkpoint without optimizer, from arrays by name."""
        held = {name: self.held(name, values) for name, values in tensors.items()}
        return Checkpoint(f"step_{step}.pt", step, "global_step in the file", None, held, "order in the file", (), {}, 0)

    def snapshot(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer | None, step: int, values: Mapping[str, Any] | None = None
    ) -> Checkpoint:
        """The checkpoint that training code would save now."""
        tensors = {name: self.held(name, tensor) for name, tensor in model.state_dict().items()}
        kept = () if optimizer is None else (self._optimizer(model, optimizer),)
        source = f"step_{step:06d}.pt"
        return Checkpoint(source, step, "global_step in the file", None, tensors, "order in the file", kept, values or {}, 0)

    def _optimizer(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Optimizer:
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        group_of: dict[str, int] = {}
        for index, group in enumerate(optimizer.param_groups):
            for parameter in group["params"]:
                group_of[names.get(id(parameter), f"stranger.{len(group_of)}")] = index
        order = list(group_of)
        slots: dict[str, dict[str, Held]] = {}
        steps: dict[str, int] = {}
        for index, state in optimizer.state_dict()["state"].items():
            arrays = {slot: values for slot, values in state.items() if slot != "step" and torch.is_tensor(values)}
            slots[order[index]] = {slot: self.held(slot, values) for slot, values in arrays.items()}
            if "step" in state:
                steps[order[index]] = int(state["step"])
        groups = tuple({key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups)
        algorithm = ALGORITHMS[type(optimizer).__name__]
        return Optimizer("optimizer", algorithm, groups, group_of, slots, steps, "by name")

    def mlp(self, *hidden: int, activation: type[torch.nn.Module] = torch.nn.ReLU, seed: int = 0) -> torch.nn.Sequential:
        """A plain net from 20 inputs to 10 classes."""
        torch.manual_seed(seed)
        layers: list[torch.nn.Module] = []
        widths = (20, *hidden)
        for inputs, outputs in pairwise(widths):
            layers += [torch.nn.Linear(inputs, outputs), activation()]
        return torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 10))

    def train(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        steps: int = 150,
        every: int = 50,
        before_step: Callable[[int], None] = lambda step: None,
        inputs: torch.Tensor | None = None,
    ) -> list[Checkpoint]:
        """Train on the mixture in batches of 32, and save at step 0 and then now and again."""
        order = torch.Generator().manual_seed(1)
        data = self.inputs if inputs is None else inputs
        saved = [self.snapshot(model, optimizer, 0)]
        for step in range(1, steps + 1):
            batch = torch.randint(len(data), (32,), generator=order)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(data[batch]), self.labels[batch]).backward()
            before_step(step)
            optimizer.step()
            if step % every == 0:
                saved.append(self.snapshot(model, optimizer, step))
        return saved

    def everything(
        self, checkpoints: Sequence[Checkpoint], histograms: Sequence[Histogram] = (), activation: str = ""
    ) -> dict[str, Measurement | Missing]:
        """All measurements about weights, by name; a name that comes twice is an error."""
        found: dict[str, Measurement | Missing] = {}
        for one in self._each(checkpoints, histograms, activation):
            assert one.name not in found, one.name
            found[one.name] = one
        return found

    def _each(self, checkpoints: Sequence[Checkpoint], histograms: Sequence[Histogram], activation: str) -> Iterator[Measurement | Missing]:
        table = pass_over(checkpoints)
        for measure in (
            measure_weights,
            measure_updates,
            measure_optimizer,
            measure_gradients,
            measure_batchnorm,
            measure_precision,
            measure_continuity,
        ):
            yield from measure(table, checkpoints)
        yield from measure_units(table, checkpoints, histograms, activation)


@pytest.fixture(scope="session")
def lab() -> Lab:
    """A mixture of ten normal clouds in 20 dimensions, of unit scale, and what it takes to train on it."""
    torch.set_num_threads(1)
    draw = torch.Generator().manual_seed(0)
    centers = torch.randn(10, 20, generator=draw) * np.sqrt(2.0)
    labels = torch.randint(10, (2000,), generator=draw)
    inputs = centers[labels] + torch.randn(2000, 20, generator=draw)
    return Lab(inputs / inputs.std(), labels)
