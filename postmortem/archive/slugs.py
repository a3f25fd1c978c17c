"""File names for the pages of runs: readable, safe on every file system, and the same on every scan."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection

_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9_.]|-(?!-))*(?<![-.])")
_LONGEST = 80
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))))
"""Names that Windows keeps for devices, whatever stands behind their first dot."""


def page_name(name: str, avoid: Collection[str] = ()) -> str:
    """Name of a run's page: `sweep--exp7.html` for `sweep/exp7`.

    A name of small letters, digits, dots, dashes and underscores is taken as it is, folders joined by two dashes. Of any other, and of one
    whose page is in `avoid`, the readable part is followed by a digest of the whole name, so that no two runs share a page, not even where
    capital letters are not told from small ones.
    """
    parts = name.split("/")
    joined = "--".join(parts)
    plain = all(_PLAIN.fullmatch(part) and part.partition(".")[0] not in _DEVICES for part in parts)
    if plain and len(joined) <= _LONGEST and f"{joined}.html" not in avoid:
        return f"{joined}.html"
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:10]
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    readable = re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:_LONGEST].strip("-")
    return f"{readable or 'run'}-{digest}.html"
