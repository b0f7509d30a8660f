"""What the interface shows of a search: read from its files, without Optuna."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deepsynth_tui.search.results import SearchResults, TrialRow, write_results
from deepsynth_tui.tui.run_view.searches import find_searches, read_search, search_of_run
from deepsynth_tui.tui.screens.trials import details_lines, fitting, trial_cells

ROW = TrialRow(
    number=0,
    state="done",
    score=0.5,
    values={"training.learning_rate": 0.001, "lora.r": 8},
    run="s-000",
    run_state="done",
    continues=None,
    steps=32,
    seconds=60.0,
    needed_bytes=2**30,
    peak_bytes=None,
    cost=None,
    reason="",
)
RESULTS = SearchResults(
    name="s",
    path="",
    metric="eval_loss",
    direction="minimize",
    trials=(
        ROW,
        replace(ROW, number=1, score=0.25, values={"training.learning_rate": 0.002, "lora.r": 16}),
        replace(ROW, number=2, state="pruned", score=0.9, reason="paused at step 8", steps=8),
    ),
    best=1,
    importance={"training.learning_rate": 0.75, "lora.r": 0.25},
    steps=72,
    ended="",
)


def search_folder(home: Path, name: str = "a") -> Path:
    folder = home / "searches" / name
    (folder / "trials" / "000").mkdir(parents=True)
    (folder / "search.json").write_text("{}")
    return folder


def test_a_search_is_read_as_it_was_written(home: Path) -> None:
    folder = search_folder(home)
    write_results(folder / "results.json", RESULTS)
    search = read_search(folder)
    assert search.results == RESULTS
    assert (search.state, search.is_running) == ("done", False)
    (folder / "results.json").write_text('{"name": "half"')
    assert read_search(folder).state == "no results"


def test_searches_are_found_by_themselves_and_by_their_trials(home: Path, tmp_path: Path) -> None:
    own = search_folder(home)
    elsewhere = search_folder(tmp_path / "elsewhere")
    (home / "runs").mkdir()
    link = home / "runs" / "a-000"
    link.symlink_to(elsewhere / "trials" / "000")
    assert set(find_searches(home)) == {own.resolve(), elsewhere.resolve()}
    assert search_of_run(link) == elsewhere.resolve()
    assert search_of_run(home / "runs") is None


def test_trials_are_ranked_with_the_values_of_their_parameters() -> None:
    heads, rows = trial_cells(RESULTS)
    assert heads[:4] == ["trial", "loss", "learning_rate", "r"]
    assert "cost" not in heads
    assert [row[0] for row in rows] == ["1 *", "0", "2"]
    assert rows[0][1:4] == ["0.25", "0.002", "16"]
    assert rows[0][-1] == "~1.0 GiB", "an estimate is marked as one"
    priced = replace(RESULTS, trials=(replace(ROW, cost=0.125),))
    assert trial_cells(priced)[1][0][-1] == "$0.12"


def test_a_narrow_table_keeps_scores_and_parameters() -> None:
    heads, rows = trial_cells(RESULTS)
    widest = fitting(heads, rows, 200)
    assert widest == (heads, rows)
    narrow, cells = fitting(heads, rows, 50)
    assert narrow == ["trial", "loss", "learning_rate", "r", "state"]
    assert [len(row) for row in cells] == [len(narrow)] * 3
    assert fitting([], [], 80) == ([], [])


def test_details_name_best_importance_and_reason(home: Path) -> None:
    folder = search_folder(home)
    write_results(folder / "results.json", RESULTS)
    text = "\n".join(
        f"{label} {value}" for label, value in details_lines(read_search(folder), RESULTS.trials[2])
    )
    assert "best trial 1: learning_rate 0.002, r 16; eval_loss 0.25" in text
    assert "training.learning_rate" in text
    assert "75%" in text
    assert "paused at step 8" in text
