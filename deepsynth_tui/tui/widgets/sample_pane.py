"""What the model made of an input before, during and after training, and the run's warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from deepsynth_tui.runs.console import clean
from deepsynth_tui.runs.state import RunState, Sample, Warned
from deepsynth_tui.tui.widgets.pairs import pairs

LONGEST_TEXT = 600
"""Characters shown of one text."""
LAST_OUTPUTS = 3
"""Outputs shown of one input besides the first: every evaluation adds one."""


class SamplePane(VerticalScroll):
    """Samples grouped by their input, the newest output last."""

    DEFAULT_CSS = """
    SamplePane {
        height: 1fr;
        scrollbar-size: 0 1;
        scrollbar-background: $background;
        scrollbar-color: $panel;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._text = Static()
        self._shown: tuple[object, object] = ((), ())

    def compose(self) -> ComposeResult:
        """One text, which scrolls."""
        yield self._text

    def show(self, state: RunState) -> None:
        """Show the samples and warnings in `state`."""
        if self._shown != (state.samples, state.warnings):
            self._shown = (state.samples, state.warnings)
            self._text.update(_text(state.samples, state.warnings))


def _text(samples: Sequence[Sample], warnings: Sequence[Warned]) -> Group:
    parts: list[Text | Table] = [Text("samples", "bold")]
    if not samples:
        parts.append(Text("The model answers one input before and after training.", "dim"))
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.input, []).append(sample)
    for group in groups.values():
        parts += [pairs(_sample(group)), Text()]
    if warnings:
        parts += [Text("warnings", "bold"), pairs(("!", _warning(warned)) for warned in warnings)]
    return Group(*parts)


def _sample(group: Sequence[Sample]) -> Iterator[tuple[str, str | Text]]:
    yield "input", Text(_or_nothing(group[0].input), "dim")
    yield "target", _or_nothing(group[0].target)
    left_out = max(0, len(group) - 1 - LAST_OUTPUTS)
    for place, sample in enumerate(group):
        if place == 1 and left_out:
            yield "…", Text(f"{left_out} more are in events.jsonl", "dim")
        if 0 < place <= left_out:
            continue
        when = sample.when if sample.step is None else f"step {sample.step}"
        yield when, Text(_or_nothing(sample.output), "bold" if sample.when == "after" else "")


def _or_nothing(text: str) -> str:
    return short(text) or "(nothing)"


def _warning(warned: Warned) -> str:
    times = f" ({warned.count} times)" if warned.count > 1 else ""
    return f"{short(warned.message)}{times}"


def short(text: str) -> str:
    """`text` in one printable paragraph, cut where it is long."""
    flat = clean(" ".join(text.split()))
    return flat if len(flat) <= LONGEST_TEXT else f"{flat[:LONGEST_TEXT]}…"
