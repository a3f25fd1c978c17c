"""Runs that MLflow and Weights & Biases keep, found by names and sizes alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from postmortem.discover import find_runs
from postmortem.discover.stores import store_of
from postmortem.model import FoundRun

EVENTS = "events.out.tfevents.1700000000.host.77.0"  # 2023-11-14 22:13 UTC
STARTED, LATER = "20231114_231320", "20231120_080000"
RUN, OTHER = "0" * 31 + "a", "0" * 31 + "b"
MODEL = "m-" + "0" * 31 + "c"


def make(root: Path, *names: str) -> Path:
    """Files of one byte under the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def mlflow(run: str = RUN, experiment: str = "mlruns/0") -> list[str]:
    """Files of one run of MLflow, its experiment's among them."""
    parts = ("meta.yaml", "metrics/val/loss", "metrics/metrics.csv", "params/lr", "tags/mlflow.user", "inputs/d/meta.yaml")
    return [f"{experiment}/meta.yaml", *(f"{experiment}/{run}/{part}" for part in parts)]


def wandb(id: str = "abc", stamp: str = STARTED, kind: str = "run") -> list[str]:
    """Files of one run of Weights & Biases."""
    files = ("config.yaml", "wandb-summary.json", "wandb-metadata.json", "requirements.txt", "media/table/val_metrics_0.csv")
    run = f"wandb/{kind}-{stamp}-{id}"
    return [f"{run}/run-{id}.wandb", f"{run}/logs/debug.log", "wandb/debug.log", *(f"{run}/files/{name}" for name in files)]


def found(*paths: Path) -> dict[str, FoundRun]:
    """Runs by name."""
    return {run.name: run for run in find_runs(paths)}


def roles(run: FoundRun) -> dict[str, str]:
    """File -> role, of the files that have one."""
    return {file.name: file.role for file in run.files if file.role != "other"}


def test_mlflow_run_is_its_meta_file(tmp_path: Path) -> None:
    """`meta.yaml` stands for the run's folder: what it opens is not listed, nor left aside; the experiment is no run."""
    runs = found(make(tmp_path, *mlflow(), *mlflow(OTHER), "mlruns/models/best/meta.yaml"))
    assert {name: roles(run) for name, run in runs.items()} == {f"mlruns/0/{run}": {"meta.yaml": "log"} for run in (RUN, OTHER)}
    assert not any("left aside by name" in note and RUN in note for run in runs.values() for note in run.notes)
    assert [file.name for file in runs[f"mlruns/0/{OTHER}"].files] == ["meta.yaml"]


def test_mlflow_run_given_as_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own folder can be given, by its path and as the current folder, and so can the file that stands for it."""
    folder = make(tmp_path, *mlflow()) / "mlruns/0" / RUN
    assert roles(found(folder)["."]) == {"meta.yaml": "log"}
    assert roles(found(folder / "meta.yaml")["."]) == {"meta.yaml": "log"}
    monkeypatch.chdir(folder)
    assert roles(found(Path())["."]) == {"meta.yaml": "log"}


def test_artifacts_belong_to_the_run(tmp_path: Path) -> None:
    """Weights under `artifacts`, in folders of any name and in the `data` folder of a saved model, are the run's; a forest is none."""
    artifacts = (
        "forest/MLmodel",
        "forest/model.pkl",
        "model/MLmodel",
        "model/data/model.pth",
        "my net/checkpoints/epoch_1.pt",
        "metrics/log.csv",
        f"tb/{EVENTS}",
        "data/train.pt",
    )
    run = found(make(tmp_path, *mlflow(), *(f"mlruns/0/{RUN}/artifacts/{name}" for name in artifacts)))[f"mlruns/0/{RUN}"]
    assert roles(run) == {
        "meta.yaml": "log",
        "artifacts/model/data/model.pth": "checkpoint",
        "artifacts/my net/checkpoints/epoch_1.pt": "checkpoint",
        f"artifacts/tb/{EVENTS}": "events",
        "artifacts/metrics/log.csv": "log",
    }


