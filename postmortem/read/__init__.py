"""Bytes to values. Damage is a value too: a file that cannot be read whole becomes a `Problem`, and reading goes on."""
