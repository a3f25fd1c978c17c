"""Keras: whole models in HDF5, `save_weights` of Keras 2, `.weights.h5` of Keras 3, and the `.keras` archive around such a file.

Names are Keras' own with dots (`dense.kernel` for `dense/kernel`); kernels come with the output unit first (`kernel_layout`).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from postmortem.model import Problem
from postmortem.read.checkpoints.foreign_trees import Moments, assembled, dotted, needs_package, nothing
from postmortem.read.checkpoints.hdf5_files import H5_ERRORS, Contents, Texts, Window, contents, order_of
from postmortem.read.checkpoints.keras_names import CONTAINERS, final_names, in_model_order, layer_settings, variable_names
from postmortem.read.checkpoints.keras_optimizers import named_moments, numbered_moments, optimizer_config
from postmortem.read.checkpoints.numpy_files import member_offset
from postmortem.read.checkpoints.pickles import listed
from postmortem.read.checkpoints.raw import Packed, Raw, mapped, reasons, unpacked, without_overlaps
from postmortem.read.checkpoints.stored import Loaded, Tree
from postmortem.read.damaged import DamagedError
from postmortem.read.plain import flatten

if TYPE_CHECKING:
    import h5py

_WEIGHTS = "model.weights.h5"
_MOST_JSON_BYTES = 64 * 2**20
_ROLES = ("optimizer", "optimizer_weights", "_optimizer")


@dataclass(frozen=True, slots=True, eq=False)
class _Config:
    """What Keras' JSON says of the model."""

    model: Mapping[str, Tree] = field(default_factory=dict)
    training: Mapping[str, Tree] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Tree]:
        """Plain values of the training's configuration."""
        name, settings = optimizer_config(self.training)
        found: dict[str, Tree] = {key: value for key, value in flatten(dict[object, object](settings.items())).items() if value is not None}
        return {"hyper_parameters": {"optimizer": name, **found}} if name else {}


@dataclass(frozen=True, slots=True, eq=False)
class _Named:
    """Weights of a file."""

    names: Mapping[str, str]
    """Path in the file -> name."""
    by_layer: bool
    """Layers come in the order of the model."""
    certain: bool
    """All variables do, within layers of several parts too."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Path as the optimizer's variables refer to it -> name, where they refer to paths."""


def _parsed(text: str) -> Mapping[str, Tree]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_keras(path: Path, source: str) -> Loaded:
    """Read an HDF5 file or `.keras` archive of any version. Raises OSError where it cannot be opened."""
    with path.open("rb") as stream:
        is_archive = stream.read(4) == b"PK\x03\x04"
    memory = mapped(path)
    if not is_archive:
        return _read_hdf5(memory, source, _Config())
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(_WEIGHTS)
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                detail = f"a Keras archive whose {_WEIGHTS} is compressed, which Keras does not do: unpack it, and name the file itself"
                return nothing(source, Problem(source, "unsupported", detail))
            begin = member_offset(memory, member)
            config = _archive_config(archive)
    except KeyError:
        return nothing(source, Problem(source, "unsupported", f"a Keras archive without {_WEIGHTS}: it holds no weights"))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, DamagedError) as error:
        detail = f"a Keras archive of {memory.size} bytes that was cut short ({error}); all tensors are lost"
        return nothing(source, Problem(source, "truncated", detail))
    return _read_hdf5(memory[begin : begin + member.file_size], source, config)


def _archive_config(archive: zipfile.ZipFile) -> _Config:
    try:
        with archive.open("config.json") as stream:
            model = _parsed(stream.read(_MOST_JSON_BYTES).decode("utf-8", "replace"))
    except (KeyError, zipfile.BadZipFile, NotImplementedError, EOFError, OSError):
        return _Config()
    training = model.get("compile_config")
    return _Config(model, training if isinstance(training, Mapping) else {})


def _read_hdf5(memory: NDArray[np.uint8], source: str, config: _Config) -> Loaded:
    try:
        import h5py
    except ImportError:
        return needs_package(source, "Keras weights in HDF5", "keras")
    try:
        file = h5py.File(Window(memory), "r")
    except H5_ERRORS as error:
        said = " ".join(str(error).split())
        if "truncated" in said or "eof" in said.lower():
            return nothing(source, Problem(source, "truncated", f"the HDF5 file ends early, after {memory.size} bytes; all is lost"))
        return nothing(source, Problem(source, "corrupt", f"HDF5 cannot open it; all tensors are lost ({said[:100]})"))
    try:
        with file:
            return _read_file(file, memory, source, config)
    except H5_ERRORS as error:
        detail = f"its tables of contents are damaged; all tensors are lost ({type(error).__name__})"
        return nothing(source, Problem(source, "corrupt", detail))


def _read_file(file: h5py.File, memory: NDArray[np.uint8], source: str, config: _Config) -> Loaded:
    found = contents(file, memory)
    texts = Texts(memory)
    problems: list[Problem] = []
    packed = [tensor for tensor in found.tensors.values() if isinstance(tensor, Packed)]
    tensors = without_overlaps({path: each for path, each in found.tensors.items() if isinstance(each, Raw)}, source, problems)
    tensors.update(unpacked(packed, source, problems))
    if not config.model:
        config = _Config(_parsed(texts.one(file, "model_config")), _parsed(texts.one(file, "training_config")))
    base = "model_weights" if "model_weights" in found.groups else ""
    layers = texts.several(found.groups[base], "layer_names")
    lost = list(found.refused)
    if layers is not None:
        named = _listed_weights(found, tensors, texts, base, layers, lost)
    else:
        named = _numbered_weights(found, tensors, texts, config)
    if lost:
        known = len(found.tensors) + len(lost)
        problems.append(Problem(source, "corrupt", f"{len(lost)} of {known} objects are lost: {reasons(lost)}"))
    if not named.names:
        if not problems:
            held = listed(tuple(found.tensors or found.groups), 3) or "nothing"
            detail = f"an HDF5 file that is not laid out as Keras writes weights; it holds {held}"
            problems.append(Problem(source, "unsupported", detail))
        return Loaded(None, tuple(problems), readable=False)
    weights = {name: tensors[path] for path, name in named.names.items()}
    moments, values = _moments(found, tensors, weights, texts, config, named)
    tree = assembled(weights, moments, {**values, **config.values}, depthwise=_depthwise(named.names, config))
    return Loaded(tree, tuple(problems), readable=True, ordered=named.by_layer)


