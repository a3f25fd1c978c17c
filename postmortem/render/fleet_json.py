"""The rows of a scan as JSON and back: `index.json`, from which the page of all runs can be rendered again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from typing import get_args

from cattrs import Converter

from postmortem.model import SCHEMA_VERSION, Fleet, FleetRow, Verdict
from postmortem.render.json import NotAReportError

_PAGE = re.compile(r"runs/[a-z0-9][a-z0-9_.-]*\.html")


def dump_fleet(fleet: Fleet) -> str:
    """One JSON document, in ASCII, a row a line, so that two scans can be compared line by line. The same rows give the same bytes."""
    tool = {"name": "postmortem", "version": fleet.version}
    left = {"missing": fleet.missing} if fleet.missing else {}
    head = json.dumps({"fleet_version": SCHEMA_VERSION, "tool": tool, "command": fleet.command, **left}, separators=(",", ":"))
    rows = ",\n".join(json.dumps(_converter().unstructure(row), allow_nan=False, separators=(",", ":")) for row in fleet.rows)
    return f'{head[:-1]},"runs":[\n{rows}\n]}}\n'


def is_fleet(text: str) -> bool:
    """Whether the text begins as `dump_fleet` begins it."""
    return text.startswith('{"fleet_version":')


def is_fleet_page(text: str) -> bool:
    """Whether the text is the page that was made of such rows; it does not hold them."""
    return '<body class="fleet">' in text[:100_000] and text.lstrip().startswith("<!doctype html>")


def parse_fleet(text: str) -> Fleet:
    """The rows in a document that `dump_fleet` made. A page that is none of a scan's own is left out: its address is a stranger's.

    Raises:
        NotAReportError: where the text is something else.
    """
    try:
        document = json.loads(text)
        if document["fleet_version"] != SCHEMA_VERSION:
            raise NotAReportError(f"rows of version {document['fleet_version']!r}; this version reads {SCHEMA_VERSION!r}")
        rows = _converter().structure(document["runs"], tuple[FleetRow, ...])
        kept = tuple(row if _PAGE.fullmatch(row.page) else replace(row, page="") for row in rows)
        return Fleet(document["tool"]["version"], kept, document.get("command", ""), int(document.get("missing", 0)))
    except NotAReportError:
        raise
    except json.JSONDecodeError as error:
        raise NotAReportError(f"no rows of a scan in it (line {error.lineno}: {error.msg})") from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotAReportError(f"these are no rows of a scan ({type(error).__name__}: {error})") from error


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=False)
    # The converter's own error for a word that is none of these is a bare exception in some of its versions.
    converter.register_structure_hook_func(lambda kind: bool(kind == Verdict), _verdict)
    return converter


def _verdict(value: object, _kind: object) -> Verdict:
    for verdict in get_args(Verdict):
        if value == verdict:
            found: Verdict = verdict
            return found
    raise ValueError(f"{value!r} is no verdict")
