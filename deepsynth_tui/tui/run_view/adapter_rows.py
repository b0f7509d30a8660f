"""The rows of the list of adapters, filtered. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deepsynth_tui.runs.console import sanitize
from deepsynth_tui.runs.directory import without_date
from deepsynth_tui.units import format_bytes
from deepsynth_tui.workflows.adapter_look import AdapterEntry


def short_name(entry: AdapterEntry) -> str:
    """Return the id of a run without its date, or the last part of a path."""
    name = entry.name.rstrip("/")
    if name.startswith(("/", "~", ".")):
        name = name.rpartition("/")[2] or name
    return sanitize(without_date(name))


def kind_text(entry: AdapterEntry) -> str:
    """Return the rank of a LoRA, or the kind of another adapter."""
    if entry.kind != "LORA":
        return sanitize(entry.kind)
    return "" if entry.rank is None else f"r{entry.rank}"


def problem_text(entry: AdapterEntry) -> str:
    """Return why an adapter cannot be used, without the path that it may begin with."""
    if not entry.problem.startswith(entry.path):
        return sanitize(entry.problem)
    _, _, reason = entry.problem.removeprefix(entry.path).partition(" ")
    return sanitize(reason.removeprefix("is "))


def filtered(entries: Sequence[AdapterEntry], text: str) -> list[AdapterEntry]:
    """Return the adapters that have every word of `text` in a column."""
    words = text.casefold().split()
    return [entry for entry in entries if all(word in _searched(entry) for word in words)]


def _searched(entry: AdapterEntry) -> str:
    texts = (entry.name, entry.path, entry.base, kind_text(entry), entry.problem)
    return " ".join(texts).casefold()


def entry_lines(entry: AdapterEntry) -> Iterator[tuple[str, str]]:
    """Yield what the list knows of an adapter before its files are read."""
    yield "Adapter", sanitize(entry.path)
    if entry.problem:
        yield "Problem", sanitize(entry.problem)
    else:
        yield "Base", sanitize(entry.base)
        yield "Size", format_bytes(entry.bytes)
