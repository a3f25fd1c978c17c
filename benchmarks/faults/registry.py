"""Finds tasks, injections and traps by walking their folders: a file that is there is used."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from faults.nouns import Fault, Task


def _modules(package: str) -> Iterator[tuple[str, ModuleType]]:
    found = importlib.import_module(package)
    for entry in sorted(pkgutil.iter_modules(found.__path__), key=lambda each: each.name):
        yield entry.name, importlib.import_module(f"{package}.{entry.name}")


@cache
def tasks() -> dict[str, Task]:
    """Every task by name."""
    found = {task.name: task for _, module in _modules("faults.tasks") for task in getattr(module, "TASKS", ())}
    return dict(sorted(found.items()))


@cache
def injections() -> dict[str, tuple[Fault, ...]]:
    """Cause id -> the faults that bring it about."""
    return {name.replace("_", "-"): module.FAULTS for name, module in _modules("faults.injections")}


@cache
def traps() -> dict[str, tuple[Fault, ...]]:
    """Kind of healthy run -> its variants. Files group kinds; a variant's name up to the first slash is its kind."""
    found: dict[str, list[Fault]] = {}
    for _, module in _modules("faults.healthy"):
        for trap in module.TRAPS:
            found.setdefault(trap.name.split("/")[0], []).append(trap)
    return {kind: tuple(variants) for kind, variants in found.items()}


def home(task: Task) -> str:
    """Name of the module that declares a task."""
    return next(name for name, module in _modules("faults.tasks") if task in getattr(module, "TASKS", ()))


def home_of_trap(trap: Fault) -> str:
    """Name of the module that declares a trap."""
    return next(name for name, module in _modules("faults.healthy") if trap in module.TRAPS)
