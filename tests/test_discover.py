"""From paths to runs, by names and sizes alone."""

from __future__ import annotations

import builtins
import os
from pathlib import Path

import pytest

from postmortem.discover import NoSuchPath, NothingFound, find_runs
from postmortem.discover.names import file_kind, group_of, natural, part_of_run
from postmortem.model import FoundRun

EVENTS = "events.out.tfevents.1700000000.host.77.0"


def make(root: Path, *names: str) -> Path:
    """Files of one byte under the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def layout(*paths: Path) -> dict[str, set[str]]:
    """Run -> names of its artifacts."""
    return {run.name: artifacts(run) for run in find_runs(paths)}


def artifacts(run: FoundRun) -> set[str]:
    """Names of the run's files that are of a role."""
    return {file.name for file in run.files if file.role != "other"}


RUNS: dict[str, dict[str, set[str]]] = {
    "logs and checkpoints": {"exp7": {f"tb/{EVENTS}", "checkpoints/a.pt"}},
    "Keras": {"exp7": {f"fit/train/{EVENTS}", f"fit/validation/{EVENTS}", "model.weights.h5"}},
    "Keras without weights": {"exp7/fit": {f"train/{EVENTS}", f"validation/{EVENTS}"}},
    "runs beside each other": {"a": {EVENTS, "x.pt"}, "b": {EVENTS, "x.pt"}},
    "runs of events alone": {"a": {EVENTS}, "b": {EVENTS}},
    "run of weights beside run of events": {"run1": {EVENTS}, "run2": {"a.pt"}},
    "Lightning": {
        f"lightning_logs/version_{number}": {EVENTS, "hparams.yaml", "metrics.csv", "checkpoints/epoch=3-step=400.ckpt"}
        for number in (0, 1, 2, 10)
    },
    "Lightning with checkpoints apart": {".": {f"lightning_logs/version_0/{EVENTS}", "checkpoints/last.ckpt"}},
    "Trainer": {
        "results": {
            "checkpoint-500/model.safetensors",
            "checkpoint-500/optimizer.pt",
            "checkpoint-500/trainer_state.json",
            "checkpoint-1000/model-00001-of-00002.safetensors",
            "checkpoint-1000/model-00002-of-00002.safetensors",
            "checkpoint-1000/model.safetensors.index.json",
            f"runs/Nov23_10-00-00_host/{EVENTS}",
        }
    },
    "Trainer started twice": {
        "out": {"checkpoint-5/model.safetensors", f"runs/Nov23_10-00-00_host/{EVENTS}", f"runs/Nov24_10-00-00_host/{EVENTS}"}
    },
    "Ultralytics": {f"runs/detect/{name}": {EVENTS, "results.csv", "args.yaml", "weights/best.pt"} for name in ("train", "train2")},
    "side writers": {"run": {EVENTS, f"1700000001.25/{EVENTS}", f"Loss_train/{EVENTS}", f"Loss_val/{EVENTS}"}},
    "events right below runs": {
        "moss": {f"runs/{EVENTS}", "saved/step-1.safetensors", "manifest.csv"},
        "opal": {f"runs/{EVENTS}", "model_1.pth"},
    },
    "unknown names that complement each other": {"exp": {f"board/{EVENTS}", "snapshots/a.pt"}},
    "deep": {"a/b/c/d": {f"logs/{EVENTS}", "ckpt/step_1.pt"}, "a/b/e": {"step_1.pt"}},
    "whole trainings in folders of part names": {"best": {EVENTS, "a.pt"}, "final": {EVENTS, "a.pt"}},
    "run within the folder of another": {".": {EVENTS, "a.pt"}, "again": {EVENTS, "a.pt"}},
    "sweep over numbers of epochs": {"epoch_50": {EVENTS, "a.pt"}, "epoch_100": {EVENTS, "a.pt"}},
    "saved steps": {"run": {EVENTS, "step_100/model.safetensors", "step_200/model.safetensors"}},
    "Hydra": {"outputs/2024-01-01/12-00-00": {EVENTS, ".hydra/config.yaml", "last.ckpt"}},
    "DVCLive": {
        ".": {
            "dvclive/metrics.json",
            "dvclive/params.yaml",
            "dvclive/plots/metrics/epoch.tsv",
            "dvclive/plots/metrics/train/loss.tsv",
            "dvclive/plots/metrics/lr/pg0.tsv",
            "models/model.pt",
        }
    },
    "DVCLive beside each other": {
        "exp1/dvclive/plots/metrics": {"train/loss.tsv", "x/y/z.tsv"},
        "exp2/dvclive": {"plots/metrics/train/loss.tsv", "metrics.json"},
    },
    "mmengine": {
        "work_dirs/resnet": {"20230101_120000/vis_data/scalars.json", "20230101_120000/vis_data/config.json", "epoch_1.pth", "config.json"}
    },
    "mmcv": {"work_dirs/resnet": {"20230101_120000.log.json", "epoch_1.pth", "epoch_2.pth"}},
    "DETR": {"out": {"log.txt", "checkpoint0099.pth"}},
    "zoo of agents": {"logs/ppo/Ant-v3_1": {"0.monitor.csv", "1.monitor.csv", "Ant-v3/args.yml", "Ant-v3/config.yml", "best_model.zip"}},
    "spaces and other letters": {"Übung 1/läuft": {EVENTS, "a.pt"}, "Übung 1/b c": {EVENTS, "a.pt"}},
}


