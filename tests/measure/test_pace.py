"""Pace by wall times: rates and gaps that were drawn, and times that say nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.checks.artifacts import slowing_throughput, stalled_progress
from postmortem.measure.pace import exhibit, measure_pace, rank_correlation
from postmortem.measure.roles import assign
from postmortem.model import FoundFile, Measured, Measurement, Missing, ReadOptions, RunData, Series

BEGIN = 1_700_000_000.0
FILE = "events.out.tfevents.1700000000.host.1.0"
Floats = NDArray[np.floating]  # what numpy gives for a mean or a sum


def series(walls: Floats, tag: str = "train/loss", source: str = FILE, every: int = 10) -> Series:
    """A loss that was logged at these times, one point every ten steps."""
    steps = every * np.arange(walls.size)
    return Series(tag, "", steps, np.exp(-np.arange(walls.size) / walls.size), np.asarray(BEGIN + walls, dtype=np.float64), source)


def run(*all_series: Series, files: tuple[str, ...] = (FILE,)) -> RunData:
    """A run of these series and event files."""
    found = tuple(FoundFile(Path(name), name, "events", 1) for name in files)
    return RunData(".", ".", found, all_series, (), {}, (), (), (), (), ReadOptions())


def measure(one: RunData) -> dict[str, Measurement | Missing]:
    """Every measurement of pace by name."""
    return {found.name: found for found in measure_pace(one, assign(one.series, one.options))}


def value(one: RunData, name: str) -> float:
    """A number that must have been measured."""
    found = measure(one)[name]
    assert isinstance(found, Measurement), found
    return found.value


def status(check: object, one: RunData) -> str:
    """What a check says of a run; `not-checked` where a number that it needs is missing."""
    module = stalled_progress if check is stalled_progress else slowing_throughput
    values = {name: found for name, found in measure(one).items() if isinstance(found, Measurement)}
    measured = Measured({name: values[name] for name in module.NEEDS if name in values}, frozenset(module.NEEDS))
    if module.applies(measured):
        return "not-applicable"
    return module.judge(measured).status if set(module.NEEDS) <= set(values) else "not-checked"


def steady(points: int = 1000, seconds: float = 30.0) -> Floats:
    """Times with a little noise about their distance."""
    return np.cumsum(np.random.default_rng(1).normal(seconds, 0.05 * seconds, points))


def test_a_steady_run_has_its_rate_and_no_trend() -> None:
    """Ten steps every 30 s are a third of a step a second, from the first to the last quarter."""
    one = run(series(steady()))
    assert value(one, "pace.steps_per_second") == pytest.approx(1 / 3, rel=0.02)
    assert value(one, "pace.lost_share") == pytest.approx(0.0, abs=0.03)
    assert value(one, "run.duration_seconds") == pytest.approx(30_000, rel=0.02)
    assert (status(stalled_progress, one), status(slowing_throughput, one)) == ("pass", "pass")


def test_a_run_that_slows_down_loses_what_was_drawn() -> None:
    """Distances that double from end to end lose as much as the medians of the outer quarters say."""
    one = run(series(np.cumsum(np.linspace(20, 40, 1000))))
    # The middle block of the outer quarters: an eighth from either end, by distance 22.5 and 37.5.
    assert value(one, "pace.lost_share") == pytest.approx(1 - 22.5 / 37.5, abs=0.02)
    assert value(one, "pace.trend") == pytest.approx(-1.0)
    assert status(slowing_throughput, one) == "warn"


def test_a_slow_neighbour_for_a_while_is_no_trend() -> None:
    """A slow last quarter alone loses throughput without falling all along; a slow middle loses none."""
    distances = np.full(1000, 30.0)
    distances[400:600] = 60.0
    assert value(run(series(np.cumsum(distances))), "pace.lost_share") == pytest.approx(0.0, abs=0.01)
    assert status(slowing_throughput, run(series(np.cumsum(distances)))) == "pass"


def test_a_stall_is_told_with_its_length_and_step() -> None:
    """Two hours without a point of any tag, in a run that logs every 30 s, are a stall behind the last step before."""
    walls = steady()
    walls[500:] += 7200
    one = run(series(walls), series(walls[::100], "val/loss", every=1000))
    found = measure(one)["pace.longest_gap_seconds"]
    assert isinstance(found, Measurement)
    assert found.value == pytest.approx(7230, rel=0.01)
    assert found.first_step == 4990
    assert status(stalled_progress, one) == "warn"
    assert status(slowing_throughput, one) == "pass"


def test_another_tag_that_goes_on_rules_out_a_stall() -> None:
    """Where validation was logged all the while, nothing stood still."""
    walls = steady()
    walls[500:] += 7200
    going_on = np.linspace(0, walls[-1], 1000)
    assert status(stalled_progress, run(series(walls), series(going_on, "val/loss"))) == "pass"


def test_evaluations_that_recur_are_no_stall() -> None:
    """A pause of an hour every hundred points is how the run works."""
    walls = np.cumsum(np.where(np.arange(1000) % 100 == 99, 3600.0, 10.0))
    assert status(stalled_progress, run(series(walls))) == "pass"


def test_a_run_that_was_resumed_did_not_stall() -> None:
    """A night between two files is a restart: neither a gap nor a loss of speed."""
    first, second = steady(400), steady(600) + 400 * 30 + 40_000
    later = f"events.out.tfevents.{int(BEGIN + 400 * 30 + 39_990)}.host.2.0"
    joined = series(np.concatenate([first, second]), source=f"{FILE}, {later}")
    one = run(joined, files=(FILE, later))
    assert value(one, "pace.longest_gap_seconds") < 100
    assert value(one, "pace.lost_share") == pytest.approx(0.0, abs=0.05)


def test_files_whose_names_tell_no_start_are_not_judged() -> None:
    """Several files without times in their names: what lies between them may be a restart."""
    one = run(series(steady(), source="a.tfevents, b.tfevents"), files=("a.tfevents", "b.tfevents"))
    assert isinstance(measure(one)["pace.longest_gap_seconds"], Missing)
    assert status(stalled_progress, one) == "not-checked"


def test_a_table_does_not_tell_a_stall_from_a_resumed_run() -> None:
    """The gap of a table of rows is not measured; its rate is."""
    one = run(series(steady(), source="metrics.csv"), files=())
    assert isinstance(measure(one)["pace.longest_gap_seconds"], Missing)
    assert value(one, "pace.steps_per_second") == pytest.approx(1 / 3, rel=0.02)


@pytest.mark.parametrize(
    ("walls", "words"),
    [
        (np.zeros(1000), "carry the same time"),
        (np.arange(1000) * 5e-5, "written afterwards"),
        (np.full(1000, np.nan), "no scalar carries the time"),
        (np.arange(5) * 60.0, "no tag has 20 points"),
    ],
)
def test_times_that_say_nothing_are_not_judged(walls: Floats, words: str) -> None:
    """Equal times, times of a converter, no times and few points leave every measurement missing."""
    found = measure(run(series(walls)))
    assert all(isinstance(one, Missing) and words in one.reason for one in found.values())
    assert status(stalled_progress, run(series(walls))) == "not-checked"


def test_points_written_in_bursts_count_as_one() -> None:
    """A loop that writes an epoch's 50 losses at its end has one point an epoch, an hour apart, and no stall."""
    epochs = np.repeat(np.arange(40) * 3600.0, 50) + np.tile(np.arange(50) * 1e-3, 40)
    one = run(series(epochs))
    assert value(one, "pace.steps_per_second") == pytest.approx(500 / 3600, rel=0.05)
    assert status(stalled_progress, one) == "pass"


