"""Loss that stopped falling while still high

## What it looks for
The stretch at the end of the run in which the level no longer moves (within 2 % of the progress, or within its noise). It
alarms where that stretch is at least 0.5 of the run and the loss still stands at 0.9 of chance (of the first loss, where chance
is not known) or more, and warns from 0.7 on.

## Why it matters
A loss that settles high has stopped for a reason: updates ceased, units died, the learning rate is too high to settle or too
low to go on, or the labels hold no more.

## What to do
See when the plateau began, and what changed there: learning rate, gradient norm, dead units.

## When it is wrong
Noisy labels have a high floor that no model can pass. Losses with a large constant part (label smoothing, entropies of
language) settle high beside their first value: with the number of classes known the comparison is with chance. A rescaled loss
means nothing beside chance.

## References
CS231n, neural-networks-3: reading loss curves. Karpathy, A Recipe for Training Neural Networks.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, LossEnd, Measured, Measurement, Threshold, kind_of_run, loss_end, number, percent

LONG = Threshold(
    0.5,
    "share",
    source="the project's own choice: the run's second half brought nothing",
    half="runs that end in a short calm are warned",
    double="only runs flat from the start are seen",
)
HIGH = Threshold(
    0.7,
    "of what a guess costs",
    source="the project's own choice: less than a third of chance was learned away",
    half="sound models of hard tasks are warned",
    double="no level is above it unless the loss rose",
)
AT_CHANCE = Threshold(
    0.9,
    "of what a guess costs",
    source="nine tenths of what guessing gives",
    half="sound models of hard tasks fail",
    double="nothing fails",
)

NEEDS = ("loss.plateau_last", "loss.last", "loss.first")
USES = ("loss.last_to_chance", "run.family")
HALF = 0.5
"""A smaller share of the whole fall is called only so much."""
FIGURE = "loss"


def applies(measured: Measured) -> str:
    family = measured.text("run.family")
    if family in ("rl", "gan", "contrastive"):
        return f"the level of the loss of {kind_of_run(family)} says nothing"
    first = measured.number("loss.first")
    if measured.get("loss.last_to_chance") is None and first is not None and first <= 0:
        return "a loss that begins at or below 0 has no level to compare with"
    return ""


def judge(measured: Measured) -> Finding:
    plateau, end = measured["loss.plateau_last"], loss_end(measured)
    to_chance, level, begin = measured.number("loss.last_to_chance"), end.share, _begin(plateau)
    part = _part(plateau, end)
    if plateau.text not in ("", "steady"):
        seen = f"{_moves(plateau, part)}, and {end.said if end.lost else end.said.removeprefix('the loss ')}"
    elif end.lost or end.name != "loss":
        seen = f"for {part} the loss stays about {number(plateau.items['level'], 4)}, and {end.said}"
    else:
        seen = f"for {part} the loss stays about {number(measured['loss.last'].value, 4)}, {end.beside}"
    if plateau.value < LONG.value:
        return Finding("pass", f"{seen}, which is no long plateau", plateau.value, LONG, LONG.unit)
    if level < HIGH.value:
        return Finding("pass", f"{seen}, where it settled low", level, HIGH, HIGH.unit)
    if level < AT_CHANCE.value or to_chance is None:
        return Finding("warn", f"{seen}, above {percent(HIGH.value)}", level, HIGH, HIGH.unit, begin)
    return Finding("fail", f"{seen}, above {percent(AT_CHANCE.value)}", level, AT_CHANCE, AT_CHANCE.unit, begin)


def _begin(plateau: Measurement) -> int | None:
    """Where the fall that led to the plateau was over: a short one at the start of the run stands within the plateau's band."""
    return int(plateau.items["settled"]) if "settled" in plateau.items else plateau.first_step


def _part(plateau: Measurement, end: LossEnd) -> str:
    """Which part of the run, by its length; of one that ends as NaN of what was finite."""
    begin, until, settled = plateau.items["begin"], plateau.items["end"], plateau.items.get("settled", plateau.items["begin"])
    share = plateau.value * (until - settled) / (until - begin) if until > begin else plateau.value
    run = "finite part of the run" if end.lost else "run"
    return f"the whole {run}" if share > 0.995 else f"the last {percent(share)} of the {run}"


def _moves(plateau: Measurement, part: str) -> str:
    """What a loss does whose levels lie within their noise, and that is not level all the same."""
    begins, ends = (number(plateau.items[name], 3) for name in ("from", "to"))
    if plateau.text == "falls":
        fallen = max(0.0, plateau.items["fallen"])
        if begins == ends:
            return f"in {part} the loss stays at {ends}"
        return f"the loss makes {'only ' if fallen < HALF else ''}{percent(fallen)} of its fall in {part}, {begins} to {ends}"
    if plateau.text == "rises":
        return f"the loss rises from {begins} to {ends} in {part}"
    low, high = (number(plateau.items[name], 2) for name in ("low", "high"))
    return f"in {part} the loss swings between {low} and {high} and goes nowhere"


def _given(share: float, last: float, to_chance: float | None = None, family: str = "classification") -> tuple[Measurement, ...]:
    given = (
        Measurement("loss.plateau_last", share, "share", "'train/loss'", 240, {"begin": 240.0, "end": 600.0, "level": last}),
        Measurement("loss.last", last, "loss", "'train/loss'", 600),
        Measurement("loss.first", 2.4, "loss", "'train/loss'", 0),
        Measurement("run.family", float("nan"), "", "tags", text=family),
    )
    return given if to_chance is None else (*given, Measurement("loss.last_to_chance", to_chance, "ratio", "ln 10"))


EXAMPLES = (
    Example("settled at chance", _given(0.7, 2.25, 0.98), "fail"),
    Example("settled at four fifths of chance", _given(0.6, 1.8, 0.78), "warn"),
    Example("settled at four fifths of the first loss", _given(0.6, 1.9), "warn"),
    Example("converged", _given(0.7, 0.05, 0.02), "pass"),
    Example("still falling", _given(0.2, 1.9, 0.83), "pass"),
    Example("an adversarial pair", _given(0.9, 2.3, family="gan"), "not-applicable"),
    Example("five points", (), "not-checked"),
)
