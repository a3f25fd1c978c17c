"""What an interpreted pickle is made of: names that were not looked up, calls that were not made, and ids of what stands outside.

Plain numbers, texts, lists, tuples and dictionaries are themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name that the pickle looks up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False, repr=False)
class Built:
    """What the pickle makes by a call: a class that is instantiated, a function that is called. It was not."""

    of: object
    """The `Global`, or whatever else was to be called."""
    arguments: tuple[Any, ...]
    keywords: dict[Any, Any] = field(default_factory=dict)
    states: list[Any] = field(default_factory=list)
    """What `__setstate__` or `__dict__` was to receive."""
    items: list[Any] = field(default_factory=list)
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Reference:
    """A persistent id: something that stands outside of the pickle."""

    id: Any
    home: object
    """Whoever keeps it; handed through by `interpret`."""
