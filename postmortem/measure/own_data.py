"""Which of the manifests beside a run are of its own data: a detector of images learns from no table of numbers.

A manifest beside or above a run is taken for its data, since most say nothing of where they belong. Where the run itself says what it
learned from (boxes in images, by its losses; a description of a data set, by its settings), a table without a word about files is another
project's, and would explain a run that never saw it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from postmortem.measure.roles import Roled
from postmortem.measure.settings import settings
from postmortem.measure.tags import words
from postmortem.model import Manifest, RunData

_BOXES = frozenset({"box", "bbox", "rpn", "dfl", "giou", "objectness"})
_LOSSES = ("training-loss", "validation-loss", "data-loss", "part-of-loss")
_IMAGES = frozenset({"image", "images", "img", "imgs", "frame", "frames", "picture", "photo", "file", "files", "filename", "path"})
_CORNERS = frozenset({"bbox", "box", "xmin", "ymin", "xmax", "ymax", "x1", "y1", "x2", "y2"})
"""Words of columns that tables of images, and of boxes in them, have."""


def with_own_data(run: RunData, roled: Sequence[Roled]) -> RunData:
    """The run without tables that cannot be what it learned from, and notes that say why."""
    why = _of_images(run, roled)
    strange = [one for one in run.manifests if why and _is_plain_table(one)]
    if not strange:
        return run
    notes = tuple(f"{one.source}: left aside, a table that names no files; {why}" for one in strange)
    kept = tuple(one for one in run.manifests if not any(one is each for each in strange))
    return replace(run, manifests=kept, notes=(*run.notes, *notes))


def _of_images(run: RunData, roled: Sequence[Roled]) -> str:
    """What says that the run's data are images or are described elsewhere; empty where nothing does."""
    tag = next((one.series.tag for one in roled if one.role in _LOSSES and _BOXES & set(words(one.series.tag))), None)
    if tag is not None:
        return f"the run learned boxes in images (tag {tag!r})"
    known = settings(run)
    named = known.get("data")
    if isinstance(named, str) and named.lower().endswith((".yaml", ".yml")) and known.get("imgsz") is not None:
        return f"setting 'data' names {PurePosixPath(named.replace(chr(92), '/')).name}, and 'imgsz' says that it is of images"
    return ""


def _is_plain_table(manifest: Manifest) -> bool:
    """Whether it was found rather than given, and lists numbers and labels without a word about files, images or boxes."""
    if manifest.given or manifest.names_files is not False or manifest.labels == "objects":
        return False
    columns = (*manifest.features, manifest.key_column or "", manifest.label_column, manifest.group_column or "")
    found = {word for column in columns for word in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())}
    return not found & (_IMAGES | _CORNERS)
