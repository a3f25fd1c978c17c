"""The page of all runs of a scan, and the same in a few lines of text.

A page of a few hundred runs shows all that the rows hold. Above a size it leaves out small pictures first, then the ends of sentences, then
sentences; what still does not fit is listed in `index.json` alone, and the page says so. The same rows give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from postmortem.model import WORST_FIRST, Fleet, FleetRow, Status, Verdict
from postmortem.render.html import content_policy, environment, script_of, style_of, templates_folder
from postmortem.render.views import VERDICT_SIGNS
from postmortem.render.wording import number, plural, prose, visible

ROOM_BYTES = 1_920_000
"""What the rows of a page may take: script, style sheet, and a head with every cause that there is take 50 kB, and 2 MB is the limit."""
SHORT_NAME = 80
SHORT_SENTENCE = 80
LONGEST_COMMAND = 400
"""Letters of the command that the page shows: a shell may have expanded a glob to thousands of paths."""


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of each row a page shows."""

    pictures: bool
    sentence: int | None
    """Characters of what was seen; None for all of it."""
    name: int | None
    markup_bytes: int
    """What a row takes beside its texts and numbers, at most."""
    said: str = ""
    """What is left out, as the page says it."""


DETAILS = (
    Detail(pictures=True, sentence=None, name=None, markup_bytes=470),
    Detail(pictures=False, sentence=None, name=None, markup_bytes=180, said="pictures of the loss are left out"),
    Detail(False, SHORT_SENTENCE, SHORT_NAME, 180, f"pictures of the loss are left out and sentences cut after {SHORT_SENTENCE} letters"),
    Detail(False, 0, SHORT_NAME, 180, "pictures of the loss and what was seen are left out"),
)
"""From all that there is to the least; the first that fits is taken."""


@dataclass(frozen=True, slots=True)
class RowView:
    """One run, as the page shows it."""

    row: FleetRow
    label: str
    seen: str
    sign: Status
    rank: int
    """5 for the worst verdict, 1 for the best."""


@dataclass(frozen=True, slots=True)
class CauseCount:
    """One cause, and how many runs it is the most likely one of."""

    id: str
    title: str
    count: int
    share: float
    """Of all runs."""


@dataclass(frozen=True, slots=True)
class FleetView:
    """A scan, arranged for the page."""

    title: str
    sign: Status
    rows: tuple[RowView, ...]
    detail: Detail
    verdicts: Mapping[Verdict, int]
    """Runs by verdict, worst first; only what there is."""
    causes: tuple[CauseCount, ...]
    """The most frequent first."""
    uncaused: int
    """Runs whose verdict names no cause."""
    runs: int
    checkpoints: int
    bytes: int
    problems: int
    damaged: int
    """Runs that have problems."""
    notes: tuple[str, ...]
    """What of the rows the page leaves out."""


def render_fleet(fleet: Fleet) -> str:
    """The page of all runs, script and style in it.

    Raises:
        html.TemplatesMissingError: where the installation has no templates.
    """
    folder = templates_folder()
    style = style_of(folder, "report.css", "fleet.css")
    script = script_of(folder, "tables.js", "fleet.js")
    page: str = (
        environment(folder)
        .get_template("fleet.html.j2")
        .render(
            fleet=fleet,
            command=_cut(fleet.command, LONGEST_COMMAND),
            view=view_fleet(fleet),
            signs=VERDICT_SIGNS,
            policy=content_policy(script, style),
            style=Markup(style),
            script=Markup(script),
        )
    )
    return page


def fleet_text(fleet: Fleet) -> str:
    """How many runs, of which verdicts, and the causes, for a terminal."""
    view = view_fleet(fleet)
    tally = ", ".join(f"{number(count)} {verdict}" for verdict, count in view.verdicts.items())
    lines = [f"{view.title}: {tally}" if tally else view.title]
    width = max((len(number(cause.count)) for cause in view.causes), default=0)
    lines += [f"  {number(cause.count):>{width}}  {cause.title}" for cause in view.causes]
    return "".join(f"{visible(line)}\n" for line in lines)


def view_fleet(fleet: Fleet) -> FleetView:
    """The rows worst first, with the counts that stand above them."""
    ordered = sorted(fleet.rows, key=lambda row: (WORST_FIRST.index(row.verdict), -(row.probability or 0.0)))
    names = Counter(row.name for row in ordered)
    labels = [row.path if row.name == "." or names[row.name] > 1 else row.name for row in ordered]
    detail = next((each for each in DETAILS if _fitting(ordered, labels, each) == len(ordered)), DETAILS[-1])
    fitting = _fitting(ordered, labels, detail)
    counts = Counter(row.verdict for row in ordered)
    verdicts = {verdict: counts[verdict] for verdict in WORST_FIRST if counts[verdict]}
    return FleetView(
        title=_title(verdicts),
        sign=VERDICT_SIGNS[next(iter(verdicts), "inconclusive")],
        rows=tuple(_row(row, label, detail) for row, label in zip(ordered[:fitting], labels[:fitting], strict=True)),
        detail=detail,
        verdicts=verdicts,
        causes=_causes(ordered),
        uncaused=sum(not row.cause for row in ordered),
        runs=len(ordered),
        checkpoints=sum(row.checkpoints for row in ordered),
        bytes=sum(row.bytes for row in ordered),
        problems=sum(row.problems for row in ordered),
        damaged=sum(row.problems > 0 for row in ordered),
        notes=(*_unfinished(fleet), *_notes(detail, fitting, len(ordered)), *_without_pages(ordered)),
    )