@pytest.mark.parametrize("name", RUNS)
def test_layout(tmp_path: Path, name: str) -> None:
    """Each known layout gives its runs, under the names of the lowest folders that hold all of their artifacts."""
    expected = RUNS[name]
    make(tmp_path, *(f"{run}/{file}" for run, files in expected.items() for file in files))
    assert layout(tmp_path) == expected


@pytest.mark.parametrize("name", RUNS)
def test_run_itself_as_path(tmp_path: Path, name: str) -> None:
    """A run given as PATH is called `.` and holds the same files."""
    expected = RUNS[name]
    make(tmp_path, *(f"{run}/{file}" for run, files in expected.items() for file in files))
    run, files = sorted(expected.items())[-1]
    assert layout(tmp_path / run)["."] == files


def test_two_halves_under_two_roofs(tmp_path: Path) -> None:
    """`logs/a` and `weights/a` are one run; two such runs share their lowest folder and are numbered."""
    make(tmp_path, f"p/logs/a/{EVENTS}", f"p/logs/b/{EVENTS}", "p/weights/a/x.pt", "p/weights/b/x.pt")
    assert layout(tmp_path) == {"p#1": {f"logs/a/{EVENTS}", "weights/a/x.pt"}, "p#2": {f"logs/b/{EVENTS}", "weights/b/x.pt"}}


def test_groups(tmp_path: Path) -> None:
    """Folders say which split an event file speaks for; `test` as the run's own name says nothing."""
    make(tmp_path, f"r/train/{EVENTS}", f"r/valid/{EVENTS}", f"r/test/{EVENTS}", f"r/{EVENTS}", f"test/{EVENTS}")
    groups = {(run.name, file.name): file.group for run in find_runs([tmp_path]) for file in run.files}
    assert groups == {
        ("r", EVENTS): "",
        ("r", f"train/{EVENTS}"): "train",
        ("r", f"valid/{EVENTS}"): "validation",
        ("r", f"test/{EVENTS}"): "test",
        ("test", EVENTS): "",
    }


def test_manifest_of_several_runs_belongs_to_each(tmp_path: Path) -> None:
    """A manifest above two runs is shared; a run with a manifest of its own keeps to it; notes say so."""
    make(tmp_path, "manifest.csv", f"a/{EVENTS}", f"b/{EVENTS}", f"c/{EVENTS}", "c/labels.csv")
    runs = {run.name: run for run in find_runs([tmp_path])}
    assert {name: artifacts(run) for name, run in runs.items()} == {
        "a": {EVENTS, "../manifest.csv"},
        "b": {EVENTS, "../manifest.csv"},
        "c": {EVENTS, "labels.csv"},
    }
    assert any("../manifest.csv" in note and "shared" in note for note in runs["a"].notes)


