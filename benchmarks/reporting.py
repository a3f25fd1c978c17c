"""What benchmarks print."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Prints a line at once: measuring takes minutes."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def verdict(name: str, figure: float, target: float, at_least: bool = False) -> bool:
    """Prints a figure beside its target; the answer is whether it was met."""
    met = figure >= target if at_least else figure <= target
    say(f"  {name}: {figure:.2f} (target {'at least' if at_least else 'at most'} {target:g}): {'met' if met else 'MISSED'}")
    return met
