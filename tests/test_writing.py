"""How numbers are written in the sentences of checks, causes and measures."""

from __future__ import annotations

import math

import pytest

from postmortem.model import counted, kind_of_run, level, multiple, number, percent, times


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.34, "0.34"),
        (2.345, "2.35"),
        (9.999, "10"),
        (137.2, "137"),
        (9899.7, "9900"),
        (18_412.0, "18,400"),
        (1_234_567.0, "1.23e6"),
        (0.00123, "0.00123"),
        (2.9e-6, "2.9e-6"),
        (1e-5, "1e-5"),
        (-3.25, "-3.25"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, "NaN"),
        (math.inf, "infinity"),
        (-math.inf, "-infinity"),
    ],
)
def test_numbers_are_written_as_a_person_would(value: float, shown: str) -> None:
    """Three digits, no exponent between a thousandth and a million, and never a padded one."""
    assert number(value) == shown


def test_fewer_or_more_digits_can_be_asked_for() -> None:
    """A rough number gets two, a loss four; what is rounded away leaves no zeros behind."""
    assert (number(284.83, 2), number(284.83, 4), number(2.0004, 4)) == ("280", "284.8", "2")


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.343, "34%"),
        (0.0381, "3.8%"),
        (0.0042, "0.42%"),
        (0.00001, "less than 0.1%"),
        (0.99999, "more than 99.9%"),
        (0.9951, "99.5%"),
        (-0.04, "-4%"),
        (1.32, "132%"),
        (math.nan, "NaN"),
    ],
)
def test_no_share_is_rounded_to_none_or_all(share: float, shown: str) -> None:
    """0% and 100% are said of nothing else."""
    assert percent(share) == shown


def test_an_accuracy_can_have_a_third_digit() -> None:
    """97.8% and not 98%, where it is compared with the share of a class."""
    assert percent(0.97826, 3) == "97.8%"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.84, "84% of"), (1.4, "140% of"), (7.04, "7 times"), (4.4e-5, "4.4e-5 of"), (0.9996, "100% of"), (0.0, "0% of")]
)
def test_levels_turn_from_per_cent_into_times(value: float, shown: str) -> None:
    """Nobody says 704% of chance level; and a level next to the other is as high as it."""
    assert multiple(value) == shown
    assert level(1.114) == "111%"


def test_counts_agree_with_their_noun() -> None:
    """One jump, three jumps, two matrices; once, twice, 3 times."""
    assert [counted(1, "jump"), counted(3.0, "jump"), counted(2, "matrix", "matrices")] == ["1 jump", "3 jumps", "2 matrices"]
    assert [counted(12_000, "weight"), counted(math.nan, "weight")] == ["12,000 weights", "NaN weights"]
    assert [times(1), times(2.0), times(3)] == ["once", "twice", "3 times"]


def test_every_family_has_a_name_that_a_sentence_can_use() -> None:
    """What no family is known of is called so."""
    assert (kind_of_run("gan"), kind_of_run("unknown"), kind_of_run("")) == (
        "an adversarial pair",
        "a run of unknown kind",
        "a run of unknown kind",
    )
