"""Finds the runs under the paths that a user gives, and each run's files, by names and sizes alone: nothing is opened here.

`names` knows what single names say, `folders` lists a tree, `clusters` decides which folders are parts of one run, `runs` puts it together.
"""

from postmortem.discover.runs import NoSuchPath, NothingFound, find_runs

__all__ = ["NoSuchPath", "NothingFound", "find_runs"]
