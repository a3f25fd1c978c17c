"""Lighthouse's scores for reports of sample runs, opened from a server on this machine, as a desktop and as a telephone.

    python benchmarks/lighthouse_scores.py [RUN...] [--sample-runs DIR] [--lighthouse COMMAND]

Each RUN is a folder of the sample runs by its name; none is all of them (half a minute each). Accessibility and best practices have a
target; performance is printed for information, for its telephone is four times slower than the machine, whatever else that runs. Audits
below full marks are named.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browsing import chromium_path, serving
from reporting import say, verdict

import postmortem

FULL_MARKS = 100.0
TARGETS = ("accessibility", "best-practices")
CATEGORIES = (*TARGETS, "performance")
SCREENS: Mapping[str, tuple[str, ...]] = {"desktop": ("--preset=desktop",), "telephone": ()}
PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Scores:
    """What Lighthouse says of one page."""

    marks: Mapping[str, float]
    """0 to 100 by category."""
    faults: tuple[str, ...]
    """Audits of the categories with a target that did not get full marks."""


def main() -> int:
    """Render, serve, ask, print; 1 where a target is missed, 2 where there is no browser or no Lighthouse."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="names of sample runs; all where none is given")
    parser.add_argument("--sample-runs", type=Path, default=Path(__file__).parent.parent / "sample_runs")
    parser.add_argument("--lighthouse", default="npx --yes lighthouse@12", help="command that runs it, with its arguments")
    options = parser.parse_args()
    if not chromium_path():
        say("no browser is installed")
        return 2
    names = options.runs or sorted(path.parent.name for path in options.sample_runs.glob("*/truth.json"))
    met = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, {}, []) as address:
            for run in names:
                (folder / f"{run}.html").write_text(postmortem.analyze(options.sample_runs / run).to_html(), encoding="utf-8")
                for screen, arguments in SCREENS.items():
                    try:
                        scores = asked([*shlex.split(options.lighthouse), f"{address}/{run}.html", *arguments], folder / "scores.json")
                    except (OSError, subprocess.SubprocessError, ValueError) as error:
                        say(f"Lighthouse did not answer: {error}")
                        return 2
                    say(f"{run}, {screen}: performance {scores.marks['performance']:.0f}")
                    for category in TARGETS:
                        met &= verdict(category, scores.marks[category], FULL_MARKS, at_least=True)
                    for fault in scores.faults:
                        say(f"    {fault}")
    return 0 if met else 1


def asked(command: list[str], out: Path) -> Scores:
    """Runs Lighthouse on a page.

    Raises:
        subprocess.SubprocessError: where it fails or takes too long.
        ValueError: where it answers, and has not seen the page.
    """
    settings = [
        "--quiet",
        "--output=json",
        f"--output-path={out}",
        f"--only-categories={','.join(CATEGORIES)}",
        "--chrome-flags=--headless --no-sandbox",
    ]
    environment = os.environ | {"CHROME_PATH": chromium_path()}
    subprocess.run([*command, *settings], check=True, timeout=PATIENCE_SECONDS, env=environment, capture_output=True)
    return read(json.loads(out.read_text(encoding="utf-8")))


def read(answer: Mapping[str, Any]) -> Scores:
    """The scores in Lighthouse's JSON.

    Raises:
        ValueError: where a category has none, as when the page could not be opened.
    """
    if answer.get("runtimeError"):
        raise ValueError(answer["runtimeError"]["message"])
    found = answer["categories"]
    unscored = [name for name in CATEGORIES if found[name]["score"] is None]
    if unscored:
        raise ValueError(f"no score for {', '.join(unscored)}")
    faults = tuple(fault for name in TARGETS for fault in _faults(found[name], answer["audits"]))
    return Scores({name: 100 * found[name]["score"] for name in CATEGORIES}, faults)


def _faults(category: Mapping[str, Any], audits: Mapping[str, Any]) -> Iterator[str]:
    for reference in category["auditRefs"]:
        audit = audits[reference["id"]]
        if audit["score"] is not None and audit["score"] < 1:
            yield f"{audit['id']} ({audit['score']}): {audit['title']}"


if __name__ == "__main__":
    sys.exit(main())
