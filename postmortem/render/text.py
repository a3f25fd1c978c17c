"""The report on a terminal: in ten seconds the verdict, the cause, how sure, what to do; then one line for each piece of evidence."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from postmortem.model import Outcome, RankedCause, Report, RunReport, Status, Verdict, percent
from postmortem.render import briefs
from postmortem.render.wording import SIGNS, VERDICTS, label, leading_tags, onset, plural, visible

STYLES: dict[Status, str] = {"fail": "bold red", "warn": "yellow", "pass": "green", "not-checked": "dim", "not-applicable": "dim"}
VERDICT_STYLES: dict[Verdict, str] = {
    "failed": "bold red",
    "suspect": "bold yellow",
    "healthy": "bold green",
    "inconclusive": "bold cyan",
    "unreadable": "bold magenta",
}
LISTED_PROBLEMS = 10
LISTED_EVIDENCE = 6
RUNS_IN_FULL = 3
"""Of more runs than these, only those that are not healthy are told of, in short."""
RUNS_IN_SHORT = 12
"""Of more runs that are not healthy than these, the table is all: nobody reads on."""
LONGEST_NAME = 40
"""Columns that the name of a run takes in a table."""
PLAIN_WIDTH = 100
"""Columns where there is no terminal: the same input gives the same text."""
_QUIET: tuple[tuple[Status, str], ...] = (("pass", "passed"), ("not-checked", "not checked"), ("not-applicable", "not applicable"))


def render_text(report: Report, *, colour: bool = False) -> str:
    """The report as text.

    Args:
        colour: whether it goes to a terminal: then its width and NO_COLOR are respected, else lines are 100 columns wide and plain.
    """
    width = min(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, 120) if colour else PLAIN_WIDTH
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="auto" if colour else None, highlight=False, emoji=False)
    if len(report.runs) == 1:
        _run(console, report.runs[0])
    elif len(report.runs) <= RUNS_IN_FULL:
        _overview(console, report.runs)
        for run in briefs.ordered(report.runs):
            console.print()
            _run(console, run)
    else:
        _overview(console, report.runs)
        _in_short(console, report.runs)
    text = out.getvalue()
    return text if colour else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


# --- several runs -----------------------------------------------------------------------------------------------------


def _overview(console: Console, runs: Sequence[RunReport]) -> None:
    """One row a run, the worst first."""
    console.print(Text(briefs.tally(runs), "bold"))
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    # Verdict and cause must be read whatever a run is called.
    table.add_column("run", overflow="ellipsis", no_wrap=True, max_width=min(LONGEST_NAME, console.width // 3))
    table.add_column("verdict", no_wrap=True)
    table.add_column("most likely cause", overflow="ellipsis", no_wrap=True)
    table.add_column("sure", justify="right", no_wrap=True)
    for run in briefs.ordered(runs):
        top = briefs.named(run)
        table.add_row(
            Text(visible(label(run))),
            Text(VERDICTS[run.verdict], VERDICT_STYLES[run.verdict]),
            Text(top.title if top else "", "" if top and top.probability >= briefs.LIKELY else "dim"),
            Text(percent(top.probability) if top else ""),
        )
    console.print(table)


def _in_short(console: Console, runs: Sequence[RunReport]) -> None:
    """Verdict, headline and what to do of each run that is not healthy, where they are few enough to be read."""
    told = [run for run in briefs.ordered(runs) if run.verdict != "healthy"]
    if not told:
        return
    if len(told) <= RUNS_IN_SHORT:
        for run in told:
            console.print()
            _title(console, run)
            _indented(console, 0, Text(visible(run.headline)))
            for step in briefs.next_steps(run)[:1]:
                _indented(console, 0, Text.assemble(("Next: ", "bold"), visible(step)))
    console.print()
    console.print(Text("Give the path of one run for its evidence, or see the HTML report.", "dim"))


# --- one run ----------------------------------------------------------------------------------------------------------


def _run(console: Console, run: RunReport) -> None:
    _title(console, run)
    likely = [cause for cause in run.causes if cause.probability >= briefs.LIKELY]
    if likely:
        _indented(console, 0, Text.assemble((likely[0].title, "bold"), f" ({briefs.sure(likely[0])})"))
        _indented(console, 0, Text(visible(likely[0].summary)))
    else:
        _indented(console, 0, Text(visible(run.headline)))
    if run.onset is not None:
        _indented(console, 0, Text(visible(onset(run.onset)), "dim"))
    _next(console, run, likely)
    told = _evidence(console, briefs.grounds(likely[:1], run.checks), likely[0].summary if likely else run.headline, bool(likely))
    _others(console, run, likely[:1])
    _checklist(console, run, told)
    _unread(console, run)
    console.print()
    _indented(console, 0, Text(f"Read: {briefs.read_from(run)}", "dim"))
    if taken := leading_tags(run.tags):
        _indented(console, 0, Text(visible(taken), "dim"))


def _title(console: Console, run: RunReport) -> None:
    console.print(Text.assemble((VERDICTS[run.verdict], VERDICT_STYLES[run.verdict]), (f"  {visible(run.path)}", "bold")))


def _next(console: Console, run: RunReport, likely: Sequence[RankedCause]) -> None:
    steps = briefs.next_steps(run)
    if not steps:
        return
    _heading(console, "What to do next" if likely else "What to log next time")
    for place, step in enumerate(steps, start=1):
        _listed(console, Text(f"{place}.", "bold"), Text(visible(step)))
    if likely:
        _indented(console, 0, Text.assemble(("Cheapest experiment: ", "bold"), visible(likely[0].confirm)))


def _evidence(console: Console, alarms: Sequence[Outcome], summary: str, of_cause: bool) -> list[str]:
    """What else was seen, one sentence a check, and all that has now been told: nothing is told twice."""
    told = [outcome.finding.reason for outcome in alarms if outcome.finding.reason.lower().rstrip(".") in summary.lower()]
    rest = [outcome for outcome in alarms if outcome.finding.reason not in told]
    if rest:
        _heading(console, ("More evidence" if told else "Evidence") if of_cause else "What was seen")
    for outcome in rest[:LISTED_EVIDENCE]:
        _listed(console, _sign(outcome.status), Text.assemble((f"{outcome.id}: ", "bold"), visible(outcome.finding.reason)))
    if len(rest) > LISTED_EVIDENCE:
        console.print(Text(f"and {len(rest) - LISTED_EVIDENCE} more", "dim"))
    return told + [outcome.finding.reason for outcome in rest[:LISTED_EVIDENCE]]


def _others(console: Console, run: RunReport, told: Sequence[RankedCause]) -> None:
    """The causes that were not told of yet, two lines for a likely one and one for each other."""
    others = [cause for cause in run.causes if cause not in told]
    if not others:
        return
    _heading(console, "Other causes" if told else "Possible causes")
    for cause in others:
        origin = f", brought about by {cause.explained_by}" if cause.explained_by else ""
        line = Text.assemble((cause.title, "bold"), f" ({briefs.sure(cause)}{origin})")
        if cause.probability >= briefs.LIKELY or not told:
            line.append(f": {visible(cause.summary)}")
        _listed(console, Text("-", "dim"), line)


def _checklist(console: Console, run: RunReport, told: Sequence[str]) -> None:
    """Items that failed or warned with the sentence that is most to the point, unless it was told above; the others by name."""
    _heading(console, "Checklist")
    if len(briefs.open_items(run)) == len(run.checklist):
        console.print(Text(f"None of its {plural(len(run.checklist), 'item')} could be checked.", "dim"))
        return
    for item in run.checklist:
        if item.status in ("fail", "warn"):
            first = item.reason.split("; ")[0]
            seen = " See above." if first in told else f" {briefs.sentence(first)}"
            _listed(console, _sign(item.status), Text.assemble((item.title, STYLES[item.status]), visible(seen)))
    for status, said in _QUIET:
        ids = [item.id for item in run.checklist if item.status == status]
        if ids:
            _listed(console, _sign(status), Text(f"{len(ids)} {said}: {', '.join(ids)}", "dim"))


def _unread(console: Console, run: RunReport) -> None:
    if not run.problems:
        return
    _heading(console, f"{plural(len(run.problems), 'file')} could not be read whole")
    for problem in run.problems[:LISTED_PROBLEMS]:
        _listed(console, Text("-", "dim"), Text(f"{visible(problem.path)}: {problem.kind}: {visible(problem.detail)}"))
    if len(run.problems) > LISTED_PROBLEMS:
        console.print(Text(f"and {len(run.problems) - LISTED_PROBLEMS} more; the HTML and JSON reports list all", "dim"))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, "bold"))


def _sign(status: Status) -> Text:
    return Text(f"[{SIGNS[status]}]", STYLES[status])


def _listed(console: Console, mark: Text, text: Text) -> None:
    """An entry of a list, its further lines under its first."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_row(mark, text)
    console.print(table)


def _indented(console: Console, columns: int, text: Text) -> None:
    console.print(Padding(text, (0, 0, 0, columns)), soft_wrap=False)
