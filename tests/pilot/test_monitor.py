"""The view of one run, over real run directories."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from deepsynth_tui.runs import control
from deepsynth_tui.runs.directory import RunDirectory
from deepsynth_tui.runs.events import EventLog
from deepsynth_tui.tui.app import DeepsynthApp
from deepsynth_tui.tui.screens.monitor import MonitorScreen, poll_seconds
from deepsynth_tui.tui.screens.stop import StopDialog
from deepsynth_tui.tui.widgets.log_pane import MAX_LINES, LogLines, LogPane
from deepsynth_tui.tui.widgets.metric_chart import MetricChart
from deepsynth_tui.tui.widgets.sample_pane import SamplePane
from tests.pilot.recorded_runs import (
    START,
    alive,
    append,
    console,
    drawing,
    drawn,
    ended,
    evaluations,
    finish,
    new_run,
    on_gpu,
    training,
    vanished,
)
from tests.pilot.screen_host import CountingClock, ScreenHost, text_of, until

SMALL, LARGE = (80, 24), (120, 36)


def host(home: Path, run: RunDirectory, now: float | None = 81.0) -> ScreenHost:
    """The monitor of `run`; `now` is START plus so much, None is the real clock."""
    if now is None:
        return ScreenHost(home, lambda: MonitorScreen(run))
    return ScreenHost(home, lambda: MonitorScreen(run, clock=lambda: START + now))


def monitor(app: ScreenHost) -> MonitorScreen:
    """The monitor, under a dialog or not."""
    return next(screen for screen in app.screen_stack if isinstance(screen, MonitorScreen))


async def shows(pilot: Pilot[Any], *texts: str) -> None:
    """Wait until all of `texts` stand on the screen."""
    await until(pilot, lambda: all(text in text_of(pilot.app.screen) for text in texts))


@pytest.fixture
def running(home: Path) -> RunDirectory:
    """A training run at step 74 of 120, its process alive."""
    run = new_run(home, "demo-train")
    append(run, list(training(74)))
    run.console.write_text(console(74))
    alive(run, "training", at=80)
    return run


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_running_run_at_a_glance(home: Path, running: RunDirectory, size: tuple[int, int]):
    app = host(home, running)
    async with app.run_test(size=size) as pilot:
        await shows(
            pilot,
            "● training   demo-train   step 74/120  61 %",
            "1.0 steps/s  ends ",
            "(45 s)",
            "1.3 GiB",
            "train 0.960",
            "eval 1.397",
            "step   74  loss 0.9600",
            "following",
        )
        for text in ("sample 1/1", "CPU (no GPU)", "grad norm"):
            assert (text in text_of(app.screen)) == (size == LARGE)
        assert ("4.513 → 0.960" in text_of(app.screen)) == (size == SMALL)


async def test_it_follows_a_job_that_writes(home: Path):
    run = new_run(home, "live")
    alive(run, "starting")
    app = host(home, run, now=None)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "live", "The curve starts at the first training step.")
        with EventLog(run.events) as log:
            log.write("phase", name="training", detail="")
            alive(run, "training")
            log.write("progress", done=1, total=50, unit="steps")
            log.write("metric", step=1, loss=3.25, learning_rate=1e-4)
            await shows(pilot, "step 1/50", "3.250 → 3.250", "● training")
            log.write("progress", done=2, total=50, unit="steps")
            log.write("metric", step=2, loss=2.75)
            await shows(pilot, "step 2/50", "3.250 → 2.750")

        whole = json.dumps({"seq": 99, "t": START, "kind": "metric", "step": 3, "loss": 1.5})
        with run.events.open("a") as half:
            half.write(whole[:30])
        with run.console.open("a") as printed:
            printed.write("a line that comes after the half event\n")
        await shows(pilot, "a line that comes after the half event", "3.250 → 2.750")
        with run.events.open("a") as half:
            half.write(f"{whole[30:]}\n")
        await shows(pilot, "3.250 → 1.500")
        assert "unreadable" not in text_of(app.screen)


async def test_opened_again_it_shows_the_same(home: Path, running: RunDirectory):
    texts: list[str] = []
    for _ in range(2):
        app = host(home, running)
        async with app.run_test(size=LARGE) as pilot:
            await shows(pilot, "step   74  loss 0.9600", "step 74/120")
            texts.append(text_of(app.screen))
    assert texts[0] == texts[1]


async def test_nothing_is_painted_while_nothing_changes(home: Path, running: RunDirectory):
    clock = CountingClock(81)
    app = ScreenHost(home, lambda: MonitorScreen(running, clock=clock))
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "step 74/120")
        await clock.polls(pilot, 2)
        before, painted = monitor(app).snapshot, app.painted
        for beat in range(3):
            alive(running, "training", at=80.0 + beat / 10)
            await clock.polls(pilot, 1)
        assert monitor(app).snapshot is before
        assert app.painted == painted

        with running.console.open("a") as printed:
            printed.write("a new line\n")
        await shows(pilot, "a new line")
        assert app.painted > painted


async def test_done_says_where_the_adapter_is_and_how_to_load_it(home: Path):
    run = new_run(home, "demo-train")
    append(run, [*training(120), *finish(126, run)])
    ended(run)
    app = host(home, run, now=200)
    async with app.run_test(size=(160, 30)) as pilot:
        await shows(
            pilot,
            "✓ done",
            "adapter",
            "demo-train/adapter",
            "not verified",
            "y copy path",
            "u try",
            "t train on",
            "Rain fills the",
            "took 2 min 08 s",
        )
        assert "ends" not in text_of(app.screen).splitlines()[1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [(True, "verified"), (False, "loaded again: no effect yet")],
)
async def test_done_says_whether_the_reloaded_adapter_has_an_effect(
    home: Path, changes: bool, sentence: str
):
    run = new_run(home, "checked")
    results = {"path": str(run.adapter), "verification": {"changes_the_base": changes}}
    append(run, [*training(3), (126, "done", {"verdict": "completed", **results})])
    ended(run)
    async with host(home, run, now=200).run_test(size=(160, 30)) as pilot:
        await shows(pilot, sentence)


async def test_failed_says_why_and_what_to_do(home: Path, running: RunDirectory):
    error = {"class": "OutOfMemoryError", "message": "CUDA out of memory", "advice": "Lower it."}
    append(running, [(81, "error", error), (81, "done", {"verdict": "failed"})])
    ended(running)
    async with host(home, running).run_test(size=SMALL) as pilot:
        await shows(pilot, "✗ failed", "CUDA out of memory", "Lower it.", "--resume", "step   74")


async def test_crashed_shows_the_last_lines_and_the_likely_cause(home: Path, running: RunDirectory):
    with running.console.open("a") as printed:
        printed.write("Fatal Python error: Segmentation fault\n")
    vanished(running)
    app = host(home, running)
    async with app.run_test(size=LARGE) as pilot:
        await shows(
            pilot, "✗ crashed", "Native code (a library or a driver) crashed", "Fatal Python error"
        )
        held = app.screen.query_one(LogPane).lines
        assert [line.split("loss")[0].strip() for line in held[-20:-1]] == [
            f"step   {step}" for step in range(56, 75)
        ]


async def test_a_process_that_vanished_without_a_line_may_have_been_killed(home: Path):
    run = new_run(home, "silent")
    append(run, list(training(3)))
    vanished(run)
    async with host(home, run).run_test(size=SMALL) as pilot:
        await shows(pilot, "✗ crashed", "was killed by SIGKILL", "dmesg", "last used 1.3 GiB")


async def test_a_dead_process_is_noticed_while_watching(home: Path, running: RunDirectory):
    async with host(home, running).run_test(size=SMALL) as pilot:
        await shows(pilot, "● training")
        vanished(running)
        await shows(pilot, "✗ crashed")


async def test_unresponsive_is_a_state_of_its_own(home: Path, running: RunDirectory):
    async with host(home, running, now=200).run_test(size=SMALL) as pilot:
        await shows(pilot, "? no response", "s offers to end it")


async def test_waiting_names_the_other_run_and_its_progress(home: Path):
    pages = new_run(home, "pages", "dataset")
    append(pages, list(drawing(12)))
    alive(pages, "drawing", at=15)
    run = new_run(home, "train-after", after=pages.id)
    phase = {"name": "waiting", "detail": f"for {pages.id}"}
    append(run, [(0, "phase", {"name": "starting"}), (1, "phase", phase)])
    alive(run, "waiting", at=15)
    async with host(home, run, now=16).run_test(size=SMALL) as pilot:
        await shows(pilot, "◌ waiting", "pages: running, drawing, 12 of 40 documents")
        append(pages, [(16, "progress", {"done": 20, "total": 40, "unit": "documents"})])
        await shows(pilot, "20 of 40 documents")


async def test_a_dataset_run_has_its_own_figures_and_a_key_to_train_on_it(home: Path):
    run = new_run(home, "pages", "dataset")
    append(run, list(drawing(12)))
    alive(run, "drawing", at=15)
    app = host(home, run, now=16)
    async with app.run_test(size=SMALL) as pilot:
        await shows(
            pilot, "● drawing", "12/40 documents  30 %", "1.0 documents/s", "left out, and warnings"
        )
        assert not app.screen.query_one(MetricChart).display
        append(run, list(drawn(run)))
        ended(run)
        await shows(pilot, "✓ done", "55 pages", "t train on")
        await pilot.press("t")
        await until(pilot, lambda: bool(app.calls))
    assert app.calls == [("dataset", str(run.dataset))]


async def test_an_incomplete_dataset_run_shows_the_command_that_resumes_it(home: Path):
    run = new_run(home, "pages", "dataset")
    append(run, list(drawing(12)))
    vanished(run)
    async with host(home, run, now=16).run_test(size=LARGE) as pilot:
        await shows(pilot, "✗ crashed", "Resume", "deepsynth-tui generate", "--resume")
        append(run, [(17, "done", {"verdict": "stopped", "partial": "there.partial"})])
        ended(run)
        await shows(pilot, "■ stopped", "there.partial", "deepsynth-tui generate", "--resume")


async def test_it_moves_on_to_the_run_that_waited(home: Path):
    pages = new_run(home, "pages", "dataset")
    append(pages, list(drawing(12)))
    alive(pages, "drawing", at=15)
    after = new_run(home, "train-after", after=pages.id)
    app = host(home, pages, now=16)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "● drawing")
        append(pages, list(drawn(pages)))
        ended(pages)
        await until(pilot, lambda: app.calls == [("run", after.id)])
        assert not isinstance(app.screen, MonitorScreen)


async def test_it_does_not_move_on_while_the_log_is_scrolled_up(home: Path):
    pages = new_run(home, "pages", "dataset")
    append(pages, list(drawing(12)))
    pages.console.write_text(console(60))
    alive(pages, "drawing", at=15)
    after = new_run(home, "train-after", after=pages.id)
    app = host(home, pages, now=16)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "step   60")
        await pilot.press("pageup")
        await shows(pilot, "paused")
        append(pages, list(drawn(pages)))
        ended(pages)
        await shows(pilot, "✓ done")
        assert app.calls == []
        await pilot.press("n")
        await until(pilot, lambda: app.calls == [("run", after.id)])


async def test_stop_asks_once_names_the_run_and_escape_only_closes(
    home: Path, running: RunDirectory
):
    app = host(home, running)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "● training")
        focused = app.focused
        await pilot.press("s")
        await shows(pilot, "Stop demo-train?", "After the next checkpoint", "Now", "Close")
        assert isinstance(app.screen, StopDialog)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is monitor(app))
        assert control.pending_request(running) is None
        assert app.focused is focused


@pytest.mark.parametrize(
    ("keys", "request_left", "shown"),
    [
        (("c",), "stop-after-checkpoint", "◐ stopping after the next checkpoint"),
        (("enter",), "stop-after-checkpoint", "◐ stopping after the next checkpoint"),
        (("n",), "stop", "◐ stopping   demo-train"),
        (("down", "enter"), "stop", "◐ stopping   demo-train"),
        (("down", "down", "enter"), None, "● training"),
    ],
)
async def test_stop_leaves_the_request_that_was_chosen(
    home: Path, running: RunDirectory, keys: tuple[str, ...], request_left: str | None, shown: str
):
    app = host(home, running)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "● training")
        alive(running, "training")
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, StopDialog))
        await pilot.press(*keys)
        await until(pilot, lambda: control.pending_request(running) == request_left)
        await shows(pilot, shown)


async def test_a_run_that_ended_cannot_be_stopped(home: Path):
    run = new_run(home, "demo-train")
    append(run, [*training(120), *finish(126, run)])
    ended(run)
    app = host(home, run, now=200)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "✓ done")
        await pilot.press("s")
        await pilot.pause()
        assert app.screen is monitor(app)
        assert "s" not in app.screen.active_bindings


async def test_escape_goes_back_and_stops_nothing(home: Path, running: RunDirectory):
    app = host(home, running)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "● training")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, MonitorScreen))
        assert control.pending_request(running) is None


async def test_copy_sends_osc_52_and_names_the_file(home: Path, running: RunDirectory):
    app = host(home, running)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "step   74")
        written: list[str] = []
        assert app._driver is not None
        app._driver.write = written.append  # type: ignore[method-assign]
        await pilot.press("c")
        copied = home / "copied" / f"{running.id}.log"
        await until(pilot, lambda: copied.exists() and any("\x1b]52;" in w for w in written))
        sent = next(w for w in written if "\x1b]52;" in w).split(";")[2].rstrip("\a")
        assert base64.b64decode(sent).decode() == copied.read_text() == console(74)
        (toast,) = app._notifications
        assert str(copied) in toast.message


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_samples_take_the_place_of_the_log(
    home: Path, running: RunDirectory, size: tuple[int, int]
):
    async with host(home, running).run_test(size=size) as pilot:
        await shows(pilot, "step   74")
        await pilot.press("v")
        await shows(pilot, "qq__ zx", "Rain fills the valley's wells.")
        assert "following" not in text_of(pilot.app.screen)
        assert pilot.app.screen.query_one(SamplePane).outer_size.width == size[0]
        await pilot.press("v")
        await shows(pilot, "following")


async def test_warnings_are_on_the_screen(home: Path, running: RunDirectory):
    append(running, [(81, "warning", {"message": "3 rows were skipped\x1b[2J"})])
    async with host(home, running).run_test(size=SMALL) as pilot:
        await shows(pilot, "! 3 rows were skipped")
        assert "\x1b" not in text_of(pilot.app.screen)


async def test_a_flood_is_bounded_and_the_screen_answers(home: Path, running: RunDirectory):
    app = host(home, running)
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "step   74")
        lines = app.screen.query_one(LogLines)
        for start in range(0, 20_000, 4000):
            with running.console.open("a") as printed:
                printed.write(console(4000, first=1000 + start))
            await pilot.press("v", "v")
        await until(pilot, lambda: lines.lines[-1].startswith("step 20999"))
        assert lines.line_count <= MAX_LINES
        assert any("lines left out here" in line for line in lines.lines)
        assert "● training" in text_of(app.screen)


async def test_the_state_stays_visible_in_a_tiny_terminal(home: Path, running: RunDirectory):
    async with host(home, running).run_test(size=(44, 10)) as pilot:
        await shows(pilot, "● training   demo-train", "step 74/120", "step   74")


async def test_a_deleted_run_is_reported(home: Path, running: RunDirectory):
    app = host(home, running)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "● training")
        running.identity.unlink()
        await until(pilot, lambda: any("deleted" in toast.title for toast in app._notifications))


async def test_tab_reaches_every_widget_and_comes_back(home: Path, running: RunDirectory):
    app = host(home, running)
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "● training", "sample 1/1")
        first, focused = app.focused, []
        for _ in range(len(app.screen.focus_chain)):
            focused.append(app.focused)
            await pilot.press("tab")
        assert app.focused is first
        assert set(focused) == set(app.screen.focus_chain)


def test_over_ssh_it_polls_half_as_often(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    local = poll_seconds()
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    assert poll_seconds() == 2 * local


def test_no_heavy_library_is_in_the_process(home: Path, running: RunDirectory):
    """A process of its own draws the whole screen, chart and samples included."""
    script = f"""
