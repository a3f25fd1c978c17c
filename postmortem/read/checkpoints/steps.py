"""Step and epoch from the names of a checkpoint's file and folders, and from the Trainer's state beside it."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from postmortem.model import Plain
from postmortem.read.checkpoints.layouts import whole_number

_STEP = re.compile(
    r"(?:^|[^a-z])(?:global[_-]?steps?|steps?|iterations?|iters?|it|updates?|batch)[_=\-.]?0*(\d{1,12})(?!\d)", re.IGNORECASE
)
_STEP_AFTER = re.compile(r"(?:^|[^0-9a-z])0*(\d{1,12})[_-]?(?:steps?|iterations?|iters?|its?|updates?)(?![a-z])", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?:^|[^a-z0-9])(?:steps?[_-]?)?(\d{1,6})k(?:[_-]?(?:steps?|iters?|its?))?(?![a-z0-9])", re.IGNORECASE)
_HF_FOLDER = re.compile(r"checkpoint-(\d{1,12})")
_EPOCH = re.compile(r"(?:^|[^a-z])(?:epochs?|ep|e)[_=\-.]?0*(\d{1,7})(?!\d)", re.IGNORECASE)
# A bare number stands alone, or behind a word for any checkpoint; `bf16`, `resnet50`, `7b`, `stage2` and `acc93` count no steps.
_BARE = re.compile(
    r"(?:^|[^a-z0-9]|(?<![a-z])(?:model|net|ckpts?|checkpoints?|chkpt|cp|weights?|w|saved?|snapshot|states?|params|m))0*(\d{1,12})(?![0-9a-z])",
    re.IGNORECASE,
)
_NO_STEP = re.compile(
    r"(?:^|[^a-z])(?:version|run|fold|rank|seed|trial|v|exp|experiment|stage|phase|task|part|shard|split|cv|member|acc|accuracy|loss|bs|lr|size|dim|top|"
    r"resnet|vgg|gpt|bert|vit|llama|unet|r)[_=-]?\d+$",
    re.IGNORECASE,
)
# Of what there are so many, or what is so long or large: a setting that a sweep names its models after (`chunk_len_50`, `2_layers`).
_SETTING = re.compile(
    r"(?:^|[^a-z])(?:len(?:gth)?|layers?|hidden|heads?|units?|neurons?|nodes?|channels?|filters?|kernels?|dims?|width|depth|window|horizon|"
    r"lag|classes|features?|batch[_-]?size|rate|dropout|decay|momentum|gamma|alpha|beta|lambda|temp(?:erature)?|seq|context|n|k)[_=-]?\d+$|"
    r"(?:^|[^0-9a-z])\d+[_-]?(?:layers?|hidden|heads?|units?|neurons?|nodes?|channels?|filters?|dims?|classes|features?|folds?|shots?|ways?|"
    r"lags?|seeds?|bits?|gpus?|px|days?|hours?)(?![a-z])",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"\d+\.\d+")
"""A rate or a score: no step."""
_OUTER_FOLDER = re.compile(r"(?:(?:global[_-]?)?(?:steps?|iterations?|iters?)[_=-]?|checkpoint-)0*(\d{1,12})", re.IGNORECASE)
_ENDINGS = re.compile(r"(\.(pth|tar|pt|ckpt|bin|pkl|safetensors|th|t7|model|weights|h5|hdf5|keras|msgpack|npz|index|zip))+$")
_MAX_STATE_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class NamedStep:
    """What names say. `told` where a word beside the number calls it a step; a bare number may be an epoch."""

    step: int | None
    told: bool
    epoch: int | None
    basis: str


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    stem = path.name.removesuffix(".index.json")
    return _ENDINGS.sub("", re.sub(r"-\d{5}-of-\d{5}", "", stem))


def step_in_name(name: str) -> NamedStep:
    """Judge a file's name, then the folder that holds it, then the folder around that (`iter_0001000/mp_rank_00/model.pt`)."""
    path = PurePosixPath(name)
    if path.name == "_METADATA":  # of Orbax: it stands for its folder
        path = path.parent
    stem, folder = _stem(str(path)), path.parent.name
    epoch: int | None = None
    for text, where in ((stem, "file name"), (folder, "folder name")):
        match = _EPOCH.search(text)
        if match and epoch is None:
            epoch = int(match[1])
        thousands = _THOUSANDS.search(text)
        if thousands:
            return NamedStep(int(thousands[1]) * 1000, True, epoch, where)
        match = _HF_FOLDER.fullmatch(text) if where == "folder name" else None
        match = match or _STEP.search(text) or _STEP_AFTER.search(text)
        if match:
            return NamedStep(int(match[1]), True, epoch, where)
    match = _OUTER_FOLDER.fullmatch(path.parent.parent.name)
    if match:
        return NamedStep(int(match[1]), True, epoch, "folder name")
    if epoch is not None:
        return NamedStep(None, False, epoch, "")
    for text, where in ((stem, "number in the file name"), (folder, "number in the folder name")):
        bare = _BARE.findall(_FRACTION.sub("", text))
        # Where several numbers stand there (dates, sizes), none is taken; those that belong to a word do not count.
        if len(bare) == 1 and not _NO_STEP.search(text) and not _SETTING.search(text):
            return NamedStep(int(bare[0]), False, None, where)
    return NamedStep(None, False, None, "")


def _small_json(path: Path) -> dict[str, Any]:
    """The table in a JSON file; empty where there is none. A pipe or a device of that name is not opened: it would never end."""
    try:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode) or told.st_size > _MAX_STATE_BYTES:
            return {}
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def adapter_settings(folder: Path) -> dict[str, Plain]:
    """Numbers and words of the `adapter_config.json` that peft writes beside an adapter, under `adapter.`; empty where there is none."""
    settings = _small_json(folder / "adapter_config.json")
    return {f"adapter.{key}": value for key, value in settings.items() if isinstance(value, (bool, int, float, str))}


def trainer_state(path: Path) -> tuple[int | None, float | None]:
    """Global step and epoch of a `trainer_state.json`; None for both where there is none or it cannot be read."""
    state = _small_json(path)
    epoch = state.get("epoch")
    return whole_number(state.get("global_step")), float(epoch) if isinstance(epoch, (int, float)) else None
