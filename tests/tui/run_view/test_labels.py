"""Names of run states on screen."""

from __future__ import annotations

from typing import get_args

from deepsynth_tui.runs.summary import StateName
from deepsynth_tui.tui.run_view.labels import STATE_LABELS


def test_every_state_has_its_own_symbol_and_text():
    labels = STATE_LABELS.values()
    assert set(STATE_LABELS) == set(get_args(StateName))
    assert len({(label.symbol, label.text) for label in labels}) == len(labels)
    assert len({label.text for label in labels}) == len(labels)
