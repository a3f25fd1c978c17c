"""Unbalanced classes: what was learned is left in peace, what was not is told with its reason."""

from __future__ import annotations

from typing import Any

import pytest

MILD = (500, 300, 200, 150, 100, 80, 60, 40, 20, 10)
STEEP = (2000, *(10,) * 9)
LONG_TAILED = (600, 600, 500, 400, 300, 200, 100, 50, 5, 2)
SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def test_even_classes_raise_no_alarm(lab: Any) -> None:
    """A plain training on even classes, each class's recall logged: healthy, and not one alarm."""
    found = lab.judge(lab.Plan(per_class="val/recall/{}", labels=SPOKEN))
    assert found.run.verdict == "healthy"
    assert found.alarms == set()
    assert found.check("starved-classes").status == "pass"
    assert found.check("majority-class-only").status == "pass"


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_fifty_to_one_that_was_learned_is_left_in_peace(lab: Any, weighted: bool) -> None:
    """No cause is named, the verdict is healthy, and with the recall of each class no check of classes alarms."""
    plan = lab.Plan(counts=MILD, steps=500, weighted=weighted, per_class="val_recall_class_{}", settings={"class_weights": weighted})
    found = lab.judge(plan)
    assert found.run.verdict == "healthy" and found.causes == {}
    assert not found.alarms & {"skewed-classes", "starved-classes", "majority-class-only", "prior-only-loss", "uninformative-labels"}
    assert "every class was learned" in found.check("skewed-classes").finding.reason


def assert_only_doubted(found: Any) -> None:
    """The run learned; of two hundred to one nothing but metrics of classes shows that the rare ones are found."""
    assert found.run.verdict == "inconclusive"
    assert set(found.causes) == {"class-imbalance"} and found.causes["class-imbalance"] < 0.5
    assert found.run.headline.startswith("The run learned (") and "cannot be ruled out: class imbalance" in found.run.headline


def test_two_hundred_to_one_that_was_learned_is_not_blamed(lab: Any) -> None:
    """Without metrics of classes the skew is a warning with the proof of learning beside it, and a doubt that is no alarm."""
    found = lab.judge(lab.Plan(counts=STEEP, steps=600))
    assert_only_doubted(found)
    assert found.alarms == {"skewed-classes", "skewed-head-errors"}
    assert "yet the loss fell to" in found.check("skewed-classes").finding.reason


def test_inputs_that_are_ignored_leave_the_largest_class(lab: Any) -> None:
    """The twin whose inputs are zero names one class for all: the loss is at H(p), and imbalance comes before overfitting."""
    found = lab.judge(lab.Plan(counts=STEEP, steps=400, blind=True))
    assert set(found.recall) == {0.0, 1.0}
    assert found.run.verdict == "failed"
    assert {"prior-only-loss", "majority-class-only", "skewed-classes"} <= found.alarms
    assert next(iter(found.causes)) == "class-imbalance"
    assert "the most frequent class, '0'" in found.check("majority-class-only").finding.reason


def test_too_few_steps_at_two_hundred_to_one_are_told(lab: Any) -> None:
    """Sixty steps learn the shares and nothing else."""
    found = lab.judge(lab.Plan(counts=STEEP, steps=60, lr=1e-3))
    assert set(found.recall) == {0.0, 1.0}
    assert next(iter(found.causes)) == "class-imbalance"


def test_a_rate_too_low_is_not_blamed_on_the_classes(lab: Any) -> None:
    """A run whose loss has not even come down to H(p) has other troubles than its classes."""
    found = lab.judge(lab.Plan(counts=STEEP, lr=1e-5))
    assert next(iter(found.causes)) == "lr-too-low"
    assert found.causes.get("class-imbalance", 0.0) < 0.5
    assert found.check("skewed-classes").status == "warn"


def test_starved_classes_are_named(lab: Any) -> None:
    """Five and two records of a class are never found while the loss is near zero: only the metrics of classes show it."""
    found = lab.judge(lab.Plan(counts=LONG_TAILED, steps=150, labels=SPOKEN, per_class="AP-{}"))
    assert found.recall[8:] == (0.0, 0.0) and min(found.recall[:7]) > 0.5
    starved = found.check("starved-classes")
    assert starved.status == "fail" and starved.finding.where == ("nine", "eight")
    assert next(iter(found.causes)) == "class-imbalance"


def test_one_validation_record_says_nothing_of_its_class(lab: Any) -> None:
    """With one or two records of a rare class in validation, a recall of 0 is chance: neither an alarm nor a pass."""
    held = (45, 27, 18, 14, 9, 7, 5, 4, 2, 1)
    found = lab.judge(lab.Plan(counts=MILD, held=held, steps=250, per_class="val/recall/{}"))
    assert found.recall[9] == 0.0
    assert found.check("starved-classes").status == "not-checked"
    assert found.run.verdict == "healthy" and found.causes == {}


def test_class_weights_leave_the_level_of_the_loss_open(lab: Any) -> None:
    """A weighted loss above H(p) is neither passed nor blamed for it where nothing else tells."""
    found = lab.judge(lab.Plan(counts=MILD, steps=60, lr=1e-3, weighted=True, accuracy=False, settings={"class_weights": True}))
    assert found.check("prior-only-loss").status in ("not-checked", "pass")
    assert "class-imbalance" not in found.causes


@pytest.mark.parametrize("told", [True, False], ids=["told by a setting", "not told"])
def test_label_smoothing_is_no_plateau_at_the_prior(lab: Any, told: bool) -> None:
    """A smoothed loss ends at its floor, well above H(p): it is blamed for nothing, and the rare classes stay the one doubt."""
    settings = {"label_smoothing": 0.1} if told else None
    found = lab.judge(lab.Plan(counts=STEEP, steps=400, smoothing=0.1, settings=settings))
    assert_only_doubted(found)
    if told:
        assert found.check("prior-only-loss").status == "pass"


def test_shuffled_labels_are_noise_and_no_imbalance(lab: Any) -> None:
    """Even classes whose labels do not belong to the inputs."""
    found = lab.judge(lab.Plan(shuffled_labels=True, steps=700))
    assert next(iter(found.causes)) == "label-noise"
    assert "class-imbalance" not in found.causes
