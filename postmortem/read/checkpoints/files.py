"""Checkpoints of a run: files -> weights in depth order, optimizer state under parameters' names, step, plain values.

Elements stay in their files, mapped; opening a run of many gigabytes reads headers only. Damage is a value: each file that cannot be
read becomes a `Problem`, and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from postmortem.model import Checkpoint, FoundFile, Optimizer, Plain, Problem
from postmortem.read.checkpoints.averages import attached, averages_within, under_names_of
from postmortem.read.checkpoints.deepspeed import assemble, with_parts
from postmortem.read.checkpoints.depth_order import INSERTION_ORDER, in_depth_order, sorted_as_text
from postmortem.read.checkpoints.distributed import read_distributed
from postmortem.read.checkpoints.file_sets import FileSet
from postmortem.read.checkpoints.flat_optimizers import flat_optimizer, metadata_values, split_optimizer
from postmortem.read.checkpoints.formats import FOREIGN, read_foreign
from postmortem.read.checkpoints.grouping import group_files
from postmortem.read.checkpoints.layouts import (
    Net,
    OptimizerState,
    count_of_steps,
    joined_nets,
    net_labels,
    plain_values,
    sort_content,
    without_uniform_prefixes,
)
from postmortem.read.checkpoints.numbering import OPTIMIZERS, renumbered
from postmortem.read.checkpoints.optimizers import candidates_for, join_optimizer, parameters_of
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.rank_names import deepspeed_of
from postmortem.read.checkpoints.ranks import combine
from postmortem.read.checkpoints.safetensors_files import read_safetensors
from postmortem.read.checkpoints.sniff import sniff
from postmortem.read.checkpoints.steps import NamedStep, adapter_settings, step_in_name, trainer_state
from postmortem.read.checkpoints.stored import Loaded, StoredTensor, Tree
from postmortem.read.checkpoints.torch_files import read_torch

T = TypeVar("T")

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
    """Content of one file, or of several that make one, in the common shape."""

    nets: tuple[Net, ...]
    copies: tuple[Net, ...]
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
        """One file's content, or None with a problem noted."""
        return self.guarded(file.name, lambda: self._open(file, only_optimizer))

    def guarded(self, name: str, read: Callable[[], T | None]) -> T | None:
        """What `read` gives, or None with a problem noted. The one place where any failure of a file becomes a value."""
        try:
            return read()
        except OSError as error:
            self.problems.append(Problem(name, "unreadable", f"cannot be opened: {error.strerror or type(error).__name__}"))
        except MemoryError:
            self.problems.append(Problem(name, "unreadable", "there is not enough memory to read it"))
        except Exception as error:  # noqa: BLE001 - one odd file must not take the run's other files with it
            said = " ".join(str(error).split())[:120]
            self.problems.append(Problem(name, "corrupt", f"the reader gave up on it; all of it is lost ({type(error).__name__}: {said})"))
        return None

    def look_over(self, file: FoundFile) -> None:
        """Interpret a file of which nothing is needed, and note a problem only where it would run code."""
        seen = len(self.problems)
        self.open(file)
        self.problems[seen:] = [problem for problem in self.problems[seen:] if problem.kind == "unsafe-pickle"]

    def sorted(self, source: str, tree: Tree, *, ordered: bool = True) -> _Opened:
        """A tree's content; its moving averages are noted under `source`."""
        content = sort_content(tree)
        for net in content.copies:
            self.copies.setdefault(net.key, []).append(source)
        return _Opened(content.nets, content.copies, content.optimizers, content.values, ordered, tree)

    def loaded(self, file: FoundFile) -> Loaded | None:
        """The content of a file that is no safetensors file, or None with its problems noted."""
        kind = sniff(file.path)
        if kind.container == "not-a-checkpoint":
            self.problems.append(Problem(file.name, kind.kind, kind.detail))
            return None
        if kind.container in FOREIGN:
            found = read_foreign(kind.container, file.path, file.name)
        else:
            found = read_torch(file.path, file.name, self.scratch)
        self.problems.extend(found.problems)
        return found if found.readable else None

    def _open(self, file: FoundFile, only_optimizer: bool) -> _Opened | None:
        if sniff(file.path).container == "safetensors":
            found = read_safetensors(file.path, file.name)
            self.problems.extend(found.problems)
            if not found.tensors:
                if not found.problems:
                    self.problems.append(Problem(file.name, "unsupported", "a safetensors file without a single tensor"))
                return None
            weights, state = split_optimizer(found.tensors, all_of_it=only_optimizer)
            optimizer = flat_optimizer(state, found.metadata)
            nets = (Net("", weights),) if weights else ()
            return _Opened(nets, (), (optimizer,) if optimizer else (), metadata_values(found.metadata), ordered=False)
        loaded = self.loaded(file)
        return None if loaded is None else self.sorted(file.name, loaded.tree, ordered=loaded.ordered)


def _opened(found: FileSet, reading: _Reading) -> _Opened | None:
    """The content of a set's files, companions and other ranks left out."""
    if found.kind == "distributed":
        folder = reading.guarded(found.source.name, lambda: read_distributed(found.source, found.weights))
        if folder is None:
            return None
        reading.problems.extend(folder.problems)
        return reading.sorted(found.source.name, folder.tree) if folder.readable else None
    if found.kind == "deepspeed":
        return _opened_deepspeed(found, reading)
    parts = [part for part in map(reading.open, found.weights) if part is not None]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else _merged(parts)


