"""The list of runs, over real run directories."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import _data_table

from deepsynth_tui.runs import control, file_lock, queue
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.supervisor_status import supervisor_lock
from deepsynth_tui.search.results import write_results
from deepsynth_tui.tui.actions import key_of
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.key_paths import KEY_PATHS
from deepsynth_tui.tui.palette import applicable_actions
from deepsynth_tui.tui.screens import runs as runs_screen
from deepsynth_tui.tui.screens.compare import CompareScreen
from deepsynth_tui.tui.screens.runs import RunsScreen
from deepsynth_tui.tui.widgets.overlay_chart import OverlayChart
from deepsynth_tui.tui.widgets.run_table import COLUMN_WIDTHS, RunTable, columns_for
from deepsynth_tui.workflows import start
from deepsynth_tui.workflows.comparison.compare import compare_runs
from tests.pilot.recorded_runs import (
    START,
    alive,
    append,
    drawing,
    drawn,
    ended,
    loss,
    new_run,
    training,
    vanished,
)
from tests.pilot.screen_host import CountingClock, ScreenHost, text_of, until
from tests.search.test_search_view import RESULTS, search_folder

SMALL, LARGE = (80, 24), (120, 36)


def host(home: Path, now: float = 90.0) -> ScreenHost:
    return ScreenHost(home, lambda: RunsScreen(clock=lambda: START + now))


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    await until(pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts))


@pytest.fixture(autouse=True)
def quick_polls(monkeypatch: pytest.MonkeyPatch):
    """Poll the directories without long pauses."""
    monkeypatch.setattr(runs_screen, "POLL_SECONDS", 0.05)


@pytest.fixture
def three(home: Path) -> list[RunDirectory]:
    """A completed dataset run, a live training run and a crashed one, oldest first."""
    pages = new_run(home, "pages", "dataset", later=0)
    append(pages, [*drawing(40), *drawn(pages)])
    ended(pages)
    work = new_run(home, "demo-train", later=10)
    append(work, list(training(74)))
    alive(work, "training", at=80)
    lost = new_run(home, "lost", later=20)
    append(lost, list(training(20)))
    vanished(lost)
    return [pages, work, lost]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_every_run_with_its_state_newest_first(
    home: Path, three: list[RunDirectory], size: tuple[int, int]
):
    async with host(home).run_test(size=size) as pilot:
        await shows(
            pilot,
            "✓ done",
            "● running",
            "✗ crashed",
            "● running 61 %",
            "1.397",
            "█",
            "1 min",
        )
        shown = text_of(pilot.app.screen)
        assert shown.index("lost") < shown.index("demo-train") < shown.index("pages")
        assert f"deepsynth-tui attach {three[2].id}" in shown
        has_curve = any("⠀" < each <= "⣿" for each in shown)
        assert has_curve == (size == LARGE), "where there is room"


async def test_it_follows_the_directories_and_keeps_the_cursor(
    home: Path, three: list[RunDirectory]
):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "running 61 %")
        await pilot.press("down")
        await shows(pilot, f"attach {three[1].id}")
        append(three[1], [(85, "progress", {"done": 96, "total": 120, "unit": "steps"})])
        await shows(pilot, "running 80 %", "step 96 of 120")
        newer = new_run(home, "newer", later=30)
        alive(newer, "starting", at=88)
        await shows(pilot, "○ starting", f"attach {three[1].id}")
        shutil.rmtree(three[1].path)
        await until(pilot, lambda: "demo-train" not in text_of(pilot.app.screen))


async def test_nothing_is_painted_while_nothing_changes(home: Path, three: list[RunDirectory]):
    clock = CountingClock(90)
    app = ScreenHost(home, lambda: RunsScreen(clock=clock))
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "running 61 %")
        await clock.polls(pilot, 2)
        painted = app.painted
        for beat in range(5):
            alive(three[1], "training", at=80.0 + beat / 10)
            await clock.polls(pilot, 1)
        assert app.painted == painted


async def test_keys_before_there_are_rows_do_nothing(home: Path):
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "No runs yet.")
        await pilot.press("end", "enter")
        run = new_run(home, "first")
        alive(run, "starting", at=88)
        await shows(pilot, "first")
        assert app.calls == []
        await pilot.press("v", "end", "enter")
        await shows(pilot, "No searches yet.")


async def test_enter_opens_the_highlighted_run(home: Path, three: list[RunDirectory]):
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "demo-train")
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.calls == [("run", three[1].id)])


async def test_stop_names_the_run_and_asks(home: Path, three: list[RunDirectory]):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "demo-train")
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunsScreen), "a crashed run cannot be stopped"
        await pilot.press("down", "s")
        await shows(pilot, "Stop demo-train?")
        await pilot.press("n")
        await until(pilot, lambda: control.pending_request(three[1]) == "stop")
        await shows(pilot, "◐ stopping")


async def test_clone_fills_the_form_with_its_settings(home: Path):
    text = "kind: training\nname: again\nlora:\n  r: 8\ndata:\n  path: some/data\n"
    run = new_run(home, "again", config_text=text)
    ended(run)
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "again")
        await pilot.press("c")
        await until(pilot, lambda: bool(app.calls))
    ((kind, values),) = app.calls
    assert kind == "training"
    assert isinstance(values, dict)
    assert values["lora"] == {"r": 8}
    assert values["data"] == {"path": "some/data"}


async def test_unreadable_settings_are_reported(home: Path):
    run = new_run(home, "odd", config_text="kind: training\nlora:\n  ranks: 8\n")
    ended(run)
    app = host(home)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "odd")
        await pilot.press("c")
        await until(pilot, lambda: any("ranks" in n.message for n in app._notifications))
    assert app.calls == []


async def test_no_runs_yet_says_what_to_do(home: Path):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "No runs yet.", "F2 makes a dataset", "deepsynth-tui demo")
        run = new_run(home, "first")
        alive(run, "starting", at=88)
        await shows(pilot, "first")
        assert "No runs yet" not in text_of(pilot.app.screen)


async def test_a_long_name_leaves_room_for_the_figures(home: Path):
    run = new_run(home, "a name that is far longer than the room there is for it here")
    append(run, list(training(20)))
    alive(run, "training", at=80)
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "a name that", "running 16 %", "1 min")
        assert pilot.app.screen.query_one(RunTable).max_scroll_x == 0


async def test_a_hidden_list_does_not_poll(home: Path, three: list[RunDirectory]):
    clock = CountingClock(90)
    app = ScreenHost(home, lambda: RunsScreen(clock=clock))
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "demo-train")
        await clock.polls(pilot, 1)
        await pilot.press("down", "s")
        await shows(pilot, "Stop demo-train?")
        newer = new_run(home, "newer", later=30)
        alive(newer, "starting", at=88)
        await pilot.pause(10 * runs_screen.POLL_SECONDS)
        hidden = clock.calls
        await pilot.pause(10 * runs_screen.POLL_SECONDS)
        assert clock.calls == hidden
        await pilot.press("escape")
        await shows(pilot, "newer")


CONFIG = """kind: training
name: {name}
model: {{name_or_path: org/{model}}}
lora: {{r: {rank}}}
data: {{path: /data/invoices}}
"""


def trained(home: Path, name: str, *, rank: int = 16, later: float = 0.0) -> RunDirectory:
    """A completed training run with a configuration."""
    text = CONFIG.format(name=name, model=f"model-{rank}", rank=rank)
    run = new_run(home, name, later=later, config_text=text)
    append(run, [*training(20 * rank // 8, 120), (200, "done", {"verdict": "completed"})])
    ended(run)
    return run


async def test_columns_say_what_was_trained(home: Path):
    trained(home, "rank16")
    async with host(home, now=300).run_test(size=LARGE) as pilot:
        await shows(pilot, "model-16", "r16", "invoices", f"{loss(40) + 0.2:.3f}", "3 min 20 s")


async def test_slash_filters_and_escape_shows_all_again(home: Path):
    for number, name in enumerate(("red", "green", "blue")):
        trained(home, name, rank=8 * (number + 1), later=number)
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "red", "green", "blue")
        await pilot.press("slash", *"gre")
        await until(pilot, lambda: pilot.app.screen.query_one(RunTable).row_count == 1)
        await pilot.press("enter")
        await shows(pilot, "1 of 3 runs have “gre”")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen.query_one(RunTable).row_count == 3)
        await pilot.press("slash", *"model-24")
        await until(pilot, lambda: pilot.app.screen.query_one(RunTable).row_count == 1)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen.query_one(RunTable).row_count == 3)


async def test_cells_of_fixed_width_are_not_measured(
    home: Path, three: list[RunDirectory], monkeypatch: pytest.MonkeyPatch
):
    """Measuring a thousand rows took longer than all else that a key waits for."""
    measured: list[object] = []
    monkeypatch.setattr(
        _data_table, "measure", lambda _, renderable, default: measured.append(renderable) or 1
    )
    async with host(home).run_test(size=LARGE) as pilot:
        await shows(pilot, "pages", "demo-train", "lost")
        table = pilot.app.screen.query_one(RunTable)
        assert table.virtual_size.height == table.header_height + 3
        assert not any("pages" in str(renderable) for renderable in measured)


async def test_the_mouse_highlights_opens_and_sorts(home: Path, three: list[RunDirectory]):
    app = host(home)
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "pages", "demo-train", "lost")
        table = app.screen.query_one(RunTable)

        def names() -> list[str]:
            name = list(COLUMN_WIDTHS).index("name")
            return [str(table.get_row_at(row)[name]) for row in range(table.row_count)]

        async def click(text: str, times: int = 1) -> None:
            lines = text_of(app.screen).splitlines()
            y = next(i for i, line in enumerate(lines) if text in line)
            await pilot.click(offset=(lines[y].index(text), y), times=times)

        assert names() == ["lost", "demo-train", "pages"]
        await click("pages")
        await until(pilot, lambda: table.highlighted is not None and table.cursor_row == 2)
        assert app.calls == []
        await click("demo-train", times=2)
        await until(pilot, lambda: app.calls == [("run", three[1].id)])
        await click("name")
        await until(pilot, lambda: names() == ["demo-train", "lost", "pages"])
        assert table.highlighted is not None
        assert table.highlighted.name == "demo-train"
        await click("model")  # no order of runs
        await click("age")
        await until(pilot, lambda: names() == ["lost", "demo-train", "pages"])


async def test_o_sorts_and_keeps_the_cursor_on_its_run(home: Path):
    for number, name in enumerate(("cherry", "apple", "banana")):
        trained(home, name, rank=8 * (number + 1), later=number)
    async with host(home).run_test(size=SMALL) as pilot:
        table = pilot.app.screen.query_one(RunTable)
        await shows(pilot, "cherry", "age ↓")
        await pilot.press("o")
        await shows(pilot, "name ↓")
        shown = text_of(pilot.app.screen)
        assert shown.index("apple") < shown.index("banana ") < shown.index("cherry")
        assert table.highlighted is not None
        assert table.highlighted.name == "banana"


async def test_two_runs_are_compared_in_three_keys(home: Path):
    runs = [trained(home, f"rank{8 * number}", rank=8 * number, later=number) for number in (1, 2)]
    equal = compare_runs(runs).equal
    async with host(home).run_test(size=LARGE) as pilot:
        await shows(pilot, "rank8", "rank16")
        await pilot.press("space", "down", "equals_sign")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await shows(
            pilot,
            "a rank16",
            "b rank8",
            "held-out loss, best",
            "lora.r",
            f"{equal} settings are the same",
        )
        shown = text_of(pilot.app.screen)
        assert "model.name_or_path" in shown
        assert "data.path" not in shown
        await pilot.press("l")
        await until(pilot, lambda: pilot.app.screen.query_one(OverlayChart).log_scale)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))


async def test_one_run_cannot_be_compared(home: Path):
    trained(home, "alone")
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "alone")
        await pilot.press("space", "equals_sign")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunsScreen)


@pytest.mark.parametrize("key_place", ["runs.resume", "monitor.resume"])
def test_resuming_takes_one_key_on_the_run(key_place: str):
    assert key_of(key_place) == "R"


async def test_shift_r_resumes_the_highlighted_run(home: Path, monkeypatch: pytest.MonkeyPatch):
    trained(home, "done")
    lost = new_run(home, "lost", later=20)
    append(lost, list(training(20)))
    vanished(lost)
    started: list[str] = []
    monkeypatch.setattr(start, "continue_run", lambda run: started.append(run.id))
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "✗ crashed", "R Resume")
        await pilot.press("down", "R")  # a completed run has nothing left to do
        await pilot.press("up", "R")
        await until(pilot, lambda: bool(started))
    assert started == [lost.id]


async def test_d_names_the_size_and_deletes_after_a_confirmation(home: Path):
    kept, gone = trained(home, "kept"), trained(home, "gone", later=1)
    (gone.path / "large").write_bytes(bytes(3 << 20))
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "kept", "gone")
        await pilot.press("D")
        await shows(pilot, "Delete ", "Frees 3 MiB")
        await pilot.press("enter")  # the safe choice is highlighted
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        assert gone.path.exists()
        await pilot.press("D")
        await shows(pilot, "Frees 3 MiB")
        await pilot.press("down", "enter")
        await until(pilot, lambda: not gone.path.exists())
        await until(pilot, lambda: "gone" not in text_of(pilot.app.screen))
    assert kept.path.exists()


async def test_marked_runs_are_deleted_together_and_a_live_one_never(home: Path):
    first, second = trained(home, "first"), trained(home, "second", later=1)
    live = new_run(home, "live", later=2)
    append(live, list(training(20)))
    alive(live, "training", at=85)
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "first", "second", "live")
        await pilot.press("D")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunsScreen)
        await pilot.press("space", "down", "space", "down", "space")
        await shows(pilot, "3: = compares")
        await pilot.press("D")
        await shows(pilot, "Delete 2 runs?")
        await pilot.press("down", "enter")
        await until(pilot, lambda: not first.path.exists() and not second.path.exists())
    assert live.path.exists()


async def test_n_renames_and_the_list_shows_it_at_once(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("deepsynth_tui.tui.screens.runs.POLL_SECONDS", 3600)
    trained(home, "before")
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "before")
        await pilot.press("n")
        await shows(pilot, "Rename before")
        await pilot.press("ctrl+u", "enter")
        await shows(pilot, "must not be empty")
        await pilot.press(*"after", "enter")
        await shows(pilot, "after")
        await until(pilot, lambda: "before" not in text_of(pilot.app.screen))


async def test_extending_asks_for_a_number_of_steps(home: Path):
    trained(home, "short")
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "short")
        await pilot.press("x")
        await shows(pilot, "Train short further?", "It is at step 40.")
        await pilot.press("ctrl+u", *"abc", "enter")
        await shows(pilot, "must be a whole number >= 1")
        await pilot.press("ctrl+u", *"10", "enter")
        await until(pilot, lambda: any(n.title == "Not extended" for n in pilot.app._notifications))


async def test_why_a_run_failed_takes_two_keys(home: Path):
    run = new_run(home, "oom")
    error = {"class": "OutOfMemoryError", "message": "CUDA out of memory", "advice": "Lower it."}
    append(run, [*training(20), (30, "error", error), (30, "done", {"verdict": "failed"})])
    ended(run)
    async with DeepsynthApp(home, mode="dataset").run_test(size=SMALL) as pilot:
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        await shows(pilot, "✗ failed", "CUDA out of memory")
        await pilot.press("enter")
        await shows(pilot, "CUDA out of memory", "Lower it.")


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (60, {"mark", "state", "name", "age", "best eval"}),
        (80, {"mark", "state", "name", "age", "best eval", "loss", "method"}),
        (120, set(COLUMN_WIDTHS)),
    ],
)
def test_narrow_tables_leave_out_columns_by_priority(width: int, columns: set[str]):
    shown = columns_for(width)
    assert set(shown) == columns
    assert sum(size + 2 for size in shown.values()) <= width


async def test_the_help_shows_the_keys_of_a_run(home: Path):
    trained(home, "done")
    lost = new_run(home, "lost", later=20)
    append(lost, list(training(20)))
    vanished(lost)
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "✗ crashed")
        await pilot.press("space", "down", "space", "up")
        await shows(pilot, "2: = compares")
        keys = {each.action.id: each.keys for each in applicable_actions(pilot.app.screen)}
    assert (keys["runs.resume"], keys["runs.compare"]) == ("R", "=")
    assert {"runs.filter", "runs.sort", "runs.rename", "runs.extend", "runs.delete"} <= set(keys)


@pytest.fixture
def queued(home: Path) -> Iterator[list[RunDirectory]]:
    """Three runs in the queue, and the lock of its supervisor, so that none is started."""
    held = file_lock.try_lock(supervisor_lock(home))
    assert held is not None
    runs = [new_run(home, name, later=n) for n, name in enumerate(("first", "second", "third"))]
    for run in runs:
        queue.enqueue(home, run, device="cpu")
    yield runs
    held.close()


def in_queue(home: Path) -> list[str]:
    return [waiting.run.id.rpartition("-")[2] for waiting in queue.waiting_runs(home)]


async def test_the_queue_is_ordered_by_keys(home: Path, queued: list[RunDirectory]):
    async with host(home).run_test(size=LARGE) as pilot:
        await shows(pilot, "◔ queued 1", "◔ queued 3", "position 3; waiting for the supervisor")
        await pilot.press("less_than_sign")  # the third, which is the newest run
        await until(pilot, lambda: in_queue(home) == ["first", "third", "second"])
        await shows(pilot, "position 2")
        await pilot.press("h")
        await shows(pilot, "held 2", "held: by hand")
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: in_queue(home) == ["first", "second", "third"])
        await shows(pilot, "held 3")
        await pilot.press("h")
        await shows(pilot, "queued 3")
        await pilot.press("s")
        await shows(pilot, "Take third out of the queue?", "Out of the queue")
        await pilot.press("n")
        await until(pilot, lambda: in_queue(home) == ["first", "second"])
        await shows(pilot, "■ stopped")


async def test_archived_runs_leave_the_list_and_come_back(home: Path, three: list[RunDirectory]):
    async with host(home).run_test(size=SMALL) as pilot:
        await shows(pilot, "lost", "a archive")
        await pilot.press("a")
        await until(pilot, lambda: "lost" not in table_text(pilot))
        assert three[2].archived.exists()
        await pilot.press("A")
        await shows(pilot, "1 archived: a brings back")
        await until(pilot, lambda: "demo-train" not in table_text(pilot))
        await pilot.press("a")
        await shows(pilot, "0 archived: a brings back")
        await pilot.press("A")
        await until(pilot, lambda: "lost" in table_text(pilot))


def table_text(pilot: Pilot[Any]) -> str:
    table = pilot.app.screen.query_one(RunTable)
    return "\n".join(str(table.get_row_at(row)) for row in range(table.row_count))


async def test_a_search_is_shown_with_its_trials(home: Path):
    folder = search_folder(home)
    write_results(folder / "results.json", RESULTS)
    text = "kind: training\nname: best\ndata: {path: x}\nlora: {r: 16}\n"
    (folder / "best.yaml").write_text(text)
    app = host(home)
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "No runs yet.")
        await pilot.press("v")
        await shows(pilot, "Search s", "done", "1 *", "0.002", "pruned", "75%")
        await pilot.press("down", "down")
        await shows(pilot, "paused at step 8")
        await pilot.press("b")
        await until(pilot, lambda: bool(app.calls))
    ((kind, values),) = app.calls
    assert kind == "training"
    assert isinstance(values, dict)
    assert values["lora"] == {"r": 16}


def keys_to(goal: str) -> list[str]:
    return next(path.keys for path in KEY_PATHS if path.goal == goal)


async def test_why_a_run_failed_and_a_comparison_are_as_near_as_the_help_says(
    home: Path, three: list[RunDirectory]
):
    app = DeepsynthApp(home, mode="training")
    async with app.run_test(size=LARGE) as pilot:
        first, *rest = keys_to("compare the two newest runs")
        await pilot.press(first)
        await shows(pilot, "lost", "demo-train")
        await pilot.press(*rest)
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("escape")
        first, *rest = keys_to("why the newest run failed")
        await pilot.press(first, "home", *rest)
        await shows(pilot, "crashed", "ended without an error message")
