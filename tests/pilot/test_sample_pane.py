"""The sample pane: the first and last outputs, and pages beside or below them."""

from __future__ import annotations

import pytest
from PIL import Image
from textual.app import ComposeResult

from deepsynth_tui.page_thumbnail import braille_lines
from deepsynth_tui.runs.state import RunState, Sample
from deepsynth_tui.tui.widgets.sample_pane import SamplePane
from tests.pilot.screen_host import ThemedHost, text_of


class _Host(ThemedHost):
    def compose(self) -> ComposeResult:
        yield SamplePane()


async def test_the_first_and_last_of_many_outputs_are_shown() -> None:
    samples = [Sample("page", "right", "untrained", "before", None)]
    samples += [Sample("page", "right", f"output {n}", "during", 10 * n) for n in range(1, 7)]
    samples += [Sample("page", "right", "at the end", "after", None)]
    app = _Host()
    async with app.run_test(size=(80, 10)) as pilot:
        app.query_one(SamplePane).show(RunState(samples=samples))
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        text = " ".join(" ".join(strip.text for strip in strips).split())
    assert "5 answers between are left out" in text
    assert text.index("before") < text.index("step 60") < text.index("after")
    assert "step 50" not in text


async def test_wrong_characters_are_underlined_and_right_answers_say_so() -> None:
    samples = [Sample("page", "97.12", output, "during", 20) for output in ("97.2", "97.12")]
    app = _Host()
    async with app.run_test(size=(60, 12)) as pilot:
        app.query_one(SamplePane).show(RunState(samples=samples))
        await pilot.pause()
        segments = [
            segment for strip in app.screen._compositor.render_strips() for segment in strip
        ]
        text = text_of(app.screen)
    underlined = "".join(s.text for s in segments if s.style and s.style.underline)
    assert underlined == "_"
    assert "97.12  ok" in text


@pytest.mark.parametrize(
    ("columns", "drawn_columns", "beside"), [(90, 50, True), (70, 25, True), (40, 25, False)]
)
async def test_the_page_is_beside_or_below_its_outputs(
    columns: int, drawn_columns: int, beside: bool
) -> None:
    """The page is 60 characters wide; a black box covers the 50 between its margins."""
    picture = Image.new("L", (120, 60), 255)
    picture.paste(0, (10, 10, 110, 30))
    page = tuple(braille_lines(picture, 60))
    samples = [Sample("page", "17.40", "HARBOUR", "before", None, page)]
    samples += [Sample("page", "17.40", "17.40", "after", None, page)]
    app = _Host()
    async with app.run_test(size=(columns, 24)) as pilot:
        app.query_one(SamplePane).show(RunState(samples=samples))
        await pilot.pause()
        lines = [strip.text for strip in app.screen._compositor.render_strips()]
    pictured = [line for line in lines if "⣿" in line]
    assert max(line.count("⣿") for line in lines) == drawn_columns
    assert any("before" in line and "HARBOUR" in line for line in pictured) == beside
    (answer,) = (number for number, line in enumerate(lines) if "HARBOUR" in line)
    assert beside or answer < lines.index(pictured[0])
