"""What the short reports, text and Markdown, say of a run: how sure, what was measured, what to do next, what stayed open."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from postmortem.log_next import ADVICE
from postmortem.model import WORST_FIRST, Outcome, RankedCause, RunReport, multiple, number, percent
from postmortem.render import wording
from postmortem.render.wording import certainty, plural, size

LIKELY = 0.5
POSSIBLE = 0.15
"""Causes below are leads: a table of runs, which has no room for what speaks for them, does not name them."""
"""A cause at or above this is acted upon; one below is only named."""
ADVISED = 3
"""Pieces of advice on what to log, of a run that could not be judged."""
ONLY_IN = {
    "policy": frozenset({"return", "policy-entropy", "policy-divergence"}),
    "adversarial": frozenset({"pair-losses", "pair-scores", "sample-quality"}),
}
"""Family of checks -> advice that is for its kind of run alone."""
LOOKED = frozenset({"pass", "warn", "fail"})
"""Statuses of checks that could look."""


def worst_first(runs: Sequence[RunReport]) -> list[int]:
    """Places of the runs by verdict, the surest cause first, else in their order."""

    def rank(index: int) -> tuple[int, float]:
        run = runs[index]
        return WORST_FIRST.index(run.verdict), -run.causes[0].probability if run.causes else 0.0

    return sorted(range(len(runs)), key=rank)


def ordered(runs: Sequence[RunReport]) -> list[RunReport]:
    """The runs, the worst first."""
    return [runs[index] for index in worst_first(runs)]


def tally(runs: Sequence[RunReport]) -> str:
    """`28 runs: 20 failed, 8 healthy`."""
    counts = {verdict: sum(run.verdict == verdict for run in runs) for verdict in WORST_FIRST}
    return f"{plural(len(runs), 'run')}: {', '.join(f'{count} {verdict}' for verdict, count in counts.items() if count)}"


def sure(cause: RankedCause) -> str:
    """`very likely, 93%`."""
    return f"{certainty(cause.probability)}, {percent(cause.probability)}"


def amount(value: float | None, unit: str) -> str:
    """A measured value with its unit; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    if unit == "share":
        return percent(value)
    if unit == "ratio":
        return f"{number(value)}\u00d7"
    if unit.startswith(wording.LEVEL):
        return f"{multiple(value)} {unit.removeprefix(wording.LEVEL)}"
    if value == 1 and (word := re.fullmatch(r"([a-z]+?)(?:(?<=ch)e|(?<=ss)e)?s", unit)):
        return f"1 {word.group(1)}"
    return number(value) if unit in wording.WITHOUT_NAME else f"{number(value)} {unit}"


def sentence(clause: str) -> str:
    """A clause as a sentence, without the spaces that a page sets before per cent signs: they are in the way of a search."""
    return wording.sentence(clause).replace("\u00a0%", "%")


def named(run: RunReport) -> RankedCause | None:
    """The cause that a table of runs names: the first, where it is more than a lead."""
    return next((cause for cause in run.causes[:1] if cause.probability >= POSSIBLE), None)


def grounds(causes: Sequence[RankedCause], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The alarms that speak for these causes, the strongest first, each once; of no causes, all that there are, failed ones first."""
    if not causes:
        return sorted((outcome for outcome in outcomes if outcome.alarmed), key=lambda outcome: outcome.status != "fail")
    by_id = {outcome.id: outcome for outcome in outcomes}
    found = [by_id[id] for cause in causes for id in cause.evidence if id in by_id and by_id[id].alarmed]
    return list(dict.fromkeys(found))


def next_steps(run: RunReport) -> list[str]:
    """What to do next: the fixes of the likely causes that no other brings about, or what to log where none is likely."""
    likely = [cause for cause in run.causes if cause.probability >= LIKELY and not cause.explained_by]
    if likely:
        return list(dict.fromkeys(cause.fix for cause in likely))
    return [] if run.verdict in ("healthy", "unreadable") else _to_log(run)


def _to_log(run: RunReport) -> list[str]:
    """What to log: the first of `wanted`, without what only another kind of run could log."""
    return [ADVICE[key].what for key in wanted(run) if not _of_another_kind(key, run)][:ADVISED]


def wanted(run: RunReport) -> dict[str, list[Outcome]]:
    """Keys of advice on what to log, each with the checks that it would make possible: what helps the most checks stands first.

    What only agents or adversarial pairs log stands last in a run that shows neither.
    """
    missed: dict[str, list[Outcome]] = {}
    for outcome in run.checks:
        for key in outcome.log_next if outcome.status == "not-checked" else ():
            if key in ADVICE:
                missed.setdefault(key, []).append(outcome)
    return dict(sorted(missed.items(), key=lambda pair: (_of_another_kind(pair[0], run), -len(pair[1]))))


def _of_another_kind(key: str, run: RunReport) -> bool:
    """Whether advice is for agents or pairs, and the run logs a loss like any other and nothing that their checks could look at."""
    family = next((family for family, keys in ONLY_IN.items() if key in keys), "")
    if not family or not any(tag.role == "training-loss" for tag in run.tags):
        return False
    return not any(outcome.family == family and outcome.status in LOOKED for outcome in run.checks)


def open_items(run: RunReport) -> list[str]:
    """Ids of the checklist's items that could not be checked."""
    return [item.id for item in run.checklist if item.status == "not-checked"]


def read_from(run: RunReport) -> str:
    """What the judgement rests on: `1 event file, 505 scalars, 5 checkpoints, 1.2 MB`, without what there is none of."""
    counted = run.artifacts
    found = (
        (counted.event_files, "event file"),
        (counted.logs, "log"),
        (counted.scalars, "scalar"),
        (counted.checkpoints, "checkpoint"),
        (counted.parameters, "parameter"),
        (counted.manifests, "manifest"),
    )
    return ", ".join([plural(count, noun) for count, noun in found if count] + [size(counted.bytes)])
