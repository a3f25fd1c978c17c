"""Entropies of class shares, the order of labels, and names that are hardly classes. Pure functions of counts; entropies in nats."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

_BY_PROGRAMS = re.compile(
    r"\.(ipynb_checkpoints|ds_store|git|svn|idea|vscode|cache)|thumbs\.db|desktop\.ini|__macosx|__pycache__|@eadir|lost\+found",
    re.IGNORECASE,
)
"""What editors and operating systems leave in folders."""


def entropy(counts: Iterable[int]) -> float:
    """Entropy of the shares of some counts, in nats; zero counts add nothing. 0 where all counts are zero."""
    positive = [count for count in counts if count > 0]
    total = sum(positive)
    return -math.fsum(count / total * math.log(count / total) for count in positive) + 0.0


def binary_entropy(share: float) -> float:
    """Entropy of a yes-or-no label that is yes with this share, in nats."""
    return -math.fsum(one * math.log(one) for one in (share, 1 - share) if 0 < one < 1) + 0.0


def cross_entropy(counts: Mapping[str, int], model: Mapping[str, int]) -> float:
    """Mean of -ln p(label) over records with these counts, p being the shares of `model`; infinite where p lacks a label that occurs."""
    total, known = sum(counts.values()), sum(model.values())
    terms = [(count / total, model.get(label, 0) / known) for label, count in counts.items() if count > 0]
    return math.inf if any(share == 0 for _, share in terms) else -math.fsum(weight * math.log(share) for weight, share in terms)


def runs_z(counts: Iterable[int], runs: int) -> float:
    """Standard score of a number of runs of equal labels against random order (Barton & David 1957, for any number of classes).

    Far below 0: labels are sorted; far above: they alternate. NaN where order cannot vary.
    """
    sizes = [count for count in counts if count > 0]
    n = sum(sizes)
    squares = sum(size**2 for size in sizes)
    cubes = sum(size**3 for size in sizes)
    expected = (n * (n + 1) - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n**2 * (n - 1)) if n > 1 else 0.0
    return (runs - expected) / math.sqrt(variance) if variance > 0 else math.nan


def odd_names(totals: Mapping[str, int]) -> dict[str, str]:
    """Label -> why it is hardly a class of its own: a folder of an editor, or a twin of another label but for case, spaces or `.0`.

    Of twins the smaller is named. Single letters stay apart: they are classes where characters are read.
    """
    found = {label: "left by an editor or an operating system" for label in totals if _BY_PROGRAMS.fullmatch(label)}
    kinds: dict[str, list[str]] = {}
    for label in totals:
        text = label.strip()
        if text and not (len(text) == 1 and text.isalpha()) and label not in found:
            kinds.setdefault(_folded(label), []).append(label)
    for alike in kinds.values():
        alike.sort(key=lambda label: (-totals[label], label))
        found.update(dict.fromkeys(alike[1:], f"twin of {alike[0][:40]!r}"))
    return found


def _folded(label: str) -> str:
    """A label without what people write differently: case, spaces for underscores and hyphens, `1.0` for 1."""
    text = re.sub(r"(?<=\w)(?:_+|[\s_\-]+)(?=[^\W_])", " ", label).strip().casefold()
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", text)
