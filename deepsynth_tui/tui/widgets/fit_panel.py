"""Will it fit? Memory, trained parameters and the GPUs that have enough, beside the form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

if TYPE_CHECKING:
    from deepsynth_tui.estimate.closed_form import Estimate
    from deepsynth_tui.estimate.machine.devices import Probe


class FitPanel(VerticalScroll):
    """Shows the estimate it was last given, and says when that is not the one for the form.

    In a narrow terminal its verdict is one line; in a wide one the whole stands beside the form.
    """

    DEFAULT_CSS = """
    FitPanel {
        scrollbar-size-vertical: 1;
        & > #fit-verdict { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > #fit-details { height: auto; }
    }
    """

    estimate: reactive[Estimate | None] = reactive(None)
    probe: reactive[Probe | None] = reactive(None)
    state: reactive[str] = reactive("Reading the settings …")
    advice: reactive[str] = reactive("")

    def compose(self) -> ComposeResult:
        yield Static(id="fit-verdict")
        yield Static(id="fit-details")

    def on_mount(self) -> None:
        self.border_title = "Will it fit?"

    def show(self, estimate: Estimate) -> None:
        """Show an estimate of the form as it stands."""
        self.state = self.advice = ""
        self.estimate = estimate

    def wait(self, state: str) -> None:
        """Say what the next estimate waits for; the last one stays, marked as such."""
        self.state, self.advice = state, ""

    def fail(self, message: str, advice: str) -> None:
        """Say why there is no estimate, and what to do."""
        self.estimate = None
        self.state, self.advice = message, advice

    def watch_estimate(self) -> None:
        self._draw()

    def watch_probe(self) -> None:
        self._draw()

    def watch_state(self) -> None:
        self._draw()

    def watch_advice(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        said = Content.styled(self.state, "$text-warning" if self.advice else "$muted")
        whole = Content("\n\n").join([said, Content(self.advice)]) if self.advice else said
        if self.estimate is None:
            self.query_one("#fit-verdict", Static).update(
                Content.assemble(said, f" {self.advice}" if self.advice else "")
            )
            self.query_one("#fit-details", Static).update(whole)
            return
        from deepsynth_tui.tui.forms.fit_text import details, verdict

        mark = Content.assemble(said, "  ") if self.state else Content("")
        self.query_one("#fit-verdict", Static).update(mark + verdict(self.estimate))
        self.border_subtitle = self.state
        self.query_one("#fit-details", Static).update(details(self.estimate, self.probe))
