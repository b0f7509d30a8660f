"""A process that extracts the text of documents, with a limit on its time and memory.

`python -m deepsynth_tui.dataset.reading.document_server` answers each line on stdin, a JSON
question, with a line on stdout. `document_process` asks it.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from deepsynth_tui.dataset.errors import UnreadableDocument
from deepsynth_tui.dataset.reading.extract_text import extract_text

OUT_OF_MEMORY = "out of memory"
STATM = Path("/proc/self/statm")


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """Return the text of the document, or why there is none."""
    _limit_time(question["max_seconds"])
    try:
        return {"text": extract_text(Path(question["path"]), question["encoding"])}
    except UnreadableDocument as error:
        return {"unreadable": [error.reason, error.advice, error.detail]}
    except MemoryError:
        return {OUT_OF_MEMORY: True}
    except Exception as error:  # noqa: BLE001 - a parser that fails on one of many documents
        traceback.print_exc()
        detail = f"{type(error).__name__}: {error}"
        return {"unreadable": ["a document that its parser fails on", "Convert it.", detail]}


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


def main() -> int:
    """Answer until stdin ends. The argument is the memory in bytes that a document may take."""
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
            text = json.dumps(answer(json.loads(line)))
        except MemoryError:
            text = json.dumps({OUT_OF_MEMORY: True})
        answers.write(text + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
