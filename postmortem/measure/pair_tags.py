"""Which of a run's series tells what of an adversarial pair: both losses, both scores, and what is measured of the samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from postmortem.measure.roles import Roled
from postmortem.measure.tags import words
from postmortem.model import Series


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


JUDGES = _set("discriminator disc dis d netd critic errd dloss lossd")
MAKERS = _set("generator gen g netg errg gloss lossg")
_PART = _set(
    "penalty gp r1 pl reg real fake cls l1 pixel pix recon reconstruction cycle idt identity fm feature features perceptual vgg mel gan "
    "adv adversarial grad norm lr rate gradient signs scores time kl content style id z1 z2 a b aa bb grads acc accuracy weight std max min"
)
"""Words that make a loss of one side a part of it, or another number."""
_BESIDE = _set("l1 pixel pix recon reconstruction cycle idt identity perceptual vgg mel fm content style")
"""What generators that translate or vocode lose beside the game."""
_ADVERSARIAL = _set("gan adv adversarial")
_LOSS = _set("loss losses err error cost errd errg")
_NO_SCORE = _set("loss losses err error cost acc accuracy signs images image grad norm")
_LOWER = _set("fid kid sfid fid50k kid50k swd mmd fid10k fid5k")
_HIGHER = _set("coverage diversity modes inception is50k modecoverage")


def _longest(found: Iterable[Series]) -> Series | None:
    finite = [one for one in found if np.isfinite(one.values).sum() >= 3]
    return max(finite, key=lambda one: (one.values.size, -len(one.tag)), default=None)


def _side(told: set[str]) -> str:
    """`judge` or `maker`; empty where neither or both are spoken of."""
    judge, maker = bool(told & JUDGES), bool(told & MAKERS)
    return "" if judge == maker else "judge" if judge else "maker"


def losses(roled: Sequence[Roled]) -> tuple[Series | None, Series | None]:
    """The whole loss of the discriminator (or critic), and the adversarial part of the generator's loss.

    Its whole loss stands for that part only where nothing speaks of distances between images beside it.
    """
    whole: dict[str, list[Series]] = {"judge": [], "maker": [], "": []}
    part: list[Series] = []
    mixed = any(set(words(one.series.tag)) & _BESIDE and one.role in ("part-of-loss", "metric") for one in roled)
    for one in roled:
        told = set(words(one.series.tag))
        if one.role not in ("part-of-loss", "training-loss", "data-loss") or one.split in ("validation", "test"):
            continue
        side = _side(told)
        if not told & _PART:
            whole[side].append(one.series)
        elif side == "maker" and not told & (_PART - _ADVERSARIAL):
            part.append(one.series)
    return _longest(whole["judge"]), _longest(part) or (None if mixed else _longest(whole["maker"]))


def scores(roled: Sequence[Roled]) -> tuple[Series | None, Series | None]:
    """What the discriminator says of real samples and of made ones: `D(x)` and `D(G(z))`, `D_real` and `D_fake`, `scores/real` ..."""
    real: list[Series] = []
    fake: list[Series] = []
    for one in roled:
        listed = words(one.series.tag)
        told = set(listed)
        if told & _NO_SCORE - {"loss", "losses"} or (told & {"loss", "losses"} and not told & {"scores", "score"}):
            continue
        if listed in (("d", "x"), ("dx",)):
            real.append(one.series)
        elif listed[:3] == ("d", "g", "z") or listed[:1] in (("dgz",), ("dgz1",)) or listed in (("d", "g", "z1"), ("d", "g", "z2")):
            # The second of two is taken after the discriminator's update and belongs to the generator's loss.
            if not any(word.endswith("2") for word in listed):
                fake.append(one.series)
        elif told & {"real", "reals"} and _names_score(told):
            real.append(one.series)
        elif told & {"fake", "fakes"} and _names_score(told):
            fake.append(one.series)
    return _longest(real), _longest(fake)


def _names_score(told: set[str]) -> bool:
    return bool(told & (JUDGES | {"score", "scores", "prob", "logit", "logits", "output"}))


def sample_metrics(roled: Sequence[Roled]) -> tuple[tuple[Series, bool], ...]:
    """Measures of the samples, each with whether more of it is better."""
    found = []
    for one in roled:
        told = set(words(one.series.tag))
        if np.isfinite(one.series.values).sum() < 3 or one.role not in ("metric", "other"):
            continue
        if told & _LOWER:
            found.append((one.series, False))
        elif told & _HIGHER:
            found.append((one.series, True))
    return tuple(found)
