"""Which runs the corpus has: each cause's faults dealt out over the tasks of each draw, then the healthy traps."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import get_args

from faults import registry
from faults.nouns import Draw, Fault, Half, Task, half_of
from faults.plan import Plan, Style
from faults.styles import style_of

PER_CAUSE: dict[Draw, int] = {"first": 10, "second": 8, "third": 8, "fourth": 6, "fifth": 6}
"""Faulty runs of each cause in each draw."""
PER_TRAP = 2
"""Healthy runs of each kind in each draw."""
FIRST_SEED: dict[Draw, int] = {"first": 1000, "second": 50_000, "third": 100_000, "fourth": 150_000, "fifth": 200_000}
_SALT: dict[Draw, str] = {"first": "tuning", "second": "reporting", "third": "third", "fourth": "fourth", "fifth": "fifth"}
"""What each draw's names and seeds were mixed with when it was made. A draw is never dealt anew: what was reported stays what it was."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of the corpus; a faulty one is trained beside its twin."""

    name: str
    """Says nothing: eight digits of a hash."""
    draw: Draw
    cause: str
    """Empty for a healthy run."""
    kind: str
    """Of a healthy run: its trap."""
    task: Task
    fault: Fault
    plan: Plan
    """Of the twin: the fault's own change is not in it."""
    style: Style

    @property
    def half(self) -> Half:
        """Whether the run tunes or is reported on."""
        return half_of(self.draw)

    @property
    def twin(self) -> str:
        """Name of the twin's folder."""
        return hashlib.sha256(f"twin {self.name}".encode()).hexdigest()[:8]


def roster() -> list[Entry]:
    """All runs, in a fixed order. Adding a fault to one cause leaves the runs of the others as they were."""
    found: list[Entry] = []
    for draw in get_args(Draw):
        for cause, faults in registry.injections().items():
            found += _dealt(draw, cause, "", faults, PER_CAUSE[draw])
        for kind, variants in registry.traps().items():
            found += _dealt(draw, "", kind, variants, PER_TRAP)
    return found


def _dealt(draw: Draw, cause: str, kind: str, faults: tuple[Fault, ...], wanted: int) -> list[Entry]:
    """So many runs: faults take turns, and each takes the task that was taken least for this cause."""
    usable = [(fault, _eligible(fault, draw)) for fault in faults]
    usable = [(fault, tasks) for fault, tasks in usable if tasks]
    if not usable:
        return []
    taken: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    entries = []
    for number in range(wanted):
        fault, tasks = usable[number % len(usable)]
        task = min(
            tasks, key=lambda each: (pairs[fault.name, each.name], taken[each.name], _mixed(f"{cause}{kind} {fault.name} {each.name}"))
        )
        taken[task.name] += 1
        pairs[fault.name, task.name] += 1
        entries.append(entry(draw, cause, kind, fault, task, pairs[fault.name, task.name]))
    return entries


def entry(draw: Draw, cause: str, kind: str, fault: Fault, task: Task, turn: int) -> Entry:
    """One run; its seed follows from what it is."""
    identity = f"{_SALT[draw]} {cause} {kind} {fault.name} {task.name} {turn}"
    seed = FIRST_SEED[draw] + _mixed(identity) % 40_000
    plan = fault.base(replace(task.plan, seed=seed))
    style = style_of(seed, task.kind)
    if task.kind in ("reconstruction", "variational", "language", "regression", "likelihood", "adversarial", "policy"):
        style = replace(style, manifest="none" if task.kind not in ("regression", "likelihood") else style.manifest)
    if fault.style:
        style = fault.style(style)
    return Entry(hashlib.sha256(identity.encode()).hexdigest()[:8], draw, cause, kind, task, fault, plan, style)


def _eligible(fault: Fault, draw: Draw) -> list[Task]:
    every: Iterable[Task] = registry.tasks().values()
    return [task for task in every if task.draw == draw and fault.wants <= task.tags and not fault.spares & task.tags]


def _mixed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
