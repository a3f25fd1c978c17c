"""Which names a pickle had better not look up: functions that run commands, load code, or reach the file system or the network.

The lists decide what raises an alarm, never what is read: every pickle is interpreted inertly. Names that only build a value are harmless,
so that whole modules, hyper-parameters and the states of random generators raise none.
"""

from __future__ import annotations

import _compat_pickle

from postmortem.read.words import word_set

COMPUTED = "?", "?"
"""What the machine calls a name that is no text but the outcome of a call."""

_PACKAGES = word_set(
    "os subprocess importlib http urllib xmlrpc multiprocessing asyncio concurrent ctypes _ctypes cffi dill cloudpickle joblib unittest "
    "ensurepip pip venv distutils setuptools pkg_resources requests aiohttp paramiko idlelib lib2to3 pydoc_data sqlite3 tkinter _tkinter "
    "dbm wsgiref psutil pexpect urllib2 httplib jsonpickle _pyrepl"
)
"""All of them, with what lies below."""
_MODULES = word_set(
    "posix nt sys runpy code codeop imp pkgutil shutil socket ssl ftplib smtplib telnetlib webbrowser pty popen2 signal marshal pickle "
    "_pickle cPickle shelve operator _operator inspect pydoc pdb bdb timeit trace profile cProfile doctest tempfile glob fileinput gc "
    "atexit site linecache zipimport test.support test.support.script_helper _posixsubprocess _io io _thread thread threading zipfile "
    "tarfile gzip bz2 lzma tokenize mmap compileall py_compile zipapp modulefinder rlcompleter cgitb socketserver imaplib poplib nntplib "
    "fcntl _imp _frozen_importlib _frozen_importlib_external _interpreters _xxsubinterpreters antigravity logging.handlers"
)
"""These alone: `code.model` or `test.Net` is somebody's own."""
_BRANCHES = (
    "torch.utils.cpp_extension", "torch.utils.model_zoo", "torch.package", "torch.hub", "torch.distributed.rpc", "torch._ops", "torch.ops",
    "torch.utils._cpp_extension_versioner", "torch._inductor.codecache", "torch.jit.unsupported_tensor_ops", "torch.jit.frontend",
    "torch.utils.collect_env", "torch.utils.bottleneck", "torch.distributed.run", "torch.distributed.elastic.multiprocessing",
    "torch.multiprocessing", "torch._classes", "torch.classes", "torch.testing._internal", "torch.utils.data.datapipes.utils.decoder",
    "torch._dynamo.guards", "numpy.f2py", "numpy.distutils", "numpy.lib.npyio", "numpy.lib._npyio_impl", "numpy.ctypeslib",
    "numpy.testing._private", "logging.config", "transformers.dynamic_module_utils", "hydra.utils", "sympy.parsing",
)  # fmt: skip
"""Parts, with what lies below, of packages that are harmless otherwise."""
_NAMES = frozenset(
    {
        ("types", "CodeType"), ("types", "FunctionType"), ("types", "LambdaType"), ("torch", "load"), ("torch", "compile"),
        ("torch", "save"), ("torch.serialization", "load"), ("torch.serialization", "save"), ("torch.jit", "load"), ("numpy", "load"),
        ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy", "save"), ("numpy", "savetxt"), ("numpy", "genfromtxt"), ("numpy", "loadtxt"),
        ("pandas", "read_pickle"), ("pandas", "eval"), ("torch.fx.graph_module", "reduce_graph_module"),
        ("torch.fx.graph_module", "reduce_package_graph_module"), ("torch.fx.graph_module", "_exec_with_source"),
        ("torch.fx.graph_module", "_forward_from_src"), ("logging", "FileHandler"), ("codecs", "open"), ("yaml", "load"),
        ("sympy", "sympify"), ("numexpr", "evaluate"), ("dataclasses", "make_dataclass"), ("typing", "get_type_hints"),
        ("uuid", "_get_command_stdout"), ("uuid", "_load_system_functions"), ("platform", "_syscmd_ver"),
    }
)  # fmt: skip
_LAST_NAMES = word_set(
    "exec eval system popen __import__ exec_module runstring _rebuild_from_code Popen spawn import_string load_library unsafe_load "
    "read_pickle from_file load_model execWrapper"
)
"""Whatever module they stand in."""
_REACHED = word_set(
    "os posix nt sys subprocess importlib builtins shutil socket ctypes pty runpy marshal pickle operator inspect types code hub package "
    "serialization"
)
"""As a part of a dotted name (`torch.serialization`, `os.remove`) they are what a module has imported."""
_WRITING_METHODS = word_set("write_text write_bytes unlink rmdir rename touch mkdir chmod symlink_to hardlink_to open read_text read_bytes")
HOOKS = word_set("__setstate__ __reduce__ __reduce_ex__ __class__ __getattr__ __getattribute__ __call__ __builtins__")
"""Attributes that, once set, have code of their setter's choice run by what comes after."""

