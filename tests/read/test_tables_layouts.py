"""Logs in the exact layouts of the trainers that write them, from the folder to the curves.

Layouts were taken from the writers and from public files: transformers 4.57 `TrainerState.save_to_json`, lightning 2.5 `CSVLogger`,
ultralytics 8.3 and yolov5 7.0, detectron2 0.6 `JSONWriter`, mmcv 1.7 `TextLoggerHook`, mmengine 0.10 `LocalVisBackend`, detr `main.py`,
dvclive 0.8, 1.3 and 3.48, keras 3 `CSVLogger`, stable-baselines3 2.6 `Monitor` and `CSVOutputFormat`, ray 2.40 `CSVLoggerCallback` and
`JsonLoggerCallback`, timm 1.0 `update_summary`, tensorboard 2.18 downloads, tbparse 0.0.9 frames.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from postmortem.discover import find_runs
from postmortem.model import ReadOptions, RunData
from postmortem.read.run import reading


def run_of(root: Path, files: dict[str, str]) -> RunData:
    """The one run that these files make."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(content.encode()))
        else:
            path.write_text(content, encoding="utf-8", newline="")
    (found,) = find_runs([root])
    with reading(found, ReadOptions()) as (run,):
        return run


def curves(run: RunData) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """(Group, tag) -> points."""
    return {(series.group, series.tag): list(zip(series.steps.tolist(), series.values.tolist(), strict=True)) for series in run.series}


