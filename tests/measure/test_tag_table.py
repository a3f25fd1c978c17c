"""The list of tags that a report carries."""

from __future__ import annotations

import json

import numpy as np

from postmortem.measure.roles import assign
from postmortem.measure.run import measure_run
from postmortem.measure.tag_table import MOST_TAGS, left_out, tag_roles
from postmortem.model import ReadOptions, RunData, Series
from postmortem.render.json import dump_measurements, parse_measurements


def drawn(tag: str, points: int = 30, group: str = "") -> Series:
    """One falling series."""
    return Series(tag, group, np.arange(points), np.linspace(2, 1, points), np.full(points, np.nan), "events")


def run(*series: Series, options: ReadOptions | None = None) -> RunData:
    """A run of these series alone."""
    return RunData(".", ".", (), series, (), {}, (), (), (), (), options or ReadOptions())


def test_every_series_has_a_row_and_the_leading_ones_are_marked() -> None:
    """Each tag and group stands there with its points and steps; exactly one of a role stands for the run."""
    series = (drawn("epoch_loss", 30, "train"), drawn("epoch_loss", 30, "validation"), drawn("batch_loss", 20, "train"), drawn("lr"))
    measured = measure_run(run(*series))
    assert sorted((one.tag, one.group, one.main) for one in measured.tags) == [
        ("batch_loss", "train", False),
        ("epoch_loss", "train", True),
        ("epoch_loss", "validation", True),
        ("lr", "", True),
    ]
    (loss,) = (one for one in measured.tags if one.main and one.role == "training-loss")
    assert (loss.points, loss.first_step, loss.last_step, loss.split) == (30, 0, 29, "train")


def test_an_empty_series_has_no_steps() -> None:
    """A tag without a point is listed without steps."""
    (row,) = tag_roles(assign([drawn("loss", 0)], ReadOptions()))
    assert (row.points, row.first_step, row.last_step) == (0, None, None)


def test_tags_beyond_the_most_are_counted() -> None:
    """What is not listed is said by role; what stands for the run is always listed."""
    roled = assign([*(drawn(f"layer{index}/x", 2) for index in range(MOST_TAGS + 5)), drawn("loss")], ReadOptions())
    assert tag_roles(roled)[0].tag == "loss"
    assert list(left_out(roled)) == [
        f"6 of {MOST_TAGS + 6} scalar tags are not listed (6 of role 'other'); they were read and judged like the rest"
    ]


def test_measurements_saved_before_there_were_tags_are_read() -> None:
    """Saved measurements keep the tags, and older ones without them are read as having none."""
    measured = measure_run(run(drawn("train/loss")))
    saved = json.loads(dump_measurements((measured,), "1"))
    assert parse_measurements(json.dumps(saved))[0].tags == measured.tags
    del saved["runs"][0]["tags"]
    assert parse_measurements(json.dumps(saved))[0].tags == ()


def test_an_option_that_names_no_tag_is_a_note_of_the_run() -> None:
    """The report says that --loss-tag was not used, with the closest tags."""
    measured = measure_run(run(drawn("train/loss"), drawn("lr"), options=ReadOptions(loss_tag="train/los")))
    assert any(note.startswith("--loss-tag 'train/los' matches no tag") and "'train/loss'" in note for note in measured.notes)
