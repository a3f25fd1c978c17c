"""The command, from arguments to exit code, on real runs and on bad input."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import jsonschema
import pytest

from postmortem.cli import EXIT_CLEAR, EXIT_FOUND, EXIT_UNREAD, EXIT_USAGE, main
from postmortem.model import Fleet
from postmortem.render.fleet import render_fleet


@pytest.fixture(autouse=True)
def _inside_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command runs in an empty folder: `analyze` writes its report where it is run."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def run_of(document: str) -> dict[str, object]:
    """The only run in a JSON result, validated against the schema."""
    parsed = json.loads(document)
    schema = json.loads(resources.files("postmortem").joinpath("render/report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(parsed)
    (run,) = parsed["runs"]
    assert isinstance(run, dict)
    return run


def test_default_prints_text_and_writes_html(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options the text goes to standard output and the report into the current folder, and that is said on standard error."""
    assert main(["analyze", str(failed_run)]) == EXIT_FOUND
    said = capsys.readouterr()
    assert "FAILED" in said.out
    assert "wrote postmortem.html" in said.err
    assert Path("postmortem.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_json_alone_prints_json_and_writes_nothing(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--format json` gives one valid document and nothing else, and no file."""
    assert main(["analyze", str(failed_run), "--format", "json"]) == EXIT_FOUND
    said = capsys.readouterr()
    run = run_of(said.out)
    assert run["name"] == "."
    assert run["path"] == str(failed_run)
    assert said.err == ""
    assert list(Path().iterdir()) == []


def test_healthy_run_exits_zero(healthy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A healthy run has no cause and exit code 0."""
    assert main(["analyze", str(healthy_run), "--format", "json"]) == EXIT_CLEAR
    run = run_of(capsys.readouterr().out)
    assert (run["verdict"], run["causes"], run["problems"]) == ("healthy", [], [])


def test_same_input_gives_the_same_bytes(healthy_run: Path) -> None:
    """Two runs of the program give the same HTML, JSON and text."""
    for name in ("a", "b"):
        main(["analyze", str(healthy_run), "-o", "r.html", "--format", "json:r.json", "--format", "text:r.txt"])
        for suffix in ("html", "json", "txt"):
            Path(f"r.{suffix}").rename(f"{name}.{suffix}")
    for suffix in ("html", "json", "txt"):
        assert Path(f"a.{suffix}").read_bytes() == Path(f"b.{suffix}").read_bytes()


def test_several_formats_in_one_go(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each format goes to its own file; nothing is printed that was not asked for."""
    formats = ["--format", "markdown:t.md", "--format", "sarif:t.sarif", "--format", "html:t.html"]
    assert main(["analyze", str(failed_run), *formats]) == EXIT_FOUND
    assert capsys.readouterr().out == ""
    assert Path("t.md").read_text(encoding="utf-8").startswith("## FAILED")
    assert json.loads(Path("t.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"


def test_saved_measurements_are_judged_the_same(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`diagnose` on saved measurements gives the JSON that `analyze` gave, but for the command line."""
    main(["analyze", str(failed_run), "--format", "json", "--save-measurements", "m.json"])
    first = json.loads(capsys.readouterr().out)
    assert main(["diagnose", "m.json", "--format", "json"]) == EXIT_FOUND
    again = json.loads(capsys.readouterr().out)
    assert again["runs"] == first["runs"]


def test_report_can_be_rendered_again(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`render` of the JSON, and of the HTML page that carries it, gives the page that `analyze` wrote."""
    main(["analyze", str(failed_run), "-o", "r.html", "--format", "json:r.json"])
    assert main(["render", "r.json", "--format", "html:again.html"]) == EXIT_CLEAR
    assert main(["render", "r.html", "--format", "html:once-more.html"]) == EXIT_CLEAR
    assert Path("r.html").read_bytes() == Path("again.html").read_bytes() == Path("once-more.html").read_bytes()


def test_selection_and_levels(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ignored checks are left out and say so; `--fail-on never` never fails."""
    assert main(["analyze", str(failed_run), "--fail-on", "never", "--ignore", "flat-loss", "--format", "json"]) == EXIT_CLEAR
    run = run_of(capsys.readouterr().out)
    checks = run["checks"]
    assert isinstance(checks, list)
    assert next(check["reason"] for check in checks if check["id"] == "flat-loss") == "left out by --select or --ignore"


def test_loss_tag_that_matches_nothing_is_said_and_the_run_judged_without_it(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped tag changes no exit code: standard error and the report's notes name the closest tags."""
    code = main(["analyze", str(failed_run), "--loss-tag", "no/such tag", "--format", "json"])
    said = capsys.readouterr()
    run = run_of(said.out)
    assert code == EXIT_FOUND
    assert "--loss-tag 'no/such tag' matches no tag of this run and was not used; the closest are" in said.err
    notes, tags = run["notes"], run["tags"]
    assert isinstance(notes, list)
    assert isinstance(tags, list)
    assert any("'no/such tag' matches no tag" in note for note in notes)
    assert {"training-loss", "validation-loss"} <= {tag["role"] for tag in tags}


def _table(path: Path, split: str) -> None:
    """Records under column names that say nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a,b\n" + "".join(f"{split}{row},{row % 3}\n" for row in range(60)), encoding="utf-8")


def test_manifests_by_glob_and_columns_by_name(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A glob that no shell expanded names every file of the set; its columns are the ones that the user names."""
    for split in ("train", "val"):
        _table(Path(f"lists/{split}.csv"), split)
    main(["analyze", str(failed_run), "--manifest", "lists/*.csv", "--label-column", "b", "--key-column", "A", "--format", "json"])
    said = capsys.readouterr()
    notes = run_of(said.out)["notes"]
    assert isinstance(notes, list)
    assert "train.csv: label is column 'b', key is column 'a'; split 'train' by its name" in notes
    assert any("taken for the splits of one data set" in note for note in notes)
    assert "warning" not in said.err


def test_a_column_that_no_manifest_has_is_said(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, as for tags; and a glob without a match is no manifest."""
    _table(Path("lists/train.csv"), "train")
    main(["analyze", str(failed_run), "--manifest", "lists/train.csv", "--label-column", "no such column", "--format", "json"])
    assert "--label-column 'no such column' matches no column of this run's manifests" in capsys.readouterr().err
    assert main(["analyze", str(failed_run), "--manifest", "lists/*.tsv"]) == 2
    assert "no such manifest: lists/*.tsv" in capsys.readouterr().err


def test_config_file_fills_what_the_command_line_leaves_open(failed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Options come from the TOML file; a wrong one is an error that names it."""
    Path("c.toml").write_text('fail-on = "never"\nignore = ["flat-loss"]\n', encoding="utf-8")
    assert main(["analyze", str(failed_run), "--config", "c.toml", "--format", "json"]) == EXIT_CLEAR
    capsys.readouterr()
    assert main(["analyze", str(failed_run), "--config", "c.toml", "--fail-on", "failed", "--format", "json"]) == EXIT_FOUND
    capsys.readouterr()
    Path("c.toml").write_text("num-classes = -3\n", encoding="utf-8")
    assert main(["analyze", str(failed_run), "--config", "c.toml"]) == EXIT_USAGE
    assert "num-classes = -3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["analyze", "not-there"], "not-there"),
        (["analyze", "empty"], "empty"),
        (["analyze"], "PATH"),
        (["analyze", "empty", "--format", "pdf"], "'pdf' is not a format"),
        (["analyze", "empty", "--select", "flat-los"], "'flat-los'"),
        (["analyze", "empty", "--num-classes", "0"], "'0' is not a number of classes"),
        (["analyze", "empty", "--num-classes", "two"], "'two' is not a number of classes"),
        (["analyze", "s3://bucket/run"], "s3://bucket/run is an address: only local files are read"),
        (["analyze", "empty", "--format", "json", "--format", "html"], "json and html cannot both go to standard output"),
        (["analyze", "empty", "--manifest", "gone.csv"], "gone.csv"),
        (["analyze", "empty", "-o", "no/such/folder/r.html"], "there is no folder"),
        (["explain", "lr-to-low"], "lr-too-low"),
        (["render", "gone.json"], "gone.json"),
        (["render", "notes.txt"], "notes.txt"),
        (["render", "index.html"], "render the index.json beside it"),
        (["diagnose", "notes.txt"], "notes.txt: these are no saved measurements: `diagnose` takes"),
        (["diagnose", "report.json"], "report.json: this is a report; `diagnose` takes"),
        (["frobnicate"], "frobnicate"),
        (["list", "stars"], "stars"),
        (["list"], "{checks,causes,checklist,formats}"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad usage exits with 2, with one line that names what is wrong, and nothing on standard output."""
    Path("empty").mkdir()
    Path("notes.txt").write_text("notes", encoding="utf-8")
    Path("report.json").write_text('{"schema_version": "1"}', encoding="utf-8")
    Path("index.html").write_text(render_fleet(Fleet("1", (), "")), encoding="utf-8")
    assert main(arguments) == EXIT_USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("postmortem: error: ")
    assert len(said.err.splitlines()) == 1
    assert words in said.err


def test_a_folder_without_a_run_is_said_where_others_have_one(healthy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not passed over in silence; folders that hold runs are not named."""
    Path("empty").mkdir()
    assert main(["analyze", "empty", str(healthy_run), "--format", "json"]) == EXIT_CLEAR
    assert capsys.readouterr().err == "postmortem: warning: empty holds nothing of a training run\n"
    assert main(["analyze", str(healthy_run), str(healthy_run / ".." / healthy_run.name), "--format", "json"]) == EXIT_CLEAR
    assert capsys.readouterr().err == ""
    assert main(["analyze", str(healthy_run.parent / healthy_run.name), "--format", "json"]) == EXIT_CLEAR
    assert capsys.readouterr().err == ""


class _Runs:
    """An object whose pickle would run a command when loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def torch_zip(path: Path, pickled: bytes) -> None:
    """A zip of torch's layout around some pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")


def damage(folder: Path, marker: Path) -> dict[str, str]:
    """Put one file of each fault into a run's folder; gives file name -> kind of the problem that is expected."""
    (folder / "text.pt").write_text("these are notes, no checkpoint\n", encoding="utf-8")
    whole = next(folder.rglob("*.pt"))
    whole = next(path for path in sorted(folder.rglob("*.pt")) if path.name != "text.pt")
    (folder / "short.pt").write_bytes(whole.read_bytes()[:1000])
    header = json.dumps({"w": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}).encode()
    (folder / "short.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 20)
    torch_zip(folder / "hostile.pt", pickle.dumps(_Runs(marker)))
    (folder / "labels.csv").write_bytes(b"path,label\n\0\1\2,cat\n")
    return {
        "text.pt": "corrupt|unsupported",
        "short.pt": "truncated|corrupt",
        "short.safetensors": "truncated",
        "hostile.pt": "unsafe-pickle",
        "labels.csv": "unsupported",
    }


def test_bad_files_become_problems_and_nothing_else_is_lost(healthy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each bad file is a problem that names it; the sound files are read all the same; hostile code does not run; exit code 3."""
    folder, marker = Path("run"), Path("marker").absolute()
    shutil.copytree(healthy_run, folder)
    main(["analyze", str(folder), "--format", "json"])
    before = run_of(capsys.readouterr().out)
    expected = damage(folder, marker)
    assert main(["analyze", str(folder), "--format", "json"]) == EXIT_UNREAD
    run = run_of(capsys.readouterr().out)
    problems = run["problems"]
    assert isinstance(problems, list)
    for name, kinds in expected.items():
        mine = [problem for problem in problems if problem["path"].endswith(name)]
        assert mine, f"{name} is no problem"
        assert mine[0]["kind"] in kinds.split("|"), mine
        assert len(mine[0]["detail"]) > 20
    assert not marker.exists()
    kept, all_of = run["artifacts"], before["artifacts"]
    assert isinstance(kept, dict)
    assert isinstance(all_of, dict)
    assert kept["scalars"] == all_of["scalars"]
    assert kept["checkpoints"] >= all_of["checkpoints"]
    assert run["verdict"] in ("suspect", "healthy")


@pytest.mark.parametrize("cut", [3, 500])
def test_cut_event_file_keeps_its_whole_records(cut: int, healthy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An event file that ends in mid record loses that record only, says so, and is no sign of a failed run."""
    folder = Path("run")
    shutil.copytree(healthy_run, folder)
    events = next(folder.rglob("*tfevents*"))
    events.write_bytes(events.read_bytes()[:-cut])
    assert main(["analyze", str(folder), "--format", "json"]) == EXIT_UNREAD
    run = run_of(capsys.readouterr().out)
    problems = run["problems"]
    assert isinstance(problems, list)
    assert [problem["kind"] for problem in problems] == ["truncated"]
    assert run["verdict"] == "healthy"


def test_what_a_damaged_checkpoint_may_hold_stays_open(healthy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No whole checkpoint holds adapters or an average: that settles it only where every checkpoint is whole."""
    statuses = []
    for name in ("whole", "cut"):
        shutil.copytree(healthy_run, name)
        if name == "cut":
            last = sorted(Path(name).rglob("*.pt"))[-1]
            last.write_bytes(last.read_bytes()[:1000])
        main(["analyze", name, "--format", "json"])
        checks = run_of(capsys.readouterr().out)["checks"]
        assert isinstance(checks, list)
        found = {check["id"]: check for check in checks}
        statuses.append([found[id]["status"] for id in ("idle-adapters", "halted-average", "poisoned-average")])
    assert statuses == [["not-applicable"] * 3, ["not-checked"] * 3]
    assert "1 checkpoint file could not be read whole" in found["idle-adapters"]["reason"]


def test_run_of_one_bad_file_is_unreadable(capsys: pytest.CaptureFixture[str]) -> None:
    """A single file that cannot be read gives the verdict `unreadable` and exit code 3."""
    Path("broken.pt").write_bytes(b"PK\x03\x04 and then nothing")
    assert main(["analyze", "broken.pt", "--format", "json"]) == EXIT_UNREAD
    assert run_of(capsys.readouterr().out)["verdict"] == "unreadable"


def test_nan_everywhere_is_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    """A run whose losses, weights and moments are all NaN is judged, not crashed on."""
    import torch
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter("run/tb")
    for step in range(50):
        for tag in ("train/loss", "val/loss", "train/learning_rate", "train/grad_norm", "train/accuracy"):
            writer.add_scalar(tag, float("nan"), step)
    writer.close()
    for step in (0, 100, 200):
        model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        optimizer = torch.optim.Adam(model.parameters())
        model(torch.zeros(2, 4)).sum().backward()
        optimizer.step()
        weights, moments = model.state_dict(), optimizer.state_dict()
        for tensor in [*weights.values(), *(slot for each in moments["state"].values() for slot in each.values())]:
            tensor.fill_(float("nan"))
        torch.save({"model": weights, "optimizer": moments, "step": step}, f"run/step_{step}.pt")
    Path("run/manifest.csv").write_text("id,label,split\n1,nan,train\n2,nan,nan\n3,NaN,\n", encoding="utf-8")
    assert main(["analyze", "run", "--format", "json", "--fail-on", "failed"]) in (EXIT_FOUND, EXIT_UNREAD)
    run = run_of(capsys.readouterr().out)
    assert run["verdict"] in ("failed", "suspect")
    checks = run["checks"]
    assert isinstance(checks, list)
    assert [check["id"] for check in checks if check["error"]] == []


def test_explain_and_list_cover_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """Every id that is listed can be explained, and an id that names two things gives both pages."""
    ids = []
    for kind in ("checks", "causes", "checklist"):
        assert main(["list", kind]) == EXIT_CLEAR
        ids += [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    for id in dict.fromkeys(ids):
        assert main(["explain", id]) == EXIT_CLEAR
        assert f"`{id}`" in capsys.readouterr().out
    main(["explain", "dead-relus"])
    page = capsys.readouterr().out
    assert "· cause" in page
    assert "· checklist item" in page


def test_run_of_safetensors_and_events_loads_no_torch(torchless_run: Path) -> None:
    """A run without torch files is analyzed without importing torch."""
    program = (
        "import sys\nfrom postmortem.cli import main\n"
        f"main(['analyze', {str(torchless_run)!r}, '--format', 'json:r.json'])\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('torch', 'tensorflow')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pipe_that_closes_is_no_error(failed_run: Path) -> None:
    """`postmortem ... | head -1` ends quietly."""
    command = f"{sys.executable} -m postmortem analyze {failed_run} --format text | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


def test_poisoned_copy_beside_a_sound_series_is_seen(healthy_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A `best` file of NaN that is not part of the series of steps still raises the alarm: not compared is not the same as fine."""
    import torch

    folder = Path("run")
    shutil.copytree(healthy_run, folder)
    source = sorted(folder.rglob("*.pt"))[-1]
    state = torch.load(source, weights_only=True)
    weights = {name: tensor.fill_(float("nan")) for name, tensor in state["model"].items()}
    torch.save(weights, source.with_name("best.pt"))
    main(["analyze", str(folder), "--format", "json"])
    checks = run_of(capsys.readouterr().out)["checks"]
    assert isinstance(checks, list)
    assert next(check["status"] for check in checks if check["id"] == "nonfinite-weights") == "fail"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """URLs that a browser was asked to show; none is started."""
    urls: list[str] = []

    def show(url: str) -> bool:
        urls.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", show)
    return urls


def test_open_shows_the_written_report(healthy_run: Path, opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The file that was written is shown by its URL, after it was written, by `analyze` and by `render`."""
    assert main(["analyze", str(healthy_run), "--open"]) == EXIT_CLEAR
    assert main(["render", "postmortem.html", "--format", "markdown:t.md", "-o", "a page.html", "--open"]) == EXIT_CLEAR
    assert opened == [Path("postmortem.html").absolute().as_uri(), Path("a page.html").absolute().as_uri()]
    assert "%20" in opened[1] and all(url.startswith("file:///") for url in opened)
    assert "no browser" not in capsys.readouterr().err


def test_nothing_is_opened_unasked(healthy_run: Path, opened: list[str]) -> None:
    """Without the option no browser is started, whatever is written."""
    assert main(["analyze", str(healthy_run)]) == EXIT_CLEAR
    assert main(["render", "postmortem.html", "-o", "again.html"]) == EXIT_CLEAR
    assert opened == []


@pytest.mark.parametrize("formats", [["--format", "json"], ["--format", "html"], ["--format", "html:-", "--format", "text:t.txt"]])
def test_open_without_a_page_is_refused_before_any_reading(
    formats: list[str], healthy_run: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no HTML file is written as asked there is nothing to open: exit code 2, a reason, and no output."""
    assert main(["analyze", str(healthy_run), *formats, "--open"]) == EXIT_USAGE
    said = capsys.readouterr()
    assert "--open" in said.err and "-o FILE" in said.err
    assert said.out == "" and opened == [] and not Path("t.txt").exists()


@pytest.mark.parametrize("fault", [None, OSError("no display")])
def test_without_a_browser_the_report_is_named(
    fault: OSError | None, failed_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error says where the report is; the exit code stays that of the verdict."""

    def refuse(url: str) -> bool:
        if fault is not None:
            raise fault
        return False

    monkeypatch.setattr("webbrowser.open", refuse)
    assert main(["analyze", str(failed_run), "-o", "r.html", "--open"]) == EXIT_FOUND
    said = [line for line in capsys.readouterr().err.splitlines() if "browser" in line]
    assert said == ["postmortem: no browser could be opened; the report is r.html"]
    assert Path("r.html").exists()
