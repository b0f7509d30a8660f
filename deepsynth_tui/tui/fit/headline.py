"""The result of the estimate in one line or two: memory needed, and whether it fits. Pure."""

from __future__ import annotations

from textual.content import Content

from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.tui.fit.delta import format_delta
from deepsynth_tui.tui.fit.gpu_rows import FIT_SIGNS
from deepsynth_tui.tui.fit.view import FitView
from deepsynth_tui.units import format_bytes

SOURCES = {"closed_form": "computed", "simulated": "simulated", "measured": "measured"}


def verdict(view: FitView) -> Content:
    """Return the whole result on one line, for a narrow terminal."""
    estimate = view.estimate
    fitting = [row for row in view.gpu_rows if row.fit is not Fit.NO]
    local = next((row for row in view.gpu_rows if row.device), None)
    gpu = local or min(fitting, key=lambda row: row.available, default=None)
    if gpu is None:
        fit = Content.styled("✗ fits no GPU of the catalogue", "$text-error")
    else:
        sign, style = FIT_SIGNS[gpu.fit]
        fit = Content.styled(f"{sign} {gpu.fit} {gpu.name}", style)
    others = len(fitting) - 1
    more = f" and {others} larger" if others > 0 and local is None else ""
    return Content.assemble(
        ("Needs ", "$muted"),
        (format_bytes(estimate.needed), "bold"),
        (f", {SOURCES[estimate.source]} ", "$muted"),
        _change(view),
        (" · ", "$muted"),
        fit,
        (f"{more} · Esc", "$muted"),
    )


def headline(view: FitView) -> Content:
    """Return the memory needed, how that figure was obtained, and its change."""
    estimate = view.estimate
    return Content.assemble(
        Content.styled(format_bytes(estimate.needed), "bold $primary"),
        f" of GPU memory, {SOURCES[estimate.source]}  ",
        _change(view),
    )


def cross_check(view: FitView, key: str) -> Content:
    """Return the simulated and measured peaks beside the computed one, or how to simulate.

    `key` is the key that simulates.
    """
    peaks = {}
    if view.simulated:
        peaks["simulated"] = view.simulated.peak_allocated
    run = view.report.measured if view.report and view.report_is_current else None
    if run and run.measured.allocated:
        peaks["out of memory at" if run.ran_out else "measured"] = run.measured.allocated
    if not peaks:
        hint = " simulates one step to check this figure"
        return Content.assemble((key, "bold $primary"), (hint, "$muted"))
    computed = view.computed.peak_allocated
    others = [
        f"{source} {f'{format_bytes(peak)} ' if len(peaks) == 1 else ''}"
        f"({100 * (peak / computed - 1):+.1f} %)"
        for source, peak in peaks.items()
    ]
    text = f"peak {format_bytes(computed)} computed, {', '.join(others)}"
    return Content.styled(text, "$text-accent")


def _change(view: FitView) -> Content:
    baseline = view.baseline.needed if view.baseline else None
    return format_delta(view.estimate.needed, baseline, format_bytes)