def test_manifest_above_one_run_is_its_artifact(tmp_path: Path) -> None:
    """With one run only, the lowest folder that holds everything is the manifest's."""
    make(tmp_path, "exp/manifest.csv", f"exp/mine/{EVENTS}", "exp/mine/a.pt")
    assert layout(tmp_path) == {"exp": {"manifest.csv", f"mine/{EVENTS}", "mine/a.pt"}}


def test_data_folder_is_no_run(tmp_path: Path) -> None:
    """Tensors in a data folder are data, tables there are manifests of the run beside."""
    make(tmp_path, f"exp/tb/{EVENTS}", "exp/data/train.pt", "exp/data/train.csv")
    (run,) = find_runs([tmp_path])
    assert run.name == "exp" and {file.name: file.role for file in run.files if file.name.startswith("data/")} == {
        "data/train.pt": "other",
        "data/train.csv": "manifest",
    }


def test_manifest_alone_is_a_run(tmp_path: Path) -> None:
    """A folder with nothing but a manifest can still be judged by its classes."""
    assert layout(make(tmp_path, "manifest.csv")) == {".": {"manifest.csv"}}


def test_ghosts_are_left_out_and_told(tmp_path: Path) -> None:
    """Companion files, hidden folders and notebook ghosts are no artifacts; a note counts them."""
    make(tmp_path, f"run/{EVENTS}", f"run/._{EVENTS}", "run/__MACOSX/a.pt", "run/.ipynb_checkpoints/a.pt", "run/.git/b.pt", "run/._a.pt")
    (run,) = find_runs([tmp_path])
    assert artifacts(run) == {EVENTS}
    note = next(note for note in run.notes if note.startswith("left out"))
    assert "2 x companion file" in note and "folder .git" in note and "folder __MACOSX" in note


def test_empty_artifact_keeps_its_role_and_is_told(tmp_path: Path) -> None:
    """A checkpoint of zero bytes is damage that its reader reports; the note says it first."""
    make(tmp_path, EVENTS)
    (tmp_path / "last.pt").touch()
    (run,) = find_runs([tmp_path])
    assert {file.name: (file.role, file.bytes) for file in run.files} == {EVENTS: ("events", 1), "last.pt": ("checkpoint", 0)}
    assert "empty (0 bytes): last.pt" in run.notes


def test_other_files_are_counted(tmp_path: Path) -> None:
    """Files of other kinds stay in the list as such, and one note counts them."""
    make(tmp_path, EVENTS, "truth.json", "README.md", "train.py", "plot.png", "rng_state.pth", "vocab.bin", "tokenizer.json")
    (run,) = find_runs([tmp_path])
    assert artifacts(run) == {EVENTS} and any(note.startswith("7 files left aside by name") for note in run.notes)


def test_link_to_a_run_is_not_a_second_run(tmp_path: Path) -> None:
    """`latest` points to a run beside it, `best.pt` to a checkpoint: neither is counted twice."""
    make(tmp_path, f"zz/{EVENTS}", "zz/step_1.pt")
    (tmp_path / "latest").symlink_to("zz")
    (tmp_path / "zz" / "best.pt").symlink_to("step_1.pt")
    assert layout(tmp_path) == {"zz": {EVENTS, "step_1.pt"}}


def test_loops_end(tmp_path: Path) -> None:
    """A link to a folder above is not followed for ever, and a link to nowhere is told."""
    make(tmp_path, f"run/{EVENTS}")
    (tmp_path / "run" / "up").symlink_to(tmp_path)
    (tmp_path / "run" / "gone.pt").symlink_to(tmp_path / "nowhere")
    (run,) = find_runs([tmp_path])
    assert artifacts(run) == {EVENTS} and any("leads nowhere" in note for note in run.notes)


