"""Checkpoints of a run: files -> weights in depth order, optimizer state under parameters' names, step, plain values.

Elements stay in their files, mapped; opening a run of many gigabytes reads headers only. Damage is a value: each file that cannot be
read becomes a `Problem`, and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from postmortem.model import Checkpoint, FoundFile, Optimizer, Plain, Problem
from postmortem.read.depth_order import INSERTION_ORDER, in_depth_order, sorted_as_text
from postmortem.read.flat_optimizers import flat_optimizer, metadata_values, split_optimizer
from postmortem.read.grouping import FileSet, group_files
from postmortem.read.layouts import (
    Net,
    OptimizerState,
    count_of_steps,
    joined_nets,
    net_labels,
    plain_values,
    sort_content,
    without_uniform_prefixes,
)
from postmortem.read.optimizers import candidates_for, join_optimizer, parameters_of
from postmortem.read.pickles import listed
from postmortem.read.safetensors_files import read_safetensors
from postmortem.read.sniff import sniff
from postmortem.read.steps import step_in_name, trainer_state
from postmortem.read.stored import StoredTensor, Tree
from postmortem.read.torch_files import read_torch

_HF_NAMES = ("model", "pytorch_model", "adapter_model")


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointData:
    """What could be read of a run's checkpoints."""

    checkpoints: tuple[Checkpoint, ...]
    """In order of step, then epoch, then natural order of names; those whose step is unknown last."""
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """What was left out on purpose, one sentence each."""


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """One file's content in the common shape."""

    nets: tuple[Net, ...]
    optimizers: tuple[OptimizerState, ...]
    values: Mapping[str, Plain]
    ordered: bool
    """The file keeps the order in which tensors were written."""
    tree: Tree = None


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What is gathered while a run is read."""

    scratch: Path
    problems: list[Problem]
    notes: list[str]
    copies: dict[str, list[str]]
    """Key of a moving average or best copy of the weights -> the files that hold one."""

    def open(self, file: FoundFile, *, only_optimizer: bool = False) -> _Opened | None:
        """One file's content, or None with a problem noted. The one place where any failure of a file becomes a value."""
        try:
            return self._open(file, only_optimizer)
        except OSError as error:
            self.problems.append(Problem(file.name, "unreadable", f"cannot be opened: {error.strerror or type(error).__name__}"))
        except MemoryError:
            self.problems.append(Problem(file.name, "unreadable", "there is not enough memory to read it"))
        except Exception as error:  # noqa: BLE001 - per file: one odd file must not take the run's other files with it
            said = " ".join(str(error).split())[:120]
            self.problems.append(
                Problem(file.name, "corrupt", f"the reader gave up on it; all of it is lost ({type(error).__name__}: {said})")
            )
        return None

    def look_over(self, file: FoundFile) -> None:
        """Interpret a file of which nothing is needed, and note a problem only where it would run code."""
        seen = len(self.problems)
        self.open(file)
        self.problems[seen:] = [problem for problem in self.problems[seen:] if problem.kind == "unsafe-pickle"]

    def _open(self, file: FoundFile, only_optimizer: bool) -> _Opened | None:
        kind = sniff(file.path)
        if kind.container == "not-a-checkpoint":
            self.problems.append(Problem(file.name, kind.kind, kind.detail))
            return None
        if kind.container == "safetensors":
            found = read_safetensors(file.path, file.name)
            self.problems.extend(found.problems)
            if not found.tensors:
                if not found.problems:
                    self.problems.append(Problem(file.name, "unsupported", "a safetensors file without a single tensor"))
                return None
            weights, state = split_optimizer(found.tensors, all_of_it=only_optimizer)
            optimizer = flat_optimizer(state, found.metadata)
            nets = (Net("", weights),) if weights else ()
            return _Opened(nets, (optimizer,) if optimizer else (), metadata_values(found.metadata), ordered=False)
        loaded = read_torch(file.path, file.name, self.scratch)
        self.problems.extend(loaded.problems)
        if not loaded.readable:
            return None
        content = sort_content(loaded.tree)
        for key in content.copies:
            self.copies.setdefault(key, []).append(file.name)
        return _Opened(content.nets, content.optimizers, content.values, ordered=True, tree=loaded.tree)


def _describe(tree: Tree) -> str:
    """What a file holds that has no weights, for the problem's detail."""
    if isinstance(tree, StoredTensor):
        return f"one bare tensor of shape {tree.shape}"
    if isinstance(tree, Mapping):
        return f"a table with {len(tree)} keys ({listed(tuple(tree))})" if tree else "an empty table"
    return "a list" if isinstance(tree, tuple) else f"a plain {type(tree).__name__}"


def _merged(parts: Sequence[_Opened]) -> _Opened:
    """Shards as one content: nets of the same key are one net."""
    nets: dict[str, dict[str, StoredTensor]] = {}
    values: dict[str, Plain] = {}
    for part in parts:
        for net in part.nets:
            nets.setdefault(net.key, {}).update(net.tensors)
        values.update(part.values)
    optimizers = tuple(optimizer for part in parts for optimizer in part.optimizers)
    return _Opened(tuple(Net(key, tensors) for key, tensors in nets.items()), optimizers, values, all(part.ordered for part in parts))


