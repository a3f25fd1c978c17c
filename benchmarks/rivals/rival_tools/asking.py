"""A process that answers one request after the other, with a time limit for each; it is started again after a crash."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

WORKER = Path(__file__).resolve().parent.parent / "worker.py"
LONGEST_ERROR = 300
"""Characters of an error that are kept."""


class AskingError(Exception):
    """The process died of the request, or took too long."""


class Worker:
    """Speaks with one `worker.py`. A context: leaving it ends the process."""

    def __init__(self, python: Path, name: str, environment: Mapping[str, str]) -> None:
        """Nothing is started before the first request.

        Args:
            python: the interpreter that has what the worker needs.
            name: `hand-over`, or a tool.
            environment: variables of the process.
        """
        self._command: Sequence[str] = (str(python), str(WORKER), name)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the context

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end()
        self._errors.close()

    def ask(self, request: Mapping[str, str], limit_seconds: float) -> Any:
        """The answer to one request.

        Raises:
            AskingError: with what the process last said, or that the time was over.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = self._line(process, limit_seconds)
        except BrokenPipeError:
            line = b""
        if line is None:
            self._end()
            raise AskingError(f"no answer within {limit_seconds:g} s")
        if not line.endswith(b"\n"):
            code = process.wait()
            said = self._last_words()
            self._end()
            raise AskingError(said or f"ended with exit code {code}")
        return json.loads(line)

    def _start(self) -> subprocess.Popen[bytes]:
        self._errors.seek(0)
        self._errors.truncate()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=self._environment
        )
        return self._process

    def _line(self, process: subprocess.Popen[bytes], limit_seconds: float) -> bytes | None:
        """One line, what there is of it where the process ended, or None where the time is over."""
        assert process.stdout is not None
        pipe, until, line = process.stdout.fileno(), time.monotonic() + limit_seconds, b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            piece = os.read(pipe, 1 << 16)
            if not piece:
                break
            line += piece
        return line

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:LONGEST_ERROR] if lines else ""

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None