def test_link_to_a_run_elsewhere_is_followed(tmp_path: Path) -> None:
    """An archive made of links holds the runs that they lead to."""
    make(tmp_path, f"store/x/{EVENTS}", "store/x/a.pt")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "mine").symlink_to(tmp_path / "store" / "x")
    assert layout(tmp_path / "archive") == {"mine": {EVENTS, "a.pt"}}


def test_missing_path(tmp_path: Path) -> None:
    """A path that is not there is named."""
    with pytest.raises(NoSuchPath, match=r"no such file or folder: .*nope"):
        find_runs([make(tmp_path, EVENTS), tmp_path / "nope"])


def test_empty_folder(tmp_path: Path) -> None:
    """An empty folder is said to be one."""
    with pytest.raises(NothingFound, match="holds no files"):
        find_runs([tmp_path])


def test_folder_of_other_files(tmp_path: Path) -> None:
    """A folder without artifacts says how many files were looked at."""
    with pytest.raises(NothingFound, match="none of the 2 files under"):
        find_runs([make(tmp_path, "README.md", "src/train.py")])


def test_file_of_another_kind(tmp_path: Path) -> None:
    """A single file that is no artifact is named."""
    with pytest.raises(NothingFound, match=r"README\.md is no event file"):
        find_runs([make(tmp_path, "README.md") / "README.md"])


def test_single_file(tmp_path: Path) -> None:
    """A file given by itself is a run of that file, whatever lies beside it."""
    make(tmp_path, "a.pt", "b.pt", EVENTS)
    (run,) = find_runs([tmp_path / "a.pt"])
    assert (run.name, run.path, artifacts(run)) == (".", tmp_path / "a.pt", {"a.pt"})


def test_single_files_are_taken_together(tmp_path: Path) -> None:
    """Files of one run given one by one are one run."""
    make(tmp_path, "exp/checkpoints/a.pt", f"exp/tb/{EVENTS}", "exp/manifest.csv")
    (run,) = find_runs([tmp_path / "exp/checkpoints/a.pt", tmp_path / "exp/tb" / EVENTS])
    assert run.path == tmp_path / "exp" and artifacts(run) == {"checkpoints/a.pt", f"tb/{EVENTS}"}


def test_manifest_given_beside_folders_counts_for_every_run(tmp_path: Path) -> None:
    """A single manifest on the command line belongs to all runs of the folders given with it."""
    make(tmp_path, f"runs/a/{EVENTS}", f"runs/b/{EVENTS}", "elsewhere/labels.csv")
    assert layout(tmp_path / "runs", tmp_path / "elsewhere" / "labels.csv") == {"a": {EVENTS, "labels.csv"}, "b": {EVENTS, "labels.csv"}}


def test_run_given_twice_is_found_once(tmp_path: Path) -> None:
    """A folder and a run within it, both given, do not double the run."""
    make(tmp_path, f"a/{EVENTS}", f"b/{EVENTS}")
    assert [run.name for run in find_runs([tmp_path, tmp_path / "a"])] == ["a", "b"]


def test_order_is_natural_and_the_same_each_time(tmp_path: Path) -> None:
    """run10 comes after run9, step_1000 after step_200."""
    make(tmp_path, *(f"run{number}/{name}" for number in (10, 9, 1) for name in ("step_1000.pt", "step_200.pt")))
    runs = find_runs([tmp_path])
    assert [run.name for run in runs] == ["run1", "run9", "run10"]
    assert [file.name for file in runs[0].files] == ["step_200.pt", "step_1000.pt"] and find_runs([tmp_path]) == runs


