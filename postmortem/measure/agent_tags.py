"""Which of a run's series tells what of a policy: its return, its entropy and spread, how far its updates carry it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from postmortem.measure import role_words as known
from postmortem.measure.roles import Roled
from postmortem.measure.tags import parts, words
from postmortem.model import Series


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WHOLE = _set("ep episode episodic episodes cumulative return returns averagereturn total mean avg average evaluation")
"""Words of the return of whole episodes, beside which shaped rewards and rewards of one step stand."""
_NO_WHOLE = _set("std max min intrinsic shaped shaping time iter initial step bonus penalty loss advantage rms normalized estimate")
_NO_ENTROPY = _set("cross coef coeff coeffs weight target alpha bonus max min scale decay")
_OF_TEXTS = _set("completion completions ref reference")
"""Words of runs that train a writer of texts against a reference."""
_NO_DIVERGENCE = _set("coef coeff coeffs loss objective ref reference target beta penalty penalties early stop completions completion")
_SPREADS = _set("std stddev sigma deviation")
_OF_POLICY = _set("policy noise action actions train losses loss logstd log mean standard")
_CLIPS = _set("clipfrac clipfraction")
_CRITICS = _set("vf value val critic values")


def _longest(found: Sequence[Series]) -> Series | None:
    finite = [one for one in found if np.isfinite(one.values).sum() >= 3]
    return max(finite, key=lambda one: (one.values.size, -len(one.tag)), default=None)


def return_series(roled: Sequence[Roled]) -> Series | None:
    """The return of whole episodes; of several, one whose words say so, in training before evaluation, the longest."""
    found = [one for one in roled if one.role == "return" and np.isfinite(one.series.values).sum() >= 3]

    def rank(one: Roled) -> tuple[bool, bool, bool, int, int]:
        leaf, every = set(parts(one.series.tag)[-1]), set(words(one.series.tag))
        says = bool(leaf & (known.RETURNS | known.SCORES)) or any("return" in word or "reward" in word for word in leaf)
        whole = bool(every & _WHOLE) and not every & _NO_WHOLE
        return whole and says, says, one.split in ("", "train"), one.series.values.size, -len(one.series.tag)

    best = max(found, key=rank, default=None)
    return None if best is None else best.series


def entropy_series(roled: Sequence[Roled]) -> Series | None:
    """The policy's entropy, or what is a fixed multiple of it: `entropy_loss` is often minus the entropy."""
    return _longest([one.series for one in roled if "entropy" in (told := set(words(one.series.tag))) and not told & _NO_ENTROPY])


def spread_series(roled: Sequence[Roled]) -> Series | None:
    """The standard deviation of a continuous policy's actions (`train/std`, `Policy/mean_noise_std`)."""
    found = []
    for one in roled:
        told = set(words(one.series.tag))
        if told & _SPREADS and one.role == "other" and not told - _SPREADS - _OF_POLICY and not told & {"reward", "return", "log"}:
            found.append(one.series)
    return _longest(found)


def divergence_series(roled: Sequence[Roled]) -> Series | None:
    """The divergence of the policy after an update from the one before it (`approx_kl`, `info/kl`), not that from a reference model.

    A bare `kl` is that of an update beside a share of clipped ratios; else it can be a world model's, or one from a reference.
    """
    found = {True: [], False: []}  # type: dict[bool, list[Series]]
    for one in roled:
        told = set(words(one.series.tag))
        named = {"approx", "kl"} <= told or "approxkl" in told
        if (named or {"kl"} == set(parts(one.series.tag)[-1]) - {"mean", "divergence", "old"}) and not told & _NO_DIVERGENCE:
            found[named].append(one.series)
    from_reference = any(set(words(one.series.tag)) & _OF_TEXTS for one in roled)
    bare = found[False] if clip_series(roled) is not None and not from_reference else []
    return _longest(found[True]) or _longest(bare)


def clip_series(roled: Sequence[Roled]) -> Series | None:
    """The share of samples whose probability ratio PPO cut off."""
    found = []
    for one in roled:
        told = set(words(one.series.tag))
        if (told & _CLIPS or ("clip" in told and told & {"frac", "fraction"})) and not told & _CRITICS:
            found.append(one.series)
    return _longest(found)
