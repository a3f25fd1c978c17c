"""Scalars that training scripts print, read from text logs as series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import postmortem
from postmortem.measure.roles import assign, main_training_loss, main_validation_loss
from postmortem.model import FoundFile, FoundRun, ReadOptions, RunData, Series
from postmortem.read.console.scalars import read_scalars
from postmortem.read.run import reading
from postmortem.read.tables.files import LogData


def read(folder: Path, text: str | bytes) -> LogData:
    """What the reader finds in a log with this content."""
    path = folder / "train.log"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_scalars(FoundFile(path, "train.log", "console", path.stat().st_size))


def curves(data: LogData) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values by tag, with the group before it where there is one."""
    return {
        f"{series.group}:{series.tag}" if series.group else series.tag: (series.steps.tolist(), series.values.tolist())
        for series in data.series
    }


def lines(count: int, text: str, first: int = 1) -> str:
    """Lines in which `{i}` is the number of the line and `{v}` a value that falls with it."""
    return "".join(text.format(i=i, v=round(3 - i / 8, 4)) for i in range(first, first + count))


def falling(count: int, first: int = 1) -> list[float]:
    """The values of `lines`."""
    return [round(3 - i / 8, 4) for i in range(first, first + count)]


ONE_TO_SIX = list(range(1, 7))
BY_LINE = {
    "key-equals": ("step {i}/400 loss={v} lr=0.001\n", {"loss": ONE_TO_SIX}),
    "pipes": ("epoch {i} | loss {v} | time 12.3s\n", {"loss": ONE_TO_SIX}),
    "brackets": ("Epoch [{i}/6], Loss: {v}\n", {"Loss": ONE_TO_SIX}),
    "logger": ("2026-01-02 10:00:0{i},123 - INFO - run.py:77 - step {i} loss: {v}, mem 3.2GB\n", {"loss": ONE_TO_SIX}),
    "colours": ("\x1b[32m2026-01-02\x1b[0m step \x1b[1m{i}\x1b[0m loss: \x1b[31m{v}\x1b[0m\n", {"loss": ONE_TO_SIX}),
    "nanogpt": ("iter {i}: loss {v}, time 12.34ms, mfu 1.20%\n", {"loss": ONE_TO_SIX}),
    "fairseq": (
        "2026-01-02 | INFO | train_inner | epoch 001:  {i}00 / 900 loss={v}, wps=9, num_updates={i}, train_wall=3, wall=9\n",
        {"loss": ONE_TO_SIX},
    ),
    "fairseq-json": ('| INFO | train_inner | {{"epoch": 1, "update": 0.{i}, "loss": "{v}", "num_updates": "{i}"}}\n', {"loss": ONE_TO_SIX}),
    "fairseq-epoch": ("2026-01-02 | INFO | valid | epoch 00{i} | loss {v} | best_loss 1.5\n", {"validation:loss": ONE_TO_SIX}),
    "mmengine": (
        "11/08 15:58:16 - mmengine - INFO - Epoch(train) [{i}][500/500]  base_lr: 1e-2  eta: 7:32:05  time: 1.0  loss: {v}\n",
        {"train:loss": [500 * i for i in ONE_TO_SIX]},
    ),
    "timm": (
        "Train: {i} [  50/100 ( 50%)]  Loss: {v} (6.9)  Time: 1.663s,  9.62/s  (1.663s,  9.62/s)  Data: 0.4 (0.4)\n",
        {"train:Loss": [50 + 100 * (i - 1) for i in ONE_TO_SIX]},
    ),
    "tutorial": ("Epoch {i}/6\n----------\ntrain Loss: {v} \n", {"train_Loss": ONE_TO_SIX}),
    "tensor": ("step {i} loss: tensor({v}, grad_fn=<NllLossBackward0>)\n", {"loss": ONE_TO_SIX}),
    "huggingface": ("{{'loss': {v}, 'epoch': {i}.5}}\n", {"loss": [0, 1, 2, 3, 4, 5]}),
    "huggingface-words": ("{{'loss': '{v}', 'epoch': '{i}.5'}}\n", {"loss": [0, 1, 2, 3, 4, 5]}),
    "lightning": ("\rEpoch {i}: 100%|███| 42/42 [00:01<00:00, 38.1it/s, loss={v}, v_num=0]", {"loss": ONE_TO_SIX}),
}