def lines(*rows: Mapping[str, object]) -> str:
    """Rows as lines of JSON."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def trainer_state(steps: int, **more: object) -> str:
    """A state as transformers saves it beside a checkpoint."""
    history = [{"epoch": step / 10, "learning_rate": 1e-4, "loss": 3.0 - step / 10, "step": step} for step in range(1, steps + 1)]
    evaluated = [{"epoch": step / 10, "eval_loss": 2.5, "eval_runtime": 1.5, "step": step} for step in range(5, steps + 1, 5)]
    return json.dumps({"epoch": steps / 10, "global_step": steps, "max_steps": 20, "log_history": history + evaluated, **more}, indent=2)


def test_states_of_the_trainer_beside_each_checkpoint(tmp_path: Path) -> None:
    """The history of the last state is the curve, once, and its settings are those that count; nothing is said of the shorter ones."""
    run = run_of(tmp_path, {f"out/checkpoint-{steps}/trainer_state.json": trainer_state(steps) for steps in (5, 10)})
    found = curves(run)
    assert [step for step, _ in found["", "loss"]] == list(range(1, 11))
    assert found["", "eval_loss"] == [(5, 2.5), (10, 2.5)]
    assert run.hyperparameters["global_step"] == 10 and run.problems == () and not any("trainer_state.json" in note for note in run.notes)


def test_states_of_an_earlier_training(tmp_path: Path) -> None:
    """Checkpoints that an earlier training left in the folder have a history of their own: it is not mixed in, and is told once."""
    stale = trainer_state(4).replace('"loss": 2.', '"loss": 7.')
    files = {f"out/checkpoint-{steps}/trainer_state.json": stale for steps in (3, 4)} | {
        "out/checkpoint-10/trainer_state.json": trainer_state(10)
    }
    run = run_of(tmp_path, files)
    assert curves(run)["", "loss"] == [(step, 3.0 - step / 10) for step in range(1, 11)]
    assert [note for note in run.notes if "another history" in note] == [
        "checkpoint-3/trainer_state.json and 1 more: another history than checkpoint-10/trainer_state.json tells: "
        "of another training, left aside"
    ]


def test_last_row_of_the_trainer_is_a_mean(tmp_path: Path) -> None:
    """`train_loss` of the row with `train_runtime` sums the training up: a value beside the settings, no point of a curve."""
    state = json.loads(trainer_state(4))
    state["log_history"].append({"epoch": 0.4, "step": 4, "total_flos": 1.0, "train_loss": 2.75, "train_runtime": 60.5})
    run = run_of(tmp_path, {"out/trainer_state.json": json.dumps(state)})
    assert ("", "train_loss") not in curves(run) and len(curves(run)["", "loss"]) == 4
    assert run.hyperparameters["train_loss"] == 2.75 and run.hyperparameters["train_runtime"] == 60.5


def test_states_without_history(tmp_path: Path) -> None:
    """A state without a history gives no curve, no problem, and no note for each folder that holds one."""
    state = json.dumps({"epoch": 1.0, "global_step": 5, "log_history": []})
    run = run_of(tmp_path, {f"out/checkpoint-{steps}/trainer_state.json": state for steps in (5, 10, 15)})
    assert run.series == () and run.problems == () and not any("trainer_state.json" in note for note in run.notes)


def test_yolo_of_three_versions(tmp_path: Path) -> None:
    """Headers padded with spaces (v5 and earlier v8) and bare ones with the time (v8.3) are read by the same names."""
    for version, header in (
        ("v5", "               epoch,      train/box_loss,         val/box_loss,                x/lr0"),
        ("v8", "                  epoch,         train/box_loss,           val/box_loss,                 lr/pg0"),
        ("v11", "epoch,time,train/box_loss,val/box_loss,lr/pg0"),
    ):
        time = "12.5," if version == "v11" else ""
        content = f"{header}\n" + "".join(f"{epoch},{time} {2 - epoch / 4}, {3 - epoch / 4}, 0.01\n" for epoch in range(3))
        found = curves(run_of(tmp_path / version, {"runs/detect/train/results.csv": content, "runs/detect/train/args.yaml": "lr0: 0.01\n"}))
        assert found["", "train/box_loss"] == [(0, 2.0), (1, 1.75), (2, 1.5)] and found["", "val/box_loss"][0] == (0, 3.0)


def test_json_lines_of_detectron(tmp_path: Path) -> None:
    """Training rows every 20 iterations, evaluation rows with keys of their own at the same iteration."""
    rows = [{"iteration": step, "lr": 0.02, "total_loss": 4 - step / 100, "data_time": 0.1} for step in (19, 39, 59)]
    found = curves(run_of(tmp_path, {"output/metrics.json": lines(*rows, {"iteration": 59, "bbox/AP": 12.5})}))
    assert found["", "total_loss"] == [(19, 3.81), (39, 3.61), (59, 3.41)] and found["", "bbox/AP"] == [(59, 12.5)]


def test_resumed_log_of_detectron(tmp_path: Path) -> None:
    """A second start writes on in the same file from the last checkpoint on: its rows count, the ones that it repeats do not."""
    rows = [{"iteration": step, "total_loss": float(step)} for step in range(0, 200, 20)]
    again = [{"iteration": step, "total_loss": step + 0.5} for step in range(100, 300, 20)]
    run = run_of(tmp_path, {"output/metrics.json": lines(*rows, *again)})
    assert curves(run)["", "total_loss"] == [(step, float(step)) for step in range(0, 100, 20)] + [
        (step, step + 0.5) for step in range(100, 300, 20)
    ]
    assert any("5 earlier rows gave way to later ones" in note for note in run.notes)


def mmcv_rows(epochs: range) -> list[dict[str, object]]:
    """Rows as mmcv's text logger writes them: the iteration begins anew each epoch, and in validation is the length of that set."""
    rows: list[dict[str, object]] = []
    for epoch in epochs:
        rows += [{"mode": "train", "epoch": epoch, "iter": it, "lr": 0.02, "loss": 9.0 - epoch - it / 1000} for it in (50, 100)]
        rows.append({"mode": "val", "epoch": epoch, "iter": 5000, "lr": 0.02, "bbox_mAP": epoch / 10})
    return rows


def test_log_of_mmcv(tmp_path: Path) -> None:
    """The mode is the split; iterations go on from epoch to epoch; validation stands at the last step of its epoch's training."""
    head: dict[str, object] = {"env_info": "x" * 500, "seed": 7, "exp_name": "faster_rcnn.py", "mmdet_version": "2.28.0"}
    run = run_of(tmp_path, {"work_dirs/a/20230101_120000.log.json": lines(head, *mmcv_rows(range(1, 4)))})
    found = curves(run)
    assert [step for step, _ in found["train", "loss"]] == [50, 100, 150, 200, 250, 300]
    assert found["validation", "bbox_mAP"] == [(100, 0.1), (200, 0.2), (300, 0.3)]
    assert run.hyperparameters == {"seed": 7, "exp_name": "faster_rcnn.py", "mmdet_version": "2.28.0"} and run.problems == ()


