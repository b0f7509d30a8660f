"""The application on a form screen, ready to be typed into."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, Static

from deepsynth_tui.config.model import DEFAULT_MODEL
from deepsynth_tui.models.layout import (
    ImageDimensions,
    ModelLayout,
    TextDimensions,
    WeightGroup,
    save_layout,
)
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.app_protocol import Mode
from deepsynth_tui.tui.screens.form_screen import FormScreen
from deepsynth_tui.tui.widgets.field_row import FieldRow
from deepsynth_tui.tui.widgets.form import Form
from deepsynth_tui.tui.widgets.help_line import HelpLine
from deepsynth_tui.tui.widgets.section import Section
from deepsynth_tui.tui.widgets.start_bar import StartBar, StartButton
from tests.pilot.screen_host import until


def cache_model_layout(name: str = DEFAULT_MODEL) -> ModelLayout:
    """Cache the layout of a small model, so that no child process has to make it."""
    layers = tuple((layer,) for layer in range(4))
    weights = tuple(
        WeightGroup(
            tower="language",
            kind="linear",
            pattern=f"model.language_model.layers.*.self_attn.{projection}.weight",
            shape=(512, 512),
            indices=layers,
            convertible=True,
            tied=False,
        )
        for projection in ("q_proj", "v_proj")
    )
    layout = ModelLayout(
        name=name,
        revision=None,
        role="model",
        architecture="Small",
        origin="folder",
        weights=weights,
        text=TextDimensions(512, 4, 8, 8, 64, 2048, 32000),
        image=ImageDimensions("fixed", 256, 2, 512, 16, 1, 224, 196),
    )
    save_layout(layout)
    return layout


class PatientPilot(Pilot[Any]):
    """A pilot that waits until the keys that it has pressed are done."""

    async def press(self, *keys: str) -> None:
        await super().press(*keys)
        assert isinstance(self.app, DeepsynthApp)
        key_order = self.app.key_order
        if self.app.is_running:
            await until(self, lambda: key_order.is_idle or not self.app.is_running)


@asynccontextmanager
async def form_app(
    home: Path, mode: Mode = "training", size: tuple[int, int] = (120, 36)
) -> AsyncIterator[Pilot[Any]]:
    """Run the application until its form and all open sections are mounted."""
    app = DeepsynthApp(home, mode=mode)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: form_is_ready(pilot))
        yield PatientPilot(app)


def form_is_ready(pilot: Pilot[Any]) -> bool:
    """Return whether every open section has its rows."""
    screen = pilot.app.screen
    if not isinstance(screen, FormScreen) or screen.form is None or screen.checked is None:
        return False
    sections = screen.form.query(Section)
    return len(sections) > 0 and all(section.is_built or section.collapsed for section in sections)


def screen_of(pilot: Pilot[Any]) -> FormScreen:
    """Return the form screen that is shown."""
    assert isinstance(pilot.app.screen, FormScreen)
    return pilot.app.screen


def form_of(pilot: Pilot[Any]) -> Form:
    """Return the form that is shown."""
    return pilot.app.screen.query_one(Form)


def row_of(pilot: Pilot[Any], key: str) -> FieldRow:
    """Return the row of a field, which must be mounted."""
    return next(row for row in form_of(pilot).query(FieldRow) if row.spec.key == key)


async def type_into(pilot: Pilot[Any], key: str, text: str) -> None:
    """Replace the text of a field: all but the last four characters are pasted, these are typed."""
    await form_of(pilot).focus_field(key)
    await pilot.pause()
    await pilot.press("home", "shift+end", "delete")
    pasted, typed = text[:-4], text[-4:]
    if pasted:
        row_of(pilot, key).query_one(Input).insert_text_at_cursor(pasted)
    await pilot.press(*typed)
    await pilot.pause()


def start_bar(pilot: Pilot[Any]) -> tuple[bool, str]:
    """Return whether Start is enabled, and the text beside it."""
    bar = pilot.app.screen.query_one(StartBar)
    return not bar.query_one(StartButton).disabled, str(bar.query_one(Static).render())


def help_line(pilot: Pilot[Any]) -> str:
    """Return the text of the help line."""
    return str(pilot.app.screen.query_one(HelpLine).render())
