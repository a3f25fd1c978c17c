"""The pictures of README come from a script that runs what README says."""

from __future__ import annotations

import struct
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import screenshots

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[2]


def test_pictures_are_made_anew_and_are_those_of_readme(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has the size that was asked for; README shows each of them, and no other."""
    assert browser.is_connected()
    healthy = next(shot for shot in screenshots.SHOTS if shot.name == "healthy")
    monkeypatch.setattr(screenshots, "started", lambda: nullcontext(browser))
    (picture,) = screenshots.take([healthy], tmp_path)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1180, healthy.height)
    shown = {
        line.split("](")[1].removesuffix(")") for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line[:2] == "!["
    }
    assert shown == {f"docs/images/{shot.name}.png" for shot in screenshots.SHOTS}
    assert all((ROOT / name).is_file() for name in shown)
