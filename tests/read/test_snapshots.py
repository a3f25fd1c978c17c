"""Bytes of files that may still be written."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from postmortem.read import snapshots


def test_small_files_are_held_and_large_ones_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both give the same bytes; a held file may be cut afterwards, and nothing is lost."""
    path = tmp_path / "events"
    path.write_bytes(b"abc" * 10)
    held = snapshots.snapshot(path)
    monkeypatch.setattr(snapshots, "MOST_HELD_BYTES", 29)
    mapped = snapshots.snapshot(path)
    assert isinstance(held, bytes) and isinstance(mapped, mmap.mmap) and mapped[:] == held
    mapped.close()
    path.write_bytes(b"")
    assert held == b"abc" * 10 and snapshots.snapshot(path) == b""
