"""What a run depends on: a stamp that changes with the code and the settings that make it, and not with comments or unrelated code."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import fields
from functools import cache
from pathlib import Path

from faults import registry
from faults.plan import Plan, Style
from faults.roster import Entry

_HERE = Path(__file__).resolve().parent
_ALWAYS = ("loop", "writing.scalars", "writing.checkpoints", "writing.manifests", "writing.ranks")


def stamp(entry: Entry) -> str:
    """Changes whenever what makes this entry changes: its plan, its style, its fault's and its task's modules and all that they import."""
    fault = f"injections.{entry.cause.replace('-', '_')}" if entry.cause else f"healthy.{registry.home_of_trap(entry.fault)}"
    digest = hashlib.sha256(f"{entry.name} {entry.fault.name} {_set(entry.plan)} {_set(entry.style)}".encode())
    for module in sorted(_reached((*_ALWAYS, fault, f"tasks.{registry.home(entry.task)}"))):
        digest.update(_code(module).encode())
    return digest.hexdigest()[:16]


def _set(settings: Plan | Style) -> str:
    """Settings that are not at their default: a new one leaves the runs alone that do not use it."""
    return repr({each.name: getattr(settings, each.name) for each in fields(settings) if getattr(settings, each.name) != each.default})


@cache
def _reached(modules: tuple[str, ...]) -> frozenset[str]:
    """These modules of `faults` and all that they import of it."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return frozenset(found)


@cache
def _imports(module: str) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("faults"):
            inside = (node.module or "").removeprefix("faults").lstrip(".")
            names += [inside] if inside else []
            names += [f"{inside}.{each.name}".lstrip(".") for each in node.names]
    return tuple(name for name in names if _path(name).is_file())


def _path(module: str) -> Path:
    return _HERE / f"{module.replace('.', '/')}.py"


def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))


@cache
def _code(module: str) -> str:
    """The module's syntax, without what does not run: comments and strings that stand for themselves."""
    tree = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            kept = [line for line in node.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return ast.dump(tree)