def test_resumed_training_of_mmcv(tmp_path: Path) -> None:
    """Each start leaves a file of its own; the second goes on from its first epoch, and the overlap gives way to it."""
    files = {
        "a/20230101_120000.log.json": lines(*mmcv_rows(range(1, 4))),
        "a/20230102_120000.log.json": lines(*mmcv_rows(range(3, 6))),
    }
    run = run_of(tmp_path, files)
    assert [step for step, _ in curves(run)["train", "loss"]] == list(range(50, 550, 50))
    assert any("resumes the run; 2 earlier points" in note for note in run.notes)


@pytest.mark.parametrize("by_epoch", [True, False])
def test_scalars_of_mmengine(tmp_path: Path, by_epoch: bool) -> None:
    """Rows of validation have no iteration; counted in epochs, their step is no training step and must not look like a restart."""
    rows: list[dict[str, object]] = []
    for epoch in range(1, 5):
        rows += [{"lr": 0.1, "loss": 1.0 / step, "time": 0.5, "iter": step, "step": step} for step in (epoch * 69 - 30, epoch * 69)]
        rows.append({"coco/bbox_mAP": epoch / 10, "time": 0.25, "step": epoch if by_epoch else epoch * 69})
    run = run_of(tmp_path, {"a/20230101_120000/vis_data/scalars.json": lines(*rows)})
    found = curves(run)
    assert [step for step, _ in found["", "loss"]] == [39, 69, 108, 138, 177, 207, 246, 276]
    assert found["validation", "coco/bbox_mAP"] == [(69, 0.1), (138, 0.2), (207, 0.3), (276, 0.4)]
    assert len(found["", "time"]) == 8 and len(found["validation", "time"]) == 4 and run.problems == ()


def test_log_of_detr(tmp_path: Path) -> None:
    """`log.txt` is lines of JSON with the split in the names; lists of scores are numbered."""
    rows = [
        {"train_lr": 1e-4, "train_loss": 30.0 - e, "test_loss": 31.0 - e, "test_coco_eval_bbox": [0.1, 0.2], "epoch": e, "n_parameters": 41}
        for e in range(4)
    ]
    found = curves(run_of(tmp_path, {"out/log.txt": lines(*rows)}))
    assert found["", "train_loss"] == [(epoch, 30.0 - epoch) for epoch in range(4)] and len(found["", "test_coco_eval_bbox.1"]) == 4


def test_text_logs_are_no_tables(tmp_path: Path) -> None:
    """`training.log` and `log.txt` that hold lines of text are read as such: no curve, no problem."""
    run = run_of(
        tmp_path, {"a/training.log": "2025-05-16 01:32:59,799 - INFO - epoch 1, loss 0.5\n" * 9, "a/log.txt": "Epoch: 1 loss: 2\n"}
    )
    assert run.series == () and run.problems == () and len(run.consoles) == 2


@pytest.mark.parametrize(
    ("folder", "header"), [("dvclive/plots/metrics", "step"), ("dvclive/scalars", "timestamp\tstep"), ("dvclive", "timestamp\tstep")]
)
def test_dvclive(tmp_path: Path, folder: str, header: str) -> None:
    """One table a metric, in folders that are the first words of its name; all of them are one run, whatever the version."""
    stamp = "1680000000000\t" if "timestamp" in header else ""
    files = {
        f"{folder}/{tag}.tsv": f"{header}\t{tag.rpartition('/')[2]}\n{stamp}0\t3.5\n{stamp}1\t2.5\n"
        for tag in ("train/loss", "lr/pg0", "mAP50(B)")
    }
    run = run_of(tmp_path, {**files, "dvclive/metrics.json": '{"train": {"loss": 2.5}, "step": 1}', "dvclive/params.yaml": "lr: 0.1\n"})
    assert set(curves(run)) == {("train", "train/loss"), ("", "lr/pg0"), ("", "mAP50(B)")}
    assert curves(run)["train", "train/loss"] == [(0, 3.5), (1, 2.5)] and run.hyperparameters["lr"] == 0.1
    assert np.isnan(run.series[0].wall_seconds[0]) == (not stamp) and run.problems == ()


