"""Long sets of words, written as text so that they read as such."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is split at white space."""
    return frozenset(text.split())
