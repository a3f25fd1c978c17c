"""A result in the format that was asked for; each format's modules are imported only where it is."""

from __future__ import annotations

from postmortem.model import Fleet, Report


def rendered(result: Report | Fleet, name: str, *, colour: bool = False) -> str:
    """The text of a result in a format: `html`, `json`, `markdown`, `sarif` or `text`; of a scan, `html` or `text`.

    Args:
        colour: whether text may hold the escapes of a terminal.
    """
    if isinstance(result, Fleet):
        from postmortem.render.fleet import fleet_text, render_fleet

        return render_fleet(result) if name == "html" else fleet_text(result)
    if name == "json":
        from postmortem.render.json import render_json

        return render_json(result)
    if name == "html":
        from postmortem.render.html import render_html

        return render_html(result)
    if name == "markdown":
        from postmortem.render.markdown import render_markdown

        return render_markdown(result)
    if name == "sarif":
        from postmortem.render.sarif import render_sarif

        return render_sarif(result)
    from postmortem.render.text import render_text

    return render_text(result, colour=colour)
