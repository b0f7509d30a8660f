"""The details of the fit panel: memory of each item, and the table of ranks."""

from __future__ import annotations

import re
from dataclasses import replace

from deepsynth_tui.estimate.inputs import EstimateInputs
from deepsynth_tui.tui.fit.details import RANKS, details
from tests.tui.fit.views import config_of, details_text, view_of

CHANGE = re.compile(r"[+-]\d+(\.\d)? [GMK]iB$")


def test_only_figures_that_changed_show_a_change(inputs: EstimateInputs) -> None:
    lines = details_text(view_of(inputs, config_of(batch=4), previous=config_of()))
    assert CHANGE.search(next(line for line in lines if "logits" in line))
    assert not CHANGE.search(next(line for line in lines if "weights" in line).rstrip())


def test_changes_move_no_line(inputs: EstimateInputs) -> None:
    view = view_of(inputs, config_of(batch=8), previous=config_of(batch=4))
    assert details(view, 51).anchors == details(replace(view, previous=None), 51).anchors


def test_the_rank_table_has_all_ranks_and_marks_the_current_one(inputs: EstimateInputs) -> None:
    column = details(view_of(inputs, config_of(rank=32)), 51)
    table = [line.plain for line in column.lines[column.anchors[RANKS] :]]
    assert [line.split()[0].lstrip("▸") or line.split()[1] for line in table[1:]] == [
        "4",
        "8",
        "16",
        "32",
        "64",
        "128",
    ]
    assert [line for line in table if line.startswith("▸")] == [table[4]]
    assert "262 k" in table[4], "r 32 on 2 x 4 square projections of 512"
    assert max(map(len, table)) <= 51
