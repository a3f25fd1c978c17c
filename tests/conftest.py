"""What several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def sample_runs() -> Path:
    """The folder of small real runs."""
    return ROOT / "sample_runs"


@pytest.fixture(scope="session")
def healthy_run(sample_runs: Path) -> Path:
    """A sample run whose truth is healthy, with torch checkpoints."""
    return _first(sample_runs, '"verdict": "healthy"', "*.pt")


@pytest.fixture(scope="session")
def failed_run(sample_runs: Path) -> Path:
    """A sample run whose truth is failed, with torch checkpoints."""
    return _first(sample_runs, '"verdict": "failed"', "*.pt")


@pytest.fixture(scope="session")
def torchless_run(sample_runs: Path) -> Path:
    """A sample run of safetensors and event files only."""
    for truth in sorted(sample_runs.glob("*/truth.json")):
        names = [path.name for path in truth.parent.rglob("*") if path.is_file()]
        torch_files = any(name.endswith((".pt", ".pth", ".ckpt", ".bin")) for name in names)
        if any(name.endswith(".safetensors") for name in names) and not torch_files:
            return truth.parent
    raise AssertionError("no sample run is free of torch files")


def _first(sample_runs: Path, verdict: str, pattern: str) -> Path:
    for truth in sorted(sample_runs.glob("*/truth.json")):
        if verdict in truth.read_text(encoding="utf-8") and any(truth.parent.rglob(pattern)):
            return truth.parent
    raise AssertionError(f"no sample run with {verdict} and {pattern}")
