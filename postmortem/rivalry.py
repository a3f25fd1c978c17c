"""Causes beside each other: what one accounts for is no evidence for another, and which of them are listed.

Knows no cause by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from postmortem import rules
from postmortem.answers import inside
from postmortem.model import Argument, RankedCause

LIKELY = 0.5
"""A cause at or above this is named in the verdict."""
SHOWN = 0.15
"""Causes at or above this are listed, however many."""
LEAD = 0.02
"""Where no cause is likely, those below SHOWN are listed down to this while fewer than LEADS stand before them: of a run that failed the
reader asks what to look at first even if the files hardly tell. Something must speak for each: a prior alone must never be printed."""
LEADS = 3
BESIDE = 0.04
"""What a cause beside a certain first one must keep to be listed: it had SHOWN by itself."""
RIVALRY = 0.75
"""By what share a cause loses beside a certain first one that does not bring it about: runs seldom have two faults, and one fault raises
many alarms. Cross-validated on the tuning half: 0.46 was printed of such causes on average, and 0.15 were true."""
FOLLOWING = 0.45
"""The same of causes that the first brings about: 0.79 was printed, 0.45 were true."""
BEST = 0.5
"""Nats for a likely first cause, which no other explains better: by cross-validation 0.55, 0.68 and 0.78 were said where 0.84, 0.79 and
0.91 were true."""
CERTAINTY = 0.98
"""No sum of evidence from files alone is more certain than this, in either direction: of the first causes with the strongest evidence 98 of
100 were true by cross-validation."""


def contend(ranked: Sequence[RankedCause]) -> tuple[RankedCause, ...]:
    """The same causes in the same order, each beside the first in its probability: what one cause accounts for is no evidence for two."""
    if not ranked:
        return ()
    first, tree, surest = ranked[0], {ranked[0].id}, ranked[0].probability
    for cause in ranked[1:]:
        if cause.explained_by in tree:
            tree.add(cause.id)
            surest = max(surest, cause.probability)
    found, explained = [_best(first)], rules.causes()
    for cause in ranked[1:]:
        follows = cause.id in tree
        probability = round(cause.probability * (1 - (FOLLOWING if follows else RIVALRY) * surest), 3)
        brings = cause.id in explained and first.id in explained[cause.id].explains
        if follows:
            says = "it would follow from another cause"
        elif brings:
            says = "it could bring about another cause, which has the stronger signs"
        else:
            says = "another cause accounts for the run"
        lost = Argument((), f"{says}: {inside(first.title)}", round(_logit(probability) - _logit(cause.probability), 3))
        found.append(replace(cause, probability=probability, arguments=(*cause.arguments, lost)))
    return tuple(found)


def _best(first: RankedCause) -> RankedCause:
    """The first cause, a little likelier for being the first where it is likely."""
    probability = round(min(CERTAINTY, 1 / (1 + math.exp(-_logit(first.probability) - BEST))), 3)
    if first.probability < LIKELY or probability <= first.probability:
        return first
    gained = Argument((), "no other cause explains the run better", round(_logit(probability) - _logit(first.probability), 3))
    return replace(first, probability=probability, arguments=(*first.arguments, gained))


def listed(ranked: Sequence[RankedCause]) -> tuple[RankedCause, ...]:
    """Those that are listed of contending causes: all from SHOWN on, then rivals of a likely one, or leads where none is likely."""
    least = BESIDE if ranked and ranked[0].probability >= LIKELY else LEAD
    return tuple(cause for place, cause in enumerate(ranked) if cause.probability >= (least if place < LEADS else SHOWN))


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
