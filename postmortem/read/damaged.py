"""The one error that readers raise among themselves; it never leaves `read`."""

from __future__ import annotations


class DamagedError(Exception):
    """Elements that cannot be had; the message says why, in the words of a problem."""
