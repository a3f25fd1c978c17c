"""Answers requests of `run.py`, a line of JSON each, as one tool or as the one who hands runs over. Not to be started by hand.

A crash of a tool is left to end the process: `run.py` takes down its last words and starts another.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from rival_tools.adapters import adapter
from rival_tools.findings import answer
from rival_tools.handed import Handed

HAND_OVER = "hand-over"


def main() -> int:
    """Answers until standard input ends."""
    respond = _handing_over if sys.argv[1] == HAND_OVER else _asking(sys.argv[1])
    # Tools print what they like: their standard output goes to standard error.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        reply = json.dumps(respond(json.loads(line)))
        replies.write(f"{reply}\n")
        replies.flush()
    return 0


def _handing_over(request: Mapping[str, str]) -> dict[str, object]:
    from rival_tools.hand_over import hand_over

    hand_over(Path(request["run"]), Path(request["into"]))
    return {}


def _asking(tool: str) -> Callable[[Mapping[str, str]], dict[str, object]]:
    findings = adapter(tool).findings
    return lambda request: answer(findings(Handed.load(Path(request["into"])))).as_json()


if __name__ == "__main__":
    sys.exit(main())
