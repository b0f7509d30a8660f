"""The lines of the report: `PASS|FAIL|NOTE check: figures`, and the same as JSON."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import torch

RESULTS = "results.jsonl"
log = logging.getLogger(__name__)


class Report:
    """Prints a line for each check and appends it to `folder`.

    Without a GPU a check says TRIED where it would say PASS: nothing is known of a GPU then.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.on_gpu = torch.cuda.is_available()
        self.failed = False
        self._started = time.monotonic()

    def line(self, check: str, passed: bool | None, **figures: object) -> None:
        """Report a check; one that only informs has no `passed`."""
        self.failed |= passed is False
        word = {True: "PASS" if self.on_gpu else "TRIED", False: "FAIL", None: "NOTE"}[passed]
        shown = ", ".join(f"{name} {_text(value)}" for name, value in figures.items())
        seconds = time.monotonic() - self._started
        print(f"{word} {check}: {shown}   [{seconds:.0f} s]", flush=True)  # noqa: T201 - a report
        entry = {"verdict": word, "check": check, "seconds": round(seconds, 1), **figures}
        with (self.folder / RESULTS).open("a") as file:
            file.write(json.dumps(entry, default=str) + "\n")

    @contextlib.contextmanager
    def check(self, name: str) -> Iterator[None]:
        """Report a check that ends in an exception as failed; the next one runs all the same."""
        try:
            yield
        except Exception as error:
            log.exception("%s", name)
            reason = (str(error).splitlines() or [""])[0][:300]
            self.line(name, False, error=type(error).__name__, reason=reason)
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
