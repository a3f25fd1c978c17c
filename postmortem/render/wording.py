"""Numbers, shares, sizes and names as a reader meets them: one way of writing each, in every part of a report."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from postmortem.model import Onset, RunReport, Status, TagRole, Verdict, multiple

SIGNS: dict[Status, str] = {"fail": "x", "warn": "!", "pass": "+", "not-checked": "?", "not-applicable": "-"}
"""One letter a status, for output without colour."""
VERDICTS: dict[Verdict, str] = {
    "failed": "FAILED",
    "suspect": "SUSPECT",
    "healthy": "HEALTHY",
    "inconclusive": "INCONCLUSIVE",
    "unreadable": "UNREADABLE",
}
"""The verdict as a heading of text and Markdown."""

# Characters that a terminal or browser does not show as they are, or that reorder the text around them: control characters but
# newline and tab, invisible spaces, line separators, marks of writing direction, and halves of surrogate pairs.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)

_CERTAINTY = ((0.9, "very likely"), (0.7, "likely"), (0.5, "more likely than not"), (0.15, "possible"))

MOST = 1000
HARDLY = 1.25
"""A factor of the odds below this is not worth a number."""

_ODD_SINGULARS = {"matrices": "matrix", "classes": "class"}
WITHOUT_NAME = frozenset({"", "count", "value", "loss", "certainty", "correlation", "cosine", "effect", "gradient norm", "probability"})
"""Units that would only repeat what is measured."""
LEVEL = "of "
"""How units begin that name what a number is measured by: `0.87` with `of chance level` is 87 % of it, and 7 is 7 times as much."""


def visible(text: str) -> str:
    """The text with everything unseen in it written out (`\\u202e`), so that no name can hide or reorder what stands around it."""
    return _UNSEEN.sub(lambda match: _escape(ord(match.group())), text)


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: float | int | None, digits: int = 4) -> str:
    """A number in at most so many significant digits: `2.303`, `0.00123`, `1e-6`, `14,090`; words where it is none."""
    if value is None:
        return "unknown"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "infinity" if value > 0 else "-infinity"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        shown = f"{value:.{digits}g}"
        # Four digits of 12345.6 would be 1.235e+04; below 1e5 whole numbers read better.
        return f"{round(value):,}" if "e" in shown else shown
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit; shares as per cent, ratios with a multiplication sign, levels by what they are measured."""
    if value is None:
        return "not a number"
    if unit == "share" and math.isfinite(value):
        return percent(value)
    if unit.startswith(LEVEL):
        return prose(f"{multiple(value)} {unit.removeprefix(LEVEL)}")
    value = _three_digits(value)
    if unit == "ratio":
        return f"{number(value)}\u00d7"
    if unit in WITHOUT_NAME:
        return number(value)
    return f"{number(value)} {_singular(unit) if value == 1 else unit}"


def _three_digits(value: float) -> float:
    """What sentences have; counts stay whole."""
    return value if not math.isfinite(value) or value == int(value) else float(f"{value:.3g}")


def _singular(unit: str) -> str:
    """The unit of one: `file`, `matrix`, `unit of the input`, `decade per layer`."""
    noun, *rest = re.split(r"(?= of | per )", unit, maxsplit=1)
    if noun in _ODD_SINGULARS:
        return _ODD_SINGULARS[noun] + "".join(rest)
    return "".join([noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun, *rest])


LEADING_ROLES = ("training-loss", "validation-loss", "learning-rate")


def onset(found: Onset) -> str:
    """Where trouble showed first, as a sentence."""
    place = f" in {found.place}" if found.place else ""
    return f"First to show: step {found.step}{place} ({found.check})."


def leading_tags(tags: Iterable[TagRole]) -> str:
    """Which tags stand for the losses and the learning rate, in one line; empty where none does."""
    tags = tuple(tags)
    found = {}
    for role in LEADING_ROLES:
        leading = next((one for one in tags if one.main and _stands_for(one, role)), None)
        if leading is not None:
            group = f" ({leading.group})" if leading.group else ""
            part = "" if leading.role == role else f", {leading.role.replace('-', ' ')}"
            found[role] = f"{role.replace('-', ' ')} {leading.tag!r}{group}{part}"
    return f"Taken for: {'; '.join(found.values())}" if found else ""


def _stands_for(one: TagRole, role: str) -> bool:
    """Whether a main tag stands for a role; where no total was logged, a part of the loss does."""
    validation = one.split in ("validation", "test")
    return one.role == role or (one.role == "part-of-loss" and role == ("validation-loss" if validation else "training-loss"))


def percent(share: float) -> str:
    """A share as per cent. What is neither none nor all is never rounded to 0 or 100; two digits, as sentences have."""
    hundredths = share * 100
    if 0 < hundredths < 0.1:
        return "below 0.1 %"
    if 99.9 < hundredths < 100:
        return "above 99.9 %"
    if abs(hundredths) < 9.95:
        return f"{hundredths:.2g} %"
    if 9.95 <= hundredths <= 99 or not -99 <= hundredths <= 100:
        return f"{hundredths:,.0f} %"
    return f"{hundredths:.1f} %".replace(".0 %", " %")


def certainty(probability: float) -> str:
    """How sure, in words."""
    return next((words for least, words in _CERTAINTY if probability >= least), "unlikely")


def odds(log_odds: float) -> str:
    """What one argument does to the odds of a cause."""
    factor = math.exp(min(abs(log_odds), 50))
    if factor < HARDLY:
        return "hardly changes the odds"
    verb = "raises" if log_odds > 0 else "lowers"
    # Weights come from a few hundred runs: a factor beyond what these could show would be false precision.
    return f"{verb} the odds more than {MOST:,}-fold" if factor > MOST else f"{verb} the odds {factor:.{1 if factor < 10 else 0}f}-fold"


def size(count: int) -> str:
    """Bytes in decimal units: `980 bytes`, `12.3 kB`, `1.02 GB`."""
    if count < 1000:
        return plural(count, "byte")
    scaled = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        scaled /= 1000
        if scaled < 999.5:
            return f"{scaled:.3g} {unit}"
    return f"{scaled:,.0f} TB"


def label(run: RunReport) -> str:
    """What tells a run from the others of its report: its name, or its path where the path that was given is the run itself."""
    return run.path if run.name == "." else run.name


def plural(count: int, noun: str) -> str:
    """`1 layer`, `12 layers`."""
    return f"{number(count)} {noun}" if count == 1 else f"{number(count)} {noun}s"


def paragraphs(text: str) -> tuple[str, ...]:
    """Hard-wrapped prose as paragraphs: blank lines part them, other line breaks are spaces."""
    return tuple(" ".join(block.split()) for block in re.split(r"\n\s*\n", text) if block.strip())


def prose(text: str) -> str:
    """Text with every per cent sign set alike: behind its number, on the same line."""
    return re.sub(r"(?<=\d) ?%(?!\w)", "\u00a0%", text)


def sentence(text: str) -> str:
    """A clause as a sentence. A first word that is no plain word (a tag, a file) stays as it is."""
    text = prose(text)
    begun = text[:1].upper() + text[1:] if re.match(r"[a-z]+[ ,]", text) else text
    return begun if not begun or begun[-1] in ".?!:" else f"{begun}."
