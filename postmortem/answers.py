"""Answers the items of the debugging checklist from the outcomes of the checks that serve them. Knows no check by name."""

from __future__ import annotations

from collections.abc import Sequence

from postmortem import rules
from postmortem.checklist import ITEMS
from postmortem.model import ChecklistItem, Outcome, Status, counted

REASONS = (3, 1)
"""Reasons that an item of the checklist gives: of alarms and gaps, and of what passed."""
_OTHERS: dict[Status, str] = {
    "fail": "failed",
    "warn": "warned",
    "pass": "passed",
    "not-checked": "could not be made",
    "not-applicable": "did not apply",
}
NAMED = 2
"""Checks that could not be made and are named behind an answer; more are counted."""
_WORST_FIRST: tuple[Status, ...] = ("fail", "warn", "pass", "not-checked", "not-applicable")


def answer_checklist(outcomes: Sequence[Outcome]) -> tuple[ChecklistItem, ...]:
    """Every item of the checklist, answered by the worst outcome among its checks that looked."""
    items = []
    known = rules.checks()
    for id, title in ITEMS.items():
        serving = [outcome for outcome in outcomes if id in outcome.checklist]
        # A pass that does not answer the question is no answer.
        answering = [each for each in serving if each.status != "pass" or not _leaves_open(each, id)]
        statuses: list[Status] = [outcome.status for outcome in answering]
        status: Status = min(statuses, key=_WORST_FIRST.index, default="not-checked")
        speaking = [outcome for outcome in answering if outcome.status == status]
        speaking.sort(key=lambda outcome: outcome.id not in known or id not in known[outcome.id].leads)
        reason = _answer(status, speaking, [outcome for outcome in answering if outcome.status == "not-checked"])
        advice = tuple(dict.fromkeys(key for outcome in speaking for key in outcome.log_next)) if status == "not-checked" else ()
        items.append(ChecklistItem(id, title, status, tuple(outcome.id for outcome in serving), reason, advice))
    return tuple(items)


def _leaves_open(passed: Outcome, item: str) -> bool:
    """Whether a pass does not answer an item that the check serves."""
    check = rules.checks().get(passed.id)
    return item in passed.finding.leaves or (check is not None and item in check.doubts)


def _answer(status: Status, speaking: Sequence[Outcome], unlooked: Sequence[Outcome]) -> str:
    """The reasons that are most to the point, and how many more checks stand behind the answer."""
    # A check that lacks several measurements gives several clauses, and another may share them.
    reasons = list(dict.fromkeys(part for outcome in speaking for part in _clauses(outcome)))
    if not reasons:
        return "no check answers this item"
    first = reasons[: REASONS[status == "pass"]]
    more = sum(set(first).isdisjoint(_clauses(outcome)) for outcome in speaking)
    told = "; ".join([*first, f"{counted(more, 'more check')} {_OTHERS[status]}"] if more else first)
    if status == "pass" and unlooked:
        names = [inside(outcome.title) for outcome in unlooked]
        told += f" (not checked: {', '.join(names)})" if len(names) <= NAMED else f" ({len(names)} could not be made)"
    return told


def _clauses(outcome: Outcome) -> tuple[str, ...]:
    """Its reason; of one that could not be made, each thing that it lacks."""
    reason = outcome.finding.reason
    return tuple(dict.fromkeys(reason.split("; "))) if outcome.status == "not-checked" else (reason,)


def inside(title: str) -> str:
    """A title within a sentence: its first letter small, names and abbreviations as they are."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
