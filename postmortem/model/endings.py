"""Where a loss ended, in words: one notion of its end for every check and cause that speaks of it.

The end of a curve is a level, the median of its last tenth. The last point of a noisy curve lies elsewhere, and a reader sees that point:
where both would be printed differently, the level is said to be about there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postmortem.model.measurements import Measured, Measurement
from postmortem.model.writing import multiple, number, percent, share_of

NEEDS = ("loss.last", "loss.first")
USES = ("loss.last_to_chance",)
DIGITS = 4


def at_about(level: float, logged: float | None, write: Callable[[float], str] = number) -> str:
    """`at 2.01`, or `around 2.01` where the last point that was logged would be written differently.

    Args:
        logged: that point; None where it is not known.
    """
    return f"{'at' if logged is None or write(level) == write(logged) else 'around'} {write(level)}"


def end_of(found: Measurement, write: Callable[[float], str] = number) -> str:
    """`ends at 84%` of a level with its last point as the item `logged`; of a curve that was lost what it was before."""
    if "lost" in found.items:
        return f"stood, before it became NaN or infinite, at about {write(found.value)}"
    return f"ends {at_about(found.value, found.items.get('logged'), write)}"


def ends_at(level: float, logged: float | None, write: Callable[[float], str] = number) -> str:
    """`ends at 68%`, or `ends around 68% (median of the last tenth)`."""
    said = at_about(level, logged, write)
    return f"ends {said} (median of the last tenth)" if said.startswith("around") else f"ends {said}"


@dataclass(frozen=True, slots=True)
class LossEnd:
    """The end of a training loss beside what it is compared with."""

    share: float
    """The last level as a share of chance level, or of the first loss where that is not known."""
    name: str
    """`loss`, or `data loss` where only the loss without regularization compares."""
    beside: str
    """`95% of chance level`."""
    said: str
    """One clause: `the loss ends at 2.18, 95% of chance level`."""
    lost: bool
    """Whether the curve ends as NaN or infinity."""


def loss_end(measured: Measured) -> LossEnd:
    """What the measurements in NEEDS and USES say of the end of the loss: of the loss without regularization where only that compares."""
    last, first, to_chance = measured["loss.last"], measured["loss.first"], measured.get("loss.last_to_chance")
    share, of = (last.value / first.value, "the first loss") if to_chance is None else (to_chance.value, "chance level")
    compared = to_chance if to_chance is not None and to_chance.text else last
    name, level = compared.text or "loss", compared.items.get("loss", last.value)
    beside = share_of(share, of, first.value)

    def write(value: float) -> str:
        return number(value, DIGITS)

    if "lost" in last.items:
        start = f"the {name} is no finite number from step {last.items['lost']:.0f} on"
        point = f"the last one that is, at step {last.first_step}, is {number(compared.items['logged'])}"
        return LossEnd(share, name, beside, f"{start}; {point}, and its level before that {write(level)}, {beside}", True)
    return LossEnd(share, name, beside, f"the {name} {ends_at(level, compared.items.get('logged'), write)}, {beside}", False)


def loss_share_end(measured: Measured) -> str:
    """The end of the loss over chance alone, `the loss ends around 84% of chance level`: the number itself is said elsewhere."""
    found = measured["loss.last_to_chance"]
    scale = found.value / found.items["loss"] if found.items.get("loss") else None
    logged = None if scale is None else scale * found.items["logged"]
    if "lost" in found.items:
        return f"the {found.text or 'loss'} was about {multiple(found.value)} chance level before it was no finite number"
    said = at_about(found.value, logged, multiple)
    return f"the {found.text or 'loss'} ends {said} chance level"


def accuracy_end(level: float, logged: float | None, digits: int = 3) -> str:
    """Where an accuracy ended, as per cent."""
    return ends_at(level, logged, lambda share: percent(share, digits))
