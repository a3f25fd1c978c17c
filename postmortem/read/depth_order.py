"""Depth order of tensors whose file keeps none: safetensors come back sorted as text, `layers.10` before `layers.2` and the head first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from postmortem.read.word_sets import word_set

Value = TypeVar("Value")

INSERTION_ORDER = "order in which the state_dict was written"
NATURAL_ORDER = "natural sort of names, embeddings and stem first, final norm and head last (the file keeps no order)"

_STEM = word_set(
    "embed embeds embedding embeddings wte wpe tok token tokens pos position positional patch stem conv1 bn1 embedder tok_embeddings "
    "embed_tokens embed_positions patch_embed cls_token pos_embed word_embeddings token_embedding position_embedding pos_embedding "
    "conv_first conv_in conv_stem input_layer input_proj class_embedding shared"
)
_FINAL_NORM = word_set("norm ln_f final_norm final_layer_norm fc_norm layernorm layer_norm ln_final ln_post norm_f norm_out")
_HEAD = word_set(
    "head heads classifier lm_head fc out output outputs logits score final predictor decoder_head cls prediction projection_head "
    "conv_out conv_last proj_out output_layer last_layer readout to_logits qa_outputs out_layer unembed embed_out"
)
_LATE_STAGES = word_set("decoder pooler neck up_blocks dec upsample")
_IN_BLOCK = {"weight": 0, "kernel": 0, "weight_g": 1, "weight_v": 2, "bias": 3}


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part)


def _stage(components: list[str]) -> int:
    """0 stem, 1 body, 2 late stage, 3 final norm, 4 head; the first telling component before a block's number decides."""
    before_number = []
    for component in components:
        if component.isdigit():
            break
        before_number.append(component)
    numbered = len(before_number) < len(components)
    for component in before_number:
        if component in _HEAD:
            return 4
        if component in _STEM:
            return 0
        if component in _LATE_STAGES:
            return 2
        if component in _FINAL_NORM and not numbered:
            return 3
    return 1


def _key(name: str) -> tuple[int, tuple[tuple[tuple[int, int, str], ...], ...], int]:
    *modules, last = name.split(".")
    stage = _stage([component.lower() for component in modules] or [last.lower()])
    rank = _IN_BLOCK.get(last, 4)
    return stage, tuple(_natural(component) for component in modules), rank


def by_depth(names: Iterable[str]) -> list[str]:
    """Names from the input of the network to its output, as far as names tell; weight before bias within a module."""
    return sorted(names, key=lambda name: (_key(name), _natural(name)))


def in_depth_order(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """The same tensors, in depth order of their names."""
    return {name: tensors[name] for name in by_depth(tensors)}