def _opened_deepspeed(found: FileSet, reading: _Reading) -> _Opened | None:
    """A DeepSpeed folder; whatever cannot be read of it is named, and the rest is put together."""

    def trees(files: Sequence[FoundFile]) -> dict[str, Tree]:
        loaded = {file.name: reading.guarded(file.name, partial(reading.loaded, file)) for file in files}
        return {name: one.tree for name, one in loaded.items() if one is not None}

    told = {file.name: deepspeed_of(file.name) for file in (*found.weights, *found.partitions)}
    weights = trees(found.weights)
    models = [tree for name, tree in weights.items() if (own := told[name]) is not None and own.part in ("model", "sharded-model")]
    if not models:
        return None
    states = [(own.rank, tree) for name, tree in trees(found.partitions).items() if (own := told[name]) is not None]
    whole = assemble(found.source.name, models, states)
    reading.problems.extend(whole.problems)
    reading.notes.extend(whole.notes)
    extra = {name: tree for name, tree in weights.items() if (own := told[name]) is not None and own.part in ("layer", "expert")}
    return reading.sorted(found.source.name, with_parts(whole.tree, extra))


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
    copies = tuple(copy for part in parts for copy in part.copies)
    whole = tuple(Net(key, tensors) for key, tensors in nets.items())
    return _Opened(whole, copies, optimizers, values, all(part.ordered for part in parts))


def _read_set(found: FileSet, reading: _Reading) -> tuple[Checkpoint, ...]:
    """One checkpoint; none where it cannot be read; several where the files of ranks are no parts of one."""
    if not found.ranks:
        checkpoint = _read_one(found, reading)
        return () if checkpoint is None else (checkpoint,)
    named = []
    for member in (replace(found, ranks=()), *found.ranks):
        one = _read_one(member, reading)
        if one is not None and member.rank is not None:
            named.append((member.rank, one))
    if named and len(named) < 1 + len(found.ranks) and named[0][0].style != "data":
        # A part that cannot be read is named as such; the others make no whole tensors without it.
        reading.notes.append(f"{named[0][1].source} stands for its kin: not all of them can be read, so their parts were not put together")
        return (named[0][1],)
    if len(named) < 2:
        return tuple(checkpoint for _, checkpoint in named)
    combined = reading.guarded(found.source.name, lambda: combine(named))
    if combined is None:
        return tuple(checkpoint for _, checkpoint in named)
    reading.problems.extend(combined.problems)
    reading.notes.extend(combined.notes)
    return combined.checkpoints


def _read_one(found: FileSet, reading: _Reading) -> Checkpoint | None:
    content = _opened(found, reading)
    if content is None:
        return None
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
    if any("lora_" in name for name in tensors):
        values.update(adapter_settings(found.source.path.parent))
    states = list(content.optimizers)
    averages = {net.key: net.tensors for net in content.copies}
    for part, companion in found.companions:
        if companion.kind == "files":
            beside = reading.open(companion.source, only_optimizer=part == "optimizer")
        else:
            beside = _opened(companion, reading)
        if beside is None:
            continue
        if part == "optimizer":
            states += beside.optimizers
            values = {**beside.values, **values}
        else:
            values.update({key if key.startswith(part) else f"{part}.{key}": value for key, value in plain_values(beside.tree).items()})
    optimizers = _joined_optimizers(states, nets, "" if order == INSERTION_ORDER else " in depth order of their names")
    step, basis, epoch = _step_and_epoch(found, values, optimizers)
    size = sum(file.bytes for file in found.files)
    aligned = {key: same for key, average in averages.items() if (same := under_names_of(tensors, average))}
    aligned.update(averages_within(tensors))
    return Checkpoint(found.source.name, step, basis, epoch, tensors, order, optimizers, values, size, averages=aligned)


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
    named = _named_step(found)
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
        return max(counts), OPTIMIZERS, epoch
    if epoch == 0 and any(map(_keeps_state, optimizers)) and not any(optimizer.slots for optimizer in optimizers):
        return 0, "epoch 0 and an optimizer that keeps no state yet", epoch
    # `model_12.pt` that holds epoch 12 or 11 was numbered by epoch.
    if named.step is not None and (epoch is None or named.step not in (epoch, epoch + 1)):
        return named.step, named.basis, epoch
    return None, "unknown", epoch


def _keeps_state(optimizer: Optimizer) -> bool:
    """Whether an optimizer would have state after its first update; plain SGD never has any."""
    return any("betas" in group or "alpha" in group or group.get("momentum") not in (None, 0, 0.0) for group in optimizer.groups)


def _named_step(found: FileSet) -> NamedStep:
    """What names say. Of a run's own folder only a word counts (`step-100`): its number may be that of the run."""
    name = found.source.name if found.rank is None else found.rank.without_rank
    named = step_in_name(name)
    if named.step is None and named.epoch is None and "/" not in name:
        above = step_in_name(f"{found.source.path.absolute().parent.name}/{PurePosixPath(name).name}")
        return above if above.told else named
    return named


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
    alone = [found for found in grouped.sets if found.is_average]
    checkpoints = [checkpoint for found in grouped.sets if not found.is_average for checkpoint in _read_set(found, reading)]
    checkpoints.sort(key=_place)
    checkpoints = attached(checkpoints, [average for found in alone for average in _read_set(found, reading)])
    for file in grouped.unopened:
        reading.look_over(file)
    if grouped.unopened:
        reading.notes.append(f"{listed(tuple(file.name for file in grouped.unopened))}: no weights by name, so not loaded")
    for key, names in reading.copies.items():
        where = names[0] if len(names) == 1 else f"{len(names)} files"
        what = "was taken for a moving average or best copy of the weights, and not for a net of its own"
        reading.notes.append(f"`{listed((key,))}` in {where} {what}")
    return CheckpointData(tuple(sorted(renumbered(checkpoints), key=_place)), tuple(reading.problems), tuple(reading.notes))
