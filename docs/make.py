"""Writes the pages of all checks and causes from their files: `python docs/make.py`. With --check, says what is out of date and exits 1."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from postmortem import pages, rules

DOCS = Path(__file__).resolve().parent


def wanted() -> dict[Path, str]:
    """Every generated page: path -> text."""
    texts = {DOCS / "index.md": pages.index_page()}
    texts |= {DOCS / "checks" / f"{check.id}.md": pages.check_page(check) for check in rules.checks().values()}
    texts |= {DOCS / "causes" / f"{cause.id}.md": pages.cause_page(cause) for cause in rules.causes().values()}
    return texts


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a page is missing, stale or of a check that is gone"
    )
    checking: bool = parser.parse_args().check
    texts = wanted()
    stale = [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    gone = [path for folder in ("checks", "causes") for path in (DOCS / folder).glob("*.md") if path not in texts]
    if checking:
        for path in [*stale, *gone]:
            sys.stderr.write(f"out of date: {path.relative_to(DOCS.parent)}\n")
        return 1 if stale or gone else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path], encoding="utf-8", newline="\n")
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
