"""What the optimizer's state says: which parameters it leaves out, how many updates it counted, whether its numbers are sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from postmortem.measure.gaps import moments_gap
from postmortem.measure.kept_state import NAME as FILLED
from postmortem.measure.kept_state import keeps_state, measure_filled
from postmortem.measure.optimizer_settings import NAMES as SETTING_NAMES
from postmortem.measure.optimizer_settings import measure_settings
from postmortem.measure.table import CheckpointRow, TensorTable
from postmortem.measure.view import ADAM_KIN, EARLIEST_JUDGED_STEP, Found, View, at_step, missing, updates_done, view_of
from postmortem.model import Checkpoint, Measurement, Missing, Optimizer, counted

_OWN = (
    "optimizer.nonfinite",
    "optimizer.algorithm",
    "optimizer.unlisted",
    "optimizer.stateless",
    "optimizer.zero_gradient",
    "optimizer.step_lag",
    "optimizer.epsilon_share",
    "optimizer.accumulation",
    "optimizer.step_spread",
    "optimizer.scaler_skips",
)
NAMES = (*_OWN, FILLED, *SETTING_NAMES)

_CLEAR_LAG_STEPS = 20
"""A gradient scaler skips about ten updates before it has found its scale."""


def measure_optimizer(table: TensorTable, checkpoints: Sequence[Checkpoint]) -> Iterator[Found]:
    """All `optimizer.*` measurements of one run."""
    if not table.rows:
        yield from missing(NAMES, "the run has no readable checkpoint", "checkpoint")
        return
    view = view_of(table, checkpoints)
    saved = [row for row in view.rows if _optimizers(view, row)]
    if not saved:
        yield from missing(NAMES, "no checkpoint holds the optimizer's state", "optimizer-state")
        return
    yield _nonfinite(view, saved)
    yield measure_filled(view, saved[-1])
    yield _algorithm(view, saved[-1])
    yield from _coverage(view, saved[-1])
    lag = _step_lag(view, saved)
    yield lag
    yield _epsilon(view, saved[-1])
    yield _accumulation(view, saved, lag)
    yield _step_spread(view, saved[-1])
    yield _scaler_skips(view)
    yield from measure_settings(view, saved)


def _optimizers(view: View, row: CheckpointRow) -> tuple[Optimizer, ...]:
    checkpoint = view.checkpoints.get(row.source)
    return checkpoint.optimizers if checkpoint else ()


def _nonfinite(view: View, saved: Sequence[CheckpointRow]) -> Found:
    for row in saved:
        items = {name: float(update.nonfinite) for name, update in row.updates.items() if update.nonfinite}
        if items:
            basis = f"moments in {row.source}"
            return Measurement("optimizer.nonfinite", sum(items.values()), "elements", basis, row.step, items)
    kept = sum(len(row.updates) for row in saved)
    if not kept:
        return moments_gap("optimizer.nonfinite", view, "the optimizer's entries could not be joined to the parameters", ADAM_KIN | {"sgd"})
    return Measurement("optimizer.nonfinite", 0, "elements", f"moments of {counted(len(saved), 'checkpoint')}")


def _algorithm(view: View, row: CheckpointRow) -> Found:
    words = tuple(dict.fromkeys(optimizer.algorithm for optimizer in _optimizers(view, row)))
    basis = f"state and param_groups in {row.source}"
    return Measurement("optimizer.algorithm", float("nan"), "", basis, row.step, text=", ".join(words))


# --- which parameters it serves ---------------------------------------------------------------------------------------


def _listed(optimizers: Sequence[Optimizer]) -> set[str]:
    return {name for optimizer in optimizers for name in optimizer.group_of}


def _joined(optimizers: Sequence[Optimizer]) -> bool:
    """Whether the optimizers' entries carry the parameters' names, and not only numbers."""
    listed = _listed(optimizers)
    return bool(listed) and not any(name.startswith("#") for name in listed)


def idle_reason(view: View, row: CheckpointRow, name: str) -> str:
    """Why a tensor did not move, in words: what the optimizer's state at this checkpoint says of it."""
    optimizers = _optimizers(view, row)
    if not optimizers or not _joined(optimizers):
        return "unknown"
    holder = next((optimizer for optimizer in optimizers if name in optimizer.group_of), None)
    if holder is None:
        return "not in optimizer"
    if view.setting(row, name, "lr") == 0:
        return "learning rate 0"
    if not holder.slots.get(name) and name not in row.updates:
        return "no state" if keeps_state(holder, holder.groups[holder.group_of[name]]) else "unknown"
    update = row.updates.get(name)
    if update is not None and update.second_moment_zero == view.layers[name].elements:
        return "zero gradient"
    return "unknown"


