"""The mapping from findings to causes as a table, for the scoreboard: who is credited with what must be open to everybody."""

from __future__ import annotations

from rival_tools.adapters import TOOLS, adapter


def markdown() -> str:
    """A table in Markdown: tool, its finding, causes in the order in which they count; at the end the words of runmedic's likely causes."""
    rows = [(tool, id_, causes) for tool in TOOLS for id_, causes in adapter(tool).CREDIT.items()]
    rows += [("runmedic", f"… {words} …", causes) for words, causes in adapter("runmedic").SAID.items()]
    lines = ["| tool | finding | credited with |", "|---|---|---|"]
    lines += [f"| {tool} | {id_} | {', '.join(f'`{cause}`' for cause in causes) or 'nothing'} |" for tool, id_, causes in rows]
    return "\n".join(lines) + "\n"
