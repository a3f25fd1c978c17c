"""Pickles are interpreted and never run: equal content for harmless ones, no foreign line for hostile ones, an answer for broken ones."""

from __future__ import annotations

import collections
import datetime
import enum
import functools
import inspect
import io
import operator
import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
import types
import typing
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from postmortem.read.checkpoints.inert_tree import Converter
from postmortem.read.checkpoints.layouts import sort_content
from postmortem.read.checkpoints.pickle_machine import MAX_OPCODES, interpret
from postmortem.read.checkpoints.pickles import scan
from postmortem.read.checkpoints.stored import StoredTensor
from postmortem.read.checkpoints.torch_files import read_torch
from postmortem.read.checkpoints.torch_tensors import Rebuilder

torch.set_num_threads(1)


def plain(content: Any, protocol: int) -> Any:
    """A value, pickled and read back."""
    found = interpret(memoryview(pickle.dumps(content, protocol=protocol)))
    assert found.complete, found.error
    return Converter(Rebuilder(lambda nested: None)).convert(found.value)


def of_file(path: Path) -> Any:
    """The tree of a file that has no problem."""
    loaded = read_torch(path, path.name, path.parent)
    assert not loaded.problems, loaded.problems
    return loaded.tree


def as_numpy(tensor: StoredTensor) -> Any:
    """All elements in the tensor's shape."""
    return tensor.read(0, tensor.elements).reshape(tensor.shape)


# --- what harmless pickles hold ---------------------------------------------------------------------------------------


class Color(enum.Enum):
    """A member is written as its class and value."""

    RED = "red"


class Attributes(dict[str, Any]):
    """A table whose entries are attributes as well, as Lightning keeps hyper-parameters."""

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(name)
        return self[name]


class Slotted:
    """State in slots and none in a dictionary."""

    __slots__ = ("lr",)

    def __init__(self) -> None:
        self.lr = 0.5


class Settings:
    """Types as configurations hold them."""

    optional: typing.Optional[int]  # noqa: UP045 - pickled otherwise than the new form
    union: typing.Union[int, str]  # noqa: UP007 - the same


class Loud:
    """Its state setter, had it run, would be noticed."""

    def __init__(self) -> None:
        self.value = 3

    def __setstate__(self, state: object) -> None:
        raise AssertionError("__setstate__ of a real class was run")


VALUES: dict[str, tuple[Any, Any]] = {
    "numbers": ([0, 1, -1, 255, 256, 65536, 2**31, -(2**70), 0.1, float("inf"), True, None], None),
    "texts": (["", "a", "ü", "日本", "x" * 300, "line\nfeed", "quote'\"\\"], None),
    "tables": ({"a": {"b": [1, (2, (3,)), {"c": ()}]}, "d": {}}, None),
    "number keys": ({1: "a", 2.5: "b", None: "c", (1, "x"): "d"}, {"1": "a", "2.5": "b", "None": "c", "1.x": "d"}),
    "ordered": (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "defaulted": (collections.defaultdict(list, a=[1]), {"a": (1,)}),
    "counted": (collections.Counter("aab"), {"a": 2, "b": 1}),
    "sets": ([{7}, frozenset({8})], ((7,), (8,))),
    "namespace": (Namespace(lr=0.1, name="x"), {"lr": 0.1, "name": "x"}),
    "simple namespace": (types.SimpleNamespace(lr=0.1), {"lr": 0.1}),
    "enumeration": (Color.RED, "red"),
    "path": (pathlib.PurePosixPath("/data/runs"), "/data/runs"),
    "attributes": (Attributes(lr=0.1), {"lr": 0.1}),
    "slots": (Slotted(), {"lr": 0.5}),
    "loud": (Loud(), {"value": 3}),
    "numpy numbers": ([np.float64(2.5), np.float32(0.5), np.int64(-3), np.bool_(True), np.float16(1.5)], (2.5, 0.5, -3, True, 1.5)),
    "bytes": (b"abc", "3 bytes"),
    "device": (torch.device("cuda", 1), "cuda:1"),
    "type": (torch.float32, "torch.float32"),
    "size": (torch.Size([2, 3]), (2, 3)),
    "class": (datetime.date, "datetime.date"),
}


def tupled(value: Any) -> Any:
    """Lists as tuples, as a tree holds them."""
    if isinstance(value, (list, tuple)):
        return tuple(map(tupled, value))
    return {key: tupled(each) for key, each in value.items()} if isinstance(value, dict) else value


# Protocols 0 and 1 cannot write slots.
@pytest.mark.parametrize(("name", "protocol"), [(name, each) for name in VALUES for each in range(6) if name != "slots" or each > 1])
def test_plain_values_come_back(name: str, protocol: int) -> None:
    """Every protocol's way of writing tables, numbers, texts and objects of any class gives the values that they hold."""
    content, expected = VALUES[name]
    assert plain(content, protocol) == (tupled(content) if expected is None else expected)


nested_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(content=nested_values, protocol=st.integers(0, 5))
def test_any_nested_value_comes_back(content: Any, protocol: int) -> None:
    """What pickle writes is read as pickle would read it."""
    assert plain(content, protocol) == tupled(content)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "i4", "u1", "?", ">f4", ">i8"])
