"""What --loss-tag and --reg-tag match, and what is said where they match nothing."""

from __future__ import annotations

import numpy as np
import pytest

from postmortem.measure.roles import NAMED, assign
from postmortem.measure.tag_options import unmatched
from postmortem.model import ReadOptions, Series


def drawn(tag: str, group: str = "") -> Series:
    """One series."""
    return Series(tag, group, np.arange(10), np.linspace(2, 1, 10), np.full(10, np.nan), "events")


SERIES = (drawn("train/Energy"), drawn("epoch_loss", "train"), drawn("epoch_loss", "validation"), drawn("weird"))


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("train/Energy", [0]),
        ("TRAIN/energy", [0]),
        ("epoch_loss", [1, 2]),
        ("train/epoch_loss", [1]),
        ("Validation/Epoch_Loss", [2]),
        ("energy", []),
    ],
)
def test_option_matches_by_tag_group_and_capitals(option: str, named: list[int]) -> None:
    """The tag as it stands, with its group before it, or in other capitals is the one that is meant; a part of it is not."""
    roled = assign(SERIES, ReadOptions(loss_tag=option))
    assert [index for index, one in enumerate(roled) if one.why == NAMED] == named


def test_what_matches_nothing_is_said_with_the_closest_tags() -> None:
    """An option that names no tag is told of, with what may have been meant; one that does is not."""
    (said,) = unmatched(SERIES, ReadOptions(loss_tag="energy", reg_tag="weird"))
    assert said.startswith("--loss-tag 'energy' matches no tag of this run and was not used; the closest are 'train/Energy'")
    assert list(unmatched((), ReadOptions(reg_tag="x"))) == ["--reg-tag 'x' matches no tag of this run and was not used; it has no tags"]
