"""Text logs as files: written by processes that really died, damaged, strangely encoded, hostile; and tables that are called like logs."""

from __future__ import annotations

import signal
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postmortem.measure.incidents import measure_incidents
from postmortem.model import Console, FoundFile, FoundRun, Measurement, ReadOptions, RunData
from postmortem.read.console import lines as console_lines
from postmortem.read.console.files import ConsoleData, read_console
from postmortem.read.run import reading
from postmortem.read.tables.files import read_log

CRASH = "step 1 loss 2.0\nTraceback (most recent call last):\n  File \"train.py\", line 7, in <module>\n    main()\nKeyError: 'labels'\n"


def read(folder: Path, content: str | bytes, name: str = "train.log") -> ConsoleData:
    """A text log of this content, read."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_console(FoundFile(path, name, "console", path.stat().st_size))


def console(folder: Path, content: str | bytes) -> Console:
    """The same, of a log without problems."""
    data = read(folder, content)
    assert data.problems == () and data.console is not None
    return data.console


def end(*consoles: Console) -> Measurement | None:
    """What ended a job that left these logs only."""
    run = RunData("r", "r", (), (), (), {}, (), (), (), (), ReadOptions(), consoles=consoles)
    return next((found for found in measure_incidents(run) if isinstance(found, Measurement) and found.name == "job.end"), None)


# --- processes that really die ----------------------------------------------------------------------------------------

SCRIPTS = {
    "error": (
        "def main():\n    for step in range(3):\n        print(f'step {step} loss 0.5')\n    return {}['x']\nmain()",
        "traceback",
        "KeyError: 'x'",
    ),
    "syntax": ("print('step 1')\nx = = 3\n", "traceback", "SyntaxError: invalid syntax"),
    "chain": (
        "def load():\n    try:\n        open('/nonexistent/t')\n    except OSError as e:\n        raise KeyError from e\nload()",
        "missing-file",
        "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/t'",
    ),
    "memory": ("print('step 1 loss 0.5', flush=True)\nx = [0] * (1 << 60)", "host-out-of-memory", "MemoryError"),
    "faulthandler": (
        "import faulthandler, os\nfaulthandler.enable()\nprint('step 1', flush=True)\nos.abort()",
        "crash",
        "Fatal Python error: Aborted",
    ),
    "well": (
        "import traceback\ntry:\n    {}['x']\nexcept KeyError:\n    traceback.print_exc()\nfor i in range(50):\n    print('step', i)",
        "",
        "",
    ),
    "well, a thread failed": (
        "import threading\nprint('step 0', flush=True)\ndef work():\n    raise ValueError\nt = threading.Thread(target=work)\n"
        "t.start()\nt.join()\nprint('Training completed')",
        "finished",
        "Training completed",
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("buffered", [False, True], ids=["unbuffered", "buffered"])
def test_process_that_really_died(tmp_path: Path, name: str, buffered: bool) -> None:
    """A script's output and errors in one file tell what it died of, whether the output was held back or not."""
    code, kind, said = SCRIPTS[name]
    script, log = tmp_path / "train.py", tmp_path / "nohup.out"
    script.write_text(code, encoding="utf-8")
    with log.open("wb") as out:
        subprocess.run([sys.executable, *(() if buffered else ("-u",)), str(script)], stdout=out, stderr=subprocess.STDOUT, check=False)
    found = end(console(tmp_path, log.read_bytes()))
    assert (found.text if found else "") == kind, log.read_text()
    assert said in (found.basis if found else "")
    if kind in ("traceback", "missing-file") and name != "syntax":
        assert found is not None and "train.py, line" in found.basis


TORCH_SCRIPTS = {
    "labels": (
        "torch.nn.functional.cross_entropy(torch.zeros(2, 10), torch.tensor([3, 10]))",
        "labels-out-of-range",
        "Target 10 is out of bounds",
    ),
    "shapes": ("torch.nn.Linear(256, 10)(torch.zeros(32, 512))", "shape-mismatch", "32x512 and 256x10"),
    "anomaly": (
        "with torch.autograd.detect_anomaly(check_nan=True):\n    (torch.zeros(1, requires_grad=True).sqrt() * 0).sum().backward()",
        "nan",
        "'SqrtBackward0' returned nan values",
    ),
    "state of another model": (
        "torch.nn.Linear(2, 3).load_state_dict(torch.nn.Linear(2, 4).state_dict())",
        "shape-mismatch",
        "size mismatch for weight",
    ),
    "loader": (
        "class Data(torch.utils.data.Dataset):\n    def __len__(self):\n        return 4\n"
        "    def __getitem__(self, i):\n        open('/nonexistent/7')\n"
        "list(torch.utils.data.DataLoader(Data(), num_workers=1))",
        "missing-file",
        "No such file or directory: '/nonexistent/7'",
    ),
}