def test_model_that_lies_beside_the_runs(tmp_path: Path) -> None:
    """Since MLflow 3 a run's model lies in `models/`; it goes to the one run that names it, and is no run by itself."""
    weights = f"mlruns/0/models/{MODEL}"
    model = [f"{weights}/{name}" for name in ("meta.yaml", "params/lr", "artifacts/MLmodel", "artifacts/data/model.pth")]
    runs = found(make(tmp_path, *mlflow(), *mlflow(OTHER), *model, f"mlruns/0/{RUN}/outputs/{MODEL}/meta.yaml"))
    assert {name: roles(run) for name, run in runs.items()} == {
        f"mlruns/0/{RUN}": {"meta.yaml": "log", f"../models/{MODEL}/artifacts/data/model.pth": "checkpoint"},
        f"mlruns/0/{OTHER}": {"meta.yaml": "log"},
    }
    assert any(f"models/{MODEL}/ taken as part of the run" in note for note in runs[f"mlruns/0/{RUN}"].notes)


def test_runs_with_and_without_weights_are_not_halves(tmp_path: Path) -> None:
    """Two runs of one experiment stay two, though one holds weights and the other curves only."""
    runs = found(make(tmp_path, *mlflow(), *mlflow(OTHER), f"mlruns/0/{RUN}/artifacts/model.pt"))
    assert runs.keys() == {f"mlruns/0/{RUN}", f"mlruns/0/{OTHER}"}


def test_other_meta_files_are_no_runs(tmp_path: Path) -> None:
    """A conda recipe has a `meta.yaml` too, and an experiment may have tags."""
    assert store_of("recipe", ["meta.yaml", "tests", "build.sh"]) == ""
    assert store_of("0", ["meta.yaml", "tags", RUN]) == "" and store_of(RUN, ["meta.yaml", "tags"]) == "mlflow"
    assert found(make(tmp_path, "recipe/meta.yaml", "recipe/metrics.csv")).keys() == {"recipe"}


def test_wandb_run(tmp_path: Path) -> None:
    """Each run's folder is a run, with history, summary and settings; media and the client's own logs are not artifacts."""
    runs = found(make(tmp_path, *wandb(), *wandb("def", LATER, "offline-run")))
    assert runs.keys() == {f"wandb/run-{STARTED}-abc", f"wandb/offline-run-{LATER}-def"}
    assert roles(runs[f"wandb/run-{STARTED}-abc"]) == {
        "run-abc.wandb": "log",
        "files/wandb-summary.json": "log",
        "files/config.yaml": "config",
        "files/wandb-metadata.json": "config",
    }
    assert any("2 x folder media of a Weights & Biases run" in note for run in runs.values() for note in run.notes)


def test_wandb_run_without_history(tmp_path: Path) -> None:
    """Where the history was never written or not kept, the files beside it are the run still; early versions had no `files` folder."""
    make(tmp_path, f"wandb/run-{STARTED}-a/files/wandb-metadata.json", f"wandb/run-{LATER}-b/wandb-history.jsonl")
    assert found(tmp_path).keys() == {f"wandb/run-{STARTED}-a", f"wandb/run-{LATER}-b"}


def test_latest_run_is_not_a_second_one(tmp_path: Path) -> None:
    """`latest-run` is a link; where a checkout made a copy of it, that is left out and told, and kept where it holds another run."""
    make(tmp_path, *wandb())
    shutil.copytree(tmp_path / f"wandb/run-{STARTED}-abc", tmp_path / "wandb/latest-run")
    (run,) = find_runs([tmp_path])
    assert run.name == f"wandb/run-{STARTED}-abc" and any("copy of a run of Weights & Biases" in note for note in run.notes)
    (tmp_path / "wandb/latest-run/run-abc.wandb").rename(tmp_path / "wandb/latest-run/run-xyz.wandb")
    assert found(tmp_path).keys() == {f"wandb/run-{STARTED}-abc", "wandb/latest-run"}
    shutil.rmtree(tmp_path / "wandb/latest-run")
    (tmp_path / "wandb/latest-run").symlink_to(f"run-{STARTED}-abc")
    assert found(tmp_path).keys() == {f"wandb/run-{STARTED}-abc"}


