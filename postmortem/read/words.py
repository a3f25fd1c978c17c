"""Words in messages, and long sets of words written as text so that they read as such."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is split at white space."""
    return frozenset(text.split())


def counted(count: int, noun: str) -> str:
    """The count with its noun: `1 record`, `2 records`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
