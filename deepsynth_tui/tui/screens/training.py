"""The Training screen: every setting of a run, and whether it fits the GPU."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from textual import work
from textual.timer import Timer
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.background import in_background, read_in_thread
from deepsynth_tui.tui.fit.panel import FitPanel
from deepsynth_tui.tui.screens.form_screen import FormScreen

if TYPE_CHECKING:
    from deepsynth_tui.config.load import CheckResult
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.inputs import EstimateInputs
    from deepsynth_tui.estimate.resources import Estimate
    from deepsynth_tui.training.simulation.client import SimulatedMemory
    from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache
    from deepsynth_tui.workflows.preflight import Preflight

RANK = "lora.r"
QUANTIZE, BITS = "quantization.enabled", "quantization.bits"
COLUMN_FIELDS = (
    "data.image_column",
    "data.question_column",
    "data.target_column",
    "data.messages_column",
    "data.system_column",
)
LEARNING_RATE = "training.learning_rate"
REPORT_SECONDS = 0.15
"""Time without a change before the report, which takes hundreds of estimates, is computed."""
PROBE_SECONDS = 3.0
"""Time between two probes of the GPUs of this machine."""


@dataclass(frozen=True, slots=True)
class ShownEstimate:
    """The estimate on screen, and what it was computed from."""

    config: TrainingConfig
    inputs: EstimateInputs
    estimate: Estimate

    def has_same_step(self, config: TrainingConfig, inputs: EstimateInputs) -> bool:
        """Return whether a simulated step is still valid: the number of rows does not matter."""
        before, after = (replace(each.dataset, rows=None) for each in (self.inputs, inputs))
        return self.config == config and before == after


class TrainingScreen(FormScreen):
    """Form and fit panel."""

    kind = "training"
    CSS_PATH = ["form_screen.tcss", "training.tcss"]
    BINDINGS = bindings("training")

    def __init__(self) -> None:
        super().__init__()
        self._row_count: int | None = None
        self._inputs_cache: EstimateInputsCache | None = None
        self._shown: ShownEstimate | None = None
        self._previous: Estimate | None = None
        self._simulation: asyncio.Future[SimulatedMemory] | None = None
        self._simulated: SimulatedMemory | None = None
        self._probe_timer: Timer | None = None
        self._rank_had_focus = False
        self._is_counting = False
        self._reads_at_once = False

    def panel(self) -> Widget:
        return FitPanel(id="panel")

    def suggestions(self) -> Mapping[str, Sequence[str]]:
        from deepsynth_tui.tui.forms.suggestions import (
            dataset_paths,
            encoder_names,
            model_names,
        )

        return {
            "data.path": dataset_paths(app_api(self.app).home),
            "model.name_or_path": model_names(),
            "text_encoder.name_or_path": encoder_names(),
        }

    @property
    def fit(self) -> FitPanel:
        """The panel beside the form."""
        return self.query_one(FitPanel)

    # Estimates

    def values_changed(self, checked: CheckResult) -> None:
        # The cast holds: the form of this screen is of this kind.
        config = cast("TrainingConfig | None", self.form.values.as_config() if self.form else None)
        if self.form is not None:
            self.fit.show_rank(self.form.values.values[RANK])
        if config is None or not config.model.name_or_path:
            self.workers.cancel_group(self, "fit")
            self.fit.show_status("Waiting for valid settings …")
        elif self._inputs_cache and (
            inputs := self._inputs_cache.inputs_for(config, self._row_count)
        ):
            # Not in a worker: an estimate takes less time than the frame that it is drawn in.
            self._show_estimate(config, inputs)
        else:
            self._gather_inputs(config)

    def files_changed(self, preflight: Preflight | None, state: str) -> None:
        if preflight is None or self.checked is None:
            return
        self._row_count = preflight.count
        if self.form is not None and preflight.columns:
            self.form.suggest(dict.fromkeys(COLUMN_FIELDS, preflight.columns))
        self.values_changed(self.checked)
        if self.checked.config is not None and not preflight.problems:
            self._count_tokens(self.checked.config)

    def files_remark(self) -> str:
        contents = self.preflight.contents if self.preflight else ()
        return " · ".join(filter(None, (self._looked_at, *contents)))

    @property
    def _looked_at(self) -> str:
        """How many rows were looked at; empty if all were."""
        config = self.checked.config if self.checked else None
        rows = None
        if self._inputs_cache is not None and config is not None:
            rows = self._inputs_cache.rows_of(cast("TrainingConfig", config))
        if rows is None or not rows.counted:
            waiting = "counting the rows …" if self._is_counting else "no row was looked at yet"
            return rows.note if rows is not None and rows.note else waiting
        if rows.rows is not None and rows.counted >= rows.rows:
            return ""
        total = f" of {rows.rows:,}" if rows.rows is not None else ""
        return f"{rows.counted:,}{total} rows were looked at"

    def check(self, *, again: bool = False) -> None:
        self._reads_at_once = again
        if again and self._inputs_cache is not None:
            self._inputs_cache.forget_rows()
        super().check(again=again)

    @work(exclusive=True, group="fit", exit_on_error=False)
    async def _gather_inputs(self, config: TrainingConfig) -> None:
        from deepsynth_tui.machine.gpu_catalogue import CatalogueError
        from deepsynth_tui.models.layout_client import LayoutError
        from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache

        self._inputs_cache = self._inputs_cache or EstimateInputsCache()
        try:
            at_once, self._reads_at_once = self._reads_at_once, False
            await self._inputs_cache.load(config, self.fit.show_status, at_once=at_once)
        except LayoutError as error:
            self._show_failure(error.message, error.advice)
        except CatalogueError as error:
            self._show_failure("The list of GPUs cannot be read.", str(error))
        else:
            if inputs := self._inputs_cache.inputs_for(config, self._row_count):
                self._show_estimate(config, inputs)

    @work(exclusive=True, group="count", exit_on_error=False)
    async def _count_tokens(self, config: TrainingConfig) -> None:
        from deepsynth_tui.tui.fit.inputs_cache import EstimateInputsCache

        self._inputs_cache = self._inputs_cache or EstimateInputsCache()
        self._is_counting = True
        self.show_state()
        try:
            await self._inputs_cache.count_rows(config)
        finally:
            self._is_counting = False
        if self.checked is not None:
            self.values_changed(self.checked)
            self.show_state()

    def _show_failure(self, message: str, advice: str) -> None:
        self._shown = self._previous = None
        self.fit.show_error(message, advice)

    def _show_estimate(self, config: TrainingConfig, inputs: EstimateInputs) -> None:
        from deepsynth_tui.estimate.learning_rate import advise_learning_rate
        from deepsynth_tui.tui.fit.view import FitView

        last = self._shown
        is_same = last is not None and (last.config, last.inputs) == (config, inputs)
        if is_same and not self.fit.status:
            return
        estimate = inputs.estimate(config)
        if self.form is not None:
            self.form.show_advice({LEARNING_RATE: advise_learning_rate(config, inputs.layout).text})
        if last is None:
            self._probe_gpus()
        elif last.config != config:
            self._previous = last.estimate
        if last is None or not last.has_same_step(config, inputs):
            self._drop_simulation()
        self._shown = ShownEstimate(config, inputs, estimate)
        self.fit.show_estimate(
            FitView(
                estimate,
                config.lora.r,
                inputs.dataset,
                previous=self._previous,
                simulated=self._simulated.apply(estimate) if self._simulated else None,
            )
        )
        self._show_report()

    @work(exclusive=True, group="fit", exit_on_error=False)
    async def _show_report(self) -> None:
        from deepsynth_tui.estimate.report import fit_report

        await asyncio.sleep(REPORT_SECONDS)
        if (shown := self._shown) is not None:
            devices = self.fit.devices
            report = await read_in_thread(fit_report, shown.config, shown.inputs, devices)
            self.fit.show_report(report)

    @work(exclusive=True, group="gpus", exit_on_error=False)
    async def _probe_gpus(self) -> None:
        from deepsynth_tui.machine.nvml import probe

        if not self.is_current:  # the timer had fired before the screen was suspended
            return
        free_before = [device.free for device in self.fit.devices]
        self.fit.show_probe(await read_in_thread(probe))
        free = [device.free for device in self.fit.devices]
        if self._shown is not None and free != free_before:
            self._show_report()
        self._probe_timer = self.set_timer(PROBE_SECONDS, self._probe_gpus)

    def on_screen_suspend(self) -> None:
        """Stop probing the GPUs while another screen is shown."""
        self.workers.cancel_group(self, "gpus")
        if self._probe_timer is not None:
            self._probe_timer.stop()

    def on_screen_resume(self) -> None:
        if self._shown is not None:
            self._probe_gpus()

    # Simulation

    def action_simulate(self) -> None:
        """Simulate one training step of the form as it is, beside the computed figure."""
        if self._shown is None or self.checked is None or self.checked.config is None:
            self.notify("Fix the problems in the form first.", title="Cannot simulate yet")
        else:
            self._simulate()

    @work(exclusive=True, group="simulation", exit_on_error=False)
    async def _simulate(self) -> None:
        from deepsynth_tui.training.simulation.client import SimulationError, request_simulation

        if (shown := self._shown) is None:
            return
        self.fit.simulating = True
        if self._simulation is not None:
            # Two at once would take twice the memory: wait for the one that was dropped.
            await asyncio.wait([self._simulation])
        dataset = shown.inputs.dataset_for(shown.config)
        self._simulation = in_background(
            request_simulation,
            shown.config,
            dataset,
            cached_features=shown.estimate.page_features is not None,
        )
        try:
            simulated = await asyncio.shield(self._simulation)
        except SimulationError as error:
            self.notify(
                f"{error.message}\n{error.advice}",
                title="Simulation failed",
                severity="warning",
                markup=False,
            )
        else:
            if self._shown is not None:
                self._simulated = simulated
                self.fit.show_simulated(simulated.apply(self._shown.estimate))
        finally:
            self.fit.simulating = False

    def _drop_simulation(self) -> None:
        self._simulated = None
        self.workers.cancel_group(self, "simulation")

    # X-ray

    def action_xray(self) -> None:
        """Show the first batch of the run that the form describes."""
        if self.checked is None or self.checked.config is None or self.problems:
            self.notify("Fix the problems in the form first.", title="Cannot show the X-ray yet")
            return
        from deepsynth_tui.tui.screens.xray import XrayScreen

        self.app.push_screen(XrayScreen(cast("TrainingConfig", self.checked.config)))

    # From the panel to the form

    def action_apply(self) -> None:
        """Apply the change that the panel suggests."""
        fit = self.fit.selected_fit
        if fit is None or not fit.changes or self.form is None:
            self.notify("The panel suggests no change for this GPU.", title="Nothing to change")
            return
        self._change_by_panel(fit.changes, fit.change_words.capitalize())

    def on_fit_panel_rank_stepped(self, event: FitPanel.RankStepped) -> None:
        from deepsynth_tui.config.fields import fields_by_key
        from deepsynth_tui.config.training import TrainingConfig
        from deepsynth_tui.tui.widgets.field_row import adjacent_step

        if self.form is None:
            return
        ranks = fields_by_key(TrainingConfig)[RANK].suggested
        rank = adjacent_step(self.form.values.values[RANK], ranks, event.direction)
        if rank is not None:
            self.change_values(lambda form: form.with_values({RANK: rank}), RANK)
            self.fit.scroll_to_ranks()

    def on_fit_panel_bits_chosen(self, event: FitPanel.BitsChosen) -> None:
        if self.form is None:
            return
        values = self.form.values.values
        is_on = values[QUANTIZE] is True and values[BITS] == event.bits
        changes = {QUANTIZE: False} if is_on else {QUANTIZE: True, BITS: event.bits}
        title = f"{event.bits}-bit {'off' if is_on else 'on'}"
        self._change_by_panel(changes, title)

    def _change_by_panel(self, changes: Mapping[str, Any], title: str) -> None:
        """Make changes and say with a notification what they were."""
        from deepsynth_tui.tui.forms.history import describe

        if self.form is None:
            return
        before = self.form.values
        self.change_values(lambda form: form.with_values(changes), title)
        message = f"{describe(before, self.form.values)}\n{self.undo_hint}"
        self.notify(message, title=title, markup=False)

    def focus_moved(self, before: Widget | None) -> None:
        """Scroll the panel to the table of ranks while the rank has the focus."""
        super().focus_moved(before)
        row = self.focused_row
        rank_has_focus = row is not None and row.spec.key == RANK
        if rank_has_focus:
            self.fit.scroll_to_ranks()
        elif self._rank_had_focus:
            self.fit.scroll_home(animate=False)
        self._rank_had_focus = rank_has_focus
