"""Figures of an estimate in words, and how far each moved. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.content import Content

from deepsynth_tui.machine.gpu_catalogue import Fit
from deepsynth_tui.units import GIB

SIGNS = {
    Fit.FITS: ("✓", "$text-success"),
    Fit.TIGHT: ("~", "$text-warning"),
    Fit.NO: ("✗", "$text-error"),
}
SOURCES = {"closed_form": "computed", "simulated": "simulated", "measured": "measured"}
MIB = 2**20

Number = TypeVar("Number", int, float)


def gigabytes(count: int) -> str:
    """Return bytes in GB of 2^30, with as many digits as say something."""
    size = count / GIB
    return f"{size:.0f} GB" if size >= 100 else f"{size:.1f} GB" if size >= 0.1 else "< 0.1 GB"


def size(count: int) -> str:
    """Return bytes in GB of 2^30 or, for less than a tenth of one, in MB of 2^20."""
    if count >= GIB / 10:
        return gigabytes(count)
    return f"{count / MIB:.0f} MB" if count >= MIB else "< 1 MB"


def amount(count: int) -> str:
    """Return a number of parameters in thousands, millions or billions."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return str(count)


def number(value: float) -> str:
    """Return a number in two or three digits: 0.3, 4.2, 37, 120."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.05 else "< 0.1"


def span(low: float, high: float) -> str:
    """Return a range of numbers, as one where both read the same."""
    first, last = number(low), number(high)
    return first if first == last else f"{first}–{last}"


def percent(share: float) -> str:
    """Return a share in whole percent."""
    return f"{100 * share:.0f} %" if share >= 0.005 or share == 0 else "< 1 %"


def money(dollars: float) -> str:
    """Return a price in US dollars, in cents below ten."""
    return f"${dollars:.0f}" if dollars >= 9.995 else f"${dollars:.2f}"


def moved(now: Number, before: Number | None, said: Callable[[Number], str]) -> Content:
    """Return how far a figure moved, as `▲ +1.2 GB`; nothing for one that stayed or is new."""
    if before is None or now == before:
        return Content("")
    up = now > before
    text = f"▲ +{said(now - before)}" if up else f"▼ -{said(before - now)}"
    return Content.styled(text.replace("+< ", "+<").replace("-< ", "-<"), "$text-accent")
