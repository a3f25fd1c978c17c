"""Optimizer state that was flattened into names: `optimizer.exp_avg.<parameter>` and its kin, as safetensors files hold it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from postmortem.model import Plain
from postmortem.read.checkpoints.layouts import OptimizerState
from postmortem.read.checkpoints.stored import StoredTensor, Tree
from postmortem.read.words import word_set

SLOTS = word_set(
    "exp_avg exp_avg_sq max_exp_avg_sq momentum_buffer square_avg grad_avg sum exp_inf step state1 state2 exp_avg_diff prev step_size "
    "mu_product acc_delta exp_avg_slow exp_avg_sq_row exp_avg_sq_col row_var col_var variance hessian eta ax "
    "qmap1 qmap2 absmax1 absmax2 max1 max2"
)
_FIRST = word_set("optimizer optim opt optimizer_state optimizer_states optimizer_state_dict")
_SETTINGS = word_set(
    "lr learning_rate betas eps weight_decay momentum nesterov amsgrad alpha decoupled_weight_decay dampening centered maximize rho d "
    "momentum_decay lr_decay clip_threshold decay_rate scale_parameter relative_step warmup_init beta2_decay ns_steps adjust_lr_fn"
)


def split_optimizer(
    tensors: Mapping[str, StoredTensor], *, all_of_it: bool = False
) -> tuple[dict[str, StoredTensor], dict[str, StoredTensor]]:
    """Weights, and optimizer tensors with the leading `optimizer.` taken off. `all_of_it`: the file holds nothing but optimizer state."""
    weights: dict[str, StoredTensor] = {}
    state: dict[str, StoredTensor] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if first in _FIRST and rest:
            state[rest] = tensor
        elif all_of_it or (first in SLOTS and rest and rest in tensors):
            state[name] = tensor
        else:
            weights[name] = tensor
    return weights, state


def _slot_and_parameter(name: str) -> tuple[str, str] | None:
    parts = name.split(".")
    if parts[0] == "state" and len(parts) > 2:
        parts = parts[1:]
    if parts[0] in SLOTS and len(parts) > 1:
        return parts[0], ".".join(parts[1:])
    if parts[-1] in SLOTS and len(parts) > 1:
        return parts[-1], ".".join(parts[:-1])
    return None


def _parsed(text: str) -> Plain | tuple[float, ...]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, list) and all(isinstance(item, (int, float)) for item in value):
        return tuple(float(item) for item in value)
    return value if isinstance(value, (bool, int, float, str)) else text


def metadata_values(metadata: Mapping[str, str]) -> dict[str, Plain]:
    """Safetensors metadata, which is all text, with numbers as numbers."""
    values: dict[str, Plain] = {}
    for key, text in metadata.items():
        value = _parsed(text)
        values[key] = text[:300] if isinstance(value, tuple) else value
    return values


def flat_optimizer(state: Mapping[str, StoredTensor], metadata: Mapping[str, str]) -> OptimizerState | None:
    """The state_dict that the flat names came from; settings from the metadata (`lr`, `optimizer.lr`, `param_groups` as JSON)."""
    entries: dict[str, dict[str, Tree]] = {}
    for name, tensor in state.items():
        found = _slot_and_parameter(name)
        if found is not None:
            slot, parameter = found
            entries.setdefault(parameter, {})[slot] = tensor
    if not entries:
        return None
    settings: dict[str, Tree] = {}
    for key, text in metadata.items():
        first, _, rest = key.partition(".")
        name = rest if first in _FIRST and rest else key
        if name in _SETTINGS:
            settings["lr" if name == "learning_rate" else name] = _parsed(text)
    groups = _written_groups(metadata)
    return OptimizerState("optimizer", entries, groups or ({**settings, "params": tuple(entries)},))


def _written_groups(metadata: Mapping[str, str]) -> tuple[dict[str, Tree], ...]:
    """Groups that stand in the metadata as JSON; empty where none, or none that lists its parameters, does."""
    text = metadata.get("param_groups") or metadata.get("optimizer.param_groups")
    if text is None:
        return ()
    try:
        groups = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(groups, list) or not all(isinstance(group, dict) and isinstance(group.get("params"), list) for group in groups):
        return ()
    return tuple({key: tuple(value) if isinstance(value, list) else value for key, value in group.items()} for group in groups)
