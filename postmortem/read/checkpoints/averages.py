"""Moving averages of the weights, which training code keeps beside the model: brought under the model's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from postmortem.model import Checkpoint, Tensor
from postmortem.read.checkpoints.grouping import kin
from postmortem.read.checkpoints.stored import StoredTensor
from postmortem.read.words import word_set

_AVERAGE = word_set("ema ema_model model_ema ema_net net_ema ema_state_dict shadow averaged averaged_model swa swa_model ema_unet")
"""Modules of one state_dict that hold an average of another module's weights."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "ema_model.", "ema.", "shadow.", "net.", "online_model.")
_MOST = 0.5


def _plain(name: str) -> str:
    """A name without dots and case: some averages cannot keep dots in theirs."""
    return name.replace(".", "").lower()


def under_names_of(model: Mapping[str, Tensor], average: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """An average's tensors under the names of the model's tensors that they average; empty where most of them average none."""
    best: dict[str, Tensor] = {}
    by_plain = {_plain(name): name for name in model}
    for front in ("", *_PREFIXES):
        for behind in ("", *_PREFIXES):
            found: dict[str, Tensor] = {}
            for name, tensor in average.items():
                own = by_plain.get(_plain(name.removeprefix(front)), "") or by_plain.get(_plain(behind + name.removeprefix(front)), "")
                if own and model[own].shape == tensor.shape:
                    found[own] = tensor.named(own) if isinstance(tensor, StoredTensor) else tensor
            if len(found) > len(best):
                best = found
        if len(best) == len(average):
            break
    return {name: best[name] for name in model if name in best} if len(best) > _MOST * len(average) else {}


def averages_within(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Averages that are modules of the model itself (`model_ema.fc.weight` beside `model.fc.weight`), by the module's path."""
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        place = next((place for place, part in enumerate(parts[:-1]) if part.lower() in _AVERAGE), None)
        if place is not None:
            modules.setdefault(".".join(parts[: place + 1]), {})[".".join(parts[place + 1 :])] = tensor
    within = tuple(f"{module}." for module in modules)
    rest = {name: tensor for name, tensor in tensors.items() if not name.startswith(within)} if within else {}
    found = {module: under_names_of(rest, own) for module, own in modules.items()}
    return {module: own for module, own in found.items() if own}


def attached(checkpoints: Sequence[Checkpoint], averages: Sequence[Checkpoint]) -> list[Checkpoint]:
    """Checkpoints, in order, with averages from files of their own.

    Each goes to the checkpoint of its step, else to the one that is called like it, else, if it is the only one and tells no step, to the
    last. One that fits none stays a checkpoint by itself.
    """
    found = list(checkpoints)
    for average in averages:
        places = [place for place, one in enumerate(checkpoints) if average.step is not None and one.step == average.step]
        places = places or [place for place, one in enumerate(checkpoints) if kin(one.source) == kin(average.source)]
        places = places or ([len(checkpoints) - 1] if checkpoints and len(averages) == 1 and average.step is None else [])
        aligned = under_names_of(checkpoints[places[-1]].tensors, average.tensors) if places else {}
        if aligned:
            owner = found[places[-1]]
            size = owner.bytes + average.bytes
            found[places[-1]] = replace(owner, averages={**owner.averages, average.source: aligned}, bytes=size)
        else:
            found.append(average)
    return found
