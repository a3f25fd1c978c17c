"""Names of Keras' variables in files that only number them: `layers/dense_1/vars/0` -> `logits.kernel`.

Keras 3 keeps a layer under its class (`dense_1` is the second Dense) and its variables by number. Newer versions note the layer's own name
beside; the archive's config.json has it too, in the same order. What a number means follows from the class.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from postmortem.read.checkpoints.stored import Tree

CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Groups that hold the layers of a model, by version of Keras."""
_KERNEL_BIAS = ("kernel", "bias")
_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "dense": _KERNEL_BIAS,
    "einsum_dense": _KERNEL_BIAS,
    "conv1d": _KERNEL_BIAS,
    "conv2d": _KERNEL_BIAS,
    "conv3d": _KERNEL_BIAS,
    "conv1d_transpose": _KERNEL_BIAS,
    "conv2d_transpose": _KERNEL_BIAS,
    "conv3d_transpose": _KERNEL_BIAS,
    "depthwise_conv1d": _KERNEL_BIAS,
    "depthwise_conv2d": _KERNEL_BIAS,
    "separable_conv1d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "embedding": ("embeddings",),
    "simple_rnn_cell": ("kernel", "recurrent_kernel", "bias"),
    "lstm_cell": ("kernel", "recurrent_kernel", "bias"),
    "gru_cell": ("kernel", "recurrent_kernel", "bias"),
    "rms_normalization": ("scale",),
    "p_re_lu": ("alpha",),
    "seed_generator": ("state",),
}
# Attributes of Keras' own layers that hold layers, in the order in which their variables come.
_PARTS = ("forward_layer", "backward_layer", "query_dense", "key_dense", "value_dense", "output_dense")
# Which of its four variables a normalization has follows from how many there are, but for two counts that have two readings.
_NORMS: Mapping[str, Mapping[int, tuple[str, ...]]] = {
    "batch_normalization": {4: ("gamma", "beta", "moving_mean", "moving_variance"), 2: ("moving_mean", "moving_variance")},
    "layer_normalization": {2: ("gamma", "beta")},
    "group_normalization": {2: ("gamma", "beta")},
}


def variable_names(kinds: Sequence[str], shapes: Sequence[tuple[int, ...]], settings: Mapping[str, Tree]) -> list[str]:
    """Names of a layer's variables. `kinds` are the words that may tell its class, likeliest first (`dense_1`, the layer's name);
    `settings` are the layer's own, from config.json. Those that cannot be told stay numbers (`vars.0`)."""
    for word in kinds:
        kind = re.sub(r"_\d+$", "", word)
        kind = "dense" if kind.endswith("_dense") and kind != "einsum_dense" else kind
        if kind in _NORMS:
            known = _NORMS[kind].get(len(shapes)) or _norm(kind, len(shapes), settings)
            if known:
                return list(known)
        names = _VARIABLES.get(kind, ())
        if names and len(shapes) <= len(names):
            return list(names[: len(shapes)])
    if len(shapes) == 2 and len(shapes[0]) >= 2 and shapes[1] == shapes[0][-1:]:
        return list(_KERNEL_BIAS)
    return [f"vars.{index}" for index in range(len(shapes))]


def _norm(kind: str, count: int, settings: Mapping[str, Tree]) -> tuple[str, ...]:
    running = ("moving_mean", "moving_variance") if kind == "batch_normalization" else ()
    own = tuple(name for name, key in (("gamma", "scale"), ("beta", "center")) if settings.get(key) is True)
    if len(own) + len(running) == count:
        return own + running
    return ("vars.0", *running) if len(running) + 1 == count else ()


def layer_settings(config: Mapping[str, Tree]) -> list[tuple[str, str, Mapping[str, Tree]]]:
    """(name, class, settings) of each layer, in the model's order, from the JSON of its configuration; layers of layers left out."""
    inner = config.get("config")
    layers = inner.get("layers") if isinstance(inner, Mapping) else None
    found = []
    for layer in layers if isinstance(layers, (list, tuple)) else ():
        settings = layer.get("config") if isinstance(layer, Mapping) else None
        if isinstance(layer, Mapping) and isinstance(settings, Mapping):
            found.append((str(settings.get("name", layer.get("name", ""))), str(layer.get("class_name", "")), settings))
    return found


def in_model_order(
    modules: Collection[tuple[str, ...]], orders: Mapping[str, Sequence[str] | None]
) -> tuple[list[tuple[str, ...]], bool, bool]:
    """Paths of groups in the order in which the model holds them; whether the order of its layers is known; and that of all variables.

    `orders` tells it for the groups that hold layers. Parts of a layer lie by the alphabet of their attributes; their true order is known
    for those of Keras' own layers, and where there is one part only.
    """
    parts: dict[tuple[str, ...], set[str]] = {}
    for path in modules:
        for depth, part in enumerate(path):
            parts.setdefault(path[:depth], set()).add(part)
    places: dict[tuple[str, ...], Sequence[str]] = {}
    certain = bool(modules)
    for owner, members in parts.items():
        order = orders.get("/".join(owner))
        if order is None:
            order = [name for name in _PARTS if name in members]
            known = len(order) == len(members) or len(members) == 1
            certain = certain and known and not (owner in modules and owner)
        places[owner] = [*order, *sorted(members - set(order))]
    ranked = sorted(modules, key=lambda path: tuple(places[path[:depth]].index(part) for depth, part in enumerate(path)))
    by_layer = bool(modules) and all(path[:1] and path[0] in CONTAINERS and orders.get(path[0]) is not None for path in modules)
    return ranked, by_layer, by_layer and certain


def final_names(paths: Sequence[tuple[str, ...]], own_name: Callable[[tuple[str, ...]], str]) -> dict[tuple[str, ...], str]:
    """Dotted module name for each path of groups, by the layers' own names; by the groups' where two would come out alike.

    `own_name` tells the name that the layer of a path was given, or nothing. The names of containers are left out.
    """
    named = {path: _joined(path, own_name) for path in paths}
    twice = {name for name, count in Counter(named.values()).items() if count > 1}
    return {path: ".".join(part for part in path if part not in CONTAINERS) if name in twice else name for path, name in named.items()}


def _joined(path: tuple[str, ...], own_name: Callable[[tuple[str, ...]], str]) -> str:
    parts = []
    within = False
    for length, part in enumerate(path, start=1):
        if part in CONTAINERS:
            within = True
            continue
        # The attributes of a model that is a class of its own tell more than the names that Keras makes up for its layers.
        parts.append((own_name(path[:length]) if within else "") or part)
    return ".".join(parts)
