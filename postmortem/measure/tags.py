"""Tag names split into words, and the split of the data that a tag speaks of."""

from __future__ import annotations

import re

TRAIN_WORDS = frozenset({"train", "training", "trn", "tr"})
VALIDATION_WORDS = frozenset({"val", "valid", "validation", "eval", "evaluation", "dev", "vali"})
TEST_WORDS = frozenset({"test", "testing", "tst"})
SPLIT_WORDS = TRAIN_WORDS | VALIDATION_WORDS | TEST_WORDS

_BOUNDARY = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_JOINED = re.compile(r"^(train|training|val|valid|validation|eval|test)(loss|acc|accuracy|error|mse|mae|rmse|ppl|lr)$")


def words(tag: str) -> tuple[str, ...]:
    """The lower-case words of a tag, in order: `Train/totalLoss_iter` -> train, total, loss, iter.

    Words that are written as one (`trainloss`, `valacc`) are taken apart at the split's name.
    """
    found: list[str] = []
    for part in _BOUNDARY.split(_CAMEL.sub(" ", tag).lower()):
        joined = _JOINED.match(part)
        found.extend(joined.groups() if joined else (part,))
    return tuple(word for word in found if word)


def split_of(tag_words: tuple[str, ...], group: str) -> str:
    """`train`, `validation`, `test` or empty. The tag's own words win over the folder that its file lay in."""
    present = set(tag_words)
    if present & VALIDATION_WORDS:
        return "validation"
    if present & TEST_WORDS:
        return "test"
    if present & TRAIN_WORDS:
        return "train"
    return group if group in ("train", "validation", "test") else ""
