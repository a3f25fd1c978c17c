"""Settings as scripts print them into text files: argparse's `Namespace(...)`, `name: value` and `name = value` lines, flags.

Only what is unambiguous is taken: nearly all lines must be settings. Nothing is evaluated but literals.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

_SETTING = re.compile(r"\s*(?:--)?(?P<name>[A-Za-z_][\w.\-/]*)\s*(?:[:=]\s*|\s+(?=\S+$))(?P<value>.*?)\s*(?:\[default: .*\])?\s*")
_RULE = re.compile(r"\s*[-=#*]{3,}.*|\s*#.*")
_FEWEST_SETTINGS = 2
_SHARE = 0.8
_LONGEST = 1 << 20


def settings_in_text(text: str) -> Mapping[object, object] | None:
    """The settings, or None where the text is not made of settings."""
    if len(text) > _LONGEST:
        return None
    namespace = _namespace(text)
    if namespace is not None:
        return namespace
    lines = [line for line in text.splitlines() if line.strip() and not _RULE.fullmatch(line)]
    found: dict[object, object] = {}
    read = 0
    for line in lines:
        match = _SETTING.fullmatch(line)
        if match:
            read += 1
            found[match["name"]] = literal(match["value"])
    return found if len(found) >= _FEWEST_SETTINGS and read >= _SHARE * len(lines) else None


def overrides(items: list[object]) -> Mapping[object, object] | None:
    """A list of `name=value` texts, as Hydra keeps what was given by hand; None for other lists."""
    pairs = [item.partition("=") for item in items if isinstance(item, str) and "=" in item]
    return {name.lstrip("+~"): literal(value) for name, _, value in pairs} if len(pairs) == len(items) else None


def literal(text: str) -> object:
    """A number, truth value or None where the text is one; else the text without its quotation marks."""
    text = text.strip().rstrip(",")
    plain = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in plain:
        return plain[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text.strip("'\"")


def _namespace(text: str) -> Mapping[object, object] | None:
    start = text.find("Namespace(")
    if start < 0 or text[:start].strip():
        return None
    try:
        call = ast.parse(text[start:].strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if not isinstance(call, ast.Call) or call.args:
        return None
    return {word.arg: _value(word.value) for word in call.keywords if word.arg is not None}


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return ast.unparse(node)