@pytest.mark.parametrize("name", TORCH_SCRIPTS)
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
def test_what_torch_really_says(tmp_path: Path, name: str) -> None:
    """The tracebacks of torch's own errors are understood as they are."""
    code, kind, said = TORCH_SCRIPTS[name]
    with pytest.raises(Exception) as error:
        exec(compile(code, "train.py", "exec"), {"torch": torch, "__name__": "__main__"})
    tail = error.value.__traceback__
    while tail is not None and tail.tb_frame.f_code.co_filename != "train.py":
        tail = tail.tb_next
    text = "".join(traceback.format_exception(error.type, error.value, tail))
    found = end(console(tmp_path, "step 1 loss 2.0\n" + text))
    assert found is not None and found.text == kind, text
    assert said in found.basis


def test_process_that_the_shell_saw_killed(tmp_path: Path) -> None:
    """What bash prints of a child that was killed is understood."""
    script = "python3 -c 'import os, signal; print(\"step 1 loss 2\", flush=True); os.kill(os.getpid(), signal.SIGKILL)'\ntrue\n"
    (tmp_path / "job.sh").write_text(script, encoding="utf-8")
    done = subprocess.run(["bash", str(tmp_path / "job.sh")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    found = end(console(tmp_path, done.stdout))
    assert found is not None and found.text == "killed", done.stdout


def test_process_that_was_interrupted(tmp_path: Path) -> None:
    """Ctrl-C is told as such, with the line that the script was at."""
    (tmp_path / "train.py").write_text(
        "import os, signal\nprint('step 1 loss 2', flush=True)\nos.kill(os.getpid(), signal.SIGINT)\n", encoding="utf-8"
    )
    done = subprocess.run([sys.executable, str(tmp_path / "train.py")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode in (-signal.SIGINT, 1, 130)
    found = end(console(tmp_path, done.stdout))
    assert found is not None and found.text == "stopped-by-hand" and "train.py, line 3" in found.basis


# --- bytes ------------------------------------------------------------------------------------------------------------

FORMS: dict[str, bytes] = {
    "as it is": CRASH.encode(),
    "no line end": CRASH.rstrip("\n").encode(),
    "CRLF": CRASH.replace("\n", "\r\n").encode(),
    "UTF-16 with a mark": CRASH.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + CRASH.encode("utf-16-be"),
    "UTF-16 without a mark": CRASH.encode("utf-16-le"),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + CRASH.encode(),
    "colours": CRASH.replace("KeyError", "\x1b[1;31mKeyError\x1b[0m").replace("Traceback", "\x1b[91mTraceback").encode(),
    "after bytes that are no text": bytes(range(128, 256)) * 40 + b"\n" + CRASH.encode(),
    "after a line of a megabyte": b"x" * (1 << 20) + b"\n" + CRASH.encode(),
    "after a megabyte of a bar": "".join(f"\r{i % 100}%|{'█' * (i % 50)}| {i}/9000" for i in range(9000)).encode() + b"\n" + CRASH.encode(),
    "after a bar of Keras": b"1/9 [>....] - loss: 2.1" + b"\x08" * 23 + b"2/9 [=>...] - loss: 2.0\n" + CRASH.encode(),
    "with a zero byte": CRASH.replace("step 1", "st\0ep 1").encode(),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_of_the_file(tmp_path: Path, name: str) -> None:
    """Encodings, line ends, escapes and long lines change nothing of what is told."""
    found = end(console(tmp_path, FORMS[name]))
    assert found is not None and found.text == "traceback" and "KeyError: 'labels'" in found.basis and "train.py, line 7" in found.basis


def test_pieces_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a log is cut into pieces, the traceback and its line numbers are the same."""
    text = "step 1 loss 2.0\n" * 30 + CRASH
    whole = console(tmp_path, text)
    for size in range(160, 700, 7):
        monkeypatch.setattr(console_lines, "PIECE", size)
        cut = console(tmp_path, text)
        assert [(one.kind, one.text, one.line) for one in cut.incidents if one.frame] == [
            (one.kind, one.text, one.line) for one in whole.incidents
        ], size
        assert (cut.lines, cut.bytes) == (whole.lines, whole.bytes)


def test_middle_of_a_very_large_log_is_said_to_be_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a size the middle is skipped, and said so; line numbers behind it are still those of the file."""
    monkeypatch.setattr(console_lines, "LARGEST_WHOLE", 4000)
    monkeypatch.setattr(console_lines, "HEAD_KEPT", 500)
    monkeypatch.setattr(console_lines, "TAIL_KEPT", 1500)
    text = "step 1 loss 2.0\n" * 1000 + CRASH
    data = read(tmp_path, text)
    assert data.console is not None and data.console.bytes_skipped == len(text) - 2000
    assert [note for note in data.notes if "were not looked at" in note]
    assert data.console.incidents[-1].line == 1005 and data.console.lines == 1005


def test_empty_log_tells_nothing(tmp_path: Path) -> None:
    """A log of no bytes is no problem (an error log should be empty), and no end of the job either."""
    assert end(console(tmp_path, b"")) is None


UNREADABLE = {
    "weights under the name of a log": (b"\x00\x00\x80\x3f" * 500, "is no text"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "git-LFS pointer"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_file_that_is_no_log(tmp_path: Path, name: str) -> None:
    """A file that is no text is a problem that says what it is."""
    content, said = UNREADABLE[name]
    data = read(tmp_path, content)
    assert data.console is None and said in data.problems[0].detail


SECRETS = {
    "hf_abcdefghijklmnopqrstuvwxyz0123": "token hf_abcdefghijklmnopqrstuvwxyz0123 refused",
    "sk-proj-abcdefghijklmnop1234": "key sk-proj-abcdefghijklmnop1234",
    "AKIAIOSFODNN7EXAMPLE": "AKIAIOSFODNN7EXAMPLE",
    "0123456789abcdef0123456789abcdef01234567": "wandb: api key 0123456789abcdef0123456789abcdef01234567",
    "correcthorse": "password=correcthorse",
    "hunter2hunter2": "https://me:hunter2hunter2@host/data",
    "eyJhbGciOiJIUzI1NiJ9.e30": "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30",
}


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked(tmp_path: Path, secret: str) -> None:
    """What looks like a key or a password never comes out of the reader."""
    found = console(tmp_path, CRASH.replace("'labels'", SECRETS[secret]) + SECRETS[secret] + "\n")
    assert secret not in repr(found) and "[masked]" in found.incidents[0].text


def test_quoted_line_is_short_and_printable(tmp_path: Path) -> None:
    """A line of strangers comes out without control characters and cut."""
    found = console(tmp_path, CRASH.replace("'labels'", "\x1b]0;title\x07\x00\x9b" + "<b>" + "y" * 5000))
    text = found.incidents[0].text
    assert text.isprintable() and len(text) <= 300 and text.startswith("KeyError: <b>yyy")


HOSTILE = {
    "spaces": b" " * 4000,
    "headers": b"Traceback (most recent call last):" * 200,
    "frames": b'Traceback (most recent call last):\n' + b'  File "' * 4000,
    "prefixes": b"[rank0]: " * 800,
    "times": b"2026-01-01 00:00:00 " * 400,
    "exceptions": b"Traceback (most recent call last):\n" + b'  File "a.py", line 1, in <module>\n' + b"a." * 3000 + b"Error",
    "assertions": b".cu:1: Assertion " * 300,
    "keys": b"token" * 900 + b"=",
    "urls": b"://a:" * 900,
    "escapes": b"\x1b[" + b"0;" * 3000,
    "stops": b"early stopping " * 400 + b"early stopping",
    "slurm": b"slurmstepd: *** JOB " * 300,
    "loss": b"loss" * 1500,
    "nan": b"loss is loss is nan detected " * 200,
    "carriage returns": b"\r" * 10_000,
    "backspaces": b"\x08" * 10_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lines_end(tmp_path: Path, name: str) -> None:
    """Lines made to send a pattern back and forth are read like others, and a crash behind them is seen."""
    lines = b"".join(bytes([97 + i % 26]) * (1 + i // 26) + b" " + HOSTILE[name] + b"\n" for i in range(40))
    found = end(console(tmp_path, lines + CRASH.encode()))
    assert found is not None and found.text in ("traceback", "nan", "labels-out-of-range", "device-fault"), found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400), st.integers(0, len(CRASH)), st.integers(0, len(CRASH)))
def test_any_bytes_anywhere(tmp_path: Path, junk: bytes, start: int, stop: int) -> None:
    """Bytes of any kind in place of any part of a log are read to the end without an error."""
    data = read(tmp_path, CRASH[:start].encode() + junk + CRASH[stop:].encode())
    if data.console is not None:
        assert all(one.text.isprintable() and 1 <= one.first_line <= one.line <= data.console.lines for one in data.console.incidents)


# --- several logs and starts ------------------------------------------------------------------------------------------


def test_only_the_last_start_counts(tmp_path: Path) -> None:
    """A log that was appended to tells how often it was begun, and the crash of an earlier start is none of the last."""
    start = "Loading config a.yaml\nUsing device cuda:0\n" + "step 1 loss 2.0\n" * 30
    data = read(tmp_path, start + CRASH + start + CRASH + start)
    assert data.console is not None and data.console.starts == 3 and data.console.incidents == ()
    assert any("come 3 times" in note for note in data.notes)


def test_exit_codes_are_read_line_by_line(tmp_path: Path) -> None:
    """A helper's exit code 0 does not hide the job's exit code 1, though the lines differ in a figure only."""
    text = (
        "srun: error: n1: task 0: Exited with exit code 0\n" + "step 1 loss 2\n" * 9 + "srun: error: n1: task 0: Exited with exit code 1\n"
    )
    found = end(console(tmp_path, text))
    assert found is not None and found.text == "exit-code" and "line 11" in found.basis


# --- within a run -----------------------------------------------------------------------------------------------------

TABLES = {
    "CSVLogger of Keras": ("training.log", "epoch,accuracy,loss\n0,0.5,2.3\n1,0.6,1.9\n2,0.7,1.5\n", {"accuracy", "loss"}),
    "lines of DETR": ("log.txt", '{"train_loss": 2.3, "epoch": 0}\n{"train_loss": 1.9, "epoch": 1}\n', {"train_loss"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_that_is_called_like_a_log(tmp_path: Path, name: str) -> None:
    """Its content makes it a table, and its columns become curves."""
    file_name, text, tags = TABLES[name]
    path = tmp_path / file_name
    path.write_text(text, encoding="utf-8")
    file = FoundFile(path, file_name, "console", len(text))
    assert read_log(file).kind != "text"
    with reading(FoundRun(".", tmp_path, (file,)), ReadOptions()) as (data,):
        assert tags <= {series.tag for series in data.series} and data.consoles == () and data.problems == ()


NO_TABLES = (
    CRASH,
    '{"time": "12:00", "level": "INFO", "msg": "closed"}\n',
    "{'loss': 1.2, 'epoch': 3}\n",
    "step, by step\nwe, go\n",
    "",
    "\n\n",
    "{",
)


@pytest.mark.parametrize("text", NO_TABLES)
def test_text_that_is_no_table(tmp_path: Path, text: str) -> None:
    """Words, structured messages of other programs and dicts as Python prints them are no tables."""
    (tmp_path / "x.log").write_text(text, encoding="utf-8")
    assert read_log(FoundFile(tmp_path / "x.log", "x.log", "console", len(text))).kind == "text"


def test_log_that_cannot_be_opened_is_a_problem_of_the_run(tmp_path: Path) -> None:
    """A file that went away after it was found is named, and reading goes on."""
    gone = FoundFile(tmp_path / "gone.log", "gone.log", "console", 10)
    (tmp_path / "b.log").write_text(CRASH, encoding="utf-8")
    with reading(FoundRun(".", tmp_path, (gone, replace(gone, path=tmp_path / "b.log", name="b.log"))), ReadOptions()) as (data,):
        assert [problem.path for problem in data.problems] == ["gone.log"] and [each.source for each in data.consoles] == ["b.log"]


def test_report_quotes_the_line(tmp_path: Path) -> None:
    """A folder with nothing but a scheduler's output is a run that failed, and every format shows the line, escaped where it must be."""
    import postmortem
    from postmortem.render.json import render_json
    from postmortem.render.markdown import render_markdown
    from postmortem.render.text import render_text

    (tmp_path / "slurm-1234.out").write_text(CRASH.replace("'labels'", "'<b>labels'"), encoding="utf-8")
    report = postmortem.analyze(tmp_path)
    (run,) = report.runs
    assert run.verdict == "failed" and run.causes[0].id == "interrupted" and "slurm-1234.out, line 5" in run.causes[0].summary
    assert "KeyError: '<b>labels'" in " ".join(render_text(report).split())
    assert "<b>labels" not in report.to_html() and "labels" in report.to_html() and "line 5" in report.to_html()
    assert "KeyError" in render_markdown(report) and "KeyError" in render_json(report)
