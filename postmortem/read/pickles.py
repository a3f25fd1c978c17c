"""What a pickle would call if it were loaded, found by walking its opcodes. Nothing is imported, called or built.

`torch.load(weights_only=True)` is the only loader in this program. Where it refuses, this module names what the file asked for, so that
the report can tell an attack from a harmless class that a safe load does not admit.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from postmortem.read.word_sets import word_set

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""First object of torch's legacy format."""
_LEGACY_PICKLES = 5
_MAX_OPCODES = 2_000_000
_MAX_PICKLE_BYTES = 256 * 2**20

# Modules whose functions run commands, load code, reach the file system or the network, or hand out any of these.
_DANGEROUS_MODULES = word_set(
    "os posix nt subprocess sys runpy code codeop importlib imp pkgutil shutil socket ssl http urllib ftplib smtplib telnetlib xmlrpc "
    "webbrowser pty popen2 multiprocessing asyncio signal ctypes _ctypes cffi marshal pickle _pickle cPickle dill cloudpickle "
    "joblib shelve operator _operator inspect pydoc pdb bdb timeit trace profile cProfile doctest unittest tempfile glob fileinput "
    "ensurepip pip venv distutils setuptools pkg_resources requests aiohttp paramiko gc atexit site idlelib lib2to3 test linecache "
    "zipimport"
)
# Of `builtins`, these only build values.
_HARMLESS_BUILTINS = word_set("set frozenset list dict tuple int float bool str bytes bytearray complex object slice range")
# Functions of otherwise harmless packages that run what they are given.
_DANGEROUS_NAMES = frozenset(
    {
        ("io", "open"),
        ("io", "open_code"),
        ("_io", "open"),
        ("_io", "FileIO"),
        ("types", "CodeType"),
        ("types", "FunctionType"),
        ("logging.config", "dictConfig"),
        ("torch", "load"),
        ("torch", "compile"),
        ("torch.serialization", "load"),
        ("torch.jit", "load"),
        ("torch.hub", "load"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy.testing._private.utils", "runstring"),
        ("pandas", "read_pickle"),
        ("pandas", "eval"),
        ("torch._inductor.codecache", "compile_file"),
        ("torch.fx.graph_module", "reduce_graph_module"),
        ("torch.fx.graph_module", "reduce_package_graph_module"),
    }
)
# Protocols 0 to 2 write the names that modules had in Python 2.
_RENAMED = {"__builtin__": "builtins", "commands": "subprocess", "copy_reg": "copyreg"}
_DANGEROUS_LAST_NAMES = frozenset({"exec", "eval", "system", "popen", "__import__", "exec_module", "runstring", "_rebuild_from_code"})


@dataclass(frozen=True, slots=True)
class PickleScan:
    """What the opcodes of one file say."""

    wanted: tuple[str, ...]
    """Every global that is looked up, as `module.name`, in order of first use, once each."""
    dangerous: tuple[str, ...]
    """Those of them that run code or reach outside."""
    refused: tuple[str, ...]
    """The rest of those that a safe load of torch does not admit."""
    protocol: int
    is_torch: bool
    """The first object is torch's magic number (legacy format), or the pickle stands in a torch zip."""
    complete: bool
    """Each pickle ran to its STOP."""


def _is_dangerous(module: str, name: str) -> bool:
    top = module.split(".")[0]
    if top == "builtins":
        return name not in _HARMLESS_BUILTINS
    last = name.split(".")[-1]
    return top in _DANGEROUS_MODULES or (module, name) in _DANGEROUS_NAMES or last in _DANGEROUS_LAST_NAMES


def _is_admitted(module: str, name: str) -> bool:
    """Roughly what `weights_only=True` admits; used to word a refusal, never to allow anything."""
    if module == "collections":
        return name in ("OrderedDict", "defaultdict", "Counter")
    if module == "builtins":
        return name in _HARMLESS_BUILTINS
    if module == "torch":
        return (
            name.endswith("Storage")
            or name in ("Size", "device", "Tensor")
            or name.startswith(("float", "int", "uint", "bfloat", "complex"))
        )
    if module == "_codecs":
        return name == "encode"
    return (module == "torch._utils" and name.startswith("_rebuild_")) or (module, name) in {
        ("torch.nn.parameter", "Parameter"),
        ("torch._tensor", "_rebuild_from_type_v2"),
        ("torch.serialization", "_get_layout"),
        ("torch.storage", "UntypedStorage"),
    }


def _globals(stream: IO[bytes], budget: list[int]) -> tuple[list[tuple[str, str]], int, bool, bool]:
    """Globals of one pickle, its protocol, whether it ran to STOP, and whether its first object is torch's magic number."""
    found: list[tuple[str, str]] = []
    strings: list[str] = []
    memo: dict[int, str] = {}
    protocol, stopped, magic, memoized = 0, False, False, 0
    last: str | None = None
    try:
        for opcode, argument, _position in pickletools.genops(stream):
            budget[0] -= 1
            if budget[0] < 0:
                break
            name = opcode.name
            if name == "PROTO":
                protocol = int(argument or 0)
            elif name in ("GLOBAL", "INST") and isinstance(argument, str):
                module, _, attribute = argument.partition(" ")
                found.append((module, attribute))
                last = None
            elif name == "STACK_GLOBAL":
                module, attribute = ["?", "?", *strings][-2:]
                found.append((module, attribute))
                last = None
            elif name.startswith("EXT"):
                found.append(("copyreg", f"extension {argument}"))
                last = None
            elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
                slot = memoized if argument is None else int(argument)
                memoized += 1
                if last is not None:
                    memo[slot] = last
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                last = memo.get(int(argument or 0))
                if last is not None:
                    strings.append(last)
            elif isinstance(argument, str):
                last = argument
                strings.append(argument)
            else:
                last = None
                magic = magic or argument == TORCH_MAGIC
            del strings[:-64]
            stopped = name == "STOP"
    except (ValueError, EOFError, OverflowError, IndexError, KeyError):
        # A cut or garbled pickle: what was found up to here stands.
        stopped = False
    return found, protocol, stopped, magic


def scan(stream: IO[bytes], *, in_torch_zip: bool = False) -> PickleScan:
    """Walk the pickle that starts here (five in a row in torch's legacy format). Never raises for what the bytes hold."""
    budget = [_MAX_OPCODES]
    found, protocol, complete, magic = _globals(stream, budget)
    if magic:
        for _ in range(_LEGACY_PICKLES - 1):
            more, _protocol, stopped, _magic = _globals(stream, budget)
            found += more
            complete = complete and stopped
            if not stopped:
                break
    unique = list(dict.fromkeys((_RENAMED.get(module, module), name) for module, name in found))
    dangerous = [pair for pair in unique if _is_dangerous(*pair)]
    refused = [pair for pair in unique if pair not in dangerous and not _is_admitted(*pair)]
    return PickleScan(
        tuple(".".join(pair) for pair in unique),
        tuple(".".join(pair) for pair in dangerous),
        tuple(".".join(pair) for pair in refused),
        protocol,
        magic or in_torch_zip,
        complete,
    )


def scan_file(path: Path) -> PickleScan:
    """Walk a bare pickle or the pickles of a torch zip. Raises OSError and zipfile.BadZipFile."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            stream.seek(0)
            return scan(stream)
    with zipfile.ZipFile(path) as archive:
        member = next((info for info in archive.infolist() if info.filename.split("/")[-1] == "data.pkl"), None)
        if member is None or member.file_size > _MAX_PICKLE_BYTES:
            return PickleScan((), (), (), 0, False, False)
        return scan(io.BytesIO(archive.read(member)), in_torch_zip=True)


def listed(names: tuple[str, ...], most: int = 4) -> str:
    """Names for a sentence, the first few of many, with control characters of strangers left out."""
    shown = ["".join(letter if letter.isprintable() else "?" for letter in name[:80]) for name in names[:most]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
