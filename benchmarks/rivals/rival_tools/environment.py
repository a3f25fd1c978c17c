"""The environment that the tools are installed into: their own, so that nothing of it gets near postmortem's."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REQUIREMENTS = HERE / "requirements.txt"
CONSTRAINTS = HERE.parent.parent / "constraints.txt"
LEAST_PYTHON = (3, 11)
"""weightlens asks for it."""


class InstallError(Exception):
    """The tools cannot be installed here."""


def python_of_tools(folder: Path) -> Path:
    """The interpreter of the tools' environment under a folder; makes the environment (1.2 GB) where it is not there yet.

    Raises:
        InstallError: the running Python is too old for the tools, or pip failed.
    """
    if sys.version_info < LEAST_PYTHON:
        raise InstallError(f"the tools need Python {LEAST_PYTHON[0]}.{LEAST_PYTHON[1]} or newer")
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    stamp = folder / "installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + CONSTRAINTS.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", str(CONSTRAINTS), "-r", str(REQUIREMENTS))
    for command in ((sys.executable, "-m", "venv", "--clear", str(folder)), (str(python), *install)):
        if subprocess.run(command, check=False).returncode:
            raise InstallError(f"failed: {' '.join(command)}")
    stamp.write_text(wanted, encoding="utf-8")
    return python
