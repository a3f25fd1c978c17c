"""What the readers of foreign formats have in common: weights and moments -> the tree that `layouts.sort_content` understands."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from postmortem.model import Problem
from postmortem.read.checkpoints.kernel_layout import handed_on, layouts_of
from postmortem.read.checkpoints.raw import Raw
from postmortem.read.checkpoints.stored import Loaded, Tree

DISTRIBUTION = "training-postmortem"
"""The name that this program is installed under."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """An optimizer's state under the parameters' names, in torch's words."""

    slots: Mapping[str, Mapping[str, Raw]]
    """Parameter -> slot (`exp_avg`, `exp_avg_sq`, `square_avg`, `sum`, `momentum_buffer`) -> elements, of the parameter's shape."""
    settings: Mapping[str, Tree] = field(default_factory=dict)
    """lr, betas, eps, ... as far as the file tells."""
    step: int | None = None


def assembled(
    weights: Mapping[str, Raw],
    moments: Moments | None,
    values: Mapping[str, Tree],
    *,
    copies: Mapping[str, Mapping[str, Raw]] | None = None,
    depthwise: Collection[str] = (),
) -> dict[str, Tree]:
    """The tree of one checkpoint. `copies` are moving averages by their key; `depthwise` names kernels that the file says are such."""
    layouts = layouts_of(weights, depthwise)
    tree: dict[str, Tree] = dict(values)
    tree["model"] = {name: handed_on(name, raw, layouts.get(name)) for name, raw in weights.items()}
    for key, copy in (copies or {}).items():
        tree[key] = {name: handed_on(name, raw, layouts.get(name)) for name, raw in copy.items()}
    if moments is not None and moments.slots:
        state: dict[str, Tree] = {}
        for parameter, slots in moments.slots.items():
            shape = weights[parameter].shape if parameter in weights else None
            entry: dict[str, Tree] = {
                slot: handed_on(f"{parameter}.{slot}", raw, layouts.get(parameter) if raw.shape == shape else None)
                for slot, raw in slots.items()
            }
            if moments.step is not None:
                entry["step"] = moments.step
            state[parameter] = entry
        tree["optimizer"] = {"state": state, "param_groups": ({**moments.settings, "params": tuple(state)},)}
    return tree


def nothing(source: str, problem: Problem, *more: Problem) -> Loaded:
    """A file of which nothing could be read."""
    return Loaded(None, (problem, *more), readable=False, ordered=False)


def needs_package(source: str, what: str, extra: str) -> Loaded:
    """The answer where an optional package is not installed."""
    return nothing(source, Problem(source, "unsupported", f"{what}: install {DISTRIBUTION}[{extra}] to read it"))


def dotted(path: str) -> str:
    """A name of TensorFlow or Keras with dots between its parts and without the output's number: `dense/kernel:0` -> `dense.kernel`."""
    return re.sub(r":\d+$", "", path).strip("/").replace("/", ".")


def matched(shapes: list[tuple[int, ...]], parameters: Mapping[str, tuple[int, ...]]) -> list[str] | None:
    """Names of the parameters that a list of shapes stands for, in order; None where there is no way, or more than one.

    All parameters in order, or some of them left out where the shapes leave only one choice (frozen layers have no state).
    """
    names, known = list(parameters), list(parameters.values())
    if shapes == known:
        return names
    first = _in_turn(shapes, known)
    last = _in_turn(shapes[::-1], known[::-1])
    if first is None or last is None or first != [len(known) - 1 - place for place in reversed(last)]:
        return None
    return [names[place] for place in first]


def _in_turn(shapes: list[tuple[int, ...]], known: list[tuple[int, ...]]) -> list[int] | None:
    places: list[int] = []
    at = 0
    for shape in shapes:
        while at < len(known) and known[at] != shape:
            at += 1
        if at == len(known):
            return None
        places.append(at)
        at += 1
    return places