def _coverage(view: View, row: CheckpointRow) -> Iterator[Found]:
    names = ("optimizer.unlisted", "optimizer.stateless", "optimizer.zero_gradient")
    optimizers = _optimizers(view, row)
    done = max(updates_done(row) or 0, row.step or 0)
    if done < EARLIEST_JUDGED_STEP:
        yield from missing(names, f"the last optimizer state is from step {done}", "two-checkpoints")
        return
    if not _joined(optimizers):
        how = optimizers[0].matched if optimizers else "no entries"
        yield from missing(names, f"the optimizer's entries could not be joined to the parameters ({how})", "optimizer-state")
        return
    reasons = {layer.name: idle_reason(view, row, layer.name) for layer in view.parameters}
    moved = {name for other in view.rows for name, delta in other.deltas.items() if delta.equal < view.layers[name].elements}
    words = ("not in optimizer", "no state", "zero gradient")
    for name, word in zip(names, words, strict=True):
        # A tensor that moved without being listed is tied to one that is.
        items = {layer: float(view.layers[layer].elements) for layer, reason in reasons.items() if reason == word and layer not in moved}
        if word == "zero gradient":
            items = {layer: float(view.layers[layer].elements) for layer, reason in reasons.items() if reason == word}
        yield Measurement(name, len(items), "tensors", f"{counted(len(reasons), 'parameter')} at {at_step(row)}", row.step, items)


# --- its counter and its numbers --------------------------------------------------------------------------------------


def _own_count(row: CheckpointRow) -> int | None:
    counted = [update.step for update in row.updates.values() if update.step is not None]
    return max(counted) if counted else None


def _step_lag(view: View, saved: Sequence[CheckpointRow]) -> Found:
    """How far the optimizer's counter is behind the checkpoint's step.

    `text` tells what the gap looks like: `restart` (zero, then a jump that stays), `constant` (the same in all checkpoints that
    have one), `replaced` (it counts anew for other parameters: a new optimizer by plan), `proportional` (accumulation: k
    micro-steps an update), `growing` (updates are skipped), `one checkpoint`, or `none`.
    """
    name = "optimizer.step_lag"
    known = [(row.step, count) for row in saved if row.step and (count := _own_count(row)) is not None and not _step_is_counter(view, row)]
    if not known:
        return _uncounted(name, view, saved)
    step, count = known[-1]
    gap = step - count
    share = gap / step
    items = {f"step {one}": float(one - own) for one, own in known}
    word = _gap_kind(known)
    if word in {"restart", "constant"} and _other_parameters(saved):
        word = "replaced"  # the state before could not have been loaded into it
    basis = f"{gap} of {step} steps are not in the optimizer's counter ({count}); {word} over {counted(len(known), 'checkpoint')}"
    return Measurement(name, share, "share", basis, gap if word in {"restart", "constant"} else None, items, word)


def _uncounted(name: str, view: View, saved: Sequence[CheckpointRow]) -> Missing:
    """Why no counter of the optimizer stands beside a step that is not its own."""
    if any(_own_count(row) is not None and _step_is_counter(view, row) for row in saved):
        return Missing(name, "the checkpoints' steps are known from the optimizer's own counter alone", "step-in-checkpoint")
    if any(update.algorithm in ADAM_KIN for row in saved for update in row.updates.values()):
        return Missing(name, "the optimizer's state has no count of its steps", "optimizer-groups")
    return moments_gap(name, view, "the optimizer's state has no count of its steps", what="count of its steps")


def _other_parameters(saved: Sequence[CheckpointRow]) -> bool:
    """Whether the parameters that have a counter are not the same in all checkpoints that have any."""
    counted = [{name for name, update in row.updates.items() if update.step is not None} for row in saved]
    return len({frozenset(names) for names in counted if names}) > 1


def _step_is_counter(view: View, row: CheckpointRow) -> bool:
    checkpoint = view.checkpoints.get(row.source)
    return checkpoint is not None and checkpoint.step_basis.startswith("the optimizer")