def test_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and sizes are all that discovery looks at."""
    make(tmp_path, f"a/{EVENTS}", "a/x.pt", f"b/{EVENTS}", "manifest.csv")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert layout(tmp_path).keys() == {"a", "b"}


def test_name_that_is_no_text(tmp_path: Path) -> None:
    """A file name of bytes that are no UTF-8 is shown with escapes, so that a report can be written."""
    make(tmp_path / os.fsdecode(b"r\xff"), EVENTS)
    (run,) = find_runs([tmp_path])
    assert run.name == r"r\xff" and run.files[0].path.exists()


def test_archive_of_many_runs(tmp_path: Path) -> None:
    """Each of a hundred runs in ten groups is one, with its own checkpoints."""
    for number in range(100):
        folder = tmp_path / f"group{number // 10}" / f"run{number}"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "images").mkdir()
        for index in range(5):
            (folder / "checkpoints" / f"step_{index}.pt").touch()
            (folder / "images" / f"{index}.png").touch()
    runs = find_runs([tmp_path])
    assert len(runs) == 100 and all(sum(file.role == "checkpoint" for file in run.files) == 5 for run in runs)


ROLES = {
    "events.out.tfevents.1.h": "events",
    "events.out.tfevents.1.h.profile-empty": "other",
    "model_best.pth.tar": "checkpoint",
    "pytorch_model.bin": "checkpoint",
    "vocab.bin": "other",
    "training_args.bin": "checkpoint",
    "rng_state_0.pth": "other",
    "model.safetensors.index.json": "checkpoint-index",
    "ckpt-1.index": "checkpoint",
    "hparams.yaml": "config",
    "data.yaml": "manifest",
    "coco128.yaml": "manifest",
    "docker-compose.yaml": "other",
    "instances_val2017.json": "manifest",
    "_annotations.coco.json": "manifest",
    "dataset_infos.json": "manifest",
    "tokenizer.json": "other",
    "tokenizer_config.json": "other",
    "metrics.csv": "log",
    "results.csv": "log",
    "progress.csv": "log",
    "train_log.csv": "log",
    "trainer_state.json": "log",
    "all_results.json": "other",
    "20230101_120000.log.json": "log",
    "scalars.json": "log",
    "result.json": "log",
    "20240101_101010.json": "log",
    "20240101.json": "other",
    "results.json": "other",
    "summary.csv": "log",
    "dataset_summary.csv": "manifest",
    "test_results.csv": "manifest",
    "history.json": "log",
    "trainer_log.jsonl": "log",
    "3.monitor.csv": "log",
    "run-train-tag-epoch_loss.csv": "log",
    "metrics.csv.gz": "log",
    "train.csv.gz": "manifest",
    "train.json": "manifest",
    "val_manifest.json": "manifest",
    "manifest-train.json": "manifest",
    "annotations.json": "manifest",
    "train_config.json": "config",
    "package.json": "other",
    "output.manifest": "manifest",
    "runner.exe.manifest": "other",
    "manifest.json": "other",
    "train-00000-of-00002.parquet": "manifest",
    "log.txt": "log",
    "progress.txt": "log",
    "changelog.txt": "other",
    "requirements.txt": "other",
    "training.log": "log",
    "config.toml": "config",
    "pyproject.toml": "other",
    "args.txt": "config",
    "train_opt.txt": "config",
    "hyper-parameters.json": "config",
    "overrides.yaml": "config",
    "adapter_config.json": "config",
    "manifest.parquet": "manifest",
    "train.csv": "manifest",
    "anything.jsonl": "manifest",
    ".metadata": "checkpoint-index",
    "__3_0.distcp": "checkpoint",
    ".hidden.pt": "other",
    **dict.fromkeys(("slurm-1234.out", "nohup.out", "train.log", "train_log.txt", "stdout", "stderr.txt", "output.log"), "console"),
    **dict.fromkeys(("job.o123456", "train.e123456", "train.sh.o1234-3", "console.log", "exp7.err", "20240101_120000.log"), "console"),
    "loss_log.txt": "console",
    "loss_function.txt": "other",
    **dict.fromkeys(("debug.log", "debug-internal.log", "pip.log", "a.out", "README.txt", "catalog.txt", "requirements.txt"), "other"),
    **dict.fromkeys(("20240101.log.json", "training_log.csv"), "log"),
}


@pytest.mark.parametrize("name", ROLES)
def test_role_by_name(name: str) -> None:
    """What a name is taken for."""
    assert file_kind(name).role == ROLES[name]


TEXT_LOGS: dict[str, tuple[tuple[str, ...], dict[str, set[str]]]] = {
    "alone in a folder": (("slurm-1234.out",), {".": {"slurm-1234.out"}}),
    "of any name, alone": (("notes.log",), {".": {"notes.log"}}),
    "output and errors of one job": (("slurm-12345.out", "slurm-12345.err"), {".": {"slurm-12345.out", "slurm-12345.err"}}),
    "of two jobs, alone": (("slurm-1234.out", "slurm-1235.out"), {".#1": {"slurm-1234.out"}, ".#2": {"slurm-1235.out"}}),
    "beside a run's files": ((f"a/{EVENTS}", "a/train.log", "a/notes.log"), {"a": {EVENTS, "train.log", "notes.log"}}),
    "in a folder of its own within a run": ((f"a/tb/{EVENTS}", "a/logs/train.log"), {"a": {f"tb/{EVENTS}", "logs/train.log"}}),
    "at the run's top": ((f"a/tb/{EVENTS}", "a/slurm-1.out"), {"a": {f"tb/{EVENTS}", "slurm-1.out"}}),
    "of a run that left nothing else": ((f"a/{EVENTS}", "b/slurm-1.out"), {"a": {EVENTS}, "b": {"slurm-1.out"}}),
    "of some program beside runs": ((f"a/{EVENTS}", "b/server.log"), {"a": {EVENTS}}),
    "above one run": ((f"a/{EVENTS}", "slurm-1.out"), {"a": {EVENTS, "../slurm-1.out"}}),
    "above several runs": ((f"a/{EVENTS}", f"b/{EVENTS}", "slurm-1.out"), {"a": {EVENTS}, "b": {EVENTS}}),
    "above several runs, named after one": (
        (f"exp1/{EVENTS}", f"exp10/{EVENTS}", "logs/exp1-1234.out"),
        {"exp1": {EVENTS, "../logs/exp1-1234.out"}, "exp10": {EVENTS}},
    ),
    "in a data folder": ((f"a/{EVENTS}", "a/data/train.log"), {"a": {EVENTS}}),
}


@pytest.mark.parametrize("name", TEXT_LOGS)
def test_text_logs(tmp_path: Path, name: str) -> None:
    """Text logs go to the run that holds them, or that they are named after; a job's own is a run where there is nothing else."""
    files, expected = TEXT_LOGS[name]
    assert layout(make(tmp_path, *files)) == expected


