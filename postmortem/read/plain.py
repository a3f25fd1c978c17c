"""Nested settings made flat: dotted keys, plain values; and values that were written as text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from postmortem.model import Plain

LONGEST_LIST = 16
"""Items of a list that are taken one by one."""
_DEEPEST = 16
_MOST_VISITS = 20_000  # aliases let a YAML file of 1 kB stand for billions of items
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[-+]?((0|[1-9]\d{0,99})(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?")
_WORDS: dict[str, Plain] = {"true": True, "false": False, "none": None, "null": None}


def flatten(settings: Mapping[object, object]) -> dict[str, Plain]:
    """Nested mappings as one, keys joined by dots; lists by index (`betas.0`), those of more than 16 items by their length alone.

    Stops after 20,000 items, and deeper than 16 levels names the type alone.
    """
    return dict(_leaves(settings))


def _leaves(settings: Mapping[object, object]) -> Iterator[tuple[str, Plain]]:
    pending: list[tuple[str, object, int]] = [("", settings, 0)]
    visits = 0
    while pending and visits < _MOST_VISITS:
        prefix, value, depth = pending.pop()
        visits += 1
        if isinstance(value, Mapping | list | tuple) and depth >= _DEEPEST:
            yield prefix, type(value).__name__
        elif isinstance(value, Mapping):
            pending.extend((f"{prefix}.{key}" if prefix else str(key), item, depth + 1) for key, item in reversed(list(value.items())))
        elif isinstance(value, list | tuple):
            if len(value) > LONGEST_LIST:
                yield f"{prefix}.length", len(value)
            else:
                pending.extend((f"{prefix}.{index}", item, depth + 1) for index, item in reversed(list(enumerate(value))))
        elif value is None or isinstance(value, str | int | float | bool):
            yield prefix, value
        else:
            yield prefix, str(value)


def plain_value(text: str) -> Plain:
    """A parameter as it was before it was written as text: a number, yes or no, nothing, or the text itself."""
    bare = text.strip()
    if bare.lower() in _WORDS:
        return _WORDS[bare.lower()]
    if _WHOLE.fullmatch(bare):
        return int(bare)
    return float(bare) if _NUMBER.fullmatch(bare) else text


def float_of(value: float) -> float:
    """A number that JSON or YAML gave as float64; a whole number of more than 308 digits is infinite, as it is when it is read as text."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
