"""Optimizers as checkpoints keep them: entries under parameters' names, settings as plain values, updates counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from postmortem.model import Optimizer, Plain
from postmortem.read.checkpoints.algorithms import algorithm_of, flat_slots
from postmortem.read.checkpoints.layouts import OptimizerState, whole_number, words
from postmortem.read.checkpoints.optimizer_joins import Join, Parameter, Shape, join_numbers
from postmortem.read.checkpoints.stored import StoredTensor, Tree
from postmortem.read.words import word_set

_BUFFER_ENDINGS = (
    "running_mean", "running_var", "num_batches_tracked", "position_ids", "token_type_ids", "inv_freq", "masked_bias",
    "relative_position_index", "attn_mask", "causal_mask", "original_inv_freq", "freqs_cis", "rope_cache", "_float_tensor",
)  # fmt: skip
_FULL_SLOTS = (
    "exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg", "sum", "exp_inf", "prev", "acc_delta", "ax", "variance", "hessian",
    "exp_avg_slow", "state2", "state1",
)  # fmt: skip
_MAYBE_SCALAR = ("sum", "ax")
"""Slots that may be one number although the parameter is not."""
_FACTORS = (("exp_avg_sq_row", "exp_avg_sq_col"), ("row_var", "col_var"))
"""Adafactor's means along the last two axes, of transformers and of torch."""
_OPTIMIZER_WORDS = word_set("optimizer optimizers optim opt state states dict sd")


def is_buffer(name: str, tensor: StoredTensor) -> bool:
    """Whether a tensor is surely no parameter: a running statistic, a counter, a mask."""
    last = name.rsplit(".", 1)[-1]
    if last in _BUFFER_ENDINGS or not tensor.dtype.startswith(("float", "bfloat")):
        return True
    # GPT-2's causal mask is called like a bias.
    return last == "bias" and len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1)


def parameters_of(tensors: Mapping[str, StoredTensor]) -> tuple[Parameter, ...]:
    """Parameters in order, buffers left out, tied tensors once (under their first name)."""
    seen: set[object] = set()
    found = []
    for name, tensor in tensors.items():
        if is_buffer(name, tensor) or tensor.place in seen:
            continue
        seen.add(tensor.place)
        found.append(Parameter(name, tensor.shape))
    return tuple(found)


# --- joining ----------------------------------------------------------------------------------------------------------


def _entry_shape(entry: Mapping[str, Tree] | None) -> Shape | None:
    """Shape of the parameter that an entry belongs to; None where its slots do not tell."""
    if entry is None:
        return None
    for slot in _FULL_SLOTS:
        tensor = entry.get(slot)
        if isinstance(tensor, StoredTensor) and (tensor.shape or slot not in _MAYBE_SCALAR):
            return tensor.shape
    for first, second in _FACTORS:
        rows, columns = entry.get(first), entry.get(second)
        if isinstance(rows, StoredTensor) and isinstance(columns, StoredTensor) and rows.shape and columns.shape:
            # Torch keeps the axis that was averaged, with length 1; transformers drops it.
            return ((*rows.shape[:-1],) if first == "row_var" else rows.shape) + columns.shape[-1:]
    return None


def _group_ids(groups: Sequence[Mapping[str, Tree]]) -> list[list[str]]:
    ids = []
    for group in groups:
        listed = group.get("params")
        ids.append([str(item) for item in listed if isinstance(item, (int, str))] if isinstance(listed, tuple) else [])
    return ids


def _written_names(groups: Sequence[Mapping[str, Tree]]) -> dict[str, str]:
    """Names that the optimizer itself keeps (`param_names` of `named_parameters()`)."""
    names: dict[str, str] = {}
    for group, ids in zip(groups, _group_ids(groups), strict=True):
        written = group.get("param_names")
        if isinstance(written, tuple) and len(written) == len(ids):
            names.update({number: str(name) for number, name in zip(ids, written, strict=True)})
    return names


