"""The report on a terminal: verdict, causes with their evidence, the checklist, and what could not be read."""

from __future__ import annotations

import io
import shutil

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from postmortem.model import Outcome, RankedCause, Report, RunReport, Status, Verdict
from postmortem.render.wording import SIGNS, VERDICTS, label, leading_tags, onset, percent, plural, size, visible

STYLES: dict[Status, str] = {"fail": "bold red", "warn": "yellow", "pass": "green", "not-checked": "dim", "not-applicable": "dim"}
VERDICT_STYLES: dict[Verdict, str] = {
    "failed": "bold red",
    "suspect": "bold yellow",
    "healthy": "bold green",
    "inconclusive": "bold cyan",
    "unreadable": "bold magenta",
}
LISTED_PROBLEMS = 10
PLAIN_WIDTH = 100
"""Columns where there is no terminal: the same input gives the same text."""


def render_text(report: Report, *, colour: bool = False) -> str:
    """The report as text.

    Args:
        colour: whether it goes to a terminal: then its width and NO_COLOR are respected, else lines are 100 columns wide and plain.
    """
    width = min(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, 120) if colour else PLAIN_WIDTH
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="auto" if colour else None, highlight=False, emoji=False)
    if len(report.runs) > 1:
        _overview(console, report)
    for run in report.runs:
        _run(console, run)
    return out.getvalue()


def _overview(console: Console, report: Report) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "verdict", "sure", "most likely cause"):
        table.add_column(heading)
    for run in report.runs:
        top = run.causes[0] if run.causes else None
        table.add_row(
            Text(visible(label(run))),
            Text(VERDICTS[run.verdict], VERDICT_STYLES[run.verdict]),
            Text(percent(top.probability) if top else ""),
            Text(top.title if top else ""),
        )
    console.print(table)
    console.print()


def _run(console: Console, run: RunReport) -> None:
    outcomes = {outcome.id: outcome for outcome in run.checks}
    title = Text()
    title.append(VERDICTS[run.verdict], VERDICT_STYLES[run.verdict])
    title.append(f"  {visible(run.path)}", "bold")
    console.print(title)
    counted = run.artifacts
    console.print(
        Text(
            f"{plural(counted.event_files, 'event file')}, {plural(counted.logs, 'log')}, {plural(counted.scalars, 'scalar')}, "
            f"{plural(counted.checkpoints, 'checkpoint')}, {plural(counted.parameters, 'parameter')}, "
            f"{plural(counted.manifests, 'manifest')}, {size(counted.bytes)}",
            "dim",
        )
    )
    if taken := leading_tags(run.tags):
        _indented(console, 0, Text(visible(taken), "dim"))
    _indented(console, 0, Text(visible(run.headline)))
    if run.onset is not None:
        _indented(console, 0, Text(visible(onset(run.onset))))
    for rank, cause in enumerate(run.causes, start=1):
        _cause(console, rank, cause, outcomes)
    _checklist(console, run)
    _unread(console, run)
    console.print()


def _cause(console: Console, rank: int, cause: RankedCause, outcomes: dict[str, Outcome]) -> None:
    line = Text(f"{rank}. ")
    line.append(cause.title, "bold")
    line.append(f"  {percent(cause.probability)}  {cause.id}")
    if cause.explained_by:
        line.append(f"  brought about by {cause.explained_by}", "dim")
    console.print()
    console.print(line)
    _indented(console, 3, Text(visible(cause.summary)))
    for id in cause.evidence:
        if id in outcomes and outcomes[id].alarmed:
            _indented(console, 3, _outcome_line(outcomes[id]))
    for id in cause.against:
        if id in outcomes:
            _indented(console, 3, Text(f"against: {id}: {visible(outcomes[id].finding.reason)}", "dim"))
    _indented(console, 3, Text.assemble(("Fix: ", "bold"), visible(cause.fix)))
    _indented(console, 3, Text.assemble(("Confirm: ", "bold"), visible(cause.confirm)))


def _outcome_line(outcome: Outcome) -> Text:
    line = Text()
    line.append(f"[{SIGNS[outcome.status]}] ", STYLES[outcome.status])
    line.append(f"{outcome.id}: {visible(outcome.finding.reason)}")
    if outcome.finding.first_step is not None:
        line.append(f" (first at step {outcome.finding.first_step})", "dim")
    return line


def _checklist(console: Console, run: RunReport) -> None:
    console.print()
    console.print(Text("Checklist", "bold"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(ratio=2)
    table.add_column(ratio=3)
    for item in run.checklist:
        table.add_row(
            Text(f"[{SIGNS[item.status]}]", STYLES[item.status]),
            Text(item.title, STYLES[item.status] if item.status in ("fail", "warn") else ""),
            Text(visible(item.reason), "" if item.status in ("fail", "warn") else "dim"),
        )
    console.print(table)
    console.print(Text("x failed  ! warned  + passed  ? not checked  - not applicable", "dim"))


def _unread(console: Console, run: RunReport) -> None:
    if not run.problems:
        return
    console.print()
    console.print(Text(f"Problems ({len(run.problems)})", "bold"))
    for problem in run.problems[:LISTED_PROBLEMS]:
        _indented(console, 0, Text(f"{visible(problem.path)}: {problem.kind}: {visible(problem.detail)}"))
    if len(run.problems) > LISTED_PROBLEMS:
        console.print(Text(f"and {len(run.problems) - LISTED_PROBLEMS} more; the HTML and JSON reports list all", "dim"))


def _indented(console: Console, columns: int, text: Text) -> None:
    console.print(Padding(text, (0, 0, 0, columns)), soft_wrap=False)
