"""The Dataset screen: documents, how they are drawn, and what was found in them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import shell_of
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

    def files_changed(self, found: Preflight | None, state: str) -> None:
        panel = self.query_one(SourcePanel)
        self.workers.cancel_group(self, "model")
        if found is not None:
            panel.show_preflight(found)
            if found.page is not None:
                self._ask_model(found, found.page.figures)
        else:
            panel.show_status(state or "No documents chosen yet. Try builtin:sample.")

    @work(exclusive=True, group="model", exit_on_error=False)
    async def _ask_model(self, found: Preflight, page: PageInfo) -> None:
        from deepsynth_tui.tui.forms.page_for_draft_model import page_for_draft_model

        seen = await asyncio.to_thread(page_for_draft_model, shell_of(self.app).home, page)
        if seen is not None:
            self.query_one(SourcePanel).show_preflight(found, seen)

    def action_use_proposal(self) -> None:
        """Use the columns that the panel proposes; it is taken back like any other change."""
        proposal = self.query_one(SourcePanel).proposal
        if proposal is None:
            self.notify("The panel proposes no columns.", title="Nothing to change")
            return
        self._alter(lambda form: form.with_values(proposal.settings))
        changed = ", ".join(f"{key} {value}" for key, value in proposal.settings.items())
        self.notify(f"{changed}\n{self.reset_hint}", title="Columns taken", markup=False)
