"""Measures each run once, keeps what was measured, and judges it by the present checks and causes."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import postmortem
from postmortem.analysis import Options, measure_paths
from postmortem.diagnose import judge
from postmortem.discover import NothingFound
from postmortem.model import RunMeasurements, RunReport
from scoring.corpus import Truth, View, viewed


@dataclass(frozen=True, slots=True)
class Judged:
    """A run of the corpus, and what is said of it."""

    truth: Truth
    view: View
    verdict: str
    causes: tuple[tuple[str, float], ...]
    """All that are shown, most likely first, with their probabilities."""
    statuses: Mapping[str, str]
    """Check -> outcome."""


@cache
def measuring_code() -> str:
    """Changes whenever what is measured could change."""
    digest = hashlib.sha256()
    package = Path(postmortem.__file__).resolve().parent
    for room in ("discover", "read", "measure", "model"):
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def measured(corpus: Path, truth: Truth, view: View) -> tuple[RunMeasurements, ...]:
    """The measurements of a run, kept in the corpus; a folder in which the analysis sees several runs gives several."""
    stamp = hashlib.sha256((corpus / "truth" / _owner(corpus, truth.name)).read_bytes()).hexdigest()[:8]
    kept = corpus / "measured" / measuring_code() / view / f"{truth.name}-{stamp}.pickle"
    if kept.exists():
        found: tuple[RunMeasurements, ...] = pickle.loads(kept.read_bytes())  # our own file, written just below
        return found
    try:
        found = measure_paths([viewed(corpus, truth.name, view)], Options())
    except NothingFound:
        found = ()
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(pickle.dumps(found))
    return found


@cache
def _owners(corpus: Path) -> dict[str, str]:
    import json

    owners = {}
    for path in (corpus / "truth").glob("*.json"):
        owners[path.stem] = path.name
        owners[json.loads(path.read_text(encoding="utf-8")).get("twin", "")] = path.name
    return owners


def _owner(corpus: Path, name: str) -> str:
    return _owners(corpus)[name]


def reports(corpus: Path, truth: Truth, view: View) -> tuple[RunReport, ...]:
    """The reports of a run, by the present checks and causes."""
    return tuple(judge(run) for run in measured(corpus, truth, view))


def judged(corpus: Path, truth: Truth, view: View) -> Judged:
    """What is said of a run. Where the analysis sees several in its folder, the one with the most to say counts."""
    found = reports(corpus, truth, view)
    if not found:
        return Judged(truth, view, "inconclusive", (), {})
    worst = max(found, key=lambda run: max((cause.probability for cause in run.causes), default=0.0))
    causes = tuple((cause.id, cause.probability) for cause in worst.causes)
    return Judged(truth, view, worst.verdict, causes, {outcome.id: outcome.status for outcome in worst.checks})


def judge_corpus(corpus: Path, chosen: Sequence[Truth], views: Iterable[View], jobs: int) -> list[Judged]:
    """All runs in all views, in order."""
    work = [(corpus, truth, view) for view in views for truth in chosen]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(_judged, work, chunksize=4))


def _judged(work: tuple[Path, Truth, View]) -> Judged:
    return judged(*work)