def test_text_log_of_no_single_run_is_told(tmp_path: Path) -> None:
    """A job's output above several runs is given to none of them, and a note says so."""
    make(tmp_path, f"a/{EVENTS}", f"b/{EVENTS}", "slurm-1.out")
    assert any("slurm-1.out: text logs of no single run" in note for run in find_runs([tmp_path]) for note in run.notes)


def test_text_log_given_beside_a_run(tmp_path: Path) -> None:
    """A text log on the command line belongs to the run given with it."""
    make(tmp_path, f"runs/a/{EVENTS}", "elsewhere/slurm-1.out")
    assert layout(tmp_path / "runs" / "a", tmp_path / "elsewhere" / "slurm-1.out") == {".": {EVENTS, "slurm-1.out"}}


PARTS = {
    **dict.fromkeys(("tb_logs", "best_model", "train", "saved_models", "ckpt"), "part"),
    **dict.fromkeys(("checkpoint-500", "epoch=3-step=400", "step_10k", "rank_0"), "step"),
    **dict.fromkeys(("resnet_logs", "model_3", "version_0", "exp7", "a", "epoch_50_lr_0.1", "2024-01-01"), ""),
}


@pytest.mark.parametrize(("name", "part"), PARTS.items())
def test_part_by_name(name: str, part: str) -> None:
    """Which folder names say that a folder is a part of a run."""
    assert part_of_run(name) == part


