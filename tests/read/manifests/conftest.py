"""Files of manifests that tests write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from postmortem.model import FoundFile

Write = Callable[..., FoundFile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and finds it."""

    def _write(name: str, data: str | bytes, group: str = "") -> FoundFile:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return FoundFile(path, name, "manifest", path.stat().st_size, group)

    return _write
