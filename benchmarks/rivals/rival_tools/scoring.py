"""How often a tool was right, and how often it cried wolf."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rival_tools.findings import Answer

Truths = Mapping[str, Collection[str]]
"""Run -> causes that are right; none for a healthy run."""


@dataclass(frozen=True, slots=True)
class Score:
    """Counts over the runs that a tool was asked of."""

    faulty: int
    first: int
    """Faulty runs where the likeliest cause of the first finding that is credited with any is right."""
    first_finding: int
    """Faulty runs where that finding is credited with a right cause at all."""
    anywhere: int
    """Faulty runs where any finding is."""
    healthy: int
    alarmed: int
    """Healthy runs with a warning or worse."""
    errors: int
    """Runs of either kind without an answer. They count as not named, and as not alarmed."""


def score(answers: Mapping[str, Answer], truths: Truths) -> Score:
    """The score over the runs that both know."""
    faulty = [(answer, truths[run]) for run, answer in answers.items() if truths.get(run)]
    healthy = [answer for run, answer in answers.items() if run in truths and not truths[run]]
    return Score(
        faulty=len(faulty),
        first=sum(bool(answer.causes) and answer.causes[0] in right for answer, right in faulty),
        first_finding=sum(bool(answer.groups) and not set(answer.groups[0]).isdisjoint(right) for answer, right in faulty),
        anywhere=sum(not set(answer.causes).isdisjoint(right) for answer, right in faulty),
        healthy=len(healthy),
        alarmed=sum(answer.alarms > 0 for answer in healthy),
        errors=sum(bool(answer.error) for answer in (*(one for one, _ in faulty), *healthy)),
    )


def together(every: Mapping[str, Mapping[str, Answer]], truths: Truths) -> Score:
    """The score of the best of all tools, run by run: right where one of them is, alarmed where one of them is."""
    alone = [{run: score({run: answer}, truths) for run, answer in answers.items()} for answers in every.values()]
    runs = {run: [scores[run] for scores in alone if run in scores] for run in {run for scores in alone for run in scores}}

    def best(values: Iterable[Iterable[int]]) -> int:
        return sum(max(of_run) for of_run in values)

    return Score(
        faulty=best([one.faulty for one in scores] for scores in runs.values()),
        first=best([one.first for one in scores] for scores in runs.values()),
        first_finding=best([one.first_finding for one in scores] for scores in runs.values()),
        anywhere=best([one.anywhere for one in scores] for scores in runs.values()),
        healthy=best([one.healthy for one in scores] for scores in runs.values()),
        alarmed=best([one.alarmed for one in scores] for scores in runs.values()),
        errors=best([one.errors for one in scores] for scores in runs.values()),
    )


def read_truths(runs: Path) -> Truths:
    """The truths of the runs that have a `truth.json` with the key `causes`."""
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8"))["causes"] for path in sorted(runs.glob("*/truth.json"))}


def read_answers(file: Path) -> dict[str, Answer]:
    """What a tool's file holds; nothing where there is none yet."""
    if not file.is_file():
        return {}
    return {run: Answer.from_json(one) for run, one in json.loads(file.read_text(encoding="utf-8")).items()}


def write_answers(file: Path, answers: Mapping[str, Answer]) -> None:
    """Replaces a tool's file at once, so that an interruption leaves the old one or the new one."""
    half = file.with_suffix(".part")
    half.write_text(json.dumps({run: answers[run].as_json() for run in sorted(answers)}, indent=1) + "\n", encoding="utf-8")
    half.replace(file)
