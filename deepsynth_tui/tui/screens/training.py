"""The Training screen: every setting of a run, and whether it will fit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual import events, work
from textual.timer import Timer
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import shell_of
from deepsynth_tui.tui.fit.panel import FitPanel
from deepsynth_tui.tui.screens.form_screen import FormScreen

if TYPE_CHECKING:
    from deepsynth_tui.config.load import CheckResult
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.closed_form import Estimate
    from deepsynth_tui.estimate.inputs import EstimateInputs
    from deepsynth_tui.training.simulation.client import Simulated
    from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache
    from deepsynth_tui.workflows.preflight import Preflight

RANK = "lora.r"
ANSWER_DELAY = 0.15
"""Seconds without a change before what takes hundreds of estimates is looked for."""
PROBE_EVERY = 3.0
"""Seconds between two looks at the GPUs of this machine."""


class TrainingScreen(FormScreen):
    """Form and fit panel."""

    kind = "training"
    CSS_PATH = ["form_screen.tcss", "training.tcss"]
    BINDINGS = bindings("training")

    def __init__(self) -> None:
        super().__init__()
        self._rows: int | None = None
        self._known: EstimateInputsCache | None = None
        self._shown: tuple[TrainingConfig, EstimateInputs, Estimate] | None = None
        self._before: Estimate | None = None
        self._simulation: asyncio.Future[Simulated] | None = None
        self._simulated: Simulated | None = None
        self._next_look: Timer | None = None
        self._field: Widget | None = None
        self._is_at_rank = False

    def panel(self) -> Widget:
        return FitPanel(id="panel")

    def suggestions(self) -> Mapping[str, Sequence[str]]:
        from deepsynth_tui.tui.forms.suggestions import (
            dataset_paths,
            encoder_names,
            model_names,
        )

        return {
            "data.path": dataset_paths(shell_of(self.app).home),
            "model.name_or_path": model_names(),
            "text_encoder.name_or_path": encoder_names(),
        }

    @property
    def fit(self) -> FitPanel:
        """The panel beside the form."""
        return self.query_one(FitPanel)

    # Estimates

    def values_changed(self, checked: CheckResult) -> None:
        # A form of this screen is of this kind.
        config = cast("TrainingConfig | None", self.form.values.as_config() if self.form else None)
        if config is None:
            self.workers.cancel_group(self, "fit")
            self.fit.show_status("Waits for values in range.")
        elif self._known and (grounds := self._known.inputs_for(config, self._rows)):
            # Here and now: an estimate takes less time than the frame that it is drawn in.
            self._estimate(config, grounds)
        else:
            self._find(config)

    def files_changed(self, found: Preflight | None, state: str) -> None:
        if found is None or self.checked is None:
            return
        self._rows = found.count
        self.values_changed(self.checked)
        if self.checked.config is not None and not found.problems:
            self._count(self.checked.config)

    @work(exclusive=True, group="fit", exit_on_error=False)
    async def _find(self, config: TrainingConfig) -> None:
        from deepsynth_tui.machine.gpu_catalogue import CatalogueError
        from deepsynth_tui.models.layout_client import LayoutError
        from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache

        self._known = self._known or EstimateInputsCache()
        try:
            await self._known.load(config, self.fit.show_status)
        except LayoutError as error:
            self._fail(error.message, error.advice)
        except CatalogueError as error:
            self._fail("The list of GPUs cannot be used.", str(error))
        else:
            if grounds := self._known.inputs_for(config, self._rows):
                self._estimate(config, grounds)

    @work(exclusive=True, group="count", exit_on_error=False)
    async def _count(self, config: TrainingConfig) -> None:
        from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache

        self._known = self._known or EstimateInputsCache()
        await self._known.count_rows(config)
        if self.checked is not None:
            self.values_changed(self.checked)

    def _fail(self, message: str, advice: str) -> None:
        self._shown = self._before = None
        self.fit.show_error(message, advice)

    def _estimate(self, config: TrainingConfig, grounds: EstimateInputs) -> None:
        from deepsynth_tui.tui.fit.view import FitView

        last = self._shown
        if last is not None and last[:2] == (config, grounds) and not self.fit.status:
            return
        found = grounds.estimate(config)
        if last is None:
            self._watch_gpus()
        elif last[0] != config:
            self._before = last[2]
        if last is None or not _is_same_step(last, config, grounds):
            self._drop_simulation()
        self._shown = config, grounds, found
        self.fit.show_estimate(
            FitView(
                found,
                config.lora.r,
                grounds.dataset,
                previous=self._before,
                simulated=self._simulated.apply(found) if self._simulated else None,
            )
        )
        self._look_ahead()

    @work(exclusive=True, group="fit", exit_on_error=False)
    async def _look_ahead(self) -> None:
        from deepsynth_tui.estimate.report import fit_report

        await asyncio.sleep(ANSWER_DELAY)
        if self._shown is None:
            return
        config, grounds, _ = self._shown
        devices = self.fit.devices
        self.fit.show_report(await asyncio.to_thread(fit_report, config, grounds, devices))

    @work(exclusive=True, group="gpus", exit_on_error=False)
    async def _watch_gpus(self) -> None:
        from deepsynth_tui.machine.nvml import probe

        rooms = [device.free for device in self.fit.devices]
        self.fit.show_probe(await asyncio.to_thread(probe))
        if self._shown is not None and rooms != [device.free for device in self.fit.devices]:
            self._look_ahead()
        self._next_look = self.set_timer(PROBE_EVERY, self._watch_gpus)

    def on_screen_suspend(self) -> None:
        self.workers.cancel_group(self, "gpus")
        if self._next_look is not None:
            self._next_look.stop()

    def on_screen_resume(self) -> None:
        if self._shown is not None:
            self._watch_gpus()

    # Simulation

    def action_simulate(self) -> None:
        """Simulate one training step of the form as it stands, beside the computed figure."""
        if self._shown is None or self.checked is None or self.checked.config is None:
            self.notify("Only settings without a problem can be simulated.", title="Not yet")
        else:
            self._simulate()

    @work(exclusive=True, group="simulation", exit_on_error=False)
    async def _simulate(self) -> None:
        from deepsynth_tui.training.simulation.client import SimulationError, request_simulation

        if self._shown is None:
            return
        config, grounds, _ = self._shown
        self.fit.simulating = True
        if self._simulation is not None:
            # Two at once would take twice the memory: one that was dropped ends first.
            await asyncio.wait([self._simulation])
        dataset = grounds.dataset_for(config)
        self._simulation = asyncio.ensure_future(
            asyncio.to_thread(request_simulation, config, dataset)
        )
        try:
            simulated = await asyncio.shield(self._simulation)
        except SimulationError as error:
            self.notify(
                f"{error.message}\n{error.advice}",
                title="Not simulated",
                severity="warning",
                markup=False,
            )
        else:
            if self._shown is not None:
                self._simulated = simulated
                self.fit.show_simulated(simulated.apply(self._shown[2]))
        finally:
            self.fit.simulating = False

    def _drop_simulation(self) -> None:
        self._simulated = None
        self.workers.cancel_group(self, "simulation")

    # The first batch

    def action_xray(self) -> None:
        """Show the first batch of the run that stands in the form."""
        if self.checked is None or self.checked.config is None or self.problems:
            self.notify("Only settings without a problem can be looked into.", title="Not yet")
            return
        from deepsynth_tui.tui.screens.xray import XrayScreen

        self.app.push_screen(XrayScreen(cast("TrainingConfig", self.checked.config)))

    # From the panel to the form

    def action_apply(self) -> None:
        """Make the change that the panel names; it is taken back like any other."""
        remedy = self.fit.fix
        if remedy is None or self.form is None:
            self.notify("The panel names no change for this GPU.", title="Nothing to change")
            return
        self._alter(lambda form: form.with_values(remedy.changes))
        keys = ", ".join(remedy.changes)
        self.notify(f"{remedy.words}\nChanged: {keys}. {self.reset_hint}", title="To make it fit")

    def on_fit_panel_rank_stepped(self, event: FitPanel.RankStepped) -> None:
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.training import TrainingConfig
        from deepsynth_tui.tui.widgets.field_row import adjacent_step

        if self.form is None:
            return
        ranks = fields_by_key(TrainingConfig)[RANK].suggested
        r = adjacent_step(self.form.values.values[RANK], ranks, event.direction)
        if r is not None:
            self._alter(lambda form: form.with_values({RANK: r}))
            self.fit.scroll_to_ranks()

    def action_visit_panel(self) -> None:
        """Go to the panel, and from there back to the field."""
        panel = self.fit
        if not panel.has_focus:
            self._field = self.focused
            self.query_one("#body").add_class("-panel")
            panel.focus()
        elif self._field is not None and self._field.is_attached:
            self.query_one("#body").remove_class("-panel")
            self.set_focus(self._field)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        row = self.focused_row
        is_at_rank = row is not None and row.spec.key == RANK
        if is_at_rank:
            self.fit.scroll_to_ranks()
        elif self._is_at_rank:
            self.fit.scroll_home(animate=False)
        self._is_at_rank = is_at_rank


def _is_same_step(
    one: tuple[TrainingConfig, EstimateInputs, Estimate],
    config: TrainingConfig,
    grounds: EstimateInputs,
) -> bool:
    """Whether a simulation of one is that of the other: how many rows there are is no matter."""
    before, after = (replace(known.dataset, rows=None) for known in (one[1], grounds))
    return one[0] == config and before == after