def test_csv_logger_of_keras(tmp_path: Path) -> None:
    """`training.log` of CSVLogger is a table, with the line ends of the csv module."""
    run = run_of(
        tmp_path, {"a/training.log": "epoch,accuracy,loss,val_accuracy,val_loss\r\n0,0.5,1.5,0.25,2.5\r\n1,0.75,1.25,0.5,2.25\r\n"}
    )
    assert {tag: points for (_, tag), points in curves(run).items()}["val_loss"] == [(0, 2.5), (1, 2.25)]


@pytest.mark.parametrize(
    "content",
    [
        '{"loss": [3, 2], "val_loss": [3.5, 3], "lr": [0.1, 0.1]}',
        '{"history": {"loss": [3, 2], "val_loss": [3.5, 3]}, "epoch": [0, 1], "params": {"epochs": 2}}',
        '{"loss": {"0": 3, "1": 2}, "val_loss": {"0": 3.5, "1": 3}}',
        '[{"epoch": 0, "loss": 3, "val_loss": 3.5}, {"epoch": 1, "loss": 2, "val_loss": 3}]',
        '{"0": {"loss": 3, "val_loss": 3.5}, "1": {"loss": 2, "val_loss": 3}}',
        '{"epoch_0": {"loss": 3, "val_loss": 3.5}, "epoch_1": {"loss": 2, "val_loss": 3}}',
        '{"history": [{"epoch": 0, "loss": 3, "val_loss": 3.5}, {"epoch": 1, "loss": 2, "val_loss": 3}], "model": "resnet"}',
        '{"loss": [3, 2], "val_loss": [3.5, 3], "layers": [64, 64, 10], "per_class_acc": [0.5, 0.5]}',
    ],
)
def test_histories(tmp_path: Path, content: str) -> None:
    """The history of Keras as it is, with its epochs, as pandas writes it, as rows, and with lists beside it that are no curves."""
    found = curves(run_of(tmp_path, {"a/history.json": content}))
    assert found["", "val_loss"] == [(0, 3.5), (1, 3.0)] and found["", "loss"] == [(0, 3.0), (1, 2.0)]
    assert not {("", "layers"), ("", "per_class_acc"), ("", "epoch")} & set(found)


def test_lists_that_are_no_history(tmp_path: Path) -> None:
    """Points of a ROC curve or scores by class are no curves of a training, and that is said."""
    run = run_of(tmp_path / "roc", {"a/metrics.json": '{"fpr": [0, 0.5, 1], "tpr": [0, 0.8, 1], "auc": 0.7}'})
    assert run.series == () and any("none of them by a name that curves have" in note for note in run.notes)
    run = run_of(tmp_path / "report", {"a/metrics.json": '{"0": {"precision": 0.5, "f1": 0.6}, "1": {"precision": 0.25, "f1": 0.5}}'})
    assert run.series == () and any("single values" in note for note in run.notes)


def test_monitors_of_several_environments(tmp_path: Path) -> None:
    """Episodes of all environments stand in order of their ends, at the number of steps that all of them had taken by then."""
    files = {
        "logs/0.monitor.csv": '#{"t_start": 1000000000.0, "env_id": "CartPole-v1"}\nr,l,t\n10.0,10,1.0\n30.0,30,5.0\n',
        "logs/1.monitor.csv": '#{"t_start": 1000000000.0, "env_id": "CartPole-v1"}\nr,l,t\n20.0,20,2.0\n',
    }
    run = run_of(tmp_path, files)
    assert curves(run)["", "episode_reward"] == [(10, 10.0), (30, 20.0), (60, 30.0)] and run.hyperparameters == {"env_id": "CartPole-v1"}
    assert run.series[0].wall_seconds.tolist() == [1000000001.0, 1000000002.0, 1000000005.0]
    assert any("2 more" not in note and "environments of one agent" in note for note in run.notes)


def test_monitor_of_evaluation_stays_apart(tmp_path: Path) -> None:
    """The monitor of the environment for evaluation is no environment of the training."""
    head = '#{"t_start": 1000000000.0, "env_id": null}\nr,l,t\n'
    run = run_of(tmp_path, {"logs/monitor.csv": f"{head}1.0,10,1.0\n", "logs/eval/monitor.csv": f"{head}5.0,50,1.5\n"})
    assert curves(run)["", "episode_reward"] == [(10, 1.0)] and curves(run)["validation", "episode_reward"] == [(50, 5.0)]