def _read_set(found: FileSet, reading: _Reading) -> Checkpoint | None:
    parts = [part for part in map(reading.open, found.weights) if part is not None]
    if not parts:
        return None
    content = parts[0] if len(parts) == 1 else _merged(parts)
    if not content.nets:
        held = "optimizer state" if content.optimizers else _describe(content.tree)
        reading.problems.append(Problem(found.source.name, "unsupported", f"holds no weights by name, only {held}"))
        return None
    if content.ordered and not any(sorted_as_text(tuple(net.tensors)) for net in content.nets):
        nets, order = content.nets, INSERTION_ORDER
    else:
        ordered = [in_depth_order(net.tensors, tuple(found.expected or ())) for net in content.nets]
        nets = tuple(Net(net.key, tensors) for net, (tensors, _) in zip(content.nets, ordered, strict=True))
        order = "; ".join(dict.fromkeys(how for _, how in ordered))
    tensors = joined_nets(nets)
    values = dict(content.values)
    states = list(content.optimizers)
    for part, file in found.companions:
        beside = reading.open(file, only_optimizer=part == "optimizer")
        if beside is None:
            continue
        if part == "optimizer":
            states += beside.optimizers
            values = {**beside.values, **values}
        else:
            values.update({key if key.startswith(part) else f"{part}.{key}": value for key, value in plain_values(beside.tree).items()})
    optimizers = _joined_optimizers(states, nets, "" if order == INSERTION_ORDER else " in depth order of their names")
    step, basis, epoch = _step_and_epoch(found, values, optimizers)
    files = (*found.weights, *(file for _, file in found.companions))
    size = sum(file.bytes for file in files)
    return Checkpoint(found.source.name, step, basis, epoch, tensors, order, optimizers, values, size)


def _joined_optimizers(states: Sequence[OptimizerState], nets: Sequence[Net], order: str) -> tuple[Optimizer, ...]:
    labels = net_labels(nets)
    renamed: dict[str, str] = {}
    parameters = []
    for net, label in zip(nets, labels, strict=True):
        final = {f"{label}{name}": tensor for name, tensor in without_uniform_prefixes(net.tensors).items()}
        renamed.update(zip(net.tensors, final, strict=True))
        parameters.append(parameters_of(final))
    optimizers = []
    for index, state in enumerate(states):
        name = state.key or ("optimizer" if len(states) == 1 else f"optimizer.{index}")
        candidates = candidates_for(state.key, index, [label or net.key for label, net in zip(labels, nets, strict=True)], parameters)
        optimizers.append(join_optimizer(state, name, candidates, renamed, order))
    return tuple(optimizers)


def _step_and_epoch(found: FileSet, values: Mapping[str, Plain], optimizers: Sequence[Optimizer]) -> tuple[int | None, str, int | None]:
    """The first that tells: the content, the Trainer's state, a name that says `step`, the optimizer, a bare number in a name.

    A name that says `step` stands before the optimizer's count, because after a resume without its state the optimizer counts
    from the resume on, and that difference is a symptom of its own.
    """
    named = step_in_name(found.source.name)
    step, key, epoch = count_of_steps(values)
    epoch = named.epoch if epoch is None else epoch
    if step is not None:
        return step, f"{key} in the file", epoch
    stem = PurePosixPath(found.source.name).name.split(".")[0].split("-")[0]
    if stem in _HF_NAMES:
        state_step, state_epoch = trainer_state(found.source.path.parent / "trainer_state.json")
        if state_step is not None:
            return state_step, "global_step in trainer_state.json", int(state_epoch) if state_epoch is not None else epoch
    if named.step is not None and named.told:
        return named.step, named.basis, epoch
    counts = [count for optimizer in optimizers for count in optimizer.steps.values()]
    if counts:
        return max(counts), "the optimizer's step", epoch
    # `model_12.pt` that holds epoch 12 or 11 was numbered by epoch.
    if named.step is not None and (epoch is None or named.step not in (epoch, epoch + 1)):
        return named.step, named.basis, epoch
    return None, "unknown", epoch


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name))


def _place(checkpoint: Checkpoint) -> tuple[float, float, tuple[tuple[int, str], ...]]:
    unknown = float("inf")
    step = unknown if checkpoint.step is None else checkpoint.step
    return step, unknown if checkpoint.epoch is None else checkpoint.epoch, _natural(checkpoint.source)


def read_checkpoints(files: Sequence[FoundFile], scratch: Path) -> CheckpointData:
    """Open every checkpoint among a run's files (roles `checkpoint` and `checkpoint-index`).

    `scratch` is a temporary folder that the caller removes once the checkpoints are no longer read: elements that cannot be mapped
    where they are (legacy pickles, compressed zips) are kept there, as many bytes as these files have. Torch is imported only if
    a torch file is among them. Never raises for what a file holds.
    """
    grouped = group_files(files)
    reading = _Reading(scratch, list(grouped.problems), list(grouped.notes), {})
    checkpoints = [checkpoint for found in grouped.sets if (checkpoint := _read_set(found, reading)) is not None]
    for file in grouped.unopened:
        reading.look_over(file)
    if grouped.unopened:
        reading.notes.append(f"{listed(tuple(file.name for file in grouped.unopened))}: no weights by name, so not loaded")
    for key, names in reading.copies.items():
        where = names[0] if len(names) == 1 else f"{len(names)} files"
        reading.notes.append(f"`{listed((key,))}` in {where} was taken for a moving average or best copy of the weights and left out")
    return CheckpointData(tuple(sorted(checkpoints, key=_place)), tuple(reading.problems), tuple(reading.notes))