def _title(verdicts: Mapping[Verdict, int]) -> str:
    """The scan in a few words: the worst that there is."""
    runs = sum(verdicts.values())
    if not runs:
        return "No runs"
    worst, count = next(iter(verdicts.items()))
    if runs == 1:
        return f"One run, {worst}"
    whole = f"All {number(runs)} runs" if count == runs else f"{number(count)} of {number(runs)} runs"
    one = count == 1
    return (
        f"{whole} "
        + {
            "failed": "failed",
            "suspect": "is suspect" if one else "are suspect",
            "unreadable": "could not be read",
            "inconclusive": "is inconclusive" if one else "are inconclusive",
            "healthy": "look healthy",
        }[worst]
    )


def _causes(rows: Iterable[FleetRow]) -> tuple[CauseCount, ...]:
    rows = tuple(rows)
    titles = {row.cause: row.title for row in rows if row.cause}
    counts = Counter(row.cause for row in rows if row.cause)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], titles[pair[0]]))
    return tuple(CauseCount(id, titles[id], count, count / len(rows)) for id, count in ordered)


def _row(row: FleetRow, label: str, detail: Detail) -> RowView:
    return RowView(
        row=row,
        label=_cut(label, detail.name),
        seen=prose(_cut(row.headline, detail.sentence)),
        sign=VERDICT_SIGNS[row.verdict],
        rank=len(WORST_FIRST) - WORST_FIRST.index(row.verdict),
    )


def _cut(text: str, letters: int | None) -> str:
    """The text, or its start with a sign that it is cut."""
    if letters is None or len(text) <= letters:
        return text
    return f"{text[: letters - 1].rstrip()}\u2026" if letters else ""


def _fitting(rows: Sequence[FleetRow], labels: Sequence[str], detail: Detail) -> int:
    """How many of the first rows a page has room for."""
    room = ROOM_BYTES
    for count, (row, label) in enumerate(zip(rows, labels, strict=True)):
        room -= _row_bytes(row, label, detail)
        if room < 0:
            return count
    return len(rows)


def _row_bytes(row: FleetRow, label: str, detail: Detail) -> int:
    """What a row takes on the page, or a few bytes more."""
    texts = [
        _cut(label, detail.name),
        row.title,
        prose(_cut(row.headline, detail.sentence)),
        row.page,
        row.verdict,
        VERDICT_SIGNS[row.verdict],
    ]
    numbers = f"{row.bytes}{row.bytes:.3g}{row.first_step or 0:,}{row.parameters:,}{row.problems:,}"
    # The description of a picture says the name again, the sign of the verdict its class.
    pictured = [label, row.spark, VERDICT_SIGNS[row.verdict], VERDICT_SIGNS[row.verdict]] if detail.pictures else []
    return detail.markup_bytes + len(numbers) + sum(map(_written_bytes, (*texts, *pictured)))


def _written_bytes(text: str) -> int:
    return len(escape(visible(text)).encode())


def _unfinished(fleet: Fleet) -> tuple[str, ...]:
    """That the scan was cut short, if it was."""
    verb = "was" if fleet.missing == 1 else "were"
    missed = f"{plural(fleet.missing, 'run')} of {number(len(fleet.rows) + fleet.missing)} {verb} not analyzed"
    return (f"The scan was interrupted: {missed}.",) if fleet.missing else ()


def _without_pages(rows: Iterable[FleetRow]) -> tuple[str, ...]:
    """Why the name of a run leads nowhere."""
    pages = {bool(row.page) for row in rows if row.verdict not in ("failed", "suspect", "unreadable")}
    return ("Runs that did not fail have no page of their own; --reports all makes one for each.",) if pages == {False} else ()


def _notes(detail: Detail, fitting: int, runs: int) -> tuple[str, ...]:
    notes = []
    if fitting < runs:
        notes.append(f"Only the worst {number(fitting)} of {plural(runs, 'run')} are listed here.")
    if detail.said:
        notes.append(f"To keep the page small, {detail.said}.")
    return (*notes, "The file index.json beside this page has every run in full.") if notes else ()