def _gap_kind(known: Sequence[tuple[int, int]]) -> str:
    gaps = [step - count for step, count in known]
    ratios = [count / step for step, count in known]
    behind = [gap for gap in gaps if gap > _CLEAR_LAG_STEPS]
    if not behind:
        return "none"
    if len(known) == 1:
        return "one checkpoint"
    if len(behind) < len(gaps) and gaps[-1] > _CLEAR_LAG_STEPS and max(behind) - min(behind) <= _CLEAR_LAG_STEPS:
        return "restart"
    if any(later < earlier for (_, earlier), (_, later) in pairwise(known)):
        return "restart"
    if max(behind) - min(behind) <= max(_CLEAR_LAG_STEPS // 10, 0.02 * max(behind)):
        return "constant"
    if max(ratios) - min(ratios) <= 0.02 * max(ratios):
        return "proportional"
    return "growing"


def _accumulation(view: View, saved: Sequence[CheckpointRow], lag: Found) -> Found:
    """Steps of the run's count that make one update: k where gradients are accumulated over k of them, else 1.

    Only a ratio that is the same in all checkpoints is accumulation; with one checkpoint, or another kind of gap, nothing is told.
    """
    name = "optimizer.accumulation"
    if isinstance(lag, Missing):
        return Missing(name, lag.reason, lag.log_next)
    known = {row.step: row.step / count for row in saved if row.step and (count := _own_count(row))}
    if lag.text == "none":
        return Measurement(name, 1, "steps", lag.basis)
    if lag.text != "proportional":
        return Missing(name, f"the optimizer's counter is behind in another way ({lag.text})", "two-checkpoints")
    items = {f"step {step}": ratio for step, ratio in known.items()}
    return Measurement(
        name, sum(items.values()) / len(items), "steps", f"steps an update over {counted(len(items), 'checkpoint')}", None, items
    )


def _step_spread(view: View, row: CheckpointRow) -> Found:
    """Parameters that had fewer updates than others: those without a gradient for a while. Items: how many fewer."""
    name = "optimizer.step_spread"
    found: dict[str, float] = {}
    counted = 0
    for optimizer in _optimizers(view, row):
        latest = max(optimizer.steps.values(), default=0)
        counted += len(optimizer.steps)
        found.update({label: float(latest - step) for label, step in optimizer.steps.items() if step < latest})
    if not counted:
        return Missing(name, "the optimizer counts no steps of its parameters", "optimizer-state")
    return Measurement(name, len(found), "tensors", f"counters of {counted} tensors at {at_step(row)}", row.step, found)


_SCALER_START, _SCALER_INTERVAL = 65536.0, 2000.0
"""Torch's defaults: first scale of a gradient scaler, and sound steps after which it grows."""


def _scaler_skips(view: View) -> Found:
    """The least number of updates that the gradient scaler skipped, by what its scale lost; items: least and most.

    Each skip multiplies the scale by the backoff factor, each interval of sound steps by the growth factor. What the scale gained in
    between cannot be seen, so that there may have been as many more skips as there were growths.
    """
    name = "optimizer.scaler_skips"
    least = most = 0.0
    before, begun, seen = _SCALER_START, 0, 0
    for row in view.rows:
        checkpoint = view.checkpoints.get(row.source)
        values = checkpoint.values if checkpoint else {}
        scale, step = _positive(values.get("scaler.scale")), row.step
        if scale is None or step is None or step < begun:
            continue
        backoff, growth = _positive(values.get("scaler.backoff_factor")) or 0.5, _positive(values.get("scaler.growth_factor")) or 2.0
        if not (backoff < 1 < growth):
            continue
        seen += 1
        interval = max(1.0, _positive(values.get("scaler.growth_interval")) or _SCALER_INTERVAL)
        growths = (step - begun) // interval
        lost = (math.log(scale) - math.log(before)) / math.log(backoff)
        gained = growths * math.log(growth) / -math.log(backoff)
        here = max(0, round(lost)) if abs(lost - round(lost)) < 0.01 else max(0, math.ceil(lost))
        least += here
        most += max(here, min(step - begun, math.floor(lost + gained + 0.01)))
        before, begun = scale, step
    if not seen:
        return Missing(name, "no checkpoint of a known step holds a gradient scaler's scale", "scaler-state")
    basis = f"scale of the gradient scaler from {_SCALER_START:g} on, in {counted(seen, 'checkpoint')}"
    return Measurement(name, least, "updates", basis, begun, {"least": least, "most": most})


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 and math.isfinite(value) else None


def _epsilon(view: View, row: CheckpointRow) -> Found:
    items: dict[str, float] = {}
    weights: Mapping[str, int] = {layer.name: layer.elements for layer in view.matrices}
    for name, elements in weights.items():
        update = row.updates.get(name)
        # Codes of 8 bits make small second moments zero: they are below epsilon by their storage, not by their gradients.
        if update is None or update.algorithm not in ADAM_KIN or update.state_dtype == "8-bit":
            continue
        if elements and (update.step or 0) >= EARLIEST_JUDGED_STEP:
            items[name] = update.epsilon_bound / elements
    if not items:
        name = "optimizer.epsilon_share"
        uncounted = any(update.algorithm in ADAM_KIN and update.step is None for update in row.updates.values())
        if uncounted:
            return Missing(name, "the optimizer's state has no count of its steps", "optimizer-groups")
        return moments_gap(name, view, "no matrix has Adam's moments")
    basis = f"elements with sqrt(v) below epsilon and a nonzero average, {counted(len(items), 'matrix', 'matrices')} at {at_step(row)}"
    share = sum(items[name] * weights[name] for name in items) / sum(weights[name] for name in items)
    return Measurement("optimizer.epsilon_share", share, "share", basis, row.step, items)