def test_progress_of_stable_baselines(tmp_path: Path) -> None:
    """Steps of the environment count, not the iterations; a first row without losses has blank cells."""
    content = "rollout/ep_rew_mean,time/iterations,time/total_timesteps,train/loss\n20.5,1,2048,\n22.5,2,4096,0.25\n"
    found = curves(run_of(tmp_path, {"logs/progress.csv": content}))
    assert found["", "rollout/ep_rew_mean"] == [(2048, 20.5), (4096, 22.5)] and found["", "train/loss"] == [(4096, 0.25)]


def test_result_of_ray(tmp_path: Path) -> None:
    """`result.json` repeats all settings in each line; they are settings once, and long lists in it are no curves."""
    rows = [
        {
            "training_iteration": step,
            "timesteps_total": step * 4000,
            "episode_reward_mean": float(step),
            "hist_stats": {"episode_reward": [1.0] * 40},
            "date": f"2026-01-31_12-00-0{step}",
            "config": {"lr": 5e-5, "train_batch_size": 4000},
        }
        for step in (1, 2, 3)
    ]
    run = run_of(tmp_path, {"PPO_CartPole_1/result.json": lines(*rows)})
    assert curves(run)["", "episode_reward_mean"] == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert run.hyperparameters == {"lr": 5e-5, "train_batch_size": 4000} and not any("hist_stats" in tag for _, tag in curves(run))
    assert np.diff(run.series[0].wall_seconds).tolist() == [1.0, 1.0]


def test_summary_of_timm(tmp_path: Path) -> None:
    """`summary.csv` of timm is a log; a summary of models that were compared is none."""
    found = curves(
        run_of(tmp_path / "timm", {"a/summary.csv": "epoch,train_loss,eval_loss,eval_top1,lr\n0,6.5,6.25,1.5,0.1\n1,6.0,5.5,2.5,0.1\n"})
    )
    assert found["", "eval_loss"] == [(0, 6.25), (1, 5.5)]
    run = run_of(tmp_path / "models", {"a/summary.csv": "model,accuracy,loss\nresnet,0.9,0.5\nvit,0.8,0.75\nmlp,0.5,1.5\n"})
    assert run.series == () and any("taken for no log" in note for note in run.notes)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("split,epoch,loss", "{split},{epoch},{loss}"),
        ("epoch,phase,loss", "{epoch},{split},{loss}"),
        ("epoch,mode,metric,value", "{epoch},{split},loss,{loss}"),
    ],
)
def test_split_in_a_column(tmp_path: Path, header: str, row: str) -> None:
    """A column of words that name splits makes one curve for each; together with one metric a row too."""
    content = header + "\n"
    for epoch in range(4):
        for split, offset in (("train", 0.0), ("val", 0.5)):
            content += row.format(split=split, epoch=epoch, loss=4 - epoch + offset) + "\n"
    found = curves(run_of(tmp_path, {"a/log.csv": content}))
    assert found["train", "loss"] == [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)] and found["validation", "loss"] == [
        (0, 4.5),
        (1, 3.5),
        (2, 2.5),
        (3, 1.5),
    ]


def test_one_metric_a_row(tmp_path: Path) -> None:
    """The frame of tbparse, saved: the column of tags holds the names of the curves."""
    content = ",step,tag,value\n0,1,loss,2.5\n1,2,loss,2.0\n2,1,lr,0.1\n3,2,lr,0.05\n"
    found = curves(run_of(tmp_path, {"a/scalars.csv": content}))
    assert found["", "loss"] == [(1, 2.5), (2, 2.0)] and found["", "lr"] == [(1, 0.1), (2, 0.05)]


def test_download_of_tensorboard(tmp_path: Path) -> None:
    """The curve of `run-train-tag-epoch_loss.csv` is called epoch_loss, and its group is train."""
    run = run_of(tmp_path, {"a/run-train-tag-epoch_loss.csv": "Wall time,Step,Value\n1600000000.5,0,2.5\n1600000060.5,1,1.5\n"})
    assert curves(run) == {("train", "epoch_loss"): [(0, 2.5), (1, 1.5)]} and run.series[0].wall_seconds.tolist() == [
        1600000000.5,
        1600000060.5,
    ]


