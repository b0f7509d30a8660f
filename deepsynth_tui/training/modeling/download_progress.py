"""The progress of a download from the Hub, reported instead of drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

NETWORK_BYTES = "Downloading bytes"
"""The Hub's second bar of the same files, in bytes before they are decompressed."""

Report = Callable[[int, int], None]
"""Called with the bytes that are on disk and the bytes of all files."""


def reporting_bar(report: Report) -> type[tqdm]:
    """Return a `tqdm_class` for the Hub's functions that calls `report` and draws nothing."""

    class ReportingBar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "file": io.StringIO(), "disable": False})

        def display(self, *_: Any, **__: Any) -> None:
            # Another bar counts files.
            if self.unit == "B" and self.total and not self.desc.startswith(NETWORK_BYTES):
                report(int(self.n), int(self.total))

    return ReportingBar
