"""One file a tool: how it is called, and which causes its findings are credited with.

An adapter is imported in the environment of the tools and in the tests, which have none of them: it imports its tool in functions. It has

- `CREDIT`: id of a finding -> the causes that it is credited with, the likeliest first. The id is the tool's own. Credit is generous: every
  cause that the tool's message, its list of likely causes, its advice or its documentation names, and where a finding is a symptom and no
  more, every cause whose plain sign that is (`signs`). An empty tuple: it does not bear on any cause (how fast the training ran).
- `findings(handed)`: what the tool says of a run that was handed over, the most important first.
"""

from __future__ import annotations

import importlib
from types import ModuleType

TOOLS = ("trainspotter", "runmedic", "trainproof", "losslint", "weightlens", "weightwatcher")
"""Names of the tools and of their adapters."""


def adapter(tool: str) -> ModuleType:
    """The adapter of one of `TOOLS`."""
    return importlib.import_module(f"{__name__}.{tool}")
