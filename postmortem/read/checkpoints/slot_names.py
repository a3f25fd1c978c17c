"""Optimizer variables of Keras and TensorFlow, which tell their parameter and their role in one name, in many ways.

Keras 3 writes `adam/dense_kernel_momentum`; Keras 2 wrote `Adam/m/dense/kernel`, and before 2.11 `Adam/dense/kernel/m`; TensorFlow 1 wrote
`dense/kernel/Adam` and `dense/kernel/Adam_1`.

Only slots that mean the same as torch's are mapped. Momentum of Keras' SGD and RMSprop has the learning rate (and its sign) in it, Nadam
and Adamax step in ways of their own: those are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from postmortem.read.checkpoints.raw import Raw
from postmortem.read.checkpoints.stored import Tree

_ENDINGS = ("velocity_hat", "momentum", "velocity", "accumulator")
_FIRST = frozenset(("m", "momentum", "Adam", "adam_m"))
_SECOND = frozenset(("v", "velocity", "Adam_1", "adam_v"))
_BOUND = frozenset(("vhat", "velocity_hat"))
_SQUARES = frozenset(("rms", "velocity", "RMSProp"))
_SUMS = frozenset(("accumulator", "Adagrad"))
_WORDS = _FIRST | _SECOND | _BOUND | _SQUARES | _SUMS | {"Momentum"}


def slot_of(variable: str, parameters: Mapping[str, str]) -> tuple[str, str] | None:
    """Parameter and word of the slot; None where it is none. `parameters` maps paths as the file writes them (`dense/kernel`) to names."""
    parts = variable.split("/")
    for start in range(len(parts)):
        before = parts[start - 1] if start else ""
        if parts[-1] in _WORDS and "/".join(parts[start:-1]) in parameters:
            return parameters["/".join(parts[start:-1])], parts[-1]
        if before in _WORDS and "/".join(parts[start:]) in parameters:
            return parameters["/".join(parts[start:])], before
    return None


def flat_slot_of(variable: str, parameters: Mapping[str, str]) -> tuple[str, str] | None:
    """The same for names of Keras 3, in which the parameter's path stands with underscores."""
    last = variable.rsplit("/", 1)[-1]
    flat: dict[str, list[str]] = {}
    for path, name in parameters.items():
        flat.setdefault(path.replace("/", "_"), []).append(name)
    for ending in _ENDINGS:
        found = flat.get(last.removesuffix(f"_{ending}"), [])
        if last.endswith(f"_{ending}") and len(found) == 1:
            return found[0], ending
    return None


def torch_slots(words: Mapping[str, Raw], family: str) -> dict[str, Raw]:
    """One parameter's slots in torch's words; empty where the optimizer is none whose state means the same. `family` is its name."""
    kind = family.lower().replace("_", "")
    if "Momentum" in words:
        return {"momentum_buffer": words["Momentum"]}
    own = {"Adam", "adam_m"} & set(words)  # TensorFlow 1 and BERT name the algorithm in the slot
    if own or ("adam" in kind and "nadam" not in kind and "adamax" not in kind):
        found = {slot: words[word] for slot, known in _ADAM for word in words if word in known}
        return found if {"exp_avg", "exp_avg_sq"} <= set(found) else {}
    if "rms" in kind or "RMSProp" in words:
        return _one_of(words, _SQUARES, "square_avg")
    if "adagrad" in kind or "Adagrad" in words:
        return _one_of(words, _SUMS, "sum")
    return {}


def _one_of(words: Mapping[str, Raw], known: frozenset[str], slot: str) -> dict[str, Raw]:
    return next(({slot: raw} for word, raw in words.items() if word in known), {})


_ADAM = (("exp_avg", _FIRST), ("exp_avg_sq", _SECOND), ("max_exp_avg_sq", _BOUND))


def torch_settings(config: Mapping[str, Tree], family: str) -> dict[str, Tree]:
    """An optimizer's configuration in torch's words: lr, betas, eps, weight_decay, alpha, amsgrad."""
    found: dict[str, Tree] = {}
    for theirs, ours in (("learning_rate", "lr"), ("lr", "lr"), ("epsilon", "eps"), ("weight_decay", "weight_decay"), ("rho", "alpha")):
        value = config.get(theirs)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            found[ours] = value
    first, second = config.get("beta_1"), config.get("beta_2")
    if isinstance(first, float) and isinstance(second, float):
        found["betas"] = (first, second)
    if isinstance(config.get("amsgrad"), bool):
        found["amsgrad"] = config["amsgrad"]
    if "adam" in family.lower():  # a decay is applied beside the gradient in all of Keras' optimizers that have one
        found["decoupled_weight_decay"] = bool(found.get("weight_decay"))
    return found
