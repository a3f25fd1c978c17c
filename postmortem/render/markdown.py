"""The report to paste into a ticket: at most sixty lines of Markdown, however many runs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postmortem.model import Outcome, RankedCause, Report, RunReport, percent
from postmortem.render import briefs
from postmortem.render.wording import VERDICTS, label, leading_tags, onset, plural, visible

MAX_LINES = 60
LISTED_CAUSES = 4
LISTED_EVIDENCE = 6
LISTED_PROBLEMS = 5

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def render_markdown(report: Report) -> str:
    """A table of the runs where there are several, else the one run in full."""
    lines = _one(report.runs[0]) if len(report.runs) == 1 else _several(report)
    return "\n".join(lines[:MAX_LINES]) + "\n"


# --- several runs -----------------------------------------------------------------------------------------------------


def _several(report: Report) -> list[str]:
    lines = [f"## {briefs.tally(report.runs)}", "", "| run | verdict | most likely cause | sure |", "|---|---|---|--:|"]
    room = MAX_LINES - len(lines) - 2
    worst_first = briefs.ordered(report.runs)
    for run in worst_first[:room]:
        top = briefs.named(run)
        cells = (_safe(label(run)), VERDICTS[run.verdict], top.title if top else "", percent(top.probability) if top else "")
        lines.append(f"| {' | '.join(cells)} |")
    if len(worst_first) > room:
        lines += ["", f"and {len(worst_first) - room} more runs"]
    return lines


# --- one run ----------------------------------------------------------------------------------------------------------


def _one(run: RunReport) -> list[str]:
    """Verdict, cause, what to do, the numbers behind it, and what stayed open: in the order in which a ticket is read."""
    likely = [cause for cause in run.causes if cause.probability >= briefs.LIKELY]
    lines = [f"## {VERDICTS[run.verdict]}: {_safe(run.path)}", ""]
    if likely:
        lines += [f"**{likely[0].title}** ({briefs.sure(likely[0])}, `{likely[0].id}`): {_safe(likely[0].summary)}"]
    else:
        lines += [_safe(run.headline)]
    if run.onset is not None:
        lines += ["", _safe(onset(run.onset))]
    lines += _next(run, likely)
    lines += _evidence(briefs.grounds(likely[:1] or run.causes[:1], run.checks))
    lines += _others([cause for cause in run.causes if cause not in likely[:1]])
    lines += _open(run)
    lines += _inputs(run)
    return lines


def _next(run: RunReport, likely: Sequence[RankedCause]) -> list[str]:
    steps = briefs.next_steps(run)
    if not steps:
        return []
    lines = ["", f"**{'What to do next' if likely else 'What to log next time'}**", ""]
    lines += [f"{place}. {_safe(step)}" for place, step in enumerate(steps, start=1)]
    return [*lines, "", f"**Cheapest experiment:** {_safe(likely[0].confirm)}"] if likely else lines


def _evidence(alarms: Sequence[Outcome]) -> list[str]:
    """A table of what was measured and the line it crossed, each with its unit."""
    if not alarms:
        return []
    lines = ["", "| check | measured | line | seen |", "|---|--:|--:|---|"]
    for outcome in alarms[:LISTED_EVIDENCE]:
        found, limit = outcome.finding, outcome.finding.threshold
        line = briefs.amount(limit.value, limit.unit) if limit is not None else "-"
        cells = (f"`{outcome.id}`", _safe(briefs.amount(found.value, found.unit)), _safe(line), _safe(briefs.sentence(found.reason)))
        lines.append(f"| {' | '.join(cells)} |")
    if len(alarms) > LISTED_EVIDENCE:
        lines += ["", f"and {plural(len(alarms) - LISTED_EVIDENCE, 'more check')} that failed or warned"]
    return lines


def _others(causes: Sequence[RankedCause]) -> list[str]:
    told = []
    for cause in causes[:LISTED_CAUSES]:
        origin = f", brought about by `{cause.explained_by}`" if cause.explained_by else ""
        told.append(f"{cause.title} ({percent(cause.probability)}, `{cause.id}`{origin})")
    return ["", f"**Other causes:** {'; '.join(told)}."] if told else []


def _open(run: RunReport) -> list[str]:
    """The checklist in one line: what failed, and what could not be judged."""
    failed = [item.id for item in run.checklist if item.status in ("fail", "warn")]
    passed = sum(item.status == "pass" for item in run.checklist)
    unjudged = briefs.open_items(run)
    told = [f"{passed} of {len(run.checklist)} items passed"]
    told += [f"{len(failed)} failed or warned ({', '.join(failed)})"] if failed else []
    # The names of nearly all of them tell nothing.
    named = f" ({', '.join(unjudged)})" if unjudged and len(unjudged) <= len(run.checklist) // 2 else ""
    told += [f"{len(unjudged)} could not be judged{named}"] if unjudged else []
    return ["", f"**Checklist:** {'; '.join(told)}."]


def _inputs(run: RunReport) -> list[str]:
    taken = f". {_safe(leading_tags(run.tags))}" if leading_tags(run.tags) else ""
    lines = ["", f"**Inputs:** {briefs.read_from(run)}{taken}."]
    if run.problems:
        lines += ["", f"**{plural(len(run.problems), 'file')} could not be read whole:**", ""]
        lines += [f"- {_safe(problem.path)}: {problem.kind}: {_safe(problem.detail)}" for problem in run.problems[:LISTED_PROBLEMS]]
    if len(run.problems) > LISTED_PROBLEMS:
        lines += [f"- and {len(run.problems) - LISTED_PROBLEMS} more"]
    return lines


def _safe(text: str) -> str:
    """A stranger's text as text: nothing in it is markup, a mention or a link."""
    return _SPECIAL.sub(r"\\\1", visible(text)).replace("@", "@\u200b").replace("://", ":\u200b//")
