"""The Training screen: every setting of a run, and whether it will fit."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.widget import Widget

from deepsynth_tui.tui.screens.form_screen import FormScreen
from deepsynth_tui.tui.shell import shell_of
from deepsynth_tui.tui.widgets.fit_panel import FitPanel

if TYPE_CHECKING:
    from deepsynth_tui.config.load import Checked
    from deepsynth_tui.config.training import TrainingConfig
    from deepsynth_tui.estimate.profiles.profile import ModelProfile
    from deepsynth_tui.tui.forms.estimating import ModelKey
    from deepsynth_tui.tui.forms.preflight import Preflight

PROFILE_DELAY = 0.5
"""Seconds without a change before a child process looks at a model that has no profile yet."""


class TrainingScreen(FormScreen):
    """Form and fit panel."""

    kind = "training"
    CSS_PATH = ["form_screen.tcss", "training.tcss"]

    def __init__(self) -> None:
        super().__init__()
        self._rows: int | None = None
        self._profiles: dict[ModelKey, asyncio.Future[ModelProfile]] = {}

    def panel(self) -> Widget:
        return FitPanel(id="panel")

    def suggestions(self) -> Mapping[str, Sequence[str]]:
        from deepsynth_tui.tui.forms.suggestions import dataset_paths, model_names

        return {
            "data.path": dataset_paths(shell_of(self.app).home),
            "model.name_or_path": model_names(),
        }

    def files_changed(self, found: Preflight | None, state: str) -> None:
        if found is not None and found.count != self._rows and self.checked is not None:
            self._rows = found.count
            self.values_changed(self.checked)

    def values_changed(self, checked: Checked) -> None:
        config = self.form.values.as_config() if self.form else None
        if config is None:
            self.workers.cancel_group(self, "fit")
            self.query_one(FitPanel).wait("Waits for values in range.")
        else:
            self._estimate(config)

    @work(exclusive=True, group="fit", exit_on_error=False)
    async def _estimate(self, config: TrainingConfig) -> None:
        from deepsynth_tui.estimate.profiles.asking import ProfileError
        from deepsynth_tui.tui.forms.estimating import estimate_of, models_of

        panel = self.query_one(FitPanel)
        try:
            found = [await self._profile(key) for key in models_of(config)]
        except ProfileError as error:
            panel.fail(error.message, error.advice)
            return
        panel.show(await asyncio.to_thread(estimate_of, config, found, self._rows))
        if panel.probe is None:
            from deepsynth_tui.estimate.machine.devices import probe

            panel.probe = await asyncio.to_thread(probe)

    async def _profile(self, key: ModelKey) -> ModelProfile:
        from deepsynth_tui.tui.forms.estimating import cached_profile, made_profile

        if key not in self._profiles:
            found = await asyncio.to_thread(cached_profile, key)
            if found is None:
                self.query_one(FitPanel).wait(f"Reading the layout of {key.name} …")
                await asyncio.sleep(PROFILE_DELAY)
            self._profiles[key] = asyncio.ensure_future(asyncio.to_thread(made_profile, key))
        made = self._profiles[key]
        if not made.done():
            self.query_one(FitPanel).wait(f"Reading the layout of {key.name} …")
        try:
            # Shielded: a further change of the form cancels this estimate, not the profile.
            return await asyncio.shield(made)
        finally:
            if made.done() and (made.cancelled() or made.exception()):
                del self._profiles[key]
