"""The report as the Python interface hands it out: a `model.Report` that can render itself."""

from __future__ import annotations

import html

from postmortem import model


class Report(model.Report):
    """The result of one analysis. Iterating gives its runs; a notebook shows it as HTML."""

    __slots__ = ()

    def to_json(self) -> str:
        """The JSON document of the machine-readable contract."""
        from postmortem.render.json import render_json

        return render_json(self)

    def to_html(self) -> str:
        """The self-contained HTML report."""
        from postmortem.render.html import render_html

        return render_html(self)

    def _repr_html_(self) -> str:
        page = html.escape(self.to_html(), quote=True)
        return f'<iframe srcdoc="{page}" sandbox="allow-scripts" width="100%" height="800"></iframe>'
