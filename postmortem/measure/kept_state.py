"""Whether the optimizers were saved with what they keep for each parameter, and where they were not, why that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from postmortem.measure.table import CheckpointRow
from postmortem.measure.view import EARLIEST_JUDGED_STEP, Found, View, at_step
from postmortem.model import Checkpoint, Measurement, Missing, Optimizer

NAME = "optimizer.filled"

_WITHOUT_SQUARES = frozenset({"sgd", "asgd", "rprop", "lion", "muon"})
"""Algorithms that keep no running mean of squared gradients: what is read off one is nothing to look for in their runs."""
_WITHOUT_MOMENTUM = frozenset({"sgd", "unknown"})
"""Algorithms of which the settings must tell whether anything is kept; all others keep something for each parameter that had a gradient."""


@dataclass(frozen=True, slots=True)
class NoState:
    """Why no optimizer's state can be read."""

    reason: str
    """One clause."""
    log_next: str
    applies: bool
    """False where the optimizer keeps no state by design."""


def algorithm_words(algorithm: str) -> str:
    """An algorithm as prose writes it: `Adam`, `SGD`, `the optimizer` where none is known."""
    known = {"sgd": "SGD", "asgd": "ASGD", "adamw": "AdamW", "nadam": "NAdam", "radam": "RAdam", "lamb": "LAMB", "rmsprop": "RMSprop"}
    return "the optimizer" if algorithm in ("", "unknown") else known.get(algorithm, algorithm[:1].upper() + algorithm[1:])


def keeps_state(optimizer: Optimizer, group: Mapping[str, object]) -> bool:
    """Whether an optimizer keeps something for each parameter of this group that had a gradient.

    SGD does with a momentum above 0, which bitsandbytes writes as a first beta; of an unknown algorithm only such settings tell.
    """
    if optimizer.algorithm not in _WITHOUT_MOMENTUM:
        return True
    betas = group.get("betas")
    momentum = max(betas, default=0.0) if isinstance(betas, tuple) else group.get("momentum")
    return isinstance(momentum, int | float) and momentum > 0


def _should_keep(optimizer: Optimizer) -> list[str]:
    """Parameters that the optimizer lists and, once they had a gradient, keeps something for."""
    return [name for name, group in optimizer.group_of.items() if keeps_state(optimizer, optimizer.groups[group])]


def _has_state(optimizer: Optimizer, name: str) -> bool:
    return bool(optimizer.slots.get(name)) or name in optimizer.steps


def _optimizers(view: View, row: CheckpointRow) -> tuple[Optimizer, ...]:
    checkpoint = view.checkpoints.get(row.source)
    return checkpoint.optimizers if checkpoint else ()


def why_no_state(checkpoints: Mapping[str, Checkpoint]) -> NoState:
    """Why measures that need moments find none: nothing was saved, what was saved is empty, or the algorithm keeps nothing."""
    optimizers = [optimizer for checkpoint in checkpoints.values() for optimizer in checkpoint.optimizers]
    if not optimizers:
        return NoState("no checkpoint holds the optimizer's state", "optimizer-state", True)
    if any(optimizer.slots for optimizer in optimizers):
        return NoState("the optimizer's state does not hold what this needs", "optimizer-state", True)
    word = algorithm_words(optimizers[-1].algorithm)
    if any(_should_keep(optimizer) for optimizer in optimizers):
        return NoState(f"{word} was saved, and its state is empty", "stepped-optimizer", True)
    if all(optimizer.algorithm == "sgd" and optimizer.group_of for optimizer in optimizers):
        return NoState("SGD without momentum keeps no state", "optimizer-state", False)
    return NoState("the optimizer was saved without any state of its parameters", "optimizer-state", True)


def true_advice(gaps: Sequence[Missing], checkpoints: Sequence[Checkpoint], moved: Measurement | None) -> tuple[Missing, ...]:
    """The same gaps, none of which asks for state that was saved: of a whole one they ask for nothing.

    Of an empty state they ask for steps, but where parameters moved: there were steps, and the state was left out when it was saved.

    Args:
        moved: `updates.moved`; None where no two checkpoints tell.
    """
    why = why_no_state({checkpoint.source: checkpoint for checkpoint in checkpoints})
    late = [checkpoint for checkpoint in checkpoints if checkpoint.step is None or checkpoint.step >= EARLIEST_JUDGED_STEP]
    whole = bool(late) and all(
        any(optimizer.slots and any("lr" in group for group in optimizer.groups) for optimizer in checkpoint.optimizers)
        for checkpoint in late
    )
    stepped = moved is None or moved.value > 0
    instead = "" if whole else "optimizer-state" if stepped else why.log_next
    of_state = ("optimizer-state", "stepped-optimizer")
    return tuple(replace(gap, log_next=instead) if gap.log_next in of_state else gap for gap in gaps)


def why_no_squares(checkpoints: Mapping[str, Checkpoint], otherwise: str) -> NoState:
    """Why measures that need running means of squared gradients, as Adam keeps them, find none; `otherwise` where they were saved."""
    optimizers = [optimizer for checkpoint in checkpoints.values() for optimizer in checkpoint.optimizers]
    if optimizers and all(optimizer.algorithm in _WITHOUT_SQUARES for optimizer in optimizers):
        return NoState(f"{algorithm_words(optimizers[-1].algorithm)} keeps no squares of gradients", "optimizer-state", False)
    if not any(optimizer.slots for optimizer in optimizers):
        return why_no_state(checkpoints)
    return NoState(otherwise, "optimizer-state", True)


def measure_filled(view: View, row: CheckpointRow) -> Found:
    """Share of the parameters listed by optimizers that keep state which have any, in the last checkpoint that holds an optimizer.

    Items: the parameters of optimizers whose state is empty altogether, with their sizes (0 where the entry could not be joined to a
    name); `text` names the algorithm of the first of these, or of the first optimizer.
    """
    step = row.step
    if step is None or step < EARLIEST_JUDGED_STEP:
        where = "of an unknown step" if step is None else f"from step {step}"
        return Missing(NAME, f"the last saved optimizer is {where}", "two-checkpoints")
    optimizers = _optimizers(view, row)
    listed = [_should_keep(optimizer) for optimizer in optimizers]
    names = sum(map(len, listed))
    if not names:
        why = why_no_state({row.source: view.checkpoints[row.source]})
        return Missing(NAME, why.reason, why.log_next, why.applies)
    filled = 0
    empty: dict[str, float] = {}
    words: list[str] = []
    for optimizer, mine in zip(optimizers, listed, strict=True):
        have = sum(_has_state(optimizer, name) for name in mine)
        filled += have
        if mine and not have:
            empty.update({name: float(view.layers[name].elements) if name in view.layers else 0.0 for name in mine})
            words.append(algorithm_words(optimizer.algorithm))
    words.append(algorithm_words(optimizers[0].algorithm))
    basis = f"state of {names} listed parameters at {at_step(row)}"
    return Measurement(NAME, filled / names, "share", basis, step, empty, words[0])
