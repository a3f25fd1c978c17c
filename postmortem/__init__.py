"""Tells from checkpoints, logs and manifests why a neural-network training run failed.

>>> import postmortem
>>> report = postmortem.analyze("runs/")  # doctest: +SKIP
>>> report.runs[0].causes[0].summary  # doctest: +SKIP
"""

from postmortem.analysis import analyze
from postmortem.frames import scalars
from postmortem.report import Report
from postmortem.version import VERSION

__version__ = VERSION

__all__ = ["Report", "__version__", "analyze", "scalars"]
