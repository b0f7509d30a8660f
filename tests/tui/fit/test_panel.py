"""The fit panel widget: repaints and keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from textual.app import ComposeResult
from textual.screen import Screen

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.machine.nvml import Probe
from deepsynth_tui.tui.fit.panel import FitPanel
from tests.pilot.screen_host import ScreenHost, text_of, until
from tests.tui.fit.views import A100, config_of, view_of


class PanelScreen(Screen[None]):
    def compose(self) -> ComposeResult:
        yield FitPanel(id="panel")


async def test_unchanged_figures_are_not_repainted(home: Path, inputs: EstimateInputs) -> None:
    view = view_of(inputs, config_of())
    assert view.report is not None
    app = ScreenHost(home, PanelScreen)
    async with app.run_test(size=(60, 60)) as pilot:
        await until(pilot, lambda: len(app.screen.query(FitPanel)) > 0)
        panel = app.screen.query_one(FitPanel)
        panel.show_estimate(view)
        panel.show_report(view.report)
        panel.show_probe(Probe((A100,)))
        await until(pilot, lambda: "61 °C" in text_of(app.screen))
        await pilot.pause()
        before = app.painted
        panel.show_probe(Probe((replace(A100, power=200.0),)))
        panel.show_report(replace(view.report))
        await pilot.pause()
        assert app.painted == before
        panel.show_probe(Probe((replace(A100, temperature=62),)))
        await until(pilot, lambda: "62 °C" in text_of(app.screen))
        assert app.painted > before


async def test_arrows_select_one_gpu_after_the_other(home: Path, inputs: EstimateInputs) -> None:
    app = ScreenHost(home, PanelScreen)
    async with app.run_test(size=(60, 24)) as pilot:
        await until(pilot, lambda: len(app.screen.query(FitPanel)) > 0)
        panel = app.screen.query_one(FitPanel)
        panel.show_estimate(view_of(inputs, config_of()))
        panel.focus()
        await pilot.press(*["down"] * (len(inputs.gpus) + 3))
        assert panel.selected_gpu is not None
        assert panel.selected_gpu.name == inputs.gpus[-1].name
        await until(pilot, lambda: "▸✓ fits  B200 (180GB)" in text_of(app.screen))
        await pilot.press(*["up"] * (len(inputs.gpus) + 3))
        assert panel.selected_gpu.name == inputs.gpus[0].name
        await until(pilot, lambda: panel.scroll_y == 0)
