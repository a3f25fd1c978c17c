"""Nested settings made flat: dotted keys, plain values; and values that were written as text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice

from postmortem.model import Plain

LONGEST_LIST = 16
"""Items of a list that are taken one by one."""
_DEEPEST = 16
_MOST_VISITS = 20_000  # aliases let a YAML file of 1 kB stand for billions of items
_LONGEST_NAME = 500  # one key of a megabyte above 20,000 items would be repeated in the name of each
_LARGEST_WHOLE = 2**63
"""A whole number beyond it counts nothing: Python neither shows one of thousands of digits nor turns it into a float."""
_WHOLE = re.compile(r"[-+]?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[-+]?((0|[1-9]\d{0,99})(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?")
_WORDS: dict[str, Plain] = {"true": True, "false": False, "none": None, "null": None}


def flatten(settings: Mapping[object, object]) -> dict[str, Plain]:
    """Nested mappings as one, keys joined by dots; lists by index (`betas.0`), those of more than 16 items by their length alone.

    Stops after 20,000 items, and deeper than 16 levels names the type alone. Keys are cut behind 500 characters, and whole numbers beyond
    64 bits become float64.
    """
    return flatten_told(settings)[0]


def flatten_told(settings: Mapping[object, object]) -> tuple[dict[str, Plain], bool]:
    """The same, and whether all items were visited."""
    found: dict[str, Plain] = {}
    pending: list[tuple[str, object, int]] = [("", settings, 0)]
    visits, whole = 0, True
    while pending and visits < _MOST_VISITS:
        prefix, value, depth = pending.pop()
        visits += 1
        if isinstance(value, Mapping | list | tuple) and depth >= _DEEPEST:
            found[prefix] = type(value).__name__
        elif isinstance(value, list | tuple) and len(value) > LONGEST_LIST:
            found[f"{prefix}.length"] = len(value)
        elif isinstance(value, Mapping | list | tuple):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            first = list(islice(items, _MOST_VISITS))
            whole = whole and len(first) == len(value)
            pending.extend((_below(prefix, key), item, depth + 1) for key, item in reversed(first))
        elif isinstance(value, int) and abs(value) >= _LARGEST_WHOLE:
            found[prefix] = float_of(value)
        else:
            found[prefix] = value if value is None or isinstance(value, str | int | float | bool) else str(value)
    return found, whole and not pending


def _below(prefix: str, key: object) -> str:
    name = key if isinstance(key, str) else str(float_of(key) if isinstance(key, int) and abs(key) >= _LARGEST_WHOLE else key)
    return f"{prefix}.{name}"[:_LONGEST_NAME] if prefix else name[:_LONGEST_NAME]


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