# --- weights: path in the file -> name --------------------------------------------------------------------------------


def _listed_weights(found: Contents, tensors: Mapping[str, Raw], texts: Texts, base: str, layers: Sequence[str], lost: list[str]) -> _Named:
    """Keras 2, and whole models of Keras 3: the file lists layers, and each layer its weights, in order."""
    named: dict[str, str] = {}
    written: dict[str, str] = {}
    taken: set[str] = set()
    known = {each.partition(": ")[0] for each in lost}
    for layer in [*layers, "top_level_model_weights"]:
        group_path = f"{base}/{layer}" if base else layer
        group = found.groups.get(group_path)
        if group is None:
            continue
        for weight in texts.several(group, "weight_names") or ():
            path = f"{group_path}/{weight}"
            # Keras 3 puts the model's name in front (`sequential/dense/kernel`), and not in its other formats.
            name = dotted(weight[weight.find(f"/{layer}/") + 1 :] if not weight.startswith(f"{layer}/") else weight)
            name = f"{layer}.{name}" if name in taken else name
            if path in tensors:
                taken.add(name)
                named[path] = name
                written[dotted(weight).replace(".", "/")] = name
            elif path not in found.tensors and path not in known:
                lost.append(f"{path}: it is not there")
    return _Named(named, by_layer=True, certain=True, written=written)


def _numbered_weights(found: Contents, tensors: Mapping[str, Raw], texts: Texts, config: _Config) -> _Named:
    """Keras 3: variables by number in `vars` groups."""
    variables: dict[tuple[str, ...], list[str]] = {}
    for path in tensors:
        parts = path.split("/")
        if parts[-2:-1] == ["vars"] and parts[-1].isdecimal() and parts[0] != "optimizer":
            variables.setdefault(tuple(parts[:-2]), []).append(path)
    orders = {path: order_of(group, texts.memory) for path, group in found.groups.items() if path.split("/")[-1] in CONTAINERS}
    settings = _settings_by_path(orders, config)

    def own_name(path: tuple[str, ...]) -> str:
        group = found.groups.get("/".join((*path, "vars")))
        return (texts.one(group, "name") if group is not None else "") or settings.get(path, ("", "", {}))[0]

    modules, by_layer, certain = in_model_order(variables, orders)
    names = final_names(modules, own_name)
    named: dict[str, str] = {}
    for module in modules:
        paths = sorted(variables[module], key=lambda path: _numbers([path]))
        kinds = (*module[-1:], own_name(module))
        if _numbers(paths) == list(range(len(paths))):
            own = variable_names(kinds, [tensors[path].shape for path in paths], settings.get(module, ("", "", {}))[2])
        else:  # one is lost: what the others are cannot be told by counting
            own = [f"vars.{number}" for number in _numbers(paths)]
        named.update({path: f"{names[module]}.{name}".lstrip(".") for path, name in zip(paths, own, strict=True)})
    return _Named(named, by_layer, certain)


def _numbers(paths: Sequence[str]) -> list[int]:
    """The numbers at the end of paths."""
    return [int(path.rsplit("/", 1)[1]) for path in paths]


def _settings_by_path(
    orders: Mapping[str, list[str] | None], config: _Config
) -> dict[tuple[str, ...], tuple[str, str, Mapping[str, Tree]]]:
    """Settings of each layer by the path of its group: the file holds the layers in the order of config.json, all of them."""
    layers = layer_settings(config.model)
    for path, order in orders.items():
        if path in CONTAINERS and order is not None and len(order) == len(layers):
            return {(path, key): layer for key, layer in zip(order, layers, strict=True)}
    return {}


def _depthwise(named: Mapping[str, str], config: _Config) -> frozenset[str]:
    """Kernels of depthwise convolutions, as class names tell."""
    by_path = {name for path, name in named.items() if any(part.startswith("depthwise_conv") for part in path.split("/"))}
    by_class = {f"{name}.kernel" for name, kind, _ in layer_settings(config.model) if kind.startswith("DepthwiseConv")}
    return frozenset(by_path | by_class)


# --- the optimizer ----------------------------------------------------------------------------------------------------


def _moments(
    found: Contents, tensors: Mapping[str, Raw], weights: Mapping[str, Raw], texts: Texts, config: _Config, named: _Named
) -> tuple[Moments | None, dict[str, Tree]]:
    family, settings = optimizer_config(config.training)
    if "optimizer_weights" in found.groups:
        start = len("optimizer_weights/")
        variables = {path[start:]: raw for path, raw in tensors.items() if path.startswith("optimizer_weights/")}
        return named_moments(variables, weights, named.written, family, settings)
    group = found.groups.get("optimizer/vars")
    if group is None:
        return None, {}
    paths = [path for path in tensors if path.startswith("optimizer/vars/") and path.rsplit("/", 1)[1].isdecimal()]
    paths.sort(key=lambda path: _numbers([path]))
    if _numbers(paths) != list(range(len(paths))):
        return None, {}
    return numbered_moments([tensors[path] for path in paths], weights, family or texts.one(group, "name"), settings, ordered=named.certain)
