"""The shape of the program: imports go one way, and what is heavy stays out of quick commands."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import postmortem

PACKAGE = Path(postmortem.__file__).parent

ALLOWED = {
    "model": {"model"},
    "version": set(),
    "checklist": set(),
    "log_next": set(),
    "fitted": set(),
    "rules": {"model", "fitted"},
    "discover": {"model", "discover"},
    "read": {"model", "read", "discover"},
    "measure": {"model", "measure"},
    "checks": {"model"},
    "causes": {"model"},
    "render": {"model", "render", "log_next"},
    "answers": {"model", "rules", "checklist"},
    "rivalry": {"model", "rules", "answers"},
    "diagnose": {"model", "rules", "answers", "rivalry"},
    "pages": {"model", "rules", "checklist", "log_next"},
    "report": {"model", "render"},
    "config": set(),
    "opening": set(),
    "frames": {"model", "discover", "read"},
    "analysis": {"model", "rules", "diagnose", "report", "version", "discover", "read", "measure"},
    "archive": {"model", "archive", "analysis", "render", "version"},
    "progress": set(),
    "unmatched": {"model"},
}
"""Room -> rooms that it may import, whether at the top of a module or inside a function."""

OUTSIDE = {
    "model": {"numpy"},
    "fitted": set(),
    "rules": set(),
    "checks": set(),
    "causes": set(),
    "measure": {"numpy", "scipy"},
    "render": {"jinja2", "markupsafe", "rich", "cattrs"},
    "answers": set(),
    "rivalry": set(),
    "diagnose": set(),
    "discover": set(),
    "frames": {"pandas"},
    "analysis": set(),
    "archive": set(),
    "progress": {"rich"},
    "unmatched": set(),
}
"""Room -> packages from outside the standard library that it may import."""


def imported(file: Path) -> set[str]:
    """Dotted names of everything that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative imports hide the direction"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "postmortem")
    return names


def room(file: Path) -> str:
    """The first part of a module's path below the package."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: file.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(file: Path) -> None:
    """A room imports only the rooms before it, and only the outside packages that are its business; nothing imports cli."""
    here = room(file)
    inside = {name.split(".")[1] for name in imported(file) if name.startswith("postmortem.")}
    if here not in ("__main__",):
        assert "cli" not in inside
    if here in ALLOWED:
        assert inside <= ALLOWED[here]
    if here in OUTSIDE:
        outside = {name.split(".")[0] for name in imported(file)} - set(sys.stdlib_module_names) - {"postmortem", "", "__future__"}
        assert outside <= OUTSIDE[here]


def modules_after(code: str) -> set[str]:
    """Top-level packages loaded after running some code in a fresh interpreter."""
    program = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "numpy", "scipy", "pandas", "tensorboard", "tbparse", "duckdb", "safetensors", "rich", "jinja2", "google", "cattrs"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["analyze", "--help"], ["scan", "--help"], ["explain", "lr-too-low"], ["list", "checks"]],
    ids=lambda each: " ".join(each),
)
def test_quick_commands_load_nothing_heavy(arguments: list[str]) -> None:
    """Help, version, explain and list start without numpy, torch or any renderer."""
    code = f"from postmortem.cli import main\ntry:\n    main({arguments!r})\nexcept SystemExit:\n    pass"
    assert not modules_after(code) & HEAVY


def test_python_interface_loads_nothing_heavy_until_used() -> None:
    """`import postmortem` is quick."""
    assert not modules_after("import postmortem") & HEAVY
