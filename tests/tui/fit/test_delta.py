"""Changes of figures as text."""

from __future__ import annotations

from deepsynth_tui.tui.fit.delta import format_delta
from deepsynth_tui.units import GIB, MIB, format_bytes, format_number


def test_a_change_has_a_sign_and_a_unit() -> None:
    assert format_delta(3 * GIB, GIB, format_bytes).plain == "+2.0 GiB"
    assert format_delta(GIB, GIB + 30 * MIB, format_bytes).plain == "-30 MiB"
    assert format_delta(1.01, 1.0, format_number).plain == "+<0.1"


def test_an_unchanged_or_new_figure_has_no_change() -> None:
    assert format_delta(GIB, GIB, format_bytes).plain == ""
    assert format_delta(GIB, None, format_bytes).plain == ""
