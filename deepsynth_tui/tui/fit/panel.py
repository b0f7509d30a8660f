"""Will it fit? Memory, trained parameters and the GPUs that have enough, beside the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Region, Spacing
from textual.message import Message

from deepsynth_tui.tui.actions import bindings, key_of
from deepsynth_tui.tui.widgets.diffed_lines import Lines

if TYPE_CHECKING:
    from deepsynth_tui.estimate.closed_form import Estimate
    from deepsynth_tui.estimate.fixes import Fix
    from deepsynth_tui.estimate.report import FitReport
    from deepsynth_tui.machine.nvml import Device, Probe
    from deepsynth_tui.tui.fit.gpu_rows import Row
    from deepsynth_tui.tui.fit.view import FitView

HEAD, FOOT = 2, 6
"""Lines of the head, and of the foot with the rule above it."""


class FitPanel(VerticalScroll):
    """Shows what it was last given, and says when that is not of the form as it stands.

    In a narrow terminal its verdict is one line until it is opened; in a wide one the whole stands
    beside the form. The column scrolls between a head and a foot; the foot is about one GPU.
    """

    BINDINGS = bindings("fit_panel")
    DEFAULT_CSS = f"""
    FitPanel {{
        scrollbar-size-vertical: 1;
        & > #fit-head {{ dock: top; height: {HEAD}; background: $background; }}
        & > #fit-foot {{
            dock: bottom;
            height: {FOOT};
            border-top: solid $panel;
            background: $background;
        }}
        &.-blank > #fit-foot {{ display: none; }}
    }}
    """

    class Stepped(Message):
        """A person asks for the next rank in a direction."""

        def __init__(self, panel: FitPanel, direction: int) -> None:
            super().__init__()
            self.panel = panel
            self.direction = direction

        @property
        def control(self) -> FitPanel:
            return self.panel

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.view: FitView | None = None
        self.state = "Reading the settings …"
        self.advice = ""
        self._is_simulating = False
        self._probe: Probe | None = None
        self._chosen = ""
        self._places: Mapping[str, int] = {}

    def compose(self) -> ComposeResult:
        yield Lines(id="fit-verdict")
        yield Lines(id="fit-head")
        yield Lines(id="fit-column")
        yield Lines(id="fit-foot")

    def on_mount(self) -> None:
        self.border_title, self.border_subtitle = "Will it fit?", key_of("fit.panel")
        self._draw()

    def on_focus(self) -> None:
        gpu = key_of("fit.gpu_up") + key_of("fit.gpu_down")
        rank = key_of("fit.rank_down") + key_of("fit.rank_up")
        self.border_subtitle = f"{gpu} GPU · {rank} rank · {key_of('fit.panel')} back"
        self._draw()

    def on_blur(self) -> None:
        self.border_subtitle = key_of("fit.panel")
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # What the panel is given

    @property
    def estimate(self) -> Estimate | None:
        """The best estimate shown, None while there is none."""
        return self.view.estimate if self.view else None

    @property
    def row(self) -> Row | None:
        """The GPU that is looked at."""
        return self.view.row if self.view else None

    @property
    def remedy(self) -> Fix | None:
        """The change that would make the run fit the GPU that is looked at."""
        place = self.view.place if self.view else None
        return place.remedy if place else None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The GPUs of this machine, as far as they are known."""
        return self._probe.devices if self._probe else ()

    def show(self, view: FitView) -> None:
        """Show an estimate of the form as it stands; the answer that follows it comes later."""
        answer = self.view.answer if self.view else None
        self.state = self.advice = ""
        self.view = replace(
            view, answer=answer, fresh=False, probe=self._probe, chosen=self._chosen
        )
        self._draw()

    def show_answer(self, answer: FitReport) -> None:
        """Show what follows the estimate."""
        self._alter(answer=answer, fresh=True)

    def show_simulated(self, simulated: Estimate) -> None:
        """Show a simulation beside the estimate."""
        self._alter(simulated=simulated)

    @property
    def simulating(self) -> bool:
        """Whether a simulation is under way."""
        return self._is_simulating

    @simulating.setter
    def simulating(self, value: bool) -> None:
        self._is_simulating = value
        self._draw()

    def show_probe(self, probe: Probe) -> None:
        """Show the GPUs of this machine as they are now."""
        if probe != self._probe:
            self._probe = probe
            self._alter(probe=probe)

    def wait(self, state: str, advice: str = "") -> None:
        """Say what is under way, or why something is missing; the last estimate stays."""
        self.state, self.advice = state, advice
        self._draw()

    def fail(self, message: str, advice: str) -> None:
        """Say why there is no estimate, and what to do."""
        self.view = None
        self.wait(message, advice)

    # Keys

    def action_rank(self, direction: int) -> None:
        """Ask for the next lower or higher rank."""
        self.post_message(self.Stepped(self, direction))

    def action_gpu(self, direction: int) -> None:
        """Look at the GPU above or below; before the first, go to the top of the column."""
        if self.view is None or self.row is None:
            return
        rows = self.view.rows
        place = rows.index(self.row) + direction
        if place < 0:
            self.scroll_home(animate=False)
        elif place < len(rows):
            self._chosen = rows[place].name
            self._alter(chosen=self._chosen)
            self.show_place(self._chosen)

    def show_ranks(self) -> None:
        """Scroll so that the table of ranks is in view."""
        from deepsynth_tui.tui.fit.text import RANKS

        if self.view is not None and self.view.answer is not None:
            self.show_place(RANKS, 1 + len(self.view.answer.ranks))

    def show_place(self, key: str, height: int = 1) -> None:
        """Scroll so that what the column has under `key` is in view."""
        if key in self._places:
            top = self.query_one("#fit-column").virtual_region.y
            place = Region(0, top + self._places[key], 1, height)
            self.scroll_to_region(place, spacing=Spacing(HEAD, 0, FOOT, 0), animate=False)

    # Drawing

    def _alter(self, **changes: Any) -> None:
        if self.view is not None:
            self.view = replace(self.view, **changes)
            self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self.set_class(self.view is None, "-blank")
        if self.view is None:
            self._draw_state()
        else:
            self._draw_view(self.view)

    def _draw_state(self) -> None:
        style = "$text-warning" if self.advice else "$muted"
        width = max(self.scrollable_content_region.width, 20)
        lines = [Content.styled(line, style) for line in wrap(self.state, width)]
        lines += [Content(line) for line in ("", *wrap(self.advice, width)) if self.advice]
        self._say("#fit-verdict", [Content.styled(f"{self.state} {self.advice}", style)])
        self._say("#fit-head", lines[:HEAD])
        self._say("#fit-column", lines[HEAD:])

    def _draw_view(self, view: FitView) -> None:
        from deepsynth_tui.tui.fit.selected_gpu import choice
        from deepsynth_tui.tui.fit.text import column, cross_check, headline, verdict

        state = self.state or ("Simulating one training step …" if self._is_simulating else "")
        said = Content.styled(state, "$text-warning" if self.advice else "$muted")
        width = self.scrollable_content_region.width
        simulate = key_of("fit.simulate", while_typing=not self.has_focus)
        apply = key_of("fit.apply", while_typing=not self.has_focus)
        drawn = column(view, width)
        self._places = drawn.places
        mark = Content.assemble(said, "  ") if state else Content("")
        self._say("#fit-verdict", [mark + verdict(view)])
        self._say("#fit-head", [headline(view), said if state else cross_check(view, simulate)])
        self._say("#fit-column", drawn.lines)
        self._say("#fit-foot", choice(view, width, apply))

    def _say(self, part: str, lines: Sequence[Content]) -> None:
        self.query_one(part, Lines).say(lines)
