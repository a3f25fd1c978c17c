"""How the end of a loss is put into words: level and last point, the loss that compares, and a loss that was lost."""

from __future__ import annotations

from postmortem.model import Measured, Measurement, accuracy_end, at_about, end_of, loss_end, loss_share_end
from postmortem.model.endings import NEEDS, USES


def _measured(*found: Measurement) -> Measured:
    return Measured({one.name: one for one in found}, frozenset((*NEEDS, *USES)))


def _last(level: float, logged: float, lost: float | None = None) -> Measurement:
    items = {"logged": logged} | ({} if lost is None else {"lost": lost})
    return Measurement("loss.last", level, "loss", "", 146, items)


FIRST = Measurement("loss.first", 4.0, "loss", "", 0)


def test_a_level_beside_another_last_point_is_about() -> None:
    """A number is the end where the last point rounds to it, and about the end where it does not."""
    assert at_about(2.0101, 2.0099) == "at 2.01"
    assert at_about(2.01, 2.59) == "around 2.01"
    assert at_about(2.01, None) == "at 2.01"
    assert accuracy_end(0.537, 0.265) == "ends around 53.7% (median of the last tenth)"
    assert accuracy_end(0.5, 0.5) == "ends at 50%"


def test_the_end_is_told_beside_the_first_loss_where_chance_is_not_known() -> None:
    """The share is that of the level, whatever the last point."""
    end = loss_end(_measured(FIRST, _last(2.0, 2.0)))
    assert (end.share, end.said) == (0.5, "the loss ends at 2, 50% of the first loss")


def test_the_loss_that_compares_with_chance_is_the_one_that_is_named_and_printed() -> None:
    """Of a total of 1.26 and a data loss of 1.09, which is chance, the second is told."""
    to_chance = Measurement("loss.last_to_chance", 0.99, "ratio", "", items={"loss": 1.09, "logged": 1.07}, text="data loss")
    found = _measured(FIRST, _last(1.26, 1.2), to_chance)
    assert loss_end(found).said == "the data loss ends around 1.09 (median of the last tenth), 99% of chance level"
    assert loss_share_end(found) == "the data loss ends around 99% of chance level"


def test_of_a_loss_that_ended_as_nan_the_last_finite_point_is_told_with_its_step() -> None:
    """The level before it is told as such, and not as an end."""
    to_chance = Measurement("loss.last_to_chance", 1.03, "ratio", "", items={"loss": 2.38, "logged": 22940.0, "lost": 148.0})
    found = _measured(FIRST, _last(2.38, 22940.0, lost=148.0), to_chance)
    assert loss_end(found).said == (
        "the loss is no finite number from step 148 on; the last one that is, at step 146, is 22,900, and its level before that 2.38, "
        "103% of chance level"
    )
    assert loss_share_end(found) == "the loss was about 103% of chance level before it was no finite number"


def test_a_level_of_a_curve_that_was_lost_is_no_end() -> None:
    """What stands before NaN is told as that."""
    share = Measurement("fit.train_share", 1.5, "share", "", items={"logged": 1.5})
    assert end_of(share) == "ends at 1.5"
    lost = Measurement("fit.train_share", 1.5, "share", "", items={"logged": 900.0, "lost": 148.0})
    assert end_of(lost) == "stood, before it became NaN or infinite, at about 1.5"
