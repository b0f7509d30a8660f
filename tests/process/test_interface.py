"""The interface may die in any way: the run goes on, and another one can attach to it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deepsynth_tui.runs.control import stop_and_wait
from deepsynth_tui.runs.directory import RunDirectory, list_runs, read_identity
from deepsynth_tui.runs.summary import summarize
from tests.process.terminal import Terminal

PROGRAM = [sys.executable, "-m", "deepsynth_tui"]
F3, F5, F10 = "\x1bOR", "\x1b[15~", "\x1b[21~"
DOWN, CTRL_E = "\x1b[B", "\x05"
LEAVES_ALTERNATE_SCREEN = b"\x1b[?1049l"
STOPS_MOUSE_REPORTS = b"\x1b[?1000l"
MORE_STEPS = 3

pytestmark = pytest.mark.slow


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.05)


def step_of(run: RunDirectory) -> int:
    return summarize(run).last_step or 0


def training_runs(home: Path) -> list[RunDirectory]:
    return [run for run in list_runs(home) if read_identity(run).kind == "training"]


def wait_for_steps(run: RunDirectory) -> None:
    """Wait until the run has made more steps."""
    before = step_of(run)
    wait_until(lambda: step_of(run) >= before + MORE_STEPS)


@pytest.fixture
def endless(home: Path, pages: Path) -> Path:
    """A home whose training form holds a run that never ends by itself."""
    draft = home / "drafts" / "training.yaml"
    draft.parent.mkdir(parents=True)
    draft.write_text(
        "kind: training\n"
        "name: endless\n"
        "model: {name_or_path: builtin:tiny-vlm, dtype: float32}\n"
        f"data: {{path: {pages}}}\n"
        "training: {max_steps: 1000000, bf16: false, gradient_checkpointing: false,\n"
        "  per_device_train_batch_size: 1, gradient_accumulation_steps: 1, save_steps: 1000000}\n"
    )
    return home


def test_a_run_outlives_the_interface_and_can_be_attached(endless: Path):
    try:
        with Terminal(PROGRAM) as terminal:
            terminal.press(F3)
            terminal.wait_for(lambda text: "endless" in text and "✓ ready" in text)
            terminal.press(F5)
            wait_until(lambda: any(step_of(run) > 0 for run in training_runs(endless)))
            terminal.signal(signal.SIGKILL)
            terminal.wait_until_gone()
        (run,) = training_runs(endless)
        wait_for_steps(run)

        with Terminal([*PROGRAM, "attach", "endless"]) as terminal:
            terminal.wait_for(lambda text: "endless" in text and "loss" in text)
            terminal.hang_up()
            terminal.wait_until_gone()
        wait_for_steps(run)

        with Terminal([*PROGRAM, "attach", run.id], size=(80, 24)) as terminal:
            terminal.wait_for(lambda text: "endless" in text and "running" in text)
            terminal.press(F10)
            terminal.wait_until_gone()
            assert f"deepsynth-tui attach {run.id}" in terminal.output.decode()
        wait_for_steps(run)
    finally:
        for run in training_runs(endless):
            stop_and_wait(run, grace=20)
    assert summarize(run).state == "stopped"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_leaves_the_terminal_clean(number: signal.Signals):
    with Terminal(PROGRAM) as terminal:
        terminal.wait_for(lambda text: "Training" in text)
        terminal.signal(number)
        terminal.wait_until_gone()
        assert LEAVES_ALTERNATE_SCREEN in terminal.output
        assert STOPS_MOUSE_REPORTS in terminal.output


def test_a_hang_up_ends_the_interface_although_the_signal_is_ignored():
    ignoring = "import signal, os, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    start = "os.execv(sys.executable, [sys.executable, '-m', 'deepsynth_tui'])"
    with Terminal([sys.executable, "-c", ignoring + start]) as terminal:
        terminal.wait_for(lambda text: "Training" in text)
        terminal.hang_up()
        terminal.wait_until_gone(seconds=10)


def test_an_instruction_is_edited_in_an_editor_and_the_screen_comes_back(tmp_path: Path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "editing $1"\nprintf "Read.\\nAll of it.\\n" > "$1"\n')
    editor.chmod(0o755)
    with Terminal(PROGRAM, env={"VISUAL": "", "EDITOR": str(editor)}) as terminal:
        terminal.wait_for(lambda text: "Text column" in text and "no documents chosen" in text)
        terminal.press(DOWN)
        terminal.press(DOWN)
        terminal.wait_for(lambda text: "Instruction for each document" in text)
        terminal.press(CTRL_E)
        text = terminal.wait_for(lambda text: "All of it." in text)
        assert "Text column" in text, "the whole screen is drawn again"
        assert b"editing " in terminal.output
        terminal.press("!")
        terminal.wait_for(lambda text: "All of it.!" in text)
