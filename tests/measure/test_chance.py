"""The loss beside what ignorance costs: drawn curves, and levels worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.chance import Classes, measure_chance, measure_early_share
from postmortem.measure.roles import Roled, assign
from postmortem.measure.shape import early_drop
from postmortem.measure.smooth import smooth
from postmortem.model import Measurement, Missing, ReadOptions, Series


def drawn(tag: str, values: Sequence[float] | NDArray[np.float64], every: int = 10, begin: int = 0) -> Series:
    """One drawn series."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * every + begin, array, np.full(array.size, np.nan), "events")


def roled(*series: Series) -> tuple[Roled, ...]:
    """The series with their roles."""
    return assign(series, ReadOptions())


def by_name(found: Iterable[Measurement | Missing]) -> dict[str, Measurement | Missing]:
    """Measurements by name."""
    return {one.name: one for one in found}


def value(found: dict[str, Measurement | Missing], name: str) -> float:
    """The value of a measurement that must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one.value


CLASSES = Classes(10, "labels of manifest.csv", 2.0, 2.1)


def chance(
    series: Series, validation: Series | None = None, known: Classes = CLASSES, family: str = "classification"
) -> dict[str, Measurement | Missing]:
    """The loss against chance and prior."""
    beside = roled(validation)[0] if validation is not None else None
    return by_name(measure_chance(roled(series)[0], beside, None, known, family))


def test_the_loss_that_was_compared_is_told_with_its_own_values() -> None:
    """Of a total of 61 with a data loss at chance the data loss is what stands in the items, under its name."""
    total, data = (roled(drawn(tag, values))[0] for tag, values in (("loss", [61.3, *[1.26] * 60]), ("data_loss", [1.1, *[1.09] * 60])))
    found = by_name(measure_chance(total, None, data, CLASSES, "classification"))
    for name, loss in (("loss.first_to_chance", 1.1), ("loss.last_to_chance", 1.09)):
        one = found[name]
        assert isinstance(one, Measurement)
        assert one.text == "data loss"
        assert one.items["loss"] == pytest.approx(loss)
    alone = chance(drawn("loss", [2.3, *[1.0] * 60]))["loss.last_to_chance"]
    assert isinstance(alone, Measurement)
    assert alone.text == ""


def test_losses_against_chance_and_prior() -> None:
    """First and last loss over ln C, last over H(p), best validation over the cross-entropy of its labels."""
    found = chance(drawn("loss", [2 * math.log(10)] + [1.0] * 60), drawn("val_loss", [3.0] * 10 + [1.05] * 10))
    assert value(found, "loss.chance") == pytest.approx(math.log(10))
    assert value(found, "loss.first_to_chance") == pytest.approx(2)
    assert value(found, "loss.last_to_chance") == pytest.approx(1 / math.log(10))
    assert value(found, "loss.last_to_prior") == pytest.approx(0.5)
    assert value(found, "loss.validation_to_prior") == pytest.approx(0.5)


def test_a_late_first_point_is_no_first_loss() -> None:
    """A log that begins at step 500 of 1100 says nothing of the loss before learning."""
    assert isinstance(chance(drawn("loss", [2.3] * 61, begin=500))["loss.first_to_chance"], Missing)


def test_unknown_classes_leave_chance_open() -> None:
    """Without a number of classes or shares every comparison is missing, with what to give."""
    found = chance(drawn("loss", [2.3] * 60), known=Classes())
    assert {one.log_next for one in found.values() if isinstance(one, Missing)} == {"num-classes", "manifest"}


def test_a_regression_has_no_chance() -> None:
    """The loss of a regression is not compared with ln C."""
    found = chance(drawn("loss", [2.3] * 60), family="regression")
    assert isinstance(found["loss.first_to_chance"], Missing)
    assert isinstance(found["loss.last_to_prior"], Missing)


def test_rare_records_count_in_the_last_level() -> None:
    """One point in eight holds a rare record that costs 4: the mean is at H(p), where the median says that all was learned."""
    values = np.tile([0.01] * 7 + [4.0], 20)
    known = Classes(2, "given", 0.509, highest=4.5)
    found = chance(drawn("loss", values), known=known)["loss.last_to_prior"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(np.mean(values[-30:]) / 0.509)
    assert found.items["error"] == pytest.approx(np.std(values[-30:], ddof=1) / math.sqrt(30) / 0.509)


def test_a_spike_at_the_end_is_cut_at_what_a_record_can_cost() -> None:
    """A spike of 1000 counts as -ln of the rarest share."""
    known = Classes(2, "given", 0.5, highest=4.0)
    found = chance(drawn("loss", [0.5] * 99 + [1000.0]), known=known)
    assert value(found, "loss.last_to_prior") == pytest.approx((29 * 0.5 + 4.0) / 30 / 0.5)


def test_validation_is_held_against_the_lower_level_of_ignorance() -> None:
    """Even validation labels under skewed training shares cost more than ln C, with which every run begins."""
    known = Classes(10, "given", 0.4, 5.2, math.log(10))
    found = chance(drawn("loss", [0.4] * 60), drawn("val_loss", [2.3026] * 5 + [5.2] * 10), known)["loss.validation_to_prior"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(1.0, abs=1e-3)
    assert found.items["entropy"] == pytest.approx(1.0, abs=1e-3)


def test_a_smoothed_loss_counts_from_its_floor() -> None:
    """Half of the way from H(p) 0.7 to a floor of 0.5 is 0.6, and 0.01 nats between both say nothing."""
    found = chance(drawn("loss", [0.6] * 60), known=Classes(10, "given", 0.7, floor=0.5))
    assert value(found, "loss.last_to_prior") == pytest.approx(0.5)
    assert isinstance(chance(drawn("loss", [0.6] * 60), known=Classes(10, "given", 0.51, floor=0.5))["loss.last_to_prior"], Missing)


def test_several_labels_a_record_start_at_ln_2() -> None:
    """With a binary loss a label chance is ln 2, however many labels there are."""
    found = chance(drawn("loss", [math.log(2)] + [0.2] * 60), known=Classes(80, "given", 0.3, per_label=True))
    assert value(found, "loss.chance") == pytest.approx(math.log(2))
    assert value(found, "loss.first_to_chance") == pytest.approx(1)
    assert value(found, "loss.last_to_prior") == pytest.approx(0.2 / 0.3)


@pytest.mark.parametrize("prior", [1.2, 2.3026])
def test_the_early_drop_is_explained_by_the_shares(prior: float) -> None:
    """A fall from ln 10 to 1.2 within the first steps is wholly that of the shares where H(p) is 1.2, and not at all on even classes."""
    values = np.concatenate([[math.log(10)], np.full(4, 1.2), np.linspace(1.2, 0.1, 300)])
    curve = smooth(drawn("loss", values), 10)
    assert curve is not None
    drop = early_drop(curve)
    assert isinstance(drop, Measurement)
    first = Measurement("loss.first", math.log(10), "loss", "drawn")
    share = measure_early_share({"loss.early_drop": drop, "loss.first": first}, Classes(10, "given", prior))
    assert isinstance(share, Measurement)
    assert share.value == pytest.approx((math.log(10) - prior) / (math.log(10) - 1.2), abs=1e-3)


def test_no_shares_explain_no_drop() -> None:
    """Without a manifest nothing is said of the drop."""
    assert isinstance(measure_early_share({}, Classes(10)), Missing)