import asyncio, sys
from pathlib import Path
from deepsynth_tui.runs.directory import open_run
from tests.pilot.test_monitor import LARGE, host, shows

async def main():
    async with host(Path({str(home)!r}), open_run(Path({str(running.path)!r}))).run_test(
        size=LARGE
    ) as pilot:
        await shows(pilot, "train 0.960", "sample 1/1")

asyncio.run(main())
assert "plotext" in sys.modules
heavy = {{"torch", "numpy", "PIL", "transformers", "datasets", "pyarrow"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Panes


async def test_z_shows_the_focused_pane_alone_and_tab_the_next_one(
    home: Path, running: RunDirectory
):
    async with host(home, running).run_test(size=LARGE) as pilot:
        await shows(pilot, "step   74", "loss (smoothed)", "sample 1/1")
        await pilot.press("z")
        await until(pilot, lambda: "sample 1/1" not in text_of(pilot.app.screen))
        assert pilot.app.screen.query_one(LogPane).size.height > 30
        await pilot.press("tab")
        await shows(pilot, "loss (smoothed)")
        assert pilot.app.screen.query_one(MetricChart).outer_size.height == LARGE[1] - 3
        await pilot.press("shift+tab", "escape")
        await shows(pilot, "step   74", "loss (smoothed)", "sample 1/1")
        assert isinstance(pilot.app.screen, MonitorScreen)


async def test_every_pane_can_be_zoomed_in_a_small_terminal(home: Path, running: RunDirectory):
    async with host(home, running).run_test(size=SMALL) as pilot:
        await shows(pilot, "step   74")
        assert "CPU (no GPU)" not in text_of(pilot.app.screen)
        await pilot.press("z", "tab")
        for title in ("loss (smoothed)", "lr", "grad norm", "exact", "CER", "CPU (no GPU)"):
            await shows(pilot, f"╭─ {title} ─", "● training")
            await pilot.press("tab")
        await shows(pilot, "sample 1/1")


async def test_the_state_is_visible_at_any_size(home: Path, running: RunDirectory):
    for size in ((60, 16), (80, 24), (200, 50)):
        async with host(home, running).run_test(size=size) as pilot:
            await shows(pilot, "● training   demo-train", "step 74/120")
            await pilot.press("z")
            await shows(pilot, "● training   demo-train", "step 74/120")


async def test_a_gpu_shows_memory_beside_its_prediction(home: Path):
    run = new_run(home, "on-gpu")
    parts = sorted([*training(20), *on_gpu(20)], key=lambda event: event[0])
    append(run, parts)
    alive(run, "training", at=25)
    async with host(home, run, now=26).run_test(size=LARGE) as pilot:
        await shows(
            pilot, "GPU 0 NVIDIA H200", "85 %", "18.4/141 GiB (predicted 18.0 GiB)", "61 °C"
        )


async def test_an_answer_is_seen_changing_and_arrows_turn_to_the_next_page(
    home: Path, running: RunDirectory
):
    append(running, list(evaluations("91.2", "97.12")))
    async with host(home, running).run_test(size=LARGE) as pilot:
        await shows(pilot, "sample 1/2", "qq__ zx")
        await pilot.press("right")
        await shows(pilot, "sample 2/2", "want     97.12", "step 20  9", "step 40  97.12  ok")
        await pilot.press("left")
        await shows(pilot, "sample 1/2")


async def test_a_key_before_the_run_has_been_read_is_not_lost(home: Path, running: RunDirectory):
    app = DeepsynthApp(home, mode="runs", open_run=running)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen))
        assert isinstance(app.screen, MonitorScreen)
        await shows(pilot, "loss (smoothed)")
        app.screen.snapshot = None  # as before the first reading
        await pilot.press("l")
        append(running, list(evaluations("91.2")))
        await until(pilot, lambda: app.screen.query_one(MetricChart).log_scale)


