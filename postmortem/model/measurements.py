"""Named numbers, why some could not be had, and the window through which a rule sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Measurement:
    """A named number with its unit and basis. Knows no threshold."""

    name: str
    """Dotted noun: `loss.first`, `updates.ratio`."""
    value: float
    unit: str
    """`nats`, `share`, `ratio`, `steps`, `records`, `classes`, ...; empty for a pure count."""
    basis: str
    """Which files, tags, steps and how many: what a doubter would ask."""
    first_step: int | None = None
    items: Mapping[str, float] = field(default_factory=dict)
    """By label, in a meaningful order: layers by depth, classes by count, tags."""
    text: str = ""
    """For a measurement that is a word rather than a number (`run.family`); then `value` is NaN."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A number that could not be measured, and why."""

    name: str
    reason: str
    """One clause: which artifact is missing or too short."""
    log_next: str
    """Key of `log_next.ADVICE`: what to log so that it can be measured next time; empty where nothing that could be logged would do."""
    applies: bool = True
    """False where there is nothing of the kind in this run (no recurrence, no adversarial pair): nothing needs to be logged."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one check or cause may see: only the measurements that it declared."""

    values: Mapping[str, Measurement]
    declared: frozenset[str]

    def __getitem__(self, name: str) -> Measurement:
        self._guard(name)
        return self.values[name]

    def get(self, name: str) -> Measurement | None:
        """The measurement, or None where it could not be made."""
        self._guard(name)
        return self.values.get(name)

    def number(self, name: str) -> float | None:
        """The measurement's value, or None where it could not be made."""
        found = self.get(name)
        return None if found is None else found.value

    def text(self, name: str) -> str:
        """The measurement's word, or the empty string where it could not be made."""
        found = self.get(name)
        return "" if found is None else found.text

    def _guard(self, name: str) -> None:
        if name not in self.declared:
            raise LookupError(f"{name} is read but stands in neither NEEDS nor USES")
