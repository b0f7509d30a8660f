"""A `JobLike` that records what a pipeline reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class Recorder:
    """Records reports; requests `stop` once `stop_after` documents are done."""

    def __init__(self, stop: str | None = None, stop_after: int = 0) -> None:
        self.phases: list[str] = []
        self.details: list[str] = []
        self.done: list[tuple[int, int | None]] = []
        self.written: list[tuple[int, int, int, dict[str, int]]] = []
        self.page: list[str] = []
        self.warnings: list[str] = []
        self.results: dict[str, object] = {}
        self.stop = stop
        self.stop_after = stop_after

    def phase(self, name: str, detail: str = "") -> None:
        self.phases.append(name)
        self.details.append(detail)

    def progress(self, done: int, total: int | None, unit: str) -> None:
        assert unit == "documents"
        self.done.append((done, total))

    def drawn(self, *, documents: int, pages: int, rows: int, left_out: Mapping[str, int]) -> None:
        self.written.append((documents, pages, rows, dict(left_out)))

    def first_page(self, lines: Sequence[str]) -> None:
        self.page = list(lines)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    def result(self, **fields: object) -> None:
        self.results.update(fields)

    def stop_requested(self) -> str | None:
        return self.stop if self.done and self.done[-1][0] >= self.stop_after else None
