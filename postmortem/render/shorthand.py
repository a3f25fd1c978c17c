"""Shorter ways of writing the JSON of a run, for the page that carries it, and back. Nothing is lost.

A page of a small run holds 170 checks, most of which have nothing to say beyond their status and reason. Names stay what they are, so that
whoever reads the JSON out of a page finds them; what is absent is what `restored` fills in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

JsonObject = dict[str, Any]

DEFAULTS: Mapping[str, object] = {
    "value": None,
    "threshold": None,
    "unit": "",
    "first_step": None,
    "where": [],
    "family": "",
    "figure": "",
    "threshold_basis": None,
    "log_next": [],
    "error": "",
    "vital": False,
    "decisive": False,
    "grave": False,
}
"""What a name of a check stands for where it is absent."""


def shortened(run: JsonObject) -> JsonObject:
    """The run's JSON without what goes without saying; the given one is left as it was.

    Absent of a check: what is in `DEFAULTS`, a basis that says no more than the threshold and its unit, and the checklist's items where
    they are those that name the check. A reason that several checks have stands once, in `reasons`: theirs is its position. Steps that lie
    equally far apart are written as `{"from": first, "by": distance}`.
    """
    items = _items_by_check(run)
    counts = Counter(check["reason"] for check in run["checks"])
    reasons = {reason: index for index, reason in enumerate(reason for reason, count in counts.items() if count > 1)}
    return run | {
        "checks": [_short_check(check | {"reason": reasons.get(check["reason"], check["reason"])}, items) for check in run["checks"]],
        **({"reasons": list(reasons)} if reasons else {}),
        "exhibits": [_with_steps(exhibit, _short_steps) for exhibit in run["exhibits"]],
    }


def restored(run: JsonObject) -> JsonObject:
    """What `shortened` was given, but for a basis that says nothing of its own; a run that was never shortened comes back as it is."""
    items = _items_by_check(run)
    reasons: Sequence[str] = run.get("reasons", ())
    checks = [{**DEFAULTS, "checklist": items.get(check["id"], []), **check} for check in run["checks"]]
    return {name: value for name, value in run.items() if name != "reasons"} | {
        "checks": [check | {"reason": _reason(check["reason"], reasons)} for check in checks],
        "exhibits": [_with_steps(exhibit, _full_steps) for exhibit in run.get("exhibits", [])],
    }


def _reason(told: str | int, reasons: Sequence[str]) -> str:
    return told if isinstance(told, str) else reasons[told]


def _items_by_check(run: JsonObject) -> Mapping[str, list[str]]:
    items: dict[str, list[str]] = {}
    for item in run["checklist"]:
        for check in item["checks"]:
            items.setdefault(check, []).append(item["id"])
    return items


def _short_check(check: JsonObject, items: Mapping[str, list[str]]) -> JsonObject:
    basis = {"value": check["threshold"], "unit": check["unit"], "source": "", "half": "", "double": ""}
    unsaid: Mapping[str, object] = {**DEFAULTS, "checklist": items.get(check["id"], [])}
    if check["threshold_basis"] == basis:
        unsaid = {**unsaid, "threshold_basis": basis}
    return {name: value for name, value in check.items() if name not in unsaid or value != unsaid[name]}


def _with_steps(exhibit: JsonObject, written: Callable[[JsonObject], object]) -> JsonObject:
    if exhibit["kind"] != "lines":
        return exhibit
    panels = {name: [curve | {"steps": written(curve)} for curve in exhibit[name]] for name in ("curves", "lower")}
    return exhibit | panels


def _short_steps(curve: JsonObject) -> Sequence[int] | JsonObject:
    steps: Sequence[int] = curve["steps"]
    by = steps[1] - steps[0] if len(steps) > 2 and len(steps) == len(curve["values"]) else 0
    regular = by != 0 and all(step == steps[0] + by * index for index, step in enumerate(steps))
    return {"from": steps[0], "by": by} if regular else steps


def _full_steps(curve: JsonObject) -> Sequence[int]:
    steps: Sequence[int] | JsonObject = curve["steps"]
    if isinstance(steps, dict):
        return [steps["from"] + steps["by"] * index for index in range(len(curve["values"]))]
    return steps
