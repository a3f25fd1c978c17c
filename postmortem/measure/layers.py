"""Which tensor of a checkpoint is what: a weight matrix and how deep it lies, an embedding, a scale, a running statistic, a head.

A checkpoint holds names and shapes and no graph, so all of this is read off names, shapes and order. Where these cannot tell, the
answer leans to the side that raises no alarm: a doubtful tensor is `other`, which no check about layers looks at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from postmortem.measure.table import CheckpointRow, TensorStats

Kind: TypeAlias = Literal["linear", "conv", "embedding", "norm-scale", "bias", "running-stat", "counter", "recurrent", "lora", "other"]

SMALLEST_LAYER_UNITS = 4
"""A layer with fewer units has no statistics to speak of: gates, binary heads, scalars."""

_RUNNING = ("running_mean", "running_var", "moving_mean", "moving_variance")
_EMBEDDING_TOKENS = {"emb", "embed", "embeds", "embedding", "embeddings", "wte", "wpe", "lookup", "cls_token", "pos_embed"}
_BUFFER_NAMES = {
    *(
        "pe",
        "mask",
        "attn_mask",
        "causal_mask",
        "inv_freq",
        "freqs",
        "freqs_cis",
        "anchors",
        "anchor",
        "masked_bias",
        "pixel_mean",
        "pixel_std",
    ),
    *("cos_cached", "sin_cached", "position_ids", "relative_position_index", "total_ops", "total_params", "weight_u", "tril"),
    # Of networks over graphs, of spectrograms, and of diffusion's schedules.
    *("adj", "adj_matrix", "adjacency", "adjacency_matrix", "norm_adj", "laplacian", "edge_index"),
    *("window", "hann_window", "mel_basis", "fb", "dct_mat", "slopes", "alibi", "relative_coords_table"),
    *("betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod", "posterior_variance"),
}
_NETS = {
    *(
        "g",
        "d",
        "c",
        "gen",
        "disc",
        "generator",
        "discriminator",
        "netg",
        "g_net",
        "d_net",
        "netd",
        "net_g",
        "net_d",
        "actor",
        "critic",
        "critic1",
        "critic2",
    ),
    *("policy", "policy_net", "value_net", "q_net", "target", "target_net", "teacher", "student"),
}
_COPIES = {"ema", "ema_model", "model_ema", "shadow", "averaged", "swa", "swa_model", "teacher", "target", "target_net", "q_net_target"}
_HEADS = {"head", "lm_head", "cls_head", "classifier", "fc_out", "logits", "score", "action_net", "value_net", "output_layer"}
_WRAPPERS = {"module", "_orig_mod", "model", "net", "state_dict"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One tensor of a checkpoint, as its name, shape and neighbours tell."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    elements: int
    fan_in: int
    """Inputs that one output unit sums over; 0 for tensors that are no weight matrix."""
    fan_out: int
    is_parameter: bool
    """Whether training is meant to change it: no statistics, counters, masks or averaged copies."""
    is_head: bool
    """The last matrix of its net, or of a module that is called a head."""
    family: str
    """Name with all numbers abstracted: layers of one family do the same work at different depths."""
    net: str
    """Key of the net in a checkpoint that holds several (`G`, `critic`); empty otherwise."""
    depth: int
    """Position among the linear and convolution matrices of the checkpoint; -1 for all other tensors."""
    bias: str
    """Name of the bias that belongs to this matrix; empty where there is none."""
    transposed: bool
    """Whether the first axis is the input axis (the bias is as long as the second axis only)."""
    normalized: bool
    """Whether the next layer in order is a normalization of this one's outputs."""

    @property
    def is_matrix(self) -> bool:
        """Whether it is a linear or convolution weight."""
        return self.depth >= 0

    @property
    def is_hidden(self) -> bool:
        """Whether it is a weight matrix with another one after it, and wide enough to have statistics."""
        return self.is_matrix and not self.is_head and self.is_parameter and self.fan_out >= SMALLEST_LAYER_UNITS


def layers(row: CheckpointRow) -> tuple[Layer, ...]:
    """Classify every tensor of a checkpoint, in the checkpoint's (depth) order."""
    found = [_layer(name, stats, row.tensors) for name, stats in row.tensors.items()]
    found = _embeddings_by_shape(found)
    found = _with_depth(found)
    return tuple(_followed_by_norm(_with_heads(found)))


def _parts(name: str) -> list[str]:
    return [part for part in name.lower().split(".") if part]


def _last(name: str) -> str:
    return name.lower().rsplit(".", 1)[-1]


def _bias_of(name: str, tensors: Mapping[str, TensorStats]) -> str:
    for old in ("weight", "kernel", "weight_orig", "weight_v", "parametrizations.weight.original1"):
        if name.endswith(old):
            sibling = name[: -len(old)] + "bias"
            if sibling in tensors and len(tensors[sibling].shape) == 1:
                return sibling
    return ""


def _net(name: str) -> str:
    parts = name.split(".")
    while len(parts) > 2 and parts[0].lower() in _WRAPPERS:
        parts = parts[1:]
    # `d.weight` is a layer, `d.0.weight` one of a net's.
    least = 3 if len(parts[0]) == 1 else 2
    return parts[0] if len(parts) >= least and parts[0].lower() in _NETS | _COPIES else ""