_OPERATORS = word_set(
    "itemgetter attrgetter methodcaller getitem lt le gt ge eq ne add sub mul truediv floordiv mod pow neg pos abs not_ and_ or_ xor matmul"
)
_HARMLESS_NAMES = frozenset(
    {
        *((module, name) for module in ("operator", "_operator") for name in _OPERATORS),
        ("joblib.numpy_pickle", "NumpyArrayWrapper"), ("multiprocessing.context", "AuthenticationString"),
        ("io", "BytesIO"), ("_io", "BytesIO"), ("io", "StringIO"), ("_io", "StringIO"), ("signal", "Signals"), ("signal", "Handlers"),
        ("inspect", "_ParameterKind"), ("inspect", "Signature"), ("inspect", "Parameter"), ("inspect", "_empty"), ("os", "PathLike"),
        ("os", "stat_result"), ("http", "HTTPStatus"), ("http", "HTTPMethod"), ("socket", "AddressFamily"), ("socket", "SocketKind"),
    }
)  # fmt: skip
_HARMLESS_BUILTINS = word_set(
    "set frozenset list dict tuple int float bool str bytes bytearray complex object slice range type property staticmethod classmethod "
    "NotImplementedType ellipsis NoneType enumerate zip reversed print len min max sum abs round sorted Ellipsis NotImplemented iter next "
    "pow any all divmod hash id isinstance issubclass callable repr ord chr hasattr memoryview ascii bin hex oct format"
)
HANDING_OUT = frozenset(
    {("builtins", "getattr"), ("functools", "partial")}
    | {(module, name) for module in ("operator", "_operator") for name in ("itemgetter", "attrgetter", "methodcaller")}
)
"""What these hand out is harmless until it is called."""


def modern(module: str, name: str) -> tuple[str, str]:
    """Module and name as Python 3 calls them: protocols 0 to 2 write those that Python 2 had."""
    pair: tuple[str, str] | None = _compat_pickle.NAME_MAPPING.get((module, name))
    return pair or (_compat_pickle.IMPORT_MAPPING.get(module, module), name)


def is_dangerous(module: str, name: str) -> bool:
    """Whether looking a name up is reason for an alarm. `getattr` is not judged here: it depends on what it is given."""
    if (module, name) in _HARMLESS_NAMES or (module, name) == ("builtins", "getattr"):
        return False
    top, last = module.split(".")[0], name.split(".")[-1]
    if top == "builtins":
        return name not in _HARMLESS_BUILTINS and not name.endswith(("Error", "Warning", "Exception", "Iteration", "Interrupt", "Exit"))
    if (module, name) == COMPUTED or (module, name) in _NAMES or top in _PACKAGES or module in _MODULES:
        return True
    if any(module == branch or module.startswith(f"{branch}.") for branch in _BRANCHES) or _reaches_out(module, name):
        return True
    return last in _LAST_NAMES


def _reaches_out(module: str, name: str) -> bool:
    """Whether a name goes through what its module has imported, through a hidden attribute, or to a method that writes files."""
    parts = name.split(".")
    if any(part.lstrip("_") in _REACHED for part in parts) or any(part.startswith("__") and part.endswith("__") for part in parts):
        return True
    return len(parts) > 1 and module.split(".")[0] == "pathlib" and parts[-1] in _WRITING_METHODS


def is_harmless_attribute(name: str) -> bool:
    """Whether an attribute by this name is one that enumerations and methods are written by."""
    if name in _LAST_NAMES or name in _WRITING_METHODS or name.lstrip("_") in _REACHED:
        return False
    return name.isidentifier() and not name.startswith("__")
