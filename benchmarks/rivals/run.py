"""What six public tools make of the runs of a corpus, in terms of postmortem's causes.

    python benchmarks/rivals/run.py CORPUS_DIR --out DIR [--tool NAME]... [--jobs N] [--limit SECONDS] [--environment DIR]

Every folder directly under CORPUS_DIR/runs is one run. DIR gets a file `TOOL.json` each: run -> alarms, causes in order, groups (the
causes that each finding is credited with), messages, error. Runs that a file already has are not asked again, so that a broken run goes on
where it was; delete a file, or a run in it, to ask again. Where runs have a `truth.json`, the scores are printed.

The tools are installed into an environment of their own (1.2 GB), under DIR unless another folder is named; nothing else is installed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from rival_tools.adapters import TOOLS
from rival_tools.asking import AskingError, Worker
from rival_tools.environment import InstallError, python_of_tools
from rival_tools.findings import Answer, no_answer
from rival_tools.scoring import Score, Truths, read_answers, read_truths, score, together, write_answers

HAND_OVER = "hand-over"


class Book:
    """The answers so far, kept in files; threads share it."""

    def __init__(self, out: Path, tools: Collection[str]) -> None:
        """Opens the files of some tools in a folder."""
        self._out = out
        self._lock = Lock()
        self.answers = {tool: read_answers(out / f"{tool}.json") for tool in tools}

    def open(self, run: str) -> list[str]:
        """The tools that were not asked of a run."""
        return [tool for tool, answers in self.answers.items() if run not in answers]

    def enter(self, run: str, said: Mapping[str, Answer]) -> None:
        """Keeps what tools said of a run."""
        with self._lock:
            for tool, answer in said.items():
                self.answers[tool][run] = answer
                write_answers(self._out / f"{tool}.json", self.answers[tool])


def main() -> int:
    """Asks, and prints the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", metavar="CORPUS_DIR", type=Path, help="folder with runs/NAME/...")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the answers")
    parser.add_argument("--tool", metavar="NAME", action="append", choices=TOOLS, help="this tool alone; may be given again")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--limit", metavar="SECONDS", type=float, default=120.0, help="time that a tool has for a run (default: 120)")
    parser.add_argument("--environment", metavar="DIR", type=Path, help="environment of the tools (default: DIR of --out/environment)")
    options = parser.parse_args()
    folders = sorted(path for path in (options.corpus / "runs").glob("*") if path.is_dir())
    if not folders:
        parser.error(f"there is no run in {options.corpus / 'runs'}")
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        python = python_of_tools(options.environment or options.out / "environment")
    except InstallError as error:
        _say(str(error))
        return 2
    book = Book(options.out, options.tool or TOOLS)
    todo = [folder for folder in folders if book.open(folder.name)]
    _say(f"{len(folders)} runs, {len(folders) - len(todo)} done before")
    with ThreadPoolExecutor(options.jobs) as pool:
        # Each job has processes of its own, and every so many-th run.
        jobs = [pool.submit(_ask_all, todo[start :: options.jobs], book, python, options.limit) for start in range(options.jobs)]
        for job in jobs:
            job.result()
    _report(book.answers, read_truths(options.corpus / "runs"))
    return 0


def _ask_all(folders: Sequence[Path], book: Book, python: Path, limit_seconds: float) -> None:
    ours = {**os.environ, "OMP_NUM_THREADS": "1"}
    theirs = {name: value for name, value in ours.items() if name != "PYTHONPATH"}
    with ExitStack() as stack:
        handing_over = stack.enter_context(Worker(Path(sys.executable), HAND_OVER, ours))
        tools = {tool: stack.enter_context(Worker(python, tool, theirs)) for tool in book.answers}
        for folder in folders:
            said: dict[str, Answer] = {}
            with tempfile.TemporaryDirectory() as into:
                request = {"run": str(folder.resolve()), "into": into}
                try:
                    handing_over.ask(request, limit_seconds)
                except AskingError as error:
                    said = {tool: no_answer(f"not handed over: {error}") for tool in book.open(folder.name)}
                for tool in book.open(folder.name):
                    if tool not in said:
                        said[tool] = _ask(tools[tool], request, limit_seconds)
            book.enter(folder.name, said)
            _say(f"{folder.name}: " + ", ".join(f"{tool} {answer.error or len(answer.messages)}" for tool, answer in said.items()))


def _ask(worker: Worker, request: Mapping[str, str], limit_seconds: float) -> Answer:
    try:
        reply = worker.ask(request, limit_seconds)
    except AskingError as error:
        return no_answer(str(error))
    return Answer.from_json(reply)


def _report(every: Mapping[str, Mapping[str, Answer]], truths: Truths) -> None:
    """Prints the scores of each tool and of all together, where truths are known."""
    if not truths:
        return
    _say(f"{'':14} {'right first':>12} {'first finding':>14} {'anywhere':>9} {'healthy alarmed':>16} {'no answer':>10}")
    for tool, answers in every.items():
        _row(tool, score(answers, truths))
    _row("together", together(every, truths))


def _row(name: str, one: Score) -> None:
    shares = (f"{count} of {one.faulty}" for count in (one.first, one.first_finding, one.anywhere))
    _say("{:14} {:>12} {:>14} {:>9} {:>16} {:>10}".format(name, *shares, f"{one.alarmed} of {one.healthy}", one.errors))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
