"""Docs of checks and causes, read back from the HTML that shows them, so that the page need not carry them a second time as JSON.

The macro `docs` of templates/macros/causes.html.j2 writes what is read here. What it did to the text (joined lines, set per cent signs,
wrote unseen characters out) it would do again to the same effect, so that a page rendered from this is the same page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from postmortem.model import Page

_DOCS = re.compile(r'<dl class="docs" data-docs="(check|cause) ([^"]*)">(.*?)</dl>', re.DOTALL)
_ENTRY = re.compile(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", re.DOTALL)
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)


def docs_in(page: str, titles: Mapping[str, str]) -> tuple[Page, ...]:
    """Every docs that the page shows, once each; thresholds stand elsewhere.

    Args:
        page: HTML of a report; text without docs has none.
        titles: of checks and causes by id, as the report's JSON has them.
    """
    found: dict[tuple[str, str], Page] = {}
    for kind, written_id, entries in _DOCS.findall(page):
        id = html.unescape(written_id)
        sections = {html.unescape(heading): _text(paragraphs) for heading, paragraphs in _ENTRY.findall(entries)}
        found.setdefault((kind, id), Page(id, "check" if kind == "check" else "cause", titles.get(id, ""), sections))
    return tuple(found.values())


def _text(paragraphs: str) -> str:
    return "\n\n".join(html.unescape(paragraph) for paragraph in _PARAGRAPH.findall(paragraphs))
