"""Time of finding and reading a folder of 100 runs with mixed logs, beside reading their bytes and beside what users put together by hand.

    python benchmarks/log_folder.py [--repeat 3] [--folder DIR]

Writes 100 runs: event files with and without hyper-parameters, states of Hugging Face's Trainer, tables of Lightning, Ultralytics, Keras
and Stable-Baselines3, JSON lines of Detectron2, runs of MLflow's file store, and text logs of a scheduler. Each turn runs in a fresh
interpreter, all imports counted. By hand is tbparse for the event files, pandas for tables, and the json module.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reporting import say, verdict

TARGET_SECONDS = 5.0


def loss(step: int) -> float:
    """A curve."""
    return 2.5 * math.exp(-step / 400) + 0.01 * math.sin(step)


def write_events(run: Path, index: int) -> None:
    """torch's writer: 5 tags of 2,000 points; every other run with hyper-parameters."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(run)) as writer:
        if index % 2:
            writer.add_hparams({"lr": 0.1, "batch_size": 32}, {"hparam/accuracy": 0.5}, run_name=".")
        for step in range(2000):
            for tag in ("train/loss", "val/loss", "lr", "train/grad_norm", "train/accuracy"):
                writer.add_scalar(tag, loss(step), step)


def write_trainer_state(run: Path, index: int) -> None:
    """Three saved states, each with the history so far: up to 600 rows."""
    rows = [
        {"epoch": step / 100, "learning_rate": 5e-5, "loss": loss(step), "grad_norm": 1.0, "step": step} for step in range(10, 6010, 10)
    ]
    for share in (1, 2, 3):
        folder = run / f"checkpoint-{2000 * share}"
        folder.mkdir(parents=True)
        state = {"global_step": 2000 * share, "max_steps": 6000, "num_train_epochs": 60, "log_history": rows[: 200 * share]}
        (folder / "trainer_state.json").write_text(json.dumps(state, indent=2))


def write_lightning(run: Path, index: int) -> None:
    """A table with blank cells, and hyper-parameters."""
    version = run / "lightning_logs" / "version_0"
    version.mkdir(parents=True)
    rows = (
        f"{step // 100},{step},{loss(step)},\n" + (f"{step // 100},{step},,{loss(step)}\n" if step % 100 == 99 else "")
        for step in range(2000)
    )
    (version / "metrics.csv").write_text("epoch,step,train_loss,val_loss\n" + "".join(rows))
    (version / "hparams.yaml").write_text("lr: 0.001\nbatch_size: 64\nmodel: resnet18\n")


def write_ultralytics(run: Path, index: int) -> None:
    """Padded headers, 300 epochs."""
    names = ("epoch", "train/box_loss", "train/cls_loss", "metrics/mAP50(B)", "val/box_loss", "val/cls_loss", "lr/pg0")
    lines = [",".join(f"{name:>23}" for name in names)]
    lines += [",".join(f"{value:>23.6g}" for value in (epoch, *(loss(epoch) for _ in names[1:]))) for epoch in range(300)]
    (run / "results.csv").write_text("\n".join(lines) + "\n")
    (run / "args.yaml").write_text("task: detect\nepochs: 300\nlr0: 0.01\n")


def write_keras(run: Path, index: int) -> None:
    """A log that is called like a text."""
    rows = "".join(f"{epoch},{0.5},{loss(epoch)},{0.4},{loss(epoch)}\n" for epoch in range(500))
    (run / "training.log").write_text("epoch,accuracy,loss,val_accuracy,val_loss\n" + rows)


def write_baselines(run: Path, index: int) -> None:
    """Progress by iteration, and a monitor with a line for each episode."""
    rows = "".join(f"{2048 * step},{step},{-loss(step)},{loss(step)}\n" for step in range(500))
    (run / "progress.csv").write_text("time/total_timesteps,time/iterations,rollout/ep_rew_mean,train/loss\n" + rows)
    episodes = "".join(f"{10.0},{200},{step}\n" for step in range(2000))
    (run / "monitor.csv").write_text('#{"t_start": 1700000000.0, "env_id": "CartPole-v1"}\nr,l,t\n' + episodes)


def write_detectron(run: Path, index: int) -> None:
    """Lines of JSON."""
    lines = (json.dumps({"iteration": 20 * step, "total_loss": loss(step), "loss_cls": loss(step), "lr": 0.01}) for step in range(2000))
    (run / "metrics.json").write_text("\n".join(lines) + "\n")


