"""What the groups of an optimizer are set to: whether that changed on the way, agrees with the scheduler, and is the same for all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from postmortem.measure.gaps import UNKNOWN
from postmortem.measure.kept_state import algorithm_words
from postmortem.measure.table import CheckpointRow
from postmortem.measure.view import ADAM_KIN, Found, View, at_step, missing, peak_row, span
from postmortem.model import Checkpoint, Measurement, Missing, Optimizer, counted

NAMES = (
    "optimizer.settings_changed",
    "optimizer.base_rate_rise",
    "optimizer.rate_spread",
    "optimizer.zero_rate",
    "optimizer.unusual",
    "optimizer.decayed_vectors",
    "optimizer.scheduler_gap",
    "optimizer.scheduler_restart",
)

_WATCHED = ("initial_lr", "betas", "eps", "weight_decay", "momentum", "dampening", "nesterov", "amsgrad", "alpha", "rho", "d")
"""Settings that a schedule of the learning rate leaves alone."""
_SCHEDULED = re.compile(r"scheduler\.(?P<which>(?:\w+\.)*?)(?P<what>_last_lr\.(?P<group>\d+)|last_epoch)")
_LARGE_EPSILON, _SMALL_BETA2 = 1e-3, 0.9
_SCHEDULES_THEIR_OWN = ("prodigy", "dadapt-adam")
"""Algorithms whose distance `d` grows by design."""


def measure_settings(view: View, saved: Sequence[CheckpointRow]) -> Iterator[Found]:
    """The measurements named in `NAMES`, over the rows that hold an optimizer."""
    yield _changed(view, saved)
    yield _base_rate_rise(view, saved)
    row = peak_row(view, 0) or saved[-1]
    yield from _rates(view, row)
    yield _unusual(view, saved[-1])
    yield _decayed_vectors(view, saved[-1])
    yield from _scheduler([view.checkpoints[row.source] for row in view.rows if row.source in view.checkpoints])


_NO_GROUPS = "the optimizer's state names no groups with their settings"


def _optimizers(view: View, row: CheckpointRow) -> tuple[Optimizer, ...]:
    checkpoint = view.checkpoints.get(row.source)
    return checkpoint.optimizers if checkpoint else ()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _settings(view: View, row: CheckpointRow) -> dict[str, object]:
    """`optimizer group 0 betas` -> value, for the settings that a run should keep."""
    found: dict[str, object] = {}
    for optimizer in _optimizers(view, row):
        for index, group in enumerate(optimizer.groups):
            for key in _WATCHED:
                if key in group and not (key == "d" and optimizer.algorithm in _SCHEDULES_THEIR_OWN):
                    found[f"{key} of group {index} of {optimizer.name}"] = group[key]
    return found


def _changed(view: View, saved: Sequence[CheckpointRow]) -> Found:
    """Settings that differ between checkpoints; `text` tells the first of them, old and new."""
    name = "optimizer.settings_changed"
    if len(saved) < 2:
        return Missing(name, "one checkpoint with the optimizer's state, two are needed", "two-checkpoints")
    changes: dict[str, float] = {}
    first: int | None = None
    text = ""
    for before, after in pairwise(saved):
        old, new = _settings(view, before), _settings(view, after)
        for key in old:
            if key in new and old[key] != new[key] and not _both_undefined(old[key], new[key]):
                changes[key] = changes.get(key, 0) + 1
                if not text:
                    first, text = after.step, f"{key} {old[key]} -> {new[key]} by {at_step(after)}"
    basis = f"groups in {counted(len(saved), 'checkpoint')}, {span(saved[0], saved[-1])}"
    return Measurement(name, len(changes), "settings", basis, first, changes, text)


def _base_rate_rise(view: View, saved: Sequence[CheckpointRow]) -> Found:
    """Largest factor by which the base rate `initial_lr` of a group rose from one checkpoint to the next; 1 where none rose."""
    name = "optimizer.base_rate_rise"
    if len(saved) < 2:
        return Missing(name, "one checkpoint with the optimizer's state, two are needed", "two-checkpoints")
    largest, first, seen = 1.0, None, False
    for before, after in pairwise(saved):
        old, new = _settings(view, before), _settings(view, after)
        for key in old:
            was, now = _number(old[key]), _number(new.get(key))
            if key.startswith("initial_lr") and was is not None and now is not None and was > 0:
                seen = True
                if now / was > largest:
                    largest, first = now / was, after.step
    if not seen:
        return Missing(name, "no group of the optimizer keeps a base rate", "optimizer-state")
    return Measurement(name, largest, "ratio", f"initial_lr of groups in {counted(len(saved), 'checkpoint')}", first)


def _both_undefined(old: object, new: object) -> bool:
    """Tuples with NaN in the same places, which stands for a default, are alike."""
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        return all(a == b or (a != a and b != b) for a, b in zip(old, new, strict=True))
    return isinstance(old, float) and isinstance(new, float) and old != old and new != new


def _rates(view: View, row: CheckpointRow) -> Iterator[Found]:
    """Largest over smallest learning rate above 0 of one optimizer's groups, and the groups at 0 while others are not."""
    names = ("optimizer.rate_spread", "optimizer.zero_rate")
    spreads: dict[str, float] = {}
    still: dict[str, float] = {}
    groups = 0
    for optimizer in _optimizers(view, row):
        listed = {index: sum(1 for group in optimizer.group_of.values() if group == index) for index in range(len(optimizer.groups))}
        rates = {index: rate for index, group in enumerate(optimizer.groups) if (rate := _number(group.get("lr"))) is not None}
        groups += len(rates)
        positive = [rate for rate in rates.values() if rate > 0]
        if positive:
            spreads[optimizer.name] = max(positive) / min(positive)
            still.update({f"group {i} of {optimizer.name}": float(listed[i]) for i, rate in rates.items() if rate == 0 and listed[i]})
    if not spreads:
        told = f"every group of the optimizer has a learning rate of 0 at {at_step(row)}"
        yield from missing(names, told if groups else _NO_GROUPS, "" if groups else "optimizer-groups", applies=not groups)
        return
    basis = f"{counted(groups, 'group')} at {at_step(row)}"
    yield Measurement(names[0], max(spreads.values()), "ratio", basis, row.step, spreads)
    yield Measurement(names[1], len(still), "groups", basis, row.step, still)


