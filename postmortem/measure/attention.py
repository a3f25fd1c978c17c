"""Which tensors make the queries and keys of attention, and the norm before them, as their names and shapes tell."""

from __future__ import annotations

import re
from dataclasses import dataclass

from postmortem.measure.layers import Layer
from postmortem.measure.view import View

_QUERY = re.compile(r"(?P<front>.*[._])(?P<word>q_proj|query|to_q|wq|q_lin|linear_q|q)(?P<rest>[._]weight)")
_KEYS = {
    "q_proj": "k_proj",
    "query": "key",
    "to_q": "to_k",
    "wq": "wk",
    "q_lin": "k_lin",
    "linear_q": "linear_k",
    "q": "k",
}
_PACKED = re.compile(r".*(?:in_proj_weight|(?:qkv|c_attn|qkv_proj|wqkv|query_key_value|in_proj)\.weight)", re.IGNORECASE)
_NORMED = re.compile(r"(?:^|[._])(?:q_norm|k_norm|q_layernorm|k_layernorm|query_norm|key_norm|norm_q|norm_k)[._]")


@dataclass(frozen=True, slots=True)
class Pair:
    """Queries and keys of one layer of attention."""

    query: str
    key: str
    """The same name where one tensor holds queries, keys and values, in that order."""
    scale: str
    """Scales of the norm that stands before; empty where none fits."""
    normalized: bool
    """Whether queries and keys have norms of their own, so that their matrices set no logits."""

    @property
    def packed(self) -> bool:
        """Whether one tensor holds both."""
        return self.query == self.key


def pairs(view: View) -> tuple[Pair, ...]:
    """Every layer of attention, in depth order."""
    found: list[Pair] = []
    scale: Layer | None = None
    normed = any(_NORMED.search(name) for name in view.layers)
    for layer in view.layers.values():
        if layer.kind == "norm-scale":
            scale = layer
        if len(layer.shape) != 2 or not layer.is_parameter:
            continue
        fits = scale is not None and scale.elements == _inputs(layer)
        before = scale.name if scale is not None and fits else ""
        if _PACKED.fullmatch(layer.name) and _units(layer) % 3 == 0:
            found.append(Pair(layer.name, layer.name, before, normed))
        elif (match := _QUERY.fullmatch(layer.name)) is not None:
            key = f"{match['front']}{_KEYS[match['word']]}{match['rest']}"
            if key in view.layers:
                found.append(Pair(layer.name, key, before, normed))
    return tuple(found)


def _inputs(layer: Layer) -> int:
    return layer.shape[0] if layer.transposed else layer.shape[1]


def _units(layer: Layer) -> int:
    return layer.shape[1] if layer.transposed else layer.shape[0]
