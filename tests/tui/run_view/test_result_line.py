"""What a completed run made, in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deepsynth_tui.tui.run_view.result_line import result_of
from tests.pilot.recorded_runs import alive, append, drawing, drawn, ended, training
from tests.tui.run_view.snapshots import recorded, snapshot_of


@pytest.mark.parametrize(
    ("verification", "text"),
    [
        ({"reproduces": True, "changes_the_base": True}, "verified"),
        ({"changes_the_base": True}, "verified"),
        ({"reproduces": True, "changes_the_base": False}, "loaded again: no effect yet"),
        ({"reproduces": False}, "loaded again: other answers than in training"),
        (None, "not verified"),
    ],
)
def test_an_adapter_has_a_size_and_a_verification(
    home: Path, verification: dict[str, Any] | None, text: str
) -> None:
    run = recorded(home, list(training(3)))
    run.adapter.mkdir()
    (run.adapter / "adapter_model.safetensors").write_bytes(bytes(3 << 20))
    results = {"path": str(run.adapter), "verification": verification}
    append(run, [(20, "done", {"verdict": "completed", **results})])
    ended(run)
    result = result_of(snapshot_of(run, home))
    assert result is not None
    assert (result.what, result.path, result.facts) == ("adapter", run.adapter, ("3 MiB", text))
    assert result.python == f'peft.PeftModel.from_pretrained(model, "{run.adapter}")'


def test_a_dataset_has_counts(home: Path) -> None:
    run = recorded(home, list(drawing(40)), kind="dataset")
    append(run, list(drawn(run)))
    ended(run)
    result = result_of(snapshot_of(run, home))
    assert result is not None
    assert result.facts[:2] == ("40 documents", "55 pages")
    assert result.python == f'datasets.load_dataset("{run.dataset}")'


def test_a_live_run_and_one_that_failed_have_made_nothing(home: Path) -> None:
    run = recorded(home, list(training(3)))
    alive(run, "training", at=80)
    assert result_of(snapshot_of(run, home)) is None
    append(run, [(81, "done", {"verdict": "failed"})])
    ended(run)
    assert result_of(snapshot_of(run, home)) is None


def test_full_weights_are_loaded_with_transformers(home: Path) -> None:
    run = recorded(home, list(training(3)))
    append(run, [(20, "done", {"verdict": "completed", "path": "/runs/x/model"})])
    ended(run)
    result = result_of(snapshot_of(run, home))
    assert result is not None
    assert result.what == "model"
    assert result.python.startswith("transformers.AutoModelForImageTextToText")
