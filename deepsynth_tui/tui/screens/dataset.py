"""The Dataset screen: documents, how they are drawn, and what the source contains."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from textual import work
from textual.widget import Widget

from deepsynth_tui.tui.actions import bindings
from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.screens.form_screen import FormScreen
from deepsynth_tui.tui.widgets.source_panel import SourcePanel, looked_at_text

if TYPE_CHECKING:
    from deepsynth_tui.config.dataset import DatasetConfig
    from deepsynth_tui.config.kinds import Config
    from deepsynth_tui.config.load import CheckResult
    from deepsynth_tui.models.page_for_model import PageInfo
    from deepsynth_tui.workflows.preflight import Preflight


COLUMN_FIELDS = (
    "source.text_column",
    "source.target_column",
    "source.question_column",
    "instruction",
)
"""Fields whose text is, or contains, the name of a column."""


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

    def config_to_check(self, checked: CheckResult) -> Config | None:
        # The cast holds: the form of this screen is of this kind.
        config = cast("DatasetConfig | None", checked.valid_part)
        return config if config and (config.source.path or config.sources) else None

    def values_changed(self, checked: CheckResult) -> None:
        if self.config_to_check(checked) is None:
            self._show_why_unchecked()

    def files_changed(self, preflight: Preflight | None, state: str) -> None:
        panel = self.query_one(SourcePanel)
        self.workers.cancel_group(self, "model")
        if preflight is None:
            if state:
                panel.show_status(state)
            else:
                self._show_why_unchecked()
            return
        if self.form is not None and preflight.columns:
            self.form.suggest(dict.fromkeys(COLUMN_FIELDS, preflight.columns))
        panel.show_preflight(preflight, used=self._used_settings())
        if preflight.page is not None:
            self._show_page_for_model(preflight, preflight.page.figures)

    def files_remark(self) -> str:
        looked_at = self.preflight.looked_at if self.preflight else None
        return looked_at_text(looked_at, self.preflight.count if self.preflight else None)

    def _used_settings(self) -> Mapping[str, Any]:
        return self.form.values.values if self.form is not None else {}

    def _show_why_unchecked(self) -> None:
        """Show why the documents are not checked."""
        panel, values = self.query_one(SourcePanel), self._used_settings()
        if not values.get("source.path") and not values.get("sources"):
            panel.show_nothing_chosen()
        else:
            panel.show_status("The documents are checked once the settings above are valid.")

    @work(exclusive=True, group="model", exit_on_error=False)
    async def _show_page_for_model(self, preflight: Preflight, page: PageInfo) -> None:
        """Add what the model of the Training form makes of the first page."""
        from deepsynth_tui.tui.forms.page_for_draft_model import page_for_draft_model

        page_for_model = await asyncio.to_thread(page_for_draft_model, app_api(self.app).home, page)
        if page_for_model is not None:
            self.query_one(SourcePanel).show_preflight(
                preflight, page_for_model, used=self._used_settings()
            )

    def action_use_proposal(self) -> None:
        """Use the columns that the panel suggests."""
        proposal = self.query_one(SourcePanel).proposal
        if proposal is None:
            self.notify("The panel suggests no columns.", title="Nothing to change")
            return
        self.change_values(lambda form: form.with_values(proposal.settings), "proposed columns")
        changes = ", ".join(f"{key} {value}" for key, value in proposal.settings.items())
        self.notify(f"{changes}\n{self.undo_hint}", title="Columns set", markup=False)
