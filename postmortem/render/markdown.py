"""The report to paste into a ticket: at most sixty lines of Markdown, however many runs."""

from __future__ import annotations

import re

from postmortem.model import Report, RunReport
from postmortem.render.wording import VERDICTS, label, leading_tags, number, onset, percent, visible

MAX_LINES = 60
RUNS_IN_FULL = 1
LISTED_CAUSES = 3
LISTED_EVIDENCE = 5

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def render_markdown(report: Report) -> str:
    """A table of the runs where there are several, else the one run in full."""
    lines = _one(report.runs[0]) if len(report.runs) == RUNS_IN_FULL else _several(report)
    return "\n".join(lines[:MAX_LINES]) + "\n"


def _several(report: Report) -> list[str]:
    lines = [f"## postmortem: {len(report.runs)} runs", "", "| run | verdict | most likely cause | sure |", "|---|---|---|---|"]
    room = MAX_LINES - len(lines) - 2
    ordered = sorted(report.runs, key=lambda run: ("failed", "suspect", "unreadable", "inconclusive", "healthy").index(run.verdict))
    for run in ordered[:room]:
        top = run.causes[0] if run.causes else None
        cells = (_safe(label(run)), VERDICTS[run.verdict], top.title if top else "", percent(top.probability) if top else "")
        lines.append(f"| {' | '.join(cells)} |")
    if len(ordered) > room:
        lines += ["", f"and {len(ordered) - room} more runs"]
    return lines


def _one(run: RunReport) -> list[str]:
    outcomes = {outcome.id: outcome for outcome in run.checks}
    lines = [f"## {VERDICTS[run.verdict]}: {_safe(run.path)}", "", _safe(run.headline), ""]
    if run.onset is not None:
        lines += [_safe(onset(run.onset)), ""]
    for rank, cause in enumerate(run.causes[:LISTED_CAUSES], start=1):
        origin = f", brought about by `{cause.explained_by}`" if cause.explained_by else ""
        lines += [f"{rank}. **{cause.title}** ({percent(cause.probability)}, `{cause.id}`{origin}): {_safe(cause.summary)}"]
        lines += [f"   - Fix: {_safe(cause.fix)}", f"   - Confirm: {_safe(cause.confirm)}"]
    evidence = [outcomes[id] for cause in run.causes for id in cause.evidence if id in outcomes and outcomes[id].alarmed]
    evidence = list(dict.fromkeys(evidence))[:LISTED_EVIDENCE]
    if evidence:
        lines += ["", "| check | measured | line | seen |", "|---|---|---|---|"]
    for outcome in evidence:
        limit = outcome.finding.threshold
        cells = (f"`{outcome.id}`", number(outcome.finding.value), number(limit.value if limit else None), _safe(outcome.finding.reason))
        lines.append(f"| {' | '.join(cells)} |")
    if taken := leading_tags(run.tags):
        lines += ["", f"{_safe(taken)}."]
    counts = {status: sum(item.status == status for item in run.checklist) for status in ("fail", "warn", "pass", "not-checked")}
    lines += ["", "Checklist: " + ", ".join(f"{count} {status}" for status, count in counts.items()) + "."]
    if run.problems:
        lines += ["", f"{len(run.problems)} of its files could not be read whole:"]
        lines += [f"- {_safe(problem.path)}: {problem.kind}: {_safe(problem.detail)}" for problem in run.problems[:LISTED_EVIDENCE]]
    return lines


def _safe(text: str) -> str:
    """A stranger's text as text: nothing in it is markup, a mention or a link."""
    return _SPECIAL.sub(r"\\\1", visible(text)).replace("@", "@\u200b").replace("://", ":\u200b//")