def _unusual(view: View, row: CheckpointRow) -> Found:
    """Settings of Adam's kin that are rarely meant: an epsilon as large as gradients, a short second memory, no first one."""
    items: dict[str, float] = {}
    groups = 0
    for optimizer in _optimizers(view, row):
        for index, group in enumerate(optimizer.groups):
            betas, eps = group.get("betas"), _number(group.get("eps"))
            if not isinstance(betas, tuple) or len(betas) < 2 or optimizer.algorithm in ("sgd", "rmsprop", "adagrad"):
                continue
            groups += 1
            where = f"of group {index} of {optimizer.name}"
            if eps is not None and eps >= _LARGE_EPSILON:
                items[f"eps {where}"] = eps
            if betas[1] < _SMALL_BETA2:
                items[f"beta2 {where}"] = betas[1]
            if betas[0] == 0:
                items[f"beta1 {where}"] = 0.0
    if not groups:
        if any(optimizer.algorithm in UNKNOWN | ADAM_KIN for optimizer in _optimizers(view, row)):
            return Missing("optimizer.unusual", _NO_GROUPS, "optimizer-groups")
        kinds = " and ".join(sorted({algorithm_words(optimizer.algorithm) for optimizer in _optimizers(view, row)}))
        return Missing("optimizer.unusual", f"the optimizer is {kinds}, which has no betas", "", applies=False)
    return Measurement("optimizer.unusual", len(items), "settings", f"{counted(groups, 'group')} at {at_step(row)}", row.step, items)


def _decayed_vectors(view: View, row: CheckpointRow) -> Found:
    name = "optimizer.decayed_vectors"
    known = {layer.name: view.setting(row, layer.name, "weight_decay") for layer in view.parameters if len(layer.shape) == 1}
    decays = {label: decay for label, decay in known.items() if decay is not None}
    if not decays:
        if not any(len(layer.shape) == 1 for layer in view.parameters):
            return Missing(name, "the net has no bias and no norm", "", applies=False)
        return Missing(name, "the optimizer's groups tell no weight decay of a bias or norm", "optimizer-groups")
    items = {label: decay for label, decay in decays.items() if decay > 0}
    return Measurement(name, len(items), "tensors", f"{len(decays)} biases and norms at {at_step(row)}", row.step, items)


# --- beside the scheduler ---------------------------------------------------------------------------------------------


def _scheduled(values: Mapping[str, object]) -> tuple[dict[int, float], float | None] | None:
    """Rate by group, and the last epoch, of the one scheduler of a checkpoint; None where there are several, or none."""
    found: dict[str, tuple[dict[int, float], list[float]]] = {}
    for key, value in values.items():
        match, number = _SCHEDULED.fullmatch(key), _number(value)
        if match is None or number is None or "_schedulers." in match["which"]:
            continue
        rates, epochs = found.setdefault(match["which"], ({}, []))
        if match["group"] is None:
            epochs.append(number)
        else:
            rates[int(match["group"])] = number
    if len(found) != 1:
        return None
    rates, epochs = next(iter(found.values()))
    return rates, epochs[0] if epochs else None


def _scheduler(checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """The largest share by which a group's rate is off its scheduler's, and how far the scheduler's count fell back."""
    told = [(checkpoint, scheduled) for checkpoint in checkpoints if (scheduled := _scheduled(checkpoint.values)) is not None]
    gaps: dict[str, float] = {}
    compared = 0
    first: int | None = None
    for checkpoint, (rates, _) in told:
        if len(checkpoint.optimizers) != 1 or len(rates) != len(checkpoint.optimizers[0].groups):
            continue
        for index, group in enumerate(checkpoint.optimizers[0].groups):
            rate = _number(group.get("lr"))
            if rate is None or index not in rates:
                continue
            compared += 1
            largest = max(abs(rate), abs(rates[index]))
            gap = abs(rate - rates[index]) / largest if largest > 0 else 0.0
            if gap > 0:
                label = f"group {index}"
                gaps[label] = max(gap, gaps.get(label, 0.0))
                first = checkpoint.step if first is None and gap > 1e-6 else first
    if compared:
        basis = f"rates of groups beside the scheduler's in {counted(len(told), 'checkpoint')}"
        yield Measurement("optimizer.scheduler_gap", max(gaps.values(), default=0.0), "share", basis, first, gaps)
    else:
        yield Missing("optimizer.scheduler_gap", "no checkpoint holds one scheduler's rates beside the groups'", "scheduler-state")
    counts = [(checkpoint.step, epoch) for checkpoint, (_, epoch) in told if epoch is not None]
    if len(counts) < 2:
        yield Missing("optimizer.scheduler_restart", "fewer than two checkpoints hold the scheduler's count", "scheduler-state")
        return
    falls = {f"step {step}": before - after for (_, before), (step, after) in pairwise(counts) if after < before}
    since = next((step for (_, before), (step, after) in pairwise(counts) if after < before), None)
    basis = f"last_epoch of the scheduler in {counted(len(counts), 'checkpoint')}"
    yield Measurement("optimizer.scheduler_restart", max(falls.values(), default=0.0), "steps", basis, since, falls)
