"""State of Keras' optimizers -> moments under the parameters' names, where their meaning and their parameter are beyond doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postmortem.read.checkpoints.foreign_trees import Moments, dotted, matched
from postmortem.read.checkpoints.raw import Raw
from postmortem.read.checkpoints.slot_names import flat_slot_of, slot_of, torch_settings, torch_slots
from postmortem.read.checkpoints.stored import Tree

_COUNTERS = frozenset(("iter", "iteration", "iterations"))
_RATES = frozenset(("learning_rate", "lr"))
_NOT_TRAINED = ("moving_mean", "moving_variance", "seed_generator.state")


def optimizer_config(training: Mapping[str, Tree]) -> tuple[str, Mapping[str, Tree]]:
    """Class name and settings of the optimizer, from Keras 2's `training_config` or Keras 3's `compile_config`; empty where not told."""
    told = training.get("optimizer_config", training.get("optimizer"))
    for _ in range(4):  # a loss-scaling optimizer holds the real one
        if not isinstance(told, Mapping):
            break
        settings = told.get("config")
        inner = settings.get("inner_optimizer") if isinstance(settings, Mapping) else None
        if isinstance(inner, Mapping):
            told = inner
            continue
        return str(told.get("class_name", "")), settings if isinstance(settings, Mapping) else {}
    return "", {}


def named_moments(
    variables: Mapping[str, Raw], weights: Mapping[str, Raw], parameters: Mapping[str, str], family: str, config: Mapping[str, Tree]
) -> tuple[Moments | None, dict[str, Tree]]:
    """Whole models in HDF5 name the optimizer's variables; `parameters` maps paths as they stand in those names to the weights' names.
    Also the count of updates, as a plain value."""
    found: dict[str, dict[str, Raw]] = {}
    settings = dict(config)
    step: int | None = None
    for path, raw in variables.items():
        name = dotted(path).replace(".", "/")
        last = name.rsplit("/", 1)[-1]
        number = raw.number() if raw.shape in ((), (1,)) else None
        if last in _COUNTERS and isinstance(number, int):
            step = number
        elif last in _RATES and number is not None:
            settings["learning_rate"] = number
        match = slot_of(name, parameters) or flat_slot_of(name, parameters)
        if match is not None and raw.shape == weights[match[0]].shape:
            found.setdefault(match[0], {})[match[1]] = raw
    return _joined(found, family or next(iter(variables), "").split("/")[0], settings, step, len(variables))


def numbered_moments(
    variables: Sequence[Raw], weights: Mapping[str, Raw], family: str, config: Mapping[str, Tree], *, ordered: bool
) -> tuple[Moments | None, dict[str, Tree]]:
    """`.weights.h5` numbers the optimizer's variables: the count, the learning rate (where it is a number), then for each trained
    parameter its slots. They are joined by shape and order, where `ordered` says that the weights' order is the model's."""
    settings = dict(config)
    step: int | None = None
    left = list(variables)
    if left and left[0].shape == () and isinstance(count := left[0].number(), int):
        step = count
        left = left[1:]
    if left and left[0].shape == () and isinstance(rate := left[0].number(), float):
        settings["learning_rate"] = rate
        left = left[1:]
    kind = family.lower().replace("_", "")
    words = _slots_of(kind, config)
    parameters = {name: raw.shape for name, raw in weights.items() if not name.endswith(_NOT_TRAINED) and "float" in raw.dtype}
    each = len(words)
    if not words or not left or len(left) % each:
        return _joined({}, family, settings, step, len(variables))
    shapes = [raw.shape for raw in left[::each]]
    if any(raw.shape != shapes[index // each] for index, raw in enumerate(left)):
        return _joined({}, family, settings, step, len(variables))
    if not ordered and len(set(parameters.values())) < len(parameters):
        return _joined({}, family, settings, step, len(variables))
    if ordered:
        names = matched(shapes, parameters)
    else:
        by_shape = {shape: name for name, shape in parameters.items()}
        names = [by_shape[shape] for shape in shapes] if set(shapes) <= set(by_shape) and len(set(shapes)) == len(shapes) else None
    found = {name: dict(zip(words, left[index * each : (index + 1) * each], strict=True)) for index, name in enumerate(names or ())}
    return _joined(found, family, settings, step, len(variables))


def _slots_of(kind: str, config: Mapping[str, Tree]) -> tuple[str, ...]:
    """Slots of one parameter in the order in which Keras 3 makes them; empty for optimizers whose state is not mapped."""
    if kind in ("adam", "adamw"):
        return ("momentum", "velocity", "velocity_hat") if config.get("amsgrad") is True else ("momentum", "velocity")
    if kind == "rmsprop":
        plain = config.get("momentum") in (0, 0.0) and config.get("centered") is False
        return ("velocity",) if plain else ()
    return ("accumulator",) if kind == "adagrad" else ()


def _joined(
    found: Mapping[str, Mapping[str, Raw]], family: str, settings: Mapping[str, Tree], step: int | None, held: int
) -> tuple[Moments | None, dict[str, Tree]]:
    values: dict[str, Tree] = {} if step is None else {"iterations": step}
    rate = settings.get("learning_rate")
    if isinstance(rate, float):
        values["learning_rate"] = rate
    slots = {name: kept for name, words in found.items() if (kept := torch_slots(words, family))}
    if held and not slots:
        values["optimizer_left_out"] = f"{held} variables of {family or 'an optimizer'}: their meaning or their parameters are in doubt"
    return (Moments(slots, torch_settings(settings, family), step) if slots else None), values
