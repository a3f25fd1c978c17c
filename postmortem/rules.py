"""Finds checks and causes by walking their folders, and reads what each file declares.

A check or cause is one module. Its id is the module's name with hyphens; its docs are the module's docstring; its numbers are module
constants. There is no list to edit: a file that is there is found. Standard library and `model` only, so that `postmortem explain`
starts quickly.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from types import ModuleType
from typing import Any

from postmortem.fitted import WEIGHTS
from postmortem.model import Cause, Check, Evidence, Measured, Threshold

PRIOR_KEY = "prior"
"""Name of a cause's prior, in log-odds, among its fitted weights."""
CHECK_HEADINGS = ("What it looks for", "Why it matters", "What to do", "When it is wrong", "References")
CAUSE_HEADINGS = ("What happens", "How it shows", "What to do", "How to confirm", "When it is wrong", "References")


class RuleError(Exception):
    """A check's or cause's file does not declare what it must."""


def _modules(package_name: str) -> Iterator[ModuleType]:
    package = importlib.import_module(package_name)
    for found in sorted(pkgutil.walk_packages(package.__path__, f"{package_name}."), key=lambda entry: entry.name):
        if not found.ispkg:
            yield importlib.import_module(found.name)


def _docs(module: ModuleType) -> tuple[str, dict[str, str]]:
    """Title and sections of a module's docstring: a first line, then `## Heading` with text below."""
    text = inspect.getdoc(module) or ""
    title, *_ = text.split("\n", 1)
    sections: dict[str, str] = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        sections[heading.strip()] = body.strip()
    return title.strip().rstrip("."), sections


def _required(module: ModuleType, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        raise RuleError(f"{module.__name__} does not define {name}") from None


def _always(_measured: Measured) -> str:
    return ""


def _check(module: ModuleType) -> Check:
    title, docs = _docs(module)
    return Check(
        id=module.__name__.rsplit(".", 1)[-1].replace("_", "-"),
        title=title,
        family=module.__name__.split(".")[-2],
        docs=docs,
        needs=_required(module, "NEEDS"),
        uses=getattr(module, "USES", ()),
        checklist=getattr(module, "CHECKLIST", ()),
        figure=getattr(module, "FIGURE", ""),
        vital=getattr(module, "VITAL", False),
        leads=getattr(module, "LEADS_ITEMS", ()),
        doubts=getattr(module, "DOUBTS_ITEMS", ()),
        asides=getattr(module, "ASIDES", ()),
        decisive=getattr(module, "DECISIVE", False),
        grave=getattr(module, "LOSES_GROUND", False),
        applies=getattr(module, "applies", _always),
        judge=_required(module, "judge"),
        thresholds={name: value for name, value in vars(module).items() if isinstance(value, Threshold)},
        examples=_required(module, "EXAMPLES"),
    )


def _fitted(cause: str, evidence: Evidence) -> Evidence:
    """The evidence with its fitted weight. One that was never fitted keeps the weight that its author gave it."""
    weight = WEIGHTS.get(cause, {}).get(evidence.key)
    return evidence if weight is None else replace(evidence, log_odds=weight)


def _fitted_prior(cause: str, prior: float) -> float:
    weight = WEIGHTS.get(cause, {}).get(PRIOR_KEY)
    return prior if weight is None else 1 / (1 + math.exp(-weight))


def authored(id: str) -> tuple[float, tuple[Evidence, ...]]:
    """Prior and evidence of a cause as its file has them, before any fit."""
    module = importlib.import_module(f"postmortem.causes.{id.replace('-', '_')}")
    return _required(module, "PRIOR"), tuple(_required(module, "EVIDENCE"))


def _cause(module: ModuleType) -> Cause:
    title, docs = _docs(module)
    id = module.__name__.rsplit(".", 1)[-1].replace("_", "-")
    return Cause(
        id=id,
        title=title,
        docs=docs,
        prior=_fitted_prior(id, _required(module, "PRIOR")),
        evidence=tuple(_fitted(id, each) for each in _required(module, "EVIDENCE")),
        explains=getattr(module, "EXPLAINS", ()),
        uses=getattr(module, "USES", ()),
        summary=_required(module, "summary"),
        fix=_required(module, "fix"),
        confirm=_required(module, "confirm"),
        examples=_required(module, "EXAMPLES"),
    )


@cache
def checks() -> dict[str, Check]:
    """Every check by id, in the order of their modules' names (family, then id)."""
    return {found.id: found for found in map(_check, _modules("postmortem.checks"))}


@cache
def causes() -> dict[str, Cause]:
    """Every cause by id, in alphabetical order."""
    return {found.id: found for found in map(_cause, _modules("postmortem.causes"))}
