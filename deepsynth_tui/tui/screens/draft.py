"""Loading and saving the draft of a form, so that its settings outlive the application."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.timer import Timer
from textual.worker import get_current_worker

from deepsynth_tui.tui.app_protocol import app_api
from deepsynth_tui.tui.calm_screen import CalmScreen
from deepsynth_tui.tui.screens.worker_errors import ReportsWorkerErrors

if TYPE_CHECKING:
    from deepsynth_tui.config.kinds import RunKind
    from deepsynth_tui.tui.forms.drafts import OwnDraft
    from deepsynth_tui.tui.forms.values import FormValues
    from deepsynth_tui.tui.widgets.form import Form

DELAY_SECONDS = 0.5
"""Time without a change before the draft is saved."""


class SavesDraft(ReportsWorkerErrors, CalmScreen[None]):
    """Base of the screens with a form: the draft is saved after changes and on closing."""

    kind: ClassVar[RunKind]

    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._saved_values: FormValues | None = None
        self._save_lock = threading.Lock()
        self._save_timer: Timer | None = None
        self._draft: OwnDraft | None = None

    def load_draft(self) -> FormValues:
        """Return the values of the draft, or the defaults where there is none.

        A draft that cannot be read is moved aside, and a notification says where.
        """
        from deepsynth_tui.tui.forms.drafts import DraftError, OwnDraft
        from deepsynth_tui.tui.forms.values import FormValues

        draft = {}
        own = self._draft = OwnDraft(app_api(self.app).home, self.kind)
        if own.number > 1:
            self.notify(
                "Another window has the settings of this form open. This one keeps its own, in "
                f"{own.path.name}.",
                title="Opened a second time",
                markup=False,
            )
        try:
            draft = own.load()
        except DraftError as error:
            self.notify(
                f"{error.reason}\nThe file was moved to {error.moved_to}",
                title="The last settings cannot be read",
                severity="warning",
                timeout=30,
                markup=False,
            )
        values = (
            FormValues.from_mapping(self.kind, draft) if draft else FormValues.default(self.kind)
        )
        self._saved_values = values
        return values

    def save_draft(self) -> None:
        """Save the draft if it has changed. Waits for a save that is under way in a thread.

        Raises:
            OSError: the draft cannot be written.
        """
        with self._save_lock:
            values = self.form.values if self.form is not None else None
            if self._draft is not None and values is not None and values is not self._saved_values:
                self._draft.save(values.nested())
                self._saved_values = values

    def save_draft_soon(self) -> None:
        """Save the draft in a thread, after a pause in the changes."""
        if self._save_timer is not None:
            self._save_timer.stop()
        self._save_timer = self.set_timer(DELAY_SECONDS, self._save_draft_in_thread)

    @work(thread=True, exclusive=True, group="draft", exit_on_error=False)
    def _save_draft_in_thread(self) -> None:
        if not get_current_worker().is_cancelled:
            self.save_draft()

    def on_unmount(self) -> None:
        self.save_draft()
        if self._draft is not None:
            self._draft.close()
