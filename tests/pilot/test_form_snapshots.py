"""How the form screens look, at the two sizes that are promised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from deepsynth_tui.machine import nvml
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.fit.panel import FitPanel
from tests.pilot.forms import (
    cache_model_layout,
    form_is_ready,
    form_of,
    screen_of,
    start_bar,
    type_into,
)
from tests.pilot.screen_host import until

SIZES = [(80, 24), (120, 36), (200, 50)]
Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def _same_everywhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_model_layout()
    monkeypatch.setattr(nvml, "probe", lambda: Probe((), "none here"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # of the process that checks files and model


async def _still(pilot: Pilot[Any]) -> None:
    for box in pilot.app.screen.query(Input):
        box.cursor_blink = False
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_training(snap_compare: Compare, home: Path, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: form_is_ready(pilot))
        await type_into(pilot, "lora.r", "64")
        await form_of(pilot).focus_field("lora.lora_alpha")
        panel = pilot.app.screen.query_one(FitPanel)
        await until(
            pilot,
            lambda: (
                panel.view is not None
                and panel.view.computed.trainable_params == 8 * 64 * 1024
                and panel.view.report_is_current
                and panel.view.probe is not None
                and screen_of(pilot).preflight is not None
            ),
        )
        await _still(pilot)

    app = DeepsynthApp(home, mode="training")
    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_dataset(snap_compare: Compare, home: Path, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: form_is_ready(pilot))
        await type_into(pilot, "source.path", "builtin:sample")
        await until(pilot, lambda: start_bar(pilot)[0])
        await _still(pilot)

    app = DeepsynthApp(home, mode="dataset")
    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("settings", ["theme: light\n", "theme: ansi-dark\n", "ascii: always\n"])
def test_other_looks(snap_compare: Compare, home: Path, settings: str) -> None:
    file = home / "interface.yaml"
    home.mkdir(parents=True, exist_ok=True)
    file.write_text(settings)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: form_is_ready(pilot))
        await type_into(pilot, "source.path", "builtin:sample")
        await until(pilot, lambda: start_bar(pilot)[0])
        await _still(pilot)

    app = DeepsynthApp(home, mode="dataset", settings_file=file)
    assert snap_compare(app, terminal_size=SIZES[0], run_before=before)
