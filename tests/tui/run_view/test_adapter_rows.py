"""What the list of adapters says of each."""

from __future__ import annotations

import pytest

from deepsynth_tui.tui.run_view.adapter_rows import problem_text
from deepsynth_tui.workflows.adapter_look import AdapterEntry


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        ("/runs/a/adapter/weights is damaged or truncated (no header)", "damaged or truncated"),
        ("there is no adapter_config.json in /runs/a/adapter", "there is no adapter_config.json"),
    ],
)
def test_a_problem_starts_with_what_is_wrong(problem: str, shown: str) -> None:
    entry = AdapterEntry(name="a", path="/runs/a/adapter", problem=problem)
    assert problem_text(entry).startswith(shown)