def test_group_by_name() -> None:
    """A name that speaks of two splits speaks for none."""
    names = ("train", "val_logs", "Loss_train", "train_val", "retrain")
    assert [group_of(name) for name in names] == ["train", "validation", "train", "", ""]


def test_natural_order() -> None:
    """Numbers in names sort as numbers, and very long ones do no harm."""
    assert sorted(["s10", "s9", "s", "s" + "1" * 5000], key=natural)[:3] == ["s", "s9", "s10"]


def test_links_to_files_elsewhere_are_put_in_order(tmp_path: Path) -> None:
    """A folder of many links to files outside of the tree is listed in natural order, each once."""
    (tmp_path / "elsewhere").mkdir()
    root = make(tmp_path / "root", "run/metrics.csv", "run/images/0.txt")
    for number in range(1, 1500):
        target = tmp_path / "elsewhere" / f"{number}.txt"
        target.touch()
        (root / "run/images" / f"{number}.txt").symlink_to(target)
    (run,) = find_runs([root])
    images = [file.name for file in run.files if file.role == "other"]
    assert images == [f"images/{number}.txt" for number in range(1500)]


def test_log_named_after_a_run_between_separators() -> None:
    """The name of a run stands in that of a log as whole words: `run_1` is not in `run_10.out`, nor `lr` in `slurm-1.out`."""
    from postmortem.discover.consoles import named_after

    assert named_after("run_10-77.out", ["run_1", "run_10"]) == 1
    assert named_after("slurm-lr.1-5.out", ["lr", "lr.1"]) == 1
    assert named_after("slurm-5.out", ["lr", "s"]) is None
    assert named_after("Run_1.Run_1.log", ["RUN_1"]) == 0


def test_text_log_of_a_kept_run_is_its_own_once(tmp_path: Path) -> None:
    """The output that Weights & Biases keeps of a run is given to it once."""
    folder = "wandb/run-20240101_000000-abc"
    make(tmp_path, f"{folder}/run-abc.wandb", f"{folder}/files/output.log", f"{folder}/files/config.yaml")
    (run,) = find_runs([tmp_path])
    assert [file.name for file in run.files if file.role == "console"] == ["files/output.log"]


def test_text_logs_named_after_halves_of_runs(tmp_path: Path) -> None:
    """A job's output that is named after a run goes to it where its curves and its weights lie under two roofs."""
    make(tmp_path, *(f"{where}" for n in (1, 2) for where in (f"logs/run{n}/{EVENTS}", f"weights/run{n}/a.pt", f"slurm/run{n}-100{n}.out")))
    assert [sorted(file.name for file in run.files if file.role == "console") for run in find_runs([tmp_path])] == [
        ["slurm/run1-1001.out"],
        ["slurm/run2-1002.out"],
    ]


def test_python_environments_are_left_out(tmp_path: Path) -> None:
    """Files of a Python environment are none of a training's, whatever they are called."""
    make(tmp_path, f"run/{EVENTS}", "env/pyvenv.cfg", "env/share/log.txt", "conda/conda-meta/history", "conda/lib/model.pt")
    (run,) = find_runs([tmp_path])
    assert run.name == "run"
    assert "folder env with a Python environment" in run.notes[-1]


def test_pipe_is_no_path_to_analyze(tmp_path: Path) -> None:
    """A pipe that is given by itself is refused rather than waited for, and one in a folder is left out."""
    os.mkfifo(tmp_path / "train.log")
    with pytest.raises(NoSuchPath, match="neither a file nor a folder"):
        find_runs([tmp_path / "train.log"])
    make(tmp_path, "metrics.csv")
    (run,) = find_runs([tmp_path])
    assert "1 x file that is no regular one" in run.notes[-1]
