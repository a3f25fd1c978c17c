"""How numbers, sizes and names are written in every report."""

from __future__ import annotations

import math

import pytest

from postmortem.render.wording import certainty, number, odds, paragraphs, percent, prose, quantity, sentence, size, visible


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (9999, "9999"),
        (14_090, "14,090"),
        (0.0, "0"),
        (2.302585, "2.303"),
        (0.00123, "0.00123"),
        (1e-6, "1e-6"),
        (4.123e-7, "4.12e-7"),
        (-3.25, "-3.25"),
        (12_345.6, "12,346"),
        (1.2345e12, "1.23e12"),
        (math.nan, "NaN"),
        (math.inf, "infinity"),
        (-math.inf, "-infinity"),
        (None, "unknown"),
    ],
)
def test_numbers_have_at_most_four_digits_and_words_for_the_rest(value: float | None, shown: str) -> None:
    """The same number looks the same wherever it stands."""
    assert number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.953, "95 %"),
        (0.009, "0.9 %"),
        (0.00002, "below 0.1 %"),
        (0.9999, "above 99.9 %"),
        (0.00131, "0.13 %"),
        (0.0342, "3.4 %"),
        (0.995, "99.5 %"),
    ],
)
def test_no_share_is_rounded_to_none_or_all(share: float, shown: str) -> None:
    """0 % and 100 % are said of nothing else."""
    assert percent(share) == shown


def test_quantities_carry_their_unit() -> None:
    """Shares as per cent, ratios with a sign, units that say nothing left out."""
    assert quantity(0.4, "share") == "40 %"
    assert quantity(12.0, "ratio") == "12\N{MULTIPLICATION SIGN}"
    assert quantity(4.1e-7, "per step") == "4.1e-7 per step"
    assert quantity(2.3, "") == "2.3"
    assert quantity(math.nan, "share") == "NaN share"


def test_unseen_characters_are_written_out() -> None:
    """What a reader sees is what is there; letters of all scripts stay."""
    assert visible("a\u202eb\x00\u200b\ud800") == "a\\u202eb\\x00\\u200b\\ud800"
    assert visible("größe 層 é\n\t") == "größe 層 é\n\t"


def test_clauses_become_sentences_but_tags_stay_as_they_are() -> None:
    """A tag at the beginning is not capitalised; an end that is there is not doubled."""
    assert sentence("the loss fell by 5%") == "The loss fell by 5\N{NO-BREAK SPACE}%."
    assert sentence("train/loss is flat.") == "train/loss is flat."
    assert sentence("") == ""


def test_per_cent_signs_are_set_alike() -> None:
    """With or without a space before, they stay on the line of their number; a format in code is none."""
    assert prose("5% of 10 %, step % 3") == "5\N{NO-BREAK SPACE}% of 10\N{NO-BREAK SPACE}%, step % 3"


def test_sizes_probabilities_and_odds_are_words() -> None:
    """Nobody has to know what a nat is."""
    assert [size(count) for count in (1, 980, 12_345, 1_020_000_000)] == ["1 byte", "980 bytes", "12.3 kB", "1.02 GB"]
    assert [certainty(value) for value in (0.95, 0.7, 0.5, 0.3, 0.1)] == [
        "very likely",
        "likely",
        "more likely than not",
        "possible",
        "unlikely",
    ]
    assert odds(math.log(20)) == "raises the odds 20-fold"
    assert odds(-math.log(1.5)) == "lowers the odds 1.5-fold"
    assert odds(math.log(1.1)) == "hardly changes the odds"
    assert odds(13.4) == "raises the odds more than 1,000-fold"


@pytest.mark.parametrize(
    ("value", "written"), [(0.873, "87\u00a0% of chance level"), (1.0, "100\u00a0% of chance level"), (7.0, "7 times chance level")]
)
def test_levels_are_told_by_what_they_are_measured_by(value: float, written: str) -> None:
    """A unit that begins with `of` names it: shares below one and a half, times above, as in sentences."""
    assert quantity(value, "of chance level") == written


def test_hard_wrapped_prose_becomes_paragraphs() -> None:
    """Only blank lines part paragraphs."""
    assert paragraphs("one\ntwo\n\nthree\n") == ("one two", "three")


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("files", "1 file"),
        ("matrices", "1 matrix"),
        ("units of the input", "1 unit of the input"),
        ("decades per layer", "1 decade per layer"),
        ("standard deviations", "1 standard deviation"),
        ("progress", "1 progress"),
        ("per step", "1 per step"),
    ],
)
def test_one_of_a_unit_is_singular(unit: str, written: str) -> None:
    """As a person would say it; of any other number the unit stays as it is."""
    assert quantity(1.0, unit) == written
    assert quantity(2.0, unit).endswith(unit)


def test_quantities_have_the_digits_of_sentences() -> None:
    """Three, and counts are whole."""
    assert quantity(0.837712, "ratio") == "0.838\u00d7"
    assert quantity(12345.0, "records") == "12,345 records"
