"""The text of the outcome box."""

from __future__ import annotations

from pathlib import Path

from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.tui.run_view.outcome import Outcome, describe_outcome
from deepsynth_tui.tui.run_view.reader import RunReader
from tests.pilot.recorded_runs import alive, append, ended, new_run, training


def outcome_of(run: RunDirectory, home: Path) -> Outcome:
    snapshot = RunReader(run, home).poll()
    assert snapshot is not None
    outcome = describe_outcome(snapshot, ())
    assert outcome is not None
    return outcome


def test_a_running_run_has_no_outcome(home: Path):
    run = new_run(home, "x")
    append(run, list(training(3)))
    alive(run, "training")
    snapshot = RunReader(run, home).poll()
    assert snapshot is not None
    assert describe_outcome(snapshot, ()) is None


def test_a_completed_run_has_a_line_of_its_own(home: Path):
    run = new_run(home, "x")
    append(run, [*training(3), (9.0, "done", {"verdict": "completed", "path": "/x/adapter"})])
    ended(run)
    snapshot = RunReader(run, home).poll()
    assert snapshot is not None
    assert describe_outcome(snapshot, ()) is None


def test_an_error_offers_its_changes_and_the_last_checkpoint(home: Path):
    run = new_run(home, "x")
    error = {"class": "E", "message": "No memory", "advice": "Lower r.\n\nOr the batch."}
    changes = {"changes": {"lora.r": 8}}
    append(run, [*training(74), (81, "error", {**error, **changes})])
    append(run, [(81, "done", {"verdict": "failed"})])
    ended(run)
    outcome = outcome_of(run, home)
    assert outcome.paragraphs == ("No memory",)
    assert ("What to do", "Lower r.") in outcome.rows
    assert ("What to do", "Or the batch.") in outcome.rows, "one row per line"
    assert any(text == "Retry with lora.r: 8" for _, text in outcome.rows)
    assert dict(outcome.rows)["R"].startswith("Resume from step 60 (deepsynth-tui train ")
