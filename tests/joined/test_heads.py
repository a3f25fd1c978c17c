"""First losses, heads, labels and splits beside the manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from postmortem.model import Manifest

MILD = (500, 300, 200, 150, 100, 80, 60, 40, 20, 10)
STEEP = (2000, *(10,) * 9)
FROM_ONE = tuple(str(label + 1) for label in range(10))
ELSEWHERE = ("3", "7", "1", "9", "0", "2", "8", "5", "4", "6")


def test_a_bias_set_by_the_shares_is_a_right_start(lab: Any) -> None:
    """The first loss lies far below ln C, and the bias of the first checkpoint says why."""
    found = lab.judge(lab.Plan(counts=STEEP, steps=400, prior_bias=True))
    first = found.check("initial-loss-off")
    assert first.status == "pass" and "begins at the logarithm of the class shares" in first.finding.reason
    assert "in the same order" in found.check("misordered-head-bias").finding.reason
    assert found.run.verdict == "healthy" and found.causes == {}


def test_the_drop_to_the_shares_is_explained(lab: Any) -> None:
    """The twin with a bias of zero drops from ln C to H(p) at once, which passes with its reason."""
    found = lab.judge(lab.Plan(counts=STEEP, steps=800))
    steep = found.check("steep-early-drop")
    assert steep.status == "pass" and "head bias that starts at their logarithm" in steep.finding.reason
    assert "was not set by these shares" in found.check("misordered-head-bias").finding.reason


def test_a_bias_in_another_order_is_seen(lab: Any) -> None:
    """The manifest numbers classes otherwise than the head does; names without a known order raise no alarm."""
    found = lab.judge(lab.Plan(counts=MILD, prior_bias=True, labels=ELSEWHERE))
    assert found.check("misordered-head-bias").status == "warn"
    named = tuple(f"digit {label}" for label in ELSEWHERE)
    assert lab.judge(lab.Plan(counts=MILD, prior_bias=True, labels=named)).check("misordered-head-bias").status == "pass"


@pytest.mark.parametrize("refused", [True, False], ids=["as they are", "counted down"])
def test_labels_from_one_alarm_only_where_the_loss_shows_it(lab: Any, refused: bool) -> None:
    """Labels 1 to 10 for ten rows: a loss of NaN for label 10 is the labels' fault, and a program that counts them down is healthy."""
    found = lab.judge(lab.Plan(labels=FROM_ONE, refused=refused))
    assert found.check("labels-beyond-head").status == ("fail" if refused else "pass")
    assert (next(iter(found.causes), "") == "loss-misconfigured") == refused
    assert found.run.verdict == ("failed" if refused else "healthy")


@pytest.mark.parametrize(("outputs", "status"), [(10, "pass"), (11, "pass"), (14, "warn")])
def test_heads_of_other_widths(lab: Any, outputs: int, status: str) -> None:
    """One row to spare is a background class; four are rows of no class."""
    assert lab.judge(lab.Plan(outputs=outputs, steps=100)).check("mismatched-head").status == status


def test_declared_classes_and_placeholders_explain_a_wider_head(lab: Any) -> None:
    """The same wide head is right where the manifest declares 13 classes and a placeholder."""

    def declare(manifest: Manifest) -> Manifest:
        return replace(manifest, classes=tuple(f"class {label}" for label in range(13)), placeholders=("objects",))

    found = lab.judge_with(lab.Plan(outputs=14, steps=100), declare)
    assert found.check("mismatched-head").status == "pass"
    assert "placeholders" in found.check("mismatched-head").finding.reason


def test_several_labels_start_at_ln_2(lab: Any) -> None:
    """A binary loss a label is held against ln 2 and the labels' own entropies, and a healthy run is left in peace."""
    shares = {"even": 0.5, "large": 0.5, "prime": 0.4, "threefold": 0.4}

    def several(manifest: Manifest) -> Manifest:
        records = {"train": 1000, "validation": 450}
        counts = {split: {name: round(share * total) for name, share in shares.items()} for split, total in records.items()}
        return replace(manifest, counts=counts, records=records, labels="multiple")

    found = lab.judge_with(lab.Plan(multiple=True), several)
    assert "ln(2) a label" in found.check("initial-loss-off").finding.reason
    assert found.check("initial-loss-off").status == "pass"
    assert found.run.verdict == "healthy" and found.alarms == set()
    blind = lab.judge_with(lab.Plan(multiple=True, blind=True), several)
    assert blind.run.verdict == "failed"


def test_three_tenths_of_leaked_records_are_told(lab: Any) -> None:
    """Records of validation that stand in training are the cause, and the twin without them is healthy."""
    leaky = lab.judge(lab.Plan(leaked=0.3))
    assert next(iter(leaky.causes)) == "split-leakage"
    clean = lab.judge(lab.Plan())
    assert clean.run.verdict == "healthy" and "split-leakage" not in clean.causes
    assert clean.check("shared-records").status == "pass"


@pytest.mark.parametrize("lr", [3e-3, 2e-2], ids=["learned all the same", "unlearned"])
def test_sorted_records_that_are_not_shuffled_are_told(lab: Any, lr: float) -> None:
    """Read class by class the loss follows the order: a warning where all was learned, and the first cause where it was not."""
    found = lab.judge(lab.Plan(unshuffled=True, steps=600, lr=lr, settings={"shuffle": False, "batch_size": 32}))
    assert found.check("sorted-labels").status == "warn"
    learned = sum(found.recall) > 9
    assert learned == (lr < 1e-2)
    assert found.check("epoch-patterned-loss").status == ("warn" if learned else "fail")
    assert next(iter(found.causes), "") == ("" if learned else "loss-spike")


def test_shuffled_records_follow_no_order(lab: Any) -> None:
    """The twin that shuffles raises no alarm, whether a setting says so or not."""
    assert lab.judge(lab.Plan(lr=1e-2, steps=400, settings={"batch_size": 32})).alarms == set()