@pytest.mark.parametrize(("text", "wanted"), BY_LINE.values(), ids=BY_LINE.keys())
def test_each_layout_of_a_line_is_read_by_its_counter(tmp_path: Path, text: str, wanted: dict[str, list[int]]) -> None:
    """One line a point: the steps are those that the layout counts, the values those printed; times, memory and versions are no curves."""
    found = curves(read(tmp_path, lines(6, text)))
    loss = {tag: curve for tag, curve in found.items() if "loss" in tag.lower()}
    assert loss == {tag: (steps, falling(6)) for tag, steps in wanted.items()}
    assert found.keys() - loss.keys() <= {"epoch", "lr"}


def test_sparse_validation_stands_at_its_own_steps(tmp_path: Path) -> None:
    """A value that stands in some lines only has the steps of these; the plan that the lines print is told."""
    text = "".join(f"step {i * 8}/400 loss={2 - i / 99:.5f}" + (f" val_loss={3 - i / 7:.4f}" * (i % 5 == 0)) + "\n" for i in range(51))
    data = read(tmp_path, text)
    found = curves(data)
    assert found["loss"][0] == [8 * i for i in range(51)]
    assert found["val_loss"] == ([40 * i for i in range(11)], [float(f"{3 - 5 * i / 7:.4f}") for i in range(11)])
    assert data.hyperparameters == {"max_steps": 400}
    assert data.notes == ("train.log: 2 tags from 51 lines",)


def test_batches_are_counted_on_from_epoch_to_epoch(tmp_path: Path) -> None:
    """`Step [100/600]` begins anew each epoch: the series goes on, by the number of batches printed."""
    text = "".join(f"Epoch [{e}/2], Step [{s}/600], Loss: {e}.{s}\n" for e in (1, 2) for s in (100, 300, 500))
    data = read(tmp_path, text)
    assert curves(data)["Loss"][0] == [100, 300, 500, 700, 900, 1100]
    assert data.hyperparameters == {"epochs": 2}


