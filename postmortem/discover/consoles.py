"""Which job a text log belongs to, as its place and its name tell."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from postmortem.discover.folders import Entry
from postmortem.discover.names import LOG_WORDS, natural, words

_OUTPUT_WORDS = LOG_WORDS | {"slurm", "job", "jobs", "sbatch", "stdout", "stderr", "out", "err", "output", "outputs", "console"}
_ENDING = re.compile(r"\.(?:log|out|err|txt)(?:\.\d{1,2})?$|\.(?=[oe]\d{3,})", re.IGNORECASE)
_SEPARATORS = "-_. "
_JOB_NUMBER = re.compile(r"\d{3,}")


def place_of(folder: tuple[str, ...]) -> tuple[str, ...]:
    """The folder that a place for text logs (`slurm_logs`, `logs/out`) was made in."""
    while folder and all(word in _OUTPUT_WORDS for word in words(folder[-1])):
        folder = folder[:-1]
    return folder


def named_after(name: str, runs: Sequence[str]) -> int | None:
    """Which of the runs' names is a part of a text log's name; of several the longest, and None where that is no single one."""
    stem = _ENDING.sub("", name.lower())
    found = [(len(run), index) for index, run in enumerate(runs) if len(run) > 1 and _stands_in(run.lower(), stem)]
    longest = max((length for length, _ in found), default=0)
    best = [index for length, index in found if length == longest]
    return best[0] if len(best) == 1 else None


def _stands_in(run: str, stem: str) -> bool:
    """Whether the name stands in the stem between separators. No pattern: hundreds of logs are held against hundreds of runs."""
    at = stem.find(run)
    while at >= 0:
        end = at + len(run)
        if (not at or stem[at - 1] in _SEPARATORS) and (end == len(stem) or stem[end] in _SEPARATORS):
            return True
        at = stem.find(run, at + 1)
    return False


def jobs(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """Text logs of one folder that has nothing else, by job: those with numbers of jobs apart, all others together."""
    numbers = [tuple(_JOB_NUMBER.findall(entry.name)) for entry in entries]
    by_job: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
    for entry, number in zip(entries, numbers, strict=True):
        by_job[number if all(numbers) else ()].append(entry)
    for number in sorted(by_job, key=lambda each: [natural(part) for part in each]):
        yield "-".join(number), by_job[number]
