"""Read documents in a process of their own, which ends if one takes too much time or memory.

A small PDF file can unpack to gigabytes, and a damaged one can crash its parser.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading import document_server
from deepsynth_tui.dataset.reading.document_server import OUT_OF_MEMORY

GIB = 1 << 30
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of `ru_maxrss`, see getrusage(2)


class DocumentProcess(AbstractContextManager["DocumentProcess"]):
    """Extracts the text of documents; the process starts with the first of them.

    `max_seconds` are of processor time, so that it does not matter how busy the machine is.
    `max_memory` is in GiB.
    """

    def __init__(self, *, max_seconds: float, max_memory: float) -> None:
        self._max_seconds = max_seconds
        self._max_memory = max_memory
        self._process: subprocess.Popen[bytes] | None = None

    def __exit__(self, *error: object) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def extract_text(self, path: Path, encoding: str | None) -> str:
        """Return the text of a file.

        Raises:
            UnreadableDocument: it cannot be opened, is damaged, encrypted or without text, or takes
                more than the limits allow.
        """
        question = {"path": str(path), "encoding": encoding, "max_seconds": self._max_seconds}
        is_new = self._process is None
        answer = self._ask(question)
        if "text" not in answer and "unreadable" not in answer and not is_new:
            # Earlier documents may have left less memory: only a new process tells for certain.
            self.__exit__()
            answer = self._ask(question)
        if "text" in answer:
            return answer["text"]
        if "unreadable" in answer:
            raise UnreadableDocument(*answer["unreadable"])
        self.__exit__()
        raise self._limit_error(answer)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of the process, or how it ended: `signal` and `memory` in bytes."""
        if self._process is None:
            self._process = self._start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        size = int(self._max_memory * GIB)
        return subprocess.Popen(
            [sys.executable, "-m", document_server.__name__, str(size)],
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

    def _limit_error(self, answer: dict[str, Any]) -> UnreadableDocument:
        code = answer.get("exit_code", 0)
        if code == -signal.SIGXCPU:
            return UnreadableDocument(
                f"a document that takes more than {self._max_seconds:g} seconds to read",
                "Raise source.max_document_seconds, or split the document.",
            )
        # Parsers abort, or write to address 0, if an allocation fails.
        if OUT_OF_MEMORY in answer or answer["memory"] > self._max_memory * GIB / 2:
            return UnreadableDocument(
                f"a document that takes more than {self._max_memory:g} GiB of memory to read",
                "Raise source.max_document_memory, or split the document.",
            )
        ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return UnreadableDocument(
            "a document that its parser crashes on", "Convert it, or repair it.", ended
        )
