"""Samples of many evaluations: the first and the last outputs, and how many are between."""

from __future__ import annotations

from textual.app import App, ComposeResult

from deepsynth_tui.runs.state import RunState, Sample
from deepsynth_tui.tui.widgets.sample_pane import SamplePane


class _Host(App[None]):
    def compose(self) -> ComposeResult:
        yield SamplePane()


async def test_of_many_outputs_the_first_and_the_last_are_shown() -> None:
    samples = [Sample("page", "right", "untrained", "before", None)]
    samples += [Sample("page", "right", f"output {n}", "during", 10 * n) for n in range(1, 7)]
    samples += [Sample("page", "right", "at the end", "after", None)]
    app = _Host()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(SamplePane).show(RunState(samples=samples))
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        said = " ".join(" ".join(strip.text for strip in strips).split())
    assert "before untrained … 4 more are in events.jsonl step 50 output 5" in said
    assert "step 60 output 6 after at the end" in said
    assert "output 1" not in said
