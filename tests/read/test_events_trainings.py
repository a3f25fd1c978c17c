"""Several event files: resumed runs are joined, separate runs stay separate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto import event_pb2, summary_pb2

from postmortem.discover.runs import find_runs
from postmortem.model import FoundFile, ReadOptions
from postmortem.read.events.files import EventData, read_events, split_runs
from postmortem.read.events.records import frame
from postmortem.read.run import reading


def written(folder: Path, name: str, points: Mapping[str, Sequence[tuple[int, float]]], start: float, group: str = "") -> FoundFile:
    """An event file whose k-th record of each tag was written k seconds after `start`."""
    events = [event_pb2.Event(wall_time=start, file_version="brain.Event:2")]
    longest = max(map(len, points.values()), default=0)
    for index in range(longest):
        for tag, curve in points.items():
            if index < len(curve):
                step, value = curve[index]
                summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
                events.append(event_pb2.Event(wall_time=start + index, step=step, summary=summary))
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(frame(event.SerializeToString()) for event in events))
    return FoundFile(path, name, "events", path.stat().st_size, group)


def curve(steps: range, value: float) -> list[tuple[int, float]]:
    """A constant curve over these steps."""
    return [(step, value) for step in steps]


def points(data: EventData, tag: str) -> list[tuple[int, float]]:
    """Steps and values of the one series of this tag."""
    (series,) = (series for series in data.series if series.tag == tag)
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def test_resumed_run_lets_the_later_file_win(tmp_path: Path) -> None:
    """Steps 60 to 100 of the first file give way to the file that resumed at 60, and a note says how many."""
    first = written(tmp_path, "events.1", {"loss": curve(range(0, 101, 10), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"loss": curve(range(60, 161, 10), 2.0)}, 2000)
    for files in ([first, second], [second, first]):
        (data,) = split_runs(files)
        assert points(data, "loss") == curve(range(0, 60, 10), 1.0) + curve(range(60, 161, 10), 2.0)
        assert any("events.2 resumes the run at step 60; 5 points" in note for note in data.notes)
        (resume,) = data.resumes
        (gone,) = resume.replaced
        assert (resume.source, resume.first_step, gone.source) == ("events.2", 60, "events.1")
        assert list(zip(gone.steps, gone.values, strict=True)) == curve(range(60, 101, 10), 1.0)
        assert data.files == ("events.1", "events.2") and (data.started, data.ended) == (1000.0, 2010.0)


def test_rotated_file_goes_on(tmp_path: Path) -> None:
    """A second file that begins behind the first one's end is one training without a note."""
    first = written(tmp_path, "events.1", {"loss": curve(range(50), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"loss": curve(range(50, 90), 1.0)}, 2000)
    (data,) = split_runs([first, second])
    assert points(data, "loss") == curve(range(90), 1.0) and data.notes == ()


def test_restart_from_the_beginning_is_another_training(tmp_path: Path) -> None:
    """Two files that both start at step 0 are two trainings, in order of time and not of name."""
    late = written(tmp_path, "events.1", {"loss": curve(range(100), 2.0)}, 5000)
    early = written(tmp_path, "events.2", {"loss": curve(range(30), 1.0)}, 1000)
    one, two = split_runs([late, early])
    assert points(one, "loss") == curve(range(30), 1.0) and points(two, "loss") == curve(range(100), 2.0)


def test_restart_that_logs_less_often_is_another_training(tmp_path: Path) -> None:
    """A fresh run that logs every 50 steps begins at 50, within the first run's steps, and did not resume there."""
    first = written(tmp_path, "events.1", {"loss": curve(range(10, 1001, 10), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"loss": curve(range(50, 1001, 50), 2.0)}, 5000)
    assert len(split_runs([first, second])) == 2


def test_restart_whose_first_point_lies_behind_the_earlier_one_is_another_training(tmp_path: Path) -> None:
    """Both log every 20 steps, one from 14 on and one from 19: a run that was resumed at 19 would have a point before that."""
    first = written(tmp_path, "events.1", {"loss": curve(range(14, 400, 20), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"loss": curve(range(19, 600, 20), 2.0)}, 5000)
    assert len(split_runs([first, second])) == 2


def test_a_resume_that_a_log_tells_is_the_last_trainings(tmp_path: Path) -> None:
    """Of several trainings in one folder, the log beside them is the last one's, with the place where that was resumed."""
    for start, name in ((1000, "events.out.tfevents.1.a"), (5000, "events.out.tfevents.2.a")):
        written(tmp_path, name, {"loss": curve(range(50), 1.0)}, start)
    rows = [f'{{"iteration": {step}, "total_loss": {value}}}' for steps, value in ((range(50), 1), (range(30, 90), 2)) for step in steps]
    (tmp_path / "metrics.json").write_text("\n".join(rows), encoding="utf-8")
    (run,) = find_runs([tmp_path])
    with reading(run, ReadOptions()) as found:
        assert [[resume.first_step for resume in one.resumes] for one in found] == [[], [30]]


def test_what_trainings_write_over_is_the_last_ones_alone(tmp_path: Path) -> None:
    """A log that is empty is neither input nor problem of the trainings before, as settings are."""
    for start, name in ((1000, "events.out.tfevents.1.a"), (5000, "events.out.tfevents.2.a")):
        written(tmp_path, name, {"loss": curve(range(50), 1.0)}, start)
    (tmp_path / "progress.csv").touch()
    (tmp_path / "config.yaml").write_text("lr: 0.1\n", encoding="utf-8")
    (run,) = find_runs([tmp_path])
    with reading(run, ReadOptions()) as (first, second):
        assert [file.name for file in first.files] == ["config.yaml", "events.out.tfevents.1.a"] and first.problems == ()
        assert "progress.csv" in [file.name for file in second.files]
        assert first.hyperparameters == second.hyperparameters == {"lr": 0.1}


def test_final_score_does_not_outvote_the_curve(tmp_path: Path) -> None:
    """`hp_metric` at step 0 of each file says nothing where the loss shows that the run was resumed."""
    first = written(tmp_path, "events.1", {"hp_metric": [(0, -1.0)], "loss": curve(range(100), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"hp_metric": [(0, -1.0)], "loss": curve(range(80, 200), 1.0)}, 2000)
    assert len(split_runs([first, second])) == 1


def test_other_tags_are_the_same_training(tmp_path: Path) -> None:
    """Two writers with different tags in one folder are one training."""
    first = written(tmp_path, "events.1", {"train/loss": curve(range(50), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"val/loss": curve(range(0, 50, 10), 2.0)}, 1001)
    (data,) = split_runs([first, second])
    assert {series.tag for series in data.series} == {"train/loss", "val/loss"}


def test_train_and_validation_folders_stay_one(tmp_path: Path) -> None:
    """Keras writes the same tag into two folders; the group tells them apart."""
    train = written(tmp_path, "train/events.1", {"epoch_loss": curve(range(9), 1.0)}, 1000, "train")
    validation = written(tmp_path, "validation/events.1", {"epoch_loss": curve(range(9), 2.0)}, 1001, "validation")
    (data,) = split_runs([train, validation])
    assert [(series.group, float(series.values[0])) for series in data.series] == [("train", 1.0), ("validation", 2.0)]


def test_validation_follows_its_own_training(tmp_path: Path) -> None:
    """Of two trainings with train and validation folders, each validation file goes with the training that ran at its time."""
    files = [
        written(tmp_path, f"{group}/events.{start}", {"epoch_loss": curve(range(9), float(start))}, start + late, group)
        for start in (1000, 2000)
        for group, late in (("train", 0), ("validation", 1))
    ]
    trainings = split_runs(files)
    assert [sorted({float(series.values[0]) for series in data.series}) for data in trainings] == [[1000.0], [2000.0]]
    assert [len(data.series) for data in trainings] == [2, 2]


def test_side_writers_with_one_tag_keep_their_folder(tmp_path: Path) -> None:
    """`add_scalars` writes one tag from several folders at one time: the folder then stands before the tag."""
    main = written(tmp_path, "events.0", {"lr": curve(range(20), 0.1)}, 1000)
    one = written(tmp_path, "Loss_gen/events.1", {"Loss": curve(range(20), 1.0)}, 1000)
    two = written(tmp_path, "Loss_disc/events.1", {"Loss": curve(range(20), 2.0)}, 1000)
    (data,) = split_runs([main, one, two])
    values = {series.tag: round(float(series.values[0]), 6) for series in data.series}
    assert values == {"lr": 0.1, "Loss_gen/Loss": 1.0, "Loss_disc/Loss": 2.0}


def test_two_trainings_in_one_file_are_cut(tmp_path: Path) -> None:
    """One writer used for two trainings: steps and values of all tags fall back to the start together, and the file is cut there."""
    first, second = ([(step, 100.0 - step) for step in range(length)] for length in (40, 60))
    one, two = split_runs([written(tmp_path, "events.1", {"loss": first + second, "lr": first + second}, 1000)])
    assert points(one, "loss") == first and points(two, "lr") == second


def test_resume_within_one_file_lets_the_later_points_win(tmp_path: Path) -> None:
    """A writer that was pointed back to step 20 replaces what it wrote from there on."""
    values = curve(range(40), 1.0) + curve(range(20, 60), 2.0)
    (data,) = split_runs([written(tmp_path, "events.1", {"loss": values}, 1000)])
    assert points(data, "loss") == curve(range(20), 1.0) + curve(range(20, 60), 2.0)


def test_step_within_the_epoch_is_continued(tmp_path: Path) -> None:
    """A tag whose step is the batch within the epoch keeps its order of writing and is no new training."""
    batches = [(step, 100.0 - (epoch * 10 + step)) for epoch in range(4) for step in range(10)]
    (data,) = split_runs([written(tmp_path, "events.1", {"batch_loss": batches, "batch_lr": batches}, 1000)])
    assert points(data, "batch_loss") == [(step, 100.0 - step) for step in range(40)]
    assert any("'batch_loss'" in note for note in data.notes)


def test_read_events_takes_all_files_as_one(tmp_path: Path) -> None:
    """Who knows that the files are one training gets one answer, the later file winning."""
    first = written(tmp_path, "events.1", {"loss": curve(range(10), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"loss": curve(range(10), 2.0)}, 2000)
    assert points(read_events([first, second]), "loss") == curve(range(10), 2.0)


def test_damage_of_one_file_stays_with_its_training(tmp_path: Path) -> None:
    """A cut file's problem is told once, in the training that the file belongs to."""
    first = written(tmp_path, "events.1", {"loss": curve(range(30), 1.0)}, 1000)
    second = written(tmp_path, "events.2", {"loss": curve(range(30), 2.0)}, 2000)
    second.path.write_bytes(second.path.read_bytes()[:-5])
    one, two = split_runs([first, second])
    assert one.problems == () and [problem.path for problem in two.problems] == ["events.2"]
