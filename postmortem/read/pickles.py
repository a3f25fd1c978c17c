"""What a pickle would call if it were loaded, judged from its inert interpretation.

Nothing here decides what is read: every tensor and plain value is read either way (`pickle_machine.py` runs none of it). It decides
whether the report raises an alarm, and tells an attack from the harmless classes that real checkpoints are full of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postmortem.read.inert import Built, Global
from postmortem.read.pickle_machine import Interpreted, interpret
from postmortem.read.word_sets import word_set

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""First object of torch's legacy format."""
_LEGACY_PICKLES = 5
MAX_PICKLE_BYTES = 256 * 2**20
"""Most that a pickle within a zip may unpack to."""

# Packages whose functions run commands, load code, reach the file system or the network, or hand out any of these.
_DANGEROUS_PACKAGES = word_set(
    "os subprocess importlib http urllib xmlrpc multiprocessing asyncio ctypes _ctypes cffi dill cloudpickle joblib unittest "
    "ensurepip pip venv distutils setuptools pkg_resources requests aiohttp paramiko idlelib lib2to3 pydoc_data"
)
# Single modules of that kind: `code.model` or `test.Net` is somebody's own.
_DANGEROUS_MODULES = word_set(
    "posix nt sys runpy code codeop imp pkgutil shutil socket ssl ftplib smtplib telnetlib webbrowser pty popen2 signal marshal pickle "
    "_pickle cPickle shelve operator _operator inspect pydoc pdb bdb timeit trace profile cProfile doctest tempfile glob fileinput gc "
    "atexit site linecache zipimport test.support test.support.script_helper _posixsubprocess _io io"
)
# The same further down in packages that are harmless otherwise.
_DANGEROUS_BRANCHES = (
    "torch.utils.cpp_extension", "torch.utils.model_zoo", "torch.package", "torch.hub", "torch.distributed.rpc", "torch._ops", "torch.ops",
    "torch.utils._cpp_extension_versioner", "torch._inductor.codecache", "numpy.f2py", "numpy.distutils", "logging.config",
)  # fmt: skip
# As a part of a dotted name (`torch.serialization`, `os.remove`) they are what a module has imported.
_REACHED_MODULES = word_set(
    "os posix nt sys subprocess importlib builtins shutil socket ctypes pty runpy marshal pickle operator inspect types code"
)
_WRITING_METHODS = word_set(
    "write_text write_bytes unlink rmdir rename replace touch mkdir chmod symlink_to hardlink_to open read_text read_bytes"
)
# Names within them that only build a value.
_HARMLESS_NAMES = frozenset(
    {
        ("operator", "itemgetter"), ("_operator", "itemgetter"), ("operator", "attrgetter"), ("_operator", "attrgetter"),
        ("operator", "methodcaller"), ("_operator", "methodcaller"),
        ("joblib.numpy_pickle", "NumpyArrayWrapper"), ("multiprocessing.context", "AuthenticationString"),
        ("io", "BytesIO"), ("_io", "BytesIO"), ("io", "StringIO"), ("_io", "StringIO"), ("signal", "Signals"), ("signal", "Handlers"),
        ("inspect", "_ParameterKind"), ("os", "PathLike"),
    }
)  # fmt: skip
# Of `builtins`, these only build values or are types.
_HARMLESS_BUILTINS = word_set(
    "set frozenset list dict tuple int float bool str bytes bytearray complex object slice range type property staticmethod classmethod "
    "NotImplementedType ellipsis NoneType enumerate zip reversed print len min max sum abs round sorted Ellipsis NotImplemented"
)
# Functions of otherwise harmless packages that run what they are given.
_DANGEROUS_NAMES = frozenset(
    {
        ("types", "CodeType"), ("types", "FunctionType"), ("logging.config", "dictConfig"), ("torch", "load"), ("torch", "compile"),
        ("torch.serialization", "load"), ("torch.jit", "load"), ("torch.hub", "load"), ("torch.hub", "load_state_dict_from_url"),
        ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy.testing._private.utils", "runstring"),
        ("pandas", "read_pickle"), ("pandas", "eval"), ("torch._inductor.codecache", "compile_file"),
        ("torch.fx.graph_module", "reduce_graph_module"), ("torch.fx.graph_module", "reduce_package_graph_module"),
    }
)  # fmt: skip
# Protocols 0 to 2 write the names that modules had in Python 2.
_RENAMED = {"__builtin__": "builtins", "commands": "subprocess", "copy_reg": "copyreg"}
_DANGEROUS_LAST_NAMES = frozenset({"exec", "eval", "system", "popen", "__import__", "exec_module", "runstring", "_rebuild_from_code"})
# What these hand out is harmless until it is called.
_HANDING_OUT = frozenset(
    {("builtins", "getattr"), ("functools", "partial"), *((module, name) for module in ("operator", "_operator") for name in
                                                        ("itemgetter", "attrgetter", "methodcaller"))}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PickleScan:
    """What the instructions of one file say."""

    wanted: tuple[str, ...]
    """Every name that is looked up, as `module.name`, in order of first use, once each."""
    dangerous: tuple[str, ...]
    """Those of them that run code or reach outside."""
    protocol: int
    is_torch: bool
    """The first object is torch's magic number (legacy format), or the pickle stands in a torch zip."""
    complete: bool
    """Each pickle ran to its STOP."""


def _pair(name: Global) -> tuple[str, str]:
    return _RENAMED.get(name.module, name.module), name.name


def _is_dangerous(module: str, name: str) -> bool:
    if (module, name) in _HARMLESS_NAMES:
        return False
    top, last = module.split(".")[0], name.split(".")[-1]
    if top == "builtins":
        return name not in _HARMLESS_BUILTINS and not name.endswith(("Error", "Warning", "Exception"))
    if top in _DANGEROUS_PACKAGES or module in _DANGEROUS_MODULES or (module, name) in _DANGEROUS_NAMES:
        return True
    if any(module == branch or module.startswith(f"{branch}.") for branch in _DANGEROUS_BRANCHES) or _reaches_out(module, name):
        return True
    return last in _DANGEROUS_LAST_NAMES


def _reaches_out(module: str, name: str) -> bool:
    """Whether a name goes through what its module has imported, through a hidden attribute, or to a method that writes files."""
    parts = name.split(".")
    if any(part in _REACHED_MODULES for part in parts) or any(part.startswith("__") and part.endswith("__") for part in parts):
        return True
    return len(parts) > 1 and module.split(".")[0] == "pathlib" and parts[-1] in _WRITING_METHODS


def _only_names_an_attribute(call: Built) -> bool:
    """Whether a `getattr` is the one by which enumerations and methods are written: an attribute of a harmless class, by a plain name."""
    if len(call.arguments) != 2 or not isinstance(call.arguments[1], str):
        return False
    owner, name = call.arguments
    if isinstance(owner, Global) and _is_dangerous(*_pair(owner)):
        return False
    return isinstance(owner, (Global, Built)) and name.isidentifier() and not name.startswith("__")


def dangerous_names(pickles: Iterable[Interpreted]) -> tuple[str, ...]:
    """Names by which these pickles would run code or reach outside if they were loaded, once each, in order of first use.

    A name counts where it is looked up, called or not: handing `os.system` to something that will call it is no better. `getattr`
    counts unless it only names an attribute of a harmless class and nothing calls what it returns.
    """
    found: dict[str, None] = {}
    for pickle in pickles:
        for name in pickle.globals:
            pair = _pair(name)
            if pair != ("builtins", "getattr") and _is_dangerous(*pair):
                found[".".join(pair)] = None
        for call in pickle.calls:
            if isinstance(call.of, Global) and _pair(call.of) == ("builtins", "getattr") and not _only_names_an_attribute(call):
                found["builtins.getattr"] = None
            handed = call.of.of if isinstance(call.of, Built) else None
            if isinstance(handed, Global) and _pair(handed) in _HANDING_OUT:
                found[f"what {'.'.join(_pair(handed))} returns"] = None
    return tuple(found)


def _scan_of(pickles: Sequence[Interpreted], is_torch: bool) -> PickleScan:
    wanted = dict.fromkeys(".".join(_pair(name)) for pickle in pickles for name in pickle.globals)
    complete = all(pickle.complete for pickle in pickles)
    return PickleScan(tuple(wanted), dangerous_names(pickles), pickles[0].protocol, is_torch, complete)


def scan(memory: memoryview, *, in_torch_zip: bool = False) -> PickleScan:
    """Judge the pickle that starts here (five in a row in torch's legacy format). Never raises for what the bytes hold."""
    pickles = legacy_pickles(memory) if not in_torch_zip else [interpret(memory)]
    return _scan_of(pickles, in_torch_zip or len(pickles) > 1)


def legacy_pickles(memory: memoryview, home: object = None) -> list[Interpreted]:
    """The pickle that starts here; where it is torch's magic number, the other four of the legacy format too, as far as they go."""
    pickles = [interpret(memory)]
    if pickles[0].value == TORCH_MAGIC:
        while len(pickles) < _LEGACY_PICKLES and pickles[-1].complete:
            pickles.append(interpret(memory, pickles[-1].end, home))
    return pickles


def listed(names: tuple[str, ...], most: int = 4) -> str:
    """Names for a sentence, the first few of many, with control characters of strangers left out."""
    shown = ["".join(letter if letter.isprintable() else "?" for letter in name[:80]) for name in names[:most]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