def test_numpy_arrays_come_back(kind: str, protocol: int) -> None:
    """Every element type, byte order, memory order and protocol gives numpy's own elements."""
    array = (np.arange(24).reshape(2, 3, 4) % 7).astype(kind)
    tree = plain({"c": array, "f": np.asfortranarray(array), "empty": array[:0], "number": array[1, 1, 1]}, protocol)
    for name in ("c", "f"):
        np.testing.assert_array_equal(as_numpy(tree[name]), array)
        assert tree[name].dtype == array.dtype.newbyteorder("=").name
    assert tree["empty"].shape == (0, 3, 4)
    assert tree["number"] == array[1, 1, 1]


def test_numpy_arrays_of_objects_and_records_are_no_tensors() -> None:
    """What holds no plain numbers is not taken for weights."""
    tree = plain({"o": np.array([None, "a"], object), "r": np.zeros(2, [("a", "f4")]), "t": np.array(["x"])}, 4)
    assert not any(isinstance(value, StoredTensor) for value in tree.values())


# --- torch files against torch itself ---------------------------------------------------------------------------------


class Net(torch.nn.Module):
    """A small net with everything that a module can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
        self.heads = torch.nn.ModuleDict({"a": torch.nn.Linear(4, 2), "b": torch.nn.Linear(4, 2, bias=False)})
        self.scale = torch.nn.Parameter(torch.ones(4))
        self.list = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(2))])
        self.register_buffer("kept", torch.arange(3.0))
        self.register_buffer("passing", torch.arange(3.0), persistent=False)
        self.note = "not a tensor"

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Uses every parameter."""
        hidden = self.body(inputs) * self.scale
        total: torch.Tensor = sum(head(hidden).sum() for head in self.heads.values()) + self.list[0].sum()
        return total


def trained() -> tuple[Net, torch.optim.Adam]:
    """A net and its optimizer after two steps."""
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(5, 3)).backward()
        optimizer.step()
    return net, optimizer


