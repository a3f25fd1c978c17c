"""Reports in a real browser: the chromium that is installed, driven by Playwright, and a server that hands pages out as Jenkins does.

The tests in tests/browser and `report_page.py` look at pages through this. Playwright is in the extra `browser`; it is imported only
where a browser is started, so that everything else works without it.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 120_000.0
"""What a loaded machine may take for anything at all; nothing is measured by it."""

JENKINS_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
"""What Jenkins sends with every file of a workspace or archive, unless told otherwise (its documentation, `Configuring Content Security
Policy`): no script runs, no inline style applies."""

SETTLED = "html:not([data-live=soon])"
"""A page whose script has made every part of it livelier, or that has no script that runs."""

_WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is looked at."""

    scheme: Literal["light", "dark"] = "light"
    width: int = 1200
    height: int = 900
    scripts: bool = True


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that is open, and what happened since it was asked for."""

    page: Page
    requests: list[str] = field(default_factory=list)
    """Addresses, the page's own first."""
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, uncaught exceptions, and dialogs."""

    def violations(self) -> list[str]:
        """Violations of the content policy so far; where scripts are off, they stand in the complaints only."""
        found: list[str] = self.page.evaluate("window.violations ?? []")
        return found


Opener: TypeAlias = Callable[[Path | str, Look], Visit]
"""Opens a file or an address; the page is closed when the test ends."""


def chromium_path() -> str:
    """The installed browser; empty where there is none."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), "")


def why_no_browser() -> str:
    """What is missing for `started`, in one sentence; empty where nothing is."""
    if find_spec("playwright") is None:
        return "the package playwright is not installed: pip install 'training-postmortem[browser]'"
    if not chromium_path():
        return f"no browser is installed: none of {', '.join(CHROMIUM_NAMES)} is on the path"
    return ""


@contextmanager
def started() -> Iterator[Browser]:
    """A browser without a window, ended with the block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Browser, address: Path | str, look: Look) -> Iterator[Visit]:
    """A page opened in a fresh profile, with everything noted that it asks for or complains of."""
    context = browser.new_context(
        color_scheme=look.scheme,
        viewport={"width": look.width, "height": look.height},
        java_script_enabled=look.scripts,
        reduced_motion="reduce",  # what is scrolled to is there at once
    )
    try:
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_WATCH)
        visit = Visit(context.new_page())
        visit.page.on("request", lambda request: visit.requests.append(request.url))
        visit.page.on("console", lambda said: visit.complaints.append(said.text) if said.type in ("error", "warning") else None)
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        visit.page.on("dialog", lambda dialog: _dismiss(dialog, visit.complaints))
        visit.page.goto(address.resolve().as_uri() if isinstance(address, Path) else address)
        visit.page.wait_for_selector(SETTLED, state="attached")
        yield visit
    finally:
        context.close()


def _dismiss(dialog: Dialog, complaints: list[str]) -> None:
    complaints.append(dialog.message)
    dialog.dismiss()


@contextmanager
def serving(folder: Path, headers: Mapping[str, str], asked: list[str]) -> Iterator[str]:
    """The address of a server on this machine for the files of a folder; each path that is asked for is added to `asked`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, dict(headers), asked, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, headers: Mapping[str, str], asked: list[str], *rest: object, directory: str) -> None:
        self._added, self._asked = headers, asked
        super().__init__(*rest, directory=directory)  # type: ignore[arg-type] #  the server's own three arguments, passed on

    def end_headers(self) -> None:
        """Adds the headers of the test."""
        for name, value in self._added.items():
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Notes the path, and prints nothing."""
        self._asked.append(self.path)

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing: errors come to the test as answers."""
