"""The server of a `LimitedProcess`: answers questions with a limit on its time and memory.

A server is a module whose `main` returns `serve_limited(handler)`. It answers each line on stdin, a
JSON question, with a line on stdout.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

OUT_OF_MEMORY = "out of memory"
STATM = Path("/proc/self/statm")


def serve_limited(handler: Callable[[Any], Any]) -> int:
    """Answer until stdin ends.

    The argument of the process is the memory in bytes that an answer may take.
    """
    # Signals to the process group are for the job.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    # What a parser prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _limit_memory(int(sys.argv[1]))
    for line in sys.stdin.buffer:
        try:
            text = _answer(json.loads(line), handler)
        except MemoryError:
            text = json.dumps({OUT_OF_MEMORY: True})
        answers.write(text + "\n")
        answers.flush()
    return 0


def _answer(envelope: dict[str, Any], handler: Callable[[Any], Any]) -> str:
    _limit_time(envelope["max_seconds"])
    return json.dumps({"answer": handler(envelope["question"])})


def _limit_time(seconds: float) -> None:
    """Let the kernel end this process after so many more seconds of processor time."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    end = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (end, hard))


def _limit_memory(size: int) -> None:
    """Let allocations of more than `size` bytes from here on fail (macOS has no such limit)."""
    present = 0
    if STATM.is_file():
        present = int(STATM.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (present + size, hard))
