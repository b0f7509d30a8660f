"""Work on files of strangers in a process that ends if one takes too much time or memory.

A small PDF file can unpack to gigabytes, and a damaged one can crash its parser.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, suppress
from typing import Any, Literal

from deepsynth_tui.limited_server import OUT_OF_MEMORY

GIB = 1 << 30
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of `ru_maxrss`, see getrusage(2)


class LimitExceeded(Exception):
    """The process ended without an answer.

    Attributes:
        limit: "time" or "memory", "crash" if it was neither.
        detail: How the process ended, in a crash.
    """

    def __init__(self, limit: Literal["time", "memory", "crash"], detail: str = "") -> None:
        super().__init__(limit, detail)
        self.limit = limit
        self.detail = detail


class LimitedProcess(AbstractContextManager["LimitedProcess"]):
    """Asks a server, a module that calls `serve_limited`. The process starts with a question.

    `max_seconds` are of processor time, so that it does not matter how busy the machine is.
    `max_memory` is in GiB. Both hold for each question.
    """

    def __init__(self, server: str, *, max_seconds: float, max_memory: float) -> None:
        self._server = server
        self._max_seconds = max_seconds
        self._max_memory = max_memory
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __exit__(self, *error: object) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def ask(self, question: Any) -> Any:
        """Return the answer of the server to a question of JSON types.

        Raises LimitExceeded: it took more than the limits allow, or crashed.
        """
        with self._lock:
            is_new = self._process is None
            reply = self._ask(question)
            if "answer" not in reply and not is_new:
                # Earlier files may have left less memory: only a new process tells for certain.
                self.__exit__()
                reply = self._ask(question)
            if "answer" in reply:
                return reply["answer"]
            self.__exit__()
            raise self._exceeded(reply)

    def _ask(self, question: Any) -> dict[str, Any]:
        """Return the reply of the process, or how it ended: its exit code, and memory in bytes."""
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        envelope = {"question": question, "max_seconds": self._max_seconds}
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(envelope).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", self._server, str(int(self._max_memory * GIB))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def _end(self) -> dict[str, Any]:
        """Wait for the end of the process and return how it ended."""
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return {"exit_code": process.returncode, "memory": usage.ru_maxrss * _RSS_UNIT}

    def _exceeded(self, reply: dict[str, Any]) -> LimitExceeded:
        code = reply.get("exit_code", 0)
        if code == -signal.SIGXCPU:
            return LimitExceeded("time")
        # Parsers abort, or write to address 0, if an allocation fails.
        if OUT_OF_MEMORY in reply or reply["memory"] > self._max_memory * GIB / 2:
            return LimitExceeded("memory")
        ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return LimitExceeded("crash", ended)