def write_mlflow(run: Path, index: int) -> None:
    """One file a metric."""
    folder = run / "mlruns" / "0" / f"{index:032x}"
    for part in ("metrics", "params", "tags"):
        (folder / part).mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"run_id: {index:032x}\nstatus: 3\nstart_time: 1700000000000\nend_time: 1700000900000\n")
    for tag in ("train_loss", "val_loss", "accuracy", "lr", "epoch_time"):
        lines = (f"{1700000000000 + 1000 * step} {loss(step)} {step}\n" for step in range(500))
        (folder / "metrics" / tag).write_text("".join(lines))
    (folder / "params" / "lr").write_text("0.1")


def write_slurm(run: Path, index: int) -> None:
    """A scheduler's file of a job that ran out of memory."""
    lines = [f"epoch {step // 100} step {step} loss {loss(step):.4f} lr 0.001\n" for step in range(20_000)]
    lines.append('Traceback (most recent call last):\n  File "train.py", line 12, in main\n    loss.backward()\n')
    lines.append("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.\n")
    (run / f"slurm-{1000 + index}.out").write_text("".join(lines))


WRITERS: tuple[tuple[Callable[[Path, int], None], int], ...] = (
    (write_events, 30),
    (write_trainer_state, 15),
    (write_lightning, 10),
    (write_ultralytics, 10),
    (write_keras, 5),
    (write_baselines, 5),
    (write_detectron, 10),
    (write_mlflow, 10),
    (write_slurm, 5),
)


def write_folder(root: Path) -> None:
    """All 100 runs."""
    index = 0
    for write, runs in WRITERS:
        for _ in range(runs):
            run = root / f"exp_{index:03d}"
            run.mkdir(parents=True)
            write(run, index)
            index += 1


def ours(root: Path) -> tuple[int, int]:
    """Finds and reads everything; runs, and runs in which something was found."""
    from postmortem.discover import find_runs
    from postmortem.model import ReadOptions
    from postmortem.read.run import reading

    runs = told = 0
    for found in find_runs([root]):
        with reading(found, ReadOptions()) as opened:
            for run in opened:
                runs += 1
                told += bool(run.series or run.consoles)
                if run.problems:
                    raise RuntimeError(f"{run.name}: {run.problems}")
    return runs, told


def by_hand(root: Path) -> tuple[int, int]:
    """What a script of the usual libraries takes for the same curves; text logs left out."""
    import pandas
    from tbparse import SummaryReader

    tables = 0
    for path in _files(root):
        if "tfevents" in path.name:
            len(SummaryReader(str(path)).scalars)
        elif path.suffix == ".csv" or path.name == "training.log":
            pandas.read_csv(path, skiprows=1 if path.name == "monitor.csv" else 0)
        elif path.suffix == ".json":
            text = path.read_text()
            _ = json.loads(text) if path.name == "trainer_state.json" else [json.loads(line) for line in text.splitlines()]
        elif path.parent.name == "metrics":
            pandas.read_csv(path, sep=" ", header=None)
        else:
            continue
        tables += 1
    return tables, tables


def raw(root: Path) -> tuple[int, int]:
    """Reads the bytes."""
    sizes = [len(path.read_bytes()) for path in _files(root)]
    return len(sizes), sum(sizes)


def _files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


MEASURES: dict[str, Callable[[Path], tuple[int, int]]] = {"ours": ours, "by hand": by_hand, "raw": raw}


def apart(what: str, root: Path) -> tuple[float, tuple[int, int]]:
    """Seconds and answer of one of them in an interpreter of its own."""
    command = [sys.executable, __file__, "--measure", what, str(root)]
    seconds, answer = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()[-1])
    return seconds, tuple(answer)


def main() -> int:
    """Builds, measures, prints; 1 where the target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to keep the runs; a temporary folder otherwise")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        what, path = options.measure
        start = time.perf_counter()
        answer = MEASURES[what](Path(path))
        say(json.dumps([time.perf_counter() - start, answer]))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        root = options.folder or Path(temporary) / "runs"
        if not root.exists():
            write_folder(root)
        turns = {what: [apart(what, root) for _ in range(options.repeat if what != "by hand" else 1)] for what in MEASURES}
    seconds = {what: statistics.median(found[0] for found in turns[what]) for what in MEASURES}
    runs, told = turns["ours"][0][1]
    files, total = turns["raw"][0][1]
    say(f"{files} files, {total / 1e6:.0f} MB: {runs} runs found, {told} of them read with curves or the end of a job")
    say(f"  found and read in {seconds['ours']:.2f} s, by hand {seconds['by hand']:.2f} s, bytes alone {seconds['raw']:.2f} s")
    met = verdict("seconds for all", seconds["ours"], TARGET_SECONDS)
    return 0 if met and told >= 100 else 1


if __name__ == "__main__":
    sys.exit(main())
