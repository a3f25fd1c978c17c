"""Ranks that do not do alike what they should: gradients that are not shared, norms of one's own, weights that were never broadcast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from faults.nouns import Fault
from faults.plan import Plan, Style

_SPARES = frozenset({"adversarial", "policy"})


def _ranks(number: int = 2, optimizer: str = "") -> Callable[[Plan], Plan]:
    def changed(plan: Plan) -> Plan:
        plan = replace(plan, ranks=number)
        return replace(plan, optimizer="sgd", lr=0.03, weight_decay=0.0) if optimizer == "sgd" else plan

    return changed


def _word(word: str) -> Callable[[Plan], Plan]:
    return lambda plan: replace(plan, unsynchronized=word)


def _laid(layout: str) -> Callable[[Style], Style]:
    def changed(style: Style) -> Style:
        logs = "tensorboard" if style.logs == "trainer-state" else style.logs
        return replace(style, layout=layout, logs=logs, tags="slash" if logs != style.logs else style.tags, checkpoints=3)

    return changed


FAULTS = (
    Fault(
        "no-reduction", "blatant", "Gradients were never reduced over the ranks.", "construction",
        base=_ranks(), plan=_word("all"), style=_laid("rank-files"), spares=_SPARES,
    ),
    Fault(
        "head-left-out", "clear", "The gradients of the last layer were left out of the reduction.", "construction",
        base=_ranks(), plan=_word("head"), style=_laid("rank-weights"), spares=_SPARES,
    ),
    Fault(
        "vectors-left-out", "subtle", "Norms and biases were left out of the reduction by tensor-parallel ranks.", "construction",
        base=_ranks(), plan=_word("vectors"), style=_laid("tensor-parallel"), spares=_SPARES, wants=frozenset({"transformer"}),
    ),
    Fault(
        "own-clipping", "clear", "Each of three ranks clipped by the norm of its own batch.", "construction",
        base=_ranks(3), plan=_word("clip"), style=_laid("rank-files"), spares=_SPARES,
    ),
    Fault(
        "one-step-skipped", "subtle", "One rank skipped one step in the middle of the run.", "construction",
        base=_ranks(2, "sgd"), plan=_word("skip"), style=_laid("rank-files"), wants=frozenset({"classes"}),
        spares=frozenset({"text", "saturating"}),
    ),
    Fault(
        "no-sync-left-on", "clear", "From the middle on no gradient was reduced: `no_sync` was left on.", "construction",
        base=_ranks(), plan=_word("late"), style=_laid("rank-weights"), spares=_SPARES,
    ),
    Fault(
        "not-broadcast", "blatant", "Each rank started from weights of its own.", "construction",
        base=_ranks(), plan=_word("seed"), style=_laid("rank-files"), spares=_SPARES | {"pretrained"},
    ),
    Fault(
        "other-rate", "clear", "One rank was configured with 1.3 times the learning rate of the others.", "construction",
        base=_ranks(), plan=_word("rate"), style=_laid("rank-files"), spares=_SPARES,
    ),
)  # fmt: skip
