"""The answers of other tools on the corpus, as benchmarks/rivals/ keeps them, scored like ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.corpus import Truth


@dataclass(frozen=True, slots=True)
class RivalScore:
    """A rival on the same runs."""

    tool: str
    first: float
    """Share of the faulty runs where the likeliest cause that its first message is credited with is right."""
    credited: float
    """Share where that message is credited with a right cause among whatever else it may stand for: a flat loss stands for 13 causes."""
    any: float
    """Share with a right cause among all messages."""
    alarmed: float
    """Share of the healthy runs with a warning or worse."""
    broken: int
    """Runs without an answer. They count as not named and as not alarmed."""


def rival_scores(folder: Path, truths: Sequence[Truth]) -> list[RivalScore]:
    """Each tool that has answers in the folder, and all of them together: right where one is, alarmed where one is."""
    answers = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    told = {tool: [_told(given.get(truth.name), truth) for truth in truths] for tool, given in answers.items()}
    if not told:
        return []
    scores = [_score(tool, rows, truths) for tool, rows in told.items()]
    together = [tuple(max(column) for column in zip(*rows, strict=True)) for rows in zip(*told.values(), strict=True)]
    return [*scores, _score("all together", together, truths)]


def _told(answer: dict[str, object] | None, truth: Truth) -> tuple[int, ...]:
    """Right first, right among the first message's causes, right anywhere, alarmed, broken: 1 or 0."""
    if answer is None:
        return 0, 0, 0, 0, 1
    groups = answer["groups"]
    causes = answer["causes"]
    assert isinstance(groups, list)
    assert isinstance(causes, list)
    first = bool(causes) and causes[0] in truth.right
    credited = bool(groups) and not truth.right.isdisjoint(groups[0])
    rest = (not truth.right.isdisjoint(causes), bool(answer["alarms"]), bool(answer["error"]))
    return int(first), int(credited), *(int(each) for each in rest)


def _score(tool: str, rows: Sequence[tuple[int, ...]], truths: Sequence[Truth]) -> RivalScore:
    faulty = [row for row, truth in zip(rows, truths, strict=True) if truth.cause]
    healthy = [row for row, truth in zip(rows, truths, strict=True) if not truth.cause]

    def share(of: list[tuple[int, ...]], column: int) -> float:
        return sum(row[column] for row in of) / max(1, len(of))

    return RivalScore(tool, share(faulty, 0), share(faulty, 1), share(faulty, 2), share(healthy, 3), sum(row[4] for row in rows))