def test_batches_without_their_number_are_counted_on_too(tmp_path: Path) -> None:
    """`Epoch[1] Batch [49]` as Gluon's scripts print it, below a line of a first try at a later epoch: one training of 12 epochs."""
    line = "Epoch[{}] Batch [{}]\tSpeed: 4000.1 samples/sec\taccuracy=0.{:03d}\tlr={:.6f}\n"
    text = line.format(9, 49, 600, 0.5)
    for epoch in range(12):
        text += "".join(line.format(epoch, batch, 10 * epoch + batch // 50, 0.04 * (epoch + 1)) for batch in (49, 99, 149))
        text += f"[Epoch {epoch}] training: accuracy=0.{10 * epoch + 3:03d}\n[Epoch {epoch}] validation: top1=0.{epoch:02d}\n"
    data = read(tmp_path, text)
    assert curves(data)["lr"] == (
        [149 * epoch + batch for epoch in range(12) for batch in (49, 99, 149)],
        [0.04 * (i // 3 + 1) for i in range(36)],
    )
    assert data.resumes == ()


@pytest.mark.parametrize("colour", ["{}", "\x1b[1m{}\x1b[0m"], ids=["plain", "coloured"])
def test_keras_bars_count_once_an_epoch(tmp_path: Path, colour: str) -> None:
    """A bar that draws over itself below `Epoch 3/6` leaves its last state: the loss of the epoch, with validation."""
    text = ""
    for i in ONE_TO_SIX:
        text += f"Epoch {i}/6\n" + "".join(f"\r{colour.format(f'{k}/42')} [=>...] - ETA: 1s - loss: 9.{k}" for k in (1, 20, 41))
        text += f"\x08\x08\r{colour.format('42/42')} [=====] - 2s 3ms/step - loss: 0.{i} - val_loss: 1.{i}\n"
    data = read(tmp_path, text)
    found = curves(data)
    assert found["loss"] == (ONE_TO_SIX, [i / 10 for i in ONE_TO_SIX])
    assert found["val_loss"] == (ONE_TO_SIX, [1 + i / 10 for i in ONE_TO_SIX])
    assert data.hyperparameters == {"epochs": 6}


def translated(epoch: int, iteration: int, cycle: float = 1.0) -> str:
    """A line as CycleGAN and what was made of it print it."""
    head = f"(epoch: {epoch}, iters: {iteration}, time: 0.7, data: 0.1)"
    return f"{head} D_A: 0.2{epoch} G_A: 0.59 cycle_A: {cycle} idt_A: nan D_B: 0.3 G_B: 0.{iteration} cycle_B: 2.1 idt_B: 0.4 \n"


def test_what_follows_a_bracket_of_counters_is_a_loss(tmp_path: Path) -> None:
    """CycleGAN's list of losses under names that do not say so; the iteration begins anew, 100 of 250 later each time."""
    title = "================ Training Loss (Mon Jan  5 10:00:00 2026) ================\n"
    places = ((1, 100), (1, 200), (2, 50), (2, 150), (2, 250), (3, 100), (3, 200))
    data = read(tmp_path, title + "".join(translated(*place) for place in places))
    found = curves(data)
    assert found.keys() == {"epoch", *(f"loss_{name}_{side}" for name in ("D", "G", "cycle", "idt") for side in "AB")}
    assert found["loss_D_A"] == ([100, 200, 300, 400, 500, 600, 700], [0.21, 0.21, 0.22, 0.22, 0.22, 0.23, 0.23])
    assert np.isnan(found["loss_idt_A"][1]).all()
    assert "train.log: step begins anew each epoch; its rows are counted on from epoch to epoch" in data.notes


def test_of_a_log_appended_to_that_begins_anew_each_epoch_the_later_start_counts(tmp_path: Path) -> None:
    """A training begun again at its second epoch, and in the midst of its third; each time its iterations go on from epoch to epoch."""
    starts = ((1, (100, 200)), (2, (100, 200)), (3, (100, 200)), (2, (100, 200)), (3, (100,)), (3, (100, 200)), (4, (100, 200)))
    found = curves(read(tmp_path, "".join(translated(epoch, k, 1 + n / 10) for n, (epoch, all_of) in enumerate(starts) for k in all_of)))
    assert found["loss_cycle_A"] == ([100, 200, 300, 400, 500, 600, 700, 800], [1.0, 1.0, 1.3, 1.3, 1.5, 1.5, 1.6, 1.6])


def test_an_iteration_printed_once_an_epoch_at_its_end_goes_on(tmp_path: Path) -> None:
    """The same number in each epoch is no one step."""
    found = curves(read(tmp_path, "".join(translated(epoch, 100) for epoch in ONE_TO_SIX)))
    assert found["loss_D_A"][0] == [100 * epoch for epoch in ONE_TO_SIX]


def test_a_list_of_losses_of_an_adversarial_pair_is_known_for_it(tmp_path: Path) -> None:
    """Losses of both sides are parts, none of them a score (`D_real`), and what names itself otherwise stays what it is."""
    text = "".join(f"(epoch: {e}, iters: 9, time: 0.1) G_GAN: 1.{e} G_L1: 7 D_real: 0.4 D_fake: 0.5 kl: 0.1 lr: 0.01\n" for e in ONE_TO_SIX)
    roled = {one.series.tag: one.role for one in assign(read(tmp_path, text).series, ReadOptions())}
    assert {tag for tag, role in roled.items() if role == "part-of-loss"} == {"loss_G_GAN", "loss_G_L1", "loss_D_real", "loss_D_fake"}
    assert roled["loss_kl"] == "regularization" and roled["lr"] == "learning-rate"
    (tmp_path / "loss_log.txt").write_text("".join(translated(e, 100) for e in range(1, 30)))
    (tmp_path / "train.log").unlink()
    (run,) = postmortem.analyze(tmp_path)
    statuses = {check.id: check.status for check in run.checks}
    assert statuses["flat-loss"] == statuses["diverged-loss"] == "not-applicable"


def test_lines_that_speak_of_evaluation_are_of_validation(tmp_path: Path) -> None:
    """A word for validation at a line's head, or in its first name, holds for the names behind it, and for no learning rate."""
    text = lines(6, "[train] step {i} loss {v} lr 0.1\n[eval] step {i} loss 4.{i} acc 0.5 lr 0.1\n")
    found = curves(read(tmp_path, text))
    assert found.keys() == {"train:loss", "validation:loss", "validation:acc", "lr"}
    pairs = curves(read(tmp_path, lines(6, "epoch {i}: Train loss {v} acc 0.1 | Val loss {v} acc 0.2\n")))
    assert pairs.keys() == {"Train_loss", "Val_loss", "train:acc", "validation:acc", "epoch"}


def test_batches_of_an_evaluation_are_no_steps(tmp_path: Path) -> None:
    """`Test: [29/29]` counts within one evaluation: its mean so far, in brackets, stands at the last step of training."""
    text = "".join(
        f"Epoch: [{e}][ 0/100]\tLoss 2.{e} (9)\nEpoch: [{e}][50/100]\tLoss 2.{e} (9)\n"
        f"Test: [ 0/29]\tLoss 8 (7)\nTest: [28/29]\tLoss 8 (3.{e})\n"
        for e in range(6)
    )  # fmt: skip
    found = curves(read(tmp_path, text))
    assert found["Loss"][0] == [100 * e + k for e in range(6) for k in (0, 50)]
    assert found["test:Loss"] == ([100 * e + 50 for e in range(6)], [3 + e / 10 for e in range(6)])


def test_roles_come_out_as_of_other_logs(tmp_path: Path) -> None:
    """nanoGPT prints a training loss by iteration, and both losses at each evaluation."""
    text = lines(40, "iter {i}: loss {v}, time 1.00ms\n") + lines(6, "step {i}: train loss {v}, val loss {v}\n", first=41)
    roled = assign(read(tmp_path, text).series, ReadOptions())
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    assert training is not None and (training.series.tag, training.series.steps.size) == ("loss", 40)
    assert validation is not None and validation.series.tag == "val_loss"


def test_nan_and_infinity_are_values(tmp_path: Path) -> None:
    """A loss that is printed as NaN stays in its curve."""
    text = lines(5, "step {i} loss: {v} grad_norm: 1.5\n") + lines(5, "step {i} loss: nan grad_norm: inf\n", first=6)
    found = curves(read(tmp_path, text))
    assert found["loss"][0] == list(range(1, 11))
    assert np.isnan(found["loss"][1][5:]).all() and np.isinf(found["grad_norm"][1][5:]).all()


def test_a_restart_gives_way_to_later_lines(tmp_path: Path) -> None:
    """A log that was appended to: the later lines win, as in tables, and the place is told."""
    data = read(tmp_path, lines(9, "step {i} loss {v}\n") + "resumed\n" + lines(9, "step {i} loss 1.{i}\n", first=6))
    assert curves(data)["loss"] == (list(range(1, 15)), [*falling(5), *(float(f"1.{i}") for i in range(6, 15))])
    assert [(resume.first_step, resume.replaced[0].steps.tolist()) for resume in data.resumes] == [(6, [6, 7, 8, 9])]


def test_of_several_ranks_the_lowest_counts(tmp_path: Path) -> None:
    """Each rank prints its own loss of the same step."""
    text = "".join(f"[rank{rank}]: step {i} loss: {rank}.{i}\n" for i in ONE_TO_SIX for rank in (1, 0, 2))
    assert curves(read(tmp_path, text)) == {"loss": (ONE_TO_SIX, [i / 10 for i in ONE_TO_SIX])}


SILENT = {
    "four-points": lines(4, "step {i} loss {v}\n"),
    "no-counter": lines(20, "loss: {v}\n"),
    "words": lines(20, "the loss of {i} things at step one was an error of 5\n"),
    "recipe": lines(20, "step {i} of the recipe takes {i} minutes\n"),
    "times": lines(20, "step {i} time: 0.5 data_time: 0.1 memory: 300 it/s: 5.5 batch_size: 32\n"),
    "best": lines(20, "epoch {i} best_loss: 0.5 best acc 0.9 patience 3\n"),
    "settings": "".join(f"{name}: 0.5\n" for name in ("lr", "loss_weight", "epochs", "steps", "momentum", "accumulate")),
    "empty": "",
    "binary": bytes(range(256)) * 300,
    "one-line": "step 1 loss 2.3 " + "loss 2.5 " * 600_000,
    "numbers": b"5" * 5_000_000 + b" step 1 loss",
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT.keys())
def test_what_is_no_curve_stays_silent(tmp_path: Path, text: str | bytes) -> None:
    """Words, settings, times, running extremes, too few points and damaged files make neither a series nor a note."""
    data = read(tmp_path, text)
    assert (data.series, data.notes, data.problems, dict(data.hyperparameters)) == ((), (), (), {})


def test_damage_costs_its_own_lines(tmp_path: Path) -> None:
    """Zero bytes, a cut line and lines that run together leave the rest of the curve."""
    text = lines(6, "step {i} loss {v}\n").encode() + b"\0" * 5000 + b"\nstep 7 loss\nstep 8 loss 2.step 9 lo\n\xff\xfe\n"
    found = curves(read(tmp_path, text + lines(6, "step {i} loss {v}\n", first=10).encode()))
    assert found["loss"] == ([*range(1, 7), *range(10, 16)], [*falling(6), *falling(6, first=10)])


def test_a_last_line_that_may_be_cut_within_its_number_is_left_aside(tmp_path: Path) -> None:
    """A job that died while it printed leaves `loss 1.` of 1.234."""
    assert curves(read(tmp_path, lines(6, "step {i} loss {v}\n") + "step 7 loss 1.")) == {"loss": (ONE_TO_SIX, falling(6))}


def test_of_very_many_lines_a_share_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the bound every second line of a kind is let go, again and again, and the note says so."""
    monkeypatch.setattr("postmortem.read.console.scalars._MOST_ROWS", 100)
    data = read(tmp_path, lines(350, "step {i} loss {v}\n"))
    assert data.series[0].steps.tolist() == list(range(1, 351, 4))
    assert data.notes == ("train.log: 1 tag from 88 lines, one of 4 of a kind",)


# --- beside other logs ------------------------------------------------------------------------------------------------

PRINTED = lines(30, "step {i}/30 loss={v} acc=0.5\n")


def run_of(folder: Path, *others: FoundFile) -> RunData:
    """The run of a folder with PRINTED as its `train.log`, and other files."""
    path = folder / "train.log"
    path.write_text(PRINTED)
    files = (FoundFile(path, "train.log", "console", path.stat().st_size), *others)
    with reading(FoundRun("run", folder, files), ReadOptions()) as runs:
        (run,) = runs
        return run


def tags(run: RunData) -> list[str]:
    """Tags of a run, sorted."""
    return sorted(series.tag for series in run.series)


def test_a_run_with_nothing_but_its_output_has_curves(tmp_path: Path) -> None:
    """The printed scalars become the run's series, with a note, and the printed number of steps its plan."""
    run = run_of(tmp_path)
    assert tags(run) == ["acc", "loss"]
    assert run.hyperparameters == {"max_steps": 30}
    assert "train.log: 2 tags from 30 lines" in run.notes


def table(folder: Path, text: str) -> FoundFile:
    """A table beside the text log."""
    path = folder / "metrics.csv"
    path.write_text(text)
    return FoundFile(path, "metrics.csv", "log", path.stat().st_size)


def test_a_table_with_the_training_loss_wins(tmp_path: Path) -> None:
    """Nothing of the text log is taken, and nothing is said."""
    run = run_of(tmp_path, table(tmp_path, "step,train_loss\n" + lines(8, "{i},{v}\n")))
    assert tags(run) == ["train_loss"]
    assert not run.notes and not run.hyperparameters


def test_a_table_without_a_training_loss_is_completed(tmp_path: Path) -> None:
    """Of a scalar that both hold, the table's stays."""
    run = run_of(tmp_path, table(tmp_path, "step,val_loss,acc\n" + lines(8, "{i},{v},0.75\n")))
    assert tags(run) == ["acc", "loss", "val_loss"]
    (accuracy,) = (series for series in run.series if series.tag == "acc")
    assert accuracy.source == "metrics.csv"


def test_event_files_with_the_training_loss_win(tmp_path: Path) -> None:
    """The same run with event files: its series are those of the events alone."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    for step in range(8):
        writer.add_scalar("Loss/train", 1 / (step + 1), step)
    writer.close()
    (path,) = tmp_path.glob("events.*")
    run = run_of(tmp_path, FoundFile(path, path.name, "events", path.stat().st_size))
    assert tags(run) == ["Loss/train"]
    assert not any("train.log" in note for note in run.notes) and not run.hyperparameters


def test_the_same_output_in_two_files_is_one_curve(tmp_path: Path) -> None:
    """`nohup.out` beside `train.log`."""
    copy = tmp_path / "nohup.out"
    copy.write_text(PRINTED)
    run = run_of(tmp_path, FoundFile(copy, "nohup.out", "console", copy.stat().st_size))
    assert tags(run) == ["acc", "loss"]
    found: list[Series] = [series for series in run.series if series.tag == "loss"]
    assert found[0].steps.size == 30
