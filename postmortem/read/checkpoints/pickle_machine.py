"""Interprets a pickle without running it: every opcode of protocols 0 to 5, and nothing that it names is imported, called or built.

A pickle is a program for a small stack machine. Here a name stays a `Global`, and a call of it becomes a `Built` that records what was to
be called with what, and which state, items and pairs it was to be given. What the names mean is for others to judge. Long byte strings
are views of the file. There is no list of names to trust, so there is none to keep up to date.

The opcodes are those of CPython's Lib/pickletools.py.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from postmortem.read.checkpoints.inert import Built, Global, Reference

MAX_OPCODES = 8_000_000
"""More than any checkpoint needs (a tensor takes some thirty, a number in a list one), and few enough to bound time and memory."""
_MAX_DIGITS, _MAX_NUMBER_BYTES = 1024, 2**16
_MAX_CALLS = 1_000_000
"""Each is kept, with what it was called with."""
_MAX_SLOT = 2**32
_KEY_LEAVES = 256
_ALIKE = 2**60
"""Whole numbers of this size and more can be chosen so that all have one hash; as texts, whose hashes nobody can choose, they cannot."""
_SHORT_BYTES = 64
"""Byte strings up to this length are copied, so that they can be keys and be compared."""
_KEY_DEPTH = 4
_MARK = object()


@dataclass(frozen=True, slots=True, eq=False)
class Interpreted:
    """One pickle, interpreted as far as its bytes allow."""

    value: Any
    """None where the pickle did not run to its end."""
    globals: tuple[Global, ...]
    """Every name that it looks up, in order of first use, once each."""
    calls: tuple[Built, ...]
    """Every call that it makes, in order."""
    references: tuple[Reference, ...]
    protocol: int
    end: int
    """Position behind its last byte read."""
    error: str
    """Why it stopped short of its end; empty where it did not."""

    @property
    def complete(self) -> bool:
        """Whether it ran to its STOP."""
        return not self.error


class _Halt(Exception):  # noqa: N818 - no error: the program's regular end
    pass


class _BadPickleError(Exception):
    pass


def interpret(memory: memoryview, start: int = 0, home: object = None) -> Interpreted:
    """Interpret the pickle that begins at `start`. Never raises for what the bytes hold; nested values keep views of `memory`."""
    machine = _Machine(memory, start, home)
    error, value = "", None
    try:
        value = machine.run()
    except _BadPickleError as bad:
        error = str(bad)
    except (IndexError, struct.error):
        error = "its bytes end, or its stack is empty, in the middle of an instruction"
    except (ValueError, OverflowError, TypeError, AttributeError, UnicodeError) as bad:
        error = f"an instruction has an operand that it cannot have ({type(bad).__name__})"
    return Interpreted(
        value,
        tuple(machine.globals.values()),
        tuple(machine.calls),
        tuple(machine.references),
        machine.protocol,
        machine.position,
        f"{error} (byte {machine.position})" if error else "",
    )


def _hashable(key: Any) -> Hashable:
    """The key itself, or a text in its place where it cannot be one, or can be one of many that are made to collide."""
    return _as_key(key, 0, [_KEY_LEAVES])


def _as_key(key: Any, depth: int, left: list[int]) -> Hashable:
    """Python hashes a tuple with one frame of C for each level: a tuple of a million levels would end the process."""
    left[0] -= 1
    if isinstance(key, tuple):
        if depth >= _KEY_DEPTH or len(key) > left[0]:
            return "(a tuple)"
        return tuple(_as_key(item, depth + 1, left) for item in key)
    if isinstance(key, (int, float)) and not isinstance(key, bool) and not -_ALIKE < key < _ALIKE:
        return repr(key)
    if key is None or isinstance(key, (bool, int, float, str, bytes, Global, Built, Reference)):
        found: Hashable = key
        return found
    return f"(a {type(key).__name__})"


class _Machine:
    """The stack, the memo and the position. One instance runs one pickle."""

    def __init__(self, memory: memoryview, start: int, home: object) -> None:
        self.memory = memory
        self.position = start
        self.home = home
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.globals: dict[tuple[str, str], Global] = {}
        self.calls: list[Built] = []
        self.references: list[Reference] = []
        self.protocol = 0

    def run(self) -> Any:
        memory, handlers = self.memory, _HANDLERS
        for _ in range(MAX_OPCODES):
            handler = handlers.get(memory[self.position])
            if handler is None:
                raise _BadPickleError(f"byte {memory[self.position]:#04x} is no instruction of a pickle")
            self.position += 1
            try:
                handler(self)
            except _Halt:
                return self.stack.pop()
        raise _BadPickleError(f"it goes on after {MAX_OPCODES} instructions")

    # --- operands

    def take(self, length: int) -> memoryview:
        begin, end = self.position, self.position + length
        if length < 0 or end > len(self.memory):
            raise _BadPickleError("its bytes end in the middle of an operand")
        self.position = end
        return self.memory[begin:end]

    def number(self, form: str) -> Any:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form)))
        return value

    def line(self) -> bytes:
        """Bytes up to the next line feed, which is passed over."""
        length, step = 0, 256
        while True:
            piece = bytes(self.memory[self.position + length : self.position + length + step])
            at = piece.find(b"\n")
            if at >= 0:
                text = bytes(self.take(length + at))
                self.position += 1
                return text
            if len(piece) < step:
                raise _BadPickleError("its bytes end in the middle of a line")
            length, step = length + step, step * 2

    def text(self, length: int) -> str:
        return str(self.take(length), "utf-8", "surrogatepass")

    def raw(self, length: int) -> bytes | memoryview:
        found = self.take(length)
        return bytes(found) if length <= _SHORT_BYTES else found

    # --- the stack

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def to_mark(self) -> list[Any]:
        """Everything above the last mark; the mark goes too."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                values = self.stack[place + 1 :]
                del self.stack[place:]
                return values
        raise _BadPickleError("it asks for a mark that was never set")

    def named(self, module: Any, name: Any) -> Global:
        key = (module, name) if isinstance(module, str) and isinstance(name, str) else ("?", "?")
        found = self.globals.get(key)
        if found is None:
            found = self.globals[key] = Global(*key)
        return found

    def call(self, of: Any, arguments: Any, keywords: Any = None) -> None:
        if len(self.calls) >= _MAX_CALLS:
            raise _BadPickleError(f"it makes more than {_MAX_CALLS} calls")
        held = arguments if isinstance(arguments, tuple) else (arguments,)
        built = Built(of, held, keywords if isinstance(keywords, dict) else {})
        self.calls.append(built)
        self.push(built)

    def refer(self, id: Any) -> None:
        reference = Reference(id, self.home)
        self.references.append(reference)
        self.push(reference)

    def remember(self, slot: int) -> None:
        if not 0 <= slot < _MAX_SLOT:
            raise _BadPickleError(f"it keeps a value under the number {slot}")
        self.memo[slot] = self.stack[-1]

    def recall(self, slot: int) -> None:
        if slot not in self.memo:
            raise _BadPickleError(f"it asks for value {slot}, which was never kept")
        self.push(self.memo[slot])

    # --- instructions that take more than an expression

    def op_stop(self) -> None:
        raise _Halt

    def op_proto(self) -> None:
        self.protocol = self.take(1)[0]

    def op_long_text(self) -> None:
        line = self.line().rstrip(b"L")
        if len(line) > _MAX_DIGITS:
            raise _BadPickleError("a number has more digits than any that counts something")
        self.push(int(line))

    def op_int_text(self) -> None:
        line = self.line()
        self.push({b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line[:_MAX_DIGITS]))

    def op_long(self, length: int) -> None:
        digits = self.take(length)
        self.push(int.from_bytes(digits, "little", signed=True) if length <= _MAX_NUMBER_BYTES else None)

    def op_string_text(self) -> None:
        line = self.line().strip()
        if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
            raise _BadPickleError("a string without its quotes")
        self.push(codecs.escape_decode(line[1:-1])[0].decode("latin-1"))

    def op_old_string(self, length: int) -> None:
        # Strings of Python 2 hold text and raw bytes alike. Latin-1 loses nothing of either.
        self.push(str(self.take(length), "latin-1"))

    def op_global(self) -> None:
        module = self.line().decode("utf-8")
        self.push(self.named(module, self.line().decode("utf-8")))

    def op_stack_global(self) -> None:
        name = self.stack.pop()
        self.push(self.named(self.stack.pop(), name))

    def op_inst(self) -> None:
        module = self.line().decode("utf-8")
        made = self.named(module, self.line().decode("utf-8"))
        self.call(made, tuple(self.to_mark()))

    def op_obj(self) -> None:
        values = self.to_mark()
        self.call(values[0], tuple(values[1:]))

    def op_reduce(self) -> None:
        arguments = self.stack.pop()
        self.call(self.stack.pop(), arguments)

    def op_newobj_ex(self) -> None:
        keywords = self.stack.pop()
        arguments = self.stack.pop()
        self.call(self.stack.pop(), arguments, keywords)

    def op_build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Built):
            self.stack[-1].states.append(state)

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, Built):
            target.items.extend(values)
        else:
            raise _BadPickleError("it adds to what is no list")

    def op_append(self) -> None:
        value = self.stack.pop()
        self.extend([value])

    def update(self, values: list[Any]) -> None:
        target = self.stack[-1]
        pairs = list(zip(values[::2], values[1::2], strict=True))
        if isinstance(target, dict):
            target.update((_hashable(key), value) for key, value in pairs)
        elif isinstance(target, Built):
            target.pairs.extend(pairs)
        else:
            raise _BadPickleError("it sets a key of what is no table")

    def op_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self.update([key, value])

    def op_setitems(self) -> None:
        self.update(self.to_mark())

    def op_dict(self) -> None:
        values = self.to_mark()
        self.push({})
        self.update(values)

    def tuple_of(self, length: int) -> None:
        values = tuple(self.stack[-length:])
        if len(values) < length:
            raise _BadPickleError("its stack holds fewer values than a tuple asks for")
        del self.stack[-length:]
        self.push(values)