def _kind(name: str, stats: TensorStats, bias: str) -> Kind:
    last, dimensions = _last(name), len(stats.shape)
    whole = name.lower()
    if last == "num_batches_tracked" or not stats.dtype.startswith(("float", "bfloat", "half", "double")):
        return "counter"
    if last in _RUNNING:
        return "running-stat"
    if "lora_" in whole:
        return "lora"
    if last in _BUFFER_NAMES:
        return "other"
    if dimensions == 1:
        return _vector_kind(last)
    if dimensions == 0 or last == "weight_g" or whole.endswith("weight.original0"):
        return "other"
    if re.match(r"weight_(ih|hh|hr)(_|$)", last):
        return "recurrent"
    if last.endswith(("bias", "_log")) or last.startswith("log_"):
        return "other"  # rates of a state space, the logarithm of what each unit forgets: `A_log`, `log_decay`
    if not bias and _embedding_tokens(name, dimensions):
        return "embedding"
    if dimensions == 2:
        return "linear"
    return "conv" if last.startswith(("weight", "kernel", "original")) else "other"


def _vector_kind(last: str) -> Kind:
    if last.startswith(("bias", "beta")) or last.endswith("_bias"):
        return "bias"
    if last in {"weight", "gamma", "scale", "g"}:
        return "norm-scale"
    return "other"


def _embedding_tokens(name: str, dimensions: int) -> bool:
    """Whether the module's own name says embedding; a convolution in a patch embedding is a convolution."""
    parts = _parts(name)
    own = parts[-1:] if parts[-1] not in {"weight", "kernel"} else parts[-2:-1]
    if not own or (dimensions > 3 and parts[-1] == "weight"):
        return False
    return own[0] in _EMBEDDING_TOKENS or bool(_EMBEDDING_TOKENS & set(re.split(r"[_\d-]+", own[0])))


def _of_siblings(name: str, tensors: Mapping[str, TensorStats]) -> Kind | None:
    """What the tensors beside it make of one whose own name says too little: Keras' recurrent cells, Flax' running statistics."""
    module, _, last = name.rpartition(".")
    if last in ("kernel", "recurrent_kernel") and f"{module}.recurrent_kernel" in tensors:
        return "recurrent"
    return "running-stat" if last in ("mean", "var") and {f"{module}.mean", f"{module}.var"} <= set(tensors) else None


def _layer(name: str, stats: TensorStats, tensors: Mapping[str, TensorStats]) -> Layer:
    bias = _bias_of(name, tensors)
    kind = _of_siblings(name, tensors) or _kind(name, stats, bias)
    shape = stats.shape
    fan_in = fan_out = 0
    transposed = False
    if kind in {"linear", "conv", "recurrent", "lora", "embedding"} and len(shape) >= 2:
        # GPT-2's own "Conv1D" and transposed convolutions keep the input axis first; the bias gives them away.
        length = tensors[bias].shape[0] if bias else shape[0]
        transposed = length == shape[1] != shape[0]
        receptive = stats.elements // max(shape[0] * shape[1], 1)
        fan_in = (shape[0] if transposed else shape[1]) * receptive
        fan_out = shape[1] if transposed else shape[0]
    parts = set(_parts(name))
    is_parameter = kind not in {"running-stat", "counter"} and _last(name) not in _BUFFER_NAMES and not parts & _COPIES
    if kind == "other" and len(shape) >= 3 and _last(name) in {"bias", "mask"}:
        is_parameter = False
    return Layer(
        name,
        kind,
        shape,
        stats.elements,
        fan_in,
        fan_out,
        is_parameter,
        False,
        re.sub(r"\d+", "#", name),
        _net(name),
        -1,
        bias,
        transposed,
        False,
    )


def _embeddings_by_shape(found: list[Layer]) -> list[Layer]:
    """A first matrix without bias is a lookup table, whatever it is called, where it is far taller than wide, or where what comes next
    takes as many inputs as it has columns and nothing as many as it has rows (`encoder.weight` of many language models)."""
    readers = [(position, layer) for position, layer in enumerate(found) if layer.kind in {"linear", "conv", "embedding", "recurrent"}]
    if len(readers) >= 2:
        (position, layer), others = readers[0], [other for _, other in readers[1:]]
        tall = layer.fan_out >= 8 * layer.fan_in
        # Of a file that is sorted by name the head may stand between a table and the recurrence that it feeds.
        next_ones = [others[0], *(other for other in others if other.kind == "recurrent")]
        fed = any(other.kind in {"linear", "recurrent"} and other.fan_in == layer.fan_in for other in next_ones)
        looked_up = fed and not any(other.fan_in == layer.fan_out for other in others)
        if layer.kind == "linear" and not layer.bias and (tall or looked_up):
            found[position] = replace(layer, kind="embedding")
    return found


def _with_depth(found: list[Layer]) -> list[Layer]:
    depth = 0
    placed: list[Layer] = []
    for layer in found:
        if layer.kind in {"linear", "conv"} and layer.is_parameter:
            placed.append(replace(layer, depth=depth))
            depth += 1
        else:
            placed.append(layer)
    return placed


def _with_heads(found: list[Layer]) -> list[Layer]:
    """Mark the last matrix of each net, and of each module that is called a head."""
    last_of: dict[str, str] = {}
    for layer in found:
        if layer.is_matrix:
            last_of[f"net {layer.net}"] = layer.name
            parts = _parts(layer.name)
            named = [index for index, part in enumerate(parts[:-1]) if part in _HEADS]
            if named:
                last_of[".".join(parts[: named[0] + 1])] = layer.name
    heads = set(last_of.values())
    return [replace(layer, is_head=True) if layer.name in heads else layer for layer in found]


def _followed_by_norm(found: list[Layer]) -> Iterator[Layer]:
    for position, layer in enumerate(found):
        following = next((other for other in found[position + 1 :] if other.kind != "bias"), None)
        normalized = layer.is_matrix and following is not None and following.kind == "norm-scale" and following.elements == layer.fan_out
        yield replace(layer, normalized=True) if normalized else layer