BESIDE: dict[str, list[str]] = {
    "event files": [EVENTS],
    "checkpoints": ["checkpoints/a.pt"],
    "a table": ["metrics.csv"],
    "a run below": [f"lightning_logs/version_0/{EVENTS}", "lightning_logs/version_0/checkpoints/a.ckpt"],
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("kept", ["wandb", "mlflow", "both"])
def test_only_kept_run_belongs_to_the_training_beside_it(tmp_path: Path, beside: str, kept: str) -> None:
    """One run of MLflow, one of Weights & Biases, or one of each beside the files of one training: one run, with a note for each."""
    files = [*(mlflow() if kept != "wandb" else []), *(wandb() if kept != "mlflow" else [])]
    make(tmp_path / "exp", *files, *BESIDE[beside])
    (run,) = find_runs([tmp_path])
    assert run.name == "exp" and len([note for note in run.notes if "taken as part of the run: the only run of" in note]) == 1 + (
        kept == "both"
    )
    assert set(BESIDE[beside]) <= roles(run).keys()
    assert (f"mlruns/0/{RUN}/meta.yaml" in roles(run)) == (kept != "wandb")
    assert (f"wandb/run-{STARTED}-abc/run-abc.wandb" in roles(run)) == (kept != "mlflow")


def test_several_kept_runs_stay_runs_of_their_own(tmp_path: Path) -> None:
    """Of two kept runs nothing says which one the checkpoints beside them are of."""
    runs = found(make(tmp_path, *wandb(), *wandb("def", LATER), "checkpoints/a.pt"))
    assert runs.keys() == {"checkpoints", f"wandb/run-{STARTED}-abc", f"wandb/run-{LATER}-def"}


def test_halves_of_a_run_are_joined_beside_kept_runs(tmp_path: Path) -> None:
    """Kept runs that belong to nobody do not keep weights and curves apart."""
    kept = [*wandb(), *wandb("def", LATER)]
    assert len(found(make(tmp_path / "one", *kept, "checkpoints/a.pt", f"runs/x/{EVENTS}"))) == 3
    assert len(found(make(tmp_path / "two", *kept, f"board/{EVENTS}", "snapshots/a.pt"))) == 3
    assert len(found(make(tmp_path / "three", *wandb(), f"board/{EVENTS}", "snapshots/a.pt"))) == 1


def test_kept_run_beside_several_trainings(tmp_path: Path) -> None:
    """Nor is one kept run given to one of two trainings."""
    runs = found(make(tmp_path, *wandb(), f"lightning_logs/version_0/{EVENTS}", f"lightning_logs/version_1/{EVENTS}"))
    assert len(runs) == 3


def test_kept_run_of_another_day(tmp_path: Path) -> None:
    """A run that Weights & Biases began days after the event files is another training."""
    runs = found(make(tmp_path, *wandb("abc", LATER), EVENTS))
    assert runs.keys() == {".", f"wandb/run-{LATER}-abc"}
    assert found(make(tmp_path / "same day", *wandb(), EVENTS)).keys() == {"."}


def test_event_files_in_a_kept_run(tmp_path: Path) -> None:
    """Event files that were synced into a run's folder are its event files."""
    (run,) = find_runs([make(tmp_path, *wandb(), f"wandb/run-{STARTED}-abc/files/train/{EVENTS}")])
    assert roles(run)[f"files/train/{EVENTS}"] == "events" and "run-abc.wandb" in roles(run)


def test_histories_that_were_put_together(tmp_path: Path) -> None:
    """Histories of several runs in one folder are several runs."""
    runs = found(make(tmp_path, "all/run-a.wandb", "all/run-b.wandb"))
    assert {name: roles(run) for name, run in runs.items()} == {
        "all/run-a.wandb": {"run-a.wandb": "log"},
        "all/run-b.wandb": {"run-b.wandb": "log"},
    }


def test_history_given_as_a_single_file(tmp_path: Path) -> None:
    """A history can be given by itself."""
    assert roles(found(make(tmp_path, "run-abc.wandb") / "run-abc.wandb")["."]) == {"run-abc.wandb": "log"}
