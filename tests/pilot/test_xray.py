"""The X-ray screen, with the real child process on a real dataset."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from textual.containers import VerticalScroll

from deepsynth_tui.child_process import ChildError
from deepsynth_tui.config.load import check_values
from deepsynth_tui.config.training import TrainingConfig
from deepsynth_tui.training.xray import client
from deepsynth_tui.tui.screens.xray import XrayScreen
from tests.pilot.forms import form_app
from tests.pilot.screen_host import ScreenHost, text_of, until
from tests.training.small_datasets import row, write


def _config(dataset: Path, **data: Any) -> TrainingConfig:
    checked = check_values(
        {
            "kind": "training",
            "name": "look",
            "model": {"name_or_path": "builtin:tiny-vlm"},
            "data": {"path": str(dataset), **data},
        }
    )
    assert isinstance(checked.config, TrainingConfig)
    return checked.config


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write(tmp_path / "data", [row(number) for number in range(2)])


async def test_the_first_batch_is_shown_scrolls_and_closes(home: Path, dataset: Path) -> None:
    app = ScreenHost(home, lambda: XrayScreen(_config(dataset)))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, XrayScreen))
        assert "Making the first batch" in text_of(app.screen)
        await app.workers.wait_for_complete()
        await until(pilot, lambda: "1 row of " in text_of(app.screen))
        scroll = app.screen.query_one(VerticalScroll)
        await pilot.press("end")
        await until(pilot, lambda: scroll.scroll_y == scroll.max_scroll_y > 0)
        assert "<|im_end|>" in text_of(app.screen)
        await pilot.resize_terminal(120, 36)
        await pilot.press("home")
        await until(pilot, lambda: "16 placeholders, 16 features: equal" in text_of(app.screen))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, XrayScreen))


async def test_closing_ends_the_process(
    home: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[str]] = []

    class Recorded(subprocess.Popen[str]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    app = ScreenHost(home, lambda: XrayScreen(_config(dataset)))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(started))
        await pilot.press("escape")
        await until(pilot, lambda: started[0].poll() is not None)
        assert started[0].returncode == -signal.SIGKILL


async def test_an_error_is_shown_with_its_advice(
    home: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(config: TrainingConfig) -> None:
        raise ChildError("row 3 is [red]too long\x1b[2J", "Make it shorter.")

    monkeypatch.setattr(client, "request_xray_async", fail)
    app = ScreenHost(home, lambda: XrayScreen(_config(dataset)))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Make it shorter." in text_of(app.screen))
        assert "row 3 is [red]too long\\x1b[2J" in text_of(app.screen)


async def test_a_form_with_problems_has_no_xray(home: Path) -> None:
    async with form_app(home) as pilot:
        await pilot.press("escape", "x")
        await pilot.pause()
        assert not isinstance(pilot.app.screen, XrayScreen)
        assert [toast.title for toast in pilot.app._notifications] == ["Cannot show the X-ray yet"]
