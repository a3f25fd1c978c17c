"""What the keys of a TensorFlow checkpoint mean: variables, slots of an optimizer, counters, and what is none of these.

TF2 keys are paths in a graph of objects (`layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE`), and that graph, which the checkpoint
holds as well, tells the variables' own names (`dense/kernel`). TF1 keys are the names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from postmortem.read.checkpoints.foreign_trees import Moments, assembled, dotted
from postmortem.read.checkpoints.raw import Raw
from postmortem.read.checkpoints.slot_names import slot_of, torch_settings, torch_slots
from postmortem.read.checkpoints.stored import Tree
from postmortem.read.protobuf_walk import Message, message

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "/.OPTIMIZER_SLOT/"
_COUNTERS = {"iter": "iterations", "iteration": "iterations", "global_step": "global_step", "step": "step", "epoch": "epoch"}
_SETTINGS = frozenset(("learning_rate", "lr", "beta_1", "beta_2", "epsilon", "rho", "decay", "momentum", "weight_decay"))
_TF1_SLOTS = frozenset(("adam", "momentum", "rmsprop", "adagrad", "ftrl", "adadelta", "exponentialmovingaverage"))
_NO_WEIGHTS = ("keras_api/", "save_counter", "_CHECKPOINTABLE", "loss_tracker", "beta1_power", "beta2_power")


def full_names(graph: Message) -> dict[str, str]:
    """Key -> variable's own name (TrackableObjectGraph: nodes 1, their attributes 2, in these full_name 2 and checkpoint_key 3)."""
    names: dict[str, str] = {}
    for node in graph.get(1, []):
        for attribute in message(node).get(2, []) if isinstance(node, bytes) else ():
            fields = message(attribute) if isinstance(attribute, bytes) else {}
            full, key = (fields.get(field, [b""])[-1] for field in (2, 3))
            if isinstance(full, bytes) and isinstance(key, bytes) and full and key:
                names[key.decode("utf-8", "replace")] = full.decode("utf-8", "replace")
    return names


def bundle_tree(tensors: Mapping[str, Raw], names: Mapping[str, str]) -> dict[str, Tree]:
    """The common tree. `names` are those of the object graph; they are used where they tell all variables apart."""
    weights: dict[str, Raw] = {}
    own: dict[str, str] = {}
    slots: list[tuple[str, str, Raw]] = []
    others: dict[str, Raw] = {}
    values: dict[str, Tree] = {}
    paths = set(tensors)
    for key, raw in tensors.items():
        path = key.removesuffix(_VALUE)
        if _SLOT in path:
            owner, _, slot = path.partition(_SLOT)
            slots.append((owner, slot.rsplit("/", 1)[-1], raw))
        elif path.startswith(("optimizer/", "_optimizer/")) or (key == path and _is_tf1_slot(path, paths)):
            others[path] = raw
        elif raw.shape == () and path.rsplit("/", 1)[-1] in _COUNTERS:
            values[_COUNTERS[path.rsplit("/", 1)[-1]]] = raw.number()
        elif not path.startswith(_NO_WEIGHTS) and not path.endswith(_NO_WEIGHTS):
            weights[path] = raw
            own[path] = names.get(key, "")
    if any(count > 1 for count in Counter(own.values()).values()) or "" in own.values():
        own = {path: path for path in own}
    final = {path: dotted(own[path]) for path in own}
    config = _settings(others, names)
    if config:
        values["hyper_parameters"] = config
    moments = _moments(weights, final, own, slots, others, names)
    step = next((others[path].number() for path in others if path.rsplit("/", 1)[-1] in ("iter", "iteration")), None)
    if step is None:
        step = next((raw.number() for path, raw in others.items() if names.get(path + _VALUE) == "iteration"), None)
    if isinstance(step, int):
        values.setdefault("iterations", step)
    if moments is not None:
        count = next((value for value in (step, *values.values()) if isinstance(value, int)), None)
        moments = Moments(moments.slots, moments.settings, count)
    return assembled({final[path]: raw for path, raw in weights.items()}, moments, values)


def _is_tf1_slot(path: str, paths: set[str]) -> bool:
    owner, _, last = path.rpartition("/")
    return owner in paths and last.split("_")[0].lower() in _TF1_SLOTS


def _settings(others: Mapping[str, Raw], names: Mapping[str, str]) -> dict[str, Tree]:
    """The optimizer's settings that are variables, under Keras' names."""
    found: dict[str, Tree] = {}
    for path, raw in others.items():
        last = names.get(path + _VALUE, path).rsplit("/", 1)[-1].removeprefix("_").removeprefix("current_")
        if raw.shape == () and last in _SETTINGS:
            found[last] = raw.number()
    return found


def _moments(
    weights: Mapping[str, Raw],
    final: Mapping[str, str],
    own: Mapping[str, str],
    slots: list[tuple[str, str, Raw]],
    others: Mapping[str, Raw],
    names: Mapping[str, str],
) -> Moments | None:
    found: dict[str, dict[str, Raw]] = {}
    for owner, word, raw in slots:
        if owner in final:
            found.setdefault(final[owner], {})[word] = raw
    by_name = {own[path]: final[path] for path in own}
    family = ""
    for path, raw in others.items():
        variable = names.get(path + _VALUE, path)
        match = slot_of(variable, by_name)
        if match is not None:
            found.setdefault(match[0], {})[match[1]] = raw
            family = family or variable.split("/")[0]
    if not family and all({"m", "v"} <= set(words) for words in found.values()):
        # The keys of TF2 do not name the algorithm. `m` and `v` are Adam's; Nadam has them too, with a schedule of its own beside.
        family = "" if any("momentum_cache" in path for path in others) else "adam"
    shapes = {final[path]: raw.shape for path, raw in weights.items()}
    joined = {
        name: kept
        for name, words in found.items()
        if (kept := torch_slots({word: raw for word, raw in words.items() if raw.shape == shapes.get(name)}, family))
    }
    return Moments(joined, torch_settings(_settings(others, names), family)) if joined else None