def _join(state: OptimizerState, candidates: Sequence[Sequence[Parameter]], renamed: Mapping[str, str], order: str) -> Join:
    known = {parameter.name for parameters in candidates for parameter in parameters}
    ids = _group_ids(state.groups)
    flat = [number for group in ids for number in group] or list(state.entries)
    written = _written_names(state.groups)
    by_name = {number: renamed.get(written.get(number, number), written.get(number, number)) for number in flat}
    if flat and sum(name in known for name in by_name.values()) > len(flat) // 2:
        return Join({number: name for number, name in by_name.items() if name in known}, "by name")
    shapes = {number: _entry_shape(state.entries.get(number)) for number in flat}
    reasons = []
    for parameters in candidates:
        found = join_numbers(ids if any(ids) else [flat], shapes, parameters, order)
        if isinstance(found, Join):
            return found
        reasons.append(found)
    return Join({number: f"#{number}" for number in flat}, reasons[0] if reasons else "not joined: there are no parameters to join it to")


# --- the value that is handed on --------------------------------------------------------------------------------------


def _plain_setting(value: Tree) -> Plain | tuple[float, ...]:
    if isinstance(value, StoredTensor):
        return value.number() if value.elements == 1 else None
    if isinstance(value, tuple) and all(item is None or isinstance(item, (int, float, StoredTensor)) for item in value):
        numbers = [_number(item) for item in value]
        return tuple(numbers)
    return value if isinstance(value, (bool, int, float, str)) else None


def _number(item: Tree) -> float:
    """A number of a tuple of settings; NaN for None, which stands for a default."""
    if isinstance(item, StoredTensor):
        return item.number() if item.elements == 1 else math.nan
    return float(item) if isinstance(item, (int, float)) else math.nan


def _settings(group: Mapping[str, Tree]) -> dict[str, Plain | tuple[float, ...]]:
    return {key: _plain_setting(value) for key, value in group.items() if key not in ("params", "param_names")}


def _step_of(entry: Mapping[str, Tree]) -> int | None:
    value = entry.get("step")
    if isinstance(value, StoredTensor):
        return whole_number(value.number()) if value.elements == 1 else None
    return whole_number(value) if isinstance(value, (int, float)) else None


def join_optimizer(
    state: OptimizerState, name: str, candidates: Sequence[Sequence[Parameter]], renamed: Mapping[str, str], order: str = ""
) -> Optimizer:
    """An optimizer with its entries under parameters' names.

    `candidates` are the lists of parameters that it may belong to, likeliest first; `renamed` maps names as the file writes them to
    those of the checkpoint; `order` says in `matched` how the parameters were ordered where the file keeps no order.
    """
    state = replace(state, entries={number: dict(flat_slots(entry)) for number, entry in state.entries.items()})
    join = _join(state, candidates, renamed, order)
    group_of = {join.names[number]: index for index, ids in enumerate(_group_ids(state.groups)) for number in ids if number in join.names}
    slots: dict[str, dict[str, StoredTensor]] = {}
    steps: dict[str, int] = {}
    for number, entry in state.entries.items():
        parameter = join.names.get(number)
        if parameter is None:
            continue
        tensors = {slot: value for slot, value in entry.items() if isinstance(value, StoredTensor) and slot != "step"}
        if tensors:
            slots[parameter] = {slot: tensor.named(f"{parameter}.{slot}") for slot, tensor in tensors.items()}
        step = _step_of(entry)
        if step is not None:
            steps[parameter] = step
    groups = tuple(_settings(group) for group in state.groups)
    if not group_of and len(groups) == 1:
        group_of = dict.fromkeys(slots, 0)
    algorithm, told = algorithm_of(state.entries, state.groups)
    return Optimizer(name, algorithm, groups, group_of, slots, steps, join.how, told)


def candidates_for(key: str, index: int, labels: Sequence[str], nets: Sequence[Sequence[Parameter]]) -> list[list[Parameter]]:
    """Lists of parameters that the optimizer at `key`, `index`-th in its file, may belong to: its namesake, its neighbour, then all."""
    everything = [parameter for parameters in nets for parameter in parameters]
    if len(nets) == 1:
        return [everything]
    own = set(words(key)) - _OPTIMIZER_WORDS
    ranked: list[list[Parameter]] = []
    for label, parameters in zip(labels, nets, strict=True):
        # `opt_G` goes with `netG`, `d_optim` with `discriminator`.
        if any(theirs.startswith(mine) for mine in own for theirs in words(label)):
            ranked.append(list(parameters))
    if not ranked and index < len(nets) and (not own or own <= {str(number) for number in range(len(nets))}):
        ranked.append(list(nets[index]))
    return [*ranked, everything, *(list(parameters) for parameters in nets)]
