"""Shows a written report in the browser, where there is one. Standard library only."""

from __future__ import annotations

from pathlib import Path

OPEN_HELP = "open the written HTML report in the browser"


def open_page(file: Path) -> bool:
    """Whether a browser was found to show a file in; it may still be starting when this returns."""
    import webbrowser  # only here: of a thousand analyses few are opened

    try:
        return webbrowser.open(file.absolute().as_uri())
    except (webbrowser.Error, OSError):
        return False
