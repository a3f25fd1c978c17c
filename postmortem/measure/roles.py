"""What each scalar tag is: a training loss, a part of one, a learning rate, an accuracy, ...

Roles are read from the words of the tag, from the tags beside it, and from the group of its file (`role_names`); then the numbers
speak where they prove something (`role_values`); what the user named by option wins over all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from postmortem.measure.role_names import Tag, look_around, name_role
from postmortem.measure.role_values import by_values
from postmortem.measure.role_words import ACCURACY, OF_AN_EVALUATION
from postmortem.measure.roled import LOSS_ROLES, NAMED, ROLES, Role, Roled
from postmortem.measure.tag_options import matches
from postmortem.measure.tags import SPLIT_WORDS, parts, split_of_tag, words
from postmortem.model import ReadOptions, Series

__all__ = [
    "ACCURACY",
    "NAMED",
    "ROLES",
    "Role",
    "Roled",
    "assign",
    "main",
    "main_training_loss",
    "main_validation_loss",
    "paired_training_loss",
    "same_steps",
]

SAME_UNIT = 5.0
"""Curves of one run whose last steps differ by more than this factor count different things (epochs and iterations)."""
LEAST_PAIRED = 5
"""Points that a training loss needs to be compared with a validation loss."""


def assign(series: Sequence[Series], options: ReadOptions) -> tuple[Roled, ...]:
    """Every series with its role, in the order given; what the user named by option comes before all words and numbers."""
    tags = [Tag.of(one.tag, one.group) for one in series]
    around = look_around(tags)
    named = _evaluated([Roled(one, *_placed(tag, name_role(tag, around))) for one, tag in zip(series, tags, strict=True)])
    told = by_values(named)
    losses, penalties = matches(options.loss_tag, series), matches(options.reg_tag, series)
    return tuple(_chosen(one, index in losses, index in penalties) for index, one in enumerate(told))


def _placed(tag: Tag, found: tuple[Role, str]) -> tuple[Role, str, str]:
    return found[0], tag.split, found[1]


def _evaluated(roled: Sequence[Roled]) -> list[Roled]:
    """`mIoU` in a table that holds `ValLoss` comes from that evaluation, though neither it nor the table's name says so."""
    held = {
        (one.series.source, one.series.group)
        for one in roled
        if one.role in LOSS_ROLES and split_of_tag(one.series.tag, "") == "validation"
    }
    return [
        replace(one, split="validation")
        if one.role in ("accuracy", "metric")
        and (one.series.source, one.series.group) in held
        and set(words(one.series.tag)) & OF_AN_EVALUATION
        and not split_of_tag(one.series.tag, "")
        else one
        for one in roled
    ]


def _chosen(one: Roled, is_loss: bool, is_penalty: bool) -> Roled:
    if is_loss:
        return Roled(one.series, "validation-loss" if one.split in ("validation", "test") else "training-loss", one.split, NAMED)
    return Roled(one.series, "regularization", one.split, NAMED) if is_penalty else one


def main(roled: Iterable[Roled], role: str, split: str = "train") -> Roled | None:
    """The one series that stands for a role, or None.

    `train` takes series without a split too; `validation` takes the test split where nothing else is there. A series named by option
    wins; then a total over its rivals unless it has less than a quarter of their points; then the longest (steps before epochs).
    """
    splits = {"train": ("train", ""), "validation": ("validation",), "test": ("test",)}.get(split, ("", "train", "validation", "test"))
    candidates = [one for one in roled if one.role == role and one.split in splits]
    if not candidates:
        return main(roled, role, "test") if split == "validation" else None
    return _best(candidates, split)


def _best(candidates: Sequence[Roled], split: str) -> Roled:
    longest = max(one.series.values.size for one in candidates)

    def rank(one: Roled) -> tuple[bool, bool, bool, int, bool]:
        points, tag_words = one.series.values.size, words(one.series.tag)
        is_total = ("total" in tag_words or one.why.startswith("the sum of")) and 4 * points >= longest
        # `lm loss vs samples` is the loss once more, over another axis.
        again = words(one.series.tag.rpartition("/")[2]) != parts(one.series.tag)[-1]
        return one.why == NAMED, is_total, not again, points, one.split == split

    return max(candidates, key=rank)


def main_training_loss(roled: Iterable[Roled]) -> Roled | None:
    """The training loss of a run: the total, else the data's loss, else the longest part of one; None where none was logged."""
    roled = tuple(roled)
    for role in ("training-loss", "data-loss", "part-of-loss"):
        found = main(roled, role, "train")
        if found is not None:
            return found
    return None


def main_validation_loss(roled: Iterable[Roled], training: Roled | None) -> Roled | None:
    """The validation loss of a run: the total, else the same part of a loss as `training` on validation (or test) data; or None.

    Of several, one whose steps count what those of `training` count is preferred.
    """
    roled = tuple(roled)
    found = main(roled, "validation-loss", "validation")
    if found is not None and training is not None and found.why != NAMED and not same_steps(found.series, training.series):
        alike = [
            one for one in roled if one.role == "validation-loss" and one.split == found.split and same_steps(one.series, training.series)
        ]
        found = _best(alike, found.split) if alike else found
    if found is not None or training is None:
        return found
    part = set(words(training.series.tag)) - SPLIT_WORDS
    same = (one for one in roled if one.role == "part-of-loss" and one.split in ("validation", "test"))
    return next((one for one in same if set(words(one.series.tag)) - SPLIT_WORDS == part), None)


def paired_training_loss(roled: Iterable[Roled], training: Roled | None, validation: Roled | None) -> Roled | None:
    """The training loss to compare a validation loss with: `training`, or one that counts the same steps where that one does not.

    Keras logs `batch_loss` by iterations and `epoch_loss` by epochs into the training folder, and `epoch_loss` alone of validation.
    """
    if training is None or validation is None or training.why == NAMED or same_steps(training.series, validation.series):
        return training
    alike = [
        one
        for one in roled
        if one.role == training.role
        and one.split in ("train", "")
        and one.series.values.size >= LEAST_PAIRED
        and same_steps(one.series, validation.series)
    ]
    return _best(alike, "train") if alike else training


def same_steps(one: Series, other: Series) -> bool:
    """Whether the steps of two series of one run can count the same thing: their last ones are of one size."""
    if not one.steps.size or not other.steps.size:
        return True
    ends = [max(float(series.steps[-1]), 1.0) for series in (one, other)]
    return abs(math.log(ends[0] / ends[1])) <= math.log(SAME_UNIT)