def test_one_long_gap_does_not_make_the_rest_a_burst() -> None:
    """Ten days of waiting in a run of a minute leave its points as they are."""
    walls = np.arange(1000) * 0.06
    walls[500:] += 864_000
    assert value(run(series(walls)), "pace.steps_per_second") == pytest.approx(10 / 0.06, rel=0.05)
    assert status(stalled_progress, run(series(walls))) == "warn"


def test_a_short_run_is_not_judged_by_its_speed() -> None:
    """What three minutes lose is no loss."""
    one = run(series(np.cumsum(np.linspace(0.1, 0.3, 1000))))
    assert status(slowing_throughput, one) == "not-applicable"
    assert status(stalled_progress, one) == "not-applicable"


def test_epochs_of_an_hour_are_no_stall() -> None:
    """Logging by epochs makes long distances and no gap among them."""
    assert status(stalled_progress, run(series(steady(60, 3600.0)))) == "pass"


def test_rank_correlation_is_spearmans() -> None:
    """Against ranks worked out by hand, ties sharing their mean rank, and where nothing differs."""
    assert rank_correlation(np.array([1.0, 2.0, 3.0])) == pytest.approx(1.0)
    # Ranks 1.5, 1.5, 3, 4 against 1, 2, 3, 4: covariance 4.5 over sqrt(4.5 * 5).
    assert rank_correlation(np.array([5.0, 5.0, 6.0, 9.0])) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert rank_correlation(np.full(4, 2.0)) == 0.0


def test_the_exhibit_is_drawn_of_long_runs_only() -> None:
    """Throughput, with the distances beneath and the stall marked; nothing of a run of seconds."""
    walls = steady()
    walls[500:] += 7200
    one = run(series(walls))
    found = measure(one)
    longest, usual = found["pace.longest_gap_seconds"], found["pace.gap_to_usual"]
    assert isinstance(longest, Measurement)
    assert isinstance(usual, Measurement)
    (plot,) = exhibit(one, assign(one.series, one.options), longest, usual)
    assert [mark.step for mark in plot.marks] == [4990]
    assert max(plot.lower[0].values) == pytest.approx(7230, rel=0.01)
    short = run(series(np.arange(100) * 0.1))
    assert list(exhibit(short, assign(short.series, short.options), None, None)) == []