def assert_same_tensors(found: Mapping[str, Any], expected: Mapping[str, torch.Tensor]) -> None:
    """Names in order, types and every element."""
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        assert found[name].dtype == str(tensor.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(as_numpy(found[name]), tensor.detach().numpy())


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_module_reads_as_its_state_dict(tmp_path: Path, legacy: bool) -> None:
    """`torch.save(model)` gives the tensors that `model.state_dict()` names, buffers that are not persistent left out."""
    net, _ = trained()
    torch.save(net, tmp_path / "net.pt", _use_new_zipfile_serialization=not legacy)
    assert_same_tensors(of_file(tmp_path / "net.pt"), net.state_dict())


def test_a_whole_optimizer_reads_as_its_state_dict(tmp_path: Path) -> None:
    """Its parameters are numbered in the order of its groups, whatever objects they were keys of."""
    net, optimizer = trained()
    torch.save({"net": net, "optimizer": optimizer}, tmp_path / "both.pt")
    content = sort_content(of_file(tmp_path / "both.pt"))
    (state,) = content.optimizers
    expected = optimizer.state_dict()
    assert state.groups[0]["params"] == tuple(expected["param_groups"][0]["params"]) and state.groups[0]["lr"] == 0.01
    for number, slots in expected["state"].items():
        for slot, tensor in slots.items():
            np.testing.assert_array_equal(as_numpy(state.entries[str(number)][slot]), tensor.numpy())  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_torchscript_program_reads_as_its_state_dict(tmp_path: Path) -> None:
    """Scripted, and frozen so that weights became constants: tensors without the program's code."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)))
    program = torch.jit.trace(net.eval(), torch.ones(1, 3))
    torch.jit.save(program, tmp_path / "traced.pt")
    assert_same_tensors(of_file(tmp_path / "traced.pt"), net.state_dict())
    torch.jit.save(torch.jit.freeze(program), tmp_path / "frozen.pt")
    shapes = {tensor.shape for net_found in sort_content(of_file(tmp_path / "frozen.pt")).nets for tensor in net_found.tensors.values()}
    assert (4, 3) in shapes or (3, 4) in shapes


@pytest.mark.parametrize("protocol", range(6))
def test_tensors_in_a_plain_pickle(tmp_path: Path, protocol: int) -> None:
    """`pickle.dump` of tensors holds a torch file within the file for each; all are read."""
    net, _ = trained()
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"model": net.state_dict(), "step": 7}, protocol=protocol))
    tree = of_file(tmp_path / "net.pkl")
    assert_same_tensors(tree["model"], net.state_dict())
    assert tree["step"] == 7


def test_subclasses_parameters_and_typed_storages(tmp_path: Path) -> None:
    """Parameters, tensors with attributes, other types over one storage and bare storages read as torch reads them."""
    base = torch.arange(6.0)
    tagged = torch.arange(3.0)
    tagged.note = "kept"  # type: ignore[attr-defined]
    content = {
        "parameter": torch.nn.Parameter(base.clone()),
        "tagged": tagged,
        "viewed": torch.arange(4.0).view(torch.int32),
        "uint16": torch.tensor([0, 1, 65535], dtype=torch.uint16),
        "storage": base.untyped_storage(),
    }
    torch.save(content, tmp_path / "a.pt")
    tree = of_file(tmp_path / "a.pt")
    for name in ("parameter", "tagged", "viewed", "uint16"):
        np.testing.assert_array_equal(as_numpy(tree[name]), content[name].detach().numpy())  # type: ignore[attr-defined]
    assert as_numpy(tree["storage"]).tobytes() == base.numpy().tobytes()


@pytest.mark.parametrize("legacy", [False, True])
def test_big_endian_files(tmp_path: Path, legacy: bool) -> None:
    """A file of a machine with its highest byte first says so, and its elements are turned."""
    weight = torch.tensor([1.5, -2.25, 3e-5])
    path = tmp_path / "a.pt"
    torch.save({"w": weight}, path, _use_new_zipfile_serialization=not legacy)
    swapped = weight.numpy().byteswap().tobytes()
    if legacy:
        content = path.read_bytes().replace(weight.numpy().tobytes(), swapped)
        at = content.index(b"little_endian") + len(b"little_endian")
        flag = content.index(b"\x88", at)
        path.write_bytes(content[:flag] + b"\x89" + content[flag + 1 :])
    else:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, each in members.items():
                archive.writestr(name, {"byteorder": b"big", "0": swapped}.get(name.split("/")[-1], each))
    np.testing.assert_array_equal(as_numpy(of_file(path)["w"]), weight.numpy())


def test_hyper_parameters_of_foreign_classes_are_kept(tmp_path: Path) -> None:
    """A loss object, an AttributeDict and a Namespace beside the weights: values by their names, and no alarm."""
    torch.save(
        {
            "state_dict": {"w": torch.ones(2, 2)},
            "hyper_parameters": Attributes(lr=0.1, loss=torch.nn.MSELoss()),
            "args": Namespace(batch=4),
        },
        tmp_path / "a.ckpt",
    )
    values = sort_content(of_file(tmp_path / "a.ckpt")).values
    assert values["hyper_parameters.lr"] == 0.1 and values["args.batch"] == 4


def test_states_of_random_generators_are_no_weights(tmp_path: Path) -> None:
    """Numpy's and torch's generator states, however they are kept, do not make a net."""
    generator = np.random.default_rng(0)
    content = {"model": {"w": torch.ones(2, 2)}, "a": np.random.get_state(), "b": generator, "c": {"key": np.arange(624, dtype=np.uint32)}}
    torch.save({**content, "d": {"torch": torch.get_rng_state()}}, tmp_path / "a.pt")
    assert [list(net.tensors) for net in sort_content(of_file(tmp_path / "a.pt")).nets] == [["w"]]


def test_weights_kept_as_numpy_arrays_are_weights_where_there_are_no_others(tmp_path: Path) -> None:
    """A pickle of arrays by name is a checkpoint; arrays beside a torch model are not."""
    arrays = {"conv1/kernel": np.ones((3, 3), np.float32), "conv1/bias": np.zeros(3, np.float32)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"model": arrays}))
    assert [list(net.tensors) for net in sort_content(of_file(tmp_path / "a.pkl")).nets] == [list(arrays)]
    torch.save({"model": {"w": torch.ones(2, 2)}, "predictions": arrays}, tmp_path / "b.pt")
    assert [list(net.tensors) for net in sort_content(of_file(tmp_path / "b.pt")).nets] == [["w"]]


# --- nothing runs -----------------------------------------------------------------------------------------------------

_WATCHED = """
import mmap, os, sys, sysconfig
from pathlib import Path
import numpy, io, zipfile, zlib, shutil, re, struct
import postmortem.read.checkpoints.torch_files as reader
from postmortem.read.checkpoints.files import read_checkpoints

places = Path(reader.__file__).parents[1], Path(numpy.__file__).parent, sysconfig.get_path("stdlib")
inside = tuple(str(Path(each).resolve()) for each in places)
strangers, events = set(), []

def watch_frames(frame, event, argument):
    name = frame.f_code.co_filename
    if event == "call" and not name.startswith("<frozen") and not str(Path(name)).startswith(inside) and name not in ("<string>", __file__):
        strangers.add((name, frame.f_code.co_name))

def watch_events(event, arguments):
    if event in ("import", "exec", "compile", "pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen",
                 "socket.connect", "marshal.loads", "code.__new__", "ctypes.dlopen"):
        events.append((event, str(arguments)[:100]))

folder, scratch = Path(sys.argv[1]), Path(sys.argv[2])
read = 0
sys.addaudithook(watch_events)
events.clear()
real = Path.resolve
sys.setprofile(watch_frames)
for path in sorted(folder.iterdir()):
    loaded = reader.read_torch(path, path.name, scratch)
    read += loaded.readable
sys.setprofile(None)
found = list(events)
print(read, sorted(strangers), found)
"""


class Calls:
    """Pickles as a call of anything, and then a state."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_not_one_foreign_line_is_run(tmp_path: Path) -> None:
    """Hostile and harmless files of all kinds, watched by an audit hook and a profiler: no import, no code, no call outside the reader."""
    from torch.jit._pickle import restore_type_tag  # the call by which TorchScript marks lists

    marker = tmp_path / "ran"
    folder, scratch, modules = tmp_path / "files", tmp_path / "scratch", tmp_path / "modules"
    for each in (folder, scratch, modules):
        each.mkdir()
    # A module that leaves a mark when it is imported, and a class that does when its state is set.
    (modules / "trap.py").write_text(
        f"open({str(marker)!r}, 'w').close()\nclass Trap:\n    def __setstate__(self, state): open({str(marker)!r}, 'w').close()\n"
    )
    tensor = torch.ones(2, 2)
    evil = pickle.dumps(Calls(exec, f"open({str(marker)!r}, 'w')"))
    hostile: dict[str, Any] = {
        "system": Calls(os.system, f"touch {marker}"),
        "exec": Calls(exec, f"open({str(marker)!r}, 'w')"),
        "nested": Calls(pickle.loads, evil),
        "nested in torch": Calls(torch.storage._load_from_bytes, evil),
        "rebuild with a path": Calls(torch._utils._rebuild_tensor_v2, str(marker), 0, (2,), (1,), False, None),
        "rebuild by a caller": Calls(torch._tensor._rebuild_from_type_v2, exec, torch.Tensor, (f"open({str(marker)!r}, 'w')",), {}),
        "numpy memory map": Calls(np.memmap, str(marker), "u1", "w+", 0, (4,)),
        "numpy scalar of objects": Calls(np.float64(0).__reduce__()[0], np.dtype("O"), evil),
        "numpy array of objects": np.array([Calls(exec, "raise SystemExit")], object),
        "torchscript tag": Calls(restore_type_tag, [1], "List[int]"),
        "getattr": Calls(getattr, Namespace, "__init__"),
        "a state setter": Loud(),
    }
    written = 0
    for index, (name, content) in enumerate(hostile.items()):
        for legacy in (False, True):
            torch.save(
                {"w": tensor, "x": content},
                folder / f"{index}_{name.replace(' ', '_')}_{legacy}.pt",
                _use_new_zipfile_serialization=not legacy,
            )
            written += 1
    code = b"\x80\x02c" + b"trap\nTrap\n)\x81}X\x01\x00\x00\x00aK\x01sb."
    (folder / "trap.pkl").write_bytes(code)
    (folder / "persistent.pkl").write_bytes(b"\x80\x02(cos\nsystem\nX\x04\x00\x00\x00truetQ.")
    (folder / "extension.pkl").write_bytes(b"\x80\x02\x82\x05)R.")
    torch.save(trained()[0], folder / "whole_module.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), folder / "script.pt")
    written += 5
    marker.unlink(missing_ok=True)
    script = tmp_path / "watch.py"
    script.write_text(textwrap.dedent(_WATCHED))
    environment = {**__import__("os").environ, "PYTHONPATH": f"{modules}{os.pathsep}{Path(__file__).parents[2]}"}
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(scratch)], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{written} [] []"
    assert not marker.exists()


def test_what_is_looked_up_to_be_called_is_told_from_what_is_a_value() -> None:
    """Enumerations, methods and partial functions raise no alarm; the same tools used to reach further do."""
    harmless = [b"\x80\x02c__builtin__\ngetattr\ncmine\nColor\nX\x03\x00\x00\x00RED\x86R."]
    harmless += [pickle.dumps(Color.RED, protocol) for protocol in range(6)] + [pickle.dumps(torch.nn.functional.relu)]
    harmless += [b"\x80\x02ctest\nNet\n)\x81.", b"\x80\x02ccode.model\nNet\n)\x81."]
    for content in harmless:
        assert scan(memoryview(content)).dangerous == ()
    reaching = {
        b"\x80\x02c__builtin__\ngetattr\ncmine\nColor\nX\x0b\x00\x00\x00__globals__\x86R.": "builtins.getattr",
        b"\x80\x02c__builtin__\ngetattr\ncmine\nColor\nX\x03\x00\x00\x00RED\x86R)R.": "what builtins.getattr returns",
        b"\x80\x02cfunctools\npartial\ncmine\nf\n\x85R)R.": "what functools.partial returns",
        b"\x80\x02c__builtin__\neval\n.": "builtins.eval",
        b"\x80\x04\x8c\x13torch.serialization\x8c\x09os.remove\x93.": "torch.serialization.os.remove",
        b"\x80\x02ctorch.serialization\nos\n.": "torch.serialization.os",
        b"\x80\x04\x8c\x07pathlib\x8c\x0fPath.write_text\x93.": "pathlib.Path.write_text",
        b"\x80\x02ctorch.utils.cpp_extension\nload\n.": "torch.utils.cpp_extension.load",
    }
    for content, name in reaching.items():
        assert name in scan(memoryview(content)).dangerous


def _named(module: str, name: str) -> bytes:
    """The instructions that look a name up by two texts on the stack."""
    return b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93"


COMMAND = _named("os", "system") + b"\x8c\x04true\x85R"
FOUR = b"\x80\x04"
LOAD = _named("torch.storage", "_load_from_bytes")
MAGIC = str(0x1950A86A20F9469CFC6C).encode()


def _zipped(path: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


HIDDEN: dict[str, Mapping[str, bytes] | bytes] = {
    "a name that is computed": FOUR + b"\x8c\x02os" + b"\x85" + b"\x8c\x06system\x93\x8c\x04true\x85R.",
    "behind what breaks it": {"m/data.pkl": FOUR + COMMAND + b"\xff."},
    "in bytes that are dropped": {"m/data.pkl": FOUR + LOAD + b"C" + bytes([len(COMMAND) + 3]) + FOUR + COMMAND + b".\x85R0}."},
    "in bytes that are computed": FOUR + b"}\x8c\x01w" + LOAD + _named("_codecs", "decode") + b"C\x04gAQu\x8c\x06base64\x86R\x85Rs.",
    "in the right one of two": {"m/version": b"3", "m/sub/data.pkl": FOUR + b"}.", "m/data.pkl": FOUR + COMMAND + b"."},
    "under letters of another case": {"m/Data.pkl": FOUR + COMMAND + b"."},
    "behind a magic number that is computed": b"\x80\x02c__builtin__\nint\nX\x18\x00\x00\x00" + MAGIC + b"\x85R." + FOUR + COMMAND + b".",
    "in a hook": FOUR + _named("types", "SimpleNamespace") + b")R}\x8c\x0c__setstate__" + _named("random", "_os") + b"sb.",
    "by a name of Python 2": b"\x80\x02citertools\nimap\ncrandom\n_os\n\x85R.",
}


@pytest.mark.parametrize("name", list(HIDDEN))
def test_ways_to_hide_a_call_are_seen(tmp_path: Path, name: str) -> None:
    """Each of these files would run code under a plain load, by a detour; each raises the alarm."""
    content = HIDDEN[name]
    path = tmp_path / "hidden.pt"
    path.write_bytes(content) if isinstance(content, bytes) else _zipped(path, content)
    problems = read_torch(path, "hidden.pt", tmp_path).problems
    assert "unsafe-pickle" in [problem.kind for problem in problems]


HARMLESS: dict[str, Any] = {
    "defaultdict": collections.defaultdict(int), "range": range(3), "type": int, "optional": typing.get_type_hints(Settings)["optional"],
    "union": typing.get_type_hints(Settings)["union"], "iterator": iter([1, 2]), "operator": operator.add, "enumeration": Color.RED,
    "error": ValueError, "stop": StopIteration, "partial": functools.partial(pow, 2), "method of a text": "-".join,
    "generator": np.random.default_rng(0), "signature": inspect.signature(pickle.dumps),
}  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", list(HARMLESS))
def test_types_and_tools_of_the_language_raise_no_alarm(name: str, protocol: int) -> None:
    """What settings and data loaders hold: types, ranges, iterators, operators, partial functions, bound methods."""
    assert scan(memoryview(pickle.dumps(HARMLESS[name], protocol))).dangerous == ()


COLLIDING = b"".join(b"\x8a" + bytes([len(key)]) + key + b"N" for key in (pickle.encode_long(n * (2**61 - 1)) for n in range(1, 100_000)))


def _shared(count: int) -> bytes:
    """Calls that all unfold one list of a hundred thousand pairs."""
    pairs = b"](" + b"K\x01K\x02\x86" * 100_000 + b"e\x94"
    return FOUR + pairs + b"0(" + (_named("collections", "OrderedDict") + b"h\x00\x85R") * count + b"l."


@pytest.mark.parametrize(
    "code",
    [
        FOUR + b"\x8c\x01a\x85" + b"2\x86" * 40 + b"\x94" + _named("pathlib", "PosixPath") + b"h\x00R.",
        FOUR
        + b"}("
        + b"".join(pickle.encode_long(n * (2**61 - 1)).join((bytes([0x8A, 9]), b"N")) for n in range(128 * 256, 128 * 512))
        + b"u.",
        _shared(2_000),
    ],
    ids=["a path of shared parts", "keys of one hash", "one list unfolded often"],
)
def test_what_would_unfold_without_end_is_given_up(tmp_path: Path, code: bytes) -> None:
    """Sharing and collisions cost no more than a few seconds, and what was not read is said."""
    (tmp_path / "a.pkl").write_bytes(code)
    loaded = read_torch(tmp_path / "a.pkl", "a.pkl", tmp_path)
    assert loaded.readable or loaded.problems


# --- broken and hostile bytes ------------------------------------------------------------------------------------------


def _sample() -> bytes:
    stream = io.BytesIO()
    net = torch.nn.Linear(3, 2)
    torch.save({"model": net.state_dict(), "args": Namespace(a=1), "n": np.float64(1)}, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


SAMPLE = _sample()


@settings(max_examples=400, deadline=None)
@given(place=st.integers(0, len(SAMPLE) - 1), value=st.integers(0, 255), cut=st.booleans())
def test_any_changed_byte_gives_an_answer(tmp_path_factory: pytest.TempPathFactory, place: int, value: int, cut: bool) -> None:
    """One byte of a legacy file changed, or the file cut there: a result or a problem, never an exception."""
    folder = tmp_path_factory.mktemp("changed")
    content = SAMPLE[:place] if cut else SAMPLE[:place] + bytes([value]) + SAMPLE[place + 1 :]
    (folder / "a.pt").write_bytes(content)
    loaded = read_torch(folder / "a.pt", "a.pt", folder)
    if cut:
        assert loaded.problems or place >= len(SAMPLE)
    if not loaded.readable:
        assert loaded.problems


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_an_answer(content: bytes) -> None:
    """Noise as a pickle ends with a value or an error."""
    found = interpret(memoryview(content))
    assert found.complete or found.error
    Converter(Rebuilder(lambda nested: None)).convert(found.value)


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        b"\x80\x02)" + b"\x85" * 200_000 + b".",
        b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.",
        b"\x80\x02Nr\xff\xff\xff\x7f.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04B\xff\xff\xff\xff.",
        b"L" + b"9" * 100_000 + b"L\n.",
        b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b".",
    ],
    ids=["lists", "tuples", "a deep key", "memo", "long number", "long text", "long bytes", "digits", "marks"],
)
def test_claims_that_would_hold_the_reader_up(code: bytes) -> None:
    """Nesting, sizes and numbers beyond reason cost no stack, no memory and no time."""
    found = interpret(memoryview(code))
    converter = Converter(Rebuilder(lambda nested: None))
    converter.convert(found.value)
    assert (
        found.error or converter.too_deep or found.value is None or found.value == {"(a tuple)": 1} or isinstance(found.value, (dict, list))
    )


def test_a_program_without_end_is_stopped() -> None:
    """A pickle with more instructions than any checkpoint has stops with an error that says so."""
    found = interpret(memoryview(b"N0" * (MAX_OPCODES // 2 + 1)))
    assert "instructions" in found.error


def _storage_of(tensor: torch.Tensor) -> bytes:
    """A storage as a torch file of its own, which is how plain pickles hold one."""
    stream = io.BytesIO()
    typed = torch.storage.TypedStorage(wrap_storage=tensor.untyped_storage(), dtype=tensor.dtype, _internal=True)
    torch.save(typed, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_a_tensor_that_claims_more_than_its_storage_holds(tmp_path: Path) -> None:
    """Offsets, shapes and strides beyond the storage lose that tensor, by name, and no other."""
    good = torch.ones(3)
    for name, arguments in {
        "offset": (2, (3,), (1,)),
        "stride": (0, (3,), (2,)),
        "shape": (0, (2**40,), (1,)),
        "negative": (0, (-1,), (1,)),
        "expanded": (0, (2**40,), (0,)),
    }.items():
        rebuild = Calls(
            torch._utils._rebuild_tensor_v2,
            Calls(torch.storage._load_from_bytes, _storage_of(torch.ones(3))),
            *arguments,
            False,
            collections.OrderedDict(),
        )
        torch.save({"good": good, "bad": rebuild}, tmp_path / f"{name}.pt")
        loaded = read_torch(tmp_path / f"{name}.pt", "a.pt", tmp_path)
        assert [problem.kind in ("corrupt", "unsupported") for problem in loaded.problems] == [True], name
        assert "bad" in loaded.problems[0].detail
        assert isinstance(loaded.tree, Mapping) and loaded.tree["bad"] is None
        assert as_numpy(loaded.tree["good"]).tolist() == [1, 1, 1]  # type: ignore[arg-type]
