"""The report as one self-contained HTML page.

Everything comes from the `Report` value: no check, cause or exhibit is known by name. The page allows itself one script and one style
sheet, by their hashes, and nothing else; all text of the run is escaped, and what it hides is written out. The same report gives the
same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from postmortem.model import Page, Report
from postmortem.render import wording
from postmortem.render.json import render_json
from postmortem.render.views import view_runs


class TemplatesMissingError(RuntimeError):
    """The templates of the reports are neither in the package nor beside it: the installation is incomplete."""


def render_html(report: Report) -> str:
    """The whole page, scripts and styles in it.

    Raises:
        TemplatesMissingError: where the installation has no templates.
    """
    folder = templates_folder()
    style = (folder / "report.css").read_text(encoding="utf-8")
    script = (folder / "report.js").read_text(encoding="utf-8")
    page: str = (
        _environment(folder)
        .get_template("report.html.j2")
        .render(
            report=report,
            runs=view_runs(report),
            policy=content_policy(script, style),
            style=Markup(style),
            script=Markup(script),
            data=Markup(embeddable(render_json(replace(report, pages=shown_pages(report))))),
        )
    )
    return page


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


def shown_pages(report: Report) -> tuple[Page, ...]:
    """Docs that the page shows: those of causes, and of checks that raised an alarm. The rest would be a third of its bytes."""
    alarmed = {outcome.id for run in report.runs for outcome in run.checks if outcome.alarmed}
    return tuple(page for page in report.pages if page.kind == "cause" or page.id in alarmed)


def content_policy(script: str, style: str) -> str:
    """Content-Security-Policy that allows this script and this style sheet, and no request to anywhere."""
    allowed = f"script-src '{_hash(script)}'; style-src '{_hash(style)}'"
    return f"default-src 'none'; {allowed}; img-src data:; base-uri 'none'; form-action 'none'"


def embeddable(json_text: str) -> str:
    """JSON that can stand in a script element: no `<` that could end it."""
    return json_text.replace("<", "\\u003c")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _environment(folder: Path) -> Environment:
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
    return environment


def _written_out(value: object) -> object:
    """Runs over everything that a template prints, before it is escaped: text with all unseen characters written out."""
    return wording.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
