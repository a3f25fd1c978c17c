"""Learning rates and gradient norms whose schedules, bursts and limits were drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.chance import Classes
from postmortem.measure.curves import measure_curves
from postmortem.measure.rates import LR, measure_gradient_norm, measure_rate
from postmortem.measure.roles import Roled, assign
from postmortem.model import Checkpoint, Measurement, Missing, Optimizer, Plain, ReadOptions, RunData, Series

Values = Sequence[float] | NDArray[np.float64]


def drawn(tag: str, values: Values) -> Series:
    """One drawn series, a point every ten steps."""
    array = np.asarray(values, dtype=np.float64)
    return Series(tag, "", np.arange(array.size) * 10, array, np.full(array.size, np.nan), "events")


def run(*series: Series, checkpoints: Sequence[Checkpoint] = (), settings: Mapping[str, Plain] | None = None) -> RunData:
    """A run of these series, checkpoints and settings."""
    return RunData("run", "run", (), series, (), settings or {}, tuple(checkpoints), (), (), (), ReadOptions())


def saved(step: int, lr: float) -> Checkpoint:
    """A checkpoint that holds nothing but one optimizer's learning rate."""
    optimizer = Optimizer("optimizer", "adam", ({"lr": lr},), {}, {}, {}, "by position")
    return Checkpoint(f"step_{step}.pt", step, "file name", None, {}, "", (optimizer,), {}, 0)


def rate(one: RunData, last_step: int | None = None) -> dict[str, float]:
    """Measured values of the learning rate by name."""
    found = measure_rate(one, assign(one.series, one.options), last_step)
    return {item.name: item.value for item in found if isinstance(item, Measurement)}


def norm(values: Values, clip: float | None = None) -> dict[str, Measurement]:
    """Measurements of a gradient norm by name."""
    found = measure_gradient_norm(assign([drawn("grad_norm", values)], ReadOptions()), clip)
    return {item.name: item for item in found if isinstance(item, Measurement)}


def test_a_rate_that_dies_early() -> None:
    """A rate of zero after six hundredths of the run is dead for the rest of it."""
    found = rate(run(drawn("lr", np.where(np.arange(100) < 6, 0.1, 0.0))))
    assert found["lr.dead_share"] == pytest.approx(0.94, abs=0.015)
    assert (found["lr.first"], found["lr.max"], found["lr.last"], found["lr.max_step"]) == (0.1, 0.1, 0.0, 0.0)


def test_schedules_that_end_with_the_run_are_alive() -> None:
    """A cosine and a line to zero, and warm restarts, are dead for no more than 3 % of the run."""
    at = np.linspace(0, 1, 1000)
    for values in (0.5 * (1 + np.cos(np.pi * at)), 1 - at, 0.5 * (1 + np.cos(np.pi * (4 * at % 1)))):
        assert rate(run(drawn("lr", values)))["lr.dead_share"] <= 0.03


def test_the_rate_counts_to_the_last_step_of_the_run() -> None:
    """A rate whose log ends at zero halfway through the run was dead for half of it."""
    assert rate(run(drawn("lr", [0.1, 0.1, 0.1, 0.1, 0.1, 0.0])), last_step=100)["lr.dead_share"] == pytest.approx(0.5)


def test_a_rate_of_zero_is_dead_throughout() -> None:
    """A rate that never was above zero is dead for the whole run."""
    assert rate(run(drawn("lr", np.zeros(20))))["lr.dead_share"] == 1.0


def test_the_group_with_the_highest_peak_counts() -> None:
    """Of several groups' rates the one with the highest peak stands for the run."""
    assert rate(run(drawn("lr/pg0", np.full(20, 1e-5)), drawn("lr/pg1", np.full(20, 1e-3))))["lr.max"] == 1e-3


def test_the_warm_up_of_biases_is_not_the_run_s() -> None:
    """YOLO's trainers let the biases begin at 0.1 while all else rises from 0: the rate that they come to is the run's."""
    late = 1e-3 * np.linspace(1, 0.01, 30)
    for length in (3, 60):
        warming = np.linspace(0, 9e-4, length)
        rising, falling = np.append(warming, late), np.append(warming + np.linspace(0.1, 0, length, endpoint=False), late)
        for biases in range(3):
            groups = [drawn(f"lr/pg{at}", falling if at == biases else rising) for at in range(3)]
            assert rate(run(*groups))["lr.max"] == 1e-3


