"""Every screen in every state: in ASCII, without colour, in 80 columns, walked with Tab."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.screens.form_screen import FormScreen
from deepsynth_tui.tui.themes import NO_COLOUR
from deepsynth_tui.tui.widgets.footer import DiffedFooter
from tests.pilot.screen_host import text_of, until
from tests.screens.state import State, app_in
from tests.screens.states import STATES

SHOWN_WITHOUT_COLOUR = (
    "training-error",
    "runs-filled",
    "monitor-running",
    "retry",
    "settings",
    "palette",
    "help",
)
NARROW = 80
"""Columns of the narrowest usual terminal."""
states = pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "probe", lambda: Probe((), "none here"))


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    return tmp_path / "interface.yaml"


@states
async def test_only_ascii_is_drawn_and_tab_comes_back(
    state: State, home: Path, settings_file: Path
) -> None:
    """One start of the application for both checks: starting takes longest."""
    app = app_in(state, home, settings_file)
    async with app.run_test(size=(120, 36)) as pilot:
        await state.show(pilot)
        for footer in app.screen.query(DiffedFooter):
            assert footer.render().cell_length <= NARROW, "its last keys are cut off"
        with_signs = text_of(app.screen)
        app.change_settings({"ascii": "always"})
        await pilot.pause()
        text = text_of(app.screen)
        others = {character for character in text if not character.isascii()}
        assert not others, f"{sorted(others)} in\n{text}"
        assert (text == with_signs) == with_signs.isascii()
        if not isinstance(app.screen, FormScreen):  # test_form.py walks the forms
            await tab_returns(pilot)


async def tab_returns(pilot: Pilot[None]) -> None:
    """Tab from widget to widget until the first comes again, then all the way back."""
    screen: Screen[object] = pilot.app.screen
    await pilot.press("tab")
    first = screen.focused
    if first is None:
        assert not screen.focus_chain
        return
    seen = [first]
    for _ in range(100):
        await pilot.press("tab")
        focused = screen.focused
        if focused is first or focused is None:
            break
        seen.append(focused)
    assert screen.focused is first, "Tab never came back"
    for widget in reversed(seen):
        await pilot.press("shift+tab")
        assert screen.focused is widget


@pytest.mark.parametrize(
    "state", [each for each in STATES if each.name in SHOWN_WITHOUT_COLOUR], ids=lambda s: s.name
)
async def test_without_colour_no_style_has_one(
    state: State, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app: DeepsynthApp = app_in(state, home)
    async with app.run_test(size=(80, 24)) as pilot:
        await state.show(pilot)
        assert app.theme == NO_COLOUR.name
        await until(pilot, lambda: app.screen.is_current)
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    assert colour is None or colour.is_default, (segment, strip.text)
        focused = app.focused
        if focused is not None and focused.region.area:
            assert stands_out(app), f"the focus on {focused} cannot be seen"


def stands_out(app: DeepsynthApp) -> bool:
    """Return whether the region of the focused widget has other attributes than text beside it."""
    focused = app.focused
    assert focused is not None
    region = focused.region
    lines = app.screen._compositor.render_strips()[region.y : region.bottom]
    return any(
        segment.style is not None
        and (segment.style.reverse or segment.style.underline or segment.style.bold)
        for line in lines
        for segment in line.crop(region.x, region.right)
    )
