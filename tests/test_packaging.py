"""The wheel that is built from the sdist works from another folder, and so does the editable install."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by way of the sdist."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--quiet", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.slow
def test_wheel_holds_all_that_is_needed(wheel: Path) -> None:
    """Templates, schema and every rule are in the wheel; tests and sample runs are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"postmortem/templates/{path.relative_to(ROOT / 'templates').as_posix()}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file()
    }
    wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / "postmortem").rglob("*.py")}
    assert wanted | {"postmortem/render/report.schema.json"} <= names
    assert not [name for name in names if name.startswith(("tests/", "sample_runs/", "benchmarks/"))]


@pytest.mark.slow
def test_wheel_works_from_another_folder(wheel: Path, healthy_run: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, with this environment's dependencies, the wheel analyzes a run and writes the report."""
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    program = f"import sys; sys.path.insert(0, {str(site)!r}); import postmortem; assert postmortem.__file__.startswith({str(site)!r}); "
    program += f"from postmortem.cli import main; raise SystemExit(main(['analyze', {str(healthy_run)!r}]))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "HEALTHY" in done.stdout
    assert (tmp_path / "postmortem.html").stat().st_size > 10_000


def test_editable_install_works_from_another_folder(healthy_run: Path, tmp_path: Path) -> None:
    """The command as installed here analyzes a run from another folder."""
    done = subprocess.run(
        [sys.executable, "-m", "postmortem", "analyze", str(healthy_run)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "postmortem.html").read_text(encoding="utf-8").count("<svg") >= 1
