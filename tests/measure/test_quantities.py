"""Whole numbers that are predicted as numbers, told from classes by the width of the head."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postmortem.measure.quantities import as_quantities
from postmortem.model import Manifest

VISITS = Manifest(
    "visits.csv", 15, "visits", "split", "id", {"train": {"0": 4, "1": 3, "2": 2, "12": 1}, "validation": {"0": 2, "3": 3}}, 0, 0, {}, {},
    records={"train": 10, "validation": 5},
)  # fmt: skip


def test_counts_under_a_head_of_one_unit_are_targets() -> None:
    """Fifteen records: 6 zeros, 3 ones, 2 twos, 3 threes, 1 twelve, of which only the twelve lies far out."""
    (found,) = as_quantities((VISITS,), 1)
    targets = found.targets
    assert targets is not None and found.counts == {} and found.labels == "targets"
    assert (targets.count, targets.different, targets.minimum, targets.maximum) == (15, 5, 0.0, 12.0)
    assert targets.mean == pytest.approx(28 / 15)
    assert targets.deviation == pytest.approx((182 / 15 - (28 / 15) ** 2) ** 0.5)
    assert targets.quartiles == (0.0, 1.0, 3.0) and targets.far_out == 0
    assert targets.splits["train"] == pytest.approx((10, 1.9, (155 / 10 - 1.9**2) ** 0.5))
    wider = replace(VISITS, counts={"": {"1": 40, "2": 40, "3": 40, "99": 1}})
    assert as_quantities((wider,), 1)[0].targets.far_out == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("manifest", "rows"),
    [
        (VISITS, 13),
        (VISITS, None),
        (replace(VISITS, counts={"train": {"0": 5, "1": 5}}), 1),
        (replace(VISITS, counts={"train": {"cat": 5, "dog": 5, "3": 5}}), 1),
        (replace(VISITS, classes=("none", "one", "two")), 1),
        (replace(VISITS, labels="multiple"), 1),
        (replace(VISITS, counts={"train": {"0": 0, "1": 0, "2": 0}}), 1),
    ],
    ids=["a wide head", "no checkpoint", "yes and no", "names", "declared classes", "several labels", "no record counted"],
)
def test_everything_else_stays_classes(manifest: Manifest, rows: int | None) -> None:
    """Nothing is made of numbers that a head tells apart, of two of them, of names, or of labels that are declared."""
    assert as_quantities((manifest,), rows) == (manifest,)
