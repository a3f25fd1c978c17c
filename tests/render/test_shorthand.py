"""The JSON that a page carries is shorter than the one in full, and means the same."""

from __future__ import annotations

import json
from dataclasses import replace

from postmortem.model import ChecklistItem, Curve, Finding, LinePlot, Report, RunReport, Threshold
from postmortem.render.json import document_of
from postmortem.render.shorthand import DEFAULTS, JsonObject, restored, shortened


def _document(run: RunReport) -> JsonObject:
    (document,) = document_of(Report("1", (run,)))["runs"]
    assert isinstance(document, dict)
    return document


def test_a_run_comes_back_as_it_was(rich_run: RunReport, sound_run: RunReport) -> None:
    """Every check, checklist item and exhibit, with the names and values that it had; shortening changes nothing that it is given."""
    for run in (rich_run, sound_run):
        document = _document(run)
        before = json.dumps(document)
        short = shortened(document)
        assert len(json.dumps(short)) < 0.95 * len(before)
        assert restored(short) == document
        assert json.dumps(document) == before


def test_what_was_never_shortened_stays_as_it_is(rich_run: RunReport) -> None:
    """A page of an earlier version carries its JSON in full."""
    assert restored(_document(rich_run)) == _document(rich_run)


def test_a_check_with_nothing_to_say_is_four_names(rich_run: RunReport) -> None:
    """Id, title, status and reason are always there; an empty list, a null and a default are not."""
    quiet = replace(rich_run.checks[0], finding=Finding("not-checked", "no curve"), checklist=(), figure="", log_next=(), family="")
    (check,) = shortened(_document(replace(rich_run, checks=(quiet,), checklist=())))["checks"]
    assert check.keys() == {"id", "title", "status", "reason"} | ({"vital"} if quiet.vital else set())
    assert DEFAULTS["where"] == []


def test_items_that_do_not_name_the_check_are_kept(rich_run: RunReport) -> None:
    """The checklist of a check is left out only where the items say it too; a report may say otherwise."""
    first = rich_run.checks[0]
    for told, named, kept in ((("a",), True, False), (("b", "a"), True, True), (("a",), False, True), ((), True, True)):
        item = ChecklistItem("a", "A", "pass", (first.id,) if named else (), "because")
        document = _document(replace(rich_run, checks=(replace(first, checklist=told),), checklist=(item,)))
        short = shortened(document)
        assert ("checklist" in short["checks"][0]) is kept
        assert restored(short) == document


def test_a_basis_that_repeats_the_threshold_is_left_out(rich_run: RunReport) -> None:
    """Of a passed check the page shows number and unit of the threshold, which the contract's own names hold."""
    for source, kept in (("", False), ("a paper", True)):
        finding = Finding("pass", "fine", 1.0, Threshold(2.0, "x", source, "", ""), "x")
        (check,) = shortened(_document(replace(rich_run, checks=(replace(rich_run.checks[0], finding=finding),))))["checks"]
        assert check["threshold"] == 2.0
        assert ("threshold_basis" in check) is kept


def test_equal_distances_are_written_once(rich_run: RunReport) -> None:
    """Steps 5, 15, 25 are a start and a distance; uneven ones, two alone, and ones that all are the same stay a list."""
    curves = tuple(Curve("c", "train", steps, (1.0,) * len(steps), 9) for steps in ((5, 15, 25), (5, 15, 26), (5, 15), (7, 7, 7), ()))
    document = _document(replace(rich_run, exhibits=(LinePlot("l", "loss", "L", "", "", curves, curves[:1]),)))
    short = shortened(document)
    (plot,) = short["exhibits"]
    assert [curve["steps"] for curve in plot["curves"]] == [{"from": 5, "by": 10}, [5, 15, 26], [5, 15], [7, 7, 7], []]
    assert plot["lower"][0]["steps"] == {"from": 5, "by": 10}
    assert restored(short) == json.loads(json.dumps(document))


def test_a_reason_of_several_checks_is_written_once(rich_run: RunReport) -> None:
    """What stops many checks is most of the text of a page's JSON; a reason of one check stays beside it."""
    first = rich_run.checks[0]
    reasons = ("no curve", "alone", "no curve", "no table", "no curve", "no table")
    checks = tuple(replace(first, id=str(index), finding=Finding("not-checked", reason)) for index, reason in enumerate(reasons))
    document = _document(replace(rich_run, checks=checks, checklist=()))
    short = shortened(document)
    assert short["reasons"] == ["no curve", "no table"]
    assert [check["reason"] for check in short["checks"]] == [0, "alone", 0, 1, 0, 1]
    assert restored(short) == document
