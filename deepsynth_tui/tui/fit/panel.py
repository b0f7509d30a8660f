"""The fit panel beside the Training form: memory needed, trained parameters, GPUs that fit."""

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
from deepsynth_tui.tui.widgets.diffed_lines import DiffedLines

if TYPE_CHECKING:
    from deepsynth_tui.estimate.report import FitReport, GpuFit
    from deepsynth_tui.estimate.resources import Estimate
    from deepsynth_tui.machine.nvml import Device, Probe
    from deepsynth_tui.tui.fit.gpu_rows import GpuRow
    from deepsynth_tui.tui.fit.view import FitView

HEADER_HEIGHT, FOOTER_HEIGHT = 2, 6
"""Lines above and below the scrolling part; the rule above the footer included."""
FORMER = "Below: the settings before."


class FitPanel(VerticalScroll):
    """Shows the last `FitView`, and a status line while that is not the current form's.

    In a narrow terminal it is one line (the verdict) until it has the focus. The details scroll
    between a fixed header and a fixed footer; the footer is about the selected GPU.
    """

    BINDINGS = bindings("fit_panel")
    DEFAULT_CSS = f"""
    FitPanel {{
        scrollbar-size-vertical: 1;
        & > #fit-head {{ dock: top; height: {HEADER_HEIGHT}; background: $background; }}
        & > #fit-foot {{
            dock: bottom;
            height: {FOOTER_HEIGHT};
            border-top: solid $frame;
            background: $background;
        }}
        &.-blank > #fit-foot {{ display: none; }}
    }}
    """

    class RankStepped(Message):
        """Request for the next rank in a direction (-1 or 1)."""

        def __init__(self, panel: FitPanel, direction: int) -> None:
            super().__init__()
            self.panel = panel
            self.direction = direction

        @property
        def control(self) -> FitPanel:
            return self.panel

    class BitsChosen(Message):
        """Request to quantize the weights in 4 or 8 bits, or no longer."""

        def __init__(self, panel: FitPanel, bits: int) -> None:
            super().__init__()
            self.panel = panel
            self.bits = bits

        @property
        def control(self) -> FitPanel:
            return self.panel

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.view: FitView | None = None
        self.status = "Reading the settings …"
        self.advice = ""
        self._is_simulating = False
        self._probe: Probe | None = None
        self._selected_name = ""
        self._anchors: Mapping[str, int] = {}

    def compose(self) -> ComposeResult:
        yield DiffedLines(id="fit-verdict")
        yield DiffedLines(id="fit-head")
        yield DiffedLines(id="fit-column")
        yield DiffedLines(id="fit-foot")

    def on_mount(self) -> None:
        self.border_title, self.border_subtitle = "Will it fit?", key_of("fit.panel")
        self._draw()

    def on_focus(self) -> None:
        gpu = key_of("fit.gpu_up") + key_of("fit.gpu_down")
        rank = key_of("fit.rank_down") + key_of("fit.rank_up")
        bits = f"{key_of('fit.four_bits')} 4-bit"
        self.border_subtitle = f"{rank} rank · {bits} · {gpu} GPU · {key_of('fit.panel')} back"
        self.call_next(self._draw)  # `has_focus` changes after this handler

    def on_blur(self) -> None:
        self.border_subtitle = key_of("fit.panel")
        self.call_next(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # State

    @property
    def estimate(self) -> Estimate | None:
        """The best estimate available, None if there is none."""
        return self.view.estimate if self.view else None

    @property
    def selected_gpu(self) -> GpuRow | None:
        """The selected row of the GPU table."""
        return self.view.selected_gpu if self.view else None

    @property
    def selected_fit(self) -> GpuFit | None:
        """The report on the selected GPU, with the settings to change for it."""
        return self.view.selected_fit if self.view else None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The GPUs of this machine, empty until they were probed."""
        return self._probe.devices if self._probe else ()

    def show_estimate(self, view: FitView) -> None:
        """Show an estimate of the current form; its report follows later."""
        report = self.view.report if self.view else None
        self.status = self.advice = ""
        self.view = replace(
            view,
            report=report,
            report_is_current=False,
            probe=self._probe,
            selected_name=self._selected_name,
        )
        self._draw()

    def show_report(self, report: FitReport) -> None:
        """Show the report on the current estimate."""
        self._update_view(report=report, report_is_current=True)

    def show_simulated(self, simulated: Estimate) -> None:
        """Show a simulated estimate beside the computed one."""
        self._update_view(simulated=simulated)

    @property
    def simulating(self) -> bool:
        """Whether a simulation is running."""
        return self._is_simulating

    @simulating.setter
    def simulating(self, value: bool) -> None:
        self._is_simulating = value
        self._draw()

    def show_probe(self, probe: Probe) -> None:
        """Show the current state of this machine's GPUs."""
        if probe != self._probe:
            self._probe = probe
            self._update_view(probe=probe)

    def show_status(self, status: str, advice: str = "") -> None:
        """Show what is in progress, or why something is missing.

        The last estimate stays, dim, and nothing of it can be applied: it is of former settings.
        """
        self.status, self.advice = status, advice
        if self.view is not None:
            self.view = replace(self.view, report_is_current=False)
        self._draw()

    def show_rank(self, rank: object) -> None:
        """Mark the rank that the form has, whether or not there is an estimate for it."""
        if isinstance(rank, int) and self.view is not None and rank != self.view.rank:
            self._update_view(rank=rank)

    def show_error(self, message: str, advice: str) -> None:
        """Show why there is no estimate, and what to do."""
        self.view = None
        self.show_status(message, advice)

    # Keys

    def action_rank(self, direction: int) -> None:
        """Ask for the next lower or higher rank."""
        self.post_message(self.RankStepped(self, direction))

    def action_bits(self, bits: int) -> None:
        """Ask for weights in 4 or 8 bits, or for unquantized ones if they are already."""
        self.post_message(self.BitsChosen(self, bits))

    def action_gpu(self, direction: int) -> None:
        """Select the GPU above or below; above the first, scroll to the top."""
        if self.view is None or self.selected_gpu is None:
            return
        rows = self.view.gpu_rows
        index = rows.index(self.selected_gpu) + direction
        if index < 0:
            self.scroll_home(animate=False)
        elif index < len(rows):
            self._selected_name = rows[index].name
            self._update_view(selected_name=self._selected_name)
            self._scroll_to_anchor(self._selected_name)

    def scroll_to_ranks(self) -> None:
        """Scroll the table of ranks into view."""
        if self.view is not None and self.view.report is not None:
            from deepsynth_tui.tui.fit.details import RANKS

            self._scroll_to_anchor(RANKS, height=1 + len(self.view.report.ranks))

    def _scroll_to_anchor(self, anchor: str, height: int = 1) -> None:
        if anchor in self._anchors:
            top = self.query_one("#fit-column").virtual_region.y
            region = Region(0, top + self._anchors[anchor], 1, height)
            spacing = Spacing(HEADER_HEIGHT, 0, FOOTER_HEIGHT, 0)
            self.scroll_to_region(region, spacing=spacing, animate=False)

    # Drawing

    def _update_view(self, **changes: Any) -> None:
        if self.view is not None:
            self.view = replace(self.view, **changes)
            self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self.set_class(self.view is None, "-blank")
        if self.view is None:
            self._draw_status()
        else:
            self._draw_view(self.view)

    def _draw_status(self) -> None:
        style = "$text-warning" if self.advice else "$muted"
        width = max(self.scrollable_content_region.width, 20)
        lines = [Content.styled(line, style) for line in wrap(self.status, width)]
        lines += [Content(line) for line in ("", *wrap(self.advice, width)) if self.advice]
        self._update("#fit-verdict", [Content.styled(f"{self.status} {self.advice}", style)])
        self._update("#fit-head", lines[:HEADER_HEIGHT])
        self._update("#fit-column", lines[HEADER_HEIGHT:])

    def _draw_view(self, view: FitView) -> None:
        from deepsynth_tui.tui.fit.details import details
        from deepsynth_tui.tui.fit.headline import cross_check, headline, verdict
        from deepsynth_tui.tui.fit.selected_gpu import selected_gpu_lines

        width = self.scrollable_content_region.width
        if self.status:
            self._draw_former(view, width)
            return
        text = "Simulating one training step …" if self._is_simulating else ""
        status = Content.styled(text, "$muted")
        prefix = Content.assemble(status, "  ") if text else Content("")
        simulate = key_of("fit.simulate", while_typing=not self.has_focus)
        apply = key_of("fit.apply", while_typing=not self.has_focus)
        column = details(view, width)
        self._anchors = column.anchors
        self._update("#fit-verdict", [prefix + verdict(view)])
        self._update("#fit-head", [headline(view), status if text else cross_check(view, simulate)])
        self._update("#fit-column", column.lines)
        self._update("#fit-foot", selected_gpu_lines(view, width, apply))

    def _draw_former(self, view: FitView, width: int) -> None:
        """Draw the status, and below it, dim, the estimate of the settings before."""
        from deepsynth_tui.tui.fit.details import details

        status = Content.styled(self.status, "$text-warning" if self.advice else "$text-accent")
        column = details(replace(view, previous=None), width)
        self._anchors = column.anchors
        self._update("#fit-verdict", [status])
        self._update("#fit-head", [status, Content.styled(FORMER, "$muted")])
        self._update("#fit-column", [line.stylize("dim") for line in column.lines])
        self._update("#fit-foot", [])

    def _update(self, part: str, lines: Sequence[Content]) -> None:
        self.query_one(part, DiffedLines).update(lines)