def test_packed_tables(tmp_path: Path) -> None:
    """Compressed CSV and JSON lines are read; one that is cut says so and gives the rows before the cut."""
    run = run_of(tmp_path, {"a/metrics.csv.gz": "step,loss\n1,2.5\n2,1.5\n", "b.txt": "x"})
    assert curves(run)["", "loss"] == [(1, 2.5), (2, 1.5)] and run.problems == ()
    rows = "".join(json.dumps({"step": step, "loss": float(np.sin(step * 1e6))}) + "\n" for step in range(2000))
    path = tmp_path / "cut" / "metrics.jsonl.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(rows.encode())[:-3000])
    (found,) = find_runs([path.parent])
    with reading(found, ReadOptions()) as (cut,):
        assert 100 < cut.series[0].steps.size < 2000
        assert [problem.kind for problem in cut.problems][-1] == "truncated" and "compressed" in cut.problems[-1].detail


def test_progress_of_spinning_up(tmp_path: Path) -> None:
    """`progress.txt` has tabs between its columns, and counts interactions with the environment beside epochs."""
    content = "Epoch\tAverageEpRet\tTotalEnvInteracts\tLossPi\n0\t20.5\t4000\t-0.01\n1\t25.5\t8000\t-0.02\n"
    found = curves(run_of(tmp_path, {"ppo/ppo_s0/progress.txt": content}))
    assert found["", "AverageEpRet"] == [(4000, 20.5), (8000, 25.5)] and found["", "LossPi"] == [(4000, -0.01), (8000, -0.02)]


def test_tabs_behind_the_last_cell(tmp_path: Path) -> None:
    """`log.txt` of older classification scripts ends each line with a tab, and numbers no rows."""
    content = "Learning Rate\tTrain Loss\tValid Loss\t\n0.1\t2.5\t2.75\t\n0.1\t1.5\t2.25\t\n"
    found = curves(run_of(tmp_path, {"a/log.txt": content}))
    assert found == {
        ("", "Learning Rate"): [(0, 0.1), (1, 0.1)],
        ("", "Train Loss"): [(0, 2.5), (1, 1.5)],
        ("", "Valid Loss"): [(0, 2.75), (1, 2.25)],
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-01-31 12:00:00", "2026-01-31 12:01:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:01:00Z"),
        ("2026-01-31 12:00:00.500", "2026-01-31 12:01:00.500"),
        ("1769860800000", "1769860860000"),
    ],
)
def test_dates_of_rows(tmp_path: Path, first: str, second: str) -> None:
    """A column of dates or of Unix times, in seconds or milliseconds, dates the points."""
    (series,) = run_of(tmp_path, {"a/log.csv": f"epoch,timestamp,loss\n0,{first},2\n1,{second},1\n"}).series
    assert np.diff(series.wall_seconds).tolist() == [60.0] and 1769860800 <= series.wall_seconds[0] < 1769860801


def test_cross_validation_in_one_table(tmp_path: Path) -> None:
    """Folds are trainings of their own: the last is read, the others are said to be left aside, and no restart is invented."""
    content = "fold,epoch,loss\n" + "".join(f"{fold},{epoch},{fold * 10 + epoch}\n" for fold in range(3) for epoch in range(5))
    run = run_of(tmp_path, {"a/log.csv": content})
    assert curves(run)["", "loss"] == [(epoch, 20.0 + epoch) for epoch in range(5)]
    assert any("3 trainings apart: only the last (fold 2)" in note for note in run.notes) and not any(
        "falls back" in note for note in run.notes
    )


def test_same_curve_in_two_files_that_both_begin(tmp_path: Path) -> None:
    """Two logs of one name and from the first step on are two trainings: the longer stays, and the other is named, not mixed in."""
    files = {
        "a/log_1.csv": "epoch,loss\n" + "".join(f"{epoch},{9 - epoch}\n" for epoch in range(8)),
        "a/log_2.csv": "epoch,loss\n" + "".join(f"{epoch},5\n" for epoch in range(4)),
    }
    run = run_of(tmp_path, files)
    assert curves(run)["", "loss"] == [(epoch, 9.0 - epoch) for epoch in range(8)]
    assert any(note.startswith("log_2.csv: 1 curve (loss) left aside") for note in run.notes)
