"""The Dataset screen: documents, how they are drawn, and what the source contains."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.screens.form_screen import FormScreen
from deepsynth_tui.tui.widgets.source_panel import SourcePanel

if TYPE_CHECKING:
    from deepsynth_tui.models.page_for_model import PageInfo
    from deepsynth_tui.workflows.preflight import Preflight


class DatasetScreen(FormScreen):
    """Form and source panel."""

    kind = "dataset"
    CSS_PATH = ["form_screen.tcss", "dataset.tcss"]
    BINDINGS = bindings("dataset")

    def panel(self) -> Widget:
        return SourcePanel(id="panel")

    def suggestions(self) -> Mapping[str, Sequence[str]]:
        from deepsynth_tui.tui.forms.suggestions import BUILTIN_DOCUMENTS

        return {"source.path": list(BUILTIN_DOCUMENTS)}

    def files_changed(self, preflight: Preflight | None, state: str) -> None:
        panel = self.query_one(SourcePanel)
        self.workers.cancel_group(self, "model")
        if preflight is None:
            panel.show_status(state or self._no_check_text)
            return
        panel.show_preflight(preflight)
        if preflight.page is not None:
            self._show_page_for_model(preflight, preflight.page.figures)

    @property
    def _no_check_text(self) -> str:
        """Why the source is not checked while the settings are not valid."""
        if self.form is None or not self.form.values.values["source.path"]:
            return "No documents chosen yet. Try builtin:sample."
        return "The documents are checked when all settings are valid."

    @work(exclusive=True, group="model", exit_on_error=False)
    async def _show_page_for_model(self, preflight: Preflight, page: PageInfo) -> None:
        """Add what the model of the Training form makes of the first page."""
        from deepsynth_tui.tui.forms.page_for_draft_model import page_for_draft_model

        page_for_model = await asyncio.to_thread(page_for_draft_model, app_api(self.app).home, page)
        if page_for_model is not None:
            self.query_one(SourcePanel).show_preflight(preflight, page_for_model)

    def action_use_proposal(self) -> None:
        """Use the columns that the panel suggests."""
        proposal = self.query_one(SourcePanel).proposal
        if proposal is None:
            self.notify("The panel suggests no columns.", title="Nothing to change")
            return
        self.change_values(lambda form: form.with_values(proposal.settings))
        changes = ", ".join(f"{key} {value}" for key, value in proposal.settings.items())
        self.notify(f"{changes}\n{self.reset_hint}", title="Columns set", markup=False)
