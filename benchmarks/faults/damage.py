"""What becomes of files when a process or a disk dies, and what job logs say of it."""

from __future__ import annotations

import re
from pathlib import Path

CHECKPOINTS = (".pt", ".pth", ".tar", ".ckpt", ".safetensors")
TRACEBACK = (
    "Traceback (most recent call last):",
    '  File "/home/user/project/train.py", line 214, in <module>',
    "    main(args)",
)


def checkpoints(folder: Path) -> list[Path]:
    """Files of weights in order of their steps; optimizer's files beside them are none."""
    found = [path for path in folder.rglob("*") if path.suffix in CHECKPOINTS and not re.match("optimizer|scheduler|scaler", path.name)]
    return sorted(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.relative_to(folder).as_posix())])


def logs(folder: Path) -> list[Path]:
    """Event files and tables of scalars."""
    names = ("metrics.csv", "metrics.jsonl", "training.log", "train.log", "trainer_state.json")
    return sorted(path for path in folder.rglob("*") if "tfevents" in path.name or path.name in names)


def cut(path: Path, share: float) -> None:
    """Keep the first `share` of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def zero_tail(path: Path, share: float) -> None:
    """As a file system leaves a file whose last blocks were never written: its full length, zeros behind the first `share`."""
    content = path.read_bytes()
    kept = int(share * len(content))
    path.write_bytes(content[:kept] + bytes(len(content) - kept))


def flip(path: Path, share: float, length: int = 64) -> None:
    """Turn all bits of some bytes."""
    content = bytearray(path.read_bytes())
    start = int(share * len(content))
    content[start : start + length] = bytes(255 - byte for byte in content[start : start + length])
    path.write_bytes(bytes(content))


def cut_logs(folder: Path, lost: int = 11) -> None:
    """Leave the last record of every event file unfinished, as a killed writer does."""
    for path in folder.rglob("*tfevents*"):
        content = path.read_bytes()
        path.write_bytes(content[:-lost])


def say(folder: Path, *lines: str, name: str = "train.log") -> None:
    """Append lines to the job's log; where the run has none, one with a few lines of progress before them is begun."""
    path = folder / name
    before = path.read_text(encoding="utf-8") if path.exists() else "Loading data\nBuilding model\nStart training\n"
    path.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")
