"""Labels that are partly another record's, beside labels that are right."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.mark.parametrize(("wrong", "status"), [(0.0, "pass"), (0.6, "fail")])
def test_wrong_labels_leave_every_record_equally_uncertain(lab: Any, wrong: float, status: str) -> None:
    """Six of ten labels are other records': the validation loss comes to the largest that its accuracy allows, and labels are named."""
    found = lab.judge(lab.Plan(wrong_labels=wrong, steps=400, lr=1e-3))
    assert found.check("even-errors").status == status
    assert next(iter(found.causes), "") == ("label-noise" if wrong else "")
    if wrong:
        told = re.search(r"About (\d+)% of the labels", found.run.causes[0].fix)
        assert told and abs(int(told[1]) / 100 - wrong) < 0.15
