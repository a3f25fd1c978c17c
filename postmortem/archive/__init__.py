"""Scans an archive of runs: one after the other, each with a page of its own and a small row on the page of all."""
