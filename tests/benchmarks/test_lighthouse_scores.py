"""What the benchmark makes of Lighthouse's answers."""

from __future__ import annotations

import pytest
from lighthouse_scores import read


def _answer(score: float | None) -> dict[str, object]:
    categories = {
        "accessibility": {"score": score, "auditRefs": [{"id": "contrast"}, {"id": "later"}]},
        "best-practices": {"score": 1, "auditRefs": []},
        "performance": {"score": 0.5, "auditRefs": []},
    }
    audits = {
        "contrast": {"id": "contrast", "score": score, "title": "Text is pale"},
        "later": {"id": "later", "score": None, "title": "Ask"},
    }
    return {"categories": categories, "audits": audits}


def test_marks_are_out_of_a_hundred_and_faults_are_named() -> None:
    """An audit that does not apply has no score, and is no fault."""
    assert read(_answer(1.0)).faults == ()
    found = read(_answer(0.9))
    assert found.marks == {"accessibility": 90.0, "best-practices": 100.0, "performance": 50.0}
    assert found.faults == ("contrast (0.9): Text is pale",)


@pytest.mark.parametrize("answer", [_answer(None), {"runtimeError": {"message": "no page"}}])
def test_a_page_that_was_not_seen_is_no_success(answer: dict[str, object]) -> None:
    """No score, or an error of the browser, raises instead of passing for full marks."""
    with pytest.raises(ValueError, match=r"no score for accessibility|no page"):
        read(answer)
