"""Weights that the settings call pre-trained and that were not loaded, wholly or in part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from faults.nouns import Fault, Loop
from faults.plan import Style


def _told(style: Style) -> Style:
    """With settings, which say what was meant, and the first weights, which show what was there."""
    return replace(style, settings="hparams.yaml" if style.settings == "none" else style.settings, first=True)


def _fresh(lost: Callable[[list[str]], list[str]]) -> Callable[[Loop], None]:
    """Some layers as they were before loading: those of the owners that `lost` picks."""

    def start(loop: Loop) -> None:
        from faults.tasks import adopted, fine_tuning, refined, taken_over, transferred

        torch.manual_seed(loop.plan.seed + 31)
        fresh = {**fine_tuning.FRESH, **transferred.FRESH, **taken_over.FRESH, **refined.FRESH, **adopted.FRESH}
        drawn = fresh[loop.task.name](loop.data).state_dict()
        state = loop.model.state_dict()
        owners = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
        picked = lost(owners)
        state.update({name: drawn[name] for name in state if name.rpartition(".")[0] in picked})
        loop.model.load_state_dict(state)
        torch.manual_seed(loop.plan.seed + 1)

    return start


def _all(owners: list[str]) -> list[str]:
    return owners


def _all_but_first(owners: list[str]) -> list[str]:
    return owners[1:]


def _last_two_thirds(owners: list[str]) -> list[str]:
    return owners[max(1, len(owners) // 3) :]


WANTS = frozenset({"pretrained"})
FAULTS = (
    Fault(
        "other-prefix", "clear", "strict=False with names that begin with module.: nothing matched and nothing was said.",
        proof="construction", style=_told, start=_fresh(_all), wants=WANTS,
    ),
    Fault(
        "initialized-afterwards", "clear", "The weights were initialized anew after they had been loaded.",
        proof="construction", style=_told, start=_fresh(_all), wants=WANTS,
    ),
    Fault(
        "only-the-first-layer", "clear", "Only the first layer's names matched.",
        proof="construction", style=_told, start=_fresh(_all_but_first), wants=WANTS,
    ),
    Fault(
        "later-layers-renamed", "subtle", "The later two thirds of the layers go by other names and was not loaded.",
        proof="construction", style=_told, start=_fresh(_last_two_thirds), wants=WANTS,
    ),
)  # fmt: skip
