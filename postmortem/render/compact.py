"""A script and a style sheet without what only their authors need: comments, indentation, and spaces that part nothing."""

from __future__ import annotations

import re

_TEXTS = re.compile(r'("(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)')
_BESIDE_SIGNS = re.compile(r"(?<=[{}()\[\],;:?=<>&|!*%]) | (?=[{}()\[\],;:?=<>&|!*%])")
_BESIDE_SUMS = re.compile(r"(?<=[\w)\]]) ([+-]) (?=[\w(])")


def compacted(text: str) -> str:
    """A script or style sheet without indentation, empty lines, and lines that are a comment of their own."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//") and not (line.startswith("/*") and line.endswith("*/")))


def compacted_script(text: str) -> str:
    """A script without the spaces beside signs, too; those in texts stay. No comment may follow code, no template text hold another."""
    parts = _TEXTS.split(compacted(text))
    return "".join(part if index % 2 else _BESIDE_SIGNS.sub("", _BESIDE_SUMS.sub(r"\1", part)) for index, part in enumerate(parts))


def compacted_style(text: str) -> str:
    """A style sheet without the spaces beside braces, semicolons, commas, and the colons of declarations, too."""
    tight = re.sub(r" ?([{};]) ?|(?<=[a-z0-9])(:) |(,) ", lambda match: next(filter(None, match.groups())), compacted(text))
    return re.sub(r";?\}\n?", "}", tight)