async def test_l_and_o_change_the_scale_and_the_smoothing(home: Path, running: RunDirectory):
    async with host(home, running).run_test(size=LARGE) as pilot:
        await shows(pilot, "loss (smoothed)")
        await pilot.press("l")
        await shows(pilot, "loss (smoothed, log)")
        await pilot.press("o")
        await shows(pilot, "loss (log)")


async def test_the_last_comparable_run_is_beside_the_loss(home: Path):
    text = "kind: training\nmodel: {name_or_path: a/b}\ndata: {path: /d}\n"
    former = new_run(home, "former", config_text=text)
    append(former, list(training(120)))
    run = new_run(home, "now", config_text=text, later=1)
    append(run, list(training(30)))
    alive(run, "training", at=35)
    async with host(home, run, now=36).run_test(size=(160, 36)) as pilot:
        await shows(pilot, "─ former ", " @ 30 (+0%)")


async def test_m_chooses_the_metrics_and_remembers_them(home: Path, running: RunDirectory):
    async with host(home, running).run_test(size=LARGE) as pilot:
        await shows(pilot, "grad norm")
        await pilot.press("m")
        await shows(pilot, "Metrics beside the loss")
        await pilot.press("space", "escape")  # the first is the learning rate
        await until(pilot, lambda: "╭─ lr" not in text_of(pilot.app.screen))
    async with host(home, running).run_test(size=LARGE) as pilot:
        await shows(pilot, "grad norm")
        assert "╭─ lr" not in text_of(pilot.app.screen)


