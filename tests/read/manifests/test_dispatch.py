"""All manifests of a run together: read once, joined, and told apart from other tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from postmortem.model import FoundFile, ReadOptions
from postmortem.read.manifests.files import read_manifests


def test_a_manifest_that_many_runs_share_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file for the next run costs nothing, and is read again where it changed."""
    path = tmp_path / "train.csv"
    path.write_text("path,label\n" + "".join(f"{row}.png,{row % 3}\n" for row in range(60)))
    file = FoundFile(path, "../train.csv", "manifest", path.stat().st_size)
    first = read_manifests([file])
    with monkeypatch.context() as patch:
        patch.setattr("postmortem.read.manifests.files.read_table", lambda *_: pytest.fail("read again"))
        assert read_manifests([file]) == first
    path.write_text("path,label\n" + "".join(f"{row}.png,{row % 3}\n" for row in range(90)))
    (manifest,) = read_manifests([file]).manifests
    assert manifest.rows == 90


def test_a_table_of_something_else_is_a_problem_only_where_it_was_called_a_manifest(tmp_path: Path) -> None:
    """Tables of all kinds lie beside a run: one without labels is told, and is damage only where the user named it."""
    path = tmp_path / "sales.csv"
    path.write_text("a,b\n1,2\n3,4\n")
    file = FoundFile(path, "sales.csv", "manifest", path.stat().st_size)
    found = read_manifests([file])
    assert found.problems == ()
    assert any("no column of labels" in note for note in found.notes)
    given = read_manifests([file], ReadOptions(manifests=(path,)))
    assert [problem.kind for problem in given.problems] == ["unsupported"]