Handler = Callable[[_Machine], None]

# Sets become lists, which hold what cannot be hashed as well; frozen ones become tuples.
_HANDLERS: dict[int, Handler] = {
    ord(code): handler
    for code, handler in {
        "(": lambda m: m.push(_MARK),
        ".": _Machine.op_stop,
        "0": lambda m: m.stack.pop(),
        "1": lambda m: m.to_mark(),
        "2": lambda m: m.push(m.stack[-1]),
        "F": lambda m: m.push(float(m.line())),
        "I": _Machine.op_int_text,
        "J": lambda m: m.push(m.number("<i")),
        "K": lambda m: m.push(m.take(1)[0]),
        "L": _Machine.op_long_text,
        "M": lambda m: m.push(m.number("<H")),
        "N": lambda m: m.push(None),
        "P": lambda m: m.refer(m.line().decode("latin-1")),
        "Q": lambda m: m.refer(m.stack.pop()),
        "R": _Machine.op_reduce,
        "S": _Machine.op_string_text,
        "T": lambda m: m.op_old_string(m.number("<i")),
        "U": lambda m: m.op_old_string(m.take(1)[0]),
        "V": lambda m: m.push(m.line().decode("raw-unicode-escape")),
        "X": lambda m: m.push(m.text(m.number("<I"))),
        "a": _Machine.op_append,
        "b": _Machine.op_build,
        "c": _Machine.op_global,
        "d": _Machine.op_dict,
        "}": lambda m: m.push({}),
        "e": lambda m: m.extend(m.to_mark()),
        "g": lambda m: m.recall(int(m.line())),
        "h": lambda m: m.recall(m.take(1)[0]),
        "i": _Machine.op_inst,
        "j": lambda m: m.recall(m.number("<I")),
        "l": lambda m: m.push(m.to_mark()),
        "]": lambda m: m.push([]),
        "o": _Machine.op_obj,
        "p": lambda m: m.remember(int(m.line())),
        "q": lambda m: m.remember(m.take(1)[0]),
        "r": lambda m: m.remember(m.number("<I")),
        "s": _Machine.op_setitem,
        "t": lambda m: m.push(tuple(m.to_mark())),
        ")": lambda m: m.push(()),
        "u": _Machine.op_setitems,
        "G": lambda m: m.push(m.number(">d")),
        # protocol 2
        "\x80": _Machine.op_proto,
        "\x81": _Machine.op_reduce,  # NEWOBJ: a class in place of a function
        "\x82": lambda m: m.push(m.named("copyreg", f"extension {m.take(1)[0]}")),
        "\x83": lambda m: m.push(m.named("copyreg", f"extension {m.number('<H')}")),
        "\x84": lambda m: m.push(m.named("copyreg", f"extension {m.number('<i')}")),
        "\x85": lambda m: m.tuple_of(1),
        "\x86": lambda m: m.tuple_of(2),
        "\x87": lambda m: m.tuple_of(3),
        "\x88": lambda m: m.push(True),
        "\x89": lambda m: m.push(False),
        "\x8a": lambda m: m.op_long(m.take(1)[0]),
        "\x8b": lambda m: m.op_long(m.number("<i")),
        # protocol 3
        "B": lambda m: m.push(m.raw(m.number("<I"))),
        "C": lambda m: m.push(m.raw(m.take(1)[0])),
        # protocol 4
        "\x8c": lambda m: m.push(m.text(m.take(1)[0])),
        "\x8d": lambda m: m.push(m.text(m.number("<Q"))),
        "\x8e": lambda m: m.push(m.raw(m.number("<Q"))),
        "\x8f": lambda m: m.push([]),
        "\x90": lambda m: m.extend(m.to_mark()),
        "\x91": lambda m: m.push(tuple(m.to_mark())),
        "\x92": _Machine.op_newobj_ex,
        "\x93": _Machine.op_stack_global,
        "\x94": lambda m: m.remember(len(m.memo)),
        "\x95": lambda m: m.take(8),  # the length of a frame, which only buffered readers need
        # protocol 5
        "\x96": lambda m: m.push(m.raw(m.number("<Q"))),
        "\x97": lambda m: m.refer("a buffer that was handed over beside the pickle"),
        "\x98": lambda m: None,
    }.items()
}