async def test_slash_searches_the_log_and_w_filters_levels(home: Path, running: RunDirectory):
    with running.console.open("a") as printed:
        printed.write("UserWarning: odd\nValueError: worse\n")
    async with host(home, running).run_test(size=SMALL) as pilot:
        await shows(pilot, "worse")
        await pilot.press("slash", *"loss 0.91")
        await shows(pilot, "/loss 0.91: 1 of 76 lines", "step   70")
        await pilot.press("escape")
        await shows(pilot, "worse", "step   74")
        await pilot.press("w")
        await shows(pilot, "warnings and errors: 2 of 76 lines")
        await pilot.press("w")
        await shows(pilot, "errors: 1 of 76 lines")
        await pilot.press("w")
        await shows(pilot, "step   74")
        assert isinstance(pilot.app.screen, MonitorScreen)


async def test_a_dataset_run_shows_its_page_and_why_documents_were_left_out(home: Path):
    run = new_run(home, "pages", "dataset")
    written = {"documents": 10, "pages": 14, "rows": 10, "left_out": {"empty text": 2}}
    append(run, [*drawing(12), (14.5, "page", {"lines": ["⣿⣿⣿"]}), (14.6, "drawn", written)])
    alive(run, "drawing", at=15)
    async with host(home, run, now=16).run_test(size=LARGE) as pilot:
        await shows(pilot, "2  empty text", "pages written      14", "⣿⣿⣿")