def test_checkpoints_stand_in_for_tags() -> None:
    """Without a tag the rates of the optimizers' groups count, and without those the setting."""
    found = rate(run(checkpoints=[saved(step, 0.1 if step < 200 else 1e-6) for step in (0, 100, 200, 300, 400)]))
    assert found["lr.max"] == 0.1
    assert found["lr.dead_share"] == pytest.approx(0.5)
    assert rate(run(settings={"optim/lr": 0.02}))["lr.max"] == 0.02


def test_what_a_scheduler_began_with_stands_before_checkpoints_of_a_decay_alone() -> None:
    """Rates that fall began higher, as their group says; rates that rise are a warm-up, which never was at what the group says."""

    def rates(*pairs: tuple[int, float]) -> dict[str, float]:
        groups = [({"lr": lr, "initial_lr": 0.01},) for _, lr in pairs]
        optimizers = [Optimizer("optimizer", "adam", group, {}, {}, {}, "by position") for group in groups]
        return rate(run(checkpoints=[replace(saved(*pair), optimizers=(one,)) for pair, one in zip(pairs, optimizers, strict=True)]))

    fallen = rates((1600, 2e-5), (3200, 2e-8))
    assert fallen["lr.max"] == fallen["lr.first"] == 0.01 and fallen["lr.last"] == 2e-8
    assert rates((100, 1e-6), (200, 2e-6))["lr.max"] == 2e-6
    assert rates((3200, 2e-8))["lr.max"] == 2e-8
    assert rates((0, 2e-5), (3200, 2e-8))["lr.max"] == 2e-5


def test_no_rate_is_missing() -> None:
    """Without any trace of a learning rate all of it is missing."""
    found = list(measure_rate(run(), (), None))
    assert [one.name for one in found if isinstance(one, Missing)] == list(LR)


def test_a_burst_is_dated() -> None:
    """A norm 300 times the usual one at point 60 is a burst of 300 there."""
    values = np.ones(200)
    values[60] = 300
    found = norm(values)["gradnorm.burst"]
    assert found.value == pytest.approx(300)
    assert found.first_step == 600


def test_wild_beginnings_are_no_burst() -> None:
    """Large norms in the first twentieth of the points are left out."""
    values = np.ones(200)
    values[:8] = 500
    assert norm(values)["gradnorm.burst"].value <= 1


def test_a_converged_model_has_no_burst() -> None:
    """Norms near zero at the end of a run are not the measure of what is usual."""
    values = np.geomspace(1, 1e-6, 400)
    values[300] = 0.05
    assert norm(values)["gradnorm.burst"].value < 1


def test_norms_at_their_maximum() -> None:
    """Nineteen of twenty norms at the clip norm are a constant share of 0.95."""
    values = np.ones(200)
    values[::20] = 0.3
    assert norm(values)["gradnorm.constant_share"].value == pytest.approx(0.95)


def test_norms_above_the_clip_norm() -> None:
    """Norms logged before clipping are counted against the clip norm of the settings."""
    found = norm(np.tile([0.5, 2.0, 3.0, 4.0], 50), clip=1.0)["gradnorm.clipped_share"]
    assert found.value == pytest.approx(0.75)
    assert found.items["median_over_clip"] == pytest.approx(2.5)


def test_growth_and_median() -> None:
    """A norm that grows from 1 to 100 grows by nearly that, and its median is in between."""
    found = norm(np.geomspace(1, 100, 400))
    assert found["gradnorm.growth"].value == pytest.approx(100 ** (0.95 - 0.1), rel=0.1)
    assert found["gradnorm.median"].value == pytest.approx(10, rel=0.02)


def test_infinite_norms_are_counted_and_left_out() -> None:
    """Two infinite norms are counted, dated, and change no other number."""
    values = np.ones(100)
    values[[10, 50]] = np.inf
    found = norm(values)
    assert (found["gradnorm.nonfinite"].value, found["gradnorm.nonfinite"].first_step) == (2, 100)
    assert found["gradnorm.nonfinite_share"].value == pytest.approx(0.02)
    assert found["gradnorm.burst"].value == 1


