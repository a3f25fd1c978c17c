"""The report as one self-contained HTML page.

Everything comes from the `Report` value: no check, cause or exhibit is known by name. The page allows itself one script and one style
sheet, by their hashes, and nothing else; all text of the run is escaped, and what it hides is written out. The same report gives the
same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from postmortem.model import WORST_FIRST, Detail, Report, RunReport
from postmortem.render import wording
from postmortem.render.briefs import worst_first
from postmortem.render.compact import compacted_script, compacted_style
from postmortem.render.embedded import embedded_json
from postmortem.render.fitting import fitted
from postmortem.render.views import pages_by_id, view_at, view_runs

OVERVIEW_BYTES: Mapping[Detail, int] = {"row": 1_000, "brief": 1_800, "full": 3_500}
"""What a row of the overview takes at most; most of it is the small picture of the loss."""


class TemplatesMissingError(RuntimeError):
    """The templates of the reports are neither in the package nor beside it: the installation is incomplete."""


def render_html(report: Report) -> str:
    """The whole page, scripts and styles in it.

    Raises:
        TemplatesMissingError: where the installation has no templates.
    """
    folder = templates_folder()
    style = style_of(folder, "report.css")
    script = script_of(folder, "tables.js", "report.js")
    templates = environment(folder)
    section = _sections(templates, report)
    if len(report.runs) > 1:
        whole = report
        report = fitted(
            whole,
            lambda run, index: (
                OVERVIEW_BYTES[run.detail] + len(section(run, index).encode()) + len(embedded_json(replace(whole, runs=(run,))))
            ),
        )
    views = view_runs(report)
    order = worst_first(report.runs)
    page: str = templates.get_template("report.html.j2").render(
        report=report,
        runs=views,
        overview_rows=[views[index] for index in order],
        sections=[section(report.runs[index], index) for index in order],
        policy=content_policy(script, style),
        style=Markup(style),
        script=Markup(script),
        data=Markup(embedded_json(report)),
    )
    return page


def _sections(templates: Environment, report: Report) -> Callable[[RunReport, int], Markup]:
    """What lays out the section of a run at a place of the report, each once."""
    pages = pages_by_id(report)
    template = templates.get_template("run.html.j2")
    laid_out: dict[tuple[int, Detail], Markup] = {}

    def section(run: RunReport, index: int) -> Markup:
        if run.detail == "row":
            return Markup("")
        if (index, run.detail) not in laid_out:
            level = 1 if len(report.runs) == 1 else 2
            laid_out[index, run.detail] = Markup(template.render(view=view_at(report, run, index, pages), level=level, report=report))
        return laid_out[index, run.detail]

    return section


def templates_folder(package: Path = Path(__file__).parent.parent) -> Path:
    """The folder of templates: within the package where it was installed from a wheel, else beside it.

    Raises:
        TemplatesMissingError: where it is in neither place.
    """
    places = (package / "templates", package.parent / "templates")
    for place in places:
        if (place / "report.html.j2").is_file():
            return place
    raise TemplatesMissingError(f"no report templates in {places[0]} or {places[1]}; install the package again")


def content_policy(script: str, style: str) -> str:
    """Content-Security-Policy that allows this script and this style sheet, and no request to anywhere."""
    allowed = f"script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def style_of(folder: Path, *names: str) -> str:
    """The style sheet of a page, from its parts."""
    return compacted_style("\n".join((folder / name).read_text(encoding="utf-8") for name in names))


def script_of(folder: Path, *names: str) -> str:
    """The one script of a page, from its parts: what an earlier part names, a later one uses."""
    return compacted_script("\n".join((folder / name).read_text(encoding="utf-8") for name in names))


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def environment(folder: Path) -> Environment:
    """The templates of a folder, with the filters that they share; all that they print is escaped, and written out where it is unseen."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_written_out,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    for filter in (
        wording.certainty,
        wording.number,
        wording.odds,
        wording.paragraphs,
        wording.percent,
        wording.plural,
        wording.prose,
        wording.sentence,
        wording.size,
    ):
        environment.filters[filter.__name__] = filter
    environment.globals["quantity"] = wording.quantity
    environment.globals["worst_first"] = WORST_FIRST
    return environment


def _written_out(value: object) -> object:
    """Runs over everything that a template prints, before it is escaped: text with all unseen characters written out."""
    return wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