async def test_y_copies_the_path_and_t_trains_on_from_the_adapter(home: Path):
    run = new_run(home, "demo-train", config_text="kind: training\nname: x\nlora: {r: 8}\n")
    append(run, [*training(120), *finish(126, run)])
    ended(run)
    app = host(home, run, now=200)
    async with app.run_test(size=SMALL) as pilot:
        await shows(pilot, "✓ done", "y copy path")
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard == str(run.adapter))
        await pilot.press("Y")
        await until(pilot, lambda: app.clipboard.startswith("peft.PeftModel"))
        await pilot.press("t")
        await until(pilot, lambda: bool(app.calls))
    ((kind, values),) = app.calls
    assert kind == "training"
    assert isinstance(values, dict)
    assert values["lora"] == {"r": 8, "init_from": str(run.adapter)}


async def test_u_asks_for_a_page_to_try_the_adapter(home: Path):
    run = new_run(home, "demo-train")
    append(run, [*training(120), *finish(126, run)])
    ended(run)
    async with host(home, run, now=200).run_test(size=SMALL) as pilot:
        await shows(pilot, "✓ done", "u try")
        await pilot.press("u")
        await shows(pilot, "an image, or a document whose text is drawn")
        await pilot.press(*"none.png", "enter")
        await shows(pilot, "There is no file none.png")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MonitorScreen))


async def test_the_mode_bar_is_on_the_monitor(home: Path, running: RunDirectory):
    async with host(home, running).run_test(size=SMALL) as pilot:
        await shows(pilot, "F2  Dataset", "F3  Training", "F4 [Runs]")
