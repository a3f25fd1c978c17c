"""Tag names split into words, and the split of the data that a tag speaks of."""

from __future__ import annotations

import re
from functools import lru_cache

TRAIN_WORDS = frozenset({"train", "training", "trn", "tr"})
VALIDATION_WORDS = frozenset({"val", "valid", "validation", "eval", "evaluation", "dev", "vali"})
TEST_WORDS = frozenset({"test", "testing", "tst"})
SPLIT_WORDS = TRAIN_WORDS | VALIDATION_WORDS | TEST_WORDS

_AXES = frozenset({"samples", "iterations", "iteration", "tokens", "steps", "step", "epochs", "epoch", "time", "iters", "iter"})
_BOUNDARY = re.compile(r"[^a-z0-9]+")
# One small letter before a capital belongs to it: mIoU, mAP, aAcc, kNN.
_CAMEL = re.compile(r"(?<=[a-z0-9]{2})(?=[A-Z])")
_JOINED = re.compile(r"^(train|training|val|valid|validation|eval|test)(loss|acc|accuracy|error|mse|mae|rmse|ppl|lr)$")
_LOSS_BEHIND = re.compile(r"^(?!log|x?ent)([a-z0-9]+)(loss(?:es)?)$")
_LOSS_BEFORE = re.compile(r"^(loss)([dg]|\d+)$")


@lru_cache(maxsize=1 << 16)  # each tag is asked for a dozen times
def words(tag: str) -> tuple[str, ...]:
    """The lower-case words of a tag, in order: `Train/totalLoss_iter` -> train, total, loss, iter.

    Words that are written as one (`trainloss`, `valacc`, `bceloss`, `loss1`) are taken apart at the split's name and at the loss.
    """
    found: list[str] = []
    for part in _BOUNDARY.split(_CAMEL.sub(" ", tag).lower()):
        joined = _JOINED.match(part) or _LOSS_BEHIND.match(part) or _LOSS_BEFORE.match(part)
        found.extend(joined.groups() if joined else (part,))
    return tuple(word for word in found if word)


def parts(tag: str) -> tuple[tuple[str, ...], ...]:
    """The words of each folder of a tag and of its last part, which says most: `Loss/train` -> (loss), (train).

    What a tag is drawn over (`lm loss vs samples`) is left out.
    """
    found = [split for split in (_without_axis(words(part)) for part in tag.split("/")) if split]
    return tuple(found) or (words(tag),)


def _without_axis(tag_words: tuple[str, ...]) -> tuple[str, ...]:
    if "vs" in tag_words[1:]:
        at = tag_words.index("vs", 1)
        if tag_words[at + 1 :] and set(tag_words[at + 1 :]) <= _AXES:
            return tag_words[:at]
    return tag_words


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


def split_of_tag(tag: str, group: str) -> str:
    """The same of a whole tag: its last part is believed before its folders (`eval/train_loss` is a training loss)."""
    return split_of(parts(tag)[-1], "") or split_of(words(tag), group)