def test_few_norms_are_missing() -> None:
    """Nine norms are counted and not judged."""
    assert set(norm(np.ones(9))) == {"gradnorm.nonfinite", "gradnorm.nonfinite_share"}


def test_a_warm_up_without_end_rises_late() -> None:
    """A rate that climbs straight to the last step ends at twice that of the middle, and began to climb at the start."""
    found = {one.name: one for one in measure_rate(*_parts(np.linspace(1e-5, 1e-3, 101))) if isinstance(one, Measurement)}
    assert found["lr.late_rise"].value == pytest.approx(2.0, rel=0.03)
    assert found["lr.late_rise"].first_step == 0


def test_schedules_that_fall_or_rest_do_not_rise_late() -> None:
    """A cosine, a constant rate, and cycles that fall in between count as 1."""
    at = np.linspace(0, 1, 101)
    for values in (0.5 * (1 + np.cos(np.pi * at)), np.full(101, 0.1), 0.5 * (1 + np.cos(8 * np.pi * at))):
        assert rate(run(drawn("lr", values)))["lr.late_rise"] == 1.0


def test_a_second_cycle_is_dated_where_it_begins() -> None:
    """A rate that rests until step 700 and then climbs fortyfold rises from there."""
    at = np.arange(101) * 10
    found = {one.name: one for one in measure_rate(*_parts(np.where(at <= 700, 1.0, 40.0))) if isinstance(one, Measurement)}
    assert found["lr.late_rise"].value == pytest.approx(40.0)
    assert found["lr.late_rise"].first_step == 700


def test_a_logged_group_that_stands_still_is_not_the_rate() -> None:
    """Where the log shows the zero rate of one group, the optimizer's other groups tell the rate."""
    found = rate(run(drawn("lr", np.zeros(50)), checkpoints=[saved(step, 1e-3) for step in (0, 100, 200, 300, 400)]))
    assert found["lr.max"] == 1e-3
    assert found["lr.dead_share"] == 0


def _parts(values: Values) -> tuple[RunData, Sequence[Roled], None]:
    one = run(drawn("lr", values))
    return one, assign(one.series, one.options), None


def test_a_rate_by_epoch_is_not_held_against_checkpoints_by_step() -> None:
    """A cosine to 0 that was logged over 25 epochs lasts to the end, whatever steps checkpoints of the run count."""
    at = np.linspace(0, 1, 25)
    one = run(
        Series("epoch_loss", "", np.arange(25), 2 - at, np.full(25, np.nan), "events"),
        Series("epoch_learning_rate", "", np.arange(25), 0.5 * (1 + np.cos(np.pi * at)), np.full(25, np.nan), "events"),
        checkpoints=(saved(200, 5e-4), saved(400, 0.0)),
    )
    roled = assign(one.series, one.options)
    found = {each.name: each for each in measure_curves(one, roled, Classes())}
    share = found["lr.dead_share"]
    assert isinstance(share, Measurement)
    assert share.value <= 0.05


def test_checkpoints_that_count_steps_do_not_prolong_a_log_in_epochs() -> None:
    """A cosine to zero logged over 25 epochs is dead for its last point only, though checkpoints stand at step 300."""
    one = run(drawn("lr", 0.5 * (1 + np.cos(np.pi * np.linspace(0, 1, 25)))), drawn("loss", np.linspace(2, 1, 25)))
    assert rate(one, last_step=3000)["lr.dead_share"] == pytest.approx(0.0, abs=0.05)


def test_three_milestones_by_ten_end_at_nothing() -> None:
    """A rate that was divided by ten three times stands at a thousandth as floats have it, which is as good as none."""
    values = np.array([0.1] * 10 + [0.1 * 0.1] * 10 + [0.1 * 0.1 * 0.1] * 10 + [0.1 * 0.1 * 0.1 * 0.1] * 70)
    assert rate(run(drawn("lr", values)))["lr.dead_share"] == pytest.approx(0.7, abs=0.02)
